/* Activation checkpointing, torch.utils.checkpoint: less memory for more work. What happens inside is not recorded on the way
 * forward; the backward runs it once more, recorded, with the same random numbers and autocast (Chen et al., 2016). */
#ifndef CRESSET_CHECKPOINT_H
#define CRESSET_CHECKPOINT_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is checkpointed: reads inputs (null ones as they were given), writes noutputs outputs (of the scope). Called twice, and
 * must do the same both times. Returns 0, or non-zero after cr_fail. */
typedef int (*cr_checkpoint_function)(void *context, cr_tensor *const *inputs, size_t ninputs,
                                      cr_tensor **outputs, size_t noutputs);

typedef struct cr_checkpoint_options {
    bool no_preserve_rng_state; /* the second run may draw other random numbers */
    cr_module *module;          /* whose parameters function uses; kept until the backward */
    int end_;
} cr_checkpoint_options;

/* Runs function. Gradients go to the inputs and to module's parameters; other tensors that function reads get none, so what
 * else needs a gradient must be an input. context must stay valid until the graph goes. At most 16 inputs; the first may not
 * be null. Returns 0, or an error. Hooks of module's modules run in both runs; statistics, as batch norm's, are updated twice,
 * as in PyTorch. */
CR_API int cr_checkpoint_run(cr_checkpoint_function function, void *context,
                             cr_tensor *const *inputs, size_t ninputs, cr_tensor **outputs,
                             size_t noutputs, const cr_checkpoint_options *options);

/* The module, checkpointed: its first output, as cr_forward; or several, as cr_forward_many. */
CR_API cr_tensor *cr_checkpoint_with(cr_module *module, cr_tensor *const *inputs, size_t ninputs);
CR_API int cr_checkpoint_many_with(cr_module *module, cr_tensor *const *inputs, size_t ninputs,
                                   cr_tensor **outputs, size_t noutputs);
/* torch.utils.checkpoint.checkpoint_sequential: the children of a Sequential in `segments` parts of as many children each, all but
 * the last part checkpointed. */
CR_API cr_tensor *cr_checkpoint_sequential(cr_module *sequential, int64_t segments,
                                           cr_tensor *input);

#ifndef __cplusplus
/* As cr_forward and cr_forward_many. */
#define cr_checkpoint(module, ...)                                \
    cr_checkpoint_with(module, (cr_tensor *const[]){__VA_ARGS__}, \
                       sizeof((cr_tensor *const[]){__VA_ARGS__}) / sizeof(cr_tensor *))
#define cr_checkpoint_many(module, outputs, noutputs, ...)                                   \
    cr_checkpoint_many_with(module, (cr_tensor *const[]){__VA_ARGS__},                       \
                            sizeof((cr_tensor *const[]){__VA_ARGS__}) / sizeof(cr_tensor *), \
                            outputs, noutputs)
#endif

#ifdef __cplusplus
}
#endif
#endif
