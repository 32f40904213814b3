/* The row-wise and element-wise operations with NEON: its vectors, for vector_template.h. */
#include "kernels/arm/neon.h"

#if defined(__aarch64__)

#define LEVEL neon
#define KERNEL
#define INLINE TLEG_NEON_INLINE

enum { WIDTH = 4, NR = TLEG_NEON_NR, UNROLL = 4 };

typedef float32x4_t vec;

#define v_zero() vdupq_n_f32(0)
#define v_set1(f) vdupq_n_f32(f)
#define v_load(p) vld1q_f32(p)
#define v_store(p, y) vst1q_f32(p, y)
#define v_add(a, b) vaddq_f32(a, b)
#define v_sub(a, b) vsubq_f32(a, b)
#define v_mul(a, b) vmulq_f32(a, b)
#define v_div(a, b) vdivq_f32(a, b)
#define v_max(a, b) vmaxq_f32(a, b)
#define v_fma(a, b, c) vfmaq_f32(c, a, b)
#define v_fnma(a, b, c) vfmsq_f32(c, a, b)
#define v_sum(x) vaddvq_f32(x)
#define v_exp_low(x) tleg_neon_exp_low(x)
#define v_activated(activation, x) tleg_neon_activated(activation, x)
#define v_slope(activation, x) tleg_neon_slope(activation, x)
#define v_prefetch(p, offset) ((void)(p), (void)(offset)) /* left to the processor */

typedef int64_t some; /* how many: NEON has no masks for memory */

#define v_some(count) (count)
#define v_load_some(p, lanes) tleg_neon_load_first(p, lanes)
#define v_store_some(p, lanes, y) tleg_neon_store_first(p, y, lanes)

INLINE vec v_keep(some lanes, vec x) {
    static const int32_t lane[] = {0, 1, 2, 3};
    uint32x4_t mask = vcgtq_s32(vdupq_n_s32(lanes > WIDTH ? WIDTH : (int32_t)lanes), vld1q_s32(lane));
    return lanes >= WIDTH ? x : vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), mask));
}

typedef uint16x4_t halves;

#define h_load(p) vld1_u16(p)
#define h_store(p, h) vst1_u16(p, h)
#define h_of_f16(x) vreinterpret_u16_f16(vcvt_f16_f32(x))
#define v_of_f16(h) vcvt_f32_f16(vreinterpret_f16_u16(h))
#define v_of_bf16(h) vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(h), 16))

/* As tleg_bf16_from_f32. */
INLINE halves h_of_bf16(vec x) {
    uint32x4_t bits = vreinterpretq_u32_f32(x), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint16x4_t rounded = vaddhn_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
    uint16x4_t quiet = vorr_u16(vshrn_n_u32(bits, 16), vdup_n_u16(0x40));
    return vbsl_u16(vmovn_u32(vceqq_f32(x, x)), rounded, quiet);
}

#include "kernels/vector_template.h"

#endif
