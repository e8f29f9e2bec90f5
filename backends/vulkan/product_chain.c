/* A product or a convolution with what follows it in a captured graph, as one plan: a sum with a value that lies as the result
 * does, or a function, or the sum and then the function. The product's own kernel does both before it stores
 * (shaders/product.glsl), on what would have been in memory, so that the bits are those of the operations one by one. */
#include "plan.h"

#include <string.h>

enum { OPERANDS = 2 };

static bool is_product(const char *op)
{
    static const char *const heads[] = {"addmm",   "convolution", "mm",    "bmm",
                                        "baddbmm", "mv",          "addmv", "dot"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (!strcmp(heads[i], op))
            return true;
    return false;
}

static uint32_t function_of(const char *name)
{
#define OP(name, value) {"op_" #name, value},
    static const struct {
        const char *name;
        uint32_t value;
    } functions[] = {
#include "shaders/follow_ops.def"
    };
#undef OP
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i].name, name))
            return functions[i].value;
    return 0;
}

static bool same_place(const cr_meta *a, const cr_meta *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank || a->layout || b->layout)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->size[d] != b->size[d] || (a->size[d] > 1 && a->stride[d] != b->stride[d]))
            return false;
    return true;
}

static int bound_at(const cr_graph *g, uint32_t value)
{
    for (uint32_t i = 0; i < g->ninputs; i++)
        if (g->inputs[i] == value)
            return (int)i;
    return -1;
}

/* Number i of the node, or one where i is below 0, as word k. */
static void take_number(vk_follow *f, int k, const vk_pointwise *w, int i, int numbers_at)
{
    bool given = i >= 0 && w->number_at[i] >= 0;
    f->number[k].at = given ? numbers_at + w->number_at[i] : -1;
    f->number[k].dtype = i >= 0 ? w->number_dtype[i] : CR_DTYPE_NONE;
}

/* value: what the product is so far. False where the node is nothing that follows so. */
static bool take_node(const cr_device *d, const cr_graph *g, const cr_graph_node *node,
                      uint32_t value, int numbers_at, vk_follow *f)
{
    const cr_meta *in[OPERANDS] = {NULL}, *out = &g->values[node->outputs[0]];
    int in_at[OPERANDS], out_at = 0, own = -1;
    vk_pointwise w;
    if (node->ninputs > OPERANDS)
        return false;
    for (uint32_t i = 0; i < node->ninputs; i++) {
        if (node->inputs[i] == CR_NO_VALUE)
            return false;
        in[i] = &g->values[node->inputs[i]];
        in_at[i] = (int)i;
        own = node->inputs[i] == value ? (int)i : own;
    }
    const vk_call one = {.device = (cr_device *)d,
                         .node = node,
                         .in = in,
                         .out = &out,
                         .in_at = in_at,
                         .out_at = &out_at,
                         .nin = node->ninputs,
                         .nout = 1};
    if (own < 0 || f->function || !vk_pointwise_of(&one, &w))
        return false;
    if (node->ninputs == 1) { /* its numbers come in order, whether in an input's place or not */
        f->function = w.in[0] == 0 ? function_of(w.function) : 0;
        for (int k = 0; k < 2; k++)
            take_number(f, 2 + k, &w, k < w.nnumbers ? k : -1, numbers_at);
        return f->function && w.nnumbers <= 2;
    }
    if (strcmp(w.function, "op_add") || node->ninputs != 2 || w.in[0] != 0 || w.in[1] != 1 ||
        f->adds)
        return false;
    f->adds = true;
    f->other_at = bound_at(g, node->inputs[1 - own]);
    take_number(f, 0, &w, own ? 0 : -1, numbers_at);
    take_number(f, 1, &w, own ? -1 : 0, numbers_at);
    return f->other_at >= 0 && vk_is_sound(d, in[1 - own]) && same_place(in[1 - own], out);
}

/* Each node reads the one before and makes what lies as the product would. */
static bool read_graph(const cr_device *d, const cr_graph *g, vk_follow *f)
{
    const cr_graph_node *head = &g->nodes[0];
    if (!g->nnodes || !is_product(head->op) || head->noutputs != 1 ||
        head->outputs[0] == CR_NO_VALUE || g->noutputs != 1 ||
        vk_class_of(d, g->values[head->outputs[0]].dtype) != VK_FLOAT)
        return false;
    uint32_t value = head->outputs[0];
    const cr_meta *result = &g->values[value];
    int numbers_at = (int)head->nnumbers;
    for (uint32_t k = 1; k < g->nnodes; k++) {
        const cr_graph_node *node = &g->nodes[k];
        if (node->noutputs != 1 || node->outputs[0] == CR_NO_VALUE ||
            !vk_is_sound(d, &g->values[node->outputs[0]]) ||
            !same_place(&g->values[node->outputs[0]], result) ||
            !take_node(d, g, node, value, numbers_at, f))
            return false;
        value = node->outputs[0];
        numbers_at += (int)node->nnumbers;
    }
    return value == g->outputs[0];
}

cr_status vk_plan_product_chain(cr_device *d, const cr_graph *graph, cr_plan_info *info,
                                cr_plan **plan)
{
    vk_follow follow = {.adds = false};
    if (!read_graph(d, graph, &follow))
        return CR_UNSUPPORTED;
    cr_graph_node head = graph->nodes[0];
    head.outputs = graph->outputs;
    return vk_plan_node(d, graph, &head, &follow, info, plan);
}
