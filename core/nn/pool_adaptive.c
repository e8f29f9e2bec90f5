/* Pools whose output's size is given: AdaptiveMaxPool, AdaptiveAvgPool and FractionalMaxPool. */
#include "core/nn/spatial.h"

typedef struct sized_pool {
    cr_module module;
    cr_spatial kernel_size, output_size; /* the kernel: fractional ones' */
    double ratio[3];                     /* 0: the size is given */
    cr_tensor *random_samples;
    bool return_indices;
} sized_pool;

static bool check_call(const sized_pool *self, cr_tensor *const *inputs, size_t n)
{
    return cr_module_check_inputs(&self->module, 1, n) &&
           cr_spatial_check_rank(&self->module, inputs[0], self->output_size.count);
}

/* The output's size for this input. */
static cr_spatial size_for(const sized_pool *self, const cr_tensor *x)
{
    cr_spatial size = self->output_size;
    for (int i = 0; i < size.count; i++) {
        int64_t given = cr_tensor_sizes(x)[cr_tensor_dim(x) - size.count + i];
        if (self->ratio[i] > 0)
            size.at[i] = (int64_t)((double)given * self->ratio[i]);
        else if (size.at[i] < 0)
            size.at[i] = given;
    }
    return size;
}

#define BOTH(type, call)           \
    do {                           \
        type both = (call);        \
        outputs[0] = both.output0; \
        outputs[1] = both.output1; \
    } while (0)

/* ---- adaptive ---- */

static size_t forward_max(cr_module *module, cr_tensor *const *inputs, size_t n,
                          cr_tensor **outputs)
{
    const sized_pool *self = (const sized_pool *)(const void *)module;
    if (!check_call(self, inputs, n))
        return 0;
    cr_spatial size = size_for(self, inputs[0]);
    if (size.count == 1)
        BOTH(cr_f_adaptive_max_pool1d_result,
             cr_f_adaptive_max_pool1d(inputs[0], cr_spatial_ints(&size)));
    else if (size.count == 2)
        BOTH(cr_f_adaptive_max_pool2d_result,
             cr_f_adaptive_max_pool2d(inputs[0], cr_spatial_ints(&size)));
    else
        BOTH(cr_f_adaptive_max_pool3d_result,
             cr_f_adaptive_max_pool3d(inputs[0], cr_spatial_ints(&size)));
    return !outputs[0] ? 0 : self->return_indices ? 2 : 1;
}

static size_t forward_avg(cr_module *module, cr_tensor *const *inputs, size_t n,
                          cr_tensor **outputs)
{
    const sized_pool *self = (const sized_pool *)(const void *)module;
    if (!check_call(self, inputs, n))
        return 0;
    cr_spatial size = size_for(self, inputs[0]);
    cr_ints sizes = cr_spatial_ints(&size);
    outputs[0] = size.count == 1   ? cr_f_adaptive_avg_pool1d(inputs[0], sizes)
                 : size.count == 2 ? cr_f_adaptive_avg_pool2d(inputs[0], sizes)
                                   : cr_f_adaptive_avg_pool3d(inputs[0], sizes);
    return outputs[0] != NULL;
}

static int adaptive_repr(const cr_module *module, char *to, size_t bytes)
{
    const sized_pool *self = (const sized_pool *)(const void *)module;
    cr_text text = {0};
    cr_spatial_repr(&text, "output_size", &self->output_size);
    return cr_repr_finish(&text, to, bytes);
}

static cr_module *new_adaptive(const cr_module_type *type, int dims,
                               const cr_adaptive_pool_options *o)
{
    if (!o)
        return cr_fail("%s: options are needed", type->name);
    sized_pool p = {.output_size = CR_SPATIAL(dims, o, output_size, 0),
                    .return_indices = o->return_indices};
    for (int i = 0; i < dims; i++)
        if (p.output_size.at[i] < -1)
            return cr_fail("%s: output_size must be at least 0 (or -1: as the input's), got %lld",
                           type->name, (long long)p.output_size.at[i]);
    return cr_module_new(type, &p);
}

#define ADAPTIVE(words, kind, dims, constructor)                          \
    cr_module *constructor(const cr_adaptive_pool_options *o)             \
    {                                                                     \
        static const cr_module_type type = {.name = words,                \
                                            .size = sizeof(sized_pool),   \
                                            .forward = forward_##kind,    \
                                            .extra_repr = adaptive_repr}; \
        return new_adaptive(&type, dims, o);                              \
    }
ADAPTIVE("AdaptiveMaxPool1d", max, 1, cr_adaptive_max_pool1d_with)
ADAPTIVE("AdaptiveMaxPool2d", max, 2, cr_adaptive_max_pool2d_with)
ADAPTIVE("AdaptiveMaxPool3d", max, 3, cr_adaptive_max_pool3d_with)
ADAPTIVE("AdaptiveAvgPool1d", avg, 1, cr_adaptive_avg_pool1d_with)
ADAPTIVE("AdaptiveAvgPool2d", avg, 2, cr_adaptive_avg_pool2d_with)
ADAPTIVE("AdaptiveAvgPool3d", avg, 3, cr_adaptive_avg_pool3d_with)

/* ---- fractional ---- */

static size_t forward_fractional(cr_module *module, cr_tensor *const *inputs, size_t n,
                                 cr_tensor **outputs)
{
    const sized_pool *self = (const sized_pool *)(const void *)module;
    if (!check_call(self, inputs, n))
        return 0;
    const cr_tensor *x = inputs[0];
    int dims = self->output_size.count;
    cr_spatial size = size_for(self, x);
    cr_tensor *samples = self->random_samples;
    if (!samples) {
        const int64_t *sizes = cr_tensor_sizes(x);
        bool batch = cr_tensor_dim(x) == dims + 2;
        samples = cr_rand(CR_INTS(batch ? sizes[0] : 1, sizes[batch], dims),
                          .dtype = cr_tensor_dtype(x), .device = cr_tensor_device(x));
    }
    if (dims == 2)
        BOTH(cr_f_fractional_max_pool2d_result,
             cr_f_fractional_max_pool2d(inputs[0], cr_spatial_ints(&self->kernel_size),
                                        cr_spatial_ints(&size), samples));
    else
        BOTH(cr_f_fractional_max_pool3d_result,
             cr_f_fractional_max_pool3d(inputs[0], cr_spatial_ints(&self->kernel_size),
                                        cr_spatial_ints(&size), samples));
    return !outputs[0] ? 0 : self->return_indices ? 2 : 1;
}

static cr_module *new_fractional(const cr_module_type *type, int dims,
                                 const cr_fractional_max_pool_options *o)
{
    if (!o)
        return cr_fail("%s: options are needed", type->name);
    sized_pool p = {.kernel_size = CR_SPATIAL(dims, o, kernel_size, 0),
                    .output_size = CR_SPATIAL(dims, o, output_size, 0),
                    .return_indices = o->return_indices};
    const double *list = dims == 2 ? o->output_ratio_hw : o->output_ratio_dhw;
    bool sized = CR_SPATIAL_GIVEN(dims, o, output_size), ratio = false;
    for (int i = 0; i < dims; i++) {
        p.ratio[i] = list[0] != 0 ? list[i] : o->output_ratio;
        ratio = ratio || p.ratio[i] != 0;
    }
    if (sized == ratio)
        return cr_fail("%s: either output_size or output_ratio is needed, %s given", type->name,
                       sized ? "both are" : "none is");
    for (int i = 0; ratio && i < dims; i++)
        if (!(p.ratio[i] > 0 && p.ratio[i] < 1))
            return cr_fail("%s: output_ratio must be between 0 and 1 (got %g)", type->name,
                           p.ratio[i]);
    if (!cr_spatial_check(type->name, "kernel_size", &p.kernel_size, 1) ||
        (sized && !cr_spatial_check(type->name, "output_size", &p.output_size, 1)))
        return NULL;
    sized_pool *self = cr_module_new(type, &p);
    if (self && o->random_samples &&
        !cr_module_set_buffer(&self->module, "_random_samples", &self->random_samples,
                              o->random_samples))
        return NULL;
    return (cr_module *)self;
}

#define FRACTIONAL(words, dims, constructor)                                           \
    cr_module *constructor(const cr_fractional_max_pool_options *o)                    \
    {                                                                                  \
        static const cr_module_type type = {                                           \
            .name = words, .size = sizeof(sized_pool), .forward = forward_fractional}; \
        return new_fractional(&type, dims, o);                                         \
    }
FRACTIONAL("FractionalMaxPool2d", 2, cr_fractional_max_pool2d_with)
FRACTIONAL("FractionalMaxPool3d", 3, cr_fractional_max_pool3d_with)
