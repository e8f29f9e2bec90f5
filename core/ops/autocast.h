/* Automatic mixed precision, as the call of an operation sees it. */
#ifndef CRESSET_CORE_OPS_AUTOCAST_H
#define CRESSET_CORE_OPS_AUTOCAST_H

#include "core/ops/invoke.h"

enum cr_autocast_list {
    CR_AUTOCAST_NONE,
    CR_AUTOCAST_LOWER,
    CR_AUTOCAST_FLOAT32,
    CR_AUTOCAST_PROMOTE
};

/* The list that an operation is on, by the name of its row. */
uint8_t cr_autocast_list(const char *name);
/* Runs an operation that is on a list, while some block is open. */
int cr_invoke_autocast(const cr_op *op, const cr_value *args, cr_results *results);

#endif
