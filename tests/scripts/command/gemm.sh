#!/bin/sh
# The command and its BLAS: loaded for who asks, and for nobody else; every verb with little address space and without further
# threads.   gemm.sh TLEG
tleg=$1
golden=$PWD/tests/golden
# shellcheck source=tests/scripts/command/checks.sh
. "$(dirname "$0")/checks.sh"
gene=$golden/mean.gene.safetensors images=$golden/images-16.safetensors

# ---- who multiplies ----
try 0 run $gene --depth 4 --input $images -o auto.st
try 0 run $gene --depth 4 --input $images -o own.st --gemm own
! grep -qE ' (avx2|asimd)( |$)' /proc/cpuinfo || same auto.st own.st
try 2 run $gene --depth 4 --input $images -o no.st --gemm mkl
says err "--gemm takes one of auto, own, blas"
try 0 check --gemm own
must test -z "$(grep '^blas' out)"

readelf -dW "$tleg" | grep NEEDED >needed
must test -z "$(grep -E 'blas|blis' needed)" # the build that links one is variant.sh's
try 0 check
known=$(grep -c '^blas .* ok$' out)
if grep -q 'the BLAS is not checked' err; then
    echo "SKIP gemm with a BLAS: $(cat err)"
elif [ "$known" = 0 ]; then
    echo "SKIP gemm with a BLAS: this build knows none"
    try 1 run $gene --depth 4 --input $images -o no.st --gemm blas
    says err "this build knows no BLAS"
else
    try 0 run $gene --depth 4 --input $images -o blas.st --gemm blas --threads 2
    must test "$(wc -c <blas.st)" = "$(wc -c <own.st)"
    try 0 check --gemm blas --level portable
    must test "$(grep -c ' ok$' out)" -eq 2
    must test "$(grep -c '^blas .* ok$' out)" -eq 1
    # A BLAS whose library has gone since: said, and nothing else is touched by that.
    soname=$(strings "$tleg" | grep -xE 'lib(openblas|blis)\.so[.0-9]*' | head -n 1)
    if [ -n "$soname" ]; then
        echo broken >"$soname"
        LD_LIBRARY_PATH=$PWD "$tleg" run $gene --depth 4 --input $images -o no.st --gemm blas 2>err
        must test $? -eq 1
        says err "--gemm blas: "
        says err "$soname"
        LD_LIBRARY_PATH=$PWD "$tleg" run $gene --depth 4 --input $images -o again.st >out 2>err
        must test $? -eq 0
        rm "$soname"
    fi
fi

# ---- a processor with portable kernels alone: the BLAS serves it unasked ----
emulator=$(command -v qemu-x86_64-static || command -v qemu-x86_64)
if [ "$known" = 0 ] || [ -z "$emulator" ] || [ "$(uname -m)" != x86_64 ] || nm -D "$tleg" 2>/dev/null | grep -qE '__(asan|tsan)_init'; then
    echo "SKIP gemm on a processor with portable kernels alone: no BLAS, no qemu-x86_64, or a sanitizer"
else
    for gemm in auto own blas; do
        now="tleg run --gemm $gemm on a Nehalem"
        "$emulator" -cpu Nehalem "$tleg" run $gene --depth 4 --input $images -o nehalem-$gemm.st --gemm $gemm >out 2>err
        must test $? -eq 0
    done
    same nehalem-auto.st nehalem-blas.st
    must test "$(wc -c <nehalem-own.st)" = "$(wc -c <nehalem-blas.st)"
fi

# ---- little address space ----
if nm -D "$tleg" 2>/dev/null | grep -qE '__(asan|tsan)_init'; then
    echo "SKIP gemm with little address space: a sanitizer takes terabytes of it"
else
    # check computes with three threads, which have stacks.
    for room in 400000 170000 120000 60000; do
        for words in "--version" "info $gene" "run $gene --depth 4 --input $images -o small.st" "expand $gene --depth 2 -o model.st" \
            "check --level portable" "plan $gene" "bench $gene --depth 2 --runs 1"; do
            [ "$room:${words%% *}" != 60000:check ] || continue
            now="tleg $words, in $room KiB of address space"
            # shellcheck disable=SC2086,SC3045 # words are wanted; dash, bash and busybox have ulimit -v
            (ulimit -v $room && exec timeout 60 "$tleg" $words >out 2>err)
            must test $? -eq 0
        done
        same own.st small.st
    done
    if [ "$known" != 0 ]; then
        now="tleg run --gemm blas, in 120000 KiB of address space"
        # shellcheck disable=SC3045
        (ulimit -v 120000 && exec timeout 60 "$tleg" run $gene --depth 4 --input $images -o no.st --gemm blas >out 2>err)
        must test $? -eq 1
        says err "of address space for each thread"
        now="tleg check, in 120000 KiB of address space"
        # shellcheck disable=SC3045
        (ulimit -v 120000 && exec timeout 60 "$tleg" check >out 2>err)
        must test $? -eq 0
        says err "the BLAS is not checked"
    fi
fi

# ---- no further process or thread: a user who may have none ----
if [ "$(id -u)" != 0 ] || ! command -v python3 >/dev/null; then
    echo "SKIP gemm without further threads: needs root, and python3 to become another user"
else
    chmod 777 .
    cp "$tleg" tleg && cp $gene gene.st && cp $images images.st && chmod a+r ./*.st
    for words in "info gene.st" "run gene.st --depth 4 --input images.st -o few.st" "run gene.st --depth 4 --input images.st --gemm blas --threads 2 -o no.st"; do
        now="tleg $words, without further threads"
        # shellcheck disable=SC2086
        timeout 60 python3 -c '
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # which takes a thread
os.setgid(65534)
os.setuid(65534)
os.execv("./tleg", ["tleg"] + sys.argv[1:])' $words >out 2>err
        code=$?
        case $words in
        *blas*)
            must test $code -eq 1
            must test "$(grep -c '' err)" -eq 1
            ;;
        *)
            must test $code -eq 0
            must test ! -s err
            ;;
        esac
    done
    same own.st few.st
fi
echo "$checks checks, $failures failed"
[ $failures -eq 0 ]
