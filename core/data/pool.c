/* The pool of batch buffers: a list under a lock; the pool lives until its owner and its last
 * buffer are gone. */
#include "core/data/pool.h"

#include <stdlib.h>

#include "core/base/error.h"
#include "core/io/memory.h"

struct cr_pool {
    cr_lock lock;
    cr_dev *pinned_for;
    cr_pool_buffer *unused;
    int nunused, kept;
    int refs; /* the owner's, and one of each buffer in use */
};

cr_pool *cr_pool_new(int kept, cr_dev *pinned_for)
{
    cr_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return cr_fail_memory("a pool", sizeof *pool);
    pool->kept = kept;
    pool->pinned_for = pinned_for;
    pool->refs = 1;
    return pool;
}

static void free_memory(cr_pool_buffer *buffer)
{
    if (buffer->pinned)
        cr_pinned_free(buffer->pinned);
    else
        free(buffer->memory);
    buffer->memory = NULL;
    buffer->pinned = NULL;
}

static void free_buffer(cr_pool_buffer *buffer)
{
    free_memory(buffer);
    free(buffer);
}

static bool take_memory(cr_pool_buffer *buffer, size_t bytes)
{
    cr_dev *dev = buffer->pool->pinned_for;
    buffer->pinned = dev ? cr_pinned_new(dev, bytes) : NULL;
    buffer->memory = buffer->pinned ? buffer->pinned->memory : cr_io_allocate("a batch", bytes);
    buffer->capacity = bytes;
    return buffer->memory;
}

void cr_pool_close(cr_pool *pool)
{
    if (!pool)
        return;
    cr_lock_acquire(&pool->lock);
    cr_pool_buffer *unused = pool->unused;
    pool->unused = NULL;
    pool->nunused = 0;
    pool->kept = 0;
    bool last = !--pool->refs;
    cr_lock_release(&pool->lock);
    while (unused) {
        cr_pool_buffer *next = unused->next;
        free_buffer(unused);
        unused = next;
    }
    if (last)
        free(pool);
}

cr_pool_buffer *cr_pool_take(cr_pool *pool, size_t bytes)
{
    cr_lock_acquire(&pool->lock);
    cr_pool_buffer *buffer = pool->unused;
    if (buffer) {
        pool->unused = buffer->next;
        pool->nunused--;
    }
    pool->refs++;
    cr_lock_release(&pool->lock);
    if (!buffer && (buffer = calloc(1, sizeof *buffer)))
        buffer->pool = pool;
    if (buffer) {
        atomic_store(&buffer->refs, 1);
        bool fits = buffer->memory && buffer->capacity >= bytes;
        if (fits && buffer->pinned)
            fits = !cr_pinned_wait(buffer->pinned);
        else if (!fits)
            free_memory(buffer);
        if (fits || (!buffer->memory && take_memory(buffer, bytes)))
            return buffer;
        cr_pool_give(buffer);
        return NULL;
    }
    cr_lock_acquire(&pool->lock);
    pool->refs--; /* not the last: the caller's owner has one */
    cr_lock_release(&pool->lock);
    return cr_fail_memory("a batch", sizeof *buffer);
}

void cr_pool_retain(cr_pool_buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
}

void cr_pool_give(void *given)
{
    cr_pool_buffer *buffer = given;
    if (!buffer || atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) != 1)
        return;
    cr_pool *pool = buffer->pool;
    cr_lock_acquire(&pool->lock);
    bool keep = pool->nunused < pool->kept;
    if (keep) {
        buffer->next = pool->unused;
        pool->unused = buffer;
        pool->nunused++;
    }
    bool last = !--pool->refs;
    cr_lock_release(&pool->lock);
    if (!keep)
        free_buffer(buffer);
    if (last)
        free(pool);
}
