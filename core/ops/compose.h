/* How composites and decompositions are written: functions of the table over other operations. */
#ifndef CRESSET_CORE_OPS_COMPOSE_H
#define CRESSET_CORE_OPS_COMPOSE_H

#include <string.h>

#include <cresset/autograd.h>
#include <cresset/ops.h>

#include "core/base/thread.h"
#include "core/ops/functions.h"

#define COMPOSITE(name) \
    int cr_composite_##name(const cr_op *op, const cr_value *args, cr_results *r)
#define DECOMPOSE(name) \
    int cr_decompose_##name(const cr_op *op, const cr_value *args, cr_results *r)
/* One whose indices out of bounds mean something to who called it. */
#define COMPOSITE_OF_INDICES(name, words)                                               \
    static int name##_of_indices(const cr_op *op, const cr_value *args, cr_results *r); \
    COMPOSITE(name)                                                                     \
    {                                                                                   \
        const char *was = cr_indices_mean(words);                                       \
        int failed = name##_of_indices(op, args, r);                                    \
        cr_this_thread.index_meaning = was;                                             \
        return failed;                                                                  \
    }                                                                                   \
    static int name##_of_indices(const cr_op *op, const cr_value *args, cr_results *r)
#define GIVE(t)               \
    {                         \
        (void)op;             \
        return cr_give(r, t); \
    }

/* Arguments by place. */
#define T(i)   cr_value_tensor(&args[i])
#define S(i)   cr_value_scalar(&args[i])
#define F(i)   cr_value_float(&args[i])
#define INT(n) (args[n].as.i)
#define L(i)   cr_value_ints(&args[i])

static inline cr_dtype dtype_of(cr_tensor *t)
{
    return cr_tensor_dtype(t);
}
static inline bool is_float(cr_tensor *t)
{
    return cr_dtype_is_floating(dtype_of(t));
}
static inline cr_ints sizes_of_tensor(cr_tensor *t)
{
    return cr_make_ints(t->size, t->dim);
}
/* How many elements the dimensions from `from` up to `to` hold; with reshape it stands where -1 would be ambiguous. */
static inline int64_t count_of(const cr_tensor *t, int from, int to)
{
    int64_t count = 1;
    for (int d = from; d < to; d++)
        count *= t->size[d];
    return count;
}
/* A 0-d tensor of a number on t's device. */
static inline cr_tensor *number_like(cr_tensor *t, cr_scalar s, cr_dtype dtype)
{
    return cr_full(CR_EMPTY, s, .dtype = dtype, .device = cr_tensor_device(t));
}
/* The same for promotion, where a number counts less than any tensor. */
static inline cr_tensor *wrapped(cr_tensor *t, cr_scalar s)
{
    cr_tensor *number = number_like(t, s, CR_DTYPE_NONE);
    if (number)
        number->flags |= CR_FLAG_WRAPPED;
    return number;
}
/* Half-width floats are computed with as float32, and brought back once. */
static inline cr_tensor *fine(cr_tensor *x)
{
    return dtype_of(x) == CR_F16 || dtype_of(x) == CR_BF16 ? cr_to_dtype(x, CR_F32) : x;
}
static inline cr_tensor *coarse(cr_tensor *y, cr_tensor *like)
{
    return y ? cr_to_dtype(y, dtype_of(like)) : NULL;
}
/* False, and the error, if x is no floating-point tensor. */
static inline bool needs_float(const char *name, cr_tensor *x)
{
    if (!is_float(x))
        cr_fail("%s: needs a floating-point tensor, not %s", name, cr_dtype_name(dtype_of(x)));
    return is_float(x);
}
/* Ends a function with several results. */
static inline int cr_give_two(cr_results *r, cr_tensor *a, cr_tensor *b)
{
    r->count = 2;
    r->t[0] = a;
    r->t[1] = b;
    return a && b ? 0 : -1;
}
static inline int cr_give_three(cr_results *r, cr_tensor *a, cr_tensor *b, cr_tensor *c, bool all)
{
    r->count = 3;
    r->t[0] = a;
    r->t[1] = b;
    r->t[2] = c;
    return all && !(a && b && c) ? -1 : 0;
}
/* The four weights of cubic interpolation for places that lie t behind the second neighbour: compose_resample.c. */
void cr_cubic_weights(cr_tensor *t, cr_tensor *weight[4]);
/* Values and places of the greatest in adaptive windows over the last n dimensions: compose_pool.c. */
int cr_adaptive_maximum(cr_tensor *x, int n, const int64_t *out, cr_results *r);
/* Makes r a list of n tensors, to be filled in: r->list. 0, or an error. */
int cr_list_of(cr_results *r, int64_t n);
/* The factory arguments dtype, layout, device, … that begin at place i. */
#define FACTORY_DTYPE(i)  cr_value_dtype(&args[i])
#define FACTORY_DEVICE(i) cr_value_device(&args[(i) + 2])
static inline cr_dtype or_default(cr_dtype dtype)
{
    return dtype ? dtype : cr_default_dtype();
}

#endif
