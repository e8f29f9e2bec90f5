/* Fusing: neighbouring steps on values of one shape are offered to the backend as one graph, longer and longer until it
 * declines; what it takes becomes one step, and the values in between need no memory. Where the backend declines, who lends it
 * plans is asked. Values in a private layout keep it: results have to get the layouts that they got one by one, and a chain of
 * elementwise steps through one layout is offered as row-major, as the steps were. */
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
        if (metas[k].layout || like->layout || !same_sizes(&metas[k], &metas[s->nread]) ||
            numel_of(&metas[k]) != numel_of(like) || !view_in_sizes(&metas[k], like))
            return false;
    return true;
}

/* ---- what belongs together ---- */

/* The region's number for value k of the step; CR_NO_VALUE if it can't be told apart from what is there. What was prepared for
 * the step is what it was prepared from. */
static uint32_t bind_value(const cr_trace *t, region *r, const cr_trace_step *s,
                           const cr_meta *meta, uint32_t k)
{
    bool written = k >= s->nread;
    uint32_t value = s->value[k];
    size_t offset = s->offset[k];
    if (t->values[value].kind == CR_VALUE_PREPARED) {
        const cr_trace_prepare *p = &t->prepares[t->values[value].input];
        value = p->from;
        offset = p->offset;
    }
    for (uint32_t i = 0; i < r->nvalues; i++) {
        if (r->value[i] != value)
            continue;
        if (!written && r->offset[i] == offset && !memcmp(&r->meta[i], meta, sizeof *meta))
            return i;
        if (written || r->made[i]) /* in place, or through another view */
            return CR_NO_VALUE;
    }
    if (r->nvalues == VALUES)
        return CR_NO_VALUE;
    uint32_t i = r->nvalues++;
    r->value[i] = value;
    r->offset[i] = offset;
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
        if ((bound[k] = bind_value(t, to, s, &metas[k], k)) == CR_NO_VALUE)
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
    cr_meta meta[VALUES];
    uint32_t inputs[VALUES], outputs[VALUES];
    cr_graph_node node[NODES];
    cr_graph graph;
} asked;

/* A plan, and what it came with. */
typedef struct answer {
    cr_plan *plan; /* or null */
    cr_dev *by;    /* who lends it; null: the device's own */
    size_t workspace;
    uint64_t
        layout[VALUES]; /* of the graph's inputs, as the plan wants them prepared; 0: as they are */
    size_t bytes[VALUES];
} answer;

static void describe(const cr_trace *t, const region *r, asked *a)
{
    memset(a, 0, sizeof *a);
    memcpy(a->meta, r->meta, r->nvalues * sizeof *a->meta);
    for (uint32_t i = 0; i < r->nvalues; i++) {
        if (!r->made[i])
            a->inputs[a->graph.ninputs++] = i;
        else if (is_seen(t, r, r->value[i]))
            a->outputs[a->graph.noutputs++] = i;
        if (r->made[i]) /* the backend says, as for one operation */
            a->meta[i].layout = 0;
    }
    for (uint32_t n = 0; n < r->count; n++) {
        a->node[n] = t->steps[r->step[n]].graph->nodes[0];
        a->node[n].inputs = r->bound[n];
        a->node[n].outputs = r->bound[n] + a->node[n].ninputs;
    }
    a->graph.struct_size = sizeof a->graph;
    a->graph.values = a->meta;
    a->graph.nodes = a->node;
    a->graph.inputs = a->inputs;
    a->graph.outputs = a->outputs;
    a->graph.nvalues = r->nvalues;
    a->graph.nnodes = r->count;
}

/* Takes a chain of elementwise steps through the private layout that its values share: the graph's values become row-major.
 * False where there is none, or not all values are in it (those of one element may be repeated). */
static bool hide_layout(const cr_trace *t, const region *r, asked *a)
{
    const cr_meta *like = NULL;
    for (uint32_t n = 0; n < r->count; n++)
        if (!t->steps[r->step[n]].elementwise)
            return false;
    for (uint32_t i = 0; i < r->nvalues && !like; i++)
        like = r->meta[i].layout ? &r->meta[i] : NULL;
    for (uint32_t i = 0; like && i < r->nvalues; i++) {
        const cr_meta *m = &r->meta[i];
        size_t bytes = (size_t)numel_of(m) * cr_dtype_size((cr_dtype)m->dtype);
        bool one = !m->layout && !r->made[i];
        for (int d = 0; one && d < m->rank; d++)
            one = m->size[d] == 1 || m->stride[d] == 0;
        if (!one && (m->layout != like->layout || !same_sizes(m, like) || r->offset[i] ||
                     t->values[r->value[i]].bytes != bytes))
            return false;
        if (!one)
            cr_contiguous_strides(m->rank, m->size, a->meta[i].stride);
        a->meta[i].layout = 0;
    }
    return like != NULL;
}

/* Whether what a plan wants of the input in another layout can be kept: a tensor from outside that nothing has written so far. */
static bool can_prepare(const cr_trace *t, const region *r, uint32_t input)
{
    uint32_t value = r->value[input];
    bool can = t->values[value].kind == CR_VALUE_OUTSIDE;
    for (size_t i = 0; can && t->values[value].written && i < r->step[0]; i++)
        for (uint32_t k = t->steps[i].nread; can && k < t->steps[i].nvalues; k++)
            can = t->steps[i].value[k] != value;
    return can;
}

static void free_plan(const cr_trace *t, answer *from)
{
    cr_dev *dev = from->by ? from->by : t->dev;
    if (!from->plan)
        return;
    cr_biased_lock_acquire(&dev->lock);
    dev->backend->plan_free(from->plan);
    cr_biased_lock_release(&dev->lock);
    from->plan = NULL;
}

/* Asks one backend (by null: the device's own) once. prepares: it may want inputs in layouts of its own. */
static bool ask_once(const cr_trace *t, const region *r, const asked *a, cr_dev *by, bool hidden,
                     bool prepares, answer *to)
{
    uint64_t layouts[VALUES] = {0};
    size_t bytes[VALUES] = {0};
    cr_dev *dev = by ? by : t->dev;
    memset(to, 0, sizeof *to);
    to->by = by;
    cr_plan_info info = {.struct_size = sizeof info,
                         .output_layouts = layouts,
                         .output_bytes = bytes,
                         .input_layouts = prepares ? to->layout : NULL,
                         .input_bytes = prepares ? to->bytes : NULL};
    cr_biased_lock_acquire(&dev->lock);
    cr_status status = dev->backend->plan(dev->handle, &a->graph, &info, &to->plan);
    cr_backend_words(); /* why it declined is nobody's concern */
    cr_biased_lock_release(&dev->lock);
    if (status != CR_OK)
        to->plan = NULL;
    to->workspace = info.workspace;
    bool fits = to->plan != NULL;
    for (uint32_t i = 0; i < a->graph.noutputs; i++) {
        uint32_t v = a->outputs[i];
        fits = fits && layouts[i] == (hidden ? 0 : r->meta[v].layout) &&
               (!layouts[i] || bytes[i] == t->values[r->value[v]].bytes);
    }
    for (uint32_t i = 0; i < a->graph.ninputs; i++)
        fits = fits && (!to->layout[i] || can_prepare(t, r, a->inputs[i]));
    if (!fits)
        free_plan(t, to);
    return fits;
}

static bool wants_layouts(const answer *from)
{
    for (uint32_t i = 0; i < VALUES; i++)
        if (from->layout[i])
            return true;
    return false;
}

static bool ask_one(const cr_trace *t, const region *r, asked *a, cr_dev *by, answer *to)
{
    bool plain = true;
    describe(t, r, a);
    for (uint32_t i = 0; i < r->nvalues; i++)
        plain = plain && !r->meta[i].layout;
    if ((plain || !by) && (ask_once(t, r, a, by, false, !by, to) ||
                           (wants_layouts(to) && ask_once(t, r, a, by, false, false, to))))
        return true;
    return hide_layout(t, r, a) && ask_once(t, r, a, by, true, false, to);
}

/* A plan for the region. Who has planned its first step is asked first. */
static bool ask(const cr_trace *t, const region *r, asked *a, answer *to)
{
    cr_dev *first = t->steps[r->step[0]].by, *lender = cr_lender(t->dev);
    return ask_one(t, r, a, first, to) ||
           ((first || lender) && ask_one(t, r, a, first ? NULL : lender, to));
}

/* ---- one step instead ---- */

/* The value that stands for input i as the plan wants it; CR_NO_VALUE, with the error set, on failure. */
static uint32_t prepared(cr_trace *t, const region *r, const asked *a, const answer *from,
                         uint32_t i)
{
    uint32_t v = a->inputs[i], made = CR_NO_VALUE;
    const cr_meta *m = &r->meta[v];
    cr_storage *storage = t->values[r->value[v]].storage;
    cr_prepare *how = calloc(1, sizeof *how);
    cr_tensor *source =
        cr_tensor_make(cr_storage_retain(storage), (cr_dtype)m->dtype, m->rank, m->size, m->stride,
                       (int64_t)(r->offset[v] / cr_dtype_size((cr_dtype)m->dtype)));
    if (how && source) {
        *how = (cr_prepare){.binding = i, .layout = from->layout[i], .bytes = from->bytes[i]};
        cr_biased_lock_acquire(&t->dev->lock);
        cr_status status = cr_plan_prepare(t->dev, m, how);
        cr_biased_lock_release(&t->dev->lock);
        if (status != CR_OK)
            cr_dev_failed(t->dev, "preparing an input", status);
        else
            made = cr_trace_prepared(t, how, true, source, r->value[v], r->offset[v]);
    }
    if (made == CR_NO_VALUE) {
        if (!cr_error())
            cr_fail_memory("a graph", sizeof *how);
        if (how && how->plan)
            free_plan(t, &(answer){.plan = how->plan});
        free(how);
    }
    cr_release(source);
    return made;
}

static bool replace(cr_trace *t, const region *r, const asked *a, const answer *from)
{
    cr_trace_step *last = &t->steps[r->step[r->count - 1]];
    uint32_t nin = a->graph.ninputs, total = nin + a->graph.noutputs, numbers = 0;
    for (uint32_t n = 0; n < r->count; n++)
        numbers += t->steps[r->step[n]].nnumbers;
    uint32_t *value = calloc(total + 1, sizeof *value);
    size_t *offset = calloc(total + 1, sizeof *offset);
    cr_binding *bind = calloc(total + 1, sizeof *bind);
    cr_number *all = calloc(numbers + 1, sizeof *all);
    bool made = value && offset && bind && all;
    if (!made)
        cr_fail_memory("a graph", total * sizeof *bind);
    for (uint32_t i = 0; made && i < total; i++) {
        uint32_t v = i < nin ? a->inputs[i] : a->outputs[i - nin];
        value[i] = r->value[v];
        offset[i] = r->offset[v];
        if (i < nin && from->layout[i]) {
            value[i] = prepared(t, r, a, from, i);
            offset[i] = 0;
            made = value[i] != CR_NO_VALUE;
        }
    }
    if (!made) {
        free(value);
        free(offset);
        free(bind);
        free(all);
        return false;
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
    last->workspace = from->workspace;
    last->plan = from->plan;
    last->by = from->by;
    last->owns_plan = true;
    return true;
}

/* The longest region that begins at the step and that the backend takes; how many steps it has. */
static bool fuse_from(cr_trace *t, size_t at, region *best, region *next, asked *a)
{
    answer taken = {0};
    memset(best, 0, sizeof *best);
    for (size_t i = at; i < t->nsteps; i++) {
        if (t->steps[i].dead || t->steps[i].kind == CR_STEP_GRAD)
            continue;
        if (!extend(t, best, i, next))
            break;
        if (next->count > 1) {
            answer longer;
            if (!ask(t, next, a, &longer))
                break;
            free_plan(t, &taken);
            taken = longer;
        }
        *best = *next;
    }
    if (!taken.plan)
        return true;
    describe(t, best, a); /* the last question may have been a longer one */
    if (replace(t, best, a, &taken))
        return true;
    free_plan(t, &taken);
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
