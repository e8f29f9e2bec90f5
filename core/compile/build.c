/* A recording becomes a graph: what nobody reads is dropped, inner values get their places in memory, and the bindings of every
 * plan are written once. */
#include "core/compile/fuse.h"
#include "core/compile/graph.h"

#include <stdlib.h>
#include <string.h>

/* ---- what nobody reads ---- */

static bool lasts(const cr_trace_value *v)
{
    return v->kind != CR_VALUE_INNER && v->kind != CR_VALUE_CONSTANT &&
           v->kind != CR_VALUE_PREPARED;
}

/* Backwards: a step lives if it writes what lasts or what a later living step touches. A value that is needed stays so
 * further up, for a step may write only a part of it. */
static void drop_dead(cr_trace *t)
{
    for (size_t i = 0; i < t->nvalues; i++)
        t->values[i].read_first = lasts(&t->values[i]);
    for (size_t i = t->nsteps; i-- > 0;) {
        cr_trace_step *s = &t->steps[i];
        if (s->kind != CR_STEP_RUN)
            continue;
        s->dead = true;
        for (uint32_t k = s->nread; k < s->nvalues; k++)
            s->dead = s->dead && !t->values[s->value[k]].read_first;
        for (uint32_t k = 0; k < s->nvalues && !s->dead; k++)
            t->values[s->value[k]].read_first = true;
        t->recorded++;
        t->dropped += s->dead;
    }
}

/* ---- places ---- */

typedef struct place_order {
    size_t bytes;
    uint32_t value; /* or CR_NO_VALUE - … */
    uint32_t first, last;
    uint32_t piece; /* of the graph's memory */
    size_t place;
} place_order;

static int by_size(const void *a, const void *b)
{
    const place_order *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* The lowest gap among those that are placed and live at the same time. */
static size_t lowest(const place_order *list, const uint32_t *by_place, size_t placed,
                     const place_order *me)
{
    size_t at = 0;
    for (size_t i = 0; i < placed; i++) {
        const place_order *p = &list[by_place[i]];
        if (p->last < me->first || p->first > me->last)
            continue;
        if (p->place >= at + me->bytes)
            break;
        if (p->place + p->bytes > at)
            at = p->place + p->bytes;
    }
    return at;
}

/* Largest first, each at the lowest place that is free as long as it lives. Returns the whole's size. */
static size_t place_all(place_order *list, uint32_t *by_place, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        list[i].place = lowest(list, by_place, i, &list[i]);
        if (list[i].place + list[i].bytes > total)
            total = list[i].place + list[i].bytes;
        size_t at = i;
        for (; at > 0 && list[by_place[at - 1]].place > list[i].place; at--)
            by_place[at] = by_place[at - 1];
        by_place[at] = (uint32_t)i;
    }
    return total;
}

/* A device that has memory of its own may order its work by the buffers that it touches, so values that have nothing to do with
 * each other don't share one: each has its own, which serves smaller ones at other times. Largest first; sizes gets the size of
 * each piece, taken is theirs, too. Returns how many there are. */
static size_t place_apart(place_order *list, size_t n, size_t *sizes, uint32_t *taken)
{
    size_t pieces = 0;
    for (size_t i = 0; i < n; i++) {
        memset(taken, 0, pieces * sizeof *taken);
        for (size_t k = 0; k < i; k++)
            if (list[k].last >= list[i].first && list[k].first <= list[i].last)
                taken[list[k].piece] = 1;
        uint32_t piece = 0;
        while (piece < pieces && taken[piece])
            piece++;
        if (piece == pieces)
            sizes[pieces++] = list[i].bytes;
        list[i].piece = piece;
    }
    return pieces;
}

static void note_use(cr_trace_value *v, size_t step)
{
    if (v->first == CR_NO_VALUE)
        v->first = (uint32_t)step;
    v->last = (uint32_t)step;
}

/* What needs a place, into the list. Returns how many there are. */
static size_t list_places(cr_trace *t, place_order *list)
{
    size_t align = t->dev->alignment ? t->dev->alignment : 64, n = 0;
    for (size_t i = 0; i < t->nvalues; i++)
        t->values[i].first = CR_NO_VALUE;
    for (size_t i = 0; i < t->nsteps; i++) {
        cr_trace_step *s = &t->steps[i];
        for (uint32_t k = 0; !s->dead && k < s->nvalues; k++)
            note_use(&t->values[s->value[k]], i);
        if (!s->dead && s->workspace)
            list[n++] = (place_order){s->workspace, CR_NO_VALUE, (uint32_t)i, (uint32_t)i, 0, 0};
    }
    for (size_t i = 0; i < t->nvalues; i++) {
        const cr_trace_value *v = &t->values[i];
        if (v->kind == CR_VALUE_INNER && v->first != CR_NO_VALUE)
            list[n++] = (place_order){v->bytes, (uint32_t)i, v->first, v->last, 0, 0};
    }
    for (size_t i = 0; i < n; i++) {
        list[i].bytes = (list[i].bytes + align - 1) / align * align;
        t->separate += list[i].bytes;
    }
    return n;
}

/* Memory of these sizes, which become pointers to it. */
static bool take_memory(cr_trace *t, const size_t *sizes, size_t n)
{
    enum { MUCH = 1 << 20 };
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += sizes[i];
    if (total >= MUCH) /* the recordings' memory waits, and this takes its place */
        cr_allocator_empty(t->dev);
    t->memory = calloc(n + 1, sizeof(cr_storage *));
    if (!t->memory)
        return cr_fail_memory("a graph", n * sizeof(cr_storage *)), false;
    for (; t->npieces < n; t->npieces++) {
        cr_storage *piece = cr_storage_new(t->dev, sizes[t->npieces]);
        if (!piece)
            return false;
        cr_storage_made_by(piece, "a captured graph");
        t->memory[t->npieces] = piece;
    }
    return true;
}

static bool place_values(cr_trace *t)
{
    size_t most = t->nvalues + t->nsteps + 1, n, pieces = 1;
    place_order *list = calloc(most, sizeof *list);
    uint32_t *scratch = calloc(most, sizeof *scratch);
    size_t *sizes = calloc(most, sizeof *sizes);
    bool well = list && scratch && sizes;
    if (well) {
        n = list_places(t, list);
        qsort(list, n, sizeof *list, by_size);
        if (cr_dev_is_host(t->dev))
            sizes[0] = place_all(list, scratch, n);
        else
            pieces = place_apart(list, n, sizes, scratch);
        well = take_memory(t, sizes, pieces);
        for (size_t i = 0; i < n && well; i++) {
            cr_binding at = {t->memory[list[i].piece]->buffer, list[i].place};
            if (list[i].value == CR_NO_VALUE)
                t->steps[list[i].first].work = at;
            else
                t->values[list[i].value].at = at;
        }
    } else {
        cr_fail_memory("a graph", most * sizeof *list);
    }
    free(list);
    free(scratch);
    free(sizes);
    return well;
}

/* ---- bindings ---- */

static bool changes(const cr_trace_value *v)
{
    return v->kind == CR_VALUE_INPUT || v->kind == CR_VALUE_RESULT || v->kind == CR_VALUE_PREPARED;
}

static bool bind_all(cr_trace *t)
{
    size_t patches = 0;
    for (size_t i = 0; i < t->nsteps; i++)
        for (uint32_t k = 0; !t->steps[i].dead && k < t->steps[i].nvalues; k++)
            patches += changes(&t->values[t->steps[i].value[k]]);
    t->patches = calloc(patches + 1, sizeof *t->patches);
    t->results = calloc(t->nvalues + 1, sizeof(cr_storage *));
    if (!t->patches || !t->results)
        return cr_fail_memory("a graph", patches * sizeof *t->patches), false;
    for (size_t i = 0; i < t->nsteps; i++) {
        cr_trace_step *s = &t->steps[i];
        t->plans += s->kind == CR_STEP_RUN && !s->dead;
        for (uint32_t k = 0; !s->dead && k < s->nvalues; k++) {
            const cr_trace_value *v = &t->values[s->value[k]];
            s->bind[k].offset = s->offset[k];
            if (changes(v)) {
                t->patches[t->npatches++] =
                    (cr_trace_patch){&s->bind[k], s->value[k], s->offset[k]};
            } else if (v->kind == CR_VALUE_INNER) {
                s->bind[k].buffer = v->at.buffer;
                s->bind[k].offset += v->at.offset;
            } else {
                s->bind[k].buffer = v->storage->buffer;
            }
        }
    }
    return true;
}

bool cr_trace_build(cr_trace *t)
{
    free(t->map_keys);
    free(t->map_values);
    t->map_keys = NULL;
    t->map_values = NULL;
    t->map_size = 0;
    if (!t->dev && !(t->dev = cr_dev_default())) /* nothing ran: views and inputs handed through */
        return false;
    drop_dead(t);
    return cr_trace_fuse(t) && cr_trace_bring_in(t) && place_values(t) && bind_all(t);
}
