#version 450
// Elementwise operations on two inputs that take loops or f64.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "binary_ops.def"
#ifdef HAS_F64
#include "math_f64.glsl"
#include "math_circle.glsl"
#include "math_pow.glsl"
#endif
#ifdef PAIRS
#include "pair_division.glsl"
#else
#if defined CLASS_INT || defined CLASS_LONG
#include "integer.glsl"
#endif
#include "binary_special.glsl"
#endif

// The next number towards b: a step of the bits, for each dtype.
#if defined CLASS_FLOAT
T after(T a, T b)
{
    if (is_nan(a) || is_nan(b))
        return uintBitsToFloat(0x7fc00000u);
    if (a == b)
        return b;
    uint u = TO == F32 ? floatBitsToUint(a) : TO == F16 ? float_to_half(a) : float_to_bf16(a);
    uint sign = TO == F32 ? 0x80000000u : 0x8000u;
    u = a == 0.0 ? (b < 0.0 ? sign | 1u : 1u) : (a < b) == (a > 0.0) ? u + 1u : u - 1u;
    return TO == F32 ? uintBitsToFloat(u) : TO == F16 ? half_to_float(u) : bf16_to_float(u);
}
#elif defined CLASS_DOUBLE
T after(T a, T b)
{
    if (is_nan(a) || is_nan(b))
        return nan_f64();
    if (a == b)
        return b;
    uint64_t u = doubleBitsToUint64(a);
    u = a == 0.0lf ? (b < 0.0lf ? 0x8000000000000001ul : 1ul) : (a < b) == (a > 0.0lf) ? u + 1ul : u - 1ul;
    return uint64BitsToDouble(u);
}
#else
T after(T a, T b)
{
    return a;
}
#endif

T apply(T a, T b)
{
    switch (OP) {
    case OP_fmod: return op_fmod(a, b);
    case OP_remainder: return op_remainder(a, b);
    case OP_div_floor: return op_div_floor(a, b);
#if defined HAS_F64 || defined CLASS_INT || defined CLASS_LONG
    case OP_pow: return op_pow(a, b);
#endif
#ifdef HAS_F64
    case OP_atan2: return op_atan2(a, b);
#endif
    default: return after(a, b);
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
