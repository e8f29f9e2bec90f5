/* A chain of elementwise operations that ends in a sum, mean, greatest or least over some dimensions: the reduction's own kernel
 * (reduce.c), which computes each term instead of reading it, so that what is reduced is never in memory. */
#include "chain.h"
#include "reduce.h"

#include <string.h>

typedef struct chain_reduce_plan {
    struct cr_plan base;
    uint32_t nin;
    vk_chain chain;
    vk_reduction reduction;
} chain_reduce_plan;

static void chain_destroy(cr_plan *plan)
{
    vk_body_free(&((chain_reduce_plan *)plan)->chain.body);
}

static cr_status chain_run(cr_plan *plan, const cr_run *run)
{
    chain_reduce_plan *p = (chain_reduce_plan *)plan;
    const vk_reduction *r = &p->reduction;
    if (r->empty)
        return CR_OK;
    if (!plan->step[r->first].pipeline) {
        cr_status status =
            vk_pipeline_linked(plan->device, &p->chain.body, p->chain.name, r->group, r->special,
                               VK_REDUCE_SPECIALS, &plan->step[r->first].pipeline);
        if (status != CR_OK)
            return status;
    }
    vk_launch launch = vk_step_launch(plan, r->first);
    vk_chain_bind(&p->chain, run, p->nin, 1, &launch);
    return vk_reduce_launch(plan, r, run, &launch);
}

static bool find_operation(const char *name, uint32_t *op)
{
    static const struct {
        const char *name;
        uint32_t op;
    } known[] = {
        {"sum.dim_IntList", VK_SUM}, {"mean.dim", VK_MEAN}, {"amax", VK_AMAX}, {"amin", VK_AMIN}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) {
            *op = known[i].op;
            return true;
        }
    return false;
}

/* The terms as if they lay in memory so that those of a result are together, in what order their dimensions are then, and what
 * the operation does with them. */
static bool read_reduction(const vk_chain_plan *c, vk_reduction *r, cr_meta *terms, int *order)
{
    const cr_graph_node *node = &c->g->nodes[c->nnodes];
    if (node->ninputs != 1 || node->noutputs != 1 || node->inputs[0] == CR_NO_VALUE ||
        node->outputs[0] == CR_NO_VALUE || c->g->noutputs != 1 ||
        c->g->outputs[0] != node->outputs[0] || !find_operation(node->op, &r->op))
        return false;
    const cr_meta *in = &c->g->values[node->inputs[0]], *out = &c->g->values[node->outputs[0]];
    const vk_call call = {
        .device = c->d, .node = node, .in = &in, .out = &out, .nin = 1, .nout = 1};
    *terms = *in;
    if (in->rank < 1 || in->rank > CR_MAX_RANK || vk_class_of(c->d, in->dtype) != VK_FLOAT ||
        in->dtype != out->dtype || !vk_is_sound(c->d, out) || !vk_reduce_dims(&call, r))
        return false;
    int n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < in->rank; d++)
            if (r->is_reduced[d] == (pass == 1))
                order[n++] = d;
    int64_t step = 1;
    for (int k = n - 1; k >= 0; k--) {
        terms->stride[order[k]] = step;
        if (__builtin_mul_overflow(step, in->size[order[k]], &step))
            return false;
    }
    return vk_is_reachable(terms);
}

static cr_status write_reduction(vk_chain_plan *c, chain_reduce_plan *p, const cr_meta *terms,
                                 const int *order, cr_plan_info *info)
{
    const cr_graph_node *node = &c->g->nodes[c->nnodes];
    vk_chain_dim dims[CR_MAX_RANK];
    if (!vk_chain_write(c, order))
        return CR_UNSUPPORTED;
    vk_term result = vk_chain_value(c, node->inputs[0]);
    if (!result.id || c->chain->body.failed)
        return CR_UNSUPPORTED;
    c->chain->body.result = result.id;
    vk_chain_dims(c, dims);
    p->reduction.chain = dims;
    p->reduction.chain_bytes = sizeof dims;
    cr_status status =
        vk_reduce_add(&p->base, &p->reduction, terms, &c->g->values[node->outputs[0]], NULL, info);
    p->reduction.chain = NULL; /* it was copied */
    return status;
}

cr_status vk_plan_chain_reduce(cr_device *d, const cr_graph *graph, cr_plan_info *info,
                               cr_plan **plan)
{
    vk_chain_plan c = {.d = d, .g = graph, .nnodes = graph->nnodes - 1, .written = 1};
    vk_reduction r = {.out_at = (int)graph->ninputs, .values_at = -1};
    cr_meta terms;
    int order[CR_MAX_RANK];
    if (graph->nnodes < 2 || !read_reduction(&c, &r, &terms, order) ||
        !vk_chain_see(&c, &graph->values[graph->nodes[c.nnodes].inputs[0]]))
        return CR_UNSUPPORTED;
    const vk_pieces *pieces = vk_pieces_of(d, VK_KIT_REDUCE);
    if (!pieces)
        return CR_FAILED;
    chain_reduce_plan *p = vk_plan_new(d, sizeof *p, chain_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.destroy = chain_destroy;
    p->nin = graph->ninputs;
    p->reduction = r;
    p->chain.body = vk_body_new(pieces);
    c.chain = &p->chain;
    return vk_plan_done(&p->base, write_reduction(&c, p, &terms, order, info), plan);
}
