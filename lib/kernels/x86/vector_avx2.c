/* The row-wise and element-wise operations with AVX2: its vectors, for vector_template.h. */
#include "kernels/x86/avx2.h"

#if defined(__x86_64__)

#define LEVEL avx2
#define KERNEL TLEG_AVX2
#define INLINE TLEG_AVX2_INLINE
#define STREAMS

enum { WIDTH = 8, NR = TLEG_AVX2_NR, UNROLL = 1 };

typedef __m256 vec;

#define v_zero() _mm256_setzero_ps()
#define v_set1(f) _mm256_set1_ps(f)
#define v_load(p) _mm256_loadu_ps(p)
#define v_store(p, y) _mm256_storeu_ps(p, y)
#define v_add(a, b) _mm256_add_ps(a, b)
#define v_sub(a, b) _mm256_sub_ps(a, b)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_div(a, b) _mm256_div_ps(a, b)
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_fnma(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define v_exp_low(x) tleg_avx2_exp_low(x)
#define v_activated(activation, x) tleg_avx2_activated(activation, x)
#define v_slope(activation, x) tleg_avx2_slope(activation, x)
#define v_prefetch(p, offset) tleg_prefetch(p, offset)
#define v_stream(p, y) _mm256_stream_ps(p, y)

INLINE float v_sum(vec x) {
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

typedef struct {
    __m256i mask;
    int64_t count;
} some;

INLINE some v_some(int64_t count) {
    return (some){tleg_avx2_lanes(count), count};
}

INLINE vec v_keep(some lanes, vec x) {
    return lanes.count >= WIDTH ? x : _mm256_and_ps(x, _mm256_castsi256_ps(lanes.mask));
}

INLINE vec v_load_some(const float *p, some lanes) {
    return lanes.count >= WIDTH ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lanes.mask);
}

/* In pieces: masked stores are slow on some processors, and what packs a tile's rows may not wait for them. */
INLINE void v_store_some(float *p, some lanes, vec y) {
    if (lanes.count >= WIDTH) {
        _mm256_storeu_ps(p, y);
        return;
    }
    __m128 part = _mm256_castps256_ps128(y);
    if (lanes.count & 4) {
        _mm_storeu_ps(p, part);
        p += 4;
        part = _mm256_extractf128_ps(y, 1);
    }
    if (lanes.count & 2) {
        _mm_storel_pi((__m64 *)(void *)p, part);
        p += 2;
        part = _mm_movehl_ps(part, part);
    }
    if (lanes.count & 1)
        _mm_store_ss(p, part);
}

typedef __m128i halves;

#define h_load(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define h_store(p, h) _mm_storeu_si128((__m128i *)(void *)(p), h)
#define h_of_f16(x) _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_of_f16(h) _mm256_cvtph_ps(h)
#define v_of_bf16(h) _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16))
#define h_stream(p, low, high)                                                                                                 \
    _mm256_stream_si256((__m256i *)(void *)(p), _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1))

/* As tleg_bf16_from_f32. */
INLINE halves h_of_bf16(vec x) {
    __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    __m256i words = _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

#include "kernels/vector_template.h"

#endif
