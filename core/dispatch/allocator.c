/* The caching allocator: freed storages wait, struct and memory together, in bins by size class;
 * the backend is asked only when the bin is empty. Eight classes to a doubling, so at most an
 * eighth is wasted. Where sizes change all the time every class would come to hold its own most, so
 * a large piece may also be one up to a quarter larger that waits. Little more is held than was ever in use at a time: beyond
 * that a piece may be one up to twice as large, and where none waits, smaller ones go back to the backend. (ResNet-18
 * would else train in a third more than it needs.) Where a program asks again for much of what went back, a piece may be one up to
 * four times as large from then on: ResNet-18's inference would else begin with fresh memory each time, which took a sixth of its
 * time. Training never does, and would hold a twentieth more. On devices with memory of their own that is so from the beginning. */
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/device.h"
#include "core/dispatch/pinned.h"
#include "core/dispatch/trace.h"

enum {
    SMALLEST_SHIFT = 6,    /* 64 bytes */
    LARGE_BIN = 60,        /* above 64 KiB; smaller pieces only fit their class */
    NEAR_BINS = 2,         /* to a quarter more */
    FAR_BINS = 8,          /* to twice as much, where memory would else go back for room */
    FARTHEST_BINS = 16,    /* to four times, where too much of it was asked for again: */
    REGRETTED_PART = 6,    /* so much of what large pieces ask for, */
    REGRETTED_LEAST = 2,   /* and such a part of what was in use at the most, */
    COUNTED_SPAN = 16,     /* while so many times that was asked for */
    SPARE_BYTES = 1 << 20, /* may always wait, */
    SPARE_THERE = 8 << 20, /* in memory of a device's own, which is slow to be had, */
    SPARE_PART = 16        /* and so much of what was in use at the most */
};

/* The class that holds bytes, and its size. */
static int bin_of(size_t bytes, size_t *size)
{
    if (bytes <= (size_t)1 << SMALLEST_SHIFT) {
        *size = (size_t)1 << SMALLEST_SHIFT;
        return 0;
    }
    int shift =
        63 -
        __builtin_clzll((unsigned long long)(bytes - 1)); /* 2^shift <= bytes - 1 < 2^(shift + 1) */
    int steps = shift < 9 ? 0 : 3;                        /* small ones: powers of two */
    size_t step = (size_t)1 << (shift - steps);
    size_t part = (bytes - 1 - ((size_t)1 << shift)) / step; /* 0 … 2^steps - 1 */
    *size = ((size_t)1 << shift) + (part + 1) * step;
    int base = shift < 9 ? shift - SMALLEST_SHIFT : 3 + (shift - 9) * 8;
    return 1 + base + (int)part;
}

static void forget_prepared(cr_storage *storage)
{
    for (cr_prepared *p = storage->prepared, *next; p; p = next) {
        next = p->next;
        if (p->copy)
            cr_storage_release(p->copy);
        free(p);
    }
    storage->prepared = NULL;
}

static void storage_destroy(cr_storage *storage)
{
    cr_dev *dev = storage->dev;
    cr_allocator *a = &dev->allocator;
    if (CR_UNLIKELY(storage->prepared != NULL))
        forget_prepared(storage);
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.died(storage);
    cr_biased_lock_acquire(&a->lock);
    a->stats.allocated_bytes -= storage->capacity;
    storage->in_use = false;
    storage->next = a->bins[storage->bin];
    a->bins[storage->bin] = storage;
    cr_biased_lock_release(&a->lock);
}

static void raise_peak(uint64_t *peak, uint64_t now)
{
    if (now > *peak)
        *peak = now;
}

static cr_storage *out_of_memory(cr_dev *dev, size_t bytes, cr_status status)
{
    cr_memory_stats_result stats = dev->allocator.stats;
    const char *words = cr_backend_words();
    if (status != CR_OUT_OF_MEMORY && status != CR_OK) {
        cr_fail("%s: allocating %zu bytes failed: %s%s", dev->name, bytes,
                status == CR_DEVICE_LOST ? "the device is lost: " : "",
                *words ? words : "no reason given");
        return NULL;
    }
    return cr_fail("out of memory on %s: a tensor needs %zu bytes (%llu bytes in use by tensors, "
                   "%llu reserved)%s%s",
                   dev->name, bytes, (unsigned long long)stats.allocated_bytes,
                   (unsigned long long)stats.reserved_bytes, *words ? ": " : "", words);
}

static void empty_locked(cr_dev *dev);
static void make_room_locked(cr_dev *dev, size_t size, int bin);

/* The most that was in use at a time. */
static uint64_t most_used(const cr_allocator *a)
{
    return a->most > a->stats.peak_allocated_bytes ? a->most : a->stats.peak_allocated_bytes;
}

/* Counts what a large piece asks for, and from time to time forgets half. The allocator's lock is held. */
static void count_large(cr_allocator *a, size_t size)
{
    a->asked += size;
    if (CR_UNLIKELY(a->asked / COUNTED_SPAN > most_used(a))) {
        a->asked /= 2;
        a->regretted /= 2;
    }
}

/* Counts what the backend gives, if some of its class went back before. The allocator's lock is held. */
static void count_regretted(cr_allocator *a, size_t size, int bin)
{
    if (!a->gone[bin])
        return;
    a->gone[bin]--;
    a->regretted += size;
    if (a->regretted > a->asked / REGRETTED_PART && a->regretted > most_used(a) / REGRETTED_LEAST)
        a->regrets = true;
}

/* The slow half: memory from the backend. The device's lock is held. */
static cr_storage *from_backend(cr_dev *dev, size_t bytes, size_t size, int bin)
{
    cr_allocator *a = &dev->allocator;
    cr_buffer *buffer = NULL;
    if (bin >= LARGE_BIN)
        make_room_locked(dev, size, bin);
    cr_status status = dev->backend->alloc(dev->handle, size, &buffer);
    if (status == CR_OUT_OF_MEMORY) {
        empty_locked(dev);
        cr_backend_words();
        status = dev->backend->alloc(dev->handle, size, &buffer);
        cr_biased_lock_acquire(&a->lock);
        a->stats.out_of_memory_retries++;
        cr_biased_lock_release(&a->lock);
    }
    if (status != CR_OK)
        return out_of_memory(dev, bytes, status);
    cr_storage *storage = cr_line_alloc(sizeof *storage); /* two lines of it are touched */
    if (!storage) {
        dev->backend->free(dev->handle, buffer);
        return cr_fail_memory("a storage", sizeof *storage);
    }
    storage->dev = dev;
    storage->buffer = buffer;
    storage->capacity = size;
    storage->bin = bin;
    storage->destroy = storage_destroy;
    storage->release = NULL;
    storage->pinned = NULL;
    storage->wait_later = false;
    cr_biased_lock_acquire(&a->lock);
    a->stats.backend_allocations++;
    count_regretted(a, size, bin);
    a->stats.reserved_bytes += size;
    storage->in_use = false;
    storage->all_before = NULL;
    storage->all_next = a->all;
    if (a->all)
        a->all->all_before = storage;
    a->all = storage;
    raise_peak(&a->stats.peak_reserved_bytes, a->stats.reserved_bytes);
    cr_biased_lock_release(&a->lock);
    return storage;
}

/* How much is held at the most after size bytes more are asked for: little more than was in use at a time. */
static uint64_t most_held(const cr_dev *dev, size_t size)
{
    const cr_allocator *a = &dev->allocator;
    uint64_t most = most_used(a), spare = cr_dev_is_host(dev) ? SPARE_BYTES : SPARE_THERE;
    raise_peak(&most, a->stats.allocated_bytes + size);
    return most + (most / SPARE_PART > spare ? most / SPARE_PART : spare);
}

/* How many classes larger a piece may be where there is no room for a new one. */
static int far_bins(const cr_dev *dev)
{
    return dev->allocator.regrets || !cr_dev_is_host(dev) ? FARTHEST_BINS : FAR_BINS;
}

/* Of so many next larger classes the first piece that waits, taken out; or null. The allocator's lock is held. */
static cr_storage *take_larger(cr_allocator *a, int bin, int bins)
{
    for (int i = bin + 1; bin >= LARGE_BIN && i <= bin + bins && i < CR_BINS; i++) {
        cr_storage *storage = a->bins[i];
        if (storage) {
            a->bins[i] = storage->next;
            return storage;
        }
    }
    return NULL;
}

static cr_storage *storage_new(cr_dev *dev, size_t bytes, bool locked)
{
    cr_allocator *a = &dev->allocator;
    if (CR_UNLIKELY(bytes > PTRDIFF_MAX / 4))
        return out_of_memory(dev, bytes, CR_OK);
    size_t size;
    int bin = bin_of(bytes, &size);
    cr_biased_lock_acquire(&a->lock);
    if (bin >= LARGE_BIN)
        count_large(a, size);
    cr_storage *storage = a->bins[bin];
    if (CR_LIKELY(storage != NULL)) {
        a->bins[bin] = storage->next;
    } else if (!(storage = take_larger(a, bin, NEAR_BINS)) &&
               !(a->stats.reserved_bytes + size > most_held(dev, size) &&
                 (storage = take_larger(a, bin, far_bins(dev))))) {
        cr_biased_lock_release(&a->lock);
        if (!locked)
            cr_biased_lock_acquire(&dev->lock);
        storage = from_backend(dev, bytes, size, bin);
        if (!locked)
            cr_biased_lock_release(&dev->lock);
        if (!storage)
            return NULL;
        cr_biased_lock_acquire(&a->lock);
    }
    storage->made = a->stats.allocations++;
    storage->in_use = true;
    storage->bytes = bytes;
    a->stats.allocated_bytes += storage->capacity;
    raise_peak(&a->stats.peak_allocated_bytes, a->stats.allocated_bytes);
    cr_biased_lock_release(&a->lock);
    atomic_store_explicit(&storage->made_by, (const char *)NULL, memory_order_relaxed);
    storage->layout = 0;
    storage->prepared = NULL;
    atomic_store_explicit(&storage->exposed, false, memory_order_relaxed);
    atomic_store_explicit(&storage->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&storage->version, 0, memory_order_relaxed);
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.born(storage);
    return storage;
}

cr_storage *cr_storage_new(cr_dev *dev, size_t bytes)
{
    return storage_new(dev, bytes, false);
}

cr_storage *cr_storage_new_locked(cr_dev *dev, size_t bytes)
{
    return storage_new(dev, bytes, true);
}

/* Puts the first piece that waits in the bin on a list of those that go back. The allocator's lock is held. */
static void give_up(cr_allocator *a, int bin, cr_storage **list)
{
    cr_storage *storage = a->bins[bin];
    a->bins[bin] = storage->next;
    a->stats.reserved_bytes -= storage->capacity;
    a->gone[bin]++;
    if (storage->all_next)
        storage->all_next->all_before = storage->all_before;
    if (storage->all_before)
        storage->all_before->all_next = storage->all_next;
    else
        a->all = storage->all_next;
    storage->next = *list;
    *list = storage;
}

static void give_back(cr_dev *dev, cr_storage *list)
{
    if (list && dev->backend->sync)
        dev->backend->sync(dev->handle); /* nothing may still be using what is freed now */
    while (list) {
        cr_storage *storage = list;
        list = storage->next;
        dev->backend->free(dev->handle, storage->buffer);
        cr_line_free(storage);
    }
}

static void empty_locked(cr_dev *dev)
{
    cr_allocator *a = &dev->allocator;
    cr_storage *all = NULL;
    cr_biased_lock_acquire(&a->lock);
    for (int bin = 0; bin < CR_BINS; bin++)
        while (a->bins[bin])
            give_up(a, bin, &all);
    memset(a->gone, 0, sizeof a->gone); /* it did not go for want of room */
    cr_biased_lock_release(&a->lock);
    give_back(dev, all);
}

/* Before size bytes of a class are asked for: what waits goes back until they fit in most_held. The next smaller classes first; then the
 * largest, which are too large to serve. */
static void make_room_locked(cr_dev *dev, size_t size, int bin)
{
    cr_allocator *a = &dev->allocator;
    cr_storage *list = NULL;
    cr_biased_lock_acquire(&a->lock);
    uint64_t limit = most_held(dev, size);
    for (int i = bin - 1; i >= LARGE_BIN; i--)
        while (a->bins[i] && a->stats.reserved_bytes + size > limit)
            give_up(a, i, &list);
    for (int i = CR_BINS - 1; i > bin; i--)
        while (a->bins[i] && a->stats.reserved_bytes + size > limit)
            give_up(a, i, &list);
    cr_biased_lock_release(&a->lock);
    give_back(dev, list);
}

void cr_allocator_empty(cr_dev *dev)
{
    cr_biased_lock_acquire(&dev->lock);
    empty_locked(dev);
    cr_pinned_empty_locked(dev);
    cr_biased_lock_release(&dev->lock);
}

/* ---- memory of others ---- */

static void adopted_destroy(cr_storage *storage)
{
    if (storage->release)
        storage->release(storage->context);
    free(storage);
}

cr_storage *cr_storage_adopt(cr_dev *dev, void *memory, size_t bytes, void (*release)(void *),
                             void *context)
{
    cr_storage *storage = malloc(sizeof *storage);
    if (!storage) {
        if (release)
            release(context);
        return cr_fail_memory("a storage", sizeof *storage);
    }
    *storage = (cr_storage){.dev = dev,
                            .buffer = (cr_buffer *)memory,
                            .bytes = bytes,
                            .capacity = bytes,
                            .destroy = adopted_destroy,
                            .release = release,
                            .context = context};
    atomic_init(&storage->refs, 1);
    atomic_init(&storage->exposed, true);
    cr_trace_breaks("memory of the host was made a tensor");
    return storage;
}

/* ---- between storages and host memory ---- */

void *cr_storage_host(cr_storage *storage)
{
    cr_trace_breaks("a tensor's memory was looked at (cr_data_ptr, a copy between devices)");
    cr_dev *dev = storage->dev;
    cr_biased_lock_acquire(&dev->lock);
    atomic_store_explicit(&storage->exposed, true, memory_order_relaxed);
    void *address = NULL;
    cr_status status = dev->backend->sync ? dev->backend->sync(dev->handle) : CR_OK;
    if (status == CR_OK) {
        if (cr_dev_is_host(dev))
            address = storage->buffer;
        else if (dev->backend->host_pointer)
            address = dev->backend->host_pointer(dev->handle, storage->buffer);
    }
    cr_biased_lock_release(&dev->lock);
    if (status != CR_OK)
        cr_dev_failed(dev, "waiting", status);
    return address;
}

int cr_storage_read(cr_storage *storage, size_t offset, void *to, size_t bytes)
{
    cr_dev *dev = storage->dev;
    if (!bytes)
        return 0;
    cr_trace_breaks("a value was read on the host (cr_item, cr_tensor_read), on which the way "
                    "may depend");
    cr_biased_lock_acquire(&dev->lock);
    cr_status status = CR_OK;
    if (cr_dev_is_host(dev)) {
        if (dev->backend->sync)
            status = dev->backend->sync(dev->handle);
        if (status == CR_OK)
            memcpy(to, (char *)storage->buffer + offset, bytes);
    } else {
        status = dev->backend->copy_out(dev->handle, to, storage->buffer, offset, bytes);
    }
    cr_biased_lock_release(&dev->lock);
    return status == CR_OK ? 0 : cr_dev_failed(dev, "copying to the host", status);
}

int cr_storage_edit(cr_storage *storage, size_t offset, size_t bytes,
                    void (*edit)(void *memory, void *context), void *context)
{
    cr_dev *dev = storage->dev;
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        return cr_fail_memory("a copy on the host", bytes), -1;
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.host_wrote(storage);
    cr_biased_lock_acquire(&dev->lock); /* what lies between is nobody else's meanwhile */
    cr_status status = dev->backend->copy_out(dev->handle, memory, storage->buffer, offset, bytes);
    if (status == CR_OK) {
        edit(memory, context);
        status = dev->backend->copy_in(dev->handle, storage->buffer, offset, memory, bytes);
    }
    cr_biased_lock_release(&dev->lock);
    free(memory);
    return status == CR_OK ? 0 : cr_dev_failed(dev, "changing memory on the host", status);
}

int cr_storage_write(cr_storage *storage, size_t offset, const void *from, size_t bytes)
{
    cr_dev *dev = storage->dev;
    if (!bytes)
        return 0;
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.host_wrote(storage);
    cr_biased_lock_acquire(&dev->lock);
    cr_status status = CR_OK;
    if (cr_dev_is_host(dev)) {
        if (dev->backend->sync)
            status = dev->backend->sync(dev->handle);
        if (status == CR_OK)
            memcpy((char *)storage->buffer + offset, from, bytes);
    } else {
        status = dev->backend->copy_in(dev->handle, storage->buffer, offset, from, bytes);
    }
    cr_biased_lock_release(&dev->lock);
    return status == CR_OK ? 0 : cr_dev_failed(dev, "copying from the host", status);
}
