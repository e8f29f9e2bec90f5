/* Captured graphs: what a module, or a whole training step, does is recorded while it runs, and from then on run as one graph.
 *
 *     cr_compiled *fast = cr_compile(net, x);             // inference; x is an example
 *     CR_NO_GRAD
 *         y = cr_compiled_call(fast, x);
 *
 *     cr_tensor *loss_of(void *context, cr_module *net, cr_tensor *const *in, size_t n)
 *     {
 *         return cr_cross_entropy(cr_forward(net, in[0]), in[1]);
 *     }
 *     cr_compiled *step = cr_compile_step(net, sgd, loss_of, NULL);
 *     CR_FOREACH_BATCH (batch, loader)
 *         loss = cr_compiled_call(step, batch.input, batch.target);
 *
 * Eager running stays the default, and results agree with it: bit for bit but where operations are fused, which can differ by
 * a rounding.
 *
 * What happens. The first two calls with inputs of a kind (below) run as ever, and are recorded: every operation that reaches a
 * device, with its plan, its values and its numbers. If both did the same, the record becomes a graph: what nobody reads is
 * dropped, neighbouring operations are given to the backend as one where it takes them, and all values between get their place
 * in one piece of memory. From then on a call checks its guards, puts in the inputs, and runs the plans. What a backend takes as
 * one is its own affair: chains of elementwise operations (`cpu`, `vulkan`), a reduction at their end (both), what follows a
 * convolution or a product (`cpu`, `onednn`).
 *
 * Guards, checked at each call; another kind of call is recorded anew (up to 8 kinds are kept, then calls are eager):
 *   - number, dtypes, sizes, strides, devices and requires_grad of the inputs, and which of them share memory;
 *   - grad mode, inference mode; autocast must be off;
 *   - train and eval mode of each module inside, and the memory and requires_grad of its parameters and buffers;
 *   - whether gradients were there that the call adds to.
 *
 * What is read anew at each call: inputs; parameters, buffers and all tensors from outside, in place; the random generator,
 * so that dropout draws what it would have drawn eagerly; the optimiser's numbers (lr, step counts…), however they change.
 *
 * What makes a call eager, with a reason (cr_compile_reason): a value that is read on the host (cr_item, printing, a loop until
 * convergence), for then the way may depend on it; numbers or operations that differ between the two recordings; recorded
 * gradients that leave the call (use cr_compile_step); tensors of several devices; autocast; activation checkpoints; memory
 * written by the host.
 * What cannot be noticed, and must not change after the recording: numbers and decisions that the function takes from elsewhere
 * than its inputs and the optimiser, what hooks do beside tensors, and the list of a module's children.
 *
 * Memory. A replay takes nothing from the backend: values between lie in the graph's own piece; only what is returned is a
 * tensor of its own (from the allocator's cache), which belongs to the scope, as ever, and stays as it is. Gradients that a step
 * leaves in cr_grad are the graph's, and written anew by each call.
 *
 * A cr_compiled belongs to the scope in which it was made, and is used by one thread at a time. */
#ifndef CRESSET_COMPILE_H
#define CRESSET_COMPILE_H

#include <cresset/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_compiled cr_compiled;

/* ---- making ---- */

/* A module's forward. Is there an example (one tensor for each input, null for an optional one left out), the module is called
 * with it twice, at once and in the modes of now; without (n 0) the first calls are recorded. Null, and an error, if the module
 * fails; what can't be captured is no error, but runs eagerly. */
CR_API cr_compiled *cr_compile_with(cr_module *module, cr_tensor *const *example, size_t n);
#ifndef __cplusplus
#define cr_compile(...)                                                                       \
    cr_compile_with(CR_FIRST_(__VA_ARGS__, 0),                                                \
                    &(cr_tensor *const[]){NULL, CR_COMPILE_REST_(__VA_ARGS__, NULL)}[1],      \
                    sizeof((cr_tensor *const[]){NULL, CR_COMPILE_REST_(__VA_ARGS__, NULL)}) / \
                            sizeof(cr_tensor *) -                                             \
                        2)
#define CR_COMPILE_REST_(first, ...) __VA_ARGS__
#endif

/* The loss of one batch: a tensor of one element that depends on the module's parameters; null after an error. */
typedef cr_tensor *(*cr_compiled_loss)(void *context, cr_module *module, cr_tensor *const *inputs,
                                       size_t ninputs);

/* A whole training step: cr_zero_grad(optimizer), loss, cr_backward, cr_step(optimizer). A call returns the loss, detached. */
CR_API cr_compiled *cr_compile_step(cr_module *module, cr_optimizer *optimizer,
                                    cr_compiled_loss loss, void *context);

/* Any function of tensors: reads inputs[0..ninputs), writes outputs (room for CR_MODULE_OUTPUTS) and returns how many there
 * are; 0, after an error, if it failed. It may call cr_backward, cr_zero_grad and cr_step, clip gradients, update tensors in
 * place. */
typedef size_t (*cr_compiled_function)(void *context, cr_tensor *const *inputs, size_t ninputs,
                                       cr_tensor **outputs);

/* module, or null: whose modes and parameters are guarded. */
CR_API cr_compiled *cr_compile_function(cr_compiled_function function, void *context,
                                        cr_module *module);

CR_API cr_compiled *cr_compiled_retain(cr_compiled *compiled);
CR_API void cr_compiled_release(cr_compiled *compiled);

/* ---- calling ---- */

/* Calls with n inputs (entries may be null) and returns the first output; null, and an error, if it failed. */
CR_API cr_tensor *cr_compiled_call_with(cr_compiled *compiled, cr_tensor *const *inputs, size_t n);
/* The same for several outputs. Returns 0, or -1 and an error; also if there are fewer than noutputs. */
CR_API int cr_compiled_call_many(cr_compiled *compiled, cr_tensor *const *inputs, size_t n,
                                 cr_tensor **outputs, size_t noutputs);
#ifndef __cplusplus
#define cr_compiled_call(compiled, ...)                                \
    cr_compiled_call_with(compiled, (cr_tensor *const[]){__VA_ARGS__}, \
                          sizeof((cr_tensor *const[]){__VA_ARGS__}) / sizeof(cr_tensor *))
#endif

/* ---- looking inside ---- */

/* Why the last call ran eagerly, in a sentence; null when it ran as a graph. Valid until the next call. */
CR_API const char *cr_compile_reason(const cr_compiled *compiled);

typedef struct cr_compile_stats {
    uint64_t eager, replayed; /* calls so far */
    size_t graphs;            /* kinds of calls that run as graphs */
    /* Of the graph that the last replay ran: */
    size_t recorded;         /* operations that reached the device */
    size_t dropped;          /* of them: whose results nobody reads */
    size_t fused;            /* of them: that run as part of another's plan */
    size_t plans;            /* plans run at each call */
    size_t memory, separate; /* bytes for the values between; and if each had memory of its own */
    int end_;
} cr_compile_stats;
/* Returns 0, or -1 and an error. */
CR_API int cr_compile_get_stats(const cr_compiled *compiled, cr_compile_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
