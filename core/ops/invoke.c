/* The way a number travels: an operation's arguments become a key, the key finds the plan, outputs
 * get their memory, the backend runs, autograd takes note. What happens the first time is in
 * plan.c, the detours are in variants.c. */
#include "core/ops/autocast.h"

#include "core/dispatch/trace.h"

#include <stdlib.h>
#include <string.h>

cr_recorder cr_the_recorder;

/* ---- collecting ---- */

static bool grow_key(cr_op_run *run, uint32_t more)
{
    uint32_t capacity = 2 * (run->key_capacity + more);
    uint64_t *key = malloc(capacity * sizeof *key);
    if (!key)
        return cr_fail_memory("an operation's key", capacity * sizeof *key), false;
    memcpy(key, run->key, run->nkey * sizeof *key);
    if (run->key != run->key_)
        free(run->key);
    run->key = key;
    run->key_capacity = capacity;
    return true;
}

static inline bool key_room(cr_op_run *run, uint32_t more)
{
    return CR_LIKELY(run->nkey + more <= run->key_capacity) || grow_key(run, more);
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

static void release_arrays(cr_op_run *run)
{
    if (CR_UNLIKELY(run->in != run->in_))
        free(run->in);
    if (CR_UNLIKELY(run->key != run->key_))
        free(run->key);
    if (CR_UNLIKELY(run->numbers != run->numbers_))
        free(run->numbers);
}

static inline bool add_tensor(cr_op_run *run, cr_tensor *t)
{
    if (CR_UNLIKELY(run->nin == run->in_capacity) && !grow_inputs(run, 1))
        return false;
    if (!key_room(run, 2 + 2 * CR_MAX_RANK))
        return false;
    run->in[run->nin++] = t;
    uint64_t *key = run->key + run->nkey;
    if (!t) {
        *key = 0;
        run->nkey++;
        return true;
    }
    cr_storage *storage = t->storage;
    if (!run->dev)
        run->dev = storage->dev;
    else if (CR_UNLIKELY(run->dev != storage->dev))
        run->mixed_devices = true;
    run->requires_grad |= (t->flags & CR_FLAG_REQUIRES_GRAD) != 0;
    uint64_t word = (uint64_t)1 << 32 | (uint64_t)t->dtype | (uint64_t)t->dim << 8 |
                    (uint64_t)(t->flags & (CR_FLAG_CONTIGUOUS | CR_FLAG_WRAPPED)) << 16;
    if (CR_UNLIKELY(storage->layout)) {
        run->private_layouts = true;
        word |= (uint64_t)1 << 33;
        *key++ = storage->layout;
    }
    *key++ = word;
    for (int d = 0; d < t->dim; d++)
        *key++ = (uint64_t)t->size[d];
    if (!(t->flags & CR_FLAG_CONTIGUOUS))
        for (int d = 0; d < t->dim; d++)
            *key++ = (uint64_t)t->stride[d];
    run->nkey = (uint32_t)(key - run->key);
    return true;
}

static bool missing_tensor(const cr_op *op, int arg)
{
    if (!cr_error())
        cr_fail("%.*s: %s is null", op->schema->bare, op->name, op->schema->args[arg].name);
    return false;
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

static bool add_bytes(cr_op_run *run, const void *bytes, size_t count)
{
    uint32_t words = (uint32_t)((count + 7) / 8);
    if (!key_room(run, words + 1))
        return false;
    run->key[run->nkey++] = (uint64_t)count << 8 | 7;
    if (words)
        run->key[run->nkey + words - 1] = 0;
    if (count)
        memcpy(run->key + run->nkey, bytes, count);
    run->nkey += words;
    return true;
}

/* Fills the run from the arguments: inputs, numbers, key. The key has a word at least for each
 * argument, so that two calls with the same words are the same call to inference and to the
 * backend. */
static bool collect(cr_op_run *run)
{
    const cr_op *op = run->op;
    const cr_schema *s = op->schema;
    run->key[run->nkey++] = (uint64_t)op->index << 1 | 1;
    for (int a = 0; a < op->nargs; a++) {
        const cr_value *v = &run->args[a];
        run->first_input[a] = (uint16_t)run->nin;
        switch (s->args[a].type) {
        case CR_ARG_TENSOR:
            if (CR_UNLIKELY(!v->as.tensor || v->tag != CR_TENSOR) && !s->args[a].optional)
                return missing_tensor(op, a);
            if (!add_tensor(run, v->tag == CR_TENSOR ? v->as.tensor : NULL))
                return false;
            break;
        case CR_ARG_TENSORS:
            if (!key_room(run, 1))
                return false;
            run->key[run->nkey++] = (uint64_t)v->count << 8 | 3;
            for (int64_t i = 0; i < v->count; i++) {
                if (!v->as.tensors[i] && !s->args[a].elements_optional)
                    return missing_tensor(op, a);
                if (!add_tensor(run, v->as.tensors[i]))
                    return false;
            }
            break;
        case CR_ARG_SCALAR:
        case CR_ARG_FLOAT:
            if (!key_room(run, 1))
                return false;
            run->key[run->nkey++] = (uint64_t)v->tag << 8 | 5;
            if (CR_UNLIKELY(op->numbers_in_key) && v->tag != CR_NONE &&
                !add_bytes(run, &v->as, sizeof v->as))
                return false;
            if (v->tag != CR_NONE && !add_number(run, v))
                return false;
            break;
        case CR_ARG_INT:
        case CR_ARG_BOOL:
        case CR_ARG_DTYPE:
        case CR_ARG_MEMORY_FORMAT:
            if (!key_room(run, 2))
                return false;
            run->key[run->nkey++] = v->tag != CR_NONE;
            run->key[run->nkey++] = (uint64_t)v->as.i;
            break;
        case CR_ARG_INTS:
        case CR_ARG_FLOATS:
            if (v->tag == CR_NONE ? !add_bytes(run, "none", 4)
                                  : !add_bytes(run, v->as.ints, (size_t)v->count * 8))
                return false;
            break;
        case CR_ARG_BOOLS:
        case CR_ARG_STRING:
            if (!add_bytes(run, v->as.s, v->tag == CR_NONE ? 0 : (size_t)v->count))
                return false;
            break;
        default: break; /* device, layout and generator say nothing to a kernel */
        }
    }
    run->first_input[op->nargs] = (uint16_t)run->nin;
    if (op->variant == CR_OUT) { /* its memory matters to the plan, but it is no input */
        run->out = run->args[op->nargs].as.tensor;
        if (!run->out)
            return missing_tensor(op, op->nargs);
        if (run->out->storage->layout && cr_make_plain(run->out))
            return false;
        if (!add_tensor(run, run->out))
            return false;
        run->nin--;
    }
    return true;
}

static inline uint64_t hash_words(const uint64_t *words, uint32_t count)
{
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (uint32_t i = 0; i < count; i++) {
        h = (h ^ words[i]) * 0x9FB21C651E98DF25u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

/* ---- memory that must not be written ---- */

static int check_written(cr_op_run *run, cr_tensor *self)
{
    const cr_op *op = run->op;
    if (CR_UNLIKELY(!(self->flags & CR_FLAG_CONTIGUOUS) && cr_has_internal_overlap(self)))
        return CR_FAIL_INT("%.*s: more than one element of the written-to tensor refers to a "
                           "single memory location. Please "
                           "clone() the tensor before performing the operation.",
                           op->schema->bare, op->name);
    for (uint32_t i = 0; i < run->nin; i++) { /* partial overlap; exactly the same memory is fine */
        const cr_tensor *t = run->in[i];
        int64_t a0, a1, b0, b1;
        if (!t || t == self || t->storage != self->storage)
            continue;
        bool same = t->offset == self->offset && t->dim == self->dim && t->dtype == self->dtype &&
                    !memcmp(t->size, self->size, (size_t)t->dim * sizeof *t->size) &&
                    !memcmp(t->stride, self->stride, (size_t)t->dim * sizeof *t->stride);
        if (same || !cr_extent(t->dim, t->size, t->stride, t->offset, &a0, &a1) ||
            !cr_extent(self->dim, self->size, self->stride, self->offset, &b0, &b1) || a1 < b0 ||
            b1 < a0)
            continue;
        if (!(t->flags & CR_FLAG_CONTIGUOUS) || !(self->flags & CR_FLAG_CONTIGUOUS))
            continue; /* may interleave without meeting; the result goes aside (plan.c) */
        return CR_FAIL_INT("%.*s: some elements of the input tensor and the written-to tensor "
                           "refer to a single memory "
                           "location. Please clone() the tensor before performing the operation.",
                           op->schema->bare, op->name);
    }
    return 0;
}

/* ---- running a plan ---- */

/* Results beyond the schema's (running statistics that were written in place) are not shown. The
 * device's lock is held and let go here. */
static int run_plan(cr_op_run *run, cr_plan_entry *e, cr_results *results)
{
    cr_dev *dev = run->dev;
    cr_binding small[CR_CALL_INPUTS + CR_MAX_OUTPUTS], *bind = small;
    cr_tensor *fresh[CR_MAX_OUTPUTS] = {NULL};
    cr_storage *workspace = NULL, *prepared[CR_CALL_INPUTS];
    uint32_t nprepared = 0;
    uint32_t nin = e->nbind_inputs, nbind = 0, total = nin + e->nout + e->nwritten;
    int status = -1;
    if (CR_UNLIKELY(total > sizeof small / sizeof *small) &&
        !(bind = malloc(total * sizeof *bind))) {
        cr_lock_release(&dev->lock);
        cr_fail_memory("an operation's bindings", total * sizeof *bind);
        return -1;
    }
#define BIND(t)                                                                        \
    bind[nbind++] = (cr_binding)                                                       \
    {                                                                                  \
        (t)->storage->buffer, (size_t)(t)->offset *cr_dtype_size((cr_dtype)(t)->dtype) \
    }
    for (uint32_t i = 0; i < nin; i++) {
        const cr_tensor *t = run->in[e->bind_inputs ? e->bind_inputs[i] : i];
        BIND(t);
    }
    for (uint32_t i = 0; CR_UNLIKELY(i < e->nprepare); i++) {
        const cr_prepare *p = &e->prepare[i];
        cr_storage *copy = cr_prepared_input(
            dev, p, run->in[e->bind_inputs ? e->bind_inputs[p->binding] : p->binding]);
        if (!copy)
            goto done;
        prepared[nprepared++] = copy;
        bind[p->binding] = (cr_binding){copy->buffer, 0};
    }
    for (uint32_t i = 0; i < e->nwritten; i++)
        BIND(run->in[e->written[i]]);
    for (int i = 0; i < e->nout; i++) {
        if (e->alias[i] == -2)
            continue;
        if (e->alias[i] >= 0) {
            BIND(run->in[e->alias[i]]);
            continue;
        }
        if (run->out) {
            BIND(run->out);
            continue;
        }
        cr_storage *storage = cr_storage_new_locked(dev, e->out_bytes[i]);
        if (CR_UNLIKELY(!storage))
            goto done;
        storage->layout = e->out[i].layout;
        fresh[i] = cr_tensor_make(storage, (cr_dtype)e->out[i].dtype, e->out[i].rank,
                                  e->out[i].size, e->own_contiguous ? NULL : e->out[i].stride, 0);
        if (CR_UNLIKELY(!fresh[i]))
            goto done;
        BIND(fresh[i]);
    }
    cr_run r = {.struct_size = sizeof r,
                .values = bind,
                .numbers = run->numbers,
                .within = cr_this_thread.within};
    if (CR_UNLIKELY(e->workspace)) {
        if (!(workspace = cr_storage_new_locked(dev, e->workspace)))
            goto done;
        r.workspace.buffer = workspace->buffer;
    }
    if (CR_UNLIKELY(e->draws))
        cr_generator_take(e->draws, &r.seed, &r.offset);
    cr_dev *by = e->by;
    if (CR_UNLIKELY(by != NULL))
        cr_lock_acquire(&by->lock); /* the lender never takes this device's */
    cr_status ran = CR_LIKELY(e->plan != NULL) ? (by ? by : dev)->backend->run(e->plan, &r) : CR_OK;
    if (CR_UNLIKELY(by != NULL))
        cr_lock_release(&by->lock);
    if (CR_UNLIKELY(cr_this_thread.trace != NULL))
        cr_the_tracer.ran(run, e, &r, nbind);
    cr_dev_count(dev, run->op->functional->index, by ? CR_PLAN_FALLBACK : CR_PLAN_NATIVE);
    if (CR_UNLIKELY(ran != CR_OK)) {
        char name[80];
        memcpy(name, run->op->name, sizeof name);
        name[run->op->schema->bare] = 0;
        cr_dev_failed(by ? by : dev, name, ran);
        goto done;
    }
    status = 0;
done:
    cr_lock_release(&dev->lock);
    if (CR_UNLIKELY(bind != small))
        free(bind);
    if (CR_UNLIKELY(workspace != NULL))
        cr_storage_release(workspace);
    while (CR_UNLIKELY(nprepared))
        cr_storage_release(prepared[--nprepared]);
    if (CR_UNLIKELY(status)) {
        for (int i = 0; i < CR_MAX_OUTPUTS; i++)
            cr_release(fresh[i]);
        return -1;
    }
    results->count = run->op->schema->nreturns;
    for (int i = 0; i < results->count; i++) {
        cr_tensor *t = fresh[i];
        if (t) {
            if (!(results->t[i] = cr_tensor_to_scope(t)))
                status = -1;
        } else if (run->out && i == 0) {
            results->t[i] = run->out;
        } else {
            results->t[i] = e->alias[i] >= 0 && !e->nwritten ? run->in[e->alias[i]] : NULL;
        }
    }
    return status;
}

static void changed(cr_tensor *t)
{
    atomic_fetch_add_explicit(&t->storage->version, 1, memory_order_relaxed);
}

static int compute(cr_op_run *run, cr_results *results)
{
    cr_dev *dev = run->dev;
    cr_lock_acquire(&dev->lock);
    cr_plan_entry *e = cr_plan_cache_find(dev, run->hash, run->key, run->nkey);
    if (CR_UNLIKELY(!e) && !(e = cr_plan_call(run)))
        return -1;
    if (CR_LIKELY(e->mode == CR_PLAN_NATIVE)) {
        bool writes_more = e->nwritten || e->alias[3] >= 0 || e->alias[4] >= 0;
        int failed = run_plan(run, e, results);
        if (CR_UNLIKELY(writes_more) &&
            !failed) /* e may be gone by now; what is written follows from the schema */
            for (int a = 0; a < run->op->nargs; a++)
                for (int i = run->first_input[a]; i < run->first_input[a + 1]; i++)
                    if (run->in[i] && (run->op->schema->args[a].written ||
                                       !strncmp(run->op->schema->args[a].name, "running_", 8)))
                        changed(run->in[i]);
        return failed;
    }
    cr_plan_mode mode = (cr_plan_mode)e->mode;
    uint8_t casts[CR_CALL_INPUTS];
    uint8_t *more = NULL;
    if (mode == CR_PLAN_RECAST) {
        more = run->nin > CR_CALL_INPUTS ? malloc(run->nin) : casts;
        if (more)
            memcpy(more, e->casts, run->nin);
    }
    if (mode == CR_PLAN_DECOMPOSE || mode == CR_PLAN_FALLBACK)
        cr_dev_count(dev, run->op->functional->index, mode);
    cr_lock_release(&dev->lock);
    int failed = -1;
    switch (mode) {
    case CR_PLAN_RECAST:
        failed = more ? cr_run_recast(run, more, results) : (cr_fail_memory("casts", run->nin), -1);
        break;
    case CR_PLAN_DECOMPOSE: failed = cr_run_decomposed(run, results); break;
    case CR_PLAN_FALLBACK: failed = cr_run_fallback(run, results); break;
    case CR_PLAN_INDIRECT: failed = cr_run_indirect(run, results); break;
    default: failed = cr_run_plain(run, results); break;
    }
    if (more && more != casts)
        free(more);
    return failed;
}

static int invoke_kernel(const cr_op *op, const cr_value *args, cr_results *results)
{
    cr_op_run run;
    run.op = op;
    run.args = args;
    run.dev = NULL;
    run.in = run.in_;
    run.key = run.key_;
    run.numbers = run.numbers_;
    run.nin = run.nkey = run.nnumbers = 0;
    run.in_capacity = CR_CALL_INPUTS;
    run.key_capacity = CR_CALL_KEY;
    run.out = NULL;
    run.requires_grad = run.mixed_devices = run.private_layouts = false;
    int failed = -1;
    struct cr_grad_node *node = NULL;
    if (CR_UNLIKELY(!collect(&run)))
        goto done;
    if (CR_UNLIKELY(!run.dev)) { /* a factory: where its device argument says */
        const char *name = NULL;
        for (int a = 0; a < op->nargs; a++)
            if (op->schema->args[a].type == CR_ARG_DEVICE)
                name = cr_value_device(&args[a]);
        if (!(run.dev = cr_dev_find(name)))
            goto done;
    }
    if (CR_UNLIKELY(run.mixed_devices)) {
        failed = cr_run_on_one_device(&run, results);
        goto done;
    }
    run.hash = hash_words(run.key, run.nkey);
    bool records = cr_records(&run);
    cr_tensor *written = op->variant == CR_OUT                          ? run.out
                         : op->variant == CR_INPLACE || op->own_inplace ? run.in[0]
                                                                        : NULL;
    if (written) {
        if (check_written(&run, written) || cr_the_recorder.check_inplace(op, written, records))
            goto done;
        if (op->variant == CR_OUT && records) {
            cr_fail("%.*s: functions with out= arguments don't support automatic differentiation, "
                    "but one of the "
                    "arguments requires grad.",
                    op->schema->bare, op->name);
            goto done;
        }
    }
    if (records) {
        bool cannot = false;
        node = cr_the_recorder.begin(op, args, run.in, run.nin, run.first_input, &cannot);
        if (cannot)
            goto done;
    }
    failed = compute(&run, results);
    if (written && !failed) {
        changed(written);
        results->count = 1;
        results->t[0] = written;
    }
    if (node) {
        if (failed)
            cr_the_recorder.cancel(node);
        else
            failed = cr_the_recorder.finish(node, op, run.in, results);
    }
done:
    release_arrays(&run);
    return failed;
}

int cr_invoke(const cr_op *op, const cr_value *args, cr_results *results)
{
    results->count = 0;
    results->list = NULL;
    results->nlist = 0;
    if (CR_UNLIKELY(op->autocast) && cr_this_thread.autocast)
        return cr_invoke_autocast(op, args, results);
    switch (op->how) {
    case CR_HOW_COMPOSITE: return cr_invoke_composite(op, args, results);
    case CR_HOW_VIEW: return cr_invoke_view(op, args, results);
    default: return invoke_kernel(op, args, results);
    }
}
