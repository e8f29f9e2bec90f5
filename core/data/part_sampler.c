/* Samplers of a part: of given indices, and of one process's share. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/data/random.h"
#include "core/data/sampler.h"

/* ---- given indices ---- */

typedef struct chosen {
    int64_t count;
    uint64_t seed;
    int64_t indices[];
} chosen;

static int64_t chosen_length(void *data)
{
    return ((chosen *)data)->count;
}

static int chosen_draw(void *data, uint64_t epoch, int64_t *indices)
{
    const chosen *c = data;
    cr_random random = cr_random_begin(c->seed, epoch);
    memcpy(indices, c->indices, (size_t)c->count * sizeof *indices);
    cr_random_shuffle(&random, indices, c->count, c->count);
    return 0;
}

static const cr_sampler_class chosen_kind = {
    .name = "SubsetRandomSampler", .length = chosen_length, .draw = chosen_draw, .destroy = free};

cr_sampler *cr_subset_random_sampler_with(const cr_subset_random_sampler_options *o)
{
    if (o->count && !o->indices)
        return cr_fail("cr_subset_random_sampler: the indices are null");
    for (size_t i = 0; i < o->count; i++)
        if (o->indices[i] < 0)
            return cr_fail("cr_subset_random_sampler: index %" PRId64 " is negative",
                           o->indices[i]);
    size_t bytes = o->count * sizeof(int64_t);
    chosen *c = o->count < SIZE_MAX / 16 ? malloc(sizeof *c + bytes) : NULL;
    if (!c)
        return cr_fail_memory("a sampler", bytes);
    c->count = (int64_t)o->count;
    c->seed = o->seed ? o->seed : cr_initial_seed();
    if (bytes)
        memcpy(c->indices, o->indices, bytes);
    return cr_sampler_new(&chosen_kind, c);
}

/* ---- one process's share ---- */

typedef struct share {
    cr_distributed_sampler_options o;
    int64_t count; /* of each process */
} share;

static int64_t share_length(void *data)
{
    return ((share *)data)->count;
}

static int share_draw(void *data, uint64_t epoch, int64_t *indices)
{
    const share *s = data;
    int64_t length = s->o.length;
    int64_t *order = malloc(((size_t)length + 1) * sizeof *order);
    if (!order)
        return cr_fail_memory("an epoch's order", (size_t)length * sizeof *order), -1;
    for (int64_t i = 0; i < length; i++)
        order[i] = i;
    cr_random random = cr_random_begin(s->o.seed, epoch);
    if (!s->o.no_shuffle)
        cr_random_shuffle(&random, order, length, length);
    for (int64_t i = 0; i < s->count; i++) /* past the end the order begins anew */
        indices[i] = order[(s->o.rank + i * s->o.num_replicas) % length];
    free(order);
    return 0;
}

static const cr_sampler_class share_kind = {
    .name = "DistributedSampler", .length = share_length, .draw = share_draw, .destroy = free};

cr_sampler *cr_distributed_sampler_with(const cr_distributed_sampler_options *o)
{
    if (o->length < 0 || o->length > INT64_MAX / 16 || o->num_replicas < 1 ||
        o->num_replicas > (1 << 24) || o->rank < 0 || o->rank >= o->num_replicas)
        return cr_fail("cr_distributed_sampler: rank %" PRId64 " of %" PRId64
                       " can't share %" PRId64 " samples",
                       o->rank, o->num_replicas, o->length);
    share *s = malloc(sizeof *s);
    if (!s)
        return cr_fail_memory("a sampler", sizeof *s);
    *s = (share){.o = *o, .count = o->length / o->num_replicas};
    if (!o->drop_last && o->length % o->num_replicas)
        s->count++;
    return cr_sampler_new(&share_kind, s);
}
