/* ConstantPad, ReflectionPad, ReplicationPad and ZeroPad2d. */
#include "core/nn/spatial.h"

typedef struct padding {
    cr_module module;
    int dims;
    int64_t at[6]; /* the last dimension's two first */
    double value;
} padding;

static cr_ints pads(const padding *self)
{
    return cr_make_ints(self->at, 2 * (size_t)self->dims);
}

static bool check_call(const padding *self, cr_tensor *const *inputs, size_t n)
{
    return cr_module_check_inputs(&self->module, 1, n) && inputs[0];
}

static size_t forward_constant(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    const padding *self = (const padding *)(const void *)module;
    if (!check_call(self, inputs, n))
        return 0;
    if (cr_tensor_dim(inputs[0]) < self->dims)
        return cr_fail("%s: the input must have at least %d dimensions, got %s", module->type->name,
                       self->dims, cr_shape_text(inputs[0])),
               0;
    outputs[0] = cr_constant_pad_nd(inputs[0], pads(self), .value = CR_S(self->value));
    return outputs[0] != NULL;
}

#define FORWARD(kind)                                                                              \
    static size_t forward_##kind(cr_module *module, cr_tensor *const *inputs, size_t n,            \
                                 cr_tensor **outputs)                                              \
    {                                                                                              \
        const padding *self = (const padding *)(const void *)module;                               \
        if (!check_call(self, inputs, n) || !cr_spatial_check_rank(module, inputs[0], self->dims)) \
            return 0;                                                                              \
        outputs[0] = self->dims == 1   ? cr_##kind##_pad1d(inputs[0], pads(self))                  \
                     : self->dims == 2 ? cr_##kind##_pad2d(inputs[0], pads(self))                  \
                                       : cr_##kind##_pad3d(inputs[0], pads(self));                 \
        return outputs[0] != NULL;                                                                 \
    }
FORWARD(reflection)
FORWARD(replication)
#undef FORWARD

static int tuple_repr(const cr_module *module, char *to, size_t bytes)
{
    const padding *self = (const padding *)(const void *)module;
    cr_text text = {0};
    cr_repr_tuple(&text, self->at, 2 * self->dims);
    return cr_repr_finish(&text, to, bytes);
}

static int constant_repr(const cr_module *module, char *to, size_t bytes)
{
    const padding *self = (const padding *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "padding=");
    cr_repr_tuple(&text, self->at, 2 * self->dims);
    cr_text_add(&text, ", value=%g", self->value);
    return cr_repr_finish(&text, to, bytes);
}

static cr_module *new_padding(const cr_module_type *type, int dims, cr_ints given, double value)
{
    padding p = {.dims = dims, .value = value};
    if (given.count != 1 && given.count != 2 * dims)
        return cr_fail("%s: padding is one number or %d, got %lld", type->name, 2 * dims,
                       (long long)given.count);
    for (int i = 0; i < 2 * dims; i++)
        p.at[i] = !given.data ? given.one : given.data[given.count == 1 ? 0 : i];
    return cr_module_new(type, &p);
}

#define PADDING(words, kind, dims, constructor)                        \
    cr_module *constructor(cr_ints padding_)                           \
    {                                                                  \
        static const cr_module_type type = {.name = words,             \
                                            .size = sizeof(padding),   \
                                            .forward = forward_##kind, \
                                            .extra_repr = tuple_repr}; \
        return new_padding(&type, dims, padding_, 0);                  \
    }
PADDING("ZeroPad2d", constant, 2, cr_zero_pad2d_with)
PADDING("ReflectionPad1d", reflection, 1, cr_reflection_pad1d_layer_with)
PADDING("ReflectionPad2d", reflection, 2, cr_reflection_pad2d_layer_with)
PADDING("ReflectionPad3d", reflection, 3, cr_reflection_pad3d_layer_with)
PADDING("ReplicationPad1d", replication, 1, cr_replication_pad1d_layer_with)
PADDING("ReplicationPad2d", replication, 2, cr_replication_pad2d_layer_with)
PADDING("ReplicationPad3d", replication, 3, cr_replication_pad3d_layer_with)

#define CONSTANT(words, dims, constructor)                                \
    cr_module *constructor(cr_ints padding_, double value)                \
    {                                                                     \
        static const cr_module_type type = {.name = words,                \
                                            .size = sizeof(padding),      \
                                            .forward = forward_constant,  \
                                            .extra_repr = constant_repr}; \
        return new_padding(&type, dims, padding_, value);                 \
    }
CONSTANT("ConstantPad1d", 1, cr_constant_pad1d_with)
CONSTANT("ConstantPad2d", 2, cr_constant_pad2d_with)
CONSTANT("ConstantPad3d", 3, cr_constant_pad3d_with)
