/* What the pooling files share: the window's attributes and a plan over planes. */
#ifndef CRESSET_BACKENDS_CPU_POOL_H
#define CRESSET_BACKENDS_CPU_POOL_H

#include "staged.h"
#include "variant.h"

/* Planes [count, in…] and [count, out…]; always three dimensions, missing ones in front are 1. Adaptive pools have no
 * window: place o covers [floor(o·in / out), ceil((o+1)·in / out)). */
typedef struct pool_shape {
    int64_t planes, in[3], out[3], k[3], stride[3], pad[3], dil[3];
    int64_t in_size, out_size;
    bool count_pad;  /* averages count padding */
    int64_t divisor; /* of averages, 0: the window's size */
} pool_shape;

typedef struct pool_plan {
    cpu_staged staged;
    pool_shape shape;
    bool adaptive;
} pool_plan;

/* What a piece of planes works on; x is the large side, y the small. */
typedef struct pool_job {
    const pool_shape *shape;
    void *x, *y;
    int64_t *index;
    bool adaptive, back;
} pool_job;

/* Reads sizes from x [.., planes, in…] and y, and if `window` the attributes. False when something doesn't fit. */
bool cpu_pool_shape(const cr_graph_node *node, const cr_meta *x, const cr_meta *y, int dims,
                    bool window, pool_shape *shape);

static inline int64_t adaptive_start(int64_t o, int64_t out, int64_t in)
{
    return o * in / out;
}

static inline int64_t adaptive_end(int64_t o, int64_t out, int64_t in)
{
    return ((o + 1) * in + out - 1) / out;
}

#endif
