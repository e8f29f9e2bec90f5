/* Memory that many pieces share, so that it can be had in large pages: what an entry of the processor's page tables reaches is
 * then 2 MiB, and kernels that go down columns wait far less for addresses. */
#ifndef CRESSET_BACKENDS_CPU_REGION_H
#define CRESSET_BACKENDS_CPU_REGION_H

#include <stddef.h>
#include <stdint.h>

enum { CPU_LARGE_PAGE = 2 << 20 };

/* The first multiple of `to` from an address on. */
static inline void *cpu_up(void *address, size_t to)
{
    return (char *)address + (to - (uintptr_t)address % to) % to;
}

/* New memory: `before` bytes and then `bytes` from a multiple of a large page on, in such pages where the system has them; both
 * are multiples of its small page. `flags` are for mmap, beside private and anonymous. Null where there is none. */
void *cpu_map_large(size_t before, size_t bytes, int flags);

/* A stretch of a region, in use or free. */
typedef struct cpu_span cpu_span;

/* At least so many bytes from a multiple of the system's page on, of any contents; null where there is no memory, or the
 * stretch would be larger than a region. Threads may call at the same time. */
cpu_span *cpu_span_take(size_t bytes);
void *cpu_span_begin(const cpu_span *span);

/* What it held goes back to the system. */
void cpu_span_give(cpu_span *span);

#endif
