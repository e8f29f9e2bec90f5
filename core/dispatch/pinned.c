/* Pinned memory: asked for from the backend, and kept for the next who asks, since locking pages is
 * slow. */
#include "core/dispatch/pinned.h"

#include <stdlib.h>

#include "core/dispatch/trace.h"

enum { KEPT = 32 }; /* pieces that nobody uses, of a device */

/* A kept piece of the right size, out of the list. */
static cr_pinned *take_kept(cr_dev *dev, size_t bytes)
{
    for (cr_pinned **at = &dev->pinned; *at; at = &(*at)->next) {
        cr_pinned *p = *at;
        if (p->bytes < bytes || p->bytes / 2 > bytes)
            continue;
        *at = p->next;
        dev->npinned--;
        return p;
    }
    return NULL;
}

cr_pinned *cr_pinned_new(cr_dev *dev, size_t bytes)
{
    if (cr_dev_is_host(dev) || !cr_has_host_memory(dev->backend) || bytes > PTRDIFF_MAX / 4)
        return NULL;
    bytes = (bytes ? bytes + 4095 : 4096) / 4096 * 4096;
    cr_biased_lock_acquire(&dev->lock);
    cr_pinned *p = take_kept(dev, bytes);
    void *memory = NULL;
    if (p && dev->backend->host_wait(dev->handle, p->memory) != CR_OK) {
        p->next = dev->pinned; /* a device that is lost: its memory may still be read */
        dev->pinned = p;
        dev->npinned++;
        p = NULL;
    } else if (!p && dev->backend->host_alloc(dev->handle, bytes, &memory) == CR_OK && memory) {
        if ((p = malloc(sizeof *p)))
            *p = (cr_pinned){.dev = dev, .memory = memory, .bytes = bytes};
        else
            dev->backend->host_free(dev->handle, memory);
    }
    cr_biased_lock_release(&dev->lock);
    cr_backend_words(); /* why there is none is of no interest */
    return p;
}

/* The device's lock is held. */
static void free_now(cr_dev *dev, cr_pinned *p)
{
    dev->backend->host_wait(dev->handle, p->memory);
    dev->backend->host_free(dev->handle, p->memory);
    free(p);
}

void cr_pinned_free(void *pinned)
{
    cr_pinned *p = pinned;
    if (!p)
        return;
    cr_dev *dev = p->dev;
    cr_biased_lock_acquire(&dev->lock);
    if (dev->npinned < KEPT) {
        p->next = dev->pinned;
        dev->pinned = p;
        dev->npinned++;
    } else {
        free_now(dev, p);
    }
    cr_biased_lock_release(&dev->lock);
}

int cr_pinned_wait(cr_pinned *pinned)
{
    cr_dev *dev = pinned->dev;
    cr_biased_lock_acquire(&dev->lock);
    cr_status status = dev->backend->host_wait(dev->handle, pinned->memory);
    cr_biased_lock_release(&dev->lock);
    return status == CR_OK ? 0 : cr_dev_failed(dev, "waiting for a copy", status);
}

int cr_pinned_copy(cr_pinned *pinned, const void *from, cr_storage *to, size_t offset, size_t bytes)
{
    cr_dev *dev = pinned->dev;
    if (!bytes)
        return 0;
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.host_wrote(to);
    cr_biased_lock_acquire(&dev->lock);
    cr_status status = dev->backend->host_copy(dev->handle, to->buffer, offset, from, bytes);
    cr_biased_lock_release(&dev->lock);
    return status == CR_OK ? 0 : cr_dev_failed(dev, "copying from the host", status);
}

void cr_pinned_empty_locked(cr_dev *dev)
{
    while (dev->pinned) {
        cr_pinned *p = dev->pinned;
        dev->pinned = p->next;
        free_now(dev, p);
    }
    dev->npinned = 0;
}
