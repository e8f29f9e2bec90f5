/* torch.optim.lr_scheduler: learning rates that change from epoch to epoch, by PyTorch's formulas.
 *
 *     cr_scheduler *schedule = cr_step_lr(sgd, 30, .gamma = 0.1);
 *     for (int epoch = 0; epoch < 90; epoch++) {
 *         train(net, sgd);
 *         cr_step(schedule);
 *     }
 *
 * Making a scheduler takes its first step, as in PyTorch: the rates of epoch 0 are set. Base rates
 * are the groups' "initial_lr", which the first scheduler of an optimiser sets. Most rules multiply
 * what the rate is now, so schedulers chain. A scheduler belongs to the scope and keeps its
 * optimiser. Below, t counts the steps taken. */
#ifndef CRESSET_SCHEDULER_H
#define CRESSET_SCHEDULER_H

#include <cresset/state_dict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_optimizer cr_optimizer;
typedef struct cr_scheduler cr_scheduler;

typedef struct cr_lr_options {
    double gamma; /* 0.1 */
    int end_;
} cr_lr_options;

/* StepLR: every step_size steps, times gamma:   lr_t = lr_(t-1) gamma where step_size divides t.   Errors: step_size below 1. */
CR_API cr_scheduler *cr_step_lr_with(cr_optimizer *optimizer, int64_t step_size,
                                     const cr_lr_options *options);
/* MultiStepLR: times gamma at each milestone (at one given twice, twice). */
CR_API cr_scheduler *cr_multi_step_lr_with(cr_optimizer *optimizer, cr_ints milestones,
                                           const cr_lr_options *options);
/* ExponentialLR: times gamma at each step. */
CR_API cr_scheduler *cr_exponential_lr(cr_optimizer *optimizer, double gamma);

/* With T = total_iters (5), and t up to it:
 *   ConstantLR:   lr_t = base factor (1/3), base from T on
 *   LinearLR:     lr_t = base (start_factor + (end_factor - start_factor) t / T),   1/3 and 1
 *   PolynomialLR: lr_t = base (1 - t / T)^power,   power 1
 * Errors: factors outside of PyTorch's ranges. */
typedef struct cr_ramp_lr_options {
    int begin_;
    double factor;       /* ConstantLR */
    double start_factor; /* LinearLR */
    double end_factor;   /* LinearLR */
    double power;        /* PolynomialLR */
    int64_t total_iters;
    int end_;
} cr_ramp_lr_options;
CR_API cr_scheduler *cr_constant_lr_with(cr_optimizer *optimizer,
                                         const cr_ramp_lr_options *options);
CR_API cr_scheduler *cr_linear_lr_with(cr_optimizer *optimizer, const cr_ramp_lr_options *options);
CR_API cr_scheduler *cr_polynomial_lr_with(cr_optimizer *optimizer,
                                           const cr_ramp_lr_options *options);

/* CosineAnnealingLR (Loshchilov and Hutter, 2017): eta_min + (base - eta_min)(1 + cos(π t / T_max))
 * / 2, in the chained form. */
CR_API cr_scheduler *cr_cosine_annealing_lr(cr_optimizer *optimizer, int64_t T_max, double eta_min);

/* LambdaLR: base · function(context, t). MultiplicativeLR: times function(context, t) at each step
 * after the first. */
typedef double (*cr_lr_function)(void *context, int64_t epoch);
CR_API cr_scheduler *cr_lambda_lr(cr_optimizer *optimizer, cr_lr_function function, void *context);
CR_API cr_scheduler *cr_multiplicative_lr(cr_optimizer *optimizer, cr_lr_function function,
                                          void *context);

/* OneCycleLR (Smith and Topin, "Super-Convergence", 2019): from max_lr / div_factor up to max_lr in the first pct_start
 * of all steps, down to the first rate / final_div_factor in the rest, while momentum (Adam's β1)
 * goes the other way. To be stepped after every batch; a step too many is an error. */
typedef struct cr_one_cycle_lr_options {
    const double *max_lrs; /* one for each group, instead of max_lr */
    int64_t total_steps;   /* or both of the next two */
    int64_t epochs, steps_per_epoch;
    double pct_start;            /* 0.3 */
    const char *anneal_strategy; /* "cos", "linear" */
    bool no_cycle_momentum;
    double base_momentum;    /* 0.85 */
    double max_momentum;     /* 0.95 */
    double div_factor;       /* 25 */
    double final_div_factor; /* 1e4 */
    bool three_phase;        /* up, down as long, and then to the end */
    int end_;
} cr_one_cycle_lr_options;
CR_API cr_scheduler *cr_one_cycle_lr_with(cr_optimizer *optimizer, double max_lr,
                                          const cr_one_cycle_lr_options *options);

/* CyclicLR (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017): between base_lr
 * and max_lr, up in step_size_up steps and down in step_size_down; a cycle's height is scaled by 1
 * ("triangular"), 1 / 2^(cycle - 1) ("triangular2"), gamma^t ("exp_range") or scale_fn, while
 * momentum goes the other way. The optimiser must have momentum, unless no_cycle_momentum. */
typedef struct cr_cyclic_lr_options {
    const double *base_lrs, *max_lrs; /* one for each group, instead of base_lr, max_lr */
    int64_t step_size_up;             /* 2000 */
    int64_t step_size_down;           /* as step_size_up */
    const char *mode;                 /* "triangular", "triangular2", "exp_range" */
    double gamma;                     /* 1 */
    cr_lr_function scale_fn;          /* of the cycle, from 1; or of t */
    void *scale_context;
    const char *scale_mode; /* what scale_fn is given: "cycle", "iterations" */
    bool no_cycle_momentum;
    double base_momentum; /* 0.8 */
    double max_momentum;  /* 0.9 */
    int end_;
} cr_cyclic_lr_options;
CR_API cr_scheduler *cr_cyclic_lr_with(cr_optimizer *optimizer, double base_lr, double max_lr,
                                       const cr_cyclic_lr_options *options);

/* CosineAnnealingWarmRestarts (Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm
 * Restarts", 2017): eta_min + (base - eta_min)(1 + cos(π T_cur / T_i)) / 2, where T_cur counts steps
 * since the last restart, and T_i, T_0 at first, grows T_mult times at each. */
typedef struct cr_warm_restarts_options {
    int begin_;
    int64_t T_mult; /* 1 */
    double eta_min; /* 0 */
    int end_;
} cr_warm_restarts_options;
CR_API cr_scheduler *cr_cosine_annealing_warm_restarts_with(
    cr_optimizer *optimizer, int64_t T_0, const cr_warm_restarts_options *options);

/* ReduceLROnPlateau: times factor when a metric hasn't improved for more than patience steps. Step
 * it with cr_scheduler_step_metric. Making it leaves the rates as they are. */
typedef struct cr_reduce_lr_on_plateau_options {
    int begin_;
    const char *mode;           /* "min": smaller is better; "max" */
    double factor;              /* 0.1 */
    int64_t patience;           /* 10; below 0 means none */
    double threshold;           /* 1e-4 */
    const char *threshold_mode; /* "rel": better by that part of the best; "abs" */
    int64_t cooldown;           /* steps after a reduction that can't be bad ones: 0 */
    double min_lr;              /* 0 */
    const double *min_lrs;      /* one for each group, instead of min_lr */
    double eps;                 /* a smaller change is not made: 1e-8 */
    int end_;
} cr_reduce_lr_on_plateau_options;
CR_API cr_scheduler *cr_reduce_lr_on_plateau_with(cr_optimizer *optimizer,
                                                  const cr_reduce_lr_on_plateau_options *options);

/* SWALR (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
 * 2018): from what the rates are to swa_lr in anneal_epochs steps, and there they stay. */
typedef struct cr_swa_lr_options {
    const double *swa_lrs;       /* one for each group, instead of swa_lr */
    int64_t anneal_epochs;       /* 10 */
    bool at_once;                /* anneal_epochs is truly 0 */
    const char *anneal_strategy; /* "cos", "linear" */
    int end_;
} cr_swa_lr_options;
CR_API cr_scheduler *cr_swa_lr_with(cr_optimizer *optimizer, double swa_lr,
                                    const cr_swa_lr_options *options);

/* ChainedScheduler: a step is one of every scheduler, in order. */
CR_API cr_scheduler *cr_chained_scheduler_with(cr_scheduler *const *schedulers, size_t count);

/* Runs each scheduler for as many steps as lie between milestones, as SequentialLR. */
CR_API cr_scheduler *cr_sequential_lr_with(cr_optimizer *optimizer, cr_scheduler *const *schedulers,
                                           size_t count, cr_ints milestones);

#ifndef __cplusplus
#define cr_step_lr(optimizer, ...)                        \
    cr_step_lr_with(optimizer, CR_FIRST_(__VA_ARGS__, 0), \
                    &(const cr_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_multi_step_lr(optimizer, ...)                              \
    cr_multi_step_lr_with(optimizer, CR_I(CR_FIRST_(__VA_ARGS__, 0)), \
                          &(const cr_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_constant_lr(...)                        \
    cr_constant_lr_with(CR_FIRST_(__VA_ARGS__, 0), \
                        &(const cr_ramp_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_linear_lr(...)                        \
    cr_linear_lr_with(CR_FIRST_(__VA_ARGS__, 0), \
                      &(const cr_ramp_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_polynomial_lr(...)                        \
    cr_polynomial_lr_with(CR_FIRST_(__VA_ARGS__, 0), \
                          &(const cr_ramp_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_one_cycle_lr(optimizer, ...)                        \
    cr_one_cycle_lr_with(optimizer, CR_FIRST_(__VA_ARGS__, 0), \
                         &(const cr_one_cycle_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_cyclic_lr(optimizer, base_lr, ...)                        \
    cr_cyclic_lr_with(optimizer, base_lr, CR_FIRST_(__VA_ARGS__, 0), \
                      &(const cr_cyclic_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_cosine_annealing_warm_restarts(optimizer, ...) \
    cr_cosine_annealing_warm_restarts_with(               \
        optimizer, CR_FIRST_(__VA_ARGS__, 0),             \
        &(const cr_warm_restarts_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_reduce_lr_on_plateau(...) \
    cr_reduce_lr_on_plateau_with(    \
        CR_FIRST_(__VA_ARGS__, 0),   \
        &(const cr_reduce_lr_on_plateau_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_swa_lr(optimizer, ...)                        \
    cr_swa_lr_with(optimizer, CR_FIRST_(__VA_ARGS__, 0), \
                   &(const cr_swa_lr_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_chained_scheduler(...)                                            \
    cr_chained_scheduler_with((cr_scheduler *const[]){__VA_ARGS__},          \
                              sizeof((cr_scheduler *const[]){__VA_ARGS__}) / \
                                  sizeof(cr_scheduler *))
#define cr_sequential_lr(optimizer, milestones, ...)                                             \
    cr_sequential_lr_with(optimizer, (cr_scheduler *const[]){__VA_ARGS__},                       \
                          sizeof((cr_scheduler *const[]){__VA_ARGS__}) / sizeof(cr_scheduler *), \
                          CR_I(milestones))
#endif

/* One step: the next rates. Returns 0, or an error. (cr_step of optim.h takes schedulers, too.) */
CR_API int cr_scheduler_step(cr_scheduler *scheduler);
/* A step with what a metric came to: ReduceLROnPlateau's; others step as always. */
CR_API int cr_scheduler_step_metric(cr_scheduler *scheduler, double metric);
/* Goes to an epoch, whole or not (epoch + i / iterations): CosineAnnealingWarmRestarts' alone. */
CR_API int cr_scheduler_step_to(cr_scheduler *scheduler, double epoch);
/* The rate that the last step set for a group; NaN and an error if there is no such group. */
CR_API double cr_get_last_lr(const cr_scheduler *scheduler, size_t group);

/* Counts of owners: retain returns its argument; the last release frees the scheduler and lets go of its optimiser. Null is ignored. */
CR_API cr_scheduler *cr_scheduler_retain(cr_scheduler *scheduler);
CR_API void cr_scheduler_release(cr_scheduler *scheduler);

/* "last_epoch", "_step_count", "base_lrs", "_last_lr", and what else tells where the rule stands
 * ("T_cur", "best" …), and the options that are numbers ("gamma", "T_max" …) or lists of them, as PyTorch saves
 * them; schedulers of a scheduler as "_schedulers.<number>.last_epoch" …. Functions and the shape of a OneCycleLR are
 * not saved: make the scheduler anew and load. Loading leaves the optimiser's rates alone: they come back with the
 * optimiser's own state, to be loaded after making the scheduler. Returns 0, or an error. */
CR_API cr_state_dict *cr_scheduler_state_dict(const cr_scheduler *scheduler);
CR_API int cr_scheduler_load_state_dict(cr_scheduler *scheduler, const cr_state_dict *dict);

#ifdef __cplusplus
}
#endif
#endif
