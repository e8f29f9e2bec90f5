/* Conv1d, Conv2d and Conv3d: one layer with 1 to 3 spatial dimensions. */
#include <string.h>

#include "core/nn/layer.h"

typedef struct conv {
    cr_module module;
    cr_tensor *weight, *bias;
    int dims;
    int64_t in_channels, out_channels, groups;
    int64_t kernel_size[3], stride[3], padding[3], dilation[3];
    bool same; /* padding='same' */
    int64_t pad
        [6]; /* what 'same' pads before convolving, as constant_pad_nd wants it: last dimension first */
    bool pads;
} conv;

static cr_ints each(const int64_t *values, const conv *self)
{
    return cr_make_ints(values, (size_t)self->dims);
}

static size_t forward_conv(cr_module *module, cr_tensor *const *inputs, size_t n,
                           cr_tensor **outputs)
{
    const conv *self = (const conv *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    cr_tensor *x = inputs[0];
    int rank = cr_tensor_dim(x);
    if (rank != self->dims + 1 && rank != self->dims + 2)
        return cr_fail("Expected %dD (unbatched) or %dD (batched) input to conv%dd, but got input "
                       "of size: %s",
                       self->dims + 1, self->dims + 2, self->dims, cr_shape_text(x)),
               0;
    int64_t channels = cr_tensor_sizes(x)[rank - self->dims - 1];
    if (channels != self->in_channels)
        return cr_fail("Given groups=%lld, weight of size %s, expected input%s to have %lld "
                       "channels, but got %lld channels "
                       "instead",
                       (long long)self->groups, cr_shape_text(self->weight), cr_shape_text(x),
                       (long long)self->in_channels, (long long)channels),
               0;
    if (self->pads)
        x = cr_constant_pad_nd(x, cr_make_ints(self->pad, 2 * (size_t)self->dims));
#define CONVOLVE(function)                                                                 \
    function(x, self->weight, .bias = self->bias, .stride = each(self->stride, self),      \
             .padding = each(self->padding, self), .dilation = each(self->dilation, self), \
             .groups = CR_SOME(self->groups))
    if (self->dims == 1)
        outputs[0] = CONVOLVE(cr_f_conv1d);
    else if (self->dims == 2)
        outputs[0] = CONVOLVE(cr_f_conv2d);
    else
        outputs[0] = CONVOLVE(cr_f_conv3d);
#undef CONVOLVE
    return outputs[0] != NULL;
}

static bool all_are(const conv *self, const int64_t *values, int64_t value)
{
    for (int i = 0; i < self->dims; i++)
        if (values[i] != value)
            return false;
    return true;
}

static int conv_repr(const cr_module *module, char *to, size_t bytes)
{
    const conv *self = (const conv *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, %lld, kernel_size=", (long long)self->in_channels,
                (long long)self->out_channels);
    cr_repr_tuple(&text, self->kernel_size, self->dims);
    cr_text_add(&text, ", stride=");
    cr_repr_tuple(&text, self->stride, self->dims);
    if (self->same) {
        cr_text_add(&text, ", padding=same");
    } else if (!all_are(self, self->padding, 0)) {
        cr_text_add(&text, ", padding=");
        cr_repr_tuple(&text, self->padding, self->dims);
    }
    if (!all_are(self, self->dilation, 1)) {
        cr_text_add(&text, ", dilation=");
        cr_repr_tuple(&text, self->dilation, self->dims);
    }
    if (self->groups != 1)
        cr_text_add(&text, ", groups=%lld", (long long)self->groups);
    if (!self->bias)
        cr_text_add(&text, ", bias=False");
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type types[] = {
    {.name = "Conv1d", .size = sizeof(conv), .forward = forward_conv, .extra_repr = conv_repr},
    {.name = "Conv2d", .size = sizeof(conv), .forward = forward_conv, .extra_repr = conv_repr},
    {.name = "Conv3d", .size = sizeof(conv), .forward = forward_conv, .extra_repr = conv_repr},
};

/* Writes the option for each dimension: the list's numbers if any is set, else one number for all. False, with the error
 * set, if one is below `least`. */
static bool spread(const char *type, const char *name, int dims, int64_t *to, int64_t one,
                   const int64_t *hw, const int64_t *dhw, int64_t fallback, int64_t least)
{
    const int64_t *list = dims == 2 ? hw : dims == 3 ? dhw : NULL;
    bool listed = false;
    for (int i = 0; list && i < dims; i++)
        listed = listed || list[i];
    for (int i = 0; i < dims; i++) {
        to[i] = listed ? list[i] : cr_or_default_int(one, fallback);
        if (to[i] < least) {
            cr_fail("%s: %s must be at least %lld, got %lld", type, name, (long long)least,
                    (long long)to[i]);
            return false;
        }
    }
    return true;
}

static bool set_options(conv *self, const char *type, const cr_conv_options *o, int dims)
{
    self->dims = dims;
    self->in_channels = o->in_channels;
    self->out_channels = o->out_channels;
    self->groups = cr_or_default_int(o->groups, 1);
    self->same = o->padding_same;
#define SPREAD(name, fallback, least) \
    spread(type, #name, dims, self->name, o->name, o->name##_hw, o->name##_dhw, fallback, least)
    if (!SPREAD(kernel_size, 0, 1) || !SPREAD(stride, 1, 1) || !SPREAD(padding, 0, 0) ||
        !SPREAD(dilation, 1, 1))
        return false;
#undef SPREAD
    const char *wrong = self->groups < 0                ? "groups must be a positive integer"
                        : o->in_channels <= 0           ? "in_channels must be positive"
                        : o->out_channels <= 0          ? "out_channels must be positive"
                        : o->in_channels % self->groups ? "in_channels must be divisible by groups"
                        : o->out_channels % self->groups
                            ? "out_channels must be divisible by groups"
                        : self->same && !all_are(self, self->stride, 1)
                            ? "padding='same' is not supported for strided convolutions"
                            : NULL;
    if (wrong)
        cr_fail("%s: %s (in_channels=%lld, out_channels=%lld, groups=%lld)", type, wrong,
                (long long)o->in_channels, (long long)o->out_channels, (long long)self->groups);
    return !wrong;
}

/* Where the total is even on every side the convolution pads by itself; otherwise the input is padded before. */
static void pad_same(conv *self)
{
    for (int i = 0; i < self->dims; i++) {
        int64_t total = self->dilation[i] * (self->kernel_size[i] - 1);
        self->padding[i] = total / 2;
        self->pad[2 * (self->dims - 1 - i)] = total / 2;
        self->pad[2 * (self->dims - 1 - i) + 1] = total - total / 2;
        self->pads = self->pads || total % 2;
    }
    if (self->pads)
        memset(self->padding, 0, sizeof self->padding);
}

static cr_module *new_conv(int dims, const cr_conv_options *o)
{
    const cr_module_type *type = &types[dims - 1];
    conv *self = o ? cr_module_new(type, NULL) : cr_fail("%s: options are needed", type->name);
    if (!self || !set_options(self, type->name, o, dims))
        return NULL;
    if (self->same)
        pad_same(self);
    int64_t sizes[5] = {self->out_channels, self->in_channels / self->groups};
    memcpy(&sizes[2], self->kernel_size, (size_t)dims * sizeof *sizes);
    bool good = false;
    CR_SCOPE {
        cr_layer_parameter(self, "weight", &self->weight, cr_make_ints(sizes, (size_t)dims + 2),
                           o->device, o->dtype);
        if (!o->no_bias)
            cr_layer_parameter(self, "bias", &self->bias, CR_INTS(self->out_channels), o->device,
                               o->dtype);
        good = (o->no_bias || self->bias) && cr_layer_reset(self->weight, self->bias);
    }
    return good ? &self->module : NULL;
}

cr_module *cr_conv1d_with(const cr_conv_options *options)
{
    return new_conv(1, options);
}

cr_module *cr_conv2d_with(const cr_conv_options *options)
{
    return new_conv(2, options);
}

cr_module *cr_conv3d_with(const cr_conv_options *options)
{
    return new_conv(3, options);
}
