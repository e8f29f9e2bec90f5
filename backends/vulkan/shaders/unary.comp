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
#ifdef PAIRS
#include "pair_ops.glsl"
#else
#include "unary.glsl"
#endif

#define CASE(name) \
    case OP_##name: return op_##name(x)

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
T real(T x)
{
    switch (OP) {
    CASE(floor);
    CASE(ceil);
    CASE(trunc);
    CASE(round);
    CASE(sqrt);
    CASE(rsqrt);
    CASE(reciprocal);
    CASE(cube);
    CASE(inverse_square);
    CASE(exp);
    CASE(log);
    CASE(tanh);
    CASE(sigmoid);
    CASE(erf);
    CASE(gelu);
    CASE(gelu_tanh);
    CASE(silu);
    case OP_leaky_relu: return op_leaky_relu(x, number(0));
    case OP_elu: return op_elu(x, number(0), number(1), number(2));
    case OP_hardtanh: return op_hardtanh(x, number(0), number(1));
    case OP_softplus: return op_softplus(x, number(0), number(1));
    default: return x;
    }
}
#else
T real(T x)
{
    return OP == OP_bitwise_not ? op_bitwise_not(x) : x;
}
#endif

T apply(T x)
{
    switch (OP) {
    CASE(abs);
    CASE(neg);
    CASE(sign);
    CASE(square);
    CASE(relu);
    case OP_logical_not: return T(op_logical_not(x));
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
