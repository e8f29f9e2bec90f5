/* Samplers that are made from uniform and normal numbers. */
#include <math.h>

#include "core/ops/compose.h"

/* Uniform in [0, 1) or, so that logarithms are finite, in (0, 1]. */
static cr_tensor *uniform_like(cr_tensor *t, bool above_zero)
{
    cr_dtype dtype = dtype_of(t) == CR_F64 ? CR_F64 : CR_F32;
    cr_tensor *u =
        cr_uniform(cr_empty(sizes_of_tensor(t), .dtype = dtype, .device = cr_tensor_device(t)));
    return above_zero ? cr_rsub_scalar(u, 1) : u;
}

COMPOSITE(exponential_)
{
    (void)op;
    double rate = F(1);
    if (!(rate > 0))
        return CR_FAIL_INT("exponential_ expects lambda > 0.0, but found lambda=%g", rate);
    return cr_give(r,
                   cr_copy_(T(0), cr_div_scalar(cr_neg(cr_log(uniform_like(T(0), true))), rate)));
}
COMPOSITE(geometric_)
{
    (void)op;
    double p = F(1);
    if (!(p > 0 && p < 1))
        return CR_FAIL_INT("geometric_ expects p to be in (0, 1), but got p=%g", p);
    cr_tensor *trials = cr_ceil(cr_div_scalar(cr_log(uniform_like(T(0), true)), log1p(-p)));
    return cr_give(r, cr_copy_(T(0), cr_clamp_min(trials, 1)));
}
COMPOSITE(cauchy_)
{
    (void)op;
    if (!(F(2) > 0))
        return CR_FAIL_INT("cauchy_ expects sigma > 0.0, but found sigma=%g", F(2));
    cr_tensor *t = cr_tan(cr_mul_scalar(cr_sub_scalar(uniform_like(T(0), false), 0.5), M_PI));
    return cr_give(r, cr_copy_(T(0), cr_add_scalar(cr_mul_scalar(t, F(2)), F(1))));
}
COMPOSITE(log_normal_)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_tensor *n = cr_empty(sizes_of_tensor(x), .dtype = dtype_of(x) == CR_F64 ? CR_F64 : CR_F32,
                            .device = cr_tensor_device(x));
    return cr_give(r, cr_copy_(x, cr_exp(cr_normal_(n, .mean = F(1), .std = CR_SOME(F(2))))));
}

/* Draws by the largest key -log(u) / p, which gives samples without replacement; with it each draw has keys of its own.
 * Efraimidis and Spirakis, 2006. */
COMPOSITE(multinomial)
{
    (void)op;
    cr_tensor *p = T(0);
    int64_t count = INT(1);
    bool replacement = INT(2), single = p->dim == 1;
    if ((p->dim != 1 && p->dim != 2) || !is_float(p))
        return CR_FAIL_INT(
            "multinomial expects a vector or matrix of floating-point weights, got %s",
            cr_describe(p));
    int64_t n = p->size[p->dim - 1];
    if (count < 1 || (!replacement && count > n))
        return CR_FAIL_INT(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement: %lld of %lld",
            (long long)count, (long long)n);
    p = cr_reshape(p, CR_INTS(single ? 1 : p->size[0], n));
    if (!p)
        return -1;
    if (p->numel && (cr_item(cr_min(p)) < 0 || !cr_item_int(cr_all(cr_isfinite(p)))))
        return CR_FAIL_INT("probability tensor contains either `inf`, `nan` or element < 0");
    if (p->numel && !(cr_item(cr_min(cr_sum_dim(p, 1))) > 0))
        return CR_FAIL_INT("invalid multinomial distribution (sum of probabilities <= 0)");
    if (!replacement && p->numel && cr_item_int(cr_min(cr_sum_dim(cr_gt_scalar(p, 0), 1))) < count)
        return CR_FAIL_INT("invalid multinomial distribution (with replacement=False, not enough "
                           "non-negative category to sample)");
    cr_tensor *out;
    if (replacement) {
        cr_tensor *ends = cr_cumsum(cr_to_dtype(p, CR_F64), 1);
        cr_tensor *total = cr_narrow(ends, 1, n - 1, 1);
        cr_tensor *u = cr_uniform(
            cr_empty(CR_INTS(p->size[0], count), .dtype = CR_F64, .device = cr_tensor_device(p)));
        out = cr_searchsorted(ends, cr_mul(u, total), .right = true);
        out = cr_clamp_max(out, n - 1);
    } else {
        cr_tensor *key = cr_div(cr_log(uniform_like(p, true)), p);
        key = cr_masked_fill_scalar(key, cr_le_scalar(p, 0), -INFINITY);
        out = cr_topk(key, count, .dim = CR_SOME(1)).indices;
    }
    return cr_give(r, single ? cr_squeeze_dim(out, 0) : out);
}

/* Jang et al., 2016. */
COMPOSITE(gumbel_softmax)
{
    (void)op;
    cr_tensor *x = T(0);
    double tau = F(1);
    int64_t dim = INT(3);
    if (!(tau > 0))
        return CR_FAIL_INT("gumbel_softmax: tau must be above 0, got %g", tau);
    cr_tensor *e = cr_neg(cr_log(uniform_like(cr_detach(x), true)));
    cr_tensor *noise = cr_neg(cr_log(cr_clamp_min(e, 1e-30)));
    cr_tensor *soft = cr_softmax(cr_div_scalar(cr_add(x, noise), tau), dim);
    if (!INT(2))
        return cr_give(r, soft);
    cr_tensor *at = cr_argmax(soft, .dim = CR_SOME(dim), .keepdim = true);
    cr_tensor *hard = cr_scatter_value(cr_zeros_like(cr_detach(soft)), dim, at, 1);
    return cr_give(r,
                   cr_add(cr_sub(hard, cr_detach(soft)), soft)); /* hard's value, soft's gradient */
}

/* Klambauer et al., 2017: keeps mean and variance of what selu gives. */
static cr_tensor *alpha_dropout(cr_tensor *x, double p, bool training, bool channels)
{
    const double most = -1.7580993408473766;
    if (!(p >= 0 && p <= 1))
        return cr_fail("dropout probability has to be between 0 and 1, but got %g", p);
    if (channels && x->dim < 2)
        return cr_fail("feature dropout requires at least 2 dimensions in the input");
    if (!training || p == 0 || !x->numel)
        return cr_alias(x);
    if (p == 1)
        return cr_mul_scalar(x, 0);
    int64_t sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++)
        sizes[d] = !channels || d < 2 ? x->size[d] : 1;
    cr_tensor *u = cr_uniform(
        cr_empty(cr_make_ints(sizes, x->dim), .dtype = CR_F32, .device = cr_tensor_device(x)));
    double a = 1 / sqrt((most * most * p + 1) * (1 - p)), b = -a * most * p;
    cr_tensor *kept = cr_where_scalar_other(cr_expand_as(cr_ge_scalar(u, p), x), x, most);
    return cr_add_scalar(cr_mul_scalar(kept, a), b);
}
COMPOSITE(alpha_dropout)
GIVE(alpha_dropout(T(0), F(1), INT(2), false))
COMPOSITE(feature_alpha_dropout)
GIVE(alpha_dropout(T(0), F(1), INT(2), true))
