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
    int dims; /* spatial */
    bool no_momentum;
    bool averages; /* for a while, as if there were no momentum: update_bn */
} batch_norm;

static bool check_input(const batch_norm *self, const cr_tensor *x)
{
    int rank = cr_tensor_dim(x);
    const char *type = self->module.type->name;
    if (rank != self->dims + 2 && !(self->dims == 1 && rank == 2)) {
        cr_fail("%s: expected %s%dD input (got %dD input)", type, self->dims == 1 ? "2D or " : "",
                self->dims + 2, rank);
        return false;
    }
    int64_t channels = cr_tensor_sizes(x)[1];
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
    cr_text_add(&text, ", affine=%s, track_running_stats=%s", cr_repr_bool(self->weight),
                cr_repr_bool(self->running_mean));
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type batch_norm_types[] = {
    {.name = "BatchNorm1d",
     .size = sizeof(batch_norm),
     .forward = forward_batch_norm,
     .extra_repr = batch_norm_repr},
    {.name = "BatchNorm2d",
     .size = sizeof(batch_norm),
     .forward = forward_batch_norm,
     .extra_repr = batch_norm_repr},
    {.name = "BatchNorm3d",
     .size = sizeof(batch_norm),
     .forward = forward_batch_norm,
     .extra_repr = batch_norm_repr},
};

/* A vector of ones or zeros, as a parameter or buffer. */
static bool add_affine(void *self, cr_tensor **weight, cr_tensor **bias, cr_ints sizes,
                       const char *device, cr_dtype dtype)
{
    return cr_init_ones_(cr_layer_parameter(self, "weight", weight, sizes, device, dtype)) &&
           cr_init_zeros_(cr_layer_parameter(self, "bias", bias, sizes, device, dtype));
}

static bool add_running_stats(batch_norm *self, const cr_batch_norm_options *o)
{
    cr_dtype dtype = o->dtype ? o->dtype : cr_default_dtype();
    CR_SET_BUFFER(self, running_mean,
                  cr_zeros(self->num_features, .dtype = dtype, .device = o->device));
    CR_SET_BUFFER(self, running_var,
                  cr_ones(self->num_features, .dtype = dtype, .device = o->device));
    CR_SET_BUFFER(self, num_batches_tracked,
                  cr_zeros(CR_EMPTY, .dtype = CR_I64, .device = o->device));
    return self->running_mean && self->running_var && self->num_batches_tracked;
}

static cr_module *new_batch_norm(int dims, const cr_batch_norm_options *o)
{
    const cr_module_type *type = &batch_norm_types[dims - 1];
    if (!o || o->num_features <= 0)
        return cr_fail("%s: num_features must be positive, got %lld", type->name,
                       (long long)CR_OPTION(o, num_features));
    batch_norm *self = cr_module_new(type, NULL);
    if (!self)
        return NULL;
    self->num_features = o->num_features;
    self->eps = cr_or_default(o->eps, 1e-5);
    self->momentum = o->no_momentum ? 0 : cr_or_default(o->momentum, 0.1);
    self->no_momentum = o->no_momentum;
    self->dims = dims;
    bool good = true;
    CR_SCOPE {
        if (!o->no_affine)
            good = add_affine(self, &self->weight, &self->bias, CR_INTS(o->num_features), o->device,
                              o->dtype);
        if (!o->no_track_running_stats)
            good = good && add_running_stats(self, o);
    }
    return good ? &self->module : NULL;
}

cr_module *cr_batch_norm1d_with(const cr_batch_norm_options *options)
{
    return new_batch_norm(1, options);
}

cr_module *cr_batch_norm2d_with(const cr_batch_norm_options *options)
{
    return new_batch_norm(2, options);
}

cr_module *cr_batch_norm3d_with(const cr_batch_norm_options *options)
{
    return new_batch_norm(3, options);
}

/* The batch norm that a module is; null if it is something else. */
static batch_norm *as_batch_norm(cr_module *module)
{
    for (int i = 0; i < 3; i++)
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
