/* exp of f32 by whole vectors, within 1 ulp of the exact value (tests measure it) and right for NaN, infinities and subnormals: for the
 * kernels whose time is mostly exp's. It is cpu_math.h's algorithm, with AVX-512's scaling by a power of two, which does in one
 * instruction what takes eight without it and what compilers do not come to from a loop over one value at a time. */
#ifndef CRESSET_BACKENDS_CPU_VF_MATH_H
#define CRESSET_BACKENDS_CPU_VF_MATH_H

#include "simd.h"

#include <math.h>

/* The first n lanes, 0 <= n <= VF_LANES, of x; the others become `other`. */
CPU_INLINE vf vf_head(vf x, int n, float other)
{
#if defined __AVX512F__
    return (vf)_mm512_mask_mov_ps(_mm512_set1_ps(other), (__mmask16)((1u << n) - 1), (__m512)x);
#else
    for (int i = n; i < VF_LANES; i++)
        x[i] = other;
    return x;
#endif
}

/* The largest lane; some lane or NaN where one is NaN. */
CPU_INLINE float vf_largest(vf x)
{
#if defined __AVX512F__
    return _mm512_reduce_max_ps((__m512)x);
#else
    float most = x[0];
    for (int i = 1; i < VF_LANES; i++)
        most = x[i] > most ? x[i] : most;
    return most;
#endif
}

/* The largest of n numbers, minus infinity of none. In four parts at once, for a comparison waits for the one before it. NaN may be
 * lost: exp finds it again. */
CPU_INLINE float vf_largest_of(const float *x, int64_t n)
{
    vf top[4] = {vf_all(-INFINITY), vf_all(-INFINITY), vf_all(-INFINITY), vf_all(-INFINITY)};
    int64_t j = 0;
    for (; j + 4 * VF_LANES <= n; j += 4 * VF_LANES)
        for (int k = 0; k < 4; k++)
            top[k] = vf_max(top[k], vf_load(x + j + k * VF_LANES));
    for (; j + VF_LANES <= n; j += VF_LANES)
        top[0] = vf_max(top[0], vf_load(x + j));
    const int rest = (int)(n - j);
    top[1] = vf_max(top[1], vf_head(vf_load_part(x + j, rest), rest, -INFINITY));
    return vf_largest(vf_max(vf_max(top[0], top[1]), vf_max(top[2], top[3])));
}

/* 2^n x for whole n in -150…128, subnormal results rounded once. */
CPU_INLINE vf vf_scale(vf x, vf n, vf shifted)
{
#if defined __AVX512F__
    return (vf)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
    /* By halves, for 2^n itself may be subnormal; n is in the low bits of `shifted`. */
    vi e = (vi)shifted - 0x4b400000, half = e >> 1;
    return x * (vf)((half + 127) << 23) * (vf)((e - half + 127) << 23);
#endif
}

/* exp(x) = 2^n exp(r), n the nearest whole number to x / ln 2, of x between `least` and 89. */
CPU_INLINE vf vf_exp_from(vf x, float least)
{
    x = vf_max(vf_all(least), vf_min(vf_all(89.0f), x)); /* in this order NaN stays */
    vf shifted = x * 1.44269504f + 0x1.8p23f, n = shifted - 0x1.8p23f;
    vf r = x - n * 0x1.62e4p-1f;
    r = r - n * 0x1.7f7d1cp-20f;
    vf p = 1.98756915e-4f * r + 1.39819995e-3f;
    p = p * r + 8.33345186e-3f;
    p = p * r + 4.16657962e-2f;
    p = p * r + 1.66666657e-1f;
    p = p * r + 5.00000000e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return vf_scale(p, n, shifted);
}

CPU_INLINE vf vf_exp(vf x)
{
    return vf_exp_from(x, -104.0f);
}

/* exp(x) but for results that are subnormal, which are 0: processors take a hundred times as long for one of those, and what many
 * minus infinities go through would be. */
CPU_INLINE vf vf_exp_normal(vf x)
{
    const float least = -87.336544f; /* ln 2^-126 */
    const vf e = vf_exp_from(x, least);
#if defined __AVX512F__
    return (vf)_mm512_mask_mov_ps((__m512)e,
                                  _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(least), _CMP_LT_OQ),
                                  _mm512_setzero_ps());
#else
    return (vf)((vi)e & ~(vi)(x < least));
#endif
}

#endif
