/* Walking over values of any strides: dimensions merged and put in memory's order once, then runs of elements in that
 * order. Strides are in bytes except in cpu_coalesce, which speaks the metas' elements. */
#ifndef CRESSET_BACKENDS_CPU_SPACE_H
#define CRESSET_BACKENDS_CPU_SPACE_H

#include "cpu.h"
#include "variant.h"

/* The dimensions of values of equal sizes, without those of size 1, in the order of the first value's strides (the last
 * the densest), neighbours merged where all values allow it. Returns the rank, 0 for a single element; size and
 * stride[value][dimension] receive the rest. */
int cpu_coalesce(int nvalues, const cr_meta *const *values, int64_t *size,
                 int64_t (*stride)[CR_MAX_RANK]);

/* n elements in row-major order from place `at` on, between a strided value and a dense array. */
void CPU_NAME(cpu_gather_run)(int rank, const int64_t *size, const int64_t *stride,
                              const int64_t *at, int64_t n, size_t element, const char *from,
                              void *to);
void CPU_NAME(cpu_scatter_run)(int rank, const int64_t *size, const int64_t *stride,
                               const int64_t *at, int64_t n, size_t element, const void *from,
                               char *to);

/* Whether so many bytes, all that an operation touches, are better written past the caches. */
bool CPU_NAME(cpu_worth_streaming)(int64_t bytes);

/* The place of element i, and n elements further on. */
static inline void cpu_locate(int rank, const int64_t *size, int64_t i, int64_t *at)
{
    for (int d = rank - 1; d >= 0; d--) {
        at[d] = size[d] ? i % size[d] : 0;
        i = size[d] ? i / size[d] : 0;
    }
}

static inline void cpu_advance(int rank, const int64_t *size, int64_t *at, int64_t n)
{
    for (int d = rank - 1; d >= 0 && n; d--) {
        int64_t to = at[d] + n;
        if (to < size[d]) {
            at[d] = to;
            return;
        }
        n = d ? to / size[d] : 0;
        at[d] = to - n * size[d];
    }
}

static inline int64_t cpu_place(int rank, const int64_t *at, const int64_t *stride)
{
    int64_t place = 0;
    for (int d = 0; d < rank; d++)
        place += at[d] * stride[d];
    return place;
}

#endif
