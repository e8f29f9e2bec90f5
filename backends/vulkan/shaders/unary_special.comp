#version 450
// Elementwise operations on one float that are computed in f64.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "unary_ops.def"
#include "math_f64.glsl"
#include "math_circle.glsl"
#include "math_erf.glsl"
#include "math_gamma.glsl"

double apply(double x)
{
    switch (OP) {
    case OP_exp2: return exp2_(x);
    case OP_expm1: return expm1_(x);
    case OP_log2: return log2_(x);
    case OP_log10: return log10_(x);
    case OP_log1p: return log1p_(x);
    case OP_sin: return sin_(x);
    case OP_cos: return cos_(x);
    case OP_tan: return tan_(x);
    case OP_asin: return asin_(x);
    case OP_acos: return acos_(x);
    case OP_atan: return atan_(x);
    case OP_sinh: return sinh_(x);
    case OP_cosh: return cosh_(x);
    case OP_asinh: return asinh_(x);
    case OP_acosh: return acosh_(x);
    case OP_atanh: return atanh_(x);
    case OP_erfc: return erfc_(x);
    case OP_erfinv: return erfinv_(x);
    case OP_lgamma: return lgamma_(x);
    default: return digamma_(x);
    }
}

void main()
{
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        store(args.at[0], at.x, TO, T(apply(double(INPUT(0, FROM_0, at.y)))));
    }
}
