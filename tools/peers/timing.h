/* What the peers in C measure with. */
#ifndef CRESSET_TOOLS_PEERS_TIMING_H
#define CRESSET_TOOLS_PEERS_TIMING_H

#include <time.h>

/* In seconds. */
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Orders doubles, for qsort. */
static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
