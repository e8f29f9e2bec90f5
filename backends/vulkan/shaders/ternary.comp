#version 450
// Elementwise operations on three inputs. For where, an element is its bits and FROM_0 is bool.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "ternary_ops.def"

T apply(T a, T b, T c)
{
    precise T y;
    switch (OP) {
    case OP_clamp:
        return a < b || is_nan(b) ? (b > c || is_nan(c) ? c : b) : a > c || is_nan(c) ? c : a;
    case OP_addcmul: y = a + number(0) * b * c; return y;
    case OP_addcdiv: y = a + number(0) * b / c; return y;
#if defined CLASS_FLOAT || defined CLASS_DOUBLE
    case OP_lerp: // from the nearer end, so that weights 0 and 1 give the ends themselves
        y = c < T(0.5) && c > T(-0.5) ? a + c * (b - a) : b - (b - a) * (T(1) - c);
        return y;
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
            store(args.at[0], at.x, TO, load_int(args.at[1], at.y, U8) != 0 ? b : c);
        else
            store(args.at[0], at.x, TO, apply(INPUT(0, FROM_0, at.y), b, c));
    }
}
