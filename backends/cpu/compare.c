/* Comparisons and logic: two inputs of any dtype, a bool. */
#include "loops.h"

CPU_TO_BOOL(CPU_LOOP2, eq, x == y)
CPU_TO_BOOL(CPU_LOOP2, ne, x != y)
CPU_TO_BOOL(CPU_LOOP2, lt, x < y)
CPU_TO_BOOL(CPU_LOOP2, le, x <= y)
CPU_TO_BOOL(CPU_LOOP2, gt, x > y)
CPU_TO_BOOL(CPU_LOOP2, ge, x >= y)
CPU_TO_BOOL(CPU_LOOP2, logical_and, (x != 0) & (y != 0))
CPU_TO_BOOL(CPU_LOOP2, logical_or, (x != 0) | (y != 0))
CPU_TO_BOOL(CPU_LOOP2, logical_xor, (x != 0) ^ (y != 0))

#define ROW(text, op)                                                                      \
    {                                                                                      \
        .name = text, .nin = 2, .to_bool = true, .cost = 0.25f, .loop = { CPU_AT_ALL(op) } \
    }

const cpu_elementwise CPU_NAME(cpu_compare_ops)[] = {
    ROW("eq.Tensor", eq),
    ROW("ne.Tensor", ne),
    ROW("lt.Tensor", lt),
    ROW("le.Tensor", le),
    ROW("gt.Tensor", gt),
    ROW("ge.Tensor", ge),
    ROW("logical_and", logical_and),
    ROW("logical_or", logical_or),
    ROW("logical_xor", logical_xor),
    {.name = NULL},
};
