/* Samplers of distributions, all made from uniform numbers; and the dropouts for self-normalising networks. */
#include <math.h>

#include "core/ops/compose.h"

/* Uniform numbers of [0, 1) in t's sizes, in float64 for float64 and in float32 else. */
static cr_tensor *uniform_like(cr_tensor *t)
{
    return cr_uniform(cr_empty(sizes_of_tensor(t), .dtype = dtype_of(t) == CR_F64 ? CR_F64 : CR_F32,
                               .device = cr_tensor_device(t)));
}
/* Uniform numbers of (0, 1]. */
static cr_tensor *positive_uniform_like(cr_tensor *t)
{
    return cr_rsub_scalar(uniform_like(t), 1);
}
static cr_tensor *normal_like(cr_tensor *t)
{
    return cr_normal_functional(
        cr_empty(sizes_of_tensor(t), .dtype = dtype_of(t), .device = cr_tensor_device(t)));
}

COMPOSITE(exponential_)
{
    (void)op;
    if (!(F(1) > 0))
        return CR_FAIL_INT("exponential_ expects lambda > 0.0, but found lambda=%g", F(1));
    if (!needs_float("exponential_", T(0)))
        return -1;
    return cr_give(r, cr_copy_(T(0), cr_div_scalar(cr_log(positive_uniform_like(T(0))), -F(1))));
}
/* How many trials until the first success. */
COMPOSITE(geometric_)
{
    (void)op;
    double p = F(1);
    if (!(p > 0 && p < 1))
        return CR_FAIL_INT("geometric_ expects p to be in (0, 1), but got p=%g", p);
    cr_tensor *count = cr_ceil(cr_div_scalar(cr_log(positive_uniform_like(T(0))), log1p(-p)));
    return cr_give(r, cr_copy_(T(0), cr_clamp_min(count, 1)));
}
COMPOSITE(cauchy_)
{
    (void)op;
    if (!(F(2) > 0))
        return CR_FAIL_INT("cauchy_ expects sigma > 0.0, but found sigma=%g", F(2));
    if (!needs_float("cauchy_", T(0)))
        return -1;
    cr_tensor *angle =
        cr_mul_scalar(cr_sub_scalar(uniform_like(T(0)), 0.5), 3.14159265358979323846);
    return cr_give(r, cr_copy_(T(0), cr_add_scalar(cr_mul_scalar(cr_tan(angle), F(2)), F(1))));
}
COMPOSITE(log_normal_)
{
    (void)op;
    if (!(F(2) > 0))
        return CR_FAIL_INT("log_normal_ expects std > 0.0, but found std=%g", F(2));
    if (!needs_float("log_normal_", T(0)))
        return -1;
    cr_tensor *like =
        cr_empty(sizes_of_tensor(T(0)), .dtype = dtype_of(T(0)), .device = cr_tensor_device(T(0)));
    return cr_give(
        r, cr_copy_(T(0), cr_exp(cr_normal_functional(like, .mean = F(1), .std = CR_SOME(F(2))))));
}

/* The largest integer that the dtype counts to without a gap. */
static int64_t top_of(cr_dtype dtype)
{
    switch (dtype) {
    case CR_F64: return (int64_t)1 << 53;
    case CR_F32: return (int64_t)1 << 24;
    case CR_F16: return (int64_t)1 << 11;
    case CR_BF16: return (int64_t)1 << 8;
    case CR_I32: return INT32_MAX;
    case CR_I16: return INT16_MAX;
    case CR_I8: return INT8_MAX;
    case CR_U8: return UINT8_MAX;
    case CR_B8: return 1;
    default: return INT64_MAX - 1;
    }
}
static cr_tensor *random_(cr_tensor *t, int64_t from, int64_t to)
{
    return cr_copy_(t, cr_randint_low(from, to, sizes_of_tensor(t), .dtype = CR_I64,
                                      .device = cr_tensor_device(t)));
}
COMPOSITE(random_from_)
GIVE(random_(T(0), INT(1), args[2].tag == CR_NONE ? top_of(dtype_of(T(0))) : INT(2)))
COMPOSITE(random_to_)
GIVE(random_(T(0), 0, INT(1)))
COMPOSITE(random_)
GIVE(random_(T(0), 0,
             top_of(dtype_of(T(0))) +
                 (cr_dtype_is_floating(dtype_of(T(0))) || dtype_of(T(0)) != CR_I64)))

static cr_tensor *randint_like(const cr_value *args, int at, int64_t low, int64_t high)
{
    cr_dtype dtype = cr_value_dtype(&args[at]);
    const char *device = cr_value_device(&args[at + 2]);
    return cr_randint_low(low, high, sizes_of_tensor(T(0)), .dtype = dtype ? dtype : dtype_of(T(0)),
                          .device = device ? device : cr_tensor_device(T(0)));
}
COMPOSITE(randint_like)
GIVE(randint_like(args, 2, 0, INT(1)))
COMPOSITE(randint_like_low)
GIVE(randint_like(args, 3, INT(1), INT(2)))

/* ---- with parameters in tensors ---- */

/* 1 where a uniform number is below p, broadcast to self's sizes. */
static cr_tensor *chance(cr_tensor *self, cr_tensor *p)
{
    if (p->numel) {
        double low = cr_item(cr_min(p)), high = cr_item(cr_max(p));
        if (cr_error())
            return NULL;
        if (!(low >= 0 && high <= 1))
            return cr_fail("Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
    }
    return cr_lt(uniform_like(self), p);
}
COMPOSITE(bernoulli_p)
{
    (void)op;
    double p = F(1);
    if (!(p >= 0 && p <= 1))
        return CR_FAIL_INT("bernoulli expects p to be in [0, 1], but got p=%g", p);
    return cr_give(r, cr_to_dtype(cr_lt_scalar(uniform_like(T(0)), p), dtype_of(T(0))));
}
COMPOSITE(bernoulli_tensor)
GIVE(cr_to_dtype(chance(T(0), T(1)), dtype_of(T(0))))
COMPOSITE(bernoulli_tensor_)
GIVE(cr_copy_(T(0), chance(T(0), T(1))))

static cr_tensor *normal_of(cr_tensor *like, cr_tensor *mean, double mean_number, cr_tensor *std,
                            double std_number)
{
    if (std ? !is_float(std) : !(std_number >= 0))
        return cr_fail("normal expects std >= 0.0 of a floating dtype");
    if (std && std->numel && !(cr_item(cr_min(cr_detach(std))) >= 0))
        return cr_error() ? NULL : cr_fail("normal expects all elements of std >= 0.0");
    if (like && !needs_float("normal", like))
        return NULL;
    cr_tensor *z = normal_like(like);
    z = std ? cr_mul(z, std) : cr_mul_scalar(z, std_number);
    return mean ? cr_add(z, mean) : cr_add_scalar(z, mean_number);
}
COMPOSITE(normal_tensor_float)
GIVE(normal_of(cr_detach(T(0)), cr_detach(T(0)), 0, NULL, F(1)))
COMPOSITE(normal_float_tensor)
GIVE(normal_of(cr_detach(T(1)), NULL, F(0), cr_detach(T(1)), 0))
COMPOSITE(normal_tensor_tensor)
{
    (void)op;
    cr_tensor *mean = cr_detach(T(0)), *std = cr_detach(T(1));
    cr_tensor *like = cr_add(mean, cr_zeros_like(std));
    return like ? cr_give(r, normal_of(like, mean, 0, std, 0)) : -1;
}
COMPOSITE(normal_float_float)
{
    (void)op;
    cr_dtype dtype = cr_value_dtype(&args[4]);
    cr_tensor *t = cr_empty(L(2), .dtype = or_default(dtype), .device = cr_value_device(&args[6]));
    return cr_give(r, cr_normal_(t, .mean = F(0), .std = CR_SOME(F(1))));
}

/* Without replacement the greatest of p / Exp(1) are drawn in order (Efraimidis and Spirakis, 2006); with it, uniform numbers
 * are looked up in the running sum. */
COMPOSITE(multinomial)
{
    (void)op;
    cr_tensor *p = cr_detach(T(0));
    int64_t n = INT(1);
    if (p->dim < 1 || p->dim > 2)
        return CR_FAIL_INT("multinomial: prob_dist must be 1 or 2 dim, not %d", p->dim);
    if (!needs_float("multinomial", p))
        return -1;
    int64_t choices = p->size[p->dim - 1];
    if (n <= 0)
        return CR_FAIL_INT("cannot sample n_sample <= 0 samples");
    if (!INT(2) && n > choices)
        return CR_FAIL_INT(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    if (p->dim == 2 && !p->size[0])
        return cr_give(r, cr_empty(CR_INTS(0, n), .dtype = CR_I64, .device = cr_tensor_device(p)));
    p = dtype_of(p) == CR_F64 ? p : cr_to_dtype(p, CR_F32);
    double low = choices ? cr_item(cr_min(p)) : -1, high = choices ? cr_item(cr_max(p)) : 0;
    double sum = choices ? cr_item(cr_min(cr_sum_dim(p, -1))) : 0;
    if (cr_error())
        return -1;
    if (!(low >= 0) || !isfinite(high))
        return CR_FAIL_INT("probability tensor contains either `inf`, `nan` or element < 0");
    if (!(sum > 0))
        return CR_FAIL_INT("invalid multinomial distribution (sum of probabilities <= 0)");
    if (!INT(2)) {
        cr_tensor *keys = cr_div(p, cr_clamp_min(cr_neg(cr_log(positive_uniform_like(p))), 1e-300));
        return cr_give(r, cr_topk(keys, n).indices);
    }
    cr_tensor *running = cr_cumsum(p, -1), *total = cr_narrow(running, -1, choices - 1, 1);
    int64_t sizes[2] = {p->size[0], n};
    cr_tensor *u =
        cr_uniform(cr_empty(p->dim == 2 ? cr_make_ints(sizes, 2) : cr_make_ints(sizes + 1, 1),
                            .dtype = dtype_of(p), .device = cr_tensor_device(p)));
    /* The place is how many running sums are not above u · total; the clamp is for rounding at the end. */
    cr_tensor *place = cr_searchsorted(running, cr_mul(u, total), .right = true);
    return cr_give(r, cr_clamp_max(place, choices - 1));
}

/* Below 10 by multiplying uniform numbers until they are under exp(-λ) (Knuth); above by transformed rejection (Hörmann, 1993:
 * PTRS). Both go round until all elements are done. */
COMPOSITE(poisson)
{
    (void)op;
    cr_tensor *self = cr_detach(T(0));
    if (!needs_float("poisson", self))
        return -1;
    if (!self->numel)
        return cr_give(r, cr_empty_like(self));
    cr_tensor *rate = cr_to_dtype(self, CR_F64);
    double low = cr_item(cr_min(rate));
    if (cr_error())
        return -1;
    if (!(low >= 0))
        return CR_FAIL_INT("invalid Poisson rate, expected rate to be non-negative");
    cr_tensor *small = cr_clamp_max(rate, 10), *limit = cr_exp(cr_neg(small)),
              *product = uniform_like(rate);
    cr_tensor *k = cr_zeros_like(rate), *going = cr_gt(product, limit);
    while (going && cr_item(cr_any(going)) != 0) {
        k = cr_add(k, cr_to_dtype(going, CR_F64));
        product = cr_mul(product, uniform_like(rate));
        going = cr_logical_and(going, cr_gt(product, limit));
    }
    cr_tensor *high = cr_ge_scalar(rate, 10), *large = cr_clamp_min(rate, 10),
              *result = cr_where(high, rate, k);
    cr_tensor *b = cr_add_scalar(cr_mul_scalar(cr_sqrt(large), 2.53), 0.931);
    cr_tensor *a = cr_add_scalar(cr_mul_scalar(b, 0.02483), -0.059);
    cr_tensor *inverse_alpha =
        cr_add_scalar(cr_div(cr_full_like(b, 1.1328), cr_sub_scalar(b, 3.4)), 1.1239);
    cr_tensor *v_r = cr_rsub_scalar(cr_div(cr_full_like(b, 3.6224), cr_sub_scalar(b, 2)), 0.9277);
    going = high;
    while (going && cr_item(cr_any(going)) != 0) {
        cr_tensor *u = cr_sub_scalar(uniform_like(rate), 0.5), *v = positive_uniform_like(rate);
        cr_tensor *us = cr_rsub_scalar(cr_abs(u), 0.5);
        cr_tensor *guess = cr_floor(cr_add_scalar(
            cr_add(cr_mul(cr_add(cr_div(cr_mul_scalar(a, 2), us), b), u), large), 0.43));
        cr_tensor *quick = cr_logical_and(cr_ge_scalar(us, 0.07), cr_le(v, v_r));
        cr_tensor *left =
            cr_log(cr_div(cr_mul(v, inverse_alpha), cr_add(cr_div(a, cr_mul(us, us)), b)));
        cr_tensor *positive = cr_clamp_min(guess, 0);
        cr_tensor *right = cr_sub(cr_sub(cr_mul(positive, cr_log(large)), large),
                                  cr_lgamma(cr_add_scalar(positive, 1)));
        cr_tensor *slow = cr_logical_and(cr_ge_scalar(guess, 0), cr_le(left, right));
        cr_tensor *taken = cr_logical_and(going, cr_logical_or(quick, slow));
        result = cr_where(taken, guess, result);
        going = cr_logical_and(going, cr_logical_not(taken));
    }
    return cr_give(r, cr_error() ? NULL : cr_to_dtype(result, dtype_of(self)));
}

/* ---- dropouts that keep mean and variance (Klambauer et al., 2017) ---- */

static cr_tensor *alpha_dropout(cr_tensor *x, double p, bool train, bool channels)
{
    const double alpha = 1.7580993408473766;
    int64_t sizes[CR_MAX_RANK];
    if (!(p >= 0 && p <= 1))
        return cr_fail("dropout probability has to be between 0 and 1, but got %g", p);
    if (channels && x->dim < 2)
        return cr_fail("Feature dropout requires at least 2 dimensions in the input, got %s",
                       cr_describe(x));
    if (!train || p == 0 || !x->numel)
        return x;
    if (p == 1)
        return cr_mul(x, cr_zeros_like(cr_detach(x)));
    for (int d = 0; d < x->dim; d++)
        sizes[d] = channels && d >= 2 ? 1 : x->size[d];
    cr_tensor *keep =
        cr_empty(cr_make_ints(sizes, x->dim), .dtype = dtype_of(x), .device = cr_tensor_device(x));
    keep = cr_bernoulli_float_(keep, .p = {1 - p, true});
    double a = 1 / sqrt((alpha * alpha * p + 1) * (1 - p));
    cr_tensor *b = cr_add_scalar(cr_mul_scalar(cr_sub_scalar(keep, 1), alpha * a), alpha * a * p);
    return cr_add(cr_mul(x, cr_mul_scalar(keep, a)), b);
}
COMPOSITE(alpha_dropout)
GIVE(alpha_dropout(T(0), F(1), INT(2), false))
COMPOSITE(feature_alpha_dropout)
GIVE(alpha_dropout(T(0), F(1), INT(2), true))

/* torch.nn.functional.dropout1d, 2d and 3d: the last n dimensions go together; without a batch, too. */
static cr_tensor *dropout_planes(cr_tensor *x, double p, bool train, int n)
{
    if (x->dim != n + 1 && x->dim != n + 2 && n == 1)
        return cr_fail("dropout1d: Expected 2D or 3D input, but received a %dD input", x->dim);
    if (x->dim == n + 1 && n != 2)
        return cr_squeeze_dim(cr_f_feature_dropout(cr_unsqueeze(x, 0), p, train), 0);
    return cr_f_feature_dropout(x, p, train);
}
COMPOSITE(dropout1d)
GIVE(dropout_planes(T(0), F(1), INT(2), 1))
COMPOSITE(dropout2d)
GIVE(dropout_planes(T(0), F(1), INT(2), 2))
COMPOSITE(dropout3d)
GIVE(dropout_planes(T(0), F(1), INT(2), 3))
