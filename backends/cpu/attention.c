/* _blocked_attention and its backward: softmax(scale · q kᵀ + mask) v by blocks of rows, without ever holding all scores. The
 * softmax goes along, corrected as greater scores turn up (Milakov and Gimelshein, 2018; Dao et al., 2022); the backward works
 * the blocks' scores out again from each row's log Σ exp. */
#include "cpu_math.h"
#include "gemm_f32.h"
#include "gemm_memory.h"
#include "random.h"
#include "staged.h"
#include "transpose.h"
#include "variant.h"

#include <math.h>
#include <string.h>

/* ROWS at the most that are worked on together: the more, the less often sums along them are read and written. Where each row of a
 * causal mask sees some keys more than the one before, few of them, and a block of rows computes fewer that none sees. */
enum { PANEL = 64, ROWS = 60, CAUSAL_ROWS = 24, SHORT = 512, KEYS = 4 * PANEL };

/* How many elements apart batches, heads and rows lie; the elements of a row lie together. */
typedef struct att_strides {
    int64_t batch, head, row;
} att_strides;

/* A copy of an input where its rows lie beside one another: of all heads in the workspace, or of one. */
typedef struct att_rows {
    bool made;
    size_t offset;
    att_strides stride, alone;
} att_rows;

typedef struct att_plan {
    struct cr_plan base;
    int64_t batch, heads, targets, sources, width, values; /* widths of keys and of values */
    int64_t rows;                                          /* that are worked on together */
    bool causal, wide;
    int mask_kind; /* 0: none, 1: bools, 2: as computed */
    int mask_at, scale_at, dropout_at, seed_at, offset_at;
    int64_t mask_stride[4];
    cpu_stage stage[6], out[3]; /* forward: q k v | y lse; backward: g q k v y lse | dq dk dv */
    int nin, nout;
    att_strides in_stride[6], out_stride[3];
    size_t packed_k, packed_v, sums;
    att_rows close[6];  /* of inputs */
    int64_t head_reals; /* that a thread needs for a head of its own */
} att_plan;

/* Addresses of one run. */
typedef struct att_job {
    const att_plan *plan;
    double scale, dropout;
    uint64_t seed, offset;
    const void *q, *k, *v, *g, *y, *mask, *packed_k, *packed_v;
    void *to_pack_k, *to_pack_v, *sums; /* sums: of g · y, for each row */
    void *lse, *out, *dq, *dk, *dv;
    const att_strides *qs, *ks, *vs, *gs, *ys, *dqs, *dks, *dvs;
    bool want_q, want_kv;
    bool alone; /* what was packed is of one head */
    bool failed;
} att_job;

static int64_t panels_of(const att_plan *p)
{
    return (p->sources + PANEL - 1) / PANEL;
}

static int64_t blocks_of(const att_plan *p)
{
    return (p->targets + p->rows - 1) / p->rows;
}

/* Keys that some row below `end` sees. */
static int64_t keys_seen(const att_plan *p, int64_t end)
{
    return p->causal && end < p->sources ? end : p->sources;
}

/* What dropout multiplies n weights of a row with, from `key` on: 0 or 1 / (1 - p). A weight's number is the word of its place
 * among all scores. */
static void draw_keep(const att_job *j, int64_t head, int64_t row, int64_t key, int64_t n,
                      float *keep)
{
    enum { WORDS = 4 * CPU_PHILOX_BLOCKS };
    const int64_t first = (head * j->plan->targets + row) * j->plan->sources + key;
    const float p = (float)j->dropout, kept = (float)(1 / (1 - j->dropout));
    uint32_t words[WORDS];
    uint64_t block = j->offset + (uint64_t)(first / 4);
    for (int64_t i = -(first % 4); i < n; i += WORDS, block += CPU_PHILOX_BLOCKS) {
        CPU_NAME(cpu_philox)(j->seed, block, words);
        const int64_t from = i < 0 ? -i : 0, to = n - i < WORDS ? n - i : WORDS;
        for (int64_t w = from; w < to; w++)
            keep[i + w] = (float)(int32_t)(words[w] >> 8) * 0x1p-24f >= p ? kept : 0;
    }
}

/* Rows of a head, to lie beside one another. */
static void close_head(const att_plan *p, const cr_meta *m, const void *from, const att_strides *s,
                       int64_t head, void *to)
{
    const int64_t real = p->wide ? 8 : 4, rows = m->size[2], width = m->size[3];
    const int64_t first = head / p->heads * s->batch + head % p->heads * s->head;
    for (int64_t row = 0; row < rows; row++)
        memcpy((char *)to + row * width * real, (const char *)from + (first + row * s->row) * real,
               (size_t)(width * real));
}

#define REAL     float
#define EXP      cpu_expf
#define LOG      logf
#define NAME(x)  f32_##x
#define GEMM     CPU_NAME(cpu_sgemm)
#define GEMM_ARG cpu_sgemm_args
#include "attention_real.h"
#undef REAL
#undef EXP
#undef LOG
#undef NAME
#undef GEMM
#undef GEMM_ARG

#define REAL     double
#define EXP      exp
#define LOG      log
#define NAME(x)  f64_##x
#define GEMM     CPU_NAME(cpu_dgemm)
#define GEMM_ARG cpu_dgemm_args
#include "attention_real.h"

/* ---- runs ---- */

typedef struct closing {
    const att_plan *plan;
    const cr_meta *meta;
    const att_strides *from_stride;
    const char *from;
    char *to;
} closing;

static void close_heads(void *context, int64_t begin, int64_t end)
{
    const closing *c = context;
    const int64_t bytes = c->meta->size[2] * c->meta->size[3] * (c->plan->wide ? 8 : 4);
    for (int64_t head = begin; head < end; head++)
        close_head(c->plan, c->meta, c->from, c->from_stride, head, c->to + head * bytes);
}

/* Input i, and how it lies. */
static const void *fetch(const att_plan *p, const cr_run *run, int i, const att_strides **lies)
{
    *lies = &p->in_stride[i];
    return cpu_stage_fetch(&p->stage[i], run);
}

/* Input i of all heads where its rows lie beside one another. */
static void close_all(const att_plan *p, const cr_run *run, int i, const void **x,
                      const att_strides **lies)
{
    if (!p->close[i].made)
        return;
    const cr_meta *m = &p->stage[i].meta;
    closing c = {p, m, *lies, *x,
                 (char *)run->workspace.buffer + run->workspace.offset + p->close[i].offset};
    cpu_parallel(p->batch * p->heads, 1, (double)(m->size[2] * m->size[3]) * 0.3, close_heads, &c);
    *lies = &p->close[i].stride;
    *x = c.to;
}

/* Whether there are so many heads that each is one thread's alone. */
static bool by_heads(const att_plan *p)
{
    const int threads = cpu_host->num_threads(cpu_host);
    return threads == 1 || p->batch * p->heads >= 2 * threads;
}

/* Nanoseconds for one multiplication and addition of a block's products, roughly. */
static double cost_of(const att_plan *p)
{
    return p->wide ? 0.05 : 0.022;
}

static void pack_all(att_job *j, bool values)
{
    const att_plan *p = j->plan;
    int64_t count = p->batch * p->heads * panels_of(p);
    cpu_parallel(count, 1, (double)(PANEL * p->width) * 0.2, p->wide ? f64_pack_k : f32_pack_k, j);
    if (values)
        cpu_parallel(count, 1, (double)(PANEL * p->values) * 0.2, p->wide ? f64_pack_v : f32_pack_v,
                     j);
}

static att_job begin(const att_plan *p, const cr_run *run)
{
    char *workspace = (char *)run->workspace.buffer + run->workspace.offset;
    att_job j = {.plan = p, .scale = run->numbers[p->scale_at].f};
    j.dropout = p->dropout_at >= 0 ? run->numbers[p->dropout_at].f : 0;
    j.seed = p->seed_at >= 0 ? (uint64_t)run->numbers[p->seed_at].i : 0;
    j.offset = p->offset_at >= 0 ? (uint64_t)run->numbers[p->offset_at].i : 0;
    j.mask = p->mask_at >= 0 ? cpu_at(run, p->mask_at) : NULL;
    j.packed_k = j.to_pack_k = workspace + p->packed_k;
    j.packed_v = j.to_pack_v = workspace + p->packed_v;
    j.sums = workspace + p->sums;
    return j;
}

static cr_status finish(const att_plan *p, const cr_run *run, const att_job *j)
{
    if (j->failed)
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory to pack a head's keys");
    for (int i = 0; i < p->nout; i++)
        cpu_stage_put(&p->out[i], run);
    return CR_OK;
}

static cr_status forward_run(cr_plan *plan, const cr_run *run)
{
    const att_plan *p = (const att_plan *)plan;
    att_job j = begin(p, run);
    j.q = fetch(p, run, 0, &j.qs);
    j.k = fetch(p, run, 1, &j.ks);
    j.v = fetch(p, run, 2, &j.vs);
    j.out = cpu_stage_target(&p->out[0], run), j.ys = &p->out_stride[0];
    j.lse = cpu_stage_target(&p->out[1], run);
    const int64_t blocks = blocks_of(p);
    const double keys = (double)p->sources * (p->causal ? 0.5 : 1);
    const double block = (double)p->rows * keys * ((double)(p->width + p->values) * cost_of(p) + 1);
    if (by_heads(p)) {
        cpu_parallel(p->batch * p->heads, 1, block * (double)blocks,
                     p->wide ? f64_forward_heads : f32_forward_heads, &j);
    } else {
        close_all(p, run, 2, &j.v, &j.vs);
        pack_all(&j, false);
        cpu_parallel(p->batch * p->heads * blocks, 1, block, p->wide ? f64_forward : f32_forward,
                     &j);
    }
    return finish(p, run, &j);
}

static cr_status backward_run(cr_plan *plan, const cr_run *run)
{
    const att_plan *p = (const att_plan *)plan;
    att_job j = begin(p, run);
    j.g = fetch(p, run, 0, &j.gs);
    j.q = fetch(p, run, 1, &j.qs);
    j.k = fetch(p, run, 2, &j.ks);
    j.v = fetch(p, run, 3, &j.vs);
    j.y = fetch(p, run, 4, &j.ys);
    j.lse = cpu_stage_fetch(&p->stage[5], run);
    j.dq = cpu_stage_target(&p->out[0], run), j.dqs = &p->out_stride[0];
    j.dk = cpu_stage_target(&p->out[1], run), j.dks = &p->out_stride[1];
    j.dv = cpu_stage_target(&p->out[2], run), j.dvs = &p->out_stride[2];
    const int64_t heads = p->batch * p->heads, blocks = blocks_of(p);
    const int64_t chunks = (p->sources + KEYS - 1) / KEYS;
    double block =
        (double)(p->rows * KEYS) * ((double)(p->width * 3 + p->values * 2) * cost_of(p) + 2);
    block *= p->causal ? 0.5 : 1;
    j.want_kv = true;
    if (by_heads(p)) {
        j.want_q = true;
        cpu_parallel(heads, 1, block * (double)(blocks * chunks),
                     p->wide ? f64_back_heads : f32_back_heads, &j);
    } else { /* scores worked out twice, so that the threads share each head */
        close_all(p, run, 0, &j.g, &j.gs);
        close_all(p, run, 1, &j.q, &j.qs);
        close_all(p, run, 2, &j.k, &j.ks);
        pack_all(&j, true);
        cpu_parallel(heads * p->targets, 64, (double)p->values * 0.3, p->wide ? f64_sums : f32_sums,
                     &j);
        cpu_parallel(heads * chunks, 1, block * (double)blocks, p->wide ? f64_chunks : f32_chunks,
                     &j);
        j.want_kv = false;
        j.want_q = true;
        cpu_parallel(heads * blocks, 1, block * (double)chunks, p->wide ? f64_blocks : f32_blocks,
                     &j);
    }
    return finish(p, run, &j);
}

/* ---- plans ---- */

static bool rows_together(const cr_meta *m)
{
    return m && (m->stride[m->rank - 1] == 1 || m->size[m->rank - 1] == 1);
}

/* A value of four dimensions: its stage, and how it lies for the kernel. */
static cr_status stage(const cr_meta *m, int at, cpu_stage *to, att_strides *lies,
                       cr_plan_info *info)
{
    cr_status status = cpu_stage_init(to, m, at, rows_together(m), info);
    if (!m || m->rank != 4)
        return status;
    const int64_t row = m->size[3];
    *lies = to->direct ? (att_strides){m->stride[0], m->stride[1], m->stride[2]}
                       : (att_strides){m->size[1] * m->size[2] * row, m->size[2] * row, row};
    return status;
}

/* A place for a copy of input i, unless its rows are few or lie beside one another as they are: rows that lie some KiB apart
 * fall upon the same places of the first cache. */
static bool take_rows(att_plan *p, int i, cr_plan_info *info)
{
    const int64_t rows = p->stage[i].meta.size[2], width = p->stage[i].meta.size[3];
    if (!p->stage[i].direct || p->in_stride[i].row == width || rows < 16)
        return true;
    att_rows *c = &p->close[i];
    c->made = true;
    c->stride = (att_strides){p->heads * rows * width, rows * width, width};
    c->alone = (att_strides){0, 0, width};
    p->head_reals += rows * width;
    return cpu_workspace_take(
        info, (size_t)(p->batch * p->heads * rows * width) * (p->wide ? 8 : 4), &c->offset);
}

static cr_status plan_any(const cpu_call *call, bool back, cr_plan **plan)
{
    const int first = back ? 1 : 0, mask_in = back ? 6 : 3;
    const cr_meta *q = call->in[first], *k = call->in[first + 1], *v = call->in[first + 2];
    const cr_meta *mask = (int)call->nin > mask_in ? call->in[mask_in] : NULL;
    if (!q || !k || !v || q->rank != 4 || !cpu_is_float(q->dtype) || k->dtype != q->dtype ||
        v->dtype != q->dtype || call->nout != (back ? 3 : 2))
        return CR_UNSUPPORTED;
    const int32_t type = cpu_compute_dtype(q->dtype);
    if (mask && mask->dtype != CR_B8 && mask->dtype != type)
        return CR_UNSUPPORTED;
    for (uint32_t i = 0; i < call->nout; i++)
        if (!call->out[i])
            return CR_UNSUPPORTED;
    att_plan *p = cpu_plan_new(sizeof *p, back ? backward_run : forward_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    *plan = &p->base;
    p->batch = q->size[0], p->heads = q->size[1], p->targets = q->size[2], p->width = q->size[3];
    p->sources = k->size[2], p->values = v->size[3];
    p->causal = cpu_attr_int(call->node, "is_causal", 0);
    p->rows = p->causal && p->sources <= SHORT ? CAUSAL_ROWS : ROWS;
    p->wide = type == CR_F64;
    p->scale_at = cpu_number_at(call->node, "scale");
    p->dropout_at = cpu_number_at(call->node, "dropout_p");
    p->seed_at = cpu_number_at(call->node, "seed");
    p->offset_at = cpu_number_at(call->node, "offset");
    p->mask_at = mask ? call->in_at[mask_in] : -1;
    p->mask_kind = !mask ? 0 : mask->dtype == CR_B8 ? 1 : 2;
    for (int d = 0; d < 4 && mask; d++)
        p->mask_stride[d] = mask->stride[d];
    p->nin = back ? 6 : 3;
    p->nout = (int)call->nout;
    cr_status status = p->scale_at < 0 ? CR_UNSUPPORTED : CR_OK;
    for (int i = 0; i < p->nin && status == CR_OK; i++)
        status = stage(call->in[i], call->in_at[i], &p->stage[i], &p->in_stride[i], call->info);
    for (int i = 0; i < p->nout && status == CR_OK; i++)
        status = stage(call->out[i], call->out_at[i], &p->out[i], &p->out_stride[i], call->info);
    if (status != CR_OK)
        return status;
    const size_t real = p->wide ? 8 : 4;
    /* Those whose rows are read again and again as the second matrix of a product: v, and backward g, q and k. */
    for (int i = back ? 0 : 2; i < 3; i++)
        if (!take_rows(p, i, call->info))
            return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "the workspace's size overflows");
    p->head_reals +=
        panels_of(p) * PANEL * (p->width + (back ? p->values : 0)) + (back ? p->targets : 0);
    const size_t keys = (size_t)(p->batch * p->heads * panels_of(p)) * PANEL * real;
    if (!cpu_workspace_take(call->info, keys * (size_t)p->width, &p->packed_k) ||
        (back && !cpu_workspace_take(call->info, keys * (size_t)p->values, &p->packed_v)) ||
        (back && !cpu_workspace_take(call->info, (size_t)(p->batch * p->heads * p->targets) * real,
                                     &p->sums)))
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "the workspace's size overflows");
    return CR_OK;
}

static cr_status plan_forward(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, false, plan);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, true, plan);
}

const cpu_op CPU_NAME(cpu_family_attention)[] = {
    {"_blocked_attention", plan_forward},
    {"_blocked_attention_backward", plan_backward},
    {NULL, NULL},
};
