/* Scans along one dimension. */
#include "plan.h"

#include <string.h>

enum { CUMSUM, CUMPROD, CUMMAX, CUMMIN, LOGCUMSUMEXP, OR, AND }; /* shaders/scan.comp */

typedef struct scan_block {
    uint32_t lanes, terms, unused[2], step[4];
    vk_dim lane[CR_MAX_RANK];
} scan_block;

typedef struct scan_plan {
    struct cr_plan base;
    int in_at, out_at, index_at;
    bool empty;
} scan_plan;

static cr_status scan_run(cr_plan *plan, const cr_run *run)
{
    const scan_plan *p = (const scan_plan *)plan;
    if (p->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    vk_bind(&launch, 1, &run->values[p->in_at], 0, false);
    vk_bind(&launch, 0, &run->values[p->out_at], 0, true);
    if (p->index_at >= 0)
        vk_bind(&launch, 2, &run->values[p->index_at], 0, true);
    return vk_record(plan->device, &launch);
}

static cr_status plan_new(const vk_call *call, uint32_t op, cr_plan **plan)
{
    static const vk_shader shaders[] = {VK_SHADER_scan_f32, VK_SHADER_scan_f64, VK_SHADER_scan_i32,
                                        VK_SHADER_scan_i64};
    bool index = op == CUMMAX || op == CUMMIN;
    uint32_t nout = index ? 2 : 1;
    if (call->nin != 1 || call->nout != nout || !call->in[0] || !call->out[0] ||
        !call->out[nout - 1] || call->in[0]->dtype != call->out[0]->dtype)
        return CR_UNSUPPORTED;
    cr_device *d = call->device;
    const cr_meta *values[3] = {call->out[0], call->in[0], call->out[nout - 1]};
    int64_t dim = vk_attr_int(call->node, "dim", 0);
    if (dim < 0 || dim >= (values[0]->rank ? values[0]->rank : 1) ||
        (op == LOGCUMSUMEXP && !vk_is_float(values[0]->dtype)))
        return CR_UNSUPPORTED;
    if (values[0]->dtype == CR_B8)
        op = op == CUMSUM ? OR : op == CUMPROD ? AND : op;
    vk_lanes lanes = vk_lanes_of((int)nout + 1, values, (int)dim);
    scan_plan *p = vk_plan_new(d, sizeof *p, scan_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->in_at = call->in_at[0];
    p->out_at = call->out_at[0];
    p->index_at = index ? call->out_at[1] : -1;
    p->empty = !lanes.terms || !lanes.space.numel;
    scan_block b = {.lanes = (uint32_t)lanes.space.numel, .terms = (uint32_t)lanes.terms};
    memcpy(b.step, lanes.step, sizeof b.step);
    vk_lane_dims(b.lane, &lanes);
    bool grouped =
        d->is_cpu ? lanes.terms > d->loops / 4 : lanes.space.numel < 4096 && lanes.terms > 64;
    uint32_t special[] = {op, (uint32_t)lanes.space.rank, (uint32_t)values[0]->dtype, grouped};
    uint32_t group = d->is_cpu && !grouped ? 16 : d->group;
    if (grouped && (uint64_t)b.terms / group * 4 > d->loops) {
        vk_plan_free(&p->base);
        return CR_UNSUPPORTED;
    }
    uint64_t groups = grouped ? b.lanes : (b.lanes + (uint64_t)group - 1) / group;
    vk_shader shader = shaders[vk_class_of(d, values[0]->dtype)];
    if (shader == VK_SHADER_scan_f32 && !d->profile->f64)
        shader = VK_SHADER_scan_narrow;
    cr_status status = p->empty ? CR_OK
                                : vk_plan_step(&p->base, shader, group, special, 4, &b, sizeof b,
                                               groups < 65535 ? groups : 65535, 1, 1);
    return vk_plan_done(&p->base, status, plan);
}

#define SCAN(name, op)                                                \
    static cr_status plan_##name(const vk_call *call, cr_plan **plan) \
    {                                                                 \
        return plan_new(call, op, plan);                              \
    }
SCAN(cumsum, CUMSUM)
SCAN(cumprod, CUMPROD)
SCAN(cummax, CUMMAX)
SCAN(cummin, CUMMIN)
SCAN(logcumsumexp, LOGCUMSUMEXP)

const vk_op vk_family_scan[] = {
    {"cumsum", plan_cumsum}, {"cumprod", plan_cumprod},           {"cummax", plan_cummax},
    {"cummin", plan_cummin}, {"logcumsumexp", plan_logcumsumexp}, {NULL, NULL},
};
