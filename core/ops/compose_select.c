/* Choosing and placing: scatters into views, masks, repeating, and diagonals. */
#include "core/ops/compose.h"

/* self with src written into a view of it. */
static cr_tensor *written(cr_tensor *copy, cr_tensor *view, cr_tensor *src)
{
    if (view && src &&
        (view->dim != src->dim ||
         memcmp(view->size, src->size, (size_t)view->dim * sizeof *view->size)))
        return cr_fail("expected src to have a size equal to the part of self: src %s, part %s",
                       cr_sizes_text(src->dim, src->size), cr_sizes_text(view->dim, view->size));
    return cr_copy_(view, src) ? copy : NULL;
}
COMPOSITE(select_scatter)
{
    (void)op;
    cr_tensor *copy = cr_clone(T(0));
    return cr_give(r, written(copy, cr_select(copy, INT(2), INT(3)), T(1)));
}
COMPOSITE(slice_scatter)
{
    (void)op;
    cr_tensor *copy = cr_clone(T(0));
    cr_opt_int start = {INT(3), args[3].tag != CR_NONE}, end = {INT(4), args[4].tag != CR_NONE};
    return cr_give(r, written(copy,
                              cr_slice(copy, .dim = INT(2), .start = start, .end = end,
                                       .step = CR_SOME(INT(5))),
                              T(1)));
}
COMPOSITE(diagonal_scatter)
{
    (void)op;
    cr_tensor *copy = cr_clone(T(0));
    cr_tensor *view = cr_diagonal(copy, .offset = INT(2), .dim1 = INT(3), .dim2 = CR_SOME(INT(4)));
    return cr_give(r, written(copy, view, T(1)));
}

/* self where mask holds gets the elements of source, one after the other. */
COMPOSITE(masked_scatter)
{
    (void)op;
    cr_tensor *x = T(0), *mask = T(1), *source = T(2);
    if (dtype_of(mask) != CR_B8)
        return CR_FAIL_INT("masked_scatter_ only supports boolean masks, got %s",
                           cr_dtype_name(dtype_of(mask)));
    if (dtype_of(source) != dtype_of(x))
        return CR_FAIL_INT(
            "masked_scatter: expected self and source to have same dtypes but got %s and %s",
            cr_dtype_name(dtype_of(x)), cr_dtype_name(dtype_of(source)));
    mask = cr_expand_as(mask, x);
    cr_tensor *flat = mask ? cr_reshape(mask, CR_INTS(-1)) : NULL;
    if (!flat)
        return -1;
    if (!x->numel)
        return cr_give(r, cr_clone(x));
    cr_tensor *at = cr_sub_scalar(cr_cumsum(cr_to_dtype(flat, CR_I64), 0), 1);
    int64_t needed = cr_item_int(cr_select(at, 0, -1)) + 1;
    if (cr_error() || needed > source->numel)
        return cr_error()
                   ? -1
                   : CR_FAIL_INT(
                         "masked_scatter: expected source to have at least %lld elements, got %lld",
                         (long long)needed, (long long)source->numel);
    if (!needed)
        return cr_give(r, cr_clone(x));
    cr_tensor *picked = cr_index_select(cr_reshape(source, CR_INTS(-1)), 0, cr_clamp_min(at, 0));
    return cr_give(r, cr_where(mask, cr_view_as(picked, x), x));
}

COMPOSITE(index_copy)
{
    (void)op;
    cr_tensor *x = T(0), *index = T(2), *source = T(3);
    int dim = cr_wrap_dim("index_copy", INT(1), x->dim);
    int64_t shape[CR_MAX_RANK];
    if (dim < 0)
        return -1;
    if (index->dim > 1 || source->dim != x->dim || (x->dim && index->numel != source->size[dim]))
        return CR_FAIL_INT("index_copy: index %s and source %s don't fit %s", cr_describe(index),
                           cr_describe(source), cr_describe(x));
    for (int d = 0; d < source->dim; d++)
        shape[d] = d == dim ? index->numel : 1;
    cr_tensor *wide = cr_expand_as(cr_reshape(index, cr_make_ints(shape, source->dim)), source);
    return cr_give(r, cr_scatter(x, dim, wide, source));
}
COMPOSITE(index_fill)
{
    (void)op;
    cr_tensor *x = T(0);
    int dim = cr_wrap_dim("index_fill", INT(1), x->dim);
    if (dim < 0)
        return -1;
    cr_tensor *part = cr_index_select(x, dim, T(2));
    return cr_give(r, part ? cr_index_copy(x, dim, T(2), cr_full_like(part, S(3))) : NULL);
}
COMPOSITE(take_along_dim)
{
    (void)op;
    cr_tensor *x = T(0), *index = T(1);
    if (args[2].tag == CR_NONE)
        return cr_give(r, cr_gather(cr_reshape(x, CR_INTS(-1)), 0, cr_reshape(index, CR_INTS(-1))));
    int dim = cr_wrap_dim("take_along_dim", INT(2), x->dim);
    int64_t xs[CR_MAX_RANK], is[CR_MAX_RANK];
    if (dim < 0)
        return -1;
    if (x->dim != index->dim)
        return CR_FAIL_INT("torch.take_along_dim(): input and indices should have the same number "
                           "of dimensions, but got %d and %d",
                           x->dim, index->dim);
    for (int d = 0; d < x->dim; d++) {
        int64_t most = x->size[d] == 1 ? index->size[d] : x->size[d];
        xs[d] = d == dim ? x->size[d] : most;
        is[d] = d == dim ? index->size[d] : most;
    }
    return cr_give(r, cr_gather(cr_expand(x, cr_make_ints(xs, x->dim)), dim,
                                cr_expand(index, cr_make_ints(is, x->dim))));
}

/* ---- repeating ---- */

COMPOSITE(tile)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints dims = L(1);
    int64_t repeats[CR_MAX_RANK];
    int missing = x->dim - (int)dims.count;
    if (missing <= 0)
        return cr_give(r, cr_repeat(x, dims));
    for (int d = 0; d < x->dim; d++)
        repeats[d] = d < missing ? 1 : dims.data[d - missing];
    return cr_give(r, cr_repeat(x, cr_make_ints(repeats, x->dim)));
}
COMPOSITE(repeat_interleave)
{
    (void)op;
    cr_tensor *x = args[2].tag == CR_NONE ? cr_reshape(T(0), CR_INTS(-1)) : T(0);
    int dim = args[2].tag == CR_NONE ? 0
              : x                    ? cr_wrap_dim("repeat_interleave", INT(2), x->dim)
                                     : -1;
    int64_t times = INT(1), sizes[CR_MAX_RANK + 1];
    if (!x || dim < 0)
        return -1;
    if (times < 0)
        return CR_FAIL_INT("Repeats must be non-negative");
    for (int d = 0; d <= x->dim; d++)
        sizes[d] = d <= dim ? x->size[d] : d == dim + 1 ? times : x->size[d - 1];
    cr_tensor *wide = cr_expand(cr_unsqueeze(x, dim + 1), cr_make_ints(sizes, (size_t)x->dim + 1));
    return cr_give(r, cr_clone(cr_flatten(wide, .start_dim = dim, .end_dim = CR_SOME(dim + 1))));
}
/* A number of times for each: places are where the running sums step. */
COMPOSITE(repeat_interleave_tensor)
{
    (void)op;
    cr_tensor *x = args[2].tag == CR_NONE ? cr_reshape(T(0), CR_INTS(-1)) : T(0), *repeats = T(1);
    int dim = args[2].tag == CR_NONE ? 0
              : x                    ? cr_wrap_dim("repeat_interleave", INT(2), x->dim)
                                     : -1;
    if (!x || dim < 0)
        return -1;
    if (repeats->numel == 1)
        return cr_give(r, cr_repeat_interleave(x, cr_item_int(repeats), .dim = CR_SOME(dim)));
    if (repeats->dim != 1 || repeats->numel != x->size[dim])
        return CR_FAIL_INT(
            "repeats must have the same size as input along dim, but got repeats %s and input %s",
            cr_sizes_text(repeats->dim, repeats->size), cr_sizes_text(x->dim, x->size));
    if (repeats->numel && cr_item_int(cr_min(repeats)) < 0)
        return CR_FAIL_INT("repeats can not be negative");
    cr_tensor *ends = cr_cumsum(cr_to_dtype(repeats, CR_I64), 0);
    int64_t count = repeats->numel ? cr_item_int(cr_select(ends, 0, -1)) : 0;
    cr_tensor *place = cr_arange(count, .dtype = CR_I64, .device = cr_tensor_device(x));
    cr_tensor *index = cr_sum_dim(cr_le(cr_unsqueeze(ends, 0), cr_unsqueeze(place, 1)), 1);
    return cr_give(r, cr_index_select(x, dim, index));
}

COMPOSITE(rot90)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints dims = L(2);
    int64_t k = ((INT(1) % 4) + 4) % 4;
    if (dims.count != 2 || x->dim < 2)
        return CR_FAIL_INT("expected total rotation dims == 2, but got dims = %lld",
                           (long long)dims.count);
    int a = cr_wrap_dim("rot90", dims.data[0], x->dim),
        b = cr_wrap_dim("rot90", dims.data[1], x->dim);
    if (a < 0 || b < 0)
        return -1;
    if (a == b)
        return CR_FAIL_INT(
            "expected rotation dims to be different, but got dim0 = %d and dim1 = %d", a, b);
    if (k == 2)
        return cr_give(r, cr_flip(x, CR_INTS(a, b)));
    if (k == 0)
        return cr_give(r, cr_clone(x));
    return cr_give(r, cr_transpose(cr_flip(x, CR_INTS(k == 1 ? b : a)), a, b));
}
COMPOSITE(fliplr)
GIVE(T(0)->dim < 2 ? cr_fail("Input must be >= 2-d.") : cr_flip(T(0), CR_INTS(1)))
COMPOSITE(flipud)
GIVE(T(0)->dim < 1 ? cr_fail("Input must be >= 1-d.") : cr_flip(T(0), CR_INTS(0)))

/* ---- diagonals and triangles ---- */

COMPOSITE(diag_embed)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t offset = INT(1), away = offset < -INT64_MAX ? -1 : offset < 0 ? -offset : offset;
    if (!x->dim || x->dim + 1 > CR_MAX_RANK)
        return CR_FAIL_INT("diag_embed: the input must have 1 to %d dimensions, got %s",
                           CR_MAX_RANK - 1, cr_describe(x));
    int a = cr_wrap_dim("diag_embed", INT(2), x->dim + 1),
        b = cr_wrap_dim("diag_embed", INT(3), x->dim + 1);
    if (a < 0 || b < 0 || a == b)
        return cr_error() ? -1
                          : CR_FAIL_INT("diagonal dimensions cannot be identical %d, %d", a, b);
    int64_t sizes[CR_MAX_RANK], n;
    if (away < 0 || __builtin_add_overflow(x->size[x->dim - 1], away, &n))
        return CR_FAIL_INT("diag_embed: offset %lld is out of bounds", (long long)offset);
    int at = 0;
    for (int d = 0; d <= x->dim; d++)
        sizes[d] = d == a || d == b ? n : x->size[at++];
    cr_tensor *zero = cr_zeros(cr_make_ints(sizes, (size_t)x->dim + 1), .dtype = dtype_of(x),
                               .device = cr_tensor_device(x));
    return cr_give(r,
                   cr_diagonal_scatter(zero, x, .offset = offset, .dim1 = a, .dim2 = CR_SOME(b)));
}
COMPOSITE(diag)
{
    (void)op;
    cr_tensor *x = T(0);
    if (x->dim == 1)
        return cr_give(r, cr_diag_embed(x, .offset = INT(1)));
    if (x->dim != 2)
        return CR_FAIL_INT("matrix or a vector expected, got %s", cr_describe(x));
    return cr_give(r, cr_clone(cr_diagonal(x, .offset = INT(1))));
}
static cr_tensor *triangle(const cr_value *args, bool upper)
{
    cr_tensor *ones = cr_ones(CR_INTS(INT(0), INT(1)), .dtype = CR_B8, .device = FACTORY_DEVICE(3));
    ones = upper ? cr_triu(ones, .diagonal = INT(2)) : cr_tril(ones, .diagonal = INT(2));
    cr_tensor *at = cr_t(cr_nonzero(ones));
    return cr_contiguous(args[3].tag == CR_NONE ? at : cr_to_dtype(at, FACTORY_DTYPE(3)));
}
COMPOSITE(tril_indices)
GIVE(triangle(args, false))
COMPOSITE(triu_indices)
GIVE(triangle(args, true))

/* ---- differences ---- */

COMPOSITE(diff)
{
    (void)op;
    cr_tensor *x = T(0);
    int dim = cr_wrap_dim("diff", INT(2), x->dim);
    int64_t times = INT(1);
    if (dim < 0 || !x->dim)
        return cr_error() ? -1 : CR_FAIL_INT("diff expects input to be at least one-dimensional");
    if (times < 0)
        return CR_FAIL_INT("order must be non-negative but got %lld", (long long)times);
    x = times ? x : cr_clone(x);
    for (int64_t i = 0; i < times && x && (!i || x->size[dim]); i++) { /* nothing stays nothing */
        int64_t n = x->size[dim] ? x->size[dim] - 1 : 0;
        cr_tensor *later = cr_narrow(x, dim, x->size[dim] - n, n),
                  *earlier = cr_narrow(x, dim, 0, n);
        x = dtype_of(x) == CR_B8 ? cr_logical_xor(later, earlier) : cr_sub(later, earlier);
    }
    return cr_give(r, x);
}

/* index of dim as index of every element of source. */
static cr_tensor *index_along(cr_tensor *index, int dim, cr_tensor *source)
{
    int64_t shape[CR_MAX_RANK];
    for (int d = 0; d < source->dim; d++)
        shape[d] = d == dim ? index->numel : 1;
    return cr_expand_as(cr_reshape(index, cr_make_ints(shape, source->dim)), source);
}
COMPOSITE(index_reduce)
{
    (void)op;
    cr_tensor *x = T(0), *index = T(2), *source = T(3);
    int dim = cr_wrap_dim("index_reduce", INT(1), x->dim);
    if (dim < 0)
        return -1;
    if (!strcmp(args[4].as.s, "sum"))
        return CR_FAIL_INT(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got sum.");
    if (index->dim > 1 || source->dim != x->dim || (x->dim && index->numel != source->size[dim]))
        return CR_FAIL_INT("index_reduce: index %s and source %s don't fit %s", cr_describe(index),
                           cr_describe(source), cr_describe(x));
    return cr_give(r, cr_scatter_reduce(x, dim, index_along(index, dim, source), source,
                                        args[4].as.s, .no_include_self = !INT(5)));
}
/* Places as of the flattened tensor. */
COMPOSITE(put)
{
    (void)op;
    cr_tensor *x = T(0), *index = T(1), *source = T(2);
    if (index->numel != source->numel)
        return CR_FAIL_INT("put_(): Expected source and index to have the same number of elements, "
                           "but got source %s and index %s",
                           cr_describe(source), cr_describe(index));
    cr_tensor *flat = cr_reshape(x, CR_INTS(x->numel)),
              *at = cr_reshape(index, CR_INTS(index->numel));
    cr_tensor *y = cr_index_put(flat, CR_TENSORS(at), cr_reshape(source, CR_INTS(source->numel)),
                                .accumulate = INT(3));
    return cr_give(r, cr_reshape(y, sizes_of_tensor(x)));
}
/* The main diagonal of all dims together; of a tall matrix again after each gap row with wrap. */
COMPOSITE(fill_diagonal_)
{
    (void)op;
    cr_tensor *x = T(0);
    if (x->dim < 2)
        return CR_FAIL_INT("fill_diagonal_: dimensions must larger than 1, got %s", cr_describe(x));
    int64_t n = x->size[0], stride = 0;
    for (int d = 0; d < x->dim; d++) {
        if (x->dim > 2 && x->size[d] != x->size[0])
            return CR_FAIL_INT(
                "fill_diagonal_: all dimensions of input must be of equal length, got %s",
                cr_describe(x));
        n = x->size[d] < n ? x->size[d] : n;
        stride += x->stride[d];
    }
    if (!cr_fill_scalar_(
            cr_as_strided(x, CR_INTS(n), CR_INTS(stride), .storage_offset = CR_SOME(x->offset)),
            S(1)))
        return -1;
    int64_t rows = x->size[0], columns = x->size[1];
    for (int64_t top = columns + 1; INT(2) && x->dim == 2 && top < rows; top += columns + 1) {
        int64_t left = rows - top < columns ? rows - top : columns;
        cr_tensor *again = cr_as_strided(x, CR_INTS(left), CR_INTS(stride),
                                         .storage_offset = CR_SOME(x->offset + top * x->stride[0]));
        if (!cr_fill_scalar_(again, S(1)))
            return -1;
    }
    return cr_give(r, x);
}
COMPOSITE(narrow_copy)
GIVE(cr_clone(cr_narrow(T(0), INT(1), INT(2), INT(3))))
COMPOSITE(as_strided_scatter)
{
    (void)op;
    cr_tensor *x = T(0), *y = cr_contiguous(cr_clone(x));
    const cr_value *offset = &args[4];
    cr_tensor *view =
        y ? cr_as_strided(y, L(2), L(3),
                          .storage_offset = CR_SOME(offset->tag == CR_NONE ? 0 : offset->as.i))
          : NULL;
    return cr_give(r, cr_copy_(view, T(1)) ? y : NULL);
}
COMPOSITE(new_empty)
{
    (void)op;
    cr_dtype dtype = FACTORY_DTYPE(2);
    const char *device = FACTORY_DEVICE(2);
    return cr_give(r, cr_empty(L(1), .dtype = dtype ? dtype : dtype_of(T(0)),
                               .device = device ? device : cr_tensor_device(T(0))));
}
COMPOSITE(resize_as_)
GIVE(cr_resize_(T(0), sizes_of_tensor(T(1))))
