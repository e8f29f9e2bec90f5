/* What L-BFGS remembers from step to step. */
#ifndef CRESSET_CORE_OPTIM_LBFGS_H
#define CRESSET_CORE_OPTIM_LBFGS_H

#include "core/optim/optimizer.h"

struct cr_lbfgs {
    int64_t func_evals, n_iter;
    cr_tensor *d, *prev_flat_grad; /* flat, over all parameters */
    double t, h_diag, prev_loss;
    size_t count, room; /* of the history */
    cr_tensor **old_dirs, **old_stps;
    double *ro;
};

/* Room for a history of n; false, with the error set, without memory. */
bool cr_lbfgs_make_room(cr_lbfgs *l, size_t n);
void cr_lbfgs_free(cr_lbfgs *l);
cr_tensor *cr_lbfgs_step(cr_optimizer *optimizer, cr_closure *closure, void *context);
/* The state of the first parameter, as in PyTorch. Return 0, or -1 with the error set. */
int cr_lbfgs_save(const cr_lbfgs *l, cr_state_dict *dict);
int cr_lbfgs_load(cr_lbfgs *l, const cr_state_dict *dict, const cr_param_group *group);

#endif
