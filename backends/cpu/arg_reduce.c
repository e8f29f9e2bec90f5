/* argmax and argmin, along rows and by columns. See reduce.c, whose ways they share on one dimension. */
#include "half.h"
#include "reduce.h"
#include "space.h"

#include <stdlib.h>

enum { BLOCK = 512, COLUMNS = 256 };

/* best[j] takes in x[j], the r-th term, and place[j] its number. The first of equals stays, the first NaN too. */
typedef void (*arg_columns)(int64_t n, const void *x, int64_t r, void *best, int64_t *place);

#define ARG_COLUMNS(name, T, better)                                                    \
    static void name(int64_t n, const void *x_, int64_t r, void *best_, int64_t *place) \
    {                                                                                   \
        const T *x = x_;                                                                \
        T *best = best_;                                                                \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                             \
        {                                                                               \
            T y = x[i], b = best[i];                                                    \
            int wins = (y better b) | ((y != y) & (b == b)) | (r == 0);                 \
            best[i] = wins ? y : b;                                                     \
            place[i] = wins ? r : place[i];                                             \
        }                                                                               \
    }
#define BOTH(s, T)             \
    ARG_COLUMNS(max_##s, T, >) \
    ARG_COLUMNS(min_##s, T, <)
BOTH(f64, double)
BOTH(f32, float)
BOTH(i64, int64_t)
BOTH(i32, int32_t)
BOTH(i16, int16_t)
BOTH(i8, int8_t)
BOTH(u8, uint8_t)

#define KERNELS(op)                                                                         \
    {                                                                                       \
        [CR_F64] = op##_f64, [CR_F32] = op##_f32, [CR_I64] = op##_i64, [CR_I32] = op##_i32, \
        [CR_I16] = op##_i16, [CR_I8] = op##_i8, [CR_U8] = op##_u8, [CR_B8] = op##_u8        \
    }
static const arg_columns column_kernels[2][CPU_NDTYPES] = {KERNELS(max), KERNELS(min)};

typedef struct arg_plan {
    struct cr_plan base;
    int in_at, out_at;
    cpu_parts parts;
    cpu_find_extreme find;
    arg_columns columns;
    cpu_convert widen;
    int32_t kernel_dtype;
    int64_t in_size, kernel_size, term_stride;
    bool by_columns;
    int64_t tiles, inner, inner_tiles;
} arg_plan;

typedef struct arg_job {
    const arg_plan *plan;
    const char *in;
    char *out;
} arg_job;

/* Blocks of a row are found separately and compared as terms of one column. */
static int64_t along_row(const arg_plan *p, const char *in)
{
    _Alignas(64) char raw[BLOCK * 8], wide[BLOCK * 8];
    uint64_t best = 0, value = 0;
    int64_t place = 0, first = 0, terms = p->parts.terms;
    if (!p->widen && p->term_stride == p->in_size)
        return p->find(terms, in, &value);
    for (int64_t i = 0; i < terms; i += BLOCK) {
        int64_t n = terms - i < BLOCK ? terms - i : BLOCK, was = place;
        const void *x = raw;
        CPU_NAME(cpu_load_strided)
        ((size_t)p->in_size, n, in + i * p->term_stride, p->term_stride, raw);
        if (p->widen) {
            p->widen(n, raw, wide);
            x = wide;
        }
        int64_t at = p->find(n, x, &value);
        p->columns(1, &value, i, &best, &place);
        first = place != was || i == 0 ? at : first;
    }
    return place + first;
}

static void by_columns(const arg_plan *p, const char *in, int64_t n, int64_t *place)
{
    _Alignas(64) char raw[COLUMNS * 8], wide[COLUMNS * 8], best[COLUMNS * 8] = {0};
    int64_t stride = p->parts.kept_in[p->parts.kept - 1];
    for (int64_t r = 0; r < p->parts.terms; r++) {
        const void *x = in + r * p->term_stride;
        if (stride != p->in_size) {
            CPU_NAME(cpu_load_strided)((size_t)p->in_size, n, x, stride, raw);
            x = raw;
        }
        if (p->widen) {
            p->widen(n, x, wide);
            x = wide;
        }
        p->columns(n, x, r, best, place);
    }
}

static void arg_range(void *context, int64_t begin, int64_t end)
{
    const arg_job *job = context;
    const arg_plan *p = job->plan;
    const cpu_parts *parts = &p->parts;
    for (int64_t i = begin; i < end; i++) {
        int64_t at[CR_MAX_RANK] = {0}, place[COLUMNS] = {0};
        if (!p->by_columns) {
            cpu_locate(parts->kept, parts->kept_size, i, at);
            place[0] = along_row(p, job->in + cpu_place(parts->kept, at, parts->kept_in));
            *(int64_t *)(void *)(job->out + cpu_place(parts->kept, at, parts->kept_out)) = place[0];
            continue;
        }
        int last = parts->kept - 1;
        cpu_locate(last, parts->kept_size, i / p->inner_tiles, at);
        at[last] = i % p->inner_tiles * COLUMNS;
        int64_t n = p->inner - at[last] < COLUMNS ? p->inner - at[last] : COLUMNS;
        by_columns(p, job->in + cpu_place(parts->kept, at, parts->kept_in), n, place);
        CPU_NAME(cpu_store_strided)
        (8, n, place, job->out + cpu_place(parts->kept, at, parts->kept_out),
         parts->kept_out[last]);
    }
}

static cr_status arg_run(cr_plan *plan, const cr_run *run)
{
    const arg_plan *p = (const arg_plan *)plan;
    arg_job job = {p, cpu_at(run, p->in_at), cpu_at(run, p->out_at)};
    int64_t width = p->by_columns ? p->inner < COLUMNS ? p->inner : COLUMNS : 1;
    cpu_parallel(p->tiles, 1, 20 + 0.3 * (double)p->parts.terms * (double)width, arg_range, &job);
    return CR_OK;
}

static cr_status plan_arg(const cpu_call *call, cpu_reduction reduction, cr_plan **plan)
{
    uint32_t dims;
    if (call->nin < 1 || call->nout != 1 || !call->in[0] || !call->out[0] ||
        !cpu_dims_of(call, &dims))
        return CR_UNSUPPORTED;
    const cr_meta *in = call->in[0], *out = call->out[0];
    if (out->dtype != CR_I64 || (dims & (dims - 1) && !cpu_is_contiguous(in)))
        return CR_UNSUPPORTED;
    arg_plan *p = cpu_plan_new(sizeof *p, arg_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    cpu_parts *parts = &p->parts;
    if (!cpu_parts_of(parts, in, out, dims) || parts->reduced > 1 ||
        (parts->terms == 0 && parts->outputs)) {
        free(p);
        return CR_UNSUPPORTED;
    }
    p->in_at = call->in_at[0];
    p->out_at = call->out_at[0];
    p->kernel_dtype = cpu_kernel_dtype(in->dtype);
    p->in_size = (int64_t)cpu_dtype_size(in->dtype);
    p->kernel_size = (int64_t)cpu_dtype_size(p->kernel_dtype);
    p->widen = in->dtype == p->kernel_dtype
                   ? NULL
                   : CPU_NAME(cpu_convert_loop)(in->dtype, p->kernel_dtype);
    p->find = CPU_NAME(cpu_extreme_of)(reduction, p->kernel_dtype);
    p->columns = column_kernels[reduction == CPU_MIN][p->kernel_dtype];
    p->term_stride = parts->reduced ? parts->reduced_in[0] : p->in_size;
    p->by_columns =
        parts->kept && parts->reduced && parts->kept_in[parts->kept - 1] < p->term_stride;
    p->tiles = parts->outputs;
    if (p->by_columns) {
        p->inner = parts->kept_size[parts->kept - 1];
        p->inner_tiles = (p->inner + COLUMNS - 1) / COLUMNS;
        p->tiles = p->inner ? parts->outputs / p->inner * p->inner_tiles : 0;
    }
    *plan = &p->base;
    return CR_OK;
}

static cr_status plan_argmax(const cpu_call *call, cr_plan **plan)
{
    return plan_arg(call, CPU_MAX, plan);
}

static cr_status plan_argmin(const cpu_call *call, cr_plan **plan)
{
    return plan_arg(call, CPU_MIN, plan);
}

const cpu_op CPU_NAME(cpu_family_arg_reduce)[] = {
    {"argmax", plan_argmax},
    {"argmin", plan_argmin},
    {NULL, NULL},
};
