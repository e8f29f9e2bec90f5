/* Convolution's three parts, each on dense values of one plain shape: y from x and w, x's gradient from y's and w, w's
 * gradient from x and y's. A transposed convolution is the same shape read the other way, so nothing below knows of it. */
#ifndef CRESSET_BACKENDS_CPU_CONV_H
#define CRESSET_BACKENDS_CPU_CONV_H

#include "cpu.h"
#include "variant.h"

/* Sizes of the plain convolution x [n, groups·ic, in…] · w [groups·oc, ic, k…] -> y [n, groups·oc, out…]; always three
 * dimensions, missing ones in front are 1. */
typedef struct conv_shape {
    int64_t n, groups, ic, oc;
    int64_t in[3], out[3], k[3], stride[3], pad[3], dil[3];
    int64_t in_size, out_size, taps; /* products of in, out, k */
} conv_shape;

typedef struct conv_data {
    const conv_shape *shape;
    void *x, *w, *y;  /* two are read, the third is written */
    const void *bias; /* added to what forward or backward_data writes; or null */
    char *scratch;
    const struct cr_plan *plan; /* forward tells its `written`; or null */
    int choice;                 /* what takes_… left there */
} conv_data;

static inline void conv_tell(const conv_data *d, int64_t begin, int64_t n)
{
    if (d->plan && d->plan->written)
        d->plan->written(d->plan->written_context, begin, begin + n);
}

/* A way to compute the parts: whether and with how much scratch it takes a shape (0 is possible), with a number for itself that
 * each run gets; and the parts. They return false when memory ran out. */
typedef struct conv_way {
    bool (*takes_forward)(const conv_shape *shape, size_t *scratch, int *choice);
    bool (*takes_backward_data)(const conv_shape *shape, size_t *scratch, int *choice);
    bool (*takes_backward_weight)(const conv_shape *shape, size_t *scratch, int *choice);
    bool (*forward)(const conv_data *data);
    bool (*backward_data)(const conv_data *data);
    bool (*backward_weight)(const conv_data *data);
} conv_way;

/* By unfolding and matrix products: takes everything, and checks the others. */
extern const conv_way CPU_NAME(conv_general_f32), CPU_NAME(conv_general_f64);
/* Straight from padded planes: two dimensions, f32. */
extern const conv_way CPU_NAME(conv_direct_f32);
/* Likewise with AMX's tiles, where there are many channels; takes nothing where there are no tiles. */
extern const conv_way CPU_NAME(conv_amx_f32);

#endif
