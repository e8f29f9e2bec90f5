/* Full backward hooks, as torch.utils.hooks.BackwardHook: a call's inputs and its outputs each pass
 * through an identity of their own in the graph. In backward the outputs' identity notes the
 * gradients with respect to the outputs; the inputs' runs when those with respect to the inputs are
 * known, and calls the hooks. If no input requires grad, the hooks are called at once, with null
 * for every input. */
#include "core/nn/nn.h"

#include <stdlib.h>
#include <string.h>

enum { INPUTS = 16 };

struct cr_backward_watch {
    atomic_int refs;
    cr_module *module;
    size_t ninputs, noutputs;
    bool inputs_need_grad;
    size_t nwatched[2];                  /* inputs and outputs that pass through */
    size_t watched[2][INPUTS];           /* which */
    cr_tensor *grads[CR_MODULE_OUTPUTS]; /* with respect to the outputs, until used */
};

void cr_watch_release(cr_backward_watch *watch)
{
    if (!watch || atomic_fetch_sub_explicit(&watch->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < CR_MODULE_OUTPUTS; i++)
        cr_release(watch->grads[i]);
    cr_module_release(watch->module);
    free(watch);
}

static void destroy(void *data)
{
    cr_watch_release(data);
}

static int pass(cr_function_context *context, cr_tensor *const *inputs, size_t ninputs,
                cr_tensor **outputs, size_t noutputs, void *data)
{
    (void)context, (void)ninputs, (void)data;
    for (size_t i = 0; i < noutputs; i++)
        outputs[i] = cr_detach(inputs[i]);
    return 0;
}

static int outputs_backward(cr_function_context *context, cr_tensor *const *grad_outputs,
                            size_t noutputs, cr_tensor **grad_inputs, size_t ninputs, void *data)
{
    (void)context, (void)noutputs;
    cr_backward_watch *watch = data;
    for (size_t i = 0; i < ninputs; i++) {
        cr_tensor **kept = &watch->grads[watch->watched[1][i]];
        cr_release(*kept);
        *kept = cr_retain(grad_outputs[i]);
        grad_inputs[i] = grad_outputs[i];
    }
    if (watch->inputs_need_grad)
        return 0;
    cr_tensor *none[INPUTS] = {NULL};
    return cr_run_backward_hooks(watch->module, none, watch->ninputs, watch->grads,
                                 watch->noutputs);
}

static int inputs_backward(cr_function_context *context, cr_tensor *const *grad_outputs,
                           size_t noutputs, cr_tensor **grad_inputs, size_t ninputs, void *data)
{
    (void)context, (void)noutputs;
    cr_backward_watch *watch = data;
    cr_tensor *all[INPUTS] = {NULL};
    for (size_t i = 0; i < ninputs; i++)
        all[watch->watched[0][i]] = grad_outputs[i];
    if (cr_run_backward_hooks(watch->module, all, watch->ninputs, watch->grads, watch->noutputs))
        return -1;
    for (size_t i = 0; i < ninputs; i++)
        grad_inputs[i] = all[watch->watched[0][i]];
    return 0;
}

static const cr_function through[2] = {
    {.name = "BackwardHookFunctionBackward",
     .forward = pass,
     .backward = inputs_backward,
     .destroy = destroy},
    {.name = "BackwardHookFunctionBackward",
     .forward = pass,
     .backward = outputs_backward,
     .destroy = destroy},
};

/* Passes those tensors that require grad through the identity of `side` (0 inputs, 1 outputs). */
static int watch_side(cr_backward_watch *watch, int side, cr_tensor **tensors, size_t count)
{
    cr_tensor *in[INPUTS], *out[INPUTS];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (!tensors[i] || !cr_requires_grad(tensors[i]))
            continue;
        watch->watched[side][n] = i;
        in[n++] = tensors[i];
    }
    watch->nwatched[side] = n;
    if (!n)
        return 0;
    atomic_fetch_add_explicit(&watch->refs, 1,
                              memory_order_relaxed); /* the function's, also if it fails */
    if (cr_function_apply(&through[side], watch, in, n, out, n))
        return -1;
    for (size_t i = 0; i < n; i++)
        tensors[watch->watched[side][i]] = out[i];
    return 0;
}

cr_backward_watch *cr_watch_inputs(cr_module *module, cr_tensor **inputs, size_t ninputs)
{
    cr_backward_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return cr_fail_memory("a backward hook", sizeof *watch);
    atomic_init(&watch->refs, 1);
    watch->module = cr_module_retain(module);
    watch->ninputs = ninputs;
    int failed = watch_side(watch, 0, inputs, ninputs);
    watch->inputs_need_grad = watch->nwatched[0] > 0;
    if (!failed)
        return watch;
    cr_watch_release(watch);
    return NULL;
}

int cr_watch_outputs(cr_backward_watch *watch, cr_tensor **outputs, size_t noutputs)
{
    watch->noutputs = noutputs;
    return watch_side(watch, 1, outputs, noutputs);
}
