/* MaxPool2d and AdaptiveMaxPool2d. */
#include "core/nn/layer.h"

/* A size that was given as one number or as two, and is printed as it was given. */
typedef struct pair {
    int64_t at[2];
    bool is_pair;
} pair;

static pair pair_of(int64_t one, const int64_t *two, int64_t fallback)
{
    if (two[0] || two[1])
        return (pair){{two[0], two[1]}, true};
    int64_t value = cr_or_default_int(one, fallback);
    return (pair){{value, value}, false};
}

static void pair_repr(cr_text *text, const char *name, const pair *p)
{
    const char *before = p->is_pair ? "(" : "";
    for (int i = 0; i < 1 + p->is_pair; i++) {
        if (p->at[i] < 0)
            cr_text_add(text, i ? ", None" : "%s=%sNone", name, before);
        else if (i)
            cr_text_add(text, ", %lld", (long long)p->at[i]);
        else
            cr_text_add(text, "%s=%s%lld", name, before, (long long)p->at[i]);
    }
    cr_text_add(text, p->is_pair ? ")" : "");
}

static cr_ints ints(const pair *p)
{
    return cr_make_ints(p->at, 2);
}

/* ---- MaxPool2d ---- */

typedef struct max_pool {
    cr_module module;
    pair kernel_size, stride, padding, dilation;
    bool return_indices, ceil_mode;
} max_pool;

static size_t forward_max_pool(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    const max_pool *self = (const max_pool *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    int rank = cr_tensor_dim(inputs[0]);
    if (rank != 3 && rank != 4)
        return cr_fail("max_pool2d: Expected 3D or 4D (batch mode) tensor for input, but got: %s",
                       cr_shape_text(inputs[0])),
               0;
#define POOL(function)                                                           \
    function(inputs[0], ints(&self->kernel_size), .stride = ints(&self->stride), \
             .padding = ints(&self->padding), .dilation = ints(&self->dilation), \
             .ceil_mode = self->ceil_mode)
    if (self->return_indices) {
        cr_max_pool2d_with_indices_result both = POOL(cr_max_pool2d_with_indices);
        outputs[0] = both.output0;
        outputs[1] = both.output1;
        return outputs[0] ? 2 : 0;
    }
    outputs[0] = POOL(cr_f_max_pool2d);
#undef POOL
    return outputs[0] != NULL;
}

static int max_pool_repr(const cr_module *module, char *to, size_t bytes)
{
    const max_pool *self = (const max_pool *)(const void *)module;
    cr_text text = {0};
    pair_repr(&text, "kernel_size", &self->kernel_size);
    pair_repr(&text, ", stride", &self->stride);
    pair_repr(&text, ", padding", &self->padding);
    pair_repr(&text, ", dilation", &self->dilation);
    cr_text_add(&text, ", ceil_mode=%s", cr_repr_bool(self->ceil_mode));
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type max_pool_type = {.name = "MaxPool2d",
                                             .size = sizeof(max_pool),
                                             .forward = forward_max_pool,
                                             .extra_repr = max_pool_repr};

cr_module *cr_max_pool2d_with(const cr_max_pool2d_options *o)
{
    if (!o)
        return cr_fail("MaxPool2d: options are needed");
    pair kernel = pair_of(o->kernel_size, o->kernel_size_hw, 0),
         padding = pair_of(o->padding, o->padding_hw, 0);
    pair stride = o->stride || o->stride_hw[0] || o->stride_hw[1]
                      ? pair_of(o->stride, o->stride_hw, 0)
                      : kernel;
    pair dilation = pair_of(o->dilation, o->dilation_hw, 1);
    for (int i = 0; i < 2; i++) {
        if (kernel.at[i] < 1 || stride.at[i] < 1 || dilation.at[i] < 1)
            return cr_fail("MaxPool2d: kernel_size, stride and dilation must be at least 1, got "
                           "%lld, %lld and %lld",
                           (long long)kernel.at[i], (long long)stride.at[i],
                           (long long)dilation.at[i]);
        if (padding.at[i] < 0 || padding.at[i] > kernel.at[i] / 2)
            return cr_fail("MaxPool2d: pad should be at most half of kernel size, but got pad=%lld "
                           "and kernel_size=%lld",
                           (long long)padding.at[i], (long long)kernel.at[i]);
    }
    max_pool *self = cr_module_new(&max_pool_type, NULL);
    if (!self)
        return NULL;
    self->kernel_size = kernel;
    self->stride = stride;
    self->padding = padding;
    self->dilation = dilation;
    self->return_indices = o->return_indices;
    self->ceil_mode = o->ceil_mode;
    return &self->module;
}

/* ---- AdaptiveMaxPool2d ---- */

typedef struct adaptive_max_pool {
    cr_module module;
    pair output_size;
    bool return_indices;
} adaptive_max_pool;

static size_t forward_adaptive(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    const adaptive_max_pool *self = (const adaptive_max_pool *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    int rank = cr_tensor_dim(inputs[0]);
    if (rank != 3 && rank != 4)
        return cr_fail("adaptive_max_pool2d(): Expected 3D or 4D tensor, but got: %s",
                       cr_shape_text(inputs[0])),
               0;
    int64_t size[2];
    for (int i = 0; i < 2; i++)
        size[i] = self->output_size.at[i] < 0 ? cr_tensor_sizes(inputs[0])[rank - 2 + i]
                                              : self->output_size.at[i];
    cr_f_adaptive_max_pool2d_result both =
        cr_f_adaptive_max_pool2d(inputs[0], cr_make_ints(size, 2));
    outputs[0] = both.output0;
    outputs[1] = both.output1;
    return !outputs[0] ? 0 : self->return_indices ? 2 : 1;
}

static int adaptive_repr(const cr_module *module, char *to, size_t bytes)
{
    const adaptive_max_pool *self = (const adaptive_max_pool *)(const void *)module;
    cr_text text = {0};
    pair_repr(&text, "output_size", &self->output_size);
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type adaptive_type = {.name = "AdaptiveMaxPool2d",
                                             .size = sizeof(adaptive_max_pool),
                                             .forward = forward_adaptive,
                                             .extra_repr = adaptive_repr};

cr_module *cr_adaptive_max_pool2d_with(const cr_adaptive_max_pool2d_options *o)
{
    if (!o)
        return cr_fail("AdaptiveMaxPool2d: options are needed");
    pair size = pair_of(o->output_size, o->output_size_hw, 0);
    for (int i = 0; i < 2; i++)
        if (size.at[i] < -1 || !size.at[i])
            return cr_fail(
                "AdaptiveMaxPool2d: output_size must be positive (or -1: as the input's), got %lld",
                (long long)size.at[i]);
    adaptive_max_pool *self = cr_module_new(&adaptive_type, NULL);
    if (!self)
        return NULL;
    self->output_size = size;
    self->return_indices = o->return_indices;
    return &self->module;
}
