/* nll_loss and its gradient, which with _log_softmax are the cross entropy. */
#include "plan.h"

enum { NONE, MEAN, SUM };

/* Uniform block of shaders/nll.comp. */
typedef struct nll_block {
    uint32_t rows, classes;
    int64_t ignored;
    uint32_t x_row, x_class, out_row, out_class, target_row, weight_class, y_row, unused;
} nll_block;

typedef struct nll_plan {
    struct cr_plan base;
    int at[5];     /* as the kernel's, -1 absent */
    bool writes_4; /* the total weight is an output */
} nll_plan;

static cr_status nll_run(cr_plan *plan, const cr_run *run)
{
    const nll_plan *p = (const nll_plan *)plan;
    if (!plan->nsteps)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    for (int k = 1; k < 5; k++)
        if (p->at[k] >= 0)
            vk_bind(&launch, k, &run->values[p->at[k]], 0, k == 4 && p->writes_4);
    vk_bind(&launch, 0, &run->values[p->at[0]], 0, true);
    return vk_record(plan->device, &launch);
}

/* x: what has a row and a class: the input, or its gradient. */
static bool fill_block(const vk_call *call, const cr_meta *x, const cr_meta *target,
                       const cr_meta *weight, nll_block *b)
{
    if (!x || !target || target->dtype != CR_I64 || x->rank < 1 || x->rank > 2 ||
        !vk_is_float(x->dtype) || target->rank != x->rank - 1 ||
        (weight && (weight->rank != 1 || weight->dtype != x->dtype)))
        return false;
    int last = x->rank - 1;
    b->rows = last ? (uint32_t)x->size[0] : 1;
    b->classes = (uint32_t)x->size[last];
    b->ignored = vk_attr_int(call->node, "ignore_index", -100);
    b->x_row = last ? (uint32_t)x->stride[0] : 0;
    b->x_class = (uint32_t)x->stride[last];
    b->target_row = target->rank ? (uint32_t)target->stride[0] : 0;
    b->weight_class = weight ? (uint32_t)weight->stride[0] : 0;
    return true;
}

static cr_status add_step(const vk_call *call, nll_plan *p, const nll_block *b, int32_t dtype,
                          bool back, uint32_t group, uint64_t groups)
{
    uint32_t special[] = {back, (uint32_t)dtype,
                          (uint32_t)vk_attr_int(call->node, "reduction", MEAN), p->at[3] >= 0};
    return vk_plan_step(&p->base, dtype == CR_F64 ? VK_SHADER_nll_f64 : VK_SHADER_nll_f32, group,
                        special, 4, b, sizeof *b, groups, 1, 1);
}

/* self, target, weight to the loss and the total weight */
static cr_status plan_forward(const vk_call *call, cr_plan **plan)
{
    nll_block b = {0};
    if (call->nin < 2 || call->nout < 1 || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *weight = call->nin > 2 ? call->in[2] : NULL;
    if (!fill_block(call, call->in[0], call->in[1], weight, &b) ||
        call->out[0]->dtype != call->in[0]->dtype || b.rows / 8 > call->device->loops / 2)
        return CR_UNSUPPORTED;
    b.out_row = call->out[0]->rank ? (uint32_t)call->out[0]->stride[0] : 0;
    nll_plan *p = vk_plan_new(call->device, sizeof *p, nll_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.reporter = vk_reporter(call->device, call->node->op, NULL);
    p->at[0] = call->out_at[0];
    p->at[1] = call->in_at[0];
    p->at[2] = call->in_at[1];
    p->at[3] = weight ? call->in_at[2] : -1;
    p->at[4] = call->nout > 1 ? call->out_at[1] : -1;
    p->writes_4 = true;
    uint32_t group = call->device->is_cpu ? 8 : call->device->group;
    return vk_plan_done(&p->base, add_step(call, p, &b, call->in[0]->dtype, false, group, 1), plan);
}

/* grad_output, self, target, weight, total_weight to the gradient of self */
static cr_status plan_backward(const vk_call *call, cr_plan **plan)
{
    nll_block b = {0};
    if (call->nin < 5 || call->nout != 1 || !call->in[0] || !call->out[0] || !call->in[4] ||
        !fill_block(call, call->out[0], call->in[2], call->in[3], &b) ||
        call->in[0]->dtype != call->out[0]->dtype)
        return CR_UNSUPPORTED;
    b.out_row = b.x_row;
    b.out_class = b.x_class;
    b.y_row = call->in[0]->rank ? (uint32_t)call->in[0]->stride[0] : 0;
    nll_plan *p = vk_plan_new(call->device, sizeof *p, nll_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.reporter = vk_reporter(call->device, call->node->op, NULL);
    p->at[0] = call->out_at[0];
    p->at[1] = call->in_at[0];
    p->at[2] = call->in_at[2];
    p->at[3] = call->in[3] ? call->in_at[3] : -1;
    p->at[4] = call->in_at[4];
    int64_t n = vk_numel(call->out[0]);
    cr_status status =
        n ? add_step(call, p, &b, call->out[0]->dtype, true, 0, vk_groups(call->device, n)) : CR_OK;
    return vk_plan_done(&p->base, status, plan);
}

const vk_op vk_family_loss[] = {
    {"nll_loss_forward", plan_forward},
    {"nll_loss_backward", plan_backward},
    {NULL, NULL},
};
