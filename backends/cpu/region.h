/* Memory that many pieces share, so that it can be had in large pages: what an entry of the processor's page tables reaches is
 * then 2 MiB, and kernels that go down columns wait far less for addresses. */
#ifndef CRESSET_BACKENDS_CPU_REGION_H
#define CRESSET_BACKENDS_CPU_REGION_H

#include <stddef.h>

/* A stretch of a region, in use or free. */
typedef struct cpu_span cpu_span;

/* At least so many bytes from a multiple of the system's page on, of any contents; null where there is no memory, or the
 * stretch would be larger than a region. Threads may call at the same time. */
cpu_span *cpu_span_take(size_t bytes);
void *cpu_span_begin(const cpu_span *span);

/* What it held goes back to the system. */
void cpu_span_give(cpu_span *span);

#endif
