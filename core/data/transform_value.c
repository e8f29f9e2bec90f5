/* Transforms that change values: to floats, Normalize, Grayscale, ColorJitter. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/error.h"
#include "core/data/transform.h"

static int to_float(const void *options, cr_planes *p, cr_draws *draws)
{
    (void)options, (void)draws;
    for (int64_t i = 0; i < p->channels * p->height * p->width && p->bytes; i++)
        p->pixels[i] /= 255;
    p->bytes = false;
    return 0;
}

cr_transform *cr_transform_to_float(void)
{
    return cr_transform_step("ToTensor", to_float, NULL, 0);
}

/* ---- normalize ---- */

enum { CHANNELS = 8 };

typedef struct norm {
    size_t count;
    double mean[CHANNELS], std[CHANNELS];
} norm;

static int normalize(const void *options, cr_planes *p, cr_draws *draws)
{
    (void)draws;
    const norm *n = options;
    if (p->bytes)
        return CR_FAIL_INT("Normalize: a uint8 image; cr_transform_to_float comes before");
    if (n->count != 1 && n->count != (size_t)p->channels)
        return CR_FAIL_INT("Normalize: %zu means and deviations for %" PRId64 " channels", n->count,
                           p->channels);
    int64_t size = p->height * p->width;
    for (int64_t c = 0; c < p->channels; c++) {
        float mean = (float)n->mean[n->count > 1 ? c : 0],
              std = (float)n->std[n->count > 1 ? c : 0];
        for (int64_t i = 0; i < size; i++)
            p->pixels[c * size + i] = (p->pixels[c * size + i] - mean) / std;
    }
    return 0;
}

cr_transform *cr_transform_normalize_with(const double *mean, size_t nmean, const double *std,
                                          size_t nstd)
{
    norm n = {.count = nmean > nstd ? nmean : nstd};
    if (!nmean || !nstd || n.count > CHANNELS || (nmean != nstd && nmean != 1 && nstd != 1))
        return cr_fail("cr_transform_normalize: %zu means and %zu deviations; expected 1 to %d of "
                       "both",
                       nmean, nstd, CHANNELS);
    for (size_t i = 0; i < n.count; i++) {
        n.mean[i] = mean[nmean > 1 ? i : 0];
        n.std[i] = std[nstd > 1 ? i : 0];
        if (n.std[i] == 0 || !isfinite(n.std[i]) || !isfinite(n.mean[i]))
            return cr_fail("cr_transform_normalize: mean %g, std %g", n.mean[i], n.std[i]);
    }
    return cr_transform_step("Normalize", normalize, &n, sizeof n);
}

/* ---- grey ---- */

static float grey_of(const cr_planes *p, int64_t i)
{
    int64_t size = p->height * p->width;
    return p->channels == 1 ? p->pixels[i]
                            : 0.2989F * p->pixels[i] + 0.587F * p->pixels[size + i] +
                                  0.114F * p->pixels[2 * size + i];
}

static int check_colour(const char *who, const cr_planes *p)
{
    return p->channels == 1 || p->channels == 3
               ? 0
               : CR_FAIL_INT("%s: %" PRId64 " channels, expected 1 or 3", who, p->channels);
}

static int make_grey(cr_planes *p, int64_t channels)
{
    cr_planes from = *p;
    cr_planes shape = {channels, p->height, p->width, NULL, p->bytes};
    if (check_colour("Grayscale", p) || cr_planes_like(&shape, p->height, p->width, p)) {
        *p = from;
        return -1;
    }
    int64_t size = from.height * from.width;
    for (int64_t i = 0; i < size; i++) {
        float v = grey_of(&from, i);
        for (int64_t c = 0; c < channels; c++)
            p->pixels[c * size + i] = from.bytes && from.channels > 1 ? floorf(v) : v;
    }
    cr_planes_free(&from);
    return 0;
}

static int grayscale(const void *options, cr_planes *p, cr_draws *draws)
{
    (void)draws;
    return make_grey(p, *(const int *)options);
}

static int random_grayscale(const void *options, cr_planes *p, cr_draws *draws)
{
    return cr_draw_uniform(draws, 0, 1) < *(const double *)options ? make_grey(p, p->channels) : 0;
}

cr_transform *cr_transform_grayscale(int channels)
{
    if (channels != 1 && channels != 3)
        return cr_fail("cr_transform_grayscale: %d output channels, expected 1 or 3", channels);
    return cr_transform_step("Grayscale", grayscale, &channels, sizeof channels);
}

cr_transform *cr_transform_random_grayscale(double p)
{
    if (!(p >= 0 && p <= 1))
        return cr_fail("cr_transform_random_grayscale: p %g is not between 0 and 1", p);
    return cr_transform_step("RandomGrayscale", random_grayscale, &p, sizeof p);
}

/* ---- colour jitter ---- */

static float clamp(float v, float bound)
{
    return v < 0 ? 0 : v > bound ? bound : v;
}

/* factor · image + (1 - factor) · other, within bounds. */
static void brighten(cr_planes *p, float factor)
{
    for (int64_t i = 0; i < p->channels * p->height * p->width; i++)
        p->pixels[i] = clamp(factor * p->pixels[i], cr_planes_bound(p));
}

static void contrast(cr_planes *p, double by)
{
    float factor = (float)by, rest = (float)(1 - by);
    int64_t size = p->height * p->width;
    double sum = 0;
    for (int64_t i = 0; i < size; i++) {
        float v = grey_of(p, i);
        sum += p->bytes ? floorf(v) : v;
    }
    float mean = size ? (float)(sum / (double)size) : 0;
    for (int64_t i = 0; i < p->channels * size; i++)
        p->pixels[i] = clamp(factor * p->pixels[i] + rest * mean, cr_planes_bound(p));
}

static void saturate(cr_planes *p, double by)
{
    float factor = (float)by, rest = (float)(1 - by);
    int64_t size = p->height * p->width;
    for (int64_t i = 0; i < size && p->channels == 3; i++) {
        float grey = grey_of(p, i);
        if (p->bytes)
            grey = floorf(grey);
        for (int64_t c = 0; c < 3; c++) {
            float *v = &p->pixels[c * size + i];
            *v = clamp(factor * *v + rest * grey, cr_planes_bound(p));
        }
    }
}

/* The hue on the HSV circle, from 0 to 1. */
static float hue_of(float r, float g, float b, float high, float range)
{
    float red = (high - r) / range, green = (high - g) / range, blue = (high - b) / range;
    float h = r == high ? blue - green : g == high ? 2 + red - blue : 4 + green - red;
    h = h / 6 + 1;
    return h - floorf(h);
}

static void shift_hue(cr_planes *p, float shift)
{
    int64_t size = p->height * p->width;
    float bound = cr_planes_bound(p);
    for (int64_t i = 0; i < size && p->channels == 3; i++) {
        float *r = &p->pixels[i], *g = r + size, *b = g + size;
        float high = fmaxf(*r, fmaxf(*g, *b)) / bound, low = fminf(*r, fminf(*g, *b)) / bound;
        float range = high - low, s = high > 0 ? range / high : 0;
        float h = range > 0 ? hue_of(*r / bound, *g / bound, *b / bound, high, range) : 0;
        h += shift;
        h = (h - floorf(h)) * 6;
        float sector = floorf(h), f = h - sector;
        float dark = clamp(high * (1 - s), 1), falling = clamp(high * (1 - s * f), 1),
              rising = clamp(high * (1 - s * (1 - f)), 1);
        const float rgb[6][3] = {{high, rising, dark}, {falling, high, dark},
                                 {dark, high, rising}, {dark, falling, high},
                                 {rising, dark, high}, {high, dark, falling}};
        const float *now = rgb[(int)sector % 6];
        *r = now[0] * bound;
        *g = now[1] * bound;
        *b = now[2] * bound;
    }
}

/* What is drawn for brightness, contrast, saturation and hue; used where it isn't 0 to 0 for hue, 1 to 1 for the others. */
typedef struct ranges {
    double low[4], high[4];
} ranges;

static int jitter(const void *options, cr_planes *p, cr_draws *draws)
{
    const ranges *r = options;
    int64_t order[4] = {0, 1, 2, 3};
    if (check_colour("ColorJitter", p))
        return -1;
    cr_random_shuffle(&draws->random, order, 4, 4);
    for (int i = 0; i < 4; i++) {
        int k = (int)order[i];
        double nothing = k == 3 ? 0 : 1;
        if (r->low[k] == nothing && r->high[k] == nothing)
            continue;
        double factor = cr_draw_uniform(draws, r->low[k], r->high[k]);
        if (k == 0)
            brighten(p, (float)factor);
        else if (k == 1)
            contrast(p, factor);
        else if (k == 2)
            saturate(p, factor);
        else
            shift_hue(p, (float)factor);
        for (int64_t j = 0; j < p->channels * p->height * p->width && p->bytes; j++)
            p->pixels[j] = floorf(p->pixels[j]); /* bytes stay bytes from step to step */
    }
    return 0;
}

cr_transform *cr_transform_color_jitter_with(const cr_color_jitter_options *o)
{
    static const char *const names[] = {"brightness", "contrast", "saturation", "hue"};
    const double by[4] = {o->brightness, o->contrast, o->saturation, o->hue};
    const double *const given[4] = {o->brightness_range, o->contrast_range, o->saturation_range,
                                    o->hue_range};
    ranges r;
    for (int k = 0; k < 4; k++) {
        bool two = given[k][0] != 0 || given[k][1] != 0;
        r.low[k] = two ? given[k][0] : k == 3 ? -by[k] : fmax(0, 1 - by[k]);
        r.high[k] = two ? given[k][1] : k == 3 ? by[k] : 1 + by[k];
        if (!(by[k] >= 0 && r.low[k] <= r.high[k] && r.low[k] >= (k == 3 ? -0.5 : 0) &&
              r.high[k] <= (k == 3 ? 0.5 : 1e6)))
            return cr_fail("cr_transform_color_jitter: %s from %g to %g; expected %s", names[k],
                           r.low[k], r.high[k], k == 3 ? "-0.5 to 0.5" : "factors from 0 on");
    }
    return cr_transform_step("ColorJitter", jitter, &r, sizeof r);
}
