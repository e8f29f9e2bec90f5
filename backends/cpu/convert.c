/* See convert.h. The table of conversions has a loop for each pair of computing dtypes and for f32 with each half; the
 * other pairs with a half go through f32. */
#include "convert.h"
#include "half.h"

#include <string.h>
#if defined __AVX2__ && defined __F16C__
#include <immintrin.h>
#endif

enum { BLOCK = 512 };

/* ---- one element ---- */

CPU_INLINE int32_t saturate32(double x)
{
    return x >= 2147483647.0 ? INT32_MAX : x <= -2147483648.0 ? INT32_MIN : x != x ? 0 : (int32_t)x;
}

CPU_INLINE int64_t saturate64(double x)
{
    return x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : x != x ? 0 : (int64_t)x;
}

CPU_INLINE int32_t saturate32f(float x)
{
    return x >= 0x1p31f ? INT32_MAX : x <= -0x1p31f ? INT32_MIN : x != x ? 0 : (int32_t)x;
}

CPU_INLINE int64_t saturate64f(float x)
{
    return x >= 0x1p63f ? INT64_MAX : x <= -0x1p63f ? INT64_MIN : x != x ? 0 : (int64_t)x;
}

#define TO_SELF(T, x)    ((T)(x))
#define TO_BOOL(T, x)    ((T)((x) != 0))
#define F64_TO_I64(T, x) saturate64(x)
#define F64_TO_INT(T, x) ((T)saturate32(x))
#define F32_TO_I64(T, x) saturate64f(x)
#define F32_TO_INT(T, x) ((T)saturate32f(x))

/* ---- pairs ---- */

#define PAIR(from, F, to, T, how)                                       \
    static void from##_to_##to(int64_t n, const void *from_, void *to_) \
    {                                                                   \
        const F *a = from_;                                             \
        T *o = to_;                                                     \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)             \
        {                                                               \
            o[i] = how(T, a[i]);                                        \
        }                                                               \
    }

PAIR(f64, double, f32, float, TO_SELF)
PAIR(f64, double, i64, int64_t, F64_TO_I64)
PAIR(f64, double, i32, int32_t, F64_TO_INT)
PAIR(f64, double, i16, int16_t, F64_TO_INT)
PAIR(f64, double, i8, int8_t, F64_TO_INT)
PAIR(f64, double, u8, uint8_t, F64_TO_INT)
PAIR(f64, double, b8, uint8_t, TO_BOOL)
PAIR(f32, float, f64, double, TO_SELF)
PAIR(f32, float, i64, int64_t, F32_TO_I64)
PAIR(f32, float, i32, int32_t, F32_TO_INT)
PAIR(f32, float, i16, int16_t, F32_TO_INT)
PAIR(f32, float, i8, int8_t, F32_TO_INT)
PAIR(f32, float, u8, uint8_t, F32_TO_INT)
PAIR(f32, float, b8, uint8_t, TO_BOOL)

#define FROM_INT(from, F)                \
    PAIR(from, F, f64, double, TO_SELF)  \
    PAIR(from, F, f32, float, TO_SELF)   \
    PAIR(from, F, i64, int64_t, TO_SELF) \
    PAIR(from, F, i32, int32_t, TO_SELF) \
    PAIR(from, F, i16, int16_t, TO_SELF) \
    PAIR(from, F, i8, int8_t, TO_SELF)   \
    PAIR(from, F, u8, uint8_t, TO_SELF)  \
    PAIR(from, F, b8, uint8_t, TO_BOOL)
FROM_INT(i64, int64_t)
FROM_INT(i32, int32_t)
FROM_INT(i16, int16_t)
FROM_INT(i8, int8_t)
FROM_INT(u8, uint8_t)

static void bf16_to_f32(int64_t n, const void *from, void *to)
{
    const uint16_t *a = from;
    float *o = to;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        o[i] = cpu_f32_of_bf16(a[i]);
}

static void f32_to_bf16(int64_t n, const void *from, void *to)
{
    const float *a = from;
    uint16_t *o = to;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        o[i] = cpu_bf16_of_f32(a[i]);
}

static void f16_to_f32(int64_t n, const void *from, void *to)
{
    const uint16_t *a = from;
    float *o = to;
    int64_t i = 0;
#if defined __AVX2__ && defined __F16C__
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(o + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(a + i))));
#endif
    for (; i < n; i++)
        o[i] = cpu_f32_of_f16(a[i]);
}

static void f32_to_f16(int64_t n, const void *from, void *to)
{
    const float *a = from;
    uint16_t *o = to;
    int64_t i = 0;
#if defined __AVX2__ && defined __F16C__
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(o + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(a + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++)
        o[i] = cpu_f16_of_f32(a[i]);
}

#define SAME(size)                                                 \
    static void same_##size(int64_t n, const void *from, void *to) \
    {                                                              \
        memmove(to, from, (size_t)n *size);                        \
    }
SAME(1)
SAME(2)
SAME(4)
SAME(8)

#define VIA_F32(from, F_BYTES, to, T_BYTES)                              \
    static void from##_to_##to(int64_t n, const void *from_, void *to_)  \
    {                                                                    \
        float middle[BLOCK];                                             \
        for (int64_t i = 0; i < n; i += BLOCK) {                         \
            int64_t m = n - i < BLOCK ? n - i : BLOCK;                   \
            from##_to_f32(m, (const char *)from_ + i * F_BYTES, middle); \
            f32_to_##to(m, middle, (char *)to_ + i * T_BYTES);           \
        }                                                                \
    }
#define HALF_PAIRS(half)     \
    VIA_F32(half, 2, f64, 8) \
    VIA_F32(half, 2, i64, 8) \
    VIA_F32(half, 2, i32, 4) \
    VIA_F32(half, 2, i16, 2) \
    VIA_F32(half, 2, i8, 1)  \
    VIA_F32(half, 2, u8, 1)  \
    VIA_F32(half, 2, b8, 1)  \
    VIA_F32(f64, 8, half, 2) \
    VIA_F32(i64, 8, half, 2) \
    VIA_F32(i32, 4, half, 2) \
    VIA_F32(i16, 2, half, 2) \
    VIA_F32(i8, 1, half, 2)  \
    VIA_F32(u8, 1, half, 2)
HALF_PAIRS(f16)
HALF_PAIRS(bf16)
VIA_F32(f16, 2, bf16, 2)
VIA_F32(bf16, 2, f16, 2)

/* A bool is 0 or 1, so it reads as u8. */
#define f64_to_f64   same_8
#define f32_to_f32   same_4
#define f16_to_f16   same_2
#define bf16_to_bf16 same_2
#define b8_to_f64    u8_to_f64
#define b8_to_f32    u8_to_f32
#define b8_to_f16    u8_to_f16
#define b8_to_bf16   u8_to_bf16
#define b8_to_i64    u8_to_i64
#define b8_to_i32    u8_to_i32
#define b8_to_i16    u8_to_i16
#define b8_to_i8     same_1
#define b8_to_u8     same_1
#define b8_to_b8     same_1

#define ROW(from)                                                                       \
    {                                                                                   \
        [CR_F64] = from##_to_f64, [CR_F32] = from##_to_f32, [CR_F16] = from##_to_f16,   \
        [CR_BF16] = from##_to_bf16, [CR_I64] = from##_to_i64, [CR_I32] = from##_to_i32, \
        [CR_I16] = from##_to_i16, [CR_I8] = from##_to_i8, [CR_U8] = from##_to_u8,       \
        [CR_B8] = from##_to_b8                                                          \
    }
static const cpu_convert pairs[CPU_NDTYPES][CPU_NDTYPES] = {
    [CR_F64] = ROW(f64), [CR_F32] = ROW(f32), [CR_F16] = ROW(f16), [CR_BF16] = ROW(bf16),
    [CR_I64] = ROW(i64), [CR_I32] = ROW(i32), [CR_I16] = ROW(i16), [CR_I8] = ROW(i8),
    [CR_U8] = ROW(u8),   [CR_B8] = ROW(b8),
};

cpu_convert CPU_NAME(cpu_convert_loop)(int32_t from, int32_t to)
{
    bool known = from > 0 && from < CPU_NDTYPES && to > 0 && to < CPU_NDTYPES;
    return known ? pairs[from][to] : NULL;
}

/* ---- strides ---- */

#define STRIDED(name, T)                                                         \
    static void load_##name(int64_t n, const char *from, int64_t stride, T *to)  \
    {                                                                            \
        if (stride == 0) {                                                       \
            T x = *(const T *)(const void *)from;                                \
            for (int64_t i = 0; i < n; i++)                                      \
                to[i] = x;                                                       \
            return;                                                              \
        }                                                                        \
        for (int64_t i = 0; i < n; i++)                                          \
            to[i] = *(const T *)(const void *)(from + i * stride);               \
    }                                                                            \
    static void store_##name(int64_t n, const T *from, char *to, int64_t stride) \
    {                                                                            \
        for (int64_t i = 0; i < n; i++)                                          \
            *(T *)(void *)(to + i * stride) = from[i];                           \
    }
typedef uint16_t __attribute__((may_alias)) raw2;
typedef uint32_t __attribute__((may_alias)) raw4;
typedef uint64_t __attribute__((may_alias)) raw8;
STRIDED(1, uint8_t)
STRIDED(2, raw2)
STRIDED(4, raw4)
STRIDED(8, raw8)

void CPU_NAME(cpu_load_strided)(size_t size, int64_t n, const char *from, int64_t stride, void *to)
{
    if (stride == (int64_t)size) {
        memcpy(to, from, (size_t)n * size);
        return;
    }
    switch (size) {
    case 1: load_1(n, from, stride, to); return;
    case 2: load_2(n, from, stride, to); return;
    case 4: load_4(n, from, stride, to); return;
    default: load_8(n, from, stride, to); return;
    }
}

void CPU_NAME(cpu_store_strided)(size_t size, int64_t n, const void *from, char *to, int64_t stride)
{
    if (stride == (int64_t)size) {
        memcpy(to, from, (size_t)n * size);
        return;
    }
    switch (size) {
    case 1: store_1(n, from, to, stride); return;
    case 2: store_2(n, from, to, stride); return;
    case 4: store_4(n, from, to, stride); return;
    default: store_8(n, from, to, stride); return;
    }
}

const cpu_row_loops CPU_NAME(cpu_rows) = {CPU_NAME(cpu_convert_loop), CPU_NAME(cpu_load_strided),
                                          CPU_NAME(cpu_store_strided)};

void CPU_NAME(cpu_stream_part)(size_t bytes, const void *from, void *to)
{
#if defined __AVX512F__ || defined __AVX2__
#if defined __AVX512F__
    enum { WIDE = 64 };
#define STREAM_ONE(t, f) _mm512_stream_si512((void *)(t), _mm512_loadu_si512((const void *)(f)))
#else
    enum { WIDE = 32 };
#define STREAM_ONE(t, f)                        \
    _mm256_stream_si256((__m256i *)(void *)(t), \
                        _mm256_loadu_si256((const __m256i *)(const void *)(f)))
#endif
    const char *f = from;
    char *t = to;
    size_t head = -(uintptr_t)t % WIDE;
    if (bytes >= WIDE + head) {
        if (head)
            memcpy(t, f, head);
        t += head;
        f += head;
        bytes -= head;
        for (; bytes >= WIDE; bytes -= WIDE, t += WIDE, f += WIDE)
            STREAM_ONE(t, f);
    }
    if (bytes)
        memcpy(t, f, bytes);
#else
    memcpy(to, from, bytes);
#endif
}

void CPU_NAME(cpu_stream_end)(void)
{
#if defined __AVX512F__ || defined __AVX2__
    _mm_sfence();
#endif
}

void CPU_NAME(cpu_stream)(size_t bytes, const void *from, void *to)
{
    CPU_NAME(cpu_stream_part)(bytes, from, to);
    CPU_NAME(cpu_stream_end)();
}

void CPU_NAME(cpu_store_number)(const cr_number *number, int32_t dtype, void *to)
{
    bool whole = dtype != CR_F64 && dtype != CR_F32 && dtype != CR_F16 && dtype != CR_BF16;
    if (dtype == CR_B8)
        *(uint8_t *)to = number->f != 0 || number->i != 0;
    else if (whole)
        pairs[CR_I64][dtype](1, &number->i, to);
    else
        pairs[CR_F64][dtype](1, &number->f, to);
}
