/* Differentiable functions of a program's own: a node whose formula is the program's. */
#include <stdlib.h>

#include "core/autograd/autograd.h"

enum { SAVED = 16 };

struct cr_function_context {
    const cr_function *function;
    void *data;
    cr_grad_node *node; /* while backward runs */
    cr_saved saved[SAVED];
    size_t nsaved;
    size_t ninputs;
    uint8_t *needs;
    bool in_forward;
    cr_derivative rule; /* carries the function's name */
};

static void free_context(cr_function_context *context)
{
    for (size_t i = 0; i < context->nsaved; i++)
        cr_release(context->saved[i].tensor);
    if (context->function->destroy)
        context->function->destroy(context->data);
    free(context->needs);
    free(context);
}

static void destroy(cr_grad_node *node)
{
    if (node->own)
        free_context(node->own);
}

static int apply(cr_grad_context *c)
{
    cr_function_context *context = c->node->own;
    context->node = c->node;
    const bool was = cr_this_thread.in_formula;
    cr_this_thread.in_formula = false;
    int failed = context->function->backward(context, c->grads, c->node->nout, c->give,
                                             context->ninputs, context->data);
    cr_this_thread.in_formula = was;
    context->node = NULL;
    if (failed && !cr_error())
        cr_fail("%s: the backward failed without a reason", context->function->name);
    return failed ? -1 : 0;
}

int cr_save_for_backward(cr_function_context *context, cr_tensor *tensor)
{
    if (!context || !tensor)
        return cr_error() ? -1
                          : CR_FAIL_INT("cr_save_for_backward: %s is null",
                                        context ? "tensor" : "context");
    if (!context->in_forward)
        return CR_FAIL_INT("cr_save_for_backward: %s: tensors are saved in forward",
                           context->function->name);
    if (context->nsaved == SAVED)
        return CR_FAIL_INT("cr_save_for_backward: %s: at most %d tensors can be saved",
                           context->function->name, SAVED);
    context->saved[context->nsaved++] = (cr_saved){
        cr_retain(tensor), atomic_load_explicit(&tensor->storage->version, memory_order_relaxed)};
    return 0;
}

cr_tensor *cr_saved_tensor(cr_function_context *context, size_t i)
{
    if (!context || i >= context->nsaved)
        return cr_fail("cr_saved_tensor: there is no saved tensor %zu", i);
    cr_tensor *t = context->saved[i].tensor;
    if (context->node && context->node->released)
        return cr_fail("%s: Trying to backward through the graph a second time; specify "
                       ".retain_graph = true the first time",
                       context->function->name);
    unsigned now = atomic_load_explicit(&t->storage->version, memory_order_relaxed);
    if (now != context->saved[i].version)
        return cr_fail("one of the variables needed for gradient computation has been modified by "
                       "an inplace operation: [%s], "
                       "saved tensor %zu of %s, is at version %u; expected version %u instead.",
                       cr_describe(t), i, context->function->name, now, context->saved[i].version);
    return t;
}

bool cr_needs_input_grad(const cr_function_context *context, size_t i)
{
    return context && i < context->ninputs && context->needs[i];
}

int cr_function_apply(const cr_function *function, void *data, cr_tensor *const *inputs,
                      size_t ninputs, cr_tensor **outputs, size_t noutputs)
{
    if (!function || !function->forward || !function->backward || !outputs || !noutputs ||
        ninputs > UINT16_MAX)
        return CR_FAIL_INT("cr_function_apply: a function with forward and backward, and room for "
                           "outputs, are needed");
    for (size_t i = 0; i < ninputs; i++)
        if (!inputs[i])
            return cr_error() ? -1 : CR_FAIL_INT("%s: input %zu is null", function->name, i);
    cr_function_context *context = calloc(1, sizeof *context);
    uint8_t *needs = context ? calloc(ninputs ? ninputs : 1, 1) : NULL;
    if (!needs) {
        free(context);
        return cr_fail_memory("a function", sizeof *context), -1;
    }
    *context = (cr_function_context){
        .function = function, .data = data, .ninputs = ninputs, .needs = needs};
    context->rule = (cr_derivative){.name = function->name, .apply = apply, .destroy = destroy};
    context->in_forward = true;
    bool any = false;
    for (size_t i = 0; i < ninputs; i++)
        any |= needs[i] = cr_grad_enabled() && cr_requires_grad_flag(inputs[i]);
    bool was = cr_set_grad_enabled(false);
    cr_scope_begin();
    for (size_t i = 0; i < noutputs; i++)
        outputs[i] = NULL;
    int failed = function->forward(context, inputs, ninputs, outputs, noutputs, data);
    for (size_t i = 0; i < noutputs && !failed; i++) {
        if (!outputs[i])
            failed = cr_error()
                         ? -1
                         : CR_FAIL_INT("%s: forward left output %zu empty", function->name, i);
        for (size_t j = 0; j < ninputs && !failed && any; j++)
            if (outputs[i] == inputs[j]) /* an input handed through gets a tensor of its own */
                outputs[i] = cr_detach(outputs[i]);
        cr_keep(outputs[i]);
    }
    cr_scope_end();
    cr_set_grad_enabled(was);
    context->in_forward = false;
    if (failed && !cr_error())
        cr_fail("%s: the forward failed without a reason", function->name);
    if (failed || !any) {
        free_context(context);
        return failed ? -1 : 0;
    }
    cr_grad_node *node = cr_node_new(&context->rule, (uint32_t)ninputs, (uint32_t)noutputs, 0, 0);
    if (!node) {
        free_context(context);
        return -1;
    }
    node->own = context;
    for (size_t i = 0; i < ninputs; i++)
        cr_node_set_edge(node, (uint32_t)i, cr_edge_of(inputs[i]));
    for (size_t i = 0; i < noutputs; i++)
        if (cr_dtype_is_floating((cr_dtype)outputs[i]->dtype) &&
            !cr_node_set_output(cr_node_retain(node), (uint32_t)i, outputs[i]))
            failed = -1;
    for (size_t s = 0; s < context->nsaved; s++) /* a saved output must not own what owns it */
        for (size_t i = 0; i < noutputs && !failed; i++)
            if (context->saved[s].tensor == outputs[i]) {
                cr_tensor *alias =
                    cr_tensor_make_view(outputs[i], outputs[i]->dim, outputs[i]->size,
                                        outputs[i]->stride, outputs[i]->offset);
                failed = alias ? 0 : -1;
                if (alias) {
                    cr_release(context->saved[s].tensor);
                    context->saved[s].tensor = alias;
                }
            }
    cr_node_release(node);
    return failed;
}
