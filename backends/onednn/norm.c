/* Plans of batch norm on images whose channels lie in blocks. Those in layout 0 are as fast on the cpu backend's kernels. */
#include "blocked.h"

typedef struct norm_plan {
    dn_plan plan;
    dn_norm_job job; /* its pointers are filled for a run */
    int x_at, g_at, y_at;
    int vector_at[8], eps_at, momentum_at;
} norm_plan;

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, MEAN, RSTD, WEIGHT_GRAD, BIAS_GRAD };

static dn_vector *vector_of(dn_norm_job *job, int which)
{
    dn_vector *const all[8] = {&job->weight, &job->bias, &job->running_mean, &job->running_var,
                               &job->mean,   &job->rstd, &job->weight_grad,  &job->bias_grad};
    return all[which];
}

/* A vector of the channels, or an absent one; empty outputs (statistics in evaluation) are absent, too. */
static bool take_vector(norm_plan *p, int which, const cr_meta *m, int at)
{
    p->vector_at[which] = -1;
    if (!m || m->size[0] == 0)
        return true;
    if ((m->dtype != CR_F32 && m->dtype != CR_BF16) || m->rank != 1 || m->layout ||
        m->size[0] != p->job.grid.blocks * p->job.grid.block)
        return false;
    dn_vector *v = vector_of(&p->job, which);
    v->dtype = m->dtype;
    v->stride = m->stride[0];
    p->vector_at[which] = at;
    return true;
}

static dn_norm_job job_of(const norm_plan *p, const cr_run *run)
{
    dn_norm_job job = p->job;
    for (int i = 0; i < 8; i++)
        vector_of(&job, i)->at = p->vector_at[i] < 0 ? NULL : cpu_at(run, p->vector_at[i]);
    job.x = cpu_at(run, p->x_at);
    job.g = p->g_at < 0 ? NULL : cpu_at(run, p->g_at);
    job.y = p->y_at < 0 ? NULL : cpu_at(run, p->y_at);
    job.eps = p->eps_at < 0 ? 1e-5 : run->numbers[p->eps_at].f;
    job.momentum = p->momentum_at < 0 ? 0.1 : run->numbers[p->momentum_at].f;
    return job;
}

static void run_forward(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    dn_norm_job job = job_of((const norm_plan *)plan, run);
    dn_kernels()->norm_forward(&job, begin, end);
}

static void run_backward(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    dn_norm_job job = job_of((const norm_plan *)plan, run);
    dn_kernels()->norm_backward(&job, begin, end);
}

/* x and what lies like it: of one dtype, one block. */
static bool alike(const cr_meta *x, const cr_meta *other, dn_grid *grid)
{
    int64_t block = dn_block_of(x);
    dn_grid same;
    return block && block % 8 == 0 && (x->dtype == CR_F32 || x->dtype == CR_BF16) &&
           dn_grid_of(x, block, grid) &&
           (!other || (other->dtype == x->dtype && dn_grid_of(other, block, &same)));
}

static norm_plan *plan_new(const cpu_call *call, const dn_grid *grid, const cr_meta *x,
                           const char *training)
{
    norm_plan *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return NULL;
    p->job.grid = *grid;
    p->job.half = x->dtype == CR_BF16;
    p->job.training = cpu_attr_int(call->node, training, 0) != 0;
    p->eps_at = cpu_number_at(call->node, "eps");
    p->momentum_at = cpu_number_at(call->node, "momentum");
    p->g_at = p->y_at = -1;
    for (int i = 0; i < 8; i++)
        p->vector_at[i] = -1;
    return p;
}

static void add_stage(norm_plan *p, double passes,
                      void (*body)(const dn_plan *, const cr_run *, int64_t, int64_t))
{
    const dn_grid *g = &p->job.grid;
    int64_t groups = g->blocks * g->block / dn_lanes(g->block);
    double elements = (double)g->n * (double)(g->positions * g->blocks * g->block);
    dn_stage *stage = dn_stage_add(&p->plan, groups, 0, elements / (double)groups * 0.1 * passes);
    stage->plain = body;
}

static cr_status plan_forward(const cpu_call *call, cr_plan **out)
{
    const cr_meta *x = call->in[0], *y = call->out[0];
    dn_grid grid;
    if (!x || !y || call->nin != 5 || call->nout < 3 || !alike(x, NULL, &grid) ||
        y->dtype != x->dtype)
        return CR_UNSUPPORTED;
    norm_plan *p = plan_new(call, &grid, x, "training");
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->x_at = call->in_at[0];
    p->y_at = call->out_at[0];
    bool taken = true;
    for (int i = 0; i < 4; i++)
        taken = taken && take_vector(p, WEIGHT + i, call->in[1 + i], call->in_at[1 + i]);
    for (int i = 0; i < 2; i++) {
        taken = taken && take_vector(p, MEAN + i, call->out[1 + i], call->out_at[1 + i]);
        /* In training they are written where they were read: an output that is the input's memory. */
        uint32_t o = 3 + (uint32_t)i;
        if (taken && p->job.training && call->nout > o && call->out[o])
            taken = take_vector(p, RUNNING_MEAN + i, call->out[o], call->out_at[o]);
        else if (p->job.training)
            p->vector_at[RUNNING_MEAN + i] = -1;
    }
    if (!p->job.training && (p->vector_at[RUNNING_MEAN] < 0 || p->vector_at[RUNNING_VAR] < 0))
        taken = false;
    if (taken) {
        call->info->output_layouts[0] = x->layout;
        call->info->output_bytes[0] = (size_t)cpu_numel(x) * cpu_dtype_size(x->dtype);
        add_stage(p, p->job.training ? 4 : 2, run_forward);
    }
    return dn_plan_done(&p->plan, call, taken ? CR_OK : CR_UNSUPPORTED, out);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **out)
{
    const cr_meta *g = call->in[0], *x = call->in[1], *dx = call->nout ? call->out[0] : NULL;
    dn_grid grid;
    cr_meta gradient;
    if (!g || !x || call->nin != 7 || call->nout != 3 || (dx && dx->dtype != x->dtype))
        return CR_UNSUPPORTED;
    gradient = dn_brought_in(call, 0, x);
    if (!alike(x, &gradient, &grid))
        return CR_UNSUPPORTED;
    norm_plan *p = plan_new(call, &grid, x, "train");
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->g_at = call->in_at[0];
    p->x_at = call->in_at[1];
    p->y_at = call->out_at[0];
    bool taken = take_vector(p, WEIGHT, call->in[2], call->in_at[2]) &&
                 take_vector(p, RUNNING_MEAN, call->in[3], call->in_at[3]) &&
                 take_vector(p, RUNNING_VAR, call->in[4], call->in_at[4]) &&
                 take_vector(p, MEAN, call->in[5], call->in_at[5]) &&
                 take_vector(p, RSTD, call->in[6], call->in_at[6]) &&
                 take_vector(p, WEIGHT_GRAD, call->out[1], call->out_at[1]) &&
                 take_vector(p, BIAS_GRAD, call->out[2], call->out_at[2]);
    int needed = p->job.training ? MEAN : RUNNING_MEAN;
    taken = taken && p->vector_at[needed] >= 0 && p->vector_at[needed + 1] >= 0;
    if (taken) {
        if (dx) {
            call->info->output_layouts[0] = x->layout;
            call->info->output_bytes[0] = (size_t)cpu_numel(x) * cpu_dtype_size(x->dtype);
        }
        add_stage(p, 5, run_backward);
    }
    return dn_plan_done(&p->plan, call, taken ? CR_OK : CR_UNSUPPORTED, out);
}

const cpu_op dn_family_norm[] = {
    {"native_batch_norm", plan_forward},
    {"native_batch_norm_backward", plan_backward},
    {NULL, NULL},
};
