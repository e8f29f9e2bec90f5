/* Joining and splitting lists of tensors. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/ops/compose.h"

DECOMPOSE(cat)
{
    (void)op;
    cr_tensor *const *in = args[0].as.tensors;
    int64_t n = args[0].count, at = 0, sizes[CR_MAX_RANK];
    cr_tensor *like = NULL;
    for (int64_t i = 0; i < n; i++)
        if (!like || (like->dim == 1 && !like->numel))
            like = in[i];
    int d = cr_wrap_dim("cat", INT(1), like->dim);
    if (d < 0)
        return -1;
    memcpy(sizes, like->size, sizeof sizes);
    sizes[d] = 0;
    for (int64_t i = 0; i < n; i++)
        sizes[d] += in[i]->dim == 1 && !in[i]->numel ? 0 : in[i]->size[d];
    cr_tensor *out = cr_empty(cr_make_ints(sizes, like->dim), .dtype = dtype_of(like),
                              .device = cr_tensor_device(like));
    for (int64_t i = 0; i < n && out; i++) {
        if (in[i]->dim == 1 && !in[i]->numel)
            continue;
        if (!cr_copy_(cr_narrow(out, d, at, in[i]->size[d]), in[i]))
            return -1;
        at += in[i]->size[d];
    }
    return cr_give(r, out);
}
COMPOSITE(stack)
{
    (void)op;
    cr_tensor *const *in = args[0].as.tensors;
    int64_t n = args[0].count;
    if (!n)
        return CR_FAIL_INT("stack expects a non-empty TensorList");
    cr_tensor **wide = malloc((size_t)n * sizeof *wide);
    if (!wide)
        return cr_fail_memory("stack", (size_t)n * sizeof *wide), -1;
    bool well = true;
    for (int64_t i = 0; i < n && well; i++) {
        if (!in[i] || (in[0] && (in[i]->dim != in[0]->dim ||
                                 memcmp(in[i]->size, in[0]->size, (size_t)in[0]->dim * 8)))) {
            if (in[i])
                cr_fail("stack expects each tensor to be equal size, but got %s at entry 0 and %s "
                        "at entry %lld",
                        cr_sizes_text(in[0]->dim, in[0]->size),
                        cr_sizes_text(in[i]->dim, in[i]->size), (long long)i);
            well = false;
        }
        wide[i] = well ? cr_unsqueeze(in[i], INT(1)) : NULL;
        well = well && wide[i];
    }
    cr_tensor *joined = well ? cr_cat(cr_make_tensors(wide, (size_t)n), .dim = INT(1)) : NULL;
    free(wide);
    return cr_give(r, joined);
}

/* What a function makes of each of a list's tensors. */
static int each(const cr_value *list, cr_results *r, cr_tensor *(*change)(cr_tensor *, void *),
                void *context)
{
    if (cr_list_of(r, list->count))
        return -1;
    for (int64_t i = 0; i < list->count; i++)
        if (!(r->list[i] = change(list->as.tensors[i], context)))
            return -1;
    return 0;
}
static cr_tensors as_list(const cr_results *r)
{
    return cr_make_tensors(r->list, (size_t)r->nlist);
}

/* ---- broadcasting ---- */

typedef struct shape {
    int rank;
    int64_t size[CR_MAX_RANK];
} shape;

static cr_tensor *expanded(cr_tensor *t, void *context)
{
    const shape *s = context;
    return cr_expand(t, cr_make_ints(s->size, (size_t)s->rank));
}
COMPOSITE(broadcast_tensors)
{
    (void)op;
    shape s = {0};
    for (int64_t i = 0; i < args[0].count; i++) {
        const cr_tensor *t = args[0].as.tensors[i];
        int grows = t->dim > s.rank ? t->dim - s.rank : 0;
        memmove(s.size + grows, s.size, (size_t)s.rank * sizeof *s.size);
        for (int d = 0; d < grows; d++)
            s.size[d] = 1;
        s.rank += grows;
        for (int d = 1; d <= t->dim; d++) {
            int64_t *known = &s.size[s.rank - d], size = t->size[t->dim - d];
            if (*known != size && *known != 1 && size != 1)
                return CR_FAIL_INT("broadcast_tensors: %s does not broadcast with %s",
                                   cr_describe(t), cr_sizes_text(s.rank, s.size));
            *known = *known == 1 ? size : *known;
        }
    }
    return each(&args[0], r, expanded, &s);
}

/* Each vector along a dimension of its own; with "xy" the first two change places. */
COMPOSITE(meshgrid)
{
    (void)op;
    cr_tensor *const *in = args[0].as.tensors;
    int64_t n = args[0].count, sizes[CR_MAX_RANK], ones[CR_MAX_RANK];
    const char *indexing = args[1].as.s;
    bool xy = !strcmp(indexing, "xy");
    if (!xy && strcmp(indexing, "ij"))
        return CR_FAIL_INT("meshgrid: indexing must be one of \"xy\" or \"ij\", but received: %s",
                           indexing);
    if (!n || n > CR_MAX_RANK)
        return CR_FAIL_INT("meshgrid expects 1 to %d tensors, got %lld", CR_MAX_RANK, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        if (in[i]->dim > 1)
            return CR_FAIL_INT("meshgrid: Expected 0D or 1D tensor in the tensor list but got: %s",
                               cr_describe(in[i]));
        sizes[xy && n > 1 && i < 2 ? 1 - i : i] = in[i]->numel;
        ones[i] = 1;
    }
    if (cr_list_of(r, n))
        return -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = xy && n > 1 && i < 2 ? 1 - i : i;
        ones[at] = in[i]->numel;
        r->list[i] = cr_expand(cr_reshape(in[i], cr_make_ints(ones, (size_t)n)),
                               cr_make_ints(sizes, (size_t)n));
        ones[at] = 1;
        if (!r->list[i])
            return -1;
    }
    return 0;
}

/* ---- at least so many dimensions, and joining by them ---- */

static cr_tensor *at_least(cr_tensor *t, void *context)
{
    int64_t n = *(int *)context;
    if (n > t->dim && !t->dim)
        t = cr_unsqueeze(t, 0);
    if (t && n > 1 && t->dim == 1)
        t = cr_unsqueeze(t, 0);
    if (t && n > 2 && t->dim == 2)
        t = cr_unsqueeze(t, -1);
    return t == NULL ? NULL : cr_alias(t);
}
#define AT_LEAST(n)                                \
    COMPOSITE(atleast_##n##d)                      \
    {                                              \
        (void)op;                                  \
        int dims = n;                              \
        return cr_give(r, at_least(T(0), &dims));  \
    }                                              \
    COMPOSITE(atleast_##n##d_list)                 \
    {                                              \
        (void)op;                                  \
        int dims = n;                              \
        return each(&args[0], r, at_least, &dims); \
    }
AT_LEAST(1)
AT_LEAST(2)
AT_LEAST(3)

static int stacked(const cr_value *list, int dims, int dim, cr_results *r)
{
    cr_results wide = {0};
    if (!list->count)
        return CR_FAIL_INT("expects a non-empty TensorList");
    if (each(list, &wide, at_least, &dims))
        return -1;
    return cr_give(r, cr_cat(as_list(&wide), .dim = dim));
}
COMPOSITE(hstack)
{
    (void)op;
    bool vectors = args[0].count && args[0].as.tensors[0]->dim < 2;
    return stacked(&args[0], 1, vectors ? 0 : 1, r);
}
COMPOSITE(vstack)
{
    (void)op;
    return stacked(&args[0], 2, 0, r);
}
COMPOSITE(dstack)
{
    (void)op;
    return stacked(&args[0], 3, 2, r);
}
static cr_tensor *as_column(cr_tensor *t, void *context)
{
    (void)context;
    return t->dim < 2 ? cr_reshape(t, CR_INTS(t->numel, 1)) : t;
}
COMPOSITE(column_stack)
{
    (void)op;
    cr_results wide = {0};
    if (!args[0].count)
        return CR_FAIL_INT("column_stack expects a non-empty TensorList");
    return each(&args[0], &wide, as_column, NULL) ? -1
                                                  : cr_give(r, cr_cat(as_list(&wide), .dim = 1));
}

/* Matrices along the diagonal of one. */
COMPOSITE(block_diag)
{
    (void)op;
    cr_results rows = {0};
    int64_t n = args[0].count, width = 0, at = 0;
    int dims = 2;
    if (!n)
        return cr_give(r, cr_empty(CR_INTS(1, 0)));
    for (int64_t i = 0; i < n; i++)
        if (args[0].as.tensors[i]->dim > 2)
            return CR_FAIL_INT("block_diag: Input tensors must have 2 or fewer dimensions. Input "
                               "%lld has %d dimensions",
                               (long long)i, args[0].as.tensors[i]->dim);
    if (each(&args[0], &rows, at_least, &dims))
        return -1;
    for (int64_t i = 0; i < n; i++)
        width += rows.list[i]->size[1];
    for (int64_t i = 0; i < n; i++) {
        int64_t own = rows.list[i]->size[1];
        rows.list[i] = cr_constant_pad_nd(rows.list[i], CR_INTS(at, width - at - own));
        if (!rows.list[i])
            return -1;
        at += own;
    }
    return cr_give(r, cr_cat(as_list(&rows)));
}

/* All choices of one element of each vector, as rows. */
COMPOSITE(cartesian_prod)
{
    (void)op;
    for (int64_t i = 0; i < args[0].count; i++)
        if (args[0].as.tensors[i]->dim != 1)
            return CR_FAIL_INT("cartesian_prod: Expect a 1D vector, but got shape %s",
                               cr_describe(args[0].as.tensors[i]));
    if (args[0].count == 1)
        return cr_give(r, cr_alias(args[0].as.tensors[0]));
    cr_tensors grids =
        cr_meshgrid(cr_make_tensors(args[0].as.tensors, (size_t)args[0].count), .indexing = "ij");
    cr_tensor *all =
        grids.data ? cr_stack(cr_make_tensors(grids.data, (size_t)grids.count), .dim = -1) : NULL;
    return cr_give(r, all ? cr_reshape(all, CR_INTS(count_of(all, 0, all->dim - 1), args[0].count))
                          : NULL);
}

/* All choices of k elements, in order. */
COMPOSITE(combinations)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t k = INT(1);
    if (x->dim != 1)
        return CR_FAIL_INT("combinations: Expect a 1D vector, but got shape %s", cr_describe(x));
    if (k < 0 || k > CR_MAX_RANK)
        return CR_FAIL_INT("combinations: r must be 0 to %d, got %lld", CR_MAX_RANK, (long long)k);
    if (!k)
        return cr_give(r, cr_empty(0, .dtype = dtype_of(x), .device = cr_tensor_device(x)));
    cr_tensor *of[CR_MAX_RANK],
        *index = cr_arange(x->numel, .dtype = CR_I64, .device = cr_tensor_device(x));
    for (int64_t i = 0; i < k; i++)
        of[i] = index;
    cr_tensors grids = cr_meshgrid(cr_make_tensors(of, (size_t)k), .indexing = "ij");
    cr_tensor *all =
        grids.data ? cr_stack(cr_make_tensors(grids.data, (size_t)k), .dim = -1) : NULL;
    all = all ? cr_reshape(all, CR_INTS(count_of(all, 0, all->dim - 1), k)) : NULL;
    cr_tensor *left = cr_narrow(all, 1, 0, k - 1), *right = cr_narrow(all, 1, 1, k - 1);
    cr_tensor *rising = INT(2) ? cr_le(left, right) : cr_lt(left, right);
    cr_tensor *rows = cr_nonzero(cr_all_dim(rising, 1)),
              *chosen =
                  rows ? cr_index_select(all, 0, cr_reshape(rows, CR_INTS(rows->numel))) : NULL;
    return cr_give(
        r, chosen ? cr_reshape(cr_index_select(x, 0, cr_reshape(chosen, CR_INTS(chosen->numel))),
                               CR_INTS(chosen->size[0], k))
                  : NULL);
}

/* ---- splitting ---- */

/* Sections as equal as can be, the first ones longer; or at indices, as Python slices. */
static int split(const char *name, cr_tensor *x, int64_t dim, const cr_value *how, cr_results *r)
{
    int d = x->dim ? cr_wrap_dim(name, dim, x->dim) : -1;
    if (!x->dim)
        return CR_FAIL_INT(
            "%s expected at least a 1-dimensional tensor, but got a tensor with 0 dims", name);
    if (d < 0)
        return -1;
    bool even = how->tag == CR_INT;
    int64_t size = x->size[d], n = even ? how->as.i : how->count + 1, at = 0;
    if (n < 1)
        return CR_FAIL_INT("%s: number of sections must be larger than 0, got %lld", name,
                           (long long)n);
    if (cr_list_of(r, n))
        return -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t end = even ? at + size / n + (i < size % n) : i + 1 < n ? how->as.ints[i] : size;
        r->list[i] = cr_slice(x, .dim = d, .start = CR_SOME(at), .end = CR_SOME(end));
        if (!r->list[i])
            return -1;
        at = end;
    }
    return 0;
}
COMPOSITE(tensor_split)
{
    (void)op;
    return split("tensor_split", T(0), INT(2), &args[1], r);
}
static int split_evenly(const char *name, cr_tensor *x, int least, int dim, const cr_value *how,
                        cr_results *r)
{
    if (x->dim < least)
        return CR_FAIL_INT("torch.%s requires a tensor with at least %d dimension%s, but got a "
                           "tensor with %d dimensions!",
                           name, least, least > 1 ? "s" : "", x->dim);
    if (how->tag == CR_INT && (how->as.i < 1 || x->size[dim] % how->as.i))
        return CR_FAIL_INT("torch.%s attempted to split along dimension %d, but the size of the "
                           "dimension %lld is not divisible by "
                           "the split_size %lld!",
                           name, dim, (long long)x->size[dim], (long long)how->as.i);
    return split(name, x, dim, how, r);
}
COMPOSITE(hsplit)
{
    (void)op;
    return split_evenly("hsplit", T(0), 1, T(0)->dim == 1 ? 0 : 1, &args[1], r);
}
COMPOSITE(vsplit)
{
    (void)op;
    return split_evenly("vsplit", T(0), 2, 0, &args[1], r);
}
COMPOSITE(dsplit)
{
    (void)op;
    return split_evenly("dsplit", T(0), 3, 2, &args[1], r);
}
