/* Counts of references to tensors, storages and nodes, which change with every operation. An atomic addition costs some 6 ns and waits
 * for the stores before it; a process of one thread has nobody to race with, and needs none. */
#ifndef CRESSET_CORE_BASE_REFS_H
#define CRESSET_CORE_BASE_REFS_H

#include <stdatomic.h>
#include <stdbool.h>

#if defined __has_include
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define CR_IS_ALONE_ __libc_single_threaded
#endif
#endif
#if !defined CR_IS_ALONE_
#define CR_IS_ALONE_ 0
#endif

/* Whether the calling thread is the process's only one. It stays so until this thread makes another. */
static inline bool cr_is_alone(void)
{
    return CR_IS_ALONE_;
}

static inline void cr_refs_add(atomic_int *refs)
{
    if (cr_is_alone())
        atomic_store_explicit(refs, atomic_load_explicit(refs, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* Drops a reference; true if it was the last. Who holds the only one has nobody to race with, either. */
static inline bool cr_refs_drop(atomic_int *refs)
{
    int count = atomic_load_explicit(refs, memory_order_acquire);
    if (count == 1)
        return true;
    if (cr_is_alone()) {
        atomic_store_explicit(refs, count - 1, memory_order_relaxed);
        return false;
    }
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

#endif
