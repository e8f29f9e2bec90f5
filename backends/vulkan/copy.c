/* Casts and strided copies. Dense copies without a cast are the queue's own. */
#include "plan.h"

typedef struct copy_plan {
    struct cr_plan base;
    int from_at, to_at;
    size_t bytes; /* of a dense copy, or 0 */
    bool empty;
} copy_plan;

static cr_status run_dense(const copy_plan *p, const cr_run *run)
{
    const cr_binding *from = &run->values[p->from_at], *to = &run->values[p->to_at];
    VkCommandBuffer commands;
    size_t a = from->buffer->span.offset + from->offset, b = to->buffer->span.offset + to->offset;
    if (from->buffer == to->buffer && a == b)
        return CR_OK;
    cr_status status = vk_record_uses(p->base.device, from->buffer, to->buffer, &commands);
    if (status != CR_OK)
        return status;
    VkBufferCopy region = {a, b, p->bytes};
    vkCmdCopyBuffer(commands, from->buffer->span.block->buffer, to->buffer->span.block->buffer, 1,
                    &region);
    return CR_OK;
}

static cr_status copy_run(cr_plan *plan, const cr_run *run)
{
    const copy_plan *p = (const copy_plan *)plan;
    if (p->empty)
        return CR_OK;
    if (p->bytes)
        return run_dense(p, run);
    vk_launch launch = vk_step_launch(plan, 0);
    vk_bind(&launch, 0, &run->values[p->to_at], 0, true);
    vk_bind(&launch, 1, &run->values[p->from_at], 0, false);
    return vk_record(plan->device, &launch);
}

/* Whether both hold their elements densely in one order. */
static bool is_flat(const vk_space *s)
{
    return s->rank == 0 || (s->rank == 1 && s->stride[0][0] == 1 && s->stride[1][0] == 1);
}

static cr_status plan_copy(const vk_call *call, cr_plan **plan)
{
    if (call->nin != 1 || call->nout != 1 || !call->in[0] || !call->out[0])
        return CR_UNSUPPORTED;
    cr_device *d = call->device;
    const cr_meta *values[2] = {call->out[0], call->in[0]};
    vk_space space = vk_space_of(2, values, false);
    copy_plan *p = vk_plan_new(d, sizeof *p, copy_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->from_at = call->in_at[0];
    p->to_at = call->out_at[0];
    p->empty = !space.numel;
    bool flat = is_flat(&space), moves = values[0]->dtype == values[1]->dtype;
    cr_status status = CR_OK;
    if (moves && flat)
        p->bytes = (size_t)space.numel * vk_dtype_size(values[0]->dtype);
    else if (!p->empty)
        status = vk_cast_step(&p->base, values[1], values[0]);
    return vk_plan_done(&p->base, status, plan);
}

const vk_op vk_family_copy[] = {
    {"copy", plan_copy},
    {NULL, NULL},
};
