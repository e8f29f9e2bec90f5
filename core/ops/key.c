/* The key of a call: its arguments one after the other, as words, with tensors, numbers and what is to be known of them set aside on
 * the way. See key.h. */
#include "core/ops/key.h"

#include <stdlib.h>
#include <string.h>

/* The place of the next word of the key, in more room; null, with the error set, without memory. */
static uint64_t *grow_key(cr_op_run *run, const uint64_t *at, uint32_t more)
{
    size_t used = (size_t)(at - run->key), capacity = 2 * (used + more);
    uint64_t *key = malloc(capacity * sizeof *key);
    if (!key)
        return cr_fail_memory("an operation's key", capacity * sizeof *key);
    memcpy(key, run->key, used * sizeof *key);
    if (run->key != run->key_)
        free(run->key);
    run->key = key;
    run->key_end = key + capacity;
    return key + used;
}

static inline uint64_t *key_room(cr_op_run *run, uint64_t *at, uint32_t more)
{
    return CR_LIKELY(at + more <= run->key_end) ? at : grow_key(run, at, more);
}

static bool grow_inputs(cr_op_run *run, int64_t more)
{
    uint32_t capacity = 2 * (run->in_capacity + (uint32_t)more);
    cr_tensor **in = malloc(capacity * sizeof *in);
    if (!in)
        return cr_fail_memory("an operation's inputs", capacity * sizeof *in), false;
    memcpy(in, run->in, run->nin * sizeof *in);
    if (run->in != run->in_)
        free(run->in);
    run->in = in;
    run->in_capacity = capacity;
    return true;
}

/* These write their words at `key` and return the place behind them, or null with the error set: the place stays in a register. */
static CR_INLINE uint64_t *add_tensor(cr_op_run *run, uint64_t *key, cr_tensor *t)
{
    if (CR_UNLIKELY(run->nin == run->in_capacity) && !grow_inputs(run, 1))
        return NULL;
    if (!(key = key_room(run, key, 2 + 2 * CR_MAX_RANK)))
        return NULL;
    run->in[run->nin++] = t;
    if (!t) {
        *key++ = 0;
        return key;
    }
    cr_storage *storage = t->storage;
    if (!run->dev)
        run->dev = storage->dev;
    else if (CR_UNLIKELY(run->dev != storage->dev))
        run->mixed_devices = true;
    unsigned flags = t->flags;
    int dim = t->dim;
    run->flags |= flags;
    uint64_t word = (uint64_t)1 << 32 | (uint64_t)t->dtype | (uint64_t)dim << 8 |
                    (uint64_t)(flags & (CR_FLAG_CONTIGUOUS | CR_FLAG_WRAPPED)) << 16;
    if (CR_UNLIKELY(storage->layout)) {
        run->private_layouts = true;
        word |= (uint64_t)1 << 33;
        *key++ = storage->layout;
    }
    *key++ = word;
    for (int d = 0; d < dim; d++)
        key[d] = (uint64_t)t->size[d];
    key += dim;
    if (CR_UNLIKELY(!(flags & CR_FLAG_CONTIGUOUS))) {
        for (int d = 0; d < dim; d++)
            key[d] = (uint64_t)t->stride[d];
        key += dim;
    }
    return key;
}

static void *missing_tensor(const cr_op *op, int arg)
{
    if (!cr_error())
        cr_fail("%.*s: %s is null", op->schema->bare, op->name, op->schema->args[arg].name);
    return NULL;
}

static inline bool add_number(cr_op_run *run, const cr_value *v)
{
    if (CR_UNLIKELY(run->nnumbers == CR_CALL_NUMBERS)) {
        if (run->numbers != run->numbers_)
            return cr_fail("%s: too many numbers", run->op->name), false;
        cr_number *numbers = malloc(CR_MAX_ARGS * sizeof *numbers);
        if (!numbers)
            return cr_fail_memory("an operation's numbers", CR_MAX_ARGS * sizeof *numbers), false;
        memcpy(numbers, run->numbers, run->nnumbers * sizeof *numbers);
        run->numbers = numbers;
    }
    cr_number *n = &run->numbers[run->nnumbers++];
    if (v->tag == CR_FLOAT) {
        n->f = v->as.f;
        n->i = !(v->as.f >= -9223372036854775808.0) ? INT64_MIN
               : v->as.f >= 9223372036854775808.0   ? INT64_MAX
                                                    : (int64_t)v->as.f;
    } else {
        n->f = (double)v->as.i;
        n->i = v->as.i;
    }
    return true;
}

static uint64_t *add_bytes(cr_op_run *run, uint64_t *key, const void *bytes, size_t count)
{
    uint32_t words = (uint32_t)((count + 7) / 8);
    if (!(key = key_room(run, key, words + 1)))
        return NULL;
    *key++ = (uint64_t)count << 8 | 7;
    if (words)
        key[words - 1] = 0;
    if (count)
        memcpy(key, bytes, count);
    return key + words;
}

static CR_NOINLINE uint64_t *add_tensors(cr_op_run *run, uint64_t *key, int arg)
{
    const cr_value *v = &run->args[arg];
    if (!(key = key_room(run, key, 1)))
        return NULL;
    *key++ = (uint64_t)v->count << 8 | 3;
    for (int64_t i = 0; i < v->count; i++) {
        if (!v->as.tensors[i] && !run->op->schema->args[arg].elements_optional)
            return missing_tensor(run->op, arg);
        if (!(key = add_tensor(run, key, v->as.tensors[i])))
            return NULL;
    }
    return key;
}

static inline uint64_t *add_scalar(cr_op_run *run, uint64_t *key, const cr_value *v)
{
    if (!(key = key_room(run, key, 1)))
        return NULL;
    *key++ = (uint64_t)v->tag << 8 | 5;
    if (v->tag == CR_NONE)
        return key;
    if (CR_UNLIKELY(run->op->numbers_in_key) && !(key = add_bytes(run, key, &v->as, sizeof v->as)))
        return NULL;
    return add_number(run, v) ? key : NULL;
}

/* What is neither a tensor nor a number that varies. */
static CR_NOINLINE uint64_t *add_attribute(cr_op_run *run, uint64_t *key, int arg)
{
    const cr_value *v = &run->args[arg];
    switch (run->op->kinds[arg]) {
    case CR_ARG_INT:
    case CR_ARG_BOOL:
    case CR_ARG_DTYPE:
    case CR_ARG_MEMORY_FORMAT:
        if ((key = key_room(run, key, 2))) {
            *key++ = v->tag != CR_NONE;
            *key++ = (uint64_t)v->as.i;
        }
        return key;
    case CR_ARG_INTS:
    case CR_ARG_FLOATS:
        return v->tag == CR_NONE ? add_bytes(run, key, "none", 4)
                                 : add_bytes(run, key, v->as.ints, (size_t)v->count * 8);
    case CR_ARG_BOOLS:
    case CR_ARG_STRING:
        return add_bytes(run, key, v->as.s, v->tag == CR_NONE ? 0 : (size_t)v->count);
    default: return key; /* device, layout and generator say nothing to a kernel */
    }
}

/* The tensor that an out form writes: its memory matters to the plan, but it is no input. */
static CR_NOINLINE uint64_t *add_out(cr_op_run *run, uint64_t *key)
{
    run->out = run->args[run->op->nargs].as.tensor;
    if (!run->out)
        return missing_tensor(run->op, run->op->nargs);
    if (run->out->storage->layout && cr_make_plain(run->out))
        return NULL;
    if ((key = add_tensor(run, key, run->out)))
        run->nin--;
    return key;
}

bool cr_run_collect(cr_op_run *run)
{
    const cr_op *op = run->op;
    const cr_value *v = run->args;
    uint64_t *key = run->key;
    *key++ = (uint64_t)op->index << 1 | 1;
    int nargs = op->nargs;
    for (int a = 0; a < nargs; a++, v++) {
        run->first_input[a] = (uint16_t)run->nin;
        unsigned kind = op->kinds[a];
        if (CR_LIKELY(kind == CR_ARG_TENSOR)) {
            cr_tensor *t = v->tag == CR_TENSOR ? v->as.tensor : NULL;
            if (CR_UNLIKELY(!t) && !op->schema->args[a].optional)
                return missing_tensor(op, a);
            key = add_tensor(run, key, t);
        } else if (kind == CR_ARG_SCALAR || kind == CR_ARG_FLOAT) {
            key = add_scalar(run, key, v);
        } else if (kind == CR_ARG_TENSORS) {
            key = add_tensors(run, key, a);
        } else {
            key = add_attribute(run, key, a);
        }
        if (CR_UNLIKELY(!key))
            return false;
    }
    run->first_input[nargs] = (uint16_t)run->nin;
    if (CR_UNLIKELY(op->variant == CR_OUT) && !(key = add_out(run, key)))
        return false;
    run->nkey = (uint32_t)(key - run->key);
    return true;
}
