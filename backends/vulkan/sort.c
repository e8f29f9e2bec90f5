/* sort.stable: keys into a work array, a bitonic network over it, and the result out of it. */
#include "plan.h"

#include <string.h>

enum { READ, SWAP, WRITE }; /* shaders/sort.comp */

typedef struct sort_block {
    uint32_t lanes, terms, padded, shift, step[4];
    vk_dim lane[CR_MAX_RANK];
} sort_block;

typedef struct sort_plan {
    struct cr_plan base;
    int in_at, out_at, index_at;
    size_t keys, places;
    uint32_t padded;
    bool empty;
} sort_plan;

static cr_status launch_stage(const sort_plan *p, const cr_run *run, int stage, uint32_t length,
                              uint32_t distance)
{
    vk_launch launch = vk_step_launch(&p->base, stage);
    vk_bind(&launch, 3, &run->workspace, p->keys, stage != WRITE);
    vk_bind(&launch, 4, &run->workspace, p->places, stage != WRITE);
    if (stage == READ)
        vk_bind(&launch, 1, &run->values[p->in_at], 0, false);
    if (stage == WRITE) {
        vk_bind(&launch, 0, &run->values[p->out_at], 0, true);
        vk_bind(&launch, 2, &run->values[p->index_at], 0, true);
    }
    launch.args.word[0] = length;
    launch.args.word[1] = distance;
    return vk_record(p->base.device, &launch);
}

static cr_status sort_run(cr_plan *plan, const cr_run *run)
{
    const sort_plan *p = (const sort_plan *)plan;
    if (p->empty)
        return CR_OK;
    cr_status status = launch_stage(p, run, READ, 0, 0);
    for (uint32_t length = 2; length <= p->padded && status == CR_OK; length *= 2)
        for (uint32_t distance = length / 2; distance && status == CR_OK; distance /= 2)
            status = launch_stage(p, run, SWAP, length, distance);
    return status == CR_OK ? launch_stage(p, run, WRITE, 0, 0) : status;
}

static cr_status add_stages(sort_plan *p, const sort_block *b, const vk_lanes *lanes, int32_t dtype,
                            bool descending)
{
    static const vk_shader shaders[] = {VK_SHADER_sort_f32, VK_SHADER_sort_f64, VK_SHADER_sort_i32,
                                        VK_SHADER_sort_i64};
    static const uint8_t wide[] = {CR_F32, CR_F64, CR_I32, CR_I64};
    cr_device *d = p->base.device;
    vk_class class = vk_class_of(d, dtype);
    int64_t n = (int64_t)b->lanes * b->padded;
    cr_status status = CR_OK;
    for (uint32_t stage = READ; stage <= WRITE && status == CR_OK; stage++) {
        uint32_t special[] = {stage, (uint32_t)lanes->space.rank, (uint32_t)dtype, descending,
                              wide[class]};
        status = vk_plan_step(&p->base, shaders[class], 0, special, 5, stage ? NULL : b, sizeof *b,
                              vk_groups(d, stage == SWAP && n > 1 ? n / 2 : n), 1, 1);
    }
    return status;
}

static cr_status plan_sort(const vk_call *call, cr_plan **plan)
{
    if (call->nin != 1 || call->nout != 2 || !call->in[0] || !call->out[0] || !call->out[1] ||
        call->in[0]->dtype != call->out[0]->dtype || call->out[1]->dtype != CR_I64)
        return CR_UNSUPPORTED;
    cr_device *d = call->device;
    const cr_meta *values[3] = {call->out[0], call->in[0], call->out[1]};
    int64_t dim = vk_attr_int(call->node, "dim", 0);
    if (dim < 0 || dim >= (values[0]->rank ? values[0]->rank : 1))
        return CR_UNSUPPORTED;
    vk_lanes lanes = vk_lanes_of(3, values, (int)dim);
    sort_block b = {.lanes = (uint32_t)lanes.space.numel,
                    .terms = (uint32_t)lanes.terms,
                    .padded = 2,
                    .shift = 1};
    while (b.padded < b.terms && b.shift < 30) {
        b.padded *= 2;
        b.shift++;
    }
    if ((uint64_t)b.lanes * b.padded >= INT32_MAX)
        return CR_UNSUPPORTED;
    sort_plan *p = vk_plan_new(d, sizeof *p, sort_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->in_at = call->in_at[0];
    p->out_at = call->out_at[0];
    p->index_at = call->out_at[1];
    p->padded = b.padded;
    p->empty = !lanes.terms || !lanes.space.numel;
    if (p->empty)
        return vk_plan_done(&p->base, CR_OK, plan);
    memcpy(b.step, lanes.step, sizeof b.step);
    vk_lane_dims(b.lane, &lanes);
    vk_class class = vk_class_of(d, values[0]->dtype);
    size_t n = (size_t)b.lanes * b.padded;
    p->keys = vk_workspace(call->info, n * (class == VK_FLOAT || class == VK_INT ? 4 : 8));
    p->places = vk_workspace(call->info, n * 4);
    cr_status status =
        add_stages(p, &b, &lanes, values[0]->dtype, vk_attr_int(call->node, "descending", 0) != 0);
    return vk_plan_done(&p->base, status, plan);
}

const vk_op vk_family_sort[] = {
    {"sort.stable", plan_sort},
    {NULL, NULL},
};
