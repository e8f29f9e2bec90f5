/* Convolutions of few positions with many weights, as at the end of a network: what they cost is to read the weights, and
 * oneDNN's layouts would have them read and written several times more. Here each of the three products passes once over
 * the weights as they lie, beside the columns (for each position what the kernel sees) in the workspace. f32. */
#include "blocked.h"
#include "conv.h"

enum { MOST_ROWS = 48, LEAST_WEIGHTS = 1 << 17 };

typedef struct small_plan {
    dn_plan plan;
    cr_meta x, y; /* as values; in the backward y is its gradient, and dx is like x, row-major */
    int x_at, w_at, y_at, bias_at, dx_at, dw_at, db_at; /* -1: absent */
    int64_t in[3], out[3], kernel[3], stride[3], gap[3], before[3];
    int64_t taps, positions, in_positions, rows, padded; /* rows: positions of all images */
    dn_small_job job;
    dn_where cols, back_cols, rows_at;
} small_plan;

static float *shared(const dn_plan *plan, const cr_run *run, const dn_where *where)
{
    return dn_address(plan, run, where, 0);
}

static dn_small_job job_of(const small_plan *p, const cr_run *run, const dn_where *cols)
{
    dn_small_job job = p->job;
    job.w = cpu_at(run, p->w_at);
    job.rows = shared(&p->plan, run, &p->rows_at);
    job.cols = shared(&p->plan, run, cols);
    job.dw = p->dw_at < 0 ? NULL : cpu_at(run, p->dw_at);
    return job;
}

/* Where an image's channel begins, in elements, and how far its positions are apart: blocks of channels, or of one. */
static int64_t channel_at(const cr_meta *m, int64_t positions, int64_t n, int64_t c, int64_t *step)
{
    int64_t block = m->layout ? dn_block_of(m) : 1, blocks = m->size[1] / block;
    *step = block;
    return (n * blocks + c / block) * positions * block + c % block;
}

/* The input's position that tap t of output position p sees, or -1. */
static int64_t seen(const small_plan *s, int64_t p, int64_t t)
{
    int64_t at = 0;
    int64_t place[3], tap[3];
    for (int d = 2; d >= 0; d--) {
        place[d] = p % s->out[d];
        p /= s->out[d];
        tap[d] = t % s->kernel[d];
        t /= s->kernel[d];
    }
    for (int d = 0; d < 3; d++) {
        int64_t i = place[d] * s->stride[d] + tap[d] * s->gap[d] - s->before[d];
        if (i < 0 || i >= s->in[d])
            return -1;
        at = at * s->in[d] + i;
    }
    return at;
}

static void make_columns(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    const float *x = cpu_at(run, p->x_at);
    for (int64_t row = begin; row < end; row++) {
        float *to = shared(base, run, &p->cols) + row * p->job.k;
        memset(to, 0, (size_t)p->job.k * sizeof *to);
        for (int64_t t = 0; t < p->taps && row < p->rows; t++) {
            int64_t at = seen(p, row % p->positions, t), step;
            for (int64_t c = 0; at >= 0 && c < p->x.size[1]; c++) {
                int64_t from = channel_at(&p->x, p->in_positions, row / p->positions, c, &step);
                to[c * p->taps + t] = x[from + at * step];
            }
        }
    }
}

static void add_columns(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    float *dx = cpu_at(run, p->dx_at);
    int64_t image = p->x.size[1] * p->in_positions;
    for (int64_t n = begin; n < end; n++) {
        memset(dx + n * image, 0, (size_t)image * sizeof *dx);
        for (int64_t i = 0; i < p->positions; i++) {
            const float *from =
                shared(base, run, &p->back_cols) + (n * p->positions + i) * p->job.k;
            for (int64_t t = 0; t < p->taps; t++) {
                int64_t at = seen(p, i, t);
                for (int64_t c = 0; at >= 0 && c < p->x.size[1]; c++)
                    dx[n * image + c * p->in_positions + at] += from[c * p->taps + t];
            }
        }
    }
}

static void give_rows(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    const float *bias = p->bias_at < 0 ? NULL : cpu_at(run, p->bias_at);
    float *y = cpu_at(run, p->y_at);
    for (int64_t row = begin; row < end; row++) {
        const float *from = shared(base, run, &p->rows_at) + row * p->job.o;
        float *to = y + row / p->positions * p->job.o * p->positions + row % p->positions;
        for (int64_t o = 0; o < p->job.o; o++)
            to[o * p->positions] = from[o] + (bias ? bias[o] : 0);
    }
}

static void take_rows(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    const float *y = cpu_at(run, p->y_at);
    for (int64_t row = begin; row < end; row++) {
        float *to = shared(base, run, &p->rows_at) + row * p->job.o;
        for (int64_t o = 0; o < p->job.o; o++) {
            int64_t step, from;
            from = channel_at(&p->y, p->positions, row / p->positions, o, &step);
            to[o] = row < p->rows ? y[from + row % p->positions * step] : 0;
        }
    }
}

static void sum_rows(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    const float *rows = shared(base, run, &p->rows_at);
    float *sums = cpu_at(run, p->db_at);
    for (int64_t o = begin; o < end; o++) {
        float sum = 0;
        for (int64_t row = 0; row < p->rows; row++)
            sum += rows[row * p->job.o + o];
        sums[o] = sum;
    }
}

static void run_product(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    dn_small_job job = job_of(p, run, &p->cols);
    dn_kernels()->small_forward(&job, begin, end);
}

static void run_data(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    dn_small_job job = job_of(p, run, &p->back_cols);
    dn_kernels()->small_data(&job, begin, end);
}

static void run_weights(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const small_plan *p = (const small_plan *)base;
    dn_small_job job = job_of(p, run, &p->cols);
    dn_kernels()->small_weights(&job, begin, end);
}

static void add_plain(small_plan *p, int64_t items, double cost,
                      void (*body)(const dn_plan *, const cr_run *, int64_t, int64_t))
{
    dn_stage_add(&p->plan, items, 0, cost)->plain = body; /* six at most */
}

/* Sizes, and whether there are few positions and many weights. */
static bool measure(const dn_conv *c, small_plan *p)
{
    int dims = c->shape.dims;
    p->taps = p->positions = p->in_positions = 1;
    for (int d = 0; d < 3; d++) {
        int from = d - (3 - dims);
        bool there = from >= 0;
        p->in[d] = there ? c->x->size[2 + from] : 1;
        p->out[d] = there ? c->y->size[2 + from] : 1;
        p->kernel[d] = there ? c->w->size[2 + from] : 1;
        p->stride[d] = there ? c->shape.window.stride[from] : 1;
        p->gap[d] = there ? c->shape.window.dilation[from] + 1 : 1;
        p->before[d] = there ? c->shape.window.before[from] : 0;
        p->taps *= p->kernel[d];
        p->positions *= p->out[d];
        p->in_positions *= p->in[d];
    }
    p->rows = c->shape.n * p->positions;
    p->padded = (p->rows + 3) / 4 * 4;
    p->job = (dn_small_job){.m = p->padded, .k = c->x->size[1] * p->taps, .o = c->y->size[1]};
    return p->rows <= MOST_ROWS && p->job.k % 64 == 0 && p->job.o % 4 == 0 &&
           p->job.k * p->job.o >= LEAST_WEIGHTS;
}

static bool lies_well(const cr_meta *m)
{
    return m->dtype == CR_F32 && (m->layout ? dn_block_of(m) > 0 : cpu_is_contiguous(m));
}

static bool is_plain(const cr_meta *m)
{
    return !m || (m->dtype == CR_F32 && !m->layout && cpu_is_contiguous(m));
}

static bool takes(const cpu_call *call, const dn_conv *c, small_plan *sizes)
{
    bool plain = is_plain(c->w) && is_plain(c->bias);
    for (uint32_t i = 0; i < call->nout; i++)
        plain = plain && is_plain(call->out[i]);
    return c->shape.groups == 1 && plain && lies_well(c->x) && lies_well(c->y) && measure(c, sizes);
}

bool dn_conv_is_small(const cpu_call *call, const dn_conv *c)
{
    small_plan sizes;
    return takes(call, c, &sizes);
}

cr_status dn_conv_small(const cpu_call *call, const dn_conv *c, bool backward, cr_plan **out)
{
    small_plan sizes = {.x_at = c->x_at};
    if (!takes(call, c, &sizes))
        return CR_UNSUPPORTED;
    small_plan *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    sizes.plan = p->plan;
    *p = sizes;
    p->x = *c->x;
    p->y = *c->y;
    p->w_at = c->w_at;
    p->y_at = c->y_at;
    p->bias_at = c->bias ? c->bias_at : -1;
    p->dx_at = backward ? call->out_at[0] : -1;
    p->dw_at = backward ? call->out_at[1] : -1;
    p->db_at = backward ? call->out_at[2] : -1;
    size_t columns = (size_t)(p->padded * p->job.k) * sizeof(float);
    bool room =
        dn_take_shared(&p->plan, (size_t)(p->padded * p->job.o) * sizeof(float), &p->rows_at) &&
        (!(p->dw_at >= 0 || !backward) || dn_take_shared(&p->plan, columns, &p->cols)) &&
        (p->dx_at < 0 || dn_take_shared(&p->plan, columns, &p->back_cols));
    double four = (double)p->padded * (double)p->job.k * 4 * 0.03;
    if (!backward || p->dw_at >= 0)
        add_plain(p, p->padded, (double)p->job.k, make_columns);
    if (!backward) {
        add_plain(p, p->job.o / 4, four, run_product);
        add_plain(p, p->rows, (double)p->job.o, give_rows);
    } else {
        add_plain(p, p->padded, (double)p->job.o, take_rows);
        if (p->dw_at >= 0)
            add_plain(p, p->job.o / 4, four, run_weights);
        if (p->dx_at >= 0) {
            add_plain(p, p->job.k / 64, (double)p->padded * (double)p->job.o * 64 * 0.03, run_data);
            add_plain(p, c->shape.n, (double)(p->job.k * p->positions), add_columns);
        }
        if (p->db_at >= 0)
            add_plain(p, p->job.o, (double)p->rows, sum_rows);
    }
    return dn_plan_done(&p->plan, call, room ? CR_OK : CR_OUT_OF_MEMORY, out);
}
