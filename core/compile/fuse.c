/* Fusing: neighbouring steps on values of one shape are offered to the backend as one graph, longer and longer until it
 * declines; what it takes becomes one step, and the values in between need no memory. */
#include "core/compile/fuse.h"

#include <stdlib.h>
#include <string.h>

enum { NODES = 16, VALUES = 48, OPERANDS = 12 };

/* Steps that may become one, and the graph that says so. */
typedef struct region {
    size_t step[NODES]; /* in order */
    uint32_t count;
    uint32_t nvalues;
    cr_meta meta[VALUES];
    uint32_t value[VALUES]; /* of the trace */
    size_t offset[VALUES];
    bool made[VALUES];               /* by a step of the region */
    uint32_t bound[NODES][OPERANDS]; /* the node's inputs, then its outputs */
} region;

/* ---- the same memory in other sizes ---- */

static int64_t numel_of(const cr_meta *m)
{
    int64_t n = 1;
    for (int d = 0; d < m->rank; d++)
        n *= m->size[d];
    return n;
}

/* The value seen in the sizes of `like`, of as many elements: true if strides can say so. Dimensions that run on into each
 * other (a repeated one into another such, too) are taken as one, and cut anew. */
static bool view_in_sizes(cr_meta *m, const cr_meta *like)
{
    cr_meta seen = {.dtype = m->dtype, .rank = like->rank, .layout = m->layout};
    int to = like->rank - 1;
    for (int from = m->rank - 1; from >= 0;) {
        int64_t run = m->size[from], step = m->stride[from], cut = 1;
        for (from--; from >= 0 && (m->size[from] == 1 || m->stride[from] == step * run); from--)
            run *= m->size[from];
        for (; to >= 0 && cut < run; to--) {
            seen.size[to] = like->size[to];
            seen.stride[to] = step * cut;
            cut *= like->size[to];
        }
        if (cut != run)
            return false;
    }
    for (; to >= 0; to--) {
        if (like->size[to] != 1)
            return false;
        seen.size[to] = 1;
        seen.stride[to] = 1;
    }
    for (int d = 0; d < seen.rank; d++) /* as the core writes dimensions of one element */
        if (seen.size[d] == 1)
            seen.stride[d] = d + 1 < seen.rank ? seen.size[d + 1] * seen.stride[d + 1] : 1;
    *m = seen;
    return true;
}

static bool same_sizes(const cr_meta *a, const cr_meta *b)
{
    return a->rank == b->rank && !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

/* An elementwise step that reads what the region made through a view in other sizes works as well in the sizes in which it was
 * made. False if it does not. */
static bool adapt_sizes(const region *r, const cr_trace_step *s, cr_meta *metas)
{
    const cr_meta *like = NULL;
    for (uint32_t k = 0; k < s->nread && !like; k++)
        for (uint32_t i = 0; i < r->nvalues && !like; i++)
            if (r->made[i] && r->value[i] == s->value[k] && r->offset[i] == s->offset[k] &&
                memcmp(&r->meta[i], &metas[k], sizeof *metas))
                like = &r->meta[i];
    if (!like || !s->elementwise)
        return !like;
    for (uint32_t k = 0; k < s->nvalues; k++)
        if (!same_sizes(&metas[k], &metas[s->nread]) || numel_of(&metas[k]) != numel_of(like) ||
            !view_in_sizes(&metas[k], like))
            return false;
    return true;
}

/* ---- what belongs together ---- */

/* The region's number for value k of the step; CR_NO_VALUE if it can't be told apart from what is there. */
static uint32_t bind_value(region *r, const cr_trace_step *s, const cr_meta *meta, uint32_t k)
{
    bool written = k >= s->nread;
    for (uint32_t i = 0; i < r->nvalues; i++) {
        if (r->value[i] != s->value[k])
            continue;
        if (!written && r->offset[i] == s->offset[k] && !memcmp(&r->meta[i], meta, sizeof *meta))
            return i;
        if (written || r->made[i]) /* in place, or through another view */
            return CR_NO_VALUE;
    }
    if (r->nvalues == VALUES)
        return CR_NO_VALUE;
    uint32_t i = r->nvalues++;
    r->value[i] = s->value[k];
    r->offset[i] = s->offset[k];
    r->meta[i] = *meta;
    r->made[i] = written;
    return i;
}

/* Whether the step has to do with the region: it reads what that made, or has results of the same sizes. */
static bool belongs(const cr_trace *t, const region *r, const cr_trace_step *s)
{
    const cr_trace_step *last = &t->steps[r->step[r->count - 1]];
    for (uint32_t k = 0; k < s->nread; k++)
        for (uint32_t i = 0; i < r->nvalues; i++)
            if (r->made[i] && r->value[i] == s->value[k])
                return true;
    return same_sizes(&last->graph->values[last->nread], &s->graph->values[s->nread]);
}

/* Adds the step to a copy of the region; false if it does not fit. */
static bool extend(const cr_trace *t, const region *from, size_t at, region *to)
{
    const cr_trace_step *s = &t->steps[at];
    if (s->kind != CR_STEP_RUN || !s->graph || from->count == NODES)
        return false;
    const cr_graph_node *node = &s->graph->nodes[0];
    cr_meta metas[OPERANDS];
    if (s->nvalues > OPERANDS || node->ninputs + node->noutputs > OPERANDS ||
        (from->count && !belongs(t, from, s)))
        return false;
    memcpy(metas, s->graph->values, s->nvalues * sizeof *metas);
    *to = *from;
    if (!adapt_sizes(from, s, metas))
        return false;
    uint32_t bound[OPERANDS];
    for (uint32_t k = 0; k < s->nvalues; k++)
        if ((bound[k] = bind_value(to, s, &metas[k], k)) == CR_NO_VALUE)
            return false;
    uint32_t *mine = to->bound[to->count];
    for (uint32_t i = 0; i < node->ninputs + node->noutputs; i++) {
        uint32_t v = i < node->ninputs ? node->inputs[i] : node->outputs[i - node->ninputs];
        mine[i] = v == CR_NO_VALUE ? CR_NO_VALUE : bound[v];
    }
    to->step[to->count++] = at;
    return true;
}

/* ---- asking the backend ---- */

/* Whether somebody sees the value after the region: it lasts, or a later step touches it. */
static bool is_seen(const cr_trace *t, const region *r, uint32_t value)
{
    const cr_trace_value *v = &t->values[value];
    return v->kind != CR_VALUE_INNER || v->last > r->step[r->count - 1];
}

typedef struct asked {
    uint32_t inputs[VALUES], outputs[VALUES];
    cr_graph_node node[NODES];
    cr_graph graph;
} asked;

static void describe(const cr_trace *t, const region *r, asked *a)
{
    memset(a, 0, sizeof *a);
    for (uint32_t i = 0; i < r->nvalues; i++) {
        if (!r->made[i])
            a->inputs[a->graph.ninputs++] = i;
        else if (is_seen(t, r, r->value[i]))
            a->outputs[a->graph.noutputs++] = i;
    }
    for (uint32_t n = 0; n < r->count; n++) {
        a->node[n] = t->steps[r->step[n]].graph->nodes[0];
        a->node[n].inputs = r->bound[n];
        a->node[n].outputs = r->bound[n] + a->node[n].ninputs;
    }
    a->graph.struct_size = sizeof a->graph;
    a->graph.values = r->meta;
    a->graph.nodes = a->node;
    a->graph.inputs = a->inputs;
    a->graph.outputs = a->outputs;
    a->graph.nvalues = r->nvalues;
    a->graph.nnodes = r->count;
}

/* A plan for the region, or null. */
static cr_plan *ask(const cr_trace *t, const region *r, asked *a, size_t *workspace)
{
    uint64_t layouts[VALUES] = {0};
    size_t bytes[VALUES] = {0};
    cr_plan_info info = {
        .struct_size = sizeof info, .output_layouts = layouts, .output_bytes = bytes};
    cr_plan *plan = NULL;
    describe(t, r, a);
    cr_biased_lock_acquire(&t->dev->lock);
    cr_status status = t->dev->backend->plan(t->dev->handle, &a->graph, &info, &plan);
    bool plain = status == CR_OK;
    for (uint32_t i = 0; i < a->graph.noutputs; i++)
        plain = plain && !layouts[i];
    if (status == CR_OK && !plain) {
        t->dev->backend->plan_free(plan);
        plan = NULL;
    }
    cr_backend_words(); /* why it declined is nobody's concern */
    cr_biased_lock_release(&t->dev->lock);
    if (status != CR_OK || !plan)
        return NULL;
    *workspace = info.workspace;
    return plan;
}

/* ---- one step instead ---- */

static bool replace(cr_trace *t, const region *r, const asked *a, cr_plan *plan, size_t workspace)
{
    cr_trace_step *last = &t->steps[r->step[r->count - 1]];
    uint32_t nin = a->graph.ninputs, total = nin + a->graph.noutputs, numbers = 0;
    for (uint32_t n = 0; n < r->count; n++)
        numbers += t->steps[r->step[n]].nnumbers;
    uint32_t *value = calloc(total + 1, sizeof *value);
    size_t *offset = calloc(total + 1, sizeof *offset);
    cr_binding *bind = calloc(total + 1, sizeof *bind);
    cr_number *all = calloc(numbers + 1, sizeof *all);
    if (!value || !offset || !bind || !all) {
        free(value);
        free(offset);
        free(bind);
        free(all);
        return cr_fail_memory("a graph", total * sizeof *bind), false;
    }
    for (uint32_t i = 0; i < total; i++) {
        uint32_t v = i < nin ? a->inputs[i] : a->outputs[i - nin];
        value[i] = r->value[v];
        offset[i] = r->offset[v];
    }
    numbers = 0;
    for (uint32_t n = 0; n < r->count; n++) {
        cr_trace_step *s = &t->steps[r->step[n]];
        memcpy(all + numbers, s->numbers, s->nnumbers * sizeof *all);
        numbers += s->nnumbers;
        s->dead = s != last;
    }
    t->fused += r->count - 1;
    free(last->value);
    free(last->offset);
    free(last->bind);
    free(last->numbers);
    free(last->graph);
    last->graph = NULL;
    last->value = value;
    last->offset = offset;
    last->bind = bind;
    last->numbers = all;
    last->nread = nin;
    last->nvalues = total;
    last->nnumbers = numbers;
    last->workspace = workspace;
    last->plan = plan;
    last->owns_plan = true;
    return true;
}

/* The longest region that begins at the step and that the backend takes; how many steps it has. */
static bool fuse_from(cr_trace *t, size_t at, region *best, region *next, asked *a)
{
    cr_plan *plan = NULL;
    size_t workspace = 0;
    memset(best, 0, sizeof *best);
    for (size_t i = at; i < t->nsteps; i++) {
        if (t->steps[i].dead || t->steps[i].kind == CR_STEP_GRAD)
            continue;
        if (!extend(t, best, i, next))
            break;
        if (next->count > 1) {
            cr_plan *longer = ask(t, next, a, &workspace);
            if (!longer)
                break;
            if (plan) {
                cr_biased_lock_acquire(&t->dev->lock);
                t->dev->backend->plan_free(plan);
                cr_biased_lock_release(&t->dev->lock);
            }
            plan = longer;
        }
        *best = *next;
    }
    if (!plan)
        return true;
    describe(t, best, a); /* the last question may have been a longer one */
    if (replace(t, best, a, plan, workspace))
        return true;
    cr_biased_lock_acquire(&t->dev->lock);
    t->dev->backend->plan_free(plan);
    cr_biased_lock_release(&t->dev->lock);
    return false;
}

bool cr_trace_fuse(cr_trace *t)
{
    region *regions = malloc(2 * sizeof *regions);
    asked *a = malloc(sizeof *a);
    bool well = regions && a;
    if (!well)
        cr_fail_memory("a graph", 2 * sizeof *regions);
    for (size_t i = 0; well && i < t->nvalues; i++)
        t->values[i].last = 0;
    for (size_t i = 0; well && i < t->nsteps; i++)
        for (uint32_t k = 0; !t->steps[i].dead && k < t->steps[i].nvalues; k++)
            t->values[t->steps[i].value[k]].last = (uint32_t)i;
    for (size_t i = 0; well && i < t->nsteps; i++)
        if (!t->steps[i].dead && t->steps[i].kind == CR_STEP_RUN && t->steps[i].graph)
            well = fuse_from(t, i, &regions[0], &regions[1], a);
    free(regions);
    free(a);
    return well;
}
