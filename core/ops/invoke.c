/* The way a number travels: an operation's arguments become a key (key.c), the key finds the plan,
 * outputs get their memory, the backend runs, autograd takes note. What happens the first time is in
 * plan.c, the detours are in variants.c. */
#include "core/dispatch/trace.h"
#include "core/ops/autocast.h"
#include "core/ops/key.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

cr_recorder cr_the_recorder;

bool cr_a_view_requires_grad(const cr_op_run *run)
{
    for (uint32_t i = 0; i < run->nin; i++)
        if (run->in[i] && cr_requires_grad_flag(run->in[i]))
            return true;
    return false;
}

/* ---- memory that must not be written ---- */

static CR_NOINLINE int check_written(cr_op_run *run, cr_tensor *self)
{
    const cr_op *op = run->op;
    if (CR_UNLIKELY(!(self->flags & CR_FLAG_CONTIGUOUS) && cr_has_internal_overlap(self)))
        return CR_FAIL_INT("%.*s: more than one element of the written-to tensor refers to a "
                           "single memory location. Please "
                           "clone() the tensor before performing the operation.",
                           op->schema->bare, op->name);
    bool aside = false;
    for (uint32_t i = 0; i < run->nin; i++) { /* partial overlap; exactly the same memory is fine */
        const cr_tensor *t = run->in[i];
        int64_t a0, a1, b0, b1;
        if (!t || t == self || t->storage != self->storage)
            continue;
        aside = true;
        bool same = t->offset == self->offset && t->dim == self->dim && t->dtype == self->dtype &&
                    !memcmp(t->size, self->size, (size_t)t->dim * sizeof *t->size) &&
                    !memcmp(t->stride, self->stride, (size_t)t->dim * sizeof *t->stride);
        if (same || !cr_extent(t->dim, t->size, t->stride, t->offset, &a0, &a1) ||
            !cr_extent(self->dim, self->size, self->stride, self->offset, &b0, &b1) || a1 < b0 ||
            b1 < a0)
            continue;
        if (!(t->flags & CR_FLAG_CONTIGUOUS) || !(self->flags & CR_FLAG_CONTIGUOUS))
            continue; /* may interleave without meeting; the result goes aside (plan.c) */
        return CR_FAIL_INT("%.*s: some elements of the input tensor and the written-to tensor "
                           "refer to a single memory "
                           "location. Please clone() the tensor before performing the operation.",
                           op->schema->bare, op->name);
    }
    if (CR_UNLIKELY(aside)) { /* other tensors of the same sizes may share nothing: another plan */
        run->key[0] |= 1ull << 63;
        run->hash = cr_key_hash(run->key, run->nkey);
    }
    return 0;
}

/* ---- running a plan ---- */

static inline cr_binding binding_of(const cr_tensor *t)
{
    size_t bytes =
        t->offset ? (size_t)t->offset * cr_dtype_size((cr_dtype)t->dtype) : 0; /* mostly none */
    return (cr_binding){t->storage->buffer, bytes};
}

/* Output i of the entry over storage, whose reference it takes. Null, with the error set, without memory. */
static CR_INLINE cr_tensor *make_output(const cr_op_run *run, const cr_plan_entry *e, int i,
                                        cr_storage *storage)
{
    const cr_meta *m = &e->out[i];
    cr_tensor *t = cr_tensor_new_struct();
    if (CR_UNLIKELY(!t)) {
        cr_storage_release(storage);
        return NULL;
    }
    storage->layout = m->layout;
    cr_storage_made_by(storage, cr_this_thread.within ? cr_this_thread.within : run->op->name);
    t->dtype = (uint8_t)m->dtype;
    t->dim = (uint8_t)m->rank;
    t->flags = (uint8_t)(e->out_flags[i] | (cr_this_thread.inference_mode ? CR_FLAG_INFERENCE : 0));
    t->numel = e->out_numel[i];
    t->offset = 0;
    t->storage = storage;
    for (int d = 0; d < m->rank; d++) {
        t->size[d] = m->size[d];
        t->stride[d] = m->stride[d];
    }
    return t;
}

/* What a backend said of a plan that did not run. */
static CR_NOINLINE void say_failed(const cr_op_run *run, cr_dev *dev, cr_status ran)
{
    char name[80];
    memcpy(name, run->op->name, sizeof name);
    name[run->op->schema->bare] = 0;
    bool before = cr_error() != NULL;
    cr_dev_failed(dev, name, ran);
    const char *meaning = cr_this_thread.index_meaning, *words = cr_error();
    if (meaning && words && !before && ran == CR_INVALID && strstr(words, " out of ")) {
        char said[CR_TEXT_SIZE];
        snprintf(said, sizeof said, "%s", words);
        cr_clear_error();
        cr_fail("%s (%s)", meaning, said);
    }
}

/* What the backend is told of a run over these buffers. */
static CR_INLINE cr_run run_of(const cr_op_run *run, const cr_binding *bind)
{
    return (cr_run){.struct_size = sizeof(cr_run),
                    .values = bind,
                    .numbers = run->numbers,
                    .within = cr_this_thread.within,
                    .index_meaning = cr_this_thread.index_meaning};
}

/* Runs an entry's plan, whoever made it: a lender never takes this device's lock. */
static inline cr_status run_by(cr_dev *dev, const cr_plan_entry *e, const cr_run *r)
{
    cr_dev *by = e->by;
    if (CR_LIKELY(!by))
        return dev->backend->run(e->plan, r);
    cr_biased_lock_acquire(&by->lock);
    cr_status status = by->backend->run(e->plan, r);
    cr_biased_lock_release(&by->lock);
    return status;
}

/* Most calls: all inputs as they are, one result in new memory, a plan without workspace, and nobody watching. Device's lock as
 * in run_plan, which does the others. */
static inline int run_simple(cr_op_run *run, cr_plan_entry *e, cr_results *results)
{
    cr_dev *dev = run->dev;
    cr_binding bind[CR_CALL_INPUTS + 1];
    uint32_t nin = e->nbind_inputs;
    for (uint32_t i = 0; i < nin; i++)
        bind[i] = binding_of(run->in[i]);
    cr_storage *storage = cr_storage_new_locked(dev, e->out_bytes[0]);
    cr_tensor *t = CR_LIKELY(storage != NULL) ? make_output(run, e, 0, storage) : NULL;
    cr_status ran = CR_OUT_OF_MEMORY; /* said already */
    if (CR_LIKELY(t != NULL)) {
        bind[nin] = (cr_binding){storage->buffer, 0};
        cr_run r = run_of(run, bind);
        ran = run_by(dev, e, &r);
        cr_dev_count(dev, run->op->functional->index, e->by ? CR_PLAN_FALLBACK : CR_PLAN_NATIVE);
        if (CR_UNLIKELY(ran != CR_OK))
            say_failed(run, e->by ? e->by : dev, ran);
    }
    cr_biased_lock_release(&dev->lock);
    if (CR_UNLIKELY(ran != CR_OK)) {
        cr_release(t);
        return -1;
    }
    results->count = 1;
    return (results->t[0] = cr_tensor_to_scope(t)) ? 0 : -1;
}

/* Results beyond the schema's (running statistics that were written in place) are not shown. The
 * device's lock is held and let go here. */
static int run_plan(cr_op_run *run, cr_plan_entry *e, cr_results *results)
{
    cr_dev *dev = run->dev;
    cr_binding small[CR_CALL_INPUTS + CR_MAX_OUTPUTS], *bind = small;
    cr_tensor *fresh[CR_MAX_OUTPUTS] = {NULL};
    cr_storage *workspace = NULL, *prepared[CR_CALL_INPUTS];
    uint32_t nprepared = 0;
    uint32_t nin = e->nbind_inputs, nbind = 0, total = nin + e->nout + e->nwritten;
    int status = -1;
    if (CR_UNLIKELY(total > sizeof small / sizeof *small) &&
        !(bind = malloc(total * sizeof *bind))) {
        cr_biased_lock_release(&dev->lock);
        cr_fail_memory("an operation's bindings", total * sizeof *bind);
        return -1;
    }
    if (CR_LIKELY(!e->bind_inputs)) {
        for (; nbind < nin; nbind++)
            bind[nbind] = binding_of(run->in[nbind]);
    } else {
        for (; nbind < nin; nbind++)
            bind[nbind] = binding_of(run->in[e->bind_inputs[nbind]]);
    }
    for (uint32_t i = 0; CR_UNLIKELY(i < e->nprepare); i++) {
        const cr_prepare *p = &e->prepare[i];
        struct cr_trace *trace = cr_this_thread.trace; /* which makes its own */
        cr_this_thread.trace = NULL;
        cr_storage *copy = cr_prepared_input(
            dev, p, run->in[e->bind_inputs ? e->bind_inputs[p->binding] : p->binding], false);
        cr_this_thread.trace = trace;
        if (!copy)
            goto done;
        prepared[nprepared++] = copy;
        bind[p->binding] = (cr_binding){copy->buffer, 0};
    }
    for (uint32_t i = 0; i < e->nwritten; i++)
        bind[nbind++] = binding_of(run->in[e->written[i]]);
    for (int i = 0; i < e->nout; i++) {
        if (e->alias[i] == -2)
            continue;
        if (e->alias[i] >= 0) {
            bind[nbind++] = binding_of(run->in[e->alias[i]]);
            continue;
        }
        if (run->out) {
            bind[nbind++] = binding_of(run->out);
            continue;
        }
        cr_storage *storage = cr_storage_new_locked(dev, e->out_bytes[i]);
        if (CR_UNLIKELY(!storage))
            goto done;
        fresh[i] = make_output(run, e, i, storage);
        if (CR_UNLIKELY(!fresh[i]))
            goto done;
        bind[nbind++] = (cr_binding){storage->buffer, 0};
    }
    cr_run r = run_of(run, bind);
    if (CR_UNLIKELY(e->workspace)) {
        if (!(workspace = cr_storage_new_locked(dev, e->workspace)))
            goto done;
        cr_storage_made_by(workspace, run->op->name);
        r.workspace.buffer = workspace->buffer;
    }
    if (CR_UNLIKELY(e->draws))
        cr_generator_take(e->draws, &r.seed, &r.offset);
    cr_dev *by = e->by;
    cr_status ran = CR_LIKELY(e->plan != NULL) ? run_by(dev, e, &r) : CR_OK;
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.ran(run, e, &r, nbind);
    cr_dev_count(dev, run->op->functional->index, by ? CR_PLAN_FALLBACK : CR_PLAN_NATIVE);
    if (CR_UNLIKELY(ran != CR_OK)) {
        say_failed(run, by ? by : dev, ran);
        goto done;
    }
    status = 0;
done:
    cr_biased_lock_release(&dev->lock);
    if (CR_UNLIKELY(bind != small))
        free(bind);
    if (CR_UNLIKELY(workspace != NULL))
        cr_storage_release(workspace);
    while (CR_UNLIKELY(nprepared))
        cr_storage_release(prepared[--nprepared]);
    if (CR_UNLIKELY(status)) {
        for (int i = 0; i < CR_MAX_OUTPUTS; i++)
            cr_release(fresh[i]);
        return -1;
    }
    results->count = run->op->schema->nreturns;
    for (int i = 0; i < results->count; i++) {
        cr_tensor *t = fresh[i];
        if (t) {
            if (!(results->t[i] = cr_tensor_to_scope(t)))
                status = -1;
        } else if (run->out && i == 0) {
            results->t[i] = run->out;
        } else {
            results->t[i] = e->alias[i] >= 0 && !e->nwritten ? run->in[e->alias[i]] : NULL;
        }
    }
    return status;
}

static void changed(cr_tensor *t)
{
    atomic_fetch_add_explicit(&t->storage->version, 1, memory_order_relaxed);
}

static int compute(cr_op_run *run, cr_results *results)
{
    cr_dev *dev = run->dev;
    cr_biased_lock_acquire(&dev->lock);
    cr_plan_entry *e = cr_plan_cache_find(dev, run->hash, run->key, run->nkey);
    if (CR_UNLIKELY(!e) && !(e = cr_plan_call(run)))
        return -1;
    if (CR_LIKELY(e->simple) && CR_LIKELY(!run->out && !cr_this_thread.trace))
        return run_simple(run, e, results);
    if (CR_LIKELY(e->mode == CR_PLAN_NATIVE)) {
        bool writes_more = e->nwritten || e->alias[3] >= 0 || e->alias[4] >= 0;
        int failed = run_plan(run, e, results);
        if (CR_UNLIKELY(writes_more) &&
            !failed) /* e may be gone by now; what is written follows from the schema */
            for (int a = 0; a < run->op->nargs; a++)
                for (int i = run->first_input[a]; i < run->first_input[a + 1]; i++)
                    if (run->in[i] && (run->op->schema->args[a].written ||
                                       !strncmp(run->op->schema->args[a].name, "running_", 8)))
                        changed(run->in[i]);
        return failed;
    }
    cr_plan_mode mode = (cr_plan_mode)e->mode;
    uint8_t casts[CR_CALL_INPUTS];
    uint8_t *more = NULL;
    if (mode == CR_PLAN_RECAST) {
        more = run->nin > CR_CALL_INPUTS ? malloc(run->nin) : casts;
        if (more)
            memcpy(more, e->casts, run->nin);
    }
    if (mode == CR_PLAN_DECOMPOSE || mode == CR_PLAN_FALLBACK)
        cr_dev_count(dev, run->op->functional->index, mode);
    cr_biased_lock_release(&dev->lock);
    int failed = -1;
    switch (mode) {
    case CR_PLAN_RECAST:
        failed = more ? cr_run_recast(run, more, results) : (cr_fail_memory("casts", run->nin), -1);
        break;
    case CR_PLAN_DECOMPOSE: failed = cr_run_decomposed(run, results); break;
    case CR_PLAN_FALLBACK: failed = cr_run_fallback(run, results); break;
    case CR_PLAN_INDIRECT: failed = cr_run_indirect(run, results); break;
    default: failed = cr_run_plain(run, results); break;
    }
    if (more && more != casts)
        free(more);
    return failed;
}

/* The call's tensors are of several devices. Returns 0 where they meet in host memory, and the run is on one of these; 1
 * where something else must be done, -1 on failure. */
static int meet(cr_op_run *run)
{
    cr_dev *where;
    if (cr_run_meets_in_host_memory(run, &where))
        return -1;
    if (!where)
        return 1;
    run->nin = run->nkey = run->nnumbers = 0;
    run->flags = 0;
    run->private_layouts = false;
    run->dev = where;
    return cr_run_collect(run) ? 0 : -1;
}

bool cr_has_plan(const cr_op *op, const cr_value *args)
{
    cr_op_run run;
    cr_run_begin(&run, op, args);
    bool native = false;
    if (cr_run_collect(&run) && run.dev && !run.mixed_devices) {
        run.hash = cr_key_hash(run.key, run.nkey);
        cr_biased_lock_acquire(&run.dev->lock);
        cr_plan_entry *e = cr_plan_cache_find(run.dev, run.hash, run.key, run.nkey);
        e = e ? e : cr_plan_call(&run);
        native = e && e->mode == CR_PLAN_NATIVE;
        if (e)
            cr_biased_lock_release(&run.dev->lock);
    }
    cr_run_end(&run);
    return native;
}

static int invoke_kernel(const cr_op *op, const cr_value *args, cr_results *results)
{
    cr_op_run run;
    cr_run_begin(&run, op, args);
    int failed = -1;
    struct cr_grad_node *node = NULL;
    if (CR_UNLIKELY(!cr_run_collect(&run)))
        goto done;
    if (CR_UNLIKELY(!run.dev)) { /* a factory: where its device argument says */
        const char *name = NULL;
        for (int a = 0; a < op->nargs; a++)
            if (op->schema->args[a].type == CR_ARG_DEVICE)
                name = cr_value_device(&args[a]);
        if (!(run.dev = cr_dev_find(name)))
            goto done;
    }
    if (CR_UNLIKELY(run.mixed_devices)) {
        int met = meet(&run);
        if (met) {
            failed = met < 0 ? -1 : cr_run_on_one_device(&run, results);
            goto done;
        }
    }
    run.hash = cr_key_hash(run.key, run.nkey);
    bool records = cr_records(&run);
    cr_tensor *written = op->variant == CR_OUT                          ? run.out
                         : op->variant == CR_INPLACE || op->own_inplace ? run.in[0]
                                                                        : NULL;
    if (written) {
        if (check_written(&run, written) || cr_the_recorder.check_inplace(op, written, records))
            goto done;
        if (op->variant == CR_OUT && records) {
            cr_fail("%.*s: functions with out= arguments don't support automatic differentiation, "
                    "but one of the "
                    "arguments requires grad.",
                    op->schema->bare, op->name);
            goto done;
        }
    }
    if (records) {
        bool cannot = false;
        node = cr_the_recorder.begin(op, args, run.in, run.nin, run.flags, &cannot);
        if (cannot)
            goto done;
    }
    failed = compute(&run, results);
    if (CR_UNLIKELY(run.mixed_devices) && run.dev->backend->sync && !failed)
        failed = cr_synchronize(run.dev->name); /* the other devices don't know of this work */
    if (written && !failed) {
        changed(written);
        results->count = 1;
        results->t[0] = written;
    }
    if (node) {
        if (failed)
            cr_the_recorder.cancel(node);
        else
            failed = cr_the_recorder.finish(node, op, run.in, results);
    }
done:
    cr_run_end(&run);
    return failed;
}

int cr_invoke(const cr_op *op, const cr_value *args, cr_results *results)
{
    results->count = 0;
    results->list = NULL;
    results->nlist = 0;
    if (CR_UNLIKELY(op->autocast) && cr_this_thread.autocast) {
        int failed = cr_invoke_autocast(op, args, results);
        if (failed != CR_NOT_AUTOCAST)
            return failed;
    }
    switch (op->how) {
    case CR_HOW_COMPOSITE: return cr_invoke_composite(op, args, results);
    case CR_HOW_VIEW: return cr_invoke_view(op, args, results);
    default: return invoke_kernel(op, args, results);
    }
}
