/* Derivatives of reductions, scans and sorting. */
#include "core/autograd/derivatives/derivative.h"

/* A reduced tensor with its reduced dims put back as 1 (unless they were kept). dims none: all were
 * reduced. */
static cr_tensor *restored(cr_grad_context *c, cr_tensor *t, const cr_value *dims, bool kept)
{
    if (kept || !t)
        return t;
    cr_ints sizes = cr_in_sizes(c, 0);
    int64_t with[CR_MAX_RANK];
    int64_t count = !dims || dims->tag == CR_NONE ? 0 : dims->tag == CR_INT ? 1 : dims->count;
    for (int64_t d = 0; d < sizes.count; d++)
        with[d] = count ? sizes.data[d] : 1;
    for (int64_t i = 0; i < count && sizes.count; i++) {
        int64_t d = dims->tag == CR_INT ? dims->as.i : dims->as.ints[i];
        with[d < 0 ? d + sizes.count : d] = 1;
    }
    return cr_reshape(t, cr_make_ints(with, (size_t)sizes.count));
}

static int64_t reduced_count(cr_grad_context *c, cr_tensor *reduced)
{
    cr_ints sizes = cr_in_sizes(c, 0);
    int64_t numel = 1;
    for (int64_t d = 0; d < sizes.count; d++)
        numel *= sizes.data[d];
    int64_t left = cr_tensor_numel(reduced);
    return left ? numel / left : 0;
}

static cr_tensor *spread(cr_grad_context *c, cr_tensor *g, const cr_value *dims, bool kept)
{
    return cr_expand(restored(c, g, dims, kept), cr_in_sizes(c, 0));
}

UNARY(sum, "SumBackward0", SAVES_NONE, spread(c, g, NULL, false))
UNARY(sum_dim, "SumBackward1", SAVES_NONE, spread(c, g, cr_argument(c, 1), int_arg(c, 2)))
UNARY(mean, "MeanBackward0", SAVES_NONE,
      cr_div_scalar(spread(c, g, NULL, false), reduced_count(c, g)))
UNARY(mean_dim, "MeanBackward1", SAVES_NONE,
      cr_div_scalar(spread(c, g, cr_argument(c, 1), int_arg(c, 2)), reduced_count(c, g)))

/* The product of all others, from running products of both sides, so that zeros do no harm. x [..,
 * n]. */
static cr_tensor *others_product(cr_tensor *x, int64_t dim)
{
    int64_t n = cr_tensor_size(x, (int)dim);
    cr_tensor *ones = cr_ones_like(cr_narrow(x, dim, 0, 1));
    cr_tensor *before =
        cr_cat(CR_TENSORS(ones, cr_narrow(cr_cumprod(x, dim), dim, 0, n - 1)), .dim = dim);
    cr_tensor *back = cr_flip(x, dim);
    cr_tensor *after = cr_flip(
        cr_cat(CR_TENSORS(ones, cr_narrow(cr_cumprod(back, dim), dim, 0, n - 1)), .dim = dim), dim);
    return cr_mul(before, after);
}

DERIVATIVE(prod, "ProdBackward0", SAVES_SELF)
{
    cr_tensor *x = self;
    if (!cr_tensor_numel(x) || !cr_tensor_dim(x)) {
        cr_set(c, 0, cr_mul(cr_g(c, 0), cr_ones_like(x)));
        return 0;
    }
    cr_tensor *others = others_product(cr_reshape(x, CR_INTS(-1)), 0);
    cr_set(c, 0, cr_mul(cr_g(c, 0), cr_reshape(others, cr_in_sizes(c, 0))));
    return 0;
}

DERIVATIVE(prod_dim, "ProdBackward1", SAVES_SELF)
{
    cr_tensor *x = self, *g = restored(c, cr_g(c, 0), cr_argument(c, 1), int_arg(c, 2));
    int64_t dim = int_arg(c, 1);
    if (!cr_tensor_numel(x) || !cr_tensor_dim(x))
        cr_set(c, 0, cr_mul(g, cr_ones_like(x)));
    else
        cr_set(c, 0, cr_mul(g, others_product(x, dim < 0 ? dim + cr_tensor_dim(x) : dim)));
    return 0;
}

/* Elements that equal the extreme share its gradient. */
static int share(cr_grad_context *c, const cr_value *dims, bool kept)
{
    cr_tensor *x = self, *extreme = restored(c, result, dims, kept),
              *g = restored(c, cr_g(c, 0), dims, kept);
    cr_tensor *mask = cr_to_dtype(cr_eq(x, extreme), cr_tensor_dtype(g));
    cr_tensor *count = cr_sum_to_size(
        mask, cr_make_ints(cr_tensor_sizes(extreme), (size_t)cr_tensor_dim(extreme)));
    cr_set(c, 0, cr_mul(mask, cr_div(g, count)));
    return 0;
}

DERIVATIVE(amax, "AmaxBackward0", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    return share(c, cr_argument(c, 1), int_arg(c, 2));
}
DERIVATIVE(amin, "AminBackward0", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    return share(c, cr_argument(c, 1), int_arg(c, 2));
}
DERIVATIVE(max, "MaxBackward1", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    return share(c, NULL, false);
}
DERIVATIVE(min, "MinBackward1", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    return share(c, NULL, false);
}

DERIVATIVE(median, "MedianBackward0", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    return share(c, NULL, false);
}

/* The gradient goes to where the indices (output 1) point. */
static int to_indices(cr_grad_context *c, int64_t dim, bool kept)
{
    cr_tensor *g = cr_g(c, 0), *indices = cr_out(c, 1);
    if (!g || !indices)
        return indices ? 0 : -1;
    if (!cr_in_dim(c, 0)) {
        cr_set(c, 0, g);
        return 0;
    }
    if (!kept) {
        g = cr_unsqueeze(g, dim);
        indices = cr_unsqueeze(indices, dim);
    }
    cr_tensor *zero =
        cr_zeros(cr_in_sizes(c, 0), .dtype = cr_tensor_dtype(g), .device = cr_in_device(c, 0));
    cr_set(c, 0, cr_scatter_add(zero, dim, indices, g));
    return 0;
}

DERIVATIVE(max_dim, "MaxBackward0", .out_for = {0, FOR_ALL})
{
    return to_indices(c, int_arg(c, 1), int_arg(c, 2));
}
DERIVATIVE(min_dim, "MinBackward0", .out_for = {0, FOR_ALL})
{
    return to_indices(c, int_arg(c, 1), int_arg(c, 2));
}
DERIVATIVE(cummax, "CummaxBackward0", .out_for = {0, FOR_ALL})
{
    return to_indices(c, int_arg(c, 1), true);
}
DERIVATIVE(sort, "SortBackward1", .out_for = {0, FOR_ALL})
{
    return to_indices(c, int_arg(c, 2), true);
}

/* ---- scans ---- */

static cr_tensor *reversed_logcumsumexp(cr_tensor *x, int64_t dim)
{
    return cr_flip(cr_logcumsumexp(cr_flip(x, dim), dim), dim);
}
/* Σ over later y of g·exp(x - y), by the logarithm of |g|, its signs apart. */
DERIVATIVE(logcumsumexp, "LogcumsumexpBackward0", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    cr_tensor *x = self, *y = result, *g = cr_g(c, 0);
    int64_t dim = int_arg(c, 1);
    if (!cr_tensor_dim(x) || !cr_tensor_numel(x)) {
        cr_set(c, 0, g);
        return 0;
    }
    cr_tensor *log_g = cr_log(cr_abs(g)), *sum = NULL;
    for (int sign = 0; sign < 2; sign++) {
        cr_tensor *others = sign ? cr_ge_scalar(g, 0) : cr_le_scalar(g, 0);
        cr_tensor *part = cr_masked_fill_scalar(cr_sub(log_g, y), others, -INFINITY);
        part = cr_exp(cr_add(reversed_logcumsumexp(part, dim), x));
        sum = sign ? cr_sub(sum, part) : part;
    }
    cr_set(c, 0, sum);
    return 0;
}

static cr_tensor *reversed_cumsum(cr_tensor *x, int64_t dim)
{
    return cr_tensor_dim(x) ? cr_flip(cr_cumsum(cr_flip(x, dim), dim), dim) : x;
}

UNARY(cumsum, "CumsumBackward0", SAVES_NONE, reversed_cumsum(g, int_arg(c, 1)))

/* With zeros in it: each gradient is the sum, over later products, of the product without that
 * element; done by writing the products out as a matrix. Without zeros it would be
 * reversed_cumsum(g·y)/x. */
DERIVATIVE(cumprod, "CumprodBackward0", SAVES_SELF)
{
    cr_tensor *x = self, *g = cr_g(c, 0);
    int64_t dim = int_arg(c, 1), rank = cr_tensor_dim(x);
    if (!rank || !cr_tensor_numel(x)) {
        cr_set(c, 0, g);
        return 0;
    }
    dim += dim < 0 ? rank : 0;
    int64_t n = cr_tensor_size(x, (int)dim);
    cr_tensor *moved = cr_transpose(x, dim, -1), *gm = cr_transpose(g, dim, -1); /* [.., n] */
    const char *device = cr_tensor_device(x);
    cr_tensor *eye = cr_eye(n, .dtype = CR_F32, .device = device);
    /* m[.., k, j] = x_j, but 1 where j = k: its running products along j are products without
     * element k. */
    cr_tensor *m = cr_where(cr_gt_scalar(eye, 0), cr_ones_like(cr_unsqueeze(moved, -2)),
                            cr_unsqueeze(moved, -2));
    cr_tensor *without = cr_triu(cr_cumprod(m, -1)); /* products with j ≥ k contain element k */
    cr_tensor *sum = cr_sum_dim(cr_mul(without, cr_unsqueeze(gm, -2)), -1);
    cr_set(c, 0, cr_transpose(sum, dim, -1));
    return 0;
}

/* Where the norm is 0 the gradient is, too; where several are the extreme they share it. */
DERIVATIVE(vector_norm, "LinalgVectorNormBackward0", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    const cr_value *dims = cr_argument(c, 2);
    double p = float_arg(c, 1);
    bool kept = int_arg(c, 3);
    cr_tensor *x = self, *g = restored(c, cr_g(c, 0), dims, kept),
              *y = restored(c, result, dims, kept), *scale;
    if (!x || !g || !y)
        return -1;
    if (p == 0) {
        cr_set(c, 0, cr_zeros_like(x));
        return 0;
    }
    if (p == 1) {
        cr_set(c, 0, cr_mul(cr_sign(x), g));
        return 0;
    }
    cr_tensor *none = cr_eq_scalar(y, 0);
    if (isinf(p)) {
        cr_tensor *size = cr_abs(x),
                  *is = cr_logical_or(cr_eq(size, y), cr_logical_and(cr_isnan(size), cr_isnan(y)));
        is = cr_to_dtype(is, cr_tensor_dtype(g));
        cr_tensor *count =
            cr_sum_to_size(is, cr_make_ints(cr_tensor_sizes(y), (size_t)cr_tensor_dim(y)));
        cr_set(c, 0, cr_mul(cr_sign(x), cr_mul(is, cr_div(g, count))));
        return 0;
    }
    if (p == 2) {
        cr_set(c, 0, cr_mul(x, cr_masked_fill_scalar(cr_div(g, y), none, 0)));
        return 0;
    }
    cr_tensor *slope = cr_mul(cr_sign(x), cr_pow_scalar(cr_abs(x), p - 1));
    if (p < 1) {
        slope = cr_masked_fill_scalar(slope, cr_eq_scalar(x, 0), 0);
        scale = cr_mul(g, cr_pow_scalar(y, 1 - p));
    } else {
        scale = cr_masked_fill_scalar(cr_mul(g, cr_pow_scalar(y, 1 - p)), none, 0);
    }
    cr_set(c, 0, cr_mul(slope, scale));
    return 0;
}
