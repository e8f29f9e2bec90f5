/* The samplers that draw: random, with and without replacement, and weighted. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/data/random.h"
#include "core/data/sampler.h"

/* ---- random ---- */

typedef struct uniform {
    int64_t length, count;
    bool replacement;
    uint64_t seed;
} uniform;

static int64_t uniform_length(void *data)
{
    return ((uniform *)data)->count;
}

static int uniform_draw(void *data, uint64_t epoch, int64_t *indices)
{
    uniform *u = data;
    cr_random random = cr_random_begin(u->seed, epoch);
    if (u->replacement) {
        for (int64_t i = 0; i < u->count; i++)
            indices[i] = (int64_t)cr_random_below(&random, (uint64_t)u->length);
        return 0;
    }
    bool whole = u->count == u->length;
    int64_t *all = whole ? indices : malloc((size_t)u->length * sizeof *all);
    if (!all)
        return cr_fail_memory("a permutation", (size_t)u->length * sizeof *all), -1;
    for (int64_t i = 0; i < u->length; i++)
        all[i] = i;
    cr_random_shuffle(&random, all, u->length, u->count);
    if (!whole) {
        memcpy(indices, all, (size_t)u->count * sizeof *all);
        free(all);
    }
    return 0;
}

static const cr_sampler_class uniform_kind = {
    .name = "RandomSampler", .length = uniform_length, .draw = uniform_draw, .destroy = free};

cr_sampler *cr_random_sampler_with(const cr_random_sampler_options *o)
{
    int64_t count = o->num_samples ? o->num_samples : o->length;
    if (o->length < 0 || count < 0 || (!o->replacement && count > o->length) ||
        (!o->length && count))
        return cr_fail("cr_random_sampler: can't draw %" PRId64 " samples from %" PRId64 "%s",
                       count, o->length, o->replacement ? "" : " without replacement");
    uniform *u = malloc(sizeof *u);
    if (!u)
        return cr_fail_memory("a sampler", sizeof *u);
    *u = (uniform){o->length, count, o->replacement, o->seed ? o->seed : cr_initial_seed()};
    return cr_sampler_new(&uniform_kind, u);
}

/* ---- weighted ---- */

typedef struct weighted {
    int64_t count; /* drawn */
    int64_t length;
    bool no_replacement;
    uint64_t seed;
    double values[]; /* [length]: sums of the weights up to each, inclusive; or the weights, without
                        replacement */
} weighted;

static int64_t weighted_length(void *data)
{
    return ((weighted *)data)->count;
}

/* The first whose sum is above a number drawn from 0 to the whole sum. */
static int64_t find(const weighted *w, double drawn)
{
    int64_t low = 0, high = w->length - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (w->values[middle] > drawn)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

typedef struct key {
    double time;
    int64_t index;
} key;

static int by_time(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Each index waits for a time that is exponential with its weight as rate; those that come first
 * are drawn, which is the same as drawing one after the other in proportion to the weights that are
 * left (Efraimidis and Spirakis, 2006). */
static int draw_without(const weighted *w, cr_random *random, int64_t *indices)
{
    key *keys = malloc((size_t)w->length * sizeof *keys);
    if (!keys)
        return cr_fail_memory("a weighted order", (size_t)w->length * sizeof *keys), -1;
    for (int64_t i = 0; i < w->length; i++) {
        double wait = -log(1 - cr_random_double(random));
        keys[i] = (key){w->values[i] > 0 ? wait / w->values[i] : INFINITY, i};
    }
    qsort(keys, (size_t)w->length, sizeof *keys, by_time);
    for (int64_t i = 0; i < w->count; i++)
        indices[i] = keys[i].index;
    free(keys);
    return 0;
}

static int weighted_draw(void *data, uint64_t epoch, int64_t *indices)
{
    weighted *w = data;
    cr_random random = cr_random_begin(w->seed, epoch);
    if (w->no_replacement)
        return draw_without(w, &random, indices);
    double sum = w->values[w->length - 1];
    for (int64_t i = 0; i < w->count; i++) {
        double drawn = cr_random_double(&random) * sum;
        /* rounding may have reached the sum itself, which belongs to nobody */
        indices[i] = find(w, drawn < sum ? drawn : nextafter(sum, 0));
    }
    return 0;
}

static const cr_sampler_class weighted_kind = {.name = "WeightedRandomSampler",
                                               .length = weighted_length,
                                               .draw = weighted_draw,
                                               .destroy = free};

cr_sampler *cr_weighted_random_sampler_with(const cr_weighted_random_sampler_options *o)
{
    static const char name[] = "cr_weighted_random_sampler";
    double sum = 0;
    int64_t positive = 0;
    for (size_t i = 0; i < o->count && o->weights; i++) {
        if (!(o->weights[i] >= 0) || !isfinite(o->weights[i]))
            return cr_fail("%s: weight %zu is %g, expected 0 or more", name, i, o->weights[i]);
        sum += o->weights[i];
        positive += o->weights[i] > 0;
    }
    if (!o->weights || !positive || !isfinite(sum))
        return cr_fail("%s: no weight is above 0, or their sum is infinite", name);
    if (o->num_samples < 1 || (o->no_replacement && o->num_samples > positive))
        return cr_fail("%s: can't draw %" PRId64 " samples from %" PRId64 " with weights above 0%s",
                       name, o->num_samples, positive,
                       o->no_replacement ? " without replacement" : "");
    size_t bytes = o->count * sizeof(double);
    weighted *w = o->count < SIZE_MAX / 16 ? malloc(sizeof *w + bytes) : NULL;
    if (!w)
        return cr_fail_memory("a sampler", bytes);
    *w = (weighted){.count = o->num_samples,
                    .length = (int64_t)o->count,
                    .no_replacement = o->no_replacement,
                    .seed = o->seed ? o->seed : cr_initial_seed()};
    double running = 0;
    for (size_t i = 0; i < o->count; i++) {
        running += o->weights[i];
        w->values[i] = o->no_replacement ? o->weights[i] : running;
    }
    return cr_sampler_new(&weighted_kind, w);
}
