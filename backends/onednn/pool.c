/* Plans of maximum and average pools, adaptive ones too, and their gradients, on images whose channels lie in blocks. The
 * indices of a maximum have the layout of its values. */
#include <stdlib.h>

#include "blocked.h"

typedef struct pool_plan {
    dn_plan plan;
    dn_pool_job job; /* its pointers are filled for a run */
    dn_windows along[3];
    int64_t *tables;
    int large_at, small_at, index_at;
} pool_plan;

typedef struct pool_shape {
    int dims;
    bool adaptive;
    int64_t large[3], small[3], kernel[3], stride[3], padding[3], dilation[3];
    bool count_padding;
} pool_shape;

/* ---- windows ---- */

static bool read_ints(const cr_graph_node *node, const char *name, int dims, int64_t fallback,
                      const int64_t *instead, int64_t to[3])
{
    int count = 0;
    const int64_t *from = cpu_attr_ints(node, name, &count);
    for (int d = 0; d < 3; d++)
        to[d] = fallback;
    if (count && count != 1 && count != dims)
        return false;
    for (int d = 0; d < dims; d++)
        to[3 - dims + d] = count     ? from[count == 1 ? 0 : d]
                           : instead ? instead[3 - dims + d]
                                     : fallback;
    return true;
}

static void fill_windows(const pool_shape *s, int d, dn_windows *w)
{
    w->step = s->dilation[d];
    for (int64_t i = 0; i < s->large[d]; i++) {
        w->first[i] = s->small[d];
        w->last[i] = -1;
    }
    for (int64_t o = 0; o < s->small[d]; o++) {
        int64_t from, to, padded;
        if (s->adaptive) {
            from = o * s->large[d] / s->small[d];
            to = ((o + 1) * s->large[d] + s->small[d] - 1) / s->small[d];
            padded = to - from;
        } else {
            from = o * s->stride[d] - s->padding[d];
            to = from + (s->kernel[d] - 1) * s->dilation[d] + 1;
            int64_t end = s->large[d] + s->padding[d];
            padded = (to < end ? to : end) - from;
            if (from < 0)
                from += (-from + s->dilation[d] - 1) / s->dilation[d] * s->dilation[d];
            to = to < s->large[d] ? to : s->large[d];
        }
        w->from[o] = from;
        w->to[o] = to;
        w->count[o] = s->count_padding ? padded : to > from ? to - from : 0;
        for (int64_t i = from; i < to; i += s->dilation[d]) {
            w->first[i] = o < w->first[i] ? o : w->first[i];
            w->last[i] = o;
        }
    }
}

/* Places for the windows of all dimensions; false without memory. */
static bool make_windows(pool_plan *p, const pool_shape *s)
{
    size_t total = 0;
    for (int d = 0; d < 3; d++)
        total += 3 * (size_t)s->small[d] + 2 * (size_t)s->large[d];
    int64_t *at = p->tables = malloc((total ? total : 1) * sizeof *at);
    if (!at)
        return false;
    for (int d = 0; d < 3; d++) {
        p->along[d].from = at;
        p->along[d].to = at + s->small[d];
        p->along[d].count = at + 2 * s->small[d];
        p->along[d].first = at + 3 * s->small[d];
        p->along[d].last = p->along[d].first + s->large[d];
        at = p->along[d].last + s->large[d];
        fill_windows(s, d, &p->along[d]);
    }
    return true;
}

/* ---- running ---- */

static dn_pool_job job_of(const pool_plan *p, const cr_run *run)
{
    dn_pool_job job = p->job;
    job.along = p->along;
    job.large = cpu_at(run, p->large_at);
    job.out = cpu_at(run, p->small_at);
    job.index = p->index_at < 0 ? NULL : cpu_at(run, p->index_at);
    return job;
}

static void run_forward(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    dn_pool_job job = job_of((const pool_plan *)plan, run);
    dn_kernels()->pool_forward(&job, begin, end);
}

static void run_backward(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    dn_pool_job job = job_of((const pool_plan *)plan, run);
    dn_kernels()->pool_backward(&job, begin, end);
}

static void destroy(cr_plan *plan)
{
    free(((pool_plan *)plan)->tables);
    dn_plan_destroy(plan);
}

/* ---- planning ---- */

static bool shape_of(const cpu_call *call, const cr_meta *large, const cr_meta *small, int dims,
                     bool adaptive, pool_shape *s)
{
    *s = (pool_shape){.dims = dims, .adaptive = adaptive};
    if (large->rank != dims + 2 || small->rank != large->rank || large->size[0] != small->size[0] ||
        large->size[1] != small->size[1])
        return false;
    for (int d = 0; d < 3; d++) {
        s->large[d] = s->small[d] = s->kernel[d] = s->stride[d] = s->dilation[d] = 1;
        if (d < 3 - dims)
            continue;
        s->large[d] = large->size[d - 3 + large->rank];
        s->small[d] = small->size[d - 3 + large->rank];
    }
    s->count_padding = cpu_attr_int(call->node, "count_include_pad", 1) != 0;
    return adaptive || (read_ints(call->node, "kernel_size", dims, 1, NULL, s->kernel) &&
                        read_ints(call->node, "stride", dims, 1, s->kernel, s->stride) &&
                        read_ints(call->node, "padding", dims, 0, NULL, s->padding) &&
                        read_ints(call->node, "dilation", dims, 1, NULL, s->dilation));
}

typedef struct pool_call {
    const cr_meta *large, *small, *index;
    int large_at, small_at, index_at;
    bool backward;
} pool_call;

/* What is written takes the layout of the large side's value: `as`. */
static void keep_layout(const cpu_call *call, uint32_t output, const cr_meta *as)
{
    const cr_meta *m = call->out[output];
    int64_t positions = 1;
    for (int d = 2; d < m->rank; d++)
        positions *= m->size[d];
    if (positions == 1) /* row-major lies the same way */
        return;
    uint32_t at = (uint32_t)call->out_at[output] - (uint32_t)call->out_at[0];
    call->info->output_layouts[at] = as->layout;
    call->info->output_bytes[at] = (size_t)cpu_numel(m) * cpu_dtype_size(m->dtype);
}

static cr_status plan_pool(const cpu_call *call, const pool_call *c, const cr_meta *as, int dims,
                           bool adaptive, cr_plan **out)
{
    int64_t block = as ? dn_block_of(as) : 0;
    dn_grid grid, unused;
    pool_shape s;
    cr_meta large = *c->large, small = *c->small;
    large.layout = as ? as->layout : 0;
    if (!block || block % 8 || !dn_grid_of(&large, block, &grid) ||
        (large.dtype != CR_F32 && large.dtype != CR_BF16) || small.dtype != large.dtype ||
        (c->backward && !dn_grid_of(&small, block, &unused)) ||
        (c->backward && c->index && !dn_grid_of(c->index, block, &unused)) ||
        (c->index && (c->index->dtype != CR_I64 || grid.positions > INT32_MAX)) ||
        !shape_of(call, &large, &small, dims, adaptive, &s))
        return CR_UNSUPPORTED;
    pool_plan *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->plan.base.destroy = destroy;
    p->job = (dn_pool_job){.grid = grid,
                           .places = s.small[0] * s.small[1] * s.small[2],
                           .divisor = cpu_attr_int(call->node, "divisor_override", 0),
                           .half = large.dtype == CR_BF16};
    memcpy(p->job.small, s.small, sizeof s.small);
    p->large_at = c->large_at;
    p->small_at = c->small_at;
    p->index_at = c->index ? c->index_at : -1;
    cr_status status = CR_OK;
    if (!make_windows(p, &s))
        status = cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "%s: no memory for its windows",
                                p->plan.text);
    double window = adaptive ? (double)grid.positions / (double)(p->job.places + 1) + 1
                             : (double)(s.kernel[0] * s.kernel[1] * s.kernel[2]);
    int64_t groups = grid.n * grid.blocks * (block / dn_lanes(block));
    dn_stage *stage = dn_stage_add(&p->plan, groups, 0, (double)p->job.places * (window + 4) + 10);
    stage->plain = c->backward ? run_backward : run_forward;
    for (uint32_t i = 0; status == CR_OK && i < call->nout; i++)
        if (call->out[i])
            keep_layout(call, i, as);
    return dn_plan_done(&p->plan, call, status, out);
}

static cr_status plan_forward(const cpu_call *call, int dims, bool adaptive, bool max,
                              cr_plan **out)
{
    pool_call c = {.large = call->in[0],
                   .small = call->out[0],
                   .large_at = call->in_at[0],
                   .small_at = call->out_at[0]};
    if (!c.large || !c.small || (max && (call->nout != 2 || !call->out[1])))
        return CR_UNSUPPORTED;
    if (max) {
        c.index = call->out[1];
        c.index_at = call->out_at[1];
    }
    return plan_pool(call, &c, c.large, dims, adaptive, out);
}

/* The large side's gradient has the layout of the value itself; a small side of one position may be in layout 0. */
static cr_status plan_backward(const cpu_call *call, int dims, bool adaptive, bool max,
                               cr_plan **out)
{
    pool_call c = {.large = call->out[0],
                   .small = call->in[0],
                   .large_at = call->out_at[0],
                   .small_at = call->in_at[0],
                   .backward = true};
    if (!c.large || !c.small || !call->in[1] || (max && (call->nin != 3 || !call->in[2])))
        return CR_UNSUPPORTED;
    cr_meta small = dn_brought_in(call, 0, call->in[1]), index;
    c.small = &small;
    if (max) {
        index = dn_brought_in(call, 2, call->in[1]);
        c.index = &index;
        c.index_at = call->in_at[2];
    }
    return plan_pool(call, &c, call->in[1], dims, adaptive, out);
}

#define POOL(name, dims, adaptive, max)                                          \
    static cr_status plan_##name(const cpu_call *call, cr_plan **out)            \
    {                                                                            \
        return plan_forward(call, dims, adaptive, max, out);                     \
    }                                                                            \
    static cr_status plan_##name##_backward(const cpu_call *call, cr_plan **out) \
    {                                                                            \
        return plan_backward(call, dims, adaptive, max, out);                    \
    }
POOL(max2d, 2, false, true)
POOL(max3d, 3, false, true)
POOL(adaptive_max2d, 2, true, true)
POOL(average2d, 2, false, false)
POOL(average3d, 3, false, false)
POOL(adaptive_average2d, 2, true, false)
POOL(adaptive_average3d, 3, true, false)

const cpu_op dn_family_pool[] = {
    {"max_pool2d_with_indices", plan_max2d},
    {"max_pool2d_with_indices_backward", plan_max2d_backward},
    {"max_pool3d_with_indices", plan_max3d},
    {"max_pool3d_with_indices_backward", plan_max3d_backward},
    {"adaptive_max_pool2d", plan_adaptive_max2d},
    {"adaptive_max_pool2d_backward", plan_adaptive_max2d_backward},
    {"avg_pool2d", plan_average2d},
    {"avg_pool2d_backward", plan_average2d_backward},
    {"avg_pool3d", plan_average3d},
    {"avg_pool3d_backward", plan_average3d_backward},
    {"_adaptive_avg_pool2d", plan_adaptive_average2d},
    {"_adaptive_avg_pool2d_backward", plan_adaptive_average2d_backward},
    {"_adaptive_avg_pool3d", plan_adaptive_average3d},
    {"_adaptive_avg_pool3d_backward", plan_adaptive_average3d_backward},
    {NULL, NULL},
};
