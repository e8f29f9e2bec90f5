/* Compiled modules, steps and functions: which kind of call this is, whether a graph for it stands, is still being recorded or
 * can't be, and the way that the call goes then. */
#include <cresset/compile.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/lock.h"
#include "core/compile/graph.h"

enum {
    KINDS = 8,      /* of calls, each with a graph of its own */
    RECORDINGS = 4, /* until two in succession must have agreed */
    INPUTS = 16
};

/* One kind of call: its guards' words, and how far it is. */
typedef struct call_kind {
    uint64_t *key;
    size_t nkey;
    cr_trace *graph; /* runs, if built; else the last recording */
    bool built;
    int recordings;
    const char *reason; /* never a graph: why */
    char *own_reason;
} call_kind;

struct cr_compiled {
    atomic_int refs;
    cr_compiled_function function;
    void *context;
    cr_module *module; /* retained, or null */
    cr_optimizer *optimizer;
    cr_compiled_loss loss;
    void *loss_context;
    cr_module **modules; /* all inside; their parameters and buffers; retained by module */
    cr_tensor **tensors;
    size_t nmodules, ntensors;
    call_kind kinds[KINDS];
    size_t nkinds;
    const cr_trace *last; /* that ran as a graph */
    uint64_t *key;
    size_t nkey, key_room;
    const char *reason;
    uint64_t eager, replayed;
    cr_compiled *next, *before; /* among all that live */
};

/* ---- all of them, for the end of the library's use: plans go before their devices ---- */

static cr_lock all_lock;
static cr_compiled *all;
static bool registered;

static void forget_graphs(cr_compiled *c)
{
    for (size_t i = 0; i < c->nkinds; i++) {
        cr_trace_free(c->kinds[i].graph);
        free(c->kinds[i].key);
        free(c->kinds[i].own_reason);
    }
    c->nkinds = 0;
    c->last = NULL;
}

static void forget_all(void)
{
    cr_lock_acquire(&all_lock);
    registered = false;
    cr_compiled *c = all;
    cr_lock_release(&all_lock);
    for (; c; c = c->next)
        forget_graphs(c);
}

static void enlist(cr_compiled *c)
{
    cr_lock_acquire(&all_lock);
    c->next = all;
    if (all)
        all->before = c;
    all = c;
    bool first = !registered;
    registered = true;
    cr_lock_release(&all_lock);
    if (first)
        cr_at_exit(forget_all);
}

static void strike(cr_compiled *c)
{
    cr_lock_acquire(&all_lock);
    if (c->next)
        c->next->before = c->before;
    if (c->before)
        c->before->next = c->next;
    else if (all == c)
        all = c->next;
    cr_lock_release(&all_lock);
}

/* ---- making ---- */

cr_compiled *cr_compiled_retain(cr_compiled *compiled)
{
    if (compiled)
        atomic_fetch_add(&compiled->refs, 1);
    return compiled;
}

void cr_compiled_release(cr_compiled *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    strike(c);
    forget_graphs(c);
    cr_module_release(c->module);
    cr_optimizer_release(c->optimizer);
    free(c->modules);
    free(c->tensors);
    free(c->key);
    free(c);
}

static void release(void *compiled)
{
    cr_compiled_release(compiled);
}

/* Notes what is inside, so that a call need not walk. */
static bool look_inside(cr_compiled *c)
{
    size_t nmodules = 0, ntensors = 0;
    CR_SCOPE {
        CR_FOREACH_MODULE(m, c->module)
        nmodules++;
        CR_FOREACH_PARAMETER (p, c->module)
            ntensors++;
        CR_FOREACH_BUFFER(b, c->module)
        ntensors++;
    }
    cr_module **modules = calloc(nmodules + 1, sizeof(cr_module *));
    cr_tensor **tensors = calloc(ntensors + 1, sizeof(cr_tensor *));
    free(c->modules);
    free(c->tensors);
    c->modules = modules;
    c->tensors = tensors;
    c->nmodules = c->ntensors = 0;
    if (!modules || !tensors)
        return cr_fail_memory("a compiled module", ntensors * sizeof *tensors), false;
    CR_SCOPE {
        CR_FOREACH_MODULE(m, c->module)
        modules[c->nmodules++] = m.module;
        CR_FOREACH_PARAMETER (p, c->module)
            tensors[c->ntensors++] = p.tensor;
        CR_FOREACH_BUFFER(b, c->module)
        tensors[c->ntensors++] = b.tensor;
    }
    return true;
}

static cr_compiled *make(cr_compiled_function function, void *context, cr_module *module)
{
    if (!cr_dev_default()) /* opened before us, and so closed after us */
        return NULL;
    cr_compiled *c = calloc(1, sizeof *c);
    if (!c)
        return cr_fail_memory("a compiled function", sizeof *c);
    atomic_init(&c->refs, 1);
    c->function = function;
    c->context = context;
    c->module = module ? cr_module_retain(module) : NULL;
    c->reason = "it was not called yet";
    enlist(c);
    return cr_scope_add(c, release);
}

static size_t forward(void *context, cr_tensor *const *inputs, size_t n, cr_tensor **outputs)
{
    const cr_compiled *c = context;
    outputs[0] = cr_forward_with(c->module, inputs, n);
    return outputs[0] != NULL;
}

cr_compiled *cr_compile_with(cr_module *module, cr_tensor *const *example, size_t n)
{
    if (!module)
        return cr_error() ? NULL : cr_fail("cr_compile: module is null");
    cr_compiled *c = make(forward, NULL, module);
    if (!c)
        return NULL;
    c->context = c;
    for (int i = 0; i < 2 && n; i++) {
        bool failed = false;
        CR_SCOPE
            failed = !cr_compiled_call_with(c, example, n);
        if (failed)
            return NULL;
    }
    return c;
}

static size_t train(void *context, cr_tensor *const *inputs, size_t n, cr_tensor **outputs)
{
    const cr_compiled *c = context;
    if (cr_optimizer_zero_grad_with(c->optimizer, NULL))
        return 0;
    cr_tensor *loss = c->loss(c->loss_context, c->module, inputs, n);
    if (!loss) {
        if (!cr_error())
            cr_fail("cr_compile_step: the function gave no loss");
        return 0;
    }
    if (cr_backward(loss) || cr_optimizer_step(c->optimizer))
        return 0;
    outputs[0] = cr_detach(loss);
    return outputs[0] != NULL;
}

cr_compiled *cr_compile_step(cr_module *module, cr_optimizer *optimizer, cr_compiled_loss loss,
                             void *context)
{
    if (!module || !optimizer || !loss)
        return cr_error() ? NULL
                          : cr_fail("cr_compile_step: %s is null", !module      ? "module"
                                                                   : !optimizer ? "optimizer"
                                                                                : "loss");
    cr_compiled *c = make(train, NULL, module);
    if (!c)
        return NULL;
    c->context = c;
    c->optimizer = cr_optimizer_retain(optimizer);
    c->loss = loss;
    c->loss_context = context;
    return c;
}

cr_compiled *cr_compile_function(cr_compiled_function function, void *context, cr_module *module)
{
    if (!function)
        return cr_error() ? NULL : cr_fail("cr_compile_function: function is null");
    return make(function, context, module);
}

/* ---- guards ---- */

static uint64_t *key_room(cr_compiled *c, size_t words)
{
    if (c->nkey + words > c->key_room) {
        size_t room = 2 * (c->nkey + words);
        uint64_t *key = realloc(c->key, room * sizeof *key);
        if (!key)
            return cr_fail_memory("a call's guards", room * sizeof *key);
        c->key = key;
        c->key_room = room;
    }
    uint64_t *at = c->key + c->nkey;
    c->nkey += words;
    return at;
}

/* The input of a lower number that lies in the same memory, and how far off. */
static void key_sharing(uint64_t *at, cr_tensor *const *inputs, size_t i)
{
    const cr_tensor *t = inputs[i];
    for (size_t j = 0; j < i; j++)
        if (inputs[j] && inputs[j]->storage->buffer == t->storage->buffer) {
            at[0] = j + 1;
            at[1] = (uint64_t)t->offset * cr_dtype_size((cr_dtype)t->dtype) -
                    (uint64_t)inputs[j]->offset * cr_dtype_size((cr_dtype)inputs[j]->dtype);
            return;
        }
    at[0] = at[1] = 0;
}

static bool make_key(cr_compiled *c, cr_tensor *const *inputs, size_t n)
{
    c->nkey = 0;
    uint64_t *at = key_room(c, 2);
    if (!at)
        return false;
    at[0] = n;
    at[1] = (uint64_t)cr_this_thread.grad_disabled | (uint64_t)cr_this_thread.inference_mode << 1 |
            (uint64_t)cr_num_threads() << 2;
    for (size_t i = 0; i < n; i++) {
        const cr_tensor *t = inputs[i];
        size_t words = t ? 4 + 2 * (size_t)t->dim : 1;
        if (!(at = key_room(c, words)))
            return false;
        at[0] = t ? (uint64_t)1 << 32 | (uint64_t)t->dtype | (uint64_t)t->dim << 8 |
                        (uint64_t)t->flags << 16
                  : 0;
        if (!t)
            continue;
        at[1] = (uintptr_t)t->storage->dev;
        key_sharing(at + 2, inputs, i);
        for (int d = 0; d < t->dim; d++) {
            at[4 + 2 * d] = (uint64_t)t->size[d];
            at[5 + 2 * d] = (uint64_t)t->stride[d];
        }
    }
    if (!(at = key_room(c, c->nmodules + 3 * c->ntensors)))
        return false;
    for (size_t i = 0; i < c->nmodules; i++)
        *at++ = c->modules[i]->training;
    for (size_t i = 0; i < c->ntensors; i++) {
        const cr_tensor *t = c->tensors[i];
        *at++ = (uintptr_t)t->storage;
        *at++ = (uint64_t)t->offset;
        *at++ = (uint64_t)t->dtype | (uint64_t)t->flags << 16;
    }
    return true;
}

/* The kind of the call whose key was made; null if it is new. */
static call_kind *find_kind(cr_compiled *c)
{
    for (size_t i = 0; i < c->nkinds; i++) {
        call_kind *k = &c->kinds[i];
        if (k->nkey == c->nkey && !memcmp(k->key, c->key, c->nkey * sizeof *c->key) &&
            (!k->graph || cr_trace_fits(k->graph)))
            return k;
    }
    return NULL;
}

static call_kind *add_kind(cr_compiled *c)
{
    uint64_t *key = malloc((c->nkey ? c->nkey : 1) * sizeof *key);
    if (!key)
        return cr_fail_memory("a call's guards", c->nkey * sizeof *key);
    memcpy(key, c->key, c->nkey * sizeof *key);
    call_kind *k = &c->kinds[c->nkinds++];
    *k = (call_kind){.key = key, .nkey = c->nkey};
    return k;
}

/* What no recording could change. */
static const char *hopeless(const cr_compiled *c, cr_tensor *const *inputs, size_t n)
{
    if (cr_this_thread.trace)
        return "another recording is under way, and takes this one in";
    if (cr_this_thread.autocast)
        return "autocast is on";
    for (size_t i = 0; i < n; i++) {
        if (!inputs[i])
            continue;
        if (inputs[i]->storage->layout)
            return "an input is in a private layout";
        for (size_t p = 0; p < c->ntensors; p++)
            if (inputs[i]->storage == c->tensors[p]->storage)
                return "an input shares the memory of a parameter or buffer";
    }
    return NULL;
}

/* ---- calls ---- */

static int run_eagerly(cr_compiled *c, cr_tensor *const *inputs, size_t n, cr_tensor **outputs,
                       size_t *count)
{
    c->eager++;
    *count = c->function(c->context, inputs, n, outputs);
    if (*count > CR_MODULE_OUTPUTS)
        return CR_FAIL_INT("cr_compiled_call: the function says that it wrote %zu outputs; at most "
                           "%d fit",
                           *count, CR_MODULE_OUTPUTS);
    if (!*count && !cr_error())
        cr_fail("cr_compiled_call: the function failed without a reason");
    return *count ? 0 : -1;
}

static bool is_among(cr_tensor *const *list, size_t n, const cr_tensor *t)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == t)
            return true;
    return false;
}

/* Runs the function under record, in a scope of its own so that what came and went is seen to go. */
static int record(cr_compiled *c, cr_trace *trace, cr_tensor *const *inputs, size_t n,
                  cr_tensor **outputs, size_t *count)
{
    bool records = false;
    cr_trace_start(trace);
    cr_scope_begin();
    int failed = run_eagerly(c, inputs, n, outputs, count);
    for (size_t i = 0; i < *count && !failed; i++) {
        if (outputs[i] && cr_make_plain(outputs[i])) /* what is returned is for anybody */
            failed = -1;
        records = records || (cr_requires_grad(outputs[i]) && !cr_is_leaf(outputs[i]));
        if (outputs[i] && !cr_requires_grad(outputs[i]) && !is_among(inputs, n, outputs[i]) &&
            !(outputs[i] = cr_detach(outputs[i]))) /* a view holds what it is a view of */
            failed = -1;
        cr_retain(outputs[i]);
    }
    cr_scope_end();
    if (records)
        cr_trace_breaks("its result is to be differentiated, and a graph keeps nothing for that: "
                        "call it under CR_NO_GRAD, or use cr_compile_step");
    cr_trace_stop(trace, outputs, failed ? 0 : *count);
    for (size_t i = 0; i < *count && !failed; i++)
        if (outputs[i] && !cr_tensor_to_scope(outputs[i]))
            failed = -1;
    return failed;
}

static char *keep_text(const char *text)
{
    char *kept = malloc(strlen(text) + 1);
    return kept ? strcpy(kept, text) : NULL;
}

/* What is made of a recording: the first of two, a graph, or nothing. Takes it over. */
static int judge(cr_compiled *c, call_kind *k, cr_trace *trace)
{
    c->reason = "it is being recorded, until two calls in succession did the same";
    if (trace->broken) {
        c->reason = k->reason = trace->broken;
        cr_trace_free(trace);
        cr_trace_free(k->graph);
        k->graph = NULL;
        return 0;
    }
    const char *differs = k->graph ? cr_trace_difference(k->graph, trace) : NULL;
    bool again = k->graph && !differs;
    cr_trace_free(k->graph);
    k->graph = trace;
    if (again) {
        k->built = cr_trace_build(trace);
        return k->built ? 0 : -1;
    }
    cr_trace_forget_kept(trace);
    if (!differs)
        return 0;
    free(k->own_reason);
    k->own_reason = keep_text(differs);
    c->reason = k->own_reason ? k->own_reason : "what it does changes from call to call";
    if (k->recordings >= RECORDINGS) {
        k->reason = c->reason;
        cr_trace_free(trace);
        k->graph = NULL;
    }
    return 0;
}

static int call(cr_compiled *c, cr_tensor *const *inputs, size_t n, cr_tensor **outputs,
                size_t *count)
{
    if (n > INPUTS)
        return CR_FAIL_INT("cr_compiled_call: %zu inputs; at most %d are taken", n, INPUTS);
    if (cr_error()) /* an input may be null because of it */
        return -1;
    if (c->module && !c->nkinds && !look_inside(c))
        return -1;
    if ((c->reason = hopeless(c, inputs, n)))
        return run_eagerly(c, inputs, n, outputs, count);
    if (!make_key(c, inputs, n))
        return -1;
    call_kind *k = find_kind(c);
    if (k && k->built) {
        c->replayed++;
        c->last = k->graph;
        *count = k->graph->noutputs;
        return cr_trace_run(k->graph, inputs, outputs);
    }
    if (k && k->reason)
        c->reason = k->reason;
    else if (!k && c->nkinds == KINDS)
        c->reason = "it was called in more kinds (shapes, dtypes, modes) than graphs are kept";
    if (c->reason)
        return run_eagerly(c, inputs, n, outputs, count);
    if (!k && !(k = add_kind(c)))
        return -1;
    cr_trace *trace = cr_trace_new(inputs, n);
    if (!trace)
        return -1;
    k->recordings++;
    if (record(c, trace, inputs, n, outputs, count)) {
        cr_trace_free(trace);
        return -1;
    }
    return judge(c, k, trace);
}

int cr_compiled_call_many(cr_compiled *compiled, cr_tensor *const *inputs, size_t n,
                          cr_tensor **outputs, size_t noutputs)
{
    cr_tensor *made[CR_MODULE_OUTPUTS] = {NULL};
    size_t count = 0;
    memset(outputs, 0, noutputs * sizeof(cr_tensor *));
    if (!compiled)
        return cr_error() ? -1 : CR_FAIL_INT("cr_compiled_call: compiled is null");
    if (call(compiled, inputs, n, made, &count))
        return -1;
    if (count < noutputs)
        return CR_FAIL_INT("cr_compiled_call: %zu outputs are asked for, the function returned %zu",
                           noutputs, count);
    memcpy(outputs, made, noutputs * sizeof(cr_tensor *));
    return 0;
}

cr_tensor *cr_compiled_call_with(cr_compiled *compiled, cr_tensor *const *inputs, size_t n)
{
    cr_tensor *output = NULL;
    return cr_compiled_call_many(compiled, inputs, n, &output, 1) ? NULL : output;
}

/* ---- looking inside ---- */

const char *cr_compile_reason(const cr_compiled *compiled)
{
    return compiled ? compiled->reason : "there is no compiled function";
}

int cr_compile_get_stats(const cr_compiled *c, cr_compile_stats *stats)
{
    if (!c || !stats)
        return cr_error()
                   ? -1
                   : CR_FAIL_INT("cr_compile_get_stats: %s is null", c ? "stats" : "compiled");
    *stats = (cr_compile_stats){.eager = c->eager, .replayed = c->replayed};
    for (size_t i = 0; i < c->nkinds; i++)
        stats->graphs += c->kinds[i].built;
    const cr_trace *t = c->last;
    if (!t)
        return 0;
    stats->recorded = t->recorded;
    stats->dropped = t->dropped;
    stats->fused = t->fused;
    stats->plans = t->plans;
    for (size_t i = 0; i < t->npieces; i++)
        stats->memory += t->memory[i]->bytes;
    stats->separate = t->separate;
    return 0;
}
