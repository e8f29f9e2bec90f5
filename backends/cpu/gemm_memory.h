/* Where packed operands of a matrix product lie. */
#ifndef CRESSET_BACKENDS_CPU_GEMM_MEMORY_H
#define CRESSET_BACKENDS_CPU_GEMM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A thread has memory for each kind of product, for one may fall back on the other: for the operand that all threads share, of which
 * each packs one for itself, and for its own panels (of a blocked product, for those of all threads); and some for a head of
 * attention, whose products are made by others. */
typedef enum cpu_gemm_kind {
    CPU_GEMM_BLOCKED,
    CPU_GEMM_BLOCKED_OWN,
    CPU_GEMM_AMX,
    CPU_GEMM_AMX_OWN,
    CPU_GEMM_HEAD,
    CPU_GEMM_KINDS
} cpu_gemm_kind;

/* At least that many bytes, aligned for vectors, the calling thread's until its next product of the kind; null when there
 * are none. They are kept from product to product, for fresh memory would cost a tenth of one again, and freed when the
 * thread ends. */
void *cpu_gemm_memory(cpu_gemm_kind kind, size_t bytes);

/* A number that no other work has. */
uint64_t cpu_gemm_number(void);

/* As cpu_gemm_memory, for what each thread packs once for the work of that number: `fresh` says whether it has to now. */
void *cpu_gemm_memory_for(cpu_gemm_kind kind, size_t bytes, uint64_t number, bool *fresh);

#endif
