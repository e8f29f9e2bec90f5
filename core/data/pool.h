/* Host memory for batches that goes round: a batch's tensors give it back when they go, and a later
 * batch takes it. Fresh pages cost more than the batch that is written to them. */
#ifndef CRESSET_CORE_DATA_POOL_H
#define CRESSET_CORE_DATA_POOL_H

#include <stddef.h>

#include "core/base/lock.h"
#include "core/dispatch/pinned.h"

typedef struct cr_pool cr_pool;

typedef struct cr_pool_buffer {
    atomic_int refs;
    size_t capacity;
    unsigned char *memory; /* aligned to 64 */
    cr_pinned *pinned;     /* whose it is, or null */
    cr_pool *pool;
    struct cr_pool_buffer *next;
} cr_pool_buffer;

/* A pool that keeps up to `kept` buffers that nobody uses, in pinned memory of the device (null:
 * ordinary memory) as long as it has some. Null, with the error set, without
 * memory. */
cr_pool *cr_pool_new(int kept, cr_dev *pinned_for);
/* The owner's end: what is in use lives on and is freed when it comes back. Takes null. */
void cr_pool_close(cr_pool *pool);

/* A buffer of at least that many bytes, which no copy reads any more, with one reference. From any thread. Null, with the error
 * set, without memory. */
cr_pool_buffer *cr_pool_take(cr_pool *pool, size_t bytes);
void cr_pool_retain(cr_pool_buffer *buffer);
/* void * because adopted tensors want it so. */
void cr_pool_give(void *buffer);

#endif
