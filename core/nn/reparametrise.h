/* Parameters that are computed from others before each call: weight_norm, spectral_norm. */
#ifndef CRESSET_CORE_NN_REPARAMETRISE_H
#define CRESSET_CORE_NN_REPARAMETRISE_H

#include "core/nn/nn.h"

typedef enum cr_reparam_kind { CR_WEIGHT_NORM, CR_SPECTRAL_NORM } cr_reparam_kind;

struct cr_reparam {
    cr_reparam_kind kind;
    char name[64]; /* of the parameter that there was */
    int dim;       /* -1: all dimensions at once */
    int64_t iterations;
    double eps;
    cr_tensor **place;   /* the module's member */
    cr_tensor *computed; /* what is there, and is held here */
};

/* Adds one and computes its tensor, with no iteration. False, with the error set, if that failed. `from` is copied, but for its
 * tensor. */
bool cr_reparam_add(cr_module *module, const cr_reparam *from);
/* Computes all of a module's for a call. */
bool cr_reparams_run(cr_module *module);
void cr_reparams_free(struct cr_module_state *state);

#endif
