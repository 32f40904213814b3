/* What the AVX512-BF16 files share; AMX, which no processor has without it, adds a tile of its own. */
#ifndef TLEG_LIB_KERNELS_X86_AVX512BF16_H
#define TLEG_LIB_KERNELS_X86_AVX512BF16_H

#include "kernels/x86/avx512.h"

#if defined(__x86_64__)
#define TLEG_AVX512BF16 __attribute__((target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#define TLEG_AVX512BF16_INLINE                                                                                                 \
    static inline __attribute__((always_inline, target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))

/* The epilogue from sums in memory, for output of bf16 too. */
void tleg_avx512bf16_store(const struct tleg_tile *tile, float sum[][TLEG_AVX512_NR]);
void tleg_avx512bf16_tile(const struct tleg_tile *tile);
void tleg_avx512bf16_pack(int64_t rows, int64_t k, const float *in, int64_t in_stride, int64_t steps, void *out);
void tleg_avx512bf16_interleave_f32(int64_t rows, int64_t cols, const float *in, int64_t in_stride, int64_t steps, void *out,
                                    int64_t wide);
void tleg_avx512bf16_interleave_narrow(int64_t rows, int64_t cols, const void *in, int64_t in_stride, int64_t steps, void *out,
                                       int64_t wide);
void tleg_avx512bf16_transpose_steps(int64_t rows, int64_t cols, const void *in, int64_t in_stride, void *out,
                                     int64_t out_stride);
void tleg_avx512bf16_softmax(int64_t rows, int64_t keys, float scale, const float *s, int64_t s_stride, int64_t steps, void *p,
                             float *inverse);
/* Of AMX's tile: two by two of its registers' sums, and pairs of a step of its instruction. */
enum { TLEG_AMX_MR = 32, TLEG_AMX_UNIT = 16 };
void tleg_amx_tile(const struct tleg_tile *tile);
TLEG_EACH_OP(TLEG_OP_NONE, TLEG_OP_DECLARE, TLEG_OP_NONE, TLEG_OP_NONE, avx512bf16)

#endif
#endif
