/* Elementwise operations with one input. */
#include "cpu_math.h"
#include "loops.h"
#include "special.h"
#include "vf_math.h"

/* ---- floats: one expression for f64, one for f32 ---- */

#define UNARY(op, wide, narrow)                         \
    CPU_LOOP1(op##_f64, double, double, double, , wide) \
    CPU_LOOP1(op##_f32, float, float, float, , narrow)
#define UNARY_C(op) UNARY(op, op(x), op##f(x))       /* the C library's */
#define UNARY_V(op) UNARY(op, op(x), cpu_##op##f(x)) /* cpu_math.h's, for f32 */
#define UNARY_S(op) UNARY(op, cpu_##op(x), (float)cpu_##op((double)x))

UNARY(abs, fabs(x), fabsf(x))
UNARY(neg, -x, -x)
UNARY(sign, (double)((x > 0) - (x < 0)), (float)((x > 0) - (x < 0)))
UNARY_C(floor)
UNARY_C(ceil)
UNARY_C(trunc)
UNARY(round, rint(x), rintf(x))
UNARY_C(sqrt)
UNARY(rsqrt, 1.0 / sqrt(x), 1.0f / sqrtf(x))
UNARY(reciprocal, 1.0 / x, 1.0f / x)
UNARY(square, x *x, x *x)
UNARY(cube, x *x *x, x *x *x)
UNARY(inverse_square, 1.0 / (x * x), 1.0f / (x * x))
UNARY_V(exp2)
UNARY_V(expm1)
UNARY_V(log)
UNARY_V(log2)
UNARY_V(log10)
UNARY_V(log1p)
UNARY_C(asin)
UNARY_C(acos)
UNARY_C(atan)
UNARY_V(sinh)
UNARY_V(cosh)
UNARY_V(tanh)
UNARY_V(asinh)
UNARY_V(acosh)
UNARY_V(atanh)
UNARY_V(erf)
UNARY_C(erfc)
UNARY_S(erfinv)
UNARY_S(lgamma)
UNARY_S(digamma)
UNARY(sigmoid, x < 0 ? exp(x) / (1.0 + exp(x)) : 1.0 / (1.0 + exp(-x)), cpu_sigmoidf(x))

CPU_LOOP1(exp_f64, double, double, double, , exp(x))
static void exp_f32(int64_t n, const void *const *in, void *out, const cr_number *number)
{
    const float *a = in[0];
    float *o = out;
    int64_t i = 0;
    (void)number;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(o + i, vf_exp(vf_load(a + i)));
    const int rest = (int)(n - i);
    vf_store_part(o + i, vf_exp(vf_load_part(a + i, rest)), rest);
}

/* Large angles are rare, and left to the C library, a block at a time. */
#define CIRCULAR(op)                                                                           \
    CPU_LOOP1(op##_f64, double, double, double, , op(x))                                       \
    static void op##_f32(int64_t n, const void *const *in, void *out, const cr_number *number) \
    {                                                                                          \
        enum { BLOCK = 1024 };                                                                 \
        const float *a = in[0];                                                                \
        float *o = out;                                                                        \
        (void)number;                                                                          \
        for (int64_t from = 0; from < n; from += BLOCK) {                                      \
            int64_t to = n - from < BLOCK ? n : from + BLOCK;                                  \
            int large = 0;                                                                     \
            _Pragma("omp simd reduction(| : large)") for (int64_t i = from; i < to; i++)       \
            {                                                                                  \
                large |= fabsf(a[i]) > CPU_MOST_CIRCULAR;                                      \
            }                                                                                  \
            if (large) {                                                                       \
                for (int64_t i = from; i < to; i++)                                            \
                    o[i] = op##f(a[i]);                                                        \
                continue;                                                                      \
            }                                                                                  \
            _Pragma("omp simd") for (int64_t i = from; i < to; i++)                            \
            {                                                                                  \
                o[i] = cpu_##op##f(a[i]);                                                      \
            }                                                                                  \
        }                                                                                      \
    }
CIRCULAR(sin)
CIRCULAR(cos)
CIRCULAR(tan)

/* ---- integers and bool ---- */

CPU_INTS(CPU_LOOP1, abs, , x < 0 ? (U)0 - (U)x : (U)x)
CPU_INTS(CPU_LOOP1, neg, , (U)0 - (U)x)
CPU_INTS(CPU_LOOP1, sign, , (x > 0) - (x < 0))
CPU_INTS(CPU_LOOP1, square, , (U)x *(U)x)
CPU_INTS(CPU_LOOP1, bitwise_not, , ~(U)x)
CPU_BOOL(CPU_LOOP1, bitwise_not, , !x)
CPU_TO_BOOL(CPU_LOOP1, logical_not, x == 0)

/* ---- the table ---- */

#define FLOAT_ROW(op, ns)                                                \
    {                                                                    \
        .name = #op, .nin = 1, .cost = ns, .loop = { CPU_AT_FLOATS(op) } \
    }
#define NUMBER_ROW(op, ns)                                                                \
    {                                                                                     \
        .name = #op, .nin = 1, .cost = ns, .loop = { CPU_AT_FLOATS(op), CPU_AT_INTS(op) } \
    }

const cpu_elementwise CPU_NAME(cpu_unary_ops)[] = {
    NUMBER_ROW(abs, 0.2f),
    NUMBER_ROW(neg, 0.2f),
    NUMBER_ROW(sign, 0.2f),
    FLOAT_ROW(floor, 0.2f),
    FLOAT_ROW(ceil, 0.2f),
    FLOAT_ROW(trunc, 0.2f),
    FLOAT_ROW(round, 0.2f),
    FLOAT_ROW(sqrt, 0.4f),
    FLOAT_ROW(rsqrt, 0.6f),
    FLOAT_ROW(reciprocal, 0.3f),
    FLOAT_ROW(exp, 0.25f),
    FLOAT_ROW(exp2, 1.0f),
    FLOAT_ROW(expm1, 1.2f),
    FLOAT_ROW(log, 0.6f),
    FLOAT_ROW(log2, 1.2f),
    FLOAT_ROW(log10, 1.2f),
    FLOAT_ROW(log1p, 1.5f),
    FLOAT_ROW(sin, 1.0f),
    FLOAT_ROW(cos, 1.0f),
    FLOAT_ROW(tan, 1.2f),
    FLOAT_ROW(asin, 8.0f),
    FLOAT_ROW(acos, 8.0f),
    FLOAT_ROW(atan, 8.0f),
    FLOAT_ROW(sinh, 1.6f),
    FLOAT_ROW(cosh, 1.3f),
    FLOAT_ROW(tanh, 0.7f),
    FLOAT_ROW(asinh, 2.0f),
    FLOAT_ROW(acosh, 2.0f),
    FLOAT_ROW(atanh, 2.0f),
    FLOAT_ROW(erf, 0.8f),
    FLOAT_ROW(erfc, 15.0f),
    FLOAT_ROW(erfinv, 60.0f),
    FLOAT_ROW(lgamma, 30.0f),
    FLOAT_ROW(digamma, 40.0f),
    FLOAT_ROW(sigmoid, 0.6f),
    NUMBER_ROW(square, 0.2f),
    FLOAT_ROW(cube, 0.2f),
    FLOAT_ROW(inverse_square, 0.3f),
    {.name = "bitwise_not",
     .nin = 1,
     .cost = 0.1f,
     .loop = {CPU_AT_INTS(bitwise_not), CPU_AT_BOOL(bitwise_not)}},
    {.name = "logical_not",
     .nin = 1,
     .to_bool = true,
     .cost = 0.2f,
     .loop = {CPU_AT_ALL(logical_not)}},
    {.name = NULL},
};
