/* Nodes: their memory, their references, and freeing whole graphs without recursion. */
#include <stdlib.h>
#include <string.h>

#include "core/autograd/autograd.h"
#include "core/base/small.h"

/* ---- making ---- */

CR_TLS uint64_t cr_last_seq;

cr_grad_node *cr_node_new(const cr_derivative *rule, uint32_t nin, uint32_t nout, uint32_t nargs,
                          size_t extra)
{
    uint64_t in_for[2], out_for;
    _Static_assert(sizeof in_for == sizeof rule->in_for && sizeof out_for == sizeof rule->out_for,
                   "as one word or two");
    memcpy(in_for, rule->in_for, sizeof in_for);
    memcpy(&out_for, rule->out_for, sizeof out_for);
    bool saves_in = in_for[0] | in_for[1], saves_out = out_for;
    size_t edges = nin * sizeof(cr_edge), outputs = nout * sizeof(cr_output_meta),
           args = nargs * sizeof(cr_value);
    size_t in = saves_in ? CR_SAVED_IN * sizeof(cr_saved) : 0,
           out = saves_out ? CR_SAVED_OUT * sizeof(cr_saved) : 0;
    size_t bytes = sizeof(cr_grad_node) + edges + outputs + args + in + out + extra;
    char *memory = bytes <= UINT32_MAX ? cr_small_take(bytes) : NULL;
    if (!memory)
        return cr_fail_memory("a node of the graph", bytes);
    cr_grad_node *node = (cr_grad_node *)(void *)memory;
    char *behind = memory + sizeof *node;
    /* Field by field: to clear it whole, GCC takes a string instruction, which costs 10 ns. */
    atomic_init(&node->refs, 1);
    node->nin = (uint16_t)nin;
    node->nout = (uint16_t)nout;
    node->nargs = (uint16_t)nargs;
    node->released = false;
    node->order = 0;
    node->transposed = 0;
    node->bytes = (uint32_t)bytes;
    node->seq = ++cr_last_seq;
    node->rule = rule;
    node->hooks = NULL;
    node->retained = NULL;
    node->own = NULL;
    node->edges = (cr_edge *)(void *)behind;
    node->args = (cr_value *)(void *)(behind + edges); /* what is extra lies behind them */
    behind += edges + args + extra;
    node->outputs =
        (cr_output_meta *)(void *)behind; /* last: of their sizes only some are touched */
    behind += outputs;
    node->saved_in = saves_in ? (cr_saved *)(void *)behind : NULL;
    node->saved_out = saves_out ? (cr_saved *)(void *)(behind + in) : NULL;
    for (int i = 0; saves_in && i < CR_SAVED_IN; i++)
        node->saved_in[i].tensor = NULL;
    for (int i = 0; saves_out && i < CR_SAVED_OUT; i++)
        node->saved_out[i].tensor = NULL;
    for (uint32_t i = 0; i < nin; i++)
        node->edges[i] = (cr_edge){0, 0};
    for (uint32_t i = 0; i < nout; i++)
        node->outputs[i].dtype = 0;
    return node;
}

/* ---- freeing ---- */

void cr_node_release_saved(cr_grad_node *node)
{
    for (int i = 0; node->saved_in && i < CR_SAVED_IN; i++)
        if (node->saved_in[i].tensor) {
            cr_release(node->saved_in[i].tensor);
            node->saved_in[i].tensor = NULL;
        }
    for (int i = 0; node->saved_out && i < CR_SAVED_OUT; i++)
        if (node->saved_out[i].tensor) {
            cr_release(node->saved_out[i].tensor);
            node->saved_out[i].tensor = NULL;
        }
    node->released = true;
}

/* Freeing a node may free the nodes before it, and so on down a chain of any length: they wait in a
 * list instead. */
static CR_TLS cr_grad_node *dying;
static CR_TLS bool freeing;

static void free_one(cr_grad_node *node)
{
    if (!node->released)
        cr_node_release_saved(node);
    for (int i = 0; i < node->nin; i++)
        cr_edge_release(node->edges[i]);
    if (CR_UNLIKELY(node->rule->destroy != NULL))
        node->rule->destroy(node);
    if (CR_UNLIKELY(node->hooks != NULL))
        cr_free_hooks(node->hooks);
    while (CR_UNLIKELY(node->retained != NULL)) {
        cr_retained *next = node->retained->next;
        free(node->retained);
        node->retained = next;
    }
    cr_small_give(node, node->bytes);
}

void cr_node_release(cr_grad_node *node)
{
    if (!node || !cr_refs_drop(&node->refs))
        return;
    if (freeing) {
        node->next_dying = dying;
        dying = node;
        return;
    }
    freeing = true;
    free_one(node);
    while (dying) {
        cr_grad_node *next = dying;
        dying = next->next_dying;
        free_one(next);
    }
    freeing = false;
}

void cr_edge_release(cr_edge edge)
{
    if (!edge.target)
        return;
    if (cr_edge_is_leaf(edge.target))
        cr_release(cr_edge_leaf(edge.target));
    else
        cr_node_release(cr_edge_node(edge.target));
}

/* ---- edges ---- */

cr_edge cr_edge_of(cr_tensor *t)
{
    cr_edge edge = {0, 0};
    if (!t || !cr_requires_grad_flag(t))
        return edge;
    cr_grad_node *fn = t->autograd ? cr_current_grad_fn(t) : NULL;
    if (fn) {
        edge.target = (uintptr_t)cr_node_retain(fn);
        edge.nr = t->autograd->nr;
    } else {
        edge.target = (uintptr_t)cr_retain(t) | 1;
    }
    return edge;
}

const int64_t *cr_edge_meta(cr_edge edge, int *dim, cr_dtype *dtype, cr_dev **dev)
{
    static const int64_t nothing[CR_MAX_RANK] = {0};
    if (!edge.target) { /* asked for what needs no gradient: whatever comes of it is not used */
        *dim = 0;
        *dtype = CR_F32;
        *dev = NULL;
        return nothing;
    }
    if (cr_edge_is_leaf(edge.target)) {
        cr_tensor *t = cr_edge_leaf(edge.target);
        *dim = t->dim;
        *dtype = (cr_dtype)t->dtype;
        *dev = t->storage->dev;
        return t->size;
    }
    cr_output_meta *m = &cr_edge_node(edge.target)->outputs[edge.nr];
    *dim = m->dim;
    *dtype = (cr_dtype)m->dtype;
    *dev = m->dev;
    return m->size;
}
