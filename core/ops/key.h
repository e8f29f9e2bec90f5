/* A call and its key: two calls with the same words are the same call to inference and to the backend. */
#ifndef CRESSET_CORE_OPS_KEY_H
#define CRESSET_CORE_OPS_KEY_H

#include <stdlib.h>

#include "core/ops/invoke.h"

/* A run of nothing yet, field by field: the arrays in it stay as they are. */
static CR_INLINE void cr_run_begin(cr_op_run *run, const cr_op *op, const cr_value *args)
{
    run->op = op;
    run->args = args;
    run->dev = NULL;
    run->in = run->in_;
    run->key = run->key_;
    run->numbers = run->numbers_;
    run->nin = run->nkey = run->nnumbers = 0;
    run->in_capacity = CR_CALL_INPUTS;
    run->key_end = run->key_ + CR_CALL_KEY;
    run->out = NULL;
    run->flags = 0;
    run->mixed_devices = run->private_layouts = false;
}

/* Fills the run from the arguments: inputs, numbers, key, which has a word at least for each argument. False with the error set. */
bool cr_run_collect(cr_op_run *run);

/* Frees what a run has of its own beyond the arrays in it. */
static inline void cr_run_end(cr_op_run *run)
{
    if (CR_UNLIKELY(run->in != run->in_))
        free(run->in);
    if (CR_UNLIKELY(run->key != run->key_))
        free(run->key);
    if (CR_UNLIKELY(run->numbers != run->numbers_))
        free(run->numbers);
}

/* A hash with a word more, where the words come one by one. */
static inline uint64_t cr_hash_word(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9FB21C651E98DF25u;
    return h ^ h >> 29;
}

/* Each word is multiplied on its own, so that the multiplications don't wait for each other; turning brings what the product has
 * in its high bits among the low ones of the words after it, and the last multiplication those of the last. */
static inline uint64_t cr_key_hash(const uint64_t *words, uint32_t count)
{
    const uint64_t odd = 0x9FB21C651E98DF25u;
    uint64_t h = 0;
    for (const uint64_t *end = words + count; words < end; words++)
        h = (h << 23 | h >> 41) + *words * odd;
    h = (h ^ h >> 32) * odd;
    return h ^ h >> 32;
}

#endif
