/* Reductions, sorting and indexing said with other operations. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- sums ---- */

/* All dims of t, written into at (of CR_MAX_RANK). */
static cr_ints all_dims(cr_tensor *t, int64_t *at)
{
    for (int d = 0; d < t->dim; d++)
        at[d] = d;
    return cr_make_ints(at, t->dim);
}
static cr_ints dims_of(const cr_value *v, int64_t *one)
{
    if (v->tag == CR_INT) {
        *one = v->as.i;
        return cr_make_ints(one, 1);
    }
    return cr_value_ints(v);
}
/* How many elements are reduced into one. */
static double reduced(cr_tensor *t, cr_ints dims)
{
    double n = 1;
    if (!dims.count)
        return (double)t->numel;
    for (int64_t i = 0; i < dims.count && t->dim; i++)
        n *= (double)t->size[dims.data[i] < 0 ? dims.data[i] + t->dim : dims.data[i]];
    return n;
}

DECOMPOSE(sum)
{
    (void)op;
    int64_t at[CR_MAX_RANK];
    return cr_give(r, cr_sum_dim(T(0), all_dims(T(0), at), .dtype = cr_value_dtype(&args[1])));
}
DECOMPOSE(mean)
{
    (void)op;
    int64_t at[CR_MAX_RANK];
    return cr_give(r, cr_mean_dim(T(0), all_dims(T(0), at), .dtype = cr_value_dtype(&args[1])));
}
DECOMPOSE(mean_dim)
{
    (void)op;
    cr_tensor *sum = cr_sum_dim(T(0), L(1), .keepdim = INT(2), .dtype = cr_value_dtype(&args[3]));
    return cr_give(r, cr_div_scalar(sum, reduced(T(0), L(1))));
}
DECOMPOSE(prod)
{
    (void)op;
    cr_tensor *t = T(0);
    return cr_give(r,
                   cr_prod_dim(cr_reshape(t, CR_INTS(-1)), 0, .dtype = cr_value_dtype(&args[1])));
}
/* sum_to_size(x, size): the sum over what broadcasting from size to x's sizes repeated. */
COMPOSITE(sum_to_size)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints to = L(1);
    int64_t dims[CR_MAX_RANK];
    int n = 0, more = x->dim - (int)to.count;
    bool fits = more >= 0;
    for (int d = 0; d < x->dim && fits; d++) {
        int64_t want = d < more ? 1 : to.data[d - more];
        fits = want == x->size[d] || want == 1;
        if (d < more || (want == 1 && x->size[d] != 1))
            dims[n++] = d;
    }
    if (!fits)
        return CR_FAIL_INT("sum_to_size: size %s is not expandable to size %s",
                           cr_sizes_text((int)to.count, to.data), cr_sizes_text(x->dim, x->size));
    if (n)
        x = cr_sum_dim(x, cr_make_ints(dims, (size_t)n), .keepdim = true);
    return cr_give(r, more ? cr_reshape(x, to) : x);
}
COMPOSITE(trace)
GIVE(cr_sum(cr_diagonal(T(0))))
COMPOSITE(count_nonzero)
{
    (void)op;
    cr_tensor *not_zero = cr_ne_scalar(T(0), 0);
    return cr_give(r, args[1].tag == CR_NONE ? cr_sum(not_zero) : cr_sum_dim(not_zero, INT(1)));
}

/* ---- extremes ---- */

DECOMPOSE(max)
{
    (void)op;
    int64_t at[CR_MAX_RANK];
    return cr_give(r, cr_amax(T(0), .dim = all_dims(T(0), at)));
}
DECOMPOSE(min)
{
    (void)op;
    int64_t at[CR_MAX_RANK];
    return cr_give(r, cr_amin(T(0), .dim = all_dims(T(0), at)));
}
static int extreme(cr_tensor *x, int64_t dim, bool keepdim, bool largest, cr_results *r)
{
    if (!x->dim)
        return cr_give_two(r, cr_clone(x),
                           cr_zeros(CR_EMPTY, .dtype = CR_I64, .device = cr_tensor_device(x)));
    const cr_argmax_options high = {.dim = {dim, true}, .keepdim = true};
    const cr_argmin_options low = {.dim = {dim, true}, .keepdim = true};
    cr_tensor *index = largest ? cr_argmax_with(x, &high) : cr_argmin_with(x, &low);
    cr_tensor *value = cr_gather(x, dim, index);
    return keepdim ? cr_give_two(r, value, index)
                   : cr_give_two(r, cr_squeeze_dim(value, dim), cr_squeeze_dim(index, dim));
}
DECOMPOSE(max_dim)
{
    (void)op;
    return extreme(T(0), INT(1), INT(2), true, r);
}
DECOMPOSE(min_dim)
{
    (void)op;
    return extreme(T(0), INT(1), INT(2), false, r);
}
COMPOSITE(max_other)
GIVE(cr_maximum(T(0), T(1)))
COMPOSITE(min_other)
GIVE(cr_minimum(T(0), T(1)))
/* PyTorch's answer of bytes is bytes. */
static cr_tensor *truth_of(cr_tensor *from, cr_tensor *truth)
{
    return truth && dtype_of(from) == CR_U8 ? cr_to_dtype(truth, CR_U8) : truth;
}

COMPOSITE(any)
GIVE(truth_of(T(0), cr_any_dims(T(0))))
COMPOSITE(all)
GIVE(truth_of(T(0), cr_all_dims(T(0))))
COMPOSITE(any_dim)
GIVE(truth_of(T(0), cr_any_dims(T(0), .dim = CR_INTS(INT(1)), .keepdim = INT(2))))
COMPOSITE(all_dim)
GIVE(truth_of(T(0), cr_all_dims(T(0), .dim = CR_INTS(INT(1)), .keepdim = INT(2))))

/* ---- spread and norms ---- */

/* Σ(x - mean)² / (n - correction) */
static cr_tensor *variance(cr_tensor *x, cr_ints dims, double correction, bool keepdim)
{
    int64_t at[CR_MAX_RANK];
    if (!is_float(x))
        return cr_fail("var and std only support floating point dtypes, not %s",
                       cr_dtype_name(dtype_of(x)));
    if (!dims.count)
        dims = all_dims(x, at);
    cr_tensor *centred = cr_sub(x, cr_mean_dim(x, dims, .keepdim = true));
    if (!centred)
        return NULL;
    double n = reduced(x, dims) - correction;
    return cr_div_scalar(cr_sum_dim(cr_mul(centred, centred), dims, .keepdim = keepdim),
                         n > 0 ? n : 0.0);
}
static double correction_of(const cr_value *v)
{
    return v->tag == CR_NONE ? 1 : (double)v->as.i;
}
COMPOSITE(var_correction)
GIVE(variance(T(0), L(1), correction_of(&args[2]), INT(3)))
COMPOSITE(var_dim)
GIVE(variance(T(0), L(1), INT(2) ? 1 : 0, INT(3)))
COMPOSITE(var)
GIVE(variance(T(0), (cr_ints){0}, INT(1) ? 1 : 0, false))
/* √v with the gradient 0 where v is 0, as PyTorch's std has it. */
static cr_tensor *root(cr_tensor *v)
{
    if (!v || !cr_requires_grad(v) || !cr_grad_enabled())
        return cr_sqrt(v);
    cr_tensor *flat = cr_eq_scalar(v, 0);
    return cr_masked_fill_scalar(cr_sqrt(cr_masked_fill_scalar(v, flat, 1)), flat, 0);
}

COMPOSITE(std_correction)
GIVE(root(variance(T(0), L(1), correction_of(&args[2]), INT(3))))
COMPOSITE(std_dim)
GIVE(root(variance(T(0), L(1), INT(2) ? 1 : 0, INT(3))))
COMPOSITE(std)
GIVE(root(variance(T(0), (cr_ints){0}, INT(1) ? 1 : 0, false)))

/* max + log Σ exp(x - max), where an infinite max is left out of the subtraction. */
COMPOSITE(logsumexp)
{
    (void)op;
    cr_tensor *x = is_float(T(0)) ? T(0) : cr_to_dtype(T(0), cr_default_dtype());
    int64_t one;
    cr_ints dims = dims_of(&args[1], &one);
    if (!x->numel)
        return cr_give(r, cr_log(cr_sum_dim(cr_exp(x), dims, .keepdim = INT(2))));
    cr_tensor *top = cr_detach(cr_amax(x, .dim = dims, .keepdim = true));
    top = cr_masked_fill_scalar(top, cr_eq_scalar(cr_abs(top), INFINITY), 0);
    cr_tensor *sum = cr_log(cr_sum_dim(cr_exp(cr_sub(x, top)), dims, .keepdim = true));
    cr_tensor *whole = cr_add(sum, top);
    return cr_give(r, INT(2) ? whole : cr_squeeze_dims(whole, dims));
}

/* ---- sorting ---- */

COMPOSITE(sort)
{
    (void)op;
    cr_sort_stable_result s =
        cr_sort_stable(T(0), true, .dim = {INT(1), true}, .descending = INT(2));
    return cr_give_two(r, s.values, s.indices);
}
COMPOSITE(argsort)
GIVE(cr_sort(T(0), .dim = {INT(1), true}, .descending = INT(2)).indices)
COMPOSITE(topk)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t k = INT(1);
    int d = cr_wrap_dim("topk", INT(2), x->dim);
    if (d < 0)
        return -1;
    if (k < 0 || k > (x->dim ? x->size[d] : 1))
        return CR_FAIL_INT("topk: selected index k out of range: %lld of %s", (long long)k,
                           cr_describe(x));
    cr_sort_result s = cr_sort(x, .dim = {d, true}, .descending = INT(3));
    if (!x->dim)
        return cr_give_two(r, s.values, s.indices);
    return cr_give_two(r, cr_narrow(s.values, d, 0, k), cr_narrow(s.indices, d, 0, k));
}

/* ---- gathering and scattering ---- */

/* An index that broadcasts over all other dimensions of x. */
static cr_tensor *index_along(cr_tensor *x, int64_t dim, cr_tensor *index)
{
    int64_t shape[CR_MAX_RANK], wide[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++) {
        shape[d] = d == dim ? index->numel : 1;
        wide[d] = d == dim ? index->numel : x->size[d];
    }
    return cr_expand(cr_reshape(index, cr_make_ints(shape, x->dim)), cr_make_ints(wide, x->dim));
}
DECOMPOSE(index_select)
{
    (void)op;
    cr_tensor *x = T(0), *index = T(2);
    if (!x->dim)
        return cr_give(r, cr_reshape(cr_gather(cr_reshape(x, 1), 0, cr_reshape(index, CR_INTS(-1))),
                                     CR_EMPTY));
    int64_t d = INT(1) < 0 ? INT(1) + x->dim : INT(1);
    return cr_give(r, cr_gather(x, d, index_along(x, d, index)));
}
static cr_tensor *times_alpha(cr_tensor *t, cr_scalar alpha)
{
    bool one = alpha.tag == CR_FLOAT ? alpha.as.f == 1 : alpha.as.i == 1;
    return one ? t : cr_mul_scalar(t, alpha);
}
COMPOSITE(index_add)
{
    (void)op;
    cr_tensor *x = T(0), *index = T(2), *source = T(3);
    int d = cr_wrap_dim("index_add", INT(1), x->dim);
    if (d < 0)
        return -1;
    if (index->dim > 1 || (source->dim && index->numel != source->size[d]))
        return CR_FAIL_INT(
            "index_add: Number of indices (%lld) should be equal to source.size(dim): %s",
            (long long)index->numel, cr_describe(source));
    source = times_alpha(source, S(4));
    if (!x->dim)
        return cr_give(r, cr_add(x, cr_reshape(source, CR_EMPTY)));
    return cr_give(
        r, cr_scatter_add(x, d, cr_to_dtype(index_along(source, d, index), CR_I64), source));
}
/* The place in the flattened tensor. */
DECOMPOSE(arg_flat)
{
    cr_tensor *x = T(0);
    const cr_argmax_options high = {.dim = {0, true}};
    const cr_argmin_options low = {.dim = {0, true}};
    bool largest = !strcmp(op->name, "argmax");
    if (args[1].tag != CR_NONE) { /* of a 0-d tensor, or where a backend declined */
        if (x->dim)
            return CR_FAIL_INT("%s: the backend does not plan it", op->name);
    }
    cr_tensor *flat = cr_reshape(x, CR_INTS(-1));
    cr_tensor *index = largest ? cr_argmax_with(flat, &high) : cr_argmin_with(flat, &low);
    int64_t ones[CR_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    return cr_give(r, INT(2) ? cr_reshape(index, cr_make_ints(ones, x->dim)) : index);
}

/* 0-d tensors are vectors of one here. */
static cr_tensor *at_least_1d(cr_tensor *t)
{
    return t->dim ? t : cr_reshape(t, 1);
}
DECOMPOSE(gather_0d)
{
    (void)op;
    cr_tensor *got = cr_gather(at_least_1d(T(0)), INT(1), at_least_1d(T(2)));
    return cr_give(r, cr_view_as(got, T(2)));
}
DECOMPOSE(scatter_0d)
{
    (void)op;
    cr_tensor *got = cr_scatter(at_least_1d(T(0)), INT(1), at_least_1d(T(2)), at_least_1d(T(3)));
    return cr_give(r, cr_view_as(got, T(0)));
}

/* The value that leaves every other as it is. */
static cr_scalar neutral(const char *reduce, cr_dtype dtype)
{
    static const struct {
        cr_dtype dtype;
        int64_t low, high;
    } limits[] = {{CR_I64, INT64_MIN, INT64_MAX}, {CR_I32, INT32_MIN, INT32_MAX},
                  {CR_I16, INT16_MIN, INT16_MAX}, {CR_I8, INT8_MIN, INT8_MAX},
                  {CR_U8, 0, UINT8_MAX},          {CR_B8, 0, 1}};
    if (reduce[0] != 'a')
        return cr_int_scalar(reduce[0] == 'p');
    bool most = reduce[2] == 'i'; /* amIn */
    if (cr_dtype_is_floating(dtype))
        return cr_float_scalar(most ? INFINITY : -INFINITY);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].dtype == dtype)
            return cr_int_scalar(most ? limits[i].high : limits[i].low);
    return cr_int_scalar(0);
}

/* mean, and reductions that leave self out where something is written: by reductions that take it
 * in. */
DECOMPOSE(scatter_reduce)
{
    (void)op;
    cr_tensor *x = T(0), *index = T(2), *src = T(3);
    const char *reduce = args[4].as.s;
    bool mean = reduce[0] == 'm';
    int64_t dim = INT(1);
    if (!x->dim || !index->dim) {
        const cr_scatter_reduce_options o = {.no_include_self = !INT(5)};
        cr_tensor *got = cr_scatter_reduce_with(at_least_1d(x), dim, at_least_1d(index),
                                                at_least_1d(src), reduce, &o);
        return cr_give(r, cr_view_as(got, x));
    }
    cr_tensor *base = INT(5) ? x : cr_scatter_value(x, dim, index, neutral(reduce, dtype_of(x)));
    cr_tensor *got = cr_scatter_reduce(base, dim, index, src, mean ? "sum" : reduce);
    if (!mean)
        return cr_give(r, got);
    cr_tensor *count = INT(5) ? cr_ones_like(x) : cr_scatter_value(cr_ones_like(x), dim, index, 0);
    count = cr_clamp_min(cr_scatter_add(count, dim, index, cr_ones_like(src)), 1);
    return cr_give(r, cr_div_mode(got, count, is_float(x) ? NULL : "floor"));
}
DECOMPOSE(scatter_add)
GIVE(cr_scatter_reduce(T(0), INT(1), T(2), T(3), "sum"))
COMPOSITE(scatter_value)
{
    (void)op;
    cr_tensor *src = cr_full(sizes_of_tensor(T(2)), S(3), .dtype = dtype_of(T(0)),
                             .device = cr_tensor_device(T(0)));
    return cr_give(r, cr_scatter(T(0), INT(1), T(2), src));
}
static cr_tensor *wrapped_index(cr_tensor *index, int64_t size)
{
    return cr_reshape(cr_where(cr_lt_scalar(index, 0), cr_add_scalar(index, size), index),
                      CR_INTS(-1));
}
COMPOSITE(take)
GIVE(cr_reshape(cr_index_select(cr_reshape(T(0), CR_INTS(-1)), 0, wrapped_index(T(1), T(0)->numel)),
                sizes_of_tensor(T(1))))

/* The positions of what is not zero, [count, dim], in row-major order: each gets its rank from a
 * running count. */
COMPOSITE(nonzero)
{
    (void)op;
    cr_tensor *x = cr_detach(T(0));
    const char *device = cr_tensor_device(x);
    if (x->dim == 0) {
        bool one = cr_item(x) != 0;
        return cr_error()
                   ? -1
                   : cr_give(r, cr_zeros(CR_INTS(one, 0), .dtype = CR_I64, .device = device));
    }
    cr_tensor *mask = cr_reshape(cr_ne_scalar(x, 0), CR_INTS(-1));
    int64_t n = x->numel, count = n ? cr_item_int(cr_sum(mask)) : 0;
    if (cr_error())
        return -1;
    /* Position p goes to place rank(p); those that are zero go to one place more, which is cut off.
     */
    cr_tensor *rank = cr_sub_scalar(cr_cumsum(mask, 0), 1);
    cr_tensor *place = cr_where(mask, rank, number_like(rank, cr_int_scalar(count), CR_I64));
    cr_tensor *flat = cr_zeros(count + 1, .dtype = CR_I64, .device = device);
    flat = cr_narrow(cr_scatter(flat, 0, place, cr_arange(n, .dtype = CR_I64, .device = device)), 0,
                     0, count);
    cr_tensor *columns[CR_MAX_RANK];
    for (int d = x->dim - 1; d >= 0; d--) {
        int64_t size = x->size[d] ? x->size[d] : 1;
        columns[d] = cr_remainder_scalar(flat, size);
        flat = cr_div_scalar_mode(flat, size, "floor");
    }
    return cr_give(r, cr_stack(cr_make_tensors(columns, x->dim), .dim = 1));
}
COMPOSITE(masked_select)
{
    (void)op;
    cr_tensor *x = T(0), *mask = T(1);
    if (dtype_of(mask) != CR_B8)
        return CR_FAIL_INT("masked_select: expected BoolTensor for mask, not %s",
                           cr_dtype_name(dtype_of(mask)));
    cr_tensor *wide = cr_logical_or(mask, cr_zeros_like(x, .dtype = CR_B8)); /* the common sizes */
    if (!wide)
        return -1;
    cr_tensor *at = cr_squeeze_dim(cr_nonzero(cr_reshape(wide, CR_INTS(-1))), 1);
    return cr_give(r, cr_index_select(cr_reshape(cr_expand_as(x, wide), CR_INTS(-1)), 0, at));
}
COMPOSITE(one_hot)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t classes = INT(1);
    if (dtype_of(x) != CR_I64)
        return CR_FAIL_INT("one_hot is only applicable to index tensor.");
    if (classes == -1 && !x->numel)
        return CR_FAIL_INT("Can not infer total number of classes from empty tensor.");
    int64_t top = x->numel ? cr_item_int(cr_max(x)) : -1,
            low = x->numel ? cr_item_int(cr_min(x)) : 0;
    if (cr_error())
        return -1;
    if (low < 0)
        return CR_FAIL_INT("Class values must be non-negative.");
    if (classes == -1)
        classes = top + 1;
    if (classes <= top)
        return CR_FAIL_INT("Class values must be smaller than num_classes.");
    cr_tensor *all = cr_arange(classes, .dtype = CR_I64, .device = cr_tensor_device(x));
    return cr_give(r, cr_to_dtype(cr_eq(cr_unsqueeze(x, -1), all), CR_I64));
}

/* ---- embedding ---- */

DECOMPOSE(embedding)
{
    (void)op;
    cr_tensor *w = T(0), *index = T(1);
    int64_t sizes[CR_MAX_RANK + 1];
    for (int d = 0; d < index->dim; d++)
        sizes[d] = index->size[d];
    sizes[index->dim] = w->size[1];
    const char *was = cr_indices_mean("embedding: index out of range");
    cr_tensor *rows = cr_index_select(w, 0, cr_reshape(index, CR_INTS(-1)));
    cr_this_thread.index_meaning = was;
    return cr_give(r, cr_reshape(rows, cr_make_ints(sizes, (size_t)index->dim + 1)));
}
DECOMPOSE(embedding_dense_backward)
{
    (void)op;
    cr_tensor *g = T(0), *index = cr_reshape(T(1), CR_INTS(-1));
    int64_t rows = INT(2), width = g->dim ? g->size[g->dim - 1] : 1;
    g = index ? cr_reshape(g, CR_INTS(index->numel, width)) : NULL;
    if (!g)
        return -1;
    if (!width)
        return cr_give(
            r, cr_zeros(CR_INTS(rows, width), .dtype = dtype_of(g), .device = cr_tensor_device(g)));
    if (INT(3) >= 0)
        g = cr_masked_fill_scalar(g, cr_unsqueeze(cr_eq_scalar(index, INT(3)), 1), 0);
    const char *device = cr_tensor_device(g);
    if (INT(4)) { /* by how often each row is used */
        cr_tensor *count =
            cr_scatter_add(cr_zeros(rows, .dtype = dtype_of(g), .device = device), 0, index,
                           cr_ones(index->numel, .dtype = dtype_of(g), .device = device));
        g = cr_div(g, cr_unsqueeze(cr_index_select(count, 0, index), 1));
    }
    cr_tensor *zero = cr_zeros(CR_INTS(rows, width), .dtype = dtype_of(g), .device = device);
    return cr_give(r, cr_index_add(zero, 0, index, g));
}
