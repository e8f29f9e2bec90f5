// The pieces that chains of elementwise operations are made of. Kernels that include this are compiled without optimisation, so
// that every function stays one; when a chain is planned, chain.c writes the body of one of their functions anew, as calls of
// other functions of this file, and those that it calls nowhere are left out (spirv.c). Here that body calls use_all, which only
// keeps them from the compiler's sweep. A function whose parameters are const gets them by value.
// Wants kernel.glsl before, and space.dim: an array of Step.
#include "convert.glsl"
#include "math_f32.glsl"
#ifdef HAS_F64
#include "math_f64.glsl"
#include "math_circle.glsl"
#include "math_erf.glsl"
#include "math_gamma.glsl"
#include "math_pow.glsl"
#endif

// ---- where elements lie ----

uint quotient_at(const uint i, const uint d)
{
    return divide(i, space.dim[d].magic, space.dim[d].shift);
}

uint remainder_at(const uint i, const uint q, const uint d)
{
    return i - q * space.dim[d].size;
}

uint moved(const uint at, const uint c, const uint d, const uint v)
{
    return at + c * space.dim[d].stride[v >> 2][v & 3u];
}

// ---- the run's numbers: words after the addresses, all but the last (memory.glsl) ----

uint word_of(const uint k)
{
    if (k < 6u)
        return HALVES(args.number[k >> 1])[k & 1u];
    return args.word[k - 6u];
}

float number_float(const uint k)
{
    return uintBitsToFloat(word_of(k));
}

int number_int(const uint k)
{
    return int(word_of(k));
}

#ifndef LEAN
int64_t number_long(const uint k)
{
    return int64_t(pack64(uvec2(word_of(k), word_of(k + 1u))));
}
#endif

// ---- elements: value k of the run, element i ----

#define READ(dtype, type, element)                       \
    type read_##dtype(const uint k, const uint i)        \
    {                                                    \
        return element;                                  \
    }
#define WRITE(dtype, type, memory, x_as_element)                 \
    void write_##dtype(const uint k, const uint i, const type x) \
    {                                                            \
        memory##_OUT(args.at[k], i, x_as_element);               \
    }
#define AT(memory) memory##_IN(args.at[k], i)
READ(float32, float, AT(F32))
READ(float16, float, half_to_float(AT(U16)))
READ(bfloat16, float, bf16_to_float(AT(U16)))
READ(int32, int, AT(I32))
READ(int16, int, AT(I16))
READ(int8, int, AT(I8))
READ(uint8, int, int(AT(U8)))
READ(bool, int, int(AT(U8)))
WRITE(float32, float, F32, x)
WRITE(float16, float, U16, float_to_half(x))
WRITE(bfloat16, float, U16, float_to_bf16(x))
WRITE(int32, int, I32, x)
WRITE(int16, int, U16, uint(x))
WRITE(int8, int, U8, uint(x))
WRITE(uint8, int, U8, uint(x))
WRITE(bool, int, U8, x != 0 ? 1u : 0u)
#ifndef LEAN
READ(int64, int64_t, AT(I64))
WRITE(int64, int64_t, I64, x)
#endif

// What an element would be, had it been written and read again.
#define KEEP(dtype, type, kept)         \
    type keep_##dtype(const type x)     \
    {                                   \
        return kept;                    \
    }
KEEP(float16, float, half_to_float(float_to_half(x)))
KEEP(bfloat16, float, bf16_to_float(float_to_bf16(x)))
KEEP(int16, int, x << 16 >> 16)
KEEP(int8, int, x << 24 >> 24)
KEEP(uint8, int, x & 0xff)

// ---- casts, as copy.comp does them ----

#define CAST(to, type, from, result)  \
    type to_##to(const from x)        \
    {                                 \
        return result;                \
    }
CAST(float, float, float, x)
CAST(float, float, int, float(x))
CAST(int, int, float, saturate32(x))
CAST(int, int, int, x)
CAST(bool, int, float, x != 0.0 || is_nan(x) ? 1 : 0)
CAST(bool, int, int, x != 0 ? 1 : 0)
#ifndef LEAN
CAST(float, float, int64_t, float(x))
CAST(int, int, int64_t, int(x))
CAST(long, int64_t, float, saturate64(x))
CAST(long, int64_t, int, int64_t(x))
CAST(long, int64_t, int64_t, x)
CAST(bool, int, int64_t, x != 0 ? 1 : 0)
#endif

#ifdef HAS_F64
double number_double(const uint k)
{
    return uint64BitsToDouble(uint64_t(number_long(k)));
}
READ(float64, double, AT(F64))
WRITE(float64, double, F64, x)
CAST(float, float, double, float(x))
CAST(int, int, double, saturate32(x))
CAST(long, int64_t, double, saturate64(x))
CAST(bool, int, double, x != 0.0lf || is_nan(x) ? 1 : 0)
CAST(double, double, float, double(x))
CAST(double, double, double, x)
CAST(double, double, int, double(x))
CAST(double, double, int64_t, double(x))
#endif

// ---- the operations; floats last, for a kernel of floats includes this ----

#undef CLASS_FLOAT
#undef T

#define CLASS_INT
#define T int
#include "unary.glsl"
#include "integer.glsl"
#include "binary.glsl"
#include "binary_special.glsl"
#include "ternary.glsl"
#undef CLASS_INT
#undef T
#ifndef LEAN
#define CLASS_LONG
#define T int64_t
#include "unary.glsl"
#include "integer.glsl"
#include "binary.glsl"
#include "binary_special.glsl"
#include "ternary.glsl"
#undef CLASS_LONG
#undef T
#endif
#ifdef HAS_F64
#define CLASS_DOUBLE
#define T double
#include "unary.glsl"
#include "binary.glsl"
#include "binary_special.glsl"
#include "ternary.glsl"
#undef CLASS_DOUBLE
#undef T
#endif
#define CLASS_FLOAT
#define T float
#include "unary.glsl"
#include "binary.glsl"
#include "binary_special.glsl"
#include "ternary.glsl"

#ifdef HAS_F64
// As special.comp.
#define OP(name)                              \
    float op_##name(const float x)            \
    {                                         \
        return float(name##_(double(x)));     \
    }                                         \
    double op_##name(const double x)          \
    {                                         \
        return name##_(x);                    \
    }
#include "special_ops.def"
#undef OP

// x to the power of a number: the exponents that are something simpler, as the plan of the operation alone chooses them.
#define POWER(T)                              \
    T op_power(const T x, const T exponent)   \
    {                                         \
        if (exponent == T(2))                 \
            return op_square(x);              \
        if (exponent == T(3))                 \
            return op_cube(x);                \
        if (exponent == T(0.5))               \
            return op_sqrt(x);                \
        if (exponent == T(-1))                \
            return op_reciprocal(x);          \
        if (exponent == T(-2))                \
            return op_inverse_square(x);      \
        if (exponent == T(-0.5))              \
            return op_rsqrt(x);               \
        return op_pow(x, exponent);           \
    }
POWER(float)
POWER(double)
#endif

// ---- all that may be called ----

#define USE_ANY(x)                                                                              \
    op_abs(x); op_neg(x); op_sign(x); op_square(x); op_relu(x); op_logical_not(x); op_eq(x, x); \
    op_ne(x, x); op_lt(x, x); op_le(x, x); op_gt(x, x); op_ge(x, x); op_logical_and(x, x);      \
    op_logical_or(x, x); op_logical_xor(x, x); op_mul(x, x); op_maximum(x, x);                  \
    op_minimum(x, x); op_add(x, x, x); op_sub(x, x, x); op_threshold_backward(x, x, x);         \
    op_fmod(x, x); op_remainder(x, x); op_div_floor(x, x); op_where(0, x, x);                   \
    op_clamp(x, x, x); op_addcmul(x, x, x, x); op_div_trunc(x, x);                              \
    to_float(x); to_int(x); to_bool(x)
#define USE_WHOLE(x)                                                                       \
    op_bitwise_not(x); op_bitwise_and(x, x); op_bitwise_or(x, x); op_bitwise_xor(x, x);    \
    op_or_alpha(x, x, x); op_left_shift(x, x, i); op_right_shift(x, x, i, i); op_pow(x, x)
#define USE_REAL(x)                                                                        \
    op_floor(x); op_ceil(x); op_trunc(x); op_round(x); op_sqrt(x); op_rsqrt(x);            \
    op_reciprocal(x); op_exp(x); op_log(x); op_tanh(x); op_sigmoid(x); op_erf(x);          \
    op_gelu(x); op_gelu_tanh(x); op_silu(x); op_leaky_relu(x, x); op_elu(x, x, x, x);      \
    op_hardtanh(x, x, x); op_softplus(x, x, x); op_div(x, x); op_copysign(x, x);           \
    op_sigmoid_backward(x, x); op_tanh_backward(x, x); op_gelu_backward(x, x);             \
    op_gelu_tanh_backward(x, x); op_silu_backward(x, x); op_addcdiv(x, x, x, x);           \
    op_lerp(x, x, x)
#define USE_SPECIAL(x) op_pow(x, x); op_atan2(x, x); op_power(x, x); to_double(x)

float use_all(uint i)
{
    uint at = moved(i, remainder_at(i, quotient_at(i, 0u), 0u), 0u, 0u);
    float f = number_float(at) + read_float32(0u, at) + keep_float16(read_float16(0u, at)) +
              keep_bfloat16(read_bfloat16(0u, at));
    int n = number_int(at) + read_int32(0u, at) + keep_int16(read_int16(0u, at)) +
            keep_int8(read_int8(0u, at)) + keep_uint8(read_uint8(0u, at)) + read_bool(0u, at);
    USE_ANY(f);
    USE_ANY(n);
    USE_REAL(f);
    USE_WHOLE(n);
    write_float32(0u, at, f);
    write_float16(0u, at, f);
    write_bfloat16(0u, at, f);
    write_int32(0u, at, n);
    write_int16(0u, at, n);
    write_int8(0u, at, n);
    write_uint8(0u, at, n);
    write_bool(0u, at, n);
#ifndef LEAN
    int64_t l = number_long(at) + read_int64(0u, at);
    USE_ANY(l);
    USE_WHOLE(l);
    to_long(f);
    to_long(n);
    to_long(l);
    write_int64(0u, at, l);
#endif
#ifdef HAS_F64
    double d = number_double(at) + read_float64(0u, at);
    USE_ANY(d);
    to_long(d);
    USE_REAL(d);
    USE_SPECIAL(f);
    USE_SPECIAL(d);
    to_double(n);
    to_double(l);
#define OP(name) op_##name(f); op_##name(d);
#include "special_ops.def"
#undef OP
    write_float64(0u, at, d);
#endif
    return f;
}
