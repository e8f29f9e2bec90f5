/* The one step of building a graph that is a file of its own: giving several operations to the backend as one plan. */
#ifndef CRESSET_CORE_COMPILE_FUSE_H
#define CRESSET_CORE_COMPILE_FUSE_H

#include "core/compile/graph.h"

/* Exchanges runs of steps for one step each, where the backend plans them together. False, with the error set, without
 * memory. */
bool cr_trace_fuse(cr_trace *trace);

#endif
