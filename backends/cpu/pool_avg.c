/* Average pools of 2 and 3 dimensions, adaptive ones, and their backwards. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* The part of place o's window that lies inside; returns what its sum is divided by. */
static int64_t window_of(const pool_shape *s, const int64_t o[3], bool adaptive, int64_t from[3],
                         int64_t to[3])
{
    int64_t padded = 1, inside = 1;
    for (int d = 0; d < 3; d++) {
        if (adaptive) {
            from[d] = adaptive_start(o[d], s->out[d], s->in[d]);
            to[d] = adaptive_end(o[d], s->out[d], s->in[d]);
        } else {
            from[d] = o[d] * s->stride[d] - s->pad[d];
            to[d] = from[d] + s->k[d];
            if (to[d] > s->in[d] + s->pad[d])
                to[d] = s->in[d] + s->pad[d];
            padded *= to[d] - from[d];
            from[d] = from[d] > 0 ? from[d] : 0;
            to[d] = to[d] < s->in[d] ? to[d] : s->in[d];
        }
        inside *= to[d] > from[d] ? to[d] - from[d] : 0;
    }
    if (adaptive)
        return inside;
    return s->divisor ? s->divisor : s->count_pad ? padded : inside;
}

#define REAL    float
#define NAME(x) f32_##x
#include "pool_avg_real.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) f64_##x
#include "pool_avg_real.h"

static cr_status pool_run(const pool_plan *p, void *x, void *y, bool back)
{
    const pool_shape *s = &p->shape;
    pool_job job = {.shape = s, .x = x, .y = y, .adaptive = p->adaptive, .back = back};
    double window = p->adaptive ? (double)s->in_size / (double)(s->out_size + 1) + 1
                                : (double)(s->k[0] * s->k[1] * s->k[2]);
    cpu_parallel(s->planes, 1, (window * 0.5 + 5) * (double)s->out_size,
                 p->staged.in[0].dtype == CR_F64 ? f64_planes : f32_planes, &job);
    return CR_OK;
}

static cr_status forward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                              void *const *out, char *scratch)
{
    return pool_run((const pool_plan *)staged, in[0], out[0], false);
}

static cr_status backward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                               void *const *out, char *scratch)
{
    return pool_run((const pool_plan *)staged, out[0], in[0], true);
}

static cr_status plan_any(const cpu_call *call, int dims, bool adaptive, bool backward,
                          cr_plan **plan)
{
    const cr_meta *x = backward ? call->in[1] : call->in[0],
                  *y = backward ? call->in[0] : call->out[0];
    pool_shape shape;
    if (!cpu_one_float(call) || !call->out[0] ||
        !cpu_pool_shape(call->node, x, y, dims, !adaptive, &shape))
        return CR_UNSUPPORTED;
    pool_plan *p = cpu_staged_new(call, sizeof *p, backward ? backward_body : forward_body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->shape = shape;
    p->adaptive = adaptive;
    if (backward) /* only its sizes are used */
        p->staged.in[1].at = -1;
    *plan = &p->staged.base;
    return CR_OK;
}

#define PLAN(name, dims, adaptive, backward)                           \
    static cr_status plan_##name(const cpu_call *call, cr_plan **plan) \
    {                                                                  \
        return plan_any(call, dims, adaptive, backward, plan);         \
    }
PLAN(2d, 2, false, false)
PLAN(2d_backward, 2, false, true)
PLAN(3d, 3, false, false)
PLAN(3d_backward, 3, false, true)
PLAN(adaptive2d, 2, true, false)
PLAN(adaptive2d_backward, 2, true, true)
PLAN(adaptive3d, 3, true, false)
PLAN(adaptive3d_backward, 3, true, true)

const cpu_op CPU_NAME(cpu_family_pool_avg)[] = {
    {"avg_pool2d", plan_2d},
    {"avg_pool2d_backward", plan_2d_backward},
    {"avg_pool3d", plan_3d},
    {"avg_pool3d_backward", plan_3d_backward},
    {"_adaptive_avg_pool2d", plan_adaptive2d},
    {"_adaptive_avg_pool2d_backward", plan_adaptive2d_backward},
    {"_adaptive_avg_pool3d", plan_adaptive3d},
    {"_adaptive_avg_pool3d_backward", plan_adaptive3d_backward},
    {NULL, NULL},
};
