/* torch.optim: optimisers, gradient clipping; schedulers are in scheduler.h.
 *
 *     cr_optimizer *sgd = cr_sgd(net, .lr = 0.05, .momentum = 0.9);
 *     ...
 *     cr_zero_grad(sgd);
 *     cr_backward(loss);
 *     cr_step(sgd);
 *
 * The first argument says what to optimise: a module (all its parameters, each once) or
 * CR_TENSORS(w, b). Options are keywords, with PyTorch's names and defaults; a zero or missing one
 * is the default, and where that isn't zero, CR_ZERO is a true zero. An optimiser belongs to the
 * scope and keeps its parameters. A step updates all parameters of a group in one operation, in
 * place, outside of the graph; parameters without a gradient are passed over. */
#ifndef CRESSET_OPTIM_H
#define CRESSET_OPTIM_H

#include <cresset/module.h>
#include <cresset/scheduler.h>

#ifdef __cplusplus
extern "C" {
#endif

/* See layers.h. */
#ifndef CR_ZERO
#define CR_ZERO (-0.0)
#endif

/* ---- what to optimise ---- */

typedef struct cr_params {
    cr_module *module; /* or null, and then the list */
    cr_tensors list;
} cr_params;

static inline cr_params cr_params_of_module(cr_module *module)
{
    cr_params params = {module, {NULL, 0}};
    return params;
}
static inline cr_params cr_params_of_list(cr_tensors list)
{
    cr_params params = {NULL, list};
    return params;
}
#ifndef __cplusplus
#define CR_PARAMS_(x) \
    _Generic((x), cr_tensors : cr_params_of_list, default : cr_params_of_module)(x)
#endif

/* ---- optimisers; each returns null, and an error, for options out of range or no parameters ----
 */

/* Stochastic gradient descent, with momentum (Sutskever et al., 2013):
 *   g ← ∇ (or -∇ to maximize) + weight_decay θ;   b ← momentum b + (1 - dampening) g, first b ← g;
 *   θ ← θ - lr · (nesterov ? g + momentum b : momentum ? b : g) */
typedef struct cr_sgd_options {
    double lr; /* required, above 0 (or CR_ZERO) */
    double momentum, dampening, weight_decay;
    bool nesterov; /* needs momentum, and no dampening */
    bool maximize;
    int end_;
} cr_sgd_options;
CR_API cr_optimizer *cr_sgd_with(cr_params params, const cr_sgd_options *options);

/* Adam (Kingma and Ba, 2015; amsgrad: Reddi et al., 2018):
 *   m ← β1 m + (1 - β1) g;  v ← β2 v + (1 - β2) g²;  θ ← θ - lr · m̂ / (√v̂ + eps),  m̂ = m / (1 -
 * β1ᵗ),  v̂ = v / (1 - β2ᵗ) AdamW (Loshchilov and Hutter, 2019) decays θ ← θ - lr · weight_decay · θ
 * instead of adding weight_decay θ to g. */
typedef struct cr_adam_options {
    double lr;           /* 1e-3 */
    double betas[2];     /* 0.9, 0.999; {0, 0.9} is what it says */
    double eps;          /* 1e-8 */
    double weight_decay; /* Adam 0, AdamW 0.01 */
    bool amsgrad;        /* v̂ from the largest v so far */
    bool maximize;
    int end_;
} cr_adam_options;
CR_API cr_optimizer *cr_adam_with(cr_params params, const cr_adam_options *options);
CR_API cr_optimizer *cr_adamw_with(cr_params params, const cr_adam_options *options);

CR_API cr_optimizer *cr_optimizer_retain(cr_optimizer *optimizer);
CR_API void cr_optimizer_release(cr_optimizer *optimizer);

/* ---- groups of parameters with options of their own ---- */

/* Options of any optimiser; zero or missing ones are as the optimiser was made. */
typedef struct cr_param_group_options {
    double lr, momentum, dampening, weight_decay, betas[2], eps;
    bool nesterov, amsgrad, maximize;
    int end_;
} cr_param_group_options;
/* Returns 0, or an error: no parameters; one that is in a group already. */
CR_API int cr_add_param_group_with(cr_optimizer *optimizer, cr_params params,
                                   const cr_param_group_options *options);
CR_API size_t cr_param_group_count(const cr_optimizer *optimizer);
/* A group's i-th parameter; null past the end. Borrowed. */
CR_API cr_tensor *cr_param_group_tensor(const cr_optimizer *optimizer, size_t group, size_t i);
/* A number of a group by PyTorch's name: "lr", "initial_lr", "momentum", "dampening",
 * "weight_decay", "eps", "beta1", "beta2". NaN and an error if there is none. */
CR_API double cr_param_group_get(const cr_optimizer *optimizer, size_t group, const char *name);
CR_API int cr_param_group_set(cr_optimizer *optimizer, size_t group, const char *name,
                              double value);
/* The first group's learning rate; sets all groups'. */
CR_API double cr_get_lr(const cr_optimizer *optimizer);
CR_API int cr_set_lr(cr_optimizer *optimizer, double lr);

/* ---- using one ---- */

/* One step with the gradients as they are. Returns 0, or an error. */
CR_API int cr_optimizer_step(cr_optimizer *optimizer);

typedef struct cr_zero_grad_options {
    bool set_to_zero; /* fill gradients with zeros instead of dropping them */
    int end_;
} cr_zero_grad_options;
CR_API int cr_optimizer_zero_grad_with(cr_optimizer *optimizer,
                                       const cr_zero_grad_options *options);
CR_API int cr_module_zero_grad_with(cr_module *module, const cr_zero_grad_options *options);

/* PyTorch's two parts: "state.<number>.<name>" for every parameter that has been stepped,
 * "param_groups.<number>.<option>" and "param_groups.<number>.params". Tensors share memory. Of the
 * scope. Loading copies into the optimiser. Errors: other groups or numbers of parameters, sizes
 * that don't fit. */
CR_API cr_state_dict *cr_optimizer_state_dict(const cr_optimizer *optimizer);
CR_API int cr_optimizer_load_state_dict(cr_optimizer *optimizer, const cr_state_dict *dict);

/* ---- clipping ---- */

typedef struct cr_clip_grad_norm_options {
    double norm_type; /* 2; INFINITY: the largest element */
    bool error_if_nonfinite;
    int end_;
} cr_clip_grad_norm_options;
/* Scales all gradients, together, so that their norm is at most max_norm: each by min(1, max_norm /
 * (norm + 1e-6)). Returns the norm that they had, 0-d, of the scope. */
CR_API cr_tensor *cr_clip_grad_norm_with_(cr_params params, double max_norm,
                                          const cr_clip_grad_norm_options *options);
/* Clamps every gradient's elements to ±clip_value. Returns 0, or an error. */
CR_API int cr_clip_grad_value_with_(cr_params params, double clip_value);

#ifndef __cplusplus
#define cr_sgd(...)                                    \
    cr_sgd_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                &(const cr_sgd_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_adam(...)                                    \
    cr_adam_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                 &(const cr_adam_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_adamw(...)                                    \
    cr_adamw_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                  &(const cr_adam_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_add_param_group(optimizer, ...)                                    \
    cr_add_param_group_with(optimizer, CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                            &(const cr_param_group_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
/* cr_step(sgd), cr_step(scheduler) */
#define cr_step(x) \
    _Generic((x), cr_optimizer * : cr_optimizer_step, cr_scheduler * : cr_scheduler_step)(x)
/* cr_zero_grad(sgd), cr_zero_grad(net), cr_zero_grad(sgd, .set_to_zero = true) */
#define cr_zero_grad(...)                                \
    _Generic((CR_FIRST_(__VA_ARGS__, 0)), cr_optimizer * \
             : cr_optimizer_zero_grad_with, cr_module *  \
             : cr_module_zero_grad_with)(                \
        CR_FIRST_(__VA_ARGS__, 0),                       \
        &(const cr_zero_grad_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_clip_grad_norm_(params, ...)                                    \
    cr_clip_grad_norm_with_(CR_PARAMS_(params), CR_FIRST_(__VA_ARGS__, 0), \
                            &(const cr_clip_grad_norm_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_clip_grad_value_(params, clip_value) \
    cr_clip_grad_value_with_(CR_PARAMS_(params), clip_value)
#endif

#ifdef __cplusplus
}
#endif
#endif
