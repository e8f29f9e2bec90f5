/* Taking note: when an operation runs on tensors that require grad, its node is made before (so
 * that what the derivative needs is saved as it was) and hung on the results after. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/autograd/autograd.h"
#include "core/base/small.h"
#include "core/ops/invoke.h"

/* ---- what hangs on a tensor ---- */

cr_autograd *cr_autograd_of(cr_tensor *t)
{
    if (t->autograd)
        return t->autograd;
    cr_autograd *meta = cr_small_take(sizeof *meta);
    if (!meta)
        return cr_fail_memory("a tensor's gradient", sizeof *meta);
    *meta = (cr_autograd){0};
    return t->autograd = meta;
}

static void forget_retained(cr_grad_node *node, const cr_autograd *meta)
{
    for (cr_retained **link = &node->retained; *link; link = &(*link)->next) {
        if ((*link)->tensor->autograd == meta) {
            cr_retained *r = *link;
            *link = r->next;
            free(r);
            return;
        }
    }
}

static void autograd_free(cr_autograd *meta)
{
    if (CR_UNLIKELY(meta->retains_grad) && meta->grad_fn)
        forget_retained(meta->grad_fn, meta);
    if (meta->grad) /* mostly there is but grad_fn */
        cr_release(meta->grad);
    cr_node_release(meta->grad_fn);
    if (CR_UNLIKELY(meta->hooks != NULL))
        cr_free_hooks(meta->hooks);
    if (CR_UNLIKELY(meta->base != NULL))
        cr_release(meta->base);
    cr_small_give(meta, sizeof *meta);
}

/* ---- derivatives by row ---- */

static int not_implemented(cr_grad_context *c)
{
    return CR_FAIL_INT("the derivative for '%s' is not implemented", (const char *)c->node->own);
}

static const cr_derivative no_derivative = {.name = "NotImplemented", .apply = not_implemented};

/* The names in the table's last column are those of the derivatives' structs; `none` is the one
 * that says there is none. */
extern const cr_derivative cr_grad_none;
const cr_derivative cr_grad_none = {.name = "none"};
#define OP(id, schema, inplace, out, infer, how, grad) extern const cr_derivative cr_grad_##grad;
#include "core/ops/ops.def"
#undef OP
static const cr_derivative *const derivatives[] = {
#define OP(id, schema, inplace, out, infer, how, grad) &cr_grad_##grad,
#include "core/ops/ops.def"
#undef OP
};

const cr_derivative *cr_derivative_of(const cr_op *op)
{
    const cr_derivative *d = derivatives[op->row];
    return d == &cr_grad_none ? NULL : d;
}

/* ---- before ---- */

static void save(cr_saved *slot, cr_tensor *t)
{
    slot->tensor = cr_retain(t);
    slot->version = atomic_load_explicit(&t->storage->version, memory_order_relaxed);
}

/* The arguments without tensors; lists and strings go behind them, and of a list of tensors their
 * sizes. */
static size_t payload_of(const cr_value *v)
{
    switch (v->tag) {
    case CR_INT_LIST:
    case CR_FLOAT_LIST: return (size_t)v->count * 8;
    case CR_BOOL_LIST:
    case CR_STRING:
    case CR_DEVICE: return ((size_t)v->count + 8) / 8 * 8;
    case CR_TENSOR_LIST: return (size_t)v->count * CR_MAX_RANK * 8; /* the tensors' sizes */
    default: return 0;
    }
}

/* Copies what `to`, a list or string, points at to `behind`; returns where the next goes. */
static CR_NOINLINE char *copy_payload(cr_value *to, char *behind)
{
    size_t bytes = payload_of(to);
    if (to->tag == CR_TENSOR_LIST) {
        for (int64_t i = 0; i < to->count; i++)
            if (to->as.tensors[i])
                memcpy(behind + i * CR_MAX_RANK * 8, to->as.tensors[i]->size, CR_MAX_RANK * 8);
    } else if (bytes) {
        size_t used = to->tag == CR_STRING || to->tag == CR_DEVICE || to->tag == CR_BOOL_LIST
                          ? (size_t)to->count
                          : bytes;
        memcpy(behind, to->as.s, used);
        memset(behind + used, 0, bytes - used);
    } else {
        return behind;
    }
    to->as.s = behind;
    return behind + bytes;
}

static inline void copy_args(cr_grad_node *node, const cr_value *args)
{
    char *behind = (char *)(node->args + node->nargs);
    for (int a = 0; a < node->nargs; a++) {
        cr_value *to = &node->args[a];
        cr_v_start(to, args[a].tag, args[a].count); /* as they were written: see there */
        to->as = args[a].as;
        if (to->tag == CR_TENSOR)
            to->as.tensor = NULL;
        else if (CR_UNLIKELY(to->tag > CR_BOOL))
            behind = copy_payload(to, behind);
    }
}

/* Whether the rule wants to save a tensor of inference mode, which is an error. */
static CR_NOINLINE bool saves_inference(const cr_op *op, const cr_derivative *rule,
                                        cr_tensor *const *in, uint32_t nin)
{
    for (uint32_t i = 0; i < nin && i < CR_SAVED_IN; i++)
        if (in[i] && in[i]->flags & CR_FLAG_INFERENCE && rule->in_for[i])
            return cr_fail("%.*s: Inference tensors cannot be saved for backward. To work around "
                           "you can make a clone to get a "
                           "normal tensor and use it in autograd.",
                           op->schema->bare, op->name),
                   true;
    return false;
}

/* The dimensions of a tensor that fills a block of memory otherwise than row by row, the outermost first; 0 for others. */
static CR_NOINLINE uint32_t order_of(const cr_tensor *t)
{
    if (t->flags & CR_FLAG_CONTIGUOUS || !cr_is_dense(t))
        return 0;
    uint32_t order = 0;
    for (int d = 0; d < t->dim; d++) {
        int outside = 0;
        for (int e = 0; e < t->dim; e++)
            outside += t->stride[e] > t->stride[d] || (t->stride[e] == t->stride[d] && e < d);
        order |= (uint32_t)d << CR_ORDER_BITS * outside;
    }
    return order;
}

static cr_grad_node *begin(const cr_op *op, const cr_value *args, cr_tensor *const *in,
                           uint32_t nin, unsigned flags, bool *failed)
{
    const cr_derivative *rule = cr_derivative_of(op);
    if (!rule && op->how == CR_HOW_MEMORY)
        return NULL; /* empty_like: nothing of self goes into it */
    if (!rule)
        rule = &no_derivative;
    size_t extra = 0;
    for (int a = 0; op->has_lists && a < op->nargs; a++)
        extra += payload_of(&args[a]);
    uint32_t nout = op->schema->nreturns ? op->schema->nreturns : 1;
    if (op->schema->nreturns == 1 && op->schema->returns[0].list)
        return NULL; /* lists of views are composites */
    *failed = true;
    if (CR_UNLIKELY(flags & CR_FLAG_INFERENCE) && saves_inference(op, rule, in, nin))
        return NULL;
    cr_tensor *original = NULL; /* an in-place operation that needs its input as it was */
    if (op->variant == CR_INPLACE && rule->in_for[0] && !(original = cr_clone(in[0])))
        return NULL;
    cr_grad_node *node = cr_node_new(rule, nin, nout, op->nargs, extra);
    if (!node)
        return NULL;
    copy_args(node, args);
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < nin; i++) {
        if (!in[i] || !cr_requires_grad_flag(in[i]))
            continue;
        cr_node_set_edge(node, i, cr_edge_of(in[i]));
        wanted |= (uint32_t)1 << (i < 15 ? i : 15);
        if (CR_UNLIKELY(!(in[i]->flags & CR_FLAG_CONTIGUOUS)) && i < 16 && in[i]->dim >= 2 &&
            in[i]->stride[in[i]->dim - 2] == 1)
            node->transposed |= (uint16_t)(1u << i);
    }
    if (CR_UNLIKELY(rule->notes_order))
        node->order = order_of(in[0]);
    for (uint32_t i = 0; node->saved_in && i < nin && i < CR_SAVED_IN; i++) {
        if (!in[i] || !(rule->in_for[i] & wanted))
            continue;
        if (CR_UNLIKELY(rule->layout_only))
            node->saved_in[i].tensor =
                cr_tensor_make_view(in[i], in[i]->dim, in[i]->size, in[i]->stride, in[i]->offset);
        else
            save(&node->saved_in[i], original && in[i] == in[0] ? original : in[i]);
    }
    if (rule == &no_derivative)
        node->own = (void *)(uintptr_t)op->name;
    *failed = false;
    return node;
}

/* ---- after ---- */

bool cr_node_set_output(cr_grad_node *node, uint32_t nr, cr_tensor *t)
{
    cr_output_meta *m = &node->outputs[nr];
    m->dtype = t->dtype;
    m->dim = t->dim;
    m->dev = t->storage->dev;
    for (int d = 0; d < t->dim; d++)
        m->size[d] = t->size[d];
    cr_autograd *meta = cr_autograd_of(t);
    if (CR_UNLIKELY(!meta)) {
        cr_node_release(node);
        return false;
    }
    if (CR_UNLIKELY(meta->grad_fn != NULL)) {
        if (meta->retains_grad)
            forget_retained(meta->grad_fn, meta);
        cr_node_release(meta->grad_fn);
    }
    meta->retains_grad = false;
    meta->grad_fn = node;
    meta->nr = nr;
    meta->view_version = atomic_load_explicit(&t->storage->version, memory_order_relaxed);
    t->flags |= CR_FLAG_REQUIRES_GRAD;
    return true;
}

/* Another tensor over an output, so that the node does not own what owns the node. */
static bool save_output(cr_grad_node *node, int i, cr_tensor *t)
{
    cr_tensor *alias = cr_tensor_make_view(t, t->dim, t->size, t->stride, t->offset);
    if (!alias)
        return false;
    node->saved_out[i].tensor = alias;
    node->saved_out[i].version = atomic_load_explicit(&t->storage->version, memory_order_relaxed);
    return true;
}

static void cancel(cr_grad_node *node)
{
    cr_node_release(node);
}

static int finish(cr_grad_node *node, const cr_op *op, cr_tensor *const *in, cr_results *results)
{
    const cr_derivative *rule = node->rule;
    int failed = 0;
    uint32_t wanted = 0;
    bool given = false; /* our reference: the first result takes it over */
    for (int i = 0; node->saved_out && i < node->nin; i++)
        if (node->edges[i].target)
            wanted |= (uint32_t)1 << (i < 15 ? i : 15);
    for (int i = 0; i < results->count && !failed; i++) {
        cr_tensor *t = results->t[i];
        if (!t || !cr_dtype_is_floating((cr_dtype)t->dtype)) {
            if (t && node->saved_out && i < CR_SAVED_OUT && rule->out_for[i] & wanted &&
                !save_output(node, i, t))
                failed = -1;
            continue;
        }
        bool written = t == in[0] && (op->variant == CR_INPLACE || op->own_inplace);
        bool rebased = written && t->autograd && t->autograd->base;
        if (rebased)
            failed = cr_rebase_view(t, node);
        else if (!cr_node_set_output(given ? cr_node_retain(node) : node, (uint32_t)i, t))
            failed = -1;
        given = given || !rebased;
        if (!failed && node->saved_out && i < CR_SAVED_OUT && rule->out_for[i] & wanted &&
            !save_output(node, i, t))
            failed = -1;
    }
    if (!given)
        cr_node_release(node);
    return failed;
}

static int check_inplace(const cr_op *op, cr_tensor *self, bool records)
{
    (void)records;
    if (cr_this_thread.grad_disabled || cr_this_thread.inference_mode)
        return 0;
    bool leaf = !self->autograd || !self->autograd->grad_fn;
    cr_tensor *base = self->autograd ? self->autograd->base : NULL;
    if (cr_requires_grad_flag(self) && leaf && !base)
        return CR_FAIL_INT(
            "%.*s: a leaf Variable that requires grad is being used in an in-place operation.",
            op->schema->bare, op->name);
    if (base && cr_requires_grad_flag(base) && !(base->autograd && base->autograd->grad_fn))
        return CR_FAIL_INT("%.*s: a view of a leaf Variable that requires grad is being used in an "
                           "in-place operation.",
                           op->schema->bare, op->name);
    if (self->flags & CR_FLAG_INFERENCE && records)
        return CR_FAIL_INT(
            "%.*s: Inplace update to inference tensor outside InferenceMode is not allowed.",
            op->schema->bare, op->name);
    return 0;
}

static int note_view(const cr_op *op, cr_tensor *base, cr_tensor *view)
{
    (void)op;
    cr_autograd *meta = cr_autograd_of(view);
    if (!meta)
        return -1;
    cr_tensor *root = base->autograd && base->autograd->base ? base->autograd->base : base;
    meta->base = cr_retain(root);
    meta->view_version = atomic_load_explicit(&view->storage->version, memory_order_relaxed);
    view->flags |= CR_FLAG_VIEW;
    return 0;
}

__attribute__((constructor)) void cr_autograd_init(void)
{
    cr_autograd_free = autograd_free;
    cr_view_requires_grad = cr_base_has_history;
    cr_the_recorder = (cr_recorder){begin, finish, cancel, check_inplace, note_view};
}
