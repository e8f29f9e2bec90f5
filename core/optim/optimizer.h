/* An optimiser from inside: groups of parameters, each with its numbers and the state that its step needs. */
#ifndef CRESSET_CORE_OPTIM_OPTIMIZER_H
#define CRESSET_CORE_OPTIM_OPTIMIZER_H

#include <stdatomic.h>

#include <cresset/module.h>
#include <cresset/ops.h>
#include <cresset/optim.h>

#include "core/base/error.h"

/* The numbers of a group, by PyTorch's names. One list for getting, setting, saving and loading. */
#define CR_GROUP_NUMBERS(X) \
    X(lr) X(initial_lr) X(momentum) X(dampening) X(weight_decay) X(beta1) X(beta2) X(eps)
#define CR_GROUP_FLAGS(X) X(nesterov) X(amsgrad) X(maximize)

typedef struct cr_group_numbers {
#define X(name) double name;
    CR_GROUP_NUMBERS(X)
#undef X
#define X(name) bool name;
    CR_GROUP_FLAGS(X)
#undef X
} cr_group_numbers;

enum { CR_STATES = 3 }; /* momentum_buffer; or exp_avg, exp_avg_sq, max_exp_avg_sq */

typedef struct cr_param_state {
    cr_tensor *tensor[CR_STATES];
    int64_t step; /* 0: never stepped */
} cr_param_state;

typedef struct cr_param_group {
    cr_group_numbers numbers;
    size_t count;
    cr_tensor **params; /* retained */
    cr_param_state *states;
    cr_tensor **lists; /* for one step: params, grads and states of those that have a gradient */
} cr_param_group;

typedef enum cr_optimizer_kind { CR_SGD, CR_ADAM, CR_ADAMW } cr_optimizer_kind;

struct cr_optimizer {
    atomic_int refs;
    cr_optimizer_kind kind;
    cr_group_numbers defaults;
    size_t count;
    cr_param_group *groups;
};

/* "momentum_buffer", "exp_avg" …; null past the kind's last. */
const char *cr_state_name(const cr_optimizer *optimizer, int state);
/* The place of a number by name; null if there is none. */
double *cr_group_number(cr_group_numbers *numbers, const char *name);
/* Makes a state tensor of zeros like the parameter, kept by the optimiser. */
bool cr_state_make(cr_param_state *state, int which, cr_tensor *param);

#endif
