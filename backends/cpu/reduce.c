/* Plans and runs sum, prod, amax, amin, any and all. Two ways: along rows, where the input is dense along a reduced
 * dimension, one output after the other; and by columns, where it is dense along a kept one, a vector of outputs at once.
 * The terms of an output are added up in an order that depends on sizes alone: where there are few outputs, fixed chunks of
 * the terms are reduced by whatever thread is free, and joined in order. */
#include "reduce.h"
#include "space.h"

#include <stdlib.h>

enum {
    BLOCK = 512,                /* elements that pass through a buffer */
    COLUMNS = 512,              /* accumulators of a tile */
    CHUNK = 1 << 14,            /* elements that a chunk reads, roughly, */
    CHUNK_OF_COLUMNS = 1 << 16, /* by columns, where one thread joins the chunks' many results */
    FEW = 16,                   /* tiles, under which terms are cut in chunks */
    DIRECT_ROW = 64             /* elements from which on rows are read in place */
};

typedef struct reduce_plan {
    struct cr_plan base;
    int in_at, out_at;
    cpu_parts parts;
    const cpu_reducer *kernels;
    int32_t in_dtype, out_dtype, kernel_dtype;
    int64_t in_size, kernel_size, acc_size, out_size;
    cpu_convert widen, finish; /* input to kernel, null if equal; accumulator to output */
    bool by_columns;
    int64_t tiles,
        tile; /* by columns: outputs along the last kept dimension are done `tile` at a time */
    int64_t inner, inner_tiles;
    int64_t wide;          /* by columns: how many terms lie side by side and are read as one row */
    int64_t chunk, chunks; /* terms */
    size_t partials;       /* offset in the workspace */
    double cost;           /* of a tile's chunk */
} reduce_plan;

typedef struct reduce_job {
    const reduce_plan *plan;
    const char *in;
    char *out, *partials;
} reduce_job;

static void identity(const reduce_plan *p, int64_t n, void *acc)
{
    uint64_t one = 0;
    CPU_NAME(cpu_store_number)(&p->kernels->identity, p->kernels->acc_dtype, &one);
    CPU_NAME(cpu_load_strided)((size_t)p->acc_size, n, (const char *)&one, 0, acc);
}

/* ---- along rows: the terms begin..end of one output into acc ---- */

static void reduce_rows(const reduce_plan *p, const char *in, int64_t begin, int64_t end, void *acc)
{
    const cpu_parts *parts = &p->parts;
    _Alignas(64) char raw[BLOCK * 8], wide[BLOCK * 8];
    int64_t at[CR_MAX_RANK] = {0}, last = parts->reduced - 1;
    if (parts->reduced == 0) {
        const void *x = in;
        if (p->widen) {
            p->widen(1, in, wide);
            x = wide;
        }
        p->kernels->row(1, x, acc);
        return;
    }
    bool dense = parts->reduced_in[last] == p->in_size &&
                 (parts->reduced == 1 || parts->reduced_size[last] >= DIRECT_ROW);
    cpu_locate(parts->reduced, parts->reduced_size, begin, at);
    for (int64_t i = begin, n; i < end; i += n) {
        const void *x = raw;
        n = end - i;
        if (dense) {
            int64_t left = parts->reduced_size[last] - at[last];
            n = n < left ? n : left;
            n = p->widen && n > BLOCK ? BLOCK : n;
            x = in + cpu_place(parts->reduced, at, parts->reduced_in);
        } else {
            n = n < BLOCK ? n : BLOCK;
            CPU_NAME(cpu_gather_run)
            (parts->reduced, parts->reduced_size, parts->reduced_in, at, n, (size_t)p->in_size, in,
             raw);
        }
        if (p->widen) {
            p->widen(n, x, wide);
            x = wide;
        }
        p->kernels->row(n, x, acc);
        cpu_advance(parts->reduced, parts->reduced_size, at, n);
    }
}

/* ---- by columns: the terms begin..end of w neighbouring outputs into acc[w] ---- */

static void add_columns(const reduce_plan *p, const char *in, int64_t stride, int64_t n, void *acc)
{
    _Alignas(64) char raw[COLUMNS * 8], wide[COLUMNS * 8];
    const void *x = in;
    if (stride != p->in_size) {
        CPU_NAME(cpu_load_strided)((size_t)p->in_size, n, in, stride, raw);
        x = raw;
    }
    if (p->widen) {
        p->widen(n, x, wide);
        x = wide;
    }
    p->kernels->columns(n, x, acc);
}

static void reduce_columns(const reduce_plan *p, const char *in, int64_t w, int64_t begin,
                           int64_t end, char *acc)
{
    const cpu_parts *parts = &p->parts;
    int64_t at[CR_MAX_RANK] = {0}, last = parts->reduced - 1,
            stride = parts->kept_in[parts->kept - 1];
    cpu_locate(parts->reduced, parts->reduced_size, begin, at);
    int64_t i = begin;
    if (p->wide > 1 && w == p->inner && end - begin >= p->wide) {
        /* Neighbouring terms are one row of wide · w accumulators, folded at the end. */
        _Alignas(64) char lanes[COLUMNS * 8];
        identity(p, p->wide * w, lanes);
        while (i < end) {
            int64_t n = parts->reduced_size[last] - at[last];
            n = n < p->wide ? n : p->wide;
            n = n < end - i ? n : end - i;
            add_columns(p, in + cpu_place(parts->reduced, at, parts->reduced_in), stride, n * w,
                        lanes);
            cpu_advance(parts->reduced, parts->reduced_size, at, n);
            i += n;
        }
        for (int64_t k = 0; k < p->wide; k++)
            p->kernels->merge(w, lanes + k * w * p->acc_size, acc);
        return;
    }
    const char *row = in + cpu_place(parts->reduced, at, parts->reduced_in);
    for (; i < end; i++) {
        add_columns(p, row, stride, w, acc);
        row += last >= 0 ? parts->reduced_in[last] : 0;
        if (last >= 0 && ++at[last] == parts->reduced_size[last] && i + 1 < end) {
            at[last] = parts->reduced_size[last] - 1;
            cpu_advance(parts->reduced, parts->reduced_size, at, 1);
            row = in + cpu_place(parts->reduced, at, parts->reduced_in);
        }
    }
}

/* ---- tiles ---- */

/* Where tile t begins in input and output; returns how many outputs it has. */
static int64_t tile_at(const reduce_plan *p, int64_t t, int64_t *in, int64_t *out)
{
    const cpu_parts *parts = &p->parts;
    int64_t at[CR_MAX_RANK] = {0}, n = 1, first = 0, rank = parts->kept;
    if (p->by_columns) {
        first = t % p->inner_tiles * p->tile;
        n = p->inner - first < p->tile ? p->inner - first : p->tile;
        t /= p->inner_tiles;
        rank--;
    }
    cpu_locate((int)rank, parts->kept_size, t, at);
    at[rank] = first;
    if (p->by_columns)
        rank++;
    *in = cpu_place((int)rank, at, parts->kept_in);
    *out = cpu_place((int)rank, at, parts->kept_out);
    return n;
}

static void finish(const reduce_plan *p, int64_t n, const void *acc, char *out)
{
    _Alignas(64) char done[COLUMNS * 8];
    int64_t stride = p->by_columns ? p->parts.kept_out[p->parts.kept - 1] : p->out_size;
    if (stride == p->out_size) {
        p->finish(n, acc, out);
        return;
    }
    p->finish(n, acc, done);
    CPU_NAME(cpu_store_strided)((size_t)p->out_size, n, done, out, stride);
}

static void reduce_range(void *context, int64_t begin, int64_t end)
{
    const reduce_job *job = context;
    const reduce_plan *p = job->plan;
    _Alignas(64) char own[COLUMNS * 8];
    for (int64_t i = begin; i < end; i++) {
        /* Chunks of the same terms together: of a matrix that threads wrote by rows each has its own. */
        int64_t in, out, t = i % p->tiles, c = i / p->tiles, n = tile_at(p, t, &in, &out);
        int64_t first = c * p->chunk, terms = p->parts.terms;
        int64_t last = terms - first < p->chunk ? terms : first + p->chunk;
        char *acc =
            job->partials ? job->partials + (t * p->chunks + c) * p->tile * p->acc_size : own;
        identity(p, n, acc);
        if (first < last && p->by_columns)
            reduce_columns(p, job->in + in, n, first, last, acc);
        else if (first < last)
            reduce_rows(p, job->in + in, first, last, acc);
        if (!job->partials)
            finish(p, n, acc, job->out + out);
    }
}

static cr_status reduce_run(cr_plan *plan, const cr_run *run)
{
    const reduce_plan *p = (const reduce_plan *)plan;
    reduce_job job = {.plan = p, .in = cpu_at(run, p->in_at), .out = cpu_at(run, p->out_at)};
    if (p->chunks > 1)
        job.partials = (char *)run->workspace.buffer + run->workspace.offset + p->partials;
    cpu_parallel(p->tiles * p->chunks, 1, p->cost, reduce_range, &job);
    for (int64_t t = 0; job.partials && t < p->tiles; t++) {
        int64_t in, out, n = tile_at(p, t, &in, &out), step = p->tile * p->acc_size;
        char *acc = job.partials + t * p->chunks * step;
        for (int64_t c = 1; c < p->chunks; c++)
            p->kernels->merge(n, acc + c * step, acc);
        finish(p, n, acc, job.out + out);
    }
    return CR_OK;
}

/* ---- plans ---- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static void choose_way(reduce_plan *p)
{
    const cpu_parts *parts = &p->parts;
    int64_t kept_step = parts->kept ? parts->kept_in[parts->kept - 1] : INT64_MAX;
    int64_t reduced_step = parts->reduced ? parts->reduced_in[parts->reduced - 1] : INT64_MAX;
    p->by_columns = parts->kept && (kept_step < reduced_step || parts->reduced == 0);
    p->tile = p->inner = p->inner_tiles = p->wide = 1;
    if (p->by_columns) {
        p->inner = parts->kept_size[parts->kept - 1];
        p->tile = p->inner < COLUMNS ? p->inner : COLUMNS;
        p->inner_tiles = p->tile ? ceil_div(p->inner, p->tile) : 0;
        p->tiles = p->inner ? parts->outputs / p->inner * p->inner_tiles : 0;
        if (parts->reduced && p->inner && p->inner <= COLUMNS / 4 && kept_step == p->in_size &&
            reduced_step == p->inner * p->in_size)
            p->wide = COLUMNS / p->inner;
    } else {
        p->tiles = parts->outputs;
    }
    p->chunk = parts->terms ? parts->terms : 1;
    p->chunks = 1;
    if (p->tiles && p->tiles < FEW && parts->terms > 1 && parts->terms * p->tile > 2 * CHUNK) {
        /* As many that two threads, or four, have the same to do. */
        int64_t most = (p->tile > 64 ? CHUNK_OF_COLUMNS : CHUNK) / p->tile;
        most = most > 16 ? most : 16;
        int64_t wanted = ceil_div(ceil_div(parts->terms, most), 4) * 4;
        p->chunk = ceil_div(ceil_div(parts->terms, wanted), 16) * 16;
        p->chunks = ceil_div(parts->terms, p->chunk);
    }
    double each = p->by_columns ? 0.17 : p->widen || reduced_step == p->in_size ? 0.12 : 0.6;
    p->cost = 10 + each * (double)(p->chunk * p->tile);
}

static cr_status plan_reduce(const cpu_call *call, cpu_reduction reduction, bool of_bool,
                             cr_plan **plan)
{
    uint32_t dims;
    if (call->nin < 1 || call->nout != 1 || !call->in[0] || !call->out[0] ||
        !cpu_dims_of(call, &dims))
        return CR_UNSUPPORTED;
    const cr_meta *in = call->in[0], *out = call->out[0];
    bool extreme = reduction == CPU_MAX || reduction == CPU_MIN;
    if ((of_bool && (in->dtype != CR_B8 || out->dtype != CR_B8)) ||
        (extreme && in->dtype != out->dtype))
        return CR_UNSUPPORTED;
    reduce_plan *p = cpu_plan_new(sizeof *p, reduce_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->in_at = call->in_at[0];
    p->out_at = call->out_at[0];
    p->in_dtype = in->dtype;
    p->out_dtype = out->dtype;
    p->kernel_dtype = cpu_kernel_dtype(out->dtype);
    p->kernels = CPU_NAME(cpu_reducer_of)(reduction, p->kernel_dtype);
    p->in_size = (int64_t)cpu_dtype_size(in->dtype);
    p->out_size = (int64_t)cpu_dtype_size(out->dtype);
    p->kernel_size = (int64_t)cpu_dtype_size(p->kernel_dtype);
    *plan = &p->base;
    if (!p->kernels || !cpu_parts_of(&p->parts, in, out, dims) ||
        (extreme && p->parts.terms == 0 && p->parts.outputs && !of_bool)) {
        free(p);
        return CR_UNSUPPORTED;
    }
    p->acc_size = (int64_t)cpu_dtype_size(p->kernels->acc_dtype);
    p->widen = in->dtype == p->kernel_dtype
                   ? NULL
                   : CPU_NAME(cpu_convert_loop)(in->dtype, p->kernel_dtype);
    p->finish = CPU_NAME(cpu_convert_loop)(p->kernels->acc_dtype, out->dtype);
    choose_way(p);
    if (p->chunks > 1) {
        p->partials = call->info->workspace;
        call->info->workspace +=
            (size_t)(p->tiles * p->chunks * p->tile * p->acc_size + 63) / 64 * 64;
    }
    return CR_OK;
}

static cr_status plan_sum(const cpu_call *call, cr_plan **plan)
{
    return plan_reduce(call, CPU_SUM, false, plan);
}

static cr_status plan_prod(const cpu_call *call, cr_plan **plan)
{
    return plan_reduce(call, CPU_PROD, false, plan);
}

static cr_status plan_amax(const cpu_call *call, cr_plan **plan)
{
    return plan_reduce(call, CPU_MAX, false, plan);
}

static cr_status plan_amin(const cpu_call *call, cr_plan **plan)
{
    return plan_reduce(call, CPU_MIN, false, plan);
}

static cr_status plan_any(const cpu_call *call, cr_plan **plan)
{
    return plan_reduce(call, CPU_MAX, true, plan);
}

static cr_status plan_all(const cpu_call *call, cr_plan **plan)
{
    return plan_reduce(call, CPU_MIN, true, plan);
}

const cpu_op CPU_NAME(cpu_family_reduce)[] = {
    {"sum.dim_IntList", plan_sum},
    {"prod.dim_int", plan_prod},
    {"amax", plan_amax},
    {"amin", plan_amin},
    {"any.dims", plan_any},
    {"all.dims", plan_all},
    {NULL, NULL},
};
