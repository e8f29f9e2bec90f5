/* What moves pixels: crops, borders, flips, resizing. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/data/transform.h"

static void replace(cr_planes *planes, cr_planes *by)
{
    cr_planes_free(planes);
    *planes = *by;
}

int cr_planes_crop(cr_planes *p, int64_t top, int64_t left, int64_t height, int64_t width)
{
    cr_planes to;
    if (cr_planes_like(p, height, width, &to))
        return -1;
    float *at = to.pixels;
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t y = top; y < top + height; y++)
            for (int64_t x = left; x < left + width; x++)
                *at++ = y >= 0 && y < p->height && x >= 0 && x < p->width
                            ? p->pixels[(c * p->height + y) * p->width + x]
                            : 0;
    replace(p, &to);
    return 0;
}

/* Where a coordinate outside of 0…size - 1 is taken from; -1: from nowhere. */
static int64_t reflect(int64_t i, int64_t size, cr_pad_mode mode)
{
    if (i >= 0 && i < size)
        return i;
    switch (mode) {
    case CR_PAD_EDGE: return i < 0 ? 0 : size - 1;
    case CR_PAD_REFLECT: return i < 0 ? -i : 2 * size - 2 - i;
    case CR_PAD_SYMMETRIC: return i < 0 ? -i - 1 : 2 * size - 1 - i;
    default: return -1;
    }
}

int cr_planes_pad(cr_planes *p, const int64_t ltrb[4], double fill, cr_pad_mode mode)
{
    int64_t most = 0;
    for (int i = 0; i < 4; i++) {
        most = ltrb[i] > most ? ltrb[i] : most;
        if (ltrb[i] < 0 || ltrb[i] > 1 << 24)
            return CR_FAIL_INT("padding of %" PRId64 " is negative or too large", ltrb[i]);
    }
    int64_t least = p->height < p->width ? p->height : p->width;
    if ((mode == CR_PAD_REFLECT && most >= least) || (mode == CR_PAD_SYMMETRIC && most > least))
        return CR_FAIL_INT("padding of %" PRId64 " reflects further than an image of %" PRId64
                           "x%" PRId64 " goes",
                           most, p->height, p->width);
    cr_planes to;
    if (cr_planes_like(p, p->height + ltrb[1] + ltrb[3], p->width + ltrb[0] + ltrb[2], &to))
        return -1;
    float *at = to.pixels;
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t y = 0; y < to.height; y++)
            for (int64_t x = 0; x < to.width; x++) {
                int64_t from_y = reflect(y - ltrb[1], p->height, mode),
                        from_x = reflect(x - ltrb[0], p->width, mode);
                *at++ = from_y < 0 || from_x < 0
                            ? (float)fill
                            : p->pixels[(c * p->height + from_y) * p->width + from_x];
            }
    replace(p, &to);
    return 0;
}

void cr_planes_flip(cr_planes *p, bool horizontal)
{
    for (int64_t c = 0; c < p->channels; c++) {
        float *plane = p->pixels + c * p->height * p->width;
        int64_t ys = horizontal ? p->height : p->height / 2,
                xs = horizontal ? p->width / 2 : p->width;
        for (int64_t y = 0; y < ys; y++)
            for (int64_t x = 0; x < xs; x++) {
                float *a = &plane[y * p->width + x],
                      *b = horizontal ? &plane[y * p->width + p->width - 1 - x]
                                      : &plane[(p->height - 1 - y) * p->width + x];
                float v = *a;
                *a = *b;
                *b = v;
            }
    }
}

/* ---- resizing ---- */

/* Weights of one direction: output i is the sum of weights[i * span + k] times input first[i] + k. */
typedef struct filter {
    int64_t *first;
    float *weights;
    int64_t span;
} filter;

static void free_filter(filter *f)
{
    free(f->first);
    free(f->weights);
}

/* Bilinear: a triangle about the pixel's centre, as wide as a pixel of the input; with antialias as
 * wide as one of the output where that is larger, cut off at the image's edge and scaled to 1. */
static int make_filter(filter *f, int64_t from, int64_t to, bool nearest, bool antialias)
{
    double scale = (double)from / (double)to, support = antialias && scale > 1 ? scale : 1;
    f->span = nearest ? 1 : (int64_t)ceil(support) * 2 + 1;
    f->first = calloc((size_t)to, sizeof *f->first);
    f->weights = calloc((size_t)to * (size_t)f->span, sizeof *f->weights);
    if (!f->first || !f->weights)
        return cr_fail_memory("resizing", (size_t)to * (size_t)f->span * sizeof *f->weights), -1;
    for (int64_t i = 0; i < to; i++) {
        float *w = f->weights + i * f->span;
        if (nearest) {
            int64_t at = (int64_t)floor((double)i * scale);
            f->first[i] = at < from ? at : from - 1;
            w[0] = 1;
            continue;
        }
        double centre = scale * ((double)i + 0.5), sum = 0;
        int64_t low = (int64_t)(centre - support + 0.5), high = (int64_t)(centre + support + 0.5);
        low = low < 0 ? 0 : low;
        high = high > from ? from : high;
        f->first[i] = low;
        for (int64_t k = low; k < high && k - low < f->span; k++) {
            double distance = fabs(((double)k + 0.5 - centre) / support);
            w[k - low] = (float)(distance < 1 ? 1 - distance : 0);
            sum += w[k - low];
        }
        for (int64_t k = 0; k < f->span; k++)
            w[k] = (float)(w[k] / sum);
    }
    return 0;
}

/* Along x, from lines of p to lines of to. */
static void filter_rows(const cr_planes *p, cr_planes *to, const filter *f)
{
    for (int64_t line = 0; line < p->channels * p->height; line++) {
        const float *from = p->pixels + line * p->width;
        float *at = to->pixels + line * to->width;
        for (int64_t i = 0; i < to->width; i++) {
            const float *w = f->weights + i * f->span;
            float sum = 0;
            for (int64_t k = 0; k < f->span && f->first[i] + k < p->width; k++)
                sum += w[k] * from[f->first[i] + k];
            at[i] = sum;
        }
    }
}

static void filter_columns(const cr_planes *p, cr_planes *to, const filter *f)
{
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t i = 0; i < to->height; i++) {
            const float *w = f->weights + i * f->span;
            float *at = to->pixels + (c * to->height + i) * to->width;
            memset(at, 0, (size_t)to->width * sizeof *at);
            for (int64_t k = 0; k < f->span && f->first[i] + k < p->height; k++) {
                const float *from = p->pixels + (c * p->height + f->first[i] + k) * p->width;
                for (int64_t x = 0; x < to->width; x++)
                    at[x] += w[k] * from[x];
            }
        }
}

int cr_planes_resize(cr_planes *p, int64_t height, int64_t width, bool nearest, bool antialias)
{
    if (height == p->height && width == p->width)
        return 0;
    if (p->height < 1 || p->width < 1)
        return CR_FAIL_INT("an image without pixels can't be resized");
    filter across = {0}, down = {0};
    cr_planes wide = {0}, to = {0};
    int status = cr_planes_like(p, p->height, width, &wide) ||
                 cr_planes_like(p, height, width, &to) ||
                 make_filter(&across, p->width, width, nearest, antialias) ||
                 make_filter(&down, p->height, height, nearest, antialias);
    if (!status) {
        filter_rows(p, &wide, &across);
        filter_columns(&wide, &to, &down);
        replace(p, &to);
    } else {
        cr_planes_free(&to);
    }
    cr_planes_free(&wide);
    free_filter(&across);
    free_filter(&down);
    return status ? -1 : 0;
}
