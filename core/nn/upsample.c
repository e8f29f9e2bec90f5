/* Upsample, UpsamplingNearest2d and UpsamplingBilinear2d, and interpolate, which is all that they do. */
#include <stdio.h>
#include <string.h>

#include <cresset/call.h>
#include <cresset/functional.h>

#include "core/nn/spatial.h"

typedef struct upsample {
    cr_module module;
    cr_spatial size; /* count 0: by factors; listed false: one number for all dimensions */
    double factor[3];
    int nfactors; /* 1: for all dimensions */
    const char *mode;
    bool align_corners, recompute, antialias;
} upsample;

static const struct {
    const char *mode, *operation;
    int dims; /* 0: all, and the operation's name goes on with them */
    bool aligns, antialiases;
} modes[] = {{"nearest", "upsample_nearest", 0, false, false},
             {"nearest-exact", "_upsample_nearest_exact", 0, false, false},
             {"linear", "upsample_linear", 1, true, false},
             {"bilinear", "upsample_bilinear", 2, true, true},
             {"bicubic", "upsample_bicubic", 2, true, true},
             {"trilinear", "upsample_trilinear", 3, true, false},
             {"area", "adaptive_avg_pool", 0, false, false}};

static int mode_of(const char *name)
{
    for (int i = 0; i < (int)(sizeof modes / sizeof *modes); i++)
        if (!strcmp(modes[i].mode, name))
            return i;
    return -1;
}

/* What a layer of that name computes. */
static cr_tensor *resampled(const char *who, const upsample *self, cr_tensor *input)
{
    int dims = cr_tensor_dim(input) - 2, mode = mode_of(self->mode);
    int wanted = modes[mode].dims     ? modes[mode].dims
                 : self->size.listed  ? self->size.count
                 : self->nfactors > 1 ? self->nfactors
                                      : dims;
    if (dims < 1 || dims > 3 || dims != wanted)
        return cr_fail("%s: mode %s%s takes an input of %d dimensions, got %s", who, self->mode,
                       modes[mode].dims ? "" : " with these sizes", wanted < 1 ? 3 : wanted + 2,
                       cr_shape_text(input));
    int64_t size[3];
    double factor[3];
    for (int i = 0; i < dims; i++) {
        factor[i] = self->factor[self->nfactors > 1 ? i : 0];
        size[i] = self->size.count ? self->size.at[self->size.listed ? i : 0]
                                   : (int64_t)((double)cr_tensor_sizes(input)[i + 2] * factor[i]);
    }
    bool area = !strcmp(self->mode, "area"), sized = self->size.count || self->recompute || area;
    cr_value arguments[4] = {{.tag = CR_TENSOR, .as.tensor = input}}, result = {0};
    int count = 1;
    if (sized)
        arguments[count] = (cr_value){.tag = CR_INT_LIST, .count = dims, .as.ints = size};
    count++;
    if (modes[mode].aligns)
        arguments[count++] = (cr_value){.tag = CR_BOOL, .as.i = self->align_corners};
    if (!sized) /* a list or none */
        arguments[count] = (cr_value){.tag = CR_FLOAT_LIST, .count = dims, .as.floats = factor};
    count += !area;
    char name[48];
    snprintf(name, sizeof name, "%s%s%dd%s%s", self->antialias ? "_" : "", modes[mode].operation,
             dims, self->antialias ? "_aa" : "", area ? "" : ".vec");
    if (cr_call(name, arguments, (size_t)count, NULL, 0, &result, 1, NULL))
        return NULL;
    return result.as.tensor;
}

static size_t forward_upsample(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    outputs[0] = resampled(module->type->name, (const upsample *)(const void *)module, inputs[0]);
    return outputs[0] != NULL;
}

static int upsample_repr(const cr_module *module, char *to, size_t bytes)
{
    const upsample *self = (const upsample *)(const void *)module;
    cr_text text = {0};
    if (self->size.count) {
        cr_spatial_repr(&text, "size", &self->size);
    } else {
        cr_text_add(&text, self->nfactors > 1 ? "scale_factor=(" : "scale_factor=");
        for (int i = 0; i < self->nfactors; i++) {
            cr_text_add(&text, i ? ", " : "");
            cr_repr_float(&text, self->factor[i]);
        }
        cr_text_add(&text, self->nfactors > 1 ? ")" : "");
    }
    cr_text_add(&text, ", mode=%s", self->mode);
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type types[] = {
    {.name = "Upsample",
     .size = sizeof(upsample),
     .forward = forward_upsample,
     .extra_repr = upsample_repr},
    {.name = "UpsamplingNearest2d",
     .size = sizeof(upsample),
     .forward = forward_upsample,
     .extra_repr = upsample_repr},
    {.name = "UpsamplingBilinear2d",
     .size = sizeof(upsample),
     .forward = forward_upsample,
     .extra_repr = upsample_repr},
};

/* The size and the factors as they were given: a list of two or three, or one number. */
static void read_options(upsample *u, const cr_upsample_options *o)
{
    const int64_t *size = o->size_dhw[0] ? o->size_dhw : o->size_hw[0] ? o->size_hw : &o->size;
    const double *factor = o->scale_factor_dhw[0] != 0  ? o->scale_factor_dhw
                           : o->scale_factor_hw[0] != 0 ? o->scale_factor_hw
                                                        : &o->scale_factor;
    int nsizes = o->size_dhw[0] ? 3 : o->size_hw[0] ? 2 : o->size != 0;
    u->size = (cr_spatial){.count = nsizes, .listed = nsizes > 1};
    memcpy(u->size.at, size, (size_t)(nsizes ? nsizes : 1) * sizeof *size);
    u->nfactors = o->scale_factor_dhw[0] != 0  ? 3
                  : o->scale_factor_hw[0] != 0 ? 2
                                               : o->scale_factor != 0;
    memcpy(u->factor, factor, (size_t)(u->nfactors ? u->nfactors : 1) * sizeof *factor);
    u->recompute = o->recompute_scale_factor;
}

/* Null, with the error set in who's name, for options that make no sense. */
static upsample *settle(upsample *u, const char *who, const cr_upsample_options *o,
                        const char *mode, bool align_corners)
{
    if (!o)
        return cr_fail("%s: a size or a scale_factor is needed", who);
    *u = (upsample){.align_corners = align_corners, .antialias = o->antialias};
    read_options(u, o);
    int number = mode_of(mode);
    if (number < 0)
        return cr_fail("%s: there is no mode %s (nearest, nearest-exact, linear, bilinear, "
                       "bicubic, trilinear, area)",
                       who, mode);
    u->mode = modes[number].mode; /* which lives as long as a layer */
    if (!u->size.count == !u->nfactors)
        return cr_fail("%s: only one of size or scale_factor should be defined, %s", who,
                       u->nfactors ? "both are" : "none is");
    if (align_corners && !modes[number].aligns)
        return cr_fail("%s: align_corners can't be set with mode %s", who, mode);
    if (o->antialias && !modes[number].antialiases)
        return cr_fail("%s: Anti-alias option is only supported for bilinear and bicubic modes, "
                       "not %s",
                       who, mode);
    if (u->recompute && u->size.count)
        return cr_fail("%s: recompute_scale_factor is not meaningful with an explicit size", who);
    for (int i = 0; i < u->nfactors; i++)
        if (!(u->factor[i] > 0))
            return cr_fail("%s: scale_factor must be positive, got %g", who, u->factor[i]);
    return cr_spatial_check(who, "size", &u->size, 1) ? u : NULL;
}

static cr_module *new_upsample(const cr_module_type *type, const cr_upsample_options *o,
                               const char *mode, bool align_corners)
{
    upsample u;
    if (CR_OPTION(o, antialias))
        return cr_fail("%s: takes no antialias, only interpolate does", type->name);
    return settle(&u, type->name, o, mode, align_corners) ? cr_module_new(type, &u) : NULL;
}

static cr_tensor *interpolated(const char *who, cr_tensor *input, const cr_upsample_options *o,
                               const char *mode, bool align_corners)
{
    upsample u;
    return input && settle(&u, who, o, mode, align_corners) ? resampled(who, &u, input) : NULL;
}

cr_tensor *cr_interpolate_with(cr_tensor *input, const cr_upsample_options *o)
{
    return interpolated("interpolate", input, o, o && o->mode ? o->mode : "nearest",
                        CR_OPTION(o, align_corners));
}

cr_tensor *cr_upsample_nearest_with(cr_tensor *input, const cr_upsample_options *o)
{
    return interpolated("upsample_nearest", input, o, "nearest", false);
}

cr_tensor *cr_upsample_bilinear_with(cr_tensor *input, const cr_upsample_options *o)
{
    return interpolated("upsample_bilinear", input, o, "bilinear", true);
}

cr_module *cr_upsample_with(const cr_upsample_options *o)
{
    return new_upsample(&types[0], o, o && o->mode ? o->mode : "nearest",
                        CR_OPTION(o, align_corners));
}

cr_module *cr_upsampling_nearest2d_with(const cr_upsample_options *o)
{
    return new_upsample(&types[1], o, "nearest", false);
}

cr_module *cr_upsampling_bilinear2d_with(const cr_upsample_options *o)
{
    return new_upsample(&types[2], o, "bilinear", true);
}
