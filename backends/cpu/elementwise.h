/* The driver of elementwise operations. A kernel is a loop over dense arrays of one computing dtype; the driver brings
 * values of any strides, halves, and run-time numbers to it in blocks that stay in the first-level cache, and cuts the
 * work among threads. What lies as the kernel wants it is handed over in place. */
#ifndef CRESSET_BACKENDS_CPU_ELEMENTWISE_H
#define CRESSET_BACKENDS_CPU_ELEMENTWISE_H

#include "convert.h"
#include "cpu.h"
#include "variant.h"

enum { CPU_EW_INPUTS = 4, CPU_EW_NUMBERS = 4, CPU_EW_BLOCK = 512 };

/* in[k] and out may be the same array: element i of out depends on elements i alone. */
typedef void (*cpu_loop)(int64_t n, const void *const *in, void *out, const cr_number *number);

/* An operation's kernels by the dtype of its first compared input, null where it has none. The loop of a half computes in
 * f32. The numbers reach the loop in this order; a missing one takes the default. */
typedef struct cpu_elementwise {
    const char *name;
    cpu_loop loop[CPU_NDTYPES];
    int32_t nin;
    bool to_bool;   /* the output is bool, not the inputs' dtype */
    bool raw;       /* has kernels for the halves themselves: they are not widened */
    bool condition; /* the first input is bool */
    bool
        wide_numbers; /* numbers that stand for inputs keep f32's digits when the inputs are halves */
    float cost;       /* nanoseconds an element, roughly */
    const char *numbers[CPU_EW_NUMBERS];
    cr_number defaults[CPU_EW_NUMBERS];
} cpu_elementwise;

/* A plan of the operation for the call. numbers, where not null, has for each of the loop's inputs the name of the number
 * that stands in its place, or null where the call's next input does. */
cr_status CPU_NAME(cpu_plan_elementwise)(const cpu_call *call, const cpu_elementwise *op,
                                         const char *const *numbers, cr_plan **plan);

/* The operation of that name in a table that a null name ends, or null. */
const cpu_elementwise *CPU_NAME(cpu_elementwise_find)(const cpu_elementwise *table,
                                                      const char *name);

#endif
