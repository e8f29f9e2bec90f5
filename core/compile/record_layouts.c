/* Recording values in private layouts: copies that plans ask for, and ways out of a layout, become steps of the graph, or are kept
 * with a tensor from outside and made anew where that has changed. */
#include "core/compile/record.h"

#include "op_index.h"

#include <stdlib.h>

uint32_t cr_trace_prepared(cr_trace *t, const cr_prepare *how, bool own, const cr_tensor *source,
                           uint32_t from, size_t offset)
{
    cr_tensor *bare = cr_tensor_make(cr_storage_retain(source->storage), (cr_dtype)source->dtype,
                                     source->dim, source->size, source->stride, source->offset);
    if (!bare) {
        t->broken = cr_record_no_memory;
        return CR_NO_VALUE;
    }
    void *list = t->prepares;
    cr_trace_prepare *p = cr_record_more(t, &list, &t->nprepares, &t->prepares_room, sizeof *p);
    t->prepares = list;
    cr_trace_value *v = p ? cr_record_value(t, CR_VALUE_PREPARED, NULL, how->bytes) : NULL;
    if (!v) {
        t->nprepares -= p != NULL;
        cr_release(bare);
        return CR_NO_VALUE;
    }
    v->input = (uint32_t)(t->nprepares - 1);
    *p = (cr_trace_prepare){how, own, bare, from, offset, (uint32_t)(t->nvalues - 1)};
    return p->value;
}

/* Makes an empty step a copy from one value to another, with a plan that is not its own. False without memory. */
static bool set_copy(cr_trace *t, cr_trace_step *s, cr_plan *plan, size_t workspace, uint32_t from,
                     size_t offset, uint32_t to)
{
    s->kind = CR_STEP_RUN;
    if (!cr_record_room(s, 2, 0))
        return false;
    s->op = cr_op_at(CR_OP_to_copy);
    s->plan = plan;
    s->nread = 1;
    s->workspace = workspace;
    s->value[0] = from;
    s->offset[0] = offset;
    s->value[1] = to;
    t->values[to].written = true;
    return true;
}

/* A copy with a plan of the pinned entry's. */
static void add_copy(cr_trace *t, cr_plan_entry *entry, cr_plan *plan, size_t workspace,
                     uint32_t from, size_t offset, uint32_t to)
{
    cr_trace_step *s = cr_record_step(t, CR_STEP_RUN);
    if (!s)
        return;
    if (!set_copy(t, s, plan, workspace, from, offset, to)) {
        t->broken = cr_record_no_memory;
        return;
    }
    s->entry = entry;
    entry->pins++;
}

/* The value that stands for what the entry's plan had brought to a layout. What comes from outside, and was not written so
 * far, is kept with its tensor; anything else is copied at each run. */
uint32_t cr_record_bring_in(cr_trace *t, const cr_op_run *run, cr_plan_entry *entry,
                            const cr_prepare *how)
{
    cr_tensor *in = run->in[entry->bind_inputs ? entry->bind_inputs[how->binding] : how->binding];
    cr_trace_value *v = cr_record_find(t, in->storage->buffer);
    if (!v && !(v = cr_record_outside(t, run, in->storage->buffer)))
        return CR_NO_VALUE;
    size_t offset = (size_t)in->offset * cr_dtype_size((cr_dtype)in->dtype);
    if (v->kind == CR_VALUE_INPUT)
        v = cr_record_input_at(t, v, offset);
    offset -= v->base;
    uint32_t from = (uint32_t)(v - t->values);
    if (v->kind == CR_VALUE_OUTSIDE && !v->written)
        return cr_trace_prepared(t, how, false, in, from, offset);
    if (!cr_record_value(t, CR_VALUE_INNER, NULL, how->bytes))
        return CR_NO_VALUE;
    uint32_t to = (uint32_t)(t->nvalues - 1);
    add_copy(t, entry, how->plan, how->workspace, from, offset, to);
    return to;
}

int cr_record_prepare_of(const cr_plan_entry *entry, uint32_t binding)
{
    for (uint32_t i = 0; i < entry->nprepare; i++)
        if (entry->prepare[i].binding == binding)
            return (int)i;
    return -1;
}

void cr_record_left_layout(cr_storage *storage, cr_storage *other, cr_plan_entry *entry)
{
    cr_trace *t = cr_record_current();
    if (!t)
        return;
    cr_trace_value *now = cr_record_find(t, storage->buffer),
                   *before = cr_record_find(t, other->buffer);
    if (t->paused || !now || !before || before->kind != CR_VALUE_INNER) {
        t->broken = "a value from outside had to leave a private layout";
        return;
    }
    now->storage = storage;
    before->storage = other;
    add_copy(t, entry, entry->plan, entry->workspace, (uint32_t)(before - t->values), 0,
             (uint32_t)(now - t->values));
}

/* ---- what is trained ---- */

/* Whether the graph computes a gradient for what lies in the storage. */
static bool is_trained(const cr_trace *t, const cr_storage *storage)
{
    for (size_t i = 0; i < t->nleaves; i++)
        if (t->leaves[i].leaf->storage == storage)
            return true;
    return false;
}

/* The step's copies of what is trained, into the list in front of it. False without memory. */
static bool bring_in_before(cr_trace *t, const cr_trace_step *s, cr_trace_step *steps, size_t *n)
{
    for (uint32_t k = 0; !s->dead && s->kind == CR_STEP_RUN && k < s->nread; k++) {
        cr_trace_value *v = &t->values[s->value[k]];
        if (v->kind != CR_VALUE_PREPARED)
            continue;
        const cr_trace_prepare *p = &t->prepares[v->input];
        if (!is_trained(t, p->source->storage))
            continue;
        cr_trace_step *copy = &steps[(*n)++];
        if (!set_copy(t, copy, p->how->plan, p->how->workspace, p->from, p->offset, s->value[k]))
            return false;
        t->recorded++;
        v->kind = CR_VALUE_INNER;
        cr_prepared_drop(p->source->storage);
    }
    return true;
}

bool cr_trace_bring_in(cr_trace *t)
{
    if (!t->nprepares)
        return true;
    cr_trace_step *steps = calloc(t->nsteps + t->nprepares, sizeof *steps);
    if (!steps)
        return cr_fail_memory("a graph", t->nsteps * sizeof *steps), false;
    bool well = true;
    size_t n = 0;
    for (size_t i = 0; i < t->nsteps; i++) {
        well = well && bring_in_before(t, &t->steps[i], steps, &n);
        steps[n++] = t->steps[i];
    }
    free(t->steps);
    t->steps = steps;
    t->nsteps = t->steps_room = n;
    return well || (cr_fail_memory("a graph", n * sizeof *steps), false);
}
