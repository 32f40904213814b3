#!/bin/sh
# 32-bit x86 with SSE2: compiles without a warning, and a program built with it answers right. Without SSE2 for floats CMake refuses.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cc=
for compiler in i686-linux-gnu-gcc 'gcc -m32'; do
    echo 'int main(void) { return 0; }' | $compiler -x c -static - -o "$scratch/probe" 2>/dev/null && "$scratch/probe" && cc=$compiler && break
done
[ -n "$cc" ] || {
    echo "SKIP ia32: no compiler for 32-bit x86 whose programs run here (Debian: gcc-i686-linux-gnu, libc6-dev-i386-cross)"
    exit 77
}
# jsmn.h lies in the system's own folder, which another processor's compiler does not look into.
$cc -O1 -msse2 -mfpmath=sse -ffp-contract=off -Wall -Werror -Wno-psabi -Iinclude -Ilib -idirafter /usr/include lib/*/*.c lib/*/*/*.c \
    tests/consumers/consumer.c -static -o "$scratch/program" -lpthread -lm || exit 1
"$scratch/program" tests/golden/mean.gene.safetensors tests/golden/images-16.safetensors tests/golden/mean-4.out.safetensors || exit 1
$cc -O1 -Iinclude tests/abi/layout.c -static -o "$scratch/layout" && "$scratch/layout" >"$scratch/log" || exit 1 # no struct is padded

cmake -S . -B "$scratch/build" "-DCMAKE_C_COMPILER=${cc%% *}" "-DCMAKE_C_FLAGS=${cc#"${cc%% *}"} -mfpmath=387 -idirafter /usr/include" \
    >"$scratch/log" 2>&1 && echo "CMake accepts the x87 unit" && exit 1
grep -q 'msse2 -mfpmath=sse' "$scratch/log" || {
    cat "$scratch/log"
    exit 1
}
