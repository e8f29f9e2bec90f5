/* Products of large f32 matrices on AMX, the tiles of newer processors that multiply bf16. */
#ifndef CRESSET_BACKENDS_CPU_GEMM_AMX_H
#define CRESSET_BACKENDS_CPU_GEMM_AMX_H

#include "gemm_f32.h"

/* Whether the processor and the system have AMX, this build's compiler knew it, and the product is large enough to gain. */
bool CPU_NAME(cpu_amx_takes)(const cpu_sgemm_args *args);

/* As cpu_sgemm (gemm_f32.h), for what cpu_amx_takes. */
bool CPU_NAME(cpu_sgemm_amx)(const cpu_sgemm_args *args);

#endif
