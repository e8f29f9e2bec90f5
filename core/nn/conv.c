/* Conv and ConvTranspose, lazy or not: one layer with 1 to 3 spatial dimensions. */
#include <string.h>

#include "core/nn/layer.h"

static bool materialise(cr_module *module, int64_t in_channels);

typedef struct conv {
    cr_module module;
    cr_tensor *weight, *bias;
    int dims;
    int64_t in_channels, out_channels, groups;
    int64_t kernel_size[3], stride[3], padding[3], dilation[3];
    int64_t output_padding[3];
    bool same, valid; /* padding='same', padding='valid' */
    bool transposed, no_bias;
    const char *mode; /* how the input is padded; null: with zeros */
    const cr_module_type
        *lazy_for; /* what it becomes at the first call; null: it is that already */
    char device[32];
    cr_dtype dtype;
    int64_t pad
        [6]; /* what 'same' pads before convolving, as constant_pad_nd wants it: last dimension first */
    bool pads;
} conv;

static cr_ints each(const int64_t *values, const conv *self)
{
    return cr_make_ints(values, (size_t)self->dims);
}

/* Writes what must be added at the far side for the output to have this size. */
static bool padding_for(const conv *self, const cr_tensor *x, const cr_tensor *size, int64_t *to)
{
    int64_t wanted[5], count = cr_tensor_numel(size);
    int first = cr_tensor_dim(x) - self->dims;
    if (cr_tensor_dtype(size) != CR_I64 || count < self->dims || count > 5 ||
        cr_tensor_read(size, wanted, (size_t)count * sizeof *wanted)) {
        cr_fail("%s: output_size must be %d numbers, int64", self->module.type->name, self->dims);
        return false;
    }
    for (int i = 0; i < self->dims; i++) {
        int64_t least = (cr_tensor_sizes(x)[first + i] - 1) * self->stride[i] -
                        2 * self->padding[i] + self->dilation[i] * (self->kernel_size[i] - 1) + 1;
        to[i] = wanted[count - self->dims + i] - least;
        if (to[i] < 0 || to[i] >= self->stride[i]) {
            cr_fail("%s: requested an output size of %lld in dimension %d, but valid sizes range "
                    "from %lld to %lld",
                    self->module.type->name, (long long)(to[i] + least), i, (long long)least,
                    (long long)(least + self->stride[i] - 1));
            return false;
        }
    }
    return true;
}

static cr_tensor *transpose(const conv *self, cr_tensor *x, const cr_tensor *size)
{
    int64_t extra[3];
    memcpy(extra, self->output_padding, sizeof extra);
    if (size && !padding_for(self, x, size, extra))
        return NULL;
#define TRANSPOSE(function)                                                             \
    function(x, self->weight, .bias = self->bias, .stride = each(self->stride, self),   \
             .padding = each(self->padding, self), .output_padding = each(extra, self), \
             .groups = CR_SOME(self->groups), .dilation = each(self->dilation, self))
    return self->dims == 1   ? TRANSPOSE(cr_f_conv_transpose1d)
           : self->dims == 2 ? TRANSPOSE(cr_f_conv_transpose2d)
                             : TRANSPOSE(cr_f_conv_transpose3d);
#undef TRANSPOSE
}

static size_t forward_conv(cr_module *module, cr_tensor *const *inputs, size_t n,
                           cr_tensor **outputs)
{
    const conv *self = (const conv *)(const void *)module;
    if (!(self->transposed && n == 2) && !cr_module_check_inputs(module, 1, n))
        return 0;
    cr_tensor *x = inputs[0];
    int rank = cr_tensor_dim(x);
    if (rank != self->dims + 1 && rank != self->dims + 2)
        return cr_fail("Expected %dD (unbatched) or %dD (batched) input to %s%dd, but got input "
                       "of size: %s",
                       self->dims + 1, self->dims + 2, self->transposed ? "conv_transpose" : "conv",
                       self->dims, cr_shape_text(x)),
               0;
    int64_t channels = cr_tensor_sizes(x)[rank - self->dims - 1];
    if (self->lazy_for && !materialise(module, channels))
        return 0;
    if (channels != self->in_channels)
        return cr_fail("Given groups=%lld, weight of size %s, expected input%s to have %lld "
                       "channels, but got %lld channels "
                       "instead",
                       (long long)self->groups, cr_shape_text(self->weight), cr_shape_text(x),
                       (long long)self->in_channels, (long long)channels),
               0;
    if (self->transposed) {
        outputs[0] = transpose(self, x, n == 2 ? inputs[1] : NULL);
        return outputs[0] != NULL;
    }
    if (self->pads)
        x = cr_pad(x, cr_make_ints(self->pad, 2 * (size_t)self->dims),
                   .mode = self->mode ? self->mode : "constant");
    static const int64_t no_padding[3];
    const int64_t *padding = self->pads ? no_padding : self->padding;
#define CONVOLVE(function)                                                            \
    function(x, self->weight, .bias = self->bias, .stride = each(self->stride, self), \
             .padding = each(padding, self), .dilation = each(self->dilation, self),  \
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
    if (self->same || self->valid) {
        cr_text_add(&text, ", padding=%s", self->same ? "same" : "valid");
    } else if (!all_are(self, self->padding, 0)) {
        cr_text_add(&text, ", padding=");
        cr_repr_tuple(&text, self->padding, self->dims);
    }
    if (!all_are(self, self->dilation, 1)) {
        cr_text_add(&text, ", dilation=");
        cr_repr_tuple(&text, self->dilation, self->dims);
    }
    if (!all_are(self, self->output_padding, 0)) {
        cr_text_add(&text, ", output_padding=");
        cr_repr_tuple(&text, self->output_padding, self->dims);
    }
    if (self->groups != 1)
        cr_text_add(&text, ", groups=%lld", (long long)self->groups);
    if (self->no_bias)
        cr_text_add(&text, ", bias=False");
    if (self->mode)
        cr_text_add(&text, ", padding_mode=%s", self->mode);
    return cr_repr_finish(&text, to, bytes);
}

/* A lazy one's channels are those of the saved weight. */
static bool lazy_loading(cr_module *module, const cr_state_dict *dict, const char *prefix)
{
    const conv *self = (const conv *)(const void *)module;
    const cr_tensor *weight = cr_layer_saved(dict, prefix, "weight");
    if (!weight || cr_tensor_dim(weight) != self->dims + 2)
        return true;
    const int64_t *sizes = cr_tensor_sizes(weight);
    return materialise(module, self->transposed ? sizes[0] : sizes[1] * self->groups);
}

#define TYPE(words)                                                                           \
    {                                                                                         \
        .name = words, .size = sizeof(conv), .forward = forward_conv, .extra_repr = conv_repr \
    }
#define LAZY_TYPE(words)                                                                       \
    {                                                                                          \
        .name = words, .size = sizeof(conv), .forward = forward_conv, .extra_repr = conv_repr, \
        .loading = lazy_loading                                                                \
    }
/* By laziness, direction and dimensions. */
static const cr_module_type types[] = {
    TYPE("Conv1d"),
    TYPE("Conv2d"),
    TYPE("Conv3d"),
    TYPE("ConvTranspose1d"),
    TYPE("ConvTranspose2d"),
    TYPE("ConvTranspose3d"),
    LAZY_TYPE("LazyConv1d"),
    LAZY_TYPE("LazyConv2d"),
    LAZY_TYPE("LazyConv3d"),
    LAZY_TYPE("LazyConvTranspose1d"),
    LAZY_TYPE("LazyConvTranspose2d"),
    LAZY_TYPE("LazyConvTranspose3d"),
};
#undef TYPE
#undef LAZY_TYPE

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

static bool set_device(conv *self, const char *type, const char *device)
{
    if (device && strlen(device) >= sizeof self->device) {
        cr_fail("%s: there is no device %s", type, device);
        return false;
    }
    strcpy(self->device, device ? device : "");
    return true;
}

static bool set_mode(conv *self, const char *type, const char *mode)
{
    static const char *const names[] = {"reflect", "replicate", "circular"};
    for (int i = 0; mode && i < 3; i++)
        if (!strcmp(mode, names[i]))
            self->mode = names[i];
    if (!mode || self->mode || !strcmp(mode, "zeros"))
        return true;
    cr_fail("%s: padding_mode must be one of zeros, reflect, replicate, circular, but got %s", type,
            mode);
    return false;
}

static bool set_options(conv *self, const char *type, const cr_conv_options *o, int dims, bool lazy)
{
    self->dims = dims;
    self->in_channels = o->in_channels;
    self->out_channels = o->out_channels;
    self->groups = cr_or_default_int(o->groups, 1);
    self->same = o->padding_same;
    self->valid = o->padding_valid;
    self->no_bias = o->no_bias;
    self->dtype = o->dtype;
    if (!set_mode(self, type, o->padding_mode) || !set_device(self, type, o->device))
        return false;
#define SPREAD(name, fallback, least) \
    spread(type, #name, dims, self->name, o->name, o->name##_hw, o->name##_dhw, fallback, least)
    if (!SPREAD(kernel_size, 0, 1) || !SPREAD(stride, 1, 1) || !SPREAD(padding, 0, 0) ||
        !SPREAD(dilation, 1, 1))
        return false;
#undef SPREAD
    const char *wrong = self->groups < 0                ? "groups must be a positive integer"
                        : !lazy && o->in_channels <= 0  ? "in_channels must be positive"
                        : o->out_channels <= 0          ? "out_channels must be positive"
                        : o->in_channels % self->groups ? "in_channels must be divisible by groups"
                        : o->out_channels % self->groups
                            ? "out_channels must be divisible by groups"
                        : self->same && !all_are(self, self->stride, 1)
                            ? "padding='same' is not supported for strided convolutions"
                        : self->valid && (self->same || !all_are(self, self->padding, 0))
                            ? "padding='valid' takes no other padding"
                            : NULL;
    if (wrong)
        cr_fail("%s: %s (in_channels=%lld, out_channels=%lld, groups=%lld)", type, wrong,
                (long long)o->in_channels, (long long)o->out_channels, (long long)self->groups);
    return !wrong;
}

/* What all convolutions' options have in common. */
#define COPY_OPTIONS(to, from)                    \
    do {                                          \
        (to).out_channels = (from)->out_channels; \
        (to).groups = (from)->groups;             \
        (to).no_bias = (from)->no_bias;           \
        (to).padding_mode = (from)->padding_mode; \
        (to).device = (from)->device;             \
        (to).dtype = (from)->dtype;               \
        COPY_SIZES(to, from, kernel_size);        \
        COPY_SIZES(to, from, stride);             \
        COPY_SIZES(to, from, padding);            \
        COPY_SIZES(to, from, dilation);           \
    } while (0)
#define COPY_SIZES(to, from, member)                                              \
    do {                                                                          \
        (to).member = (from)->member;                                             \
        memcpy((to).member##_hw, (from)->member##_hw, sizeof(to).member##_hw);    \
        memcpy((to).member##_dhw, (from)->member##_dhw, sizeof(to).member##_dhw); \
    } while (0)

/* What is padded before the convolution: 'same' with an odd total, and every mode but zeros. Otherwise it pads by itself. */
static void set_pads(conv *self)
{
    for (int i = 0; i < self->dims; i++) {
        int64_t total = self->dilation[i] * (self->kernel_size[i] - 1);
        int64_t *pad = &self->pad[2 * (self->dims - 1 - i)];
        if (self->same)
            self->padding[i] = total / 2;
        pad[0] = self->padding[i];
        pad[1] = self->same ? total - total / 2 : self->padding[i];
        self->pads = self->pads || self->mode || (self->same && total % 2);
    }
}

static bool make_parameters(conv *self)
{
    int64_t out = self->out_channels, in = self->in_channels, groups = self->groups;
    int64_t sizes[5] = {self->transposed ? in : out, (self->transposed ? out : in) / groups};
    const char *device = *self->device ? self->device : NULL;
    memcpy(&sizes[2], self->kernel_size, (size_t)self->dims * sizeof *sizes);
    bool good = false;
    CR_SCOPE {
        cr_layer_parameter(self, "weight", &self->weight,
                           cr_make_ints(sizes, (size_t)self->dims + 2), device, self->dtype);
        if (!self->no_bias)
            cr_layer_parameter(self, "bias", &self->bias, CR_INTS(out), device, self->dtype);
        good = (self->no_bias || self->bias) && cr_layer_reset(self->weight, self->bias);
    }
    return good;
}

static bool materialise(cr_module *module, int64_t in_channels)
{
    conv *self = (conv *)(void *)module;
    if (in_channels < 1 || in_channels % self->groups) {
        cr_fail("%s: in_channels must be divisible by groups (in_channels=%lld, groups=%lld)",
                module->type->name, (long long)in_channels, (long long)self->groups);
        return false;
    }
    self->in_channels = in_channels;
    if (!make_parameters(self))
        return false;
    module->type = self->lazy_for;
    self->lazy_for = NULL;
    return true;
}

static const cr_module_type *type_of(bool lazy, bool transposed, int dims)
{
    return &types[6 * lazy + 3 * transposed + dims - 1];
}

/* Before its parameters. */
static conv *begin(bool lazy, bool transposed, int dims, const cr_conv_options *o)
{
    const cr_module_type *type = type_of(lazy, transposed, dims);
    conv *self = o ? cr_module_new(type, NULL) : cr_fail("%s: options are needed", type->name);
    if (!self || !set_options(self, type->name, o, dims, lazy))
        return NULL;
    self->transposed = transposed;
    self->lazy_for = lazy ? type_of(false, transposed, dims) : NULL;
    set_pads(self);
    return self;
}

static cr_module *new_conv(int dims, const cr_conv_options *o)
{
    conv *self = begin(false, false, dims, o);
    return self && make_parameters(self) ? &self->module : NULL;
}

static cr_module *new_lazy(int dims, const cr_lazy_conv_options *o)
{
    cr_conv_options known = {.in_channels = 0};
    if (!o)
        return (cr_module *)begin(true, false, dims, NULL);
    COPY_OPTIONS(known, o);
    known.padding_same = o->padding_same;
    known.padding_valid = o->padding_valid;
    return (cr_module *)begin(true, false, dims, &known);
}

/* The options that transposed convolutions share with the others, and output_padding. */
static conv *begin_transposed(bool lazy, int dims, const cr_conv_transpose_options *o)
{
    cr_conv_options known = {.in_channels = CR_OPTION(o, in_channels)};
    if (o)
        COPY_OPTIONS(known, o);
    conv *self = begin(lazy, true, dims, o ? &known : NULL);
    if (!self)
        return NULL;
    const char *type = self->module.type->name;
    if (self->mode)
        return cr_fail("%s: Only \"zeros\" padding mode is supported", type);
    if (!spread(type, "output_padding", dims, self->output_padding, o->output_padding,
                o->output_padding_hw, o->output_padding_dhw, 0, 0))
        return NULL;
    for (int i = 0; i < dims; i++)
        if (self->output_padding[i] >= self->stride[i] &&
            self->output_padding[i] >= self->dilation[i])
            return cr_fail("%s: output padding must be smaller than either stride or dilation, got "
                           "%lld",
                           type, (long long)self->output_padding[i]);
    return self;
}

static cr_module *new_transposed(int dims, const cr_conv_transpose_options *o)
{
    conv *self = begin_transposed(false, dims, o);
    return self && make_parameters(self) ? &self->module : NULL;
}

static cr_module *new_lazy_transposed(int dims, const cr_lazy_conv_options *o)
{
    cr_conv_transpose_options known = {.in_channels = 0};
    if (!o)
        return (cr_module *)begin(true, true, dims, NULL);
    COPY_OPTIONS(known, o);
    known.output_padding = o->output_padding;
    memcpy(known.output_padding_hw, o->output_padding_hw, sizeof o->output_padding_hw);
    memcpy(known.output_padding_dhw, o->output_padding_dhw, sizeof o->output_padding_dhw);
    return (cr_module *)begin_transposed(true, dims, &known);
}

#define CONSTRUCTORS(dims)                                                               \
    cr_module *cr_conv##dims##d_with(const cr_conv_options *options)                     \
    {                                                                                    \
        return new_conv(dims, options);                                                  \
    }                                                                                    \
    cr_module *cr_conv_transpose##dims##d_with(const cr_conv_transpose_options *options) \
    {                                                                                    \
        return new_transposed(dims, options);                                            \
    }                                                                                    \
    cr_module *cr_lazy_conv##dims##d_with(const cr_lazy_conv_options *options)           \
    {                                                                                    \
        return new_lazy(dims, options);                                                  \
    }                                                                                    \
    cr_module *cr_lazy_conv_transpose##dims##d_with(const cr_lazy_conv_options *options) \
    {                                                                                    \
        return new_lazy_transposed(dims, options);                                       \
    }
CONSTRUCTORS(1)
CONSTRUCTORS(2)
CONSTRUCTORS(3)
