/* The engine: gradients go from the newest node to the oldest. Nodes are numbered as they are made,
 * so when a node is the newest that waits, everything that could still add to its gradient has run.
 * Leaves come last. No recursion, and no state in the nodes: two threads may go through one graph
 * at once. */
#include "core/autograd/engine.h"

#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/dispatch/trace.h"

/* A place where gradients gather: one per node or leaf met. */
typedef struct slot {
    uintptr_t target;
    uint64_t seq;
    uint32_t ngrads;      /* 0: none has come yet */
    cr_tensor *one;       /* one reference each */
    cr_tensor **many;     /* instead, when there are several */
    bool needed, visited; /* leads to an input that is asked for */
    bool is_part;         /* nothing has come yet for elements of the one besides these: */
    cr_span part;
} slot;

static cr_tensor **grads_of(slot *s)
{
    return s->ngrads == 1 ? &s->one : s->many;
}

typedef struct cr_backward_run {
    const cr_backward_task *asked;
    slot *slots;
    size_t nslots, slot_capacity;
    uint32_t *table; /* open addressing, 1 + slot */
    size_t ntable;
    uint32_t *heap; /* slots with gradients, newest first */
    size_t nheap, heap_capacity;
    bool create_graph;
} task;

/* ---- slots ---- */

static size_t place(const task *t, uintptr_t target)
{
    size_t i = (size_t)((target >> 4) * 0x9E3779B97F4A7C15u >> 20);
    for (;; i++) {
        uint32_t s = t->table[i & (t->ntable - 1)];
        if (!s || t->slots[s - 1].target == target)
            return i & (t->ntable - 1);
    }
}

static bool grow_table(task *t)
{
    size_t n = t->ntable ? 2 * t->ntable : 64;
    uint32_t *table = calloc(n, sizeof *table);
    if (!table)
        return cr_fail_memory("backward", n * sizeof *table), false;
    free(t->table);
    t->table = table;
    t->ntable = n;
    for (size_t s = 0; s < t->nslots; s++)
        table[place(t, t->slots[s].target)] = (uint32_t)s + 1;
    return true;
}

static slot *find(const task *t, uintptr_t target)
{
    uint32_t s = t->ntable ? t->table[place(t, target)] : 0;
    return s ? &t->slots[s - 1] : NULL;
}

static slot *find_or_add(task *t, uintptr_t target)
{
    slot *s = find(t, target);
    if (s)
        return s;
    if (2 * (t->nslots + 1) > t->ntable && !grow_table(t))
        return NULL;
    if (t->nslots == t->slot_capacity) {
        size_t capacity = t->slot_capacity ? 2 * t->slot_capacity : 32;
        slot *slots = realloc(t->slots, capacity * sizeof *slots);
        if (!slots)
            return cr_fail_memory("backward", capacity * sizeof *slots);
        t->slots = slots;
        t->slot_capacity = capacity;
    }
    t->table[place(t, target)] = (uint32_t)t->nslots + 1;
    s = &t->slots[t->nslots++];
    bool leaf = cr_edge_is_leaf(target);
    *s = (slot){.target = target, .seq = leaf ? 0 : cr_edge_node(target)->seq};
    return s;
}

/* ---- the heap of slots that wait ---- */

static bool newer(const task *t, uint32_t a, uint32_t b)
{
    const slot *x = &t->slots[a], *y = &t->slots[b];
    return x->seq != y->seq ? x->seq > y->seq : a < b;
}

static bool push(task *t, uint32_t s)
{
    if (t->nheap == t->heap_capacity) {
        size_t capacity = t->heap_capacity ? 2 * t->heap_capacity : 32;
        uint32_t *heap = realloc(t->heap, capacity * sizeof *heap);
        if (!heap)
            return cr_fail_memory("backward", capacity * sizeof *heap), false;
        t->heap = heap;
        t->heap_capacity = capacity;
    }
    size_t i = t->nheap++;
    for (; i && newer(t, s, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = s;
    return true;
}

static uint32_t pop(task *t)
{
    uint32_t top = t->heap[0], last = t->heap[--t->nheap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= t->nheap)
            break;
        if (child + 1 < t->nheap && newer(t, t->heap[child + 1], t->heap[child]))
            child++;
        if (!newer(t, t->heap[child], last))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    if (t->nheap)
        t->heap[i] = last;
    return top;
}

/* ---- gathering ---- */

/* Whether nobody but us can see the tensor's memory, and it has each element once. */
static bool is_ours(const cr_tensor *g)
{
    return atomic_load_explicit(&g->refs, memory_order_relaxed) == 1 &&
           atomic_load_explicit(&g->storage->refs, memory_order_relaxed) == 1 && cr_is_dense(g);
}

static bool clear(cr_tensor *g, int dim, int64_t begin, int64_t end)
{
    if (begin == end)
        return true;
    cr_tensor *rest =
        cr_slice(g, .dim = dim, .start = CR_SOME(begin), .end = CR_SOME(end), .step = CR_SOME(1));
    bool well = rest && cr_zero_(rest);
    cr_drop(rest); /* the memory is ours alone again */
    return well;
}

/* Where nothing has come there are zeros. */
static bool fill_up(slot *s)
{
    if (!s->is_part)
        return true;
    s->is_part = false;
    return clear(s->one, s->part.dim, 0, s->part.begin) &&
           clear(s->one, s->part.dim, s->part.end, s->one->size[s->part.dim]);
}

/* Whether a part lies beside those that there are; they are one then. */
static bool join(cr_span *parts, cr_span part)
{
    if (part.dim != parts->dim || (part.end != parts->begin && part.begin != parts->end))
        return false;
    parts->begin = part.end == parts->begin ? part.begin : parts->begin;
    parts->end = part.begin == parts->end ? part.end : parts->end;
    return true;
}

cr_tensor *cr_gathered_part(cr_grad_context *c, cr_span part, bool *fresh)
{
    const task *t = c->run;
    *fresh = false;
    if (!t || t->create_graph || c->node->hooks || !cr_needs(c, 0))
        return NULL;
    const cr_edge edge = c->node->edges[0];
    slot *s = find(t, edge.target);
    cr_tensor *g = s && s->ngrads ? grads_of(s)[edge.nr] : NULL;
    if (!g) {
        const bool is_one = cr_edge_is_leaf(edge.target) || cr_edge_node(edge.target)->nout == 1;
        *fresh = c->is_part = is_one && part.dim >= 0;
        c->part = part;
        return NULL;
    }
    if (!is_ours(g))
        return NULL;
    *fresh = s->is_part && join(&s->part, part);
    if (!*fresh && !fill_up(s))
        c->failed = true;
    return c->failed ? NULL : g;
}

static bool add_to(const task *t, cr_tensor **into, cr_tensor *g)
{
    if (!*into) {
        *into = cr_retain(g);
        return true;
    }
    if (!t->create_graph && is_ours(*into))
        return cr_add_(*into, g) != NULL;
    cr_tensor *sum = cr_add(*into, g);
    if (!sum)
        return false;
    cr_release(*into);
    *into = cr_retain(sum);
    return true;
}

/* Without memcmp, whose call takes longer than the few sizes. */
static bool has_sizes(const cr_tensor *t, int dim, const int64_t *sizes)
{
    bool same = t->dim == dim;
    for (int d = 0; d < dim && same; d++)
        same = t->size[d] == sizes[d];
    return same;
}

/* The gradient in the form of what it is the gradient of: summed over broadcast dimensions, in the
 * same dtype, there. */
static cr_tensor *conform(cr_tensor *g, cr_edge edge, const char *from, uint32_t nr)
{
    int dim;
    cr_dtype dtype;
    cr_dev *dev;
    const int64_t *sizes = cr_edge_meta(edge, &dim, &dtype, &dev);
    if (CR_UNLIKELY(!has_sizes(g, dim, sizes))) {
        bool expandable = g->dim >= dim;
        for (int d = 0; expandable && d < dim; d++)
            expandable = sizes[d] == 1 || sizes[d] == g->size[g->dim - dim + d];
        if (!expandable)
            return cr_fail("Function %s returned an invalid gradient at index %u - got %s but "
                           "expected shape compatible with %s",
                           from, nr, cr_sizes_text(g->dim, g->size), cr_sizes_text(dim, sizes));
        g = cr_sum_to_size(g, cr_make_ints(sizes, (size_t)dim));
    }
    if (g && CR_UNLIKELY(g->dtype != dtype))
        g = cr_to_copy(g, .dtype = dtype);
    if (g && CR_UNLIKELY(g->storage->dev != dev))
        g = cr_tensor_to(g, dev->name);
    return g;
}

static bool send(task *t, cr_edge edge, cr_tensor *g, const char *from, uint32_t nr)
{
    g = conform(g, edge, from, nr);
    slot *s = g ? find_or_add(t, edge.target) : NULL;
    if (!s)
        return false;
    if (!s->ngrads) {
        uint32_t n = cr_edge_is_leaf(edge.target) ? 1 : cr_edge_node(edge.target)->nout;
        if (n > 1 && !(s->many = calloc(n, sizeof *s->many)))
            return cr_fail_memory("backward", n * sizeof *s->many), false;
        s->ngrads = n;
        if (!push(t, (uint32_t)(s - t->slots)))
            return false;
    }
    return fill_up(s) && add_to(t, &grads_of(s)[edge.nr], g);
}

/* ---- what is asked for ---- */

/* With inputs given only what leads to them is run: marks the slots that do, walking depth first
 * with a stack of our own. */
typedef struct visit {
    uintptr_t target;
    uint32_t next;
} visit;

typedef struct walk {
    visit *stack;
    size_t depth, capacity;
} walk;

/* Goes down to target unless it was seen, and reports whether it is needed already. */
static bool enter(task *t, walk *w, uintptr_t target, bool *needed)
{
    slot *s = find_or_add(t, target);
    if (!s)
        return false;
    *needed = s->needed;
    if (s->visited)
        return true;
    s->visited = true;
    if (w->depth == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 64;
        visit *stack = realloc(w->stack, capacity * sizeof *stack);
        if (!stack)
            return cr_fail_memory("backward", capacity * sizeof *stack), false;
        w->stack = stack;
        w->capacity = capacity;
    }
    w->stack[w->depth++] = (visit){target, 0};
    return true;
}

static bool mark_needed(task *t, const cr_edge *roots, size_t nroots)
{
    const cr_backward_task *asked = t->asked;
    walk w = {0};
    bool well = true, needed;
    for (size_t i = 0; i < asked->ninputs && well; i++) {
        slot *s =
            asked->input_edges[i].target ? find_or_add(t, asked->input_edges[i].target) : NULL;
        well = s || !asked->input_edges[i].target;
        if (s)
            s->needed = true;
    }
    for (size_t r = 0; r < nroots && well; r++) {
        well = enter(t, &w, roots[r].target, &needed);
        while (w.depth && well) {
            visit *v = &w.stack[w.depth - 1];
            uintptr_t target = v->target;
            cr_grad_node *node = cr_edge_is_leaf(target) ? NULL : cr_edge_node(target);
            if (!node || v->next == node->nin) {
                needed = find(t, target)->needed;
                w.depth--;
                if (w.depth && needed)
                    find(t, w.stack[w.depth - 1].target)->needed = true;
                continue;
            }
            uintptr_t child = node->edges[v->next++].target;
            if (!child)
                continue;
            well = enter(t, &w, child, &needed);
            if (well && needed)
                find(t, target)->needed = true;
        }
    }
    free(w.stack);
    return well;
}

/* ---- running ---- */

static bool run_tensor_hooks(cr_hook *hooks, bool by_nr, uint32_t nr, cr_tensor **grad)
{
    for (cr_hook *h = hooks; h; h = h->next) {
        if (h->on_node || (by_nr && h->nr != nr))
            continue;
        cr_tensor *g = h->tensor_hook(h->context, *grad);
        if (cr_error() && !g)
            return false;
        if (g && g != *grad) {
            cr_retain(g);
            cr_release(*grad);
            *grad = g;
        }
    }
    return true;
}

static bool is_input(const task *t, uintptr_t target, uint32_t nr, size_t from, size_t *which)
{
    for (size_t i = from; i < t->asked->ninputs; i++)
        if (t->asked->input_edges[i].target == target && t->asked->input_edges[i].nr == nr) {
            *which = i;
            return true;
        }
    return false;
}

static bool capture(task *t, uintptr_t target, uint32_t nr, cr_tensor *g)
{
    const cr_backward_task *asked = t->asked;
    size_t which;
    for (size_t from = 0; is_input(t, target, nr, from, &which); from = which + 1) {
        if (asked->captured) {
            cr_release(asked->captured[which]);
            asked->captured[which] = cr_retain(g);
        }
    }
    return true;
}

bool cr_accumulate_grad(cr_tensor *leaf, cr_tensor *g, bool create_graph)
{
    cr_autograd *meta = cr_autograd_of(leaf);
    if (!meta)
        return false;
    if (!meta->grad) {
        /* The gradient becomes the leaf's own if nobody else holds it. */
        const bool taken = create_graph || (is_ours(g) && g->flags & CR_FLAG_CONTIGUOUS);
        meta->grad = cr_retain(taken ? g : cr_clone(g));
        cr_trace_grad(leaf, NULL, meta->grad);
        return meta->grad != NULL;
    }
    if (!create_graph) {
        cr_trace_grad(leaf, meta->grad, meta->grad);
        return cr_add_(meta->grad, g) != NULL;
    }
    cr_tensor *sum = cr_add(meta->grad, g);
    if (!sum)
        return false;
    cr_trace_grad(leaf, meta->grad, sum);
    cr_release(meta->grad);
    meta->grad = cr_retain(sum);
    return true;
}

static bool run_leaf(task *t, slot *s)
{
    cr_tensor *leaf = cr_edge_leaf(s->target);
    uintptr_t target = s->target;
    uint32_t index = (uint32_t)(s - t->slots);
    if (leaf->autograd && leaf->autograd->hooks) {
        cr_tensor *g = s->one;
        bool well = run_tensor_hooks(leaf->autograd->hooks, false, 0, &g);
        t->slots[index].one = g;
        if (!well)
            return false;
    }
    cr_tensor *g = t->slots[index].one;
    size_t which;
    if (t->asked->ninputs && !is_input(t, target, 0, 0, &which))
        return true;
    if (t->asked->captured)
        return capture(t, target, 0, g);
    return cr_accumulate_grad(leaf, g, t->create_graph);
}

static bool retain_grads(task *t, cr_grad_node *node, cr_tensor *const *grads)
{
    for (cr_retained *r = node->retained; r; r = r->next) {
        if (!grads[r->nr])
            continue;
        cr_autograd *meta = r->tensor->autograd;
        cr_tensor *g = meta->grad        ? cr_add(meta->grad, grads[r->nr])
                       : t->create_graph ? grads[r->nr]
                                         : cr_clone(grads[r->nr]);
        if (!g)
            return false;
        cr_retain(g);
        cr_release(meta->grad);
        meta->grad = g;
    }
    return true;
}

static bool run_node(task *t, uint32_t index)
{
    cr_grad_node *node = cr_edge_node(t->slots[index].target);
    slot *s = &t->slots[index];
    cr_tensor *only = s->one; /* slots may move while we run */
    cr_tensor **grads = s->ngrads == 1 ? &only : s->many;
    for (uint32_t i = 0; i < node->nout && node->hooks; i++)
        if (grads[i] && !run_tensor_hooks(node->hooks, true, i, &grads[i])) {
            t->slots[index].one = only;
            return false;
        }
    t->slots[index].one = only; /* a hook may have replaced it */
    if (node->retained && !retain_grads(t, node, grads))
        return false;
    for (uint32_t i = 0; i < node->nout && t->asked->ninputs; i++)
        if (grads[i] && !capture(t, (uintptr_t)node, i, grads[i]))
            return false;
    uint8_t needs_[16], *needs = needs_;
    cr_tensor *give_[16], **give = give_;
    uint32_t nin = node->nin;
    for (uint32_t i = 0; i < nin && i < 16; i++)
        give_[i] = NULL;
    if (nin > 16) {
        needs = malloc(nin);
        give = calloc(nin, sizeof *give);
        if (!needs || !give) {
            free(needs);
            free(give);
            return cr_fail_memory("backward", nin * sizeof *give), false;
        }
    }
    bool any = false;
    for (uint32_t i = 0; i < nin; i++) {
        uintptr_t target = node->edges[i].target;
        needs[i] = target != 0;
        if (target && t->asked->ninputs) {
            const slot *to = find(t, target);
            needs[i] = to && to->needed;
        }
        any = any || needs[i];
    }
    bool well = true;
    if (any) {
        cr_grad_context c = {.node = node, .grads = grads, .give = give, .needs = needs, .run = t};
        const char *context = cr_this_thread.context;
        cr_this_thread.context = node->rule->name;
        cr_this_thread.in_formula = !t->create_graph;
        well = !node->rule->apply(&c) && !c.failed;
        cr_this_thread.in_formula = false;
        cr_this_thread.context = context;
        if (!well && !cr_error())
            cr_fail("%s: the backward failed without a reason", node->rule->name);
        for (cr_hook *h = node->hooks; h && well; h = h->next)
            if (h->on_node)
                h->node_hook(h->context, give, nin, grads, node->nout);
        cr_this_thread.in_formula = !t->create_graph;
        for (uint32_t i = 0; i < nin && well; i++)
            if (give[i] && needs[i])
                well = send(t, node->edges[i], give[i], node->rule->name, i);
        slot *to = c.is_part && well ? find(t, node->edges[0].target) : NULL;
        if (to) {
            to->is_part = true;
            to->part = c.part;
        }
        cr_this_thread.in_formula = false;
    }
    if (nin > 16) {
        free(needs);
        free(give);
    }
    return well;
}

static void release_grads(slot *s)
{
    for (uint32_t i = 0; i < s->ngrads; i++)
        cr_release(grads_of(s)[i]);
    free(s->many);
    s->many = NULL;
    s->one = NULL;
    s->ngrads = 0;
}

int cr_run_backward(const cr_backward_task *asked)
{
    task t = {.asked = asked, .create_graph = asked->create_graph};
    bool was = cr_this_thread.grad_disabled;
    cr_this_thread.grad_disabled = !asked->create_graph;
    bool well = !asked->ninputs || mark_needed(&t, asked->roots, asked->nroots);
    for (size_t i = 0; i < asked->nroots && well; i++)
        CR_SCOPE {
            well = send(&t, asked->roots[i], asked->grads[i], "the root", (uint32_t)i);
        }
    while (t.nheap && well) {
        uint32_t index = pop(&t);
        bool leaf = cr_edge_is_leaf(t.slots[index].target);
        CR_SCOPE {
            well = fill_up(&t.slots[index]) &&
                   (leaf ? run_leaf(&t, &t.slots[index]) : run_node(&t, index));
        }
        release_grads(&t.slots[index]);
        if (!leaf && !asked->retain_graph && well)
            cr_node_release_saved(cr_edge_node(t.slots[index].target));
    }
    for (size_t i = 0; i < t.nslots; i++)
        release_grads(&t.slots[i]);
    free(t.slots);
    free(t.table);
    free(t.heap);
    cr_this_thread.grad_disabled = was;
    return well ? 0 : -1;
}
