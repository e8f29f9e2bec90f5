/* Open devices, and the memory and plans that belong to them. */
#ifndef CRESSET_CORE_DISPATCH_DEVICE_H
#define CRESSET_CORE_DISPATCH_DEVICE_H

#include <cresset/dispatch.h>

#include "core/base/biased_lock.h"
#include "core/dispatch/host.h"
#include "core/tensor/tensor.h"

typedef enum cr_plan_mode {
    CR_PLAN_NATIVE =
        1, /* the backend planned it, or lent by the fallback's where both use host memory */
    CR_PLAN_DECOMPOSE, /* the operation is said with others */
    CR_PLAN_FALLBACK,  /* the cpu backend runs it, through host memory */
    CR_PLAN_RECAST,    /* inputs are cast first, and the operation asked again */
    CR_PLAN_INDIRECT,  /* an in-place or out form: the result is made aside and copied over */
    CR_PLAN_PLAIN      /* inputs in private layouts are brought to layout 0 first, and the operation
                     asked again */
} cr_plan_mode;

enum { CR_MAX_OUTPUTS = 7 };

/* An input that a plan wants in a layout of its own, and the plan that brings it there. */
typedef struct cr_prepare {
    uint32_t binding; /* which of the plan's inputs */
    uint64_t layout;
    size_t bytes, workspace;
    cr_plan *plan;
} cr_prepare;

/* What is known of a call that was seen before: its key (op, inputs' metadata, attributes), its
 * outputs, and its plan. */
typedef struct cr_plan_entry {
    uint64_t hash;
    uint64_t *key;
    uint32_t nkey;
    uint8_t mode; /* cr_plan_mode */
    uint8_t nout;
    uint8_t used;  /* since the clock's hand passed */
    bool simple;   /* a plan, its own or lent, inputs in order, one result in new memory */
    uint32_t pins; /* captured graphs that run its plan: it must stay */
    cr_plan *plan;
    struct cr_dev *by; /* whose plan it is, when another host-memory device lent it; else null */
    size_t workspace;
    uint64_t draws;                /* Philox blocks */
    uint32_t nbind_inputs;         /* inputs that the backend sees */
    uint16_t *bind_inputs;         /* which; null: all of them in order */
    uint8_t *casts;                /* CR_PLAN_RECAST: the dtype of each input, 0 as it is */
    int16_t alias[CR_MAX_OUTPUTS]; /* the input whose memory the output is; -1: new memory; -2: not
                                      wanted */
    uint32_t nprepare;
    cr_prepare *prepare;
    uint32_t nwritten; /* instead, where all outputs are inputs: how many, and which */
    uint16_t *written;
    cr_meta out[CR_MAX_OUTPUTS];
    size_t out_bytes[CR_MAX_OUTPUTS];
    int64_t out_numel[CR_MAX_OUTPUTS];
    uint8_t out_flags[CR_MAX_OUTPUTS]; /* CR_FLAG_CONTIGUOUS, or none */
    struct cr_plan_entry *chain;       /* in its hash bucket */
} cr_plan_entry;

typedef struct cr_plan_cache {
    cr_plan_entry **buckets; /* [nbuckets], a power of two */
    size_t nbuckets, count, hand;
    uint64_t hits, misses, evictions;
} cr_plan_cache;

enum { CR_BINS = 432 };

typedef struct cr_allocator {
    cr_biased_lock lock;
    cr_storage *bins[CR_BINS]; /* free storages by size class */
    cr_storage *all;           /* in use or waiting */
    cr_memory_stats_result stats;
    uint64_t most; /* in use at once before the peak of the statistics was reset */
    /* Of large pieces: bytes asked for lately, and those among them that had gone back for room before; how many of a class did. */
    uint64_t asked, regretted;
    uint32_t gone[CR_BINS];
    bool regrets; /* too much of it was asked for again */
} cr_allocator;

typedef struct cr_dev_counts {
    uint64_t native, decomposed, fallback;
} cr_dev_counts;

struct cr_dev {
    char name[80];
    const cr_backend *backend;
    struct cr_candidate *candidate; /* what it is a device of, and which one */
    int index;
    cr_device *handle;
    cr_device_info info;
    size_t alignment;
    cr_biased_lock lock; /* over plan, run, copies and the plan cache */
    cr_plan_cache plans;
    cr_allocator allocator;
    struct cr_pinned *pinned; /* kept, under lock (pinned.h) */
    int npinned;
    cr_dev_counts *counts; /* [op], made by the ops room's first call; under lock */
    size_t ncounts;
    cr_dev *next;
};

/* ---- finding ---- */

/* The default device, opened at first use; null and an error if there is none. */
cr_dev *cr_dev_default(void);
/* By name ("cpu", "vulkan:1"); null and an error. The result lives until cr_exit. */
cr_dev *cr_dev_find(const char *name);
/* The default device if one was opened, else null (no error). */
cr_dev *cr_dev_chosen(void);
/* The device for tensors over memory of the program: the default one if it uses host memory, else "cpu". */
cr_dev *cr_dev_host(void);
/* The device that operations fall back to, or null (no error). */
cr_dev *cr_dev_fallback(void);
/* Whether the device is one of those that share host memory. */
static inline bool cr_dev_is_host(const cr_dev *dev)
{
    return dev->info.host_memory;
}

/* ---- memory ---- */

/* Memory for a tensor, with refs 1. bytes may be 0. Null and an error (after emptying the cache
 * once) without memory. _locked: the caller holds the device's lock. */
cr_storage *cr_storage_new(cr_dev *dev, size_t bytes);
cr_storage *cr_storage_new_locked(cr_dev *dev, size_t bytes);
/* Whose result it is, for snapshots: a name that lives as long as the library. */
static inline void cr_storage_made_by(cr_storage *storage, const char *name)
{
    atomic_store_explicit(&storage->made_by, name, memory_order_relaxed);
}
/* Host memory that somebody else owns, on a host-memory device. release(context) is called in the
 * end, also on failure. */
cr_storage *cr_storage_adopt(cr_dev *dev, void *memory, size_t bytes, void (*release)(void *),
                             void *context);
void cr_allocator_empty(cr_dev *dev);

/* The host address of the storage's bytes after the device has finished with them, or null where it
 * isn't host visible. */
void *cr_storage_host(cr_storage *storage);
int cr_storage_read(cr_storage *storage, size_t offset, void *to, size_t bytes);
int cr_storage_write(cr_storage *storage, size_t offset, const void *from, size_t bytes);
/* Reads, lets `edit` change and writes back bytes of a device without host memory, while nothing
 * else runs on it. */
int cr_storage_edit(cr_storage *storage, size_t offset, size_t bytes,
                    void (*edit)(void *memory, void *context), void *context);

/* ---- plans; the device's lock is held ---- */

cr_plan_entry *cr_plan_cache_find(cr_dev *dev, uint64_t hash, const uint64_t *key, uint32_t nkey);
/* Takes the entry over (its key too). False, with the error set and the entry freed, without
 * memory. */
bool cr_plan_cache_insert(cr_dev *dev, cr_plan_entry *entry);
void cr_plan_entry_free(cr_dev *dev, cr_plan_entry *entry);
/* For a plan that wants its inputs as they are. */
void cr_plan_entry_drop_prepares(cr_dev *dev, cr_plan_entry *entry);
void cr_plan_cache_clear(cr_dev *dev);

/* Records an error: what failed on which device, the backend's own words, and the status. Always
 * returns -1. */
int cr_dev_failed(cr_dev *dev, const char *what, cr_status status);

/* Adds to the counts of operation number `op`, with the lock held. */
void cr_dev_count_slowly(cr_dev *dev, size_t op, cr_plan_mode mode);
static inline void cr_dev_count(cr_dev *dev, size_t op, cr_plan_mode mode)
{
    if (CR_LIKELY(op < dev->ncounts && mode == CR_PLAN_NATIVE))
        dev->counts[op].native++;
    else if (op < dev->ncounts && mode == CR_PLAN_FALLBACK)
        dev->counts[op].fallback++;
    else
        cr_dev_count_slowly(dev, op, mode);
}
/* Set by the ops room: the number of operations and their names, for the counts. */
extern size_t (*cr_count_names)(void);
extern const char *(*cr_count_name)(size_t op);

#endif
