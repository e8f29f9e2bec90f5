/* Running a graph: this call's inputs and results are put into the bindings, then plan follows plan, under one lock. */
#include "core/compile/graph.h"

#include <string.h>

#include <cresset/autograd.h>

bool cr_trace_fits(const cr_trace *t)
{
    for (size_t i = 0; i < t->nleaves; i++)
        if (t->leaves[i].depends && cr_grad(t->leaves[i].leaf) != t->leaves[i].grad)
            return false;
    return true;
}

static int failed_step(const cr_trace *t, const cr_trace_step *s, cr_status status)
{
    char name[80];
    size_t bare = (size_t)s->op->schema->bare;
    memcpy(name, s->op->name, bare);
    name[bare] = 0;
    return cr_dev_failed(s->by ? s->by : t->dev, name, status);
}

/* One plan; the device's lock is held. */
static cr_status run_step(const cr_trace *t, const cr_trace_step *s)
{
    cr_run r = {.struct_size = sizeof r, .values = s->bind, .numbers = s->numbers};
    if (s->draws)
        cr_generator_take(s->draws, &r.seed, &r.offset);
    if (s->dead)
        return CR_OK;
    r.workspace = s->work;
    if (CR_LIKELY(!s->by))
        return t->dev->backend->run(s->plan, &r);
    cr_biased_lock_acquire(&s->by->lock); /* the lender never takes this device's */
    cr_status status = s->by->backend->run(s->plan, &r);
    cr_biased_lock_release(&s->by->lock);
    return status;
}

static int run_steps(const cr_trace *t)
{
    cr_biased_lock_acquire(&t->dev->lock);
    for (size_t i = 0; i < t->nsteps; i++) {
        const cr_trace_step *s = &t->steps[i];
        int failed = 0;
        if (CR_LIKELY(s->kind == CR_STEP_RUN)) {
            cr_status status = run_step(t, s);
            if (CR_LIKELY(status == CR_OK))
                continue;
            cr_biased_lock_release(&t->dev->lock);
            return failed_step(t, s, status);
        }
        if (s->kind == CR_STEP_GRAD && cr_grad(s->leaf) == s->grad)
            continue;
        cr_biased_lock_release(&t->dev->lock);
        failed = s->kind == CR_STEP_GRAD ? cr_set_grad(s->leaf, s->grad) : s->call.run(s->object);
        if (failed)
            return -1;
        cr_biased_lock_acquire(&t->dev->lock);
    }
    cr_biased_lock_release(&t->dev->lock);
    return 0;
}

/* Those who saved a tensor must see that it changed. */
static void count_changes(const cr_trace *t, cr_tensor *const *inputs)
{
    for (size_t i = 0; i < t->nvalues; i++) {
        const cr_trace_value *v = &t->values[i];
        if (!v->written)
            continue;
        cr_storage *changed = v->kind == CR_VALUE_INPUT ? inputs[v->input]->storage
                              : v->kind == CR_VALUE_OUTSIDE || v->kind == CR_VALUE_KEPT ? v->storage
                                                                                        : NULL;
        if (changed)
            atomic_fetch_add_explicit(&changed->version, 1, memory_order_relaxed);
    }
}

static cr_tensor *make_output(const cr_trace *t, const cr_trace_output *o, cr_tensor *const *inputs)
{
    const cr_trace_value *v = &t->values[o->value];
    cr_storage *storage = v->kind == CR_VALUE_RESULT  ? t->results[o->value]
                          : v->kind == CR_VALUE_INPUT ? inputs[v->input]->storage
                                                      : v->storage;
    int64_t base = v->kind == CR_VALUE_INPUT ? inputs[v->input]->offset : 0;
    return cr_tensor_to_scope(cr_tensor_make(cr_storage_retain(storage), o->dtype, o->dim, o->size,
                                             o->stride, base + o->offset));
}

/* Brings up to date what is kept of tensors in private layouts. */
static int prepare_all(cr_trace *t)
{
    int failed = 0;
    cr_biased_lock_acquire(&t->dev->lock);
    for (size_t i = 0; i < t->nprepares && !failed; i++) {
        const cr_trace_prepare *p = &t->prepares[i];
        cr_trace_value *v = &t->values[p->value];
        /* A step copies it, or no plan reads it any more. */
        if (v->kind != CR_VALUE_PREPARED || v->first == CR_NO_VALUE)
            continue;
        cr_storage *copy = cr_prepared_input(t->dev, p->how, p->source, true);
        failed = !copy;
        if (failed)
            break;
        if (v->storage)
            cr_storage_release(v->storage);
        v->storage = copy;
    }
    cr_biased_lock_release(&t->dev->lock);
    return failed;
}

int cr_trace_run(cr_trace *t, cr_tensor *const *inputs, cr_tensor **outputs)
{
    int failed = t->nprepares ? prepare_all(t) : 0;
    for (size_t i = 0; i < t->noutputs && !failed; i++) {
        uint32_t v = t->outputs[i].value;
        if (v != CR_NO_VALUE && t->values[v].kind == CR_VALUE_RESULT && !t->results[v])
            failed = !(t->results[v] = cr_storage_new(t->dev, t->values[v].bytes));
        if (v != CR_NO_VALUE && t->results[v])
            cr_storage_made_by(t->results[v], "a captured graph's result");
    }
    for (size_t i = 0; i < t->npatches && !failed; i++) {
        const cr_trace_patch *p = &t->patches[i];
        const cr_trace_value *v = &t->values[p->value];
        if (v->kind == CR_VALUE_RESULT || v->kind == CR_VALUE_PREPARED) {
            p->bind->buffer =
                v->kind == CR_VALUE_RESULT ? t->results[p->value]->buffer : v->storage->buffer;
            continue;
        }
        const cr_tensor *in = inputs[v->input];
        p->bind->buffer = in->storage->buffer;
        p->bind->offset = p->offset + (size_t)in->offset * cr_dtype_size((cr_dtype)in->dtype);
    }
    failed = failed || run_steps(t);
    if (!failed)
        count_changes(t, inputs);
    for (size_t i = 0; i < t->noutputs && !failed; i++) {
        bool there = t->outputs[i].value != CR_NO_VALUE;
        outputs[i] = there ? make_output(t, &t->outputs[i], inputs) : NULL;
        failed = there && !outputs[i];
    }
    for (size_t i = 0; i < t->noutputs; i++) {
        uint32_t v = t->outputs[i].value;
        if (v != CR_NO_VALUE && t->results[v]) {
            cr_storage_release(t->results[v]);
            t->results[v] = NULL;
        }
    }
    return failed ? -1 : 0;
}
