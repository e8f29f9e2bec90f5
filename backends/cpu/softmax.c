/* _softmax, _log_softmax and their backwards along any dimension:
 *   softmax      y = exp(x - max) / Σ exp(x - max)        x' = y (y' - Σ y' y)
 *   log_softmax  y = x - max - log Σ exp(x - max)         x' = y' - exp(y) Σ y' */
#include "cpu_math.h"
#include "staged.h"
#include "variant.h"
#include "vf_math.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 64 };

typedef struct softmax_plan {
    cpu_staged staged;
    int64_t outer, dim, inner;
    bool logs;
} softmax_plan;

typedef struct softmax_job {
    const softmax_plan *plan;
    const void *a, *b; /* x alone, or y' and y */
    void *out;
} softmax_job;

/* ---- f32's rows, by vectors; as softmax_real.h has f64's ---- */

static void f32_forward_row(const float *x, float *y, int64_t dim, bool logs)
{
    const vf top = vf_all(vf_largest_of(x, dim));
    const int64_t whole = dim - dim % VF_LANES;
    const int rest = (int)(dim - whole);
    vf sums = {0};
    for (int64_t j = 0; j < whole; j += VF_LANES) {
        vf e = vf_exp(vf_load(x + j) - top);
        if (!logs)
            vf_store(y + j, e);
        sums += e;
    }
    vf last = vf_head(vf_exp(vf_load_part(x + whole, rest) - top), rest, 0);
    const float sum = vf_sum(sums + last);
    if (logs) {
        const vf shift = vf_all(logf(sum));
        for (int64_t j = 0; j < whole; j += VF_LANES)
            vf_store(y + j, vf_load(x + j) - top - shift);
        vf_store_part(y + whole, vf_load_part(x + whole, rest) - top - shift, rest);
        return;
    }
    const vf scale = vf_all(1 / sum);
    for (int64_t j = 0; j < whole; j += VF_LANES)
        vf_store(y + j, vf_load(y + j) * scale);
    vf_store_part(y + whole, last * scale, rest);
}

#define REAL        float
#define EXP         cpu_expf
#define LOG         logf
#define NAME(x)     f32_##x
#define FORWARD_ROW f32_forward_row
#include "softmax_real.h"
#undef FORWARD_ROW
#undef REAL
#undef EXP
#undef LOG
#undef NAME

#define REAL    double
#define EXP     exp
#define LOG     log
#define NAME(x) f64_##x
#include "softmax_real.h"

static cr_status softmax_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                              void *const *out, char *scratch)
{
    const softmax_plan *p = (const softmax_plan *)staged;
    softmax_job job = {.plan = p, .a = in[0], .b = staged->nin > 1 ? in[1] : NULL, .out = out[0]};
    int64_t blocks = (p->inner + BLOCK - 1) / BLOCK;
    bool wide = staged->in[0].dtype == CR_F64;
    if (p->dim == 0)
        return CR_OK;
    double cost =
        (double)p->dim * (double)(p->inner < BLOCK ? p->inner : BLOCK) * (wide ? 8 : 0.3) + 10;
    cpu_parallel(p->outer * blocks, 1, cost, wide ? f64_pieces : f32_pieces, &job);
    return CR_OK;
}

static cr_status plan_any(const cpu_call *call, bool logs, cr_plan **plan)
{
    const cr_meta *x = call->in[0], *y = call->out[0];
    for (uint32_t i = 0; i < call->nin; i++)
        if (!call->in[i] || !cpu_is_float(call->in[i]->dtype) ||
            cpu_compute_dtype(call->in[i]->dtype) != cpu_compute_dtype(x->dtype))
            return CR_UNSUPPORTED;
    if (!y || cpu_compute_dtype(y->dtype) != cpu_compute_dtype(x->dtype))
        return CR_UNSUPPORTED;
    int64_t dim = cpu_attr_int(call->node, "dim", -1);
    dim += dim < 0 ? x->rank : 0;
    if (x->rank && (dim < 0 || dim >= x->rank))
        return CR_UNSUPPORTED;
    softmax_plan *p = cpu_staged_new(call, sizeof *p, softmax_body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->logs = logs;
    p->outer = p->dim = p->inner = 1;
    for (int d = 0; d < x->rank; d++)
        *(d < dim ? &p->outer : d == dim ? &p->dim : &p->inner) *= x->size[d];
    *plan = &p->staged.base;
    return CR_OK;
}

static cr_status plan_softmax(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, false, plan);
}

static cr_status plan_log_softmax(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, true, plan);
}

const cpu_op CPU_NAME(cpu_family_softmax)[] = {
    {"_softmax", plan_softmax},
    {"_log_softmax", plan_log_softmax},
    {"_softmax_backward_data", plan_softmax},
    {"_log_softmax_backward_data", plan_log_softmax},
    {NULL, NULL},
};
