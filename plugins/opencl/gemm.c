/* Batched matrix products by one tiled kernel. The tile suits the device: a processor has vectors of 16 floats and runs a
 * group's items one after the other, so few items do much each; elsewhere many do less. */
#include "plan.h"

typedef struct gemm_plan {
    cr_plan base;
    cl_kernel kernel;
    cl_int dtype;
    cl_long m, n, depth;
    cl_long4 y, a, b; /* strides: batch, row, column */
    size_t groups[3], group[3];
} gemm_plan;

static cr_status gemm_run(cr_plan *plan, const cr_run *run)
{
    const gemm_plan *p = (const gemm_plan *)plan;
    if (!p->groups[0] || !p->groups[1] || !p->groups[2])
        return CR_OK;
    ocl_launch launch = ocl_launch_of(plan->device, p->kernel);
    ocl_value(&launch, &run->values[2], 0);
    ocl_value(&launch, &run->values[0], 0);
    ocl_value(&launch, &run->values[1], 0);
    ocl_arg(&launch, sizeof p->dtype, &p->dtype);
    ocl_arg(&launch, sizeof p->m, &p->m);
    ocl_arg(&launch, sizeof p->n, &p->n);
    ocl_arg(&launch, sizeof p->depth, &p->depth);
    ocl_arg(&launch, sizeof p->y, &p->y);
    ocl_arg(&launch, sizeof p->a, &p->a);
    ocl_arg(&launch, sizeof p->b, &p->b);
    return ocl_go(&launch, plan->op, 3, p->groups, p->group);
}

static cl_long4 steps(const cr_meta *m)
{
    return (cl_long4){{m->stride[0], m->stride[1], m->stride[2], 0}};
}

static cr_status plan_bmm(const ocl_call *call, int code, cr_plan **plan)
{
    const cr_meta *a = call->value[0], *b = call->value[1], *y = call->value[2];
    const int32_t dtype = y->dtype;
    (void)code;
    if (a->rank != 3 || b->rank != 3 || y->rank != 3 || a->dtype != dtype || b->dtype != dtype ||
        dtype == CR_B8)
        return CR_UNSUPPORTED;
    gemm_plan *p = ocl_plan_new(call, sizeof *p, gemm_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    const bool cpu = call->device->profile->is_cpu || call->device->profile->group < 256;
    const int lanes = cpu ? 16 : 4, rows = cpu ? 8 : 4, depth = cpu ? 64 : 16;
    int tile_m = 64, tile_n = 64;
    while (tile_m > rows && y->size[1] <= tile_m / 2)
        tile_m /= 2;
    while (tile_n > lanes && y->size[2] <= tile_n / 2)
        tile_n /= 2;
    p->dtype = dtype;
    p->m = y->size[1];
    p->n = y->size[2];
    p->depth = a->size[2];
    p->y = steps(y);
    p->a = steps(a);
    p->b = steps(b);
    p->group[0] = (size_t)(tile_n / lanes);
    p->group[1] = (size_t)(tile_m / rows);
    p->group[2] = 1;
    p->groups[0] = (size_t)((p->n + tile_n - 1) / tile_n);
    p->groups[1] = (size_t)((p->m + tile_m - 1) / tile_m);
    p->groups[2] = (size_t)y->size[0];
    return ocl_plan_done(
        p,
        ocl_kernel_get(call->device, OCL_gemm, &p->kernel,
                       "-DCLASS=%d%s -DDTYPE=%d -DTILE_M=%d -DTILE_N=%d -DTILE_K=%d -DLANES=%d "
                       "-DROWS=%d -DA_BY_ROWS=%d -DB_BY_ROWS=%d",
                       ocl_class_of(dtype), ocl_is_wide(call) ? " -DWIDE_INDEX" : "", (int)dtype,
                       tile_m, tile_n, depth, lanes, rows, p->a.s[2] <= p->a.s[1],
                       p->b.s[2] <= p->b.s[1]),
        plan);
}

const ocl_op ocl_gemm[] = {
    {"bmm", 2, 1, plan_bmm, 0},
    {NULL, 0, 0, NULL, 0},
};
