/* Names of what is compiled several times. Every source that says CPU_NAME is built once for each
 * instruction set (see CMakeLists.txt), and its external names carry the set's suffix; the entry
 * point chooses one set for good. Headers that declare such names include this one. A source
 * without CPU_NAME is built once, for the baseline. */
#ifndef CRESSET_BACKENDS_CPU_VARIANT_H
#define CRESSET_BACKENDS_CPU_VARIANT_H

#ifndef CPU_VARIANT
#define CPU_VARIANT base
#endif
#define CPU_NAME_JOIN_(x, variant) x##_##variant
#define CPU_NAME_WITH_(x, variant) CPU_NAME_JOIN_(x, variant)
#define CPU_NAME(x)                CPU_NAME_WITH_(x, CPU_VARIANT)

#endif
