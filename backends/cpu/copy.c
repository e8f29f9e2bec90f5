/* Copies between any strides and dtypes. Four ways: dense to dense, which is a stream of bytes or of conversions; a
 * transposing copy in tiles, where the input is dense along another dimension than the output; rows that both have; and runs for
 * the rest. */
#include "ahead.h"
#include "convert.h"
#include "cpu.h"
#include "space.h"
#include "simd.h"
#include "transpose.h"

#include <string.h>

enum { BLOCK = 512, TILE = 64, LINE = 64 /* bytes */ };

typedef struct copy_plan {
    struct cr_plan base;
    int in_at, out_at;
    int64_t in_size, out_size; /* bytes of an element */
    int64_t numel;
    int rank;
    int64_t size[CR_MAX_RANK], in_stride[CR_MAX_RANK], out_stride[CR_MAX_RANK]; /* bytes */
    bool in_flat, out_flat, in_row, out_row, stream;
    double cost;
    cpu_convert convert; /* null between equal dtypes */
} copy_plan;

typedef struct copy_job {
    const copy_plan *plan;
    const char *in;
    char *out;
    bool apart; /* in memory */
} copy_job;

/* ---- dense to dense ---- */

static void flat_range(void *context, int64_t begin, int64_t end)
{
    const copy_job *job = context;
    const copy_plan *p = job->plan;
    const char *in = job->in + begin * p->in_size;
    char *out = job->out + begin * p->out_size;
    if (!p->stream) {
        if (p->convert)
            p->convert(end - begin, in, out);
        else
            memmove(out, in, (size_t)((end - begin) * p->out_size));
        return;
    }
    if (!p->convert) {
        CPU_NAME(cpu_stream)((size_t)((end - begin) * p->out_size), in, out);
        return;
    }
    _Alignas(64) char block[BLOCK * 8];
    for (int64_t i = begin; i < end; i += BLOCK) {
        int64_t n = end - i < BLOCK ? end - i : BLOCK;
        p->convert(n, job->in + i * p->in_size, block);
        CPU_NAME(cpu_stream)((size_t)(n * p->out_size), block, job->out + i * p->out_size);
    }
}

/* ---- rows ---- */

/* Rows along the dimension before the last. Those to come are asked for: the processor does not foresee short ones that lie apart. */
CPU_INLINE void copy_rows_of(const copy_plan *p, bool lines, const char *in, char *out,
                             int64_t rows)
{
    enum { AHEAD = 8 };
    typedef struct __attribute__((may_alias, packed)) line {
        char bytes[LINE];
    } line;
    const int64_t last = p->rank - 1, n = p->size[last];
    const int64_t in_step = p->in_stride[last - 1], out_step = p->out_stride[last - 1];
    for (int64_t r = 0; r < rows; r++, in += in_step, out += out_step) {
        cpu_ask(in, AHEAD * in_step, n * p->in_size);
        cpu_ask(out, AHEAD * out_step, n * p->out_size);
        if (p->convert)
            p->convert(n, in, out);
        else if (lines)
            for (int64_t b = 0; b < n * p->out_size; b += LINE)
                *(line *)(void *)(out + b) = *(const line *)(const void *)(in + b);
        else
            memmove(out, in, (size_t)(n * p->out_size));
    }
}

static void rows_range(void *context, int64_t begin, int64_t end)
{
    const copy_job *job = context;
    const copy_plan *p = job->plan;
    const int before = p->rank - 1;
    const int64_t bytes = p->size[before] * p->out_size;
    int64_t at[CR_MAX_RANK];
    cpu_locate(before, p->size, begin, at);
    for (int64_t i = begin, n; i < end; i += n) {
        const int64_t left = p->size[before - 1] - at[before - 1];
        n = left < end - i ? left : end - i;
        const char *in = job->in + cpu_place(before, at, p->in_stride);
        char *out = job->out + cpu_place(before, at, p->out_stride);
        if (job->apart && bytes % LINE == 0 && bytes <= 16 * LINE)
            copy_rows_of(p, true, in, out, n);
        else
            copy_rows_of(p, false, in, out, n);
        cpu_advance(before, p->size, at, n);
    }
}

/* ---- runs, with one side at least whose rows lie apart ---- */

static void any_range(void *context, int64_t begin, int64_t end)
{
    const copy_job *job = context;
    const copy_plan *p = job->plan;
    _Alignas(64) char raw[BLOCK * 8], converted[BLOCK * 8];
    int64_t at[CR_MAX_RANK], last = p->rank - 1;
    cpu_locate(p->rank, p->size, begin, at);
    for (int64_t i = begin, n; i < end; i += n) {
        n = end - i < BLOCK ? end - i : BLOCK;
        if (p->in_row || p->out_row) /* rows that are used in place */
            n = n < p->size[last] - at[last] ? n : p->size[last] - at[last];
        const char *in =
            p->in_flat ? job->in + i * p->in_size : job->in + cpu_place(p->rank, at, p->in_stride);
        char *out = p->out_flat ? job->out + i * p->out_size
                                : job->out + cpu_place(p->rank, at, p->out_stride);
        bool direct = p->out_flat || p->out_row;
        if (!p->in_flat && !p->in_row) {
            char *to = direct && !p->convert ? out : raw;
            CPU_NAME(cpu_gather_run)
            (p->rank, p->size, p->in_stride, at, n, (size_t)p->in_size, job->in, to);
            in = to;
        }
        if (p->convert) {
            char *to = direct ? out : converted;
            p->convert(n, in, to);
            in = to;
        }
        if (!direct)
            CPU_NAME(cpu_scatter_run)
        (p->rank, p->size, p->out_stride, at, n, (size_t)p->out_size, in, job->out);
        cpu_advance(p->rank, p->size, at, n);
    }
}

/* ---- transposing ---- */

/* `rows` along the crossing dimension, where the input is dense, and `columns` from `begin` on along the last, where the output
 * is. */
typedef struct copy_tile {
    const char *in;
    char *out;
    int64_t rows, begin, columns;
} copy_tile;

/* Up to `width` columns wide. */
static copy_tile tile_at(const copy_job *job, const int64_t *at, int64_t width)
{
    const copy_plan *p = job->plan;
    int64_t last = p->rank - 2, cross = p->rank - 1, begin = at[last] * TILE;
    copy_tile t = {job->in, job->out, p->size[cross] - at[cross] * TILE, begin,
                   p->size[last] - begin};
    t.rows = t.rows < TILE ? t.rows : TILE;
    t.columns = t.columns < width ? t.columns : width;
    for (int d = 0; d < p->rank; d++) {
        int64_t place = d < last ? at[d] : at[d] * TILE;
        t.in += place * p->in_stride[d];
        t.out += place * p->out_stride[d];
    }
    return t;
}

static void turn_tile(const copy_plan *p, const copy_tile *t)
{
    int64_t last = p->rank - 2, cross = p->rank - 1;
    if (!p->convert) {
        CPU_NAME(cpu_transpose_tile)
        ((size_t)p->in_size, t->rows, t->columns, t->in, p->in_stride[last], t->out,
         p->out_stride[cross]);
        return;
    }
    _Alignas(64) char tile[TILE * TILE * 8];
    CPU_NAME(cpu_transpose_tile)
    ((size_t)p->in_size, t->rows, t->columns, t->in, p->in_stride[last], tile, TILE * p->in_size);
    for (int64_t r = 0; r < t->rows; r++)
        p->convert(t->columns, tile + r * TILE * p->in_size, t->out + r * p->out_stride[cross]);
}

/* The same around the cache, which takes whole lines of the output: where a row does not begin with a line, its parts of the
 * tiles begin up to a line later than the tiles do, and end so. The tile has up to `pitch` columns. */
static void stream_tile(const copy_plan *p, const copy_tile *t, int64_t pitch)
{
    enum { WIDTH = TILE + LINE };
    int64_t last = p->rank - 2, cross = p->rank - 1, left = p->size[last] - t->begin;
    _Alignas(LINE) char tile[TILE * WIDTH * 8], row[WIDTH * 8];
    CPU_NAME(cpu_transpose_tile)
    ((size_t)p->in_size, t->rows, t->columns, t->in, p->in_stride[last], tile, pitch * p->in_size);
    for (int64_t r = 0; r < t->rows; r++) {
        char *to = t->out + r * p->out_stride[cross];
        const char *from = tile + r * pitch * p->in_size;
        int64_t late = (int64_t)(-(uintptr_t)to % LINE) / p->out_size, skip = t->begin ? late : 0;
        int64_t end = left > TILE && TILE + late < t->columns ? TILE + late : t->columns;
        if (end <= skip)
            continue;
        if (p->convert) {
            p->convert(end, from, row);
            from = row;
        }
        CPU_NAME(cpu_stream_part)
        ((size_t)((end - skip) * p->out_size), from + skip * p->out_size, to + skip * p->out_size);
    }
}

/* Asks for the lines of a tile whose columns lie apart, which the processor does not foresee. (Inlined, for GCC 12 leaves out a
 * function of nothing but prefetches, as one without effect.) */
CPU_INLINE void fetch_tile(const copy_plan *p, const copy_tile *t)
{
    const int64_t apart = p->in_stride[p->rank - 2];
    if (apart <= TILE * p->in_size)
        return;
    const char *column = t->in;
    for (int64_t c = 0; c < t->columns; c++, column += apart)
        for (int64_t b = 0; b < t->rows * p->in_size; b += LINE)
            __builtin_prefetch(column + b);
}

/* Tiles are numbered along the crossing dimension first, so that the input is read in long pieces, then along the last one,
 * then the others. */
static void tiles_range(void *context, int64_t begin, int64_t end)
{
    const copy_job *job = context;
    const copy_plan *p = job->plan;
    int64_t last = p->rank - 2, count[CR_MAX_RANK], at[CR_MAX_RANK];
    bool lines = (uintptr_t)job->out % LINE == 0;
    for (int d = 0; d < p->rank; d++) {
        count[d] = d < last ? p->size[d] : (p->size[d] + TILE - 1) / TILE;
        lines = lines && (d == last || p->out_stride[d] % LINE == 0);
    }
    const int64_t width = TILE + (p->stream && !lines ? LINE / p->out_size : 0);
    cpu_locate(p->rank, count, begin, at);
    copy_tile next = tile_at(job, at, width);
    for (int64_t i = begin; i < end; i++) {
        const copy_tile t = next;
        cpu_advance(p->rank, count, at, 1);
        if (i + 1 < end) {
            next = tile_at(job, at, width);
            if (p->stream)
                fetch_tile(p, &next);
        }
        if (p->stream)
            stream_tile(p, &t, width);
        else
            turn_tile(p, &t);
    }
    if (p->stream)
        CPU_NAME(cpu_stream_end)();
}

/* ---- runs and plans ---- */

static cr_status flat_run(cr_plan *plan, const cr_run *run)
{
    const copy_plan *p = (const copy_plan *)plan;
    copy_job job = {p, cpu_at(run, p->in_at), cpu_at(run, p->out_at), false};
    cpu_parallel(p->numel, BLOCK, p->cost, flat_range, &job);
    return CR_OK;
}

/* Bytes from a value's first element to the end of its last one. */
static int64_t extent(const copy_plan *p, const int64_t *stride, int64_t size)
{
    int64_t place = 0;
    for (int d = 0; d < p->rank; d++)
        place += (p->size[d] - 1) * stride[d];
    return place + size;
}

static cr_status rows_run(cr_plan *plan, const cr_run *run)
{
    const copy_plan *p = (const copy_plan *)plan;
    copy_job job = {p, cpu_at(run, p->in_at), cpu_at(run, p->out_at), false};
    const uintptr_t in = (uintptr_t)job.in, out = (uintptr_t)job.out;
    job.apart = in + (uintptr_t)extent(p, p->in_stride, p->in_size) <= out ||
                out + (uintptr_t)extent(p, p->out_stride, p->out_size) <= in;
    const int64_t n = p->size[p->rank - 1];
    if (p->numel)
        cpu_parallel(p->numel / n, 1, p->cost * (double)n, rows_range, &job);
    return CR_OK;
}

static cr_status any_run(cr_plan *plan, const cr_run *run)
{
    const copy_plan *p = (const copy_plan *)plan;
    copy_job job = {p, cpu_at(run, p->in_at), cpu_at(run, p->out_at), false};
    if (p->numel)
        cpu_parallel(p->numel, 1, p->cost, any_range, &job);
    return CR_OK;
}

static cr_status tiles_run(cr_plan *plan, const cr_run *run)
{
    const copy_plan *p = (const copy_plan *)plan;
    copy_job job = {p, cpu_at(run, p->in_at), cpu_at(run, p->out_at), false};
    int64_t tiles = 1;
    for (int d = 0; d < p->rank; d++)
        tiles *= d < p->rank - 2 ? p->size[d] : (p->size[d] + TILE - 1) / TILE;
    if (p->numel)
        cpu_parallel(tiles, 1, p->cost * (double)p->numel / (double)tiles, tiles_range, &job);
    return CR_OK;
}

static bool is_flat(const copy_plan *p, const int64_t *stride, int64_t step)
{
    for (int d = p->rank - 1; d >= 0; d--) {
        if (stride[d] != step)
            return false;
        step *= p->size[d];
    }
    return true;
}

/* For tiles_run: dimension d, along which the input is dense, changes places until it is the last. What doesn't fit the
 * second-level cache goes around it: writing a line there would first read it. */
static void cross_last(copy_plan *p, int d)
{
    enum { SMALL = 4 << 20, LINES = 4 * 64 };
    for (; d < p->rank - 1; d++) {
        int64_t *of[3] = {p->size, p->in_stride, p->out_stride};
        for (int k = 0; k < 3; k++) {
            int64_t kept = of[k][d];
            of[k][d] = of[k][d + 1];
            of[k][d + 1] = kept;
        }
    }
    p->stream = p->numel * (p->in_size + p->out_size) >= SMALL &&
                p->size[p->rank - 2] * p->out_size >= LINES;
    p->cost *= 2;
    p->base.run = tiles_run;
}

static cr_status plan_copy(const cpu_call *call, cr_plan **plan)
{
    if (call->nin < 1 || call->nout != 1 || !call->in[0] || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *in = call->in[0], *out = call->out[0], *metas[2] = {out, in};
    if (in->rank != out->rank || memcmp(in->size, out->size, (size_t)in->rank * sizeof *in->size))
        return CR_UNSUPPORTED;
    copy_plan *p = cpu_plan_new(sizeof *p, any_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->in_at = call->in_at[0];
    p->out_at = call->out_at[0];
    p->in_size = (int64_t)cpu_dtype_size(in->dtype);
    p->out_size = (int64_t)cpu_dtype_size(out->dtype);
    p->numel = cpu_numel(out);
    p->convert = in->dtype == out->dtype ? NULL : CPU_NAME(cpu_convert_loop)(in->dtype, out->dtype);
    p->cost = 0.04 * (double)(p->in_size + p->out_size);
    int64_t strides[2][CR_MAX_RANK];
    p->rank = cpu_coalesce(2, metas, p->size, strides);
    for (int d = 0; d < p->rank; d++) {
        p->out_stride[d] = strides[0][d] * p->out_size;
        p->in_stride[d] = strides[1][d] * p->in_size;
    }
    p->in_flat = is_flat(p, p->in_stride, p->in_size);
    p->out_flat = is_flat(p, p->out_stride, p->out_size);
    p->stream = CPU_NAME(cpu_worth_streaming)(p->numel * (p->in_size + p->out_size));
    *plan = &p->base;
    if (p->in_flat && p->out_flat) {
        p->base.run = flat_run;
        return CR_OK;
    }
    int last = p->rank - 1;
    p->in_row = !p->in_flat && p->in_stride[last] == p->in_size && p->size[last] >= 32;
    p->out_row = !p->out_flat && p->out_stride[last] == p->out_size && p->size[last] >= 32;
    for (int d = 0; d < last; d++)
        if (p->in_stride[d] == p->in_size && p->in_stride[last] > p->in_size &&
            p->out_stride[last] == p->out_size && p->size[d] >= 4 && p->size[last] >= 4) {
            cross_last(p, d);
            break;
        }
    if (p->base.run == any_run && !p->in_row && !p->in_flat)
        p->cost += 0.3;
    else if (p->base.run == any_run && (p->out_row || p->out_flat) && p->rank > 1)
        p->base.run = rows_run;
    return CR_OK;
}

const cpu_op CPU_NAME(cpu_family_copy)[] = {
    {"copy", plan_copy},
    {NULL, NULL},
};
