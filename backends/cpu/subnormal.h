/* Taking subnormal numbers as 0 for a while, on the calling thread: the processor computes with them some twenty times as
 * slowly. */
#ifndef CRESSET_BACKENDS_CPU_SUBNORMAL_H
#define CRESSET_BACKENDS_CPU_SUBNORMAL_H

#include <stdint.h>

/* What to give to cpu_subnormals_back. Elsewhere than on x86 and 64-bit ARM nothing changes. */
static inline uint64_t cpu_subnormals_off(void)
{
#if defined __SSE__
    enum { FLUSH_TO_ZERO = 1 << 15, ZERO_FOR_SUBNORMAL = 1 << 6 };
    unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | FLUSH_TO_ZERO | ZERO_FOR_SUBNORMAL);
    return before;
#elif defined __aarch64__
    enum { FLUSH_TO_ZERO = 1 << 24 };
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | FLUSH_TO_ZERO));
    return before;
#else
    return 0;
#endif
}

static inline void cpu_subnormals_back(uint64_t before)
{
#if defined __SSE__
    __builtin_ia32_ldmxcsr((unsigned)before);
#elif defined __aarch64__
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    (void)before;
#endif
}

#endif
