/* Activations and other element-wise functions said with simpler ones; their derivatives follow from those. */
#include <math.h>

#include "core/ops/compose.h"

static cr_tensor *zeros_where(cr_tensor *keep, cr_tensor *x)
{
    return cr_where_scalar_other(keep, x, 0);
}

COMPOSITE(hardshrink)
GIVE(cr_where_scalar_self(cr_le_scalar(cr_abs(T(0)), F(1)), 0, T(0)))
COMPOSITE(softshrink)
{
    (void)op;
    double lambda = F(1);
    if (lambda < 0)
        return CR_FAIL_INT("lambda must be greater or equal to 0, but found to be %g.", lambda);
    cr_tensor *x = T(0), *near = cr_mul_scalar(cr_sign(x), lambda);
    return cr_give(r, zeros_where(cr_gt_scalar(cr_abs(x), lambda), cr_sub(x, near)));
}
COMPOSITE(tanhshrink)
GIVE(cr_sub(T(0), cr_tanh(T(0))))
COMPOSITE(hardsigmoid)
GIVE(cr_div_scalar(cr_clamp(cr_add_scalar(T(0), 3), .min = CR_S(0), .max = CR_S(6)), 6))
COMPOSITE(hardswish)
GIVE(cr_div_scalar(cr_mul(T(0), cr_clamp(cr_add_scalar(T(0), 3), .min = CR_S(0), .max = CR_S(6))),
                   6))
COMPOSITE(mish)
GIVE(cr_mul(T(0), cr_tanh(cr_softplus(T(0)))))
COMPOSITE(softsign)
GIVE(cr_div(T(0), cr_add_scalar(cr_abs(T(0)), 1)))
COMPOSITE(celu)
{
    (void)op;
    double alpha = F(1);
    if (alpha == 0)
        return CR_FAIL_INT("ZeroDivisionError: alpha cannot be 0 for CELU");
    return cr_give(r, cr_elu(T(0), .alpha = CR_S(alpha), .input_scale = CR_S(1 / alpha)));
}
/* Klambauer et al., 2017. */
COMPOSITE(selu)
GIVE(cr_elu(T(0), .alpha = CR_S(1.6732632423543772848170429916717),
            .scale = CR_S(1.0507009873554804934193349852946)))
COMPOSITE(threshold)
GIVE(cr_where_scalar_other(cr_gt_scalar(T(0), F(1)), T(0), F(2)))

COMPOSITE(prelu)
{
    (void)op;
    cr_tensor *x = T(0), *w = T(1);
    int64_t sizes[CR_MAX_RANK];
    if (w->numel != 1) {
        int channel = x->dim > 1 ? 1 : 0;
        if (w->dim != 1 || !x->dim || w->numel != x->size[channel])
            return CR_FAIL_INT("Mismatch of parameter numbers and input channel size. Found "
                               "parameter numbers = %lld and input %s.",
                               (long long)w->numel, cr_sizes_text(x->dim, x->size));
        for (int d = 0; d < x->dim; d++)
            sizes[d] = d == channel ? w->numel : 1;
        w = cr_reshape(w, cr_make_ints(sizes, x->dim));
    } else {
        w = cr_reshape(w, CR_EMPTY);
    }
    return cr_give(r, cr_where(cr_gt_scalar(x, 0), x, cr_mul(x, w)));
}

/* Xu et al., 2015: in training every negative element has a slope of its own. */
COMPOSITE(rrelu)
{
    (void)op;
    cr_tensor *x = T(0);
    double lower = F(1), upper = F(2);
    if (lower > upper)
        return CR_FAIL_INT("Lower bound should be less than or equal to the upper bound");
    if (!INT(3))
        return cr_give(r, cr_leaky_relu(x, .negative_slope = CR_S((lower + upper) / 2)));
    cr_tensor *slope = cr_uniform(cr_detach(x), .from = lower, .to = CR_SOME(upper));
    return cr_give(r, cr_where(cr_ge_scalar(x, 0), x, cr_mul(x, slope)));
}

/* Dauphin et al., 2016. */
COMPOSITE(glu)
{
    (void)op;
    cr_tensor *x = T(0);
    int dim = cr_wrap_dim("glu", INT(1), x->dim);
    if (dim < 0)
        return -1;
    if (!x->dim || x->size[dim] % 2)
        return CR_FAIL_INT("Halving dimension must be even, but dimension %d is size %lld", dim,
                           (long long)(x->dim ? x->size[dim] : 0));
    int64_t half = x->size[dim] / 2;
    return cr_give(r,
                   cr_mul(cr_narrow(x, dim, 0, half), cr_sigmoid(cr_narrow(x, dim, half, half))));
}

COMPOSITE(logit)
{
    (void)op;
    cr_tensor *x = T(0);
    if (args[1].tag != CR_NONE)
        x = cr_clamp(x, .min = CR_S(F(1)), .max = CR_S(1 - F(1)));
    return cr_give(r, cr_log(cr_div(x, cr_rsub_scalar(x, 1))));
}

/* ---- more of two tensors ---- */

/* Infinities of one sign stay what they are: their difference isn't looked at. */
static cr_tensor *log_add(cr_tensor *a, cr_tensor *b, bool base2)
{
    cr_tensor *most = cr_maximum(a, b), *away = cr_neg(cr_abs(cr_sub(a, b)));
    away = cr_masked_fill_scalar(away, cr_eq(a, b), 0);
    cr_tensor *more =
        base2 ? cr_div_scalar(cr_log1p(cr_exp2(away)), M_LN2) : cr_log1p(cr_exp(away));
    return cr_where(cr_logical_and(cr_isinf(most), cr_eq(a, b)), most, cr_add(most, more));
}
COMPOSITE(logaddexp)
GIVE(log_add(T(0), T(1), false))
COMPOSITE(logaddexp2)
GIVE(log_add(T(0), T(1), true))
COMPOSITE(hypot)
GIVE(cr_sqrt(cr_add(cr_square(T(0)), cr_square(T(1)))))
static cr_tensor *xlogy(cr_tensor *x, cr_tensor *y)
{
    cr_tensor *none = cr_logical_and(cr_eq_scalar(x, 0), cr_logical_not(cr_isnan(y)));
    return cr_where_scalar_self(
        none, 0, cr_mul(x, cr_log(cr_masked_fill_scalar(cr_expand_as(y, none), none, 1))));
}
COMPOSITE(xlogy)
GIVE(xlogy(T(0), cr_expand_as(T(1), cr_add(T(0), T(1)))))
COMPOSITE(fmax)
GIVE(cr_where(cr_isnan(T(0)), T(1), cr_where(cr_isnan(T(1)), T(0), cr_maximum(T(0), T(1)))))
COMPOSITE(fmin)
GIVE(cr_where(cr_isnan(T(0)), T(1), cr_where(cr_isnan(T(1)), T(0), cr_minimum(T(0), T(1)))))
COMPOSITE(heaviside)
{
    (void)op;
    cr_tensor *x = T(0), *at_zero = T(1);
    if (dtype_of(x) != dtype_of(at_zero))
        return CR_FAIL_INT("heaviside is not yet implemented for tensors with different dtypes.");
    cr_tensor *step = cr_to_dtype(cr_gt_scalar(x, 0), dtype_of(x));
    return cr_give(r, cr_where(cr_eq_scalar(x, 0), at_zero, step));
}

/* ---- more of one ---- */

COMPOSITE(sinc)
{
    (void)op;
    cr_tensor *x = cr_mul_scalar(T(0), M_PI), *zero = cr_eq_scalar(x, 0);
    return cr_give(
        r, cr_where_scalar_self(zero, 1, cr_div(cr_sin(x), cr_masked_fill_scalar(x, zero, 1))));
}
COMPOSITE(deg2rad)
GIVE(cr_mul_scalar(T(0), M_PI / 180))
COMPOSITE(rad2deg)
GIVE(cr_mul_scalar(T(0), 180 / M_PI))
COMPOSITE(signbit)
GIVE(is_float(T(0)) ? cr_lt_scalar(cr_copysign(cr_ones_like(T(0)), T(0)), 0)
                    : cr_lt_scalar(T(0), 0))
COMPOSITE(sgn)
GIVE(cr_sign(T(0)))

/* The greatest finite number of a dtype. */
static double greatest(cr_dtype dtype)
{
    return dtype == CR_F64   ? 0x1.fffffffffffffp1023
           : dtype == CR_F32 ? 0x1.fffffep127
           : dtype == CR_F16 ? 65504
                             : 0x1.fep127;
}
COMPOSITE(nan_to_num)
{
    (void)op;
    cr_tensor *x = T(0);
    if (!is_float(x))
        return cr_give(r, cr_clone(x));
    double most = greatest(dtype_of(x));
    cr_tensor *y = cr_masked_fill_scalar(x, cr_isnan(x), args[1].tag == CR_NONE ? 0 : F(1));
    y = cr_masked_fill_scalar(y, cr_eq_scalar(x, INFINITY), args[2].tag == CR_NONE ? most : F(2));
    return cr_give(r, cr_masked_fill_scalar(y, cr_eq_scalar(x, -INFINITY),
                                            args[3].tag == CR_NONE ? -most : F(3)));
}
