/* What the kinds of optimisers share: reading options, and checks with PyTorch's messages. */
#ifndef CRESSET_CORE_OPTIM_KINDS_H
#define CRESSET_CORE_OPTIM_KINDS_H

#include <math.h>

#include "core/optim/optimizer.h"

#define CR_COMMON_OPTIONS (CR_TAKES(LR) | CR_TAKES(INITIAL_LR))

/* Declares `o`: the options given, or none at all. */
#define CR_TAKE_OPTIONS(type)                   \
    static const type none_given = {.end_ = 0}; \
    const type *o = options ? options : &none_given

static inline bool cr_not_below_zero(double value, const char *what)
{
    return value >= 0 ? true : (cr_fail("Invalid %s: %g", what, value), false);
}

static inline bool cr_check_common(const cr_group_numbers *n)
{
    return cr_not_below_zero(n->lr, "learning rate") &&
           cr_not_below_zero(n->weight_decay, "weight_decay value");
}

static inline bool cr_check_eps(const cr_group_numbers *n)
{
    return cr_check_common(n) && cr_not_below_zero(n->eps, "epsilon value");
}

static inline bool cr_check_betas(const cr_group_numbers *n)
{
    const double beta[2] = {n->beta1, n->beta2};
    for (int i = 0; i < 2; i++)
        if (!(beta[i] >= 0 && beta[i] < 1))
            return cr_fail("Invalid beta parameter at index %d: %g", i, beta[i]), false;
    return true;
}

static inline bool cr_check_adam(const cr_group_numbers *n)
{
    return cr_check_eps(n) && cr_check_betas(n);
}

/* Two numbers given as a list; where both are missing, the defaults. */
static inline void cr_take_pair(const double given[2], double first, double second, double *a,
                                double *b)
{
    bool there = given[0] != 0 || given[1] != 0 || signbit(given[0]) || signbit(given[1]);
    *a = there ? given[0] : first;
    *b = there ? given[1] : second;
}

#endif
