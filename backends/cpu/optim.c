/* The optimisers' fused steps, _fused_sgd_ … _fused_asgd_: all parameters in one operation, one pass over
 * memory, in place. Elements of all tensors are counted through, so that threads share them evenly. */
#include "staged.h"
#include "subnormal.h"
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

/* The numbers that change from step to step, and the flags that don't, by their names in the operations' schemas. */
/* clang-format off */
#define OPTIM_NUMBERS(X) \
    X(lr) X(weight_decay) X(momentum) X(dampening) X(beta1) X(beta2) X(eps) X(step) \
    X(alpha) X(rho) X(lr_decay) X(momentum_decay) X(mu_product) X(etaminus) X(etaplus) \
    X(step_size_min) X(step_size_max) X(lambd) X(eta) X(mu)
/* clang-format on */
#define OPTIM_FLAGS(X) \
    X(amsgrad) X(has_momentum) X(nesterov) X(centered) X(maximize) X(is_first_step)

typedef struct optim_job optim_job;
typedef void optim_formula(const optim_job *job, void *const *value, int64_t n);

typedef struct optim_plan {
    struct cr_plan base;
    optim_formula *formula;
    double cost;   /* of an element */
    int values;    /* of each parameter */
    int32_t dtype; /* computed in */
    int64_t count, total;
#define X(name) bool name;
    OPTIM_FLAGS(X)
#undef X
#define X(name) int name##_at; /* in cr_run.numbers, or -1 */
    OPTIM_NUMBERS(X)
#undef X
    optim_tensor *tensor;
} optim_plan;

struct optim_job {
    const optim_plan *plan;
    const cr_run *run;
#define X(name) double name;
    OPTIM_NUMBERS(X)
#undef X
};

#define REAL    float
#define SQRT    sqrtf
#define FABS    fabsf
#define NAME(x) f32_##x
#include "optim_real.h"
#undef REAL
#undef SQRT
#undef FABS
#undef NAME

#define REAL    double
#define SQRT    sqrt
#define FABS    fabs
#define NAME(x) f64_##x
#include "optim_real.h"

/* Elements [from, to) of one tensor. A state that nothing feeds any more (the momentum behind a relu that has died) decays into
 * the subnormals and stays there, since 0.9 of the least of them rounds to itself: as 0 it doesn't slow every later step. */
static void step_tensor(const optim_job *job, const optim_tensor *t, int64_t from, int64_t to)
{
    const optim_plan *p = job->plan;
    void *value[VALUES] = {0};
    if (t->flat) {
        for (int v = 0; v < p->values; v++)
            value[v] =
                (char *)cpu_at(job->run, t->at[v]) + from * (int64_t)cpu_dtype_size(p->dtype);
        p->formula(job, value, to - from);
        return;
    }
    double buffer[VALUES][BLOCK];
    for (; from < to; from += BLOCK) {
        int64_t n = to - from < BLOCK ? to - from : BLOCK;
        for (int v = 0; v < p->values; v++) {
            value[v] = buffer[v];
            cpu_gather(&t->meta[v], cpu_at(job->run, t->at[v]), from, n, buffer[v]);
        }
        p->formula(job, value, n);
        for (int v = 0; v < p->values; v++)
            if (v != 1)
                cpu_scatter(&t->meta[v], cpu_at(job->run, t->at[v]), from, n, buffer[v]);
    }
}

static void step_range(void *context, int64_t begin, int64_t end)
{
    const optim_job *job = context;
    const optim_plan *p = job->plan;
    uint64_t mode = cpu_subnormals_off();
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
    cpu_subnormals_back(mode);
}

static cr_status optim_run(cr_plan *plan, const cr_run *run)
{
    const optim_plan *p = (const optim_plan *)plan;
    optim_job job = {.plan = p, .run = run};
#define X(name) job.name = p->name##_at >= 0 ? run->numbers[p->name##_at].f : 0;
    OPTIM_NUMBERS(X)
#undef X
    cpu_parallel(p->total, 64, p->cost, step_range, &job);
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

/* `values`: what every parameter has, itself and its gradient among it; flags add to them. */
static cr_status plan_step(const cpu_call *call, optim_formula *f32, optim_formula *f64, int values,
                           cr_plan **plan)
{
    const cr_graph_node *node = call->node;
    optim_plan *p = cpu_plan_new(sizeof *p, optim_run, optim_destroy);
    if (!p)
        return CR_OUT_OF_MEMORY;
#define X(name) p->name = cpu_attr_int(node, #name, 0) != 0;
    OPTIM_FLAGS(X)
#undef X
#define X(name) p->name##_at = cpu_number_at(node, #name);
    OPTIM_NUMBERS(X)
#undef X
    p->values = values + p->amsgrad + p->has_momentum + p->centered;
    p->cost = p->values > 3 ? 1.0 : 0.4;
    p->count = call->nin / (uint32_t)p->values;
    bool fits = p->values <= VALUES && p->count > 0 && call->nin == p->count * p->values &&
                call->nout == p->count * (p->values - 1) && call->in[0];
    p->tensor = fits ? calloc((size_t)p->count, sizeof *p->tensor) : NULL;
    if (!p->tensor) {
        free(p);
        return fits ? cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a plan")
                    : CR_UNSUPPORTED;
    }
    p->dtype = cpu_compute_dtype(call->in[0]->dtype);
    p->formula = p->dtype == CR_F64 ? f64 : f32;
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

/* Every step with how many values a parameter has without flags. */
/* clang-format off */
#define OPTIM_STEPS(X) \
    X(sgd, 2) X(adam, 4) X(adamw, 4) X(adamax, 4) X(nadam, 4) X(radam, 4) X(rmsprop, 3) \
    X(rprop, 4) X(adagrad, 3) X(adadelta, 4) X(asgd, 3)
/* clang-format on */

#define X(name, values)                                                \
    static cr_status plan_##name(const cpu_call *call, cr_plan **plan) \
    {                                                                  \
        return plan_step(call, f32_##name, f64_##name, values, plan);  \
    }
OPTIM_STEPS(X)
#undef X

const cpu_op CPU_NAME(cpu_family_optim)[] = {
#define X(name, values) {"_fused_" #name "_", plan_##name},
    OPTIM_STEPS(X)
#undef X
        {NULL, NULL},
};
