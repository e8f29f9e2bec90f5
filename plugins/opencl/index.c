/* Reading and writing at indices: gather, scatter.src and scatter_reduce.two. */
#include "plan.h"

#include <string.h>

typedef struct index_plan {
    cr_plan base;
    cl_kernel copy, kernel; /* copy: self to the output before scattering */
    size_t group;
    cl_long items; /* of the gathering, or of the copy */
    cl_int op, dtype, dim;
    cl_long terms, size, jump;
    cl_long4 step;
    ocl_space space; /* gather: output, index, self; scatter: lanes of output, index, src */
    ocl_space whole; /* scatter: output, self */
} index_plan;

static void tail(ocl_launch *launch, const index_plan *p)
{
    ocl_arg(launch, sizeof p->dim, &p->dim);
    ocl_arg(launch, sizeof p->base.device->fault, &p->base.device->fault);
    p->base.device->may_fault = true;
}

static void begin(ocl_launch *launch, const index_plan *p, const cr_run *run, const int *order)
{
    *launch = ocl_launch_of(p->base.device, p->kernel);
    ocl_arg(launch, sizeof p->space, &p->space);
    for (int v = 0; v < 3; v++)
        ocl_value(launch, &run->values[order[v]], 0);
    ocl_arg(launch, sizeof p->op, &p->op);
    ocl_arg(launch, sizeof p->dtype, &p->dtype);
}

static cr_status gather_run(cr_plan *plan, const cr_run *run)
{
    const index_plan *p = (const index_plan *)plan;
    if (!p->space.count)
        return CR_OK;
    ocl_launch launch;
    begin(&launch, p, run, (const int[]){2, 1, 0});
    ocl_arg(&launch, sizeof p->size, &p->size);
    ocl_arg(&launch, sizeof p->jump, &p->jump);
    tail(&launch, p);
    return ocl_go_items(&launch, plan->op, p->items, p->group);
}

static cr_status copy_self(const index_plan *p, const cr_run *run)
{
    const cr_binding *self = &run->values[0], *out = &run->values[3];
    if (!p->whole.count || (self->buffer == out->buffer && self->offset == out->offset))
        return CR_OK;
    const cl_int dtype = ocl_moved_as(p->dtype);
    ocl_launch launch = ocl_launch_of(p->base.device, p->copy);
    ocl_arg(&launch, sizeof p->whole, &p->whole);
    ocl_value(&launch, out, 0);
    ocl_value(&launch, self, 0);
    ocl_arg(&launch, sizeof dtype, &dtype);
    ocl_arg(&launch, sizeof dtype, &dtype);
    return ocl_go_items(&launch, p->base.op, p->items, p->group);
}

static cr_status scatter_run(cr_plan *plan, const cr_run *run)
{
    const index_plan *p = (const index_plan *)plan;
    cr_status status = copy_self(p, run);
    if (status != CR_OK || !p->space.count || !p->terms)
        return status;
    ocl_launch launch;
    begin(&launch, p, run, (const int[]){3, 1, 2});
    ocl_arg(&launch, sizeof p->terms, &p->terms);
    ocl_arg(&launch, sizeof p->size, &p->size);
    ocl_arg(&launch, sizeof p->step, &p->step);
    tail(&launch, p);
    return ocl_go_items(&launch, plan->op, p->space.count, p->group);
}

static cr_status plan_gather(const ocl_call *call, int code, cr_plan **plan)
{
    const cr_meta *self = call->value[0], *index = call->value[1], *out = call->value[2];
    const int dim = ocl_dim(call, self);
    (void)code;
    if (dim < 0 || index->dtype != CR_I64 || self->dtype != out->dtype ||
        self->rank != index->rank || out->rank != index->rank)
        return CR_UNSUPPORTED;
    index_plan *p = ocl_plan_new(call, sizeof *p, gather_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    const cr_meta fixed = ocl_without(self, dim), *values[] = {out, index, &fixed};
    p->space = ocl_space_of(3, values, ~0u);
    p->dtype = ocl_moved_as(self->dtype);
    p->dim = dim;
    p->size = self->rank ? self->size[dim] : 1;
    p->jump = self->rank ? self->stride[dim] : 0;
    const cl_long each = ocl_each(call->device, &p->space);
    p->items = (p->space.count + each - 1) / each;
    p->group = ocl_group(call->device, false);
    return ocl_plan_done(p,
                         ocl_kernel_get(call->device, OCL_gather, &p->kernel,
                                        "-DCLASS=%d -DEACH=%d%s", ocl_class_of(p->dtype), (int)each,
                                        ocl_is_wide(call) ? " -DWIDE_INDEX" : ""),
                         plan);
}

/* Which way of folding the attribute names, or -1. */
static int fold_of(const ocl_call *call)
{
    static const struct {
        const char *name;
        int op;
    } ways[] = {{"sum", R_SUM}, {"prod", R_PROD}, {"amax", R_AMAX}, {"amin", R_AMIN}};
    const cr_attr *reduce = ocl_attr(call->node, "reduce", CR_ATTR_TEXT);
    const cr_attr *self = ocl_attr(call->node, "include_self", CR_ATTR_INT);
    for (size_t i = 0; reduce && (!self || self->as.i) && i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(reduce->as.text, ways[i].name))
            return ways[i].op;
    return -1;
}

static cr_status plan_scatter(const ocl_call *call, int folds, cr_plan **plan)
{
    const cr_meta *self = call->value[0], *index = call->value[1], *src = call->value[2],
                  *out = call->value[3];
    const int dim = ocl_dim(call, self), op = folds ? fold_of(call) : R_SET;
    if (dim < 0 || op < 0 || index->dtype != CR_I64 || self->dtype != out->dtype ||
        src->dtype != out->dtype || self->rank != index->rank || src->rank != index->rank ||
        out->rank != index->rank)
        return CR_UNSUPPORTED;
    index_plan *p = ocl_plan_new(call, sizeof *p, scatter_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    /* The index tells the sizes: self and src may be larger. */
    cr_meta to = *index;
    memcpy(to.stride, out->stride, sizeof to.stride);
    const cr_meta *lanes[] = {&to, index, src}, *whole[] = {out, self};
    p->space = ocl_space_of(3, lanes, ~(1u << dim));
    p->whole = ocl_space_of(2, whole, ~0u);
    const cl_long each = ocl_each(call->device, &p->whole);
    p->items = (p->whole.count + each - 1) / each;
    p->op = op;
    p->dtype = op == R_SET ? ocl_moved_as(out->dtype) : out->dtype;
    p->dim = dim;
    p->terms = index->rank ? index->size[dim] : 1;
    p->size = out->rank ? out->size[dim] : 1;
    p->step.s[0] = out->rank ? out->stride[dim] : 0;
    p->step.s[1] = index->rank ? index->stride[dim] : 0;
    p->step.s[2] = src->rank ? src->stride[dim] : 0;
    p->group = ocl_group(call->device, false);
    const char *wide = ocl_is_wide(call) ? " -DWIDE_INDEX" : "";
    const int moved = ocl_class_of(ocl_moved_as(out->dtype));
    cr_status status =
        ocl_kernel_get(call->device, OCL_copy, &p->copy, "-DCLASS=%d -DTO=%d -DEACH=%d%s", moved,
                       moved, (int)each, wide);
    if (status == CR_OK)
        status = ocl_kernel_get(call->device, OCL_scatter, &p->kernel, "-DCLASS=%d%s",
                                ocl_class_of(p->dtype), wide);
    return ocl_plan_done(p, status, plan);
}

const ocl_op ocl_index[] = {
    {"gather", 2, 1, plan_gather, 0},
    {"scatter.src", 3, 1, plan_scatter, 0},
    {"scatter_reduce.two", 3, 1, plan_scatter, 1},
    {NULL, 0, 0, NULL, 0},
};
