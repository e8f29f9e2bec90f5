/* The onednn backend's entry point: the device, its memory, and the way from an operation's name to its planner. What is
 * not listed, or declined, the core runs otherwise; the cpu backend does so on the same memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined __x86_64__
#include <cpuid.h>
#endif

#include "layout.h"
#include "posts.h"

dnnl_engine_t dn_engine;
dnnl_stream_t dn_stream;
dnnl_primitive_attr_t dn_attr, dn_attr_sum;

static const struct family {
    const cpu_op *ops;
    bool layouts; /* its planners look at private layouts */
} families[] = {
    {dn_family_matmul, false},  {dn_family_eltwise, false},    {dn_family_conv, true},
    {dn_family_layout, true},   {dn_family_norm, true},        {dn_family_pool, true},
    {dn_family_softmax, false}, {dn_family_layer_norm, false}, {dn_family_reduce, false},
    {dn_family_resample, true}, {dn_family_binary, false},     {dn_family_rnn, true},
};

/* ---- the device ---- */

static struct cr_device {
    int open;
} only_device;

static cr_status device_count(const cr_backend *self, int *count)
{
    (void)self;
    *count = 1;
    return CR_OK;
}

static cr_status check_index(int index)
{
    return index ? cpu_host->fail(cpu_host, CR_INVALID, "there is one onednn device, not number %d",
                                  index)
                 : CR_OK;
}

static cr_status device_info(const cr_backend *self, int index, cr_device_info *info)
{
    (void)self;
    if (check_index(index) != CR_OK)
        return CR_INVALID;
    const dnnl_version_t *version = dnnl_version();
    char brand[49] = "CPU";
#if defined __x86_64__
    unsigned word[12];
    if (__get_cpuid_max(0x80000000u, NULL) >= 0x80000004u) {
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002u + i, &word[4 * i], &word[4 * i + 1], &word[4 * i + 2],
                        &word[4 * i + 3]);
        memcpy(brand, word, sizeof word);
        brand[48] = 0;
    }
#endif
    for (size_t n = strlen(brand); n && brand[n - 1] == ' '; n--)
        brand[n - 1] = 0;
    snprintf(info->name, sizeof info->name, "%s, oneDNN %d.%d.%d", brand + strspn(brand, " "),
             version->major, version->minor, version->patch);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    info->memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    info->alignment = 64;
    info->rank =
        190; /* below cpu: taken when asked for by name, or where there is no cpu backend */
    info->host_memory = 1;
    return CR_OK;
}

static cr_status failed_to_open(const char *what, dnnl_status_t status)
{
    return cpu_host->fail(cpu_host, CR_FAILED, "oneDNN gave no %s: dnnl_status_t %d", what,
                          (int)status);
}

static void device_close(cr_device *device)
{
    (void)device;
    dn_forget_weights();
    if (dn_attr)
        dnnl_primitive_attr_destroy(dn_attr);
    if (dn_stream)
        dnnl_stream_destroy(dn_stream);
    if (dn_engine)
        dnnl_engine_destroy(dn_engine);
    if (dn_attr_sum)
        dnnl_primitive_attr_destroy(dn_attr_sum);
    dn_attr = dn_attr_sum = NULL;
    dn_stream = NULL;
    dn_engine = NULL;
}

static cr_status device_open(const cr_backend *self, int index, cr_device **device)
{
    (void)self;
    if (check_index(index) != CR_OK)
        return CR_INVALID;
    const char *what = "CPU engine";
    dnnl_status_t status = dnnl_engine_create(&dn_engine, dnnl_cpu, 0);
    if (status == dnnl_success) {
        what = "stream";
        status = dnnl_stream_create(&dn_stream, dn_engine, dnnl_stream_default_flags);
    }
    if (status == dnnl_success) {
        what = "attributes";
        status = dn_attr_make(&dn_attr, false);
        if (status != dnnl_success)
            dn_attr = NULL;
    }
    if (status == dnnl_success) {
        what = "attributes";
        status = dn_attr_make(&dn_attr_sum, true);
        if (status != dnnl_success)
            dn_attr_sum = NULL;
    }
    if (status != dnnl_success) {
        device_close(NULL);
        return failed_to_open(what, status);
    }
    *device = &only_device;
    return CR_OK;
}

/* ---- memory ---- */

static cr_status alloc_memory(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    (void)device;
    return cpu_memory_alloc(bytes, buffer);
}

static void free_memory(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    cpu_memory_free(buffer);
}

static void *host_pointer(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    return buffer;
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    (void)device;
    memmove((char *)to + offset, from, bytes);
    return CR_OK;
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    (void)device;
    memmove(to, (char *)from + offset, bytes);
    return CR_OK;
}

/* ---- plans ---- */

enum { MOST_VALUES = 16 };

static cpu_planner planner_of(const char *name, bool *layouts)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const cpu_op *op = families[f].ops; op->name; op++)
            if (!strcmp(op->name, name)) {
                *layouts = families[f].layouts;
                return op->plan;
            }
    return NULL;
}

/* The node's values and their places among the graph's. Empty outputs (statistics that nobody computes) are absent. False
 * for what no family takes: empty inputs, and private layouts where the family does not look at them. */
static bool find_values(const cr_graph *graph, const uint32_t *wanted, uint32_t count,
                        const uint32_t *list, uint32_t listed, int first, bool layouts,
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
        const cr_meta *m = metas[i];
        if (!m || (m->layout && !layouts) || m->rank < 0 || m->rank > CR_MAX_RANK ||
            !cpu_dtype_size(m->dtype) || (!first && cpu_numel(m) <= 0))
            return false;
        if (cpu_numel(m) <= 0) {
            metas[i] = NULL;
            places[i] = -1;
        }
    }
    return true;
}

/* A convolution or a product with what follows it is planned like the node alone that writes the last one's output. */
static cr_status plan_graph(cr_device *device, const cr_graph *graph, cr_plan_info *info,
                            cr_plan **plan)
{
    (void)device;
    const cr_graph_node *node = &graph->nodes[0], *last = &graph->nodes[graph->nnodes - 1];
    bool layouts = false, chain = graph->nnodes > 1;
    cpu_planner planner = planner_of(node->op, &layouts);
    if (!planner || node->ninputs > MOST_VALUES || node->noutputs > MOST_VALUES)
        return CR_UNSUPPORTED;
    cr_graph_node whole = *node;
    dn_posts *posts = chain ? dn_posts_of(graph) : NULL;
    if (chain && !posts)
        return CR_UNSUPPORTED;
    if (chain) {
        whole.outputs = last->outputs;
        whole.noutputs = 1;
        node = &whole;
    }
    const cr_meta *in[MOST_VALUES], *out[MOST_VALUES];
    int in_at[MOST_VALUES], out_at[MOST_VALUES];
    if (!find_values(graph, node->inputs, node->ninputs, graph->inputs, graph->ninputs, 0, layouts,
                     in, in_at) ||
        !find_values(graph, node->outputs, node->noutputs, graph->outputs, graph->noutputs,
                     (int)graph->ninputs, layouts, out, out_at)) {
        free(posts);
        return CR_UNSUPPORTED;
    }
    cpu_call call = {node, in, out, in_at, out_at, node->ninputs, node->noutputs, info};
    int before = dn_enter();
    cr_status status = !chain                             ? planner(&call, plan)
                       : !strcmp(node->op, "convolution") ? dn_conv_chain(&call, posts, plan)
                                                          : dn_product_chain(&call, posts, plan);
    dn_leave(before);
    return status;
}

static cr_status run_plan(cr_plan *plan, const cr_run *run)
{
    return plan->run(plan, run);
}

static void free_plan(cr_plan *plan)
{
    if (plan && plan->destroy)
        plan->destroy(plan);
    free(plan);
}

static const cr_backend table = {
    .struct_size = sizeof table,
    .abi_major = CR_ABI_MAJOR,
    .abi_minor = CR_ABI_MINOR,
    .name = "onednn",
    .version = "0.1.0",
    .device_count = device_count,
    .device_info = device_info,
    .device_open = device_open,
    .device_close = device_close,
    .alloc = alloc_memory,
    .free = free_memory,
    .host_pointer = host_pointer,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .plan = plan_graph,
    .run = run_plan,
    .plan_free = free_plan,
};

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *host);

const cr_backend *cresset_backend_entry(const cr_host *host)
{
    cpu_host = host;
    return &table;
}
