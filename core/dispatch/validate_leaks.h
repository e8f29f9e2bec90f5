/* Whether a backend gives back what it takes: the growth of the process's heap is looked at. */
#ifndef CRESSET_CORE_DISPATCH_VALIDATE_LEAKS_H
#define CRESSET_CORE_DISPATCH_VALIDATE_LEAKS_H

#include "core/dispatch/validate.h"

/* Takes and gives back memory a few times. CR_OK, or a violation. */
cr_status cr_check_alloc_leaks(cr_checked_device *device);
/* Opens and closes the device a few times, before it is opened for good. A violation where its
 * memory is the host's; elsewhere a warning, since drivers do not give back everything. */
cr_status cr_check_open_leaks(const cr_checked_device *device, int index);
/* The same with plans, once for each operation of a device. */
cr_status cr_check_plan_leaks(cr_checked_device *device, const char *op, const cr_graph *graph,
                              const cr_plan_info *info);

#endif
