/* From an operation's name to its family, and what planners share. See plan.h. */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#define VK_FAMILY(name) extern const vk_op vk_family_##name[];
#include "families.def"
#undef VK_FAMILY
static const vk_op *const families[] = {
#define VK_FAMILY(name) vk_family_##name,
#include "families.def"
#undef VK_FAMILY
};

static const vk_op *find(const char *name)
{
    if (vk_is_elementwise(name))
        return &vk_elementwise;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const vk_op *op = families[f]; op->name; op++)
            if (!strcmp(op->name, name))
                return op;
    return NULL;
}

/* ---- from a graph to a call ---- */

/* Bytes from the first element to the end of the last, for values that vk_is_reachable. */
static size_t reach(const cr_meta *meta)
{
    size_t last = 0;
    for (int k = 0; k < meta->rank; k++) {
        if (!meta->size[k])
            return 0;
        last += (size_t)(meta->size[k] - 1) * (size_t)meta->stride[k];
    }
    return (last + 1) * vk_dtype_size(meta->dtype);
}

bool vk_is_sound(const cr_device *d, const cr_meta *meta)
{
    if (meta->layout || meta->rank < 0 || meta->rank > CR_MAX_RANK ||
        vk_class_of(d, meta->dtype) == VK_NO_CLASS)
        return false;
    for (int k = 0; k < meta->rank; k++)
        if (meta->size[k] < 0 || meta->stride[k] < 0)
            return false;
    return vk_is_reachable(meta) && (!d->checked || reach(meta) <= d->values.most);
}

static bool find_values(const cr_device *d, const cr_graph *graph, const uint32_t *wanted,
                        uint32_t count, const uint32_t *list, uint32_t listed, int first,
                        const cr_meta **metas, int *places)
{
    for (uint32_t i = 0; i < count; i++) {
        metas[i] = NULL;
        places[i] = -1;
        if (wanted[i] == CR_NO_VALUE)
            continue;
        for (uint32_t j = 0; j < listed && !metas[i]; j++)
            if (list[j] == wanted[i]) {
                places[i] = first + (int)j;
                metas[i] = &graph->values[wanted[i]];
            }
        if (metas[i] && !vk_is_sound(d, metas[i]))
            return false;
    }
    return true;
}

cr_status vk_plan_node(cr_device *d, const cr_graph *graph, const cr_graph_node *node,
                       const vk_follow *follow, cr_plan_info *info, cr_plan **plan)
{
    const vk_op *op = find(node->op);
    if (!op)
        return CR_UNSUPPORTED;
    size_t n = (size_t)node->ninputs + node->noutputs;
    const cr_meta **metas = malloc((n ? n : 1) * sizeof *metas);
    int *places = malloc((n ? n : 1) * sizeof *places);
    cr_status status = CR_OUT_OF_MEMORY;
    if (!metas || !places)
        vk_host->fail(vk_host, status, "a plan's list of %zu values", n);
    else if (!find_values(d, graph, node->inputs, node->ninputs, graph->inputs, graph->ninputs, 0,
                          metas, places) ||
             !find_values(d, graph, node->outputs, node->noutputs, graph->outputs, graph->noutputs,
                          (int)graph->ninputs, metas + node->ninputs, places + node->ninputs))
        status = CR_UNSUPPORTED;
    else {
        vk_call call = {.device = d,
                        .node = node,
                        .in = metas,
                        .out = metas + node->ninputs,
                        .in_at = places,
                        .out_at = places + node->ninputs,
                        .nin = node->ninputs,
                        .nout = node->noutputs,
                        .info = info,
                        .follow = follow};
        status = op->plan(&call, plan);
        if (status == CR_OK && d->checked && info->workspace > d->values.most) {
            vk_plan_free(*plan);
            status = CR_UNSUPPORTED;
        }
    }
    free(metas);
    free(places);
    return status;
}

/* A captured region. */
static cr_status plan_several(cr_device *d, const cr_graph *graph, cr_plan_info *info,
                              cr_plan **plan)
{
    static cr_status (*const planners[])(cr_device *, const cr_graph *, cr_plan_info *,
                                         cr_plan **) = {vk_plan_product_chain, vk_plan_chain,
                                                        vk_plan_chain_reduce};
    cr_status status = CR_UNSUPPORTED;
    for (size_t i = 0; i < sizeof planners / sizeof *planners && status == CR_UNSUPPORTED; i++)
        status = planners[i](d, graph, info, plan);
    return status;
}

cr_status vk_plan_graph(cr_device *d, const cr_graph *graph, cr_plan_info *info, cr_plan **plan)
{
    if (d->lost)
        return vk_still_lost(d);
    return graph->nnodes == 1 ? vk_plan_node(d, graph, graph->nodes, NULL, info, plan)
                              : plan_several(d, graph, info, plan);
}

/* ---- plans ---- */

void *vk_plan_new(cr_device *d, size_t bytes, cr_status (*run)(cr_plan *, const cr_run *))
{
    cr_plan *plan = calloc(1, bytes);
    if (!plan) {
        vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "a plan needs %zu bytes", bytes);
        return NULL;
    }
    plan->device = d;
    plan->run = run;
    return plan;
}

void vk_plan_free(cr_plan *plan)
{
    if (!plan)
        return;
    if (plan->destroy)
        plan->destroy(plan);
    for (int i = 0; i < plan->nsteps; i++)
        vk_constant_free(plan->device, plan->step[i].constant);
    free(plan);
}

cr_status vk_plan_bare_step(cr_plan *plan, const void *constants, size_t bytes, uint64_t x,
                            uint64_t y, uint64_t z)
{
    const uint32_t *most = plan->device->profile->limits.maxComputeWorkGroupCount;
    if (x > most[0] || y > most[1] || z > most[2])
        return CR_UNSUPPORTED;
    vk_step *step = &plan->step[plan->nsteps];
    *step = (vk_step){.groups = {(uint32_t)x, (uint32_t)y, (uint32_t)z}};
    cr_status status = CR_OK;
    if (constants)
        status = vk_constant_new(plan->device, constants, bytes, &step->constant);
    if (status == CR_OK)
        plan->nsteps++;
    return status;
}

cr_status vk_plan_step(cr_plan *plan, vk_shader shader, uint32_t group, const uint32_t *special,
                       int nspecial, const void *constants, size_t bytes, uint64_t x, uint64_t y,
                       uint64_t z)
{
    vk_step *step = &plan->step[plan->nsteps];
    cr_status status = vk_plan_bare_step(plan, constants, bytes, x, y, z);
    return status == CR_OK
               ? vk_pipeline_get(plan->device, shader, group, special, nspecial, &step->pipeline)
               : status;
}

cr_status vk_plan_done(cr_plan *plan, cr_status status, cr_plan **out)
{
    if (status == CR_OK)
        *out = plan;
    else
        vk_plan_free(plan);
    return status;
}

vk_launch vk_step_launch(const cr_plan *plan, int i)
{
    const vk_step *step = &plan->step[i];
    vk_recorder *r = &plan->device->recorder;
    uint32_t reporter =
        plan->meaning && plan->reporter
            ? vk_reporter(plan->device, r->reporters[plan->reporter].name, plan->meaning)
            : plan->reporter;
    vk_launch launch = {.pipeline = step->pipeline,
                        .groups = {step->groups[0], step->groups[1], step->groups[2]},
                        .reporter = reporter};
    while (i > 0 && !plan->step[i].constant)
        i--;
    launch.constant = plan->step[i].constant;
    return launch;
}

size_t vk_workspace(cr_plan_info *info, size_t bytes)
{
    size_t at = info->workspace;
    info->workspace += (bytes + 255) / 256 * 256;
    return at;
}

/* ---- attributes and numbers ---- */

static const cr_attr *attr(const cr_graph_node *node, const char *name, int32_t kind)
{
    for (uint32_t i = 0; i < node->nattrs; i++)
        if (node->attrs[i].kind == kind && !strcmp(node->attrs[i].name, name))
            return &node->attrs[i];
    return NULL;
}

int64_t vk_attr_int(const cr_graph_node *node, const char *name, int64_t fallback)
{
    const cr_attr *a = attr(node, name, CR_ATTR_INT);
    return a ? a->as.i : fallback;
}

const int64_t *vk_attr_ints(const cr_graph_node *node, const char *name, int *count)
{
    const cr_attr *a = attr(node, name, CR_ATTR_INTS);
    *count = a ? a->count : 0;
    return a ? a->as.ints : NULL;
}

const char *vk_attr_text(const cr_graph_node *node, const char *name, const char *fallback)
{
    const cr_attr *a = attr(node, name, CR_ATTR_TEXT);
    return a ? a->as.text : fallback;
}

int vk_number_at(const cr_graph_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->nnumbers; i++)
        if (!strcmp(node->number_names[i], name))
            return (int)i;
    return -1;
}
