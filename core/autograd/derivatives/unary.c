/* Derivatives of elementwise functions of one tensor, and of activations. */
#include "core/autograd/derivatives/derivative.h"

#define C(x) cr_float_scalar(x)

UNARY(abs, "AbsBackward0", SAVES_SELF, cr_mul(g, cr_sign(self)))
UNARY(neg, "NegBackward0", SAVES_NONE, cr_neg(g))
UNARY(zero, "ZeroBackward0", SAVES_NONE, cr_zeros_like(g))
UNARY(sqrt, "SqrtBackward0", SAVES_RESULT, cr_div(g, cr_mul_scalar(result, 2)))
UNARY(rsqrt, "RsqrtBackward0", SAVES_RESULT,
      cr_mul(cr_mul_scalar(g, -0.5), cr_pow_scalar(result, 3)))
UNARY(reciprocal, "ReciprocalBackward0", SAVES_RESULT, cr_mul(cr_neg(g), cr_mul(result, result)))
UNARY(exp, "ExpBackward0", SAVES_RESULT, cr_mul(g, result))
UNARY(exp2, "Exp2Backward0", SAVES_RESULT,
      cr_mul_scalar(cr_mul(g, result), C(0.69314718055994530942)))
UNARY(expm1, "Expm1Backward0", SAVES_RESULT, cr_mul(g, cr_add_scalar(result, 1)))
UNARY(log, "LogBackward0", SAVES_SELF, cr_div(g, self))
UNARY(log2, "Log2Backward0", SAVES_SELF, cr_div(g, cr_mul_scalar(self, C(0.69314718055994530942))))
UNARY(log10, "Log10Backward0", SAVES_SELF,
      cr_div(g, cr_mul_scalar(self, C(2.30258509299404568402))))
UNARY(log1p, "Log1PBackward0", SAVES_SELF, cr_div(g, cr_add_scalar(self, 1)))
UNARY(sin, "SinBackward0", SAVES_SELF, cr_mul(g, cr_cos(self)))
UNARY(cos, "CosBackward0", SAVES_SELF, cr_neg(cr_mul(g, cr_sin(self))))
UNARY(tan, "TanBackward0", SAVES_RESULT, cr_mul(g, cr_add_scalar(cr_square(result), 1)))
UNARY(asin, "AsinBackward0", SAVES_SELF, cr_mul(g, cr_rsqrt(cr_rsub_scalar(cr_square(self), 1))))
UNARY(acos, "AcosBackward0", SAVES_SELF,
      cr_neg(cr_mul(g, cr_rsqrt(cr_rsub_scalar(cr_square(self), 1)))))
UNARY(atan, "AtanBackward0", SAVES_SELF, cr_div(g, cr_add_scalar(cr_square(self), 1)))
UNARY(sinh, "SinhBackward0", SAVES_SELF, cr_mul(g, cr_cosh(self)))
UNARY(cosh, "CoshBackward0", SAVES_SELF, cr_mul(g, cr_sinh(self)))
UNARY(tanh, "TanhBackward0", SAVES_RESULT, cr_tanh_backward(g, result))
UNARY(asinh, "AsinhBackward0", SAVES_SELF, cr_mul(g, cr_rsqrt(cr_add_scalar(cr_square(self), 1))))
UNARY(acosh, "AcoshBackward0", SAVES_SELF, cr_mul(g, cr_rsqrt(cr_sub_scalar(cr_square(self), 1))))
UNARY(atanh, "AtanhBackward0", SAVES_SELF, cr_div(g, cr_rsub_scalar(cr_square(self), 1)))
UNARY(erf, "ErfBackward0", SAVES_SELF,
      cr_mul(g, cr_mul_scalar(cr_exp(cr_neg(cr_square(self))), C(1.12837916709551257390))))
UNARY(erfc, "ErfcBackward0", SAVES_SELF,
      cr_mul(g, cr_mul_scalar(cr_exp(cr_neg(cr_square(self))), C(-1.12837916709551257390))))
UNARY(erfinv, "ErfinvBackward0", SAVES_RESULT,
      cr_mul(g, cr_mul_scalar(cr_exp(cr_square(result)), C(0.88622692545275801365))))
UNARY(lgamma, "LgammaBackward0", SAVES_SELF, cr_mul(g, cr_digamma(self)))
UNARY(digamma, "DigammaBackward0", SAVES_SELF, cr_mul(g, cr_polygamma(1, self)))
UNARY(sigmoid, "SigmoidBackward0", SAVES_RESULT, cr_sigmoid_backward(g, result))

/* ---- activations ---- */

UNARY(relu, "ReluBackward0", SAVES_RESULT, cr_threshold_backward(g, result, 0))

/* threshold_backward(grad_output, self, threshold): linear in grad_output, flat in self. */
DERIVATIVE(threshold_backward, "ThresholdBackwardBackward0", .in_for = {0, FOR_0})
{
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_threshold_backward(cr_g(c, 0), cr_in(c, 1), scalar_arg(c, 2)));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_zeros_like(cr_g(c, 0)));
    return 0;
}

/* g·y·(1 - y) */
DERIVATIVE(sigmoid_backward, "SigmoidBackwardBackward0", .in_for = {FOR_1, FOR_0 | FOR_1})
{
    cr_tensor *g = cr_g(c, 0), *y = cr_in(c, 1);
    cr_set(c, 0, cr_sigmoid_backward(g, y));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_mul(cr_mul(g, cr_in(c, 0)), cr_rsub_scalar(cr_mul_scalar(y, 2), 1)));
    return 0;
}

/* g·(1 - y²) */
DERIVATIVE(tanh_backward, "TanhBackwardBackward0", .in_for = {FOR_1, FOR_0 | FOR_1})
{
    cr_tensor *g = cr_g(c, 0), *y = cr_in(c, 1);
    cr_set(c, 0, cr_tanh_backward(g, y));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_mul(cr_mul(g, cr_in(c, 0)), cr_mul_scalar(y, -2)));
    return 0;
}

UNARY(gelu, "GeluBackward0", SAVES_SELF,
      cr_gelu_backward(g, self, .approximate = cr_argument(c, 1)->as.s))

/* The formula as its decomposition has it, so that it can be differentiated again. */
DERIVATIVE(gelu_backward, "GeluBackwardBackward0", .in_for = {FOR_1, FOR_0 | FOR_1})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 1);
    const char *approximate = cr_argument(c, 2)->as.s;
    cr_set(c, 0, cr_gelu_backward(g, x, .approximate = approximate));
    if (!cr_needs(c, 1))
        return 0;
    cr_tensor *slope2; /* second derivative of gelu */
    if (approximate[0] == 't') {
        const double k = 0.79788456080286535588, a = 0.044715;
        cr_tensor *x2 = cr_square(x);
        cr_tensor *u1 = cr_mul_scalar(cr_add_scalar(cr_mul_scalar(x2, 3 * a), 1), k); /* u' */
        cr_tensor *u = cr_mul_scalar(cr_mul(x, cr_add_scalar(cr_mul_scalar(x2, a), 1)), k);
        cr_tensor *t = cr_tanh(u), *s = cr_rsub_scalar(cr_square(t), 1);
        cr_tensor *u2 = cr_mul_scalar(x, 6 * a * k);
        cr_tensor *inner = cr_sub(u2, cr_mul_scalar(cr_mul(t, cr_square(u1)), 2));
        slope2 = cr_mul(s, cr_add(u1, cr_mul_scalar(cr_mul(x, inner), 0.5)));
    } else { /* φ(x)·(2 - x²) */
        cr_tensor *x2 = cr_square(x);
        cr_tensor *density = cr_mul_scalar(cr_exp(cr_mul_scalar(x2, -0.5)), 0.39894228040143267794);
        slope2 = cr_mul(density, cr_rsub_scalar(x2, 2));
    }
    cr_set(c, 1, cr_mul(cr_mul(g, cr_in(c, 0)), slope2));
    return 0;
}

UNARY(silu, "SiluBackward0", SAVES_SELF, cr_silu_backward(g, self))

/* silu'' = σ(1 - σ)(2 + x(1 - 2σ)) */
DERIVATIVE(silu_backward, "SiluBackwardBackward0", .in_for = {FOR_1, FOR_0 | FOR_1})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 1);
    cr_set(c, 0, cr_silu_backward(g, x));
    if (cr_needs(c, 1)) {
        cr_tensor *s = cr_sigmoid(x);
        cr_tensor *bend = cr_add_scalar(cr_mul(x, cr_rsub_scalar(cr_mul_scalar(s, 2), 1)), 2);
        cr_set(c, 1, cr_mul(cr_mul(g, cr_in(c, 0)), cr_mul(cr_mul(s, cr_rsub_scalar(s, 1)), bend)));
    }
    return 0;
}

UNARY(leaky_relu, "LeakyReluBackward0", SAVES_SELF,
      cr_where(cr_gt_scalar(self, 0), g, cr_mul_scalar(g, scalar_arg(c, 1))))

/* elu = scale·(x > 0 ? x : alpha·(exp(input_scale·x) - 1)) */
DERIVATIVE(elu, "EluBackward0", SAVES_SELF)
{
    cr_tensor *g = cr_g(c, 0), *x = self;
    double alpha = float_arg(c, 1), scale = float_arg(c, 2), input_scale = float_arg(c, 3);
    cr_tensor *below =
        cr_mul_scalar(cr_exp(cr_mul_scalar(x, input_scale)), alpha * input_scale * scale);
    cr_set(c, 0, cr_where(cr_gt_scalar(x, 0), cr_mul_scalar(g, scale), cr_mul(g, below)));
    return 0;
}

DERIVATIVE(softplus, "SoftplusBackward0", SAVES_SELF)
{
    cr_tensor *g = cr_g(c, 0), *scaled = cr_mul_scalar(self, scalar_arg(c, 1));
    cr_set(c, 0,
           cr_where(cr_gt_scalar(scaled, scalar_arg(c, 2)), g, cr_mul(g, cr_sigmoid(scaled))));
    return 0;
}

/* ---- incomplete gamma functions, by their second argument ---- */

/* ± xᵃ⁻¹ e⁻ˣ / Γ(a) */
static int incomplete_gamma(cr_grad_context *c, double sign)
{
    cr_tensor *a = cr_in(c, 0), *x = cr_in(c, 1);
    if (cr_needs(c, 0))
        return CR_FAIL_INT("the derivative for '%s: self' is not implemented",
                           sign > 0 ? "igamma" : "igammac");
    cr_tensor *log = cr_sub(cr_sub(cr_mul(cr_sub_scalar(a, 1), cr_log(x)), x), cr_lgamma(a));
    cr_set(c, 1, cr_mul_scalar(cr_mul(cr_g(c, 0), cr_exp(log)), sign));
    return 0;
}
DERIVATIVE(igamma, "IgammaBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    return incomplete_gamma(c, 1);
}
DERIVATIVE(igammac, "IgammacBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    return incomplete_gamma(c, -1);
}
