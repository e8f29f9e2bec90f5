/* Derivatives of views, copies, joining and indexing. */
#include "core/autograd/derivatives/derivative.h"

UNARY(to_copy, "ToCopyBackward0", SAVES_NONE, g)
UNARY(clone, "CloneBackward0", SAVES_NONE, g)
UNARY(alias, "AliasBackward0", SAVES_NONE, g)
UNARY(view, "ViewBackward0", SAVES_NONE, cr_reshape(g, cr_in_sizes(c, 0)))
UNARY(unsafe_view, "UnsafeViewBackward0", SAVES_NONE, cr_reshape(g, cr_in_sizes(c, 0)))
UNARY(t, "TBackward0", SAVES_NONE, cr_t(g))
UNARY(transpose, "TransposeBackward0", SAVES_NONE, cr_transpose(g, int_arg(c, 1), int_arg(c, 2)))
UNARY(expand, "ExpandBackward0", SAVES_NONE, cr_sum_to_size(g, cr_in_sizes(c, 0)))
UNARY(unsqueeze, "UnsqueezeBackward0", SAVES_NONE, cr_reshape(g, cr_in_sizes(c, 0)))
UNARY(squeeze, "SqueezeBackward0", SAVES_NONE, cr_reshape(g, cr_in_sizes(c, 0)))
UNARY(squeeze_dim, "SqueezeBackward1", SAVES_NONE, cr_reshape(g, cr_in_sizes(c, 0)))
UNARY(squeeze_dims, "SqueezeBackward2", SAVES_NONE, cr_reshape(g, cr_in_sizes(c, 0)))

/* For the gradient of the whole, lying as the whole did: gradients go back through the views that it was made by without a copy
 * then. */
static cr_tensor *new_as_input(cr_grad_context *c, bool zeros)
{
    const cr_ints sizes = cr_in_sizes(c, 0);
    int64_t order[CR_MAX_RANK], lying[CR_MAX_RANK], back[CR_MAX_RANK];
    bool by_rows = true;
    cr_in_order(c, order);
    for (int d = 0; d < (int)sizes.count; d++) {
        lying[d] = sizes.data[order[d]];
        back[order[d]] = d;
        by_rows = by_rows && order[d] == d;
    }
    const cr_ints sizes_there = cr_make_ints(lying, sizes.count);
    const cr_dtype dtype = cr_in_dtype(c, 0);
    const char *device = cr_in_device(c, 0);
    cr_tensor *whole = zeros ? cr_zeros(sizes_there, .dtype = dtype, .device = device)
                             : cr_empty(sizes_there, .dtype = dtype, .device = device);
    return by_rows ? whole : cr_permute(whole, cr_make_ints(back, sizes.count));
}

/* Gives the gradient of a part, which the function takes of the whole: into what other parts gave, if that is there already. A tensor
 * taken apart costs what it holds, not what it holds for each part, and what all parts are given to is not cleared before. */
static int give_part(cr_grad_context *c, cr_span span,
                     cr_tensor *part_of(cr_grad_context *c, cr_tensor *whole))
{
    bool fresh;
    cr_tensor *gathered = cr_gathered_part(c, span, &fresh);
    cr_tensor *whole = gathered ? gathered : new_as_input(c, !fresh);
    cr_tensor *part = whole ? part_of(c, whole) : NULL;
    if (gathered && !fresh)
        return part && cr_add_(part, cr_g(c, 0)) ? 0 : -1;
    if (!part || !cr_copy_(part, cr_g(c, 0)))
        return -1;
    if (!gathered)
        cr_set(c, 0, whole);
    return 0;
}

static cr_tensor *selected(cr_grad_context *c, cr_tensor *whole)
{
    return cr_select(whole, int_arg(c, 1), int_arg(c, 2));
}

DERIVATIVE(select, "SelectBackward0", .notes_order = true)
{
    const cr_ints sizes = cr_in_sizes(c, 0);
    const int64_t dim = int_arg(c, 1), wrapped = dim < 0 ? dim + (int64_t)sizes.count : dim;
    const int64_t index = int_arg(c, 2), at = index < 0 ? index + sizes.data[wrapped] : index;
    return give_part(c, (cr_span){(int)wrapped, at, at + 1}, selected);
}

/* copy(self, src): what self was is overwritten. */
DERIVATIVE(copy, "CopyBackwards", SAVES_NONE)
{
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_zeros_like(cr_g(c, 0)));
    cr_set(c, 1, cr_g(c, 0));
    return 0;
}

DERIVATIVE(permute, "PermuteBackward0", SAVES_NONE)
{
    cr_ints dims = ints_arg(c, 1);
    int64_t back[CR_MAX_RANK];
    for (int64_t d = 0; d < dims.count; d++)
        back[dims.data[d] < 0 ? dims.data[d] + dims.count : dims.data[d]] = d;
    cr_set(c, 0, cr_permute(cr_g(c, 0), cr_make_ints(back, (size_t)dims.count)));
    return 0;
}

static cr_tensor *sliced(cr_grad_context *c, cr_tensor *whole)
{
    const int64_t dim = int_arg(c, 1), size = cr_tensor_size(whole, (int)dim);
    const int64_t start = cr_argument(c, 2)->tag ? int_arg(c, 2) : 0,
                  end = cr_argument(c, 3)->tag ? int_arg(c, 3) : size;
    return cr_slice(whole, .dim = dim, .start = CR_SOME(start), .end = CR_SOME(end),
                    .step = CR_SOME(int_arg(c, 4)));
}

DERIVATIVE(slice, "SliceBackward0", .notes_order = true)
{
    const cr_ints sizes = cr_in_sizes(c, 0);
    const int64_t dim = int_arg(c, 1), wrapped = dim < 0 ? dim + (int64_t)sizes.count : dim;
    const int64_t size = sizes.data[wrapped], start = cr_argument(c, 2)->tag ? int_arg(c, 2) : 0;
    const int64_t first = start < 0 ? start + size : start;
    const int64_t begin = first < 0 ? 0 : first < size ? first : size;
    cr_span span = {(int)wrapped, begin, begin + cr_tensor_size(cr_g(c, 0), (int)wrapped)};
    if (int_arg(c, 4) != 1)
        span.dim = -1;
    return give_part(c, span, sliced);
}

/* Elements may be seen several times: gradients are added at the places of an index over the
 * input's storage. */
static cr_tensor *scatter_back(cr_grad_context *c, cr_tensor *g, cr_tensor *index)
{
    cr_ints sizes = cr_in_sizes(c, 0);
    int64_t numel = 1;
    for (int64_t d = 0; d < sizes.count; d++)
        numel *= sizes.data[d];
    cr_tensor *flat = cr_zeros(numel, .dtype = cr_tensor_dtype(g), .device = cr_tensor_device(g));
    flat = cr_scatter_add(flat, 0, cr_reshape(index, CR_INTS(-1)), cr_reshape(g, CR_INTS(-1)));
    return cr_reshape(flat, sizes);
}

/* Numbers the input's elements as a row-major tensor of its sizes would. */
static cr_tensor *numbered(cr_grad_context *c, cr_tensor *g)
{
    cr_ints sizes = cr_in_sizes(c, 0);
    int64_t numel = 1;
    for (int64_t d = 0; d < sizes.count; d++)
        numel *= sizes.data[d];
    return cr_reshape(cr_arange(numel, .dtype = CR_I64, .device = cr_tensor_device(g)), sizes);
}

/* How many elements of the storage lie between `base` and the view's last one. */
static int64_t reach(cr_ints sizes, const int64_t *strides, int64_t offset, int64_t base)
{
    int64_t last = offset - base;
    for (int64_t d = 0; d < sizes.count; d++) {
        if (!sizes.data[d])
            return 0;
        last += (sizes.data[d] - 1) * strides[d];
    }
    return last + 1;
}

/* Gradients are added at their places in a stretch of storage, and what the input sees of it is read; where several
 * elements of the input are one number, each gets an equal part. */
DERIVATIVE(as_strided, "AsStridedBackward0", SAVES_SELF, .layout_only = true)
{
    const cr_tensor *x = cr_in_layout(c, 0);
    cr_tensor *g = cr_g(c, 0);
    if (!x)
        return -1;
    cr_ints sizes = ints_arg(c, 1), strides = ints_arg(c, 2), own = cr_in_sizes(c, 0),
            own_strides = cr_make_ints(cr_tensor_strides(x), (size_t)cr_tensor_dim(x));
    int64_t own_offset = cr_tensor_storage_offset(x),
            offset = cr_argument(c, 3)->tag ? int_arg(c, 3) : own_offset,
            base = offset < own_offset ? offset : own_offset;
    int64_t seen = reach(sizes, strides.data, offset, base),
            had = reach(own, own_strides.data, own_offset, base), length = seen > had ? seen : had;
    cr_tensor *places = cr_arange(length, .dtype = CR_I64, .device = cr_tensor_device(g));
    cr_tensor *flat = cr_zeros(length, .dtype = cr_tensor_dtype(g), .device = cr_tensor_device(g));
    cr_tensor *index =
        cr_as_strided(places, sizes, strides, .storage_offset = CR_SOME(offset - base));
    cr_tensor *sum =
        cr_scatter_add(flat, 0, cr_reshape(index, CR_INTS(-1)), cr_reshape(g, CR_INTS(-1)));
    if (cr_has_internal_overlap(x)) {
        cr_tensor *mine =
            cr_as_strided(places, own, own_strides, .storage_offset = CR_SOME(own_offset - base));
        mine = cr_reshape(mine, CR_INTS(-1));
        cr_tensor *count =
            cr_scatter_add(flat, 0, mine, cr_ones_like(cr_index_select(flat, 0, mine)));
        sum = cr_div(sum, cr_clamp_min(count, 1));
    }
    cr_set(c, 0,
           cr_as_strided(sum, own, own_strides, .storage_offset = CR_SOME(own_offset - base)));
    return 0;
}

UNARY(diagonal, "DiagonalBackward0", SAVES_NONE,
      scatter_back(c, g,
                   cr_diagonal(numbered(c, g), .offset = int_arg(c, 1), .dim1 = int_arg(c, 2),
                               .dim2 = CR_SOME(int_arg(c, 3)))))
UNARY(unfold, "UnfoldBackward0", SAVES_NONE,
      scatter_back(c, g, cr_unfold(numbered(c, g), int_arg(c, 1), int_arg(c, 2), int_arg(c, 3))))

DERIVATIVE(cat, "CatBackward0", SAVES_NONE)
{
    cr_tensor *g = cr_g(c, 0);
    int64_t dim = int_arg(c, 1), at = 0, rank = cr_tensor_dim(g);
    dim += dim < 0 ? rank : 0;
    const int64_t *sizes =
        cr_argument(c, 0)->as.ints; /* of every tensor, CR_MAX_RANK numbers each */
    for (int i = 0; i < c->node->nin; i++) {
        int64_t size = sizes[i * CR_MAX_RANK + dim];
        if (cr_needs(c, i) &&
            cr_in_dim(c, i) != rank) { /* the empty vector that any shape lets pass */
            cr_set(c, i, cr_zeros_like(cr_narrow(cr_reshape(g, CR_INTS(-1)), 0, 0, 0)));
            continue;
        }
        if (cr_needs(c, i))
            cr_set(c, i, cr_narrow(g, dim, at, size));
        at += size;
    }
    return 0;
}

/* ---- indexing ---- */

DERIVATIVE(gather, "GatherBackward0", .in_for = {0, FOR_0})
{
    cr_tensor *zero = cr_zeros(cr_in_sizes(c, 0), .dtype = cr_tensor_dtype(cr_g(c, 0)),
                               .device = cr_in_device(c, 0));
    cr_set(c, 0, cr_scatter_add(zero, int_arg(c, 1), cr_in(c, 1), cr_g(c, 0)));
    return 0;
}

DERIVATIVE(scatter, "ScatterBackward0", .in_for = {0, FOR_0 | FOR_2})
{
    cr_tensor *g = cr_g(c, 0), *index = cr_in(c, 1);
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_scatter_value(g, int_arg(c, 1), index, 0));
    if (cr_needs(c, 2))
        cr_set(c, 2, cr_gather(g, int_arg(c, 1), index));
    return 0;
}

DERIVATIVE(scatter_add, "ScatterAddBackward0", .in_for = {0, FOR_2})
{
    cr_set(c, 0, cr_g(c, 0));
    if (cr_needs(c, 2))
        cr_set(c, 2, cr_gather(cr_g(c, 0), int_arg(c, 1), cr_in(c, 1)));
    return 0;
}

/* sum and mean are linear; amax and amin share the gradient among those that tie; prod divides it
 * out. */
DERIVATIVE(scatter_reduce, "ScatterReduceBackward0", .in_for = {FOR_ALL, FOR_ALL, FOR_ALL},
           .out_for = {FOR_ALL})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 0), *index = cr_in(c, 1), *src = cr_in(c, 2),
              *y = cr_out(c, 0);
    int64_t dim = int_arg(c, 1);
    const char kind = cr_argument(c, 4)->as.s[1]; /* sUm mEan pRod aMax aMin */
    bool with_self = int_arg(c, 5);
    cr_tensor *hits = cr_scatter_add(cr_zeros_like(y), dim, index, cr_ones_like(src)), *to_self,
              *to_src;
    if (kind == 'u') {
        to_self = with_self ? g : cr_mul(g, cr_to_dtype(cr_eq_scalar(hits, 0), cr_tensor_dtype(g)));
        to_src = cr_gather(g, dim, index);
    } else if (kind == 'e') {
        cr_tensor *count = with_self ? cr_add_scalar(hits, 1) : cr_clamp_min(hits, 1);
        to_self = with_self ? cr_div(g, count)
                            : cr_mul(g, cr_to_dtype(cr_eq_scalar(hits, 0), cr_tensor_dtype(g)));
        to_src = cr_gather(cr_div(g, count), dim, index);
    } else if (kind == 'r') {
        to_self = cr_div(cr_mul(g, y), x);
        to_src = cr_div(cr_gather(cr_mul(g, y), dim, index), src);
        if (!with_self)
            to_self = cr_mul(g, cr_to_dtype(cr_eq_scalar(hits, 0), cr_tensor_dtype(g)));
    } else {
        cr_tensor *self_is = cr_to_dtype(cr_eq(x, y), cr_tensor_dtype(g));
        cr_tensor *src_is = cr_to_dtype(cr_eq(src, cr_gather(y, dim, index)), cr_tensor_dtype(g));
        if (!with_self)
            self_is = cr_mul(self_is, cr_to_dtype(cr_eq_scalar(hits, 0), cr_tensor_dtype(g)));
        cr_tensor *each = cr_div(g, cr_scatter_add(self_is, dim, index, src_is));
        to_self = cr_mul(each, self_is);
        to_src = cr_mul(cr_gather(each, dim, index), src_is);
    }
    cr_set(c, 0, to_self);
    cr_set(c, 2, to_src);
    return 0;
}

DERIVATIVE(index_select, "IndexSelectBackward0", .in_for = {0, FOR_0})
{
    cr_tensor *zero = cr_zeros(cr_in_sizes(c, 0), .dtype = cr_tensor_dtype(cr_g(c, 0)),
                               .device = cr_in_device(c, 0));
    cr_set(c, 0, cr_index_add(zero, int_arg(c, 1), cr_in(c, 1), cr_g(c, 0)));
    return 0;
}

DERIVATIVE(embedding, "EmbeddingBackward0", .in_for = {0, FOR_0})
{
    cr_set(c, 0,
           cr_embedding_dense_backward(cr_g(c, 0), cr_in(c, 1), cr_in_sizes(c, 0).data[0],
                                       int_arg(c, 2), int_arg(c, 3)));
    return 0;
}

DERIVATIVE(embedding_dense_backward, "EmbeddingDenseBackwardBackward0", .in_for = {0, FOR_0})
{
    cr_tensor *index = cr_in(c, 1), *picked = cr_f_embedding(cr_g(c, 0), index);
    cr_set(c, 0,
           cr_masked_fill_scalar(picked, cr_unsqueeze(cr_eq_scalar(index, int_arg(c, 3)), -1), 0));
    return 0;
}
