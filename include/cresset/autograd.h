/* Define-by-run differentiation: gradients of scalars, hooks, modes, functions of one's own.
 *
 * An operation on a tensor that requires grad leaves a node (its grad_fn) on the result.
 * cr_backward walks the nodes from the newest to the oldest, without recursion, and adds the
 * gradients up in the leaves' .grad. */
#ifndef CRESSET_AUTOGRAD_H
#define CRESSET_AUTOGRAD_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_grad_node cr_grad_node; /* a grad_fn */

/* ---- on tensors ---- */

/* Makes a leaf record what is done with it (on 1) or no more (0). Returns the tensor. Errors: not a
 * leaf, not floating. */
CR_API cr_tensor *cr_requires_grad_(cr_tensor *tensor, int on);
CR_API bool cr_requires_grad(const cr_tensor *tensor);
CR_API bool cr_is_leaf(const cr_tensor *tensor);
/* The accumulated gradient, or null (no error). Borrowed from the tensor. */
CR_API cr_tensor *cr_grad(const cr_tensor *tensor);
/* Replaces the gradient (null: none). Errors: other sizes, dtype or device. Returns 0, or an error.
 */
CR_API int cr_set_grad(cr_tensor *tensor, cr_tensor *grad);
/* Keeps the gradient of a tensor that is no leaf, too. */
CR_API int cr_retain_grad(cr_tensor *tensor);
/* The same memory, outside of the graph. In place: cr_detach_. */
CR_API cr_tensor *cr_detach(cr_tensor *tensor);
CR_API cr_tensor *cr_detach_(cr_tensor *tensor);

/* ---- backward ---- */

typedef struct cr_backward_options {
    cr_tensor *gradient; /* null: ones, for a scalar */
    bool retain_graph;   /* keep what was saved, for another backward; also on with create_graph */
    bool create_graph;   /* record the backward itself, for higher derivatives */
    cr_tensor *const *inputs; /* null: all leaves */
    size_t ninputs;
    int end_;
} cr_backward_options;

/* Adds the gradients of `tensor` with respect to the leaves to their .grad. Returns 0, or an error.
 */
CR_API int cr_backward_with(cr_tensor *tensor, const cr_backward_options *options);
#ifndef __cplusplus
#define cr_backward(...)                        \
    cr_backward_with(CR_FIRST_(__VA_ARGS__, 0), \
                     &(const cr_backward_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

typedef struct cr_autograd_grad_options {
    bool retain_graph, create_graph, allow_unused;
    int end_;
} cr_autograd_grad_options;

/* torch.autograd.grad: the gradients of outs (weighted by cotangents, null ones or a null array for
 * scalars) with respect to ins, written to grads and owned by the scope; nothing is accumulated.
 * With allow_unused an input outside of the graph gets null, else it is an error. Returns 0, or an
 * error. cr_autograd_grad neither retains nor creates a graph. */
CR_API int cr_autograd_grad(cr_tensor *const *outs, cr_tensor *const *cotangents, size_t nouts,
                            cr_tensor *const *ins, size_t nins, int allow_unused,
                            cr_tensor **grads);
CR_API int cr_autograd_grad_with(cr_tensor *const *outs, cr_tensor *const *cotangents, size_t nouts,
                                 cr_tensor *const *ins, size_t nins,
                                 const cr_autograd_grad_options *options, cr_tensor **grads);

/* ---- modes, of the calling thread ---- */

CR_API bool cr_grad_enabled(void);
/* Returns what it was before. */
CR_API bool cr_set_grad_enabled(bool on);
CR_API bool cr_inference_mode_enabled(void);
CR_API bool cr_set_inference_mode(bool on);

/* Blocks in which nothing is recorded; in which recording is on; in which tensors are made that never can be recorded. With GCC
 * and Clang they may be left by any way; elsewhere not by `break`, `return` and `goto`. */
#define CR_NO_GRAD \
    CR_MODE_(cr_set_grad_enabled, false, cr_grad_mode_leave_, CR_JOIN_(cr_mode_was_, __LINE__))
#define CR_ENABLE_GRAD \
    CR_MODE_(cr_set_grad_enabled, true, cr_grad_mode_leave_, CR_JOIN_(cr_mode_was_, __LINE__))
#define CR_INFERENCE_MODE \
    CR_MODE_(cr_set_inference_mode, true, cr_inference_leave_, CR_JOIN_(cr_mode_was_, __LINE__))
#define CR_MODE_(set_, on_, leave_, was_) \
    for (int was_ CR_CLEANUP_(leave_) = set_(on_) ? 2 : 1; was_; set_(was_ == 2), was_ = 0)
/* What the blocks' variables run when they go; not for use by hand. */
static inline void cr_grad_mode_leave_(int *was)
{
    if (*was)
        cr_set_grad_enabled(*was == 2);
}
static inline void cr_inference_leave_(int *was)
{
    if (*was)
        cr_set_inference_mode(*was == 2);
}

/* ---- hooks ---- */

/* Called with the gradient of the tensor when it is known; a result other than null replaces it.
 * Returns a handle for cr_remove_hook, 0 and an error if the tensor does not require grad. */
typedef cr_tensor *(*cr_tensor_hook)(void *context, cr_tensor *grad);
CR_API int64_t cr_register_hook(cr_tensor *tensor, cr_tensor_hook hook, void *context);

/* Called after a node ran: its inputs' gradients (may be changed in the array) and its outputs'
 * gradients. */
typedef void (*cr_node_hook)(void *context, cr_tensor **grad_inputs, size_t ninputs,
                             cr_tensor *const *grad_outputs, size_t noutputs);
CR_API int64_t cr_node_register_hook(cr_grad_node *node, cr_node_hook hook, void *context);
/* Returns 0, or an error for a handle that is not known. */
CR_API int cr_remove_hook(int64_t handle);

/* ---- the graph ---- */

/* The node that made the tensor, or null for a leaf. Borrowed from the tensor. */
CR_API cr_grad_node *cr_grad_fn(const cr_tensor *tensor);
/* "AddBackward0". Borrowed. */
CR_API const char *cr_grad_node_name(const cr_grad_node *node);
/* The nodes it passes gradients to: how many, and the i-th (null where none is needed). */
CR_API size_t cr_grad_node_next_count(const cr_grad_node *node);
CR_API cr_grad_node *cr_grad_node_next(const cr_grad_node *node, size_t i);

/* ---- functions of one's own ---- */

typedef struct cr_function_context cr_function_context;

/* A differentiable function: forward computes outputs from inputs (grad mode is off in it) and
 * saves what backward needs; backward gets the outputs' gradients (null: zero) and writes the
 * inputs' (null: none). Both return 0, or an error. */
typedef struct cr_function {
    const char *name; /* the node's: "MyExpBackward" */
    int (*forward)(cr_function_context *context, cr_tensor *const *inputs, size_t ninputs,
                   cr_tensor **outputs, size_t noutputs, void *data);
    int (*backward)(cr_function_context *context, cr_tensor *const *grad_outputs, size_t noutputs,
                    cr_tensor **grad_inputs, size_t ninputs, void *data);
    void (*destroy)(void *data); /* when the node goes, or null */
} cr_function;

/* Runs it; the outputs belong to the scope. `function` must stay valid (static). Returns 0, or an
 * error. */
CR_API int cr_function_apply(const cr_function *function, void *data, cr_tensor *const *inputs,
                             size_t ninputs, cr_tensor **outputs, size_t noutputs);
/* In forward: keeps a tensor for backward; at most 16. In backward: the i-th kept, checked for
 * changes in place. */
CR_API int cr_save_for_backward(cr_function_context *context, cr_tensor *tensor);
CR_API cr_tensor *cr_saved_tensor(cr_function_context *context, size_t i);
CR_API bool cr_needs_input_grad(const cr_function_context *context, size_t i);

/* ---- checking ---- */

typedef struct cr_gradcheck_options {
    double eps;  /* of the finite differences: 1e-6 */
    double atol; /* 1e-5 */
    double rtol; /* 1e-3 */
    int end_;
} cr_gradcheck_options;

/* Compares the derivative of `function` (from inputs to one output; called often) with finite
 * differences at the inputs that require grad, which should be float64. Returns true if they agree;
 * otherwise false and an error that names the input, the element and both figures. cr_gradgradcheck
 * does the same for the second derivative. */
typedef cr_tensor *(*cr_gradcheck_function)(void *context, cr_tensor *const *inputs,
                                            size_t ninputs);
CR_API bool cr_gradcheck(cr_gradcheck_function function, void *context, cr_tensor *const *inputs,
                         size_t ninputs, const cr_gradcheck_options *options);
CR_API bool cr_gradgradcheck(cr_gradcheck_function function, void *context,
                             cr_tensor *const *inputs, size_t ninputs,
                             const cr_gradcheck_options *options);

#ifdef __cplusplus
}
#endif
#endif
