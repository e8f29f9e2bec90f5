/* Activations said with other operations. Where two formulas meet, the one that is not taken sees a harmless input, so that
 * its derivative is not 0 · infinity. */
#include <math.h>

#include "core/ops/compose.h"

/* A number in x's dtype. */
static cr_tensor *number(cr_tensor *x, double value)
{
    return number_like(x, cr_float_scalar(value), dtype_of(x));
}

/* hardswish: x·0 below -3, x above 3, x·(x + 3)/6 between. */
COMPOSITE(hardswish)
{
    (void)op;
    if (!needs_float("hardswish", T(0)))
        return -1;
    cr_tensor *x = fine(T(0)), *mid = cr_clamp(x, .min = CR_S(-3), .max = CR_S(3));
    mid = cr_div_scalar(cr_mul(mid, cr_add_scalar(mid, 3)), 6);
    cr_tensor *y = cr_where(cr_gt_scalar(x, 3), x, mid);
    return cr_give(r, coarse(cr_where(cr_lt_scalar(x, -3), cr_mul_scalar(x, 0), y), T(0)));
}

/* hardsigmoid: x/6 + 1/2 between -3 and 3, flat outside and at both ends. */
COMPOSITE(hardsigmoid)
{
    (void)op;
    if (!needs_float("hardsigmoid", T(0)))
        return -1;
    cr_tensor *x = fine(T(0)), *mid = cr_clamp(x, .min = CR_S(-3), .max = CR_S(3));
    mid = cr_div_scalar(cr_add_scalar(mid, 3), 6);
    cr_tensor *y = cr_where(cr_ge_scalar(x, 3), number(x, 1), mid);
    return cr_give(r, coarse(cr_where(cr_le_scalar(x, -3), number(x, 0), y), T(0)));
}

COMPOSITE(hardshrink)
{
    (void)op;
    double limit = F(1);
    cr_tensor *x = T(0);
    if (!needs_float("hardshrink", x))
        return -1;
    cr_tensor *inside = cr_logical_and(cr_ge_scalar(x, -limit), cr_le_scalar(x, limit));
    return cr_give(r, cr_masked_fill_scalar(x, inside, 0));
}
COMPOSITE(softshrink)
{
    (void)op;
    double limit = F(1);
    cr_tensor *x = T(0);
    if (!needs_float("softshrink", x))
        return -1;
    if (!(limit >= 0))
        return CR_FAIL_INT("lambda must be greater or equal to 0, but found to be %g.", limit);
    cr_tensor *low = cr_where(cr_lt_scalar(x, -limit), cr_add_scalar(x, limit), number(x, 0));
    return cr_give(r, cr_where(cr_gt_scalar(x, limit), cr_sub_scalar(x, limit), low));
}
COMPOSITE(celu)
{
    (void)op;
    double alpha = F(1);
    if (alpha == 0)
        return CR_FAIL_INT("ZeroDivisionError: alpha cannot be 0 for CELU");
    return cr_give(r, cr_elu(T(0), .alpha = CR_S(alpha), .input_scale = CR_S(1 / alpha)));
}
COMPOSITE(selu)
GIVE(cr_elu(T(0), .alpha = CR_S(1.6732632423543772848170429916717),
            .scale = CR_S(1.0507009873554804934193349852946)))

/* The first half times the sigmoid of the second. */
COMPOSITE(glu)
{
    (void)op;
    cr_tensor *x = T(0);
    int d = x->dim ? cr_wrap_dim("glu", INT(1), x->dim) : -1;
    if (!x->dim)
        return CR_FAIL_INT("glu does not support 0-dimensional tensors");
    if (d < 0 || !needs_float("glu", x))
        return -1;
    if (x->size[d] % 2)
        return CR_FAIL_INT("Halving dimension must be even, but dimension %d is size %lld", d,
                           (long long)x->size[d]);
    int64_t half = x->size[d] / 2;
    cr_tensor *f = fine(x);
    return cr_give(
        r, coarse(cr_mul(cr_narrow(f, d, 0, half), cr_sigmoid(cr_narrow(f, d, half, half))), x));
}

/* x where it is positive, else weight · x; the weight has one number, or one for each of the second dimension. */
COMPOSITE(prelu)
{
    (void)op;
    cr_tensor *x = T(0), *w = T(1);
    if (!needs_float("prelu", x))
        return -1;
    if (w->dim > 1)
        return CR_FAIL_INT(
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got ndim = %d", w->dim);
    if (dtype_of(w) != dtype_of(x))
        return CR_FAIL_INT("prelu: Type promoting not supported. Got %s and %s",
                           cr_dtype_name(dtype_of(x)), cr_dtype_name(dtype_of(w)));
    if (w->numel != 1) {
        int64_t channels = x->dim > 1 ? x->size[1] : 1, shape[CR_MAX_RANK];
        if (!x->dim)
            return CR_FAIL_INT("prelu: Not allow zero-dim input tensor.");
        if (w->numel != channels)
            return CR_FAIL_INT("Mismatch of parameter numbers and input channel size. Found "
                               "parameter numbers = %lld and "
                               "channel size = %lld.",
                               (long long)w->numel, (long long)channels);
        for (int d = 0; d < x->dim; d++)
            shape[d] = d == 1 ? w->numel : 1;
        w = cr_reshape(w, cr_make_ints(shape, x->dim));
    } else {
        w = cr_reshape(w, CR_EMPTY);
    }
    cr_tensor *positive = cr_gt_scalar(x, 0);
    return cr_give(r, cr_where(positive, x, cr_mul(w, cr_masked_fill_scalar(x, positive, 0))));
}

/* Negative inputs times a random slope of [lower, upper); the slopes are left in noise (1 elsewhere). */
static cr_tensor *rrelu(cr_tensor *x, cr_tensor *noise, double lower, double upper, bool training)
{
    if (!needs_float("rrelu", x))
        return NULL;
    if (!(lower <= upper))
        return cr_fail("rrelu: Lower bound should be less than or equal to the upper bound");
    if (!training)
        return cr_leaky_relu(x, .negative_slope = CR_S((lower + upper) / 2));
    cr_tensor *slope = cr_uniform(cr_empty_like(cr_detach(x)), .from = lower, .to = CR_SOME(upper));
    slope = cr_where(cr_le_scalar(x, 0), slope, number(x, 1));
    if (noise && !cr_copy_(noise, slope))
        return NULL;
    return cr_mul(x, slope);
}
COMPOSITE(rrelu)
GIVE(rrelu(T(0), NULL, F(1), F(2), INT(3)))
COMPOSITE(rrelu_with_noise)
GIVE(rrelu(T(0), T(1), F(2), F(3), INT(4)))

COMPOSITE(threshold)
GIVE(cr_where(cr_le_scalar(T(0), S(1)), number_like(T(0), S(2), dtype_of(T(0))), T(0)))
COMPOSITE(mish)
{
    (void)op;
    cr_tensor *x = T(0), *f = fine(x);
    if (!needs_float("mish", x))
        return -1;
    return cr_give(r, coarse(cr_mul(f, cr_tanh(cr_softplus(f))), x));
}
COMPOSITE(softsign)
GIVE(cr_div(T(0), cr_add_scalar(cr_abs(T(0)), 1)))
COMPOSITE(tanhshrink)
GIVE(cr_sub(T(0), cr_tanh(T(0))))
COMPOSITE(softmin)
GIVE(cr_softmax(cr_neg(T(0)), INT(1), .dtype = cr_value_dtype(&args[2])))

/* log σ(x): x - log(1 + eˣ) below 0, -log(1 + e⁻ˣ) from there on. */
COMPOSITE(log_sigmoid)
{
    (void)op;
    cr_tensor *x = T(0), *f = fine(x);
    if (!needs_float("log_sigmoid", x))
        return -1;
    cr_tensor *low = cr_sub(f, cr_log1p(cr_exp(cr_clamp_max(f, 0))));
    cr_tensor *high = cr_neg(cr_log1p(cr_exp(cr_neg(cr_clamp_min(f, 0)))));
    return cr_give(r, coarse(cr_where(cr_lt_scalar(f, 0), low, high), x));
}

/* Softmax of logits with Gumbel noise, at temperature tau; hard: a one-hot tensor whose gradient is the soft one's. */
COMPOSITE(gumbel_softmax)
{
    (void)op;
    cr_tensor *x = T(0);
    double tau = F(1);
    if (!needs_float("gumbel_softmax", x))
        return -1;
    cr_tensor *noise = cr_exponential_(
        cr_empty(sizes_of_tensor(x), .dtype = dtype_of(x), .device = cr_tensor_device(x)));
    cr_tensor *soft = cr_softmax(cr_div_scalar(cr_sub(x, cr_log(noise)), tau), INT(4));
    if (!INT(2))
        return cr_give(r, soft);
    const cr_argmax_options best = {.dim = {INT(4), true}, .keepdim = true};
    cr_tensor *hot =
        cr_scatter_value(cr_zeros_like(cr_detach(x)), INT(4), cr_argmax_with(soft, &best), 1.0);
    return cr_give(r, cr_add(cr_sub(hot, cr_detach(soft)), soft));
}
