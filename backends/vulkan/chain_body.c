/* Chains of elementwise operations as the bodies of kernels. See chain.h. */
#include "chain.h"

#include <stdio.h>
#include <string.h>

enum { OPERANDS = 8 };

/* ---- values ---- */

const char *vk_chain_dtype(int32_t dtype)
{
    switch (dtype) {
#define NAME(name, number, bytes, text) \
    case number: return text;
        CR_DTYPES(NAME)
#undef NAME
    default: return "none";
    }
}

static const char *class_name(vk_class class)
{
    return class == VK_FLOAT    ? "float"
           : class == VK_DOUBLE ? "double"
           : class == VK_INT    ? "int"
                                : "long";
}

vk_term vk_chain_call(vk_chain_plan *c, const char *name, const char *suffix, uint32_t nargs,
                      const vk_term *args)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s_%s", name, suffix);
    return vk_body_call(&c->chain->body, whole, nargs, args);
}

static bool same_sizes(const cr_meta *a, const cr_meta *b)
{
    return a->rank == b->rank && !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

int vk_chain_pattern(vk_chain_plan *c, const cr_meta *m)
{
    for (int v = 0; v < c->npatterns; v++) {
        bool same = true;
        for (int d = 0; same && d < m->rank; d++)
            same = m->size[d] == 1 || c->pattern[v]->stride[d] == m->stride[d];
        if (same)
            return v;
    }
    if (c->npatterns == VK_SPACE_VALUES)
        return -1;
    c->pattern[c->npatterns] = m;
    return c->npatterns++;
}

bool vk_chain_see(vk_chain_plan *c, const cr_meta *like)
{
    const cr_graph *g = c->g;
    if (!c->nnodes || !g->ninputs || c->nnodes > VK_CHAIN_NODES || g->nvalues > VK_CHAIN_VALUES ||
        (uint64_t)g->ninputs + c->written > VK_ARGS_AT || like->rank < 0 ||
        like->rank > CR_MAX_RANK)
        return false;
    for (uint32_t i = 0; i < g->ninputs; i++)
        if (!vk_is_sound(c->d, &g->values[g->inputs[i]]) ||
            !same_sizes(&g->values[g->inputs[i]], like) ||
            vk_chain_pattern(c, &g->values[g->inputs[i]]) < 0)
            return false;
    for (uint32_t k = 0; k < c->nnodes; k++)
        for (uint32_t i = 0; i < g->nodes[k].noutputs; i++) {
            uint32_t v = g->nodes[k].outputs[i];
            if (v == CR_NO_VALUE || vk_class_of(c->d, g->values[v].dtype) == VK_NO_CLASS ||
                !same_sizes(&g->values[v], like))
                return false;
        }
    return true;
}

/* ---- places ---- */

/* Whether elements lie in the space's order without gaps. */
static bool is_dense(const vk_space *s, int v)
{
    int64_t step = 1;
    for (int d = s->rank - 1; d >= 0; d--) {
        if (s->stride[v][d] != step)
            return false;
        step *= s->size[d];
    }
    return true;
}

static void write_places(vk_chain_plan *c)
{
    const vk_space *s = &c->space;
    vk_term rest = vk_body_index(&c->chain->body);
    bool open = false; /* whether a pattern's places are to be computed */
    for (int v = 0; v < c->npatterns; v++) {
        bool dense = is_dense(s, v);
        c->place[v] = dense ? rest : vk_body_uint(&c->chain->body, 0);
        for (int d = 0; d < s->rank; d++)
            open = open || (!dense && s->stride[v][d]);
    }
    for (int d = s->rank - 1; d >= 0 && open; d--) {
        vk_term dim = vk_body_uint(&c->chain->body, (uint32_t)d), at = rest;
        if (d > 0) {
            vk_term quotient =
                vk_body_call(&c->chain->body, "quotient_at", 2, (const vk_term[]){rest, dim});
            at = vk_body_call(&c->chain->body, "remainder_at", 3,
                              (const vk_term[]){rest, quotient, dim});
            rest = quotient;
        }
        for (int v = 0; v < c->npatterns; v++)
            if (!is_dense(s, v) && s->stride[v][d])
                c->place[v] =
                    vk_body_call(&c->chain->body, "moved", 4,
                                 (const vk_term[]){c->place[v], at, dim,
                                                   vk_body_uint(&c->chain->body, (uint32_t)v)});
    }
}

void vk_chain_dims(const vk_chain_plan *c, vk_chain_dim *dims)
{
    memset(dims, 0, CR_MAX_RANK * sizeof *dims);
    for (int d = 0; d < c->space.rank; d++) {
        vk_dim dim = vk_dim_of((uint32_t)c->space.size[d]);
        dims[d].size = dim.size;
        dims[d].magic = dim.magic;
        dims[d].shift = dim.shift;
        for (int v = 0; v < c->npatterns; v++)
            dims[d].stride[v] = (uint32_t)c->space.stride[v][d];
    }
}

/* ---- elements ---- */

static void read_inputs(vk_chain_plan *c)
{
    const cr_graph *g = c->g;
    for (uint32_t i = 0; i < g->ninputs; i++) {
        const cr_meta *m = &g->values[g->inputs[i]];
        const vk_term args[] = {vk_body_uint(&c->chain->body, c->written + i),
                                c->place[vk_chain_pattern(c, m)]};
        c->term[g->inputs[i]] = vk_chain_call(c, "read", vk_chain_dtype(m->dtype), 2, args);
    }
}

/* What its dtype leaves of it. */
vk_term vk_chain_value(vk_chain_plan *c, uint32_t value)
{
    int32_t dtype = c->g->values[value].dtype;
    bool narrow =
        dtype == CR_F16 || dtype == CR_BF16 || dtype == CR_I16 || dtype == CR_I8 || dtype == CR_U8;
    if (narrow && c->term[value].id && !c->rounded[value]) {
        c->term[value] = vk_chain_call(c, "keep", vk_chain_dtype(dtype), 1, &c->term[value]);
        c->rounded[value] = true;
    }
    return c->term[value];
}

static vk_term read_number(vk_chain_plan *c, int at, int32_t dtype, vk_class class)
{
    uint32_t words = class == VK_DOUBLE || class == VK_LONG ? 2 : 1;
    if (c->words + words > VK_CHAIN_WORDS) {
        c->chain->body.failed = true;
        return (vk_term){0, VK_OF_NONE};
    }
    c->chain->number[c->chain->nnumbers++] = (vk_chain_number){at, dtype, class, c->words};
    vk_term word = vk_body_uint(&c->chain->body, c->words);
    c->words += words;
    return vk_chain_call(c, "number", class_name(class), 1, &word);
}

/* ---- nodes ---- */

static vk_term write_cast(vk_chain_plan *c, const cr_graph_node *node)
{
    const cr_meta *from = &c->g->values[node->inputs[0]], *to = &c->g->values[node->outputs[0]];
    vk_term x = vk_chain_value(c, node->inputs[0]);
    if (from->dtype == to->dtype)
        return x;
    return vk_chain_call(
        c, "to", to->dtype == CR_B8 ? "bool" : class_name(vk_class_of(c->d, to->dtype)), 1, &x);
}

/* Shifts want to know how wide an element is. */
static uint32_t add_widths(vk_chain_plan *c, const vk_pointwise *w, vk_term *args, uint32_t n)
{
    uint32_t bits = (uint32_t)vk_dtype_size(w->dtype) * 8;
    bool right = !strcmp(w->function, "op_right_shift");
    if (right || !strcmp(w->function, "op_left_shift"))
        args[n++] = vk_body_uint(&c->chain->body, bits);
    if (right)
        args[n++] = vk_body_uint(&c->chain->body, w->dtype == CR_U8 ? bits : bits - 1);
    return n;
}

static vk_term write_pointwise(vk_chain_plan *c, const cr_graph_node *node, const vk_pointwise *w,
                               int numbers_at)
{
    vk_term number[VK_ARGS_NUMBERS], args[OPERANDS];
    vk_class class = vk_class_of(c->d, w->dtype);
    uint32_t n = 0;
    for (int k = 0; k < w->nnumbers; k++)
        number[k] = read_number(c, w->number_at[k] < 0 ? -1 : numbers_at + w->number_at[k],
                                w->number_dtype[k], class);
    for (int k = 0; k < w->nin; k++)
        args[n++] =
            w->in[k] >= 0 ? vk_chain_value(c, node->inputs[w->in[k]]) : number[-1 - w->in[k]];
    for (int k = 0; k < w->nparameters; k++)
        args[n++] = number[k];
    n = add_widths(c, w, args, n);
    return vk_body_call(&c->chain->body, w->function, n, args);
}

/* The node as an operation on one element; false where it isn't, or is none of this file's. */
static bool write_node(vk_chain_plan *c, const cr_graph_node *node, int numbers_at)
{
    const cr_graph *g = c->g;
    const cr_meta *in[OPERANDS] = {NULL}, *out[1];
    int in_at[OPERANDS], out_at[1] = {0};
    if (node->noutputs != 1 || node->ninputs > OPERANDS || !node->ninputs ||
        node->outputs[0] == CR_NO_VALUE || c->term[node->outputs[0]].id)
        return false;
    for (uint32_t i = 0; i < node->ninputs; i++) {
        in_at[i] = -1;
        if (node->inputs[i] == CR_NO_VALUE)
            continue;
        if (!c->term[node->inputs[i]].id) /* nobody makes it before */
            return false;
        in[i] = &g->values[node->inputs[i]];
        in_at[i] = (int)i;
    }
    uint32_t to = node->outputs[0];
    out[0] = &g->values[to];
    vk_call one = {.device = c->d,
                   .node = node,
                   .in = in,
                   .out = out,
                   .in_at = in_at,
                   .out_at = out_at,
                   .nin = node->ninputs,
                   .nout = 1};
    vk_pointwise w;
    if (!strcmp(node->op, "copy") && node->ninputs == 1 && in[0])
        c->term[to] = write_cast(c, node);
    else if (vk_pointwise_of(&one, &w))
        c->term[to] = write_pointwise(c, node, &w, numbers_at);
    return c->term[to].id != 0;
}

/* The patterns' dimensions in that order. */
static vk_space ordered_space(const vk_chain_plan *c, const int *order)
{
    cr_meta metas[VK_SPACE_VALUES];
    const cr_meta *list[VK_SPACE_VALUES];
    for (int v = 0; v < c->npatterns; v++) {
        const cr_meta *m = c->pattern[v];
        metas[v] = *m;
        list[v] = &metas[v];
        for (int d = 0; order && d < m->rank; d++) {
            metas[v].size[d] = m->size[order[d]];
            metas[v].stride[d] = m->stride[order[d]];
        }
    }
    return vk_space_of(c->npatterns, list, order != NULL);
}

bool vk_chain_write(vk_chain_plan *c, const int *order)
{
    const cr_graph *g = c->g;
    vk_chain *chain = c->chain;
    int numbers_at = 0;
    size_t length = (size_t)snprintf(chain->name, sizeof chain->name, "chain");
    c->space = ordered_space(c, order);
    write_places(c);
    read_inputs(c);
    for (uint32_t k = 0; k < g->nnodes; k++) {
        if (length < sizeof chain->name)
            length += (size_t)snprintf(chain->name + length, sizeof chain->name - length, " %s",
                                       g->nodes[k].op);
        if (k >= c->nnodes)
            continue;
        if (chain->body.failed || !write_node(c, &g->nodes[k], numbers_at))
            return false;
        numbers_at += (int)g->nodes[k].nnumbers;
    }
    return !chain->body.failed;
}

/* ---- running ---- */

static void set_numbers(const vk_chain *p, const cr_run *run, vk_args *args)
{
    static const cr_number one = {1, 1};
    uint32_t words[VK_CHAIN_WORDS] = {0};
    _Static_assert(offsetof(vk_args, number) + sizeof words ==
                       offsetof(vk_args, word) + VK_WORD_BLOCK * sizeof *words,
                   "the kernel's numbers are what follows the addresses, up to the last word");
    for (uint32_t k = 0; k < p->nnumbers; k++) {
        const vk_chain_number *n = &p->number[k];
        uint64_t bits = vk_number_bits(n->at < 0 ? &one : &run->numbers[n->at], n->class, n->dtype);
        words[n->word] = (uint32_t)bits;
        if (n->class == VK_DOUBLE || n->class == VK_LONG)
            words[n->word + 1] = (uint32_t)(bits >> 32);
    }
    memcpy((char *)args + offsetof(vk_args, number), words, sizeof words);
}

void vk_chain_bind(const vk_chain *chain, const cr_run *run, uint32_t nin, uint32_t written,
                   vk_launch *launch)
{
    for (uint32_t i = 0; i < nin; i++)
        vk_bind(launch, (int)(written + i), &run->values[i], 0, false);
    set_numbers(chain, run, &launch->args);
}
