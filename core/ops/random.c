/* The process's random generator: a key and a counter for Philox4x32-10. Drawing takes blocks from
 * the counter, so two operations never see the same block and a state is two numbers. */
#include "core/base/lock.h"
#include "core/dispatch/trace.h"
#include "core/ops/invoke.h"

static cr_lock lock;
static uint64_t key, counter;

static _Thread_local uint64_t *borrowed;

void cr_generator_borrow(uint64_t state[2])
{
    borrowed = state;
}

void cr_generator_take(uint64_t blocks, uint64_t *seed, uint64_t *offset)
{
    if (borrowed) {
        cr_trace_breaks("random numbers were drawn from a state of the function's own");
        *seed = borrowed[0];
        *offset = borrowed[1];
        borrowed[1] += blocks;
        return;
    }
    cr_lock_acquire(&lock);
    *seed = key;
    *offset = counter;
    counter += blocks;
    cr_lock_release(&lock);
}

void cr_manual_seed(uint64_t seed)
{
    const uint64_t state[2] = {seed, 0};
    cr_set_rng_state(state);
}

uint64_t cr_initial_seed(void)
{
    uint64_t state[2];
    cr_get_rng_state(state);
    return state[0];
}

void cr_get_rng_state(uint64_t state[2])
{
    cr_trace_breaks("the random generator's state was read");
    cr_lock_acquire(&lock);
    state[0] = key;
    state[1] = counter;
    cr_lock_release(&lock);
}

void cr_set_rng_state(const uint64_t state[2])
{
    cr_trace_breaks("the random generator was seeded");
    cr_lock_acquire(&lock);
    key = state[0];
    counter = state[1];
    cr_lock_release(&lock);
}
