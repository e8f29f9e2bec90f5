/* Unique values, counts, histograms, and searches in sorted sequences. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- searching ---- */

/* For each value how many of the sorted sequence are below it (right: not above it), by halving. */
static cr_tensor *search(cr_tensor *sequence, cr_tensor *values, bool right, bool out32,
                         const cr_value *side, cr_tensor *sorter)
{
    if (side && side->tag == CR_STRING) {
        bool named_right = !strcmp(side->as.s, "right");
        if (!named_right && strcmp(side->as.s, "left"))
            return cr_fail("torch.searchsorted(): side can only be 'left' or 'right' but got %s",
                           side->as.s);
        if (right && !named_right)
            return cr_fail("torch.searchsorted(): side and right can't be set to opposites, got "
                           "side of %s while right was True",
                           side->as.s);
        right = named_right;
    }
    cr_dtype common = cr_promote_types(dtype_of(sequence), dtype_of(values));
    sequence = cr_to_dtype(sequence, common);
    values = cr_to_dtype(values, common);
    if (!sequence || !values)
        return NULL;
    if (!sequence->dim)
        return cr_fail("torch.searchsorted(): boundaries tensor should have positive dimension");
    bool one = sequence->dim == 1,
         fits = one || (values->dim == sequence->dim &&
                        !memcmp(values->size, sequence->size, (size_t)(values->dim - 1) * 8));
    if (!fits)
        return cr_fail("torch.searchsorted(): boundaries tensor should be 1 dimension or the first "
                       "N-1 dimensions of boundaries "
                       "tensor and input value tensor must match, but we got boundaries tensor %s "
                       "and input value tensor %s",
                       cr_sizes_text(sequence->dim, sequence->size),
                       cr_sizes_text(values->dim, values->size));
    if (sorter) {
        if (sorter->dim != sequence->dim ||
            memcmp(sorter->size, sequence->size, (size_t)sorter->dim * 8))
            return cr_fail("torch.searchsorted(): boundary and sorter must have the same size, but "
                           "got %s and %s",
                           cr_sizes_text(sequence->dim, sequence->size),
                           cr_sizes_text(sorter->dim, sorter->size));
        if (dtype_of(sorter) != CR_I64)
            return cr_fail("torch.searchsorted(): sorter must be a tensor of long dtype but got %s",
                           cr_dtype_name(dtype_of(sorter)));
        sequence = cr_gather(sequence, -1, sorter);
        if (!sequence)
            return NULL;
    }
    sequence = cr_detach(sequence);
    values = cr_detach(values);
    int64_t n = sequence->size[sequence->dim - 1];
    cr_tensor *x = one ? cr_reshape(values, CR_INTS(-1)) : values;
    cr_tensor *low = cr_zeros_like(x, .dtype = CR_I64), *high = cr_full_like(low, n);
    if (!n)
        return cr_zeros(sizes_of_tensor(values), .dtype = out32 ? CR_I32 : CR_I64,
                        .device = cr_tensor_device(values));
    for (int64_t left = n; left > 0 && low; left /= 2) {
        cr_tensor *middle = cr_div_scalar_mode(cr_add(low, high), 2, "floor");
        cr_tensor *at = cr_gather(sequence, -1, cr_clamp_max(middle, n - 1));
        cr_tensor *stop = right ? cr_gt(at, x) : cr_ge(at, x);
        cr_tensor *up = cr_logical_and(cr_lt(low, high), cr_logical_not(stop));
        high = cr_where(up, high, middle);
        low = cr_where(up, cr_add_scalar(middle, 1), low);
    }
    low = cr_reshape(low, sizes_of_tensor(values));
    return out32 ? cr_to_dtype(low, CR_I32) : low;
}
static cr_tensor *number_in(cr_tensor *like, cr_scalar s)
{
    return number_like(like, s, dtype_of(like));
}
COMPOSITE(searchsorted)
GIVE(search(T(0), T(1), INT(3), INT(2), &args[4], T(5)))
COMPOSITE(searchsorted_scalar)
GIVE(search(T(0), number_in(T(0), S(1)), INT(3), INT(2), &args[4], T(5)))
static cr_tensor *bucketize(cr_tensor *x, cr_tensor *boundaries, bool out32, bool right)
{
    if (boundaries->dim != 1)
        return cr_fail("boundaries tensor must be 1 dimension, but got dim(%d)", boundaries->dim);
    return search(boundaries, x, right, out32, NULL, NULL);
}
COMPOSITE(bucketize)
GIVE(bucketize(T(0), T(1), INT(2), INT(3)))
COMPOSITE(bucketize_scalar)
GIVE(bucketize(number_in(T(1), S(0)), T(1), INT(2), INT(3)))

/* ---- unique ---- */

/* fresh says of each of n rows, in order, whether it begins a new value; order says where it was (null: in place). Gives the
 * values' rows, the inverse (of n) and the counts. */
static int unique_of(cr_tensor *rows, cr_tensor *fresh, cr_tensor *order, bool inverse, bool counts,
                     cr_results *r)
{
    const char *device = cr_tensor_device(rows);
    int64_t n = rows->size[0];
    cr_tensor *number = cr_sub_scalar(cr_cumsum(fresh, 0), 1);
    cr_tensor *starts = cr_squeeze_dim(cr_nonzero(fresh), 1);
    cr_tensor *values = cr_index_select(rows, 0, starts),
              *none = cr_empty(0, .dtype = CR_I64, .device = device);
    cr_tensor *back = none, *count = none;
    if (inverse)
        back = order ? cr_scatter(cr_zeros_like(number), 0, order, number) : number;
    if (counts && starts) {
        cr_tensor *end = cr_full(1, n, .dtype = CR_I64, .device = device);
        cr_tensor *next = starts->numel
                              ? cr_cat(CR_TENSORS(cr_narrow(starts, 0, 1, starts->numel - 1), end))
                              : none;
        count = cr_sub(next, starts);
    }
    return cr_give_three(r, values, back, count, true);
}
/* Whether each row after the first differs from the one before, [n]. */
static cr_tensor *begins(cr_tensor *rows)
{
    int64_t n = rows->size[0];
    cr_tensor *differs =
        cr_ne(cr_narrow(rows, 0, n ? 1 : 0, n ? n - 1 : 0), cr_narrow(rows, 0, 0, n ? n - 1 : 0));
    if (rows->dim == 2)
        differs = cr_any_dim(differs, 1);
    cr_tensor *first = cr_ones(n ? 1 : 0, .dtype = CR_B8, .device = cr_tensor_device(rows));
    return cr_cat(CR_TENSORS(first, differs));
}
static int give_flat(cr_tensor *x, cr_results *r, bool inverse)
{
    if (inverse && !(r->t[1] = cr_reshape(r->t[1], sizes_of_tensor(x))))
        return -1;
    return 0;
}
COMPOSITE(unique2)
{
    (void)op;
    cr_tensor *x = cr_detach(T(0));
    cr_sort_result sorted = cr_sort(cr_reshape(x, CR_INTS(-1)));
    if (!sorted.values)
        return -1;
    if (unique_of(sorted.values, begins(sorted.values), sorted.indices, INT(2) || INT(3), INT(3),
                  r))
        return -1;
    return give_flat(x, r, INT(2) || INT(3));
}

/* Rows [n, rest] along dimension d, and back. */
static cr_tensor *rows_along(cr_tensor *x, int d)
{
    int64_t n = x->size[d];
    return cr_reshape(cr_transpose(x, d, 0), CR_INTS(n, n ? x->numel / n : 0));
}
static cr_tensor *from_rows(cr_tensor *rows, cr_tensor *x, int d)
{
    int64_t sizes[CR_MAX_RANK];
    memcpy(sizes, x->size, sizeof sizes);
    sizes[d] = sizes[0];
    sizes[0] = rows ? rows->size[0] : 0;
    return cr_contiguous(cr_transpose(cr_reshape(rows, cr_make_ints(sizes, x->dim)), 0, d));
}
static int unique_along(const char *name, cr_tensor *given, int64_t dim, bool sorted, cr_results *r)
{
    cr_tensor *x = cr_detach(given);
    if (x && !x->dim)
        x = cr_reshape(x, 1);
    int d = x ? cr_wrap_dim(name, dim, x->dim) : -1;
    if (d < 0)
        return -1;
    if (!x->numel && x->size[d])
        return CR_FAIL_INT("There are 0 sized dimensions, and they aren't selected by `dim`, so %s "
                           "cannot be applied",
                           name);
    cr_tensor *rows = rows_along(x, d), *order = NULL;
    if (sorted) { /* by the last column first, stably: the first decides */
        order = cr_arange(x->size[d], .dtype = CR_I64, .device = cr_tensor_device(x));
        for (int64_t c = rows ? rows->size[1] - 1 : -1; c >= 0 && order; c--) {
            cr_tensor *column = cr_index_select(cr_select(rows, 1, c), 0, order);
            order = cr_index_select(order, 0, cr_sort(column).indices);
        }
        rows = cr_index_select(rows, 0, order);
    }
    if (!rows || unique_of(rows, begins(rows), order, true, true, r))
        return -1;
    r->t[0] = from_rows(r->t[0], x, d);
    return r->t[0] ? 0 : -1;
}
COMPOSITE(unique_dim)
{
    (void)op;
    return unique_along("unique_dim", T(0), INT(1), true, r);
}
COMPOSITE(unique_dim_consecutive)
{
    (void)op;
    return unique_along("unique_dim_consecutive", T(0), INT(1), false, r);
}
COMPOSITE(unique_consecutive)
{
    (void)op;
    if (args[3].tag != CR_NONE)
        return unique_along("unique_consecutive", T(0), INT(3), false, r);
    cr_tensor *x = cr_detach(T(0)), *flat = cr_reshape(x, CR_INTS(-1));
    if (!flat || unique_of(flat, begins(flat), NULL, INT(1), INT(2), r))
        return -1;
    return give_flat(x, r, INT(1));
}

/* ---- counting ---- */

COMPOSITE(bincount)
{
    (void)op;
    cr_tensor *x = T(0), *weights = T(1);
    int64_t least = INT(2);
    const char *device = cr_tensor_device(x);
    if (least < 0)
        return CR_FAIL_INT("minlength should be >= 0");
    if (x->dim != 1 || is_float(x) || dtype_of(x) == CR_B8)
        return CR_FAIL_INT("bincount only supports 1-d non-negative integral inputs, got %s",
                           cr_describe(x));
    if (weights && (weights->dim != 1 || weights->numel != x->numel))
        return CR_FAIL_INT("weights should be 1-d and have the same length as input");
    if (!x->numel)
        return cr_give(r, cr_zeros(least, .dtype = CR_I64, .device = device));
    int64_t low = cr_item_int(cr_min(x)), high = cr_item_int(cr_max(x));
    if (cr_error())
        return -1;
    if (low < 0)
        return CR_FAIL_INT("bincount only supports 1-d non-negative integral inputs.");
    int64_t n = high + 1 > least ? high + 1 : least;
    cr_dtype dtype = !weights ? CR_I64 : dtype_of(weights) == CR_F32 ? CR_F32 : CR_F64;
    cr_tensor *each =
        weights ? cr_to_dtype(cr_detach(weights), dtype) : cr_ones_like(x, .dtype = CR_I64);
    return cr_give(r, cr_scatter_add(cr_zeros(n, .dtype = dtype, .device = device), 0,
                                     cr_to_dtype(x, CR_I64), each));
}

/* The range that is asked for, or else that of the data; widened where it is one point. */
static bool range_of(cr_tensor *x, double *low, double *high)
{
    if (*low == *high && x->numel) {
        *low = cr_item(cr_min(x));
        *high = cr_item(cr_max(x));
    }
    if (cr_error())
        return false;
    if (*low == *high) {
        *low -= 1;
        *high += 1;
    }
    if (!isfinite(*low) || !isfinite(*high))
        return cr_fail("range of [%g, %g] is not finite", *low, *high), false;
    if (*low > *high)
        return cr_fail("max must be larger than min"), false;
    return true;
}
COMPOSITE(histc)
{
    (void)op;
    cr_tensor *x = cr_reshape(cr_detach(T(0)), CR_INTS(-1));
    int64_t bins = INT(1);
    double low = F(2), high = F(3);
    if (bins <= 0)
        return CR_FAIL_INT("bins must be > 0");
    if (!x || !needs_float("histc", x) || !range_of(x, &low, &high))
        return -1;
    cr_tensor *place =
        cr_mul_scalar(cr_div_scalar(cr_sub_scalar(x, low), high - low), (double)bins);
    cr_tensor *inside = cr_logical_and(cr_ge_scalar(x, low), cr_le_scalar(x, high));
    place = cr_clamp(cr_to_dtype(cr_masked_fill_scalar(place, cr_logical_not(inside), 0), CR_I64),
                     .max = CR_S(bins - 1));
    cr_tensor *zero = cr_zeros(bins, .dtype = dtype_of(x), .device = cr_tensor_device(x));
    return cr_give(r, cr_scatter_add(zero, 0, place, cr_to_dtype(inside, dtype_of(x))));
}

/* How much weight lies between each two edges; the last edge belongs to the last bin. */
static int histogram(cr_tensor *x, cr_tensor *edges, cr_tensor *weight, bool density, cr_results *r)
{
    int64_t n = edges ? edges->numel - 1 : 0;
    if (n < 1)
        return cr_error() ? -1 : CR_FAIL_INT("histogram: there must be at least one bin");
    x = cr_reshape(cr_detach(x), CR_INTS(-1));
    cr_tensor *each = weight ? cr_reshape(cr_detach(weight), CR_INTS(-1)) : cr_ones_like(x);
    if (!x || !each)
        return -1;
    if (each->numel != x->numel || dtype_of(each) != dtype_of(x))
        return CR_FAIL_INT(
            "histogram: weight must have the sizes and dtype of the input, got %s for %s",
            cr_describe(weight), cr_describe(x));
    cr_tensor *place = cr_sub_scalar(cr_searchsorted(edges, x, .right = true), 1);
    place = cr_sub(place, cr_to_dtype(cr_eq(x, cr_narrow(edges, 0, n, 1)), CR_I64));
    cr_tensor *outside = cr_logical_or(cr_lt_scalar(place, 0), cr_ge_scalar(place, n));
    each = cr_masked_fill_scalar(each, outside, 0);
    cr_tensor *zero = cr_zeros(n, .dtype = dtype_of(x), .device = cr_tensor_device(x));
    cr_tensor *sum =
        cr_scatter_add(zero, 0, cr_clamp(place, .min = CR_S(0), .max = CR_S(n - 1)), each);
    if (density)
        sum = cr_div(cr_div(sum, cr_sub(cr_narrow(edges, 0, 1, n), cr_narrow(edges, 0, 0, n))),
                     cr_sum(sum));
    return cr_give_two(r, sum, edges);
}
COMPOSITE(histogram_bins)
{
    (void)op;
    if (T(1)->dim != 1 || dtype_of(T(1)) != dtype_of(T(0)))
        return CR_FAIL_INT("histogram: bins must be a vector of the input's dtype, got %s",
                           cr_describe(T(1)));
    return histogram(T(0), T(1), T(2), INT(3), r);
}
COMPOSITE(histogram)
{
    (void)op;
    cr_tensor *x = cr_detach(T(0));
    double low = 0, high = 0;
    if (INT(1) <= 0)
        return CR_FAIL_INT("histogram: bins must be > 0, but got %lld", (long long)INT(1));
    if (!x || !needs_float("histogram", x))
        return -1;
    if (args[2].tag != CR_NONE) {
        if (args[2].count != 2)
            return CR_FAIL_INT("histogram: range should have 2 elements, but got %lld",
                               (long long)args[2].count);
        low = args[2].as.floats[0];
        high = args[2].as.floats[1];
    }
    if (args[2].tag != CR_NONE && low == high) {
        low -= 1;
        high += 1;
    }
    if (INT(1) < 1 || INT(1) > INT32_MAX)
        return CR_FAIL_INT("histogram: bins must be > 0 and at most %d, but got %lld", INT32_MAX,
                           (long long)INT(1));
    if (!range_of(x, &low, &high))
        return -1;
    cr_tensor *edges =
        cr_linspace(low, high, INT(1) + 1, .dtype = dtype_of(x), .device = cr_tensor_device(x));
    return histogram(x, edges, T(3), INT(4), r);
}
