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

static cr_status out_of_bounds(int64_t target)
{
    return cpu_host->fail(cpu_host, CR_INVALID, "Target %" PRId64 " is out of bounds.", target);
}

#define NLL(name, REAL)                                                                       \
    static cr_status name##_forward(const nll_plan *p, const REAL *x, const int64_t *target,  \
                                    const REAL *weight, REAL *loss, REAL *total)              \
    {                                                                                         \
        double sum = 0, weights = 0;                                                          \
        for (int64_t n = 0; n < p->rows; n++) {                                               \
            int64_t t = target[n];                                                            \
            bool counts = t != p->ignore;                                                     \
            if (counts && (t < 0 || t >= p->classes))                                         \
                return out_of_bounds(t);                                                      \
            REAL w = counts ? weight ? weight[t] : 1 : 0,                                     \
                 each = counts ? -w * x[n * p->classes + t] : 0;                              \
            if (p->reduction == REDUCE_NONE)                                                  \
                loss[n] = each;                                                               \
            sum += (double)each;                                                              \
            weights += (double)w;                                                             \
        }                                                                                     \
        if (p->reduction != REDUCE_NONE)                                                      \
            *loss = (REAL)(p->reduction == REDUCE_MEAN ? sum / weights : sum);                \
        if (total)                                                                            \
            *total = p->reduction == REDUCE_NONE ? 0 : (REAL)weights;                         \
        return CR_OK;                                                                         \
    }                                                                                         \
    static cr_status name##_backward(const nll_plan *p, const REAL *g, const int64_t *target, \
                                     const REAL *weight, const REAL *total, REAL *dx)         \
    {                                                                                         \
        memset(dx, 0, (size_t)(p->rows * p->classes) * sizeof *dx);                           \
        for (int64_t n = 0; n < p->rows; n++) {                                               \
            int64_t t = target[n];                                                            \
            if (t == p->ignore)                                                               \
                continue;                                                                     \
            if (t < 0 || t >= p->classes)                                                     \
                return out_of_bounds(t);                                                      \
            REAL w = weight ? weight[t] : 1;                                                  \
            REAL each = -w * g[p->reduction == REDUCE_NONE ? n : 0];                          \
            dx[n * p->classes + t] = p->reduction == REDUCE_MEAN ? each / *total : each;      \
        }                                                                                     \
        return CR_OK;                                                                         \
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
    return staged->in[0].dtype == CR_F64 ? f64_backward(p, in[0], in[2], in[3], in[4], out[0])
                                         : f32_backward(p, in[0], in[2], in[3], in[4], out[0]);
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
