/* Reductions over any dimensions: an item folds a whole output, or a work-group does where outputs are few. */
#include "plan.h"

#include <stdio.h>

typedef struct reduce_plan {
    cr_plan base;
    cl_kernel kernel;
    size_t group;
    bool grouped;
    cl_int op, dtype;
    ocl_space outer, inner; /* of output and input; of the input */
} reduce_plan;

static cr_status reduce_run(cr_plan *plan, const cr_run *run)
{
    const reduce_plan *p = (const reduce_plan *)plan;
    if (!p->outer.count)
        return CR_OK;
    ocl_launch launch = ocl_launch_of(plan->device, p->kernel);
    ocl_arg(&launch, sizeof p->outer, &p->outer);
    ocl_arg(&launch, sizeof p->inner, &p->inner);
    ocl_value(&launch, &run->values[1], 0);
    ocl_value(&launch, &run->values[0], 0);
    ocl_arg(&launch, sizeof p->op, &p->op);
    ocl_arg(&launch, sizeof p->dtype, &p->dtype);
    const size_t groups = (size_t)p->outer.count;
    return p->grouped ? ocl_go(&launch, plan->op, 1, &groups, &p->group)
                      : ocl_go_items(&launch, plan->op, p->outer.count, p->group);
}

/* The reduced dimensions as bits; false where an attribute is not what it should be. */
static bool reduced_dims(const ocl_call *call, int op, unsigned *bits)
{
    const cr_meta *in = call->value[0];
    *bits = 0;
    if (op == R_ARGMAX || op == R_ARGMIN || op == R_PROD) {
        const cr_attr *one = ocl_attr(call->node, "dim", CR_ATTR_INT);
        if (one) {
            int dim = ocl_dim(call, in);
            *bits = dim >= 0 ? 1u << dim : 0;
            return dim >= 0;
        }
    }
    const cr_attr *dims = ocl_attr(call->node, "dim", CR_ATTR_INTS);
    for (int i = 0; dims && i < dims->count; i++) {
        int64_t dim = dims->as.ints[i];
        if (dim < 0 || dim >= (in->rank ? in->rank : 1))
            return false;
        *bits |= 1u << dim;
    }
    return dims != NULL;
}

static cr_status plan_reduce(const ocl_call *call, int op, cr_plan **plan)
{
    const cr_meta *in = call->value[0], *out = call->value[1];
    const cr_attr *keep = ocl_attr(call->node, "keepdim", CR_ATTR_INT);
    const bool index = op == R_ARGMAX || op == R_ARGMIN, truth = op == R_ANY || op == R_ALL;
    unsigned bits;
    if (!reduced_dims(call, op, &bits) || out->dtype != (index ? CR_I64 : in->dtype) ||
        (truth && in->dtype != CR_B8))
        return CR_UNSUPPORTED;
    /* The output with the input's dimensions. */
    cr_meta laid = *in;
    int left = 0;
    for (int d = 0; d < in->rank; d++) {
        bool gone = bits >> d & 1;
        laid.stride[d] = gone ? 0 : out->stride[keep && keep->as.i ? d : left];
        left += !gone;
    }
    const cr_meta *values[] = {&laid, in};
    reduce_plan *p = ocl_plan_new(call, sizeof *p, reduce_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->op = op;
    p->dtype = in->dtype;
    p->outer = ocl_space_of(2, values, ~bits);
    p->inner = ocl_space_of(1, &in, bits);
    p->grouped =
        p->inner.count >= 256 && p->outer.count < (call->device->profile->is_cpu ? 16 : 4096);
    p->group = ocl_group(call->device, false);
    while (p->grouped && (p->group & (p->group - 1))) /* a power of two, for the joining */
        p->group &= p->group - 1;
    char more[96] = "";
    int length = p->grouped ? snprintf(more, sizeof more, " -DGROUP=%zu", p->group) : 0;
    if (p->outer.count * p->inner.count >= 1 << 16)
        snprintf(more + length, sizeof more - (size_t)length, " -DOP=%d -DDTYPE=%d", op,
                 (int)in->dtype);
    return ocl_plan_done(p,
                         ocl_kernel_get(call->device, OCL_reduce, &p->kernel, "-DCLASS=%d%s%s",
                                        ocl_class_of(in->dtype),
                                        ocl_is_wide(call) ? " -DWIDE_INDEX" : "", more),
                         plan);
}

const ocl_op ocl_reduce[] = {
    {"sum.dim_IntList", 1, 1, plan_reduce, R_SUM},
    {"prod.dim_int", 1, 1, plan_reduce, R_PROD},
    {"amax", 1, 1, plan_reduce, R_AMAX},
    {"amin", 1, 1, plan_reduce, R_AMIN},
    {"argmax", 1, 1, plan_reduce, R_ARGMAX},
    {"argmin", 1, 1, plan_reduce, R_ARGMIN},
    {"any.dims", 1, 1, plan_reduce, R_ANY},
    {"all.dims", 1, 1, plan_reduce, R_ALL},
    {NULL, 0, 0, NULL, 0},
};
