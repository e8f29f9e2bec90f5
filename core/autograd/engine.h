/* The engine's one entry: from root gradients to leaves, or to the inputs asked for. */
#ifndef CRESSET_CORE_AUTOGRAD_ENGINE_H
#define CRESSET_CORE_AUTOGRAD_ENGINE_H

#include "core/autograd/autograd.h"

typedef struct cr_backward_task {
    const cr_edge *roots;
    cr_tensor *const *grads; /* [nroots] */
    size_t nroots;
    bool retain_graph, create_graph;
    const cr_edge *input_edges; /* none: all leaves */
    size_t ninputs;
    cr_tensor **captured; /* [ninputs]: gradients go here (retained) instead of into the leaves */
} cr_backward_task;

/* Returns 0, or -1 with the error set. */
int cr_run_backward(const cr_backward_task *task);

/* Adds g to the leaf's gradient. */
bool cr_accumulate_grad(cr_tensor *leaf, cr_tensor *g, bool create_graph);

#endif
