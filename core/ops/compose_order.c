/* What sorting gives: order statistics, unique values, counts and searches. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- one element of each sorted row ---- */

/* x with dimension d last, and at least one dimension. */
static cr_tensor *rows_of(cr_tensor *x, int d)
{
    return x->dim ? cr_transpose(x, d, -1) : cr_reshape(x, 1);
}
/* The elements at places [.., 1] of the sorted rows, and where they were; rows as rows_of made them. */
static int pick_sorted(cr_tensor *x, int d, cr_sort_result sorted, cr_tensor *place, bool keepdim,
                       cr_results *r)
{
    cr_tensor *value = cr_gather(sorted.values, -1, place),
              *index = cr_gather(sorted.indices, -1, place);
    if (!x->dim)
        return cr_give_two(r, cr_reshape(value, CR_EMPTY), cr_reshape(index, CR_EMPTY));
    value = cr_transpose(value, d, -1);
    index = cr_transpose(index, d, -1);
    return keepdim ? cr_give_two(r, value, index)
                   : cr_give_two(r, cr_squeeze_dim(value, d), cr_squeeze_dim(index, d));
}
/* A place for each row. */
static cr_tensor *same_place(cr_tensor *rows, int64_t place)
{
    int64_t sizes[CR_MAX_RANK];
    memcpy(sizes, rows->size, sizeof sizes);
    sizes[rows->dim - 1] = 1;
    return cr_full(cr_make_ints(sizes, rows->dim), place, .dtype = CR_I64,
                   .device = cr_tensor_device(rows));
}

COMPOSITE(kthvalue)
{
    (void)op;
    cr_tensor *x = T(0);
    int d = cr_wrap_dim("kthvalue", INT(2), x->dim);
    if (d < 0)
        return -1;
    int64_t k = INT(1), n = x->dim ? x->size[d] : 1;
    if (x->dim && !n)
        return CR_FAIL_INT("kthvalue(): Expected reduction dim %d to have non-zero size.", d);
    if (k < 1 || k > n)
        return CR_FAIL_INT(
            "kthvalue(): selected number k out of range for dimension %d: k = %lld of %lld", d,
            (long long)k, (long long)n);
    cr_tensor *rows = rows_of(x, d);
    return rows ? pick_sorted(x, d, cr_sort(rows), same_place(rows, k - 1), INT(3), r) : -1;
}

/* How many of each row are NaN, [.., 1]. */
static cr_tensor *nans(cr_tensor *rows)
{
    return cr_sum_dim(cr_isnan(rows), -1, .keepdim = true);
}

/* The lower median; a row with NaN has the first NaN, unless NaN is left out. */
static int median(cr_tensor *x, int64_t dim, bool keepdim, bool ignore, cr_results *r)
{
    int d = cr_wrap_dim(ignore ? "nanmedian" : "median", dim, x->dim);
    if (d < 0)
        return -1;
    int64_t n = x->dim ? x->size[d] : 1;
    if (x->dim && !n)
        return CR_FAIL_INT("median(): Expected reduction dim %d to have non-zero size.", d);
    if (dtype_of(x) == CR_B8)
        return CR_FAIL_INT("median: not implemented for 'bool'");
    cr_tensor *rows = rows_of(x, d);
    if (!rows)
        return -1;
    cr_tensor *place = same_place(rows, (n - 1) / 2);
    if (is_float(x)) {
        cr_tensor *count = nans(cr_detach(rows));
        if (ignore)
            place = cr_clamp_min(cr_div_scalar_mode(cr_rsub_scalar(count, n - 1), 2, "floor"), 0);
        else
            place = cr_where(cr_gt_scalar(count, 0), cr_rsub_scalar(count, n), place);
    }
    return pick_sorted(x, d, cr_sort(rows), place, keepdim, r);
}
COMPOSITE(median_dim)
{
    (void)op;
    return median(T(0), INT(1), INT(2), false, r);
}
COMPOSITE(nanmedian_dim)
{
    (void)op;
    return median(T(0), INT(1), INT(2), true, r);
}
static int median_of_all(cr_tensor *x, bool ignore, cr_results *r)
{
    if (!x->numel)
        return cr_give(r,
                       cr_full(CR_EMPTY, NAN, .dtype = dtype_of(x), .device = cr_tensor_device(x)));
    cr_results both = {0};
    if (median(cr_reshape(x, CR_INTS(-1)), 0, false, ignore, &both))
        return -1;
    return cr_give(r, both.t[0]);
}
DECOMPOSE(median)
{
    (void)op;
    return median_of_all(T(0), false, r);
}
DECOMPOSE(nanmedian)
{
    (void)op;
    return median_of_all(T(0), true, r);
}

/* The runs of equal elements along the last dimension of rows: for each place, how often its run's value occurs. */
static cr_tensor *run_lengths(cr_tensor *rows)
{
    int64_t n = rows->size[rows->dim - 1];
    cr_tensor *steps = cr_ne(cr_narrow(rows, -1, 1, n - 1), cr_narrow(rows, -1, 0, n - 1));
    cr_tensor *first = cr_zeros_like(cr_narrow(rows, -1, 0, 1), .dtype = CR_I64);
    cr_tensor *run =
        cr_cumsum(cr_cat(CR_TENSORS(first, cr_to_dtype(steps, CR_I64)), .dim = -1), -1);
    cr_tensor *count = cr_scatter_add(cr_zeros_like(run), -1, run, cr_ones_like(run));
    return cr_gather(count, -1, run);
}
/* The most frequent value, of several the smallest; and its last place. */
COMPOSITE(mode)
{
    (void)op;
    cr_tensor *x = T(0);
    int d = cr_wrap_dim("mode", INT(1), x->dim);
    if (d < 0)
        return -1;
    if (x->dim && !x->size[d])
        return CR_FAIL_INT("mode(): Expected reduction dim %d to have non-zero size.", d);
    cr_tensor *rows = rows_of(x, d);
    if (!rows)
        return -1;
    cr_sort_result sorted = cr_sort(rows);
    cr_tensor *count = run_lengths(cr_detach(sorted.values));
    const cr_argmax_options best = {.dim = {-1, true}, .keepdim = true};
    cr_tensor *at = cr_argmax_with(count, &best);
    cr_tensor *last = cr_sub_scalar(cr_add(at, cr_gather(count, -1, at)), 1);
    return pick_sorted(x, d, sorted, last, INT(2), r);
}

/* ---- quantiles ---- */

static cr_tensor *quantile(cr_tensor *x, cr_tensor *q, const cr_value *dim, bool keepdim,
                           const char *how, bool ignore)
{
    const char *name = ignore ? "nanquantile()" : "quantile()";
    static const char *const hows[] = {"linear", "lower", "higher", "midpoint", "nearest"};
    int kind = -1, d = 0, rank = x->dim;
    for (int i = 0; i < 5; i++)
        if (!strcmp(how, hows[i]))
            kind = i;
    if (kind < 0)
        return cr_fail("%s interpolation must be one of linear, lower, higher, midpoint or "
                       "nearest, but got %s",
                       name, how);
    if (dtype_of(x) != CR_F32 && dtype_of(x) != CR_F64)
        return cr_fail("%s input tensor must be either float or double dtype", name);
    if (q->dim > 1)
        return cr_fail("%s q must be a scalar or 1D tensor", name);
    if (dtype_of(q) != dtype_of(x))
        return cr_fail("%s q tensor must be same dtype as the input tensor", name);
    if (!x->numel)
        return cr_fail("%s input tensor must be non-empty", name);
    if (q->numel &&
        (!(cr_item(cr_min(cr_detach(q))) >= 0) || !(cr_item(cr_max(cr_detach(q))) <= 1)))
        return cr_error() ? NULL : cr_fail("%s q values must be in the range [0, 1]", name);
    int64_t sizes[CR_MAX_RANK + 1]; /* of the result behind q's dimension */
    int nsizes = 0;
    if (dim->tag == CR_NONE) {
        x = cr_reshape(x, CR_INTS(-1));
        for (int e = 0; keepdim && e < rank; e++)
            sizes[nsizes++] = 1;
    } else {
        d = cr_wrap_dim(name, dim->as.i, rank);
        if (d < 0)
            return NULL;
        for (int e = 0; e < rank; e++)
            if (e != d || keepdim)
                sizes[nsizes++] = e == d ? 1 : x->size[e];
        x = rows_of(x, d);
    }
    if (!x)
        return NULL;
    bool many = q->dim == 1;
    if (nsizes + many > CR_MAX_RANK)
        return cr_fail("%s: at most %d dimensions are supported", name, CR_MAX_RANK);
    int64_t n = x->size[x->dim - 1];
    cr_tensor *sorted = cr_sort(x).values, *count = nans(cr_detach(x)); /* [.., 1] */
    cr_tensor *rank_of,
        *top = cr_to_dtype(cr_clamp_min(cr_rsub_scalar(count, n - 1), 0), dtype_of(x));
    if (ignore)
        rank_of = cr_mul(cr_reshape(q, CR_INTS(-1)), top);
    else
        rank_of =
            cr_masked_fill_scalar(cr_add(cr_mul_scalar(cr_reshape(q, CR_INTS(-1)), (double)(n - 1)),
                                         cr_mul_scalar(top, 0)),
                                  cr_gt_scalar(count, 0), (double)(n - 1));
    if (kind == 1)
        rank_of = cr_floor(rank_of);
    else if (kind == 2)
        rank_of = cr_ceil(rank_of);
    else if (kind == 4)
        rank_of = cr_round(rank_of);
    cr_tensor *below = cr_to_dtype(cr_detach(rank_of), CR_I64), *low = cr_gather(sorted, -1, below),
              *y = low;
    if (kind == 0 || kind == 3) {
        cr_tensor *weight = kind == 3 ? cr_full_like(cr_detach(rank_of), 0.5)
                                      : cr_sub(rank_of, cr_to_dtype(below, dtype_of(x)));
        cr_tensor *high = cr_gather(sorted, -1, cr_to_dtype(cr_ceil(cr_detach(rank_of)), CR_I64));
        cr_tensor *near_low = cr_add(low, cr_mul(weight, cr_sub(high, low)));
        cr_tensor *near_high = cr_sub(high, cr_mul(cr_sub(high, low), cr_rsub_scalar(weight, 1)));
        y = cr_where(cr_lt_scalar(weight, 0.5), near_low, near_high);
    }
    /* y is [others with d's place taken by the last dimension.., q]. */
    if (!many)
        y = cr_squeeze_dim(y, -1);
    else
        y = cr_movedim(y, -1, 0);
    if (dim->tag != CR_NONE && rank &&
        d != rank - 1) { /* the last dimension stands where d was: bring it back */
        int64_t order[CR_MAX_RANK + 1];
        int k = 0;
        if (many)
            order[k++] = 0;
        for (int e = 0; e < rank; e++) /* result dims in x's order, d left out */
            if (e != d)
                order[k++] = (e == rank - 1 ? d : e) + many;
        y = cr_permute(y, cr_make_ints(order, (size_t)k));
    }
    if (many) {
        memmove(sizes + 1, sizes, (size_t)nsizes * sizeof *sizes);
        sizes[0] = q->numel;
    }
    return cr_reshape(y, cr_make_ints(sizes, (size_t)(nsizes + many)));
}
COMPOSITE(quantile)
GIVE(quantile(T(0), T(1), &args[2], INT(3), args[4].as.s, false))
COMPOSITE(nanquantile)
GIVE(quantile(T(0), T(1), &args[2], INT(3), args[4].as.s, true))
COMPOSITE(quantile_scalar)
GIVE(quantile(T(0), number_like(T(0), cr_float_scalar(F(1)), dtype_of(T(0))), &args[2], INT(3),
              args[4].as.s, false))
COMPOSITE(nanquantile_scalar)
GIVE(quantile(T(0), number_like(T(0), cr_float_scalar(F(1)), dtype_of(T(0))), &args[2], INT(3),
              args[4].as.s, true))

COMPOSITE(msort)
GIVE(cr_sort(T(0), .dim = {0, true}).values)
COMPOSITE(argsort_stable)
GIVE(cr_sort_stable(T(0), INT(1), .dim = {INT(2), true}, .descending = INT(3)).indices)
COMPOSITE(aminmax)
{
    (void)op;
    cr_tensor *x = T(0);
    if (args[1].tag == CR_NONE) {
        if (!x->numel)
            return CR_FAIL_INT("aminmax(): cannot compute aminmax over an empty dimension as the "
                               "operation has no identity.");
        cr_tensor *low = cr_amin(x), *high = cr_amax(x);
        int64_t ones[CR_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
        cr_ints kept = cr_make_ints(ones, x->dim);
        return INT(2) ? cr_give_two(r, cr_reshape(low, kept), cr_reshape(high, kept))
                      : cr_give_two(r, low, high);
    }
    cr_ints dim = CR_INTS(INT(1));
    return cr_give_two(r, cr_amin(x, .dim = dim, .keepdim = INT(2)),
                       cr_amax(x, .dim = dim, .keepdim = INT(2)));
}
