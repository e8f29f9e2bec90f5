/* The plan cache of a device: a hash table of calls seen before, bounded, with the clock (second
 * chance) as its order of leaving. The device's lock is held in all of these. */
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/device.h"

enum { CAPACITY = 16384, FIRST_BUCKETS = 1024 };

/* memcmp's call costs more than these few words. */
static inline bool same_key(const cr_plan_entry *e, const uint64_t *key, uint32_t nkey)
{
    if (e->nkey != nkey)
        return false;
    for (uint32_t i = 0; i < nkey; i++)
        if (e->key[i] != key[i])
            return false;
    return true;
}

cr_plan_entry *cr_plan_cache_find(cr_dev *dev, uint64_t hash, const uint64_t *key, uint32_t nkey)
{
    cr_plan_cache *cache = &dev->plans;
    if (CR_UNLIKELY(!cache->nbuckets))
        return NULL;
    for (cr_plan_entry *e = cache->buckets[hash & (cache->nbuckets - 1)]; e; e = e->chain) {
        if (CR_LIKELY(e->hash == hash) && CR_LIKELY(same_key(e, key, nkey))) {
            e->used = 1;
            cache->hits++;
            return e;
        }
    }
    cache->misses++;
    return NULL;
}

void cr_plan_entry_drop_prepares(cr_dev *dev, cr_plan_entry *entry)
{
    for (uint32_t i = 0; i < entry->nprepare; i++)
        if (entry->prepare[i].plan)
            dev->backend->plan_free(entry->prepare[i].plan);
    free(entry->prepare);
    entry->prepare = NULL;
    entry->nprepare = 0;
}

void cr_plan_entry_free(cr_dev *dev, cr_plan_entry *entry)
{
    if (!entry)
        return;
    if (entry->plan)
        (entry->by ? entry->by : dev)->backend->plan_free(entry->plan);
    cr_plan_entry_drop_prepares(dev, entry);
    free(entry->key);
    free(entry->bind_inputs);
    free(entry->casts);
    free(entry->written);
    free(entry);
}

static bool resize(cr_plan_cache *cache, size_t nbuckets)
{
    cr_plan_entry **buckets = calloc(nbuckets, sizeof(cr_plan_entry *));
    if (!buckets)
        return false;
    for (size_t i = 0; i < cache->nbuckets; i++) {
        for (cr_plan_entry *e = cache->buckets[i], *next; e; e = next) {
            next = e->chain;
            e->chain = buckets[e->hash & (nbuckets - 1)];
            buckets[e->hash & (nbuckets - 1)] = e;
        }
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->nbuckets = nbuckets;
    return true;
}

/* Passes the hand over buckets until an entry leaves that was not used since the last time. */
static void evict_one(cr_dev *dev)
{
    cr_plan_cache *cache = &dev->plans;
    for (size_t steps = 0; steps < 2 * cache->nbuckets + 2; steps++) {
        cr_plan_entry **link = &cache->buckets[cache->hand++ & (cache->nbuckets - 1)];
        for (; *link; link = &(*link)->chain) {
            cr_plan_entry *e = *link;
            if (e->pins)
                continue;
            if (e->used) {
                e->used = 0;
                continue;
            }
            *link = e->chain;
            cr_plan_entry_free(dev, e);
            cache->count--;
            cache->evictions++;
            return;
        }
    }
}

bool cr_plan_cache_insert(cr_dev *dev, cr_plan_entry *entry)
{
    cr_plan_cache *cache = &dev->plans;
    if (cache->count >= CAPACITY)
        evict_one(dev);
    if (cache->count >= cache->nbuckets &&
        !resize(cache, cache->nbuckets ? 2 * cache->nbuckets : FIRST_BUCKETS) && !cache->nbuckets) {
        cr_plan_entry_free(dev, entry);
        cr_fail_memory("the plan cache", FIRST_BUCKETS * sizeof(cr_plan_entry *));
        return false;
    }
    cr_plan_entry **bucket = &cache->buckets[entry->hash & (cache->nbuckets - 1)];
    entry->chain = *bucket;
    entry->used = 1;
    *bucket = entry;
    cache->count++;
    return true;
}

void cr_plan_cache_clear(cr_dev *dev)
{
    cr_plan_cache *cache = &dev->plans;
    for (size_t i = 0; i < cache->nbuckets; i++) {
        for (cr_plan_entry *e = cache->buckets[i], *next; e; e = next) {
            next = e->chain;
            cr_plan_entry_free(dev, e);
        }
    }
    free(cache->buckets);
    cache->buckets = NULL;
    cache->nbuckets = cache->count = 0;
}

int cr_plan_cache_get_stats(const char *device, cr_plan_cache_stats *stats)
{
    cr_dev *dev = device ? cr_dev_find(device) : cr_dev_default();
    if (!dev || !stats)
        return dev ? CR_FAIL_INT("cr_plan_cache_get_stats: stats is null") : -1;
    cr_biased_lock_acquire(&dev->lock);
    *stats = (cr_plan_cache_stats){dev->plans.hits, dev->plans.misses, dev->plans.evictions,
                                   dev->plans.count, CAPACITY};
    cr_biased_lock_release(&dev->lock);
    return 0;
}
