/* MaxPool, AvgPool and LPPool, in 1 to 3 dimensions. */
#include "core/nn/spatial.h"

typedef struct pool {
    cr_module module;
    cr_spatial kernel_size, stride, padding, dilation;
    bool return_indices, ceil_mode, count_include_pad, stride_given;
    int64_t divisor_override;
    double norm_type;
} pool;

static bool check_call(const pool *self, cr_tensor *const *inputs, size_t n)
{
    return cr_module_check_inputs(&self->module, 1, n) &&
           cr_spatial_check_rank(&self->module, inputs[0], self->kernel_size.count);
}

/* What all pools check of their options. */
static bool check_options(const char *type, const pool *p)
{
    if (!cr_spatial_check(type, "kernel_size", &p->kernel_size, 1) ||
        !cr_spatial_check(type, "stride", &p->stride, 1) ||
        !cr_spatial_check(type, "dilation", &p->dilation, 1) ||
        !cr_spatial_check(type, "padding", &p->padding, 0))
        return false;
    for (int i = 0; i < p->kernel_size.count; i++)
        if (p->padding.at[i] > p->kernel_size.at[i] / 2) {
            cr_fail("%s: pad should be at most half of kernel size, but got pad=%lld and "
                    "kernel_size=%lld",
                    type, (long long)p->padding.at[i], (long long)p->kernel_size.at[i]);
            return false;
        }
    return true;
}

static cr_module *new_pool(const cr_module_type *type, const pool *members)
{
    return check_options(type->name, members) ? cr_module_new(type, members) : NULL;
}

/* ---- max ---- */

#define MAX_POOL(function)                                                                     \
    function(x, cr_spatial_ints(&self->kernel_size), .stride = cr_spatial_ints(&self->stride), \
             .padding = cr_spatial_ints(&self->padding),                                       \
             .dilation = cr_spatial_ints(&self->dilation), .ceil_mode = self->ceil_mode)
#define MAX_POOL_WITH_INDICES(dims)                      \
    do {                                                 \
        cr_max_pool##dims##d_with_indices_result both =  \
            MAX_POOL(cr_max_pool##dims##d_with_indices); \
        outputs[0] = both.output0;                       \
        outputs[1] = both.output1;                       \
    } while (0)

static size_t forward_max(cr_module *module, cr_tensor *const *inputs, size_t n,
                          cr_tensor **outputs)
{
    const pool *self = (const pool *)(const void *)module;
    if (!check_call(self, inputs, n))
        return 0;
    cr_tensor *x = inputs[0];
    int dims = self->kernel_size.count;
    if (self->return_indices) {
        if (dims == 1)
            MAX_POOL_WITH_INDICES(1);
        else if (dims == 2)
            MAX_POOL_WITH_INDICES(2);
        else
            MAX_POOL_WITH_INDICES(3);
        return outputs[0] ? 2 : 0;
    }
    outputs[0] = dims == 1   ? MAX_POOL(cr_f_max_pool1d)
                 : dims == 2 ? MAX_POOL(cr_f_max_pool2d)
                             : MAX_POOL(cr_f_max_pool3d);
    return outputs[0] != NULL;
}

static int max_repr(const cr_module *module, char *to, size_t bytes)
{
    const pool *self = (const pool *)(const void *)module;
    cr_text text = {0};
    cr_spatial_repr(&text, "kernel_size", &self->kernel_size);
    cr_spatial_repr(&text, ", stride", &self->stride);
    cr_spatial_repr(&text, ", padding", &self->padding);
    cr_spatial_repr(&text, ", dilation", &self->dilation);
    cr_text_add(&text, ", ceil_mode=%s", cr_repr_bool(self->ceil_mode));
    return cr_repr_finish(&text, to, bytes);
}

static cr_module *new_max(const cr_module_type *type, int dims, const cr_max_pool_options *o)
{
    if (!o)
        return cr_fail("%s: options are needed", type->name);
    pool p = {.kernel_size = CR_SPATIAL(dims, o, kernel_size, 0),
              .padding = CR_SPATIAL(dims, o, padding, 0),
              .dilation = CR_SPATIAL(dims, o, dilation, 1),
              .return_indices = o->return_indices,
              .ceil_mode = o->ceil_mode};
    p.stride = CR_SPATIAL_GIVEN(dims, o, stride) ? CR_SPATIAL(dims, o, stride, 0) : p.kernel_size;
    return new_pool(type, &p);
}

/* ---- average ---- */

static size_t forward_avg(cr_module *module, cr_tensor *const *inputs, size_t n,
                          cr_tensor **outputs)
{
    const pool *self = (const pool *)(const void *)module;
    if (!check_call(self, inputs, n))
        return 0;
    cr_opt_int divisor = {self->divisor_override, self->divisor_override != 0};
#define AVG_POOL(function, ...)                                                                    \
    function(inputs[0], cr_spatial_ints(&self->kernel_size),                                       \
             .stride = cr_spatial_ints(&self->stride), .padding = cr_spatial_ints(&self->padding), \
             .ceil_mode = self->ceil_mode,                                                         \
             .no_count_include_pad = !self->count_include_pad __VA_ARGS__)
#define DIVISOR , .divisor_override = divisor
    outputs[0] = self->kernel_size.count == 1   ? AVG_POOL(cr_f_avg_pool1d, )
                 : self->kernel_size.count == 2 ? AVG_POOL(cr_f_avg_pool2d, DIVISOR)
                                                : AVG_POOL(cr_f_avg_pool3d, DIVISOR);
#undef DIVISOR
#undef AVG_POOL
    return outputs[0] != NULL;
}

static int avg_repr(const cr_module *module, char *to, size_t bytes)
{
    const pool *self = (const pool *)(const void *)module;
    cr_text text = {0};
    cr_spatial_repr(&text, "kernel_size", &self->kernel_size);
    cr_spatial_repr(&text, ", stride", &self->stride);
    cr_spatial_repr(&text, ", padding", &self->padding);
    return cr_repr_finish(&text, to, bytes);
}

static cr_module *new_avg(const cr_module_type *type, int dims, const cr_avg_pool_options *o)
{
    if (!o)
        return cr_fail("%s: options are needed", type->name);
    pool p = {.kernel_size = CR_SPATIAL(dims, o, kernel_size, 0),
              .padding = CR_SPATIAL(dims, o, padding, 0),
              .dilation = {{1, 1, 1}, dims, false},
              .ceil_mode = o->ceil_mode,
              .count_include_pad = !o->no_count_include_pad,
              .divisor_override = o->divisor_override};
    p.stride = CR_SPATIAL_GIVEN(dims, o, stride) ? CR_SPATIAL(dims, o, stride, 0) : p.kernel_size;
    if (dims == 1) /* which alone keeps tuples */
        p.kernel_size.listed = p.stride.listed = p.padding.listed = true;
    if (dims == 1 && o->divisor_override)
        return cr_fail("%s: there is no divisor_override in one dimension", type->name);
    return new_pool(type, &p);
}

/* ---- power average ---- */

static size_t forward_lp(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs)
{
    const pool *self = (const pool *)(const void *)module;
    if (!check_call(self, inputs, n))
        return 0;
#define LP_POOL(function)                                                     \
    function(inputs[0], self->norm_type, cr_spatial_ints(&self->kernel_size), \
             .stride = cr_spatial_ints(&self->stride), .ceil_mode = self->ceil_mode)
    outputs[0] = self->kernel_size.count == 1 ? LP_POOL(cr_f_lp_pool1d) : LP_POOL(cr_f_lp_pool2d);
#undef LP_POOL
    return outputs[0] != NULL;
}

static int lp_repr(const cr_module *module, char *to, size_t bytes)
{
    const pool *self = (const pool *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "norm_type=%g", self->norm_type);
    cr_spatial_repr(&text, ", kernel_size", &self->kernel_size);
    if (self->stride_given)
        cr_spatial_repr(&text, ", stride", &self->stride);
    else
        cr_text_add(&text, ", stride=None");
    cr_text_add(&text, ", ceil_mode=%s", cr_repr_bool(self->ceil_mode));
    return cr_repr_finish(&text, to, bytes);
}

static cr_module *new_lp(const cr_module_type *type, int dims, const cr_lp_pool_options *o)
{
    if (!o || !(o->norm_type > 0))
        return cr_fail("%s: norm_type must be positive, got %g", type->name,
                       CR_OPTION(o, norm_type));
    pool p = {.kernel_size = CR_SPATIAL(dims, o, kernel_size, 0),
              .padding.count = dims,
              .dilation = {{1, 1, 1}, dims, false},
              .stride_given = CR_SPATIAL_GIVEN(dims, o, stride),
              .norm_type = o->norm_type,
              .ceil_mode = o->ceil_mode};
    p.stride = p.stride_given ? CR_SPATIAL(dims, o, stride, 0) : p.kernel_size;
    return new_pool(type, &p);
}

/* ---- constructors ---- */

#define POOL(words, kind, dims, constructor, options)                   \
    cr_module *constructor(const options *o)                            \
    {                                                                   \
        static const cr_module_type type = {.name = words,              \
                                            .size = sizeof(pool),       \
                                            .forward = forward_##kind,  \
                                            .extra_repr = kind##_repr}; \
        return new_##kind(&type, dims, o);                              \
    }
POOL("MaxPool1d", max, 1, cr_max_pool1d_with, cr_max_pool_options)
POOL("MaxPool2d", max, 2, cr_max_pool2d_with, cr_max_pool_options)
POOL("MaxPool3d", max, 3, cr_max_pool3d_with, cr_max_pool_options)
POOL("AvgPool1d", avg, 1, cr_avg_pool1d_with, cr_avg_pool_options)
POOL("AvgPool2d", avg, 2, cr_avg_pool2d_with, cr_avg_pool_options)
POOL("AvgPool3d", avg, 3, cr_avg_pool3d_with, cr_avg_pool_options)
POOL("LPPool1d", lp, 1, cr_lp_pool1d_with, cr_lp_pool_options)
POOL("LPPool2d", lp, 2, cr_lp_pool2d_with, cr_lp_pool_options)
