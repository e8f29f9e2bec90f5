/* scatter, scatter_add, scatter_reduce and the embedding's gradient: the output is self, or zeros,
 * and then the terms of each lane come in order. Halves are added up in f32, in the workspace. */
#include "plan.h"

#include <string.h>

enum { PUT, SUM, PROD, AMAX, AMIN, OR, AND }; /* shaders/scatter.comp */
static const int32_t NO_SKIP = INT32_MIN;

typedef struct scatter_block {
    uint32_t lanes, terms, parts, size, step[4], dim;
    int32_t skipped;
    uint32_t unused[2];
    vk_dim lane[CR_MAX_RANK];
} scatter_block;

typedef struct scatter_plan {
    struct cr_plan base;
    int self_at, index_at, src_at, out_at;
    bool empty, nothing;     /* no output; nothing to write into it */
    bool wide;               /* the target is an f32 array in the workspace */
    bool zero;               /* it begins as zeros, not as self */
    uint32_t terms, at_once; /* of a lane; that one launch takes */
    size_t target;
    uint64_t bytes; /* of the target, where it begins as zeros */
} scatter_plan;

/* The target's first contents. */
static cr_status begin(const scatter_plan *p, const cr_run *run, const cr_binding *target)
{
    if (p->zero) {
        VkCommandBuffer commands;
        cr_status status = vk_record_uses(p->base.device, NULL, target->buffer, &commands);
        if (status == CR_OK)
            vkCmdFillBuffer(commands, target->buffer->span.block->buffer,
                            target->buffer->span.offset + target->offset, p->bytes, 0);
        return status;
    }
    const cr_binding *self = &run->values[p->self_at];
    if (self->buffer == target->buffer && self->offset == target->offset)
        return CR_OK;
    vk_launch copy = vk_step_launch(&p->base, 0);
    vk_bind(&copy, 1, self, 0, false);
    vk_bind(&copy, 0, target, 0, true);
    return vk_record(p->base.device, &copy);
}

static cr_status scatter_run(cr_plan *plan, const cr_run *run)
{
    const scatter_plan *p = (const scatter_plan *)plan;
    if (p->empty)
        return CR_OK;
    const cr_binding *out = &run->values[p->out_at];
    cr_binding aside = {run->workspace.buffer, run->workspace.offset + p->target};
    const cr_binding *target = p->wide ? &aside : out;
    int at = p->zero ? 0 : 1; /* of the next step */
    cr_status status = begin(p, run, target);
    if (status == CR_OK && !p->nothing) {
        vk_launch launch = vk_step_launch(plan, at);
        vk_bind(&launch, 1, &run->values[p->index_at], 0, false);
        vk_bind(&launch, 2, &run->values[p->src_at], 0, false);
        vk_bind(&launch, 0, target, 0, true);
        for (uint32_t t = 0; t < p->terms && status == CR_OK; t += p->at_once) {
            launch.args.word[0] = t;
            launch.args.word[1] = p->terms - t < p->at_once ? p->terms : t + p->at_once;
            status = vk_record(plan->device, &launch);
        }
    }
    if (status == CR_OK && p->wide) {
        vk_launch back = vk_step_launch(plan, plan->nsteps - 1);
        vk_bind(&back, 1, target, 0, false);
        vk_bind(&back, 0, out, 0, true);
        status = vk_record(plan->device, &back);
    }
    return status;
}

/* ---- plans ---- */

static cr_meta dense_f32(const cr_meta *like)
{
    cr_meta m = *like;
    int64_t step = 1;
    m.dtype = CR_F32;
    for (int d = m.rank - 1; d >= 0; d--) {
        m.stride[d] = step;
        step *= m.size[d];
    }
    return m;
}

/* Invocations that share a lane's targets: enough to fill the device, no more than targets. */
static uint32_t parts_of(const cr_device *d, int64_t lanes, int64_t size)
{
    int64_t wanted = d->is_cpu ? 16 : 4096;
    int64_t parts = lanes >= wanted ? 1 : wanted / (lanes ? lanes : 1);
    parts = parts < size ? parts : size;
    return parts > 0 ? (uint32_t)parts : 1;
}

static cr_status scatter_step(scatter_plan *p, uint32_t op, const cr_meta *target,
                              const cr_meta *index, const cr_meta *src, int dim, int32_t skipped)
{
    static const vk_shader shaders[] = {VK_SHADER_scatter_f32, VK_SHADER_scatter_f64,
                                        VK_SHADER_scatter_i32, VK_SHADER_scatter_i64};
    cr_device *d = p->base.device;
    cr_meta to = *index;
    memcpy(to.stride, target->stride, sizeof to.stride);
    const cr_meta *values[3] = {&to, index, src};
    vk_lanes lanes = vk_lanes_of(3, values, dim);
    int64_t size = target->rank ? target->size[dim] : 1;
    p->nothing = !lanes.terms || !lanes.space.numel;
    if (p->nothing)
        return CR_OK;
    scatter_block b = {.lanes = (uint32_t)lanes.space.numel,
                       .terms = (uint32_t)lanes.terms,
                       .parts = parts_of(d, lanes.space.numel, size),
                       .size = (uint32_t)size,
                       .dim = (uint32_t)dim,
                       .skipped = skipped};
    p->terms = b.terms;
    p->at_once = d->loops / 2;
    memcpy(b.step, lanes.step, sizeof b.step);
    vk_lane_dims(b.lane, &lanes);
    int32_t from = src->dtype;
    if (op == PUT && vk_dtype_size(from) < 8 && vk_is_float(from) && !p->wide)
        from = vk_dtype_size(from) == 4 ? CR_I32 : CR_I16; /* bits as they are */
    else if (op == PUT && from == CR_F64)
        from = CR_I64;
    int32_t kernel_to = p->wide ? CR_F32 : from;
    uint32_t special[] = {op, (uint32_t)lanes.space.rank, (uint32_t)kernel_to, (uint32_t)from};
    uint32_t group = d->is_cpu ? 8 : d->group;
    uint64_t n = (uint64_t)b.lanes * b.parts, groups = (n + group - 1) / group;
    return vk_plan_step(&p->base, shaders[vk_class_of(d, p->wide ? CR_F16 : from)], group, special,
                        4, &b, sizeof b, groups < 65535 ? groups : 65535, 1, 1);
}

static cr_status add_steps(scatter_plan *p, const vk_call *call, uint32_t op, const cr_meta *self,
                           const cr_meta *index, const cr_meta *src, int dim, int32_t skipped)
{
    const cr_meta *out = call->out[0];
    cr_meta wide = dense_f32(out);
    const cr_meta *target = out;
    cr_status status = CR_OK;
    if (p->wide) {
        target = &wide;
        p->target = vk_workspace(call->info, (size_t)vk_numel(out) * 4);
    }
    p->bytes = (uint64_t)vk_numel(out) * vk_dtype_size(target->dtype);
    if (!p->zero)
        status = vk_cast_step(&p->base, self, target);
    if (status == CR_OK)
        status = scatter_step(p, op, target, index, src, dim, skipped);
    if (status == CR_OK && p->wide)
        status = vk_cast_step(&p->base, target, out);
    return status;
}

static cr_status plan_new(const vk_call *call, uint32_t op, cr_plan **plan)
{
    if (call->nin < 3 || call->nout != 1 || !call->in[0] || !call->in[1] || !call->in[2] ||
        !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *self = call->in[0], *index = call->in[1], *src = call->in[2],
                  *out = call->out[0];
    int64_t dim = vk_attr_int(call->node, "dim", 0);
    int rank = out->rank;
    if (index->dtype != CR_I64 || self->dtype != out->dtype || src->dtype != out->dtype ||
        self->rank != rank || index->rank != rank || src->rank != rank || dim < 0 ||
        dim >= (rank ? rank : 1))
        return CR_UNSUPPORTED;
    for (int d = 0; d < rank; d++)
        if (self->size[d] != out->size[d] || index->size[d] > src->size[d] ||
            (d != dim && index->size[d] > out->size[d]))
            return CR_UNSUPPORTED;
    if (out->dtype == CR_B8)
        op = op == SUM || op == AMAX ? OR : op == PROD || op == AMIN ? AND : op;
    scatter_plan *p = vk_plan_new(call->device, sizeof *p, scatter_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.reporter = vk_reporter(call->device, call->node->op, NULL);
    p->self_at = call->in_at[0];
    p->index_at = call->in_at[1];
    p->src_at = call->in_at[2];
    p->out_at = call->out_at[0];
    p->wide = op != PUT && (out->dtype == CR_F16 || out->dtype == CR_BF16);
    p->empty = !vk_numel(out);
    cr_status status =
        p->empty ? CR_OK : add_steps(p, call, op, self, index, src, (int)dim, NO_SKIP);
    return vk_plan_done(&p->base, status, plan);
}

static cr_status plan_put(const vk_call *call, cr_plan **plan)
{
    return plan_new(call, PUT, plan);
}

static cr_status plan_add(const vk_call *call, cr_plan **plan)
{
    return plan_new(call, SUM, plan);
}

static cr_status plan_reduce(const vk_call *call, cr_plan **plan)
{
    static const char *const names[] = {"sum", "prod", "amax", "amin"};
    const char *name = vk_attr_text(call->node, "reduce", "");
    if (!vk_attr_int(call->node, "include_self", 1))
        return CR_UNSUPPORTED;
    for (uint32_t i = 0; i < 4; i++)
        if (!strcmp(name, names[i]))
            return plan_new(call, SUM + i, plan);
    return CR_UNSUPPORTED;
}

/* grad_output [..., width] added to the rows of a zeroed [n, width] that the indices name. */
static cr_status plan_embedding_back(const vk_call *call, cr_plan **plan)
{
    if (call->nin != 2 || call->nout != 1 || !call->in[0] || !call->in[1] || !call->out[0] ||
        vk_attr_int(call->node, "scale_grad_by_freq", 0))
        return CR_UNSUPPORTED;
    const cr_meta *grad = call->in[0], *list = call->in[1], *out = call->out[0];
    int64_t skipped = vk_attr_int(call->node, "padding_idx", -1), terms = vk_numel(list);
    if (grad->dtype != out->dtype || list->dtype != CR_I64 || out->rank != 2 ||
        !vk_is_contiguous(grad) || !vk_is_contiguous(list) || !vk_is_contiguous(out) ||
        skipped > INT32_MAX || vk_numel(grad) != terms * out->size[1])
        return CR_UNSUPPORTED;
    cr_meta src = {.dtype = grad->dtype,
                   .rank = 2,
                   .size = {terms, out->size[1]},
                   .stride = {out->size[1], 1}};
    cr_meta index = src;
    index.dtype = CR_I64;
    index.stride[0] = 1;
    index.stride[1] = 0;
    scatter_plan *p = vk_plan_new(call->device, sizeof *p, scatter_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.reporter = vk_reporter(call->device, call->node->op, NULL);
    p->self_at = -1;
    p->src_at = call->in_at[0];
    p->index_at = call->in_at[1];
    p->out_at = call->out_at[0];
    p->zero = true;
    p->wide = out->dtype == CR_F16 || out->dtype == CR_BF16;
    p->empty = !vk_numel(out);
    cr_status status = p->empty ? CR_OK
                                : add_steps(p, call, SUM, NULL, &index, &src, 0,
                                            skipped < 0 ? NO_SKIP : (int32_t)skipped);
    return vk_plan_done(&p->base, status, plan);
}

const vk_op vk_family_scatter[] = {
    {"scatter.src", plan_put},
    {"scatter_add", plan_add},
    {"scatter_reduce.two", plan_reduce},
    {"embedding_dense_backward", plan_embedding_back},
    {NULL, NULL},
};
