/* embedding: y[n] = weight[indices[n]], rows of any dtype; and embedding_dense_backward: w'[i] = Σ y'[n] where indices[n] = i,
 * over 1 or, with scale_grad_by_freq, over how often i occurs; nothing for padding_idx. */
#include "staged.h"
#include "variant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct embedding_plan {
    cpu_staged staged;
    int64_t count, rows, width, padding; /* of indices; of the weight; of a row */
    bool by_frequency;
} embedding_plan;

typedef struct embedding_job {
    const embedding_plan *plan;
    const char *from;
    char *to;
    const int64_t *index;
    size_t row_bytes;
} embedding_job;

static cr_status check(const embedding_plan *p, const int64_t *index)
{
    for (int64_t n = 0; n < p->count; n++)
        if (index[n] < 0 || index[n] >= p->rows)
            return cpu_host->fail(cpu_host, CR_INVALID,
                                  "index %" PRId64 " is out of range for %" PRId64 " rows",
                                  index[n], p->rows);
    return CR_OK;
}

static void copy_rows(void *context, int64_t begin, int64_t end)
{
    const embedding_job *job = context;
    for (int64_t n = begin; n < end; n++)
        memcpy(job->to + (size_t)n * job->row_bytes,
               job->from + (size_t)job->index[n] * job->row_bytes, job->row_bytes);
}

static cr_status forward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                              void *const *out, char *scratch)
{
    const embedding_plan *p = (const embedding_plan *)staged;
    cr_status status = check(p, in[1]);
    embedding_job job = {p, in[0], out[0], in[1],
                         (size_t)p->width * cpu_dtype_size(staged->in[0].dtype)};
    if (status == CR_OK)
        cpu_parallel(p->count, 1, (double)job.row_bytes * 0.1 + 2, copy_rows, &job);
    return status;
}

/* Each piece owns columns of the weight, and adds in the order of the indices: the same bits for any number of threads. */
#define BACKWARD(name, REAL)                                                                \
    static void name##_columns(void *context, int64_t begin, int64_t end)                   \
    {                                                                                       \
        const embedding_job *job = context;                                                 \
        const embedding_plan *p = job->plan;                                                \
        const int64_t width = p->width, n_columns = end - begin;                            \
        const REAL *g = (const REAL *)(const void *)job->from + begin;                      \
        REAL *w = (REAL *)(void *)job->to + begin;                                          \
        for (int64_t r = 0; r < p->rows; r++)                                               \
            memset(w + r * width, 0, (size_t)n_columns * sizeof *w);                        \
        for (int64_t n = 0; n < p->count; n++) {                                            \
            if (job->index[n] == p->padding)                                                \
                continue;                                                                   \
            REAL *restrict row = w + job->index[n] * width;                                 \
            const REAL *restrict from = g + n * width;                                      \
            for (int64_t i = 0; i < n_columns; i++)                                         \
                row[i] += from[i];                                                          \
        }                                                                                   \
    }                                                                                       \
    static void name##_by_frequency(const embedding_plan *p, const int64_t *index, REAL *w, \
                                    int64_t *count)                                         \
    {                                                                                       \
        memset(count, 0, (size_t)p->rows * sizeof *count);                                  \
        for (int64_t n = 0; n < p->count; n++)                                              \
            count[index[n]]++;                                                              \
        for (int64_t r = 0; r < p->rows; r++)                                               \
            for (int64_t i = 0; i < p->width && count[r] > 1; i++)                          \
                w[r * p->width + i] /= (REAL)count[r];                                      \
    }
BACKWARD(f32, float)
BACKWARD(f64, double)

static cr_status backward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                               void *const *out, char *scratch)
{
    const embedding_plan *p = (const embedding_plan *)staged;
    bool wide = staged->in[0].dtype == CR_F64;
    cr_status status = check(p, in[1]);
    if (status != CR_OK)
        return status;
    embedding_job job = {p, in[0], out[0], in[1], 0};
    cpu_parallel(p->width, 16, (double)p->count * 0.5 + (double)p->rows * 0.1,
                 wide ? f64_columns : f32_columns, &job);
    if (p->by_frequency && wide)
        f64_by_frequency(p, in[1], out[0], (int64_t *)(void *)scratch);
    else if (p->by_frequency)
        f32_by_frequency(p, in[1], out[0], (int64_t *)(void *)scratch);
    return CR_OK;
}

static embedding_plan *plan_new(const cpu_call *call, const cr_meta *weight, const cr_meta *indices,
                                cpu_staged_body body)
{
    if (!weight || !indices || indices->dtype != CR_I64 || weight->rank != 2 || !call->in[0] ||
        !call->out[0] || call->in[0]->dtype != call->out[0]->dtype || !cpu_is_float(weight->dtype))
        return NULL;
    embedding_plan *p = cpu_staged_new(call, sizeof *p, body);
    if (!p)
        return NULL;
    p->count = cpu_numel(indices);
    p->rows = weight->size[0];
    p->width = weight->size[1];
    p->padding = cpu_attr_int(call->node, "padding_idx", -1);
    p->by_frequency = cpu_attr_int(call->node, "scale_grad_by_freq", 0);
    return p;
}

static cr_status plan_forward(const cpu_call *call, cr_plan **plan)
{
    embedding_plan *p = plan_new(call, call->in[0], call->in[1], forward_body);
    *plan = p ? &p->staged.base : NULL;
    return p ? CR_OK : CR_UNSUPPORTED;
}

static cr_status plan_backward(const cpu_call *call, cr_plan **plan)
{
    embedding_plan *p = plan_new(call, call->out[0], call->in[1], backward_body);
    if (!p)
        return CR_UNSUPPORTED;
    if (p->by_frequency &&
        cpu_staged_scratch(&p->staged, call, (size_t)p->rows * sizeof(int64_t)) != CR_OK) {
        free(p);
        return CR_OUT_OF_MEMORY;
    }
    *plan = &p->staged.base;
    return CR_OK;
}

const cpu_op CPU_NAME(cpu_family_embedding)[] = {
    {"embedding", plan_forward},
    {"embedding_dense_backward", plan_backward},
    {NULL, NULL},
};
