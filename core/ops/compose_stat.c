/* Order statistics and counts. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- both at once ---- */

COMPOSITE(aminmax)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints dims = args[1].tag == CR_NONE ? (cr_ints){0} : CR_INTS(INT(1));
    return cr_give_two(r, cr_amin(x, .dim = dims, .keepdim = INT(2)),
                       cr_amax(x, .dim = dims, .keepdim = INT(2)));
}
COMPOSITE(std_mean)
{
    (void)op;
    cr_tensor *x = T(0);
    return cr_give_two(r, cr_std(x, .no_unbiased = !INT(1)), cr_mean(x));
}
COMPOSITE(var_mean)
{
    (void)op;
    cr_tensor *x = T(0);
    return cr_give_two(r, cr_var(x, .no_unbiased = !INT(1)), cr_mean(x));
}
COMPOSITE(nansum)
GIVE(cr_sum(is_float(T(0)) ? cr_masked_fill_scalar(T(0), cr_isnan(T(0)), 0) : T(0)))
COMPOSITE(nanmean)
{
    (void)op;
    cr_tensor *x = T(0), *there = cr_logical_not(cr_isnan(x));
    return cr_give(r, cr_div(cr_sum(cr_masked_fill_scalar(x, cr_isnan(x), 0)),
                             cr_to_dtype(cr_sum(there), dtype_of(x))));
}

/* ---- order ---- */

COMPOSITE(kthvalue)
{
    (void)op;
    cr_tensor *x = T(0);
    int dim = cr_wrap_dim("kthvalue", INT(2), x->dim);
    int64_t k = INT(1), n = dim < 0 ? 0 : x->dim ? x->size[dim] : 1;
    if (dim < 0)
        return -1;
    if (k < 1 || k > n)
        return CR_FAIL_INT("kthvalue(): selected number k out of range for dimension %d", dim);
    if (!x->dim)
        return cr_give_two(r, cr_clone(x),
                           cr_zeros(CR_EMPTY, .dtype = CR_I64, .device = cr_tensor_device(x)));
    cr_sort_result s = cr_sort(x, .dim = CR_SOME(dim));
    cr_tensor *index = cr_narrow(s.indices, dim, k - 1, 1), *value = cr_gather(x, dim, index);
    return cr_give_two(r, INT(3) ? value : cr_squeeze_dim(value, dim),
                       INT(3) ? cr_clone(index) : cr_clone(cr_squeeze_dim(index, dim)));
}

/* The lower of two middle ones; NaN wins: the row's NaN are sorted last, so the place is theirs. */
COMPOSITE(median_dim)
{
    (void)op;
    cr_tensor *x = T(0);
    int dim = cr_wrap_dim("median", INT(1), x->dim);
    if (dim < 0)
        return -1;
    if (!x->dim)
        return cr_give_two(r, cr_clone(x),
                           cr_zeros(CR_EMPTY, .dtype = CR_I64, .device = cr_tensor_device(x)));
    int64_t n = x->size[dim];
    if (!n)
        return CR_FAIL_INT("median(): Expected reduction dim %d to have non-zero size.", dim);
    cr_sort_result s = cr_sort(x, .dim = CR_SOME(dim));
    cr_tensor *index = cr_narrow(s.indices, dim, (n - 1) / 2, 1);
    if (is_float(x)) {
        cr_tensor *nans = cr_sum_dim(cr_isnan(x), dim, .keepdim = true);
        cr_tensor *first = cr_gather(s.indices, dim, cr_clamp_max(cr_rsub_scalar(nans, n), n - 1));
        index = cr_where(cr_gt_scalar(nans, 0), first, index);
    }
    cr_tensor *value = cr_gather(x, dim, index);
    return cr_give_two(r, INT(2) ? value : cr_squeeze_dim(value, dim),
                       INT(2) ? cr_clone(index) : cr_clone(cr_squeeze_dim(index, dim)));
}
COMPOSITE(median)
{
    (void)op;
    cr_tensor *x = cr_reshape(T(0), CR_INTS(-1));
    if (x && !x->numel)
        return cr_give(r,
                       cr_full(CR_EMPTY, NAN, .dtype = dtype_of(x), .device = cr_tensor_device(x)));
    return cr_give(r, cr_median_dim(x, 0).output0);
}

/* q is a number or a row of them; between neighbours a line, unless interpolation says otherwise. */
COMPOSITE(quantile)
{
    (void)op;
    cr_tensor *x = T(0), *q = T(1);
    const char *how = args[4].tag == CR_NONE ? "linear" : args[4].as.s;
    bool whole = args[2].tag == CR_NONE, keepdim = INT(3);
    int rank = x->dim;
    if (!is_float(x) || dtype_of(q) != dtype_of(x) || q->dim > 1)
        return CR_FAIL_INT("quantile() input tensor must be either float or double dtype, and q a "
                           "scalar or 1D tensor of the same dtype");
    cr_tensor *y = whole ? cr_reshape(x, CR_INTS(-1)) : x;
    int dim = whole ? 0 : cr_wrap_dim("quantile", INT(2), x->dim);
    if (dim < 0 || !y)
        return -1;
    y = cr_movedim(y->dim ? y : cr_reshape(y, CR_INTS(1)), dim, -1);
    if (!y || !y->numel)
        return cr_error() ? -1 : CR_FAIL_INT("quantile() input tensor must be non-empty");
    int64_t n = y->size[y->dim - 1];
    cr_tensor *sorted = cr_sort(y).values;
    cr_tensor *at = cr_reshape(cr_mul_scalar(q, (double)(n - 1)), CR_INTS(-1)), *low = cr_floor(at),
              *weight = cr_sub(at, low);
    cr_tensor *i = cr_to_dtype(low, CR_I64),
              *j = cr_clamp_max(cr_to_dtype(cr_ceil(at), CR_I64), n - 1);
    cr_tensor *a = cr_index_select(sorted, -1, i), *b = cr_index_select(sorted, -1, j), *v;
    if (!strcmp(how, "lower"))
        v = a;
    else if (!strcmp(how, "higher"))
        v = b;
    else if (!strcmp(how, "nearest"))
        v = cr_index_select(sorted, -1, cr_to_dtype(cr_round(at), CR_I64));
    else if (!strcmp(how, "midpoint"))
        v = cr_lerp_scalar(a, b, 0.5);
    else if (!strcmp(how, "linear"))
        v = cr_lerp(a, b, cr_expand_as(weight, a));
    else
        return CR_FAIL_INT("quantile() interpolation must be one of linear, lower, higher, "
                           "midpoint or nearest, but got %s",
                           how);
    v = cr_masked_fill_scalar(v, cr_any_dims(cr_isnan(y), .dim = CR_INTS(-1), .keepdim = true),
                              NAN);
    v = cr_movedim(v, -1, 0); /* q first */
    if (keepdim) {
        int64_t sizes[CR_MAX_RANK + 1] = {at ? at->numel : 0};
        for (int d = 0; d < rank; d++)
            sizes[d + 1] = whole || d == dim ? 1 : x->size[d];
        v = cr_reshape(v, cr_make_ints(sizes, (size_t)rank + 1));
    }
    return cr_give(r, q->dim ? cr_contiguous(v) : cr_squeeze_dim(v, 0));
}

/* ---- where numbers fall ---- */

/* For each value how many of the sorted boundaries are below it (or not above it). */
static cr_tensor *positions(cr_tensor *sorted, cr_tensor *values, bool right, bool narrow)
{
    cr_tensor *s = cr_unsqueeze(sorted, -2), *v = cr_unsqueeze(values, -1);
    cr_tensor *count = cr_sum_dim(right ? cr_le(s, v) : cr_lt(s, v), -1);
    return narrow ? cr_to_dtype(count, CR_I32) : count;
}
COMPOSITE(searchsorted)
{
    (void)op;
    cr_tensor *s = T(0), *v = T(1);
    if (s->dim > 1 &&
        (s->dim != v->dim || memcmp(s->size, v->size, (size_t)(s->dim - 1) * sizeof *s->size)))
        return CR_FAIL_INT("torch.searchsorted(): boundaries tensor should be 1 dimension or the "
                           "first N-1 dimensions of boundaries tensor "
                           "and input value tensor must match, but we got boundaries tensor %s and "
                           "input value tensor %s",
                           cr_sizes_text(s->dim, s->size), cr_sizes_text(v->dim, v->size));
    return cr_give(r, positions(s, v, INT(3), INT(2)));
}
COMPOSITE(bucketize)
GIVE(T(1)->dim != 1 ? cr_fail("boundaries tensor must be 1 dimension, but got dim(%d)", T(1)->dim)
                    : positions(T(1), T(0), INT(3), INT(2)))

COMPOSITE(bincount)
{
    (void)op;
    cr_tensor *x = T(0), *weights = T(1);
    if (x->dim != 1 || is_float(x) || dtype_of(x) == CR_B8 ||
        (x->numel && cr_item_int(cr_min(x)) < 0))
        return cr_error() ? -1
                          : CR_FAIL_INT("bincount only supports 1-d non-negative integral inputs.");
    if (weights && (weights->dim != 1 || weights->numel != x->numel))
        return CR_FAIL_INT("weights should be 1-d and have the same length as input");
    int64_t n = x->numel ? cr_item_int(cr_max(x)) + 1 : 0;
    n = n < INT(2) ? INT(2) : n;
    weights = x->numel ? weights : NULL; /* of nothing PyTorch gives integers */
    cr_dtype dtype = !weights ? CR_I64 : dtype_of(weights) == CR_F32 ? CR_F32 : CR_F64;
    cr_tensor *each = weights ? cr_to_dtype(weights, dtype)
                              : cr_ones(x->numel, .dtype = CR_I64, .device = cr_tensor_device(x));
    cr_tensor *zero = cr_zeros(n, .dtype = dtype, .device = cr_tensor_device(x));
    return cr_give(r, cr_scatter_add(zero, 0, cr_to_dtype(x, CR_I64), each));
}

COMPOSITE(histc)
{
    (void)op;
    cr_tensor *x = cr_reshape(T(0), CR_INTS(-1));
    int64_t bins = INT(1);
    double low = F(2), high = F(3);
    if (bins < 1)
        return CR_FAIL_INT("histc(): bins must be > 0");
    if (!is_float(T(0)))
        return CR_FAIL_INT("histc(): not implemented for '%s'", cr_dtype_name(dtype_of(T(0))));
    if (low == high && x && x->numel) {
        low = cr_item(cr_min(x));
        high = cr_item(cr_max(x));
    }
    if (low == high) {
        low -= 1;
        high += 1;
    }
    if (!isfinite(low) || !isfinite(high) || low > high)
        return CR_FAIL_INT("histc(): range of [%g, %g] is not finite, or max is less than min", low,
                           high);
    cr_tensor *inside = cr_logical_and(cr_ge_scalar(x, low), cr_le_scalar(x, high));
    cr_tensor *at = cr_floor(cr_mul_scalar(cr_sub_scalar(x, low), (double)bins / (high - low)));
    at = cr_to_dtype(cr_clamp(cr_nan_to_num(at), .min = CR_S(0), .max = CR_S(bins - 1)), CR_I64);
    cr_tensor *zero = cr_zeros(bins, .dtype = dtype_of(x), .device = cr_tensor_device(x));
    return cr_give(r, cr_scatter_add(zero, 0, at, cr_to_dtype(inside, dtype_of(x))));
}

/* The values that occur, in order; where each element is among them; how often each occurs. */
COMPOSITE(unique)
{
    (void)op;
    cr_tensor *x = T(0), *flat = cr_reshape(x, CR_INTS(-1));
    const char *device = cr_tensor_device(x);
    int64_t n = x->numel;
    cr_tensor *none = cr_empty(0, .dtype = CR_I64, .device = device);
    if (!n)
        return cr_give_three(r, cr_clone(flat),
                             cr_zeros(sizes_of_tensor(x), .dtype = CR_I64, .device = device), none,
                             true);
    cr_sort_result s = cr_sort(flat);
    cr_tensor *steps = cr_ne(cr_narrow(s.values, 0, 1, n - 1), cr_narrow(s.values, 0, 0, n - 1));
    cr_tensor *rank = cr_constant_pad_nd(cr_cumsum(cr_to_dtype(steps, CR_I64), 0),
                                         CR_INTS(1, 0)); /* of each sorted one */
    cr_tensor *first = cr_constant_pad_nd(steps, CR_INTS(1, 0), .value = CR_S(1));
    cr_tensor *values = cr_masked_select(s.values, first);
    if (!values)
        return -1;
    cr_tensor *inverse = cr_scatter(cr_zeros_like(rank), 0, s.indices, rank);
    cr_tensor *zero = cr_zeros(values->numel, .dtype = CR_I64, .device = device);
    cr_tensor *counts = INT(3) ? cr_scatter_add(zero, 0, rank, cr_ones_like(rank)) : none;
    return cr_give_three(r, values, INT(2) || INT(3) ? cr_view_as(inverse, x) : none, counts, true);
}
