/* gather, index_select and embedding: one kernel, three ways to lay its values over the output. */
#include "plan.h"

#include <string.h>

typedef struct gather_plan {
    struct cr_plan base;
    int out_at, index_at, self_at;
    uint32_t jump, size, dim;
    bool empty;
} gather_plan;

static cr_status gather_run(cr_plan *plan, const cr_run *run)
{
    const gather_plan *p = (const gather_plan *)plan;
    if (p->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    vk_bind(&launch, 1, &run->values[p->index_at], 0, false);
    vk_bind(&launch, 2, &run->values[p->self_at], 0, false);
    vk_bind(&launch, 0, &run->values[p->out_at], 0, true);
    launch.args.word[0] = p->jump;
    launch.args.word[1] = p->size;
    launch.args.word[2] = p->dim;
    return vk_record(plan->device, &launch);
}

/* index and self: like the output, with their strides in its dimensions; self's is 0 in the indexed
 * one, along which it has `size` and `jump`. */
static cr_status plan_new(const vk_call *call, int self_at, int index_at, const cr_meta *index,
                          const cr_meta *self, int dim, int64_t size, int64_t jump, cr_plan **plan)
{
    cr_device *d = call->device;
    const cr_meta *values[3] = {call->out[0], index, self};
    vk_space space = vk_space_of(3, values, false);
    gather_plan *p = vk_plan_new(d, sizeof *p, gather_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.reporter = vk_reporter(d, call->node->op, NULL);
    p->out_at = call->out_at[0];
    p->index_at = call->in_at[index_at];
    p->self_at = call->in_at[self_at];
    p->dim = (uint32_t)dim;
    p->size = (uint32_t)size;
    p->jump = (uint32_t)jump;
    p->empty = !space.numel;
    uint32_t special[] = {space.rank ? (uint32_t)space.rank : 1,
                          (uint32_t)vk_dtype_size(call->out[0]->dtype)};
    vk_grid grid = vk_grid_of(&space);
    cr_status status = p->empty ? CR_OK
                                : vk_plan_step(&p->base, VK_SHADER_gather, 0, special, 2, &grid,
                                               sizeof grid, vk_groups(d, space.numel), 1, 1);
    return vk_plan_done(&p->base, status, plan);
}

static bool takes(const vk_call *call, uint32_t self, uint32_t index)
{
    return call->nin > self && call->nin > index && call->nout == 1 && call->in[self] &&
           call->in[index] && call->out[0] && call->in[index]->dtype == CR_I64 &&
           call->in[self]->dtype == call->out[0]->dtype;
}

static cr_status plan_gather(const vk_call *call, cr_plan **plan)
{
    if (!takes(call, 0, 1))
        return CR_UNSUPPORTED;
    const cr_meta *from = call->in[0], *out = call->out[0];
    int64_t dim = vk_attr_int(call->node, "dim", 0);
    int rank = out->rank;
    if (from->rank != rank || call->in[1]->rank != rank || dim < 0 || dim >= (rank ? rank : 1))
        return CR_UNSUPPORTED;
    cr_meta index = *out, self = *out;
    for (int d = 0; d < rank; d++) {
        index.stride[d] = call->in[1]->stride[d];
        self.stride[d] = d == dim ? 0 : from->stride[d];
    }
    return plan_new(call, 0, 1, &index, &self, (int)dim, rank ? from->size[dim] : 1,
                    rank ? from->stride[dim] : 0, plan);
}

static cr_status plan_index_select(const vk_call *call, cr_plan **plan)
{
    if (!takes(call, 0, 1))
        return CR_UNSUPPORTED;
    const cr_meta *from = call->in[0], *list = call->in[1], *out = call->out[0];
    int64_t dim = vk_attr_int(call->node, "dim", 0);
    int rank = out->rank;
    if (from->rank != rank || !rank || dim < 0 || dim >= rank || list->rank > 1)
        return CR_UNSUPPORTED;
    cr_meta index = *out, self = *out;
    for (int d = 0; d < rank; d++) {
        index.stride[d] = d == dim && list->rank ? list->stride[0] : 0;
        self.stride[d] = d == dim ? 0 : from->stride[d];
    }
    return plan_new(call, 0, 1, &index, &self, (int)dim, from->size[dim], from->stride[dim], plan);
}

/* weight [n, width], indices of any sizes; the output has the width last. */
static cr_status plan_embedding(const vk_call *call, cr_plan **plan)
{
    if (!takes(call, 0, 1))
        return CR_UNSUPPORTED;
    const cr_meta *weight = call->in[0], *list = call->in[1], *out = call->out[0];
    int last = out->rank - 1;
    if (weight->rank != 2 || list->rank != last || out->size[last] != weight->size[1])
        return CR_UNSUPPORTED;
    cr_meta index = *out, self = *out;
    memset(self.stride, 0, sizeof self.stride);
    for (int d = 0; d < last; d++)
        index.stride[d] = list->stride[d];
    index.stride[last] = 0;
    self.stride[last] = weight->stride[1];
    return plan_new(call, 0, 1, &index, &self, 0, weight->size[0], weight->stride[0], plan);
}

const vk_op vk_family_gather[] = {
    {"gather", plan_gather},
    {"index_select", plan_index_select},
    {"embedding", plan_embedding},
    {NULL, NULL},
};
