/* Recording: what the other rooms tell while a function runs becomes steps and values. A value is known by its buffer, from the
 * moment that the allocator hands it out until it gets it back. */
#include "core/compile/record.h"

#include <stdlib.h>
#include <string.h>

const char cr_record_no_memory[] = "there was no memory to record it";

cr_trace *cr_record_current(void)
{
    cr_trace *t = cr_this_thread.trace;
    return t->broken ? NULL : t;
}

static void broke(const char *why)
{
    cr_trace *t = cr_record_current();
    if (t && !t->paused)
        t->broken = why;
}

/* ---- the map from buffers to values ---- */

static size_t slot_of(const cr_trace *t, const cr_buffer *buffer)
{
    size_t i = (size_t)(((uintptr_t)buffer >> 6) * 0x9E3779B97F4A7C15u >> 24);
    for (;; i++) {
        size_t at = i & (t->map_size - 1);
        if (!t->map_keys[at] || t->map_keys[at] == buffer)
            return at;
    }
}

static bool grow_map(cr_trace *t)
{
    cr_trace old = *t;
    size_t size = t->map_size ? 2 * t->map_size : 256;
    cr_buffer **keys = calloc(size, sizeof(cr_buffer *));
    uint32_t *values = calloc(size, sizeof *values);
    if (!keys || !values) {
        free(keys);
        free(values);
        t->broken = cr_record_no_memory;
        return false;
    }
    t->map_keys = keys;
    t->map_values = values;
    t->map_size = size;
    for (size_t i = 0; i < old.map_size; i++)
        if (old.map_keys[i]) {
            size_t at = slot_of(t, old.map_keys[i]);
            keys[at] = old.map_keys[i];
            values[at] = old.map_values[i];
        }
    free(old.map_keys);
    free(old.map_values);
    return true;
}

/* The value that has the buffer now, or null. */
cr_trace_value *cr_record_find(cr_trace *t, const cr_buffer *buffer)
{
    uint32_t v = t->map_size ? t->map_values[slot_of(t, buffer)] : 0;
    return v ? &t->values[v - 1] : NULL;
}

/* From now on the buffer is value v's; CR_NO_VALUE: nobody's that we know. */
static void map_to(cr_trace *t, cr_buffer *buffer, uint32_t v)
{
    if (2 * (t->map_used + 1) > t->map_size && !grow_map(t))
        return;
    size_t at = slot_of(t, buffer);
    if (!t->map_keys[at]) {
        t->map_keys[at] = buffer;
        t->map_used++;
    }
    t->map_values[at] = v == CR_NO_VALUE ? 0 : v + 1;
}

/* ---- lists ---- */

/* One more place at the end of a list, cleared; null, and the trace broken, without memory. */
void *cr_record_more(cr_trace *t, void **list, size_t *count, size_t *room, size_t size)
{
    if (*count == *room) {
        size_t now = *room ? 2 * *room : 64;
        void *grown = realloc(*list, now * size);
        if (!grown) {
            t->broken = cr_record_no_memory;
            return NULL;
        }
        *list = grown;
        *room = now;
    }
    return memset((char *)*list + (*count)++ * size, 0, size);
}

cr_trace_value *cr_record_value(cr_trace *t, cr_value_kind kind, cr_buffer *buffer, size_t bytes)
{
    if (t->nvalues >= CR_NO_VALUE - 1) {
        t->broken = "it has too many values";
        return NULL;
    }
    void *list = t->values;
    cr_trace_value *v = cr_record_more(t, &list, &t->nvalues, &t->values_room, sizeof *v);
    t->values = list;
    if (!v)
        return NULL;
    v->kind = kind;
    v->buffer = buffer;
    v->bytes = bytes;
    v->alive = buffer != NULL;
    if (buffer)
        map_to(t, buffer, (uint32_t)(t->nvalues - 1));
    return v;
}

cr_trace_step *cr_record_step(cr_trace *t, cr_step_kind kind)
{
    void *list = t->steps;
    cr_trace_step *s = cr_record_more(t, &list, &t->nsteps, &t->steps_room, sizeof *s);
    t->steps = list;
    if (s)
        s->kind = kind;
    return s;
}

/* ---- what the allocator tells ---- */

static void born(cr_storage *storage)
{
    cr_trace *t = cr_record_current();
    if (!t)
        return;
    if (t->paused)
        map_to(t, storage->buffer, CR_NO_VALUE);
    else if (cr_record_value(t, CR_VALUE_INNER, storage->buffer, storage->bytes))
        t->values[t->nvalues - 1].storage = storage;
}

static void died(cr_storage *storage)
{
    cr_trace *t = cr_record_current();
    cr_trace_value *v = t ? cr_record_find(t, storage->buffer) : NULL;
    if (!v)
        return;
    v->alive = false;
    if (v->kind == CR_VALUE_INNER)
        v->storage = NULL;
    map_to(t, storage->buffer, CR_NO_VALUE);
}

static void host_wrote(cr_storage *storage)
{
    cr_trace *t = cr_record_current();
    if (!t || t->paused)
        return;
    cr_trace_value *v = cr_record_find(t, storage->buffer);
    if (v && v->kind == CR_VALUE_INNER && !v->written) {
        v->kind = CR_VALUE_CONSTANT;
        v->storage = cr_storage_retain(storage);
    } else if (!v || v->kind != CR_VALUE_CONSTANT) {
        t->broken = "the host wrote into a tensor (cr_tensor_write)";
    }
}

/* ---- steps ---- */

/* Memory that was there before: somebody's tensor among the operation's. */
cr_trace_value *cr_record_outside(cr_trace *t, const cr_op_run *run, cr_buffer *buffer)
{
    cr_storage *storage =
        run->out && run->out->storage->buffer == buffer ? run->out->storage : NULL;
    for (uint32_t i = 0; i < run->nin && !storage; i++)
        if (run->in[i] && run->in[i]->storage->buffer == buffer)
            storage = run->in[i]->storage;
    if (!storage) {
        t->broken = "a value came from nowhere";
        return NULL;
    }
    cr_trace_value *v = cr_record_value(t, CR_VALUE_OUTSIDE, buffer, storage->bytes);
    if (v)
        v->storage = cr_storage_retain(storage);
    return v;
}

/* Of the inputs that share a buffer, the one in which the place lies. */
cr_trace_value *cr_record_input_at(cr_trace *t, cr_trace_value *first, size_t offset)
{
    for (uint32_t i = 0; i < t->ninputs; i++) {
        cr_trace_value *v = &t->values[i];
        if (v->buffer == first->buffer && offset >= v->base && offset - v->base < v->bytes)
            return v;
    }
    return first;
}

bool cr_record_room(cr_trace_step *s, uint32_t nvalues, uint32_t nnumbers)
{
    s->nvalues = nvalues;
    s->nnumbers = nnumbers;
    s->value = calloc(nvalues + 1, sizeof *s->value);
    s->offset = calloc(nvalues + 1, sizeof *s->offset);
    s->bind = calloc(nvalues + 1, sizeof *s->bind);
    s->numbers = calloc(nnumbers + 1, sizeof *s->numbers);
    return s->value && s->offset && s->bind && s->numbers;
}

/* What a backend must know to take the step together with others; results with the layouts that they got. */
static void describe(cr_trace_step *s, const cr_op_run *run, const cr_plan_entry *e)
{
    enum { MOST_VALUES = 12 };
    if (s->nvalues > MOST_VALUES || !e->nout || e->draws)
        return;
    s->graph = cr_plan_graph(run, &s->elementwise);
    if (!s->graph)
        return;
    if (s->graph->ninputs != s->nread || s->graph->nvalues != s->nvalues) {
        free(s->graph);
        s->graph = NULL;
        return;
    }
    cr_meta *values = (cr_meta *)(uintptr_t)s->graph->values; /* the step's own */
    for (uint32_t i = 0, seen = s->nread; i < e->nout; i++) {
        if (e->alias[i] == -1)
            values[seen].layout = e->out[i].layout;
        seen += e->alias[i] != -2;
    }
}

/* ---- what was run ---- */

static void ran(cr_op_run *run, cr_plan_entry *entry, const cr_run *with, uint32_t nvalues)
{
    cr_trace *t = cr_record_current();
    if (!t || t->paused || !entry->plan)
        return;
    if (t->dev && t->dev != run->dev) {
        t->broken = "it works on several devices";
        return;
    }
    t->dev = run->dev;
    uint32_t brought[CR_CALL_INPUTS];
    for (uint32_t i = 0; i < entry->nprepare && !t->broken; i++)
        brought[i] = cr_record_bring_in(t, run, entry, &entry->prepare[i]);
    if (t->broken)
        return;
    cr_trace_step *s = cr_record_step(t, CR_STEP_RUN);
    if (!s)
        return;
    if (!cr_record_room(s, nvalues, run->nnumbers)) {
        t->broken = cr_record_no_memory;
        return;
    }
    s->op = run->op;
    s->entry = entry;
    entry->pins++;
    s->plan = entry->plan;
    s->by = entry->by;
    s->nread = entry->nbind_inputs;
    s->workspace = entry->workspace;
    s->draws = entry->draws;
    memcpy(s->numbers, run->numbers, run->nnumbers * sizeof *s->numbers);
    describe(s, run, entry);
    for (uint32_t i = 0; i < nvalues && !t->broken; i++) {
        int prepared = i < s->nread ? cr_record_prepare_of(entry, i) : -1;
        if (prepared >= 0) {
            s->value[i] = brought[prepared];
            if (t->values[s->value[i]].kind != CR_VALUE_PREPARED) { /* not as described */
                free(s->graph);
                s->graph = NULL;
            }
            continue;
        }
        cr_buffer *buffer = with->values[i].buffer;
        size_t offset = with->values[i].offset;
        cr_trace_value *v = cr_record_find(t, buffer);
        if (!v && !(v = cr_record_outside(t, run, buffer)))
            return;
        if (v->kind == CR_VALUE_INPUT)
            v = cr_record_input_at(t, v, offset);
        if (v->storage && v->storage->layout && v->kind != CR_VALUE_INNER)
            t->broken = "a tensor is in a private layout";
        if (i >= s->nread) {
            v->written = true;
            if (v->kind == CR_VALUE_CONSTANT)
                t->broken = "a tensor that the host made was changed in place";
        }
        s->value[i] = (uint32_t)(v - t->values);
        s->offset[i] = offset - v->base;
    }
}

static cr_trace_leaf *leaf_of(cr_trace *t, cr_tensor *leaf, bool *fresh)
{
    for (size_t i = t->nleaves; i-- > 0;)
        if (t->leaves[i].leaf == leaf) {
            *fresh = false;
            return &t->leaves[i];
        }
    void *list = t->leaves;
    cr_trace_leaf *l = cr_record_more(t, &list, &t->nleaves, &t->leaves_room, sizeof *l);
    t->leaves = list;
    *fresh = true;
    if (l)
        l->leaf = cr_retain(leaf);
    return l;
}

static void grad(cr_tensor *leaf, cr_tensor *before, cr_tensor *after)
{
    cr_trace *t = cr_record_current();
    if (!t || t->paused)
        return;
    bool first;
    cr_trace_leaf *l = leaf_of(t, leaf, &first);
    if (!l)
        return;
    if (first && after) { /* a gradient that is dropped first does not matter */
        l->depends = true;
        l->grad = cr_retain(before);
    }
    if (!after || after == before)
        return;
    cr_trace_step *s = cr_record_step(t, CR_STEP_GRAD);
    if (!s)
        return;
    s->leaf = cr_retain(leaf);
    s->grad = cr_retain(after);
}

static int call(const cr_trace_call *what, void *object)
{
    cr_trace *t = cr_this_thread.trace;
    bool was = t->paused;
    if (!t->broken && !was) {
        cr_trace_step *s = cr_record_step(t, CR_STEP_CALL);
        if (s) {
            what->retain(object);
            s->call = *what;
            s->object = object;
        }
    }
    t->paused =
        true; /* it runs as if nobody looked; only who owns which memory is still followed */
    int failed = what->run(object);
    t->paused = was;
    return failed;
}

cr_tracer cr_the_tracer = {born, died, ran, cr_record_left_layout, host_wrote, grad, call, broke};

/* ---- the whole ---- */

cr_trace *cr_trace_new(cr_tensor *const *inputs, size_t n)
{
    cr_trace *t = calloc(1, sizeof *t);
    if (!t)
        return cr_fail_memory("a recording", sizeof *t);
    t->ninputs = (uint32_t)n;
    for (size_t i = 0; i < n && !t->broken; i++) {
        const cr_tensor *in = inputs[i];
        cr_buffer *buffer = in ? in->storage->buffer : NULL;
        size_t size = in ? cr_dtype_size((cr_dtype)in->dtype) : 0;
        int64_t first = 0, last = -1;
        if (in)
            cr_extent(in->dim, in->size, in->stride, 0, &first, &last);
        cr_trace_value *shared = in ? cr_record_find(t, buffer) : NULL;
        uint32_t shown = shared ? (uint32_t)(shared - t->values) : CR_NO_VALUE;
        void *list = t->values;
        cr_trace_value *v = cr_record_more(t, &list, &t->nvalues, &t->values_room, sizeof *v);
        t->values = list;
        if (!v)
            break;
        v->kind = CR_VALUE_INPUT;
        v->input = (uint32_t)i;
        v->buffer = buffer;
        v->bytes = (size_t)(last + 1) * size;
        v->base = in ? (size_t)in->offset * size : 0;
        if (in && shown == CR_NO_VALUE) /* of inputs that share a buffer the map shows the first */
            map_to(t, buffer, (uint32_t)i);
    }
    return t;
}

void cr_trace_start(cr_trace *trace)
{
    cr_this_thread.trace = trace;
}

static void note_outputs(cr_trace *t, cr_tensor *const *outputs, size_t n)
{
    t->outputs = calloc(n + 1, sizeof *t->outputs);
    if (!t->outputs) {
        t->broken = cr_record_no_memory;
        return;
    }
    t->noutputs = n;
    for (size_t i = 0; i < n; i++) {
        const cr_tensor *o = outputs[i];
        cr_trace_output *out = &t->outputs[i];
        out->value = CR_NO_VALUE;
        if (!o)
            continue;
        size_t size = cr_dtype_size((cr_dtype)o->dtype);
        cr_trace_value *v = cr_record_find(t, o->storage->buffer);
        if (v && v->kind == CR_VALUE_INPUT)
            v = cr_record_input_at(t, v, (size_t)o->offset * size);
        if (!v && (v = cr_record_value(t, CR_VALUE_OUTSIDE, o->storage->buffer, o->storage->bytes)))
            v->storage = cr_storage_retain(o->storage);
        if (!v)
            return;
        if (o->storage->layout || v->base % size)
            t->broken = "a result is in a private layout, or between elements of an input";
        out->value = (uint32_t)(v - t->values);
        out->dtype = (cr_dtype)o->dtype;
        out->dim = o->dim;
        memcpy(out->size, o->size, o->dim * sizeof *o->size);
        memcpy(out->stride, o->stride, o->dim * sizeof *o->stride);
        out->offset = o->offset - (int64_t)(v->base / size);
    }
}

void cr_trace_stop(cr_trace *t, cr_tensor *const *outputs, size_t n)
{
    cr_this_thread.trace = NULL;
    if (!t->broken)
        note_outputs(t, outputs, n);
    for (size_t i = 0; i < t->nvalues; i++) {
        cr_trace_value *v = &t->values[i];
        if (v->kind != CR_VALUE_INNER || !v->alive)
            continue;
        int shown = 0;
        for (size_t o = 0; o < t->noutputs; o++)
            shown += t->outputs[o].value == i;
        if (t->broken) {
            v->storage = NULL;
        } else if (shown && atomic_load(&v->storage->refs) == shown) {
            v->kind = CR_VALUE_RESULT;
            v->storage = NULL;
        } else if (v->storage->layout) { /* whose memory may be exchanged between calls */
            t->broken = "a tensor that is kept is in a private layout";
            v->storage = NULL;
        } else {
            v->kind = CR_VALUE_KEPT;
            cr_storage_retain(v->storage);
        }
    }
}

/* by: the lender whose plan it is, or null. The device's lock is held. */
static void free_plan(const cr_trace *t, cr_dev *by, cr_plan *plan)
{
    if (by)
        cr_biased_lock_acquire(&by->lock);
    (by ? by : t->dev)->backend->plan_free(plan);
    if (by)
        cr_biased_lock_release(&by->lock);
}

static void free_prepare(const cr_trace *t, cr_trace_prepare *p)
{
    if (!p->own)
        return;
    free_plan(t, NULL, p->how->plan);
    free((cr_prepare *)(uintptr_t)p->how);
}

void cr_trace_forget_kept(cr_trace *t)
{
    for (size_t i = 0; i < t->nsteps; i++) {
        cr_release(t->steps[i].grad);
        t->steps[i].grad = NULL;
    }
    for (size_t i = 0; i < t->nvalues; i++)
        if (t->values[i].kind == CR_VALUE_KEPT) {
            cr_storage_release(t->values[i].storage);
            t->values[i].storage = NULL;
        }
}

static void free_step(cr_trace *t, cr_trace_step *s)
{
    if (s->entry) {
        if (s->owns_plan)
            free_plan(t, s->by, s->plan);
        s->entry->pins--;
    }
    free(s->value);
    free(s->offset);
    free(s->bind);
    free(s->numbers);
    free(s->graph);
    cr_release(s->leaf);
    cr_release(s->grad);
    if (s->kind == CR_STEP_CALL)
        s->call.release(s->object);
}

void cr_trace_free(cr_trace *t)
{
    if (!t)
        return;
    if (t->dev)
        cr_biased_lock_acquire(&t->dev->lock); /* plans and their entries are the device's */
    for (size_t i = 0; i < t->nsteps; i++)
        if (t->steps[i].kind == CR_STEP_RUN)
            free_step(t, &t->steps[i]);
    for (size_t i = 0; i < t->nprepares; i++)
        free_prepare(t, &t->prepares[i]);
    if (t->dev)
        cr_biased_lock_release(&t->dev->lock);
    for (size_t i = 0; i < t->nprepares; i++)
        cr_release(t->prepares[i].source);
    for (size_t i = 0; i < t->nsteps; i++)
        if (t->steps[i].kind != CR_STEP_RUN)
            free_step(t, &t->steps[i]);
    for (size_t i = 0; i < t->nvalues; i++)
        if (t->values[i].storage && t->values[i].kind != CR_VALUE_INNER)
            cr_storage_release(t->values[i].storage);
    for (size_t i = 0; i < t->nleaves; i++) {
        cr_release(t->leaves[i].leaf);
        cr_release(t->leaves[i].grad);
    }
    for (size_t i = 0; i < t->npieces; i++)
        cr_storage_release(t->memory[i]);
    free(t->memory);
    free(t->values);
    free(t->steps);
    free(t->leaves);
    free(t->prepares);
    free(t->outputs);
    free(t->map_keys);
    free(t->map_values);
    free(t->patches);
    free(t->results);
    free(t);
}
