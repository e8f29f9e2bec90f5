/* exp for f32 as straight code that the compiler vectorises; error below 1.5 ulp. */
#ifndef CRESSET_BACKENDS_CPU_NN_MATH_H
#define CRESSET_BACKENDS_CPU_NN_MATH_H

#include <stdint.h>

/* exp(x) = 2^n exp(r) with n the nearest integer to x / ln 2; 2^n is applied in two halves so that subnormal results
 * come out. NaN stays NaN, since every comparison with it is false. */
static inline __attribute__((always_inline)) float nn_expf(float x)
{
    const float round =
        12582912.0f; /* 1.5 · 2^23: adding it rounds to an integer in the low bits */
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    float shifted = x * 1.44269504f + round, n = shifted - round;
    float r = x - n * 0.693145752f;
    r = r - n * 1.42860677e-6f;
    float p = 1.98756915e-4f;
    p = p * r + 1.39819995e-3f;
    p = p * r + 8.33345186e-3f;
    p = p * r + 4.16657962e-2f;
    p = p * r + 1.66666657e-1f;
    p = p * r + 5.00000000e-1f;
    p = p * r * r + r + 1.0f;
    union {
        float f;
        uint32_t u;
    } s = {.f = shifted}, a, b;
    int32_t e = (int32_t)(s.u - 0x4b400000u), half = e >> 1;
    a.u = ((uint32_t)half + 127u) << 23;
    b.u = ((uint32_t)e - (uint32_t)half + 127u) << 23;
    return p * a.f * b.f;
}

/* erf as straight code, error below 3 ulp: x times a polynomial in x² up to 1, beyond it 1 - exp(-p(x)) with p fitted to
 * -log(1 - erf) on [1, 4]; both by interpolation at Chebyshev's points. */
static inline __attribute__((always_inline)) float nn_erff(float x)
{
    float s = x * x, size = x < 0 ? -x : x, t = size > 4.0f ? 4.0f : size;
    float near = -9.67359028e-06f;
    near = near * s + 1.12682537e-4f;
    near = near * s - 8.48439653e-4f;
    near = near * s + 5.22105341e-3f;
    near = near * s - 2.68654383e-2f;
    near = near * s + 1.12837826e-1f;
    near = near * s - 3.76126385e-1f;
    near = (near * s + 1.12837917f) * x;
    float far = -1.61406162e-6f;
    far = far * t + 4.55906227e-5f;
    far = far * t - 5.9276954e-4f;
    far = far * t + 4.74022235e-3f;
    far = far * t - 2.63647174e-2f;
    far = far * t + 1.09978245e-1f;
    far = far * t + 6.31937094e-1f;
    far = far * t + 1.13016668f;
    far = far * t - 3.03212983e-4f;
    far = 1.0f - nn_expf(-far);
    far = x < 0 ? -far : far;
    return size <= 1.0f ? near : x != x ? x : far;
}

#endif
