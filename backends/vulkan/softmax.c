/* _softmax, _log_softmax and their gradients. */
#include "plan.h"

#include <string.h>

/* Uniform block of shaders/softmax.comp. */
typedef struct lane_block {
    uint32_t lanes, terms, unused[2], step[4];
    vk_dim lane[CR_MAX_RANK];
} lane_block;

typedef struct softmax_plan {
    struct cr_plan base;
    int in_at[2], out_at; /* x, or the gradient and the output */
    bool empty;
} softmax_plan;

static cr_status softmax_run(cr_plan *plan, const cr_run *run)
{
    const softmax_plan *p = (const softmax_plan *)plan;
    if (p->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    vk_bind(&launch, 1, &run->values[p->in_at[0]], 0, false);
    if (p->in_at[1] >= 0)
        vk_bind(&launch, 2, &run->values[p->in_at[1]], 0, false);
    vk_bind(&launch, 0, &run->values[p->out_at], 0, true);
    return vk_record(plan->device, &launch);
}

static bool fits(const cr_device *d, const cr_meta *v, const cr_meta *like)
{
    return v && v->rank == like->rank && vk_class_of(d, v->dtype) == vk_class_of(d, like->dtype) &&
           !memcmp(v->size, like->size, (size_t)v->rank * sizeof *v->size);
}

static cr_status plan_new(const vk_call *call, bool logs, bool back, cr_plan **plan)
{
    cr_device *d = call->device;
    const cr_meta *out = call->nout == 1 ? call->out[0] : NULL;
    uint32_t nin = back ? 2 : 1;
    int64_t dim = vk_attr_int(call->node, "dim", -1);
    if (!out || call->nin < nin || !vk_is_float(out->dtype) || !fits(d, call->in[0], out) ||
        !fits(d, call->in[nin - 1], out) || dim < 0 || dim >= (out->rank ? out->rank : 1))
        return CR_UNSUPPORTED;
    const cr_meta *values[3] = {out, call->in[0], call->in[nin - 1]};
    vk_lanes lanes = vk_lanes_of(3, values, (int)dim);
    softmax_plan *p = vk_plan_new(d, sizeof *p, softmax_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->in_at[0] = call->in_at[0];
    p->in_at[1] = back ? call->in_at[1] : -1;
    p->out_at = call->out_at[0];
    p->empty = !lanes.terms || !lanes.space.numel;
    lane_block b = {.lanes = (uint32_t)lanes.space.numel, .terms = (uint32_t)lanes.terms};
    memcpy(b.step, lanes.step, sizeof b.step);
    vk_lane_dims(b.lane, &lanes);
    bool grouped = d->is_cpu ? b.terms > d->loops / 8 : b.terms >= 64;
    uint32_t group = d->is_cpu && !grouped ? 16 : d->group;
    if (grouped && (uint64_t)b.terms / group * 8 > d->loops) {
        vk_plan_free(&p->base);
        return CR_UNSUPPORTED;
    }
    uint64_t groups = grouped ? b.lanes : (b.lanes + (uint64_t)group - 1) / group;
    uint32_t special[] = {logs,
                          back,
                          (uint32_t)lanes.space.rank,
                          (uint32_t)out->dtype,
                          (uint32_t)values[1]->dtype,
                          (uint32_t)values[2]->dtype,
                          grouped};
    cr_status status =
        p->empty
            ? CR_OK
            : vk_plan_step(&p->base,
                           out->dtype == CR_F64 ? VK_SHADER_softmax_f64 : VK_SHADER_softmax_f32,
                           group, special, 7, &b, sizeof b, groups < 65535 ? groups : 65535, 1, 1);
    return vk_plan_done(&p->base, status, plan);
}

#define SOFTMAX(name, logs, back)                                     \
    static cr_status plan_##name(const vk_call *call, cr_plan **plan) \
    {                                                                 \
        return plan_new(call, logs, back, plan);                      \
    }
SOFTMAX(softmax, false, false)
SOFTMAX(log_softmax, true, false)
SOFTMAX(softmax_back, false, true)
SOFTMAX(log_softmax_back, true, true)

const vk_op vk_family_softmax[] = {
    {"_softmax", plan_softmax},
    {"_log_softmax", plan_log_softmax},
    {"_softmax_backward_data", plan_softmax_back},
    {"_log_softmax_backward_data", plan_log_softmax_back},
    {NULL, NULL},
};
