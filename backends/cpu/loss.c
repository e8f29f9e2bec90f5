/* nll_loss_forward and its backward: with t = target[n] and w = weight[t] (1 without weights, 0 for the ignored index),
 *   loss[n] = -w x[n, t];  reduced: Σ loss, divided by Σ w for the mean.  x'[n, t] = -w y' (/ Σ w) */
#include "staged.h"
#include "variant.h"

#include <inttypes.h>
#include <string.h>

enum { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM };

typedef struct nll_plan {
    cpu_staged staged;
    int64_t rows, classes, reduction, ignore;
} nll_plan;

/* Of a backward. */
typedef struct nll_job {
    const nll_plan *plan;
    const void *g, *weight, *total;
    const int64_t *target;
    void *dx;
    int64_t wrong; /* a row, from 1 on, whose target is out of bounds */
} nll_job;

static cr_status out_of_bounds(int64_t target)
{
    return cpu_host->fail(cpu_host, CR_INVALID, "Target %" PRId64 " is out of bounds.", target);
}

#define NLL(name, REAL)                                                                      \
    static cr_status name##_forward(const nll_plan *p, const REAL *x, const int64_t *target, \
                                    const REAL *weight, REAL *loss, REAL *total)             \
    {                                                                                        \
        double sum = 0, weights = 0;                                                         \
        for (int64_t n = 0; n < p->rows; n++) {                                              \
            int64_t t = target[n];                                                           \
            bool counts = t != p->ignore;                                                    \
            if (counts && (t < 0 || t >= p->classes))                                        \
                return out_of_bounds(t);                                                     \
            REAL w = counts ? weight ? weight[t] : 1 : 0,                                    \
                 each = counts ? -w * x[n * p->classes + t] : 0;                             \
            if (p->reduction == REDUCE_NONE)                                                 \
                loss[n] = each;                                                              \
            sum += (double)each;                                                             \
            weights += (double)w;                                                            \
        }                                                                                    \
        if (p->reduction != REDUCE_NONE)                                                     \
            *loss = (REAL)(p->reduction == REDUCE_MEAN ? sum / weights : sum);               \
        if (total)                                                                           \
            *total = p->reduction == REDUCE_NONE ? 0 : (REAL)weights;                        \
        return CR_OK;                                                                        \
    }                                                                                        \
    static void name##_backward(void *context, int64_t begin, int64_t end)                   \
    {                                                                                        \
        nll_job *job = context;                                                              \
        const nll_plan *p = job->plan;                                                       \
        const REAL *g = job->g, *weight = job->weight, *total = job->total;                  \
        for (int64_t n = begin; n < end; n++) {                                              \
            const int64_t t = job->target[n];                                                \
            REAL *dx = (REAL *)job->dx + n * p->classes;                                     \
            memset(dx, 0, (size_t)p->classes * sizeof *dx);                                  \
            if (t == p->ignore)                                                              \
                continue;                                                                    \
            if (t < 0 || t >= p->classes) {                                                  \
                __atomic_store_n(&job->wrong, n + 1, __ATOMIC_RELAXED);                      \
                return;                                                                      \
            }                                                                                \
            REAL w = weight ? weight[t] : 1;                                                 \
            REAL each = -w * g[p->reduction == REDUCE_NONE ? n : 0];                         \
            dx[t] = p->reduction == REDUCE_MEAN ? each / *total : each;                      \
        }                                                                                    \
    }
NLL(f32, float)
NLL(f64, double)

static cr_status forward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                              void *const *out, char *scratch)
{
    const nll_plan *p = (const nll_plan *)staged;
    return staged->in[0].dtype == CR_F64 ? f64_forward(p, in[0], in[1], in[2], out[0], out[1])
                                         : f32_forward(p, in[0], in[1], in[2], out[0], out[1]);
}

static cr_status backward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                               void *const *out, char *scratch)
{
    const nll_plan *p = (const nll_plan *)staged;
    nll_job job = {p, in[0], in[3], in[4], in[2], out[0], 0};
    cpu_parallel(p->rows, 1, (double)p->classes * 0.3 + 5,
                 staged->in[0].dtype == CR_F64 ? f64_backward : f32_backward, &job);
    return job.wrong ? out_of_bounds(job.target[job.wrong - 1]) : CR_OK;
}

static cr_status plan_any(const cpu_call *call, const cr_meta *x, const cr_meta *target,
                          cpu_staged_body body, cr_plan **plan)
{
    if (!x || !target || !call->out[0] || !cpu_one_float(call) || target->dtype != CR_I64 ||
        x->rank < 1 || x->rank > 2)
        return CR_UNSUPPORTED;
    nll_plan *p = cpu_staged_new(call, sizeof *p, body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->rows = x->rank == 2 ? x->size[0] : 1;
    p->classes = x->size[x->rank - 1];
    p->reduction = cpu_attr_int(call->node, "reduction", REDUCE_MEAN);
    p->ignore = cpu_attr_int(call->node, "ignore_index", -100);
    *plan = &p->staged.base;
    return CR_OK;
}

static cr_status plan_forward(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, call->in[0], call->in[1], forward_body, plan);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **plan)
{
    cr_status status = plan_any(call, call->in[1], call->in[2], backward_body, plan);
    if (status == CR_OK) /* only its sizes are used */
        ((nll_plan *)(void *)*plan)->staged.in[1].at = -1;
    return status;
}

const cpu_op CPU_NAME(cpu_family_loss)[] = {
    {"nll_loss_forward", plan_forward},
    {"nll_loss_backward", plan_backward},
    {NULL, NULL},
};
