/* An optimiser from inside: what kind it is, and groups of parameters, each with its numbers and the state that its step
 * needs. */
#ifndef CRESSET_CORE_OPTIM_OPTIMIZER_H
#define CRESSET_CORE_OPTIM_OPTIMIZER_H

#include <stdatomic.h>

#include <cresset/module.h>
#include <cresset/ops.h>
#include <cresset/optim.h>

#include "core/base/error.h"

/* The numbers of a group, by PyTorch's names; of a pair (betas, etas, step_sizes), the parts lie side by side. One list for
 * getting, setting, saving and loading. */
/* clang-format off */
#define CR_GROUP_NUMBERS(X) \
    X(lr) X(initial_lr) X(momentum) X(dampening) X(weight_decay) X(beta1) X(beta2) X(eps) \
    X(alpha) X(rho) X(lr_decay) X(initial_accumulator_value) X(momentum_decay) X(etaminus) \
    X(etaplus) X(step_size_min) X(step_size_max) X(lambd) X(t0) X(max_iter) X(max_eval) \
    X(history_size) X(tolerance_grad) X(tolerance_change)
/* clang-format on */
#define CR_GROUP_FLAGS(X) X(nesterov) X(amsgrad) X(centered) X(strong_wolfe) X(maximize)

typedef struct cr_group_numbers {
#define X(name) double name;
    CR_GROUP_NUMBERS(X)
#undef X
#define X(name) bool name;
    CR_GROUP_FLAGS(X)
#undef X
} cr_group_numbers;

/* clang-format off */
/* The options that a kind can have, as its state dict shows them. */
#define CR_OPTIONS(X) \
    X(LR) X(INITIAL_LR) X(MOMENTUM) X(DAMPENING) X(BETAS) X(ALPHA) X(RHO) X(EPS) \
    X(WEIGHT_DECAY) X(LR_DECAY) X(INITIAL_ACCUMULATOR_VALUE) X(MOMENTUM_DECAY) X(ETAS) \
    X(STEP_SIZES) X(LAMBD) X(T0) X(MAX_ITER) X(MAX_EVAL) X(TOLERANCE_GRAD) X(TOLERANCE_CHANGE) \
    X(HISTORY_SIZE) X(LINE_SEARCH_FN) X(NESTEROV) X(AMSGRAD) X(CENTERED) X(MAXIMIZE)
/* clang-format on */
enum cr_option {
#define X(name) CR_OPTION_##name,
    CR_OPTIONS(X)
#undef X
        CR_OPTION_COUNT
};
#define CR_TAKES(option) (UINT32_C(1) << CR_OPTION_##option)

enum { CR_STATES = 3, CR_TALLIES = 2 };

typedef struct cr_param_state {
    cr_tensor *tensor[CR_STATES];
    double tally[CR_TALLIES]; /* numbers that a kind keeps of each parameter, beside the count */
    int64_t step;             /* 0: never stepped */
    size_t batch;             /* while stepping: with whom; 0: not yet */
} cr_param_state;

typedef struct cr_param_group {
    cr_group_numbers numbers;
    size_t count;
    cr_tensor **params; /* retained */
    cr_param_state *states;
    cr_tensor **lists; /* for one step: params, grads and states of those that have a gradient */
} cr_param_group;

/* What tells one optimiser from another. Functions may be null. */
typedef struct cr_optimizer_kind {
    const char *name;
    uint32_t options;                /* CR_TAKES(…) | … */
    const char *states[CR_STATES];   /* "momentum_buffer"; "exp_avg", "exp_avg_sq" … */
    const char *tallies[CR_TALLIES]; /* "mu_product" … */
    bool counts_steps;               /* the state dict has "step" */
    bool mixes_dtypes;   /* goes on where the parameter has another dtype than its state */
    bool begins_at_once; /* states are made with the optimiser, not at the first step */
    bool (*check)(const cr_group_numbers *n);
    /* Which state tensors a step uses, as bits (null: all that have names), and with what they are filled at first. */
    unsigned (*uses)(const cr_group_numbers *n);
    double (*first)(const cr_group_numbers *n, int state);
    void (*begin)(const cr_group_numbers *n, double *tally);
    /* One step of parameters alike in everything: lists of parameters, gradients and states (empty where not used). `as`
     * counts this step already, and its tallies are to be brought up to date. */
    int (*step)(const cr_group_numbers *n, const cr_tensors *lists, cr_param_state *as,
                bool is_first);
} cr_optimizer_kind;

typedef struct cr_lbfgs cr_lbfgs;

struct cr_optimizer {
    atomic_int refs;
    const cr_optimizer_kind *kind;
    cr_group_numbers defaults;
    size_t count;
    cr_param_group *groups;
    cr_lbfgs *lbfgs; /* of that kind alone */
};

/* A new optimiser of the scope; null and an error for numbers that don't pass the kind's check, or no parameters. */
cr_optimizer *cr_optimizer_make(const cr_optimizer_kind *kind, cr_params params,
                                const cr_group_numbers *numbers);
static inline bool cr_optimizer_has(const cr_optimizer *optimizer, uint32_t option)
{
    return (optimizer->kind->options & option) != 0;
}
/* A negative zero is a zero that was meant; a zero is the default. */
double cr_given(double value, double fallback);
/* The place of a number by name; null if there is none. */
double *cr_group_number(cr_group_numbers *numbers, const char *name);
/* Makes a state tensor like the parameter, if there is none yet. */
bool cr_state_make(const cr_optimizer *optimizer, cr_param_group *group, size_t i, int which);

#endif
