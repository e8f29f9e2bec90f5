/* Reductions: the kernels of each operation, and the geometry that their drivers share. */
#ifndef CRESSET_BACKENDS_CPU_REDUCE_H
#define CRESSET_BACKENDS_CPU_REDUCE_H

#include "convert.h"
#include "cpu.h"
#include "variant.h"

/* The kernels of one operation on one computing dtype. acc is of acc_dtype: f64 for sums and products of floats. */
typedef struct cpu_reducer {
    int32_t acc_dtype;
    cr_number identity;
    void (*row)(int64_t n, const void *x, void *acc);     /* acc[0] takes in all x */
    void (*columns)(int64_t n, const void *x, void *acc); /* acc[j] takes in x[j] */
    void (*merge)(int64_t n, const void *other,
                  void *acc); /* acc[j] takes in other[j], both accumulators */
} cpu_reducer;

typedef enum cpu_reduction { CPU_SUM, CPU_PROD, CPU_MAX, CPU_MIN, CPU_REDUCTIONS } cpu_reduction;

/* Null where there is none. dtype is one that kernels compute in. */
const cpu_reducer *CPU_NAME(cpu_reducer_of)(cpu_reduction reduction, int32_t dtype);

/* The largest or smallest of n > 0 dense elements and where it first is; the first NaN wins. */
typedef int64_t (*cpu_find_extreme)(int64_t n, const void *x, void *value);
cpu_find_extreme CPU_NAME(cpu_extreme_of)(cpu_reduction reduction, int32_t dtype);

/* A value's dimensions, parted into those that stay and those that are reduced; in both the last is the densest of the
 * input. Strides in bytes. */
typedef struct cpu_parts {
    int kept, reduced;
    int64_t kept_size[CR_MAX_RANK], kept_in[CR_MAX_RANK], kept_out[CR_MAX_RANK];
    int64_t reduced_size[CR_MAX_RANK], reduced_in[CR_MAX_RANK];
    int64_t outputs, terms; /* elements kept, elements that each of them sums up */
} cpu_parts;

/* False when the output's sizes don't fit. */
bool cpu_parts_of(cpu_parts *parts, const cr_meta *in, const cr_meta *out, uint32_t reduced_dims);

/* The attribute dim, a list or one number, as bits; false when out of range. */
bool cpu_dims_of(const cpu_call *call, uint32_t *dims);

#endif
