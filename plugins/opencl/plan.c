/* From an operation's name to its planner, and what planners share. See plan.h. */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

static const ocl_op *const families[] = {ocl_elementwise, ocl_fill, ocl_reduce, ocl_scan,
                                         ocl_index,       ocl_sort, ocl_gemm};

static const ocl_op *find(const char *name)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const ocl_op *op = families[f]; op->name; op++)
            if (!strcmp(op->name, name))
                return op;
    return NULL;
}

static bool can_hold(const cr_device *d, const cr_meta *meta)
{
    return !meta->layout && meta->rank >= 0 && meta->rank <= CR_MAX_RANK &&
           ocl_size_of(meta->dtype) && (meta->dtype != CR_F64 || d->profile->f64);
}

/* The graph's values in order are its node's, too, in a graph of one node: but that is looked up, not believed. */
static bool take(ocl_call *call, const cr_graph *graph, const uint32_t *wanted, int n,
                 const uint32_t *listed, uint32_t nlisted, int first)
{
    for (int i = 0; i < n; i++) {
        if ((uint32_t)i >= nlisted || wanted[i] != listed[i] || wanted[i] >= graph->nvalues ||
            !can_hold(call->device, &graph->values[wanted[i]]))
            return false;
        call->value[first + i] = &graph->values[wanted[i]];
    }
    return true;
}

cr_status ocl_plan(cr_device *d, const cr_graph *graph, cr_plan_info *info, cr_plan **plan)
{
    const cr_graph_node *node = graph->nodes;
    const ocl_op *op = graph->nnodes == 1 ? find(node->op) : NULL;
    if (!op || node->ninputs != (uint32_t)op->nin || node->noutputs != (uint32_t)op->nout)
        return CR_UNSUPPORTED;
    ocl_call call = {d, node, info, op->nin, op->nout, {NULL}};
    if (!take(&call, graph, node->inputs, op->nin, graph->inputs, graph->ninputs, 0) ||
        !take(&call, graph, node->outputs, op->nout, graph->outputs, graph->noutputs, op->nin))
        return CR_UNSUPPORTED;
    cr_status status = op->plan(&call, op->code, plan);
    if (status == CR_OK)
        (*plan)->op = op->name;
    return status;
}

void *ocl_plan_new(const ocl_call *call, size_t bytes, cr_status (*run)(cr_plan *, const cr_run *))
{
    cr_plan *plan = calloc(1, bytes);
    if (!plan) {
        ocl_host->fail(ocl_host, CR_OUT_OF_MEMORY, "opencl: a plan needs %zu bytes", bytes);
        return NULL;
    }
    plan->device = call->device;
    plan->run = run;
    return plan;
}

cr_status ocl_plan_done(void *plan, cr_status status, cr_plan **out)
{
    if (status == CR_OK)
        *out = plan;
    else
        free(plan);
    return status;
}

void ocl_plan_free(cr_plan *plan)
{
    free(plan);
}

const cr_attr *ocl_attr(const cr_graph_node *node, const char *name, cr_attr_kind kind)
{
    for (const cr_attr *a = node->attrs, *end = a + node->nattrs; a < end; a++)
        if (a->kind == (int32_t)kind && !strcmp(a->name, name))
            return a;
    return NULL;
}

int ocl_dim(const ocl_call *call, const cr_meta *value)
{
    const cr_attr *a = ocl_attr(call->node, "dim", CR_ATTR_INT);
    int64_t dim = a ? a->as.i : 0;
    return dim < 0 || dim >= (value->rank ? value->rank : 1) ? -1 : (int)dim;
}

int ocl_number_at(const cr_graph_node *node, const char *name)
{
    int at = (int)node->nnumbers - 1;
    while (at >= 0 && strcmp(node->number_names[at], name) != 0)
        at--;
    return at;
}

size_t ocl_group(const cr_device *d, bool many)
{
    /* A processor runs a group as a loop, so many items want long ones. */
    size_t group = many && d->profile->is_cpu ? 1024 : many ? 256 : 64;
    return group < d->profile->group ? group : d->profile->group;
}

cl_long ocl_each(const cr_device *d, const ocl_space *space)
{
    return d->profile->is_cpu && space->count > 512 ? 64 : 1;
}

cr_status ocl_go_items(ocl_launch *launch, const char *what, cl_long items, size_t group)
{
    size_t groups = ((size_t)items + group - 1) / group;
    return ocl_go(launch, what, 1, &groups, &group);
}
