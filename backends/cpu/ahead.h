/* Asking for memory before it is read. A processor asks by itself for what the next some hundred instructions read; work that takes
 * more of them for a line of the cache waits for each line anew where values come from beyond the second cache: a step of training
 * reads what its forward wrote long ago. */
#ifndef CRESSET_BACKENDS_CPU_AHEAD_H
#define CRESSET_BACKENDS_CPU_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

/* Asks for the `bytes` bytes that lie `after` bytes after `at`; there may be no memory. */
static inline __attribute__((always_inline)) void cpu_ask(const void *at, int64_t after,
                                                          int64_t bytes)
{
    enum { LINE = 64 };
    for (int64_t i = 0; i < bytes; i += LINE)
        __builtin_prefetch((const void *)((uintptr_t)at + (uintptr_t)(after + i)));
}

/* Whether a value of so many bytes, of whose elements each takes so many nanoseconds of work, is worth it. */
static inline bool cpu_worth_asking(int64_t bytes, double cost)
{
    enum { SMALL = 1 << 18 };
    const double short_work = 0.3;
    return bytes >= SMALL && cost >= short_work;
}

#endif
