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

/* StepLR: every step_size steps, times gamma. */
CR_API cr_scheduler *cr_step_lr_with(cr_optimizer *optimizer, int64_t step_size,
                                     const cr_lr_options *options);
/* MultiStepLR: times gamma at each milestone (at one given twice, twice). */
CR_API cr_scheduler *cr_multi_step_lr_with(cr_optimizer *optimizer, cr_ints milestones,
                                           const cr_lr_options *options);
/* ExponentialLR: times gamma at each step. */
CR_API cr_scheduler *cr_exponential_lr(cr_optimizer *optimizer, double gamma);

/* ConstantLR: times factor (1/3) until total_iters (5). LinearLR: times start_factor (1/3), growing
 * evenly to end_factor (1) at total_iters (5). PolynomialLR: falls to zero at total_iters (5) with
 * the power-th power (1) of what is left. */
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

/* OneCycleLR (Smith and Topin, 2019): from max_lr / div_factor up to max_lr in the first pct_start
 * of all steps, down to the first rate / final_div_factor in the rest, while momentum (Adam's β1)
 * goes the other way. To be stepped after every batch; a step too many is an error. */
typedef struct cr_one_cycle_lr_options {
    int64_t total_steps; /* or both of the next two */
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
#define cr_sequential_lr(optimizer, milestones, ...)                                             \
    cr_sequential_lr_with(optimizer, (cr_scheduler *const[]){__VA_ARGS__},                       \
                          sizeof((cr_scheduler *const[]){__VA_ARGS__}) / sizeof(cr_scheduler *), \
                          CR_I(milestones))
#endif

/* One step: the next rates. Returns 0, or an error. (cr_step of optim.h takes schedulers, too.) */
CR_API int cr_scheduler_step(cr_scheduler *scheduler);
/* The rate that the last step set for a group. */
CR_API double cr_get_last_lr(const cr_scheduler *scheduler, size_t group);

CR_API cr_scheduler *cr_scheduler_retain(cr_scheduler *scheduler);
CR_API void cr_scheduler_release(cr_scheduler *scheduler);

/* "last_epoch", "_step_count", "base_lrs", "_last_lr". Options (functions among them) are not
 * saved: make the scheduler anew and load. Returns 0, or an error. */
CR_API cr_state_dict *cr_scheduler_state_dict(const cr_scheduler *scheduler);
CR_API int cr_scheduler_load_state_dict(cr_scheduler *scheduler, const cr_state_dict *dict);

#ifdef __cplusplus
}
#endif
#endif
