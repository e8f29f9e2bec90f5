/* PReLU. */
#include "core/nn/layer.h"

typedef struct prelu {
    cr_module module;
    cr_tensor *weight;
    int64_t num_parameters;
} prelu;

static size_t forward_prelu(cr_module *module, cr_tensor *const *inputs, size_t n,
                            cr_tensor **outputs)
{
    const prelu *self = (const prelu *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    outputs[0] = cr_prelu(inputs[0], self->weight);
    return outputs[0] != NULL;
}

static int prelu_repr(const cr_module *module, char *to, size_t bytes)
{
    const prelu *self = (const prelu *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "num_parameters=%lld", (long long)self->num_parameters);
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type prelu_type = {
    .name = "PReLU", .size = sizeof(prelu), .forward = forward_prelu, .extra_repr = prelu_repr};

cr_module *cr_prelu_layer_with(const cr_prelu_layer_options *o)
{
    static const cr_prelu_layer_options none = {.end_ = 0};
    o = o ? o : &none;
    prelu *self = cr_module_new(&prelu_type, NULL);
    if (!self)
        return NULL;
    self->num_parameters = cr_or_default_int(o->num_parameters, 1);
    if (self->num_parameters < 1)
        return cr_fail("PReLU: num_parameters must be positive, got %lld",
                       (long long)self->num_parameters);
    bool good = false;
    CR_SCOPE
        good = cr_init_constant_(cr_layer_parameter(self, "weight", &self->weight,
                                                    CR_INTS(self->num_parameters), o->device,
                                                    o->dtype),
                                 cr_or_default(o->init, 0.25)) != NULL;
    return good ? &self->module : NULL;
}
