/* InstanceNorm1d to 3d, GroupNorm, LocalResponseNorm and CrossMapLRN2d. */
#include "core/nn/channel_norm.h"

/* ---- instance norm ---- */

static size_t forward_instance(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    cr_channel_norm *self = (cr_channel_norm *)(void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    cr_tensor *x = inputs[0];
    int rank = cr_tensor_dim(x);
    bool single = rank == self->dims + 1;
    if (!single && rank != self->dims + 2)
        return cr_fail("%s: expected %dD or %dD input (got %dD input)", module->type->name,
                       self->dims + 1, self->dims + 2, rank),
               0;
    if (!cr_channel_norm_ready(self, cr_tensor_sizes(x)[!single]))
        return 0;
    if ((self->weight || self->running_mean) && cr_tensor_sizes(x)[!single] != self->num_features)
        return cr_fail("%s: expected input with %lld channels, got %s", module->type->name,
                       (long long)self->num_features, cr_shape_text(x)),
               0;
    bool uses_input = module->training || !self->running_mean;
    const int64_t *size = cr_tensor_sizes(x) + !single + 1;
    int64_t spatial = 1;
    for (int i = 0; i < self->dims; i++)
        spatial *= size[i];
    if (uses_input && spatial == 1)
        return cr_fail("%s: Expected more than 1 spatial element when training, got input size %s",
                       module->type->name, cr_shape_text(x)),
               0;
    cr_tensor *y = cr_f_instance_norm(single ? cr_unsqueeze(x, 0) : x, self->weight, self->bias,
                                      self->running_mean, self->running_var, uses_input,
                                      self->momentum, self->eps, true);
    outputs[0] = single ? cr_squeeze_dim(y, 0) : y;
    return outputs[0] != NULL;
}

static cr_module *new_instance(const cr_module_type *type, int dims,
                               const cr_instance_norm_options *o, const cr_module_type *lazy_for)
{
    static const cr_instance_norm_options none = {.num_features = 0};
    o = o ? o : &none;
    const cr_channel_norm_options common = {o->num_features, o->eps,    o->momentum,
                                            o->no_momentum,  o->affine, o->track_running_stats,
                                            o->device,       o->dtype};
    return cr_channel_norm_new(type, dims, &common, lazy_for);
}

#define TYPE(words, before_loading)                                                  \
    {                                                                                \
        .name = words, .size = sizeof(cr_channel_norm), .forward = forward_instance, \
        .extra_repr = cr_channel_norm_repr, .loading = before_loading                \
    }
#define INSTANCE(dims)                                                                           \
    static const cr_module_type instance##dims##_type = TYPE("InstanceNorm" #dims "d", NULL),    \
                                lazy##dims##_type =                                              \
                                    TYPE("LazyInstanceNorm" #dims "d", cr_channel_norm_loading); \
    cr_module *cr_instance_norm##dims##d_with(const cr_instance_norm_options *o)                 \
    {                                                                                            \
        return new_instance(&instance##dims##_type, dims, o, NULL);                              \
    }                                                                                            \
    cr_module *cr_lazy_instance_norm##dims##d_with(const cr_lazy_instance_norm_options *o)       \
    {                                                                                            \
        cr_instance_norm_options all = {.num_features = 0};                                      \
        if (o)                                                                                   \
            all = (cr_instance_norm_options){.eps = o->eps,                                      \
                                             .momentum = o->momentum,                            \
                                             .affine = o->affine,                                \
                                             .track_running_stats = o->track_running_stats,      \
                                             .no_momentum = o->no_momentum,                      \
                                             .device = o->device,                                \
                                             .dtype = o->dtype};                                 \
        return new_instance(&lazy##dims##_type, dims, &all, &instance##dims##_type);             \
    }
INSTANCE(1)
INSTANCE(2)
INSTANCE(3)
#undef TYPE

/* ---- group norm ---- */

typedef struct group_norm {
    cr_module module;
    cr_tensor *weight, *bias;
    int64_t groups, channels;
    double eps;
} group_norm;

static size_t forward_group(cr_module *module, cr_tensor *const *inputs, size_t n,
                            cr_tensor **outputs)
{
    const group_norm *self = (const group_norm *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    if (cr_tensor_dim(inputs[0]) < 2 || cr_tensor_sizes(inputs[0])[1] != self->channels)
        return cr_fail("GroupNorm: expected input with %lld channels, got %s",
                       (long long)self->channels, cr_shape_text(inputs[0])),
               0;
    if (cr_tensor_numel(inputs[0]) == self->groups)
        return cr_fail("GroupNorm: Expected more than 1 value per channel when training, got input "
                       "size %s",
                       cr_shape_text(inputs[0])),
               0;
    outputs[0] = cr_f_group_norm(inputs[0], self->groups, .weight = self->weight,
                                 .bias = self->bias, .eps = CR_SOME(self->eps));
    return outputs[0] != NULL;
}

static int group_repr(const cr_module *module, char *to, size_t bytes)
{
    const group_norm *self = (const group_norm *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, %lld, eps=", (long long)self->groups, (long long)self->channels);
    cr_repr_float(&text, self->eps);
    cr_text_add(&text, ", affine=%s", cr_repr_bool(self->weight));
    return cr_repr_finish(&text, to, bytes);
}

cr_module *cr_group_norm_with(const cr_group_norm_options *o)
{
    static const cr_module_type type = {.name = "GroupNorm",
                                        .size = sizeof(group_norm),
                                        .forward = forward_group,
                                        .extra_repr = group_repr};
    if (!o || o->num_groups < 1 || o->num_channels < 1 || o->num_channels % o->num_groups)
        return cr_fail("GroupNorm: num_channels must be divisible by num_groups, got %lld and %lld",
                       (long long)CR_OPTION(o, num_channels), (long long)CR_OPTION(o, num_groups));
    group_norm *self = cr_module_new(&type, NULL);
    if (!self)
        return NULL;
    self->groups = o->num_groups;
    self->channels = o->num_channels;
    self->eps = cr_or_default(o->eps, 1e-5);
    bool good = true;
    CR_SCOPE
        if (!o->no_affine)
            good = cr_layer_affine(self, &self->weight, &self->bias, CR_INTS(o->num_channels),
                                   o->device, o->dtype);
    return good ? &self->module : NULL;
}

/* ---- response norms ---- */

typedef struct response_norm {
    cr_module module;
    int64_t size;
    double alpha, beta, k;
} response_norm;

static size_t forward_response(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    const response_norm *self = (const response_norm *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    outputs[0] = cr_f_local_response_norm(inputs[0], self->size, .alpha = CR_SOME(self->alpha),
                                          .beta = CR_SOME(self->beta), .k = CR_SOME(self->k));
    return outputs[0] != NULL;
}

/* Channels are a dimension more for the pooling that sums their squares; size is odd or the window begins ⌊(size - 1) / 2⌋
 * before, as LuaTorch had it. */
static size_t forward_cross_map(cr_module *module, cr_tensor *const *inputs, size_t n,
                                cr_tensor **outputs)
{
    const response_norm *self = (const response_norm *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    cr_tensor *x = inputs[0];
    if (cr_tensor_dim(x) != 4)
        return cr_fail("CrossMapLRN2d: expected input to be 4D, got %s", cr_shape_text(x)), 0;
    int64_t before = (self->size - 1) / 2, channels = cr_tensor_sizes(x)[1];
    cr_tensor *squares = cr_constant_pad_nd(cr_square(x), CR_INTS(0, 0, 0, 0, before, before));
    cr_tensor *sums = cr_narrow(squares, 1, 0, channels);
    for (int64_t i = 1; i <= 2 * before && sums; i++)
        sums = cr_add(sums, cr_narrow(squares, 1, i, channels));
    /* PyTorch never takes the first channel out of the sum again; neither is it done here, so that numbers agree. */
    int64_t later = channels - before - 1;
    if (later > 0)
        sums = cr_add(sums, cr_constant_pad_nd(cr_expand(cr_square(cr_narrow(x, 1, 0, 1)),
                                                         CR_INTS(-1, later, -1, -1)),
                                               CR_INTS(0, 0, 0, 0, before + 1, 0)));
    cr_tensor *scale =
        cr_add_scalar(cr_mul_scalar(sums, self->alpha / (double)self->size), self->k);
    outputs[0] = cr_mul(x, cr_pow_scalar(scale, -self->beta));
    return outputs[0] != NULL;
}

static int response_repr(const cr_module *module, char *to, size_t bytes)
{
    const response_norm *self = (const response_norm *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, alpha=", (long long)self->size);
    cr_repr_float(&text, self->alpha);
    cr_text_add(&text, ", beta=");
    cr_repr_float(&text, self->beta);
    cr_text_add(&text, ", k=");
    if (self->module.type->forward == forward_cross_map)
        cr_text_add(&text, "%g", self->k);
    else
        cr_repr_float(&text, self->k);
    return cr_repr_finish(&text, to, bytes);
}

static cr_module *new_response(const cr_module_type *type, const cr_local_response_norm_options *o)
{
    if (!o || o->size < 1)
        return cr_fail("%s: size must be positive, got %lld", type->name,
                       (long long)CR_OPTION(o, size));
    response_norm *self = cr_module_new(type, NULL);
    if (!self)
        return NULL;
    self->size = o->size;
    self->alpha = cr_or_default(o->alpha, 1e-4);
    self->beta = cr_or_default(o->beta, 0.75);
    self->k = cr_or_default(o->k, 1);
    return &self->module;
}

#define RESPONSE(words, kind, constructor)                                 \
    cr_module *constructor(const cr_local_response_norm_options *o)        \
    {                                                                      \
        static const cr_module_type type = {.name = words,                 \
                                            .size = sizeof(response_norm), \
                                            .forward = forward_##kind,     \
                                            .extra_repr = response_repr};  \
        return new_response(&type, o);                                     \
    }
RESPONSE("LocalResponseNorm", response, cr_local_response_norm_with)
RESPONSE("CrossMapLRN2d", cross_map, cr_cross_map_lrn2d_with)
