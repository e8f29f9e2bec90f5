/* Automatic mixed precision: which operations cast, the blocks that are open, and the casts that are kept of parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/autocast.h>
#include <cresset/autograd.h>
#include <cresset/ops.h>

#include "core/base/thread.h"
#include "core/ops/autocast.h"

/* ---- the lists ---- */

enum {
    NONE = CR_AUTOCAST_NONE,
    LOWER = CR_AUTOCAST_LOWER,
    FLOAT32 = CR_AUTOCAST_FLOAT32,
    PROMOTE = CR_AUTOCAST_PROMOTE,
    BANNED = CR_AUTOCAST_BANNED,
    APART = CR_AUTOCAST_APART
};

static const struct listed {
    const char *name;
    uint8_t policies; /* the one for devices with host memory, and 16 times that for others */
} listed[] = {
#define AUTOCAST(host, other, name) {name, (host) | (other) << 4},
#include "core/ops/autocast.def"
#undef AUTOCAST
};

static int by_name(const void *name, const void *entry)
{
    return strcmp(name, ((const struct listed *)entry)->name);
}

uint8_t cr_autocast_list(const char *name)
{
    const struct listed *found =
        bsearch(name, listed, sizeof listed / sizeof *listed, sizeof *listed, by_name);
    return found ? found->policies : 0;
}

static int policy_on(uint8_t policies, bool host)
{
    return host ? policies & 15 : policies >> 4;
}

const char *cr_autocast_policy_on(const char *device, const char *op)
{
    static const char *const names[] = {NULL,      "lower_precision", "float32",
                                        "promote", "banned",          NULL};
    cr_dev *dev = cr_dev_find(device ? device : cr_default_device());
    return dev && op ? names[policy_on(cr_autocast_list(op), cr_dev_is_host(dev))] : NULL;
}

const char *cr_autocast_policy(const char *op)
{
    return cr_autocast_policy_on(NULL, op);
}

/* ---- blocks ---- */

enum { MAX_DEPTH = 32, DEVICE = 32 };

typedef struct block {
    char device[DEVICE]; /* "": all */
    uint8_t dtype;
    bool enabled, cache;
} block;

/* A leaf and its cast; both are retained. */
typedef struct kept_cast {
    cr_tensor *leaf, *cast;
    unsigned version;
    bool recorded;
} kept_cast;

typedef struct autocast {
    block blocks[MAX_DEPTH];
    int depth;
    kept_cast *kept; /* an open table by the leaf's address, half empty at least */
    size_t count, room;
    bool watched; /* the thread's end clears it */
} autocast;

static CR_TLS autocast state;

static void forget(void)
{
    for (size_t i = 0; i < state.room; i++) {
        cr_release(state.kept[i].leaf);
        cr_release(state.kept[i].cast);
    }
    free(state.kept);
    state.kept = NULL;
    state.count = state.room = 0;
}

static void at_end(void *unused)
{
    (void)unused;
    cr_autocast_end(1);
}

int cr_autocast_begin(const char *device, const cr_autocast_options *options)
{
    cr_dtype dtype = options && options->dtype ? options->dtype : CR_BF16;
    if (dtype != CR_BF16 && dtype != CR_F16)
        return cr_fail("cr_autocast: dtype must be bf16 or f16, not %s", cr_dtype_name(dtype)), 0;
    if (device && strlen(device) >= DEVICE)
        return cr_fail("cr_autocast: the device type \"%s\" is too long", device), 0;
    if (state.depth == MAX_DEPTH)
        return cr_fail("cr_autocast: more than %d blocks in each other", MAX_DEPTH), 0;
    if (!state.watched) {
        state.watched = true;
        cr_thread_on_end(at_end);
    }
    block *b = &state.blocks[state.depth++];
    snprintf(b->device, sizeof b->device, "%s", device ? device : "");
    b->dtype = (uint8_t)dtype;
    b->enabled = !(options && options->disabled);
    b->cache = !(options && options->no_cache);
    cr_this_thread.autocast = true;
    return state.depth;
}

void cr_autocast_end(int depth)
{
    if (depth < 1 || depth > state.depth)
        return;
    state.depth = depth - 1;
    if (!state.depth) {
        cr_this_thread.autocast = false;
        forget();
    }
}

/* The innermost block that speaks of a device ("vulkan:1" is of type "vulkan"; null: any). */
static const block *block_of(const char *device)
{
    for (int i = state.depth - 1; i >= 0; i--) {
        const block *b = &state.blocks[i];
        size_t n = strlen(b->device);
        if (!n || !device || (!strncmp(device, b->device, n) && (!device[n] || device[n] == ':')))
            return b;
    }
    return NULL;
}

bool cr_autocast_enabled(const char *device)
{
    const block *b = block_of(device);
    return b && b->enabled;
}

cr_dtype cr_autocast_dtype(const char *device)
{
    const block *b = block_of(device);
    return b ? (cr_dtype)b->dtype : CR_BF16;
}

size_t cr_autocast_cached(void)
{
    return state.count;
}

/* ---- casts ---- */

static size_t place_of(const kept_cast *kept, size_t room, const cr_tensor *leaf)
{
    size_t i = ((uintptr_t)leaf >> 4) * 0x9E3779B97F4A7C15u >> 20 & (room - 1);
    while (kept[i].leaf && kept[i].leaf != leaf)
        i = (i + 1) & (room - 1);
    return i;
}

static bool grow(void)
{
    size_t room = state.room ? 2 * state.room : 64;
    kept_cast *more = calloc(room, sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < state.room; i++)
        if (state.kept[i].leaf)
            more[place_of(more, room, state.kept[i].leaf)] = state.kept[i];
    free(state.kept);
    state.kept = more;
    state.room = room;
    return true;
}

/* The cast of a parameter, made once. A cast without memory to note it is simply made again. */
static cr_tensor *cached(cr_tensor *leaf, cr_dtype dtype)
{
    unsigned version = atomic_load_explicit(&leaf->storage->version, memory_order_relaxed);
    bool recorded = cr_grad_enabled() && !cr_inference_mode_enabled();
    if (2 * (state.count + 1) > state.room && !grow())
        return cr_to_dtype(leaf, dtype);
    kept_cast *at = &state.kept[place_of(state.kept, state.room, leaf)];
    if (at->leaf && at->version == version && at->recorded == recorded && at->cast->dtype == dtype)
        return at->cast;
    cr_tensor *cast = cr_to_dtype(leaf, dtype);
    if (!cast)
        return NULL;
    if (at->leaf) {
        cr_release(at->cast);
    } else {
        at->leaf = cr_retain(leaf);
        state.count++;
    }
    at->cast = cr_retain(cast);
    at->version = version;
    at->recorded = recorded;
    return cast;
}

static bool is_eligible(const cr_tensor *t)
{
    return t && cr_dtype_is_floating((cr_dtype)t->dtype) && t->dtype != CR_F64;
}

static cr_tensor *cast(cr_tensor *t, cr_dtype dtype, const block *b)
{
    if (!is_eligible(t) || t->dtype == dtype)
        return t;
    if (b->cache && dtype == (cr_dtype)b->dtype && t->dtype == CR_F32 &&
        (t->flags & CR_FLAG_REQUIRES_GRAD) && cr_is_leaf(t))
        return cached(t, dtype);
    return cr_to_dtype(t, dtype);
}

/* Calls function(tensor, context) for all tensors among the arguments. */
static void each(const cr_op *op, const cr_value *args, void (*function)(cr_tensor *, void *),
                 void *context)
{
    for (int a = 0; a < op->nargs; a++) {
        if (args[a].tag == CR_TENSOR)
            function(args[a].as.tensor, context);
        for (int64_t i = 0; args[a].tag == CR_TENSOR_LIST && i < args[a].count; i++)
            function(args[a].as.tensors[i], context);
    }
}

static void find_device(cr_tensor *t, void *to)
{
    if (t && !*(const cr_dev **)to)
        *(const cr_dev **)to = t->storage->dev;
}

static void widen(cr_tensor *t, void *to)
{
    cr_dtype *dtype = to;
    if (is_eligible(t) && t->dtype != *dtype)
        *dtype = CR_F32;
}

static void count_lists(cr_tensor *t, void *to)
{
    (void)t;
    ++*(size_t *)to;
}

/* Runs the operation on cast arguments; casting is off within. */
static int run_cast(const cr_op *op, const cr_value *given, cr_results *results, cr_dtype dtype,
                    const block *b)
{
    cr_value args[CR_MAX_ARGS];
    cr_tensor *few[16], **list = few;
    size_t count = 0;
    memcpy(args, given, op->nargs * sizeof *args);
    each(op, args, count_lists, &count);
    if (count > sizeof few / sizeof *few && !(list = malloc(count * sizeof *list)))
        return cr_fail_memory("an operation's arguments", count * sizeof *list), -1;
    cr_this_thread.autocast = false;
    cr_scope_begin();
    int failed = 0;
    cr_tensor **next = list;
    for (int a = 0; a < op->nargs && !failed; a++) {
        if (args[a].tag == CR_TENSOR && args[a].as.tensor) {
            args[a].as.tensor = cast(args[a].as.tensor, dtype, b);
            failed = args[a].as.tensor ? 0 : -1;
        } else if (args[a].tag == CR_TENSOR_LIST) {
            for (int64_t i = 0; i < args[a].count && !failed; i++) {
                cr_tensor *t = given[a].as.tensors[i];
                next[i] = t ? cast(t, dtype, b) : NULL;
                failed = t && !next[i] ? -1 : 0;
            }
            args[a].as.tensors = next;
            next += args[a].count;
        }
    }
    if (!failed)
        failed = cr_invoke(op, args, results);
    cr_end_keeping(results, failed);
    cr_this_thread.autocast = true;
    if (list != few)
        free(list);
    return failed;
}

int cr_invoke_autocast(const cr_op *op, const cr_value *args, cr_results *results)
{
    const cr_dev *dev = NULL;
    each(op, args, find_device, &dev);
    const block *b = dev ? block_of(dev->name) : NULL;
    int policy = policy_on(op->autocast, !dev || cr_dev_is_host(dev));
    if (policy == NONE)
        return CR_NOT_AUTOCAST;
    if (b && b->enabled && policy != APART) {
        if (policy == BANNED)
            return CR_FAIL_INT(
                "%s is unsafe to autocast: its inputs, between 0 and 1, may round to "
                "the ends. Leave the sigmoid out and use "
                "binary_cross_entropy_with_logits (BCEWithLogitsLoss)",
                op->name);
        cr_dtype dtype = policy == FLOAT32 ? CR_F32 : (cr_dtype)b->dtype;
        if (policy == PROMOTE)
            each(op, args, widen, &dtype);
        return run_cast(op, args, results, dtype, b);
    }
    /* The operation may be made of others that are on a list, which are not to be cast for either. */
    cr_this_thread.autocast = false;
    int failed = cr_invoke(op, args, results);
    cr_this_thread.autocast = true;
    return failed;
}
