/* Recording, seen from the rooms where things happen: while cr_this_thread.trace is set, each tells the compile room (which
 * sets cr_the_tracer) what it does. Eager running pays one test of a thread's variable. */
#ifndef CRESSET_CORE_DISPATCH_TRACE_H
#define CRESSET_CORE_DISPATCH_TRACE_H

#include "core/dispatch/device.h"

/* Something on the host that a captured graph does anew at each run. run returns 0, or -1 and an error. */
typedef struct cr_trace_call {
    int (*run)(void *object);
    void (*retain)(void *object);
    void (*release)(void *object);
} cr_trace_call;

struct cr_op_run;

typedef struct cr_tracer {
    /* The allocator handed memory out, or got it back. */
    void (*born)(cr_storage *storage);
    void (*died)(cr_storage *storage);
    /* A plan was run with these values, inputs first; the device's lock is held. */
    void (*ran)(struct cr_op_run *run, cr_plan_entry *entry, const cr_run *with, uint32_t nvalues);
    /* The storage left a private layout: the entry's plan, a copy, was run, and its memory is now what `other` had, and the
     * other way round; the device's lock is held. */
    void (*left_layout)(cr_storage *storage, cr_storage *other, cr_plan_entry *entry);
    void (*host_wrote)(cr_storage *storage);
    /* A leaf's gradient changes from one tensor to another (either may be null), or is added to (both the same). */
    void (*grad)(cr_tensor *leaf, cr_tensor *before, cr_tensor *after);
    /* Does the call now, unrecorded, and notes it. */
    int (*call)(const cr_trace_call *call, void *object);
    /* What can't be captured happened: why, a static string. */
    void (*broke)(const char *why);
} cr_tracer;
extern cr_tracer cr_the_tracer;

static inline void cr_trace_breaks(const char *why)
{
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.broke(why);
}

static inline void cr_trace_grad(cr_tensor *leaf, cr_tensor *before, cr_tensor *after)
{
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.grad(leaf, before, after);
}

#endif
