/* Products, convolution, pooling, softmax, normalisation, losses and optimiser steps said with
 * other operations. */
#include <math.h>
#include <stdlib.h>

#include "core/ops/compose.h"

/* ---- products ---- */

static double number_of(cr_scalar s)
{
    return s.tag == CR_FLOAT ? s.as.f : (double)s.as.i;
}
DECOMPOSE(mm)
GIVE(cr_squeeze_dim(cr_bmm(cr_unsqueeze(T(0), 0), cr_unsqueeze(T(1), 0)), 0))
static cr_tensor *plus(cr_tensor *self, cr_tensor *product, cr_scalar beta, cr_scalar alpha)
{
    product = number_of(alpha) == 1 ? product : cr_mul_scalar(product, alpha);
    if (number_of(beta) == 0)
        return product;
    return cr_add(product, self, .alpha = beta);
}
DECOMPOSE(addmm)
GIVE(plus(T(0), cr_mm(T(1), T(2)), S(3), S(4)))
DECOMPOSE(baddbmm)
GIVE(plus(T(0), cr_bmm(T(1), T(2)), S(3), S(4)))
DECOMPOSE(mv)
GIVE(cr_squeeze_dim(cr_mm(T(0), cr_unsqueeze(T(1), 1)), 1))
DECOMPOSE(dot)
GIVE(cr_sum(cr_mul(T(0), T(1))))
COMPOSITE(outer)
{
    (void)op;
    if (T(0)->dim != 1 || T(1)->dim != 1)
        return CR_FAIL_INT("outer: Expected 1-D arguments, got %s and %s", cr_describe(T(0)),
                           cr_describe(T(1)));
    return cr_give(r, cr_mul(cr_unsqueeze(T(0), 1), T(1)));
}

/* torch.matmul: vectors, matrices, and batches of them with broadcasting. */
COMPOSITE(matmul)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    int da = a->dim, db = b->dim;
    if (!da || !db)
        return CR_FAIL_INT(
            "matmul: both arguments to matmul need to be at least 1D, but they are %dD and %dD", da,
            db);
    if (da == 1 && db == 1)
        return cr_give(r, cr_dot(a, b));
    if (da == 2 && db == 1)
        return cr_give(r, cr_mv(a, b));
    if (da == 1 && db == 2)
        return cr_give(r, cr_squeeze_dim(cr_mm(cr_unsqueeze(a, 0), b), 0));
    if (da == 2 && db == 2)
        return cr_give(r, cr_mm(a, b));
    if (db <= 2 && da > 2) { /* the batch of a is more rows of one matrix */
        int64_t sizes[CR_MAX_RANK];
        memcpy(sizes, a->size, sizeof sizes);
        cr_tensor *rows = cr_reshape(a, CR_INTS(count_of(a, 0, da - 1), a->size[da - 1]));
        if (db == 1)
            return cr_give(r, cr_reshape(cr_mv(rows, b), cr_make_ints(sizes, (size_t)da - 1)));
        sizes[da - 1] = b->size[1];
        return cr_give(r, cr_reshape(cr_mm(rows, b), cr_make_ints(sizes, (size_t)da)));
    }
    cr_tensor *x = da == 1 ? cr_unsqueeze(a, 0) : a, *y = db == 1 ? cr_unsqueeze(b, 1) : b;
    int64_t batch[CR_MAX_RANK], sx[CR_MAX_RANK], sy[CR_MAX_RANK], count = 1;
    int nx = x->dim - 2, ny = y->dim - 2, n = nx > ny ? nx : ny;
    for (int d = 0; d < n; d++) {
        int64_t p = d < n - nx ? 1 : x->size[d - (n - nx)],
                q = d < n - ny ? 1 : y->size[d - (n - ny)];
        if (p != q && p != 1 && q != 1)
            return CR_FAIL_INT("matmul: The size of tensor a (%lld) must match the size of tensor "
                               "b (%lld) at non-singleton "
                               "dimension %d (shapes %s and %s)",
                               (long long)p, (long long)q, d, cr_sizes_text(a->dim, a->size),
                               cr_sizes_text(b->dim, b->size));
        batch[d] = sx[d] = sy[d] = p == 1 ? q : p;
        count *= batch[d];
    }
    int64_t rows = x->size[nx], inner = x->size[nx + 1], columns = y->size[ny + 1];
    sx[n] = rows;
    sx[n + 1] = inner;
    sy[n] = y->size[ny];
    sy[n + 1] = columns;
    x = cr_reshape(cr_expand(x, cr_make_ints(sx, (size_t)n + 2)), CR_INTS(count, rows, inner));
    y = cr_reshape(cr_expand(y, cr_make_ints(sy, (size_t)n + 2)), CR_INTS(count, sy[n], columns));
    cr_tensor *z = cr_bmm(x, y);
    int k = n;
    if (da > 1)
        batch[k++] = rows;
    if (db > 1)
        batch[k++] = columns;
    return cr_give(r, cr_reshape(z, cr_make_ints(batch, (size_t)k)));
}

/* input·weightᵀ + bias */
COMPOSITE(linear)
{
    (void)op;
    cr_tensor *x = T(0), *w = T(1), *b = T(2);
    if (w->dim > 2 || !w->dim)
        return CR_FAIL_INT("linear: weight must be 1-D or 2-D, got %s", cr_describe(w));
    if (x->dim && x->size[x->dim - 1] != w->size[w->dim - 1])
        return CR_FAIL_INT("linear: mat1 and mat2 shapes cannot be multiplied: input %s has %lld "
                           "features, weight %s expects "
                           "%lld",
                           cr_sizes_text(x->dim, x->size), (long long)x->size[x->dim - 1],
                           cr_sizes_text(w->dim, w->size), (long long)w->size[w->dim - 1]);
    if (x->dim == 2 && w->dim == 2 && b)
        return cr_give(r, cr_addmm(b, x, cr_t(w)));
    if (b && x->dim > 2 && w->dim == 2 && cr_is_contiguous(x) && x->numel) {
        int64_t sizes[CR_MAX_RANK];
        memcpy(sizes, x->size, sizeof sizes);
        sizes[x->dim - 1] = w->size[0];
        cr_tensor *y = cr_addmm(b, cr_reshape(x, CR_INTS(-1, w->size[1])), cr_t(w));
        return cr_give(r, cr_reshape(y, cr_make_ints(sizes, x->dim)));
    }
    cr_tensor *y = cr_matmul(x, w->dim == 2 ? cr_t(w) : w);
    return cr_give(r, b ? cr_add(y, b) : y);
}

/* ---- convolution: windows by as_strided, products by bmm ---- */

typedef struct conv {
    int n; /* spatial dimensions */
    int64_t stride[3], padding[3], dilation[3], extra[3], groups;
    bool transposed;
} conv;

static conv conv_of(const cr_value *args, int at)
{
    conv c = {0};
    c.n = (int)T(1)->dim - 2;
    for (int i = 0; i < c.n; i++) {
#define PICK(v) (v)->as.ints[(v)->count == 1 ? 0 : i]
        c.stride[i] = PICK(&args[at]);
        c.padding[i] = PICK(&args[at + 1]);
        c.dilation[i] = PICK(&args[at + 2]);
        c.extra[i] = PICK(&args[at + 4]);
    }
    c.transposed = INT(at + 3);
    c.groups = INT(at + 5);
    return c;
}

/* x padded with zeros, [b, channels, spatial…]. */
static cr_tensor *padded(cr_tensor *x, const conv *c, const int64_t *before, const int64_t *after)
{
    int64_t pad[6];
    bool any = false;
    for (int i = 0; i < c->n; i++) {
        pad[2 * (c->n - 1 - i)] = before[i];
        pad[2 * (c->n - 1 - i) + 1] = after[i];
        any = any || before[i] || after[i];
    }
    return any ? cr_constant_pad_nd(x, cr_make_ints(pad, 2 * (size_t)c->n)) : x;
}

/* The columns of a convolution: windows of x (padded already) as a matrix for each item and group,
 * [b, groups, channels/groups · kernel…, out…] flattened to three dimensions. */
static cr_tensor *columns(cr_tensor *x, const conv *c, const int64_t *kernel, const int64_t *out)
{
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], b = x->size[0], channels = x->size[1],
                                                      window = 1, places = 1;
    x = cr_contiguous(x);
    if (!x)
        return NULL;
    sizes[0] = b;
    sizes[1] = channels;
    strides[0] = x->stride[0];
    strides[1] = x->stride[1];
    for (int i = 0; i < c->n; i++) {
        sizes[2 + i] = kernel[i];
        strides[2 + i] = x->stride[2 + i] * c->dilation[i];
        sizes[2 + c->n + i] = out[i];
        strides[2 + c->n + i] = x->stride[2 + i] * c->stride[i];
        window *= kernel[i];
        places *= out[i];
    }
    cr_tensor *windows = cr_as_strided(x, cr_make_ints(sizes, 2 + 2 * (size_t)c->n),
                                       cr_make_ints(strides, 2 + 2 * (size_t)c->n),
                                       .storage_offset = CR_SOME(x->offset));
    return cr_reshape(windows, CR_INTS(b * c->groups, channels / c->groups * window, places));
}

/* Adds columns back to where their windows came from: the transpose of `columns`, into [b,
 * channels, size…]. */
static cr_tensor *uncolumns(cr_tensor *cols, const conv *c, int64_t b, int64_t channels,
                            const int64_t *kernel, const int64_t *out, const int64_t *size)
{
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], whole[CR_MAX_RANK], n = 1;
    whole[0] = b;
    whole[1] = channels;
    for (int i = 0; i < c->n; i++)
        n *= whole[2 + i] = size[i];
    cr_tensor *index =
        cr_arange(b * channels * n, .dtype = CR_I64, .device = cr_tensor_device(cols));
    int64_t step = 1, spatial[3];
    for (int i = c->n - 1; i >= 0; i--) {
        spatial[i] = step;
        step *= size[i];
    }
    sizes[0] = b;
    sizes[1] = channels;
    strides[0] = channels * step;
    strides[1] = step;
    for (int i = 0; i < c->n; i++) {
        sizes[2 + i] = kernel[i];
        strides[2 + i] = spatial[i] * c->dilation[i];
        sizes[2 + c->n + i] = out[i];
        strides[2 + c->n + i] = spatial[i] * c->stride[i];
    }
    cr_tensor *at = cr_as_strided(index, cr_make_ints(sizes, 2 + 2 * (size_t)c->n),
                                  cr_make_ints(strides, 2 + 2 * (size_t)c->n));
    cr_tensor *flat =
        cr_zeros(b * channels * n, .dtype = dtype_of(cols), .device = cr_tensor_device(cols));
    flat = cr_scatter_add(flat, 0, cr_reshape(at, CR_INTS(-1)), cr_reshape(cols, CR_INTS(-1)));
    return cr_reshape(flat, cr_make_ints(whole, 2 + (size_t)c->n));
}

/* weight [o, i/groups, kernel…] as [b·groups, o/groups, i/groups·window], the same for every item.
 */
static cr_tensor *weight_rows(cr_tensor *w, const conv *c, int64_t b)
{
    int64_t o = w->size[0], k = o ? w->numel / o : 0;
    cr_tensor *g = cr_reshape(w, CR_INTS(1, c->groups, o / c->groups, k));
    return cr_reshape(cr_expand(g, CR_INTS(b, c->groups, o / c->groups, k)),
                      CR_INTS(b * c->groups, o / c->groups, k));
}

static cr_tensor *shaped(cr_tensor *t, int64_t b, int64_t channels, int n, const int64_t *spatial)
{
    int64_t sizes[CR_MAX_RANK] = {b, channels};
    for (int i = 0; i < n; i++)
        sizes[2 + i] = spatial[i];
    return cr_reshape(t, cr_make_ints(sizes, 2 + (size_t)n));
}

/* Without bias: y [b, o, out…]. */
static cr_tensor *correlate(cr_tensor *x, cr_tensor *w, const conv *c, const int64_t *out)
{
    cr_tensor *cols = columns(padded(x, c, c->padding, c->padding), c, w->size + 2, out);
    return cols ? shaped(cr_bmm(weight_rows(w, c, x->size[0]), cols), x->size[0], w->size[0], c->n,
                         out)
                : NULL;
}

/* The gradient of correlate's input: g [b, o, out…] back to sizes `in`. */
static cr_tensor *correlate_back(cr_tensor *g, cr_tensor *w, const conv *c, int64_t channels,
                                 const int64_t *in)
{
    int64_t b = g->size[0], o = w->size[0], places = 1, wide[3], cut[3];
    for (int i = 0; i < c->n; i++) {
        places *= g->size[2 + i];
        wide[i] = in[i] + 2 * c->padding[i];
        int64_t reach =
            (g->size[2 + i] - 1) * c->stride[i] + (w->size[2 + i] - 1) * c->dilation[i] + 1;
        if (wide[i] < reach)
            wide[i] = reach;
        cut[i] = wide[i] - in[i] - c->padding[i];
    }
    cr_tensor *cols = cr_bmm(cr_transpose(weight_rows(w, c, b), 1, 2),
                             cr_reshape(g, CR_INTS(b * c->groups, o / c->groups, places)));
    cr_tensor *x = uncolumns(cols, c, b, channels, w->size + 2, g->size + 2, wide);
    int64_t before[3], after[3];
    for (int i = 0; i < c->n; i++) {
        before[i] = -c->padding[i];
        after[i] = -cut[i];
    }
    return padded(x, c, before, after);
}

/* The gradient of correlate's weight: sums over items of g·columnsᵀ. */
static cr_tensor *correlate_weight(cr_tensor *g, cr_tensor *x, cr_tensor *w, const conv *c)
{
    int64_t b = x->size[0], o = w->size[0], places = 1, k = o ? w->numel / o : 0;
    for (int i = 0; i < c->n; i++)
        places *= g->size[2 + i];
    cr_tensor *cols = columns(padded(x, c, c->padding, c->padding), c, w->size + 2, g->size + 2);
    cr_tensor *each = cr_bmm(cr_reshape(g, CR_INTS(b * c->groups, o / c->groups, places)),
                             cr_transpose(cols, 1, 2));
    cr_tensor *sum = cr_sum_dim(cr_reshape(each, CR_INTS(b, c->groups, o / c->groups, k)), 0);
    return cr_view_as(sum, w);
}

static cr_tensor *add_bias(cr_tensor *y, cr_tensor *bias)
{
    int64_t shape[CR_MAX_RANK] = {1, -1, 1, 1, 1};
    return bias && y ? cr_add(y, cr_reshape(bias, cr_make_ints(shape, y->dim))) : y;
}

DECOMPOSE(convolution)
{
    (void)op;
    cr_tensor *x = T(0), *w = T(1);
    conv c = conv_of(args, 3);
    int64_t out[3];
    for (int i = 0; i < c.n; i++) {
        int64_t reach = c.dilation[i] * (w->size[2 + i] - 1);
        out[i] = c.transposed ? (x->size[2 + i] - 1) * c.stride[i] - 2 * c.padding[i] + reach +
                                    c.extra[i] + 1
                              : (x->size[2 + i] + 2 * c.padding[i] - reach - 1) / c.stride[i] + 1;
    }
    cr_tensor *y = c.transposed ? correlate_back(x, w, &c, w->size[1] * c.groups, out)
                                : correlate(x, w, &c, out);
    return cr_give(r, add_bias(y, T(2)));
}

DECOMPOSE(convolution_backward)
{
    (void)op;
    cr_tensor *g = T(0), *x = T(1), *w = T(2);
    const cr_value shifted[9] = {args[1], args[2], {0},     args[4], args[5],
                                 args[6], args[7], args[8], args[9]};
    conv c = conv_of(shifted, 3);
    const uint8_t *mask = args[10].as.bools;
    cr_tensor *dx = NULL, *dw = NULL, *db = NULL;
    if (mask[0])
        dx = c.transposed ? correlate(g, w, &c, x->size + 2)
                          : correlate_back(g, w, &c, x->size[1], x->size + 2);
    if (mask[1])
        dw = c.transposed ? correlate_weight(x, g, w, &c) : correlate_weight(g, x, w, &c);
    if (mask[2]) {
        int64_t dims[4] = {0, 2, 3, 4};
        db = cr_sum_dim(g, cr_make_ints(dims, 1 + (size_t)c.n));
    }
    if ((mask[0] && !dx) || (mask[1] && !dw) || (mask[2] && !db))
        return -1;
    return cr_give_three(r, dx, dw, db, false);
}

/* An item without a batch gets one for the call. */
static cr_tensor *convolve(const cr_value *args, int n)
{
    cr_tensor *x = T(0), *w = T(1);
    if (w->dim != n + 2)
        return cr_fail("conv%dd: expected a weight of %d dimensions, got %s", n, n + 2,
                       cr_describe(w));
    if (x->dim != n + 2 && x->dim != n + 1)
        return cr_fail(
            "Expected %dD (unbatched) or %dD (batched) input to conv%dd, but got input of size: %s",
            n + 1, n + 2, n, cr_sizes_text(x->dim, x->size));
    bool single = x->dim == n + 1;
    int64_t zeros[3] = {0, 0, 0};
    cr_tensor *y = cr_convolution(single ? cr_unsqueeze(x, 0) : x, w, T(2), L(3), L(4), L(5), false,
                                  cr_make_ints(zeros, (size_t)n), INT(6));
    return single ? cr_squeeze_dim(y, 0) : y;
}
static cr_tensor *convolve_transposed(const cr_value *args, int n)
{
    cr_tensor *x = T(0), *w = T(1);
    if (w->dim != n + 2 || (x->dim != n + 2 && x->dim != n + 1))
        return cr_fail("Expected %dD (unbatched) or %dD (batched) input to conv_transpose%dd, but "
                       "got input of size: %s and weight of size: %s",
                       n + 1, n + 2, n, cr_sizes_text(x->dim, x->size),
                       cr_sizes_text(w->dim, w->size));
    bool single = x->dim == n + 1;
    cr_tensor *y = cr_convolution(single ? cr_unsqueeze(x, 0) : x, w, T(2), L(3), L(4), L(7), true,
                                  L(5), INT(6));
    return single ? cr_squeeze_dim(y, 0) : y;
}
COMPOSITE(conv_transpose1d)
GIVE(convolve_transposed(args, 1))
COMPOSITE(conv_transpose2d)
GIVE(convolve_transposed(args, 2))
COMPOSITE(conv_transpose3d)
GIVE(convolve_transposed(args, 3))

COMPOSITE(conv1d)
GIVE(convolve(args, 1))
COMPOSITE(conv2d)
GIVE(convolve(args, 2))
COMPOSITE(conv3d)
GIVE(convolve(args, 3))

/* ---- losses ---- */

static cr_tensor *reduce(cr_tensor *loss, int64_t reduction)
{
    return reduction == 1 ? cr_mean(loss) : reduction == 2 ? cr_sum(loss) : loss;
}

/* Weights of the targets: class weights, 0 where ignored. target [n], safe [n] in range. */
static cr_tensor *target_weights(cr_tensor *x, cr_tensor *target, cr_tensor *weight, int64_t ignore,
                                 cr_tensor **safe)
{
    cr_tensor *kept = cr_ne_scalar(target, ignore);
    *safe = cr_where(kept, target, number_like(target, cr_int_scalar(0), CR_I64));
    cr_tensor *w =
        weight ? cr_index_select(weight, 0, *safe) : cr_ones_like(target, .dtype = dtype_of(x));
    return cr_where(kept, w, number_like(w, cr_int_scalar(0), dtype_of(w)));
}

/* [n, c] and [n]; a single item gets a batch. */
DECOMPOSE(nll_loss_forward)
{
    (void)op;
    cr_tensor *x = T(0), *target = T(1), *safe;
    int64_t reduction = INT(3);
    bool single = x->dim == 1;
    if (single) {
        x = cr_unsqueeze(x, 0);
        target = cr_reshape(target, 1);
    }
    cr_tensor *w = target_weights(x, target, T(2), INT(4), &safe);
    cr_tensor *picked = cr_squeeze_dim(cr_gather(x, 1, cr_unsqueeze(safe, 1)), 1);
    cr_tensor *loss = cr_neg(cr_mul(picked, w)), *total = cr_sum(w);
    if (reduction == 0)
        return cr_give_two(r, single ? cr_reshape(loss, CR_EMPTY) : loss, cr_zeros_like(total));
    loss = cr_sum(loss);
    return cr_give_two(r, reduction == 1 ? cr_div(loss, total) : loss, total);
}
DECOMPOSE(nll_loss_backward)
{
    (void)op;
    cr_tensor *g = T(0), *x = T(1), *target = T(2), *safe;
    int64_t reduction = INT(4);
    bool single = x->dim == 1;
    if (single) {
        x = cr_unsqueeze(x, 0);
        target = cr_reshape(target, 1);
    }
    cr_tensor *w = target_weights(x, target, T(3), INT(5), &safe);
    cr_tensor *each = cr_neg(cr_mul(w, reduction || !single ? g : cr_reshape(g, 1)));
    if (reduction == 1)
        each = cr_div(each, T(6));
    cr_tensor *dx = cr_scatter(cr_zeros_like(x), 1, cr_unsqueeze(safe, 1), cr_unsqueeze(each, 1));
    return cr_give(r, single ? cr_squeeze_dim(dx, 0) : dx);
}

/* Of [n, c, d…] against [n, d…]: the extra dimensions are more items. */
COMPOSITE_OF_INDICES(nll_loss, "nll_loss: target out of range")
{
    (void)op;
    cr_tensor *x = T(0), *target = T(1);
    int64_t reduction = INT(3);
    if (x->dim <= 2)
        return cr_give(r, cr_nll_loss_forward(x, target, T(2), reduction, INT(4)).output);
    if (target->dim != x->dim - 1 || target->size[0] != x->size[0] ||
        memcmp(target->size + 1, x->size + 2, (size_t)(x->dim - 2) * 8))
        return CR_FAIL_INT("nll_loss: expected a target of size [N, d1, …] for input %s, got %s",
                           cr_sizes_text(x->dim, x->size),
                           cr_sizes_text(target->dim, target->size));
    cr_tensor *flat = cr_reshape(cr_movedim(x, 1, -1), CR_INTS(target->numel, x->size[1]));
    cr_tensor *loss =
        cr_nll_loss_forward(flat, cr_reshape(target, CR_INTS(-1)), T(2), reduction, INT(4)).output;
    return cr_give(r, reduction ? loss : cr_view_as(loss, target));
}

/* Class indices, or probabilities when the target has the input's shape; with label smoothing. */
COMPOSITE_OF_INDICES(cross_entropy, "cross_entropy: target out of range")
{
    (void)op;
    cr_tensor *x = T(0), *target = T(1), *weight = T(2);
    int64_t reduction = INT(3), ignore = INT(4);
    double smoothing = F(5);
    int dim = x->dim == 1 ? 0 : 1;
    if (!x->dim)
        return CR_FAIL_INT("cross_entropy: the input needs a class dimension, got %s",
                           cr_describe(x));
    if (!(smoothing >= 0 && smoothing <= 1))
        return CR_FAIL_INT("label_smoothing must be between 0.0 and 1.0. Got: %g", smoothing);
    int64_t classes = x->size[dim];
    cr_tensor *logp = cr_log_softmax(x, dim);
    bool soft = is_float(target) && target->dim == x->dim &&
                !memcmp(target->size, x->size, (size_t)x->dim * 8);
    if (!soft && smoothing == 0)
        return cr_give(r,
                       cr_nll_loss(logp, target, .weight = weight, .reduction = {reduction, true},
                                   .ignore_index = {ignore, true}));
    int64_t shape[CR_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    shape[dim] = classes;
    cr_tensor *wide = weight ? cr_reshape(weight, cr_make_ints(shape, x->dim)) : NULL;
    if (weight && !wide)
        return -1;
    if (soft) {
        cr_tensor *p = smoothing > 0 ? cr_add_scalar(cr_mul_scalar(target, 1 - smoothing),
                                                     smoothing / (double)classes)
                                     : target;
        cr_tensor *loss = cr_mul(logp, p);
        loss = cr_neg(cr_sum_dim(wide ? cr_mul(loss, wide) : loss, dim));
        if (reduction == 1)
            return cr_give(r,
                           cr_div_scalar(cr_sum(loss), (double)(classes ? x->numel / classes : 0)));
        return cr_give(r, reduce(loss, reduction));
    }
    cr_tensor *hard = cr_nll_loss(logp, target, .weight = weight, .reduction = {reduction, true},
                                  .ignore_index = {ignore, true});
    cr_tensor *smooth = cr_neg(cr_sum_dim(wide ? cr_mul(logp, wide) : logp, dim));
    cr_tensor *ignored = cr_eq_scalar(target, ignore);
    smooth = cr_masked_fill_scalar(smooth, ignored, 0);
    if (reduction == 1) {
        cr_tensor *count =
            weight ? cr_sum(cr_masked_fill_scalar(
                         cr_view_as(
                             cr_index_select(weight, 0,
                                             cr_reshape(cr_masked_fill_scalar(target, ignored, 0),
                                                        CR_INTS(-1))),
                             target),
                         ignored, 0))
                   : cr_to_dtype(cr_sum(cr_logical_not(ignored)), dtype_of(x));
        smooth = cr_div(cr_sum(smooth), count);
    } else {
        smooth = reduce(smooth, reduction);
    }
    return cr_give(r, cr_add(cr_mul_scalar(hard, 1 - smoothing),
                             cr_mul_scalar(smooth, smoothing / (double)classes)));
}

DECOMPOSE(mse_loss)
{
    (void)op;
    cr_tensor *d = cr_sub(T(0), T(1));
    return cr_give(r, reduce(cr_mul(d, d), INT(2)));
}
DECOMPOSE(mse_loss_backward)
{
    (void)op;
    cr_tensor *d = cr_sub(T(1), T(2));
    double by = INT(3) == 1 ? 2.0 / (double)(d ? d->numel : 1) : 2.0;
    return cr_give(r, cr_mul(cr_mul_scalar(d, by), T(0)));
}
COMPOSITE(l1_loss)
GIVE(reduce(cr_abs(cr_sub(T(0), T(1))), INT(2)))

/* Zero, or an error if an element isn't between 0 and 1. A lookup that is out of bounds then, so that nobody waits for the device
 * and captured graphs have it. */
static cr_tensor *nothing_outside(cr_tensor *x)
{
    cr_tensor *zero = cr_zeros(1, .dtype = dtype_of(x), .device = cr_tensor_device(x));
    cr_tensor *outside = cr_any(cr_ne(cr_clamp(x, .min = CR_S(0), .max = CR_S(1)), x));
    const char *was =
        cr_indices_mean("binary_cross_entropy: all elements of input should be between 0 and 1");
    cr_tensor *found =
        cr_index_select(zero, 0, cr_reshape(cr_to_dtype(outside, CR_I64), CR_INTS(1)));
    cr_this_thread.index_meaning = was;
    return cr_squeeze_dim(found, 0);
}

/* -(t·log x + (1 - t)·log(1 - x)), logarithms not below -100. */
DECOMPOSE(binary_cross_entropy)
{
    (void)op;
    cr_tensor *x = T(0), *t = T(1);
    cr_tensor *a = cr_mul(t, cr_clamp_min(cr_log(x), -100)),
              *b = cr_mul(cr_rsub_scalar(t, 1), cr_clamp_min(cr_log1p(cr_neg(x)), -100));
    cr_tensor *loss = cr_sub(cr_neg(cr_add(a, b)), nothing_outside(x));
    return cr_give(r, reduce(T(2) ? cr_mul(loss, T(2)) : loss, INT(3)));
}
DECOMPOSE(binary_cross_entropy_backward)
{
    (void)op;
    cr_tensor *x = T(1), *t = T(2);
    cr_tensor *d = cr_div(cr_sub(x, t), cr_clamp_min(cr_mul(cr_rsub_scalar(x, 1), x), 1e-12));
    d = cr_mul(T(0), T(3) ? cr_mul(d, T(3)) : d);
    return cr_give(r, INT(4) == 1 ? cr_div_scalar(d, (double)x->numel) : d);
}
/* (1 - t)·x + (1 + (p - 1)·t)·log(1 + exp(-x)), with the logarithm as -log σ(x). */
DECOMPOSE(binary_cross_entropy_with_logits)
{
    (void)op;
    cr_tensor *x = T(0), *t = T(1), *weight = T(2), *positive = T(3);
    cr_tensor *log_part = cr_neg(cr_log_sigmoid(x));
    if (positive)
        log_part = cr_mul(log_part, cr_add_scalar(cr_mul(cr_sub_scalar(positive, 1), t), 1));
    cr_tensor *loss = cr_add(cr_mul(cr_rsub_scalar(t, 1), x), log_part);
    return cr_give(r, reduce(weight ? cr_mul(loss, weight) : loss, INT(4)));
}
