/* Random bits and uniform numbers, the same bits as every other backend. */
#include "plan.h"

#include <string.h>

typedef struct random_plan {
    struct cr_plan base;
    int at, from_at, to_at;
    int32_t dtype;
    bool uniform, empty;
} random_plan;

static cr_status random_run(cr_plan *plan, const cr_run *run)
{
    const random_plan *p = (const random_plan *)plan;
    if (p->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    vk_bind(&launch, 0, &run->values[p->at], 0, true);
    launch.args.number[0] = run->seed;
    launch.args.number[1] = run->offset;
    if (p->uniform) {
        double from = p->from_at < 0 ? 0 : run->numbers[p->from_at].f;
        double to = p->to_at < 0 ? 1 : run->numbers[p->to_at].f;
        float low = (float)from, span = (float)(to - from);
        memcpy(&launch.args.word[0], &low, sizeof low);
        memcpy(&launch.args.word[1], &span, sizeof span);
        memcpy(&launch.args.at[7], &from, sizeof from);
        memcpy(&launch.args.at[8], &to, sizeof to);
    }
    return vk_record(plan->device, &launch);
}

static cr_status plan_new(const vk_call *call, bool uniform, cr_plan **plan)
{
    if (call->nout != 1 || !call->out[0])
        return CR_UNSUPPORTED;
    cr_device *d = call->device;
    const cr_meta *out = call->out[0];
    if (uniform ? !vk_is_float(out->dtype) : out->dtype != CR_I32 && out->dtype != CR_I64)
        return CR_UNSUPPORTED;
    vk_space space = vk_space_of(1, &out, true);
    random_plan *p = vk_plan_new(d, sizeof *p, random_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->at = call->out_at[0];
    p->from_at = vk_number_at(call->node, "from");
    p->to_at = vk_number_at(call->node, "to");
    p->dtype = out->dtype;
    p->uniform = uniform;
    p->empty = !space.numel;
    uint32_t special[] = {space.rank == 1 && space.stride[0][0] == 1 ? 0 : (uint32_t)space.rank,
                          (uint32_t)out->dtype};
    vk_grid grid = vk_grid_of(&space);
    int64_t each = vk_dtype_size(out->dtype) == 8 ? 2 : 4;
    cr_status status =
        p->empty
            ? CR_OK
            : vk_plan_step(&p->base, d->profile->f64 ? VK_SHADER_random : VK_SHADER_random_narrow,
                           0, special, 2, &grid, sizeof grid,
                           vk_groups(d, (space.numel + each - 1) / each), 1, 1);
    return vk_plan_done(&p->base, status, plan);
}

static cr_status plan_bits(const vk_call *call, cr_plan **plan)
{
    return plan_new(call, false, plan);
}

static cr_status plan_uniform(const vk_call *call, cr_plan **plan)
{
    return plan_new(call, true, plan);
}

const vk_op vk_family_random[] = {
    {"random_bits", plan_bits},
    {"uniform", plan_uniform},
    {NULL, NULL},
};
