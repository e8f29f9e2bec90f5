/* scatter and scatter_reduce. Elements that may meet in one place differ only along the dimension, so everything else goes
 * side by side, and the dimension in order: the result depends on nothing but the operands. */
#include "convert.h"
#include "half.h"
#include "index.h"
#include "space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OUT, INDEX, SRC, VALUES, LANES = 256 };

/* For o in outer, i in inner, in this order: to[index[o, i]] takes in src[o, i]. Strides in bytes, outer and inner. */
typedef struct scatter_tile {
    char *to;
    const char *index, *src;
    int64_t outer, inner, far[VALUES], near[VALUES], jump, limit;
} scatter_tile;

typedef bool (*scatter_loop)(const scatter_tile *t, cpu_bad_index *bad);

/* In the expression, a is the target's old value and x the element. */
#define SCATTER(name, T_, expr)                                                                  \
    static bool name(const scatter_tile *t, cpu_bad_index *bad)                                  \
    {                                                                                            \
        typedef T_ __attribute__((may_alias)) T;                                                 \
        for (int64_t o = 0; o < t->outer; o++)                                                   \
            for (int64_t i = 0; i < t->inner; i++) {                                             \
                const char *at = t->index + o * t->far[INDEX] + i * t->near[INDEX];              \
                int64_t k = *(const int64_t *)(const void *)at;                                  \
                if ((uint64_t)k >= (uint64_t)t->limit) {                                         \
                    cpu_note_bad_index(bad, k);                                                  \
                    return false;                                                                \
                }                                                                                \
                T *to = (T *)(void *)(t->to + o * t->far[OUT] + i * t->near[OUT] + k * t->jump); \
                T x = *(const T *)(const void *)(t->src + o * t->far[SRC] + i * t->near[SRC]);   \
                T a = *to;                                                                       \
                (void)a;                                                                         \
                *to = (T)(expr);                                                                 \
            }                                                                                    \
        return true;                                                                             \
    }
SCATTER(put_1, uint8_t, x)
SCATTER(put_2, uint16_t, x)
SCATTER(put_4, uint32_t, x)
SCATTER(put_8, uint64_t, x)

#define REDUCE(s, T, U)                           \
    SCATTER(sum_##s, T, (U)a + (U)x)              \
    SCATTER(prod_##s, T, (U)a *(U)x)              \
    SCATTER(amax_##s, T, a != a || a > x ? a : x) \
    SCATTER(amin_##s, T, a != a || a < x ? a : x)
REDUCE(f64, double, double)
REDUCE(f32, float, float)
REDUCE(i64, int64_t, uint64_t)
REDUCE(i32, int32_t, uint32_t)
REDUCE(i16, int16_t, uint32_t)
REDUCE(i8, int8_t, uint32_t)
REDUCE(u8, uint8_t, uint32_t)
SCATTER(sum_b8, uint8_t, a | x)
SCATTER(prod_b8, uint8_t, a &x)
#define amax_b8 sum_b8
#define amin_b8 prod_b8

#define ROW(op)                                                                             \
    {                                                                                       \
        [CR_F64] = op##_f64, [CR_F32] = op##_f32, [CR_I64] = op##_i64, [CR_I32] = op##_i32, \
        [CR_I16] = op##_i16, [CR_I8] = op##_i8, [CR_U8] = op##_u8, [CR_B8] = op##_b8        \
    }
static const struct {
    const char *name;
    scatter_loop loop[CPU_NDTYPES];
} reductions[] = {
    {"sum", ROW(sum)},
    {"prod", ROW(prod)},
    {"amax", ROW(amax)},
    {"amin", ROW(amin)},
};

typedef struct scatter_plan {
    struct cr_plan base;
    scatter_loop loop;
    int at[VALUES], self_at, number_at;
    int dim, rank; /* rank: of the other dimensions */
    int32_t dtype, kernel_dtype;
    int64_t size[CR_MAX_RANK], stride[VALUES][CR_MAX_RANK], step[VALUES];
    int64_t terms, limit, jump, tiles, inner_tiles;
    bool lanes;
    struct cr_plan *copy;   /* self to the output; for halves, self to f32 in the workspace */
    struct cr_plan *back;   /* for halves: the workspace to the output */
    struct cr_plan *widen;  /* for halves: src to f32 */
    size_t wide_at, src_at; /* in the workspace */
    double cost;
} scatter_plan;

typedef struct scatter_job {
    const scatter_plan *plan;
    char *out;
    const char *index, *src;
    cpu_bad_index *bad;
} scatter_job;

static void scatter_range(void *context, int64_t begin, int64_t end)
{
    const scatter_job *job = context;
    const scatter_plan *p = job->plan;
    int last = p->rank - 1;
    for (int64_t i = begin; i < end; i++) {
        int64_t at[CR_MAX_RANK] = {0};
        scatter_tile t = {.outer = 1, .inner = p->terms, .jump = p->jump, .limit = p->limit};
        if (p->lanes) {
            cpu_locate(last, p->size, i / p->inner_tiles, at);
            at[last] = i % p->inner_tiles * LANES;
            t.outer = p->terms;
            t.inner = p->size[last] - at[last] < LANES ? p->size[last] - at[last] : LANES;
        } else {
            cpu_locate(p->rank, p->size, i, at);
        }
        for (int v = 0; v < VALUES; v++) {
            t.near[v] = p->lanes ? p->stride[v][last] : p->step[v];
            t.far[v] = p->lanes ? p->step[v] : 0;
        }
        t.to = job->out + cpu_place(p->rank, at, p->stride[OUT]);
        t.index = job->index + cpu_place(p->rank, at, p->stride[INDEX]);
        t.src = job->src + cpu_place(p->rank, at, p->stride[SRC]);
        if (!p->loop(&t, job->bad))
            return;
    }
}

/* Runs an inner copy from one address to another. */
static cr_status copy_between(struct cr_plan *copy, void *from, void *to)
{
    cr_binding values[2] = {{.buffer = from}, {.buffer = to}};
    cr_run run = {.struct_size = sizeof run, .values = values};
    return copy->run(copy, &run);
}

static cr_status scatter_run(cr_plan *plan, const cr_run *run)
{
    const scatter_plan *p = (const scatter_plan *)plan;
    cpu_bad_index bad = {0};
    uint64_t number = 0;
    void *self = cpu_at(run, p->self_at), *out = cpu_at(run, p->at[OUT]), *target = out;
    char *workspace =
        (char *)run->workspace.buffer + (run->workspace.buffer ? run->workspace.offset : 0);
    scatter_job job = {.plan = p, .index = cpu_at(run, p->at[INDEX]), .bad = &bad};
    if (p->back)
        target = workspace + p->wide_at;
    if (target != self) {
        cr_status status = copy_between(p->copy, self, target);
        if (status != CR_OK)
            return status;
    }
    if (p->number_at >= 0) {
        CPU_NAME(cpu_store_number)(&run->numbers[p->number_at], p->kernel_dtype, &number);
        job.src = (const char *)&number;
    } else {
        job.src = cpu_at(run, p->at[SRC]);
        if (p->widen) {
            cr_status status =
                copy_between(p->widen, (void *)(uintptr_t)job.src, workspace + p->src_at);
            if (status != CR_OK)
                return status;
            job.src = workspace + p->src_at;
        }
    }
    job.out = target;
    cpu_parallel(p->tiles, 1, p->cost, scatter_range, &job);
    if (p->back) {
        cr_status status = copy_between(p->back, target, out);
        if (status != CR_OK)
            return status;
    }
    return cpu_report_bad_index(&bad, p->dim, p->limit);
}

static void scatter_destroy(cr_plan *plan)
{
    scatter_plan *p = (scatter_plan *)plan;
    free(p->copy);
    free(p->back);
    free(p->widen);
}

/* A dense value of f32 with m's sizes. */
static cr_meta dense_like(const cr_meta *m)
{
    cr_meta dense = *m;
    int64_t step = 1;
    dense.dtype = CR_F32;
    for (int d = m->rank - 1; d >= 0; d--) {
        dense.stride[d] = step;
        step *= m->size[d];
    }
    return dense;
}

static size_t take_workspace(cr_plan_info *info, const cr_meta *dense)
{
    size_t at = info->workspace;
    info->workspace += ((size_t)cpu_numel(dense) * sizeof(float) + 63) / 64 * 64;
    return at;
}

extern const cpu_op CPU_NAME(cpu_family_copy)[];

static cr_status plan_copy(const cr_meta *from, const cr_meta *to, cr_plan **plan)
{
    const cr_meta *in[1] = {from}, *out[1] = {to};
    const int in_at[1] = {0}, out_at[1] = {1};
    cr_graph_node node = {.struct_size = sizeof node, .op = "copy", .ninputs = 1, .noutputs = 1};
    cpu_call call = {
        .node = &node, .in = in, .out = out, .in_at = in_at, .out_at = out_at, .nin = 1, .nout = 1};
    return CPU_NAME(cpu_family_copy)[0].plan(&call, plan);
}

static void set_geometry(scatter_plan *p, const cr_meta *out, const cr_meta *index,
                         const cr_meta *src, int64_t dim)
{
    int rank = index->rank;
    cr_meta values[VALUES] = {*index, *index, *index};
    const cr_meta *given[VALUES] = {out, index, src}, *metas[VALUES];
    const int64_t element[VALUES] = {(int64_t)cpu_dtype_size(out->dtype), 8,
                                     (int64_t)cpu_dtype_size(src->dtype)};
    p->terms = rank ? index->size[dim] : 1;
    p->limit = rank ? out->size[dim] : 1;
    p->jump = rank ? out->stride[dim] * element[OUT] : 0;
    for (int v = 0; v < VALUES; v++) {
        metas[v] = &values[v];
        for (int d = 0; d < rank; d++)
            values[v].stride[d] = given[v]->stride[d];
        p->step[v] = rank && v != OUT ? given[v]->stride[dim] * element[v] : 0;
        if (rank)
            values[v].size[dim] = 1;
    }
    p->rank = cpu_coalesce(VALUES, metas, p->size, p->stride);
    p->tiles = 1;
    for (int d = 0; d < p->rank; d++)
        p->tiles *= p->size[d];
    for (int v = 0; v < VALUES; v++)
        for (int d = 0; d < p->rank; d++)
            p->stride[v][d] *= element[v];
    int64_t width = 1;
    if (p->rank && p->terms && p->stride[OUT][p->rank - 1] < p->jump) {
        int64_t inner = p->size[p->rank - 1];
        p->lanes = true;
        p->inner_tiles = (inner + LANES - 1) / LANES;
        p->tiles = inner ? p->tiles / inner * p->inner_tiles : 0;
        width = inner < LANES ? inner : LANES;
    }
    if (!p->terms)
        p->tiles = 0;
    p->cost = 20 + 2.0 * (double)p->terms * (double)width;
}

static cr_status fill_plan(scatter_plan *p, const cpu_call *call, const cr_meta *src, int64_t dim)
{
    const cr_meta *self = call->in[0], *index = call->in[1], *out = call->out[0];
    if (p->dtype == p->kernel_dtype) {
        set_geometry(p, out, index, src, dim);
        return plan_copy(self, out, &p->copy);
    }
    cr_meta wide = dense_like(out), wide_src = dense_like(src);
    cr_status status = plan_copy(self, &wide, &p->copy);
    if (status == CR_OK)
        status = plan_copy(&wide, out, &p->back);
    if (status == CR_OK && p->number_at < 0)
        status = plan_copy(src, &wide_src, &p->widen);
    if (status != CR_OK)
        return status;
    p->wide_at = take_workspace(call->info, &wide);
    if (p->number_at < 0)
        p->src_at = take_workspace(call->info, &wide_src);
    else
        memset(wide_src.stride, 0, sizeof wide_src.stride);
    set_geometry(p, &wide, index, &wide_src, dim);
    return CR_OK;
}

/* reduce: null to put. number: the name of the number that stands for src, or null. */
static cr_status plan_new(const cpu_call *call, const char *reduce, const char *number,
                          cr_plan **plan)
{
    uint32_t nin = number ? 2 : 3;
    if (call->nin < nin || call->nout != 1 || !call->in[0] || !call->in[1] ||
        (!number && !call->in[2]) || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *self = call->in[0], *index = call->in[1], *out = call->out[0];
    cr_meta one = *index;
    one.dtype = out->dtype;
    memset(one.stride, 0, sizeof one.stride);
    const cr_meta *src = number ? &one : call->in[2];
    int64_t dim = cpu_attr_int(call->node, "dim", 0);
    int rank = out->rank;
    if (index->dtype != CR_I64 || self->dtype != out->dtype || src->dtype != out->dtype ||
        self->rank != rank || index->rank != rank || src->rank != rank || dim < 0 ||
        dim >= (rank ? rank : 1) || (number && cpu_number_at(call->node, number) < 0))
        return CR_UNSUPPORTED;
    for (int d = 0; d < rank; d++)
        if (self->size[d] != out->size[d] || index->size[d] > src->size[d] ||
            (d != dim && index->size[d] > out->size[d]))
            return CR_UNSUPPORTED;
    scatter_loop loop = NULL;
    int32_t kernel_dtype = reduce ? cpu_kernel_dtype(out->dtype) : out->dtype;
    if (!reduce) {
        size_t size = cpu_dtype_size(out->dtype);
        loop = size == 1 ? put_1 : size == 2 ? put_2 : size == 4 ? put_4 : put_8;
    }
    for (size_t i = 0; reduce && i < sizeof reductions / sizeof *reductions; i++)
        if (!strcmp(reductions[i].name, reduce))
            loop = reductions[i].loop[kernel_dtype];
    if (!loop)
        return CR_UNSUPPORTED;
    scatter_plan *p = cpu_plan_new(sizeof *p, scatter_run, scatter_destroy);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->loop = loop;
    p->self_at = call->in_at[0];
    p->at[OUT] = call->out_at[0];
    p->at[INDEX] = call->in_at[1];
    p->at[SRC] = number ? -1 : call->in_at[2];
    p->number_at = number ? cpu_number_at(call->node, number) : -1;
    p->dim = (int)dim;
    p->dtype = out->dtype;
    p->kernel_dtype = kernel_dtype;
    cr_status status = fill_plan(p, call, src, dim);
    if (status != CR_OK) {
        scatter_destroy(&p->base);
        free(p);
        return status;
    }
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_put(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, NULL, NULL, plan);
}

static cr_status plan_put_value(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, NULL, "value", plan);
}

static cr_status plan_add(const cpu_call *call, cr_plan **plan)
{
    return plan_new(call, "sum", NULL, plan);
}

static cr_status plan_reduce(const cpu_call *call, cr_plan **plan)
{
    if (!cpu_attr_int(call->node, "include_self", 1))
        return CR_UNSUPPORTED;
    return plan_new(call, cpu_attr_text(call->node, "reduce", ""), NULL, plan);
}

const cpu_op CPU_NAME(cpu_family_scatter)[] = {
    {"scatter.src", plan_put},
    {"scatter.value", plan_put_value},
    {"scatter_add", plan_add},
    {"scatter_reduce.two", plan_reduce},
    {NULL, NULL},
};
