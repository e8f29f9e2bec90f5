/* native_layer_norm, native_batch_norm and their gradients; group and instance norms are said with them. What has a mean of
 * its own is a unit here: a row of a layer norm, a channel of a batch norm. */
#include "plan.h"

#include <string.h>

enum { FORWARD, EVALUATE, BACK, EVALUATE_BACK, COLUMNS }; /* shaders/norm.comp */
enum {
    HAS_WEIGHT = 1,
    HAS_BIAS = 2,
    HAS_RUNNING = 4,
    WANTS_X = 8,
    WANTS_WEIGHT = 16,
    WANTS_BIAS = 32
};
enum { GROUP = 256, SLOTS = 8 };

/* Uniform block of the shader. */
typedef struct norm_block {
    uint32_t units, terms, unused[2];
    vk_dim unit[CR_MAX_RANK], term[CR_MAX_RANK];
} norm_block;

/* A launch: which value goes to which address (-1: none), and which are written. */
typedef struct norm_step {
    uint32_t op, has;
    bool by_term; /* weight and bias have a value for each term */
    int at[SLOTS];
    bool writes[SLOTS];
} norm_step;

typedef struct norm_plan {
    struct cr_plan base;
    norm_step step[2];
    int eps_at, momentum_at;
    vk_class class;
} norm_plan;

static cr_status norm_run(cr_plan *plan, const cr_run *run)
{
    static const cr_number no_eps = {0, 0}, usual = {0.1, 0};
    const norm_plan *p = (const norm_plan *)plan;
    cr_status status = CR_OK;
    for (int i = 0; i < plan->nsteps && status == CR_OK; i++) {
        vk_launch launch = vk_step_launch(plan, i);
        for (int k = 0; k < SLOTS; k++)
            if (p->step[i].at[k] >= 0)
                vk_bind(&launch, k, &run->values[p->step[i].at[k]], 0, p->step[i].writes[k]);
        const cr_number *eps = p->eps_at < 0 ? &no_eps : &run->numbers[p->eps_at];
        const cr_number *momentum = p->momentum_at < 0 ? &usual : &run->numbers[p->momentum_at];
        launch.args.number[0] = vk_number_bits(eps, p->class, CR_DTYPE_NONE);
        launch.args.number[1] = vk_number_bits(momentum, p->class, CR_DTYPE_NONE);
        status = vk_record(plan->device, &launch);
    }
    return status;
}

/* ---- planning ---- */

/* A value for each unit or each term, of the class and dense. */
static bool is_vector(const vk_call *call, const cr_meta *v, const norm_plan *p, int64_t count)
{
    return v && vk_class_of(call->device, v->dtype) == p->class && vk_is_float(v->dtype) &&
           vk_numel(v) == count && vk_is_contiguous(v);
}

static bool is_stat(const cr_meta *v, const norm_plan *p, int64_t count)
{
    return v && v->dtype == (p->class == VK_DOUBLE ? CR_F64 : CR_F32) && vk_numel(v) == count &&
           vk_is_contiguous(v);
}

static bool is_like(const cr_meta *v, const cr_meta *x)
{
    return v && v->dtype == x->dtype && v->rank == x->rank &&
           !memcmp(v->size, x->size, (size_t)x->rank * sizeof *x->size);
}

/* Which dimensions tell the unit; the others are walked. */
typedef struct norm_shape {
    bool is_unit[CR_MAX_RANK];
    int64_t units, terms;
} norm_shape;

static norm_shape shape_of(const cr_meta *x, int first_unit, int end_unit)
{
    norm_shape s = {.units = 1, .terms = 1};
    for (int d = 0; d < x->rank; d++) {
        s.is_unit[d] = d >= first_unit && d < end_unit;
        *(s.is_unit[d] ? &s.units : &s.terms) *= x->size[d];
    }
    return s;
}

static int fill_dims(vk_dim *dims, const cr_meta *const *values, int nvalues, const norm_shape *s,
                     bool units)
{
    cr_meta part[VK_SPACE_VALUES];
    const cr_meta *parts[VK_SPACE_VALUES];
    for (int v = 0; v < nvalues; v++) {
        part[v] = (cr_meta){.dtype = values[v]->dtype};
        parts[v] = &part[v];
        for (int d = 0; d < values[v]->rank; d++)
            if (s->is_unit[d] == units) {
                part[v].size[part[v].rank] = values[v]->size[d];
                part[v].stride[part[v].rank++] = values[v]->stride[d];
            }
    }
    vk_lanes lanes = {.space = vk_space_of(nvalues, parts, true)};
    vk_lane_dims(dims, &lanes);
    return lanes.space.rank;
}

/* How many units share a group. Neighbours in memory should be read by neighbours in a group; and a
 * software device would rather not wait at barriers. */
static uint32_t choose_width(const cr_device *d, uint32_t group, const norm_block *b, uint32_t op,
                             int unit_rank)
{
    if (d->is_cpu)
        return b->terms <= 2048 ? group : 1;
    if (op == COLUMNS && unit_rank && b->unit[unit_rank - 1].stride[1] == 1 && b->units >= 16)
        return 16;
    return b->terms >= 32 ? 1 : group;
}

/* values: what is written, x and its output's gradient, as far as there are. */
static cr_status add_step(norm_plan *p, const norm_step *step, const cr_meta *const values[3],
                          const norm_shape *s, int32_t weights, int32_t running)
{
    cr_device *d = p->base.device;
    norm_block b = {.units = (uint32_t)s->units, .terms = (uint32_t)s->terms};
    int unit_rank = fill_dims(b.unit, values, 3, s, true),
        term_rank = fill_dims(b.term, values, 3, s, false);
    uint32_t most = d->profile->limits.maxComputeWorkGroupInvocations;
    uint32_t group = d->is_cpu ? 64 : b.terms >= 4096 && most >= GROUP ? GROUP : d->group;
    if (d->is_cpu && b.terms <= 2048)
        group = 16;
    uint32_t width = choose_width(d, group, &b, step->op, unit_rank);
    uint64_t groups = (b.units + (uint64_t)width - 1) / width, walkers = group / width;
    /* All its loops together must stay below what the device allows. */
    uint64_t rounds = (groups + 65534) / 65535;
    if ((b.terms / walkers * 3 + 32) * rounds > d->loops)
        return CR_UNSUPPORTED;
    p->step[p->base.nsteps] = *step;
    uint32_t special[] = {step->op,
                          step->by_term,
                          (uint32_t)unit_rank,
                          (uint32_t)term_rank,
                          (uint32_t)values[1]->dtype,
                          (uint32_t)weights,
                          (uint32_t)running,
                          step->has,
                          width};
    return vk_plan_step(&p->base, p->class == VK_DOUBLE ? VK_SHADER_norm_f64 : VK_SHADER_norm_f32,
                        group, special, 9, &b, sizeof b, groups < 65535 ? groups : 65535, 1, 1);
}

static norm_plan *plan_new(const vk_call *call, const cr_meta *x)
{
    if (!x || !vk_is_float(x->dtype) || !vk_numel(x))
        return NULL;
    norm_plan *p = vk_plan_new(call->device, sizeof *p, norm_run);
    if (!p)
        return NULL;
    p->class = vk_class_of(call->device, x->dtype);
    p->eps_at = vk_number_at(call->node, "eps");
    p->momentum_at = vk_number_at(call->node, "momentum");
    return p;
}

static const norm_step no_step = {.at = {-1, -1, -1, -1, -1, -1, -1, -1}};

/* ---- layer norm ---- */

static int layer_first(const vk_call *call, const cr_meta *x)
{
    int count = 0;
    vk_attr_ints(call->node, "normalized_shape", &count);
    return x && count > 0 && count <= x->rank ? x->rank - count : -1;
}

static cr_status fill_layer(const vk_call *call, norm_plan *p, int first)
{
    const cr_meta *x = call->in[0], *w = call->in[1], *b = call->in[2];
    norm_shape s = shape_of(x, 0, first);
    if (!is_like(call->out[0], x) || !is_stat(call->out[1], p, s.units) ||
        !is_stat(call->out[2], p, s.units) || (w && !is_vector(call, w, p, s.terms)) ||
        (b && !is_vector(call, b, p, s.terms)) || (w && b && w->dtype != b->dtype))
        return CR_UNSUPPORTED;
    norm_step step = {.op = FORWARD,
                      .by_term = true,
                      .has = (w ? HAS_WEIGHT : 0u) | (b ? HAS_BIAS : 0u),
                      .at = {call->out_at[0], call->in_at[0], w ? call->in_at[1] : -1,
                             b ? call->in_at[2] : -1, call->out_at[1], call->out_at[2], -1, -1},
                      .writes = {[0] = true, [4] = true, [5] = true}};
    const cr_meta *values[3] = {call->out[0], x, x};
    return add_step(p, &step, values, &s, w ? w->dtype : b ? b->dtype : 0, 0);
}

static cr_status plan_layer(const vk_call *call, cr_plan **plan)
{
    int first = call->nin == 3 && call->nout == 3 ? layer_first(call, call->in[0]) : -1;
    norm_plan *p = first < 0 ? NULL : plan_new(call, call->in[0]);
    return p ? vk_plan_done(&p->base, fill_layer(call, p, first), plan) : CR_UNSUPPORTED;
}

/* Inputs: y', x, mean, rstd, weight, bias. */
static cr_status fill_layer_back(const vk_call *call, norm_plan *p, int first)
{
    const cr_meta *g = call->in[0], *x = call->in[1], *w = call->in[4];
    const cr_meta *dx = call->out[0], *dw = call->out[1], *db = call->out[2];
    norm_shape s = shape_of(x, 0, first), columns = shape_of(x, first, x->rank);
    if (!is_like(g, x) || (dx && !is_like(dx, x)) || !is_stat(call->in[2], p, s.units) ||
        !is_stat(call->in[3], p, s.units) || (w && !is_vector(call, w, p, s.terms)) ||
        (dw && !is_vector(call, dw, p, s.terms)) || (db && !is_vector(call, db, p, s.terms)) ||
        (dw && db && dw->dtype != db->dtype))
        return CR_UNSUPPORTED;
    norm_step step = no_step;
    step.op = BACK;
    step.by_term = true;
    step.at[1] = call->in_at[1];
    step.at[3] = call->in_at[0];
    step.at[4] = call->in_at[2];
    step.at[5] = call->in_at[3];
    cr_status status = CR_OK;
    const cr_meta *values[3] = {dx ? dx : x, x, g};
    if (dx) {
        norm_step rows = step;
        rows.has = (w ? HAS_WEIGHT : 0u) | WANTS_X;
        rows.at[0] = call->out_at[0];
        rows.at[2] = w ? call->in_at[4] : -1;
        rows.writes[0] = true;
        status = add_step(p, &rows, values, &s, w ? w->dtype : 0, 0);
    }
    if ((dw || db) && status == CR_OK) {
        step.op = COLUMNS;
        step.by_term = false;
        step.has = (dw ? WANTS_WEIGHT : 0u) | (db ? WANTS_BIAS : 0u);
        step.at[6] = dw ? call->out_at[1] : -1;
        step.at[7] = db ? call->out_at[2] : -1;
        step.writes[6] = step.writes[7] = true;
        status = add_step(p, &step, values, &columns, dw ? dw->dtype : db->dtype, 0);
    }
    return status;
}

static cr_status plan_layer_back(const vk_call *call, cr_plan **plan)
{
    int first = call->nin >= 5 && call->nout == 3 ? layer_first(call, call->in[1]) : -1;
    norm_plan *p = first < 0 ? NULL : plan_new(call, call->in[1]);
    return p ? vk_plan_done(&p->base, fill_layer_back(call, p, first), plan) : CR_UNSUPPORTED;
}

/* ---- batch norm ---- */

/* Inputs: x, weight, bias, running mean and variance; outputs: y, mean, rstd and, in training, the
 * running statistics, which lie where the inputs do. */
static cr_status fill_batch(const vk_call *call, norm_plan *p)
{
    const cr_meta *x = call->in[0], *w = call->in[1], *b = call->in[2], *rm = call->in[3],
                  *rv = call->in[4];
    norm_shape s = shape_of(x, 1, 2);
    bool training = vk_attr_int(call->node, "training", 0) != 0,
         keeps = training && call->nout == 5;
    if (keeps) {
        rm = call->out[3];
        rv = call->out[4];
    }
    if (!is_like(call->out[0], x) || (w && !is_vector(call, w, p, s.units)) ||
        (b && !is_vector(call, b, p, s.units)) || (w && b && w->dtype != b->dtype) ||
        (training && (!is_stat(call->out[1], p, s.units) || !is_stat(call->out[2], p, s.units))) ||
        ((keeps || !training) && (!is_vector(call, rm, p, s.units) ||
                                  !is_vector(call, rv, p, s.units) || rm->dtype != rv->dtype)))
        return CR_UNSUPPORTED;
    norm_step step = no_step;
    step.op = training ? FORWARD : EVALUATE;
    step.has = (w ? HAS_WEIGHT : 0u) | (b ? HAS_BIAS : 0u) | (keeps ? HAS_RUNNING : 0u);
    step.at[0] = call->out_at[0];
    step.at[1] = call->in_at[0];
    step.at[2] = w ? call->in_at[1] : -1;
    step.at[3] = b ? call->in_at[2] : -1;
    step.writes[0] = step.writes[4] = step.writes[5] = true;
    if (training) {
        step.at[4] = call->out_at[1];
        step.at[5] = call->out_at[2];
    }
    if (keeps || !training) {
        step.at[6] = keeps ? call->out_at[3] : call->in_at[3];
        step.at[7] = keeps ? call->out_at[4] : call->in_at[4];
        step.writes[6] = step.writes[7] = keeps;
    }
    const cr_meta *values[3] = {call->out[0], x, x};
    return add_step(p, &step, values, &s,
                    w   ? w->dtype
                    : b ? b->dtype
                        : 0,
                    step.at[6] >= 0 ? rm->dtype : 0);
}

static cr_status plan_batch(const vk_call *call, cr_plan **plan)
{
    const cr_meta *x = call->nin == 5 && call->nout >= 3 ? call->in[0] : NULL;
    norm_plan *p = x && x->rank >= 2 ? plan_new(call, x) : NULL;
    return p ? vk_plan_done(&p->base, fill_batch(call, p), plan) : CR_UNSUPPORTED;
}

/* Inputs: y', x, weight, running mean and variance, mean, rstd. */
static cr_status fill_batch_back(const vk_call *call, norm_plan *p)
{
    const cr_meta *g = call->in[0], *x = call->in[1], *w = call->in[2];
    const cr_meta *dx = call->out[0], *dw = call->out[1], *db = call->out[2];
    norm_shape s = shape_of(x, 1, 2);
    bool training = vk_attr_int(call->node, "train", 0) != 0;
    const cr_meta *mean = call->in[training ? 5 : 3], *rstd = call->in[training ? 6 : 4];
    if (!is_like(g, x) || (dx && !is_like(dx, x)) || (w && !is_vector(call, w, p, s.units)) ||
        (dw && !is_vector(call, dw, p, s.units)) || (db && !is_vector(call, db, p, s.units)) ||
        (dw && db && dw->dtype != db->dtype) || (w && dw && w->dtype != dw->dtype) ||
        (w && db && w->dtype != db->dtype))
        return CR_UNSUPPORTED;
    if (training ? !is_stat(mean, p, s.units) || !is_stat(rstd, p, s.units)
                 : !is_vector(call, mean, p, s.units) || !is_vector(call, rstd, p, s.units) ||
                       mean->dtype != rstd->dtype)
        return CR_UNSUPPORTED;
    /* In evaluation the running statistics have the places of the gradients, which move to those of
     * the batch's. */
    int stats = training ? 4 : 6, gradients = training ? 6 : 4;
    norm_step step = no_step;
    step.op = training ? BACK : EVALUATE_BACK;
    step.has = (w ? HAS_WEIGHT : 0u) | (dx ? WANTS_X : 0u) | (dw ? WANTS_WEIGHT : 0u) |
               (db ? WANTS_BIAS : 0u);
    step.at[0] = dx ? call->out_at[0] : -1;
    step.at[1] = call->in_at[1];
    step.at[2] = w ? call->in_at[2] : -1;
    step.at[3] = call->in_at[0];
    step.at[stats] = call->in_at[training ? 5 : 3];
    step.at[stats + 1] = call->in_at[training ? 6 : 4];
    step.at[gradients] = dw ? call->out_at[1] : -1;
    step.at[gradients + 1] = db ? call->out_at[2] : -1;
    step.writes[0] = step.writes[gradients] = step.writes[gradients + 1] = true;
    const cr_meta *values[3] = {dx ? dx : x, x, g};
    int32_t weights = w ? w->dtype : dw ? dw->dtype : db ? db->dtype : 0;
    return add_step(p, &step, values, &s, weights, training ? 0 : mean->dtype);
}

static cr_status plan_batch_back(const vk_call *call, cr_plan **plan)
{
    const cr_meta *x = call->nin == 7 && call->nout == 3 ? call->in[1] : NULL;
    norm_plan *p = x && x->rank >= 2 ? plan_new(call, x) : NULL;
    return p ? vk_plan_done(&p->base, fill_batch_back(call, p), plan) : CR_UNSUPPORTED;
}

const vk_op vk_family_norm[] = {
    {"native_layer_norm", plan_layer},
    {"native_layer_norm_backward", plan_layer_back},
    {"native_batch_norm", plan_batch},
    {"native_batch_norm_backward", plan_batch_back},
    {NULL, NULL},
};
