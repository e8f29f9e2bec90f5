/* Which plan a call gets where two devices of one host memory have one: the faster, as measured when the call is first seen.
 * Both are run on the call's own inputs, with results that are thrown away. Switched off by CRESSET_DETERMINISTIC=1 and by
 * CRESSET_VALIDATE=1: a device's own plan comes first then. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/dispatch/validate.h"
#include "core/ops/invoke.h"

enum { ROUNDS = 20 };              /* so many that a sleeping worker is found worth waking */
static const double enough = 2e-3; /* seconds: no further rounds after this */
static const double margin = 0.95; /* so much faster is worth the other device's lock */
/* Seconds that a device's own plan takes longer among other operations than run after run, when all of a vendor library's code
 * that a call needs is at hand: LeNet with one image was slower by this with oneDNN's convolution, though it won by 0.1 us. */
static const double unseen = 3e-7;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Whether running the call more than once, and aside, changes nothing but the time. */
static bool repeatable(const cr_op_run *run, const cr_frame *f, const cr_plan_entry *e)
{
    if (run->private_layouts || f->all_in_place || f->draws || !f->nout ||
        f->op->how == CR_HOW_MEMORY || run->nin > CR_CALL_INPUTS)
        return false;
    for (uint32_t i = 0; i < f->nout; i++)
        if (f->alias[i] >= 0)
            return false;
    return true;
}

typedef struct trial {
    cr_dev *dev;
    cr_plan *plan;
    cr_run run;
    double best; /* seconds; below 0: not run yet */
} trial;

static cr_status run_once(trial *t)
{
    double begun = now();
    cr_status status = t->dev->backend->run(t->plan, &t->run);
    if (status == CR_OK && t->dev->backend->sync)
        status = t->dev->backend->sync(t->dev->handle);
    double took = now() - begun;
    if (t->best < 0 || took < t->best)
        t->best = took;
    return status;
}

static bool lent_wins(const trial *own, const trial *lent)
{
    return lent->best < margin * own->best + unseen;
}

/* Runs both by turns, the first time without counting unless it takes long. Where the other device wins, the own plan runs once
 * more: a wrong turn lasts as long as the process, and a neighbour on the machine can make any run slow. */
static cr_status race(trial *own, trial *lent)
{
    double begun = now();
    for (int i = 0; i < ROUNDS && (i < 3 || now() - begun < enough); i++) {
        if (i == 1 && own->best + lent->best < 10 * enough)
            own->best = lent->best = -1;
        else if (i == 1)
            break;
        cr_status status = run_once(own);
        status = status == CR_OK ? run_once(lent) : status;
        if (status != CR_OK)
            return status;
    }
    return lent_wins(own, lent) ? run_once(own) : CR_OK;
}

/* Memory for the run's outputs and workspace. */
static bool make_room(cr_dev *dev, cr_storage **room, size_t bytes)
{
    return !bytes || (*room = cr_storage_new_locked(dev, bytes)) != NULL;
}

static cr_buffer *buffer_of(const cr_storage *storage)
{
    return storage ? storage->buffer : NULL;
}

/* Binds copies in place of the inputs that the entry's plan wants in another layout. */
static bool prepare_all(const cr_op_run *run, const cr_plan_entry *e, cr_binding *bind,
                        cr_storage **copies)
{
    for (uint32_t i = 0; i < e->nprepare; i++) {
        const cr_prepare *p = &e->prepare[i];
        copies[i] = cr_prepare_apart(run->dev, p, run->in[e->bind_inputs[p->binding]]);
        if (!copies[i])
            return false;
        bind[p->binding] = (cr_binding){copies[i]->buffer, 0};
    }
    return true;
}

static void release_all(cr_storage **storages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (storages[i])
            cr_storage_release(storages[i]);
}

bool cr_measures(void)
{
    static atomic_int known;
    int value = atomic_load_explicit(&known, memory_order_relaxed);
    if (!value) {
        value = cr_env_is("CRESSET_DETERMINISTIC", "1") || cr_validate_wanted() ? 1 : 2;
        atomic_store(&known, value);
    }
    return value == 2;
}

void cr_plan_faster(const cr_op_run *run, const cr_frame *f, cr_plan_entry *e, cr_dev *by,
                    const cr_graph *graph, size_t *workspace)
{
    if (!cr_measures() || !repeatable(run, f, e))
        return;
    struct cr_trace *trace = cr_this_thread.trace; /* a trial is no part of a recording */
    cr_this_thread.trace = NULL;
    uint64_t layouts[CR_MAX_OUTPUTS] = {0};
    size_t bytes[CR_MAX_OUTPUTS] = {0};
    cr_plan_info info = {sizeof info, 0, layouts, bytes, NULL, NULL};
    cr_plan *plan = NULL;
    cr_biased_lock_acquire(&by->lock);
    if (by->backend->plan(by->handle, graph, &info, &plan) != CR_OK)
        goto unlock;
    cr_binding bind[CR_CALL_INPUTS + CR_MAX_OUTPUTS], own_bind[CR_CALL_INPUTS + CR_MAX_OUTPUTS];
    cr_storage *out[CR_MAX_OUTPUTS] = {NULL}, *work = NULL, *copies[CR_CALL_INPUTS] = {NULL};
    uint32_t nbind = 0;
    bool made =
        make_room(run->dev, &work, info.workspace > *workspace ? info.workspace : *workspace);
    for (uint32_t i = 0; i < e->nbind_inputs; i++) {
        const cr_tensor *t = run->in[e->bind_inputs[i]];
        bind[nbind++] =
            (cr_binding){t->storage->buffer, (size_t)t->offset * cr_dtype_size((cr_dtype)t->dtype)};
    }
    for (uint32_t i = 0; i < graph->noutputs; i++) {
        const cr_meta *m = &graph->values[graph->outputs[i]];
        int64_t first, last = -1;
        bool any = cr_extent(m->rank, m->size, m->stride, 0, &first, &last);
        made = made && make_room(run->dev, &out[i],
                                 any ? (size_t)(last + 1) * cr_dtype_size((cr_dtype)m->dtype) : 0);
        bind[nbind++] = (cr_binding){buffer_of(out[i]), 0};
    }
    memcpy(own_bind, bind, nbind * sizeof *bind);
    made = made && prepare_all(run, e, own_bind, copies);
    const cr_run r = {.struct_size = sizeof r,
                      .values = bind,
                      .numbers = run->numbers,
                      .workspace = {buffer_of(work), 0}};
    trial own = {run->dev, e->plan, r, -1}, lent = {by, plan, r, -1};
    own.run.values = own_bind;
    if (made && race(&own, &lent) == CR_OK && lent_wins(&own, &lent)) {
        plan = e->plan;
        e->plan = lent.plan;
        e->by = by;
        *workspace = info.workspace;
        cr_plan_entry_drop_prepares(run->dev, e);
    }
    (e->by ? run->dev : by)->backend->plan_free(plan);
    release_all(copies, CR_CALL_INPUTS);
    release_all(out, CR_MAX_OUTPUTS);
    release_all(&work, 1);
unlock:
    cr_this_thread.trace = trace;
    cr_biased_lock_release(&by->lock);
    cr_backend_words();
}
