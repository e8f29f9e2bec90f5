/* What happens the first time a call is seen: inference, the backend's plan, and the entry that
 * remembers both. */
#include <stdlib.h>
#include <string.h>

#include "core/ops/call_graph.h"
#include "core/ops/invoke.h"
#include "op_index.h"

/* ---- switches ---- */

static bool only_primitives(void)
{
    static atomic_int known;
    int value = atomic_load_explicit(&known, memory_order_relaxed);
    if (!value) {
        value = cr_env_is("CRESSET_ONLY_PRIMITIVES", "1") ? 2 : 1;
        atomic_store(&known, value);
    }
    return value == 2;
}

/* ---- the frame ---- */

static bool list_attr(cr_frame *f, const cr_arg *arg, const cr_value *v)
{
    if (v->count > 4 * CR_MAX_RANK)
        return cr_frame_fail(f, "%s has %lld elements, more than any operation takes", arg->name,
                             (long long)v->count);
    if (arg->type == CR_ARG_BOOLS) {
        int64_t bools[8] = {0};
        for (int64_t i = 0; i < v->count && i < 8; i++)
            bools[i] = v->as.bools[i];
        cr_frame_attr_ints(f, arg->name, bools, (int)(v->count < 8 ? v->count : 8));
    } else {
        cr_frame_attr_ints(f, arg->name, v->as.ints, (int)v->count);
    }
    return true;
}

/* Attributes as the arguments have them; inference changes what a backend should see in another
 * form. */
static bool fill_attrs(cr_frame *f)
{
    const cr_schema *s = f->op->schema;
    for (int a = 0; a < f->op->nargs; a++) {
        const cr_arg *arg = &s->args[a];
        const cr_value *v = &f->args[a];
        if (v->tag == CR_NONE || f->nattrs == CR_FRAME_ATTRS)
            continue;
        if (arg->type == CR_ARG_INT || arg->type == CR_ARG_BOOL) {
            if (strcmp(arg->name, "non_blocking") && strcmp(arg->name, "pin_memory"))
                cr_frame_attr_int(f, arg->name, v->as.i);
        } else if (arg->type == CR_ARG_INTS || arg->type == CR_ARG_BOOLS) {
            if (!list_attr(f, arg, v))
                return false;
        } else if (arg->type == CR_ARG_STRING) {
            f->attrs[f->nattrs++] =
                (cr_attr){.name = arg->name, .kind = CR_ATTR_TEXT, .as.text = v->as.s};
        }
    }
    return true;
}

/* Inputs that are dense and laid out alike give their order to the output. */
static void keep_strides(cr_frame *f)
{
    const cr_tensor *like = NULL;
    cr_meta *out = &f->out[0];
    for (uint32_t i = 0; i < f->nin; i++) {
        const cr_tensor *t = f->in[i];
        if (!t || t->dim != out->rank ||
            memcmp(t->size, out->size, (size_t)t->dim * sizeof *t->size))
            continue;
        if (t->flags & CR_FLAG_CONTIGUOUS || !cr_is_dense(t))
            return;
        if (like && memcmp(like->stride, t->stride, (size_t)t->dim * sizeof *t->stride))
            return;
        like = t;
    }
    if (like)
        memcpy(out->stride, like->stride, sizeof out->stride);
}

static bool same_sizes(const cr_meta *m, const cr_tensor *t)
{
    return m->rank == t->dim && !memcmp(m->size, t->size, (size_t)t->dim * sizeof *t->size);
}

/* ---- the entry ---- */

static cr_plan_entry *entry_new(const cr_op_run *run, cr_plan_mode mode)
{
    cr_plan_entry *e = calloc(1, sizeof *e);
    uint64_t *key = malloc(run->nkey * sizeof *key);
    if (!e || !key) {
        free(e);
        free(key);
        return cr_fail_memory("a plan", run->nkey * sizeof *key);
    }
    memcpy(key, run->key, run->nkey * sizeof *key);
    e->key = key;
    e->nkey = run->nkey;
    e->hash = run->hash;
    e->mode = (uint8_t)mode;
    for (int i = 0; i < CR_MAX_OUTPUTS; i++)
        e->alias[i] = -1;
    return e;
}

static cr_plan_entry *remember(cr_op_run *run, cr_plan_mode mode)
{
    cr_plan_entry *e = entry_new(run, mode);
    if (!e)
        return NULL;
    cr_biased_lock_acquire(&run->dev->lock);
    if (!cr_plan_cache_insert(run->dev, e)) {
        cr_biased_lock_release(&run->dev->lock);
        return NULL;
    }
    return e;
}

static cr_plan_entry *remember_casts(cr_op_run *run, const uint8_t *casts)
{
    cr_plan_entry *e = entry_new(run, CR_PLAN_RECAST);
    if (!e || !(e->casts = malloc(run->nin))) {
        if (e)
            cr_fail_memory("a plan", run->nin);
        cr_plan_entry_free(run->dev, e);
        return NULL;
    }
    memcpy(e->casts, casts, run->nin);
    cr_biased_lock_acquire(&run->dev->lock);
    if (!cr_plan_cache_insert(run->dev, e)) {
        cr_biased_lock_release(&run->dev->lock);
        return NULL;
    }
    return e;
}

/* ---- asking the backend ---- */

cr_dev *cr_lender(const cr_dev *dev)
{
    if (!cr_dev_is_host(dev) || cr_env_is("CRESSET_FALLBACK", "error"))
        return NULL;
    cr_dev *host = cr_dev_fallback();
    return host && host != dev && cr_dev_is_host(host) && dev->alignment >= host->alignment ? host
                                                                                            : NULL;
}

/* Takes back what a backend said before it gave up. */
static void forget_answers(const cr_graph *graph, cr_plan_info *info)
{
    info->workspace = 0;
    memset(info->output_layouts, 0, graph->noutputs * sizeof *info->output_layouts);
    memset(info->output_bytes, 0, graph->noutputs * sizeof *info->output_bytes);
    if (info->input_layouts)
        memset(info->input_layouts, 0, graph->ninputs * sizeof *info->input_layouts);
}

static cr_status ask_lender(cr_dev *by, const cr_graph *graph, cr_plan_info *info, cr_plan_entry *e)
{
    forget_answers(graph, info);
    info->input_layouts = NULL; /* what it prepares would have to be told from the device's own */
    info->input_bytes = NULL;
    cr_biased_lock_acquire(&by->lock);
    cr_status status = by->backend->plan(by->handle, graph, info, &e->plan);
    cr_biased_lock_release(&by->lock);
    if (status == CR_OK)
        e->by = by;
    return status;
}

/* Plans the one-node graph of the frame and fills the entry; `by` may be asked second. The device's
 * lock is held. */
static cr_status ask(cr_op_run *run, cr_frame *f, cr_plan_entry *e, cr_dev *by)
{
    cr_dev *dev = run->dev;
    uint32_t nout = f->all_in_place ? 0 : f->nout;
    uint64_t layouts[CR_MAX_OUTPUTS] = {0};
    size_t bytes[CR_MAX_OUTPUTS] = {0};
    uint64_t *all_layouts = layouts;
    size_t *all_bytes = bytes;
    cr_call_graph call;
    cr_status status = CR_OUT_OF_MEMORY;
    if (!cr_call_graph_make(&call, run, f))
        return status;
    cr_graph *graph = &call.graph;
    uint32_t ninputs = graph->ninputs, nwritten = call.nwritten;
    e->bind_inputs = call.bind_inputs;
    e->nbind_inputs = ninputs;
    e->written = call.written;
    e->nwritten = nwritten;
    call.bind_inputs = call.written = NULL; /* the entry's now */
    if (nwritten) {
        all_layouts = calloc(nwritten, sizeof *all_layouts);
        all_bytes = calloc(nwritten, sizeof *all_bytes);
        if (!all_layouts || !all_bytes)
            goto done;
    }
    uint64_t in_layouts[CR_CALL_INPUTS] = {0};
    size_t in_bytes[CR_CALL_INPUTS] = {0};
    bool few = ninputs <= CR_CALL_INPUTS; /* optimiser steps over lists have more */
    cr_plan_info info = {sizeof info,          0, all_layouts, all_bytes, few ? in_layouts : NULL,
                         few ? in_bytes : NULL};
    uint64_t hidden = 0;
    cr_backend_words();
    status = f->op->how == CR_HOW_MEMORY ? CR_OK
                                         : dev->backend->plan(dev->handle, graph, &info, &e->plan);
    if (status == CR_UNSUPPORTED && run->private_layouts &&
        (hidden = cr_hide_layout(run, f, call.values, graph->nvalues)) != 0) {
        forget_answers(graph, &info);
        status = dev->backend->plan(dev->handle, graph, &info, &e->plan);
    }
    if (status == CR_UNSUPPORTED && by && (hidden || !run->private_layouts))
        status = ask_lender(by, graph, &info, e);
    if (status == CR_OK && info.input_layouts)
        status = cr_plan_prepares(dev, e, graph, &info);
    if (status == CR_OK && by && !e->by && !hidden)
        cr_plan_faster(run, f, e, by, graph, &info);
    if (status != CR_OK)
        goto done;
    bool in_order = true;
    for (uint32_t i = 0; i < e->nbind_inputs; i++)
        in_order &= e->bind_inputs[i] == i;
    if (in_order) {
        free(e->bind_inputs);
        e->bind_inputs = NULL;
    }
    e->workspace = info.workspace;
    e->draws = f->draws;
    e->nout = (uint8_t)nout;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < nout; i++) {
        e->alias[i] = f->alias[i];
        e->out[i] = f->out[i];
        int64_t last = 0, first;
        bool any = cr_extent(f->out[i].rank, f->out[i].size, f->out[i].stride, 0, &first, &last);
        e->out_bytes[i] = any ? (size_t)(last + 1) * cr_dtype_size((cr_dtype)f->out[i].dtype) : 0;
        e->out_numel[i] = cr_numel_of(f->out[i].rank, f->out[i].size);
        if (cr_strides_are_contiguous(f->out[i].rank, f->out[i].size, f->out[i].stride)) {
            cr_contiguous_strides(f->out[i].rank, f->out[i].size, e->out[i].stride);
            e->out_flags[i] = CR_FLAG_CONTIGUOUS;
        }
        if (f->alias[i] == -2)
            continue;
        if (hidden)
            e->out[i].layout = hidden;
        if (all_layouts[seen] && f->alias[i] == -1 && !run->out) {
            e->out[i].layout = all_layouts[seen];
            e->out_bytes[i] = all_bytes[seen];
        }
        seen++;
    }
done:
    cr_call_graph_free(&call);
    if (nwritten) {
        free(all_layouts);
        free(all_bytes);
    }
    return status;
}

/* The device cannot plan it (or, never, anybody): the op's own decomposition, else the host. A
 * primitive's decomposition is for the cases that nobody plans. */
static cr_plan_entry *unplanned(cr_op_run *run, bool never)
{
    const cr_op *op = run->op->functional;
    cr_dev *host = cr_dev_fallback();
    bool copies =
        op->index == CR_OP_to_copy && host && host != run->dev; /* nothing is below a copy */
    if (op->function && (never || (op->how != CR_HOW_PRIMITIVE && !copies)))
        return remember(run, CR_PLAN_DECOMPOSE);
    if (host && host != run->dev) {
        if (cr_env_is("CRESSET_FALLBACK", "error"))
            return cr_fail(
                "%s: %s has no plan for it, and CRESSET_FALLBACK=error forbids to run it on %s",
                op->name, run->dev->name, host->name);
        cr_log_message(CR_LOG_INFO, "%s runs on %s for %s", op->name, host->name, run->dev->name);
        return remember(run, CR_PLAN_FALLBACK);
    }
    return cr_fail("%.*s: not implemented for %s on %s", op->schema->bare, op->name,
                   run->nin && run->in[0] ? cr_dtype_name((cr_dtype)run->in[0]->dtype)
                                          : "these arguments",
                   run->dev->name);
}

/* Whether invoke.c's short way does for the entry. */
static bool is_simple(const cr_op *op, const cr_plan_entry *e)
{
    return e->plan && e->nout == 1 && op->schema->nreturns == 1 && e->alias[0] == -1 &&
           e->nbind_inputs <= CR_CALL_INPUTS && !e->bind_inputs && !e->nprepare && !e->nwritten &&
           !e->workspace && !e->draws;
}

static cr_plan_entry *plan_native(cr_op_run *run, cr_frame *f)
{
    cr_plan_entry *e = entry_new(run, CR_PLAN_NATIVE);
    if (!e)
        return NULL;
    cr_dev *by = cr_lender(run->dev);
    cr_biased_lock_acquire(&run->dev->lock);
    cr_status status = ask(run, f, e, by);
    if (status == CR_OK) {
        e->simple = is_simple(run->op, e);
        return cr_plan_cache_insert(run->dev, e) ? e
                                                 : (cr_biased_lock_release(&run->dev->lock), NULL);
    }
    cr_plan_entry_free(run->dev, e);
    cr_biased_lock_release(&run->dev->lock);
    if (status == CR_UNSUPPORTED)
        return run->private_layouts ? remember(run, CR_PLAN_PLAIN) : unplanned(run, false);
    cr_dev_failed(run->dev, cr_frame_name(f), status);
    return NULL;
}

/* ---- the whole ---- */

static cr_plan_entry *decide(cr_op_run *run, cr_frame *f)
{
    const cr_op *op = f->op;
    if (!op->infer) /* sizes that only the values tell: nothing to plan */
        return remember(run, CR_PLAN_DECOMPOSE);
    if (!op->infer(f))
        return NULL;
    if (f->all_in_place)
        return only_primitives() ? unplanned(run, true) : plan_native(run, f);
    if (f->like_inputs)
        keep_strides(f);
    cr_tensor *written = run->op->variant == CR_OUT       ? run->out
                         : run->op->variant == CR_INPLACE ? run->in[0]
                                                          : NULL;
    if (written) {
        cr_dtype result = (cr_dtype)f->out[0].dtype;
        if (cr_kind_of(result) > cr_kind_of((cr_dtype)written->dtype))
            return cr_frame_fail(f, "result type %s can't be cast to the desired output type %s",
                                 cr_dtype_name(result), cr_dtype_name((cr_dtype)written->dtype)),
                   NULL;
        if (run->op->variant == CR_INPLACE && !same_sizes(&f->out[0], written))
            return cr_frame_fail(f, "output with shape %s doesn't match the broadcast shape %s",
                                 cr_sizes_text(written->dim, written->size),
                                 cr_sizes_text(f->out[0].rank, f->out[0].size)),
                   NULL;
        bool casts = false, aside = false;
        for (uint32_t i = 0; i < f->nin; i++) {
            casts = casts || f->cast[i];
            aside =
                aside || (f->in[i] && f->in[i] != written && f->in[i]->storage == written->storage);
        }
        if (casts || aside || result != (cr_dtype)written->dtype ||
            !same_sizes(&f->out[0], written) ||
            (run->op->variant == CR_INPLACE && !f->inplace_ok) || f->no_plan)
            return remember(run, CR_PLAN_INDIRECT);
        cr_meta_of(written, &f->out[0]);
        f->out[0].layout = 0;
        if (run->op->variant == CR_INPLACE)
            f->alias[0] = 0;
    }
    for (uint32_t i = 0; i < f->nin; i++)
        if (f->cast[i])
            return remember_casts(run, f->cast);
    if (f->no_plan ||
        (only_primitives() && op->how == CR_HOW_KERNEL && strcmp(cr_backend_name(op), "copy")))
        return written ? remember(run, CR_PLAN_INDIRECT) : unplanned(run, true);
    cr_plan_entry *e = plan_native(run, f);
    if (e && written && (e->mode == CR_PLAN_DECOMPOSE || e->mode == CR_PLAN_FALLBACK))
        e->mode = CR_PLAN_INDIRECT; /* decompositions know the functional form only */
    return e;
}

/* The call before inference; cast is to be freed. */
static bool frame_begin(cr_frame *f, const cr_op_run *run)
{
    memset(f, 0, sizeof *f);
    f->op = run->op->functional;
    f->variant = (cr_variant)run->op->variant;
    f->args = run->args;
    f->dev = run->dev;
    f->in = run->in;
    f->nin = run->nin;
    memcpy(f->first_input, run->first_input, sizeof f->first_input);
    for (int i = 0; i < CR_MAX_OUTPUTS; i++)
        f->alias[i] = -1;
    uint8_t *flags = calloc(run->nin ? run->nin : 1, 3);
    if (!flags)
        return cr_fail_memory("an operation's frame", 3 * run->nin), false;
    f->cast = flags;
    f->expand = (bool *)(flags + run->nin);
    f->unseen = (bool *)(flags + 2 * run->nin);
    return true;
}

cr_plan_entry *cr_plan_call(cr_op_run *run)
{
    cr_biased_lock_release(&run->dev->lock);
    cr_frame f;
    if (!frame_begin(&f, run))
        return NULL;
    cr_plan_entry *e = fill_attrs(&f) ? decide(run, &f) : NULL;
    free(f.cast);
    return e;
}

cr_graph *cr_plan_graph(const cr_op_run *run, bool *elementwise)
{
    cr_frame f;
    cr_call_graph call;
    cr_graph *copy = NULL;
    if (run->out || !run->op->functional->infer || !frame_begin(&f, run))
        return NULL;
    if (fill_attrs(&f) && f.op->infer(&f) && !f.all_in_place) {
        if (f.like_inputs)
            keep_strides(&f);
        if (f.variant == CR_INPLACE) {
            cr_meta_of(run->in[0], &f.out[0]);
            f.alias[0] = 0;
        }
        if (cr_call_graph_make(&call, run, &f)) {
            copy = cr_call_graph_copy(&call);
            *elementwise = f.like_inputs;
            cr_call_graph_free(&call);
        }
    }
    free(f.cast);
    return copy;
}
