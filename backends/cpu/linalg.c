/* Factorisations of matrices and what is solved with them, by LAPACK, for batches in any strides: Cholesky, LU, triangular
 * solves, QR, singular values, eigenvalues of symmetric matrices. f32 and f64. */
#include "cpu.h"
#include "variant.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOT_FINITE = INT_MAX };

/* What LAPACK offers, as Fortran compilers name it; the last numbers are the lengths of the strings. */
#define DECLARE(type, letter)                                                                     \
    void letter##potrf_(const char *, const int *, type *, const int *, int *, size_t);           \
    void letter##getrf_(const int *, const int *, type *, const int *, int *, int *);             \
    void letter##geqrf_(const int *, const int *, type *, const int *, type *, type *,            \
                        const int *, int *);                                                      \
    void letter##orgqr_(const int *, const int *, const int *, type *, const int *, const type *, \
                        type *, const int *, int *);                                              \
    void letter##gesdd_(const char *, const int *, const int *, type *, const int *, type *,      \
                        type *, const int *, type *, const int *, type *, const int *, int *,     \
                        int *, size_t);                                                           \
    void letter##syevd_(const char *, const char *, const int *, type *, const int *, type *,     \
                        type *, const int *, int *, const int *, int *, size_t, size_t);
DECLARE(float, s)
DECLARE(double, d)

typedef enum factorisation { CHOLESKY, LU, TRIANGULAR, HOUSEHOLDER, QR, SVD, EIGH } factorisation;

/* Matrices (or vectors, as one column) of a value, one for each of the batch that the output has. */
typedef struct matrix {
    int at; /* in cr_run.values; -1: not there */
    int rank;
    int64_t rows, columns, row_stride, column_stride;
    int64_t batch_stride[CR_MAX_RANK];
} matrix;

typedef struct linalg_plan {
    struct cr_plan base;
    factorisation kind;
    int32_t dtype;
    bool upper, left, unit, pivot, vectors, full;
    int nbatch;
    int64_t batch_size[CR_MAX_RANK], batches;
    matrix a, b, out[3];
    int64_t work_size, iwork_size; /* as LAPACK wants them */
    size_t matrix_bytes, bytes;    /* of the matrix, and of all that one item needs */
} linalg_plan;

/* Where matrix b of the batch, numbered row-major, begins in the value. */
static int64_t batch_offset(const linalg_plan *p, const matrix *m, int64_t b)
{
    int64_t offset = 0;
    for (int d = p->nbatch - 1; d >= 0; d--) {
        offset += b % p->batch_size[d] * m->batch_stride[d];
        b /= p->batch_size[d];
    }
    return offset;
}

static void store_int(const linalg_plan *p, const matrix *m, const cr_run *run, int64_t b,
                      const int32_t *from, int64_t count)
{
    if (m->at < 0)
        return;
    int32_t *x = (int32_t *)cpu_at(run, m->at) + batch_offset(p, m, b);
    for (int64_t i = 0; i < count; i++)
        x[i * m->row_stride] = from[i];
}

#define REAL         double
#define SUFFIX       _f64
#define LAPACK(name) d##name##_
#define CBLAS(name)  cblas_d##name
#include "linalg_real.h"
#undef REAL
#undef SUFFIX
#undef LAPACK
#undef CBLAS
#define REAL         float
#define SUFFIX       _f32
#define LAPACK(name) s##name##_
#define CBLAS(name)  cblas_s##name
#include "linalg_real.h"
#undef REAL
#undef SUFFIX
#undef LAPACK
#undef CBLAS

static int one(const linalg_plan *p, const cr_run *run, int64_t b, void *a, void *work)
{
#define CASE(KIND, name) \
    case KIND:           \
        return p->dtype == CR_F64 ? name##_f64(p, run, b, a, work) : name##_f32(p, run, b, a, work)
    switch (p->kind) {
        CASE(CHOLESKY, cholesky);
        CASE(LU, lu);
        CASE(TRIANGULAR, triangular);
        CASE(HOUSEHOLDER, householder);
        CASE(QR, qr);
        CASE(SVD, svd);
    default: CASE(EIGH, eigh);
    }
#undef CASE
}

static cr_status run_linalg(cr_plan *plan, const cr_run *run)
{
    static const char *const names[] = {"cholesky", "lu",  "solve_triangular", "geqrf", "qr",
                                        "svd",      "eigh"};
    linalg_plan *p = (linalg_plan *)plan;
    char *memory = malloc(p->bytes);
    if (!memory)
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for matrices of %lld by %lld",
                              (long long)p->a.rows, (long long)p->a.columns);
    int info = 0;
    int64_t b = 0;
    while (b < p->batches && !(info = one(p, run, b, memory, memory + p->matrix_bytes)))
        b++;
    free(memory);
    if (info == NOT_FINITE)
        return cpu_host->fail(cpu_host, CR_FAILED,
                              "linalg.%s: (Batch element %lld): The algorithm failed to converge "
                              "because the input matrix "
                              "contained non-finite values.",
                              names[p->kind], (long long)b);
    if (info)
        return cpu_host->fail(cpu_host, CR_FAILED,
                              "linalg.%s: (Batch element %lld): The algorithm failed to converge "
                              "because the input matrix is "
                              "ill-conditioned or has too many repeated values (error code: %d).",
                              names[p->kind], (long long)b, info);
    return CR_OK;
}

/* The last `item` dimensions are the matrix (2), the vector (1) or the number (0); those before it are the batch, which
 * broadcasts to the plan's. */
static bool describe(const linalg_plan *p, const cr_meta *meta, int at, int item, matrix *m)
{
    *m = (matrix){.at = meta ? at : -1, .rows = 1, .columns = 1};
    if (!meta)
        return true;
    int batch = meta->rank - item;
    if (batch < 0 || batch > p->nbatch)
        return false;
    m->rank = item;
    if (item) {
        m->rows = meta->size[batch];
        m->row_stride = meta->stride[batch];
    }
    if (item == 2) {
        m->columns = meta->size[batch + 1];
        m->column_stride = meta->stride[batch + 1];
    }
    if (m->rows > INT_MAX || m->columns > INT_MAX)
        return false;
    for (int d = 0; d < batch; d++) {
        int to = p->nbatch - batch + d;
        if (meta->size[d] != p->batch_size[to] && meta->size[d] != 1)
            return false;
        m->batch_stride[to] = meta->size[d] == 1 ? 0 : meta->stride[d];
    }
    return true;
}

static cr_status plan_kind(const cpu_call *call, cr_plan **plan, factorisation kind,
                           const int *items)
{
    const cr_graph_node *node = call->node;
    const cr_meta *in = call->in[0], *widest = call->out[kind == SVD ? 1 : 0];
    int inputs = kind == TRIANGULAR ? 2 : 1, outputs = kind == LU || kind == SVD ? 3
                                                       : kind == TRIANGULAR      ? 1
                                                                                 : 2;
    if ((int)call->nin < inputs || (int)call->nout < outputs || !in || !widest || in->rank < 2 ||
        (in->dtype != CR_F32 && in->dtype != CR_F64))
        return CR_UNSUPPORTED;
    linalg_plan *p = cpu_plan_new(sizeof *p, run_linalg, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->kind = kind;
    p->dtype = in->dtype;
    p->upper = kind == EIGH ? cpu_attr_text(node, "UPLO", "L")[0] == 'U'
                            : cpu_attr_int(node, "upper", 0) != 0;
    p->left = cpu_attr_int(node, "left", 1) != 0;
    p->unit = cpu_attr_int(node, "unitriangular", 0) != 0;
    p->pivot = cpu_attr_int(node, "pivot", 1) != 0;
    p->full = cpu_attr_int(node, "full_matrices", 0) != 0;
    p->vectors = kind == SVD    ? cpu_attr_int(node, "compute_uv", 1) != 0
                 : kind == EIGH ? cpu_attr_int(node, "compute_v", 1) != 0
                                : cpu_attr_text(node, "mode", "reduced")[0] != 'r' ||
                                      cpu_attr_text(node, "mode", "reduced")[1] == 'e';
    p->nbatch = widest->rank - items[kind == SVD ? 1 : 0];
    p->batches = 1;
    for (int d = 0; d < p->nbatch; d++) {
        p->batch_size[d] = widest->size[d];
        p->batches *= widest->size[d];
    }
    bool well = describe(p, in, call->in_at[0], 2, &p->a);
    if (kind == TRIANGULAR)
        well = well && call->in[1] && call->in[1]->dtype == in->dtype &&
               describe(p, call->in[1], call->in_at[1], 2, &p->b);
    for (int i = 0; i < outputs && well; i++) {
        bool absent = !p->vectors && ((kind == SVD && i != 1) || (kind == EIGH && i == 1) ||
                                      (kind == QR && i == 0));
        well = describe(p, absent ? NULL : call->out[i], call->out_at[i], items[i], &p->out[i]);
    }
    if (!well) {
        free(p);
        return CR_UNSUPPORTED;
    }
    if (p->dtype == CR_F64)
        ask_f64(p);
    else
        ask_f32(p);
    size_t real = cpu_dtype_size(p->dtype), m = (size_t)p->a.rows, n = (size_t)p->a.columns,
           least = m < n ? m : n;
    size_t numbers = (size_t)p->work_size + m + n,
           wide = kind == QR && p->vectors ? (size_t)p->out[0].columns : n;
    if (kind == TRIANGULAR)
        numbers += (size_t)(p->b.rows * p->b.columns);
    if (kind == SVD && p->vectors)
        numbers += m * (size_t)p->out[0].columns + n * (size_t)p->out[2].rows;
    p->matrix_bytes = (m * (wide > n ? wide : n) * real + 63) / 64 * 64;
    p->bytes = p->matrix_bytes + numbers * real +
               (8 * least + (size_t)p->iwork_size + 16) * sizeof(int) + 64;
    *plan = &p->base;
    return CR_OK;
}

#define PLANNER(name, KIND, ...)                                       \
    static cr_status plan_##name(const cpu_call *call, cr_plan **plan) \
    {                                                                  \
        static const int items[] = {__VA_ARGS__};                      \
        return plan_kind(call, plan, KIND, items);                     \
    }
PLANNER(cholesky, CHOLESKY, 2, 0)
PLANNER(lu, LU, 2, 1, 0)
PLANNER(triangular, TRIANGULAR, 2)
PLANNER(householder, HOUSEHOLDER, 2, 1)
PLANNER(qr, QR, 2, 2)
PLANNER(svd, SVD, 2, 1, 2)
PLANNER(eigh, EIGH, 1, 2)

const cpu_op CPU_NAME(cpu_family_linalg)[] = {
    {"linalg_cholesky_ex", plan_cholesky},
    {"linalg_lu_factor_ex", plan_lu},
    {"linalg_solve_triangular", plan_triangular},
    {"geqrf", plan_householder},
    {"linalg_qr", plan_qr},
    {"_linalg_svd", plan_svd},
    {"_linalg_eigh", plan_eigh},
    {NULL, NULL},
};
