/* BatchNorm1d, 2d, 3d and LayerNorm. */
#include <string.h>

#include <cresset/swa.h>

#include "core/nn/layer.h"

/* ---- batch norm ---- */

typedef struct batch_norm {
    cr_module module;
    cr_tensor *weight, *bias, *running_mean, *running_var, *num_batches_tracked;
    int64_t num_features;
    double eps, momentum;
    int dims; /* spatial; 0: any number */
    bool no_momentum, affine, tracks;
    bool averages; /* for a while, as if there were no momentum: update_bn */
    const cr_module_type
        *lazy_for; /* what it becomes at the first call; null: it is that already */
    cr_layer_place place;
} batch_norm;

static bool make_tensors(batch_norm *self);

static bool materialise(batch_norm *self, int64_t channels)
{
    self->num_features = channels;
    if (!make_tensors(self))
        return false;
    self->module.type = self->lazy_for;
    self->lazy_for = NULL;
    return true;
}

static bool lazy_loading(cr_module *module, const cr_state_dict *dict, const char *prefix)
{
    batch_norm *self = (batch_norm *)(void *)module;
    const cr_tensor *saved = cr_layer_saved(dict, prefix, self->affine ? "weight" : "running_mean");
    return !saved || cr_tensor_dim(saved) != 1 || materialise(self, cr_tensor_sizes(saved)[0]);
}

/* Lazy ones take their number of channels from x. */
static bool check_input(batch_norm *self, const cr_tensor *x)
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
    if (self->lazy_for && !materialise(self, channels))
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
    batch_norm *self = (batch_norm *)(void *)module;
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

static int batch_norm_repr(const cr_module *module, char *to, size_t bytes)
{
    const batch_norm *self = (const batch_norm *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, eps=", (long long)self->num_features);
    cr_repr_float(&text, self->eps);
    cr_text_add(&text, ", momentum=");
    if (self->no_momentum)
        cr_text_add(&text, "None");
    else
        cr_repr_float(&text, self->momentum);
    cr_text_add(&text, ", affine=%s, track_running_stats=%s", cr_repr_bool(self->affine),
                cr_repr_bool(self->tracks));
    return cr_repr_finish(&text, to, bytes);
}

#define TYPE(words, before_loading)                                               \
    {                                                                             \
        .name = words, .size = sizeof(batch_norm), .forward = forward_batch_norm, \
        .extra_repr = batch_norm_repr, .loading = before_loading                  \
    }
static const cr_module_type batch_norm_types[] = {
    TYPE("SyncBatchNorm", NULL), TYPE("BatchNorm1d", NULL), TYPE("BatchNorm2d", NULL),
    TYPE("BatchNorm3d", NULL)};
static const cr_module_type lazy_types[] = {TYPE("LazyBatchNorm1d", lazy_loading),
                                            TYPE("LazyBatchNorm2d", lazy_loading),
                                            TYPE("LazyBatchNorm3d", lazy_loading)};
#undef TYPE

/* A vector of ones or zeros, as a parameter or buffer. */
static bool add_affine(void *self, cr_tensor **weight, cr_tensor **bias, cr_ints sizes,
                       const char *device, cr_dtype dtype)
{
    return cr_init_ones_(cr_layer_parameter(self, "weight", weight, sizes, device, dtype)) &&
           cr_init_zeros_(cr_layer_parameter(self, "bias", bias, sizes, device, dtype));
}

static bool add_running_stats(batch_norm *self)
{
    cr_dtype dtype = self->place.dtype ? self->place.dtype : cr_default_dtype();
    const char *device = cr_layer_device(&self->place);
    CR_SET_BUFFER(self, running_mean,
                  cr_zeros(self->num_features, .dtype = dtype, .device = device));
    CR_SET_BUFFER(self, running_var, cr_ones(self->num_features, .dtype = dtype, .device = device));
    CR_SET_BUFFER(self, num_batches_tracked, cr_zeros(CR_EMPTY, .dtype = CR_I64, .device = device));
    return self->running_mean && self->running_var && self->num_batches_tracked;
}

static bool make_tensors(batch_norm *self)
{
    bool good = true;
    CR_SCOPE {
        if (self->affine)
            good = add_affine(self, &self->weight, &self->bias, CR_INTS(self->num_features),
                              cr_layer_device(&self->place), self->place.dtype);
        if (self->tracks)
            good = good && add_running_stats(self);
    }
    return good;
}

static cr_module *new_batch_norm(int dims, const cr_batch_norm_options *o, bool lazy)
{
    const cr_module_type *type = lazy ? &lazy_types[dims - 1] : &batch_norm_types[dims];
    if (!lazy && (!o || o->num_features <= 0))
        return cr_fail("%s: num_features must be positive, got %lld", type->name,
                       (long long)CR_OPTION(o, num_features));
    batch_norm *self = cr_module_new(type, NULL);
    if (!self || !cr_layer_set_place(&self->place, type, o->device, o->dtype))
        return NULL;
    self->num_features = o->num_features;
    self->eps = cr_or_default(o->eps, 1e-5);
    self->momentum = o->no_momentum ? 0 : cr_or_default(o->momentum, 0.1);
    self->no_momentum = o->no_momentum;
    self->affine = !o->no_affine;
    self->tracks = !o->no_track_running_stats;
    self->dims = dims;
    self->lazy_for = lazy ? &batch_norm_types[dims] : NULL;
    return lazy || make_tensors(self) ? &self->module : NULL;
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
static batch_norm *as_batch_norm(cr_module *module)
{
    for (int i = 0; i < 4; i++)
        if (module->type == &batch_norm_types[i])
            return (batch_norm *)(void *)module;
    return NULL;
}

size_t cr_batch_norm_averages_begin(cr_module *module)
{
    size_t count = 0;
    CR_FOREACH_MODULE(m, module)
    {
        batch_norm *norm = as_batch_norm(m.module);
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
        batch_norm *norm = as_batch_norm(m.module);
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
            good = add_affine(self, &self->weight, &self->bias,
                              cr_make_ints(self->shape, (size_t)self->rank), o->device, o->dtype);
    return good ? &self->module : NULL;
}
