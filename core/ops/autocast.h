/* Automatic mixed precision, as the call of an operation sees it. */
#ifndef CRESSET_CORE_OPS_AUTOCAST_H
#define CRESSET_CORE_OPS_AUTOCAST_H

#include "core/ops/invoke.h"

enum cr_autocast_list {
    CR_AUTOCAST_NONE,
    CR_AUTOCAST_LOWER,
    CR_AUTOCAST_FLOAT32,
    CR_AUTOCAST_PROMOTE,
    CR_AUTOCAST_BANNED,
    CR_AUTOCAST_APART
};

enum { CR_NOT_AUTOCAST = 1 };

/* The lists that an operation is on, by the name of its row: on devices with host memory, and 16 times that on others. */
uint8_t cr_autocast_list(const char *name);
/* Runs an operation that is on a list, while some block is open. CR_NOT_AUTOCAST: it is on none for its device, and wasn't run. */
int cr_invoke_autocast(const cr_op *op, const cr_value *args, cr_results *results);

#endif
