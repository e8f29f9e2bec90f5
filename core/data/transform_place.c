/* Transforms that move pixels: torchvision's Resize, crops, flips, RandomRotation, Pad. */
#include <inttypes.h>
#include <math.h>

#include "core/base/error.h"
#include "core/data/transform.h"

/* ---- resize ---- */

/* The shorter edge becomes size, the other keeps the ratio, rounded down. */
static void fit(const cr_planes *p, int64_t size, int64_t to[2])
{
    bool tall = p->height >= p->width;
    int64_t shorter = tall ? p->width : p->height, longer = tall ? p->height : p->width;
    int64_t other = shorter > 0 ? (int64_t)((double)size * (double)longer / (double)shorter) : size;
    to[0] = tall ? other : size;
    to[1] = tall ? size : other;
}

static int resize(const void *options, cr_planes *p, cr_draws *draws)
{
    (void)draws;
    const cr_resize_options *o = options;
    int64_t to[2] = {o->size_hw[0], o->size_hw[1]};
    if (o->size)
        fit(p, o->size, to);
    return cr_planes_resize(p, to[0], to[1], o->nearest, !o->no_antialias);
}

static bool good_size(const char *who, int64_t size, const int64_t hw[2])
{
    if ((size > 0 && !hw[0] && !hw[1]) || (!size && hw[0] > 0 && hw[1] > 0))
        return true;
    cr_fail("%s: give .size or .size_hw, above 0", who);
    return false;
}

cr_transform *cr_transform_resize_with(const cr_resize_options *o)
{
    if (!good_size("cr_transform_resize", o->size, o->size_hw))
        return NULL;
    return cr_transform_step("Resize", resize, o, sizeof *o);
}

/* ---- crops ---- */

static int center_crop(const void *options, cr_planes *p, cr_draws *draws)
{
    (void)draws;
    const int64_t *to = options;
    int64_t more_h = to[0] > p->height ? to[0] - p->height : 0,
            more_w = to[1] > p->width ? to[1] - p->width : 0;
    const int64_t ltrb[4] = {more_w / 2, more_h / 2, (more_w + 1) / 2, (more_h + 1) / 2};
    if ((more_h || more_w) && cr_planes_pad(p, ltrb, 0, CR_PAD_CONSTANT))
        return -1;
    /* Python's round, to even, as torchvision has it */
    int64_t top = (int64_t)nearbyint((double)(p->height - to[0]) / 2),
            left = (int64_t)nearbyint((double)(p->width - to[1]) / 2);
    return cr_planes_crop(p, top, left, to[0], to[1]);
}

cr_transform *cr_transform_center_crop(int64_t height, int64_t width)
{
    const int64_t to[2] = {height, width};
    if (height < 1 || width < 1)
        return cr_fail("cr_transform_center_crop: %" PRId64 "x%" PRId64 " is no size", height,
                       width);
    return cr_transform_step("CenterCrop", center_crop, to, sizeof to);
}

static int random_crop(const void *options, cr_planes *p, cr_draws *draws)
{
    const cr_random_crop_options *o = options;
    int64_t h = o->size ? o->size : o->size_hw[0], w = o->size ? o->size : o->size_hw[1];
    const int64_t all[4] = {o->padding, o->padding, o->padding, o->padding};
    if (o->padding && cr_planes_pad(p, all, o->fill, o->padding_mode))
        return -1;
    int64_t more_w = w > p->width ? w - p->width : 0, more_h = h > p->height ? h - p->height : 0;
    const int64_t across[4] = {more_w, 0, more_w, 0}, down[4] = {0, more_h, 0, more_h};
    if (o->pad_if_needed && more_w && cr_planes_pad(p, across, o->fill, o->padding_mode))
        return -1;
    if (o->pad_if_needed && more_h && cr_planes_pad(p, down, o->fill, o->padding_mode))
        return -1;
    if (h > p->height || w > p->width)
        return CR_FAIL_INT("RandomCrop: %" PRId64 "x%" PRId64 " is larger than the image's %" PRId64
                           "x%" PRId64,
                           h, w, p->height, p->width);
    int64_t top = cr_draw_below(draws, p->height - h + 1),
            left = cr_draw_below(draws, p->width - w + 1);
    return cr_planes_crop(p, top, left, h, w);
}

cr_transform *cr_transform_random_crop_with(const cr_random_crop_options *o)
{
    if (!good_size("cr_transform_random_crop", o->size, o->size_hw))
        return NULL;
    return cr_transform_step("RandomCrop", random_crop, o, sizeof *o);
}

/* Where a crop of random area and ratio lies: ten tries, then the middle. */
static void choose(const cr_random_resized_crop_options *o, const cr_planes *p, cr_draws *draws,
                   int64_t box[4])
{
    double area = (double)p->height * (double)p->width;
    for (int i = 0; i < 10; i++) {
        double target = area * cr_draw_uniform(draws, o->scale[0], o->scale[1]);
        double ratio = exp(cr_draw_uniform(draws, log(o->ratio[0]), log(o->ratio[1])));
        int64_t w = (int64_t)nearbyint(sqrt(target * ratio)),
                h = (int64_t)nearbyint(sqrt(target / ratio));
        if (w > 0 && w <= p->width && h > 0 && h <= p->height) {
            box[0] = cr_draw_below(draws, p->height - h + 1);
            box[1] = cr_draw_below(draws, p->width - w + 1);
            box[2] = h;
            box[3] = w;
            return;
        }
    }
    double ratio = (double)p->width / (double)p->height;
    int64_t w = p->width, h = p->height;
    if (ratio < o->ratio[0])
        h = (int64_t)nearbyint((double)w / o->ratio[0]);
    else if (ratio > o->ratio[1])
        w = (int64_t)nearbyint((double)h * o->ratio[1]);
    box[0] = (p->height - h) / 2;
    box[1] = (p->width - w) / 2;
    box[2] = h;
    box[3] = w;
}

static int random_resized_crop(const void *options, cr_planes *p, cr_draws *draws)
{
    const cr_random_resized_crop_options *o = options;
    int64_t box[4], h = o->size ? o->size : o->size_hw[0], w = o->size ? o->size : o->size_hw[1];
    if (p->height < 1 || p->width < 1)
        return CR_FAIL_INT("RandomResizedCrop: the image has no pixels");
    choose(o, p, draws, box);
    return cr_planes_crop(p, box[0], box[1], box[2], box[3]) ||
           cr_planes_resize(p, h, w, o->nearest, !o->no_antialias);
}

cr_transform *cr_transform_random_resized_crop_with(const cr_random_resized_crop_options *given)
{
    static const char name[] = "cr_transform_random_resized_crop";
    cr_random_resized_crop_options o = *given;
    if (!good_size(name, o.size, o.size_hw))
        return NULL;
    if (o.scale[0] == 0 && o.scale[1] == 0)
        o.scale[0] = 0.08, o.scale[1] = 1;
    if (o.ratio[0] == 0 && o.ratio[1] == 0)
        o.ratio[0] = 3.0 / 4, o.ratio[1] = 4.0 / 3;
    if (!(o.scale[0] >= 0 && o.scale[0] <= o.scale[1] && o.ratio[0] > 0 &&
          o.ratio[0] <= o.ratio[1] && isfinite(o.scale[1]) && isfinite(o.ratio[1])))
        return cr_fail("%s: scale %g to %g or ratio %g to %g is no range", name, o.scale[0],
                       o.scale[1], o.ratio[0], o.ratio[1]);
    return cr_transform_step("RandomResizedCrop", random_resized_crop, &o, sizeof o);
}

/* ---- flips ---- */

static int flip_across(const void *options, cr_planes *p, cr_draws *draws)
{
    if (cr_draw_uniform(draws, 0, 1) < *(const double *)options)
        cr_planes_flip(p, true);
    return 0;
}

static int flip_down(const void *options, cr_planes *p, cr_draws *draws)
{
    if (cr_draw_uniform(draws, 0, 1) < *(const double *)options)
        cr_planes_flip(p, false);
    return 0;
}

cr_transform *cr_transform_random_horizontal_flip(double p)
{
    if (!(p >= 0 && p <= 1))
        return cr_fail("cr_transform_random_horizontal_flip: p %g is not between 0 and 1", p);
    return cr_transform_step("RandomHorizontalFlip", flip_across, &p, sizeof p);
}

cr_transform *cr_transform_random_vertical_flip(double p)
{
    if (!(p >= 0 && p <= 1))
        return cr_fail("cr_transform_random_vertical_flip: p %g is not between 0 and 1", p);
    return cr_transform_step("RandomVerticalFlip", flip_down, &p, sizeof p);
}

/* ---- rotation ---- */

/* The pixel at whole coordinates, or fill outside. */
static float pixel(const cr_planes *p, int64_t c, double y, double x, double fill)
{
    if (!(y >= 0 && y < (double)p->height && x >= 0 && x < (double)p->width))
        return (float)fill;
    return p->pixels[(c * p->height + (int64_t)y) * p->width + (int64_t)x];
}

static float sample(const cr_planes *p, int64_t c, double y, double x,
                    const cr_random_rotation_options *o)
{
    if (!o->bilinear)
        return pixel(p, c, nearbyint(y), nearbyint(x), o->fill);
    double top = floor(y), left = floor(x), v = y - top, u = x - left;
    return (float)((1 - v) * ((1 - u) * pixel(p, c, top, left, o->fill) +
                              u * pixel(p, c, top, left + 1, o->fill)) +
                   v * ((1 - u) * pixel(p, c, top + 1, left, o->fill) +
                        u * pixel(p, c, top + 1, left + 1, o->fill)));
}

/* Each pixel is taken from where it was before turning: the inverse turn of its place. */
static int rotate(const void *options, cr_planes *p, cr_draws *draws)
{
    const cr_random_rotation_options *o = options;
    cr_planes to;
    if (cr_planes_like(p, p->height, p->width, &to))
        return -1;
    double angle = cr_draw_uniform(draws, o->range[0], o->range[1]) * 3.14159265358979323846 / 180;
    double s = sin(angle), c = cos(angle), middle_x = (double)(p->width - 1) / 2,
           middle_y = (double)(p->height - 1) / 2;
    float *at = to.pixels;
    for (int64_t channel = 0; channel < p->channels; channel++)
        for (int64_t i = 0; i < p->height; i++)
            for (int64_t j = 0; j < p->width; j++) {
                double x = (double)j - middle_x, y = (double)i - middle_y;
                *at++ = sample(p, channel, s * x + c * y + middle_y, c * x - s * y + middle_x, o);
            }
    cr_planes_free(p);
    *p = to;
    return 0;
}

cr_transform *cr_transform_random_rotation_with(const cr_random_rotation_options *given)
{
    cr_random_rotation_options o = *given;
    if (o.degrees != 0) {
        o.range[0] = -o.degrees;
        o.range[1] = o.degrees;
    }
    if (o.degrees < 0 || !isfinite(o.range[0]) || !isfinite(o.range[1]) || o.range[0] > o.range[1])
        return cr_fail("cr_transform_random_rotation: %g to %g degrees is no range", o.range[0],
                       o.range[1]);
    return cr_transform_step("RandomRotation", rotate, &o, sizeof o);
}

/* ---- pad ---- */

static int pad(const void *options, cr_planes *p, cr_draws *draws)
{
    (void)draws;
    const cr_transform_pad_options *o = options;
    const int64_t all[4] = {o->padding, o->padding, o->padding, o->padding};
    return cr_planes_pad(p, o->padding ? all : o->padding_ltrb, o->fill, o->padding_mode);
}

cr_transform *cr_transform_pad_with(const cr_transform_pad_options *o)
{
    return cr_transform_step("Pad", pad, o, sizeof *o);
}
