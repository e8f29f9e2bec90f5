/* Linear, Bilinear and Identity; and how layers with a weight and a bias begin. */
#include <string.h>

#include "core/nn/layer.h"

bool cr_layer_reset(cr_tensor *weight, cr_tensor *bias)
{
    int64_t fan_in = 0, fan_out = 0;
    if (!weight || !cr_init_kaiming_uniform_(weight, .a = sqrt(5)) ||
        cr_init_calculate_fan_in_and_fan_out(weight, &fan_in, &fan_out))
        return false;
    double bound = fan_in > 0 ? 1 / sqrt((double)fan_in) : 0;
    return !bias || cr_init_uniform_(bias, -bound, bound);
}

/* ---- Linear ---- */

typedef struct linear {
    cr_module module;
    cr_tensor *weight, *bias;
    int64_t in_features, out_features;
    bool lazy, no_bias;
    cr_layer_place place;
} linear;

static bool see(cr_module *module, const cr_tensor *x);

static size_t forward_linear(cr_module *module, cr_tensor *const *inputs, size_t n,
                             cr_tensor **outputs)
{
    const linear *self = (const linear *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n) || (self->lazy && !see(module, inputs[0])))
        return 0;
    outputs[0] = cr_f_linear(inputs[0], self->weight, .bias = self->bias);
    return outputs[0] != NULL;
}

static int linear_repr(const cr_module *module, char *to, size_t bytes)
{
    const linear *self = (const linear *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "in_features=%lld, out_features=%lld, bias=%s", (long long)self->in_features,
                (long long)self->out_features, cr_repr_bool(!self->no_bias));
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type linear_type = {
    .name = "Linear", .size = sizeof(linear), .forward = forward_linear, .extra_repr = linear_repr};

static bool make_parameters(linear *self)
{
    const char *device = cr_layer_device(&self->place);
    cr_dtype dtype = self->place.dtype;
    bool good = false;
    CR_SCOPE {
        cr_layer_parameter(self, "weight", &self->weight,
                           CR_INTS(self->out_features, self->in_features), device, dtype);
        if (!self->no_bias)
            cr_layer_parameter(self, "bias", &self->bias, CR_INTS(self->out_features), device,
                               dtype);
        good = (self->no_bias || self->bias) && cr_layer_reset(self->weight, self->bias);
    }
    return good;
}

static bool materialise(cr_module *module, int64_t in_features)
{
    linear *self = (linear *)(void *)module;
    self->in_features = in_features;
    if (!make_parameters(self))
        return false;
    module->type = &linear_type;
    self->lazy = false;
    return true;
}

static bool see(cr_module *module, const cr_tensor *x)
{
    int rank = cr_tensor_dim(x);
    if (rank < 1)
        return cr_fail("LazyLinear: the first input must have a last dimension, got %s",
                       cr_shape_text(x)),
               false;
    return materialise(module, cr_tensor_sizes(x)[rank - 1]);
}

static bool lazy_loading(cr_module *module, const cr_state_dict *dict, const char *prefix)
{
    const cr_tensor *weight = cr_layer_saved(dict, prefix, "weight");
    return !weight || cr_tensor_dim(weight) != 2 || materialise(module, cr_tensor_sizes(weight)[1]);
}

static cr_module *new_linear(const cr_module_type *type, const cr_linear_options *o, bool lazy)
{
    if (!o || o->in_features < 0 || o->out_features < 0)
        return cr_fail("Linear: in_features and out_features can't be negative, got %lld and %lld",
                       (long long)CR_OPTION(o, in_features), (long long)CR_OPTION(o, out_features));
    linear *self = cr_module_new(type, NULL);
    if (!self || !cr_layer_set_place(&self->place, type, o->device, o->dtype))
        return NULL;
    self->in_features = o->in_features;
    self->out_features = o->out_features;
    self->no_bias = o->no_bias;
    self->lazy = lazy;
    return lazy || make_parameters(self) ? &self->module : NULL;
}

cr_module *cr_lazy_linear_with(const cr_lazy_linear_options *o)
{
    static const cr_module_type type = {.name = "LazyLinear",
                                        .size = sizeof(linear),
                                        .forward = forward_linear,
                                        .extra_repr = linear_repr,
                                        .loading = lazy_loading};
    return new_linear(&type,
                      o ? &(const cr_linear_options){.out_features = o->out_features,
                                                     .no_bias = o->no_bias,
                                                     .device = o->device,
                                                     .dtype = o->dtype}
                        : NULL,
                      true);
}

cr_module *cr_linear_with(const cr_linear_options *options)
{
    return new_linear(&linear_type, options, false);
}

static const cr_module_type non_quantizable_type = {.name = "NonDynamicallyQuantizableLinear",
                                                    .size = sizeof(linear),
                                                    .forward = forward_linear,
                                                    .extra_repr = linear_repr};

cr_module *cr_linear_non_quantizable(const cr_linear_options *options)
{
    return new_linear(&non_quantizable_type, options, false);
}

/* ---- Bilinear ---- */

typedef struct bilinear {
    cr_module module;
    cr_tensor *weight, *bias;
    int64_t in1, in2, out;
} bilinear;

/* The sum over pairs (i, j) is a linear layer on the products x1_i x2_j. */
static size_t forward_bilinear(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    const bilinear *self = (const bilinear *)(const void *)module;
    if (!cr_module_check_inputs(module, 2, n))
        return 0;
    const int64_t in[2] = {self->in1, self->in2};
    for (int i = 0; i < 2; i++)
        if (!cr_tensor_dim(inputs[i]) ||
            cr_tensor_sizes(inputs[i])[cr_tensor_dim(inputs[i]) - 1] != in[i])
            return cr_fail("Bilinear: input%d size does not match weight size: got %s but expected "
                           "%lld features",
                           i + 1, cr_shape_text(inputs[i]), (long long)in[i]),
                   0;
    int rank = cr_tensor_dim(inputs[0]);
    if (rank != cr_tensor_dim(inputs[1]) ||
        memcmp(cr_tensor_sizes(inputs[0]), cr_tensor_sizes(inputs[1]),
               (size_t)(rank - 1) * sizeof(int64_t)) != 0)
        return cr_fail("Bilinear: input batch dimensions do not match: got %s and %s",
                       cr_shape_text(inputs[0]), cr_shape_text(inputs[1])),
               0;
    cr_tensor *pairs = cr_mul(cr_unsqueeze(inputs[0], -1), cr_unsqueeze(inputs[1], -2));
    outputs[0] = cr_f_linear(cr_flatten(pairs, .start_dim = -2),
                             cr_reshape(self->weight, CR_INTS(self->out, self->in1 * self->in2)),
                             .bias = self->bias);
    return outputs[0] != NULL;
}

static int bilinear_repr(const cr_module *module, char *to, size_t bytes)
{
    const bilinear *self = (const bilinear *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "in1_features=%lld, in2_features=%lld, out_features=%lld, bias=%s",
                (long long)self->in1, (long long)self->in2, (long long)self->out,
                cr_repr_bool(self->bias));
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type bilinear_type = {.name = "Bilinear",
                                             .size = sizeof(bilinear),
                                             .forward = forward_bilinear,
                                             .extra_repr = bilinear_repr};

cr_module *cr_bilinear_with(const cr_bilinear_options *o)
{
    if (!o || o->in1_features <= 0 || o->in2_features < 0 || o->out_features < 0)
        return cr_fail("Bilinear: in1_features must be positive, the other sizes not negative");
    bilinear *self = cr_module_new(&bilinear_type, NULL);
    if (!self)
        return NULL;
    self->in1 = o->in1_features;
    self->in2 = o->in2_features;
    self->out = o->out_features;
    double bound = 1 / sqrt((double)self->in1);
    bool good = false;
    CR_SCOPE {
        cr_layer_parameter(self, "weight", &self->weight, CR_INTS(self->out, self->in1, self->in2),
                           o->device, o->dtype);
        if (!o->no_bias)
            cr_layer_parameter(self, "bias", &self->bias, CR_INTS(self->out), o->device, o->dtype);
        good = cr_init_uniform_(self->weight, -bound, bound) &&
               (o->no_bias || cr_init_uniform_(self->bias, -bound, bound));
    }
    return good ? &self->module : NULL;
}

/* ---- Identity ---- */

static size_t forward_identity(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    outputs[0] = inputs[0];
    return cr_module_check_inputs(module, 1, n);
}

static const cr_module_type identity_type = {
    .name = "Identity", .size = sizeof(cr_module), .forward = forward_identity};

cr_module *cr_identity(void)
{
    return cr_module_new(&identity_type, NULL);
}
