/* A module's hooks: registering, removing, running them in order. A hook may remove itself or
 * others while it runs, so the list is copied before each round. */
#include "core/nn/nn.h"

#include <stdlib.h>
#include <string.h>

static int64_t add_hook(cr_module *module, cr_module_hook hook, bool given)
{
    if (!cr_is_module(module, "cr_register_hook"))
        return 0;
    struct cr_module_state *state = module->state_;
    if (!given)
        return cr_fail("%s: the hook to be registered is null", module->type->name), 0;
    cr_module_hook *hooks = realloc(state->hooks, (state->nhooks + 1) * sizeof *hooks);
    if (!hooks)
        return cr_fail_memory("a hook", (state->nhooks + 1) * sizeof *hooks), 0;
    state->hooks = hooks;
    hook.handle = ++state->last_handle;
    hooks[state->nhooks++] = hook;
    state->nhooks_of[hook.kind]++;
    return hook.handle;
}

int64_t cr_register_forward_pre_hook(cr_module *module, cr_forward_pre_hook hook, void *context)
{
    return add_hook(module,
                    (cr_module_hook){.kind = CR_HOOK_PRE, .as.pre = hook, .context = context},
                    hook != NULL);
}

int64_t cr_register_forward_hook(cr_module *module, cr_forward_hook hook, void *context)
{
    return add_hook(
        module, (cr_module_hook){.kind = CR_HOOK_FORWARD, .as.forward = hook, .context = context},
        hook != NULL);
}

int64_t cr_register_full_backward_hook(cr_module *module, cr_full_backward_hook hook, void *context)
{
    return add_hook(
        module, (cr_module_hook){.kind = CR_HOOK_BACKWARD, .as.backward = hook, .context = context},
        hook != NULL);
}

int cr_module_remove_hook(cr_module *module, int64_t handle)
{
    if (!cr_is_module(module, "cr_module_remove_hook"))
        return -1;
    struct cr_module_state *state = module->state_;
    for (size_t i = 0; i < state->nhooks; i++) {
        if (state->hooks[i].handle != handle)
            continue;
        state->nhooks_of[state->hooks[i].kind]--;
        state->nhooks--;
        memmove(&state->hooks[i], &state->hooks[i + 1], (state->nhooks - i) * sizeof *state->hooks);
        return 0;
    }
    return CR_FAIL_INT("%s: no hook has the handle %lld", module->type->name, (long long)handle);
}

typedef struct round {
    cr_module *module;
    cr_tensor **inputs;            /* PRE: inputs; BACKWARD: grad_inputs */
    cr_tensor *const *seen_inputs; /* FORWARD */
    cr_tensor **outputs;           /* FORWARD */
    cr_tensor *const *grad_outputs;
    size_t ninputs, noutputs;
} round;

static int run_one(const cr_module_hook *hook, const round *r)
{
    switch (hook->kind) {
    case CR_HOOK_PRE: return hook->as.pre(hook->context, r->module, r->inputs, r->ninputs);
    case CR_HOOK_FORWARD:
        return hook->as.forward(hook->context, r->module, r->seen_inputs, r->ninputs, r->outputs,
                                r->noutputs);
    default:
        return hook->as.backward(hook->context, r->module, r->inputs, r->ninputs, r->grad_outputs,
                                 r->noutputs);
    }
}

static int run_hooks(cr_module_hook_kind kind, const round *r)
{
    struct cr_module_state *state = r->module->state_;
    size_t count = state->nhooks;
    if (!state->nhooks_of[kind])
        return 0;
    cr_module_hook *copy = malloc(count * sizeof *copy);
    if (!copy)
        return cr_fail_memory("hooks", count * sizeof *copy), -1;
    memcpy(copy, state->hooks, count * sizeof *copy);
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        if (copy[i].kind != kind || !run_one(&copy[i], r))
            continue;
        cr_fail("%s: a hook stopped the call", r->module->type->name);
        failed = -1;
    }
    free(copy);
    return failed;
}

int cr_run_pre_hooks(cr_module *module, cr_tensor **inputs, size_t ninputs)
{
    return run_hooks(CR_HOOK_PRE,
                     &(const round){.module = module, .inputs = inputs, .ninputs = ninputs});
}

int cr_run_forward_hooks(cr_module *module, cr_tensor *const *inputs, size_t ninputs,
                         cr_tensor **outputs, size_t noutputs)
{
    const round r = {.module = module,
                     .seen_inputs = inputs,
                     .ninputs = ninputs,
                     .outputs = outputs,
                     .noutputs = noutputs};
    return run_hooks(CR_HOOK_FORWARD, &r);
}

int cr_run_backward_hooks(cr_module *module, cr_tensor **grad_inputs, size_t ninputs,
                          cr_tensor *const *grad_outputs, size_t noutputs)
{
    const round r = {.module = module,
                     .inputs = grad_inputs,
                     .ninputs = ninputs,
                     .grad_outputs = grad_outputs,
                     .noutputs = noutputs};
    return run_hooks(CR_HOOK_BACKWARD, &r);
}
