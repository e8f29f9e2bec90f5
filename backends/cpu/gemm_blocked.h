/* Products of large matrices with kernels of our own: what cpu_sgemm and cpu_dgemm use where OpenBLAS is not faster. */
#ifndef CRESSET_BACKENDS_CPU_GEMM_BLOCKED_H
#define CRESSET_BACKENDS_CPU_GEMM_BLOCKED_H

#include "gemm_f32.h"

/* As cpu_sgemm and cpu_dgemm (gemm_f32.h), for any strides of A, B and S. */
bool CPU_NAME(cpu_sgemm_blocked)(const cpu_sgemm_args *args);
bool CPU_NAME(cpu_dgemm_blocked)(const cpu_dgemm_args *args);

#endif
