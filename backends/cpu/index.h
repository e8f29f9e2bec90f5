/* What gathers and scatters share: values walked by their index, and the report of a bad one. */
#ifndef CRESSET_BACKENDS_CPU_INDEX_H
#define CRESSET_BACKENDS_CPU_INDEX_H

#include <stdatomic.h>

#include "cpu.h"

/* The first bad index that any thread met; the caller reports it, since the host keeps words by thread. */
typedef struct cpu_bad_index {
    atomic_int found;
    int64_t index;
} cpu_bad_index;

static inline void cpu_note_bad_index(cpu_bad_index *bad, int64_t index)
{
    int none = 0;
    if (atomic_compare_exchange_strong(&bad->found, &none, 1))
        bad->index = index;
}

static inline cr_status cpu_report_bad_index(const cpu_bad_index *bad, int dim, int64_t size)
{
    if (!atomic_load(&bad->found))
        return CR_OK;
    return cpu_host->fail(cpu_host, CR_INVALID,
                          "index %lld is out of bounds for dimension %d with size %lld",
                          (long long)bad->index, dim, (long long)size);
}

#endif
