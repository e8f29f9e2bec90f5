/* The slow half of cr_lock: sleeping and waking (after U. Drepper, "Futexes Are Tricky", 2011,
 * mutex 2). */
#define _GNU_SOURCE
#include "core/base/lock.h"

#if defined __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static void sleep_while_two(cr_lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void cr_lock_wake(cr_lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
#else
#include <sched.h>

static void sleep_while_two(cr_lock *lock)
{
    (void)lock;
    sched_yield();
}

void cr_lock_wake(cr_lock *lock)
{
    (void)lock;
}
#endif

void cr_lock_wait(cr_lock *lock)
{
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire))
        sleep_while_two(lock);
}
