/* Matrix products of f32 and f64 for whoever needs one: the gemm family, convolution. */
#ifndef CRESSET_BACKENDS_CPU_GEMM_F32_H
#define CRESSET_BACKENDS_CPU_GEMM_F32_H

#include <stdbool.h>
#include "variant.h"

#include <stdint.h>

/* C[i][j] = alpha · Σ_p A[i][p] B[p][j] + beta · S[i][j]; the strides are of rows and columns and count elements. C's rows
 * are dense and don't overlap; A's and B's strides are free, those of S too. beta 0 ignores S, which may be null and may
 * be C itself with C's strides. */
typedef struct cpu_sgemm_args {
    int64_t m, n, k;
    const float *a, *b, *s;
    int64_t a_row, a_col, b_row, b_col, s_row, s_col;
    float *c;
    int64_t c_row;
    float alpha, beta;
} cpu_sgemm_args;

typedef struct cpu_dgemm_args {
    int64_t m, n, k;
    const double *a, *b, *s;
    int64_t a_row, a_col, b_row, b_col, s_row, s_col;
    double *c;
    int64_t c_row;
    double alpha, beta;
} cpu_dgemm_args;

/* Uses threads where that pays, unless it is called from a piece of cpu_parallel's. False when memory ran out. */
bool CPU_NAME(cpu_sgemm)(const cpu_sgemm_args *args);
bool CPU_NAME(cpu_dgemm)(const cpu_dgemm_args *args);

#endif
