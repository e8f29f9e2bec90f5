/* What has no input: fill, arange and random bits. */
#include "plan.h"

typedef struct fill_plan {
    cr_plan base;
    cl_kernel kernel;
    size_t group;
    cl_int dtype;
    int start, step; /* places of the numbers; step -1: none */
    ocl_space space;
} fill_plan;

static void begin(ocl_launch *launch, const fill_plan *p, const cr_run *run)
{
    const cl_int op = 0;
    *launch = ocl_launch_of(p->base.device, p->kernel);
    ocl_arg(launch, sizeof p->space, &p->space);
    ocl_value(launch, &run->values[0], 0);
    ocl_arg(launch, sizeof op, &op);
    ocl_arg(launch, sizeof p->dtype, &p->dtype);
}

static cr_status fill_run(cr_plan *plan, const cr_run *run)
{
    const fill_plan *p = (const fill_plan *)plan;
    const cr_number none = {0, 0};
    if (!p->space.count)
        return CR_OK;
    ocl_launch launch;
    begin(&launch, p, run);
    ocl_number(&launch, &run->numbers[p->start], p->dtype, true);
    ocl_number(&launch, p->step >= 0 ? &run->numbers[p->step] : &none, p->dtype, true);
    return ocl_go_items(&launch, plan->op, p->space.count, p->group);
}

static cr_status random_run(cr_plan *plan, const cr_run *run)
{
    const fill_plan *p = (const fill_plan *)plan;
    const cl_ulong seed = run->seed, offset = run->offset;
    const cl_long per = p->dtype == CR_I64 ? 2 : 4;
    if (!p->space.count)
        return CR_OK;
    ocl_launch launch;
    begin(&launch, p, run);
    ocl_arg(&launch, sizeof seed, &seed);
    ocl_arg(&launch, sizeof offset, &offset);
    return ocl_go_items(&launch, plan->op, (p->space.count + per - 1) / per, p->group);
}

static cr_status plan_new(const ocl_call *call, ocl_source source,
                          cr_status (*run)(cr_plan *, const cr_run *), int start, int step,
                          cr_plan **plan)
{
    const cr_meta *out = call->value[0];
    fill_plan *p = ocl_plan_new(call, sizeof *p, run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->space = ocl_space_of(1, &out, ~0u);
    p->dtype = out->dtype;
    p->start = start;
    p->step = step;
    p->group = ocl_group(call->device, p->space.count >= 1 << 16);
    return ocl_plan_done(p,
                         ocl_kernel_get(call->device, source, &p->kernel, "-DCLASS=%d%s",
                                        ocl_class_of(out->dtype),
                                        ocl_is_wide(call) ? " -DWIDE_INDEX" : ""),
                         plan);
}

static cr_status plan_fill(const ocl_call *call, int is_arange, cr_plan **plan)
{
    int start = ocl_number_at(call->node, is_arange ? "start" : "value");
    int step = is_arange ? ocl_number_at(call->node, "step") : -1;
    if (start < 0 || (is_arange && step < 0))
        return CR_UNSUPPORTED;
    return plan_new(call, OCL_fill, fill_run, start, step, plan);
}

static cr_status plan_random(const ocl_call *call, int code, cr_plan **plan)
{
    const int32_t dtype = call->value[0]->dtype;
    (void)code;
    if (dtype != CR_I32 && dtype != CR_I64)
        return CR_UNSUPPORTED;
    return plan_new(call, OCL_random, random_run, -1, -1, plan);
}

const ocl_op ocl_fill[] = {
    {"fill.Scalar", 0, 1, plan_fill, 0},
    {"arange.start_step", 0, 1, plan_fill, 1},
    {"random_bits", 0, 1, plan_random, 0},
    {NULL, 0, 0, NULL, 0},
};
