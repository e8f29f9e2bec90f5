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
 * place, outside of the graph; parameters without a gradient are passed over. A backend may take
 * subnormal numbers (below 1.2e-38 in float32) as 0 in a step, since momentum that nothing feeds any
 * more ends there and slows every step: cpu does. Where a module changes its dtype between steps,
 * the state keeps the old one: SGD, RMSprop, Rprop, Adadelta, ASGD, RAdam and SparseAdam go on,
 * computing in the wider of the two; with others, as in PyTorch 1.13, the next step is an error. */
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

/* Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014; amsgrad: Reddi et al.,
 * "On the Convergence of Adam and Beyond", 2018). With g as in SGD, and t counting steps from 1:
 *   m ← β1 m + (1 - β1) g;   v ← β2 v + (1 - β2) g²;   v̂ = v / (1 - β2ᵗ), the largest so far if amsgrad
 *   θ ← θ - lr · m / (1 - β1ᵗ) / (√v̂ + eps)
 * AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2017) decays
 *   θ ← θ - lr · weight_decay · θ   first, instead of adding weight_decay θ to g. */
typedef struct cr_adam_options {
    double lr;           /* 1e-3 */
    double betas[2];     /* 0.9, 0.999; {0, 0.9} is what it says */
    double eps;          /* 1e-8 */
    double weight_decay; /* Adam 0, AdamW 0.01 */
    bool amsgrad;
    bool maximize;
    int end_;
} cr_adam_options;
CR_API cr_optimizer *cr_adam_with(cr_params params, const cr_adam_options *options);
CR_API cr_optimizer *cr_adamw_with(cr_params params, const cr_adam_options *options);

/* SparseAdam: Adam that in PyTorch updates only what a sparse gradient mentions. Gradients here are
 * dense and mention everything:  θ ← θ - lr √(1 - β2ᵗ) / (1 - β1ᵗ) · m / (√v + eps). */
typedef struct cr_sparse_adam_options {
    double lr;       /* 1e-3; above 0 */
    double betas[2]; /* 0.9, 0.999 */
    double eps;      /* 1e-8; above 0 */
    bool maximize;
    int end_;
} cr_sparse_adam_options;
CR_API cr_optimizer *cr_sparse_adam_with(cr_params params, const cr_sparse_adam_options *options);

/* Adamax, Adam by the infinity norm (Kingma and Ba, 2014):
 *   m as Adam's;   u ← max(β2 u, |g| + eps);   θ ← θ - lr / (1 - β1ᵗ) · m / u */
typedef struct cr_adamax_options {
    double lr;           /* 2e-3 */
    double betas[2];     /* 0.9, 0.999 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0 */
    bool maximize;
    int end_;
} cr_adamax_options;
CR_API cr_optimizer *cr_adamax_with(cr_params params, const cr_adamax_options *options);

/* NAdam (Dozat, "Incorporating Nesterov Momentum into Adam", 2016):
 *   m, v as Adam's;   μₜ = β1 (1 - ½ 0.96^(t momentum_decay));   Πₜ = μ₁ … μₜ
 *   θ ← θ - lr ((1 - μₜ) / (1 - Πₜ) · g + μₜ₊₁ / (1 - Πₜ μₜ μₜ₊₁) · m) / (√(v / (1 - β2ᵗ)) + eps)
 * The second denominator has μₜ twice, as in PyTorch 1.13. */
typedef struct cr_nadam_options {
    double lr;             /* 2e-3 */
    double betas[2];       /* 0.9, 0.999 */
    double eps;            /* 1e-8 */
    double weight_decay;   /* 0 */
    double momentum_decay; /* 4e-3 */
    int end_;
} cr_nadam_options;
CR_API cr_optimizer *cr_nadam_with(cr_params params, const cr_nadam_options *options);

/* RAdam (Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2019):
 *   m, v as Adam's;   ρ∞ = 2 / (1 - β2) - 1;   ρ = ρ∞ - 2 t β2ᵗ / (1 - β2ᵗ)
 *   θ ← θ - lr · m / (1 - β1ᵗ) · (ρ > 5 ? r √(1 - β2ᵗ) / (√v + eps) : 1)
 *   r² = (ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ) */
typedef struct cr_radam_options {
    double lr;           /* 1e-3 */
    double betas[2];     /* 0.9, 0.999 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0 */
    int end_;
} cr_radam_options;
CR_API cr_optimizer *cr_radam_with(cr_params params, const cr_radam_options *options);

/* RMSprop (Hinton's lecture 6, 2012; centered: Graves, "Generating Sequences With Recurrent Neural
 * Networks", 2013):
 *   v ← alpha v + (1 - alpha) g²;   centered: a ← alpha a + (1 - alpha) g,  v' = v - a²
 *   d = g / (√v' + eps);   with momentum: b ← momentum b + d,  d = b;   θ ← θ - lr d */
typedef struct cr_rmsprop_options {
    double lr;    /* 1e-2 */
    double alpha; /* 0.99 */
    double eps;   /* 1e-8 */
    double weight_decay, momentum;
    bool centered;
    bool maximize;
    int end_;
} cr_rmsprop_options;
CR_API cr_optimizer *cr_rmsprop_with(cr_params params, const cr_rmsprop_options *options);

/* Rprop (Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning", 1993):
 * each element has a step size s, lr at first; g' is the last step's gradient.
 *   s ← s · (g g' > 0 ? η⁺ : g g' < 0 ? η⁻ : 1), within step_sizes
 *   g ← 0 where g g' < 0;   θ ← θ - sign(g) s */
typedef struct cr_rprop_options {
    double lr;            /* 1e-2 */
    double etas[2];       /* η⁻ 0.5, η⁺ 1.2 */
    double step_sizes[2]; /* 1e-6, 50 */
    bool maximize;
    int end_;
} cr_rprop_options;
CR_API cr_optimizer *cr_rprop_with(cr_params params, const cr_rprop_options *options);

/* Adagrad (Duchi, Hazan and Singer, "Adaptive Subgradient Methods", 2011):
 *   s ← s + g²;   θ ← θ - lr / (1 + (t - 1) lr_decay) · g / (√s + eps) */
typedef struct cr_adagrad_options {
    double lr;                        /* 1e-2 */
    double lr_decay, weight_decay;    /* 0 */
    double initial_accumulator_value; /* s at first: 0 */
    double eps;                       /* 1e-10 */
    bool maximize;
    int end_;
} cr_adagrad_options;
CR_API cr_optimizer *cr_adagrad_with(cr_params params, const cr_adagrad_options *options);

/* Adadelta (Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012):
 *   v ← rho v + (1 - rho) g²;   d = √(u + eps) / √(v + eps) · g;   u ← rho u + (1 - rho) d²
 *   θ ← θ - lr d */
typedef struct cr_adadelta_options {
    double lr;  /* 1 */
    double rho; /* 0.9 */
    double eps; /* 1e-6 */
    double weight_decay;
    bool maximize;
    int end_;
} cr_adadelta_options;
CR_API cr_optimizer *cr_adadelta_with(cr_params params, const cr_adadelta_options *options);

/* ASGD (Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992):
 *   θ ← (1 - lambd η) θ - η g;   ax ← ax + μ (θ - ax), the average in the state "ax"
 *   then, for the next step, η ← lr / (1 + lambd lr t)^alpha,  μ ← 1 / max(1, t - t0) */
typedef struct cr_asgd_options {
    double lr;    /* 1e-2 */
    double lambd; /* 1e-4 */
    double alpha; /* 0.75 */
    double t0;    /* 1e6 */
    double weight_decay;
    bool maximize;
    int end_;
} cr_asgd_options;
CR_API cr_optimizer *cr_asgd_with(cr_params params, const cr_asgd_options *options);

/* L-BFGS (Nocedal, "Updating Quasi-Newton Matrices with Limited Storage", 1980): directions from the
 * last history_size changes of the gradient, and steps of length lr, or to a point that meets the
 * strong Wolfe conditions. Its step takes a closure, which it calls many times (cr_step_closure);
 * it has one group. */
typedef struct cr_lbfgs_options {
    double lr;                  /* 1 */
    int64_t max_iter;           /* of a step: 20 */
    int64_t max_eval;           /* of a step: 5/4 max_iter */
    double tolerance_grad;      /* 1e-7: no element of the gradient is larger */
    double tolerance_change;    /* 1e-9: neither the loss nor a parameter changes more */
    int64_t history_size;       /* 100 */
    const char *line_search_fn; /* "strong_wolfe"; null: none */
    int end_;
} cr_lbfgs_options;
CR_API cr_optimizer *cr_lbfgs_with(cr_params params, const cr_lbfgs_options *options);

/* Counts of owners: retain returns its argument; the last release frees the optimiser, not its parameters. Null is ignored. */
CR_API cr_optimizer *cr_optimizer_retain(cr_optimizer *optimizer);
CR_API void cr_optimizer_release(cr_optimizer *optimizer);

/* ---- groups of parameters with options of their own ---- */

/* Options of any optimiser, as torch.optim's dictionaries of groups; zero or missing ones are as the optimiser was made. */
typedef struct cr_param_group_options {
    double lr, momentum, dampening, weight_decay, betas[2], eps;
    double alpha, rho, lr_decay, initial_accumulator_value, momentum_decay; /* RMSprop … NAdam */
    double etas[2], step_sizes[2];                                          /* Rprop */
    double lambd, t0;                                                       /* ASGD */
    bool nesterov, amsgrad, centered, maximize;
    int end_;
} cr_param_group_options;
/* Returns 0, or an error: no parameters; one that is in a group already. */
CR_API int cr_add_param_group_with(cr_optimizer *optimizer, cr_params params,
                                   const cr_param_group_options *options);
/* How many groups there are, the first one made with the optimiser. */
CR_API size_t cr_param_group_count(const cr_optimizer *optimizer);
/* A group's i-th parameter; null past the end. Borrowed. */
CR_API cr_tensor *cr_param_group_tensor(const cr_optimizer *optimizer, size_t group, size_t i);
/* A number of a group by PyTorch's name: "lr", "initial_lr", "momentum", "dampening",
 * "weight_decay", "eps", "alpha", "rho", "lr_decay", "initial_accumulator_value", "momentum_decay",
 * "lambd", "t0", LBFGS's; of pairs "beta1", "beta2", "etaminus", "etaplus", "step_size_min",
 * "step_size_max". NaN and an error if there is none. */
CR_API double cr_param_group_get(const cr_optimizer *optimizer, size_t group, const char *name);
CR_API int cr_param_group_set(cr_optimizer *optimizer, size_t group, const char *name,
                              double value);
/* The first group's learning rate (NaN and an error for a null optimiser); sets all groups'. set returns 0, or an error. */
CR_API double cr_get_lr(const cr_optimizer *optimizer);
CR_API int cr_set_lr(cr_optimizer *optimizer, double lr);

/* ---- using one ---- */

/* One step with the gradients as they are. Returns 0, or an error. */
CR_API int cr_optimizer_step(cr_optimizer *optimizer);

/* Computes the loss anew: drops the gradients, runs the model, calls cr_backward, and returns the loss
 * of the scope. */
typedef cr_tensor *cr_closure(void *context);
/* One step by a closure, with recording on while it runs: called once before the step, or as often as
 * LBFGS likes. Returns the (first) loss, or null and an error. */
CR_API cr_tensor *cr_step_closure(cr_optimizer *optimizer, cr_closure *closure, void *context);

typedef struct cr_zero_grad_options {
    bool set_to_zero; /* fill gradients with zeros instead of dropping them */
    int end_;
} cr_zero_grad_options;
/* Drops all parameters' gradients, or fills them. Returns 0, or an error. */
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

/* ---- parameters as one vector ---- */

/* All parameters, each once, flattened and one behind the other: (sum of their sizes), of the scope; differentiable.
 * Errors: no parameters, different devices. */
CR_API cr_tensor *cr_parameters_to_vector_with(cr_params params);
/* Copies a vector's parts into the parameters, outside of the graph. Returns 0, or an error: another number of elements, another
 * rank than 1. */
CR_API int cr_vector_to_parameters_with(cr_tensor *vector, cr_params params);

#ifndef __cplusplus
#define cr_parameters_to_vector(params) cr_parameters_to_vector_with(CR_PARAMS_(params))
#define cr_vector_to_parameters(vector, params) \
    cr_vector_to_parameters_with(vector, CR_PARAMS_(params))
#define cr_sgd(...)                                    \
    cr_sgd_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                &(const cr_sgd_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_adam(...)                                    \
    cr_adam_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                 &(const cr_adam_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_adamw(...)                                    \
    cr_adamw_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                  &(const cr_adam_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_sparse_adam(...)                                    \
    cr_sparse_adam_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                        &(const cr_sparse_adam_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_adamax(...)                                    \
    cr_adamax_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                   &(const cr_adamax_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_nadam(...)                                    \
    cr_nadam_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                  &(const cr_nadam_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_radam(...)                                    \
    cr_radam_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                  &(const cr_radam_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_rmsprop(...)                                    \
    cr_rmsprop_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                    &(const cr_rmsprop_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_rprop(...)                                    \
    cr_rprop_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                  &(const cr_rprop_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_adagrad(...)                                    \
    cr_adagrad_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                    &(const cr_adagrad_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_adadelta(...)                                    \
    cr_adadelta_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                     &(const cr_adadelta_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_asgd(...)                                    \
    cr_asgd_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                 &(const cr_asgd_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_lbfgs(...)                                    \
    cr_lbfgs_with(CR_PARAMS_(CR_FIRST_(__VA_ARGS__, 0)), \
                  &(const cr_lbfgs_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
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
