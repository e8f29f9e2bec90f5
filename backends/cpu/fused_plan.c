/* Planning several nodes as one (fused.h): which graphs are taken, where their values lie, and a plan of each node for the
 * lengths that occur. What isn't taken is no failure: the core runs the nodes one by one. */
#include "fused.h"
#include "staged.h"

#include <stdlib.h>
#include <string.h>

enum { FUSED_NEAR = 4 << 20 /* bytes that two cores' second caches may have from before */ };

bool CPU_NAME(cpu_worth_streaming)(int64_t bytes);

/* What works on each element alone, and has a plan for any dense vector of f32. */
static const char *const elementwise[] = {"abs",
                                          "neg",
                                          "sign",
                                          "floor",
                                          "ceil",
                                          "trunc",
                                          "round",
                                          "sqrt",
                                          "rsqrt",
                                          "reciprocal",
                                          "exp",
                                          "exp2",
                                          "expm1",
                                          "log",
                                          "log2",
                                          "log10",
                                          "log1p",
                                          "sin",
                                          "cos",
                                          "tan",
                                          "sinh",
                                          "cosh",
                                          "tanh",
                                          "erf",
                                          "sigmoid",
                                          "square",
                                          "add.Tensor",
                                          "sub.Tensor",
                                          "mul.Tensor",
                                          "div.Tensor",
                                          "maximum",
                                          "minimum",
                                          "pow.Tensor_Tensor",
                                          "atan2",
                                          "copysign.Tensor",
                                          "add.Scalar",
                                          "sub.Scalar",
                                          "rsub.Scalar",
                                          "mul.Scalar",
                                          "div.Scalar",
                                          "pow.Tensor_Scalar",
                                          "clamp",
                                          "clamp_min",
                                          "clamp_max",
                                          "addcmul",
                                          "addcdiv",
                                          "lerp.Tensor",
                                          "lerp.Scalar",
                                          "relu",
                                          "threshold_backward",
                                          "sigmoid_backward",
                                          "tanh_backward",
                                          "gelu",
                                          "gelu_backward",
                                          "silu",
                                          "silu_backward",
                                          "leaky_relu",
                                          "leaky_relu_backward",
                                          "hardtanh",
                                          "hardtanh_backward",
                                          "softplus",
                                          "softplus_backward",
                                          "elu",
                                          NULL};
static const char *const heads[] = {"convolution", "addmm", "mm", "bmm", "baddbmm", NULL};
static const char *const reductions[] = {"sum.dim_IntList", "amax", "amin", NULL};

static bool is_among(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (!strcmp(*names, name))
            return true;
    return false;
}

/* By running statistics: nothing but the result is wanted. */
static bool is_norm(const cr_graph_node *node)
{
    return !strcmp(node->op, "native_batch_norm") && !cpu_attr_int(node, "training", 0) &&
           node->ninputs == 5 && node->noutputs == 3;
}

static int place_in(const uint32_t *list, uint32_t n, uint32_t value)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == value)
            return (int)i;
    return -1;
}

/* In cr_run.values, or -1. */
static int bound_at(const cr_graph *g, uint32_t value)
{
    int in = place_in(g->inputs, g->ninputs, value);
    if (in >= 0 || value == CR_NO_VALUE)
        return in;
    int out = place_in(g->outputs, g->noutputs, value);
    return out < 0 ? -1 : (int)g->ninputs + out;
}

static void free_plan(cr_plan *plan)
{
    if (plan && plan->destroy)
        plan->destroy(plan);
    free(plan);
}

static void fused_destroy(cr_plan *plan)
{
    fused_plan *p = (fused_plan *)plan;
    for (int l = 0; l < FUSED_LENGTHS; l++) {
        for (int k = 0; k < FUSED_NODES; k++)
            free_plan(p->node[k].plan[l]);
        free_plan(p->tail.plan[l]);
    }
    for (int k = 0; k < FUSED_NODES; k++) {
        free_plan(p->node[k].piece);
        free(p->node[k].norm);
    }
    free_plan(p->tail.pieces_plan);
    free_plan(p->head.plan);
}

/* ---- values ---- */

static bool is_dense(const cr_meta *m, int64_t numel)
{
    return !m->layout && m->dtype == CR_F32 && cpu_numel(m) == numel && cpu_is_contiguous(m);
}

/* Whether element i of the value, in the chain's sizes, is value[i / each % period]: a dense run of dimensions, repeated
 * before and after. */
static bool repeats(const cr_meta *m, fused_value *v)
{
    int d = m->rank - 1;
    v->each = v->period = 1;
    for (; d >= 0 && (m->size[d] == 1 || m->stride[d] == 0); d--)
        v->each *= m->size[d];
    for (; d >= 0 && (m->size[d] == 1 || m->stride[d] == v->period); d--)
        v->period *= m->size[d];
    for (; d >= 0; d--)
        if (m->size[d] != 1 && m->stride[d] != 0)
            return false;
    return !m->layout && m->dtype == CR_F32;
}

/* The chain reads the graph's value. */
static bool see_value(fused_plan *p, const cr_graph *g, uint32_t value)
{
    fused_value *v = &p->value[value];
    const cr_meta *m = &g->values[value];
    if (v->place != FUSED_UNSEEN)
        return true;
    if (place_in(g->inputs, g->ninputs, value) < 0) /* made by nobody */
        return false;
    v->at = bound_at(g, value);
    v->place = FUSED_MEMORY;
    if (is_dense(m, p->numel))
        return true;
    v->place = FUSED_REPEAT;
    v->tile = p->ntiles++;
    return cpu_numel(m) == p->numel && repeats(m, v);
}

static bool is_read_from(const cr_graph *g, const cr_graph_node *node, uint32_t value)
{
    for (; node < g->nodes + g->nnodes; node++)
        if (place_in(node->inputs, node->ninputs, value) >= 0)
            return true;
    return false;
}

/* The buffers of values that no node after this one reads: it may write over them, and so few are in use that they stay in the
 * first cache beside the chain's inputs and outputs. */
static void spare_tiles(fused_plan *p, const cr_graph *g, const cr_graph_node *node)
{
    for (uint32_t i = 0; i < node->ninputs; i++) {
        uint32_t value = node->inputs[i];
        if (value != CR_NO_VALUE && p->value[value].place == FUSED_TILED &&
            !is_read_from(g, node + 1, value))
            p->spare |= 1u << p->value[value].tile;
    }
}

static int take_tile(fused_plan *p)
{
    if (!p->spare)
        return p->ntiles++;
    int tile = __builtin_ctz(p->spare);
    p->spare &= p->spare - 1;
    return tile;
}

/* A node of the chain writes it. */
static bool make_value(fused_plan *p, const cr_graph *g, uint32_t value)
{
    fused_value *v = &p->value[value];
    if (v->place != FUSED_UNSEEN || !is_dense(&g->values[value], p->numel))
        return false;
    v->at = bound_at(g, value);
    v->place = v->at >= 0 ? FUSED_OUTPUT : FUSED_TILED;
    v->tile = take_tile(p);
    return true;
}

/* ---- plans for parts of a node ---- */

/* A plan for dense values of the node's, without workspace. */
static cr_status plan_dense(const cpu_op *op, const cr_graph_node *node, const cr_meta *in,
                            const cr_meta *out, cr_plan **plan)
{
    const cr_meta *metas[FUSED_OPERANDS + 1];
    int at[FUSED_OPERANDS + 1];
    for (uint32_t i = 0; i <= node->ninputs; i++) {
        metas[i] = i < node->ninputs ? in : out;
        at[i] = (int)i;
    }
    cr_plan_info info = {.struct_size = sizeof info};
    cpu_call call = {node, metas, metas + node->ninputs, at, at + node->ninputs, node->ninputs,
                     1,    &info};
    cr_status status = op ? op->plan(&call, plan) : CR_UNSUPPORTED;
    if (status == CR_OK && info.workspace) {
        free_plan(*plan);
        *plan = NULL;
        status = CR_UNSUPPORTED;
    }
    return status;
}

static cr_meta dense(int64_t rows, int64_t columns)
{
    return (cr_meta){
        .dtype = CR_F32, .rank = 2, .size = {rows, columns}, .stride = {columns ? columns : 1, 1}};
}

/* The reduction of rows. */
static cr_status plan_rows(const cpu_op *op, const cr_graph_node *from, int64_t rows,
                           int64_t columns, cr_plan **plan)
{
    static const int64_t last[] = {1};
    static const cr_attr attrs[] = {
        {.name = "dim", .kind = CR_ATTR_INTS, .count = 1, .as.ints = last},
        {.name = "keepdim", .kind = CR_ATTR_INT, .as.i = 0}};
    cr_graph_node node = *from;
    node.attrs = attrs;
    node.nattrs = sizeof attrs / sizeof *attrs;
    cr_meta in = dense(rows, columns),
            out = {.dtype = CR_F32, .rank = 1, .size = {rows}, .stride = {1}};
    return plan_dense(op, &node, &in, &out, plan);
}

/* ---- the head ---- */

static cr_status plan_head(fused_plan *p, const cpu_graph_call *call, const cr_graph_node *node)
{
    const cr_graph *g = call->graph;
    const cr_meta *metas[FUSED_HEAD_VALUES];
    int at[FUSED_HEAD_VALUES], n = 0;
    if (node->noutputs != 1 || node->ninputs + 1 > FUSED_HEAD_VALUES)
        return CR_UNSUPPORTED;
    for (uint32_t i = 0; i <= node->ninputs; i++) {
        uint32_t v = i < node->ninputs ? node->inputs[i] : node->outputs[0];
        metas[i] = v == CR_NO_VALUE ? NULL : &g->values[v];
        at[i] = v == CR_NO_VALUE ? -1 : n;
        if (v == CR_NO_VALUE)
            continue;
        if (metas[i]->dtype != CR_F32 || metas[i]->layout)
            return CR_UNSUPPORTED;
        p->head.at[n++] = bound_at(g, v);
    }
    p->head.nvalues = n;
    /* Where nobody else wants what it writes, that takes the memory of the chain's last value, which is written over it. */
    uint32_t value = node->outputs[0];
    fused_value *v = &p->value[value];
    if (!is_dense(&g->values[value], p->numel))
        return CR_UNSUPPORTED;
    v->place = FUSED_MEMORY;
    v->at = bound_at(g, value);
    if (v->at < 0)
        v->at = bound_at(g, g->nodes[g->nnodes - 1].outputs[0]);
    p->head.at[n - 1] = v->at;
    for (int i = 0; i < n; i++)
        if (p->head.at[i] < 0)
            return CR_UNSUPPORTED;
    const cpu_op *op = call->find(node->op);
    cpu_call head = {node,          metas, metas + node->ninputs, at, at + node->ninputs,
                     node->ninputs, 1,     call->call.info};
    return op ? op->plan(&head, &p->head.plan) : CR_UNSUPPORTED;
}

/* ---- the chain ---- */

static cr_status plan_norm(fused_plan *p, const cpu_graph_call *call, const cr_graph_node *from,
                           int number_at)
{
    const cr_graph *g = call->graph;
    fused_node *node = &p->node[p->nnodes++];
    fused_norm *norm = node->norm = calloc(1, sizeof *norm);
    if (!norm)
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a plan");
    const cr_meta *x = &g->values[from->inputs[0]];
    if (x->rank < 2 || from->inputs[3] == CR_NO_VALUE || from->inputs[4] == CR_NO_VALUE)
        return CR_UNSUPPORTED;
    norm->channels = x->size[1];
    norm->each = 1;
    for (int d = 2; d < x->rank; d++)
        norm->each *= x->size[d];
    int *at[] = {&norm->weight_at, &norm->bias_at, &norm->mean_at, &norm->var_at};
    for (int i = 0; i < 4; i++) {
        uint32_t v = from->inputs[i + 1];
        *at[i] = place_in(g->inputs, g->ninputs, v);
        if (v != CR_NO_VALUE && (*at[i] < 0 || !is_dense(&g->values[v], norm->channels)))
            return CR_UNSUPPORTED;
    }
    for (uint32_t i = 1; i < from->noutputs; i++) /* its statistics: empty, or nobody's */
        if (from->outputs[i] != CR_NO_VALUE && bound_at(g, from->outputs[i]) >= 0)
            return CR_UNSUPPORTED;
    int eps = cpu_number_at(from, "eps");
    norm->eps_at = eps < 0 ? -1 : number_at + eps;
    node->nvalues = 2;
    node->value[0] = (int)from->inputs[0];
    node->value[1] = (int)from->outputs[0];
    return cpu_workspace_take(call->call.info, (size_t)norm->channels * 3 * sizeof(float),
                              &norm->workspace)
               ? CR_OK
               : CR_UNSUPPORTED;
}

/* A plan for n elements of each of the node's values. */
static cr_status plan_vectors(const cpu_graph_call *call, const cr_graph_node *node, int64_t n,
                              cr_plan **plan)
{
    cr_meta vector = {.dtype = CR_F32, .rank = 1, .size = {n}, .stride = {1}};
    return plan_dense(call->find(node->op), node, &vector, &vector, plan);
}

static cr_status plan_node(fused_plan *p, const cpu_graph_call *call, const cr_graph_node *from,
                           int number_at)
{
    bool norm = is_norm(from);
    uint32_t reads = norm ? 1 : from->ninputs;
    if ((!norm && (!is_among(elementwise, from->op) || from->noutputs != 1)) || !reads ||
        reads > FUSED_OPERANDS || p->nnodes == FUSED_NODES)
        return CR_UNSUPPORTED;
    for (uint32_t i = 0; i < reads; i++)
        if (from->inputs[i] == CR_NO_VALUE || !see_value(p, call->graph, from->inputs[i]))
            return CR_UNSUPPORTED;
    spare_tiles(p, call->graph, from);
    if (from->outputs[0] == CR_NO_VALUE || !make_value(p, call->graph, from->outputs[0]) ||
        p->ntiles > FUSED_TILES)
        return CR_UNSUPPORTED;
    p->cost += 0.3;
    if (norm)
        return plan_norm(p, call, from, number_at);
    fused_node *node = &p->node[p->nnodes++];
    node->nvalues = (int)from->ninputs + 1;
    node->number_at = number_at;
    for (uint32_t i = 0; i < from->ninputs; i++)
        node->value[i] = (int)from->inputs[i];
    node->value[from->ninputs] = (int)from->outputs[0];
    cr_status status = CR_OK;
    for (int l = 0; l < p->nlengths && status == CR_OK; l++)
        status = plan_vectors(call, from, p->length[l], &node->plan[l]);
    return status;
}

/* ---- the tail ---- */

/* Whether all last dimensions from some on are reduced, and no other: the elements of each result lie together. */
static bool reduces_rows(const cr_graph_node *node, const cr_meta *m, int64_t *terms)
{
    int count = 0, d = m->rank - 1;
    const int64_t *dims = cpu_attr_ints(node, "dim", &count);
    bool reduced[CR_MAX_RANK] = {false};
    for (int i = 0; i < count; i++)
        if (dims[i] >= 0 && dims[i] < m->rank)
            reduced[dims[i]] = true;
    *terms = 1;
    for (; d >= 0 && (reduced[d] || m->size[d] == 1); d--)
        *terms *= m->size[d];
    for (; d >= 0; d--)
        if (reduced[d] && m->size[d] != 1)
            return false;
    return count > 0;
}

static bool shape_tail(fused_plan *p, const cr_graph *g, const cr_graph_node *node)
{
    fused_tail *tail = &p->tail;
    if (node->ninputs != 1 || node->noutputs != 1 ||
        !reduces_rows(node, &g->values[node->inputs[0]], &tail->terms) || tail->terms < 2)
        return false;
    const cr_meta *out = &g->values[node->outputs[0]];
    tail->there = true;
    tail->value = (int)node->inputs[0];
    tail->at = bound_at(g, node->outputs[0]);
    tail->rows = p->numel / tail->terms;
    tail->pieces = (tail->terms + FUSED_TILE - 1) / FUSED_TILE;
    return tail->at >= 0 && is_dense(out, tail->rows);
}

static cr_status plan_tail(fused_plan *p, const cpu_graph_call *call, const cr_graph_node *node)
{
    fused_tail *tail = &p->tail;
    const cpu_op *op = call->find(node->op);
    fused_place place = p->value[tail->value].place;
    if (place != FUSED_TILED && place != FUSED_OUTPUT)
        return CR_UNSUPPORTED;
    cr_status status = CR_OK;
    for (int l = 0; l < p->nlengths && status == CR_OK; l++) {
        int64_t rows = tail->pieces > 1 ? 1 : p->length[l] / tail->terms;
        status = plan_rows(op, node, rows, p->length[l] / rows, &tail->plan[l]);
    }
    if (status != CR_OK || tail->pieces == 1)
        return status;
    if (!cpu_workspace_take(call->call.info,
                            (size_t)tail->rows * (size_t)tail->pieces * sizeof(float),
                            &tail->workspace))
        return CR_UNSUPPORTED;
    return plan_rows(op, node, tail->rows, tail->pieces, &tail->pieces_plan);
}

/* ---- fetching ---- */

/* The first node fetches for all outputs, and each other one for the next of the inputs. */
static cr_status plan_fetching(fused_plan *p, const cpu_graph_call *call)
{
    for (int v = 0, k = 1; v < p->nvalues; v++) {
        while (k < p->nnodes && p->node[k].norm) /* it runs in no pieces */
            k++;
        if (p->value[v].place == FUSED_OUTPUT && !p->node[0].norm)
            p->node[0].fetched |= (uint64_t)1 << v;
        if (p->value[v].place == FUSED_MEMORY && k < p->nnodes)
            p->node[k++].fetched = (uint64_t)1 << v;
    }
    cr_status status = CR_OK;
    for (int k = 0; k < p->nnodes && status == CR_OK; k++)
        if (p->node[k].fetched)
            status = plan_vectors(call, &call->graph->nodes[k], FUSED_PIECE, &p->node[k].piece);
    return status;
}

/* ---- the whole ---- */

/* The lengths that all work is cut into: behind a head that tells of any part, powers of two. */
static void choose_lengths(fused_plan *p)
{
    if (p->head.plan && p->head.plan->tells) {
        for (int64_t n = FUSED_TILE; n; n /= 2)
            p->length[p->nlengths++] = n;
        return;
    }
    const fused_tail *tail = &p->tail;
    int64_t unit = FUSED_TILE, whole = p->numel;
    if (tail->there && tail->pieces == 1)
        unit = FUSED_TILE / tail->terms * tail->terms;
    else if (tail->there)
        whole = tail->terms;
    p->length[p->nlengths++] = unit < whole ? unit : whole;
    if (unit < whole && whole % unit)
        p->length[p->nlengths++] = whole % unit;
}

static cr_status plan_all(fused_plan *p, const cpu_graph_call *call)
{
    const cr_graph *g = call->graph;
    const cr_graph_node *first = &g->nodes[0], *last = &g->nodes[g->nnodes - 1];
    bool head = is_among(heads, first->op), tail = is_among(reductions, last->op);
    if ((head && tail) || !first->noutputs || first->outputs[0] == CR_NO_VALUE)
        return CR_UNSUPPORTED;
    p->nvalues = (int)g->nvalues;
    p->numel = cpu_numel(&g->values[first->outputs[0]]);
    if (p->numel <= 0 || (tail && !shape_tail(p, g, last)))
        return CR_UNSUPPORTED;
    cr_status status = head ? plan_head(p, call, first) : CR_OK;
    int number_at = head ? (int)first->nnumbers : 0;
    if (status == CR_OK)
        choose_lengths(p);
    for (uint32_t k = head; k < g->nnodes - tail && status == CR_OK; k++) {
        status = plan_node(p, call, &g->nodes[k], number_at);
        number_at += (int)g->nodes[k].nnumbers;
    }
    if (status == CR_OK && tail)
        status = plan_tail(p, call, last);
    int64_t bytes = 0;
    for (int v = 0; v < p->nvalues; v++)
        if (p->value[v].place == FUSED_MEMORY || p->value[v].place == FUSED_OUTPUT)
            bytes += p->numel * (int64_t)sizeof(float);
    p->stream = !head && CPU_NAME(cpu_worth_streaming)(bytes);
    return status == CR_OK && !head && !p->stream && bytes > FUSED_NEAR ? plan_fetching(p, call)
                                                                        : status;
}

static cr_status plan_fused(const cpu_call *inner, cr_plan **plan)
{
    const cpu_graph_call *call = (const cpu_graph_call *)(const void *)inner;
    const cr_graph *g = call->graph;
    if (g->nvalues > FUSED_VALUES || !g->noutputs)
        return CR_UNSUPPORTED;
    fused_plan *p = cpu_plan_new(sizeof *p, CPU_NAME(fused_run), fused_destroy);
    if (!p)
        return CR_OUT_OF_MEMORY;
    cr_status status = plan_all(p, call);
    if (status != CR_OK) {
        fused_destroy(&p->base);
        free(p);
        return status;
    }
    *plan = &p->base;
    return CR_OK;
}

const cpu_op CPU_NAME(cpu_family_fused)[] = {{CPU_FUSED, plan_fused}, {NULL, NULL}};
