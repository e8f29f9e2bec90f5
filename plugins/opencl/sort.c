/* A stable sort along one dimension: blocks by counting, then merging, each step a launch over all elements. What is between
 * lies in the workspace, dense: two copies of values and places that take turns. */
#include "plan.h"

enum { BLOCK = 32 };

typedef struct sort_plan {
    cr_plan base;
    cl_kernel first, merge;
    size_t group, values, half; /* bytes of the values of a copy, and of a copy */
    cl_int descending, dtype;
    cl_long terms;
    int steps; /* merges */
    /* Lanes of values to, values from, places to, places from: direct, to the workspace, within it, and to the outputs. */
    ocl_space lanes[4];
    cl_long4 step[4];
} sort_plan;

enum { DIRECT, INTO, WITHIN, OUT };

static cr_status sort_run(cr_plan *plan, const cr_run *run)
{
    const sort_plan *p = (const sort_plan *)plan;
    cl_long width = BLOCK;
    cr_status status = CR_OK;
    if (!p->terms || !p->lanes[0].count)
        return CR_OK;
    for (int i = 0; i <= p->steps && status == CR_OK; i++) {
        const bool last = i == p->steps;
        const int way = i == 0 ? (last ? DIRECT : INTO) : last ? OUT : WITHIN;
        const size_t to = (size_t)(i & 1) * p->half, from = p->half - to;
        ocl_launch launch = ocl_launch_of(plan->device, i ? p->merge : p->first);
        ocl_arg(&launch, sizeof p->lanes[way], &p->lanes[way]);
        ocl_value(&launch, last ? &run->values[1] : &run->workspace, last ? 0 : to);
        ocl_value(&launch, i ? &run->workspace : &run->values[0], i ? from : 0);
        ocl_value(&launch, last ? &run->values[2] : &run->workspace, last ? 0 : to + p->values);
        /* the first step reads no places */
        ocl_value(&launch, i ? &run->workspace : &run->values[0], i ? from + p->values : 0);
        ocl_arg(&launch, sizeof p->descending, &p->descending);
        ocl_arg(&launch, sizeof p->dtype, &p->dtype);
        ocl_arg(&launch, sizeof p->terms, &p->terms);
        ocl_arg(&launch, sizeof width, &width);
        ocl_arg(&launch, sizeof p->step[way], &p->step[way]);
        status = ocl_go_items(&launch, plan->op, p->lanes[0].count * p->terms, p->group);
        if (i)
            width *= 2;
    }
    return status;
}

/* The workspace's layout of a value: dense, the sorted dimension last. */
static cr_meta dense(const cr_meta *like, int dim)
{
    cr_meta m = *like;
    int64_t step = 1;
    if (m.rank) {
        m.stride[dim] = 1;
        step = m.size[dim];
    }
    for (int d = m.rank - 1; d >= 0; d--)
        if (d != dim) {
            m.stride[d] = step;
            step *= m.size[d];
        }
    return m;
}

static void lay(sort_plan *p, int way, int dim, const cr_meta *to, const cr_meta *from,
                const cr_meta *places_to, const cr_meta *places_from)
{
    const cr_meta *values[] = {to, from, places_to, places_from};
    p->lanes[way] = ocl_space_of(4, values, ~(1u << dim));
    for (int v = 0; v < 4 && to->rank; v++)
        p->step[way].s[v] = values[v]->stride[dim];
}

static cr_status plan_sort(const ocl_call *call, int code, cr_plan **plan)
{
    const cr_meta *in = call->value[0], *out = call->value[1], *places = call->value[2];
    const cr_attr *descending = ocl_attr(call->node, "descending", CR_ATTR_INT);
    const int dim = ocl_dim(call, in);
    (void)code;
    if (dim < 0 || out->dtype != in->dtype || places->dtype != CR_I64)
        return CR_UNSUPPORTED;
    sort_plan *p = ocl_plan_new(call, sizeof *p, sort_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->dtype = in->dtype;
    p->descending = descending && descending->as.i;
    p->terms = in->rank ? in->size[dim] : 1;
    for (cl_long width = BLOCK; width < p->terms; width *= 2)
        p->steps++;
    const cr_meta work = dense(in, dim);
    lay(p, DIRECT, dim, out, in, places, in);
    lay(p, INTO, dim, &work, in, &work, in);
    lay(p, WITHIN, dim, &work, &work, &work, &work);
    lay(p, OUT, dim, out, &work, places, &work);
    if (p->steps) {
        const size_t n = (size_t)ocl_numel(in);
        p->values = (n * ocl_size_of(in->dtype) + 127) / 128 * 128;
        p->half = p->values + (n * 8 + 127) / 128 * 128;
        call->info->workspace = 2 * p->half;
    }
    p->group = ocl_group(call->device, false);
    const char *wide = ocl_is_wide(call) ? " -DWIDE_INDEX" : "";
    const int class = ocl_class_of(in->dtype);
    cr_status status =
        ocl_kernel_get(call->device, OCL_sort, &p->first, "-DCLASS=%d%s -DFIRST", class, wide);
    if (status == CR_OK && p->steps)
        status = ocl_kernel_get(call->device, OCL_sort, &p->merge, "-DCLASS=%d%s", class, wide);
    return ocl_plan_done(p, status, plan);
}

const ocl_op ocl_sort[] = {
    {"sort.stable", 1, 2, plan_sort, 0},
    {NULL, 0, 0, NULL, 0},
};
