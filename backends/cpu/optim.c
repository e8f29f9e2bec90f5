/* The optimisers' fused steps, _fused_sgd_, _fused_adam_ and _fused_adamw_: all parameters in one operation, one pass over
 * memory, in place. Elements of all tensors are counted through, so that threads share them evenly. */
#include "staged.h"
#include "variant.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 512, VALUES = 5 };

/* One parameter with what belongs to it: param, grad, then the states. */
typedef struct optim_tensor {
    int64_t first;  /* in the count over all tensors */
    int at[VALUES]; /* in cr_run.values: for what is written, the output's */
    bool flat;      /* all lie alike and dense, in the computing type */
    cr_meta meta[VALUES];
} optim_tensor;

typedef struct optim_plan {
    struct cr_plan base;
    bool adam, decoupled, amsgrad, has_momentum, nesterov, maximize, is_first_step;
    int values;    /* of each parameter */
    int32_t dtype; /* computed in */
    int64_t count, total;
    int lr_at, decay_at, momentum_at, dampening_at, beta1_at, beta2_at, eps_at, step_at;
    optim_tensor *tensor;
} optim_plan;

typedef struct optim_job {
    const optim_plan *plan;
    const cr_run *run;
    double lr, weight_decay, momentum, dampening, beta1, beta2, eps, step;
} optim_job;

#define REAL    float
#define SQRT    sqrtf
#define NAME(x) f32_##x
#include "optim_real.h"
#undef REAL
#undef SQRT
#undef NAME

#define REAL    double
#define SQRT    sqrt
#define NAME(x) f64_##x
#include "optim_real.h"

static void step_of(const optim_job *job, void *const *value, int64_t n)
{
    if (job->plan->dtype == CR_F64)
        (job->plan->adam ? f64_adam : f64_sgd)(job, value, n);
    else
        (job->plan->adam ? f32_adam : f32_sgd)(job, value, n);
}

/* Elements [from, to) of one tensor. */
static void step_tensor(const optim_job *job, const optim_tensor *t, int64_t from, int64_t to)
{
    const optim_plan *p = job->plan;
    void *value[VALUES] = {0};
    if (t->flat) {
        for (int v = 0; v < p->values; v++)
            value[v] =
                (char *)cpu_at(job->run, t->at[v]) + from * (int64_t)cpu_dtype_size(p->dtype);
        step_of(job, value, to - from);
        return;
    }
    double buffer[VALUES][BLOCK];
    for (; from < to; from += BLOCK) {
        int64_t n = to - from < BLOCK ? to - from : BLOCK;
        for (int v = 0; v < p->values; v++) {
            value[v] = buffer[v];
            cpu_gather(&t->meta[v], cpu_at(job->run, t->at[v]), from, n, buffer[v]);
        }
        step_of(job, value, n);
        for (int v = 0; v < p->values; v++)
            if (v != 1)
                cpu_scatter(&t->meta[v], cpu_at(job->run, t->at[v]), from, n, buffer[v]);
    }
}

static void step_range(void *context, int64_t begin, int64_t end)
{
    const optim_job *job = context;
    const optim_plan *p = job->plan;
    int64_t low = 0, high = p->count - 1;
    while (low < high) { /* the last tensor that begins at `begin` or before */
        int64_t middle = (low + high + 1) / 2;
        if (p->tensor[middle].first <= begin)
            low = middle;
        else
            high = middle - 1;
    }
    for (; low < p->count && p->tensor[low].first < end; low++) {
        int64_t first = p->tensor[low].first;
        int64_t last = low + 1 < p->count ? p->tensor[low + 1].first : p->total;
        int64_t from = begin > first ? begin : first, to = end < last ? end : last;
        if (from < to)
            step_tensor(job, &p->tensor[low], from - first, to - first);
    }
}

static cr_status optim_run(cr_plan *plan, const cr_run *run)
{
    const optim_plan *p = (const optim_plan *)plan;
    optim_job job = {.plan = p, .run = run};
#define NUMBER(name, at) job.name = p->at >= 0 ? run->numbers[p->at].f : 0
    NUMBER(lr, lr_at);
    NUMBER(weight_decay, decay_at);
    NUMBER(momentum, momentum_at);
    NUMBER(dampening, dampening_at);
    NUMBER(beta1, beta1_at);
    NUMBER(beta2, beta2_at);
    NUMBER(eps, eps_at);
    NUMBER(step, step_at);
#undef NUMBER
    cpu_parallel(p->total, 64, p->adam ? 1.0 : 0.4, step_range, &job);
    return CR_OK;
}

static void optim_destroy(cr_plan *plan)
{
    free(((optim_plan *)plan)->tensor);
}

/* ---- planning --------------------------------------------------------------------------------------------------- */

static bool lie_alike(const cr_meta *a, const cr_meta *b)
{
    for (int d = 0; d < a->rank; d++)
        if (a->size[d] != 1 && a->stride[d] != b->stride[d])
            return false;
    return true;
}

/* Fills one tensor's places; false when the values don't fit each other. Inputs come as groups of `count`, outputs the
 * same without the grads. */
static bool read_tensor(const cpu_call *call, const optim_plan *p, int64_t i, optim_tensor *t)
{
    for (int v = 0; v < p->values; v++) {
        int64_t in = v * p->count + i, out = v == 0 ? i : (v - 1) * p->count + i;
        const cr_meta *meta = call->in[in];
        if (!meta || !cpu_is_float(meta->dtype) || cpu_compute_dtype(meta->dtype) != p->dtype ||
            meta->rank != call->in[i]->rank)
            return false;
        for (int d = 0; d < meta->rank; d++)
            if (meta->size[d] != call->in[i]->size[d])
                return false;
        if (v != 1 && (!call->out[out] || call->out[out]->dtype != meta->dtype))
            return false;
        t->meta[v] = *meta;
        t->at[v] = v == 1 ? call->in_at[in] : call->out_at[out];
    }
    t->flat = cpu_is_dense(&t->meta[0]);
    for (int v = 0; v < p->values; v++)
        t->flat = t->flat && t->meta[v].dtype == p->dtype && lie_alike(&t->meta[0], &t->meta[v]);
    return true;
}

static cr_status plan_step(const cpu_call *call, bool adam, bool decoupled, cr_plan **plan)
{
    const cr_graph_node *node = call->node;
    optim_plan *p = cpu_plan_new(sizeof *p, optim_run, optim_destroy);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->adam = adam;
    p->decoupled = decoupled;
    p->amsgrad = adam && cpu_attr_int(node, "amsgrad", 0);
    p->has_momentum = !adam && cpu_attr_int(node, "has_momentum", 0);
    p->nesterov = cpu_attr_int(node, "nesterov", 0) != 0;
    p->maximize = cpu_attr_int(node, "maximize", 0) != 0;
    p->is_first_step = cpu_attr_int(node, "is_first_step", 0) != 0;
    p->values = adam ? 4 + p->amsgrad : 2 + p->has_momentum;
    p->count = call->nin / (uint32_t)p->values;
    p->lr_at = cpu_number_at(node, "lr");
    p->decay_at = cpu_number_at(node, "weight_decay");
    p->momentum_at = cpu_number_at(node, "momentum");
    p->dampening_at = cpu_number_at(node, "dampening");
    p->beta1_at = cpu_number_at(node, "beta1");
    p->beta2_at = cpu_number_at(node, "beta2");
    p->eps_at = cpu_number_at(node, "eps");
    p->step_at = cpu_number_at(node, "step");
    bool fits = p->count > 0 && call->nin == p->count * p->values &&
                call->nout == p->count * (p->values - 1) && call->in[0];
    p->tensor = fits ? calloc((size_t)p->count, sizeof *p->tensor) : NULL;
    if (!p->tensor) {
        free(p);
        return fits ? cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a plan")
                    : CR_UNSUPPORTED;
    }
    p->dtype = cpu_compute_dtype(call->in[0]->dtype);
    for (int64_t i = 0; i < p->count && fits; i++) {
        p->tensor[i].first = p->total;
        fits = call->in[i] && read_tensor(call, p, i, &p->tensor[i]);
        p->total += call->in[i] ? cpu_numel(call->in[i]) : 0;
    }
    if (!fits) {
        free(p->tensor);
        free(p);
        return CR_UNSUPPORTED;
    }
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_sgd(const cpu_call *call, cr_plan **plan)
{
    return plan_step(call, false, false, plan);
}

static cr_status plan_adam(const cpu_call *call, cr_plan **plan)
{
    return plan_step(call, true, false, plan);
}

static cr_status plan_adamw(const cpu_call *call, cr_plan **plan)
{
    return plan_step(call, true, true, plan);
}

const cpu_op CPU_NAME(cpu_family_optim)[] = {
    {"_fused_sgd_", plan_sgd},
    {"_fused_adam_", plan_adam},
    {"_fused_adamw_", plan_adamw},
    {NULL, NULL},
};
