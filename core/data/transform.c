/* The transform object, those made of others, and images as planes of floats. */
#include "core/data/transform.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/io/memory.h"

struct cr_transform {
    atomic_int refs;
    cr_transform_function function;
    void *context;
    void (*destroy)(void *context);
};

double cr_draw_uniform(cr_draws *draws, double low, double high)
{
    return low + (high - low) * cr_random_double(&draws->random);
}

int64_t cr_draw_below(cr_draws *draws, int64_t below)
{
    return below > 0 ? (int64_t)cr_random_below(&draws->random, (uint64_t)below) : 0;
}

static void release(void *transform)
{
    cr_transform_release(transform);
}

cr_transform *cr_transform_new(cr_transform_function function, void *context,
                               void (*destroy)(void *context))
{
    cr_transform *t = function ? malloc(sizeof *t) : NULL;
    if (!t) {
        if (destroy)
            destroy(context);
        return function ? cr_fail_memory("a transform", sizeof *t)
                        : cr_fail("cr_transform_new: the function is null");
    }
    *t = (cr_transform){.refs = 1, .function = function, .context = context, .destroy = destroy};
    return cr_scope_add(t, release);
}

cr_transform *cr_transform_retain(cr_transform *t)
{
    if (t)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void cr_transform_release(cr_transform *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (t->destroy)
        t->destroy(t->context);
    free(t);
}

cr_tensor *cr_transform_run(cr_transform *t, cr_tensor *image, cr_draws *draws)
{
    if (!image)
        return cr_fail("a transform: the image is null");
    cr_tensor *result = t->function(t->context, image, draws);
    return result || cr_error() ? result : cr_fail("a transform failed and said nothing");
}

cr_tensor *cr_transform_apply(cr_transform *t, cr_tensor *image, uint64_t seed, uint64_t stream)
{
    if (!t)
        return cr_fail("cr_transform_apply: the transform is null");
    cr_draws draws = {cr_random_begin(seed, stream)};
    return cr_transform_run(t, image, &draws);
}

/* ---- of others ---- */

typedef struct several {
    double p;
    size_t count;
    cr_transform *items[];
} several;

static void drop(void *context)
{
    several *s = context;
    for (size_t i = 0; i < s->count; i++)
        cr_transform_release(s->items[i]);
    free(s);
}

static cr_transform *combine(const char *name, cr_transform_function function,
                             cr_transform *const *items, size_t count, double p)
{
    for (size_t i = 0; i < count; i++)
        if (!items[i])
            return cr_fail("%s: transform %zu is null", name, i);
    several *s = count && count < 1024 ? malloc(sizeof *s + count * sizeof *items) : NULL;
    if (!s)
        return count && count < 1024
                   ? cr_fail_memory("a transform", count * sizeof *items)
                   : cr_fail("%s: needs 1 to 1023 transforms, not %zu", name, count);
    *s = (several){.p = p, .count = count};
    for (size_t i = 0; i < count; i++)
        s->items[i] = cr_transform_retain(items[i]);
    return cr_transform_new(function, s, drop);
}

static cr_tensor *all(void *context, cr_tensor *image, cr_draws *draws)
{
    several *s = context;
    for (size_t i = 0; i < s->count && image; i++)
        image = cr_transform_run(s->items[i], image, draws);
    return image;
}

static cr_tensor *one(void *context, cr_tensor *image, cr_draws *draws)
{
    several *s = context;
    return cr_transform_run(s->items[cr_draw_below(draws, (int64_t)s->count)], image, draws);
}

static cr_tensor *perhaps(void *context, cr_tensor *image, cr_draws *draws)
{
    several *s = context;
    return cr_draw_uniform(draws, 0, 1) < s->p ? cr_transform_run(s->items[0], image, draws)
                                               : image;
}

cr_transform *cr_compose_with(cr_transform *const *transforms, size_t count)
{
    return combine("cr_compose", all, transforms, count, 1);
}

cr_transform *cr_random_choice_with(cr_transform *const *transforms, size_t count)
{
    return combine("cr_random_choice", one, transforms, count, 1);
}

cr_transform *cr_random_apply(cr_transform *transform, double p)
{
    if (!(p >= 0 && p <= 1))
        return cr_fail("cr_random_apply: p %g is not between 0 and 1", p);
    return combine("cr_random_apply", perhaps, &transform, 1, p);
}

/* ---- steps on planes ---- */

typedef struct step {
    const char *name;
    cr_step_function function;
    max_align_t options[];
} step;

static cr_tensor *run_step(void *context, cr_tensor *image, cr_draws *draws)
{
    step *s = context;
    cr_planes planes = {0};
    if (cr_planes_read(s->name, image, &planes))
        return NULL;
    if (s->function(s->options, &planes, draws)) {
        cr_planes_free(&planes);
        return NULL;
    }
    return cr_planes_finish(&planes);
}

cr_transform *cr_transform_step(const char *name, cr_step_function function, const void *options,
                                size_t bytes)
{
    step *s = malloc(sizeof *s + bytes);
    if (!s)
        return cr_fail_memory("a transform", sizeof *s + bytes);
    s->name = name;
    s->function = function;
    if (bytes)
        memcpy(s->options, options, bytes);
    return cr_transform_new(run_step, s, free);
}

/* ---- planes ---- */

static int allocate(cr_planes *p)
{
    const int64_t sizes[] = {p->channels, p->height, p->width};
    size_t bytes;
    if (!cr_io_bytes(CR_F32, 3, sizes, &bytes))
        return CR_FAIL_INT("an image of %" PRId64 "x%" PRId64 "x%" PRId64 " is too large",
                           p->channels, p->height, p->width);
    p->pixels = cr_io_allocate("an image", bytes);
    return p->pixels ? 0 : -1;
}

int cr_planes_read(const char *who, const cr_tensor *image, cr_planes *p)
{
    cr_dtype dtype = cr_tensor_dtype(image);
    if (cr_tensor_dim(image) != 3 || (dtype != CR_U8 && dtype != CR_F32))
        return CR_FAIL_INT("%s: expected an image (C, H, W) of uint8 or float32, got %d dimensions "
                           "of %s",
                           who, cr_tensor_dim(image), cr_dtype_name(dtype));
    const int64_t *sizes = cr_tensor_sizes(image);
    *p = (cr_planes){sizes[0], sizes[1], sizes[2], NULL, dtype == CR_U8};
    size_t bytes, count = (size_t)cr_tensor_numel(image);
    void *owned = NULL;
    const void *data = cr_io_elements(image, &bytes, &owned);
    if (!data || allocate(p)) {
        free(owned);
        return -1;
    }
    if (p->bytes)
        for (size_t i = 0; i < count; i++)
            p->pixels[i] = ((const unsigned char *)data)[i];
    else
        memcpy(p->pixels, data, bytes);
    free(owned);
    return 0;
}

int cr_planes_like(const cr_planes *from, int64_t height, int64_t width, cr_planes *p)
{
    if (height < 1 || width < 1)
        return CR_FAIL_INT("an image can't be %" PRId64 " high and %" PRId64 " wide", height,
                           width);
    *p = (cr_planes){from->channels, height, width, NULL, from->bytes};
    return allocate(p);
}

void cr_planes_free(cr_planes *p)
{
    free(p->pixels);
    p->pixels = NULL;
}

cr_tensor *cr_planes_finish(cr_planes *p)
{
    const int64_t sizes[] = {p->channels, p->height, p->width};
    int64_t count = p->channels * p->height * p->width;
    if (p->bytes) { /* a byte is no larger than a float: in place */
        unsigned char *to = (unsigned char *)p->pixels;
        for (int64_t i = 0; i < count; i++) {
            float v = nearbyintf(p->pixels[i]);
            to[i] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
    cr_tensor *t = cr_io_adopt(p->pixels, p->bytes ? CR_U8 : CR_F32, 3, sizes, NULL);
    p->pixels = NULL;
    return t;
}
