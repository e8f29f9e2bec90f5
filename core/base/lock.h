/* A small mutual exclusion lock: two atomic operations when nobody contends (some 4 ns), a futex
 * sleep when somebody does. Zero is unlocked. Not recursive. */
#ifndef CRESSET_CORE_BASE_LOCK_H
#define CRESSET_CORE_BASE_LOCK_H

#include <stdatomic.h>

typedef struct cr_lock {
    atomic_int state; /* 0 free, 1 taken, 2 taken and somebody waits */
} cr_lock;

void cr_lock_wait(cr_lock *lock);
void cr_lock_wake(cr_lock *lock);

static inline void cr_lock_acquire(cr_lock *lock)
{
    int expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        cr_lock_wait(lock);
}

static inline void cr_lock_release(cr_lock *lock)
{
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
        cr_lock_wake(lock);
}

#endif
