/* Scans along one dimension: an item takes a lane. */
#include "plan.h"

typedef struct scan_plan {
    cr_plan base;
    cl_kernel kernel;
    size_t group;
    cl_int op, dtype;
    cl_long terms;
    cl_long4 step;
    int nout;
    ocl_space lanes; /* of output, input and indices */
} scan_plan;

static cr_status scan_run(cr_plan *plan, const cr_run *run)
{
    const scan_plan *p = (const scan_plan *)plan;
    if (!p->lanes.count || !p->terms)
        return CR_OK;
    ocl_launch launch = ocl_launch_of(plan->device, p->kernel);
    ocl_arg(&launch, sizeof p->lanes, &p->lanes);
    ocl_value(&launch, &run->values[1], 0);
    ocl_value(&launch, &run->values[0], 0);
    ocl_value(&launch, &run->values[p->nout], 0); /* not read where there are no indices */
    ocl_arg(&launch, sizeof p->op, &p->op);
    ocl_arg(&launch, sizeof p->dtype, &p->dtype);
    ocl_arg(&launch, sizeof p->terms, &p->terms);
    ocl_arg(&launch, sizeof p->step, &p->step);
    return ocl_go_items(&launch, plan->op, p->lanes.count, p->group);
}

static cr_status plan_scan(const ocl_call *call, int op, cr_plan **plan)
{
    const cr_meta *values[] = {call->value[1], call->value[0], call->value[call->nout]};
    const int32_t dtype = values[1]->dtype;
    const int dim = ocl_dim(call, values[1]);
    if (dim < 0 || values[0]->dtype != dtype || (call->nout == 2 && values[2]->dtype != CR_I64) ||
        (op == R_LOGSUMEXP && !ocl_is_float(dtype)))
        return CR_UNSUPPORTED;
    scan_plan *p = ocl_plan_new(call, sizeof *p, scan_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->op = op;
    p->dtype = dtype;
    p->nout = call->nout;
    p->lanes = ocl_space_of(3, values, ~(1u << dim));
    p->terms = values[0]->rank ? values[0]->size[dim] : 1;
    for (int v = 0; v < 3 && values[0]->rank; v++)
        p->step.s[v] = values[v]->stride[dim];
    p->group = ocl_group(call->device, false);
    return ocl_plan_done(p,
                         ocl_kernel_get(call->device, OCL_scan, &p->kernel, "-DCLASS=%d%s",
                                        ocl_class_of(dtype),
                                        ocl_is_wide(call) ? " -DWIDE_INDEX" : ""),
                         plan);
}

const ocl_op ocl_scan[] = {
    {"cumsum", 1, 1, plan_scan, R_SUM},
    {"cumprod", 1, 1, plan_scan, R_PROD},
    {"cummax", 1, 2, plan_scan, R_AMAX},
    {"cummin", 1, 2, plan_scan, R_AMIN},
    {"logcumsumexp", 1, 1, plan_scan, R_LOGSUMEXP},
    {NULL, 0, 0, NULL, 0},
};
