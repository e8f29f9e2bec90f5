/* A run under CRESSET_VALIDATE=1: everything around the inputs and outputs is poisoned, the work is
 * done twice with different poison and by two plans, and then
 *  - what is no output has to hold what it held: inputs, the rest of the buffers, the guard zones;
 *  - the outputs have to be the same: written in full, and made of the inputs alone.
 * Memory of others (a program's own, lent) is looked at where values lie, and nowhere else. */
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/dispatch/host.h"
#include "core/dispatch/validate.h"

/* What a byte belongs to; 0 nothing of this run. OWN: an input in a private layout, which a run may change as long as it stays
 * good: later rounds find it as the one before left it. */
enum { INPUT = 1, OUTPUT = 2, SCRATCH = 4, OWN = 8 };
enum { POISON_A = 0xFF, POISON_B = 0x5A };

/* A buffer, or the part of foreign memory that values span. */
typedef struct region {
    const cr_checked_buffer *buffer; /* null: foreign */
    const void *key;
    size_t first, bytes,
        guard; /* of foreign memory from `first` on; of a buffer all, guards included */
    unsigned char *before, *now, *after, *marks;
} region;

typedef struct checked_run {
    cr_checked_plan *plan;
    const cr_run *run;
    region *regions;
    uint32_t nregions, *region_of; /* of each value */
    cr_binding *values;            /* as the inner backend knows them */
    int rounds;                    /* that were run */
} checked_run;

static size_t element_bytes(int32_t dtype)
{
    switch (dtype) {
#define BYTES(name, number, bytes, text) \
    case CR_##name: return bytes;
        CR_DTYPES(BYTES)
#undef BYTES
    default: return 0;
    }
}

/* ---- where values lie ---- */

/* From the first element's byte to past the last one's; 0 for a value without elements. */
static size_t span(const cr_meta *m)
{
    int64_t last = 0;
    for (int d = 0; d < m->rank; d++) {
        if (!m->size[d])
            return 0;
        last += (m->size[d] - 1) * m->stride[d];
    }
    return (size_t)(last + 1) * element_bytes(m->dtype);
}

static region *region_for(checked_run *c, const void *key)
{
    for (uint32_t i = 0; i < c->nregions; i++)
        if (c->regions[i].key == key)
            return &c->regions[i];
    region *r = &c->regions[c->nregions++];
    *r = (region){.key = key, .buffer = cr_checked_find(key)};
    if (r->buffer) {
        r->guard = r->buffer->device->guard;
        r->bytes = r->buffer->bytes + 2 * r->guard;
    }
    return r;
}

static void place(checked_run *c, uint32_t i)
{
    const cr_binding *at = &c->run->values[i];
    region *r = region_for(c, at->buffer);
    size_t bytes = span(&c->plan->values[i]), end = at->offset + bytes;
    c->region_of[i] = (uint32_t)(r - c->regions);
    if (r->buffer || !bytes)
        return;
    size_t old_end = r->first + r->bytes;
    r->first = !r->bytes || at->offset < r->first ? at->offset : r->first;
    r->bytes = (!old_end || end > old_end ? end : old_end) - r->first;
}

/* Marks the elements of dimension d and below, from `at` on. */
static void mark(unsigned char *marks, const cr_meta *m, int d, size_t at, unsigned char what)
{
    size_t element = element_bytes(m->dtype);
    if (d == m->rank) {
        for (size_t k = 0; k < element; k++)
            marks[at + k] |= what;
        return;
    }
    int64_t count = m->stride[d] ? m->size[d] : m->size[d] > 0;
    if (d == m->rank - 1 && m->stride[d] == 1) {
        for (size_t k = 0; k < (size_t)count * element; k++)
            marks[at + k] |= what;
        return;
    }
    for (int64_t k = 0; k < count; k++)
        mark(marks, m, d + 1, at + (size_t)(k * m->stride[d]) * element, what);
}

static void mark_value(checked_run *c, uint32_t i)
{
    const cr_meta *m = &c->plan->values[i];
    region *r = &c->regions[c->region_of[i]];
    bool is_input = i < c->plan->ninputs;
    size_t at = c->run->values[i].offset + r->guard - r->first;
    if (!m->layout) {
        if (span(m) && at + span(m) <= r->bytes)
            mark(r->marks, m, 0, at, is_input ? INPUT : OUTPUT);
        return;
    }
    /* A private layout: all of its bytes, and what they mean is not known. */
    size_t room = r->bytes > at + r->guard ? r->bytes - at - r->guard : 0;
    size_t bytes = c->plan->bytes[i] && c->plan->bytes[i] < room ? c->plan->bytes[i] : room;
    for (size_t k = 0; k < bytes; k++)
        r->marks[at + k] |= is_input ? OWN : SCRATCH;
}

static void mark_workspace(checked_run *c)
{
    if (!c->plan->workspace)
        return;
    region *r = region_for(c, c->run->workspace.buffer);
    size_t at = c->run->workspace.offset + r->guard;
    for (size_t k = 0; r->marks && k < c->plan->workspace && at + k < r->bytes; k++)
        r->marks[at + k] |= SCRATCH;
}

/* ---- memory ---- */

static cr_status fetch(const region *r, unsigned char *to)
{
    if (r->buffer)
        return cr_checked_fetch(r->buffer, to);
    memcpy(to, (const unsigned char *)r->key + r->first, r->bytes);
    return CR_OK;
}

static cr_status put(const region *r, const unsigned char *from)
{
    if (r->buffer)
        return cr_checked_put(r->buffer, from);
    unsigned char *to = (unsigned char *)(uintptr_t)r->key + r->first;
    for (size_t i = 0; i < r->bytes; i++) /* the rest may be a file that was mapped to be read */
        if (r->marks[i] & OUTPUT)
            to[i] = from[i];
    return CR_OK;
}

static bool is_poisoned(const region *r, size_t i)
{
    return r->buffer ? !(r->marks[i] & (INPUT | OWN)) : r->marks[i] == OUTPUT;
}

/* One round: the memory as it was, poisoned, then the plan. Leaves in `now` what was there, and in
 * `after` what is there. */
static cr_status round_with(checked_run *c, int which, unsigned char poison)
{
    const cr_checked_device *d = c->plan->device;
    cr_status status = CR_OK;
    for (uint32_t i = 0; i < c->nregions && status == CR_OK; i++) {
        region *r = &c->regions[i];
        for (size_t k = 0; k < r->bytes; k++)
            r->now[k] = is_poisoned(r, k)                ? poison
                        : r->marks[k] & OWN && c->rounds ? r->after[k]
                                                         : r->before[k];
        status = put(r, r->now);
    }
    c->rounds++;
    if (status != CR_OK)
        return status;
    cr_run run = *c->run;
    run.values = c->values;
    size_t offset = run.workspace.offset;
    if (run.workspace.buffer) {
        const cr_checked_buffer *b = cr_checked_find(run.workspace.buffer);
        if (b && !b->device->host)
            run.workspace = (cr_binding){b->inner, offset + b->device->guard};
    }
    cr_backend_words();
    status = cr_check_answer(d, c->plan->op, d->backend->run(c->plan->inner[which], &run));
    if (status == CR_OK && d->backend->sync)
        status = d->backend->sync(d->inner);
    for (uint32_t i = 0; i < c->nregions && status == CR_OK; i++)
        status = fetch(&c->regions[i], c->regions[i].after);
    return status;
}

/* ---- verdicts ---- */

static const char *what_was_changed(const region *r, size_t i)
{
    if (r->marks[i] & INPUT)
        return "changed an input";
    if (r->buffer && i < r->guard)
        return "wrote before the start of a buffer";
    if (r->buffer && i >= r->bytes - r->guard)
        return "wrote past the end of a buffer";
    return "wrote outside of its outputs";
}

/* The nearest output byte before i in the region: how far the write went. */
static size_t distance(const region *r, size_t i)
{
    for (size_t k = i; k-- > 0;)
        if (r->marks[k] & OUTPUT)
            return i - k;
    return 0;
}

static cr_status check_untouched(const checked_run *c)
{
    for (uint32_t n = 0; n < c->nregions; n++) {
        const region *r = &c->regions[n];
        for (size_t i = 0; i < r->bytes; i++) {
            if (r->now[i] == r->after[i] || r->marks[i] & (OUTPUT | SCRATCH | OWN) ||
                (!r->buffer && !r->marks[i]))
                continue;
            size_t far = distance(r, i);
            if (far && !(r->marks[i] & INPUT))
                return cr_violation(c->plan->device, c->plan->op,
                                    "it %s, %zu byte%s past an element of an output",
                                    what_was_changed(r, i), far, far == 1 ? "" : "s");
            return cr_violation(c->plan->device, c->plan->op, "it %s", what_was_changed(r, i));
        }
    }
    return CR_OK;
}

/* Whether the outputs are those that were kept in `kept`, region after region; the place of the
 * first difference otherwise. */
static bool same_outputs(const checked_run *c, const unsigned char *kept, uint32_t *where,
                         size_t *at)
{
    size_t base = 0;
    for (uint32_t n = 0; n < c->nregions; n++) {
        const region *r = &c->regions[n];
        for (size_t i = 0; i < r->bytes; i++)
            if (r->marks[i] & OUTPUT && kept[base + i] != r->after[i]) {
                *where = n;
                *at = i;
                return false;
            }
        base += r->bytes;
    }
    return true;
}

static void keep(const checked_run *c, unsigned char *kept)
{
    for (uint32_t n = 0; n < c->nregions; n++) {
        memcpy(kept, c->regions[n].after, c->regions[n].bytes);
        kept += c->regions[n].bytes;
    }
}

/* The second round gave something else than the first: why. */
static cr_status explain(checked_run *c, const unsigned char *kept, uint32_t where, size_t at)
{
    const cr_checked_device *d = c->plan->device;
    size_t base = 0;
    for (uint32_t n = 0; n < where; n++)
        base += c->regions[n].bytes;
    bool unwritten = kept[base + at] == POISON_A && c->regions[where].after[at] == POISON_B;
    uint32_t other;
    size_t place_;
    cr_status status = CR_OK;
    for (int i = 0; i < 2 && status == CR_OK;
         i++) { /* twice: what alternates must not meet itself */
        status = round_with(c, 0, POISON_A);
        if (status == CR_OK && !same_outputs(c, kept, &other, &place_))
            return cr_violation(d, c->plan->op,
                                "the same plan gives other results the second time");
    }
    if (status == CR_OK)
        status = round_with(c, 1, POISON_A);
    if (status != CR_OK)
        return status;
    if (!same_outputs(c, kept, &other, &place_))
        return cr_violation(d, c->plan->op, "two plans of the same call give different results");
    if (unwritten)
        return cr_violation(d, c->plan->op, "it did not write all of an output");
    return cr_violation(
        d, c->plan->op,
        "its result depends on memory that is no input (or on what an output or the "
        "workspace held before)");
}

/* What was there before, with the outputs of the first round in it, is what the run leaves. */
static cr_status leave(checked_run *c, const unsigned char *kept, bool outputs)
{
    cr_status status = CR_OK;
    for (uint32_t n = 0; n < c->nregions; n++) {
        region *r = &c->regions[n];
        for (size_t i = 0; i < r->bytes; i++)
            r->now[i] = outputs && r->marks[i] & (OUTPUT | SCRATCH) ? kept[i] : r->before[i];
        kept += r->bytes;
        cr_status each = put(r, r->now);
        status = status == CR_OK ? each : status;
    }
    return status;
}

static cr_status check(checked_run *c, unsigned char *kept)
{
    uint32_t where;
    size_t at;
    cr_status status = round_with(c, 0, POISON_A);
    if (status == CR_OK) {
        keep(c, kept);
        status = check_untouched(c);
    }
    /* A plan that remembers something shows it in its first runs. */
    for (int which = c->plan->runs++ < 2 ? 0 : 1; which < 2 && status == CR_OK; which++) {
        status = round_with(c, which, POISON_B);
        if (status == CR_OK)
            status = check_untouched(c);
        if (status == CR_OK && !same_outputs(c, kept, &where, &at))
            status = explain(c, kept, where, at);
    }
    bool good = status == CR_OK;
    char words[512] = "";
    if (!good) { /* putting things back must not lose what there is to say */
        const char *said = cr_backend_words();
        memcpy(words, said, strlen(said) < sizeof words ? strlen(said) + 1 : 0);
    }
    cr_status left = leave(c, kept, good);
    if (!good && *words)
        cr_host_services.fail(&cr_host_services, status, "%s", words);
    return good ? left : status;
}

static cr_status prepare(checked_run *c, unsigned char **kept)
{
    uint32_t n = c->plan->ninputs + c->plan->noutputs;
    size_t total = 0;
    c->regions = calloc(n + 1, sizeof *c->regions);
    c->region_of = calloc(n + 1, sizeof *c->region_of);
    c->values = calloc(n + 1, sizeof *c->values);
    if (!c->regions || !c->region_of || !c->values)
        return CR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        place(c, i);
    if (c->plan->workspace)
        region_for(c, c->run->workspace.buffer);
    for (uint32_t i = 0; i < c->nregions; i++) {
        region *r = &c->regions[i];
        total += r->bytes;
        if (!(r->before = calloc(r->bytes + 1, 4)))
            return CR_OUT_OF_MEMORY;
        r->now = r->before + r->bytes;
        r->after = r->now + r->bytes;
        r->marks = r->after + r->bytes;
        cr_status status = fetch(r, r->before);
        if (status != CR_OK)
            return status;
    }
    for (uint32_t i = 0; i < n; i++) {
        const region *r = &c->regions[c->region_of[i]];
        c->values[i] = c->run->values[i];
        if (r->buffer && !r->buffer->device->host)
            c->values[i] = (cr_binding){r->buffer->inner, c->run->values[i].offset + r->guard};
        mark_value(c, i);
    }
    mark_workspace(c);
    *kept = malloc(total + 1);
    return *kept ? CR_OK : CR_OUT_OF_MEMORY;
}

cr_status cr_checked_run(cr_plan *plan, const cr_run *run)
{
    checked_run c = {.plan = (cr_checked_plan *)(void *)plan, .run = run};
    unsigned char *kept = NULL;
    cr_status status = prepare(&c, &kept);
    if (status == CR_OK)
        status = check(&c, kept);
    for (uint32_t i = 0; i < c.nregions; i++)
        free(c.regions[i].before);
    free(c.regions);
    free(c.region_of);
    free(c.values);
    free(kept);
    return status;
}
