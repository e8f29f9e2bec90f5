/* Several elementwise operations as one dispatch: a shader of its own for each chain, put together from pieces (spirv.h) and
 * built at the first run. Each invocation reads an element of every input, calls one function a node, and writes the outputs, so
 * that a chain computes what its operations compute alone. Where inputs repeat or lie in strides, their places are computed with
 * the same divisions as elsewhere; sizes and strides are constants of the plan, so equal chains of other sizes share a
 * pipeline. */
#include "chain.h"

typedef struct chain_plan {
    struct cr_plan base;
    uint32_t nin,
        nout; /* of the run's values: inputs, then outputs; in the kernel the outputs come first */
    vk_chain chain;
    bool empty;
} chain_plan;

/* Uniform block of shaders/chain.comp. */
typedef struct chain_grid {
    uint32_t count, unused[3];
    vk_chain_dim dim[CR_MAX_RANK];
} chain_grid;

static void chain_destroy(cr_plan *plan)
{
    vk_body_free(&((chain_plan *)plan)->chain.body);
}

static cr_status chain_run(cr_plan *plan, const cr_run *run)
{
    chain_plan *p = (chain_plan *)plan;
    if (p->empty)
        return CR_OK;
    if (!plan->step[0].pipeline) {
        cr_status status = vk_pipeline_linked(plan->device, &p->chain.body, p->chain.name, 0, NULL,
                                              0, &plan->step[0].pipeline);
        if (status != CR_OK)
            return status;
    }
    vk_launch launch = vk_step_launch(plan, 0);
    vk_chain_bind(&p->chain, run, p->nin, p->nout, &launch);
    for (uint32_t i = 0; i < p->nout; i++)
        vk_bind(&launch, (int)i, &run->values[p->nin + i], 0, true);
    return vk_record(plan->device, &launch);
}

/* First, for the order of dimensions is theirs. */
static bool see_outputs(vk_chain_plan *c)
{
    const cr_graph *g = c->g;
    for (uint32_t i = 0; i < g->noutputs; i++)
        if (!vk_is_sound(c->d, &g->values[g->outputs[i]]) ||
            vk_chain_pattern(c, &g->values[g->outputs[i]]) < 0)
            return false;
    return g->noutputs > 0;
}

static bool write_outputs(vk_chain_plan *c)
{
    const cr_graph *g = c->g;
    for (uint32_t i = 0; i < g->noutputs; i++) {
        const cr_meta *m = &g->values[g->outputs[i]];
        const vk_term args[] = {vk_body_uint(&c->chain->body, i), c->place[vk_chain_pattern(c, m)],
                                c->term[g->outputs[i]]};
        if (!args[2].id)
            return false;
        vk_chain_call(c, "write", vk_chain_dtype(m->dtype), 3, args);
    }
    return !c->chain->body.failed;
}

static cr_status make_step(const vk_chain_plan *c, cr_plan *plan)
{
    chain_grid grid = {.count = (uint32_t)c->space.numel};
    vk_chain_dims(c, grid.dim);
    return vk_plan_bare_step(plan, &grid, sizeof grid, vk_groups(c->d, c->space.numel), 1, 1);
}

cr_status vk_plan_chain(cr_device *d, const cr_graph *graph, cr_plan_info *info, cr_plan **plan)
{
    (void)info;
    vk_chain_plan c = {.d = d, .g = graph, .nnodes = graph->nnodes, .written = graph->noutputs};
    if (!see_outputs(&c) || !vk_chain_see(&c, &graph->values[graph->outputs[0]]))
        return CR_UNSUPPORTED;
    const vk_pieces *pieces = vk_pieces_of(d, VK_KIT_CHAIN);
    if (!pieces)
        return CR_FAILED;
    chain_plan *p = vk_plan_new(d, sizeof *p, chain_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.destroy = chain_destroy;
    p->nin = graph->ninputs;
    p->nout = graph->noutputs;
    p->chain.body = vk_body_new(pieces);
    c.chain = &p->chain;
    cr_status status = vk_chain_write(&c, NULL) && write_outputs(&c) ? CR_OK : CR_UNSUPPORTED;
    p->empty = !c.space.numel;
    if (status == CR_OK && !p->empty)
        status = make_step(&c, &p->base);
    return vk_plan_done(&p->base, status, plan);
}
