/* fill and arange. */
#include "plan.h"

typedef struct fill_plan {
    struct cr_plan base;
    int at, number_at, step_at;
    int32_t dtype;
    size_t bytes; /* of a dense output that the queue can fill by words, or 0 */
    bool empty;
} fill_plan;

static const cr_number zero, one = {1, 1};

/* The element's bits as a word that repeats, if there is one. */
static bool as_word(uint64_t bits, int32_t dtype, uint32_t *word)
{
    switch (vk_dtype_size(dtype)) {
    case 1: *word = (uint32_t)bits * 0x01010101u; return true;
    case 2: *word = (uint32_t)bits * 0x00010001u; return true;
    case 4: *word = (uint32_t)bits; return true;
    default: *word = (uint32_t)bits; return bits >> 32 == (uint32_t)bits;
    }
}

static cr_status fill_run(cr_plan *plan, const cr_run *run)
{
    const fill_plan *p = (const fill_plan *)plan;
    const cr_binding *to = &run->values[p->at];
    const cr_number *value = p->number_at < 0 ? &zero : &run->numbers[p->number_at];
    uint64_t bits = vk_element_bits(value, p->dtype);
    uint32_t word;
    if (p->empty)
        return CR_OK;
    size_t offset = to->buffer->span.offset + to->offset;
    if (p->bytes && offset % 4 == 0 && as_word(bits, p->dtype, &word)) {
        VkCommandBuffer commands;
        cr_status status = vk_record_uses(plan->device, NULL, to->buffer, &commands);
        if (status == CR_OK)
            vkCmdFillBuffer(commands, to->buffer->span.block->buffer, offset, p->bytes, word);
        return status;
    }
    vk_launch launch = vk_step_launch(plan, 0);
    vk_bind(&launch, 0, to, 0, true);
    launch.args.number[0] = bits;
    return vk_record(plan->device, &launch);
}

static cr_status arange_run(cr_plan *plan, const cr_run *run)
{
    const fill_plan *p = (const fill_plan *)plan;
    if (p->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    int32_t wide = vk_is_float(p->dtype) ? CR_F64 : CR_I64;
    vk_bind(&launch, 0, &run->values[p->at], 0, true);
    launch.args.number[0] =
        vk_element_bits(p->number_at < 0 ? &zero : &run->numbers[p->number_at], wide);
    launch.args.number[1] =
        vk_element_bits(p->step_at < 0 ? &one : &run->numbers[p->step_at], wide);
    return vk_record(plan->device, &launch);
}

static cr_status plan_new(const vk_call *call, bool counts, cr_plan **plan)
{
    if (call->nout != 1 || !call->out[0])
        return CR_UNSUPPORTED;
    cr_device *d = call->device;
    const cr_meta *out = call->out[0];
    if (counts && vk_is_float(out->dtype) && !d->profile->f64)
        return CR_UNSUPPORTED;
    vk_space space = vk_space_of(1, &out, counts);
    fill_plan *p = vk_plan_new(d, sizeof *p, counts ? arange_run : fill_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->at = call->out_at[0];
    p->dtype = out->dtype;
    p->number_at = vk_number_at(call->node, counts ? "start" : "value");
    p->step_at = counts ? vk_number_at(call->node, "step") : -1;
    p->empty = !space.numel;
    bool flat = space.rank == 0 || (space.rank == 1 && space.stride[0][0] == 1);
    uint32_t size = (uint32_t)vk_dtype_size(out->dtype);
    if (flat && (size_t)space.numel * size % 4 == 0)
        p->bytes = (size_t)space.numel * size;
    vk_grid grid = vk_grid_of(&space);
    uint32_t special[] = {flat ? 0u : (uint32_t)space.rank, counts ? (uint32_t)out->dtype : size};
    vk_shader shader = !counts           ? VK_SHADER_fill
                       : d->profile->f64 ? VK_SHADER_arange
                                         : VK_SHADER_arange_narrow;
    cr_status status = p->empty ? CR_OK
                                : vk_plan_step(&p->base, shader, 0, special, 2, &grid, sizeof grid,
                                               vk_groups(d, space.numel), 1, 1);
    return vk_plan_done(&p->base, status, plan);
}

static cr_status plan_fill(const vk_call *call, cr_plan **plan)
{
    return plan_new(call, false, plan);
}

static cr_status plan_arange(const vk_call *call, cr_plan **plan)
{
    return plan_new(call, true, plan);
}

const vk_op vk_family_fill[] = {
    {"fill.Scalar", plan_fill},
    {"arange.start_step", plan_arange},
    {NULL, NULL},
};
