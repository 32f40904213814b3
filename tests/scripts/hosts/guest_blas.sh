#!/bin/sh
# The suite of hosts with OpenBLAS of their own, once with each of Debian's builds of it.   guest_blas.sh TEST-PROGRAM OR none
[ "$1" != none ] || { echo "SKIP guest_blas: a build without OpenBLAS"; exit 77; }
failed=0 ran=0
for kind in pthread openmp serial; do
    found=
    for library in /usr/lib/*/"openblas-$kind"/libopenblas.so.0; do
        [ -e "$library" ] || continue
        found=$library
    done
    if [ -z "$found" ]; then
        echo "SKIP guest_blas with $kind: libopenblas0-$kind is not installed"
        continue
    fi
    ran=$((ran + 1))
    LD_PRELOAD=$found "$1" || failed=1
done
[ $ran -gt 0 ] || exit 77
exit $failed
