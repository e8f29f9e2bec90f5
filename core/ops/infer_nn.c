/* Inference of products, convolution, pooling, normalisation, classification losses and optimiser
 * steps. */
#include <string.h>

#include "core/ops/functions.h"

static bool same_dtype(cr_frame *f)
{
    const cr_tensor *first = NULL;
    for (uint32_t i = 0; i < f->nin; i++) {
        if (!f->in[i])
            continue;
        if (!first)
            first = f->in[i];
        else if (first->dtype != f->in[i]->dtype)
            return cr_frame_fail(
                f, "expected all tensors to have the same dtype, but got %s and %s",
                cr_dtype_name((cr_dtype)first->dtype), cr_dtype_name((cr_dtype)f->in[i]->dtype));
    }
    return true;
}

/* ---- products ---- */

/* a [.., n, k] times b [.., k, m]. */
static bool product(cr_frame *f, const cr_tensor *a, const cr_tensor *b, int rank, int64_t *sizes)
{
    if (a->dim != rank || b->dim != rank)
        return cr_frame_fail(f, "expected two %d-D tensors, but got %s and %s", rank,
                             cr_describe(a), cr_describe(b));
    if (a->size[rank - 1] != b->size[rank - 2])
        return cr_frame_fail(f,
                             "inner sizes differ: %s x %s (dim %d of the first is %lld, dim %d of "
                             "the second is %lld)",
                             cr_sizes_text(rank, a->size), cr_sizes_text(rank, b->size), rank - 1,
                             (long long)a->size[rank - 1], rank - 2, (long long)b->size[rank - 2]);
    if (rank == 3 && a->size[0] != b->size[0])
        return cr_frame_fail(f, "batch sizes differ: %s x %s", cr_sizes_text(rank, a->size),
                             cr_sizes_text(rank, b->size));
    if (a->dtype == CR_B8)
        return cr_frame_fail(f, "not implemented for 'bool'");
    if (rank == 3)
        sizes[0] = a->size[0];
    sizes[rank - 2] = a->size[rank - 2];
    sizes[rank - 1] = b->size[rank - 1];
    return same_dtype(f);
}

bool cr_infer_bmm(cr_frame *f)
{
    int64_t sizes[3];
    return product(f, f->in[0], f->in[1], 3, sizes) &&
           cr_frame_out(f, 0, (cr_dtype)f->in[0]->dtype, 3, sizes);
}

bool cr_infer_mm(cr_frame *f)
{
    int64_t sizes[2];
    return product(f, f->in[0], f->in[1], 2, sizes) &&
           cr_frame_out(f, 0, (cr_dtype)f->in[0]->dtype, 2, sizes);
}

/* self, added in, is expanded to the product's sizes. */
static bool add_product(cr_frame *f, int rank)
{
    int64_t sizes[3];
    if (!product(f, f->in[1], f->in[2], rank, sizes))
        return false;
    const cr_tensor *self = f->in[0];
    bool fits = self->dim <= rank;
    for (int d = 0; fits && d < self->dim; d++)
        fits = self->size[d] == 1 || self->size[d] == sizes[rank - self->dim + d];
    if (!fits)
        return cr_frame_fail(f, "self of shape %s cannot be broadcast to the product's %s",
                             cr_sizes_text(self->dim, self->size), cr_sizes_text(rank, sizes));
    f->expand[0] = true;
    return cr_frame_out(f, 0, (cr_dtype)self->dtype, rank, sizes);
}

bool cr_infer_addmm(cr_frame *f)
{
    return add_product(f, 2);
}

bool cr_infer_baddbmm(cr_frame *f)
{
    return add_product(f, 3);
}

bool cr_infer_mv(cr_frame *f)
{
    const cr_tensor *m = f->in[0], *v = f->in[1];
    if (m->dim != 2 || v->dim != 1 || m->size[1] != v->size[0])
        return cr_frame_fail(f, "expected a matrix and a vector of its width, got %s and %s",
                             cr_describe(m), cr_describe(v));
    return same_dtype(f) && cr_frame_out(f, 0, (cr_dtype)m->dtype, 1, m->size);
}

bool cr_infer_dot(cr_frame *f)
{
    const cr_tensor *a = f->in[0], *b = f->in[1];
    if (a->dim != 1 || b->dim != 1 || a->size[0] != b->size[0])
        return cr_frame_fail(f, "1D tensors of one size expected, but got %s and %s",
                             cr_describe(a), cr_describe(b));
    return same_dtype(f) && cr_frame_out(f, 0, (cr_dtype)a->dtype, 0, NULL);
}

/* ---- convolution ---- */

/* The sizes that a kernel finds, and its own, as they are told where it doesn't fit. */
static const char *padded_text(const cr_tensor *x, int n, const int64_t *padding)
{
    int64_t sizes[3];
    for (int i = 0; i < n; i++)
        sizes[i] = x->size[2 + i] + 2 * padding[i];
    return cr_sizes_text(n, sizes);
}
static const char *kernel_text(const cr_tensor *w, int n, const int64_t *dilation)
{
    int64_t sizes[3];
    for (int i = 0; i < n; i++)
        sizes[i] = dilation[i] * (w->size[2 + i] - 1) + 1;
    return cr_sizes_text(n, sizes);
}

bool cr_infer_convolution(cr_frame *f)
{
    const cr_tensor *x = f->in[0], *w = f->in[1], *b = f->in[2];
    int n = w->dim - 2;
    int64_t stride[6], padding[6], dilation[6], extra[6], sizes[CR_MAX_RANK];
    int64_t groups = f->args[8].as.i;
    bool transposed = f->args[6].as.i;
    if (n < 1 || n > 3)
        return cr_frame_fail(f, "the weight must have 3, 4 or 5 dimensions, got %s",
                             cr_describe(w));
    if (x->dim != w->dim)
        return cr_frame_fail(f,
                             "Expected %dD (batched) input to a %dd convolution with weight %s, "
                             "but got input of size %s",
                             w->dim, n, cr_sizes_text(w->dim, w->size),
                             cr_sizes_text(x->dim, x->size));
    if (x->dtype == CR_B8)
        return cr_frame_fail(f, "not implemented for 'bool'");
    if (groups < 1)
        return cr_frame_fail(f, "non-positive groups is not supported");
    if (groups > INT32_MAX)
        return cr_frame_fail(f, "groups=%lld is more than there can be channels",
                             (long long)groups);
    int64_t channels = transposed ? w->size[0] : w->size[1] * groups;
    int64_t outputs = transposed ? w->size[1] * groups : w->size[0];
    if (w->size[0] % groups)
        return cr_frame_fail(f,
                             "Given groups=%lld, expected weight to be divisible by it at "
                             "dimension 0, but got weight of "
                             "size %s",
                             (long long)groups, cr_sizes_text(w->dim, w->size));
    if (x->size[1] != channels)
        return cr_frame_fail(f,
                             "Given groups=%lld, weight of size %s, expected input%s to have %lld "
                             "channels, but got %lld "
                             "channels instead",
                             (long long)groups, cr_sizes_text(w->dim, w->size),
                             cr_sizes_text(x->dim, x->size), (long long)channels,
                             (long long)x->size[1]);
    if (b && (b->dim != 1 || b->size[0] != outputs))
        return cr_frame_fail(
            f, "expected bias to be 1-dimensional with %lld elements, but got bias of size %s",
            (long long)outputs, cr_sizes_text(b->dim, b->size));
    if (!cr_frame_spread(f, 3, n, 1, stride) || !cr_frame_spread(f, 4, n, 0, padding) ||
        !cr_frame_spread(f, 5, n, 1, dilation) || !cr_frame_spread(f, 7, n, 0, extra) ||
        !same_dtype(f))
        return false;
    sizes[0] = x->size[0];
    sizes[1] = outputs;
    for (int i = 0; i < n; i++) {
        int64_t in = x->size[2 + i], k = w->size[2 + i], reach, padded, out;
        if (__builtin_mul_overflow(dilation[i], k - 1, &reach) ||
            __builtin_mul_overflow(padding[i], 2, &padded) ||
            __builtin_add_overflow(padded, in, &padded))
            return cr_frame_fail(f, "sizes overflow");
        if (transposed)
            out = (in - 1) * stride[i] - 2 * padding[i] + reach + extra[i] + 1;
        else
            out = padded - reach < 1 ? 0 : (padded - reach - 1) / stride[i] + 1;
        if (!transposed && padded < reach + 1)
            return cr_frame_fail(f,
                                 "Calculated padded input size per channel: %s. Kernel size: %s. "
                                 "Kernel size can't be "
                                 "greater than actual input size",
                                 padded_text(x, n, padding), kernel_text(w, n, dilation));
        if (out < 0 || (transposed && out < 1))
            return cr_frame_fail(f, "the output would have the size %lld along dimension %d",
                                 (long long)out, 2 + i);
        sizes[2 + i] = out;
    }
    return cr_frame_out(f, 0, (cr_dtype)x->dtype, x->dim, sizes);
}

bool cr_infer_convolution_backward(cr_frame *f)
{
    const cr_tensor *grad = f->in[0], *x = f->in[1], *w = f->in[2];
    const uint8_t *mask = f->args[10].as.bools;
    int64_t unused[6];
    int n = w->dim - 2;
    if (n < 1 || n > 3 || x->dim != w->dim || grad->dim != w->dim)
        return cr_frame_fail(f,
                             "expected grad_output, input and weight of 3 to 5 dimensions, got %s, "
                             "%s and %s",
                             cr_sizes_text(grad->dim, grad->size), cr_sizes_text(x->dim, x->size),
                             cr_sizes_text(w->dim, w->size));
    if (!cr_frame_spread(f, 4, n, 1, unused) || !cr_frame_spread(f, 5, n, 0, unused) ||
        !cr_frame_spread(f, 6, n, 1, unused) || !cr_frame_spread(f, 8, n, 0, unused))
        return false;
    cr_dtype dtype = (cr_dtype)x->dtype;
    int64_t outputs = grad->size[1];
    if (!cr_frame_out_like(f, 0, x, dtype) || !cr_frame_out_like(f, 1, w, dtype) ||
        !cr_frame_out(f, 2, dtype, 1, &outputs))
        return false;
    for (int i = 0; i < 3; i++)
        f->alias[i] = mask[i] ? -1 : -2;
    return true;
}

/* ---- softmax ---- */

bool cr_infer_softmax(cr_frame *f)
{
    cr_dtype dtype = (cr_dtype)f->in[0]->dtype;
    int d = cr_wrap_dim(cr_frame_name(f), f->args[1].as.i, f->in[0]->dim);
    if (d < 0)
        return false;
    if (!cr_dtype_is_floating(dtype))
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name(dtype));
    cr_frame_attr_int(f, "dim", d);
    f->no_plan = !f->in[0]->dim;
    return cr_frame_out_like(f, 0, f->in[0], f->args[2].as.i ? CR_F32 : dtype);
}

bool cr_infer_softmax_backward(cr_frame *f)
{
    int d = cr_wrap_dim(cr_frame_name(f), f->args[2].as.i, f->in[0]->dim);
    if (d < 0)
        return false;
    if (f->in[1]->dim != f->in[0]->dim ||
        memcmp(f->in[1]->size, f->in[0]->size, (size_t)f->in[0]->dim * sizeof *f->in[0]->size) ||
        f->in[1]->dtype != f->in[0]->dtype)
        return cr_frame_fail(f,
                             "expected grad_output and output of the same sizes and dtype, got %s "
                             "and %s",
                             cr_describe(f->in[0]), cr_describe(f->in[1]));
    cr_frame_attr_int(f, "dim", d);
    f->no_plan = !f->in[0]->dim;
    return cr_frame_out_like(f, 0, f->in[0], cr_value_dtype(&f->args[3]));
}

/* ---- normalisation ---- */

static bool channels(cr_frame *f, const cr_tensor *t, const char *what, int64_t count)
{
    return !t || (t->dim == 1 && t->size[0] == count) ||
           cr_frame_fail(f, "%s should contain %lld elements not %lld", what, (long long)count,
                         (long long)t->numel);
}

/* Outputs: out, save_mean, save_invstd and, in training, the running statistics, written in place.
 */
bool cr_infer_native_batch_norm(cr_frame *f)
{
    const cr_tensor *x = f->in[0];
    cr_dtype dtype = (cr_dtype)x->dtype;
    bool training = f->args[5].as.i;
    if (x->dim < 2)
        return cr_frame_fail(f, "expected an input of at least 2 dimensions, got %s",
                             cr_describe(x));
    int64_t c = x->size[1], none = 0;
    if (!channels(f, f->in[1], "weight", c) || !channels(f, f->in[2], "bias", c) ||
        !channels(f, f->in[3], "running_mean", c) || !channels(f, f->in[4], "running_var", c))
        return false;
    if (!training && (!f->in[3] || !f->in[4]))
        return cr_frame_fail(f, "running_mean and running_var are needed in evaluation");
    if (training && x->numel == c && c)
        return cr_frame_fail(
            f, "Expected more than 1 value per channel when training, got input size %s",
            cr_sizes_text(x->dim, x->size));
    cr_dtype stat = dtype == CR_F64 ? CR_F64 : CR_F32;
    bool running = training && f->in[3] && f->in[4];
    if (!cr_frame_out_like(f, 0, x, dtype) || !cr_frame_out(f, 1, stat, 1, training ? &c : &none) ||
        !cr_frame_out(f, 2, stat, 1, training ? &c : &none))
        return false;
    for (int i = 0; running && i < 2; i++) {
        if (!cr_frame_out_like(f, 3 + i, f->in[3 + i], (cr_dtype)f->in[3 + i]->dtype))
            return false;
        f->alias[3 + i] = (int16_t)(3 + i);
    }
    return true;
}

/* grad_input, grad_weight, grad_bias, as the mask (the last argument) wants them. */
static bool has_dtype_of(cr_frame *f, int i, int k)
{
    if (f->in[i]->dtype == f->in[k]->dtype)
        return true;
    return cr_frame_fail(
        f,
        "expected tensors %d and %d of the arguments to have one dtype, got %s and "
        "%s",
        i, k, cr_dtype_name((cr_dtype)f->in[i]->dtype), cr_dtype_name((cr_dtype)f->in[k]->dtype));
}
/* grad_out, input, weight, running_mean, running_var, save_mean, save_invstd: of which training wants the last two. */
static bool batch_norm_saved(cr_frame *f)
{
    const cr_tensor *x = f->in[1];
    int first = f->args[7].as.i ? 5 : 3;
    if (x->dim < 2)
        return cr_frame_fail(f, "expected an input of at least 2 dimensions, got %s",
                             cr_describe(x));
    return has_dtype_of(f, 0, 1) && cr_frame_has_sizes(f, 0, x->dim, x->size) &&
           (!f->in[2] || cr_frame_has_sizes(f, 2, 1, &x->size[1])) &&
           cr_frame_has_sizes(f, first, 1, &x->size[1]) &&
           cr_frame_has_sizes(f, first + 1, 1, &x->size[1]);
}
/* grad_out, input, mean, rstd, weight, bias. */
static bool layer_norm_saved(cr_frame *f)
{
    const cr_tensor *x = f->in[1];
    const cr_value *shape = &f->args[2];
    int n = (int)shape->count, outer = x->dim - n;
    if (n < 1 || outer < 0 || memcmp(&x->size[outer], shape->as.ints, (size_t)n * sizeof(int64_t)))
        return cr_frame_fail(f, "normalized_shape %s does not end the input's sizes %s",
                             cr_sizes_text(n, shape->as.ints), cr_sizes_text(x->dim, x->size));
    int64_t sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++)
        sizes[d] = d < outer ? x->size[d] : 1;
    return has_dtype_of(f, 0, 1) && cr_frame_has_sizes(f, 0, x->dim, x->size) &&
           cr_frame_has_sizes(f, 2, x->dim, sizes) && cr_frame_has_sizes(f, 3, x->dim, sizes) &&
           (!f->in[4] || cr_frame_has_sizes(f, 4, n, shape->as.ints));
}

bool cr_infer_norm_backward(cr_frame *f)
{
    const cr_schema *s = f->op->schema;
    const uint8_t *mask = f->args[s->nargs - 1].as.bools;
    const cr_tensor *x = f->in[1];
    bool layer = !strncmp(f->op->name, "native_layer_norm", 17);
    const cr_tensor *weight = f->in[layer ? 4 : 2];
    cr_dtype dtype = (cr_dtype)x->dtype;
    if (!(layer ? layer_norm_saved(f) : batch_norm_saved(f)))
        return false;
    int64_t c = x->size[1];
    int rank = layer ? (int)f->args[2].count : 1;
    const int64_t *sizes = layer ? f->args[2].as.ints : &c;
    cr_dtype wdtype = weight ? (cr_dtype)weight->dtype : dtype;
    if (!cr_frame_out_like(f, 0, x, dtype) || !cr_frame_out(f, 1, wdtype, rank, sizes) ||
        !cr_frame_out(f, 2, wdtype, rank, sizes))
        return false;
    for (int i = 0; i < 3; i++)
        f->alias[i] = mask[i] ? -1 : -2;
    return true;
}

bool cr_infer_native_layer_norm(cr_frame *f)
{
    const cr_tensor *x = f->in[0];
    const cr_value *shape = &f->args[1];
    int64_t sizes[CR_MAX_RANK];
    int n = (int)shape->count;
    bool fits = n >= 1 && n <= x->dim;
    for (int i = 0; fits && i < n; i++)
        fits = x->size[x->dim - n + i] == shape->as.ints[i];
    if (!fits)
        return cr_frame_fail(
            f,
            "Given normalized_shape=%s, expected input with shape [*, %s, but got input of size %s",
            cr_sizes_text(n, shape->as.ints), cr_sizes_text(n, shape->as.ints) + 1,
            cr_sizes_text(x->dim, x->size));
    for (int i = 1; i <= 2; i++)
        if (f->in[i] && (f->in[i]->dim != n ||
                         memcmp(f->in[i]->size, shape->as.ints, (size_t)n * sizeof(int64_t))))
            return cr_frame_fail(
                f, "Expected %s to be of same shape as normalized_shape %s, but got %s",
                i == 1 ? "weight" : "bias", cr_sizes_text(n, shape->as.ints),
                cr_describe(f->in[i]));
    if (!cr_dtype_is_floating((cr_dtype)x->dtype))
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name((cr_dtype)x->dtype));
    for (int d = 0; d < x->dim; d++)
        sizes[d] = d < x->dim - n ? x->size[d] : 1;
    cr_dtype stat = x->dtype == CR_F64 ? CR_F64 : CR_F32;
    return cr_frame_out_like(f, 0, x, (cr_dtype)x->dtype) &&
           cr_frame_out(f, 1, stat, x->dim, sizes) && cr_frame_out(f, 2, stat, x->dim, sizes);
}

/* ---- nll ---- */

/* self, target and weight begin at tensor `first`. */
static bool nll_fits(cr_frame *f, int first, int64_t reduction)
{
    const cr_tensor *x = f->in[first], *target = f->in[first + 1], *weight = f->in[first + 2];
    if (x->dim < 1 || x->dim > 2 || target->dim != x->dim - 1)
        return cr_frame_fail(f, "expected input [N, C] or [C] and target [N] or [], got %s and %s",
                             cr_describe(x), cr_describe(target));
    if (x->dim == 2 && x->size[0] != target->size[0])
        return cr_frame_fail(f,
                             "Expected input batch_size (%lld) to match target batch_size (%lld).",
                             (long long)x->size[0], (long long)target->size[0]);
    if (target->dtype != CR_I64)
        return cr_frame_fail(f, "expected target of dtype int64 but found %s",
                             cr_dtype_name((cr_dtype)target->dtype));
    if (!cr_dtype_is_floating((cr_dtype)x->dtype))
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name((cr_dtype)x->dtype));
    if (weight && (weight->dim != 1 || weight->size[0] != x->size[x->dim - 1]))
        return cr_frame_fail(f,
                             "weight tensor should be defined either for all %lld classes or no "
                             "classes but got weight "
                             "tensor of shape: %s",
                             (long long)x->size[x->dim - 1],
                             cr_sizes_text(weight->dim, weight->size));
    if (reduction < 0 || reduction > 2)
        return cr_frame_fail(f, "reduction %lld is not 0 (none), 1 (mean) or 2 (sum)",
                             (long long)reduction);
    return true;
}
bool cr_infer_nll_loss(cr_frame *f)
{
    const cr_tensor *x = f->in[0], *target = f->in[1];
    int64_t reduction = f->args[3].as.i;
    return nll_fits(f, 0, reduction) &&
           cr_frame_out(f, 0, (cr_dtype)x->dtype, reduction ? 0 : target->dim, target->size) &&
           cr_frame_out(f, 1, (cr_dtype)x->dtype, 0, NULL);
}
bool cr_infer_nll_loss_backward(cr_frame *f)
{
    const cr_tensor *x = f->in[1], *target = f->in[2];
    return nll_fits(f, 1, f->args[4].as.i) && has_dtype_of(f, 0, 1) &&
           cr_frame_has_sizes(f, 0, f->args[4].as.i ? 0 : target->dim, target->size) &&
           cr_frame_has_sizes(f, 4, 0, NULL) && cr_frame_out_like(f, 0, x, (cr_dtype)x->dtype);
}

/* ---- optimiser steps ---- */

bool cr_infer_fused(cr_frame *f)
{
    const cr_schema *s = f->op->schema;
    int64_t n = f->args[0].count;
    for (int a = 1; a < s->nargs && s->args[a].type == CR_ARG_TENSORS; a++)
        if (f->args[a].count && f->args[a].count != n)
            return cr_frame_fail(f, "%s has %lld tensors, self has %lld", s->args[a].name,
                                 (long long)f->args[a].count, (long long)n);
    for (uint32_t i = 0; i < f->nin; i++) {
        const cr_tensor *like = f->in[i % (uint32_t)n], *t = f->in[i];
        if (!cr_dtype_is_floating((cr_dtype)t->dtype) || t->dtype != like->dtype ||
            t->dim != like->dim || memcmp(t->size, like->size, (size_t)t->dim * sizeof *t->size))
            return cr_frame_fail(f, "tensor %u (%s) does not match its parameter (%s)", i,
                                 cr_describe(t), cr_describe(like));
    }
    if (!strcmp(f->op->name, "_fused_sgd_") || !strcmp(f->op->name, "_fused_rmsprop_"))
        cr_frame_attr_int(f, "has_momentum",
                          f->args[s->args[4].type == CR_ARG_TENSORS ? 4 : 2].count > 0);
    f->all_in_place = true;
    return true;
}
