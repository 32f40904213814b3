/* What the AVX512-BF16 files share. */
#ifndef TLEG_LIB_KERNELS_X86_AVX512BF16_H
#define TLEG_LIB_KERNELS_X86_AVX512BF16_H

#include "kernels/x86/avx512.h"

#define TLEG_AVX512BF16 __attribute__((target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#define TLEG_AVX512BF16_INLINE                                                                                                 \
    static inline __attribute__((always_inline, target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))

void tleg_avx512bf16_tile(const struct tleg_tile *tile);
void tleg_avx512bf16_pack(int64_t rows, int64_t k, const float *in, int64_t in_stride, void *out);
void tleg_avx512bf16_fold(int64_t rows, int64_t cols, const float *in, int64_t in_stride, void *out, int64_t wide);
void tleg_avx512bf16_expand(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out);

#endif
