#version 450
// Elementwise operations on three inputs. For where, an element is its bits and FROM_0 is bool.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "ternary_ops.def"
#ifdef PAIRS
#include "pair_ops.glsl"
#else
#include "ternary.glsl"
#endif

T apply(T a, T b, T c)
{
    switch (OP) {
    case OP_clamp: return op_clamp(a, b, c);
    case OP_addcmul: return op_addcmul(a, b, c, number(0));
#if defined CLASS_FLOAT || defined CLASS_DOUBLE
    case OP_addcdiv: return op_addcdiv(a, b, c, number(0));
    case OP_lerp: return op_lerp(a, b, c);
#endif
    default: return a;
    }
}

void main()
{
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        T b = INPUT(1, FROM_1, at.z), c = INPUT(2, FROM_2, at.w);
        if (OP == OP_where)
            store(args.at[0], at.x, TO, op_where(load_int(args.at[1], at.y, U8), b, c));
        else
            store(args.at[0], at.x, TO, apply(INPUT(0, FROM_0, at.y), b, c));
    }
}
