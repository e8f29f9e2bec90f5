/* Which plan a call gets where two devices of one host memory have one: the faster, as measured when the call is first seen.
 * Both are run on the call's own inputs, with results that are thrown away. Calls whose sizes are alike share the answer. Switched
 * off by CRESSET_DETERMINISTIC=1 and by CRESSET_VALIDATE=1: a device's own plan comes first then. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/dispatch/validate.h"
#include "core/ops/key.h"

enum { ROUNDS = 20 };                  /* so many that a sleeping worker is found worth waking */
static const double enough = 2e-3;     /* seconds: no further rounds after this */
static const double margin = 0.95;     /* so much faster is worth the other device's lock */
static const double kept_margin = 0.8; /* and the layout that its own result would stay in */
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
    bool keeps;  /* results in a layout of the device's own */
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
    return lent->best < (own->keeps ? kept_margin : margin) * own->best + unseen;
}

/* Runs both by turns, the first time without counting: what a plan touches first is slow. Of long calls it counts, lest choosing
 * take longer than it brings, and there is one more round; of very long ones none. Where the other device wins, the own plan runs
 * once more: a wrong turn lasts as long as the process, and a neighbour on the machine can make any run slow. */
static cr_status race(trial *own, trial *lent)
{
    double begun = now();
    bool is_long = false;
    for (int i = 0; i < ROUNDS && (i < 3 || now() - begun < enough); i++) {
        const double round = own->best + lent->best;
        if (i == 1 && round < 10 * enough)
            own->best = lent->best = -1;
        else if (i == 1)
            is_long = true;
        if (is_long && (i == 2 || round > 500 * enough))
            break;
        cr_status status = run_once(own);
        status = status == CR_OK ? run_once(lent) : status;
        if (status != CR_OK)
            return status;
    }
    return lent_wins(own, lent) ? run_once(own) : CR_OK;
}

/* ---- what won ---- */

/* A program whose sizes change from call to call would do little else than measure. Under the lender's lock. */
enum { ANSWERS = 1024 };
static struct answer {
    uint64_t kind; /* of calls; 0: none */
    bool lent;     /* the lent plan won */
} answers[ANSWERS];

/* The same for sizes that a kernel treats alike: from one to the next at most a quarter more, and multiples of a vector apart. */
static uint64_t size_class(int64_t n)
{
    uint64_t u = (uint64_t)n;
    if (u < 4)
        return u;
    int shift = 61 - __builtin_clzll(u);
    return (uint64_t)(shift + 1) << 4 | (u >> shift & 3) << 1 | !(u & 15);
}

static uint64_t attribute_kind(uint64_t h, const cr_attr *a)
{
    if (a->kind == CR_ATTR_INT)
        return cr_hash_word(h, (uint64_t)a->as.i);
    for (int32_t i = 0; a->kind == CR_ATTR_INTS && i < a->count; i++)
        h = cr_hash_word(h, (uint64_t)a->as.ints[i]);
    for (const char *c = a->as.text; a->kind == CR_ATTR_TEXT && c && *c; c++)
        h = cr_hash_word(h, (unsigned char)*c);
    return cr_hash_word(h, (uint64_t)a->count);
}

/* What the call has in common with those that the same plan is faster for. Never 0. */
static uint64_t kind_of(const cr_op_run *run, const cr_graph *graph)
{
    const cr_graph_node *node = graph->nodes;
    uint64_t h = cr_hash_word(cr_hash_word((uintptr_t)run->op, (uintptr_t)run->dev),
                              (uint64_t)cr_num_threads());
    for (uint32_t i = 0; i < node->ninputs; i++)
        h = cr_hash_word(h, node->inputs[i]);
    for (uint32_t i = 0; i < node->noutputs; i++)
        h = cr_hash_word(h, node->outputs[i]);
    for (uint32_t i = 0; i < node->nattrs; i++)
        h = attribute_kind(h, &node->attrs[i]);
    for (uint32_t i = 0; i < graph->nvalues; i++) {
        const cr_meta *m = &graph->values[i];
        h = cr_hash_word(cr_hash_word(h, (uint64_t)m->dtype << 8 | (uint64_t)m->rank), m->layout);
        for (int d = 0; d < m->rank; d++) {
            uint64_t steps = m->stride[d] == 0 ? 0 : m->stride[d] == 1 ? 1 : 2;
            h = cr_hash_word(h, size_class(m->size[d]) << 2 | steps);
        }
    }
    return h | 1;
}

/* ---- trying ---- */

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

/* Whether the lent plan is faster, as measured now; *measured: whether it could be. */
static bool try_both(const cr_op_run *run, const cr_plan_entry *e, cr_dev *by, cr_plan *lent_plan,
                     const cr_graph *graph, const cr_plan_info *own_info, size_t workspace,
                     bool *measured)
{
    cr_binding bind[CR_CALL_INPUTS + CR_MAX_OUTPUTS], own_bind[CR_CALL_INPUTS + CR_MAX_OUTPUTS];
    cr_storage *out[CR_MAX_OUTPUTS] = {NULL}, *work = NULL, *copies[CR_CALL_INPUTS] = {NULL};
    uint32_t nbind = 0;
    bool keeps = false, made = make_room(run->dev, &work, workspace);
    for (uint32_t i = 0; i < e->nbind_inputs; i++) {
        const cr_tensor *t = run->in[e->bind_inputs[i]];
        bind[nbind++] =
            (cr_binding){t->storage->buffer, (size_t)t->offset * cr_dtype_size((cr_dtype)t->dtype)};
    }
    for (uint32_t i = 0; i < graph->noutputs; i++) {
        const cr_meta *m = &graph->values[graph->outputs[i]];
        int64_t first, last = -1;
        bool any = cr_extent(m->rank, m->size, m->stride, 0, &first, &last);
        size_t bytes = any ? (size_t)(last + 1) * cr_dtype_size((cr_dtype)m->dtype) : 0;
        if (own_info->output_layouts[i]) {
            keeps = true;
            bytes = bytes > own_info->output_bytes[i] ? bytes : own_info->output_bytes[i];
        }
        made = made && make_room(run->dev, &out[i], bytes);
        bind[nbind++] = (cr_binding){buffer_of(out[i]), 0};
    }
    memcpy(own_bind, bind, nbind * sizeof *bind);
    made = made && prepare_all(run, e, own_bind, copies);
    const cr_run r = {.struct_size = sizeof r,
                      .values = bind,
                      .numbers = run->numbers,
                      .workspace = {buffer_of(work), 0}};
    trial own = {run->dev, e->plan, r, -1, keeps}, lent = {by, lent_plan, r, -1, false};
    own.run.values = own_bind;
    *measured = made && race(&own, &lent) == CR_OK;
    release_all(copies, CR_CALL_INPUTS);
    release_all(out, CR_MAX_OUTPUTS);
    release_all(&work, 1);
    return *measured && lent_wins(&own, &lent);
}

void cr_plan_faster(const cr_op_run *run, const cr_frame *f, cr_plan_entry *e, cr_dev *by,
                    const cr_graph *graph, cr_plan_info *own_info)
{
    if (!cr_measures() || !repeatable(run, f, e))
        return;
    struct cr_trace *trace = cr_this_thread.trace; /* a trial is no part of a recording */
    cr_this_thread.trace = NULL;
    uint64_t layouts[CR_MAX_OUTPUTS] = {0};
    size_t bytes[CR_MAX_OUTPUTS] = {0};
    cr_plan_info info = {sizeof info, 0, layouts, bytes, NULL, NULL};
    cr_plan *plan = NULL;
    const uint64_t kind = kind_of(run, graph);
    cr_biased_lock_acquire(&by->lock);
    struct answer *answer = &answers[(kind >> 1) % ANSWERS];
    bool known = answer->kind == kind;
    if ((!known || answer->lent) && by->backend->plan(by->handle, graph, &info, &plan) == CR_OK) {
        bool lent = known || try_both(run, e, by, plan, graph, own_info,
                                      info.workspace > own_info->workspace ? info.workspace
                                                                           : own_info->workspace,
                                      &known);
        if (known)
            *answer = (struct answer){kind, lent};
        if (lent) {
            cr_plan *own = e->plan;
            e->plan = plan;
            plan = own;
            e->by = by;
            own_info->workspace = info.workspace;
            for (uint32_t i = 0; i < graph->noutputs; i++)
                own_info->output_layouts[i] = 0;
            cr_plan_entry_drop_prepares(run->dev, e);
        }
        (lent ? run->dev : by)->backend->plan_free(plan);
    }
    cr_this_thread.trace = trace;
    cr_biased_lock_release(&by->lock);
    cr_backend_words();
}
