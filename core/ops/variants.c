/* The ways around a plan: composites and views, decompositions, casts first, results made aside and
 * copied over, the host instead of the device. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/ops/invoke.h"
#include "op_index.h"

/* ---- scopes around what makes temporaries ---- */

void cr_end_keeping(cr_results *r, int failed)
{
    if (!failed) {
        for (int i = 0; i < r->count; i++)
            cr_keep(r->t[i]);
        for (int64_t i = 0; i < r->nlist; i++)
            cr_keep(r->list[i]);
        if (r->list)
            cr_scope_keep(r->list);
    }
    cr_scope_end();
}

static bool set_grad_disabled(bool disabled)
{
    bool was = cr_this_thread.grad_disabled;
    cr_this_thread.grad_disabled = disabled;
    return was;
}

/* ---- in-place and out forms of a result made aside ---- */

static int copy_over(const cr_op *op, cr_tensor *to, cr_tensor *from, cr_results *results)
{
    if (!from)
        return -1;
    if (op->variant == CR_OUT &&
        (to->dim != from->dim || memcmp(to->size, from->size, (size_t)to->dim * 8))) {
        if (to->numel)
            return CR_FAIL_INT("%.*s: out has the shape %s, but the result has %s; give a tensor "
                               "of that shape, or an empty "
                               "one",
                               op->schema->bare, op->name, cr_sizes_text(to->dim, to->size),
                               cr_sizes_text(from->dim, from->size));
        cr_storage *storage = cr_storage_new(
            to->storage->dev, (size_t)from->numel * cr_dtype_size((cr_dtype)to->dtype));
        if (!storage)
            return -1;
        cr_storage_release(to->storage);
        to->storage = storage;
        to->dim = from->dim;
        to->numel = from->numel;
        to->offset = 0;
        memcpy(to->size, from->size, sizeof to->size);
        cr_contiguous_strides(to->dim, to->size, to->stride);
        to->flags |= CR_FLAG_CONTIGUOUS;
    }
    return cr_give(results, cr_copy_(to, from));
}

int cr_invoke_composite(const cr_op *op, const cr_value *args, cr_results *results)
{
    const cr_schema *s = op->schema;
    for (int a = 0; a < s->nargs; a++)
        if (s->args[a].type == CR_ARG_TENSOR && !s->args[a].optional && !args[a].as.tensor) {
            if (!cr_error())
                cr_fail("%.*s: %s is null", s->bare, op->name, s->args[a].name);
            return -1;
        }
    bool clean = !cr_error();
    cr_scope_begin();
    int failed = op->function(op->functional, args, results);
    if (!failed && clean && cr_error()) /* an optional tensor in between that could not be made */
        failed = -1;
    if (!failed && op->variant != CR_FUNCTIONAL)
        failed = copy_over(op, args[op->variant == CR_OUT ? op->nargs : 0].as.tensor, results->t[0],
                           results);
    cr_end_keeping(results, failed);
    return failed;
}

/* The result of the functional form, then a copy. Nothing of it is recorded: the caller records the
 * operation as a whole. */
int cr_run_indirect(cr_op_run *run, cr_results *results)
{
    cr_tensor *to = run->op->variant == CR_OUT ? run->out : run->in[0];
    bool was = set_grad_disabled(true);
    unsigned version = atomic_load(&to->storage->version);
    cr_scope_begin();
    int failed = cr_invoke(run->op->functional, run->args, results);
    /* A copy that comes here has no plan, or reads what it writes; the second time it has none. */
    if (!failed && run->op->functional->index == CR_OP_copy && run->in[1]->storage != to->storage)
        failed = cr_copy_through_host(to, results->t[0]) || cr_give(results, to);
    else if (!failed)
        failed = copy_over(run->op, to, results->t[0], results);
    atomic_store(&to->storage->version, version); /* the caller counts the change, once */
    cr_scope_end();
    set_grad_disabled(was);
    return failed;
}

/* A result has memory of its own: where a decomposition had nothing to do, and gave back an input or a view of one, it is
 * copied. */
static int own_memory(const cr_op_run *run, cr_results *results)
{
    for (int r = 0; r < results->count; r++) {
        cr_tensor *t = results->t[r];
        bool shared = false;
        for (uint32_t i = 0; t && i < run->nin && !shared; i++)
            shared = run->in[i] && run->in[i]->storage == t->storage;
        if (shared && !(results->t[r] = cr_clone(t)))
            return -1;
    }
    return 0;
}

int cr_run_decomposed(cr_op_run *run, cr_results *results)
{
    bool was = set_grad_disabled(true), autocast = cr_this_thread.autocast;
    const char *within = cr_this_thread.within;
    cr_this_thread.autocast = false; /* the operation itself had its arguments cast */
    if (!within)
        cr_this_thread.within = run->op->functional->name;
    cr_scope_begin();
    int failed = run->op->functional->function(run->op->functional, run->args, results);
    if (!failed && !run->op->own_inplace)
        failed = own_memory(run, results);
    cr_end_keeping(results, failed);
    cr_this_thread.autocast = autocast;
    cr_this_thread.within = within;
    set_grad_disabled(was);
    return failed;
}

/* ---- other arguments, same operation ---- */

/* Calls the operation again with each tensor argument exchanged by change(t, index, context). */
static int again(cr_op_run *run, cr_results *results,
                 cr_tensor *(*change)(cr_tensor *, uint32_t, void *), void *context)
{
    const cr_op *op = run->op;
    cr_value args[CR_MAX_ARGS];
    cr_tensor **lists = malloc((run->nin ? run->nin : 1) * sizeof *lists);
    if (!lists)
        return cr_fail_memory("an operation's arguments", run->nin * sizeof *lists), -1;
    size_t nargs = op->schema->nargs;
    memcpy(args, run->args, nargs * sizeof *args);
    int failed = 0;
    for (uint32_t i = 0; i < run->nin && !failed; i++) {
        lists[i] = run->in[i] ? change(run->in[i], i, context) : NULL;
        failed = run->in[i] && !lists[i] ? -1 : 0;
    }
    for (int a = 0; a < op->nargs; a++) {
        if (op->schema->args[a].type == CR_ARG_TENSORS)
            args[a].as.tensors = lists + run->first_input[a];
        else if (op->schema->args[a].type == CR_ARG_TENSOR && args[a].tag == CR_TENSOR)
            args[a].as.tensor = lists[run->first_input[a]];
    }
    if (!failed)
        failed = cr_invoke(op, args, results);
    free(lists);
    return failed;
}

static cr_tensor *cast(cr_tensor *t, uint32_t i, void *casts)
{
    uint8_t dtype = ((uint8_t *)casts)[i];
    return dtype ? cr_to_copy(t, .dtype = (cr_dtype)dtype) : t;
}

int cr_run_recast(cr_op_run *run, const uint8_t *casts, cr_results *results)
{
    bool was = set_grad_disabled(true);
    cr_scope_begin();
    int failed = again(run, results, cast, (void *)(uintptr_t)casts);
    cr_end_keeping(results, failed);
    set_grad_disabled(was);
    return failed;
}

/* ---- private layouts ---- */

static cr_tensor *plain(cr_tensor *t, uint32_t i, void *unused)
{
    (void)i, (void)unused;
    return t->storage->layout && cr_make_plain(t) ? NULL : t;
}

int cr_run_plain(cr_op_run *run, cr_results *results)
{
    bool was = set_grad_disabled(true);
    int failed = again(run, results, plain, NULL);
    set_grad_disabled(was);
    return failed;
}

/* ---- devices ---- */

/* Of two host-memory devices the one that operations on tensors of both run on: the default one, else the higher ranked. */
static cr_dev *better_host(cr_dev *a, cr_dev *b)
{
    const cr_dev *chosen = cr_dev_chosen();
    return !a || b == chosen || (a != chosen && b->info.rank > a->info.rank) ? b : a;
}

/* Whether the operation writes into tensor i's memory, and so runs where that is. */
static bool is_written(const cr_op_run *run, uint32_t i)
{
    const cr_op *op = run->op;
    if ((op->variant == CR_INPLACE || op->own_inplace) && i == 0)
        return true;
    for (int a = 0; a < op->nargs; a++)
        if (op->schema->args[a].written && i >= run->first_input[a] && i < run->first_input[a + 1])
            return true;
    return false;
}

static cr_dev *meeting_place(const cr_op_run *run)
{
    cr_dev *dev = run->out ? run->out->storage->dev : NULL, *dimensional = NULL, *any = NULL;
    for (uint32_t i = 0; i < run->nin; i++) {
        const cr_tensor *t = run->in[i];
        if (!t)
            continue;
        if (!cr_dev_is_host(t->storage->dev))
            return NULL;
        any = better_host(any, t->storage->dev);
        if (t->dim)
            dimensional = better_host(dimensional, t->storage->dev);
        if (!dev && is_written(run, i))
            dev = t->storage->dev;
    }
    dev = dev ? dev : dimensional ? dimensional : any;
    return dev && cr_dev_is_host(dev) ? dev : NULL;
}

int cr_run_meets_in_host_memory(cr_op_run *run, cr_dev **where)
{
    cr_dev *dev = *where = meeting_place(run);
    for (uint32_t i = 0; dev && i < run->nin; i++) {
        cr_tensor *t = run->in[i];
        cr_dev *owner = t ? t->storage->dev : dev;
        if (owner == dev)
            continue;
        if (t->storage->layout && cr_make_plain(t))
            return -1;
        if (owner->backend->sync && cr_synchronize(owner->name))
            return -1;
    }
    return 0;
}

/* 0-d tensors in host memory go where the others are; anything else must be there already. */
static cr_tensor *to_device(cr_tensor *t, uint32_t i, void *dev)
{
    (void)i;
    if (t->storage->dev == dev)
        return t;
    if (t->dim)
        return cr_fail("Expected all tensors to be on the same device, but found at least two "
                       "devices, %s and %s!",
                       ((cr_dev *)dev)->name, t->storage->dev->name);
    return cr_tensor_to(t, ((cr_dev *)dev)->name);
}

int cr_run_on_one_device(cr_op_run *run, cr_results *results)
{
    if (!strcmp(run->op->name, "copy_") ||
        !strcmp(run->op->name, "copy")) { /* the one that crosses devices */
        cr_value args[3] = {run->args[0], run->args[1], run->args[2]};
        cr_scope_begin();
        args[1].as.tensor = cr_tensor_to(run->in[1], run->in[0]->storage->dev->name);
        int failed = args[1].as.tensor ? cr_invoke(run->op, args, results) : -1;
        cr_end_keeping(results, failed);
        return failed;
    }
    cr_dev *dev = run->in[0] ? run->in[0]->storage->dev : run->dev;
    for (uint32_t i = 0; i < run->nin; i++)
        if (run->in[i] && run->in[i]->dim) {
            dev = run->in[i]->storage->dev;
            break;
        }
    cr_scope_begin();
    int failed = again(run, results, to_device, dev);
    cr_end_keeping(results, failed);
    return failed;
}

/* ---- views ---- */

int cr_invoke_view(const cr_op *op, const cr_value *args, cr_results *results)
{
    cr_tensor *base = args[0].as.tensor;
    if (!base) {
        if (!cr_error())
            cr_fail("%.*s: self is null", op->schema->bare, op->name);
        return -1;
    }
    if (CR_UNLIKELY(base->storage->layout) && cr_make_plain(base))
        return -1;
    bool tracked = op->index != CR_OP_view_dtype && /* another dtype's bits have no derivative */
                   !cr_this_thread.inference_mode &&
                   !(cr_this_thread.in_formula && cr_this_thread.grad_disabled);
    struct cr_grad_node *node = NULL;
    if (tracked && cr_requires_grad_flag(base) && !cr_this_thread.grad_disabled) {
        bool cannot = false;
        node = cr_the_recorder.begin(op, args, &base, 1, base->flags, &cannot);
        if (cannot)
            return -1;
    }
    int failed = op->function(op, args, results); /* gives a tensor of nobody's scope */
    if (!failed && !cr_tensor_to_scope(results->t[0]))
        failed = -1;
    if (node) {
        if (failed)
            cr_the_recorder.cancel(node);
        else
            failed = cr_the_recorder.finish(node, op, &base, results);
    }
    if (!failed && tracked && !(base->flags & CR_FLAG_INFERENCE) &&
        cr_dtype_is_floating((cr_dtype)base->dtype))
        failed = cr_the_recorder.view(op, base, results->t[0]);
    return failed;
}
