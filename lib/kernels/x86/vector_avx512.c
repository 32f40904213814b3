/* The row-wise and element-wise operations with AVX-512: its vectors, for vector_template.h. */
#include "kernels/x86/avx512.h"

#if defined(__x86_64__)

#define LEVEL avx512
#define KERNEL TLEG_AVX512
#define INLINE TLEG_AVX512_INLINE
#define STREAMS

enum { WIDTH = 16, NR = TLEG_AVX512_NR, UNROLL = 1 };

typedef __m512 vec;

#define v_zero() _mm512_setzero_ps()
#define v_set1(f) _mm512_set1_ps(f)
#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, y) _mm512_storeu_ps(p, y)
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_div(a, b) _mm512_div_ps(a, b)
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_fnma(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define v_sum(x) _mm512_reduce_add_ps(x)
#define v_activated(activation, x) tleg_avx512_activated(activation, x)
#define v_slope(activation, x) tleg_avx512_slope(activation, x)
#define v_prefetch(p, offset) tleg_prefetch(p, offset)
#define v_stream(p, y) _mm512_stream_ps(p, y)

typedef __mmask16 some;

#define v_some(count) tleg_avx512_lanes(count)
#define v_keep(lanes, x) _mm512_maskz_mov_ps(lanes, x)
#define v_load_some(p, lanes) _mm512_maskz_loadu_ps(lanes, p)
#define v_store_some(p, lanes, y) _mm512_mask_storeu_ps(p, lanes, y)

#define v_exp_low(x) tleg_avx512_exp_low(x)

typedef __m256i halves;

#define h_load(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define h_store(p, h) _mm256_storeu_si256((__m256i *)(void *)(p), h)
#define h_of_f16(x) _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_of_f16(h) _mm512_cvtph_ps(h)
#define v_of_bf16(h) _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))
#define h_stream(p, low, high)                                                                                                 \
    _mm512_stream_si512((__m512i *)(void *)(p), _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1))

/* As tleg_bf16_from_f32. */
INLINE halves h_of_bf16(vec x) {
    __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
}

#include "kernels/vector_template.h"

#endif
