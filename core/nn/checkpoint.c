/* Activation checkpointing: a node that keeps its inputs, and runs what it stands for again when its gradient is asked for. */
#include <stdlib.h>
#include <string.h>

#include <cresset/autocast.h>
#include <cresset/checkpoint.h>
#include <cresset/ops.h>

#include "core/nn/nn.h"

enum { INPUTS = 16 };

typedef struct rerun {
    cr_checkpoint_function function;
    void *context;
    cr_module *module; /* held */
    uint64_t rng[2];
    bool preserve_rng, autocast; /* autocast was on, to this dtype */
    cr_dtype autocast_dtype;
    size_t ninputs, noutputs, nparameters;
    uint8_t given[INPUTS]; /* which inputs are not null */
} rerun;

static void destroy(void *data)
{
    rerun *r = data;
    cr_module_release(r->module);
    free(r);
}

/* The inputs of the node are those given and, behind them, the parameters. */
static void spread(const rerun *r, cr_tensor *const *from, cr_tensor **inputs)
{
    size_t k = 0;
    for (size_t i = 0; i < r->ninputs; i++)
        inputs[i] = r->given[i] ? from[k++] : NULL;
}

static int forward(cr_function_context *context, cr_tensor *const *inputs, size_t n,
                   cr_tensor **outputs, size_t noutputs, void *data)
{
    const rerun *r = data;
    cr_tensor *all[INPUTS];
    for (size_t i = 0; i + r->nparameters < n; i++)
        if (cr_save_for_backward(context, inputs[i]))
            return -1;
    spread(r, inputs, all);
    return r->function(r->context, all, r->ninputs, outputs, noutputs);
}

/* Runs it recorded, on inputs of its own, and takes the gradients of those and of the parameters. */
static int again(cr_function_context *context, const rerun *r, cr_tensor *const *grad_outputs,
                 cr_tensor **asked, cr_tensor **grads, cr_tensor **grad_inputs, size_t n)
{
    cr_tensor *own[INPUTS], *all[INPUTS], *outputs[CR_MODULE_OUTPUTS] = {NULL},
                                          *outs[CR_MODULE_OUTPUTS], *given[CR_MODULE_OUTPUTS];
    const size_t kept = n - r->nparameters;
    size_t nasked = 0, nouts = 0;
    bool higher = cr_grad_enabled(); /* the backward itself is recorded */
    for (size_t i = 0; i < kept; i++) {
        cr_tensor *t = cr_saved_tensor(context, i);
        own[i] = !t ? NULL : higher ? cr_alias(t) : cr_detach(t);
        if (!own[i] || (cr_needs_input_grad(context, i) && !cr_requires_grad(own[i]) &&
                        !cr_requires_grad_(own[i], 1)))
            return -1;
        if (cr_needs_input_grad(context, i))
            asked[nasked++] = own[i];
    }
    if (r->nparameters) {
        size_t at = kept;
        CR_FOREACH_PARAMETER (p, r->module) {
            if (at < n && cr_needs_input_grad(context, at))
                asked[nasked++] = p.tensor;
            at++;
        }
        if (at != n)
            return CR_FAIL_INT("checkpoint: the module's parameters are no longer those of the "
                               "forward");
    }
    spread(r, own, all);
    int failed = -1, depth = 0;
    if (r->autocast || cr_autocast_enabled(NULL)) {
        const cr_autocast_options cast = {.dtype = r->autocast_dtype, .disabled = !r->autocast};
        if (!(depth = cr_autocast_begin(NULL, &cast)))
            return -1;
    }
    CR_ENABLE_GRAD
        failed = r->function(r->context, all, r->ninputs, outputs, r->noutputs);
    cr_autocast_end(depth);
    for (size_t i = 0; i < r->noutputs && !failed; i++)
        if (grad_outputs[i] && cr_requires_grad(outputs[i])) {
            outs[nouts] = outputs[i];
            given[nouts++] = grad_outputs[i];
        }
    if (failed || !nouts)
        return failed;
    cr_autograd_grad_options options = {.create_graph = higher, .allow_unused = true};
    if (cr_autograd_grad_with(outs, given, nouts, asked, nasked, &options, grads))
        return -1;
    for (size_t i = 0, k = 0; i < n; i++)
        grad_inputs[i] = cr_needs_input_grad(context, i) ? grads[k++] : NULL;
    return 0;
}

static int backward(cr_function_context *context, cr_tensor *const *grad_outputs, size_t noutputs,
                    cr_tensor **grad_inputs, size_t n, void *data)
{
    (void)noutputs;
    const rerun *r = data;
    uint64_t now[2];
    cr_tensor **lists = calloc(2 * n, sizeof *lists);
    if (!lists)
        return cr_fail_memory("checkpoint", 2 * n * sizeof *lists), -1;
    cr_get_rng_state(now);
    if (r->preserve_rng)
        cr_set_rng_state(r->rng);
    int failed = again(context, r, grad_outputs, lists, lists + n, grad_inputs, n);
    if (r->preserve_rng)
        cr_set_rng_state(now);
    free(lists);
    return failed;
}

static const cr_function checkpoint_function = {.name = "CheckpointFunctionBackward",
                                                .forward = forward,
                                                .backward = backward,
                                                .destroy = destroy};

int cr_checkpoint_run(cr_checkpoint_function function, void *context, cr_tensor *const *inputs,
                      size_t ninputs, cr_tensor **outputs, size_t noutputs,
                      const cr_checkpoint_options *options)
{
    if (!function || !outputs || !noutputs || noutputs > CR_MODULE_OUTPUTS)
        return CR_FAIL_INT("cr_checkpoint_run: a function and room for 1 to %d outputs are needed",
                           CR_MODULE_OUTPUTS);
    memset(outputs, 0, noutputs * sizeof *outputs);
    if (!ninputs || ninputs > INPUTS || !inputs || !inputs[0])
        return cr_error()
                   ? -1
                   : CR_FAIL_INT("cr_checkpoint_run: 1 to %d inputs are needed, and the first "
                                 "may not be null; %zu given",
                                 INPUTS, ninputs);
    cr_module *module = options ? options->module : NULL;
    size_t nparameters = 0, count = 0;
    if (module && !cr_is_module(module, "cr_checkpoint_run"))
        return -1;
    if (module)
        CR_FOREACH_PARAMETER (p, module)
            nparameters++;
    cr_tensor **all = calloc(ninputs + nparameters, sizeof *all);
    rerun *r = calloc(1, sizeof *r);
    if (!all || !r) {
        free(all);
        free(r);
        return cr_fail_memory("checkpoint", (ninputs + nparameters) * sizeof *all), -1;
    }
    *r = (rerun){.function = function,
                 .context = context,
                 .module = cr_module_retain(module),
                 .preserve_rng = !(options && options->no_preserve_rng_state),
                 .ninputs = ninputs,
                 .noutputs = noutputs,
                 .nparameters = nparameters};
    r->autocast = cr_autocast_enabled(cr_tensor_device(inputs[0]));
    if (r->autocast)
        r->autocast_dtype = cr_autocast_dtype(cr_tensor_device(inputs[0]));
    cr_get_rng_state(r->rng);
    for (size_t i = 0; i < ninputs; i++) {
        r->given[i] = inputs[i] != NULL;
        if (inputs[i])
            all[count++] = inputs[i];
    }
    if (module)
        CR_FOREACH_PARAMETER (p, module)
            all[count++] = p.tensor;
    int failed = cr_function_apply(&checkpoint_function, r, all, count, outputs, noutputs);
    free(all);
    return failed;
}

/* ---- modules ---- */

static int call_module(void *context, cr_tensor *const *inputs, size_t n, cr_tensor **outputs,
                       size_t noutputs)
{
    return cr_forward_many_with(context, inputs, n, outputs, noutputs);
}

int cr_checkpoint_many_with(cr_module *module, cr_tensor *const *inputs, size_t ninputs,
                            cr_tensor **outputs, size_t noutputs)
{
    const cr_checkpoint_options options = {.module = module};
    if (!cr_is_module(module, "cr_checkpoint"))
        return -1;
    return cr_checkpoint_run(call_module, module, inputs, ninputs, outputs, noutputs, &options);
}

cr_tensor *cr_checkpoint_with(cr_module *module, cr_tensor *const *inputs, size_t ninputs)
{
    cr_tensor *output = NULL;
    return cr_checkpoint_many_with(module, inputs, ninputs, &output, 1) ? NULL : output;
}

/* Children `from` to `to` of a Sequential, as a Sequential. */
static cr_module *part_of(cr_module *sequential, int64_t from, int64_t to)
{
    size_t count = (size_t)(to - from);
    const void **items = malloc((count ? count : 1) * sizeof *items);
    if (!items)
        return cr_fail_memory("checkpoint_sequential", count * sizeof *items);
    for (int64_t i = from; i < to; i++)
        items[i - from] = cr_module_at(sequential, i);
    cr_module *part = cr_sequential_with(items, count);
    free(items);
    return part;
}

cr_tensor *cr_checkpoint_sequential(cr_module *sequential, int64_t segments, cr_tensor *input)
{
    if (!cr_is_module(sequential, "cr_checkpoint_sequential") || !input)
        return NULL;
    int64_t count = (int64_t)cr_module_count(sequential);
    if (sequential->type != &cr_sequential_type || segments < 1 || segments > count)
        return cr_fail(
            "cr_checkpoint_sequential: needs a Sequential and 1 to as many segments as it "
            "has children, got %s of %lld and %lld",
            sequential->type->name, (long long)count, (long long)segments);
    int64_t each = count / segments, from = 0;
    for (int64_t i = 0; i + 1 < segments && input; i++, from += each) {
        cr_module *part = part_of(sequential, from, from + each);
        input = part ? cr_checkpoint(part, input) : NULL;
    }
    cr_module *last = input ? part_of(sequential, from, count) : NULL;
    return last ? cr_forward(last, input) : NULL;
}
