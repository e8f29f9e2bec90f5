/* Derivatives of special functions: entropies, the normal distribution, Bessel functions, zeta. */
#include "core/autograd/derivatives/derivative.h"

/* Formulas of PyTorch's derivatives, also at the edges. */
UNARY(special_entr, "SpecialEntrBackward0", SAVES_SELF,
      cr_neg(cr_mul(g, cr_add_scalar(cr_log(self), 1))))
UNARY(special_erfcx, "SpecialErfcxBackward0", SAVES_BOTH,
      cr_mul(g, cr_sub_scalar(cr_mul(cr_mul_scalar(self, 2), result), 1.12837916709551257390)))
UNARY(special_log_ndtr, "SpecialLogNdtrBackward0", SAVES_SELF,
      cr_mul_scalar(cr_div(g, cr_special_erfcx(cr_mul_scalar(self, -0.70710678118654752440))),
                    0.79788456080286535588))
UNARY(special_ndtri, "SpecialNdtriBackward0", SAVES_RESULT,
      cr_mul_scalar(cr_mul(g, cr_exp(cr_mul_scalar(cr_square(result), 0.5))),
                    2.50662827463100050242))
UNARY(special_i0e, "SpecialI0EBackward0", SAVES_BOTH,
      cr_mul(g, cr_sub(cr_special_i1e(self), cr_mul(cr_sign(self), result))))

/* I₁' = I₀ - I₁/x, ½ at 0; the scaled one's also loses its sign times itself. */
static cr_tensor *over_x(cr_tensor *y, cr_tensor *x)
{
    cr_tensor *zero = cr_eq_scalar(x, 0);
    return cr_where_scalar_self(zero, 0.5, cr_div(y, cr_masked_fill_scalar(x, zero, 1)));
}
UNARY(i0, "I0Backward0", SAVES_SELF, cr_mul(g, cr_special_i1(self)))
UNARY(special_i1, "SpecialI1Backward0", SAVES_BOTH,
      cr_mul(g, cr_sub(cr_i0(self), over_x(result, self))))
UNARY(special_i1e, "SpecialI1EBackward0", SAVES_BOTH,
      cr_mul(g, cr_sub(cr_special_i0e(self),
                       cr_add(over_x(result, self), cr_mul(cr_sign(self), result)))))

/* x log y, x log(1 + y): PyTorch's gradient of x is 0 where x is and y is out of the logarithm's domain. */
static int times_log(cr_grad_context *c, double plus)
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 0), *y = cr_in(c, 1);
    if (cr_needs(c, 0)) {
        cr_tensor *none = cr_logical_and(cr_eq_scalar(x, 0), cr_le_scalar(y, -plus));
        cr_tensor *log = plus != 0 ? cr_log1p(y) : cr_log(y);
        cr_set(c, 0, cr_mul(g, cr_masked_fill_scalar(log, none, 0)));
    }
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_div(cr_mul(g, x), plus != 0 ? cr_add_scalar(y, plus) : y));
    return 0;
}
DERIVATIVE(xlogy, "XlogyBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    return times_log(c, 0);
}
DERIVATIVE(special_xlog1py, "SpecialXlog1PyBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    return times_log(c, 1);
}

/* By other: -s ζ(s + 1, x). */
DERIVATIVE(special_zeta, "SpecialZetaBackward0", .in_for = {FOR_1, FOR_1})
{
    if (cr_needs(c, 0))
        return CR_FAIL_INT("the derivative for 'special_zeta: self' is not implemented");
    cr_tensor *s = cr_in(c, 0);
    cr_tensor *more = cr_special_zeta(cr_add_scalar(s, 1), cr_in(c, 1));
    cr_set(c, 1, cr_neg(cr_mul(cr_g(c, 0), cr_mul(s, more))));
    return 0;
}
