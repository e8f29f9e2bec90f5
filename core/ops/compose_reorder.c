/* Elements repeated, in another order, masked by a triangle, or with others put around them. */
#include "core/ops/compose.h"

/* Each dimension gets a repeated one before it: [r, s] copies of [1, s], seen as r·s. */
COMPOSITE(repeat)
{
    (void)op;
    cr_tensor *t = T(0);
    cr_ints times = L(1);
    int n = (int)times.count, more = n - t->dim;
    int64_t final[CR_MAX_RANK];
    if (more < 0 || n > CR_MAX_RANK)
        return CR_FAIL_INT("repeat: Number of dimensions of repeat dims (%d) can not be smaller "
                           "than number of dimensions of "
                           "tensor (%d), nor larger than %d",
                           n, t->dim, CR_MAX_RANK);
    cr_tensor *x = t;
    for (int d = 0; d < n; d++) {
        if (times.data[d] < 0)
            return CR_FAIL_INT("repeat: Trying to create tensor with negative dimension %lld",
                               (long long)times.data[d]);
        final[d] = (d < more ? 1 : t->size[d - more]);
    }
    x = cr_reshape(x, cr_make_ints(final, (size_t)n));
    for (int d = 0; d < n && x; d++) { /* one dimension at a time keeps the rank in bounds */
        if (times.data[d] == 1)
            continue;
        int64_t sizes[CR_MAX_RANK];
        memcpy(sizes, x->size, sizeof sizes);
        if (__builtin_mul_overflow(sizes[d], times.data[d], &sizes[d]))
            return CR_FAIL_INT("repeat: %s times %s is more than a tensor can hold",
                               cr_sizes_text(t->dim, t->size), cr_sizes_text(n, times.data));
        if (x->size[d] == 1) {
            x = cr_expand(x, cr_make_ints(sizes, (size_t)n));
        } else if (n < CR_MAX_RANK) {
            int64_t wide[CR_MAX_RANK + 1];
            for (int e = 0, k = 0; e < n; e++) {
                if (e == d)
                    wide[k++] = times.data[d];
                wide[k++] = x->size[e];
            }
            x = cr_reshape(cr_expand(cr_unsqueeze(x, d), cr_make_ints(wide, (size_t)n + 1)),
                           cr_make_ints(sizes, (size_t)n));
        } else {
            return CR_FAIL_INT("repeat: at most %d dimensions are supported here", CR_MAX_RANK - 1);
        }
    }
    return cr_give(r, cr_contiguous(x == t ? cr_clone(x) : x));
}
/* Gathered backwards: index n-1 … 0. */
COMPOSITE(flip)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints dims = L(1);
    if (!dims.count || !x->dim)
        return cr_give(r, cr_clone(x));
    for (int64_t i = 0; i < dims.count; i++) {
        int d = cr_wrap_dim("flip", dims.data[i], T(0)->dim);
        if (d < 0)
            return -1;
        for (int64_t j = 0; j < i; j++)
            if (cr_wrap_dim("flip", dims.data[j], T(0)->dim) == d)
                return CR_FAIL_INT("flip: dim %d appears multiple times in the list of dims", d);
        int64_t n = T(0)->size[d];
        cr_tensor *index =
            cr_rsub_scalar(cr_arange(n, .dtype = CR_I64, .device = cr_tensor_device(x)), n - 1);
        x = cr_index_select(x, d, index);
    }
    return cr_give(r, x);
}
COMPOSITE(roll)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints shifts = L(1), dims = L(2);
    if (!x->numel)
        return cr_give(r, cr_clone(x));
    if (!dims.count && shifts.count == 1)
        return cr_give(r, cr_view_as(cr_roll(cr_contiguous(cr_reshape(x, CR_INTS(-1))), shifts,
                                             .dims = CR_INTS(0)),
                                     x));
    if (shifts.count != dims.count || !shifts.count)
        return CR_FAIL_INT("shifts and dimensions must align. shifts: %lld, dims:%lld",
                           (long long)shifts.count, (long long)dims.count);
    for (int64_t i = 0; i < shifts.count && x; i++) {
        int d = cr_wrap_dim("roll", dims.data[i], x->dim);
        if (d < 0)
            return -1;
        int64_t n = x->size[d], by = (shifts.data[i] % n + n) % n;
        x = cr_cat(CR_TENSORS(cr_narrow(x, d, n - by, by), cr_narrow(x, d, 0, n - by)), .dim = d);
    }
    return cr_give(r, x);
}
/* Keeps where column - row ≤ diagonal (or ≥). */
static cr_tensor *triangle(cr_tensor *x, int64_t diagonal, bool lower, const char *name)
{
    if (x->dim < 2)
        return cr_fail("%s: input tensor must have at least 2 dimensions", name);
    const char *device = cr_tensor_device(x);
    cr_tensor *rows =
        cr_unsqueeze(cr_arange(x->size[x->dim - 2], .dtype = CR_I64, .device = device), 1);
    cr_tensor *gap =
        cr_sub(cr_arange(x->size[x->dim - 1], .dtype = CR_I64, .device = device), rows);
    cr_tensor *mask = lower ? cr_le_scalar(gap, diagonal) : cr_ge_scalar(gap, diagonal);
    return cr_where(mask, x, number_like(x, cr_int_scalar(0), dtype_of(x)));
}
COMPOSITE(tril)
GIVE(triangle(T(0), INT(1), true, "tril"))
COMPOSITE(triu)
GIVE(triangle(T(0), INT(1), false, "triu"))
/* Negative padding cuts. */
COMPOSITE(constant_pad_nd)
{
    (void)op;
    cr_tensor *x = T(0), *inner = x;
    cr_ints pad = L(1);
    int64_t sizes[CR_MAX_RANK];
    if (pad.count % 2 || pad.count / 2 > x->dim)
        return CR_FAIL_INT("Length of pad must be even and at most twice the number of dimensions "
                           "of the input. Got %lld for "
                           "%d dimensions",
                           (long long)pad.count, x->dim);
    memcpy(sizes, x->size, sizeof sizes);
    for (int64_t i = 0; i < pad.count / 2; i++) {
        int64_t d = x->dim - 1 - i, before = pad.data[2 * i], after = pad.data[2 * i + 1];
        int64_t more, least = -INT64_MAX / 4; /* sums of three don't overflow */
        if (before < least || after < least || __builtin_add_overflow(before, after, &more) ||
            __builtin_add_overflow(sizes[d], more, &sizes[d]))
            return CR_FAIL_INT("padding %lld and %lld is more than a tensor can hold",
                               (long long)before, (long long)after);
        if (sizes[d] < 0)
            return CR_FAIL_INT("The input size %lld, plus negative padding %lld and %lld, resulted "
                               "in a negative output size",
                               (long long)x->size[d], (long long)before, (long long)after);
        if (!inner)
            return -1;
        int64_t cut = before < 0 ? -before : 0,
                length = inner->size[d] - cut - (after < 0 ? -after : 0);
        inner = cr_narrow(inner, d, cut, length < 0 ? 0 : length);
    }
    cr_tensor *out = cr_full(cr_make_ints(sizes, x->dim), S(2), .dtype = dtype_of(x),
                             .device = cr_tensor_device(x)),
              *hole = out;
    for (int64_t i = 0; i < pad.count / 2 && hole; i++) {
        int64_t d = x->dim - 1 - i, before = pad.data[2 * i];
        hole = cr_narrow(hole, d, before > 0 ? before : 0, inner ? inner->size[d] : 0);
    }
    return cr_give(r, cr_copy_(hole, inner) ? out : NULL);
}
