/* From a call and its frame to the graph of one node that a backend plans, and a copy of that for captured graphs. */
#include "core/ops/call_graph.h"

#include <stdlib.h>
#include <string.h>

#include "op_index.h"

const char *cr_backend_name(const cr_op *op)
{
    const char *name = op->name;
    return !strcmp(name, "_to_copy") || !strcmp(name, "clone") ? "copy" : name;
}

static void expand_meta(cr_meta *m, const cr_meta *to)
{
    int more = to->rank - m->rank;
    for (int d = to->rank - 1; d >= 0; d--) {
        bool have = d >= more;
        bool repeat = !have || (m->size[d - more] == 1 && to->size[d] != 1);
        m->stride[d] = repeat ? 0 : m->stride[d - more];
        m->size[d] = to->size[d];
    }
    m->rank = to->rank;
}

static uint32_t count_written(const cr_op_run *run, const cr_frame *f)
{
    uint32_t n = 0;
    for (int a = 0; f->all_in_place && a < f->op->nargs; a++)
        if (f->op->schema->args[a].written)
            n += (uint32_t)(run->first_input[a + 1] - run->first_input[a]);
    return n;
}

static void add_inputs(cr_call_graph *c, const cr_op_run *run, const cr_frame *f, uint32_t *node_in,
                       uint32_t *graph_in)
{
    for (uint32_t i = 0; i < run->nin; i++) {
        if (f->unseen[i])
            continue;
        if (!run->in[i]) {
            node_in[c->node.ninputs++] = CR_NO_VALUE;
            continue;
        }
        cr_meta *m = &c->values[c->graph.nvalues];
        cr_meta_of(run->in[i], m);
        if (f->expand[i])
            expand_meta(m, &f->out[0]);
        c->bind_inputs[c->graph.ninputs] = (uint16_t)i;
        graph_in[c->graph.ninputs++] = c->graph.nvalues;
        node_in[c->node.ninputs++] = c->graph.nvalues++;
    }
}

static void add_outputs(cr_call_graph *c, const cr_op_run *run, const cr_frame *f,
                        uint32_t *node_out, uint32_t *graph_out)
{
    for (int a = 0; f->all_in_place && a < f->op->nargs; a++)
        for (int i = run->first_input[a];
             f->op->schema->args[a].written && i < run->first_input[a + 1]; i++) {
            cr_meta_of(run->in[i], &c->values[c->graph.nvalues]);
            c->written[c->nwritten++] = (uint16_t)i;
            graph_out[c->graph.noutputs++] = c->graph.nvalues;
            node_out[c->node.noutputs++] = c->graph.nvalues++;
        }
    for (uint32_t i = 0; i < f->nout && !f->all_in_place; i++) {
        if (f->alias[i] == -2) {
            node_out[c->node.noutputs++] = CR_NO_VALUE;
            continue;
        }
        c->values[c->graph.nvalues] = f->out[i];
        if (f->alias[i] >= 0)
            cr_meta_of(run->in[f->alias[i]], &c->values[c->graph.nvalues]);
        graph_out[c->graph.noutputs++] = c->graph.nvalues;
        node_out[c->node.noutputs++] = c->graph.nvalues++;
    }
}

bool cr_call_graph_make(cr_call_graph *c, const cr_op_run *run, const cr_frame *f)
{
    memset(c, 0, sizeof *c);
    uint32_t nwritten = count_written(run, f);
    size_t total = (size_t)run->nin + nwritten + (f->all_in_place ? 0 : f->nout) + 1;
    c->values = calloc(total, sizeof *c->values);
    c->at = calloc(4 * total, sizeof *c->at);
    c->bind_inputs = malloc(total * sizeof *c->bind_inputs);
    c->written = nwritten ? malloc(nwritten * sizeof *c->written) : NULL;
    if (!c->values || !c->at || !c->bind_inputs || (nwritten && !c->written)) {
        cr_call_graph_free(c);
        return false;
    }
    c->graph.struct_size = sizeof c->graph;
    c->node.struct_size = sizeof c->node;
    add_inputs(c, run, f, c->at, c->at + 2 * total);
    add_outputs(c, run, f, c->at + total, c->at + 3 * total);
    for (int a = 0; a < f->op->nargs; a++) {
        int type = f->op->schema->args[a].type;
        if ((type == CR_ARG_SCALAR || type == CR_ARG_FLOAT) && f->args[a].tag != CR_NONE)
            c->names[c->node.nnumbers++] = f->op->schema->args[a].name;
    }
    c->node.op = cr_backend_name(f->op);
    c->node.inputs = c->at;
    c->node.outputs = c->at + total;
    c->node.attrs = f->attrs;
    c->node.nattrs = f->nattrs;
    c->node.number_names = c->names;
    c->graph.values = c->values;
    c->graph.nodes = &c->node;
    c->graph.inputs = c->at + 2 * total;
    c->graph.outputs = c->at + 3 * total;
    c->graph.nnodes = 1;
    return true;
}

void cr_call_graph_free(cr_call_graph *c)
{
    free(c->values);
    free(c->at);
    free(c->bind_inputs);
    free(c->written);
    c->values = NULL;
    c->at = NULL;
    c->bind_inputs = c->written = NULL;
}

/* ---- the copy ---- */

/* Takes bytes of one piece of memory, aligned for anything; without the piece it only counts. */
static void *carve(char *block, size_t *used, const void *from, size_t bytes)
{
    size_t at = *used;
    *used += (bytes + 15) & ~(size_t)15;
    if (block && bytes)
        memcpy(block + at, from, bytes);
    return block ? block + at : NULL;
}

static size_t copy_into(char *block, const cr_call_graph *c)
{
    size_t used = 0;
    cr_graph *g = carve(block, &used, &c->graph, sizeof *g);
    cr_graph_node *n = carve(block, &used, &c->node, sizeof *n);
    cr_meta *values = carve(block, &used, c->values, c->graph.nvalues * sizeof *values);
    uint32_t *node_in = carve(block, &used, c->node.inputs, c->node.ninputs * sizeof *node_in);
    uint32_t *node_out = carve(block, &used, c->node.outputs, c->node.noutputs * sizeof *node_out);
    uint32_t *in = carve(block, &used, c->graph.inputs, c->graph.ninputs * sizeof *in);
    uint32_t *out = carve(block, &used, c->graph.outputs, c->graph.noutputs * sizeof *out);
    const char **names = carve(block, &used, c->names, c->node.nnumbers * sizeof *names);
    cr_attr *attrs = carve(block, &used, c->node.attrs, c->node.nattrs * sizeof *attrs);
    for (uint32_t i = 0; i < c->node.nattrs; i++) {
        const cr_attr *a = &c->node.attrs[i];
        void *list = NULL;
        if (a->kind == CR_ATTR_INTS)
            list = carve(block, &used, a->as.ints, (size_t)a->count * sizeof *a->as.ints);
        else if (a->kind == CR_ATTR_TEXT)
            list = carve(block, &used, a->as.text, strlen(a->as.text) + 1);
        if (list && a->kind == CR_ATTR_INTS)
            attrs[i].as.ints = list;
        else if (list)
            attrs[i].as.text = list;
    }
    for (uint32_t i = 0; block && i < c->graph.nvalues; i++)
        for (int d = values[i].rank; d < CR_MAX_RANK; d++)
            values[i].size[d] = values[i].stride[d] = 0;
    if (block) {
        n->inputs = node_in;
        n->outputs = node_out;
        n->number_names = names;
        n->attrs = attrs;
        g->values = values;
        g->nodes = n;
        g->inputs = in;
        g->outputs = out;
    }
    return used;
}

cr_graph *cr_call_graph_copy(const cr_call_graph *call)
{
    char *block = malloc(copy_into(NULL, call));
    if (block)
        copy_into(block, call);
    return (cr_graph *)(void *)block;
}
