/* The register tile of bf16 pairs: one vdpbf16ps adds both products of 16 pairs to 16 sums in f32. */
#include "kernels/x86/avx512bf16.h"
#include "kernels/x86/tile_avx512.h"

#if defined(__x86_64__)

TLEG_AVX512BF16_INLINE __m512 add(__m512 sum, __m512 x, __m512 y) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)y);
}

/* ---- output of bf16 ---- */

/* GELU(x) = max(x, 0) - |x| * Phi(-|x|) for what is rounded to bf16 behind it: the tail Phi(-a) is a polynomial of degree 2 in
 * a on each of 16 segments around multiples of 0.3, the last of which is 0. Error below 5e-5, and 1.5e-4 of the value from -1
 * on, where the rounding's is 2e-3. Adding 2^23 to a / 0.3 leaves the segment's number in the low bits. */
TLEG_AVX512_INLINE __m512 gelu_narrow(__m512 x) {
    const __m512 c0 = _mm512_setr_ps(0.500006974F, 0.501334429F, 0.509640574F, 0.520000279F, 0.515666664F, 0.480017096F,
                                     0.409253746F, 0.315316379F, 0.218253896F, 0.135483786F, 0.0754489452F, 0.0377376229F,
                                     0.0169785656F, 0.00688172923F, 0.00251647481F, 0);
    const __m512 c1 = _mm512_setr_ps(-0.399778485F, -0.41455242F, -0.451994509F, -0.480588406F, -0.473235548F, -0.42097494F,
                                     -0.335357606F, -0.238882959F, -0.152352855F, -0.087184839F, -0.0448675901F, -0.0208076369F,
                                     -0.00871153921F, -0.00329776993F, -0.00113023678F, 0);
    const __m512 c2 = _mm512_setr_ps(0.0148973977F, 0.0568970926F, 0.0994740576F, 0.119247876F, 0.116171248F, 0.0970012844F,
                                     0.0710864738F, 0.0463042855F, 0.0270121731F, 0.0141813345F, 0.00672261231F, 0.00288437842F,
                                     0.00112207001F, 0.000396294869F, 0.0001272027F, 0);
    __m512 a = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(4.5F));
    __m512i segment = _mm512_castps_si512(_mm512_fmadd_ps(a, _mm512_set1_ps(1 / 0.3F), _mm512_set1_ps(8388608.0F)));
    __m512 tail = _mm512_fmadd_ps(a, _mm512_permutexvar_ps(segment, c2), _mm512_permutexvar_ps(segment, c1));
    tail = _mm512_fmadd_ps(a, tail, _mm512_permutexvar_ps(segment, c0));
    /* With NaN, min gives 4.5 and max its second operand. */
    return _mm512_fnmadd_ps(a, tail, _mm512_max_ps(_mm512_setzero_ps(), x));
}

#define quick_gelu_narrow(x) tleg_avx512_quick_gelu_of(x)
#define gelu_tanh_narrow(x) tleg_avx512_gelu_tanh_of(x)
#define silu_narrow(x) tleg_avx512_silu_of(x)
#define relu_narrow(x) tleg_avx512_relu_of(x)

/* An activation of what is rounded to bf16 after it. */
TLEG_AVX512_INLINE __m512 activated_narrow(const enum tleg_activation activation, __m512 x) {
    switch (activation) {
#define CASE(level, NAME, name)                                                                                                \
    case TLEG_ACTIVATION_##NAME:                                                                                               \
        return name##_narrow(x);
        TLEG_EACH_ACTIVATION(CASE, )
    default:
        return x;
    }
}

/* 16 columns of row r, before they are rounded. */
TLEG_AVX512_INLINE __m512 finished(const struct tleg_tile *tile, int32_t r, __m512 bias, __m512 sum,
                                   const enum tleg_activation activation) {
    __m512 y = _mm512_fmadd_ps(sum, _mm512_set1_ps(tile->scale ? tile->scale[r] : 1.0F), bias);
    return activated_narrow(activation, y);
}

TLEG_AVX512BF16_INLINE void store_narrow(const struct tleg_tile *tile, float sum[][NR], const enum tleg_activation activation,
                                         const bool scaled) {
    uint16_t *out = (uint16_t *)(void *)tile->out;
    const __mmask32 lanes = (__mmask32)(UINT64_MAX >> (64 - tile->cols));
    const __mmask16 low_lanes = (__mmask16)lanes, high_lanes = (__mmask16)(lanes >> 16);
    __m512 low = _mm512_setzero_ps(), high = low, low_factor = low, high_factor = low;
    if (tile->bias) {
        low = _mm512_maskz_loadu_ps(low_lanes, tile->bias);
        high = _mm512_maskz_loadu_ps(high_lanes, tile->bias + 16);
    }
    if (scaled) {
        low_factor = _mm512_maskz_loadu_ps(low_lanes, tile->column_scale);
        high_factor = _mm512_maskz_loadu_ps(high_lanes, tile->column_scale + 16);
    }
    for (int32_t r = 0; r < tile->rows; r++, out += tile->out_stride) {
        __m512 right = finished(tile, r, high, _mm512_load_ps(sum[r] + 16), activation);
        __m512 left = finished(tile, r, low, _mm512_load_ps(sum[r]), activation);
        if (scaled) {
            right = _mm512_mul_ps(right, high_factor);
            left = _mm512_mul_ps(left, low_factor);
        }
        _mm512_mask_storeu_epi16(out, lanes, (__m512i)_mm512_cvtne2ps_pbh(right, left));
    }
}

/* One copy for each activation. */
#define STORES(level, NAME, name)                                                                                              \
    TLEG_AVX512BF16 static void store_##name(const struct tleg_tile *tile, float sum[][NR]) {                                  \
        if (tile->column_scale)                                                                                                \
            store_narrow(tile, sum, TLEG_ACTIVATION_##NAME, true);                                                             \
        else                                                                                                                   \
            store_narrow(tile, sum, TLEG_ACTIVATION_##NAME, false);                                                            \
    }
STORES(avx512bf16, NONE, none)
TLEG_EACH_ACTIVATION(STORES, avx512bf16)

TLEG_AVX512BF16 void tleg_avx512bf16_store(const struct tleg_tile *tile, float sum[][NR]) {
#define STORES_ROW(level, NAME, name) [TLEG_ACTIVATION_##NAME] = store_##name,
    static void (*const stores[TLEG_ACTIVATIONS])(const struct tleg_tile *tile, float sum[][NR]) = {
        STORES_ROW(avx512bf16, NONE, none) TLEG_EACH_ACTIVATION(STORES_ROW, avx512bf16)};
    if (tile->narrow_out)
        stores[tile->activation](tile, sum);
    else
        tleg_avx512_store(tile, sum);
}

/* ---- the tile ---- */

/* A tile of `rows` rows; `wide`: of more than 16 columns. Pairs are moved as floats. Row r is the row r % 3 behind at[r / 3]:
 * an address adds no more than twice the distance of rows to a register. */
TLEG_AVX512BF16_INLINE void run(const struct tleg_tile *tile, const int rows, const bool wide) {
    __m512 low[MR], high[MR];
#define ZERO(r) low[r] = high[r] = _mm512_setzero_ps();
    EACH_ROW(ZERO)
    const int64_t step = tile->a_step, row = tile->a_row;
    const float *b = tile->b, *at[] = {tile->a, tile->a + 3 * row, tile->a + 6 * row, tile->a + 9 * row, tile->a + 12 * row};
    const char *prefetch = tile->prefetch ? tile->prefetch : (const char *)b;
    const int64_t line = tile->prefetch ? 64 : 0;
    for (int64_t i = tile->k; i > 0; i--, b += NR, prefetch += line) {
        _mm_prefetch(prefetch, _MM_HINT_T1);
        const __m512 b_low = _mm512_loadu_ps(b), b_high = wide ? _mm512_loadu_ps(b + 16) : b_low;
#define ADD(r)                                                                                                                 \
    if (r < rows) {                                                                                                            \
        const __m512 x = _mm512_set1_ps(at[r / 3][r % 3 * row]);                                                               \
        low[r] = add(low[r], x, b_low);                                                                                        \
        if (wide)                                                                                                              \
            high[r] = add(high[r], x, b_high);                                                                                 \
    }
        EACH_ROW(ADD)
        at[0] += step;
        at[1] += step;
        at[2] += step;
        at[3] += step;
        at[4] += step;
    }
    finish(tile, rows, wide, low, high, tleg_avx512bf16_store);
}

TILES(TLEG_AVX512BF16, tleg_avx512bf16_tile)

#endif
