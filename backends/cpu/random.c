/* Random numbers: Philox4x32-10 by blocks of four words, as the backend interface defines them, and uniform numbers made of
 * the same bits. */
#include "convert.h"
#include "cpu.h"
#include "random.h"
#include "space.h"

#include <string.h>

enum { LANES = CPU_PHILOX_BLOCKS, WORDS = 4 * LANES };

/* ---- Philox ---- */

/* Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (2011). */
void CPU_NAME(cpu_philox)(uint64_t seed, uint64_t counter, uint32_t *restrict words)
{
    uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
    for (int i = 0; i < LANES; i++) {
        a[i] = (uint32_t)(counter + (uint64_t)i);
        b[i] = (uint32_t)((counter + (uint64_t)i) >> 32);
        c[i] = d[i] = 0;
    }
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            uint64_t p = (uint64_t)0xD2511F53u * a[i], q = (uint64_t)0xCD9E8D57u * c[i];
            uint32_t was_b = b[i], was_d = d[i];
            a[i] = (uint32_t)(q >> 32) ^ was_b ^ k0;
            b[i] = (uint32_t)q;
            c[i] = (uint32_t)(p >> 32) ^ was_d ^ k1;
            d[i] = (uint32_t)p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < LANES; i++) {
        words[4 * i] = a[i];
        words[4 * i + 1] = b[i];
        words[4 * i + 2] = c[i];
        words[4 * i + 3] = d[i];
    }
}

/* ---- the two operations ---- */

typedef struct random_plan {
    struct cr_plan base;
    int at, from_at, to_at;
    int32_t dtype;
    int64_t size, numel,
        each; /* bytes of an element; elements; elements made of one batch of words */
    bool uniform, flat;
    int rank;
    int64_t sizes[CR_MAX_RANK], stride[CR_MAX_RANK];
    cpu_convert convert; /* from f32 or f64 to the output */
} random_plan;

typedef struct random_job {
    const random_plan *plan;
    char *out;
    uint64_t seed, offset;
    double from, to;
} random_job;

/* A batch of words as elements of the output. */
static void finish(const random_job *job, const uint32_t *words, void *out)
{
    const random_plan *p = job->plan;
    if (!p->uniform) {
        memcpy(out, words, WORDS * sizeof *words);
    } else if (p->dtype == CR_F64) {
        double *o = out;
        for (int i = 0; i < WORDS / 2; i++) {
            uint64_t bits = words[2 * i] | (uint64_t)words[2 * i + 1] << 32;
            o[i] = job->from + (job->to - job->from) * ((double)(int64_t)(bits >> 11) * 0x1p-53);
        }
    } else {
        float wide[WORDS], from = (float)job->from, span = (float)(job->to - job->from);
#pragma omp simd
        for (int i = 0; i < WORDS; i++)
            wide[i] = from + span * ((float)(int32_t)(words[i] >> 8) * 0x1p-24f);
        p->convert(WORDS, wide, out);
    }
}

static void random_range(void *context, int64_t begin, int64_t end)
{
    const random_job *job = context;
    const random_plan *p = job->plan;
    uint32_t words[WORDS];
    _Alignas(64) char block[WORDS * sizeof(uint32_t)];
    for (int64_t i = begin; i < end; i += p->each) {
        int64_t n = end - i < p->each ? end - i : p->each, at[CR_MAX_RANK];
        CPU_NAME(cpu_philox)(job->seed, job->offset + (uint64_t)(i / p->each) * LANES, words);
        finish(job, words, block);
        if (p->flat) {
            memcpy(job->out + i * p->size, block, (size_t)(n * p->size));
        } else {
            cpu_locate(p->rank, p->sizes, i, at);
            CPU_NAME(cpu_scatter_run)
            (p->rank, p->sizes, p->stride, at, n, (size_t)p->size, block, job->out);
        }
    }
}

static cr_status random_run(cr_plan *plan, const cr_run *run)
{
    const random_plan *p = (const random_plan *)plan;
    random_job job = {
        .plan = p, .out = cpu_at(run, p->at), .seed = run->seed, .offset = run->offset, .to = 1};
    if (p->from_at >= 0)
        job.from = run->numbers[p->from_at].f;
    if (p->to_at >= 0)
        job.to = run->numbers[p->to_at].f;
    cpu_parallel(p->numel, p->each, 0.3 * (double)p->size, random_range, &job);
    return CR_OK;
}

static cr_status plan_new(const cpu_call *call, bool uniform, cr_plan **plan)
{
    if (call->nout != 1 || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *out = call->out[0];
    bool real = out->dtype == CR_F64 || out->dtype == CR_F32 || out->dtype == CR_F16 ||
                out->dtype == CR_BF16;
    if (uniform ? !real : out->dtype != CR_I32 && out->dtype != CR_I64)
        return CR_UNSUPPORTED;
    random_plan *p = cpu_plan_new(sizeof *p, random_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->at = call->out_at[0];
    p->from_at = uniform ? cpu_number_at(call->node, "from") : -1;
    p->to_at = uniform ? cpu_number_at(call->node, "to") : -1;
    p->dtype = out->dtype;
    p->size = (int64_t)cpu_dtype_size(out->dtype);
    p->numel = cpu_numel(out);
    p->each = out->dtype == CR_I64 || out->dtype == CR_F64 ? WORDS / 2 : WORDS;
    p->uniform = uniform;
    p->flat = cpu_is_contiguous(out);
    p->rank = out->rank;
    for (int d = 0; d < out->rank; d++) {
        p->sizes[d] = out->size[d];
        p->stride[d] = out->stride[d] * p->size;
    }
    p->convert = CPU_NAME(cpu_convert_loop)(out->dtype == CR_F64 ? CR_F64 : CR_F32, out->dtype);
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_bits(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, false, plan);
}

static cr_status plan_uniform(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, true, plan);
}

const cpu_op CPU_NAME(cpu_family_random)[] = {
    {"random_bits", plan_bits},
    {"uniform", plan_uniform},
    {NULL, NULL},
};
