/* What programs call: cr_backward, cr_autograd_grad, and what there is to ask and set on tensors.
 */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/autograd/engine.h"
#include "core/dispatch/trace.h"

/* ---- roots ---- */

/* The gradient to begin with: the one given, or one for a scalar. */
static cr_tensor *root_grad(cr_tensor *out, cr_tensor *given, size_t i)
{
    if (!given) {
        if (out->numel != 1)
            return cr_fail(
                "grad can be implicitly created only for scalar outputs (output %zu has shape %s)",
                i, cr_sizes_text(out->dim, out->size));
        return cr_ones_like(out);
    }
    if (given->dim != out->dim ||
        memcmp(given->size, out->size, (size_t)out->dim * sizeof *out->size))
        return cr_fail("Mismatch in shape: grad_output[%zu] has a shape of %s and output[%zu] has "
                       "a shape of %s.",
                       i, cr_sizes_text(given->dim, given->size), i,
                       cr_sizes_text(out->dim, out->size));
    return given;
}

static int run(cr_tensor *const *outs, cr_tensor *const *cotangents, size_t nouts,
               cr_backward_task *task)
{
    cr_edge *roots = calloc(nouts ? nouts : 1, sizeof *roots);
    cr_tensor **grads = calloc(nouts ? nouts : 1, sizeof *grads);
    int failed = roots && grads ? 0 : (cr_fail_memory("backward", nouts * sizeof *roots), -1);
    CR_SCOPE {
        for (size_t i = 0; i < nouts && !failed; i++) {
            if (!outs[i]) {
                failed = cr_error() ? -1 : CR_FAIL_INT("backward: output %zu is null", i);
                break;
            }
            roots[i] = cr_edge_of(outs[i]);
            if (!roots[i].target)
                failed = CR_FAIL_INT(
                    "element %zu of tensors does not require grad and does not have a grad_fn", i);
            else if (!(grads[i] = root_grad(outs[i], cotangents ? cotangents[i] : NULL, i)))
                failed = -1;
        }
        task->roots = roots;
        task->grads = grads;
        task->nroots = nouts;
        if (!failed)
            failed = cr_run_backward(task);
    }
    for (size_t i = 0; i < nouts && roots; i++)
        cr_edge_release(roots[i]);
    free(roots);
    free(grads);
    return failed;
}

static cr_edge *edges_of(cr_tensor *const *tensors, size_t n, const char *what)
{
    cr_edge *edges = calloc(n ? n : 1, sizeof *edges);
    if (!edges)
        return cr_fail_memory("backward", n * sizeof *edges);
    for (size_t i = 0; i < n; i++) {
        edges[i] = cr_edge_of(tensors[i]);
        if (!edges[i].target) {
            if (!cr_error())
                cr_fail("%s: input %zu %s", what, i,
                        tensors[i] ? "does not require grad: One of the differentiated Tensors "
                                     "does not require grad"
                                   : "is null");
            for (size_t j = 0; j < i; j++)
                cr_edge_release(edges[j]);
            free(edges);
            return NULL;
        }
    }
    return edges;
}

static void release_edges(cr_edge *edges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_edge_release(edges[i]);
    free(edges);
}

int cr_backward_with(cr_tensor *tensor, const cr_backward_options *options)
{
    static const cr_backward_options none = {.end_ = 0};
    const cr_backward_options *o = options ? options : &none;
    if (!tensor)
        return cr_error() ? -1 : CR_FAIL_INT("cr_backward: tensor is null");
    cr_backward_task task = {.retain_graph = o->retain_graph || o->create_graph,
                             .create_graph = o->create_graph};
    cr_edge *inputs = NULL;
    if (o->inputs && o->ninputs) {
        if (!(inputs = edges_of(o->inputs, o->ninputs, "cr_backward")))
            return -1;
        task.input_edges = inputs;
        task.ninputs = o->ninputs;
    }
    int failed = run(&tensor, &o->gradient, 1, &task);
    if (inputs)
        release_edges(inputs, o->ninputs);
    return failed;
}

int cr_autograd_grad_with(cr_tensor *const *outs, cr_tensor *const *cotangents, size_t nouts,
                          cr_tensor *const *ins, size_t nins,
                          const cr_autograd_grad_options *options, cr_tensor **grads)
{
    static const cr_autograd_grad_options none = {.end_ = 0};
    const cr_autograd_grad_options *o = options ? options : &none;
    if (!outs || !ins || !grads || !nouts || !nins)
        return cr_error() ? -1
                          : CR_FAIL_INT("cr_autograd_grad: outputs, inputs and grads are needed");
    for (size_t i = 0; i < nins; i++)
        grads[i] = NULL;
    cr_edge *inputs = edges_of(ins, nins, "cr_autograd_grad");
    if (!inputs)
        return -1;
    cr_backward_task task = {.retain_graph = o->retain_graph || o->create_graph,
                             .create_graph = o->create_graph,
                             .input_edges = inputs,
                             .ninputs = nins,
                             .captured = grads};
    int failed = run(outs, cotangents, nouts, &task);
    release_edges(inputs, nins);
    for (size_t i = 0; i < nins; i++) {
        if (!grads[i] && !failed && !o->allow_unused)
            failed = CR_FAIL_INT("One of the differentiated Tensors appears to not have been used "
                                 "in the graph (input %zu). "
                                 "Set allow_unused=True if this is the desired behavior.",
                                 i);
        if (grads[i])
            grads[i] = cr_tensor_to_scope(grads[i]);
    }
    return failed;
}

int cr_autograd_grad(cr_tensor *const *outs, cr_tensor *const *cotangents, size_t nouts,
                     cr_tensor *const *ins, size_t nins, int allow_unused, cr_tensor **grads)
{
    const cr_autograd_grad_options options = {.allow_unused = allow_unused != 0};
    return cr_autograd_grad_with(outs, cotangents, nouts, ins, nins, &options, grads);
}

/* ---- tensors ---- */

cr_tensor *cr_requires_grad_(cr_tensor *t, int on)
{
    if (!t)
        return NULL;
    bool leaf = cr_is_leaf(t);
    if (!on && !leaf)
        return cr_fail(
            "cr_requires_grad_: you can only change requires_grad flags of leaf variables. If you "
            "want to use a "
            "computed variable in a subgraph that doesn't require differentiation use cr_detach.");
    if (on && !cr_dtype_is_floating((cr_dtype)t->dtype))
        return cr_fail(
            "cr_requires_grad_: only Tensors of floating point dtype can require gradients, not %s",
            cr_dtype_name((cr_dtype)t->dtype));
    if (on && t->flags & CR_FLAG_INFERENCE)
        return cr_fail("cr_requires_grad_: Setting requires_grad=True on inference tensor outside "
                       "InferenceMode is not "
                       "allowed.");
    if (on)
        t->flags |= CR_FLAG_REQUIRES_GRAD;
    else
        t->flags &= (uint8_t)~CR_FLAG_REQUIRES_GRAD;
    return t;
}

bool cr_requires_grad(const cr_tensor *t)
{
    return t && cr_requires_grad_flag(t);
}

bool cr_is_leaf(const cr_tensor *t)
{
    return t && !(t->autograd && cr_requires_grad_flag(t) &&
                  cr_current_grad_fn((cr_tensor *)(uintptr_t)t));
}

cr_tensor *cr_grad(const cr_tensor *t)
{
    return t && t->autograd ? t->autograd->grad : NULL;
}

int cr_set_grad(cr_tensor *t, cr_tensor *grad)
{
    if (!t)
        return cr_error() ? -1 : CR_FAIL_INT("cr_set_grad: tensor is null");
    if (!grad && !t->autograd)
        return 0;
    if (grad &&
        (grad->dim != t->dim || grad->dtype != t->dtype || grad->storage->dev != t->storage->dev ||
         memcmp(grad->size, t->size, (size_t)t->dim * sizeof *t->size)))
        return CR_FAIL_INT(
            "cr_set_grad: assigned grad %s on %s does not match the tensor's %s on %s",
            cr_describe(grad), grad->storage->dev->name, cr_describe(t), t->storage->dev->name);
    cr_autograd *meta = cr_autograd_of(t);
    if (!meta)
        return -1;
    cr_trace_grad(t, meta->grad, grad);
    cr_retain(grad);
    cr_release(meta->grad);
    meta->grad = grad;
    return 0;
}

int cr_retain_grad(cr_tensor *t)
{
    if (!t)
        return cr_error() ? -1 : CR_FAIL_INT("cr_retain_grad: tensor is null");
    if (!cr_requires_grad_flag(t))
        return CR_FAIL_INT(
            "cr_retain_grad: can't retain_grad on Tensor that has requires_grad=False");
    cr_grad_node *node = t->autograd ? cr_current_grad_fn(t) : NULL;
    if (!node || t->autograd->retains_grad)
        return 0;
    cr_retained *r = malloc(sizeof *r);
    if (!r)
        return cr_fail_memory("a retained gradient", sizeof *r), -1;
    *r = (cr_retained){t, t->autograd->nr, node->retained};
    node->retained = r;
    t->autograd->retains_grad = true;
    return 0;
}

cr_tensor *cr_detach(cr_tensor *t)
{
    return t ? cr_tensor_to_scope(cr_tensor_make_view(t, t->dim, t->size, t->stride, t->offset))
             : NULL;
}

cr_tensor *cr_detach_(cr_tensor *t)
{
    if (!t)
        return NULL;
    if (t->autograd && t->autograd->base)
        return cr_fail("cr_detach_: Can't detach views in-place. Use cr_detach instead.");
    if (t->autograd) {
        cr_autograd *meta = t->autograd;
        t->autograd = NULL;
        cr_autograd_free(meta);
    }
    t->flags &= (uint8_t)~CR_FLAG_REQUIRES_GRAD;
    return t;
}

/* ---- modes ---- */

bool cr_grad_enabled(void)
{
    return !cr_this_thread.grad_disabled && !cr_this_thread.inference_mode;
}

bool cr_set_grad_enabled(bool on)
{
    bool was = !cr_this_thread.grad_disabled;
    cr_this_thread.grad_disabled = !on;
    return was;
}

bool cr_inference_mode_enabled(void)
{
    return cr_this_thread.inference_mode;
}

bool cr_set_inference_mode(bool on)
{
    bool was = cr_this_thread.inference_mode;
    cr_this_thread.inference_mode = on;
    return was;
}

/* ---- the graph ---- */

cr_grad_node *cr_grad_fn(const cr_tensor *t)
{
    return t && t->autograd ? cr_current_grad_fn((cr_tensor *)(uintptr_t)t) : NULL;
}

const char *cr_grad_node_name(const cr_grad_node *node)
{
    if (!node)
        return NULL;
    return cr_edge_is_leaf((uintptr_t)node) ? "AccumulateGrad" : node->rule->name;
}

size_t cr_grad_node_next_count(const cr_grad_node *node)
{
    return !node || cr_edge_is_leaf((uintptr_t)node) ? 0 : node->nin;
}

cr_grad_node *cr_grad_node_next(const cr_grad_node *node, size_t i)
{
    return i < cr_grad_node_next_count(node) ? (cr_grad_node *)node->edges[i].target : NULL;
}
