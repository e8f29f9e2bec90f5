/* Philox4x32-10 for whoever draws by itself. */
#ifndef CRESSET_BACKENDS_CPU_RANDOM_H
#define CRESSET_BACKENDS_CPU_RANDOM_H

#include <stdint.h>

#include "variant.h"

enum { CPU_PHILOX_BLOCKS = 32 }; /* computed together: four words each */

/* The words of the blocks from `counter` on, 4 · CPU_PHILOX_BLOCKS of them. */
void CPU_NAME(cpu_philox)(uint64_t seed, uint64_t counter, uint32_t *restrict words);

#endif
