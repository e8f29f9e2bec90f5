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
#include "vf_math.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ROWS at the most that are worked on together: the more, the less often sums along them are read and written. Where each row of a
 * causal mask sees some keys more than the one before, few of them, and a block of rows computes fewer that none sees. */
enum { PANEL = 64, ROWS = 60, CAUSAL_ROWS = 24, SHORT = 512, KEYS = 4 * PANEL };

/* How many elements apart batches, heads and rows lie; the elements of a row lie together. */
typedef struct att_strides {
    int64_t batch, head, row;
} att_strides;

/* A value of four dimensions. Where all threads work on each head it is staged as a whole; where a head is one thread's, that
 * alone gathers its own. */
typedef struct att_value {
    cpu_stage stage;
    att_strides stride;       /* of the value, or of its dense copy */
    bool close;               /* all heads' rows are copied to lie beside one another, */
    size_t offset;            /* there in the workspace, */
    att_strides close_stride; /* and so; */
    bool own;                 /* a head's are copied, or computed, in its thread's memory, */
    att_strides alone;        /* where they lie so */
} att_value;

typedef struct att_plan {
    struct cr_plan base;
    int64_t batch, heads, targets, sources, width, values; /* widths of keys and of values */
    int64_t rows;                                          /* that are worked on together */
    bool causal, wide;
    int mask_kind; /* 0: none, 1: bools, 2: as computed */
    int mask_at, scale_at, dropout_at, seed_at, offset_at;
    int64_t mask_stride[4];
    att_value in[5], out[3]; /* forward: q k v | y; backward: g q k v y | dq dk dv */
    cpu_stage lse;
    int nin, nout;
    bool apart; /* each head is one thread's alone, however many threads there are */
    size_t packed_k, packed_v, sums;
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

/* A head of a value and its place. */
static cr_meta head_of(const att_plan *p, const cr_meta *m, int64_t head, int64_t *place)
{
    cr_meta one = {.dtype = m->dtype,
                   .rank = 2,
                   .size = {m->size[2], m->size[3]},
                   .stride = {m->stride[2], m->stride[3]}};
    *place = (head / p->heads * m->stride[0] + head % p->heads * m->stride[1]) *
             (int64_t)cpu_dtype_size(m->dtype);
    return one;
}

/* A head's rows as numbers of the computing type beside one another, and back. */
static void gather_head(const att_plan *p, const att_value *v, const void *x, int64_t head,
                        void *to)
{
    int64_t place;
    const cr_meta one = head_of(p, &v->stage.meta, head, &place);
    cpu_gather(&one, (const char *)x + place, 0, one.size[0] * one.size[1], to);
}

static void scatter_head(const att_plan *p, const att_value *v, void *x, int64_t head,
                         const void *from)
{
    int64_t place;
    const cr_meta one = head_of(p, &v->stage.meta, head, &place);
    cpu_scatter(&one, (char *)x + place, 0, one.size[0] * one.size[1], from);
}

/* ---- what is done to a row (attention_real.h), by vectors for f32 ---- */

static float f32_exp_all(float *x, int64_t n, float top)
{
    const vf from = vf_all(top);
    vf sum = {0};
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        const vf e = vf_exp_normal(vf_load(x + i) - from);
        vf_store(x + i, e);
        sum += e;
    }
    const int rest = (int)(n - i);
    if (rest) {
        const vf e = vf_head(vf_exp_normal(vf_load_part(x + i, rest) - from), rest, 0);
        vf_store_part(x + i, e, rest);
        sum += e;
    }
    return vf_sum(sum);
}

static float f32_dot(const float *a, const float *b, int64_t n)
{
    vf sum = {0};
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        sum += vf_load(a + i) * vf_load(b + i);
    const int rest = (int)(n - i);
    return vf_sum(rest ? sum + vf_load_part(a + i, rest) * vf_load_part(b + i, rest) : sum);
}

static void f32_weigh(float *w, float *s, int64_t n, float lse, float sum, float scale)
{
    const vf from = vf_all(lse), less = vf_all(sum), times = vf_all(scale);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        const vf e = vf_exp_normal(vf_load(w + i) - from);
        vf_store(w + i, e);
        vf_store(s + i, e * (vf_load(s + i) - less) * times);
    }
    const int rest = (int)(n - i);
    if (rest) {
        const vf e = vf_exp_normal(vf_load_part(w + i, rest) - from);
        vf_store_part(w + i, e, rest);
        vf_store_part(s + i, e * (vf_load_part(s + i, rest) - less) * times, rest);
    }
}

static float f32_largest(const float *x, int64_t n)
{
    return vf_largest_of(x, n);
}

static double f64_largest(const double *x, int64_t n)
{
    double best = -INFINITY;
#pragma omp simd reduction(max : best)
    for (int64_t i = 0; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

static double f64_exp_all(double *x, int64_t n, double top)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        x[i] = exp(x[i] - top);
        sum += x[i];
    }
    return sum;
}

static double f64_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void f64_weigh(double *w, double *s, int64_t n, double lse, double sum, double scale)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        w[i] = exp(w[i] - lse);
        s[i] = w[i] * (s[i] - sum) * scale;
    }
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
    const att_value *value;
    const void *from;
    char *to;
} closing;

static void close_heads(void *context, int64_t begin, int64_t end)
{
    const closing *c = context;
    const cr_meta *m = &c->value->stage.meta;
    const int64_t bytes = m->size[2] * m->size[3] * (c->plan->wide ? 8 : 4);
    for (int64_t head = begin; head < end; head++)
        gather_head(c->plan, c->value, c->from, head, c->to + head * bytes);
}

/* An input, and how it lies: as it is where each head is gathered by itself, else all heads as the kernel wants them. */
static const void *fetch(const att_plan *p, const cr_run *run, int i, bool by_heads,
                         const att_strides **lies)
{
    const att_value *v = &p->in[i];
    *lies = &v->stride;
    if (by_heads)
        return cpu_at(run, v->stage.at);
    const void *x = cpu_stage_fetch(&v->stage, run);
    if (!v->close)
        return x;
    closing c = {p, v, x, (char *)run->workspace.buffer + run->workspace.offset + v->offset};
    cpu_parallel(p->batch * p->heads, 1,
                 (double)(v->stage.meta.size[2] * v->stage.meta.size[3]) * 0.3, close_heads, &c);
    *lies = &v->close_stride;
    return c.to;
}

/* An output, likewise. */
static void *target(const att_plan *p, const cr_run *run, int i, bool by_heads,
                    const att_strides **lies)
{
    const att_value *v = &p->out[i];
    *lies = &v->stride;
    return by_heads ? cpu_at(run, v->stage.at) : cpu_stage_target(&v->stage, run);
}

/* Whether each head is one thread's alone. */
static bool goes_by_heads(const att_plan *p)
{
    if (p->apart)
        return true;
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
    att_job j = {.plan = p, .scale = run->numbers[p->scale_at].f};
    j.dropout = p->dropout_at >= 0 ? run->numbers[p->dropout_at].f : 0;
    j.seed = p->seed_at >= 0 ? (uint64_t)run->numbers[p->seed_at].i : 0;
    j.offset = p->offset_at >= 0 ? (uint64_t)run->numbers[p->offset_at].i : 0;
    j.mask = p->mask_at >= 0 ? cpu_at(run, p->mask_at) : NULL;
    if (p->apart) /* there is no workspace */
        return j;
    char *workspace = (char *)run->workspace.buffer + run->workspace.offset;
    j.packed_k = j.to_pack_k = workspace + p->packed_k;
    j.packed_v = j.to_pack_v = workspace + p->packed_v;
    j.sums = workspace + p->sums;
    return j;
}

static cr_status finish(const att_plan *p, const cr_run *run, const att_job *j, bool by_heads)
{
    if (j->failed)
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory to pack a head's keys");
    for (int i = 0; i < p->nout && !by_heads; i++)
        cpu_stage_put(&p->out[i].stage, run);
    return CR_OK;
}

static cr_status forward_run(cr_plan *plan, const cr_run *run)
{
    const att_plan *p = (const att_plan *)plan;
    att_job j = begin(p, run);
    const bool by_heads = goes_by_heads(p);
    j.q = fetch(p, run, 0, by_heads, &j.qs);
    j.k = fetch(p, run, 1, by_heads, &j.ks);
    j.v = fetch(p, run, 2, by_heads, &j.vs);
    j.out = target(p, run, 0, by_heads, &j.ys);
    j.lse = cpu_stage_target(&p->lse, run);
    const int64_t blocks = blocks_of(p);
    const double keys = (double)p->sources * (p->causal ? 0.5 : 1);
    const double block = (double)p->rows * keys * ((double)(p->width + p->values) * cost_of(p) + 1);
    if (by_heads) {
        cpu_parallel(p->batch * p->heads, 1, block * (double)blocks,
                     p->wide ? f64_forward_heads : f32_forward_heads, &j);
    } else {
        pack_all(&j, false);
        cpu_parallel(p->batch * p->heads * blocks, 1, block, p->wide ? f64_forward : f32_forward,
                     &j);
    }
    cpu_stage_put(&p->lse, run);
    return finish(p, run, &j, by_heads);
}

static cr_status backward_run(cr_plan *plan, const cr_run *run)
{
    const att_plan *p = (const att_plan *)plan;
    att_job j = begin(p, run);
    const bool by_heads = goes_by_heads(p);
    j.g = fetch(p, run, 0, by_heads, &j.gs);
    j.q = fetch(p, run, 1, by_heads, &j.qs);
    j.k = fetch(p, run, 2, by_heads, &j.ks);
    j.v = fetch(p, run, 3, by_heads, &j.vs);
    j.y = fetch(p, run, 4, by_heads, &j.ys);
    j.lse = cpu_stage_fetch(&p->lse, run);
    j.dq = target(p, run, 0, by_heads, &j.dqs);
    j.dk = target(p, run, 1, by_heads, &j.dks);
    j.dv = target(p, run, 2, by_heads, &j.dvs);
    const int64_t heads = p->batch * p->heads, blocks = blocks_of(p);
    const int64_t chunks = (p->sources + KEYS - 1) / KEYS;
    double block =
        (double)(p->rows * KEYS) * ((double)(p->width * 3 + p->values * 2) * cost_of(p) + 2);
    block *= p->causal ? 0.5 : 1;
    j.want_kv = true;
    if (by_heads) {
        j.want_q = true;
        cpu_parallel(heads, 1, block * (double)(blocks * chunks),
                     p->wide ? f64_back_heads : f32_back_heads, &j);
    } else { /* scores worked out twice, so that the threads share each head */
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
    return finish(p, run, &j, by_heads);
}

/* ---- plans ---- */

static bool rows_together(const cr_meta *m)
{
    return m && (m->stride[m->rank - 1] == 1 || m->size[m->rank - 1] == 1);
}

/* A value of four dimensions, and a thread's memory for a head of it. `again`: an input whose rows are read again and again; where they
 * lie some KiB apart they fall upon the same places of the first cache, and are copied unless they are few. */
static cr_status take(att_plan *p, att_value *v, const cr_meta *m, int at, bool again,
                      cr_plan_info *info)
{
    if (!m || m->rank != 4)
        return CR_UNSUPPORTED;
    cr_plan_info none = {0};
    cr_plan_info *for_all = p->apart ? &none : info;
    cr_status status = cpu_stage_init(&v->stage, m, at, rows_together(m), for_all);
    if (status != CR_OK)
        return status;
    const int64_t heads = m->size[1], rows = m->size[2], width = m->size[3];
    const att_strides dense = {heads * rows * width, rows * width, width};
    v->stride = v->stage.direct ? (att_strides){m->stride[0], m->stride[1], m->stride[2]} : dense;
    v->close = again && v->stage.direct && v->stride.row != width && rows >= 16;
    v->close_stride = dense;
    v->own = v->close || !v->stage.direct;
    v->alone = (att_strides){0, 0, width};
    p->head_reals += v->own ? rows * width : 0;
    if (v->close &&
        !cpu_workspace_take(
            for_all, (size_t)(m->size[0] * heads * rows * width) * (p->wide ? 8 : 4), &v->offset))
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "the workspace's size overflows");
    return CR_OK;
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
    p->nin = back ? 5 : 3;
    p->nout = back ? 3 : 1;
    p->apart = p->batch * p->heads >= 2 * (int64_t)sysconf(_SC_NPROCESSORS_ONLN);
    cr_status status = p->scale_at < 0 ? CR_UNSUPPORTED : CR_OK;
    /* Read again and again: v, and backward g, q and k, as the second matrices of products. */
    for (int i = 0; i < p->nin && status == CR_OK; i++)
        status = take(p, &p->in[i], call->in[i], call->in_at[i], back ? i < 3 : i == 2, call->info);
    for (int i = 0; i < p->nout && status == CR_OK; i++)
        status = take(p, &p->out[i], call->out[i], call->out_at[i], false, call->info);
    const cr_meta *lse = back ? call->in[5] : call->out[1];
    if (status == CR_OK)
        status = !lse ? CR_UNSUPPORTED
                      : cpu_stage_init(&p->lse, lse, back ? call->in_at[5] : call->out_at[1],
                                       cpu_is_contiguous(lse), call->info);
    if (status != CR_OK)
        return status;
    p->head_reals +=
        panels_of(p) * PANEL * (p->width + (back ? p->values : 0)) + (back ? p->targets : 0);
    if (p->apart)
        return CR_OK;
    const size_t real = p->wide ? 8 : 4;
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
