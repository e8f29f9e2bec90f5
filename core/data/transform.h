/* Transforms from inside: an image as planes of floats, and how a step is written. */
#ifndef CRESSET_CORE_DATA_TRANSFORM_H
#define CRESSET_CORE_DATA_TRANSFORM_H

#include <cresset/transforms.h>

#include "core/data/random.h"

struct cr_draws {
    cr_random random;
};

/* Channels of height × width pixels, dense; bytes when it came as uint8, and then from 0 to 255. */
typedef struct cr_planes {
    int64_t channels, height, width;
    float *pixels;
    bool bytes;
} cr_planes;

/* Copies an image (C, H, W), uint8 or float32. Returns 0, or -1 with the error set. */
int cr_planes_read(const char *who, const cr_tensor *image, cr_planes *planes);
/* Planes of the same channels and kind, without values. Returns 0, or -1 with the error set. */
int cr_planes_like(const cr_planes *from, int64_t height, int64_t width, cr_planes *planes);
/* The planes as a tensor of the scope; frees them. Takes pixels null: then null. */
cr_tensor *cr_planes_finish(cr_planes *planes);
void cr_planes_free(cr_planes *planes);

/* The largest value: 255 or 1. */
static inline float cr_planes_bound(const cr_planes *planes)
{
    return planes->bytes ? 255.0F : 1.0F;
}

/* Each makes new planes in place of the old ones. Returns 0, or -1 with the error set (planes freed or not, still to be freed). */
/* The part from top, left on; what lies outside is zero. */
int cr_planes_crop(cr_planes *planes, int64_t top, int64_t left, int64_t height, int64_t width);
int cr_planes_pad(cr_planes *planes, const int64_t ltrb[4], double fill, cr_pad_mode mode);
int cr_planes_resize(cr_planes *planes, int64_t height, int64_t width, bool nearest,
                     bool antialias);
void cr_planes_flip(cr_planes *planes, bool horizontal);

/* A step of one's own struct of options, copied: changes planes. */
typedef int (*cr_step_function)(const void *options, cr_planes *planes, cr_draws *draws);
cr_transform *cr_transform_step(const char *name, cr_step_function function, const void *options,
                                size_t bytes);

/* As cr_transform_apply, with draws at hand. */
cr_tensor *cr_transform_run(cr_transform *transform, cr_tensor *image, cr_draws *draws);

#endif
