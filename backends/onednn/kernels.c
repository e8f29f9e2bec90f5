/* Which of the compiled kernels this machine runs. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "blocked.h"

extern const dn_kernel_table dn_kernels_of_base;
#if CPU_VARIANTS > 1
extern const dn_kernel_table dn_kernels_of_v3, dn_kernels_of_v4;
#endif

static const dn_kernel_table *choose(void)
{
#if CPU_VARIANTS > 1
    const char *asked = getuid() == geteuid() ? getenv("CRESSET_CPU_ISA") : NULL;
    bool base = asked && !strcmp(asked, "base"), v3 = asked && !strcmp(asked, "v3");
    __builtin_cpu_init();
    bool has_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (!base && !v3 && has_v3 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &dn_kernels_of_v4;
    if (!base && has_v3)
        return &dn_kernels_of_v3;
#endif
    return &dn_kernels_of_base;
}

const dn_kernel_table *dn_kernels(void)
{
    static _Atomic(const dn_kernel_table *) known;
    const dn_kernel_table *table = atomic_load_explicit(&known, memory_order_acquire);
    if (!table) {
        table = choose();
        atomic_store_explicit(&known, table, memory_order_release);
    }
    return table;
}
