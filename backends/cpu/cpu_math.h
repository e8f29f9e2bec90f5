/* Elementary functions of f32, branch-free so that a loop around them vectorises, within 2 ulp of the exact value (tests
 * measure them) and right for NaN, infinities, signed zeros and subnormals. Those that need more than f32's digits on the
 * way compute in f64. The inverse trigonometric and the special functions stay with the C library. */
#ifndef CRESSET_BACKENDS_CPU_MATH_H
#define CRESSET_BACKENDS_CPU_MATH_H

#include <math.h>

#include "half.h"

/* ---- f64 inside ---- */

/* 2^n for whole n in -1022..1023. */
CPU_INLINE double cpu_pow2_d(double n)
{
    return cpu_f64_bits((uint64_t)((int64_t)(int32_t)n + 1023) << 52);
}

CPU_INLINE double cpu_round_d(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* exp(r) - 1 for |r| <= ln 2 / 2: the series, to 1e-15. */
CPU_INLINE double cpu_expm1_core_d(double r)
{
    double p = 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    return p * r * r + r;
}

/* For results that go back to f32: |x| beyond 150 (or 220 in 2^x) is as good as infinite. NaN passes the comparisons. */
CPU_INLINE double cpu_exp_d(double x)
{
    x = x > 150 ? 150 : x;
    x = x < -150 ? -150 : x;
    double n = cpu_round_d(x * 0x1.71547652b82fep0);
    double r = (x - n * 0x1.62e42fefa39efp-1) - n * 0x1.abc9e3b39803fp-56;
    return (cpu_expm1_core_d(r) + 1.0) * cpu_pow2_d(n != n ? 0.0 : n);
}

CPU_INLINE double cpu_exp2_d(double x)
{
    x = x > 220 ? 220 : x;
    x = x < -220 ? -220 : x;
    double n = cpu_round_d(x);
    return (cpu_expm1_core_d((x - n) * 0x1.62e42fefa39efp-1) + 1.0) * cpu_pow2_d(n != n ? 0.0 : n);
}

CPU_INLINE double cpu_expm1_d(double x)
{
    x = x > 150 ? 150 : x;
    x = x < -150 ? -150 : x;
    double n = cpu_round_d(x * 0x1.71547652b82fep0);
    double r = (x - n * 0x1.62e42fefa39efp-1) - n * 0x1.abc9e3b39803fp-56;
    double scale = cpu_pow2_d(n != n ? 0.0 : n);
    return cpu_expm1_core_d(r) * scale + (scale - 1.0);
}

/* log(x) = e ln 2 + 2 artanh(s), s = (m - 1) / (m + 1), m in sqrt(1/2)..sqrt(2); for x normal in f64, as every f32 is. */
CPU_INLINE double cpu_log_d(double x)
{
    uint64_t u = cpu_bits_f64(x) - 0x3fe6a09e667f3bcdu;
    /* The exponent through the low bits of a large number: there is no vector conversion of 64-bit integers before v4. */
    double e = cpu_f64_bits(((u >> 52) ^ 0x800) + 0x4330000000000000u) - (0x1p52 + 2048);
    e = e > 1023 ? e - 4096 : e;
    double m = cpu_f64_bits((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double p = 2.0 / 21;
    p = p * z + 2.0 / 19;
    p = p * z + 2.0 / 17;
    p = p * z + 2.0 / 15;
    p = p * z + 2.0 / 13;
    p = p * z + 2.0 / 11;
    p = p * z + 2.0 / 9;
    p = p * z + 2.0 / 7;
    p = p * z + 2.0 / 5;
    p = p * z + 2.0 / 3;
    double y = e * 0x1.62e42fefa39efp-1 + (p * z * s + 2.0 * s);
    y = x < (double)INFINITY ? y : x; /* NaN too */
    y = x == 0 ? -(double)INFINITY : y;
    return x < 0 ? (double)NAN : y;
}

CPU_INLINE double cpu_log1p_d(double x)
{
    double u = 1.0 + x;
    double y = cpu_log_d(u) + (x - (u - 1.0)) / u;
    return u > 0 && u < (double)INFINITY ? (x == 0 ? x : y) : cpu_log_d(u);
}

/* ---- exponentials ---- */

/* exp(x) = 2^n exp(r), n the nearest whole number to x / ln 2: gives exp(r) and n. */
CPU_INLINE float cpu_exp_part(float x, int32_t *whole)
{
    float shifted = x * 1.44269504f + 0x1.8p23f, n = shifted - 0x1.8p23f;
    float r = x - n * 0x1.62e4p-1f;
    r = r - n * 0x1.7f7d1cp-20f;
    float p = 1.98756915e-4f;
    p = p * r + 1.39819995e-3f;
    p = p * r + 8.33345186e-3f;
    p = p * r + 4.16657962e-2f;
    p = p * r + 1.66666657e-1f;
    p = p * r + 5.00000000e-1f;
    *whole = (int32_t)(cpu_bits_f32(shifted) - 0x4b400000u);
    return p * (r * r) + r + 1.0f;
}

/* exp(x) where that is a normal number, from -87 to 88. */
CPU_INLINE float cpu_exp_normal(float x)
{
    int32_t e;
    float p = cpu_exp_part(x, &e);
    return cpu_f32_bits(cpu_bits_f32(p) + ((uint32_t)e << 23));
}

/* 2^n goes in by halves so that subnormals come out. */
CPU_INLINE float cpu_expf(float x)
{
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    int32_t e;
    float p = cpu_exp_part(x, &e);
    int32_t half = e >> 1;
    float a = cpu_f32_bits(((uint32_t)half + 127u) << 23);
    float b = cpu_f32_bits(((uint32_t)e - (uint32_t)half + 127u) << 23);
    return p * a * b;
}

CPU_INLINE float cpu_exp2f(float x)
{
    return (float)cpu_exp2_d((double)x);
}

CPU_INLINE float cpu_expm1f(float x)
{
    return x == 0 ? x : (float)cpu_expm1_d((double)x);
}

CPU_INLINE float cpu_sinhf(float x)
{
    double a = fabs((double)x), m = cpu_expm1_d(a);
    return copysignf((float)((m + m / (m + 1.0)) * 0.5), x);
}

CPU_INLINE float cpu_coshf(float x)
{
    double e = cpu_exp_d(fabs((double)x));
    return (float)((e + 1.0 / e) * 0.5);
}

/* tanh(x) = x + x³ P(x²) near 0, 1 - 2 / (exp(2|x|) + 1) elsewhere. */
CPU_INLINE float cpu_tanhf(float x)
{
    float a = fabsf(x), s = x * x;
    float p = -5.70498872745e-3f;
    p = p * s + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    float near = p * s * x + x;
    float far = 1.0f - 2.0f / (cpu_expf(2.0f * a) + 1.0f);
    return a < 0.625f ? near : copysignf(far, x);
}

CPU_INLINE float cpu_sigmoidf(float x)
{
    float e = cpu_expf(-fabsf(x));
    return (x < 0 ? e : 1.0f) / (1.0f + e);
}

/* ---- logarithms ---- */

/* log(x) = e ln 2 + f - f²/2 + f³ P(f), 1 + f in sqrt(1/2)..sqrt(2). */
CPU_INLINE float cpu_logf(float x)
{
    float scaled = x < 0x1p-126f ? x * 0x1p23f : x;
    uint32_t u = cpu_bits_f32(scaled) - 0x3f3504f3u;
    float e = (float)((int32_t)u >> 23) - (x < 0x1p-126f ? 23.0f : 0.0f);
    float f = cpu_f32_bits((u & 0x7fffffu) + 0x3f3504f3u) - 1.0f, z = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float y = p * f * z + e * -2.12194440e-4f - 0.5f * z + f + e * 0.693359375f;
    y = x < INFINITY ? y : x;
    y = x == 0 ? -INFINITY : y;
    return x < 0 ? NAN : y;
}

CPU_INLINE float cpu_log2f(float x)
{
    return (float)(cpu_log_d((double)x) * 0x1.71547652b82fep0);
}

CPU_INLINE float cpu_log10f(float x)
{
    return (float)(cpu_log_d((double)x) * 0x1.bcb7b1526e50ep-2);
}

CPU_INLINE float cpu_log1pf(float x)
{
    return (float)cpu_log1p_d((double)x);
}

CPU_INLINE float cpu_asinhf(float x)
{
    double a = fabs((double)x), s = a * a;
    float y = (float)cpu_log1p_d(a + s / (1.0 + sqrt(1.0 + s)));
    return copysignf(a < (double)INFINITY ? y : (float)a, x);
}

CPU_INLINE float cpu_acoshf(float x)
{
    double t = (double)x - 1.0;
    return t < 0 ? NAN : (float)cpu_log1p_d(t + sqrt(t * ((double)x + 1.0)));
}

CPU_INLINE float cpu_atanhf(float x)
{
    double a = fabs((double)x);
    return copysignf((float)(0.5 * cpu_log1p_d(2.0 * a / (1.0 - a))), x);
}

/* x^y = 2^(y log2 |x|), then C's rules for signs, zeros and infinities. */
CPU_INLINE float cpu_powf(float x, float y)
{
    double a = fabs((double)x), b = (double)y;
    double half = b * 0.5, clamped = fabs(half) < 0x1p40 ? half : 0.0;
    /* Whole and odd, by rounding; numbers of 2^24 and more are even. */
    double floor_half = cpu_round_d(clamped), whole = cpu_round_d(2.0 * clamped);
    int is_whole = whole == 2.0 * clamped, is_odd = is_whole & (floor_half != clamped);
    float r = (float)cpu_exp2_d(b * (cpu_log_d(a) * 0x1.71547652b82fep0));
    r = (a == 1.0) & (fabs(b) == (double)INFINITY) ? 1.0f : r;
    r = (cpu_bits_f32(x) >> 31 & (uint32_t)is_odd) ? -r : r;
    r = (x < 0) & (a < (double)INFINITY) & !is_whole ? NAN : r;
    return (y == 0) | (x == 1.0f) ? 1.0f : r;
}

/* ---- circular functions ---- */

/* Beyond this the reduction below loses digits, and loops ask the C library. */
#define CPU_MOST_CIRCULAR 1.0e6f

typedef struct cpu_circle {
    double sin, cos;
    uint32_t quarter;
} cpu_circle;

/* sin and cos of x less its nearest multiple of pi/2, and that multiple. */
CPU_INLINE cpu_circle cpu_circle_of(float x)
{
    double shifted = (double)x * 0x1.45f306dc9c883p-1 + 0x1.8p52, n = shifted - 0x1.8p52;
    double r = ((double)x - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11,
           z = r * r;
    double s = 2.7557319223985893e-6 - z * 2.5052108385441720e-8;
    s = s * z - 1.9841269841269841e-4;
    s = s * z + 8.3333333333333332e-3;
    s = s * z - 1.6666666666666666e-1;
    double c = 2.4801587301587302e-5 - z * (2.7557319223985888e-7 - z * 2.0876756987868100e-9);
    c = c * z - 1.3888888888888889e-3;
    c = c * z + 4.1666666666666664e-2;
    c = c * z - 0.5;
    return (cpu_circle){s * z * r + r, c * z + 1.0, (uint32_t)cpu_bits_f64(shifted)};
}

CPU_INLINE float cpu_sinf(float x)
{
    cpu_circle c = cpu_circle_of(x);
    double y = c.quarter & 1 ? c.cos : c.sin;
    float r = (float)(c.quarter & 2 ? -y : y);
    return x == 0 ? x : r;
}

CPU_INLINE float cpu_cosf(float x)
{
    cpu_circle c = cpu_circle_of(x);
    double y = c.quarter & 1 ? c.sin : c.cos;
    return (float)((c.quarter + 1) & 2 ? -y : y);
}

CPU_INLINE float cpu_tanf(float x)
{
    cpu_circle c = cpu_circle_of(x);
    float r = (float)(c.quarter & 1 ? -c.cos / c.sin : c.sin / c.cos);
    return x == 0 ? x : r;
}

/* ---- the error function ---- */

/* Norbert Juffa's two polynomials. */
CPU_INLINE float cpu_erff(float x)
{
    float t = fabsf(x), s = x * x;
    float r = 3.83197126e-4f - 1.72853470e-5f * t, u = 2.42546219e-2f - 3.88396438e-3f * t;
    r = r * s + u;
    r = r * t - 1.06777877e-1f;
    r = r * t - 6.34846687e-1f;
    r = r * t - 1.28717512e-1f;
    r = r * t - t;
    float far = 1.0f - cpu_expf(t > 10.0f ? -104.0f : r);
    float q = -5.96761703e-4f;
    q = q * s + 4.99119423e-3f;
    q = q * s - 2.67681349e-2f;
    q = q * s + 1.12819925e-1f;
    q = q * s - 3.76125336e-1f;
    q = q * s + 1.28379166e-1f;
    q = q * x + x;
    return t > 0.927734375f ? copysignf(far, x) : q;
}

/* The normal distribution's Φ(x), within 1e-7: exp of a polynomial fitted to log(1 - Φ) on [0, 6.5], beyond it 0 or 1. */
CPU_INLINE float cpu_phif(float x)
{
    float size = fabsf(x), u = size < 6.5f ? size : 6.5f;
    float p = -8.18576140e-8f;
    p = p * u + 2.14867077e-6f;
    p = p * u - 2.19229059e-5f;
    p = p * u + 9.04779299e-5f;
    p = p * u + 2.05312244e-4f;
    p = p * u - 5.05458191e-3f;
    p = p * u + 3.65040116e-2f;
    p = p * u + 3.18258911e-1f;
    p = p * u + 7.97890306e-1f;
    p = p * u + 6.93147063e-1f;
    float tail = cpu_exp_normal(-p);
    tail = size > 6.5f ? 0.0f : tail;
    return x < 0 ? tail : 1.0f - tail;
}

/* The derivative of x Φ(x), within 2e-7: 1 - φ(x) (M(x) - x) for x from 0 on, with φ the normal density and M = (1 - Φ) / φ, Mills'
 * ratio, a polynomial fitted on [0, 6.5] that is constant beyond, where φ is next to nothing. */
CPU_INLINE float cpu_gelu_slopef(float x)
{
    float size = fabsf(x), u = size > 12.0f ? 12.0f : size, v = u < 6.5f ? u : 6.5f;
    float m = 3.81502190e-8f;
    m = m * v - 1.35486050e-6f;
    m = m * v + 2.15545861e-5f;
    m = m * v - 2.04614989e-4f;
    m = m * v + 1.30787643e-3f;
    m = m * v - 6.06199494e-3f;
    m = m * v + 2.16151644e-2f;
    m = m * v - 6.25974461e-2f;
    m = m * v + 1.54250041e-1f;
    m = m * v - 3.32472682e-1f;
    m = m * v + 6.26497209e-1f;
    m = m * v - 9.99988317e-1f;
    m = m * v + 1.25331402f;
    float beyond = cpu_exp_normal(-0.5f * u * u) * 0.398942280f * (m - u);
    return x < 0 ? beyond : 1.0f - beyond;
}

#endif
