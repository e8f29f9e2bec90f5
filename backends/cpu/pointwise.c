/* Drives the fused elementwise operations over blocks. See pointwise.h. */
#include "pointwise.h"

#include "ahead.h"
#include "convert.h"
#include "staged.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1024, PIECE = 128, HALVES = 256 };

/* How the computation comes to a value's elements, in its own order. */
typedef enum pointwise_reach {
    IN_PLACE,
    CONVERTED, /* dense, in another dtype */
    GATHERED   /* any strides */
} pointwise_reach;

typedef struct pointwise_plan {
    struct cr_plan base;
    pointwise_spec spec;
    int32_t dtype; /* computed in */
    uint32_t nin;
    int64_t numel;
    cr_meta in[POINTWISE_INPUTS], out;
    int in_at[POINTWISE_INPUTS], out_at;
    pointwise_reach reach[POINTWISE_INPUTS], out_reach;
    int64_t step; /* elements worked on at a time; 0: all */
    bool asks;    /* for what is read next (cpu_worth_asking) */
    int number_at[POINTWISE_NUMBERS];
} pointwise_plan;

typedef struct pointwise_job {
    const pointwise_plan *plan;
    char *in[POINTWISE_INPUTS], *out;
    float f32[POINTWISE_NUMBERS];
    double f64[POINTWISE_NUMBERS];
} pointwise_job;

static void run_blocks(void *context, int64_t begin, int64_t end)
{
    const pointwise_job *job = context;
    const pointwise_plan *p = job->plan;
    _Alignas(64) double buffer[POINTWISE_INPUTS + 1][BLOCK];
    const int64_t size = (int64_t)cpu_dtype_size(p->out.dtype);
    const int64_t step = p->step ? p->step : end - begin;
    const cpu_convert widen = cpu_rows->convert(p->out.dtype, p->dtype);
    const cpu_convert narrow = cpu_rows->convert(p->dtype, p->out.dtype);
    for (int64_t at = begin; at < end; at += step) {
        int64_t n = end - at < step ? end - at : step;
        const void *in[POINTWISE_INPUTS];
        for (uint32_t i = 0; i < p->nin; i++) {
            const char *from = job->in[i] + at * size;
            in[i] = p->reach[i] == IN_PLACE ? from : (const char *)buffer[i];
            if (p->reach[i] == GATHERED) {
                cpu_gather(&p->in[i], job->in[i], at, n, buffer[i]);
                continue;
            }
            if (p->asks)
                cpu_ask(from, 2 * step * size, step * size);
            if (p->reach[i] == CONVERTED)
                widen(n, from, buffer[i]);
        }
        void *out =
            p->out_reach == IN_PLACE ? job->out + at * size : (char *)buffer[POINTWISE_INPUTS];
        if (p->dtype == CR_F64)
            p->spec.f64((const double *const *)in, out, n, job->f64);
        else
            p->spec.f32((const float *const *)in, out, n, job->f32);
        if (p->out_reach == CONVERTED)
            narrow(n, out, job->out + at * size);
        else if (p->out_reach == GATHERED)
            cpu_scatter(&p->out, job->out, at, n, out);
    }
}

static cr_status pointwise_run(cr_plan *plan, const cr_run *run)
{
    const pointwise_plan *p = (const pointwise_plan *)plan;
    pointwise_job job;
    job.plan = p;
    for (uint32_t i = 0; i < p->nin; i++)
        job.in[i] = cpu_at(run, p->in_at[i]);
    job.out = cpu_at(run, p->out_at);
    for (int i = 0; i < POINTWISE_NUMBERS; i++) {
        job.f64[i] = p->number_at[i] >= 0 ? run->numbers[p->number_at[i]].f : p->spec.constants[i];
        job.f32[i] = (float)job.f64[i];
    }
    cpu_parallel(p->numel, BLOCK, p->spec.cost, run_blocks, &job);
    return CR_OK;
}

static bool same_strides(const cr_meta *a, const cr_meta *b)
{
    for (int d = 0; d < a->rank; d++)
        if (a->size[d] != b->size[d] || (a->size[d] != 1 && a->stride[d] != b->stride[d]))
            return false;
    return a->rank == b->rank;
}

cr_status cpu_plan_pointwise(const cpu_call *call, const pointwise_spec *spec, cr_plan **plan)
{
    const cr_meta *out = call->out[0];
    int32_t dtype = cpu_one_float(call);
    if (!dtype || !out)
        return CR_UNSUPPORTED;
    pointwise_plan *p = cpu_plan_new(sizeof *p, pointwise_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->spec = *spec;
    p->dtype = cpu_compute_dtype(dtype);
    p->numel = cpu_numel(out);
    p->out = *out;
    p->out_at = call->out_at[0];
    bool alike = cpu_is_dense(out);
    for (uint32_t i = 0; i < call->nin; i++) {
        if (!call->in[i])
            continue;
        cr_meta *in = &p->in[p->nin];
        *in = *call->in[i];
        if (p->nin == POINTWISE_INPUTS || !cpu_is_float(in->dtype) ||
            (cpu_numel(in) != p->numel && cpu_numel(in) != 1)) {
            free(p);
            return CR_UNSUPPORTED;
        }
        if (cpu_numel(in) != p->numel || in->rank != out->rank) {
            if (cpu_numel(in) != 1) {
                free(p);
                return CR_UNSUPPORTED;
            }
            in->rank = out->rank;
            memcpy(in->size, out->size, sizeof in->size);
            memset(in->stride, 0, sizeof in->stride);
        }
        p->in_at[p->nin++] = call->in_at[i];
        alike = alike && same_strides(in, out);
    }
    /* All dense in the output's own order, or each by itself in row-major order. */
    const pointwise_reach dense = dtype == p->dtype ? IN_PLACE : CONVERTED;
    p->out_reach = alike || cpu_is_contiguous(out) ? dense : GATHERED;
    bool all_dense = p->out_reach == dense;
    for (uint32_t i = 0; i < p->nin; i++) {
        p->reach[i] = alike || cpu_is_contiguous(&p->in[i]) ? dense : GATHERED;
        all_dense = all_dense && p->reach[i] == dense;
    }
    p->asks = all_dense && cpu_worth_asking(p->numel * (int64_t)cpu_dtype_size(dtype), spec->cost);
    p->step = !all_dense ? BLOCK : dense == CONVERTED ? HALVES : p->asks ? PIECE : 0;
    for (int i = 0; i < POINTWISE_NUMBERS; i++) {
        const char *name = spec->numbers[i];
        p->number_at[i] = name ? cpu_number_at(call->node, name) : -1;
    }
    *plan = &p->base;
    return CR_OK;
}
