/* Fold and Unfold, layers and functions. */
#include <cresset/functional.h>

#include "core/nn/spatial.h"

typedef struct fold {
    cr_module module;
    cr_spatial output_size, kernel_size, dilation, padding, stride;
} fold;

#define WINDOWS(f)                                                       \
    cr_spatial_ints(&(f)->kernel_size), cr_spatial_ints(&(f)->dilation), \
        cr_spatial_ints(&(f)->padding), cr_spatial_ints(&(f)->stride)

static size_t forward_fold(cr_module *module, cr_tensor *const *inputs, size_t n,
                           cr_tensor **outputs)
{
    const fold *self = (const fold *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    outputs[0] = (cr_col2im)(inputs[0], cr_spatial_ints(&self->output_size), WINDOWS(self));
    return outputs[0] != NULL;
}

static size_t forward_unfold(cr_module *module, cr_tensor *const *inputs, size_t n,
                             cr_tensor **outputs)
{
    const fold *self = (const fold *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n) || !cr_spatial_check_rank(module, inputs[0], 2))
        return 0;
    outputs[0] = (cr_im2col)(inputs[0], WINDOWS(self));
    return outputs[0] != NULL;
}

static int fold_repr(const cr_module *module, char *to, size_t bytes)
{
    const fold *self = (const fold *)(const void *)module;
    cr_text text = {0};
    if (self->output_size.count)
        cr_spatial_repr(&text, "output_size", &self->output_size);
    cr_spatial_repr(&text, self->output_size.count ? ", kernel_size" : "kernel_size",
                    &self->kernel_size);
    cr_spatial_repr(&text, ", dilation", &self->dilation);
    cr_spatial_repr(&text, ", padding", &self->padding);
    cr_spatial_repr(&text, ", stride", &self->stride);
    return cr_repr_finish(&text, to, bytes);
}

/* False, with the error set in who's name, for options that make no sense. */
static bool settle(fold *f, const char *who, const cr_fold_options *o, bool folds)
{
    if (!o)
        return cr_fail("%s: options are needed", who), false;
#define PAIR(member, fallback) cr_spatial_of(2, o->member, o->member##_hw, NULL, fallback)
    *f = (fold){.kernel_size = PAIR(kernel_size, 0),
                .dilation = PAIR(dilation, 1),
                .padding = PAIR(padding, 0),
                .stride = PAIR(stride, 1)};
    if (folds)
        f->output_size = PAIR(output_size, 0);
#undef PAIR
    return cr_spatial_check(who, "output_size", &f->output_size, 1) &&
           cr_spatial_check(who, "kernel_size", &f->kernel_size, 1) &&
           cr_spatial_check(who, "dilation", &f->dilation, 1) &&
           cr_spatial_check(who, "padding", &f->padding, 0) &&
           cr_spatial_check(who, "stride", &f->stride, 1);
}

static cr_module *new_fold(const cr_module_type *type, const cr_fold_options *o, bool folds)
{
    fold f;
    return settle(&f, type->name, o, folds) ? cr_module_new(type, &f) : NULL;
}

/* Unfold's options as Fold's. */
static cr_fold_options windows_of(const cr_unfold_layer_options *o)
{
    cr_fold_options same = {.kernel_size = o->kernel_size,
                            .dilation = o->dilation,
                            .padding = o->padding,
                            .stride = o->stride};
    for (int i = 0; i < 2; i++) {
        same.kernel_size_hw[i] = o->kernel_size_hw[i];
        same.dilation_hw[i] = o->dilation_hw[i];
        same.padding_hw[i] = o->padding_hw[i];
        same.stride_hw[i] = o->stride_hw[i];
    }
    return same;
}

cr_module *cr_fold_layer_with(const cr_fold_options *o)
{
    static const cr_module_type type = {
        .name = "Fold", .size = sizeof(fold), .forward = forward_fold, .extra_repr = fold_repr};
    return new_fold(&type, o, true);
}

cr_module *cr_unfold_layer_with(const cr_unfold_layer_options *o)
{
    static const cr_module_type type = {
        .name = "Unfold", .size = sizeof(fold), .forward = forward_unfold, .extra_repr = fold_repr};
    if (!o)
        return new_fold(&type, NULL, false);
    cr_fold_options same = windows_of(o);
    return new_fold(&type, &same, false);
}

cr_tensor *cr_f_fold_with(cr_tensor *input, const cr_fold_options *o)
{
    fold f;
    return input && settle(&f, "fold", o, true)
               ? (cr_col2im)(input, cr_spatial_ints(&f.output_size), WINDOWS(&f))
               : NULL;
}

cr_tensor *cr_f_unfold_with(cr_tensor *input, const cr_unfold_layer_options *o)
{
    fold f;
    cr_fold_options same = o ? windows_of(o) : (cr_fold_options){0};
    return input && settle(&f, "unfold", o ? &same : NULL, false) ? (cr_im2col)(input, WINDOWS(&f))
                                                                  : NULL;
}
