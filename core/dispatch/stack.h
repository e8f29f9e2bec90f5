/* Wrappers in front of backends: "trace:chaos:vulkan". */
#ifndef CRESSET_CORE_DISPATCH_STACK_H
#define CRESSET_CORE_DISPATCH_STACK_H

#include "core/dispatch/loader.h"

/* What a wrapper makes of another candidate, the same one each time. Null where it will not, with
 * words of static or thread storage in *why. Lives until cr_stack_close. */
cr_candidate *cr_stack_wrap(cr_candidate *wrapper, cr_candidate *inner, const char **why);
/* The wrappers of `like` in front of another backend: that backend itself where there are none. */
cr_candidate *cr_stack_like(cr_candidate *like, cr_candidate *base, const char **why);
/* The backend at the bottom: the candidate itself where it is no stack. */
const cr_candidate *cr_stack_base(const cr_candidate *c);
/* Unwraps all, the last made first. Devices must be closed. */
void cr_stack_close(void);

#endif
