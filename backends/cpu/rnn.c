/* _rnn_scan and its backward: one layer of an RNN, LSTM or GRU in one direction over all steps.
 *
 * The recurrent weight is packed once if there are several steps, in panels in which all gates of some units stand side by side, so a step is one product
 * for each panel with the gates' functions right behind it. Sequences are independent, so with enough of them each thread takes
 * some through all steps; with few the panels of each step are shared out. */
#include "cpu_math.h"
#include "gemm_f32.h"
#include "staged.h"
#include "variant.h"

#include <string.h>

enum { MODE_TANH, MODE_RELU, MODE_GRU, MODE_LSTM, PANEL = 64, CHUNK = 48, SLAB = 6 };

typedef struct rnn_plan {
    cpu_staged staged;
    int64_t rows, batch, hidden, steps;
    int mode, gates;
    bool reverse, keep, constant;
    size_t packed_at, offsets_at, zeros_at, hidden_grads_at, before_at;
} rnn_plan;

/* Addresses of one run. Rows of step t begin at offsets[t]; sizes[t] sequences take part in it. */
typedef struct rnn_job {
    const rnn_plan *plan;
    const int64_t *sizes, *offsets;
    const void *gates, *hx, *cx, *bias, *weight, *packed; /* packed: null for the weight as it is */
    void *output, *hy, *cell, *reserve;
    /* backward: cell and hy hold the gradients that come from later steps */
    const void *grad_output, *old_output, *old_reserve;
    void *grad_gates, *hidden_grads, *before;
    int64_t step, panels;
} rnn_job;

/* How many units a panel of the forward has: all of their gates make 64 columns or fewer. */
static int64_t units_of(const rnn_plan *p)
{
    return p->gates == 1 ? PANEL : PANEL / 4;
}

/* Nanoseconds that one step of one sequence takes, roughly. */
static double step_cost(const rnn_plan *p)
{
    return (double)(p->gates * p->hidden) * ((double)p->hidden * 0.03 + 2);
}

/* Where h before step t lies for sequences from `first` on: in the output of the step before, or in hx. *n is cut to the
 * sequences for which it lies together. Null: hx. */
static int64_t previous_row(const rnn_job *j, int64_t t, int64_t first, int64_t *n)
{
    const rnn_plan *p = j->plan;
    int64_t from = p->reverse ? t + 1 : t - 1;
    if (from < 0 || from >= p->steps || first >= j->sizes[from])
        return -1;
    if (first + *n > j->sizes[from])
        *n = j->sizes[from] - first;
    return j->offsets[from] + first;
}

#define REAL     float
#define SIGMOID  cpu_sigmoidf
#define TANH     cpu_tanhf
#define NAME(x)  f32_##x
#define GEMM     CPU_NAME(cpu_sgemm)
#define GEMM_ARG cpu_sgemm_args
#include "rnn_real.h"
#include "rnn_back_real.h"
#undef REAL
#undef SIGMOID
#undef TANH
#undef NAME
#undef GEMM
#undef GEMM_ARG

static inline double sigmoid_d(double x)
{
    return 1 / (1 + exp(-x));
}

#define REAL     double
#define SIGMOID  sigmoid_d
#define TANH     tanh
#define NAME(x)  f64_##x
#define GEMM     CPU_NAME(cpu_dgemm)
#define GEMM_ARG cpu_dgemm_args
#include "rnn_real.h"
#include "rnn_back_real.h"

/* ---- a run ---- */

/* Fills in how many sequences each step has and where its rows begin. */
static cr_status lay_out(const rnn_plan *p, rnn_job *j, const int64_t *given, char *scratch)
{
    int64_t *offsets = (int64_t *)(void *)(scratch + p->offsets_at), *sizes = offsets + p->steps;
    int64_t row = 0;
    for (int64_t t = 0; t < p->steps; t++) {
        sizes[t] = given ? given[t] : p->batch;
        if (sizes[t] < 1 || sizes[t] > (t ? sizes[t - 1] : p->batch) || sizes[t] > p->rows - row)
            return cpu_host->fail(cpu_host, CR_INVALID,
                                  "batch_sizes must be positive, not increase, and sum to the rows "
                                  "of the data; got %lld at step %lld",
                                  (long long)sizes[t], (long long)t);
        offsets[t] = row;
        row += sizes[t];
    }
    if (row != p->rows || (p->steps && sizes[0] != p->batch))
        return cpu_host->fail(cpu_host, CR_INVALID,
                              "batch_sizes say %lld rows of %lld sequences, there are %lld of %lld",
                              (long long)row, (long long)(p->steps ? sizes[0] : 0),
                              (long long)p->rows, (long long)p->batch);
    j->plan = p;
    j->sizes = sizes;
    j->offsets = offsets;
    return CR_OK;
}

static bool is_wide(const cpu_staged *staged)
{
    return staged->out[0].dtype == CR_F64;
}

/* Runs every step on the sequences, by slabs of them or by panels. cost: of one sequence's step, in nanoseconds. */
static void go(rnn_job *j, double cost, void (*slab)(void *, int64_t, int64_t),
               void (*step)(rnn_job *))
{
    const rnn_plan *p = j->plan;
    int64_t threads = cpu_host->num_threads(cpu_host);
    if (threads == 1 || p->batch > 3 * threads) {
        int64_t unit = (p->batch + threads - 1) / threads;
        if (unit > SLAB)
            unit = (unit + SLAB - 1) / SLAB * SLAB;
        cpu_parallel(p->batch, unit, cost * (double)p->steps, slab, j);
        return;
    }
    for (int64_t i = 0; i < p->steps; i++) {
        j->step = i;
        step(j);
    }
}

static cr_status scan_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                           void *const *out, char *scratch)
{
    const rnn_plan *p = (const rnn_plan *)staged;
    rnn_job j = {.gates = in[0], .hx = in[1], .cx = in[2], .bias = in[4]};
    j.output = out[0], j.hy = out[1], j.cell = out[2], j.reserve = p->keep ? out[3] : NULL;
    cr_status status = lay_out(p, &j, in[5], scratch);
    if (status != CR_OK)
        return status;
    bool wide = is_wide(staged);
    size_t state = (size_t)(p->batch * p->hidden) * (wide ? 8 : 4);
    if (!j.bias) /* a test in the gates' loops would cost more than to add these */
        j.bias = memset(scratch + p->zeros_at, 0, (size_t)(p->gates * p->hidden) * (wide ? 8 : 4));
    if (j.cell && state)
        memcpy(j.cell, in[2], state);
    if (state)
        memcpy(j.hy, in[1], state); /* for sequences without steps */
    j.panels = (p->hidden + units_of(p) - 1) / units_of(p);
    j.weight = in[3];
    j.packed = p->steps > 1 ? scratch + p->packed_at : NULL;
    if (j.packed && wide)
        f64_pack_forward(&j, scratch + p->packed_at);
    else if (j.packed)
        f32_pack_forward(&j, scratch + p->packed_at);
    go(&j, step_cost(p), wide ? f64_slab : f32_slab, wide ? f64_step : f32_step);
    if (wide)
        f64_last_states(&j);
    else
        f32_last_states(&j);
    return CR_OK;
}

static cr_status back_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                           void *const *out, char *scratch)
{
    const rnn_plan *p = (const rnn_plan *)staged;
    rnn_job j = {.grad_output = in[0], .hx = in[3], .cx = in[4]};
    j.old_output = in[8], j.old_reserve = in[9];
    j.grad_gates = out[0], j.hy = out[1], j.cell = out[2];
    cr_status status = lay_out(p, &j, in[7], scratch);
    if (status != CR_OK)
        return status;
    bool wide = is_wide(staged);
    size_t state = (size_t)(p->batch * p->hidden) * (wide ? 8 : 4);
    for (int i = 1; i < 3; i++)
        if (out[i] && state) {
            if (in[i])
                memcpy(out[i], in[i], state);
            else
                memset(out[i], 0, state);
        }
    j.hidden_grads = p->mode == MODE_GRU ? scratch + p->hidden_grads_at : j.grad_gates;
    j.before = scratch + p->before_at;
    j.panels = (p->hidden + PANEL - 1) / PANEL;
    j.weight = in[5];
    j.packed = p->steps > 1 ? scratch + p->packed_at : NULL;
    if (j.packed && wide)
        f64_pack_backward(&j, scratch + p->packed_at);
    else if (j.packed)
        f32_pack_backward(&j, scratch + p->packed_at);
    go(&j, step_cost(p), wide ? f64_slab_back : f32_slab_back,
       wide ? f64_step_back : f32_step_back);
    bool well = wide ? f64_weight_grads(&j, out[3], out[4]) : f32_weight_grads(&j, out[3], out[4]);
    return well ? CR_OK : cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a product");
}

/* ---- plans ---- */

static int mode_of(const char *name)
{
    static const char *const names[] = {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"};
    for (int i = 0; name && i < 4; i++)
        if (!strcmp(name, names[i]))
            return i;
    return -1;
}

/* Takes `count` values of `size` bytes of the scratch that is being counted in *bytes. */
static size_t take(size_t *bytes, int64_t count, size_t size)
{
    size_t at = *bytes;
    *bytes += ((size_t)count * size + 63) / 64 * 64;
    return at;
}

static cr_status plan_any(const cpu_call *call, bool back, cr_plan **plan)
{
    const cr_meta *gates = back ? call->out[0] : call->in[0], *h = call->in[back ? 3 : 1];
    const cr_meta *sizes = call->in[back ? 7 : 5];
    int mode = mode_of(cpu_attr_text(call->node, "mode", NULL));
    if (mode < 0 || !cpu_one_float(call) || !gates || !h || call->nout != (back ? 5 : 4))
        return CR_UNSUPPORTED;
    rnn_plan *p = cpu_staged_new(call, sizeof *p, back ? back_body : scan_body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->mode = mode;
    p->gates = mode == MODE_LSTM ? 4 : mode == MODE_GRU ? 3 : 1;
    p->rows = gates->size[0];
    p->batch = h->size[0];
    p->hidden = h->size[1];
    p->steps = sizes ? sizes->size[0] : p->batch ? p->rows / p->batch : 0;
    p->reverse = cpu_attr_int(call->node, "reverse", 0);
    p->keep = cpu_attr_int(call->node, "keep", 0);
    size_t real = cpu_compute_dtype(gates->dtype) == CR_F64 ? 8 : 4, bytes = 0;
    int64_t units = back ? PANEL : units_of(p), panels = (p->hidden + units - 1) / units;
    p->offsets_at = take(&bytes, 2 * p->steps, sizeof(int64_t));
    p->packed_at = take(&bytes, panels * units * p->gates * p->hidden, real);
    if (!back)
        p->zeros_at = take(&bytes, p->gates * p->hidden, real);
    if (back) {
        p->before_at = take(&bytes, p->rows * p->hidden, real);
        p->hidden_grads_at = take(&bytes, mode == MODE_GRU ? 3 * p->rows * p->hidden : 0, real);
    }
    cr_status status = cpu_staged_scratch(&p->staged, call, bytes);
    *plan = &p->staged.base;
    return status;
}

static cr_status plan_scan(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, false, plan);
}

static cr_status plan_back(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, true, plan);
}

const cpu_op CPU_NAME(cpu_family_rnn)[] = {
    {"_rnn_scan", plan_scan},
    {"_rnn_scan_backward", plan_back},
    {NULL, NULL},
};
