/* fill and arange: outputs without inputs. */
#include "convert.h"
#include "cpu.h"
#include "space.h"

#include <string.h>

enum { BLOCK = 512 };

typedef struct fill_plan {
    struct cr_plan base;
    int at, first_at, step_at; /* the output; the numbers: the value, or start and step */
    int32_t dtype;
    int64_t element, numel;
    int rank;
    bool flat, counts, stream;
    int64_t size[CR_MAX_RANK], stride[CR_MAX_RANK];
    cpu_convert convert; /* from f64 or i64 */
} fill_plan;

typedef struct fill_job {
    const fill_plan *plan;
    char *out;
    cr_number first, step;
} fill_job;

static bool is_whole(int32_t dtype)
{
    return dtype != CR_F64 && dtype != CR_F32 && dtype != CR_F16 && dtype != CR_BF16;
}

/* start + i · step for n elements from i on, in the output's dtype. */
static void count_from(const fill_job *job, int64_t i, int64_t n, void *to)
{
    const fill_plan *p = job->plan;
    if (is_whole(p->dtype)) {
        int64_t whole[BLOCK];
        for (int64_t k = 0; k < n; k++)
            whole[k] =
                (int64_t)((uint64_t)job->first.i + (uint64_t)(i + k) * (uint64_t)job->step.i);
        p->convert(n, whole, to);
    } else {
        double real[BLOCK];
        for (int64_t k = 0; k < n; k++)
            real[k] = job->first.f + (double)(i + k) * job->step.f;
        p->convert(n, real, to);
    }
}

static void fill_range(void *context, int64_t begin, int64_t end)
{
    const fill_job *job = context;
    const fill_plan *p = job->plan;
    _Alignas(64) char block[BLOCK * 8];
    int64_t at[CR_MAX_RANK];
    if (!p->counts) {
        uint64_t element = 0;
        CPU_NAME(cpu_store_number)(&job->first, p->dtype, &element);
        int64_t n = end - begin < BLOCK ? end - begin : BLOCK;
        CPU_NAME(cpu_load_strided)((size_t)p->element, n, (const char *)&element, 0, block);
    }
    if (!p->flat)
        cpu_locate(p->rank, p->size, begin, at);
    for (int64_t i = begin; i < end; i += BLOCK) {
        int64_t n = end - i < BLOCK ? end - i : BLOCK;
        if (p->counts)
            count_from(job, i, n, block);
        if (!p->flat) {
            CPU_NAME(cpu_scatter_run)
            (p->rank, p->size, p->stride, at, n, (size_t)p->element, block, job->out);
            cpu_advance(p->rank, p->size, at, n);
        } else if (p->stream) {
            CPU_NAME(cpu_stream)((size_t)(n * p->element), block, job->out + i * p->element);
        } else {
            memcpy(job->out + i * p->element, block, (size_t)(n * p->element));
        }
    }
}

static cr_status fill_run(cr_plan *plan, const cr_run *run)
{
    const fill_plan *p = (const fill_plan *)plan;
    static const cr_number one = {1, 1};
    fill_job job = {.plan = p, .out = cpu_at(run, p->at)};
    job.first = p->first_at < 0 ? (cr_number){0, 0} : run->numbers[p->first_at];
    job.step = p->step_at < 0 ? one : run->numbers[p->step_at];
    if (p->numel == 1)
        fill_range(&job, 0, 1);
    else
        cpu_parallel(p->numel, BLOCK, p->counts ? 0.5 : 0.05 * (double)p->element, fill_range,
                     &job);
    return CR_OK;
}

static cr_status plan_new(const cpu_call *call, bool counts, cr_plan **plan)
{
    if (call->nout != 1 || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *out = call->out[0];
    fill_plan *p = cpu_plan_new(sizeof *p, fill_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->at = call->out_at[0];
    p->dtype = out->dtype;
    p->element = (int64_t)cpu_dtype_size(out->dtype);
    p->numel = cpu_numel(out);
    p->counts = counts;
    p->first_at = cpu_number_at(call->node, counts ? "start" : "value");
    p->step_at = counts ? cpu_number_at(call->node, "step") : -1;
    p->stream = CPU_NAME(cpu_worth_streaming)(p->numel * p->element);
    p->convert = CPU_NAME(cpu_convert_loop)(is_whole(out->dtype) ? CR_I64 : CR_F64, out->dtype);
    if (counts) { /* in the output's own order: no dimension moves */
        p->flat = cpu_is_contiguous(out);
        p->rank = out->rank;
        for (int d = 0; d < out->rank; d++) {
            p->size[d] = out->size[d];
            p->stride[d] = out->stride[d] * p->element;
        }
    } else {
        int64_t stride[1][CR_MAX_RANK];
        p->rank = cpu_coalesce(1, &out, p->size, stride);
        p->flat = p->rank == 0 || (p->rank == 1 && stride[0][0] == 1);
        for (int d = 0; d < p->rank; d++)
            p->stride[d] = stride[0][d] * p->element;
    }
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_fill(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, false, plan);
}

static cr_status plan_arange(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, true, plan);
}

const cpu_op CPU_NAME(cpu_family_fill)[] = {
    {"fill.Scalar", plan_fill},
    {"arange.start_step", plan_arange},
    {NULL, NULL},
};
