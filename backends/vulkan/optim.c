/* Optimiser steps: a launch for each parameter, none of which waits for another. */
#include "plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN_SGD, FIRST_SGD, SGD, ADAM };         /* shaders/optim.comp */
enum { NESTEROV = 1, MAXIMIZE = 2, AMSGRAD = 4 }; /* the same */
enum { LR, DECAY, MOMENTUM, DAMPENING, BETA1, BETA2, EPS, STEP, NAMES };
enum { VALUES = 5, REALS = 9 };

typedef struct optim_tensor {
    int at[VALUES];
    uint32_t count, groups;
} optim_tensor;

typedef struct optim_plan {
    struct cr_plan base;
    bool adam, decoupled;
    int values, number_at[NAMES];
    int32_t dtype;
    uint32_t count;
    optim_tensor *tensor;
} optim_plan;

/* The numbers as the kernel wants them. */
static void fill_reals(const optim_plan *p, const cr_run *run, double real[REALS])
{
    double n[NAMES] = {0};
    for (int i = 0; i < NAMES; i++)
        if (p->number_at[i] >= 0)
            n[i] = run->numbers[p->number_at[i]].f;
    if (!p->adam) {
        const double sgd[REALS] = {n[LR], n[DECAY], n[MOMENTUM], 1 - n[DAMPENING]};
        memcpy(real, sgd, sizeof sgd);
        return;
    }
    const double adam[REALS] = {n[LR] / (1 - pow(n[BETA1], n[STEP])),
                                p->decoupled ? 0 : n[DECAY],
                                p->decoupled ? 1 - n[LR] * n[DECAY] : 1,
                                n[BETA1],
                                n[BETA2],
                                n[EPS],
                                1 / sqrt(1 - pow(n[BETA2], n[STEP])),
                                1 - n[BETA1],
                                1 - n[BETA2]};
    memcpy(real, adam, sizeof adam);
}

/* Where the kernel looks for them. */
static void put_reals(const optim_plan *p, const double real[REALS], vk_args *args)
{
    for (int k = 0; k < REALS; k++) {
        cr_number n = {real[k], 0};
        uint64_t bits = vk_element_bits(&n, p->dtype == CR_F64 ? CR_F64 : CR_F32);
        if (k < 4)
            args->at[5 + k] = bits;
        else if (k < 7)
            args->number[k - 4] = bits;
        else
            memcpy(&args->word[1 + 2 * (k - 7)], &bits, sizeof bits);
    }
}

static cr_status optim_run(cr_plan *plan, const cr_run *run)
{
    const optim_plan *p = (const optim_plan *)plan;
    double real[REALS];
    fill_reals(p, run, real);
    for (uint32_t t = 0; t < p->count; t++) {
        const optim_tensor *one = &p->tensor[t];
        if (!one->count)
            continue;
        vk_launch launch = vk_step_launch(plan, 0);
        launch.groups[0] = one->groups;
        for (int v = 0; v < p->values; v++)
            vk_bind(&launch, v, &run->values[one->at[v]], 0, v != 1);
        put_reals(p, real, &launch.args);
        launch.args.word[0] = one->count;
        cr_status status = vk_record(plan->device, &launch);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

static void optim_destroy(cr_plan *plan)
{
    free(((optim_plan *)plan)->tensor);
}

/* ---- planning ---- */

static bool is_dense(const cr_meta *m)
{
    vk_space s = vk_space_of(1, &m, false);
    return s.rank == 0 || (s.rank == 1 && s.stride[0][0] == 1);
}

static bool lie_alike(const cr_meta *a, const cr_meta *b)
{
    if (a->rank != b->rank || a->dtype != b->dtype)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->size[d] != b->size[d] || (a->size[d] != 1 && a->stride[d] != b->stride[d]))
            return false;
    return true;
}

/* Inputs come as groups of `count`; outputs the same without the gradients. */
static bool read_tensor(const vk_call *call, const optim_plan *p, uint32_t i, optim_tensor *t)
{
    const cr_meta *first = call->in[i];
    for (int v = 0; v < p->values; v++) {
        uint32_t in = (uint32_t)v * p->count + i, out = v ? (uint32_t)(v - 1) * p->count + i : i;
        const cr_meta *meta = call->in[in];
        if (!first || !meta || meta->dtype != p->dtype || !lie_alike(first, meta) ||
            (v != 1 && (!call->out[out] || !lie_alike(first, call->out[out]))))
            return false;
        t->at[v] = v == 1 ? call->in_at[in] : call->out_at[out];
    }
    t->count = (uint32_t)vk_numel(first);
    t->groups = (uint32_t)vk_groups(call->device, t->count);
    return is_dense(first);
}

static uint32_t op_of(const vk_call *call, const optim_plan *p)
{
    if (p->adam)
        return ADAM;
    if (p->values == 2)
        return PLAIN_SGD;
    return vk_attr_int(call->node, "is_first_step", 0) ? FIRST_SGD : SGD;
}

static cr_status fill_plan(const vk_call *call, optim_plan *p, bool amsgrad)
{
    static const char *const names[NAMES] = {"lr",    "weight_decay", "momentum", "dampening",
                                             "beta1", "beta2",        "eps",      "step"};
    p->count = call->nin / (uint32_t)p->values;
    if (!p->count || call->nin != p->count * (uint32_t)p->values ||
        call->nout != p->count * (uint32_t)(p->values - 1) || !call->in[0] ||
        !vk_is_float(call->in[0]->dtype))
        return CR_UNSUPPORTED;
    p->dtype = call->in[0]->dtype;
    for (int i = 0; i < NAMES; i++)
        p->number_at[i] = vk_number_at(call->node, names[i]);
    p->tensor = calloc(p->count, sizeof *p->tensor);
    if (!p->tensor)
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "a plan needs %zu bytes",
                             p->count * sizeof *p->tensor);
    for (uint32_t i = 0; i < p->count; i++)
        if (!read_tensor(call, p, i, &p->tensor[i]))
            return CR_UNSUPPORTED;
    uint32_t flags = (vk_attr_int(call->node, "nesterov", 0) ? NESTEROV : 0) |
                     (vk_attr_int(call->node, "maximize", 0) ? MAXIMIZE : 0) |
                     (amsgrad ? AMSGRAD : 0);
    uint32_t special[] = {op_of(call, p), flags, (uint32_t)p->dtype};
    return vk_plan_step(&p->base, p->dtype == CR_F64 ? VK_SHADER_optim_f64 : VK_SHADER_optim_f32, 0,
                        special, 3, NULL, 0, 1, 1, 1);
}

static cr_status plan_step(const vk_call *call, bool adam, bool decoupled, cr_plan **plan)
{
    bool amsgrad = adam && vk_attr_int(call->node, "amsgrad", 0);
    optim_plan *p = vk_plan_new(call->device, sizeof *p, optim_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->base.destroy = optim_destroy;
    p->adam = adam;
    p->decoupled = decoupled;
    p->values = adam ? 4 + amsgrad : 2 + (vk_attr_int(call->node, "has_momentum", 0) != 0);
    return vk_plan_done(&p->base, fill_plan(call, p, amsgrad), plan);
}

static cr_status plan_sgd(const vk_call *call, cr_plan **plan)
{
    return plan_step(call, false, false, plan);
}

static cr_status plan_adam(const vk_call *call, cr_plan **plan)
{
    return plan_step(call, true, false, plan);
}

static cr_status plan_adamw(const vk_call *call, cr_plan **plan)
{
    return plan_step(call, true, true, plan);
}

const vk_op vk_family_optim[] = {
    {"_fused_sgd_", plan_sgd},
    {"_fused_adam_", plan_adam},
    {"_fused_adamw_", plan_adamw},
    {NULL, NULL},
};
