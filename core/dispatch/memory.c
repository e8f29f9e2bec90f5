/* What the allocator of a device holds, in figures, block by block, and in words. */
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "core/dispatch/device.h"

int cr_memory_stats(const char *device, cr_memory_stats_result *stats)
{
    cr_dev *dev = cr_dev_find(device);
    if (!dev || !stats)
        return dev ? CR_FAIL_INT("cr_memory_stats: stats is null") : -1;
    cr_biased_lock_acquire(&dev->allocator.lock);
    *stats = dev->allocator.stats;
    cr_biased_lock_release(&dev->allocator.lock);
    return 0;
}

int cr_reset_peak_memory_stats(const char *device)
{
    cr_dev *dev = cr_dev_find(device);
    if (!dev)
        return -1;
    cr_biased_lock_acquire(&dev->allocator.lock);
    if (dev->allocator.stats.peak_allocated_bytes > dev->allocator.most)
        dev->allocator.most = dev->allocator.stats.peak_allocated_bytes;
    dev->allocator.stats.peak_allocated_bytes = dev->allocator.stats.allocated_bytes;
    dev->allocator.stats.peak_reserved_bytes = dev->allocator.stats.reserved_bytes;
    cr_biased_lock_release(&dev->allocator.lock);
    return 0;
}

int cr_empty_cache(const char *device)
{
    cr_dev *dev = cr_dev_find(device);
    if (!dev)
        return -1;
    cr_allocator_empty(dev);
    return 0;
}

size_t cr_memory_snapshot(const char *device, cr_memory_block *blocks, size_t cap)
{
    cr_dev *dev = cr_dev_find(device);
    if (!dev)
        return SIZE_MAX;
    cr_allocator *a = &dev->allocator;
    size_t n = 0;
    cr_biased_lock_acquire(&a->lock);
    for (cr_storage *s = a->all; s; s = s->all_next, n++)
        if (n < cap)
            blocks[n] = (cr_memory_block){
                .made_by = atomic_load_explicit(&s->made_by, memory_order_relaxed),
                .bytes = s->in_use ? s->bytes : 0,
                .capacity = s->capacity,
                .made = s->made,
                .in_use = s->in_use};
    cr_biased_lock_release(&a->lock);
    return n;
}

/* ---- in words ---- */

/* The blocks of one maker, or of one size of those that wait. */
typedef struct group {
    const char *made_by;
    size_t capacity; /* of one block that waits */
    size_t blocks, bytes, asked;
} group;

static int by_maker(const void *a, const void *b)
{
    const cr_memory_block *x = a, *y = b;
    if (x->in_use != y->in_use)
        return x->in_use ? -1 : 1;
    if (!x->in_use)
        return x->capacity < y->capacity ? 1 : x->capacity > y->capacity ? -1 : 0;
    return strcmp(x->made_by ? x->made_by : "", y->made_by ? y->made_by : "");
}

static int by_bytes(const void *a, const void *b)
{
    const group *x = a, *y = b;
    return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

static bool belongs(const group *g, const cr_memory_block *b)
{
    return b->in_use ? g->made_by == b->made_by ||
                           (g->made_by && b->made_by && !strcmp(g->made_by, b->made_by))
                     : g->capacity == b->capacity;
}

/* Of sorted blocks, all in use or all waiting: their groups, largest first. Returns how many. */
static size_t group_blocks(const cr_memory_block *blocks, size_t n, group *groups)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const cr_memory_block *b = &blocks[i];
        if (!count || !belongs(&groups[count - 1], b))
            groups[count++] = (group){.made_by = b->made_by, .capacity = b->capacity};
        groups[count - 1].blocks++;
        groups[count - 1].bytes += b->capacity;
        groups[count - 1].asked += b->bytes;
    }
    qsort(groups, count, sizeof *groups, by_bytes);
    return count;
}

static void describe(cr_text *t, const char *device, cr_memory_block *blocks, size_t n,
                     group *groups)
{
    cr_memory_stats_result s = {0};
    cr_memory_stats(device, &s);
    qsort(blocks, n, sizeof *blocks, by_maker);
    size_t used = 0;
    while (used < n && blocks[used].in_use)
        used++;
    cr_text_add(t, "in tensors   %14llu bytes, at most %llu\n",
                (unsigned long long)s.allocated_bytes, (unsigned long long)s.peak_allocated_bytes);
    cr_text_add(t, "reserved     %14llu bytes, at most %llu\n",
                (unsigned long long)s.reserved_bytes, (unsigned long long)s.peak_reserved_bytes);
    cr_text_add(t, "allocations  %14llu, of which %llu asked the backend\n",
                (unsigned long long)s.allocations, (unsigned long long)s.backend_allocations);
    cr_text_add(t, "\n%-32s %10s %14s %14s\n", "in use, made by", "blocks", "bytes", "asked for");
    size_t count = group_blocks(blocks, used, groups);
    for (size_t i = 0; i < count; i++) {
        const group *g = &groups[i];
        cr_text_add(t, "%-32s %10zu %14zu %14zu\n", g->made_by ? g->made_by : "(the program)",
                    g->blocks, g->bytes, g->asked);
    }
    count = group_blocks(blocks + used, n - used, groups);
    cr_text_add(t, "\n%-32s %10s %14s\n", "waiting to be used again, of", "blocks", "bytes");
    for (size_t i = 0; i < count; i++)
        cr_text_add(t, "%20zu bytes each  %10zu %14zu\n", groups[i].capacity, groups[i].blocks,
                    groups[i].bytes);
}

char *cr_memory_summary(const char *device)
{
    size_t room = cr_memory_snapshot(device, NULL, 0);
    if (room == SIZE_MAX)
        return NULL;
    cr_memory_block *blocks = calloc(room + 1, sizeof *blocks);
    group *groups = calloc(room + 1, sizeof *groups);
    cr_text text = {0};
    if (blocks && groups) {
        size_t n = cr_memory_snapshot(device, blocks, room); /* another thread may have more now */
        describe(&text, device, blocks, n < room ? n : room, groups);
    } else {
        cr_fail_memory("a summary of memory", room * sizeof *blocks);
    }
    free(blocks);
    free(groups);
    return text.data || text.failed ? cr_text_take(&text) : NULL;
}
