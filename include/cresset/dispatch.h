/* Backends and devices as a program sees them: what was found, what was refused and why, what ran
 * where. */
#ifndef CRESSET_DISPATCH_H
#define CRESSET_DISPATCH_H

#include <cresset/backend.h>
#include <cresset/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Environment (not read in set-uid and set-gid programs; the backends that it asks for there are
 * listed as refused):
 *   CRESSET_BACKEND       a list of preferences, "vulkan:1,onednn,cpu", an absolute path of a
 *                         shared object, or "auto" (the default): the device of the highest rank.
 *                         "trace:vulkan:1" is a backend seen through a wrapper (backend.h, wrap)
 *   CRESSET_BACKEND_PATH  absolute folders, separated by ':', searched for libcresset_<name>.so
 *                         before the installed one
 *   CRESSET_FALLBACK      "error": an operation that would leave its device is an error instead
 *   CRESSET_DETERMINISTIC "1": a program gives the same bits each time it is run on the same machine with as many threads.
 *                         Otherwise, where two devices that share host memory both have a plan for a call (onednn and
 *                         cpu), the faster one is taken, as measured when the call is first seen: which one that is may
 *                         differ from run to run, and with it the last bits. "1" takes the device's own
 *   CRESSET_ONLY_PRIMITIVES  "1": backends are asked for primitives only, everything else is
 *                         decomposed
 *   CRESSET_VALIDATE      "1": devices are opened through a table that holds their backend to its
 *                         contract. Everything is planned twice and run twice, with poison in and
 *                         around the outputs and guard zones around every allocation, and an
 *                         operation fails with words that begin with "CRESSET_VALIDATE: " if a
 *                         backend leaves part of an output unwritten, writes anywhere else, changes
 *                         an input, reads what is no input, gives other results the second time,
 *                         plans the same call differently, fails without words, or keeps what it
 *                         was given back. What is still given out when a device is closed (by a
 *                         wrapper of the backend behind it, by the program of a device) is an error
 *                         of cr_exit. Slow, and for one thread at a time: it copies the buffers
 *                         of every run. Off, it costs nothing */

typedef struct cr_backend_candidate {
    const char *path;    /* of the shared object, or "(built in)" (CRESSET_STATIC_BACKENDS) */
    const char *name;    /* "vulkan"; from the file's name where it could not be loaded */
    const char *version; /* null if refused */
    const char *refused; /* null, or one sentence that says why */
    int device_count;
    bool wraps; /* no devices of its own: it stands before another, "trace:cpu" */
} cr_backend_candidate;

/* Opens every backend that can be found (once), and gives the number of shared objects looked at;
 * the i-th one, asked for its devices, which may wake a driver. Borrowed until cr_exit. A program
 * that computes has no need of it: of all backends `auto` asks those that offer themselves, and a
 * named one is the only one that is opened, beside its wrappers and, for what it lacks, `cpu`. */
CR_API size_t cr_backend_count(void);
CR_API const cr_backend_candidate *cr_backend_get(size_t i);
/* What the i-th candidate's device `index` is. Returns 0, or an error. */
CR_API int cr_backend_device_info(size_t i, int index, cr_device_info *info);

/* What a device is that is open, or can be opened (null: the default one). Returns 0, or an error. */
CR_API int cr_device_get_info(const char *device, cr_device_info *info);

/* Loads one shared object by its absolute path, as CRESSET_BACKEND would. Returns its name, or null
 * and an error. */
CR_API const char *cr_backend_load(const char *path);

/* How often an operation ran on a device and how: as a plan of the backend, through its
 * decomposition, or on the cpu backend through host memory. */
typedef struct cr_op_counts {
    const char *op;
    uint64_t native, decomposed, fallback;
} cr_op_counts;

/* The counts of a device (null: the default one) for the operations that ran there: fills up to cap
 * and returns how many there are; SIZE_MAX and an error for an unknown device. */
CR_API size_t cr_device_op_counts(const char *device, cr_op_counts *counts, size_t cap);

/* The plan cache of a device. */
typedef struct cr_plan_cache_stats {
    uint64_t hits, misses, evictions;
    size_t entries, capacity;
} cr_plan_cache_stats;
CR_API int cr_plan_cache_get_stats(const char *device, cr_plan_cache_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
