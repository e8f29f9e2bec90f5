/* BatchNorm1d, 2d, 3d and LayerNorm. */
#include <string.h>

#include <cresset/swa.h>

#include "core/nn/channel_norm.h"

/* ---- batch norm ---- */

/* Lazy ones take their number of channels from x. */
static bool check_input(cr_channel_norm *self, const cr_tensor *x)
{
    int rank = cr_tensor_dim(x);
    const char *type = self->module.type->name;
    if (!self->dims && rank < 2) {
        cr_fail("%s: expected at least 2D input (got %dD input)", type, rank);
        return false;
    }
    if (self->dims && rank != self->dims + 2 && !(self->dims == 1 && rank == 2)) {
        cr_fail("%s: expected %s%dD input (got %dD input)", type, self->dims == 1 ? "2D or " : "",
                self->dims + 2, rank);
        return false;
    }
    int64_t channels = cr_tensor_sizes(x)[1];
    if (!cr_channel_norm_ready(self, channels))
        return false;
    if (channels != self->num_features) {
        cr_fail("%s: expected input with %lld channels, got %s", type,
                (long long)self->num_features, cr_shape_text(x));
        return false;
    }
    if (self->module.training && channels && cr_tensor_numel(x) == channels) {
        cr_fail("%s: Expected more than 1 value per channel when training, got input size %s", type,
                cr_shape_text(x));
        return false;
    }
    return true;
}

static size_t forward_batch_norm(cr_module *module, cr_tensor *const *inputs, size_t n,
                                 cr_tensor **outputs)
{
    cr_channel_norm *self = (cr_channel_norm *)(void *)module;
    if (!cr_module_check_inputs(module, 1, n) || !check_input(self, inputs[0]))
        return 0;
    double factor = self->momentum;
    if (module->training && self->num_batches_tracked) {
        CR_NO_GRAD
            cr_add_scalar_(self->num_batches_tracked, 1);
        if (self->no_momentum || self->averages)
            factor = 1 / (double)cr_item_int(self->num_batches_tracked);
    }
    outputs[0] =
        cr_f_batch_norm(inputs[0], self->weight, self->bias, self->running_mean, self->running_var,
                        module->training || !self->running_mean, factor, self->eps, true);
    return outputs[0] != NULL;
}

#define TYPE(words, before_loading)                                                    \
    {                                                                                  \
        .name = words, .size = sizeof(cr_channel_norm), .forward = forward_batch_norm, \
        .extra_repr = cr_channel_norm_repr, .loading = before_loading                  \
    }
static const cr_module_type batch_norm_types[] = {
    TYPE("SyncBatchNorm", NULL), TYPE("BatchNorm1d", NULL), TYPE("BatchNorm2d", NULL),
    TYPE("BatchNorm3d", NULL)};
static const cr_module_type lazy_types[] = {TYPE("LazyBatchNorm1d", cr_channel_norm_loading),
                                            TYPE("LazyBatchNorm2d", cr_channel_norm_loading),
                                            TYPE("LazyBatchNorm3d", cr_channel_norm_loading)};
#undef TYPE

static cr_module *new_batch_norm(int dims, const cr_batch_norm_options *o, bool lazy)
{
    static const cr_batch_norm_options none = {.num_features = 0};
    o = o ? o : &none;
    const cr_channel_norm_options common = {o->num_features, o->eps,
                                            o->momentum,     o->no_momentum,
                                            !o->no_affine,   !o->no_track_running_stats,
                                            o->device,       o->dtype};
    return cr_channel_norm_new(lazy ? &lazy_types[dims - 1] : &batch_norm_types[dims], dims,
                               &common, lazy ? &batch_norm_types[dims] : NULL);
}

#define BATCH_NORM(dims)                                                                       \
    cr_module *cr_batch_norm##dims##d_with(const cr_batch_norm_options *options)               \
    {                                                                                          \
        return new_batch_norm(dims, options, false);                                           \
    }                                                                                          \
    cr_module *cr_lazy_batch_norm##dims##d_with(const cr_lazy_batch_norm_options *o)           \
    {                                                                                          \
        cr_batch_norm_options all = {.num_features = 0};                                       \
        if (o)                                                                                 \
            all = (cr_batch_norm_options){.eps = o->eps,                                       \
                                          .momentum = o->momentum,                             \
                                          .no_momentum = o->no_momentum,                       \
                                          .no_affine = o->no_affine,                           \
                                          .no_track_running_stats = o->no_track_running_stats, \
                                          .device = o->device,                                 \
                                          .dtype = o->dtype};                                  \
        return new_batch_norm(dims, &all, true);                                               \
    }
BATCH_NORM(1)
BATCH_NORM(2)
BATCH_NORM(3)
#undef BATCH_NORM

/* The batch norm that a module is; null if it is something else. */
static cr_channel_norm *as_batch_norm(cr_module *module)
{
    for (int i = 0; i < 4; i++)
        if (module->type == &batch_norm_types[i])
            return (cr_channel_norm *)(void *)module;
    return NULL;
}

size_t cr_batch_norm_averages_begin(cr_module *module)
{
    size_t count = 0;
    CR_FOREACH_MODULE(m, module)
    {
        cr_channel_norm *norm = as_batch_norm(m.module);
        if (!norm || !norm->running_mean)
            continue;
        norm->averages = true;
        count++;
        CR_NO_GRAD {
            cr_zero_(norm->running_mean);
            cr_fill_scalar_(norm->running_var, 1);
            cr_zero_(norm->num_batches_tracked);
        }
    }
    return count;
}

void cr_batch_norm_averages_end(cr_module *module)
{
    CR_FOREACH_MODULE(m, module)
    {
        cr_channel_norm *norm = as_batch_norm(m.module);
        if (norm)
            norm->averages = false;
    }
}

cr_module *cr_sync_batch_norm_with(const cr_batch_norm_options *options)
{
    return new_batch_norm(0, options, false);
}

/* ---- layer norm ---- */

typedef struct layer_norm {
    cr_module module;
    cr_tensor *weight, *bias;
    int64_t shape[CR_MAX_RANK];
    int rank;
    double eps;
} layer_norm;

static size_t forward_layer_norm(cr_module *module, cr_tensor *const *inputs, size_t n,
                                 cr_tensor **outputs)
{
    const layer_norm *self = (const layer_norm *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    const cr_tensor *x = inputs[0];
    int before = cr_tensor_dim(x) - self->rank;
    if (before < 0 ||
        memcmp(cr_tensor_sizes(x) + before, self->shape, (size_t)self->rank * sizeof *self->shape))
        return cr_fail("Given normalized_shape=%s, expected input with shape [*, %s, but got input "
                       "of size %s",
                       cr_sizes_text(self->rank, self->shape),
                       cr_sizes_text(self->rank, self->shape) + 1, cr_shape_text(x)),
               0;
    outputs[0] =
        cr_f_layer_norm(inputs[0], cr_make_ints(self->shape, (size_t)self->rank),
                        .weight = self->weight, .bias = self->bias, .eps = CR_SOME(self->eps));
    return outputs[0] != NULL;
}

static int layer_norm_repr(const cr_module *module, char *to, size_t bytes)
{
    const layer_norm *self = (const layer_norm *)(const void *)module;
    cr_text text = {0};
    cr_repr_tuple(&text, self->shape, self->rank);
    cr_text_add(&text, ", eps=");
    cr_repr_float(&text, self->eps);
    cr_text_add(&text, ", elementwise_affine=%s", cr_repr_bool(self->weight));
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type layer_norm_type = {.name = "LayerNorm",
                                               .size = sizeof(layer_norm),
                                               .forward = forward_layer_norm,
                                               .extra_repr = layer_norm_repr};

cr_module *cr_layer_norm_with(cr_ints shape, const cr_layer_norm_options *o)
{
    static const cr_layer_norm_options none = {.end_ = 0};
    if (!o)
        o = &none;
    if (shape.count < 1 || shape.count > CR_MAX_RANK)
        return cr_fail("LayerNorm: normalized_shape needs 1 to %d sizes, got %lld", CR_MAX_RANK,
                       (long long)shape.count);
    layer_norm *self = cr_module_new(&layer_norm_type, NULL);
    if (!self)
        return NULL;
    self->rank = (int)shape.count;
    self->eps = cr_or_default(o->eps, 1e-5);
    for (int i = 0; i < self->rank; i++) {
        self->shape[i] = shape.data ? shape.data[i] : shape.one;
        if (self->shape[i] < 1)
            return cr_fail("LayerNorm: normalized_shape must be positive, got %lld",
                           (long long)self->shape[i]);
    }
    bool good = true;
    CR_SCOPE
        if (!o->no_elementwise_affine)
            good =
                cr_layer_affine(self, &self->weight, &self->bias,
                                cr_make_ints(self->shape, (size_t)self->rank), o->device, o->dtype);
    return good ? &self->module : NULL;
}
