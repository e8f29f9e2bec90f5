/* A stream of random numbers that depends on a seed and a number only, for orders that anyone can
 * draw again: Philox4x32-10 with key seed and counter (block, stream), 64 bits each, low words
 * first. */
#ifndef CRESSET_CORE_DATA_RANDOM_H
#define CRESSET_CORE_DATA_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct cr_random {
    uint64_t seed, stream, block;
    uint32_t words[4];
    int left; /* words not yet given out */
} cr_random;

static inline cr_random cr_random_begin(uint64_t seed, uint64_t stream)
{
    return (cr_random){.seed = seed, .stream = stream};
}

uint32_t cr_random_word(cr_random *random);
/* From 0 to below - 1, each equally likely; below > 0. */
uint64_t cr_random_below(cr_random *random, uint64_t below);
/* From 0 (with) to 1 (without), in steps of 2^-53. */
double cr_random_double(cr_random *random);
/* Puts a random choice of the length numbers into the first count places, by Fisher and Yates's
 * shuffle. */
void cr_random_shuffle(cr_random *random, int64_t *numbers, int64_t length, int64_t count);

#endif
