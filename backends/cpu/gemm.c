/* The matrix products: bmm, mm, mv, dot and their add… forms, all brought to one: for each of the batch,
 * out = alpha · mat1 mat2 + beta · self. Floats go to cpu_sgemm and cpu_dgemm, integers to plain loops that wrap. */
#include "cpu.h"
#include "gemm_amx.h"
#include "gemm_f32.h"
#include "staged.h"

#include <stdlib.h>

/* A value as a batch of matrices: strides in elements of what the kernel sees. */
typedef struct matrices {
    cpu_stage stage;
    int64_t batch, row, col;
} matrices;

typedef struct gemm_plan {
    struct cr_plan base;
    int32_t dtype; /* computed in */
    int64_t batch, m, n, k;
    matrices a, b, self, out;
    bool turned; /* out is column-major: out' = mat2' mat1' */
    int alpha_at, beta_at;
} gemm_plan;

typedef struct gemm_job {
    const gemm_plan *plan;
    char *a, *b, *self, *out;
    cr_number alpha, beta;
    bool failed;
} gemm_job;

/* Sums of a row's piece are held in an array where mat2's rows are dense, so that the compiler takes several at a time; along k
 * where its columns are. */
#define INTEGER_PRODUCT(name, T, U)                                                                \
    static void product_##name(const gemm_job *job, const T *a, const T *b, const T *self, T *out, \
                               int64_t i)                                                          \
    {                                                                                              \
        enum { COLUMNS = 256 };                                                                    \
        const gemm_plan *p = job->plan;                                                            \
        const U alpha = (U)job->alpha.i, beta = (U)job->beta.i;                                    \
        bool along_k = p->a.col == 1 && p->b.row == 1 && p->b.col != 1;                            \
        a += i * p->a.row;                                                                         \
        for (int64_t j0 = 0; j0 < p->n; j0 += COLUMNS) {                                           \
            int64_t columns = p->n - j0 < COLUMNS ? p->n - j0 : COLUMNS;                           \
            U sum[COLUMNS] = {0};                                                                  \
            for (int64_t j = 0; along_k && j < columns; j++) {                                     \
                const T *x = b + (j0 + j) * p->b.col;                                              \
                U dot = 0;                                                                         \
                for (int64_t q = 0; q < p->k; q++)                                                 \
                    dot = (U)(dot + (U)a[q] * (U)x[q]);                                            \
                sum[j] = dot;                                                                      \
            }                                                                                      \
            for (int64_t q = 0; !along_k && q < p->k; q++) {                                       \
                const U y = (U)a[q * p->a.col];                                                    \
                const T *x = b + q * p->b.row + j0 * p->b.col;                                     \
                if (p->b.col == 1)                                                                 \
                    for (int64_t j = 0; j < columns; j++)                                          \
                        sum[j] = (U)(sum[j] + y * (U)x[j]);                                        \
                else                                                                               \
                    for (int64_t j = 0; j < columns; j++)                                          \
                        sum[j] = (U)(sum[j] + y * (U)x[j * p->b.col]);                             \
            }                                                                                      \
            for (int64_t j = 0; j < columns; j++) {                                                \
                U s = (U)(sum[j] * alpha);                                                         \
                if (beta)                                                                          \
                    s = (U)(s + beta * (U)self[i * p->self.row + (j0 + j) * p->self.col]);         \
                out[i * p->out.row + (j0 + j) * p->out.col] = (T)s;                                \
            }                                                                                      \
        }                                                                                          \
    }
INTEGER_PRODUCT(i64, int64_t, uint64_t)
INTEGER_PRODUCT(i32, int32_t, uint32_t)
INTEGER_PRODUCT(i16, int16_t, uint32_t)
INTEGER_PRODUCT(i8, int8_t, uint32_t)
INTEGER_PRODUCT(u8, uint8_t, uint32_t)

/* One matrix of a batch. */
typedef struct integer_rows {
    const gemm_job *job;
    const char *a, *b, *self;
    char *out;
} integer_rows;

static void integer_pieces(void *context, int64_t begin, int64_t end)
{
    const integer_rows *r = context;
    for (int64_t i = begin; i < end; i++)
        switch (r->job->plan->dtype) {
#define ROW(name, T)                                                                     \
    product_##name(r->job, (const T *)(const void *)r->a, (const T *)(const void *)r->b, \
                   (const T *)(const void *)r->self, (T *)(void *)r->out, i);            \
    break
        case CR_I64: ROW(i64, int64_t);
        case CR_I32: ROW(i32, int32_t);
        case CR_I16: ROW(i16, int16_t);
        case CR_I8: ROW(i8, int8_t);
        default: ROW(u8, uint8_t);
#undef ROW
        }
}

#define FLOAT_PRODUCT(T, number, kind)                                                            \
    (kind##_args)                                                                                 \
    {                                                                                             \
        .m = p->m, .n = p->n, .k = p->k, .a = (const T *)a, .a_row = p->a.row, .a_col = p->a.col, \
        .b = (const T *)b, .b_row = p->b.row, .b_col = p->b.col, .s = (const T *)self,            \
        .s_row = p->self.row, .s_col = p->self.col, .c = (T *)out, .c_row = p->out.row,           \
        .alpha = (number)alpha, .beta = (number)(self ? beta : 0)                                 \
    }

enum { LONG_DOT = 4096, LANES = 16, SHARED_OUT = 4 };

/* The product of two long vectors: pieces in float, their sum in double, so that millions of terms stay exact. */
static float long_dot(const float *a, int64_t sa, const float *b, int64_t sb, int64_t k)
{
    double sum = 0;
    for (int64_t from = 0; from < k; from += LONG_DOT) {
        int64_t n = k - from < LONG_DOT ? k - from : LONG_DOT, i = 0;
        const float *x = a + from * sa, *y = b + from * sb;
        float part[LANES] = {0};
        if (sa == 1 && sb == 1)
            for (; i + LANES <= n; i += LANES)
                for (int l = 0; l < LANES; l++)
                    part[l] += x[i + l] * y[i + l];
        for (; i < n; i++)
            sum += (double)x[i * sa] * (double)y[i * sb];
        for (int l = 0; l < LANES; l++)
            sum += (double)part[l];
    }
    return (float)sum;
}

/* One product of the batch. The operands come apart, for a job that was just written is slow to read. */
static inline void gemm_one(gemm_job *job, const gemm_plan *p, int64_t i, double alpha, double beta,
                            char *a, char *b, char *self, char *out)
{
    bool done = true;
    switch (p->dtype) {
    case CR_F32:
        if (p->m == 1 && p->n == 1 && p->k > LONG_DOT && !self)
            *(float *)(void *)out =
                (float)alpha * long_dot((const float *)(const void *)a, p->a.col,
                                        (const float *)(const void *)b, p->b.row, p->k);
        else
            done = CPU_NAME(cpu_sgemm)(&FLOAT_PRODUCT(float, float, cpu_sgemm));
        break;
    case CR_F64: done = CPU_NAME(cpu_dgemm)(&FLOAT_PRODUCT(double, double, cpu_dgemm)); break;
    case CR_BF16: done = CPU_NAME(cpu_bgemm_amx)(&FLOAT_PRODUCT(uint16_t, float, cpu_bgemm)); break;
    default: {
        integer_rows rows = {job, a, b, self, out};
        cpu_parallel(p->m, 1, (double)p->n * (double)(p->k + 4) / 8, integer_pieces, &rows);
    }
    }
    if (!done)
        __atomic_store_n(&job->failed, true, __ATOMIC_RELAXED);
    else if (p->base.written)
        p->base.written(p->base.written_context, i * p->m * p->n, (i + 1) * p->m * p->n);
}

static void gemm_batches(void *context, int64_t begin, int64_t end)
{
    gemm_job *job = context;
    const gemm_plan *p = job->plan;
    int64_t size = (int64_t)cpu_dtype_size(p->dtype);
    for (int64_t i = begin; i < end; i++)
        gemm_one(job, p, i, job->alpha.f, job->beta.f, job->a + i * p->a.batch * size,
                 job->b + i * p->b.batch * size,
                 job->self ? job->self + i * p->self.batch * size : NULL,
                 job->out + i * p->out.batch * size);
}

static cr_status gemm_run(cr_plan *plan, const cr_run *run)
{
    const gemm_plan *p = (const gemm_plan *)plan;
    const cr_number one = {1, 1}, none = {0, 0};
    const cr_number alpha = p->alpha_at >= 0 ? run->numbers[p->alpha_at] : one;
    const cr_number beta = p->self.stage.at < 0 ? none
                           : p->beta_at >= 0    ? run->numbers[p->beta_at]
                                                : one;
    gemm_job job = {.plan = p, .alpha = alpha, .beta = beta};
    char *a = job.a = cpu_stage_fetch(&p->a.stage, run);
    char *b = job.b = cpu_stage_fetch(&p->b.stage, run);
    char *self = job.self = cpu_stage_fetch(&p->self.stage, run);
    char *out = job.out = cpu_stage_target(&p->out.stage, run);
    /* One product may use all threads itself; many share them out. */
    if (p->batch == 1) {
        gemm_one(&job, p, 0, alpha.f, beta.f, a, b, self, out);
    } else if (p->batch < SHARED_OUT) {
        gemm_batches(&job, 0, p->batch);
    } else {
        double speed = cpu_is_float(p->dtype) ? 30 : 8;
        cpu_parallel(p->batch, 1, (double)p->m * (double)p->n * (double)(p->k + 4) / speed + 30,
                     gemm_batches, &job);
    }
    if (job.failed)
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory to pack a matrix");
    cpu_stage_put(&p->out.stage, run);
    return CR_OK;
}

/* ---- planning --------------------------------------------------------------------------------------------------- */

static void turn(matrices *x)
{
    int64_t row = x->row;
    x->row = x->col;
    x->col = row;
}

/* The strides of a value's last two dimensions and the one before; `column` says that a vector stands for a column. A
 * matrix with fewer dimensions than [batch, rows, columns], or with size 1 where those have more, is repeated. */
static cr_status matrices_of(matrices *x, const cr_meta *meta, int at, bool column, int64_t rows,
                             int64_t columns, bool any_strides, int32_t dtype, cr_plan_info *info)
{
    if (!meta) {
        x->stage.at = -1;
        return CR_OK;
    }
    int64_t dense[CR_MAX_RANK], step = 1;
    for (int d = meta->rank - 1; d >= 0; d--) {
        dense[d] = step;
        step *= meta->size[d];
    }
    for (bool direct = meta->dtype == dtype;; direct = false) {
        const int64_t *stride = direct ? meta->stride : dense;
        int d = meta->rank;
        x->batch = x->row = x->col = 0;
        if (!column && d && meta->size[--d] != 1)
            x->col = stride[d];
        if (d && meta->size[--d] != 1)
            x->row = stride[d];
        if (d && meta->size[--d] != 1)
            x->batch = stride[d];
        if (x->col == 0 && columns == 1)
            x->col = 1;
        if (x->row == 0 && rows == 1)
            x->row = x->col == 1 ? columns : 1;
        if (!direct)
            return cpu_stage_init(&x->stage, meta, at, false, info);
        if (any_strides || x->row == 1 || x->col == 1) {
            cpu_stage_as_it_is(&x->stage, meta, at);
            return CR_OK;
        }
    }
}

/* Whether bf16 are multiplied as they are, whatever the operands' strides. */
static bool is_for_amx(const gemm_plan *p, const cr_meta *out)
{
    return out->dtype == CR_BF16 && CPU_NAME(cpu_amx_takes_bf16)(p->m, p->n, p->k) &&
           (out->stride[out->rank - 1] == 1 || out->stride[out->rank - 2] == 1);
}

static cr_status gemm_plan_of(const cpu_call *call, bool has_self, bool a_vector, bool b_vector,
                              cr_plan **plan)
{
    const cr_meta *self = has_self ? call->in[0] : NULL, *out = call->out[0];
    const cr_meta *a = call->in[has_self], *b = call->in[has_self + 1];
    if (!a || !b || !out || (has_self && !self) || a->dtype != b->dtype || a->dtype != out->dtype ||
        (self && self->dtype != a->dtype) || a->dtype == CR_B8)
        return CR_UNSUPPORTED;
    gemm_plan *p = cpu_plan_new(sizeof *p, gemm_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->batch = a->rank == 3 ? a->size[0] : 1;
    p->k = a->size[a->rank - 1];
    p->m = a_vector ? 1 : a->size[a->rank - 2];
    p->n = b_vector ? 1 : b->size[b->rank - 1];
    const bool half = is_for_amx(p, out);
    p->dtype = half ? out->dtype : cpu_compute_dtype(out->dtype);
    p->alpha_at = has_self ? cpu_number_at(call->node, "alpha") : -1;
    p->beta_at = has_self ? cpu_number_at(call->node, "beta") : -1;
    const int *at = call->in_at;
    cr_status status =
        matrices_of(&p->a, a, at[has_self], false, p->m, p->k, half, p->dtype, call->info);
    if (status == CR_OK)
        status = matrices_of(&p->b, b, at[has_self + 1], b_vector, p->k, p->n, half, p->dtype,
                             call->info);
    if (status == CR_OK)
        status = matrices_of(&p->self, self, has_self ? at[0] : -1, b_vector, p->m, p->n, true,
                             p->dtype, call->info);
    if (status == CR_OK)
        status = matrices_of(&p->out, out, call->out_at[0], b_vector, p->m, p->n, false, p->dtype,
                             call->info);
    if (status != CR_OK) {
        free(p);
        return status;
    }
    if (p->out.col != 1) {
        p->turned = true;
        matrices swap = p->a;
        p->a = p->b;
        p->b = swap;
        int64_t m = p->m;
        p->m = p->n;
        p->n = m;
        turn(&p->a);
        turn(&p->b);
        turn(&p->self);
        turn(&p->out);
    }
    /* Of many products each is followed up while it is in the cache; of few, all threads follow up the whole. */
    p->base.tells = p->batch >= SHARED_OUT && !p->turned && p->out.stage.direct &&
                    p->out.row == p->n && p->out.batch == p->m * p->n;
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_product(const cpu_call *call, cr_plan **plan)
{
    return gemm_plan_of(call, false, false, false, plan);
}

static cr_status plan_add_product(const cpu_call *call, cr_plan **plan)
{
    return gemm_plan_of(call, true, false, false, plan);
}

static cr_status plan_mv(const cpu_call *call, cr_plan **plan)
{
    return gemm_plan_of(call, false, false, true, plan);
}

static cr_status plan_addmv(const cpu_call *call, cr_plan **plan)
{
    return gemm_plan_of(call, true, false, true, plan);
}

static cr_status plan_dot(const cpu_call *call, cr_plan **plan)
{
    return gemm_plan_of(call, false, true, true, plan);
}

const cpu_op CPU_NAME(cpu_family_gemm)[] = {
    {"bmm", plan_product},
    {"mm", plan_product},
    {"mv", plan_mv},
    {"dot", plan_dot},
    {"addmm", plan_add_product},
    {"baddbmm", plan_add_product},
    {"addmv", plan_addmv},
    {NULL, NULL},
};
