/* native_layer_norm and its gradient, by rows; group norm comes here as layer norm over groups. oneDNN wants ε when the
 * primitive is made, here it is a number of the run: a plan is made for the usual one, and anew when another comes.
 * oneDNN's statistics are mean and variance, ours mean and 1/√(variance + ε). */
#include <math.h>

#include "rows.h"

enum { TINY = 512, VALUES = 8 };

typedef struct layer_plan {
    dn_plan plan;
    dn_rows rows;
    bool backward;
    float eps; /* that the stages were made with */
    int eps_at;
    cr_meta meta
        [VALUES]; /* forward: x weight bias y mean rstd; backward: g x mean rstd weight dx dw db */
    int at[VALUES];     /* -1: absent */
    dn_where vector[2]; /* weight and bias in f32 */
    dn_where sums[2];   /* pieces of dw and db */
    dn_where variance;  /* backward */
    int64_t pieces;
} layer_plan;

enum { X, WEIGHT, BIAS, Y, MEAN, RSTD };
enum { B_G, B_X, B_MEAN, B_RSTD, B_WEIGHT, B_DX, B_DW, B_DB };

/* ---- plain stages ---- */

static float *shared(const dn_plan *plan, const cr_run *run, const dn_where *where)
{
    return dn_address(plan, run, where, 0);
}

/* Vectors of another dtype, to f32. */
static void widen(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const layer_plan *p = (const layer_plan *)base;
    for (int v = 0; v < 2; v++) {
        int value = p->backward ? B_WEIGHT : WEIGHT + v;
        if (p->at[value] < 0 || p->meta[value].dtype == CR_F32 || (p->backward && v))
            continue;
        float *to = shared(base, run, &p->vector[v]);
        const uint16_t *from = cpu_at(run, p->at[value]);
        for (int64_t i = begin; i < end; i++)
            to[i] = dn_from_bf16(from[i]);
    }
}

static void invert(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const layer_plan *p = (const layer_plan *)base;
    float *r = cpu_at(run, p->at[RSTD]);
    for (int64_t i = begin; i < end; i++)
        r[i] = 1 / sqrtf(r[i] + p->eps);
}

/* The variance, ε and all, that 1/√ was taken of. */
static void to_variance(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const layer_plan *p = (const layer_plan *)base;
    const float *r = cpu_at(run, p->at[B_RSTD]);
    float *to = shared(base, run, &p->variance);
    for (int64_t i = begin; i < end; i++)
        to[i] = 1 / (r[i] * r[i]);
}

/* The sums over all rows out of those of the pieces. */
static void add_pieces(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const layer_plan *p = (const layer_plan *)base;
    for (int v = 0; v < 2; v++) {
        if (p->at[B_DW + v] < 0)
            continue;
        float *sums = shared(base, run, &p->sums[v]);
        size_t step = p->sums[v].advance / sizeof(float);
        void *to = cpu_at(run, p->at[B_DW + v]);
        for (int64_t i = begin; i < end; i++) {
            float sum = sums[i];
            for (int64_t piece = 1; piece < p->pieces; piece++)
                sum += sums[(size_t)piece * step + (size_t)i];
            if (p->meta[B_DW + v].dtype == CR_F32)
                ((float *)to)[i] = sum;
            else
                ((uint16_t *)to)[i] = dn_to_bf16(sum);
        }
    }
}

/* ---- building ---- */

static unsigned flags_of(const layer_plan *p)
{
    int scale = p->backward ? B_WEIGHT : WEIGHT, shift = p->backward ? B_DB : BIAS;
    return (p->at[scale] >= 0 ? dnnl_use_scale : 0u) | (p->at[shift] >= 0 ? dnnl_use_shift : 0u);
}

static dnnl_status_t describe(const void *context, int64_t rows, int64_t m, dnnl_data_type_t type,
                              dnnl_primitive_desc_t *pd)
{
    const layer_plan *p = context;
    const int64_t sizes[2] = {rows, m};
    dnnl_primitive_desc_t forward = NULL;
    dn_md md, stat;
    dnnl_status_t status = dn_md_tag(&md, 2, sizes, type, dnnl_ab);
    if (status)
        return status;
    status = dn_md_tag(&stat, 1, sizes, dnnl_f32, dnnl_a);
    if (!status) {
        float eps = p->backward ? 0 : p->eps;
        unsigned flags = flags_of(p); /* 2.x reads a weight only to give its gradient, too */
        status = dn_pd_layer_norm(p->backward ? &forward : pd, dn_engine, dn_attr, &md, &stat, eps,
                                  flags);
        if (!status && p->backward)
            status = dn_pd_layer_norm_back(pd, dn_engine, dn_attr,
                                           flags ? dnnl_backward : dnnl_backward_data, &md, &stat,
                                           eps, flags, forward);
        dn_md_free(&stat);
    }
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    dn_md_free(&md);
    return status;
}

static bool add_plain(layer_plan *p, int64_t items, double cost,
                      void (*body)(const dn_plan *, const cr_run *, int64_t, int64_t))
{
    dn_stage *stage = dn_stage_add(&p->plan, items, 0, cost);
    if (stage)
        stage->plain = body;
    return stage != NULL;
}

/* Where f32 of a vector are; *wide: they have to be made first. */
static bool place_vector(layer_plan *p, int value, int slot, bool *wide)
{
    if (p->at[value] < 0)
        return true;
    if (p->meta[value].dtype == CR_F32) {
        p->vector[slot] = dn_value(p->at[value], 0);
        return true;
    }
    *wide = true;
    return dn_take_shared(&p->plan, (size_t)p->rows.m * sizeof(float), &p->vector[slot]);
}

static dn_row_operand rows_operand(const layer_plan *p, int arg, int value, bool written)
{
    return (dn_row_operand){DN_ROWS, arg, written, &p->meta[value], p->at[value], {0}};
}

static dn_row_operand other(dn_row_form form, int arg, dn_where where)
{
    return (dn_row_operand){form, arg, true, NULL, 0, where};
}

static cr_status build_forward(layer_plan *p)
{
    bool wide = false;
    dn_row_operand o[6];
    int n = 0;
    if (!place_vector(p, WEIGHT, 0, &wide) || !place_vector(p, BIAS, 1, &wide) ||
        (wide && !add_plain(p, p->rows.m, 0.5, widen)))
        return CR_UNSUPPORTED;
    o[n++] = rows_operand(p, DNNL_ARG_SRC, X, false);
    o[n++] = rows_operand(p, DNNL_ARG_DST, Y, true);
    o[n++] = other(DN_EACH, DNNL_ARG_MEAN, dn_value(p->at[MEAN], 0));
    o[n++] = other(DN_EACH, DNNL_ARG_VARIANCE, dn_value(p->at[RSTD], 0));
    if (p->at[WEIGHT] >= 0)
        o[n++] = other(DN_ALONG, DNNL_ARG_SCALE, p->vector[0]);
    if (p->at[BIAS] >= 0)
        o[n++] = other(DN_ALONG, DNNL_ARG_SHIFT, p->vector[1]);
    cr_status status =
        dn_rows_stage(&p->plan, &p->rows, o, n, (double)p->rows.m * 0.3 + 10, describe, p, NULL);
    return status == CR_OK && !add_plain(p, p->rows.rows, 2, invert) ? CR_UNSUPPORTED : status;
}

static cr_status build_backward(layer_plan *p)
{
    bool wide = false;
    dn_row_operand o[9];
    int n = 0;
    double cost = (double)p->rows.m * 0.6 + 10;
    size_t vector = (size_t)p->rows.m * sizeof(float);
    if (!place_vector(p, B_WEIGHT, 0, &wide) || (wide && !add_plain(p, p->rows.m, 0.5, widen)) ||
        !dn_take_shared(&p->plan, (size_t)p->rows.rows * sizeof(float), &p->variance) ||
        !add_plain(p, p->rows.rows, 2, to_variance))
        return CR_UNSUPPORTED;
    o[n++] = rows_operand(p, DNNL_ARG_DIFF_DST, B_G, false);
    o[n++] = rows_operand(p, DNNL_ARG_SRC, B_X, false);
    o[n++] = rows_operand(p, DNNL_ARG_DIFF_SRC, B_DX, true);
    dn_rows_piece(&p->rows, o, n, cost, &p->pieces);
    o[n++] = other(DN_EACH, DNNL_ARG_MEAN, dn_value(p->at[B_MEAN], 0));
    o[n++] = other(DN_EACH, DNNL_ARG_VARIANCE, p->variance);
    if (p->at[B_WEIGHT] >= 0)
        o[n++] = other(DN_ALONG, DNNL_ARG_SCALE, p->vector[0]);
    for (int v = 0; v < 2; v++) {
        size_t all;
        /* With a weight there is room for its gradient, wanted or not. */
        if (p->at[v ? B_DB : B_WEIGHT] < 0)
            continue;
        if (__builtin_mul_overflow((size_t)p->pieces, (vector + 63) / 64 * 64, &all) ||
            !dn_take_shared(&p->plan, all, &p->sums[v]))
            return CR_UNSUPPORTED;
        p->sums[v].advance = (vector + 63) / 64 * 64;
        o[n++] = other(DN_ALONG, v ? DNNL_ARG_DIFF_SHIFT : DNNL_ARG_DIFF_SCALE, p->sums[v]);
        if (v && DN_BACK_TAKES_SHIFT)
            o[n++] = other(DN_ALONG, DNNL_ARG_SHIFT, p->sums[v]);
    }
    cr_status status = dn_rows_stage(&p->plan, &p->rows, o, n, cost, describe, p, NULL);
    bool sums = p->at[B_DW] >= 0 || p->at[B_DB] >= 0;
    if (status == CR_OK && sums && !add_plain(p, p->rows.m, (double)p->pieces, add_pieces))
        status = CR_UNSUPPORTED;
    return status;
}

/* ---- running ---- */

static cr_status run_forward(cr_plan *base, const cr_run *run)
{
    layer_plan *p = (layer_plan *)base;
    float eps = p->eps_at < 0 ? p->eps : (float)run->numbers[p->eps_at].f;
    if (eps != p->eps) { /* the same stages in the same workspace */
        dn_plan_destroy(base);
        memset(p->plan.stage, 0, sizeof p->plan.stage);
        p->plan.nstages = 0;
        p->plan.shared = p->plan.shared_now = p->plan.slot = p->plan.slot_now = 0;
        p->eps = eps;
        int before = dn_enter();
        cr_status status = build_forward(p);
        dn_leave(before);
        if (status != CR_OK) {
            p->eps = NAN; /* made anew the next time */
            return status == CR_UNSUPPORTED ? CR_FAILED : status;
        }
    }
    return dn_plan_run(base, run);
}

/* ---- planning ---- */

/* A dense vector of m elements, f32 or bf16. */
static bool is_vector(const cr_meta *m, int64_t count)
{
    return !m || (cpu_numel(m) == count && cpu_is_contiguous(m) &&
                  (m->dtype == CR_F32 || m->dtype == CR_BF16));
}

static bool is_stat(const cr_meta *m, int64_t count)
{
    return m && cpu_numel(m) == count && cpu_is_contiguous(m) && m->dtype == CR_F32;
}

/* 2.x takes bf16 that fills no vector element by element, at half a microsecond each, and its gradient in f32 is slower than
 * the cpu backend's at every size. */
static bool takes(const cr_meta *x, const dn_rows *rows, bool backward)
{
    if (dn_takes_tiny())
        return true;
    if (rows->rows * rows->m < TINY || (!DN_3 && x->dtype != CR_F32 && rows->m % 16))
        return false;
    return DN_3 || !backward || x->dtype != CR_F32;
}

static layer_plan *plan_new(const cpu_call *call, bool backward, const cr_meta *x)
{
    int count = 0;
    dn_rows rows;
    cpu_attr_ints(call->node, "normalized_shape", &count);
    if (!x || (x->dtype != CR_F32 && x->dtype != CR_BF16 && x->dtype != CR_F16) ||
        !dn_rows_last(&rows, x, count) || !takes(x, &rows, backward))
        return NULL;
    layer_plan *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return NULL;
    p->rows = rows;
    p->backward = backward;
    p->eps = 1e-5f;
    p->eps_at = cpu_number_at(call->node, "eps");
    for (int i = 0; i < VALUES; i++)
        p->at[i] = -1;
    return p;
}

static void note(layer_plan *p, int value, const cr_meta *meta, int at)
{
    if (meta) {
        p->meta[value] = *meta;
        p->at[value] = at;
    }
}

static cr_status plan_forward(const cpu_call *call, cr_plan **out)
{
    const cr_meta *x = call->in[0], *y = call->out[0];
    if (call->nin != 3 || call->nout != 3 || !x || !y || x->dtype != y->dtype)
        return CR_UNSUPPORTED;
    layer_plan *p = plan_new(call, false, x);
    if (!p)
        return CR_UNSUPPORTED;
    for (int i = 0; i < 3; i++) {
        note(p, X + i, call->in[i], call->in_at[i]);
        note(p, Y + i, call->out[i], call->out_at[i]);
    }
    p->plan.base.run = run_forward;
    cr_status status = is_vector(call->in[1], p->rows.m) && is_vector(call->in[2], p->rows.m) &&
                               is_stat(call->out[1], p->rows.rows) &&
                               is_stat(call->out[2], p->rows.rows)
                           ? build_forward(p)
                           : CR_UNSUPPORTED;
    return dn_plan_done(&p->plan, call, status, out);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **out)
{
    const cr_meta *g = call->in[0], *x = call->nin > 1 ? call->in[1] : NULL, *dx = call->out[0];
    if (call->nin < 5 || call->nout != 3 || !g || !x || !dx || g->dtype != x->dtype ||
        dx->dtype != x->dtype || (call->out[1] && !call->in[4]))
        return CR_UNSUPPORTED;
    layer_plan *p = plan_new(call, true, x);
    if (!p)
        return CR_UNSUPPORTED;
    for (int i = 0; i < 5; i++)
        note(p, B_G + i, call->in[i], call->in_at[i]);
    for (int i = 0; i < 3; i++)
        note(p, B_DX + i, call->out[i], call->out_at[i]);
    cr_status status = is_stat(call->in[2], p->rows.rows) && is_stat(call->in[3], p->rows.rows) &&
                               is_vector(call->in[4], p->rows.m) &&
                               is_vector(call->out[1], p->rows.m) &&
                               is_vector(call->out[2], p->rows.m)
                           ? build_backward(p)
                           : CR_UNSUPPORTED;
    return dn_plan_done(&p->plan, call, status, out);
}

const cpu_op dn_family_layer_norm[] = {
    {"native_layer_norm", plan_forward},
    {"native_layer_norm_backward", plan_backward},
    {NULL, NULL},
};
