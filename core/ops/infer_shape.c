/* Inference of copies, factories, joining and indexing. */
#include <math.h>
#include <string.h>

#include "core/ops/functions.h"

/* ---- copies and fills ---- */

/* The output keeps the input's order in memory where that has no gaps (torch.preserve_format), else
 * row-major. */
static bool copy_of(cr_frame *f, cr_dtype dtype, const cr_value *format)
{
    if (!cr_frame_out_like(f, 0, f->in[0], dtype))
        return false;
    f->like_inputs = format->tag == CR_NONE || format->as.i == 1;
    return true;
}

bool cr_infer_to_copy(cr_frame *f)
{
    cr_dtype dtype = cr_value_dtype(&f->args[1]);
    return copy_of(f, dtype ? dtype : (cr_dtype)f->in[0]->dtype, &f->args[6]);
}

bool cr_infer_clone(cr_frame *f)
{
    return copy_of(f, (cr_dtype)f->in[0]->dtype, &f->args[1]);
}

/* copy(self, src): src, cast and broadcast to self. */
bool cr_infer_copy(cr_frame *f)
{
    const cr_tensor *self = f->in[0], *src = f->in[1];
    int64_t sizes[CR_MAX_RANK];
    int rank = self->dim;
    memcpy(sizes, self->size, sizeof sizes);
    bool fits = src->dim <= self->dim;
    for (int d = 0; fits && d < src->dim; d++) {
        int64_t to = self->size[self->dim - src->dim + d];
        fits = src->size[d] == to || src->size[d] == 1;
    }
    if (!fits)
        return cr_frame_fail(f, "a source of shape %s cannot be broadcast to the shape %s of self",
                             cr_sizes_text(src->dim, src->size),
                             cr_sizes_text(self->dim, self->size));
    f->unseen[0] = true;
    f->expand[1] = true;
    f->inplace_ok = true;
    return cr_frame_out(f, 0, (cr_dtype)self->dtype, rank, sizes);
}

bool cr_infer_fill(cr_frame *f)
{
    f->unseen[0] = true;
    f->inplace_ok = true;
    return cr_frame_out_like(f, 0, f->in[0], (cr_dtype)f->in[0]->dtype);
}

bool cr_infer_uniform(cr_frame *f)
{
    cr_dtype dtype = (cr_dtype)f->in[0]->dtype;
    double from = cr_value_float(&f->args[1]), to = cr_value_float(&f->args[2]);
    if (!cr_dtype_is_floating(dtype))
        return cr_frame_fail(f, "needs a floating-point tensor, not %s", cr_dtype_name(dtype));
    if (!(from <= to))
        return cr_frame_fail(f, "expects to return a [from, to) range, but found from=%g > to=%g",
                             from, to);
    int64_t words = dtype == CR_F64 ? 2 * f->in[0]->numel : f->in[0]->numel;
    f->draws = ((uint64_t)words + 3) / 4;
    return cr_infer_fill(f);
}

/* ---- factories ---- */

static bool sizes_of(cr_frame *f, const cr_value *list, int *rank)
{
    if (list->tag != CR_INT_LIST || list->count > CR_MAX_RANK)
        return cr_frame_fail(f, "%lld sizes were given; at most %d dimensions are supported",
                             (long long)list->count, CR_MAX_RANK);
    *rank = (int)list->count;
    for (int d = 0; d < *rank; d++)
        if (list->as.ints[d] < 0)
            return cr_frame_fail(f, "Trying to create tensor with negative dimension %lld: %s",
                                 (long long)list->as.ints[d], cr_sizes_text(*rank, list->as.ints));
    return true;
}

bool cr_infer_factory(cr_frame *f)
{
    int rank, at = f->op->schema->args[1].type == CR_ARG_SCALAR ? 2 : 1;
    cr_dtype dtype = cr_value_dtype(&f->args[at]);
    if (!dtype && at == 2)
        dtype = f->args[1].tag == CR_INT    ? CR_I64
                : f->args[1].tag == CR_BOOL ? CR_B8
                                            : cr_default_dtype();
    cr_frame_attr_drop(f, "size");
    return sizes_of(f, &f->args[0], &rank) &&
           cr_frame_out(f, 0, dtype ? dtype : cr_default_dtype(), rank, f->args[0].as.ints);
}

bool cr_infer_empty_strided(cr_frame *f)
{
    int rank, nstrides;
    cr_dtype dtype = cr_value_dtype(&f->args[2]);
    if (!sizes_of(f, &f->args[0], &rank) || !sizes_of(f, &f->args[1], &nstrides))
        return false;
    if (rank != nstrides)
        return cr_frame_fail(f, "%d sizes but %d strides", rank, nstrides);
    cr_frame_attr_drop(f, "size");
    cr_frame_attr_drop(f, "stride");
    if (!cr_frame_out(f, 0, dtype ? dtype : cr_default_dtype(), rank, f->args[0].as.ints))
        return false;
    int64_t first, last;
    if (cr_extent(rank, f->args[0].as.ints, f->args[1].as.ints, 0, &first, &last) &&
        last > INT64_MAX / 16)
        return cr_frame_fail(f, "a result of sizes %s and strides %s is too large",
                             cr_sizes_text(rank, f->args[0].as.ints),
                             cr_sizes_text(rank, f->args[1].as.ints));
    memcpy(f->out[0].stride, f->args[1].as.ints, (size_t)rank * sizeof(int64_t));
    return true;
}

bool cr_infer_like(cr_frame *f)
{
    cr_dtype dtype = cr_value_dtype(&f->args[1]);
    f->unseen[0] = true;
    return copy_of(f, dtype ? dtype : (cr_dtype)f->in[0]->dtype, &f->args[5]);
}

bool cr_infer_arange(cr_frame *f)
{
    cr_dtype dtype = cr_value_dtype(&f->args[3]);
    bool ints = true;
    for (int a = 0; a < 3; a++)
        ints = ints && f->args[a].tag != CR_FLOAT;
    if (!dtype)
        dtype = ints ? CR_I64 : cr_default_dtype();
    double start = cr_value_float(&f->args[0]), end = cr_value_float(&f->args[1]),
           step = cr_value_float(&f->args[2]);
    if (step == 0 || isnan(step))
        return cr_frame_fail(f, "step must be nonzero");
    if (!isfinite(start) || !isfinite(end))
        return cr_frame_fail(f, "unsupported range: %g -> %g", start, end);
    if ((step > 0 && start > end) || (step < 0 && start < end))
        return cr_frame_fail(f, "upper bound and larger bound inconsistent with step sign");
    double count = ceil((end - start) / step);
    int64_t size;
    if (ints && !__builtin_sub_overflow(f->args[1].as.i, f->args[0].as.i, &size)) {
        int64_t by = f->args[2].as.i;
        size = size / by + (size % by != 0);
    } else if (count > 9e18) {
        return cr_frame_fail(f, "a range of %g elements is too large", count);
    } else {
        size = (int64_t)count;
    }
    return cr_frame_out(f, 0, dtype, 1, &size);
}

bool cr_infer_random_bits(cr_frame *f)
{
    cr_dtype dtype = cr_value_dtype(&f->args[1]);
    if (!dtype)
        dtype = CR_I32;
    int rank;
    if (dtype != CR_I32 && dtype != CR_I64)
        return cr_frame_fail(f, "bits come as int32 or int64, not %s", cr_dtype_name(dtype));
    cr_frame_attr_drop(f, "size");
    if (!sizes_of(f, &f->args[0], &rank) || !cr_frame_out(f, 0, dtype, rank, f->args[0].as.ints))
        return false;
    uint64_t words = (uint64_t)cr_numel_of(rank, f->args[0].as.ints) * (dtype == CR_I64 ? 2 : 1);
    f->draws = (words + 3) / 4;
    return true;
}

bool cr_infer_native_dropout(cr_frame *f)
{
    double p = cr_value_float(&f->args[1]);
    cr_dtype dtype = (cr_dtype)f->in[0]->dtype;
    if (!(p >= 0 && p <= 1))
        return cr_frame_fail(f, "dropout probability has to be between 0 and 1, but got %g", p);
    if (!cr_dtype_is_floating(dtype))
        return cr_frame_fail(f, "needs a floating-point tensor, not %s", cr_dtype_name(dtype));
    f->draws = ((uint64_t)f->in[0]->numel + 3) / 4;
    if (f->args[2].tag != CR_NONE && !f->args[2].as.i)
        f->no_plan = true;
    return cr_frame_out_like(f, 0, f->in[0], dtype) && cr_frame_out_like(f, 1, f->in[0], CR_B8);
}

/* ---- joining ---- */

bool cr_infer_cat(cr_frame *f)
{
    if (!f->nin)
        return cr_frame_fail(f, "expected a non-empty list of Tensors");
    const cr_tensor *like = NULL;
    for (uint32_t i = 0; i < f->nin; i++) /* PyTorch lets 1-d tensors without elements pass */
        if (!like || (like->dim == 1 && !like->numel))
            like = f->in[i];
    int64_t sizes[CR_MAX_RANK];
    memcpy(sizes, like->size, sizeof sizes);
    if (!like->dim)
        return cr_frame_fail(f, "zero-dimensional tensors cannot be concatenated");
    int d = cr_wrap_dim("cat", f->args[1].as.i, like->dim);
    if (d < 0)
        return false;
    sizes[d] = 0;
    for (uint32_t i = 0; i < f->nin; i++) {
        const cr_tensor *t = f->in[i];
        if (t->dim == 1 && !t->numel)
            continue;
        if (t->dim != like->dim)
            return cr_frame_fail(f, "Tensors must have same number of dimensions: got %d and %d",
                                 like->dim, t->dim);
        for (int e = 0; e < t->dim; e++)
            if (e != d && t->size[e] != like->size[e])
                return cr_frame_fail(f,
                                     "Sizes of tensors must match except in dimension %d. Expected "
                                     "size %lld but got size "
                                     "%lld for tensor number %u in the list.",
                                     d, (long long)like->size[e], (long long)t->size[e], i);
        if (__builtin_add_overflow(sizes[d], t->size[d], &sizes[d]))
            return cr_frame_fail(f, "the result is too large");
    }
    cr_dtype dtype = cr_frame_result_type(f);
    cr_frame_cast_all(f, dtype);
    cr_frame_attr_int(f, "dim", d);
    return cr_frame_out(f, 0, dtype, like->dim, sizes);
}

/* ---- indexing ---- */

static bool index_dtype(cr_frame *f, const cr_tensor *index)
{
    return index->dtype == CR_I64 || cr_frame_fail(f, "Expected dtype int64 for index, not %s",
                                                   cr_dtype_name((cr_dtype)index->dtype));
}

/* index (and src) must not be larger than self, but along dim. */
static bool index_fits(cr_frame *f, int d, const cr_tensor *index, const cr_tensor *self,
                       const cr_tensor *src)
{
    int rank = self->dim ? self->dim : 1, irank = index->dim ? index->dim : 1;
    if (!index->numel)
        return true;
    if (rank != irank)
        return cr_frame_fail(
            f, "Index tensor must have the same number of dimensions as self tensor (%s and %s)",
            cr_sizes_text(index->dim, index->size), cr_sizes_text(self->dim, self->size));
    for (int e = 0; e < index->dim; e++) {
        bool self_small = e != d && self->dim && index->size[e] > self->size[e];
        bool src_small = src && src->dim == index->dim && index->size[e] > src->size[e];
        if (self_small || src_small || (src && src->dim != index->dim))
            return cr_frame_fail(
                f, "Expected index %s to be smaller than self %s apart from dimension %d%s%s",
                cr_sizes_text(index->dim, index->size), cr_sizes_text(self->dim, self->size), d,
                src ? " and to be smaller size than src " : "",
                src ? cr_sizes_text(src->dim, src->size) : "");
    }
    return true;
}

bool cr_infer_gather(cr_frame *f)
{
    const cr_tensor *self = f->in[0], *index = f->in[1];
    int d = cr_wrap_dim("gather", f->args[1].as.i, self->dim);
    if (d < 0 || !index_dtype(f, index) || !index_fits(f, d, index, self, NULL))
        return false;
    cr_frame_attr_int(f, "dim", d);
    cr_frame_attr_drop(f, "sparse_grad");
    f->no_plan = !self->dim || !index->dim;
    return cr_frame_out_like(f, 0, index, (cr_dtype)self->dtype);
}

bool cr_infer_scatter(cr_frame *f)
{
    const cr_tensor *self = f->in[0], *index = f->in[1], *src = f->in[2];
    int d = cr_wrap_dim(cr_frame_name(f), f->args[1].as.i, self->dim);
    if (d < 0 || !index_dtype(f, index) || !index_fits(f, d, index, self, src))
        return false;
    if (self->dtype != src->dtype)
        return cr_frame_fail(f, "Expected self.dtype to be equal to src.dtype, got %s and %s",
                             cr_dtype_name((cr_dtype)self->dtype),
                             cr_dtype_name((cr_dtype)src->dtype));
    cr_frame_attr_int(f, "dim", d);
    f->no_plan = !self->dim || !index->dim;
    f->inplace_ok = true;
    return cr_frame_out_like(f, 0, self, (cr_dtype)self->dtype);
}

bool cr_infer_scatter_reduce(cr_frame *f)
{
    const char *reduce = f->args[4].as.s;
    static const char *const known[] = {"sum", "prod", "mean", "amax", "amin"};
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        found = found || !strcmp(reduce, known[i]);
    if (!found)
        return cr_frame_fail(
            f, "reduce argument must be either sum, prod, mean, amax or amin, got %s", reduce);
    if (!cr_infer_scatter(f))
        return false;
    if (!f->args[5].as.i || !strcmp(reduce, "mean"))
        f->no_plan = true;
    return true;
}

bool cr_infer_index_select(cr_frame *f)
{
    const cr_tensor *self = f->in[0], *index = f->in[1];
    int64_t sizes[CR_MAX_RANK];
    int d = cr_wrap_dim("index_select", f->args[1].as.i, self->dim);
    if (d < 0)
        return false;
    if (index->dim > 1)
        return cr_frame_fail(f, "Index is supposed to be a vector, got %s", cr_describe(index));
    if (index->dtype != CR_I64 && index->dtype != CR_I32)
        return cr_frame_fail(f, "Expected dtype int32 or int64 for index, not %s",
                             cr_dtype_name((cr_dtype)index->dtype));
    memcpy(sizes, self->size, sizeof sizes);
    if (self->dim)
        sizes[d] = index->numel;
    f->cast[1] = index->dtype == CR_I64 ? 0 : CR_I64;
    cr_frame_attr_int(f, "dim", d);
    f->no_plan = !self->dim || !index->dim;
    return cr_frame_out(f, 0, (cr_dtype)self->dtype, self->dim, sizes);
}

bool cr_infer_embedding(cr_frame *f)
{
    const cr_tensor *weight = f->in[0], *indices = f->in[1];
    int64_t sizes[CR_MAX_RANK + 1];
    if (weight->dim != 2)
        return cr_frame_fail(f, "'weight' must be 2-D, got %s", cr_describe(weight));
    if (indices->dtype != CR_I64 && indices->dtype != CR_I32)
        return cr_frame_fail(f, "Expected indices of dtype int64 or int32, got %s",
                             cr_dtype_name((cr_dtype)indices->dtype));
    memcpy(sizes, indices->size, sizeof indices->size);
    sizes[indices->dim] = weight->size[1];
    f->cast[1] = indices->dtype == CR_I64 ? 0 : CR_I64;
    return cr_frame_out(f, 0, (cr_dtype)weight->dtype, indices->dim + 1, sizes);
}

bool cr_infer_embedding_dense_backward(cr_frame *f)
{
    const cr_tensor *grad = f->in[0], *indices = f->in[1];
    int64_t sizes[2] = {f->args[2].as.i, grad->dim ? grad->size[grad->dim - 1] : 1};
    if (grad->dim != indices->dim + 1 ||
        memcmp(grad->size, indices->size, (size_t)indices->dim * sizeof *indices->size))
        return cr_frame_fail(f,
                             "expected grad_output to have a row for each index, but got %s for %s",
                             cr_describe(grad), cr_describe(indices));
    f->cast[1] = indices->dtype == CR_I64 ? 0 : CR_I64;
    return cr_frame_out(f, 0, (cr_dtype)grad->dtype, 2, sizes);
}
