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
#elif !defined PAIRS
#include "integer.glsl"
#endif
#ifdef PAIRS
#include "pair_ops.glsl"
#include "pair_division.glsl"
#else
#include "binary.glsl"
#endif

#define CASE(name) \
    case OP_##name: return op_##name(a, b)

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
T own(T a, T b)
{
    switch (OP) {
    CASE(div);
    CASE(div_trunc);
    CASE(copysign);
    CASE(sigmoid_backward);
    CASE(tanh_backward);
    CASE(gelu_backward);
    CASE(gelu_tanh_backward);
    CASE(silu_backward);
    case OP_leaky_relu_backward: return op_leaky_relu_backward(a, b, number(0));
    case OP_elu_backward: return op_elu_backward(a, b, number(0), number(1), number(2));
    case OP_elu_backward_result:
        return op_elu_backward_result(a, b, number(0), number(1), number(2));
    case OP_hardtanh_backward: return op_hardtanh_backward(a, b, number(0), number(1));
    case OP_softplus_backward: return op_softplus_backward(a, b, number(0), number(1));
    default: return a;
    }
}
#else
T own(T a, T b)
{
    switch (OP) {
    CASE(div_trunc);
    CASE(bitwise_and);
    CASE(bitwise_or);
    CASE(bitwise_xor);
    case OP_or_alpha: return op_or_alpha(a, b, number(0));
    case OP_left_shift: return op_left_shift(a, b, uint(BITS));
    case OP_right_shift: return op_right_shift(a, b, uint(BITS), TO == U8 ? 8u : uint(BITS - 1));
    default: return a;
    }
}
#endif

int compare(T a, T b)
{
    switch (OP) {
    CASE(eq);
    CASE(ne);
    CASE(lt);
    CASE(le);
    CASE(gt);
    CASE(ge);
    CASE(logical_and);
    CASE(logical_or);
    default: return op_logical_xor(a, b);
    }
}

T apply(T a, T b)
{
    switch (OP) {
    CASE(mul);
    CASE(maximum);
    CASE(minimum);
    case OP_add: return op_add(a, b, number(0));
    case OP_sub: return op_sub(a, b, number(0));
    case OP_threshold_backward: return op_threshold_backward(a, b, number(0));
    default: return OP >= OP_eq && OP <= OP_logical_xor ? T(compare(a, b)) : own(a, b);
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
