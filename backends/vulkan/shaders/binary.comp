#version 450
// Elementwise operations on two inputs.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "binary_ops.def"
#if defined CLASS_FLOAT
#include "math_f32.glsl"
#elif defined CLASS_DOUBLE
#include "math_f64.glsl"
#include "math_erf.glsl"
#endif

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
const T beta = T(0.79788456080286535588), kappa = T(0.044715); // of gelu by tanh

T gelu_slope(T x)
{
    return T(0.5) * (T(1) + erf_(x * T(0.70710678118654752440))) +
           x * exp_(T(-0.5) * x * x) * T(0.39894228040143267794);
}

T gelu_tanh_slope(T x)
{
    T t = tanh_(beta * (x + kappa * x * x * x));
    return T(0.5) * (T(1) + t) +
           T(0.5) * x * (T(1) - t * t) * beta * (T(1) + T(3) * kappa * x * x);
}

T silu_slope(T x)
{
    T s = sigmoid_(x);
    return s * (T(1) + x * (T(1) - s));
}

T own(T a, T b)
{
    switch (OP) {
    case OP_div: return a / b;
    case OP_div_trunc: return trunc(a / b);
    case OP_copysign: return with_sign(a, b);
    case OP_sigmoid_backward: return a * (T(1) - b) * b;
    case OP_tanh_backward: return a * (T(1) - b * b);
    case OP_gelu_backward: return a * gelu_slope(b);
    case OP_gelu_tanh_backward: return a * gelu_tanh_slope(b);
    case OP_silu_backward: return a * silu_slope(b);
    case OP_leaky_relu_backward: return b > T(0) ? a : a * number(0);
    case OP_elu_backward:
        return a * (b <= T(0) ? number(2) * number(0) * number(1) * exp_(b * number(2)) : number(1));
    case OP_elu_backward_result:
        return a * (b <= T(0) ? number(2) * (b + number(0) * number(1)) : number(1));
    case OP_hardtanh_backward: return b <= number(0) || b >= number(1) ? T(0) : a;
    case OP_softplus_backward: return b * number(0) > number(1) ? a : a * sigmoid_(b * number(0));
    default: return a;
    }
}
#else
T quotient(T a, T b)
{
    return b == T(0) ? T(0) : b == T(-1) ? -a : a / b;
}

T own(T a, T b)
{
    switch (OP) {
    case OP_div_trunc: return quotient(a, b);
    case OP_or_alpha: return a | (b & number(0));
    case OP_bitwise_and: return a & b;
    case OP_bitwise_or: return a | b;
    case OP_bitwise_xor: return a ^ b;
    case OP_left_shift: return b < T(0) || b >= T(BITS) ? T(0) : a << int(b);
    case OP_right_shift:
        return a >> (b < T(0) || b >= T(BITS) ? (TO == U8 ? 8 : BITS - 1) : int(b));
    default: return a;
    }
}
#endif

bool compare(T a, T b)
{
    switch (OP) {
    case OP_eq: return a == b;
    case OP_ne: return a != b || is_nan(a) || is_nan(b);
    case OP_lt: return a < b;
    case OP_le: return a <= b;
    case OP_gt: return a > b;
    case OP_ge: return a >= b;
    case OP_logical_and: return a != T(0) && b != T(0);
    case OP_logical_or: return a != T(0) || b != T(0);
    default: return (a != T(0)) != (b != T(0));
    }
}

T apply(T a, T b)
{
    precise T sum;
    switch (OP) {
    case OP_add: sum = a + number(0) * b; return sum;
    case OP_sub: sum = a - number(0) * b; return sum;
    case OP_mul: return a * b;
    case OP_maximum: return is_nan(a) || a > b ? a : b;
    case OP_minimum: return is_nan(a) || a < b ? a : b;
    case OP_threshold_backward: return b <= number(0) ? T(0) : a;
    default:
        return OP >= OP_eq && OP <= OP_logical_xor ? T(compare(a, b) ? 1 : 0) : own(a, b);
    }
}

void main()
{
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        store(args.at[0], at.x, TO, apply(INPUT(0, FROM_0, at.y), INPUT(1, FROM_1, at.z)));
    }
}
