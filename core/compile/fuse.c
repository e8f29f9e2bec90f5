/* Fusing: neighbouring steps on values of one shape are offered to the backend as one graph, longer and longer until it
 * declines; what it takes becomes one step, and the values in between need no memory. */
#include "core/compile/fuse.h"

#include <stdlib.h>
#include <string.h>

enum { NODES = 16, VALUES = 48 };

/* Steps that may become one, and the graph that says so. */
typedef struct region {
    size_t step[NODES]; /* in order */
    uint32_t count;
    uint32_t nvalues;
    cr_meta meta[VALUES];
    uint32_t value[VALUES]; /* of the trace */
    size_t offset[VALUES];
    bool made[VALUES]; /* by a step of the region */
    uint32_t bound[NODES][8];
} region;

/* ---- what belongs together ---- */

static bool same_place(const region *r, uint32_t at, const cr_trace_step *s, uint32_t k)
{
    return r->value[at] == s->value[k] && r->offset[at] == s->offset[k] &&
           !memcmp(&r->meta[at], &s->metas[k], sizeof *r->meta);
}

/* The region's number for value k of the step; CR_NO_VALUE if it can't be told apart from what is there. */
static uint32_t bind_value(region *r, const cr_trace_step *s, uint32_t k)
{
    bool written = k >= s->nread;
    for (uint32_t i = 0; i < r->nvalues; i++) {
        if (r->value[i] != s->value[k])
            continue;
        if (!written && same_place(r, i, s, k))
            return i;
        if (written || r->made[i]) /* in place, or through another view */
            return CR_NO_VALUE;
    }
    if (r->nvalues == VALUES)
        return CR_NO_VALUE;
    uint32_t i = r->nvalues++;
    r->value[i] = s->value[k];
    r->offset[i] = s->offset[k];
    r->meta[i] = s->metas[k];
    r->made[i] = written;
    return i;
}

static bool same_sizes(const cr_meta *a, const cr_meta *b)
{
    return a->rank == b->rank && !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

/* Adds the step to a copy of the region; false if it does not fit. */
static bool extend(const cr_trace *t, const region *from, size_t at, region *to)
{
    const cr_trace_step *s = &t->steps[at];
    if (s->kind != CR_STEP_RUN || !s->metas || s->nvalues > 8 || from->count == NODES)
        return false;
    *to = *from;
    if (to->count) {
        const cr_trace_step *first = &t->steps[to->step[0]];
        if (!same_sizes(&first->metas[first->nread], &s->metas[s->nread]))
            return false;
    }
    for (uint32_t k = 0; k < s->nvalues; k++)
        if ((to->bound[to->count][k] = bind_value(to, s, k)) == CR_NO_VALUE)
            return false;
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
    const char *names[NODES][CR_MAX_ARGS];
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
        const cr_trace_step *s = &t->steps[r->step[n]];
        const cr_op *op = s->op->functional;
        uint32_t names = 0;
        for (int k = 0; k < op->nargs && names < s->nnumbers; k++)
            if (op->schema->args[k].type != CR_ARG_TENSOR)
                a->names[n][names++] = op->schema->args[k].name;
        a->node[n] = (cr_graph_node){.struct_size = sizeof(cr_graph_node),
                                     .op = op->name,
                                     .inputs = r->bound[n],
                                     .outputs = r->bound[n] + s->nread,
                                     .ninputs = s->nread,
                                     .noutputs = 1,
                                     .nnumbers = s->nnumbers,
                                     .number_names = a->names[n]};
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
    free(last->metas);
    last->metas = NULL;
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
        if (!t->steps[i].dead && t->steps[i].kind == CR_STEP_RUN && t->steps[i].metas)
            well = fuse_from(t, i, &regions[0], &regions[1], a);
    free(regions);
    free(a);
    return well;
}
