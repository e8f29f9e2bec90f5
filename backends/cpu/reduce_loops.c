/* The kernels of sum, prod, amax and amin. Sums and products of floats are kept in f64, so their order matters little;
 * extremes of floats compare as integers, which order floats but for NaN, and NaN is watched for beside. */
#include "half.h"
#include "reduce.h"
#include "simd.h"

#include <math.h>

/* Long rows go in four streams: one addition after the other would wait for its result. */
enum { LONG_ROW = 1024 };

/* ---- sums and products: T is what is read, A what it is added up in (unsigned for integers, so that they wrap) ---- */

#define FOLD_ROW(name, T, A, sign, one)                                                          \
    static void name##_row(int64_t n, const void *x_, void *acc_)                                \
    {                                                                                            \
        const T *x = x_;                                                                         \
        A *acc = acc_, a = acc[0];                                                               \
        if (n >= LONG_ROW) {                                                                     \
            A b = one, c = one, d = one;                                                         \
            int64_t q = n / 4;                                                                   \
            _Pragma(FOLD_TEXT(omp simd reduction(sign                                            \
                                                 : a, b, c, d))) for (int64_t i = 0; i < q; i++) \
            {                                                                                    \
                a = (A)(a sign(A) x[i]);                                                         \
                b = (A)(b sign(A) x[q + i]);                                                     \
                c = (A)(c sign(A) x[2 * q + i]);                                                 \
                d = (A)(d sign(A) x[3 * q + i]);                                                 \
            }                                                                                    \
            a = (A)((A)(a sign b)sign(A)(c sign d));                                             \
            x += 4 * q;                                                                          \
            n -= 4 * q;                                                                          \
        }                                                                                        \
        _Pragma(FOLD_TEXT(omp simd reduction(sign                                                \
                                             : a))) for (int64_t i = 0; i < n; i++) a =          \
            (A)(a sign(A) x[i]);                                                                 \
        acc[0] = a;                                                                              \
    }
#define FOLD(name, T, A, sign)                                        \
    static void name##_columns(int64_t n, const void *x_, void *acc_) \
    {                                                                 \
        const T *x = x_;                                              \
        A *acc = acc_;                                                \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)           \
        {                                                             \
            acc[i] = (A)(acc[i] sign(A) x[i]);                        \
        }                                                             \
    }                                                                 \
    static void name##_merge(int64_t n, const void *x_, void *acc_)   \
    {                                                                 \
        const A *x = x_;                                              \
        A *acc = acc_;                                                \
        for (int64_t i = 0; i < n; i++)                               \
            acc[i] = (A)(acc[i] sign x[i]);                           \
    }
#define FOLD_TEXT(...)  FOLD_TEXT_(__VA_ARGS__)
#define FOLD_TEXT_(...) #__VA_ARGS__

/* Rows of f32 are added up to f64's digits, too. Widening takes more of AVX-512's time than adding does, so long rows stay in f32 there,
 * each sum with what it has lost beside it (W. Kahan, "Further remarks on reducing truncation errors", 1965), widened at the end. */
FOLD_ROW(sum_f32_widened, float, double, +, 0)
#if defined __AVX512F__
enum { KEPT_SUMS = 8, KEPT_STEP = KEPT_SUMS * VF_LANES, KEPT_LEAST = 4 * KEPT_STEP };

CPU_INLINE __m512d upper(vf x)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, 1));
}

CPU_INLINE __m512d lower(vf x)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x));
}

/* The sum of n elements, a multiple of KEPT_STEP; NaN where an infinity or NaN came in or f32 was too small for a sum. */
static double kept_sum(int64_t n, const float *x)
{
    vf sum[KEPT_SUMS] = {0}, beyond[KEPT_SUMS] = {0}; /* the exact sum is sum - beyond */
    for (int64_t i = 0; i < n; i += KEPT_STEP)
        for (int k = 0; k < KEPT_SUMS; k++) {
            vf more = vf_load(x + i + k * VF_LANES) - beyond[k], to = sum[k] + more;
            beyond[k] = (to - sum[k]) - more;
            sum[k] = to;
        }
    __m512d all = _mm512_setzero_pd();
    for (int k = 0; k < KEPT_SUMS; k++)
        all += (lower(sum[k]) - lower(beyond[k])) + (upper(sum[k]) - upper(beyond[k]));
    return _mm512_reduce_add_pd(all);
}

static void sum_f32_row(int64_t n, const void *x_, void *acc)
{
    const float *x = x_;
    int64_t kept = n < KEPT_LEAST ? 0 : n - n % KEPT_STEP;
    double sum = kept ? kept_sum(kept, x) : 0;
    if (sum == sum)
        *(double *)acc += sum;
    else
        kept = 0;
    sum_f32_widened_row(n - kept, x + kept, acc);
}
#else
#define sum_f32_row sum_f32_widened_row
#endif

#define FOLD_BOTH(s, T, A)        \
    FOLD_ROW(sum_##s, T, A, +, 0) \
    FOLD_SUM_AND_PROD(s, T, A)
#define FOLD_SUM_AND_PROD(s, T, A) \
    FOLD(sum_##s, T, A, +)         \
    FOLD_ROW(prod_##s, T, A, *, 1) \
    FOLD(prod_##s, T, A, *)
FOLD_BOTH(f64, double, double)
FOLD_SUM_AND_PROD(f32, float, double)
FOLD_BOTH(i64, int64_t, uint64_t)
FOLD_BOTH(i32, int32_t, uint32_t)
FOLD_BOTH(i16, int16_t, uint32_t)
FOLD_BOTH(i8, int8_t, uint32_t)
FOLD_BOTH(u8, uint8_t, uint32_t)

/* ---- extremes ---- */

/* A float's bits as a signed integer of the same order: negative numbers count down. */
CPU_INLINE int32_t key_f32(float x)
{
    int32_t u = (int32_t)cpu_bits_f32(x);
    return u ^ ((u >> 31) & INT32_MAX);
}

CPU_INLINE float from_key_f32(int32_t k)
{
    return cpu_f32_bits((uint32_t)(k ^ ((k >> 31) & INT32_MAX)));
}

CPU_INLINE int64_t key_f64(double x)
{
    int64_t u = (int64_t)cpu_bits_f64(x);
    return u ^ ((u >> 63) & INT64_MAX);
}

CPU_INLINE double from_key_f64(int64_t k)
{
    return cpu_f64_bits((uint64_t)(k ^ ((k >> 63) & INT64_MAX)));
}

#define COLUMNS(name, T, better)                                      \
    static void name##_columns(int64_t n, const void *x_, void *acc_) \
    {                                                                 \
        const T *x = x_;                                              \
        T *acc = acc_;                                                \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)           \
        {                                                             \
            T y = x[i], m = acc[i];                                   \
            acc[i] = (y != y) | (y better m) ? y : m;                 \
        }                                                             \
    }

#define FLOAT_EXTREME(op, better, s, T, K)                                                      \
    CPU_INLINE T op##_##s##_of(int64_t n, const T *x)                                           \
    {                                                                                           \
        K m = key_##s(x[0]);                                                                    \
        int nan = 0;                                                                            \
        _Pragma(FOLD_TEXT(omp simd reduction(op                                                 \
                                             : m) reduction(|                                   \
                                                            : nan))) for (int64_t i = 0; i < n; \
                                                                          i++)                  \
        {                                                                                       \
            K k = key_##s(x[i]);                                                                \
            m = k better m ? k : m;                                                             \
            nan |= x[i] != x[i];                                                                \
        }                                                                                       \
        return nan ? (T)NAN : from_key_##s(m);                                                  \
    }                                                                                           \
    COLUMNS(op##_##s, T, better)                                                                \
    EXTREME_ROW(op, s, T)

#define INT_EXTREME(op, better, s, T)                                                   \
    CPU_INLINE T op##_##s##_of(int64_t n, const T *x)                                   \
    {                                                                                   \
        T m = x[0];                                                                     \
        _Pragma(FOLD_TEXT(omp simd reduction(op                                         \
                                             : m))) for (int64_t i = 0; i < n; i++) m = \
            x[i] better m ? x[i] : m;                                                   \
        return m;                                                                       \
    }                                                                                   \
    COLUMNS(op##_##s, T, better)                                                        \
    EXTREME_ROW(op, s, T)

/* The place is looked for only in the block that holds the extreme. */
#define EXTREME_ROW(op, s, T)                                                      \
    static void op##_##s##_row(int64_t n, const void *x, void *acc)                \
    {                                                                              \
        T m = op##_##s##_of(n, x);                                                 \
        op##_##s##_columns(1, &m, acc);                                            \
    }                                                                              \
    static int64_t op##_##s##_find(int64_t n, const void *x_, void *value)         \
    {                                                                              \
        enum { BLOCK = 1024 };                                                     \
        const T *x = x_;                                                           \
        T best = x[0];                                                             \
        int64_t block = 0;                                                         \
        for (int64_t i = 0; i < n && best == best; i += BLOCK) {                   \
            T was = best, m = op##_##s##_of(n - i < BLOCK ? n - i : BLOCK, x + i); \
            op##_##s##_columns(1, &m, &best);                                      \
            block = was == best ? block : i;                                       \
        }                                                                          \
        int64_t i = block;                                                         \
        while (i < n - 1 && !(x[i] == best || x[i] != x[i]))                       \
            i++;                                                                   \
        *(T *)value = best;                                                        \
        return i;                                                                  \
    }

#define EXTREMES(op, better)                        \
    FLOAT_EXTREME(op, better, f64, double, int64_t) \
    FLOAT_EXTREME(op, better, f32, float, int32_t)  \
    INT_EXTREME(op, better, i64, int64_t)           \
    INT_EXTREME(op, better, i32, int32_t)           \
    INT_EXTREME(op, better, i16, int16_t)           \
    INT_EXTREME(op, better, i8, int8_t)             \
    INT_EXTREME(op, better, u8, uint8_t)
EXTREMES(max, >)
EXTREMES(min, <)

/* ---- tables ---- */

#define REDUCER(acc, f, i, name)                              \
    {                                                         \
        acc, {f, i}, name##_row, name##_columns, name##_merge \
    }
#define EXTREME(acc, f, i, name)                                \
    {                                                           \
        acc, {f, i}, name##_row, name##_columns, name##_columns \
    }

/* Narrow integers add up in 32 bits and wrap when they are stored. A sum of bools is an or, a product an and. */
static const cpu_reducer reducers[CPU_REDUCTIONS][CPU_NDTYPES] = {
    [CPU_SUM] = {[CR_F64] = REDUCER(CR_F64, 0, 0, sum_f64),
                 [CR_F32] = REDUCER(CR_F64, 0, 0, sum_f32),
                 [CR_I64] = REDUCER(CR_I64, 0, 0, sum_i64),
                 [CR_I32] = REDUCER(CR_I32, 0, 0, sum_i32),
                 [CR_I16] = REDUCER(CR_I32, 0, 0, sum_i16),
                 [CR_I8] = REDUCER(CR_I32, 0, 0, sum_i8),
                 [CR_U8] = REDUCER(CR_I32, 0, 0, sum_u8),
                 [CR_B8] = EXTREME(CR_U8, 0, 0, max_u8)},
    [CPU_PROD] = {[CR_F64] = REDUCER(CR_F64, 1, 1, prod_f64),
                  [CR_F32] = REDUCER(CR_F64, 1, 1, prod_f32),
                  [CR_I64] = REDUCER(CR_I64, 1, 1, prod_i64),
                  [CR_I32] = REDUCER(CR_I32, 1, 1, prod_i32),
                  [CR_I16] = REDUCER(CR_I32, 1, 1, prod_i16),
                  [CR_I8] = REDUCER(CR_I32, 1, 1, prod_i8),
                  [CR_U8] = REDUCER(CR_I32, 1, 1, prod_u8),
                  [CR_B8] = EXTREME(CR_U8, 1, 1, min_u8)},
    [CPU_MAX] = {[CR_F64] = EXTREME(CR_F64, -INFINITY, 0, max_f64),
                 [CR_F32] = EXTREME(CR_F32, -INFINITY, 0, max_f32),
                 [CR_I64] = EXTREME(CR_I64, 0, INT64_MIN, max_i64),
                 [CR_I32] = EXTREME(CR_I32, 0, INT32_MIN, max_i32),
                 [CR_I16] = EXTREME(CR_I16, 0, INT16_MIN, max_i16),
                 [CR_I8] = EXTREME(CR_I8, 0, INT8_MIN, max_i8),
                 [CR_U8] = EXTREME(CR_U8, 0, 0, max_u8),
                 [CR_B8] = EXTREME(CR_U8, 0, 0, max_u8)},
    [CPU_MIN] = {[CR_F64] = EXTREME(CR_F64, INFINITY, 0, min_f64),
                 [CR_F32] = EXTREME(CR_F32, INFINITY, 0, min_f32),
                 [CR_I64] = EXTREME(CR_I64, 0, INT64_MAX, min_i64),
                 [CR_I32] = EXTREME(CR_I32, 0, INT32_MAX, min_i32),
                 [CR_I16] = EXTREME(CR_I16, 0, INT16_MAX, min_i16),
                 [CR_I8] = EXTREME(CR_I8, 0, INT8_MAX, min_i8),
                 [CR_U8] = EXTREME(CR_U8, 0, UINT8_MAX, min_u8),
                 [CR_B8] = EXTREME(CR_U8, 1, 1, min_u8)},
};

#define FINDERS(op)                                                                   \
    {                                                                                 \
        [CR_F64] = op##_f64_find, [CR_F32] = op##_f32_find, [CR_I64] = op##_i64_find, \
        [CR_I32] = op##_i32_find, [CR_I16] = op##_i16_find, [CR_I8] = op##_i8_find,   \
        [CR_U8] = op##_u8_find, [CR_B8] = op##_u8_find                                \
    }
static const cpu_find_extreme finders[CPU_REDUCTIONS][CPU_NDTYPES] = {
    [CPU_MAX] = FINDERS(max),
    [CPU_MIN] = FINDERS(min),
};

const cpu_reducer *CPU_NAME(cpu_reducer_of)(cpu_reduction reduction, int32_t dtype)
{
    const cpu_reducer *r = dtype > 0 && dtype < CPU_NDTYPES ? &reducers[reduction][dtype] : NULL;
    return r && r->row ? r : NULL;
}

cpu_find_extreme CPU_NAME(cpu_extreme_of)(cpu_reduction reduction, int32_t dtype)
{
    return dtype > 0 && dtype < CPU_NDTYPES ? finders[reduction][dtype] : NULL;
}
