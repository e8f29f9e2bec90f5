/* Integrals and differences over samples, covariances, windows of signals, and arithmetic of integers. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- trapezoids ---- */

/* The areas between neighbours along dim: (y₀ + y₁)/2 times the distance. */
static cr_tensor *trapezoids(cr_tensor *y, cr_tensor *x, double dx, int64_t dim)
{
    int d = y->dim ? cr_wrap_dim("trapezoid", dim, y->dim) : -1;
    if (d < 0)
        return cr_error() ? NULL : cr_fail("trapezoid: needs at least one dimension");
    int64_t n = y->size[d], m = n > 0 ? n - 1 : 0;
    cr_tensor *sum = cr_add(cr_narrow(y, d, 0, m), cr_narrow(y, d, n - m, m));
    if (!x)
        return cr_mul_scalar(sum, dx / 2);
    cr_tensor *wide = x;
    if (x->dim == 1) {
        int64_t shape[CR_MAX_RANK];
        for (int i = 0; i < y->dim; i++)
            shape[i] = i == d ? x->numel : 1;
        wide = cr_reshape(x, cr_make_ints(shape, y->dim));
    }
    int own = wide ? wide->dim - (y->dim - d) : -1;
    if (own < 0 || wide->size[own] != n)
        return cr_fail(
            "trapezoid: There must be one `x` value for each sample point, got %s for %s",
            cr_describe(x), cr_describe(y));
    cr_tensor *gaps = cr_sub(cr_narrow(wide, own, n - m, m), cr_narrow(wide, own, 0, m));
    return cr_div_scalar(cr_mul(sum, gaps), 2);
}
COMPOSITE(trapezoid_x)
GIVE(cr_sum_dim(trapezoids(T(0), T(1), 1, INT(2)), INT(2)))
COMPOSITE(trapezoid)
GIVE(cr_sum_dim(trapezoids(T(0), NULL, F(1), INT(2)), INT(2)))
COMPOSITE(cumulative_trapezoid_x)
GIVE(cr_cumsum(trapezoids(T(0), T(1), 1, INT(2)), INT(2)))
COMPOSITE(cumulative_trapezoid)
GIVE(cr_cumsum(trapezoids(T(0), NULL, F(1), INT(2)), INT(2)))

/* ---- covariance: variables in rows, observations in columns ---- */

static cr_tensor *floating(cr_tensor *x)
{
    return is_float(x) ? x : cr_to_dtype(x, CR_F32);
}
COMPOSITE(cov)
{
    (void)op;
    cr_tensor *x = T(0), *frequency = T(2), *weight = T(3), *w = NULL;
    if (x->dim > 2)
        return CR_FAIL_INT("cov(): expected input to have two or fewer dimensions but got an input "
                           "with %d dimensions",
                           x->dim);
    if (dtype_of(x) == CR_B8)
        return CR_FAIL_INT("cov(): bool dtype is not supported for input");
    cr_tensor *rows =
        cr_reshape(x, CR_INTS(x->dim < 2 ? 1 : x->size[0], x->dim ? x->size[x->dim - 1] : 1));
    int64_t n = cr_tensor_size(rows, 1);
    if (frequency && (frequency->dim > 1 || frequency->numel != n || is_float(frequency) ||
                      dtype_of(frequency) == CR_B8))
        return CR_FAIL_INT("cov(): expected fweights to be %lld integers, got %s", (long long)n,
                           cr_describe(frequency));
    if (weight && (weight->dim > 1 || weight->numel != n || !is_float(weight)))
        return CR_FAIL_INT("cov(): expected aweights to be %lld floating-point numbers, got %s",
                           (long long)n, cr_describe(weight));
    rows = floating(rows);
    if (frequency)
        w = cr_to_dtype(frequency, dtype_of(rows));
    if (weight)
        w = w ? cr_mul(w, weight) : cr_to_dtype(weight, dtype_of(rows));
    cr_tensor *total =
        w ? cr_sum(w)
          : cr_full(CR_EMPTY, (double)n, .dtype = dtype_of(rows), .device = cr_tensor_device(rows));
    cr_tensor *mean = cr_div(cr_sum_dim(w ? cr_mul(rows, w) : rows, 1, .keepdim = true), total);
    double correction = (double)INT(1);
    cr_tensor *norm =
        INT(1) && weight
            ? cr_sub(total, cr_mul_scalar(cr_div(cr_sum(cr_mul(w, weight)), total), correction))
            : cr_sub_scalar(total, correction);
    cr_tensor *apart = cr_sub(rows, mean), *other = w ? cr_mul(apart, w) : apart;
    cr_tensor *c = cr_div(cr_mm(apart, cr_t(other)), cr_clamp_min(norm, 0));
    return cr_give(r, x->dim < 2 ? cr_reshape(c, CR_EMPTY) : c);
}
COMPOSITE(corrcoef)
{
    (void)op;
    cr_tensor *c = cr_cov(T(0));
    if (!c || !c->dim)
        return cr_give(r, c ? cr_div(c, c) : NULL);
    cr_tensor *deviation = cr_sqrt(cr_diagonal(c));
    c = cr_div(cr_div(c, cr_unsqueeze(deviation, 1)), cr_unsqueeze(deviation, 0));
    return cr_give(r, cr_clamp(c, .min = CR_S(-1), .max = CR_S(1)));
}

/* ---- windows of signals ---- */

/* 0 … n - 1 over the window's length: periodic ones end one step before they repeat. Null where the window is trivial. */
static cr_tensor *phases(int64_t n, bool periodic, cr_dtype dtype, const char *device, double *last)
{
    *last = (double)(periodic ? n : n - 1);
    return cr_arange(n, .dtype = or_default(dtype), .device = device);
}
typedef cr_tensor *(*window_shape)(cr_tensor *k, double last, const cr_value *args);

static int window(const char *name, const cr_value *args, int factory, bool periodic, cr_results *r,
                  window_shape shape)
{
    int64_t n = INT(0);
    cr_dtype dtype = FACTORY_DTYPE(factory);
    double last;
    if (n < 0)
        return CR_FAIL_INT("%s requires non-negative window_length, got window_length=%lld", name,
                           (long long)n);
    if (dtype && !cr_dtype_is_floating(dtype))
        return CR_FAIL_INT("%s expects floating point dtypes, got: %s", name, cr_dtype_name(dtype));
    if (n < 2)
        return cr_give(r, cr_ones(n, .dtype = dtype, .device = FACTORY_DEVICE(factory)));
    cr_tensor *k = phases(n, periodic, dtype, FACTORY_DEVICE(factory), &last);
    return cr_give(r, k ? shape(k, last, args) : NULL);
}
static cr_tensor *cosine(cr_tensor *k, double last, double times)
{
    return cr_cos(cr_mul_scalar(k, times * M_PI / last));
}
static cr_tensor *bartlett(cr_tensor *k, double last, const cr_value *args)
{
    (void)args;
    cr_tensor *up = cr_mul_scalar(k, 2 / last);
    return cr_where(cr_lt_scalar(k, last / 2), up, cr_rsub_scalar(up, 2));
}
static cr_tensor *hamming_of(cr_tensor *k, double last, double alpha, double beta)
{
    return cr_rsub_scalar(cr_mul_scalar(cosine(k, last, 2), beta), alpha);
}
static cr_tensor *hann(cr_tensor *k, double last, const cr_value *args)
{
    (void)args;
    return hamming_of(k, last, 0.5, 0.5);
}
static cr_tensor *hamming(cr_tensor *k, double last, const cr_value *args)
{
    return hamming_of(k, last, F(2), F(3));
}
static cr_tensor *blackman(cr_tensor *k, double last, const cr_value *args)
{
    (void)args;
    return cr_add_scalar(
        cr_sub(cr_mul_scalar(cosine(k, last, 4), 0.08), cr_mul_scalar(cosine(k, last, 2), 0.5)),
        0.42);
}
static cr_tensor *kaiser(cr_tensor *k, double last, const cr_value *args)
{
    double beta = F(2);
    cr_tensor *x = cr_sub_scalar(cr_mul_scalar(k, 2 / last), 1);
    cr_tensor *inside = cr_sqrt(cr_clamp_min(cr_rsub_scalar(cr_square(x), 1), 0));
    return cr_div(cr_i0(cr_mul_scalar(inside, beta)), cr_i0(cr_full_like(k, beta)));
}
#define WINDOW(name, shape, factory)                                     \
    COMPOSITE(name##_window)                                             \
    {                                                                    \
        (void)op;                                                        \
        return window(#name "_window", args, factory, INT(1), r, shape); \
    }
WINDOW(bartlett, bartlett, 2)
WINDOW(blackman, blackman, 2)
WINDOW(hann, hann, 2)
WINDOW(hamming, hamming, 4)
WINDOW(kaiser, kaiser, 3)

/* ---- integers ---- */

/* Euclid's algorithm, all elements in step. */
static cr_tensor *greatest_divisor(const char *name, cr_tensor *a, cr_tensor *b)
{
    if (is_float(a) || is_float(b) || dtype_of(a) == CR_B8 || dtype_of(b) == CR_B8)
        return cr_fail("%s: needs integer tensors, not %s and %s", name, cr_dtype_name(dtype_of(a)),
                       cr_dtype_name(dtype_of(b)));
    cr_tensor *like = cr_add(a, b);
    if (!like)
        return NULL;
    cr_tensor *x =
        cr_contiguous(cr_clone(cr_abs(cr_to_dtype(cr_expand_as(a, like), dtype_of(like)))));
    cr_tensor *y =
        cr_contiguous(cr_clone(cr_abs(cr_to_dtype(cr_expand_as(b, like), dtype_of(like)))));
    bool more = like->numel > 0;
    for (int step = 0; step < 100 && more && x && y; step++) { /* 64-bit numbers need at most 92 */
        CR_SCOPE {
            cr_tensor *end = cr_eq_scalar(y, 0),
                      *rest = cr_remainder(x, cr_masked_fill_scalar(y, end, 1));
            cr_tensor *next = cr_where(end, x, y);
            more = rest && next && cr_copy_(y, cr_masked_fill_scalar(rest, end, 0)) &&
                   cr_copy_(x, next) && cr_item(cr_any(cr_ne_scalar(y, 0))) == 1;
        }
    }
    return cr_error() ? NULL : x;
}
COMPOSITE(gcd)
GIVE(greatest_divisor("gcd", T(0), T(1)))
COMPOSITE(lcm)
{
    (void)op;
    cr_tensor *g = greatest_divisor("lcm", T(0), T(1));
    if (!g)
        return -1;
    cr_tensor *none = cr_eq_scalar(g, 0),
              *part = cr_floor_divide(cr_abs(T(0)), cr_masked_fill_scalar(g, none, 1));
    return cr_give(r, cr_masked_fill_scalar(cr_mul(part, cr_abs(T(1))), none, 0));
}

/* x = mantissa · 2^exponent with a mantissa of [0.5, 1). */
COMPOSITE(frexp)
{
    (void)op;
    cr_tensor *x = T(0);
    if (!is_float(x))
        return CR_FAIL_INT("torch.frexp() only supports floating-point dtypes");
    cr_tensor *plain = cr_logical_or(cr_logical_not(cr_isfinite(x)), cr_eq_scalar(x, 0)),
              *wide = cr_to_dtype(cr_abs(x), CR_F64);
    cr_tensor *e = cr_add_scalar(cr_floor(cr_log2(cr_masked_fill_scalar(wide, plain, 1))), 1);
    cr_tensor *half = cr_div_scalar(e, 2), *down = cr_floor(half), *m = cr_to_dtype(x, CR_F64);
    m = cr_mul(cr_mul(m, cr_exp2(cr_neg(down))),
               cr_exp2(cr_sub(down, e))); /* in two steps: 2^-e may not fit */
    cr_tensor *high = cr_ge_scalar(cr_abs(m), 1),
              *low = cr_lt_scalar(cr_abs(m), 0.5); /* log2 rounds */
    m = cr_where(high, cr_div_scalar(m, 2), cr_where(low, cr_mul_scalar(m, 2), m));
    e = cr_sub(cr_add(e, cr_to_dtype(high, CR_F64)), cr_to_dtype(low, CR_F64));
    return cr_give_two(r, cr_where(plain, x, cr_to_dtype(m, dtype_of(x))),
                       cr_to_dtype(cr_masked_fill_scalar(e, plain, 0), CR_I32));
}

/* ---- members of a set ---- */

COMPOSITE(isin)
{
    (void)op;
    cr_tensor *x = T(0), *set = cr_reshape(T(1), CR_INTS(T(1)->numel));
    if (!set)
        return -1;
    cr_tensor *found;
    if (set->numel <= 16) { /* each with each */
        cr_tensor *same = cr_eq(cr_unsqueeze(cr_detach(x), -1), cr_detach(set));
        found = cr_any_dim(same, -1);
    } else { /* the place where each would stand among the sorted set: what stands there is it, or it is none */
        cr_dtype common = cr_promote_types(dtype_of(x), dtype_of(set));
        common = common == CR_B8 ? CR_U8 : common;
        cr_tensor *sorted = cr_msort(cr_to_dtype(cr_detach(set), common)),
                  *value = cr_to_dtype(cr_detach(x), common);
        cr_tensor *at = cr_clamp_max(cr_searchsorted(sorted, value), set->numel - 1);
        found = at ? cr_eq(cr_reshape(cr_index_select(sorted, 0, cr_reshape(at, CR_INTS(x->numel))),
                                      sizes_of_tensor(x)),
                           value)
                   : NULL;
    }
    return cr_give(r, INT(3) ? cr_logical_not(found) : found);
}

COMPOSITE(logspace)
{
    (void)op;
    cr_dtype dtype = FACTORY_DTYPE(4);
    cr_tensor *power =
        cr_linspace(S(0), S(1), INT(2), .dtype = CR_F64, .device = FACTORY_DEVICE(4));
    return cr_give(r, cr_to_dtype(cr_pow_base(F(3), power), or_default(dtype)));
}
