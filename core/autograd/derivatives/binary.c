/* Derivatives of elementwise functions of two and three tensors. */
#include "core/autograd/derivatives/derivative.h"

DERIVATIVE(add, "AddBackward0", SAVES_NONE)
{
    cr_set(c, 0, cr_g(c, 0));
    if (cr_needs(c, 1))
        cr_set(c, 1, times(cr_g(c, 0), scalar_arg(c, 2)));
    return 0;
}

UNARY(add_scalar, "AddBackward0", SAVES_NONE, g)

DERIVATIVE(sub, "SubBackward0", SAVES_NONE)
{
    cr_set(c, 0, cr_g(c, 0));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_neg(times(cr_g(c, 0), scalar_arg(c, 2))));
    return 0;
}

UNARY(sub_scalar, "SubBackward0", SAVES_NONE, g)
UNARY(rsub_scalar, "RsubBackward1", SAVES_NONE, cr_neg(times(g, scalar_arg(c, 2))))

DERIVATIVE(mul, "MulBackward0", .in_for = {FOR_1, FOR_0})
{
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_mul(cr_g(c, 0), cr_in(c, 1)));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_mul(cr_g(c, 0), cr_in(c, 0)));
    return 0;
}

UNARY(mul_scalar, "MulBackward0", SAVES_NONE, cr_mul_scalar(g, scalar_arg(c, 1)))

DERIVATIVE(div, "DivBackward0", .in_for = {FOR_1, FOR_0 | FOR_1})
{
    cr_tensor *g = cr_g(c, 0), *other = cr_in(c, 1);
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_div(g, other));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_mul(cr_neg(g), cr_div(cr_div(cr_in(c, 0), other), other)));
    return 0;
}

UNARY(div_scalar, "DivBackward0", SAVES_NONE, cr_div_scalar(g, scalar_arg(c, 1)))

/* Rounded division is flat; without rounding it is division. */
DERIVATIVE(div_mode, "DivBackward1", .in_for = {FOR_1, FOR_0 | FOR_1})
{
    if (cr_argument(c, 2)->tag == CR_NONE)
        return grad_div(c);
    for (int i = 0; i < 2; i++)
        if (cr_needs(c, i))
            cr_set(c, i, cr_zeros_like(cr_g(c, 0)));
    return 0;
}

/* d/dx x^y = y·x^(y-1), 0 for y = 0; d/dy = x^y·ln x, 0 where x is 0 and y ≥ 0. */
DERIVATIVE(pow, "PowBackward1", .in_for = {FOR_0 | FOR_1, FOR_0 | FOR_1}, .out_for = {FOR_1})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 0), *y = cr_in(c, 1);
    if (cr_needs(c, 0)) {
        cr_tensor *slope = cr_mul(y, cr_pow(x, cr_sub_scalar(y, 1)));
        cr_set(
            c, 0,
            cr_mul(g, cr_masked_fill_scalar(cr_add(slope, cr_zeros_like(slope)),
                                            cr_eq_scalar(cr_add(y, cr_zeros_like(slope)), 0), 0)));
    }
    if (cr_needs(c, 1)) {
        cr_tensor *flat = cr_logical_and(cr_eq_scalar(x, 0), cr_ge_scalar(y, 0));
        cr_tensor *slope = cr_mul(cr_out(c, 0), cr_log(x));
        cr_set(c, 1, cr_mul(g, cr_masked_fill_scalar(slope, flat, 0)));
    }
    return 0;
}

DERIVATIVE(pow_scalar, "PowBackward0", SAVES_SELF)
{
    cr_tensor *g = cr_g(c, 0);
    double y = float_arg(c, 1);
    if (y == 0)
        cr_set(c, 0, cr_zeros_like(g));
    else if (y == 2)
        cr_set(c, 0, cr_mul(g, cr_mul_scalar(self, 2)));
    else
        cr_set(c, 0, cr_mul(g, cr_mul_scalar(cr_pow_scalar(self, y - 1), y)));
    return 0;
}

DERIVATIVE(pow_base, "PowBackward2", .out_for = {FOR_ALL}, .in_for = {FOR_ALL})
{
    double base = float_arg(c, 0);
    cr_tensor *g = cr_g(c, 0);
    if (base == 0)
        cr_set(c, 0,
               cr_mul(g, cr_masked_fill_scalar(cr_mul_scalar(result, -INFINITY),
                                               cr_ge_scalar(self, 0), 0)));
    else
        cr_set(c, 0, cr_mul(g, cr_mul_scalar(result, log(base))));
    return 0;
}

DERIVATIVE(fmod, "FmodBackward1", .in_for = {FOR_1, FOR_1})
{
    cr_set(c, 0, cr_g(c, 0));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_neg(cr_mul(cr_g(c, 0), cr_div_mode(cr_in(c, 0), cr_in(c, 1), "trunc"))));
    return 0;
}

UNARY(fmod_scalar, "FmodBackward0", SAVES_NONE, g)

DERIVATIVE(remainder, "RemainderBackward1", .in_for = {FOR_1, FOR_1})
{
    cr_set(c, 0, cr_g(c, 0));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_neg(cr_mul(cr_g(c, 0), cr_div_mode(cr_in(c, 0), cr_in(c, 1), "floor"))));
    return 0;
}

/* Where both are equal each gets half. */
static int greater(cr_grad_context *c, bool largest)
{
    cr_tensor *g = cr_g(c, 0), *a = cr_in(c, 0), *b = cr_in(c, 1);
    cr_tensor *half = cr_mul_scalar(g, 0.5), *tie = cr_eq(a, b);
    cr_tensor *shared = cr_where(tie, half, g);
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_masked_fill_scalar(shared, largest ? cr_lt(a, b) : cr_gt(a, b), 0));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_masked_fill_scalar(shared, largest ? cr_gt(a, b) : cr_lt(a, b), 0));
    return 0;
}

DERIVATIVE(maximum, "MaximumBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    return greater(c, true);
}

DERIVATIVE(minimum, "MinimumBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    return greater(c, false);
}

DERIVATIVE(atan2, "Atan2Backward0", .in_for = {FOR_ALL, FOR_ALL})
{
    cr_tensor *y = cr_in(c, 0), *x = cr_in(c, 1);
    cr_tensor *g = cr_div(cr_g(c, 0), cr_add(cr_square(y), cr_square(x)));
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_mul(g, x));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_neg(cr_mul(g, y)));
    return 0;
}

DERIVATIVE(copysign, "CopysignBackward0", .in_for = {FOR_0}, .out_for = {FOR_0})
{
    cr_tensor *g = cr_g(c, 0);
    if (cr_needs(c, 0)) {
        cr_tensor *ratio = cr_div(cr_out(c, 0), cr_in(c, 0));
        cr_set(c, 0, cr_mul(g, cr_masked_fill_scalar(ratio, cr_eq_scalar(cr_out(c, 0), 0), 0)));
    }
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_zeros_like(g));
    return 0;
}

DERIVATIVE(where, "WhereBackward0", .in_for = {FOR_1 | FOR_2})
{
    cr_tensor *g = cr_g(c, 0), *condition = cr_in(c, 0), *zero = cr_zeros_like(g);
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_where(condition, g, zero));
    if (cr_needs(c, 2))
        cr_set(c, 2, cr_where(condition, zero, g));
    return 0;
}

DERIVATIVE(clamp, "ClampBackward1", SAVES_SELF)
{
    cr_tensor *g = cr_g(c, 0), *x = self;
    cr_scalar low = scalar_arg(c, 1), high = scalar_arg(c, 2);
    if (low.tag)
        g = cr_masked_fill_scalar(g, cr_lt_scalar(x, low), 0);
    if (high.tag)
        g = cr_masked_fill_scalar(g, cr_gt_scalar(x, high), 0);
    cr_set(c, 0, g);
    return 0;
}

UNARY(clamp_min, "ClampMinBackward0", SAVES_SELF,
      cr_masked_fill_scalar(g, cr_lt_scalar(self, scalar_arg(c, 1)), 0))
UNARY(clamp_max, "ClampMaxBackward0", SAVES_SELF,
      cr_masked_fill_scalar(g, cr_gt_scalar(self, scalar_arg(c, 1)), 0))

DERIVATIVE(addcmul, "AddcmulBackward0", .in_for = {0, FOR_2, FOR_1})
{
    cr_tensor *g = cr_g(c, 0);
    cr_set(c, 0, g);
    for (int i = 1; i <= 2; i++)
        if (cr_needs(c, i))
            cr_set(c, i, cr_mul(times(g, scalar_arg(c, 3)), cr_in(c, 3 - i)));
    return 0;
}

DERIVATIVE(addcdiv, "AddcdivBackward0", .in_for = {0, FOR_2, FOR_1 | FOR_2})
{
    cr_tensor *g = cr_g(c, 0), *scaled = times(g, scalar_arg(c, 3)), *under = cr_in(c, 2);
    cr_set(c, 0, g);
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_div(scaled, under));
    if (cr_needs(c, 2))
        cr_set(c, 2, cr_neg(cr_mul(scaled, cr_div(cr_div(cr_in(c, 1), under), under))));
    return 0;
}

DERIVATIVE(lerp_scalar, "LerpBackward0", SAVES_NONE)
{
    double weight = float_arg(c, 2);
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_mul_scalar(cr_g(c, 0), 1 - weight));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_mul_scalar(cr_g(c, 0), weight));
    return 0;
}

DERIVATIVE(masked_fill_scalar, "MaskedFillBackward0", .in_for = {0, FOR_0})
{
    cr_set(c, 0, cr_masked_fill_scalar(cr_g(c, 0), cr_in(c, 1), 0));
    return 0;
}
