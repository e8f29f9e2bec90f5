/* Scans along one dimension: cumsum, cumprod, cummax, cummin, logcumsumexp. Where the values are dense along the dimension,
 * one row runs after the other; else neighbouring rows run side by side, a lane each. */
#include "convert.h"
#include "cpu.h"
#include "half.h"
#include "space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

/* What is carried from term to term: sums and products of floats in f64, of integers in 64 bits; extremes and their place. */
typedef union carry {
    double f;
    uint64_t u;
} carry;

/* n terms of one lane (along), or one term of n lanes (across). first: the number of the term. */
typedef void (*scan_loop)(int64_t n, const void *x, carry *acc, void *out, int64_t first,
                          int64_t *place, int64_t *index);

typedef struct scanner {
    scan_loop along, across;
    carry start;
} scanner;

/* In `step`, x is the term, a the carry, which it sets; result is what is stored. */
#define SCAN(name, T, A, step, result)                                                         \
    static void name##_along(int64_t n, const void *x_, carry *acc, void *out, int64_t first,  \
                             int64_t *place, int64_t *index)                                   \
    {                                                                                          \
        const T *in = x_;                                                                      \
        T *o = out;                                                                            \
        A a = acc->A##_;                                                                       \
        (void)first, (void)place, (void)index;                                                 \
        for (int64_t i = 0; i < n; i++) {                                                      \
            T x = in[i];                                                                       \
            step;                                                                              \
            o[i] = (T)(result);                                                                \
        }                                                                                      \
        acc->A##_ = a;                                                                         \
    }                                                                                          \
    static void name##_across(int64_t n, const void *x_, carry *acc, void *out, int64_t first, \
                              int64_t *place, int64_t *index)                                  \
    {                                                                                          \
        const T *in = x_;                                                                      \
        T *o = out;                                                                            \
        (void)first, (void)place, (void)index;                                                 \
        for (int64_t i = 0; i < n; i++) {                                                      \
            T x = in[i];                                                                       \
            A a = acc[i].A##_;                                                                 \
            step;                                                                              \
            o[i] = (T)(result);                                                                \
            acc[i].A##_ = a;                                                                   \
        }                                                                                      \
    }
#define double_   f
#define uint64_t_ u

#define SUMS(s, T, A)                 \
    SCAN(sum_##s, T, A, a += (A)x, a) \
    SCAN(prod_##s, T, A, a *= (A)x, a)
SUMS(f64, double, double)
SUMS(f32, float, double)
SUMS(i64, int64_t, uint64_t)
SUMS(i32, int32_t, uint64_t)
SUMS(i16, int16_t, uint64_t)
SUMS(i8, int8_t, uint64_t)
SUMS(u8, uint8_t, uint64_t)
SCAN(sum_b8, uint8_t, uint64_t, a |= x, a)
SCAN(prod_b8, uint8_t, uint64_t, a &= x, a)

/* log(exp a + exp x), from the larger one; equal infinities stay as they are. */
static double log_add(double a, double x)
{
    double low = a < x ? a : x, high = a < x ? x : a;
    if (a != a || x != x)
        return NAN;
    return low == high && low - low != 0 ? low : high + log1p(exp(low - high));
}
SCAN(lse_f64, double, double, a = log_add(a, (double)x), a)
SCAN(lse_f32, float, double, a = log_add(a, (double)x), a)

/* The last of equals counts, and the last NaN. Values wait in the carry as bits of T. */
#define EXTREME(name, T, better)                                                                  \
    CPU_INLINE void name##_take(T x, int64_t i, carry *acc, T *o, int64_t *place, int64_t *index) \
    {                                                                                             \
        T a;                                                                                      \
        memcpy(&a, acc, sizeof a);                                                                \
        if (i == 0 || x != x || x better a) {                                                     \
            a = x;                                                                                \
            *place = i;                                                                           \
            memcpy(acc, &a, sizeof a);                                                            \
        }                                                                                         \
        *o = a;                                                                                   \
        *index = *place;                                                                          \
    }                                                                                             \
    static void name##_along(int64_t n, const void *x, carry *acc, void *out, int64_t first,      \
                             int64_t *place, int64_t *index)                                      \
    {                                                                                             \
        for (int64_t i = 0; i < n; i++)                                                           \
            name##_take(((const T *)x)[i], first + i, acc, (T *)out + i, place, index + i);       \
    }                                                                                             \
    static void name##_across(int64_t n, const void *x, carry *acc, void *out, int64_t first,     \
                              int64_t *place, int64_t *index)                                     \
    {                                                                                             \
        for (int64_t i = 0; i < n; i++)                                                           \
            name##_take(((const T *)x)[i], first, acc + i, (T *)out + i, place + i, index + i);   \
    }
#define EXTREMES(s, T)      \
    EXTREME(max_##s, T, >=) \
    EXTREME(min_##s, T, <=)
EXTREMES(f64, double)
EXTREMES(f32, float)
EXTREMES(i64, int64_t)
EXTREMES(i32, int32_t)
EXTREMES(i16, int16_t)
EXTREMES(i8, int8_t)
EXTREMES(u8, uint8_t)

enum { SUM, PROD, MAX, MIN, LSE, KINDS };

#define AT(name, ...)                \
    {                                \
        name##_along, name##_across, \
        {                            \
            __VA_ARGS__              \
        }                            \
    }
#define INTS(op, ...)                                                           \
    [CR_I64] = AT(op##_i64, __VA_ARGS__), [CR_I32] = AT(op##_i32, __VA_ARGS__), \
    [CR_I16] = AT(op##_i16, __VA_ARGS__), [CR_I8] = AT(op##_i8, __VA_ARGS__),   \
    [CR_U8] = AT(op##_u8, __VA_ARGS__)
static const scanner scanners[KINDS][CPU_NDTYPES] = {
    [SUM] = {[CR_F64] = AT(sum_f64, .f = 0),
             [CR_F32] = AT(sum_f32, .f = 0),
             INTS(sum, .u = 0),
             [CR_B8] = AT(sum_b8, .u = 0)},
    [PROD] = {[CR_F64] = AT(prod_f64, .f = 1),
              [CR_F32] = AT(prod_f32, .f = 1),
              INTS(prod, .u = 1),
              [CR_B8] = AT(prod_b8, .u = 1)},
    [MAX] = {[CR_F64] = AT(max_f64, .u = 0),
             [CR_F32] = AT(max_f32, .u = 0),
             INTS(max, .u = 0),
             [CR_B8] = AT(max_u8, .u = 0)},
    [MIN] = {[CR_F64] = AT(min_f64, .u = 0),
             [CR_F32] = AT(min_f32, .u = 0),
             INTS(min, .u = 0),
             [CR_B8] = AT(min_u8, .u = 0)},
    [LSE] = {[CR_F64] = AT(lse_f64, .f = -INFINITY), [CR_F32] = AT(lse_f32, .f = -INFINITY)},
};

/* ---- driving ---- */

enum { OUT, IN, INDEX, VALUES };

typedef struct scan_plan {
    struct cr_plan base;
    const scanner *kernels;
    int at[VALUES];
    int64_t element[VALUES], step[VALUES]; /* bytes: of an element, along the dimension */
    int64_t stride[VALUES][CR_MAX_RANK];
    int rank; /* of the other dimensions */
    int64_t size[CR_MAX_RANK], terms, kernel_size;
    bool lanes, indexed;
    int64_t tiles, inner_tiles;
    cpu_convert widen, narrow;
    double cost;
} scan_plan;

typedef struct scan_job {
    const scan_plan *plan;
    char *value[VALUES];
} scan_job;

/* All terms of n lanes, or of one. */
static void scan_tile(const scan_plan *p, char *const *value, bool across, int64_t n)
{
    _Alignas(64) char raw[BLOCK * 8], wide[BLOCK * 8], result[BLOCK * 8];
    carry acc[BLOCK];
    int64_t place[BLOCK], index[BLOCK], stride[VALUES];
    for (int i = 0; i < BLOCK; i++) {
        acc[i] = p->kernels->start;
        place[i] = 0;
    }
    for (int v = 0; v < VALUES; v++)
        stride[v] = across && p->rank ? p->stride[v][p->rank - 1] : p->step[v];
    for (int64_t t = 0; t < p->terms;) {
        int64_t m = across ? n : p->terms - t < BLOCK ? p->terms - t : BLOCK;
        const char *in = value[IN] + t * p->step[IN];
        const void *x = in;
        char *out = value[OUT] + t * p->step[OUT];
        bool direct = stride[OUT] == p->element[OUT] && !p->narrow;
        if (stride[IN] != p->element[IN]) {
            CPU_NAME(cpu_load_strided)((size_t)p->element[IN], m, in, stride[IN], raw);
            x = raw;
        }
        if (p->widen) {
            p->widen(m, x, wide);
            x = wide;
        }
        (across ? p->kernels->across : p->kernels->along)(m, x, acc, direct ? out : result, t,
                                                          place, index);
        if (!direct) {
            const char *dense = result;
            if (p->narrow) {
                p->narrow(m, result, raw);
                dense = raw;
            }
            CPU_NAME(cpu_store_strided)((size_t)p->element[OUT], m, dense, out, stride[OUT]);
        }
        if (p->indexed)
            CPU_NAME(cpu_store_strided)
        (8, m, index, value[INDEX] + t * p->step[INDEX], stride[INDEX]);
        t += across ? 1 : m;
    }
}

static void scan_range(void *context, int64_t begin, int64_t end)
{
    const scan_job *job = context;
    const scan_plan *p = job->plan;
    for (int64_t i = begin; i < end; i++) {
        int64_t at[CR_MAX_RANK] = {0}, n = 1;
        int last = p->rank - 1;
        if (p->lanes) {
            cpu_locate(last, p->size, i / p->inner_tiles, at);
            at[last] = i % p->inner_tiles * BLOCK;
            n = p->size[last] - at[last] < BLOCK ? p->size[last] - at[last] : BLOCK;
        } else {
            cpu_locate(p->rank, p->size, i, at);
        }
        char *value[VALUES];
        for (int v = 0; v < VALUES; v++)
            value[v] = job->value[v] ? job->value[v] + cpu_place(p->rank, at, p->stride[v]) : NULL;
        scan_tile(p, value, p->lanes, n);
    }
}

static cr_status scan_run(cr_plan *plan, const cr_run *run)
{
    const scan_plan *p = (const scan_plan *)plan;
    scan_job job = {.plan = p};
    for (int v = 0; v < VALUES; v++)
        job.value[v] = p->at[v] < 0 ? NULL : cpu_at(run, p->at[v]);
    cpu_parallel(p->tiles, 1, p->cost, scan_range, &job);
    return CR_OK;
}

static cr_status plan_scan(const cpu_call *call, int kind, cr_plan **plan)
{
    bool extreme = kind == MAX || kind == MIN;
    if (call->nin < 1 || !call->in[0] || call->nout < (extreme ? 2u : 1u) || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *in = call->in[0], *out = call->out[0], *index = extreme ? call->out[1] : NULL;
    int64_t dim = cpu_attr_int(call->node, "dim", 0), numel = cpu_numel(out);
    int rank = out->rank;
    bool fits = in->rank == rank && !memcmp(in->size, out->size, (size_t)rank * sizeof *in->size) &&
                dim >= 0 && dim < (rank ? rank : 1);
    if (!fits || (extreme && (in->dtype != out->dtype || !index || index->dtype != CR_I64 ||
                              index->rank != rank)))
        return CR_UNSUPPORTED;
    int32_t dtype = cpu_kernel_dtype(out->dtype);
    if (!scanners[kind][dtype].along)
        return CR_UNSUPPORTED;
    scan_plan *p = cpu_plan_new(sizeof *p, scan_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->kernels = &scanners[kind][dtype];
    p->indexed = extreme;
    p->terms = rank ? out->size[dim] : 1;
    p->widen = in->dtype == dtype ? NULL : CPU_NAME(cpu_convert_loop)(in->dtype, dtype);
    p->narrow = out->dtype == dtype ? NULL : CPU_NAME(cpu_convert_loop)(dtype, out->dtype);
    const cr_meta *given[VALUES] = {out, in, extreme ? index : out}, *others[VALUES];
    const int at[VALUES] = {call->out_at[0], call->in_at[0], extreme ? call->out_at[1] : -1};
    cr_meta without[VALUES];
    for (int v = 0; v < VALUES; v++) {
        without[v] = *given[v];
        others[v] = &without[v];
        p->at[v] = at[v];
        p->element[v] = (int64_t)cpu_dtype_size(given[v]->dtype);
        p->step[v] = rank ? given[v]->stride[dim] * p->element[v] : p->element[v];
        if (rank)
            without[v].size[dim] = 1;
    }
    p->rank = cpu_coalesce(VALUES, others, p->size, p->stride);
    for (int v = 0; v < VALUES; v++)
        for (int d = 0; d < p->rank; d++)
            p->stride[v][d] *= p->element[v];
    p->tiles = p->terms && numel ? numel / p->terms : 0;
    int64_t width = 1;
    if (p->rank && p->terms > 1 && p->stride[IN][p->rank - 1] < p->step[IN]) {
        int64_t inner = p->size[p->rank - 1];
        p->lanes = true;
        p->inner_tiles = (inner + BLOCK - 1) / BLOCK;
        p->tiles = inner ? p->tiles / inner * p->inner_tiles : 0;
        width = inner < BLOCK ? inner : BLOCK;
    }
    p->cost = 100 + (kind == LSE ? 20.0 : 1.5) * (double)p->terms * (double)width;
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_cumsum(const cpu_call *call, cr_plan **plan)
{
    return plan_scan(call, SUM, plan);
}

static cr_status plan_cumprod(const cpu_call *call, cr_plan **plan)
{
    return plan_scan(call, PROD, plan);
}

static cr_status plan_cummax(const cpu_call *call, cr_plan **plan)
{
    return plan_scan(call, MAX, plan);
}

static cr_status plan_cummin(const cpu_call *call, cr_plan **plan)
{
    return plan_scan(call, MIN, plan);
}

static cr_status plan_logcumsumexp(const cpu_call *call, cr_plan **plan)
{
    return plan_scan(call, LSE, plan);
}

const cpu_op CPU_NAME(cpu_family_scan)[] = {
    {"cumsum", plan_cumsum}, {"cumprod", plan_cumprod},           {"cummax", plan_cummax},
    {"cummin", plan_cummin}, {"logcumsumexp", plan_logcumsumexp}, {NULL, NULL},
};
