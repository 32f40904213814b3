/* The register tile of bf16 pairs: one vdpbf16ps adds both products of 16 pairs to 16 sums in f32. */
#if defined(__x86_64__)
#include "kernels/x86/avx512bf16.h"
#include "kernels/x86/tile_avx512.h"

TLEG_AVX512BF16_INLINE __m512 add(__m512 sum, __m512 x, __m512 y) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)y);
}

/* A tile of `rows` rows; `wide`: of more than 16 columns. Pairs are moved as floats. */
TLEG_AVX512BF16_INLINE void run(const struct tleg_tile *tile, const int rows, const bool wide) {
    __m512 low[MR], high[MR];
#define ZERO(r) low[r] = high[r] = _mm512_setzero_ps();
    EACH_ROW(ZERO)
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    const char *ahead = tile->ahead ? tile->ahead : (const char *)b;
    const int64_t line = tile->ahead ? 64 : 0;
    for (int64_t i = tile->k; i > 0; i--, a += step, b += NR, ahead += line) {
        _mm_prefetch(ahead, _MM_HINT_T1);
        const __m512 b_low = _mm512_loadu_ps(b), b_high = wide ? _mm512_loadu_ps(b + 16) : b_low;
#define ADD(r)                                                                                                                 \
    if (r < rows) {                                                                                                            \
        const __m512 x = _mm512_set1_ps(a[r]);                                                                                 \
        low[r] = add(low[r], x, b_low);                                                                                        \
        if (wide)                                                                                                              \
            high[r] = add(high[r], x, b_high);                                                                                 \
    }
        EACH_ROW(ADD)
    }
    finish(tile, rows, wide, low, high);
}

TILES(TLEG_AVX512BF16, tleg_avx512bf16_tile)

#else
typedef int tleg_no_tile_avx512bf16; /* a file with nothing in it is no C */
#endif
