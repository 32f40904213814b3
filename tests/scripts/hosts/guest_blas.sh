#!/bin/sh
# Hosts with a BLAS of their own that they hand to the library: the suite, once with each of Debian's builds of OpenBLAS and BLIS.
#     guest_blas.sh TEST-PROGRAM
failed=0 ran=0
for kind in openblas-pthread openblas-openmp openblas-serial blis-pthread blis-openmp blis-serial; do
    found=
    for library in /usr/lib/*/"$kind"/lib"${kind%-*}".so.[0-9]*; do
        [ -e "$library" ] || continue
        found=$library
    done
    if [ -z "$found" ]; then
        case $kind in
        blis-*) package=libblis4-${kind#blis-} ;;
        *) package=libopenblas0-${kind#openblas-} ;;
        esac
        echo "SKIP guest_blas with $kind: $package is not installed"
        continue
    fi
    ran=$((ran + 1))
    echo "$found"
    "$1" "$found" || failed=1
done
[ $ran -gt 0 ] || exit 77
exit $failed
