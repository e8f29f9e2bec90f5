#version 450
// Elementwise operations on one input.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "unary_ops.def"
#if defined CLASS_FLOAT
#include "math_f32.glsl"
#elif defined CLASS_DOUBLE
#include "math_f64.glsl"
#include "math_erf.glsl"
#endif

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
T gelu_tanh(T x)
{
    return T(0.5) * x *
           (T(1) + tanh_(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
}

T real(T x)
{
    switch (OP) {
    case OP_floor: return floor(x);
    case OP_ceil: return ceil(x);
    case OP_trunc: return trunc(x);
    case OP_round: return roundEven(x);
    case OP_sqrt: return sqrt(x);
    case OP_rsqrt: return T(1) / sqrt(x);
    case OP_reciprocal: return T(1) / x;
    case OP_cube: return x * x * x;
    case OP_inverse_square: return T(1) / (x * x);
    case OP_exp: return exp_(x);
    case OP_log: return log_(x);
    case OP_tanh: return tanh_(x);
    case OP_sigmoid: return sigmoid_(x);
    case OP_erf: return erf_(x);
    case OP_gelu: return T(0.5) * x * (T(1) + erf_(x * T(0.70710678118654752440)));
    case OP_gelu_tanh: return gelu_tanh(x);
    case OP_silu: return x / (T(1) + exp_(-x));
    case OP_leaky_relu: return x > T(0) ? x : x * number(0);
    case OP_elu:
        return x <= T(0) ? expm1_(x * number(2)) * (number(0) * number(1)) : x * number(1);
    case OP_hardtanh: return x < number(0) ? number(0) : x > number(1) ? number(1) : x;
    case OP_softplus:
        return x * number(0) > number(1) ? x : log1p_(exp_(x * number(0))) / number(0);
    default: return x;
    }
}
#else
T real(T x)
{
    return OP == OP_bitwise_not ? ~x : x;
}
#endif

T apply(T x)
{
    switch (OP) {
    case OP_abs: return abs(x);
    case OP_neg: return -x;
    case OP_sign: return T(x > T(0) ? 1 : x < T(0) ? -1 : 0);
    case OP_square: return x * x;
    case OP_logical_not: return T(x == T(0) ? 1 : 0);
    case OP_relu: return x < T(0) ? T(0) : x;
    default: return real(x);
    }
}

void main()
{
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        store(args.at[0], at.x, TO, apply(INPUT(0, FROM_0, at.y)));
    }
}
