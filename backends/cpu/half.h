/* f16 and bf16 as bits: one value at a time, branch-free so that loops vectorise. Rounding is to nearest, ties to even;
 * NaN stays NaN. convert.h has the loops over many. */
#ifndef CRESSET_BACKENDS_CPU_HALF_H
#define CRESSET_BACKENDS_CPU_HALF_H

#include <stdint.h>

#ifndef CPU_INLINE
#define CPU_INLINE static inline __attribute__((always_inline))
#endif

CPU_INLINE uint32_t cpu_bits_f32(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {.f = x};
    return v.u;
}

CPU_INLINE float cpu_f32_bits(uint32_t u)
{
    union {
        uint32_t u;
        float f;
    } v = {.u = u};
    return v.f;
}

CPU_INLINE uint64_t cpu_bits_f64(double x)
{
    union {
        double f;
        uint64_t u;
    } v = {.f = x};
    return v.u;
}

CPU_INLINE double cpu_f64_bits(uint64_t u)
{
    union {
        uint64_t u;
        double f;
    } v = {.u = u};
    return v.f;
}

/* Exponent and mantissa move up 13 bits; the product corrects the bias, and makes subnormals right as well. */
CPU_INLINE float cpu_f32_of_f16(uint16_t h)
{
    float wide = cpu_f32_bits((uint32_t)(h & 0x7fff) << 13) * 0x1p112f;
    uint32_t bits = cpu_bits_f32(wide) | (wide >= 65536.0f ? 0x7f800000u : 0);
    return cpu_f32_bits(bits | (uint32_t)(h & 0x8000) << 16);
}

CPU_INLINE uint16_t cpu_f16_of_f32(float x)
{
    uint32_t u = cpu_bits_f32(x), sign = u & 0x80000000u, a = u ^ sign;
    uint32_t small = cpu_bits_f32(cpu_f32_bits(a) + 0.5f) - 0x3f000000u; /* the sum rounds */
    uint32_t normal = (a + 0xc8000fffu + (a >> 13 & 1)) >> 13;
    uint32_t h = a < 0x38800000u ? small : normal;
    h = a >= 0x47800000u ? 0x7c00 : h;
    h = a > 0x7f800000u ? 0x7e00 : h;
    return (uint16_t)(h | sign >> 16);
}

CPU_INLINE float cpu_f32_of_bf16(uint16_t h)
{
    return cpu_f32_bits((uint32_t)h << 16);
}

CPU_INLINE uint16_t cpu_bf16_of_f32(float x)
{
    const uint32_t u = cpu_bits_f32(x), rounded = u + 0x7fff + (u >> 16 & 1);
    return (uint16_t)((x != x ? u | 0x400000u : rounded) >> 16);
}

#endif
