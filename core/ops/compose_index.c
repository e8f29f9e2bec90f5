/* Advanced indexing: x[indices] and its assignment, with broadcasting index tensors and boolean
 * masks, as in NumPy. All index tensors become one flat index over the indexed dimensions, brought
 * to the front. */
#include "core/ops/compose.h"

typedef struct plan {
    cr_tensor *moved; /* x with the indexed dimensions first, [indexed…, rest…] */
    cr_tensor *flat;  /* row-major places in the indexed dimensions, [broadcast…] */
    int64_t inner[CR_MAX_RANK];
    int ninner;   /* the rest's sizes */
    int64_t rows; /* the product of the indexed sizes */
    int first;    /* where the result's index dimensions stand: 0 unless the indexed dimensions are
                     adjacent */
    int order[CR_MAX_RANK];
} plan;

/* Negative indices count from the end; anything outside is an error of the kernel that meets it. */
static cr_tensor *wrap(cr_tensor *index, int64_t size)
{
    return cr_where(cr_lt_scalar(index, 0), cr_add_scalar(index, size), index);
}

/* Masks are replaced by the positions they mark, a column for each of their dimensions. */
static int expand_masks(cr_tensor *x, const cr_value *list, cr_tensor **index, int *n)
{
    *n = 0;
    for (int64_t i = 0; i < list->count; i++) {
        cr_tensor *t = list->as.tensors[i];
        bool mask = t && (t->dtype == CR_B8 || t->dtype == CR_U8);
        int columns = mask ? t->dim : 1;
        if (*n + columns > x->dim)
            return CR_FAIL_INT("index: too many indices for tensor of dimension %d", x->dim);
        if (!mask) {
            if (t && t->dtype != CR_I64 && t->dtype != CR_I32)
                return CR_FAIL_INT(
                    "index: tensors used as indices must be long, byte or bool tensors, not %s",
                    cr_dtype_name((cr_dtype)t->dtype));
            index[(*n)++] = t && t->dtype == CR_I32 ? cr_to_dtype(t, CR_I64) : t;
            continue;
        }
        for (int d = 0; d < t->dim; d++)
            if (t->size[d] != x->size[*n + d])
                return CR_FAIL_INT("index: The shape of the mask %s at index %d does not match the "
                                   "shape of the indexed tensor "
                                   "%s at index %d",
                                   cr_sizes_text(t->dim, t->size), d,
                                   cr_sizes_text(x->dim, x->size), *n + d);
        cr_tensor *at = cr_nonzero(t);
        for (int d = 0; d < t->dim; d++)
            if (!(index[(*n)++] = cr_select(at, 1, d)))
                return -1;
    }
    return 0;
}

static int prepare(cr_tensor *x, const cr_value *list, plan *p)
{
    cr_tensor *index[CR_MAX_RANK] = {NULL};
    int n, nindexed = 0, at = 0;
    if (expand_masks(x, list, index, &n))
        return -1;
    bool adjacent = true, seen = false, ended = false;
    int64_t order[CR_MAX_RANK];
    p->first = 0;
    p->rows = 1;
    p->flat = NULL;
    p->ninner = 0;
    for (int d = 0; d < x->dim; d++) {
        if (!index[d]) {
            ended = ended || seen;
            continue;
        }
        adjacent = adjacent && !ended;
        if (!seen)
            p->first = d;
        seen = true;
        order[at++] = d;
        nindexed++;
    }
    if (!nindexed)
        return CR_FAIL_INT("index: at least one index must be a tensor");
    if (!adjacent)
        p->first = 0;
    for (int d = 0; d < x->dim; d++) {
        if (index[d])
            continue;
        p->inner[p->ninner++] = x->size[d];
        order[at++] = d;
    }
    for (int d = 0; d < x->dim; d++) {
        p->order[d] = (int)order[d];
        if (!index[d])
            continue;
        cr_tensor *one = wrap(index[d], x->size[d]);
        /* An index outside would alias another row once flattened, so it is checked here. */
        if (one && one->numel) {
            int64_t low = cr_item_int(cr_min(one)), high = cr_item_int(cr_max(one));
            if (!cr_error() && (low < 0 || high >= x->size[d]))
                return CR_FAIL_INT("index %lld is out of bounds for dimension %d with size %lld",
                                   (long long)(low < 0 ? low - x->size[d] : high), d,
                                   (long long)x->size[d]);
        }
        p->flat = p->flat ? cr_add(cr_mul_scalar(p->flat, x->size[d]), one) : one;
        if (!p->flat)
            return -1;
        p->rows *= x->size[d];
    }
    p->moved = cr_permute(x, cr_make_ints(order, x->dim));
    return p->moved ? 0 : -1;
}

/* [rows, inner…] of x. */
static cr_tensor *as_rows(const plan *p)
{
    int64_t sizes[CR_MAX_RANK + 1];
    sizes[0] = p->rows;
    memcpy(sizes + 1, p->inner, sizeof p->inner);
    return cr_reshape(p->moved, cr_make_ints(sizes, (size_t)p->ninner + 1));
}

/* The result's sizes: index dimensions at p->first among the rest. */
static int result_sizes(const plan *p, int64_t *sizes)
{
    int n = 0;
    for (int i = 0; i < p->first; i++)
        sizes[n++] = p->inner[i];
    for (int i = 0; i < p->flat->dim; i++)
        sizes[n++] = p->flat->size[i];
    for (int i = p->first; i < p->ninner; i++)
        sizes[n++] = p->inner[i];
    return n;
}

/* Between [index…, inner…] and the result's order. */
static cr_tensor *arrange(const plan *p, cr_tensor *t, bool back)
{
    int k = p->flat->dim;
    int64_t order[CR_MAX_RANK];
    if (!p->first)
        return t;
    for (int i = 0; i < k + p->ninner; i++) {
        int from = i < p->first ? k + i : i < p->first + k ? i - p->first : i;
        if (back)
            order[from] = i;
        else
            order[i] = from;
    }
    return cr_permute(t, cr_make_ints(order, (size_t)(k + p->ninner)));
}

COMPOSITE(index)
{
    (void)op;
    plan p;
    int64_t sizes[2 * CR_MAX_RANK];
    if (prepare(T(0), &args[1], &p))
        return -1;
    int k = p.flat->dim;
    if (k + p.ninner > CR_MAX_RANK)
        return CR_FAIL_INT("index: the result would have %d dimensions", k + p.ninner);
    cr_tensor *rows = cr_index_select(as_rows(&p), 0, cr_reshape(p.flat, CR_INTS(-1)));
    memcpy(sizes, p.flat->size, sizeof p.flat->size);
    memcpy(sizes + k, p.inner, sizeof p.inner);
    return cr_give(
        r, arrange(&p, cr_reshape(rows, cr_make_ints(sizes, (size_t)(k + p.ninner))), false));
}

COMPOSITE(index_put)
{
    (void)op;
    plan p;
    cr_tensor *x = T(0), *values = T(2);
    int64_t sizes[2 * CR_MAX_RANK], back[CR_MAX_RANK];
    if (values->dtype != x->dtype)
        return CR_FAIL_INT("Index put requires the source and destination dtypes match, got %s for "
                           "the destination and %s for "
                           "the source.",
                           cr_dtype_name(dtype_of(x)), cr_dtype_name(dtype_of(values)));
    if (prepare(x, &args[1], &p))
        return -1;
    int n = result_sizes(&p, sizes);
    if (n > CR_MAX_RANK)
        return CR_FAIL_INT("index_put: the indexed part would have %d dimensions", n);
    values = arrange(&p, cr_expand(values, cr_make_ints(sizes, (size_t)n)), true);
    int64_t count = p.flat->numel;
    sizes[0] = count;
    memcpy(sizes + 1, p.inner, sizeof p.inner);
    cr_ints row_sizes = cr_make_ints(sizes, (size_t)p.ninner + 1);
    values = cr_reshape(values, row_sizes);
    int64_t shape[CR_MAX_RANK + 1] = {count, 1, 1, 1, 1, 1, 1, 1, 1};
    cr_tensor *index =
        cr_expand(cr_reshape(p.flat, cr_make_ints(shape, (size_t)p.ninner + 1)), row_sizes);
    cr_tensor *rows = as_rows(&p);
    rows = INT(3) ? cr_scatter_add(rows, 0, index, values) : cr_scatter(rows, 0, index, values);
    for (int d = 0; d < x->dim; d++)
        back[p.order[d]] = d;
    return cr_give(r, cr_permute(cr_view_as(rows, p.moved), cr_make_ints(back, x->dim)));
}
