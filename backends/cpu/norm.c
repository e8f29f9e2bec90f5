/* native_layer_norm, native_batch_norm and their backwards:
 *   y = (x - mean) / √(variance + ε) · weight + bias
 * over the last dimensions (Ba et al., 2016) or over all but the channels (Ioffe and Szegedy, 2015). */
#include "staged.h"
#include "variant.h"
#include "vf_math.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 64, CHUNK = 1 << 15 /* elements, roughly */, CHUNKS = 256 /* at the most */ };

typedef struct norm_plan {
    cpu_staged staged;
    int64_t rows, channels, m; /* layer norm: [rows, m] */
    int64_t chunk;             /* rows whose sums along columns are one; backward */
    bool training;
    int eps_at, momentum_at;
} norm_plan;

typedef struct norm_job {
    int64_t rows, channels, m, chunk;
    bool training;
    double eps, momentum;
    const void *x, *g, *weight, *bias;
    void *y, *mean, *rstd, *running_mean, *running_var, *dx, *dw, *db;
    void *sums; /* dw and db of each chunk */
} norm_job;

/* ---- sums over a row, in four parts at once: an addition waits for the one before it ---- */

/* Σ f(x - mean), f the square or nothing */
CPU_INLINE double f32_row_terms(const float *x, int64_t n, float mean, bool square)
{
    const vf from = vf_all(mean);
    vf sum[4] = {0};
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES)
        for (int k = 0; k < 4; k++) {
            vf d = vf_load(x + i + k * VF_LANES) - from;
            sum[k] += square ? d * d : d;
        }
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf d = vf_load(x + i) - from;
        sum[0] += square ? d * d : d;
    }
    const int rest = (int)(n - i);
    vf d = vf_head(vf_load_part(x + i, rest) - from, rest, 0);
    sum[1] += square ? d * d : d;
    return (double)vf_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static double f32_row_sum(const float *x, int64_t n)
{
    return f32_row_terms(x, n, 0, false);
}

static double f32_row_squares(const float *x, int64_t n, float mean)
{
    return f32_row_terms(x, n, mean, true);
}

CPU_INLINE double f64_row_terms(const double *x, int64_t n, double mean, bool square)
{
    const int64_t q = n / 4;
    double sum[4] = {0};
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < q; i++)
        for (int k = 0; k < 4; k++) {
            double d = x[k * q + i] - mean;
            sum[k] += square ? d * d : d;
        }
    for (int64_t i = 4 * q; i < n; i++)
        sum[0] += square ? (x[i] - mean) * (x[i] - mean) : x[i] - mean;
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static double f64_row_sum(const double *x, int64_t n)
{
    return f64_row_terms(x, n, 0, false);
}

static double f64_row_squares(const double *x, int64_t n, double mean)
{
    return f64_row_terms(x, n, mean, true);
}

#define REAL    float
#define NAME(x) f32_##x
#include "norm_real.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) f64_##x
#include "norm_real.h"

static norm_job job_of(const norm_plan *p, const cr_run *run)
{
    return (norm_job){.rows = p->rows,
                      .channels = p->channels,
                      .m = p->m,
                      .chunk = p->chunk,
                      .training = p->training,
                      .eps = p->eps_at >= 0 ? run->numbers[p->eps_at].f : 1e-5,
                      .momentum = p->momentum_at >= 0 ? run->numbers[p->momentum_at].f : 0.1};
}

static bool is_wide(const cpu_staged *staged)
{
    return staged->in[0].dtype == CR_F64;
}

static cr_status layer_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                            void *const *out, char *scratch)
{
    const norm_plan *p = (const norm_plan *)staged;
    norm_job job = job_of(p, run);
    job.x = in[0], job.weight = in[1], job.bias = in[2];
    job.y = out[0], job.mean = out[1], job.rstd = out[2];
    cpu_parallel(p->rows, 1, (double)p->m * 0.15 + 30,
                 is_wide(staged) ? f64_layer_rows : f32_layer_rows, &job);
    return CR_OK;
}

static cr_status layer_back_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                                 void *const *out, char *scratch)
{
    const norm_plan *p = (const norm_plan *)staged;
    norm_job job = job_of(p, run);
    job.g = in[0], job.x = in[1], job.mean = in[2], job.rstd = in[3], job.weight = in[4];
    job.dx = out[0], job.dw = out[1], job.db = out[2];
    job.sums = scratch;
    const int64_t chunks = (p->rows + p->chunk - 1) / p->chunk;
    cpu_parallel(chunks, 1, (double)p->chunk * ((double)p->m * 0.55 + 10),
                 is_wide(staged) ? f64_layer_back_chunks : f32_layer_back_chunks, &job);
    cpu_parallel(p->m, COLUMNS, (double)chunks * 0.5,
                 is_wide(staged) ? f64_layer_back_join : f32_layer_back_join, &job);
    return CR_OK;
}

static cr_status batch_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                            void *const *out, char *scratch)
{
    const norm_plan *p = (const norm_plan *)staged;
    norm_job job = job_of(p, run);
    job.x = in[0], job.weight = in[1], job.bias = in[2];
    job.y = out[0], job.mean = out[1], job.rstd = out[2];
    /* In training the running statistics are read and written: an output that stands for the input has its memory, or, when it
     * is staged, a copy of its own that has to be filled first. */
    job.running_mean = in[3], job.running_var = in[4];
    for (int i = 3; i < 5 && p->training && staged->nout > 4; i++)
        if (out[i] && in[i] && out[i] != in[i]) {
            memcpy(out[i], in[i], (size_t)p->channels * (is_wide(staged) ? 8 : 4));
            *(i == 3 ? &job.running_mean : &job.running_var) = out[i];
        }
    cpu_parallel(p->channels, 1, (double)(p->rows * p->m) * 0.4 + 30,
                 is_wide(staged) ? f64_batch_channels : f32_batch_channels, &job);
    return CR_OK;
}

static cr_status batch_back_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                                 void *const *out, char *scratch)
{
    const norm_plan *p = (const norm_plan *)staged;
    norm_job job = job_of(p, run);
    job.g = in[0], job.x = in[1], job.weight = in[2], job.running_mean = in[3],
    job.running_var = in[4];
    job.mean = in[5], job.rstd = in[6];
    job.dx = out[0], job.dw = out[1], job.db = out[2];
    cpu_parallel(p->channels, 1, (double)(p->rows * p->m) * 0.6 + 30,
                 is_wide(staged) ? f64_batch_back_channels : f32_batch_back_channels, &job);
    return CR_OK;
}

/* All computed in one type: f32, or f64 when x is. */
static norm_plan *plan_new(const cpu_call *call, const cr_meta *x, cpu_staged_body body)
{
    int32_t type = x ? cpu_compute_dtype(x->dtype) : 0;
    if (!x || !cpu_is_float(x->dtype))
        return NULL;
    for (uint32_t i = 0; i < call->nin + call->nout; i++) {
        const cr_meta *m = i < call->nin ? call->in[i] : call->out[i - call->nin];
        if (m && (!cpu_is_float(m->dtype) || cpu_compute_dtype(m->dtype) != type))
            return NULL;
    }
    norm_plan *p = cpu_staged_new(call, sizeof *p, body);
    if (p) {
        p->eps_at = cpu_number_at(call->node, "eps");
        p->momentum_at = cpu_number_at(call->node, "momentum");
    }
    return p;
}

static cr_status plan_layer_any(const cpu_call *call, const cr_meta *x, cpu_staged_body body,
                                cr_plan **plan)
{
    int count = 0;
    cpu_attr_ints(call->node, "normalized_shape", &count);
    norm_plan *p = count > 0 && x && count <= x->rank ? plan_new(call, x, body) : NULL;
    if (!p)
        return CR_UNSUPPORTED;
    p->rows = p->m = p->channels = 1;
    for (int d = 0; d < x->rank; d++)
        *(d < x->rank - count ? &p->rows : &p->m) *= x->size[d];
    *plan = &p->staged.base;
    return CR_OK;
}

/* [rows, channels, m] */
static cr_status plan_batch_any(const cpu_call *call, const cr_meta *x, bool training,
                                cpu_staged_body body, cr_plan **plan)
{
    norm_plan *p = x && x->rank >= 2 && call->nout >= 3 ? plan_new(call, x, body) : NULL;
    if (!p)
        return CR_UNSUPPORTED;
    p->rows = x->size[0];
    p->channels = x->size[1];
    p->m = 1;
    for (int d = 2; d < x->rank; d++)
        p->m *= x->size[d];
    p->training = training;
    *plan = &p->staged.base;
    return CR_OK;
}

static cr_status plan_layer(const cpu_call *call, cr_plan **plan)
{
    return plan_layer_any(call, call->in[0], layer_body, plan);
}

static cr_status plan_layer_back(const cpu_call *call, cr_plan **plan)
{
    cr_status status = plan_layer_any(call, call->in[1], layer_back_body, plan);
    if (status != CR_OK)
        return status;
    norm_plan *p = (norm_plan *)*plan;
    const int64_t least = (p->rows + CHUNKS - 1) / CHUNKS, wanted = CHUNK / (p->m ? p->m : 1);
    p->chunk = wanted > 16 ? wanted : 16;
    p->chunk = p->chunk > least ? p->chunk : least;
    const int64_t chunks = (p->rows + p->chunk - 1) / p->chunk;
    return cpu_staged_scratch(&p->staged, call,
                              (size_t)(chunks * 2 * p->m) * (is_wide(&p->staged) ? 8 : 4));
}

static cr_status plan_batch(const cpu_call *call, cr_plan **plan)
{
    return plan_batch_any(call, call->in[0], cpu_attr_int(call->node, "training", 0), batch_body,
                          plan);
}

static cr_status plan_batch_back(const cpu_call *call, cr_plan **plan)
{
    return plan_batch_any(call, call->in[1], cpu_attr_int(call->node, "train", 0), batch_back_body,
                          plan);
}

const cpu_op CPU_NAME(cpu_family_norm)[] = {
    {"native_layer_norm", plan_layer},
    {"native_layer_norm_backward", plan_layer_back},
    {"native_batch_norm", plan_batch},
    {"native_batch_norm_backward", plan_batch_back},
    {NULL, NULL},
};
