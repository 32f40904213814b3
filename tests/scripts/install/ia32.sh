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
    -r -nostdlib -o "$scratch/library.o" || exit 1
program() {
    $cc -O1 -Wall -Werror -Iinclude "$2" "$scratch/library.o" -static -o "$1" -lpthread -lm || exit 1
}
program "$scratch/program" tests/consumers/consumer.c
"$scratch/program" tests/golden/mean.gene.safetensors tests/golden/images-16.safetensors tests/golden/mean-4.out.safetensors || exit 1
# Sizes that 32 bits do not hold are an error, wherever they wrap around: a batch's tokens (65 of an image), rows, logits, gradients.
cat >"$scratch/sizes.c" <<'SIZES'
#include <stdio.h>
#include <tleg/tleg.h>
#include <tleg/train.h>
int main(void) {
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = 32, .patch_size = 4, .dim = 16, .heads = 2, .classes = 1 << 18, .class_token = 1};
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    if (tleg_context_create(NULL, &context) != TLEG_OK || tleg_learngene_create(context, &config, 1, &gene) != TLEG_OK ||
        tleg_expander_create(context, gene, NULL, &expander) != TLEG_OK ||
        tleg_expander_expand(context, expander, 1, &model) != TLEG_OK)
        return printf("%s\n", tleg_context_get_error(context));
    for (int32_t batch = 1; batch < INT32_MAX / 9 * 8; batch += batch / 8 + 1) {
        tleg_session_options session = {.struct_size = sizeof session, .batch = batch};
        tleg_trainer_options trainer = {.struct_size = sizeof trainer, .batch = batch, .depth_least = 2};
        uint64_t bytes = 0;
        const uint64_t least = (uint64_t)batch * 65 * 16 * sizeof(float); /* one array of activations */
        tleg_status status = tleg_session_get_memory(context, model, &session, &bytes);
        if (status != TLEG_ERROR_MEMORY && (status != TLEG_OK || least > UINT32_MAX || bytes > UINT32_MAX))
            return printf("session, batch %d: %s\n", (int)batch, tleg_status_name(status));
        status = tleg_trainer_get_memory(context, gene, &trainer, &bytes);
        const int beyond = batch > 1 << 20 && status == TLEG_ERROR_ARGUMENT;
        if (status != TLEG_ERROR_MEMORY && !beyond && (status != TLEG_OK || bytes > UINT32_MAX))
            return printf("trainer, batch %d: %s\n", (int)batch, tleg_status_name(status));
    }
    return 0;
}
SIZES
program "$scratch/sizes" "$scratch/sizes.c"
"$scratch/sizes" || exit 1
$cc -O1 -Iinclude tests/abi/layout.c -static -o "$scratch/layout" && "$scratch/layout" >"$scratch/log" || exit 1 # no struct is padded

cmake -S . -B "$scratch/build" "-DCMAKE_C_COMPILER=${cc%% *}" "-DCMAKE_C_FLAGS=${cc#"${cc%% *}"} -mfpmath=387 -idirafter /usr/include" \
    >"$scratch/log" 2>&1 && echo "CMake accepts the x87 unit" && exit 1
grep -q 'msse2 -mfpmath=sse' "$scratch/log" || {
    cat "$scratch/log"
    exit 1
}
