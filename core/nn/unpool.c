/* MaxUnpool1d, 2d and 3d. */
#include "core/nn/spatial.h"

typedef struct unpool {
    cr_module module;
    cr_spatial kernel_size, stride, padding;
} unpool;

/* The output's size: what pooling would have made of, or what a third input says. */
static bool output_size(const unpool *self, const cr_tensor *x, cr_tensor *given, cr_spatial *size)
{
    int dims = self->kernel_size.count, first = cr_tensor_dim(x) - dims;
    int64_t numbers[5], count = given ? cr_tensor_numel(given) : 0;
    const char *type = self->module.type->name;
    if (given && (cr_tensor_dtype(given) != CR_I64 || count < dims || count > 5 ||
                  cr_tensor_read(given, numbers, (size_t)count * sizeof *numbers))) {
        cr_fail("%s: output_size must be %d numbers, int64", type, dims);
        return false;
    }
    *size = self->kernel_size;
    for (int i = 0; i < dims; i++) {
        int64_t normal = (cr_tensor_sizes(x)[first + i] - 1) * self->stride.at[i] -
                         2 * self->padding.at[i] + self->kernel_size.at[i];
        size->at[i] = given ? numbers[count - dims + i] : normal;
        if (llabs(size->at[i] - normal) >= self->stride.at[i] && given) {
            cr_fail("%s: invalid output_size %lld in dimension %d (must be between %lld and %lld)",
                    type, (long long)size->at[i], i, (long long)(normal - self->stride.at[i]),
                    (long long)(normal + self->stride.at[i]));
            return false;
        }
    }
    return true;
}

static size_t forward_unpool(cr_module *module, cr_tensor *const *inputs, size_t n,
                             cr_tensor **outputs)
{
    const unpool *self = (const unpool *)(const void *)module;
    cr_spatial size;
    int dims = self->kernel_size.count;
    if ((n != 3 && !cr_module_check_inputs(module, 2, n)) ||
        !cr_spatial_check_rank(module, inputs[0], dims) ||
        !output_size(self, inputs[0], n == 3 ? inputs[2] : NULL, &size))
        return 0;
    cr_ints sizes = cr_spatial_ints(&size);
    outputs[0] = dims == 1   ? cr_f_max_unpool1d(inputs[0], inputs[1], sizes)
                 : dims == 2 ? cr_f_max_unpool2d(inputs[0], inputs[1], sizes)
                             : cr_f_max_unpool3d(inputs[0], inputs[1], sizes);
    return outputs[0] != NULL;
}

static int unpool_repr(const cr_module *module, char *to, size_t bytes)
{
    const unpool *self = (const unpool *)(const void *)module;
    cr_text text = {0};
    cr_spatial_repr(&text, "kernel_size", &self->kernel_size);
    cr_spatial_repr(&text, ", stride", &self->stride);
    cr_spatial_repr(&text, ", padding", &self->padding);
    return cr_repr_finish(&text, to, bytes);
}

static cr_module *new_unpool(const cr_module_type *type, int dims, const cr_max_unpool_options *o)
{
    if (!o)
        return cr_fail("%s: options are needed", type->name);
    unpool u = {.kernel_size = CR_SPATIAL(dims, o, kernel_size, 0),
                .padding = CR_SPATIAL(dims, o, padding, 0)};
    u.stride = CR_SPATIAL_GIVEN(dims, o, stride) ? CR_SPATIAL(dims, o, stride, 0) : u.kernel_size;
    u.kernel_size.listed = u.stride.listed = u.padding.listed = true;
    if (!cr_spatial_check(type->name, "kernel_size", &u.kernel_size, 1) ||
        !cr_spatial_check(type->name, "stride", &u.stride, 1) ||
        !cr_spatial_check(type->name, "padding", &u.padding, 0))
        return NULL;
    return cr_module_new(type, &u);
}

#define UNPOOL(words, dims, constructor)                                \
    cr_module *constructor(const cr_max_unpool_options *o)              \
    {                                                                   \
        static const cr_module_type type = {.name = words,              \
                                            .size = sizeof(unpool),     \
                                            .forward = forward_unpool,  \
                                            .extra_repr = unpool_repr}; \
        return new_unpool(&type, dims, o);                              \
    }
UNPOOL("MaxUnpool1d", 1, cr_max_unpool1d_with)
UNPOOL("MaxUnpool2d", 2, cr_max_unpool2d_with)
UNPOOL("MaxUnpool3d", 3, cr_max_unpool3d_with)
