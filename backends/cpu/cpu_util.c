/* Small things that every family uses: plans, attributes, and facts about values. */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

const cr_host *cpu_host;

void *cpu_plan_new(size_t bytes, cr_status (*run)(cr_plan *, const cr_run *),
                   void (*destroy)(cr_plan *))
{
    struct cr_plan *plan = calloc(1, bytes);
    if (!plan) {
        cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a plan of %zu bytes", bytes);
        return NULL;
    }
    plan->run = run;
    plan->destroy = destroy;
    return plan;
}

static const cr_attr *find(const cr_graph_node *node, const char *name, int32_t kind)
{
    for (uint32_t i = 0; i < node->nattrs; i++)
        if (node->attrs[i].kind == kind && !strcmp(node->attrs[i].name, name))
            return &node->attrs[i];
    return NULL;
}

int64_t cpu_attr_int(const cr_graph_node *node, const char *name, int64_t fallback)
{
    const cr_attr *attr = find(node, name, CR_ATTR_INT);
    return attr ? attr->as.i : fallback;
}

const int64_t *cpu_attr_ints(const cr_graph_node *node, const char *name, int *count)
{
    const cr_attr *attr = find(node, name, CR_ATTR_INTS);
    *count = attr ? attr->count : 0;
    return attr ? attr->as.ints : NULL;
}

const char *cpu_attr_text(const cr_graph_node *node, const char *name, const char *fallback)
{
    const cr_attr *attr = find(node, name, CR_ATTR_TEXT);
    return attr ? attr->as.text : fallback;
}

int cpu_number_at(const cr_graph_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->nnumbers; i++)
        if (!strcmp(node->number_names[i], name))
            return (int)i;
    return -1;
}

int64_t cpu_numel(const cr_meta *meta)
{
    int64_t n = 1;
    for (int d = 0; d < meta->rank; d++)
        n *= meta->size[d];
    return n;
}

bool cpu_is_contiguous(const cr_meta *meta)
{
    int64_t step = 1;
    for (int d = meta->rank - 1; d >= 0; d--) {
        if (meta->size[d] == 0)
            return true;
        if (meta->size[d] != 1 && meta->stride[d] != step)
            return false;
        step *= meta->size[d];
    }
    return true;
}

size_t cpu_dtype_size(int32_t dtype)
{
    switch (dtype) {
#define SIZE_OF_(name, number, bytes, text) \
    case CR_##name: return bytes;
        CR_DTYPES(SIZE_OF_)
#undef SIZE_OF_
    default: return 0;
    }
}

void cpu_parallel(int64_t n, int64_t unit, double cost,
                  void (*body)(void *context, int64_t begin, int64_t end), void *context)
{
    if (CR_HAS(cpu_host, cr_host, parallel))
        cpu_host->parallel(cpu_host, n, unit, cost, body, context);
    else if (n > 0)
        body(context, 0, n);
}
