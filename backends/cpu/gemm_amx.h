/* Products of large matrices of f32 and bf16 on AMX, the tiles of newer processors that multiply bf16. */
#ifndef CRESSET_BACKENDS_CPU_GEMM_AMX_H
#define CRESSET_BACKENDS_CPU_GEMM_AMX_H

#include "gemm_f32.h"

/* Whether the processor and the system have AMX, this build's compiler knew it, and the product is large enough to gain. */
bool CPU_NAME(cpu_amx_takes)(const cpu_sgemm_args *args);

/* As cpu_sgemm (gemm_f32.h), for what cpu_amx_takes. */
bool CPU_NAME(cpu_sgemm_amx)(const cpu_sgemm_args *args);

/* The same of bf16 as bits; sums, alpha and beta are f32. */
typedef struct cpu_bgemm_args {
    int64_t m, n, k;
    const uint16_t *a, *b, *s;
    int64_t a_row, a_col, b_row, b_col, s_row, s_col;
    uint16_t *c;
    int64_t c_row;
    float alpha, beta;
} cpu_bgemm_args;

/* Whether there is AMX for products of such sizes, and something to gain by it. */
bool CPU_NAME(cpu_amx_takes_bf16)(int64_t m, int64_t n, int64_t k);

/* False when memory ran out. For what cpu_amx_takes_bf16 alone. */
bool CPU_NAME(cpu_bgemm_amx)(const cpu_bgemm_args *args);

#endif
