/* A lock that is nearly free for the thread that uses it first, and an ordinary lock from the moment a second thread comes.
 * A program that computes on one thread then pays no atomic read-modify-write (some 5 ns each) for what is guarded. The bias is
 * taken back once and for all with an asymmetric fence, membarrier(2): the second thread makes the first one's stores visible, so
 * that the first needs no fence (D. Dice, M. Moir, W. Scherer, "Quickly Reacquirable Locks", 2003). Where the kernel has no
 * membarrier, it is a cr_lock. Zero is unlocked. Not recursive. */
#ifndef CRESSET_CORE_BASE_BIASED_LOCK_H
#define CRESSET_CORE_BASE_BIASED_LOCK_H

#include "core/base/lock.h"
#include "core/base/thread.h"

typedef struct cr_biased_lock {
    _Atomic(cr_thread *) owner; /* the first thread; null before, and never changed after */
    atomic_bool held;           /* by the owner, through the bias; written by it alone */
    atomic_bool revoked;
    cr_lock lock;
} cr_biased_lock;

void cr_biased_lock_wait(cr_biased_lock *lock);

static inline void cr_biased_lock_acquire(cr_biased_lock *lock)
{
    if (CR_LIKELY(atomic_load_explicit(&lock->owner, memory_order_relaxed) == &cr_this_thread)) {
        atomic_store_explicit(&lock->held, true, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst); /* the other half is the revoker's membarrier */
        if (CR_LIKELY(!atomic_load_explicit(&lock->revoked, memory_order_acquire)))
            return;
        atomic_store_explicit(&lock->held, false, memory_order_release);
    }
    cr_biased_lock_wait(lock);
}

static inline void cr_biased_lock_release(cr_biased_lock *lock)
{
    if (CR_LIKELY(atomic_load_explicit(&lock->owner, memory_order_relaxed) == &cr_this_thread &&
                  atomic_load_explicit(&lock->held, memory_order_relaxed)))
        atomic_store_explicit(&lock->held, false, memory_order_release);
    else
        cr_lock_release(&lock->lock);
}

#endif
