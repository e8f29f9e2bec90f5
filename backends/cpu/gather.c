/* gather and index_select: elements chosen along one dimension. */
#include "convert.h"
#include "index.h"
#include "space.h"

#include <stdlib.h>
#include <string.h>

enum { OUT, INDEX, SELF, VALUES };

/* One row: out[i] = self[i, index[i]], strides in bytes, `jump` the bytes between neighbours along the dimension. */
typedef struct gather_row {
    const char *self, *index;
    char *out;
    int64_t stride[VALUES], jump, limit, n;
} gather_row;

typedef struct gather_plan {
    struct cr_plan base;
    int at[VALUES];
    int dim, rank;
    int64_t size[CR_MAX_RANK], stride[VALUES][CR_MAX_RANK]; /* self's along the dimension is 0 */
    int64_t jump, limit, element, numel, row;
    size_t copy_bytes; /* of self, should the output be self */
} gather_plan;

typedef struct gather_job {
    const gather_plan *plan;
    const char *self, *index;
    char *out;
    cpu_bad_index *bad;
} gather_job;

typedef uint8_t __attribute__((may_alias)) raw1;
typedef uint16_t __attribute__((may_alias)) raw2;
typedef uint32_t __attribute__((may_alias)) raw4;
typedef uint64_t __attribute__((may_alias)) raw8;

#define ROW(name, T)                                                                       \
    static bool row_##name(const gather_row *r, cpu_bad_index *bad)                        \
    {                                                                                      \
        for (int64_t i = 0; i < r->n; i++) {                                               \
            int64_t k = *(const int64_t *)(const void *)(r->index + i * r->stride[INDEX]); \
            if ((uint64_t)k >= (uint64_t)r->limit) {                                       \
                cpu_note_bad_index(bad, k);                                                \
                return false;                                                              \
            }                                                                              \
            *(T *)(void *)(r->out + i * r->stride[OUT]) =                                  \
                *(const T *)(const void *)(r->self + i * r->stride[SELF] + k * r->jump);   \
        }                                                                                  \
        return true;                                                                       \
    }
ROW(1, raw1)
ROW(2, raw2)
ROW(4, raw4)
ROW(8, raw8)

/* One index for the whole row. */
static bool row_same(const gather_row *r, int64_t element, cpu_bad_index *bad)
{
    int64_t k = *(const int64_t *)(const void *)r->index;
    if ((uint64_t)k >= (uint64_t)r->limit) {
        cpu_note_bad_index(bad, k);
        return false;
    }
    const char *from = r->self + k * r->jump;
    if (r->stride[OUT] == element)
        CPU_NAME(cpu_load_strided)((size_t)element, r->n, from, r->stride[SELF], r->out);
    else
        for (int64_t i = 0; i < r->n; i++)
            memcpy(r->out + i * r->stride[OUT], from + i * r->stride[SELF], (size_t)element);
    return true;
}

static void gather_range(void *context, int64_t begin, int64_t end)
{
    const gather_job *job = context;
    const gather_plan *p = job->plan;
    int64_t at[CR_MAX_RANK] = {0}, last = p->rank - 1;
    gather_row r = {.jump = p->jump, .limit = p->limit};
    for (int v = 0; v < VALUES; v++)
        r.stride[v] = p->rank ? p->stride[v][last] : 0;
    cpu_locate(p->rank, p->size, begin, at);
    for (int64_t i = begin; i < end; i += r.n) {
        int64_t left = p->rank ? p->size[last] - at[last] : 1;
        r.n = end - i < left ? end - i : left;
        r.self = job->self + cpu_place(p->rank, at, p->stride[SELF]);
        r.index = job->index + cpu_place(p->rank, at, p->stride[INDEX]);
        r.out = job->out + cpu_place(p->rank, at, p->stride[OUT]);
        bool good;
        if (r.stride[INDEX] == 0)
            good = row_same(&r, p->element, job->bad);
        else
            switch (p->element) {
            case 1: good = row_1(&r, job->bad); break;
            case 2: good = row_2(&r, job->bad); break;
            case 4: good = row_4(&r, job->bad); break;
            default: good = row_8(&r, job->bad); break;
            }
        if (!good)
            return;
        cpu_advance(p->rank, p->size, at, r.n);
    }
}

static cr_status gather_run(cr_plan *plan, const cr_run *run)
{
    const gather_plan *p = (const gather_plan *)plan;
    cpu_bad_index bad = {0};
    gather_job job = {p, cpu_at(run, p->at[SELF]), cpu_at(run, p->at[INDEX]),
                      cpu_at(run, p->at[OUT]), &bad};
    void *copy = NULL;
    if (job.self == job.out && p->numel) { /* in place: what is overwritten may be read later */
        copy = malloc(p->copy_bytes);
        if (!copy)
            return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for %zu bytes",
                                  p->copy_bytes);
        memcpy(copy, job.self, p->copy_bytes);
        job.self = copy;
    }
    cpu_parallel(p->numel, 1, 1.5, gather_range, &job);
    free(copy);
    return cpu_report_bad_index(&bad, p->dim, p->limit);
}

/* index has the output's sizes, or is one vector along the dimension. */
static cr_status plan_new(const cpu_call *call, bool vector, cr_plan **plan)
{
    if (call->nin < 2 || call->nout != 1 || !call->in[0] || !call->in[1] || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *self = call->in[0], *index = call->in[1], *out = call->out[0];
    int64_t dim = cpu_attr_int(call->node, "dim", 0);
    int rank = out->rank;
    if (index->dtype != CR_I64 || self->dtype != out->dtype || self->rank != rank || dim < 0 ||
        dim >= (rank ? rank : 1) || index->rank > (vector ? 1 : rank))
        return CR_UNSUPPORTED;
    cr_meta by_index = *out, from = *out;
    for (int d = 0; d < rank; d++) {
        from.stride[d] = d == dim ? 0 : self->stride[d];
        if (vector)
            by_index.stride[d] = d == dim && index->rank ? index->stride[0] : 0;
        else
            by_index.stride[d] = index->stride[d];
        int64_t want = vector ? (d == dim ? (index->rank ? index->size[0] : 1) : self->size[d])
                              : index->size[d];
        if (index->rank < (vector ? 0 : rank) || out->size[d] != want ||
            (d != dim && want > self->size[d]))
            return CR_UNSUPPORTED;
    }
    gather_plan *p = cpu_plan_new(sizeof *p, gather_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->at[OUT] = call->out_at[0];
    p->at[INDEX] = call->in_at[1];
    p->at[SELF] = call->in_at[0];
    p->dim = (int)dim;
    p->element = (int64_t)cpu_dtype_size(out->dtype);
    p->numel = cpu_numel(out);
    p->limit = rank ? self->size[dim] : 1;
    p->jump = rank ? self->stride[dim] * p->element : 0;
    p->copy_bytes = (size_t)p->element;
    for (int d = 0; d < rank; d++)
        p->copy_bytes +=
            self->size[d] ? (size_t)((self->size[d] - 1) * self->stride[d] * p->element) : 0;
    const cr_meta *metas[VALUES] = {out, &by_index, &from};
    p->rank = cpu_coalesce(VALUES, metas, p->size, p->stride);
    for (int v = 0; v < VALUES; v++)
        for (int d = 0; d < p->rank; d++)
            p->stride[v][d] *= v == INDEX ? 8 : p->element;
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_gather(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, false, plan);
}

static cr_status plan_index_select(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, true, plan);
}

const cpu_op CPU_NAME(cpu_family_gather)[] = {
    {"gather", plan_gather},
    {"index_select", plan_index_select},
    {NULL, NULL},
};
