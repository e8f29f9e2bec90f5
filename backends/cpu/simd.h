/* Vectors of f32 as wide as the variant's registers, in the compilers' own notation, with partial loads and stores.
 * Arithmetic on them is written with the plain operators; a·b+c becomes one fused instruction where there is one. */
#ifndef CRESSET_BACKENDS_CPU_SIMD_H
#define CRESSET_BACKENDS_CPU_SIMD_H

#include <stdint.h>

#if defined __AVX512F__
#include <immintrin.h>
enum { VF_LANES = 16 };
#elif defined __AVX2__
#include <immintrin.h>
enum { VF_LANES = 8 };
#else
enum { VF_LANES = 4 };
#endif

#define CPU_INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(VF_LANES * 4)));
typedef float vf_loose __attribute__((vector_size(VF_LANES * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(VF_LANES * 4)));

CPU_INLINE vf vf_load(const float *p)
{
    return *(const vf_loose *)p;
}

CPU_INLINE void vf_store(float *p, vf x)
{
    *(vf_loose *)p = x;
}

CPU_INLINE vf vf_all(float x)
{
    return x - (vf){0};
}

/* The first n lanes, 0 <= n <= VF_LANES; the others load as 0 and are not stored. Memory past them is not touched. */
CPU_INLINE vf vf_load_part(const float *p, int n)
{
#if defined __AVX512F__
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined __AVX2__
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vf)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
#else
    vf x = {0};
    for (int i = 0; i < n; i++)
        x[i] = p[i];
    return x;
#endif
}

CPU_INLINE void vf_store_part(float *p, vf x, int n)
{
#if defined __AVX512F__
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#elif defined __AVX2__
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane), (__m256)x);
#else
    for (int i = 0; i < n; i++)
        p[i] = x[i];
#endif
}

/* The sum of the lanes, halves first. */
CPU_INLINE float vf_sum(vf x)
{
#if defined __AVX512F__
    return _mm512_reduce_add_ps((__m512)x);
#else
    float lane[VF_LANES];
    vf_store(lane, x);
    for (int half = VF_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
#endif
}

/* Lane by lane; where either is NaN, b. */
CPU_INLINE vf vf_max(vf a, vf b)
{
#if defined __AVX512F__
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined __AVX2__
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    vi more = a > b;
    return (vf)(((vi)a & more) | ((vi)b & ~more));
#endif
}

CPU_INLINE vf vf_min(vf a, vf b)
{
#if defined __AVX512F__
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined __AVX2__
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    vi less = a < b;
    return (vf)(((vi)a & less) | ((vi)b & ~less));
#endif
}

/* Turns a square of VF_LANES x VF_LANES around its diagonal. */
CPU_INLINE void vf_turn(vf r[VF_LANES])
{
#if defined __AVX512F__
    __m512 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps((__m512)r[i], (__m512)r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps((__m512)r[i], (__m512)r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        __m512d a = (__m512d)t[i], b = (__m512d)t[i + 1], c = (__m512d)t[i + 2],
                d = (__m512d)t[i + 3];
        r[i] = (vf)_mm512_unpacklo_pd(a, c);
        r[i + 1] = (vf)_mm512_unpackhi_pd(a, c);
        r[i + 2] = (vf)_mm512_unpacklo_pd(b, d);
        r[i + 3] = (vf)_mm512_unpackhi_pd(b, d);
    }
    for (int i = 0; i < 4; i++) {
        __m512 a = (__m512)r[i], b = (__m512)r[i + 4], c = (__m512)r[i + 8], d = (__m512)r[i + 12];
        __m512 ab = _mm512_shuffle_f32x4(a, b, 0x88), AB = _mm512_shuffle_f32x4(a, b, 0xdd);
        __m512 cd = _mm512_shuffle_f32x4(c, d, 0x88), CD = _mm512_shuffle_f32x4(c, d, 0xdd);
        t[i] = _mm512_shuffle_f32x4(ab, cd, 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(AB, CD, 0x88);
        t[i + 8] = _mm512_shuffle_f32x4(ab, cd, 0xdd);
        t[i + 12] = _mm512_shuffle_f32x4(AB, CD, 0xdd);
    }
    for (int i = 0; i < 16; i++)
        r[i] = (vf)t[i];
#else
    for (int i = 0; i < VF_LANES; i++)
        for (int j = 0; j < i; j++) {
            float upper = r[j][i];
            r[j][i] = r[i][j];
            r[i][j] = upper;
        }
#endif
}

/* to[j][i] = from[i][j] for a block of VF_LANES x VF_LANES. */
CPU_INLINE void vf_transpose(const float *from, int64_t from_stride, float *to, int64_t to_stride)
{
    vf r[VF_LANES];
    for (int i = 0; i < VF_LANES; i++)
        r[i] = vf_load(from + i * from_stride);
    vf_turn(r);
    for (int i = 0; i < VF_LANES; i++)
        vf_store(to + i * to_stride, r[i]);
}

/* The same of i < rows and j < columns, both at most VF_LANES; memory outside is not touched. */
CPU_INLINE void vf_transpose_part(int rows, int columns, const float *from, int64_t from_stride,
                                  float *to, int64_t to_stride)
{
    vf r[VF_LANES];
    for (int i = 0; i < VF_LANES; i++)
        r[i] = i < rows ? vf_load_part(from + i * from_stride, columns) : (vf){0};
    vf_turn(r);
    for (int i = 0; i < VF_LANES; i++)
        if (i < columns)
            vf_store_part(to + i * to_stride, r[i], rows);
}

#endif
