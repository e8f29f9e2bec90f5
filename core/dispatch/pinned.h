/* Host memory that a device copies from by itself: PyTorch's pinned memory. */
#ifndef CRESSET_CORE_DISPATCH_PINNED_H
#define CRESSET_CORE_DISPATCH_PINNED_H

#include "core/dispatch/device.h"

typedef struct cr_pinned {
    cr_dev *dev;
    unsigned char *memory;
    size_t bytes; /* that memory has, at least those asked for */
    struct cr_pinned *next;
} cr_pinned;

/* Whether the table has the four functions. */
static inline bool cr_has_host_memory(const cr_backend *b)
{
    return CR_HAS(b, cr_backend, host_wait) && b->host_alloc && b->host_free && b->host_copy &&
           b->host_wait;
}

/* At least that many bytes that nothing under way reads. Null, without an error, where the device
 * has no such memory or none left: ordinary memory does as well, only slower. From any thread. */
cr_pinned *cr_pinned_new(cr_dev *dev, size_t bytes);
/* Gives it back, to be used again or freed with the device's cache. Takes null. */
void cr_pinned_free(void *pinned);
/* Waits until the copies from it are done. Returns 0, or -1 with the error set. */
int cr_pinned_wait(cr_pinned *pinned);
/* Copies bytes at `from`, within the memory, to a storage of the device; returns before they are
 * read, perhaps. Returns 0, or -1 with the error set. */
int cr_pinned_copy(cr_pinned *pinned, const void *from, cr_storage *to, size_t offset,
                   size_t bytes);
/* Copies a row-major tensor in pinned memory of `to`'s device; waits, unless its storage says
 * wait_later. Returns 0, or -1 with the error set. (ops/pin.c) */
int cr_pinned_move(cr_tensor *from, cr_storage *to, size_t bytes);
/* Frees what nobody uses. The device's lock is held. */
void cr_pinned_empty_locked(cr_dev *dev);

#endif
