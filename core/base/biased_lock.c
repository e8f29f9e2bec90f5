/* The slow half of cr_biased_lock: giving the bias to the first thread, and taking it back for a second. */
#define _GNU_SOURCE
#include "core/base/biased_lock.h"

#if defined __linux__ && defined __has_include
#if __has_include(<linux/membarrier.h>)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#define HAS_MEMBARRIER 1
#endif
#endif

#if HAS_MEMBARRIER
/* Whether the process may ask for the fence. Asked for once; a fork inherits the answer. */
static bool can_fence(void)
{
    static atomic_int known; /* 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        answer =
            syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

/* Every thread of the process has passed a full fence when this returns. */
static bool fence_all(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}
#else
static bool can_fence(void)
{
    return false;
}
static bool fence_all(void)
{
    return false;
}
static void pause_a_little(void)
{
}
#endif

/* With the inner lock taken, so that one thread does it. The owner sees `revoked` before it holds the lock once more, or is seen
 * holding it here. */
static void take_back(cr_biased_lock *lock)
{
    atomic_store_explicit(&lock->revoked, true, memory_order_seq_cst);
    if (!atomic_load_explicit(&lock->owner, memory_order_relaxed))
        return;
    while (!fence_all()) /* it was registered, so this can only be a kernel short of memory */
        pause_a_little();
    while (atomic_load_explicit(&lock->held, memory_order_acquire))
        pause_a_little();
}

void cr_biased_lock_wait(cr_biased_lock *lock)
{
    cr_lock_acquire(&lock->lock);
    if (CR_LIKELY(atomic_load_explicit(&lock->revoked, memory_order_acquire)))
        return;
    cr_thread *nobody = NULL;
    if (can_fence() && atomic_compare_exchange_strong(&lock->owner, &nobody, &cr_this_thread)) {
        atomic_store_explicit(&lock->held, true, memory_order_relaxed);
        cr_lock_release(&lock->lock);
        return; /* nobody takes it back without the inner lock, which was ours until now */
    }
    take_back(lock);
}
