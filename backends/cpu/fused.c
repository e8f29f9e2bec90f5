/* Chains of elementwise operations as one pass over memory: the values are cut into tiles that stay in the first caches, and
 * each node runs on a tile with its own family's plan, made once for a dense vector of a tile's length (and once for the rest).
 * Nothing is compiled at run time, and a node computes exactly what it computes alone. */
#include "fused.h"
#include "convert.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 2048, NODES = 16, VALUES = 32, OPERANDS = 4 };

bool CPU_NAME(cpu_worth_streaming)(int64_t bytes);

typedef enum value_place { PLACE_INPUT, PLACE_CONSTANT, PLACE_OUTPUT, PLACE_TILE } value_place;

typedef struct fused_node {
    cr_plan *tile, *rest;    /* for TILE elements, and for those at the end */
    int value[OPERANDS + 1]; /* inputs, then the output */
    int nvalues, number_at;
} fused_node;

typedef struct fused_plan {
    struct cr_plan base;
    int64_t numel;
    double cost;
    bool stream;
    int nnodes, nvalues, ntiles;
    fused_node node[NODES];
    value_place place[VALUES];
    int at[VALUES]; /* in cr_run.values; */
    int tile
        [VALUES]; /* its buffer, of constants and what stays inside; of outputs that are streamed */
} fused_plan;

typedef struct fused_job {
    const fused_plan *plan;
    const cr_run *run;
} fused_job;

static void run_tile(const fused_job *job, int64_t from, int64_t n, float (*tiles)[TILE])
{
    const fused_plan *p = job->plan;
    cr_binding where[VALUES];
    for (int v = 0; v < p->nvalues; v++) {
        bool inside = p->place[v] == PLACE_TILE || p->place[v] == PLACE_CONSTANT ||
                      (p->place[v] == PLACE_OUTPUT && p->stream);
        where[v].buffer =
            inside ? (cr_buffer *)tiles[p->tile[v]] : job->run->values[p->at[v]].buffer;
        where[v].offset =
            inside ? 0 : job->run->values[p->at[v]].offset + (size_t)from * sizeof(float);
    }
    for (int k = 0; k < p->nnodes; k++) {
        const fused_node *node = &p->node[k];
        cr_binding bind[OPERANDS + 1];
        for (int i = 0; i < node->nvalues; i++)
            bind[i] = where[node->value[i]];
        cr_run r = {.struct_size = sizeof r,
                    .values = bind,
                    .numbers = job->run->numbers + node->number_at};
        cr_plan *plan = n == TILE ? node->tile : node->rest;
        plan->run(plan, &r);
    }
    for (int v = 0; v < p->nvalues && p->stream; v++)
        if (p->place[v] == PLACE_OUTPUT)
            CPU_NAME(cpu_stream)
    ((size_t)n * sizeof(float), tiles[p->tile[v]], (float *)cpu_at(job->run, p->at[v]) + from);
}

static void run_range(void *context, int64_t begin, int64_t end)
{
    const fused_job *job = context;
    const fused_plan *p = job->plan;
    _Alignas(64) float tiles[VALUES][TILE];
    for (int v = 0; v < p->nvalues; v++)
        if (p->place[v] == PLACE_CONSTANT) {
            float x = *(const float *)cpu_at(job->run, p->at[v]);
            for (int i = 0; i < TILE; i++)
                tiles[p->tile[v]][i] = x;
        }
    for (int64_t i = begin; i < end; i += TILE)
        run_tile(job, i, end - i < TILE ? end - i : TILE, tiles);
}

static cr_status fused_run(cr_plan *plan, const cr_run *run)
{
    fused_job job = {(const fused_plan *)plan, run};
    cpu_parallel(job.plan->numel, TILE, job.plan->cost, run_range, &job);
    return CR_OK;
}

static void free_sub_plan(cr_plan *plan)
{
    if (plan && plan->destroy)
        plan->destroy(plan);
    free(plan);
}

static void fused_destroy(cr_plan *plan)
{
    fused_plan *p = (fused_plan *)plan;
    for (int k = 0; k < p->nnodes; k++) {
        free_sub_plan(p->node[k].tile);
        free_sub_plan(p->node[k].rest);
    }
}

/* ---- planning ---- */

/* What works on each element alone, and has a plan for any dense vector. */
static bool is_elementwise(const char *name)
{
    static const char *const names[] = {"abs",
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
                                        "silu",
                                        "silu_backward",
                                        "leaky_relu",
                                        "leaky_relu_backward",
                                        "hardtanh",
                                        "hardtanh_backward",
                                        "softplus",
                                        "elu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static int place_in(const uint32_t *list, uint32_t n, uint32_t value)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == value)
            return (int)i;
    return -1;
}

static bool place_values(fused_plan *p, const cr_graph *g)
{
    p->nvalues = (int)g->nvalues;
    p->numel = cpu_numel(&g->values[g->outputs[0]]);
    int64_t bytes = 0;
    for (uint32_t v = 0; v < g->nvalues; v++) {
        const cr_meta *m = &g->values[v];
        int in = place_in(g->inputs, g->ninputs, v), out = place_in(g->outputs, g->noutputs, v);
        if (m->layout || m->dtype != CR_F32 || (in >= 0 && out >= 0))
            return false;
        bool whole = cpu_numel(m) == p->numel && cpu_is_contiguous(m), one = in >= 0;
        for (int d = 0; d < m->rank; d++)
            one = one && (m->size[d] == 1 || m->stride[d] == 0);
        if (!whole && !one)
            return false;
        p->place[v] = in >= 0    ? whole ? PLACE_INPUT : PLACE_CONSTANT
                      : out >= 0 ? PLACE_OUTPUT
                                 : PLACE_TILE;
        p->at[v] = in >= 0 ? in : out >= 0 ? (int)g->ninputs + out : -1;
        if (p->place[v] != PLACE_INPUT)
            p->tile[v] = p->ntiles++;
        if (p->place[v] == PLACE_INPUT || p->place[v] == PLACE_OUTPUT)
            bytes += p->numel * (int64_t)sizeof(float);
    }
    p->stream = CPU_NAME(cpu_worth_streaming)(bytes);
    return p->numel > 0;
}

static cr_status plan_vector(const cpu_op *op, const cr_graph_node *node, int64_t n, cr_plan **plan)
{
    cr_meta dense = {.dtype = CR_F32, .rank = 1, .size = {n}, .stride = {1}};
    const cr_meta *metas[OPERANDS + 1];
    int at[OPERANDS + 1];
    for (uint32_t i = 0; i <= node->ninputs; i++) {
        metas[i] = &dense;
        at[i] = (int)i;
    }
    cr_plan_info info = {.struct_size = sizeof info};
    cpu_call call = {node, metas, metas + node->ninputs, at, at + node->ninputs, node->ninputs,
                     1,    &info};
    cr_status status = op->plan(&call, plan);
    if (status == CR_OK && info.workspace) {
        free_sub_plan(*plan);
        *plan = NULL;
        status = CR_UNSUPPORTED;
    }
    return status;
}

static cr_status plan_node(fused_plan *p, const cpu_graph_call *call, const cr_graph_node *from,
                           int number_at)
{
    if (!is_elementwise(from->op) || from->ninputs > OPERANDS || !from->ninputs ||
        from->noutputs != 1)
        return CR_UNSUPPORTED;
    fused_node *node = &p->node[p->nnodes++];
    node->nvalues = (int)from->ninputs + 1;
    node->number_at = number_at;
    for (uint32_t i = 0; i <= from->ninputs; i++) {
        uint32_t v = i < from->ninputs ? from->inputs[i] : from->outputs[0];
        if (v == CR_NO_VALUE)
            return CR_UNSUPPORTED;
        node->value[i] = (int)v;
    }
    const cpu_op *op = call->find(from->op);
    int64_t rest = p->numel % TILE;
    cr_status status = op ? plan_vector(op, from, TILE, &node->tile) : CR_UNSUPPORTED;
    if (status == CR_OK && rest)
        status = plan_vector(op, from, rest, &node->rest);
    p->cost += 0.3;
    return status;
}

static cr_status plan_fused(const cpu_call *inner, cr_plan **plan)
{
    const cpu_graph_call *call = (const cpu_graph_call *)(const void *)inner;
    const cr_graph *g = call->graph;
    if (g->nnodes > NODES || g->nvalues > VALUES || !g->noutputs)
        return CR_UNSUPPORTED;
    fused_plan *p = cpu_plan_new(sizeof *p, fused_run, fused_destroy);
    if (!p)
        return CR_OUT_OF_MEMORY;
    cr_status status = place_values(p, g) ? CR_OK : CR_UNSUPPORTED;
    int number_at = 0;
    for (uint32_t k = 0; k < g->nnodes && status == CR_OK; k++) {
        status = plan_node(p, call, &g->nodes[k], number_at);
        number_at += (int)g->nodes[k].nnumbers;
    }
    if (status != CR_OK) {
        fused_destroy(&p->base);
        free(p);
        return status;
    }
    *plan = &p->base;
    return CR_OK;
}

const cpu_op CPU_NAME(cpu_family_fused)[] = {{CPU_FUSED, plan_fused}, {NULL, NULL}};
