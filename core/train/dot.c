/* Graphs in Graphviz's language: the autograd graph behind a tensor, the tree of modules. */
#include <stdlib.h>
#include <string.h>

#include <cresset/events.h>

#include "core/autograd/autograd.h"
#include "core/base/error.h"
#include "core/base/text.h"

static void put_escaped(cr_text *to, const char *text)
{
    for (; *text; text++)
        cr_text_add(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

/* ---- the autograd graph ---- */

/* Nodes to be drawn, each once; those behind `done` wait. Sorted by address in `seen` for finding. */
typedef struct drawing {
    cr_grad_node **order;
    uintptr_t *seen;
    size_t count, done, capacity;
} drawing;

static size_t place(const drawing *d, uintptr_t node)
{
    size_t low = 0, high = d->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->seen[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int meet(drawing *d, cr_grad_node *node)
{
    size_t at = place(d, (uintptr_t)node);
    if (!node || (at < d->count && d->seen[at] == (uintptr_t)node))
        return 0;
    if (d->count == d->capacity) {
        size_t capacity = d->capacity ? 2 * d->capacity : 256;
        cr_grad_node **order = realloc(d->order, capacity * sizeof(cr_grad_node *));
        if (order)
            d->order = order;
        uintptr_t *seen = order ? realloc(d->seen, capacity * sizeof *seen) : NULL;
        if (!seen)
            return cr_fail_memory("a drawing", capacity * sizeof *seen), -1;
        d->seen = seen;
        d->capacity = capacity;
    }
    memmove(d->seen + at + 1, d->seen + at, (d->count - at) * sizeof *d->seen);
    d->seen[at] = (uintptr_t)node;
    d->order[d->count++] = node;
    return 0;
}

static void put_leaf(cr_text *to, cr_grad_node *node, cr_module *names)
{
    cr_tensor *leaf = cr_edge_leaf((uintptr_t)node);
    cr_text_add(to, "  n%zx [style=filled, fillcolor=lightblue, label=\"", (size_t)(uintptr_t)node);
    CR_SCOPE
        if (names) {
            CR_FOREACH_PARAMETER (p, names)
                if (p.tensor == leaf) {
                    put_escaped(to, p.name);
                    cr_text_add(to, "\\n");
                    break;
                }
        }
    cr_text_add_sizes(to, cr_tensor_sizes(leaf), cr_tensor_dim(leaf));
    cr_text_add(to, "\"];\n");
}

char *cr_tensor_to_dot(cr_tensor *tensor, cr_module *names)
{
    if (!tensor)
        return cr_fail("cr_to_dot: the tensor is null");
    drawing d = {0};
    cr_text text = {0};
    cr_text_add(&text, "digraph autograd {\n  node [shape=box, fontsize=10];\n  out [style=filled, "
                       "fillcolor=palegreen, label=\"");
    cr_text_add_sizes(&text, cr_tensor_sizes(tensor), cr_tensor_dim(tensor));
    cr_text_add(&text, "\"];\n");
    cr_grad_node *root = cr_grad_fn(tensor);
    int failed = meet(&d, root);
    if (root)
        cr_text_add(&text, "  n%zx -> out;\n", (size_t)(uintptr_t)root);
    for (; d.done < d.count && !failed; d.done++) {
        cr_grad_node *node = d.order[d.done];
        if (cr_edge_is_leaf((uintptr_t)node)) {
            put_leaf(&text, node, names);
            continue;
        }
        cr_text_add(&text, "  n%zx [label=\"%s\"];\n", (size_t)(uintptr_t)node,
                    cr_grad_node_name(node));
        for (size_t i = 0; i < cr_grad_node_next_count(node) && !failed; i++) {
            cr_grad_node *next = cr_grad_node_next(node, i);
            failed = meet(&d, next);
            if (next)
                cr_text_add(&text, "  n%zx -> n%zx;\n", (size_t)(uintptr_t)next,
                            (size_t)(uintptr_t)node);
        }
    }
    cr_text_add(&text, "}\n");
    free(d.order);
    free(d.seen);
    if (!failed)
        return cr_text_take(&text);
    cr_text_free(&text);
    return NULL;
}

/* ---- the tree of modules ---- */

static int64_t own_parameters(const cr_module *module)
{
    int64_t count = 0;
    for (int64_t i = 0;; i++) {
        bool had = cr_error() != NULL;
        cr_tensor *t = cr_parameter_at(module, i);
        if (!t) {
            if (!had)
                cr_clear_error(); /* past the last one */
            return count;
        }
        count += cr_tensor_numel(t);
    }
}

char *cr_module_to_dot(cr_module *module)
{
    if (!module)
        return cr_fail("cr_to_dot: the module is null");
    cr_text text = {0};
    cr_text_add(&text, "digraph modules {\n  rankdir=LR;\n  node [shape=box, fontsize=10];\n");
    CR_SCOPE {
        CR_FOREACH_MODULE(m, module)
        {
            int64_t count = own_parameters(m.module);
            cr_text_add(&text, "  \"/");
            put_escaped(&text, m.name);
            cr_text_add(&text, "\" [label=\"");
            const char *dot = strrchr(m.name, '.'), *last = dot ? dot + 1 : m.name;
            put_escaped(&text, last);
            cr_text_add(&text, "%s%s", *last ? ": " : "", m.module->type->name);
            if (count)
                cr_text_add(&text, "\\n%lld parameters", (long long)count);
            cr_text_add(&text, "\"];\n");
            if (!*m.name)
                continue;
            cr_text_add(&text, "  \"/");
            for (const char *p = m.name; dot && p < dot; p++)
                cr_text_add(&text, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
            cr_text_add(&text, "\" -> \"/");
            put_escaped(&text, m.name);
            cr_text_add(&text, "\";\n");
        }
    }
    cr_text_add(&text, "}\n");
    return cr_text_take(&text);
}
