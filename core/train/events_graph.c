/* A model as a GraphDef: hooks note the calls of its modules. Field numbers are those of tensorflow/core/framework's
 * graph.proto, node_def.proto, attr_value.proto and tensor_shape.proto. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/train/events.h"

enum { CALLS = 4096 };

typedef struct call {
    char *name; /* "conv1", "relu_1" for a second call */
    const char *kind;
    cr_tensor *output;      /* retained, so that no later tensor has its address */
    int inputs[8], ninputs; /* calls, or -1 - i for the model's i-th input */
} call;

typedef struct watched {
    struct trace *trace;
    cr_module *module;
    char *path;
    int64_t hook;
    int calls;
} watched;

typedef struct trace {
    cr_tensors inputs;
    watched *modules;
    size_t nmodules;
    call *calls;
    size_t ncalls;
} trace;

static int source(const trace *t, const cr_tensor *input)
{
    for (size_t i = t->ncalls; i-- > 0;)
        if (t->calls[i].output == input)
            return (int)i;
    for (int64_t i = 0; i < t->inputs.count; i++)
        if (t->inputs.data[i] == input)
            return -1 - (int)i;
    return t->ncalls ? (int)t->ncalls - 1 : -1;
}

static int see_call(void *context, cr_module *module, cr_tensor *const *inputs, size_t ninputs,
                    cr_tensor **outputs, size_t noutputs)
{
    (void)noutputs;
    watched *w = context;
    trace *t = w->trace;
    if (t->ncalls == CALLS)
        return CR_FAIL_INT("cr_event_graph: more than %d calls of modules", CALLS);
    call *c = &t->calls[t->ncalls];
    cr_text name = {0};
    cr_text_add(&name, w->calls ? "%s_%d" : "%s", w->path, w->calls);
    w->calls++;
    *c = (call){.name = cr_text_take(&name), .kind = module->type->name};
    if (!c->name)
        return -1;
    for (size_t i = 0; i < ninputs && i < 8; i++)
        if (inputs[i])
            c->inputs[c->ninputs++] = source(t, inputs[i]);
    c->output = cr_retain(outputs[0]);
    t->ncalls++;
    return 0;
}

static int watch(trace *t, cr_module *net)
{
    size_t count = 0;
    CR_FOREACH_MODULE(m, net)
    count++;
    t->modules = calloc(count, sizeof *t->modules);
    t->calls = calloc(CALLS, sizeof *t->calls);
    if (!t->modules || !t->calls)
        return cr_fail_memory("a graph", CALLS * sizeof *t->calls), -1;
    CR_FOREACH_MODULE(m, net)
    {
        if (cr_module_count(m.module) || !m.module->type->forward)
            continue; /* what is inside shows itself */
        watched *w = &t->modules[t->nmodules++];
        cr_text path = {0};
        for (const char *p = *m.name ? m.name : m.module->type->name; *p; p++)
            cr_text_add(&path, "%c", *p == '.' ? '/' : *p); /* TensorBoard folds at slashes */
        *w = (watched){.trace = t, .module = m.module, .path = cr_text_take(&path)};
        if (!w->path || !(w->hook = cr_register_forward_hook(m.module, see_call, w)))
            return -1;
    }
    return 0;
}

static void unwatch(trace *t)
{
    for (size_t i = 0; i < t->nmodules; i++) {
        if (t->modules[i].hook)
            cr_module_remove_hook(t->modules[i].module, t->modules[i].hook);
        free(t->modules[i].path);
    }
    for (size_t i = 0; i < t->ncalls; i++) {
        free(t->calls[i].name);
        cr_release(t->calls[i].output);
    }
    free(t->modules);
    free(t->calls);
}

/* One call of the net, with its modes put back. */
static int run(cr_module *net, cr_tensors inputs)
{
    size_t count = 0, i = 0;
    CR_FOREACH_MODULE(m, net)
    count++;
    bool *modes = malloc(count);
    if (!modes)
        return cr_fail_memory("a graph", count), -1;
    CR_FOREACH_MODULE(m, net)
    modes[i++] = m.module->training;
    cr_eval(net);
    int failed = -1;
    CR_NO_GRAD
        failed = cr_forward_with(net, inputs.data, (size_t)inputs.count) ? 0 : -1;
    i = 0;
    CR_FOREACH_MODULE(m, net)
    m.module->training = modes[i++];
    free(modes);
    return failed;
}

/* "_output_shapes": a list of one shape. */
static void put_shape(cr_text *node, const cr_tensor *t)
{
    cr_text shape = {0}, list = {0}, value = {0}, entry = {0};
    for (int d = 0; d < cr_tensor_dim(t); d++) {
        cr_text dim = {0};
        cr_proto_put_varint(&dim, 1, (uint64_t)cr_tensor_sizes(t)[d]);
        cr_proto_message(&shape, 2, &dim);
    }
    cr_proto_message(&list, 7, &shape);
    cr_proto_message(&value, 1, &list);
    cr_proto_string(&entry, 1, "_output_shapes");
    cr_proto_message(&entry, 2, &value);
    cr_proto_message(node, 5, &entry);
}

static void put_graph(cr_text *graph, const trace *t)
{
    char input[32];
    for (int64_t i = 0; i < t->inputs.count; i++) {
        cr_text node = {0};
        snprintf(input, sizeof input, "input_%lld", (long long)i);
        cr_proto_string(&node, 1, input);
        cr_proto_string(&node, 2, "Placeholder");
        put_shape(&node, t->inputs.data[i]);
        cr_proto_message(graph, 1, &node);
    }
    for (size_t i = 0; i < t->ncalls; i++) {
        const call *c = &t->calls[i];
        cr_text node = {0};
        cr_proto_string(&node, 1, c->name);
        cr_proto_string(&node, 2, c->kind);
        for (int k = 0; k < c->ninputs; k++) {
            snprintf(input, sizeof input, "input_%d", -1 - c->inputs[k]);
            cr_proto_string(&node, 3, c->inputs[k] < 0 ? input : t->calls[c->inputs[k]].name);
        }
        put_shape(&node, c->output);
        cr_proto_message(graph, 1, &node);
    }
    cr_text versions = {0};
    cr_proto_put_varint(&versions, 1, 22);
    cr_proto_message(graph, 4, &versions);
}

int cr_event_graph(cr_event_writer *w, cr_module *net, cr_tensors inputs)
{
    enum { EVENT_GRAPH = 4 };
    if (!w || !net || inputs.count < 1)
        return CR_FAIL_INT("cr_event_graph: %s", !w     ? "the writer is null"
                                                 : !net ? "the net is null"
                                                        : "no inputs");
    trace t = {.inputs = inputs};
    int failed = 0;
    CR_SCOPE
        failed = watch(&t, net) || run(net, inputs);
    cr_text graph = {0};
    if (!failed) {
        put_graph(&graph, &t);
        failed = cr_event_write(w, EVENT_GRAPH, &graph, 0);
    }
    unwatch(&t);
    return failed ? -1 : 0;
}
