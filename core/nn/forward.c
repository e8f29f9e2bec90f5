/* Calling a module: inputs through the hooks before, forward, the hooks after. What is made on the way goes when the call returns. */
#include "core/nn/reparametrise.h"

#include <string.h>

#include "core/base/scope.h"

enum { INPUTS = 16 };

bool cr_module_check_inputs(const cr_module *module, size_t expected, size_t given)
{
    if (expected == given)
        return true;
    cr_fail("%s: forward takes %zu input%s, %zu given", module->type->name, expected,
            expected == 1 ? "" : "s", given);
    return false;
}

static _Thread_local size_t wanted_outputs;

size_t cr_outputs_wanted(void)
{
    return wanted_outputs;
}

/* How many outputs forward wrote; 0, with the error set, if it failed. */
static size_t run(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs,
                  size_t wanted)
{
    wanted_outputs = wanted;
    size_t count = module->type->forward(module, inputs, n, outputs);
    if (count > CR_MODULE_OUTPUTS)
        cr_fail("%s: forward says that it wrote %zu outputs; at most %d fit", module->type->name,
                count, CR_MODULE_OUTPUTS);
    else if (!count || !outputs[0])
        cr_fail("%s: forward failed without a reason", module->type->name);
    else
        return count;
    return 0;
}

static size_t run_with_hooks(cr_module *module, cr_tensor *const *given, size_t n,
                             cr_tensor **outputs, size_t wanted)
{
    const struct cr_module_state *state = module->state_;
    cr_tensor *inputs[INPUTS];
    if (n > INPUTS)
        return cr_fail("%s: a call with hooks takes at most %d inputs, %zu given",
                       module->type->name, INPUTS, n),
               0;
    memcpy(inputs, given, n * sizeof *inputs);
    if (state->nhooks_of[CR_HOOK_PRE] && cr_run_pre_hooks(module, inputs, n))
        return 0;
    cr_backward_watch *watch = NULL;
    if (state->nhooks_of[CR_HOOK_BACKWARD] && cr_grad_enabled() &&
        !(watch = cr_watch_inputs(module, inputs, n)))
        return 0;
    size_t count = run(module, inputs, n, outputs, wanted);
    if (count && state->nhooks_of[CR_HOOK_FORWARD] &&
        cr_run_forward_hooks(module, inputs, n, outputs, count))
        count = 0;
    if (count && watch && cr_watch_outputs(watch, outputs, count))
        count = 0;
    cr_watch_release(watch);
    return count;
}

/* In a scope of its own, as a function's locals in Python: activations that no derivative needs don't wait for the end of the step,
 * and those that one does go as soon as it has run. */
static size_t run_scoped(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs,
                         size_t wanted)
{
    cr_scope_begin();
    size_t count = module->state_->nhooks ? run_with_hooks(module, inputs, n, outputs, wanted)
                                          : run(module, inputs, n, outputs, wanted);
    for (size_t i = 0; i < count; i++)
        cr_retain(outputs[i]);
    cr_scope_end();
    bool kept = true;
    for (size_t i = 0; i < count; i++)
        kept = (!outputs[i] || cr_tensor_to_scope(outputs[i])) && kept;
    return kept ? count : 0;
}

static size_t call(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs,
                   size_t wanted)
{
    if (!cr_is_module(module, "cr_forward"))
        return 0;
    if (!n || !inputs[0])
        return cr_fail("%s: forward is given %s", module->type->name,
                       n ? "a null tensor" : "no input"),
               0;
    if (!module->type->forward)
        return cr_fail("Module [%s] is missing the required \"forward\" function",
                       module->type->name),
               0;
    if (CR_UNLIKELY(module->state_->nreparams) && !cr_reparams_run(module))
        return 0;
    return run_scoped(module, inputs, n, outputs, wanted);
}

cr_tensor *cr_forward_with(cr_module *module, cr_tensor *const *inputs, size_t n)
{
    cr_tensor *outputs[CR_MODULE_OUTPUTS] = {NULL};
    return call(module, inputs, n, outputs, 1) ? outputs[0] : NULL;
}

int cr_forward_many_with(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs,
                         size_t noutputs)
{
    cr_tensor *all[CR_MODULE_OUTPUTS] = {NULL};
    memset(outputs, 0, noutputs * sizeof *outputs);
    size_t count = call(module, inputs, n, all, noutputs);
    if (!count)
        return -1;
    if (count < noutputs)
        return CR_FAIL_INT("%s: %zu outputs are asked for, forward returned %zu",
                           module->type->name, noutputs, count);
    memcpy(outputs, all, noutputs * sizeof *outputs);
    return 0;
}
