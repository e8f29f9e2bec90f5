/* Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011), and what is
 * drawn from it. */
#include "core/data/random.h"

static void next_block(cr_random *random)
{
    uint32_t key[2] = {(uint32_t)random->seed, (uint32_t)(random->seed >> 32)};
    uint32_t c[4] = {(uint32_t)random->block, (uint32_t)(random->block >> 32),
                     (uint32_t)random->stream, (uint32_t)(random->stream >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xd2511f53 * c[0], b = (uint64_t)0xcd9e8d57 * c[2];
        uint32_t c1 = c[1], c3 = c[3];
        c[0] = (uint32_t)(b >> 32) ^ c1 ^ key[0];
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c3 ^ key[1];
        c[3] = (uint32_t)a;
        key[0] += 0x9e3779b9;
        key[1] += 0xbb67ae85;
    }
    for (int i = 0; i < 4; i++)
        random->words[i] = c[i];
    random->left = 4;
    random->block++;
}

uint32_t cr_random_word(cr_random *random)
{
    if (!random->left)
        next_block(random);
    return random->words[4 - random->left--];
}

static uint64_t two_words(cr_random *random)
{
    uint64_t low = cr_random_word(random);
    return (uint64_t)cr_random_word(random) << 32 | low;
}

uint64_t cr_random_below(cr_random *random, uint64_t below)
{
    /* What lies past the last whole multiple of below is drawn again, else small numbers would be
     * likelier. */
    if (below <= UINT32_MAX) {
        uint32_t range = (uint32_t)below, past = (uint32_t)-range % range;
        for (;;) { /* Lemire's way: the high half of a product */
            uint64_t product = (uint64_t)cr_random_word(random) * range;
            if ((uint32_t)product >= past)
                return product >> 32;
        }
    }
    uint64_t past = -below % below;
    for (;;) {
        uint64_t drawn = two_words(random);
        if (drawn >= past)
            return drawn % below;
    }
}

double cr_random_double(cr_random *random)
{
    return (double)(two_words(random) >> 11) * 0x1p-53;
}

void cr_random_shuffle(cr_random *random, int64_t *numbers, int64_t length, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t j = i + (int64_t)cr_random_below(random, (uint64_t)(length - i));
        int64_t number = numbers[i];
        numbers[i] = numbers[j];
        numbers[j] = number;
    }
}
