/* Several elementwise operations as one dispatch: a shader of its own for each chain, put together from pieces (spirv.h,
 * shaders/chain.comp) and built at the first run. Each invocation reads an element of every input, calls one function a node,
 * and writes the outputs; values between stay in registers, rounded to their dtypes as if they had been written, so that a chain
 * computes what its operations compute alone. Where inputs repeat or lie in strides, their places are computed with the same
 * divisions as elsewhere; sizes and strides are constants of the plan, so equal chains of other sizes share a pipeline. */
#include "linked.h"
#include "plan.h"

#include <stdio.h>
#include <string.h>

enum {
    CHAIN_NODES = 32,
    CHAIN_VALUES = 64,
    CHAIN_WORDS = 12, /* of the run's numbers: vk_args.number and what follows */
    CHAIN_OPERANDS = 8
};

/* A number as the kernel reads it. */
typedef struct chain_number {
    int at; /* in cr_run.numbers; -1: one */
    int32_t dtype;
    vk_class class;
    uint32_t word;
} chain_number;

typedef struct chain_plan {
    struct cr_plan base;
    uint32_t nin,
        nout; /* of the run's values: inputs, then outputs; in the kernel the outputs come first */
    uint32_t nnumbers;
    chain_number number[CHAIN_WORDS];
    vk_body body; /* until the pipeline is there */
    char name[80];
    bool empty;
} chain_plan;

/* Uniform block of shaders/chain.comp. */
typedef struct chain_grid {
    uint32_t count, unused[3];
    struct {
        uint32_t size, magic, shift, unused, stride[VK_SPACE_VALUES];
    } dim[CR_MAX_RANK];
} chain_grid;

/* ---- running ---- */

static void chain_destroy(cr_plan *plan)
{
    vk_body_free(&((chain_plan *)plan)->body);
}

static void set_numbers(const chain_plan *p, const cr_run *run, vk_args *args)
{
    static const cr_number one = {1, 1};
    uint32_t words[CHAIN_WORDS] = {0};
    _Static_assert(sizeof words == sizeof *args - offsetof(vk_args, number),
                   "the kernel's numbers are all that follows the addresses");
    for (uint32_t k = 0; k < p->nnumbers; k++) {
        const chain_number *n = &p->number[k];
        uint64_t bits = vk_number_bits(n->at < 0 ? &one : &run->numbers[n->at], n->class, n->dtype);
        words[n->word] = (uint32_t)bits;
        if (n->class == VK_DOUBLE || n->class == VK_LONG)
            words[n->word + 1] = (uint32_t)(bits >> 32);
    }
    memcpy((char *)args + offsetof(vk_args, number), words, sizeof words);
}

static cr_status chain_run(cr_plan *plan, const cr_run *run)
{
    chain_plan *p = (chain_plan *)plan;
    if (p->empty)
        return CR_OK;
    if (!plan->step[0].pipeline) {
        cr_status status =
            vk_pipeline_linked(plan->device, &p->body, p->name, &plan->step[0].pipeline);
        if (status != CR_OK)
            return status;
    }
    vk_launch launch = vk_step_launch(plan, 0);
    for (uint32_t i = 0; i < p->nin; i++)
        vk_bind(&launch, (int)(p->nout + i), &run->values[i], 0, false);
    for (uint32_t i = 0; i < p->nout; i++)
        vk_bind(&launch, (int)i, &run->values[p->nin + i], 0, true);
    set_numbers(p, run, &launch.args);
    return vk_record(plan->device, &launch);
}

/* ---- planning ---- */

typedef struct chain {
    cr_device *d;
    const cr_graph *g;
    chain_plan *p;
    vk_body *body;
    vk_space space;
    const cr_meta *pattern[VK_SPACE_VALUES]; /* the different strides that values have */
    int npatterns;
    vk_term place[VK_SPACE_VALUES]; /* of the element, in values of the pattern */
    vk_term term[CHAIN_VALUES];     /* of the graph's values; id 0: there is none yet */
    bool rounded[CHAIN_VALUES];     /* a node reads what another made: as it would be in memory */
    uint32_t words;
} chain;

static const char *dtype_name(int32_t dtype)
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

/* Calls NAME_SUFFIX. */
static vk_term call(chain *c, const char *name, const char *suffix, uint32_t nargs,
                    const vk_term *args)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s_%s", name, suffix);
    return vk_body_call(c->body, whole, nargs, args);
}

/* ---- values ---- */

static bool same_sizes(const cr_meta *a, const cr_meta *b)
{
    return a->rank == b->rank && !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

/* Which pattern the value's strides are; -1 where there are too many. */
static int pattern_of(chain *c, const cr_meta *m)
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

/* All values have the sizes of the first result, and those in memory are reached by the kernel. */
static bool see_values(chain *c)
{
    const cr_graph *g = c->g;
    if (!g->nnodes || g->nnodes > CHAIN_NODES || g->nvalues > CHAIN_VALUES || !g->noutputs ||
        (uint64_t)g->ninputs + g->noutputs > VK_ARGS_AT)
        return false;
    const cr_meta *like = &g->values[g->outputs[0]];
    for (uint32_t i = 0; i < g->noutputs; i++) /* first, for the order of dimensions is theirs */
        if (!vk_is_sound(c->d, &g->values[g->outputs[i]]) ||
            pattern_of(c, &g->values[g->outputs[i]]) < 0)
            return false;
    for (uint32_t i = 0; i < g->ninputs; i++)
        if (!vk_is_sound(c->d, &g->values[g->inputs[i]]) ||
            pattern_of(c, &g->values[g->inputs[i]]) < 0)
            return false;
    for (uint32_t v = 0; v < g->nvalues; v++)
        if (g->values[v].rank < 0 || g->values[v].rank > CR_MAX_RANK ||
            vk_class_of(c->d, g->values[v].dtype) == VK_NO_CLASS ||
            !same_sizes(&g->values[v], like))
            return false;
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

static void write_places(chain *c)
{
    const vk_space *s = &c->space;
    vk_term rest = vk_body_index(c->body);
    bool open = false; /* whether a pattern's places are to be computed */
    for (int v = 0; v < c->npatterns; v++) {
        bool dense = is_dense(s, v);
        c->place[v] = dense ? rest : vk_body_uint(c->body, 0);
        for (int d = 0; d < s->rank; d++)
            open = open || (!dense && s->stride[v][d]);
    }
    for (int d = s->rank - 1; d >= 0 && open; d--) {
        vk_term dim = vk_body_uint(c->body, (uint32_t)d), at = rest;
        if (d > 0) {
            vk_term quotient =
                vk_body_call(c->body, "quotient_at", 2, (const vk_term[]){rest, dim});
            at = vk_body_call(c->body, "remainder_at", 3, (const vk_term[]){rest, quotient, dim});
            rest = quotient;
        }
        for (int v = 0; v < c->npatterns; v++)
            if (!is_dense(s, v) && s->stride[v][d])
                c->place[v] = vk_body_call(
                    c->body, "moved", 4,
                    (const vk_term[]){c->place[v], at, dim, vk_body_uint(c->body, (uint32_t)v)});
    }
}

static cr_status make_step(chain *c)
{
    cr_plan *plan = &c->p->base;
    chain_grid grid = {.count = (uint32_t)c->space.numel};
    for (int d = 0; d < c->space.rank; d++) {
        vk_dim dim = vk_dim_of((uint32_t)c->space.size[d]);
        grid.dim[d].size = dim.size;
        grid.dim[d].magic = dim.magic;
        grid.dim[d].shift = dim.shift;
        for (int v = 0; v < c->npatterns; v++)
            grid.dim[d].stride[v] = (uint32_t)c->space.stride[v][d];
    }
    uint64_t groups = vk_groups(c->d, c->space.numel);
    if (groups > c->d->profile->limits.maxComputeWorkGroupCount[0])
        return CR_UNSUPPORTED;
    plan->step[0] = (vk_step){.groups = {(uint32_t)groups, 1, 1}};
    cr_status status = vk_constant_new(c->d, &grid, sizeof grid, &plan->step[0].constant);
    if (status == CR_OK)
        plan->nsteps = 1;
    return status;
}

/* ---- elements ---- */

static void read_inputs(chain *c)
{
    const cr_graph *g = c->g;
    for (uint32_t i = 0; i < g->ninputs; i++) {
        const cr_meta *m = &g->values[g->inputs[i]];
        const vk_term args[] = {vk_body_uint(c->body, g->noutputs + i), c->place[pattern_of(c, m)]};
        c->term[g->inputs[i]] = call(c, "read", dtype_name(m->dtype), 2, args);
    }
}

static bool write_outputs(chain *c)
{
    const cr_graph *g = c->g;
    for (uint32_t i = 0; i < g->noutputs; i++) {
        const cr_meta *m = &g->values[g->outputs[i]];
        const vk_term args[] = {vk_body_uint(c->body, i), c->place[pattern_of(c, m)],
                                c->term[g->outputs[i]]};
        if (!args[2].id)
            return false;
        call(c, "write", dtype_name(m->dtype), 3, args);
    }
    return !c->body->failed;
}

/* The value, for a node to read: what its dtype leaves of it. */
static vk_term read_value(chain *c, uint32_t value)
{
    int32_t dtype = c->g->values[value].dtype;
    bool narrow =
        dtype == CR_F16 || dtype == CR_BF16 || dtype == CR_I16 || dtype == CR_I8 || dtype == CR_U8;
    if (narrow && c->term[value].id && !c->rounded[value]) {
        c->term[value] = call(c, "keep", dtype_name(dtype), 1, &c->term[value]);
        c->rounded[value] = true;
    }
    return c->term[value];
}

static vk_term read_number(chain *c, int at, int32_t dtype, vk_class class)
{
    uint32_t words = class == VK_DOUBLE || class == VK_LONG ? 2 : 1;
    if (c->words + words > CHAIN_WORDS) {
        c->body->failed = true;
        return (vk_term){0, VK_OF_NONE};
    }
    c->p->number[c->p->nnumbers++] = (chain_number){at, dtype, class, c->words};
    vk_term word = vk_body_uint(c->body, c->words);
    c->words += words;
    return call(c, "number", class_name(class), 1, &word);
}

/* ---- nodes ---- */

static vk_term write_cast(chain *c, const cr_graph_node *node)
{
    const cr_meta *from = &c->g->values[node->inputs[0]], *to = &c->g->values[node->outputs[0]];
    vk_term x = read_value(c, node->inputs[0]);
    if (from->dtype == to->dtype)
        return x;
    return call(c, "to", to->dtype == CR_B8 ? "bool" : class_name(vk_class_of(c->d, to->dtype)), 1,
                &x);
}

/* Shifts want to know how wide an element is. */
static uint32_t add_widths(chain *c, const vk_pointwise *w, vk_term *args, uint32_t n)
{
    uint32_t bits = (uint32_t)vk_dtype_size(w->dtype) * 8;
    bool right = !strcmp(w->function, "op_right_shift");
    if (right || !strcmp(w->function, "op_left_shift"))
        args[n++] = vk_body_uint(c->body, bits);
    if (right)
        args[n++] = vk_body_uint(c->body, w->dtype == CR_U8 ? bits : bits - 1);
    return n;
}

static vk_term write_pointwise(chain *c, const cr_graph_node *node, const vk_pointwise *w,
                               int numbers_at)
{
    vk_term number[VK_ARGS_NUMBERS], args[CHAIN_OPERANDS];
    vk_class class = vk_class_of(c->d, w->dtype);
    uint32_t n = 0;
    for (int k = 0; k < w->nnumbers; k++)
        number[k] = read_number(c, w->number_at[k] < 0 ? -1 : numbers_at + w->number_at[k],
                                w->number_dtype[k], class);
    for (int k = 0; k < w->nin; k++)
        args[n++] = w->in[k] >= 0 ? read_value(c, node->inputs[w->in[k]]) : number[-1 - w->in[k]];
    for (int k = 0; k < w->nparameters; k++)
        args[n++] = number[k];
    n = add_widths(c, w, args, n);
    return vk_body_call(c->body, w->function, n, args);
}

/* The node as an operation on one element; false where it isn't, or is none of this file's. */
static bool write_node(chain *c, const cr_graph_node *node, int numbers_at)
{
    const cr_graph *g = c->g;
    const cr_meta *in[CHAIN_OPERANDS] = {NULL}, *out[1];
    int in_at[CHAIN_OPERANDS], out_at[1] = {0};
    if (node->noutputs != 1 || node->ninputs > CHAIN_OPERANDS || !node->ninputs ||
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
    vk_call one = {c->d, node, in, out, in_at, out_at, node->ninputs, 1, NULL};
    vk_pointwise w;
    if (!strcmp(node->op, "copy") && node->ninputs == 1 && in[0])
        c->term[to] = write_cast(c, node);
    else if (vk_pointwise_of(&one, &w))
        c->term[to] = write_pointwise(c, node, &w, numbers_at);
    return c->term[to].id != 0;
}

static bool write_body(chain *c)
{
    const cr_graph *g = c->g;
    chain_plan *p = c->p;
    int numbers_at = 0;
    size_t length = (size_t)snprintf(p->name, sizeof p->name, "chain");
    c->space = vk_space_of(c->npatterns, c->pattern, false);
    write_places(c);
    read_inputs(c);
    for (uint32_t k = 0; k < g->nnodes; k++) {
        if (c->body->failed || !write_node(c, &g->nodes[k], numbers_at))
            return false;
        numbers_at += (int)g->nodes[k].nnumbers;
        if (length < sizeof p->name)
            length +=
                (size_t)snprintf(p->name + length, sizeof p->name - length, " %s", g->nodes[k].op);
    }
    return write_outputs(c);
}

cr_status vk_plan_chain(cr_device *d, const cr_graph *graph, cr_plan_info *info, cr_plan **plan)
{
    (void)info;
    chain c = {.d = d, .g = graph};
    if (!see_values(&c))
        return CR_UNSUPPORTED;
    const vk_pieces *pieces = vk_pieces_of(d);
    if (!pieces)
        return CR_FAILED;
    chain_plan *p = c.p = vk_plan_new(d, sizeof *p, chain_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.destroy = chain_destroy;
    p->nin = graph->ninputs;
    p->nout = graph->noutputs;
    p->body = vk_body_new(pieces);
    c.body = &p->body;
    cr_status status = write_body(&c) ? CR_OK : CR_UNSUPPORTED;
    p->empty = !c.space.numel;
    if (status == CR_OK && !p->empty)
        status = make_step(&c);
    return vk_plan_done(&p->base, status, plan);
}
