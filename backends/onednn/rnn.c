/* _rnn_layer and its gradient: LSTM, GRU (reset after the product, as PyTorch has it) and plain RNN, one layer in one
 * direction over all steps. Pieces are sequences, each on one thread through all steps. What the forward keeps for the
 * backward is oneDNN's workspace of each piece, in the reserve's private layout; the tag says how many pieces there are.
 * Gradients are f32 there, and added to those of weights; states of cells are f32, too. */
#include "rnn.h"

enum { VIEWS = 12, CHUNKS = 64 };

enum {
    X,
    H,
    C,
    WX,
    WH,
    B,
    B_HH,
    SIZES,
    INPUTS
};                                 /* the layer's inputs, in the backward from GRADS on */
enum { Y, NEW_H, NEW_C, RESERVE }; /* the forward's results */
enum { GRADS = 3, OLD_Y = GRADS + INPUTS, OLD_C, OLD_RESERVE }; /* the backward's inputs */

/* A value in f32: the core's own memory where it is that, else memory of the workspace that is filled before (0 where there is
 * no value) or read after. */
typedef struct view {
    int at; /* -1: none */
    bool written, aside;
    int64_t count;
    dn_where where;
} view;

typedef struct rnn_plan {
    dn_plan plan;
    dn_rnn_shape shape;
    bool backward;
    int64_t pieces, piece; /* piece: sequences of each */
    int at[16], out[8];    /* -1: absent */
    view views[VIEWS];
    int nviews;
    dn_where bias, diff[3]; /* diff: pieces of the gradients of weights and bias */
    size_t step[3];         /* floats from one piece to the next of these */
} rnn_plan;

/* ---- plain stages ---- */

static float *shared(const dn_plan *plan, const cr_run *run, const dn_where *where)
{
    return dn_address(plan, run, where, 0);
}

static void part_of(int64_t count, int64_t begin, int64_t end, int64_t *from, int64_t *to)
{
    int64_t each = (count + CHUNKS - 1) / CHUNKS;
    *from = begin * each < count ? begin * each : count;
    *to = end * each < count ? end * each : count;
}

/* Chunks of all that the primitive reads in another form than the core's. */
static void before(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const rnn_plan *p = (const rnn_plan *)base;
    for (int v = 0; v < p->nviews; v++) {
        const view *w = &p->views[v];
        int64_t from, to;
        if (!w->aside || w->written)
            continue;
        part_of(w->count, begin, end, &from, &to);
        float *values = shared(base, run, &w->where);
        if (w->at < 0 && to > from)
            memset(values + from, 0, (size_t)(to - from) * sizeof *values);
        const uint16_t *given = w->at < 0 ? NULL : cpu_at(run, w->at);
        for (int64_t i = from; given && i < to; i++)
            values[i] = dn_from_bf16(given[i]);
    }
    const int *in = p->at + (p->backward ? GRADS : 0);
    if (begin == 0)
        dn_rnn_bias(&p->shape, in[B] < 0 ? NULL : cpu_at(run, in[B]),
                    in[B_HH] < 0 ? NULL : cpu_at(run, in[B_HH]), shared(base, run, &p->bias));
}

static void after(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const rnn_plan *p = (const rnn_plan *)base;
    for (int v = 0; v < p->nviews; v++) {
        const view *w = &p->views[v];
        int64_t from, to;
        if (!w->aside || !w->written || w->at < 0)
            continue;
        part_of(w->count, begin, end, &from, &to);
        const float *values = shared(base, run, &w->where);
        uint16_t *result = cpu_at(run, w->at);
        for (int64_t i = from; i < to; i++)
            result[i] = dn_to_bf16(values[i]);
    }
}

/* Rows of a weight's gradient. */
static void weight_grads(const rnn_plan *p, const cr_run *run, int which, int64_t begin,
                         int64_t end)
{
    dn_rnn_weight_grads(&p->shape, shared(&p->plan, run, &p->diff[which]), p->pieces,
                        p->step[which], which ? p->shape.hidden : p->shape.size,
                        cpu_at(run, p->out[WX + which]), begin, end);
}

static void grads_of_wx(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    weight_grads((const rnn_plan *)base, run, 0, begin, end);
}

static void grads_of_wh(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    weight_grads((const rnn_plan *)base, run, 1, begin, end);
}

static void grads_of_bias(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    (void)begin, (void)end;
    const rnn_plan *p = (const rnn_plan *)base;
    void *to[2];
    for (int i = 0; i < 2; i++)
        to[i] = p->out[B + i] < 0 ? NULL : cpu_at(run, p->out[B + i]);
    dn_rnn_bias_grads(&p->shape, shared(base, run, &p->diff[2]), p->pieces, p->step[2], to[0],
                      to[1]);
}

/* ---- where things are ---- */

static size_t element(const rnn_plan *p)
{
    return p->shape.half ? 2 : 4;
}

/* A value of `rows` times the batch's sequences times `width`, as f32. */
static bool place(rnn_plan *p, int at, bool written, int64_t rows, int64_t width, dn_where *where)
{
    view *v = &p->views[p->nviews++];
    *v = (view){at, written, at < 0 || p->shape.half, rows * p->shape.batch * width, {0}};
    size_t sequence = (size_t)width * sizeof(float);
    if (!v->aside)
        v->where = dn_value(at, sequence);
    else if (!dn_take_shared(&p->plan, (size_t)v->count * sizeof(float), &v->where))
        return false;
    else
        v->where.advance = (size_t)p->piece * sequence;
    *where = v->where;
    return true;
}

/* Room for every piece's gradient of weights or bias, zero before the primitive adds to it. */
static bool place_sums(rnn_plan *p, int which, int64_t count)
{
    view *v = &p->views[p->nviews++];
    p->step[which] = ((size_t)count + 15) / 16 * 16;
    *v = (view){-1, false, true, p->pieces * (int64_t)p->step[which], {0}};
    if (!dn_take_shared(&p->plan, (size_t)v->count * sizeof(float), &v->where))
        return false;
    p->diff[which] = v->where;
    p->diff[which].advance = p->step[which] * sizeof(float);
    return true;
}

/* ---- descriptors ---- */

typedef struct mds {
    dn_md md[DN_RNN_PARTS], diff[DN_RNN_PARTS], workspace; /* workspace: of training */
    dnnl_primitive_desc_t forward, backward;
} mds;

static void free_mds(mds *m)
{
    for (int i = 0; i < DN_RNN_PARTS; i++) {
        dn_md_free(&m->md[i]);
        dn_md_free(&m->diff[i]);
    }
    dn_md_free(&m->workspace);
    if (m->forward)
        dnnl_primitive_desc_destroy(m->forward);
    if (m->backward)
        dnnl_primitive_desc_destroy(m->backward);
}

/* The operands of a piece, or their gradients, which are f32. */
static dnnl_status_t describe_parts(const rnn_plan *p, bool gradients, dn_md *md)
{
    const dn_rnn_shape *s = &p->shape;
    const int64_t gates = dn_rnn_gates(s->cell), n = p->piece, batch = s->batch;
    const int64_t x[3] = {s->steps, n, s->size}, y[3] = {s->steps, n, s->hidden};
    const int64_t state[4] = {1, 1, n, s->hidden}, row = batch * s->hidden;
    const int64_t along_x[3] = {batch * s->size, s->size, 1}, along_y[3] = {row, s->hidden, 1};
    const int64_t along_state[4] = {row, row, s->hidden, 1};
    const int64_t wx[5] = {1, 1, s->size, gates, s->hidden};
    const int64_t wh[5] = {1, 1, s->hidden, gates, s->hidden};
    const int64_t bias[4] = {1, 1, dn_rnn_bias_rows(s->cell), s->hidden};
    dnnl_data_type_t type = s->half && !gradients ? dnnl_bf16 : dnnl_f32;
    dnnl_format_tag_t weights = gradients ? dnnl_ldigo : dnnl_format_tag_any;
    dnnl_status_t status = dn_md_strided(&md[DN_RNN_X], 3, x, type, along_x);
    status = status ? status : dn_md_strided(&md[DN_RNN_H], 4, state, type, along_state);
    status = status ? status : dn_md_strided(&md[DN_RNN_C], 4, state, dnnl_f32, along_state);
    status = status ? status : dn_md_tag(&md[DN_RNN_WX], 5, wx, type, weights);
    status = status ? status : dn_md_tag(&md[DN_RNN_WH], 5, wh, type, weights);
    status = status ? status : dn_md_tag(&md[DN_RNN_B], 4, bias, dnnl_f32, dnnl_ldgo);
    status = status ? status : dn_md_strided(&md[DN_RNN_Y], 3, y, type, along_y);
    status = status ? status : dn_md_strided(&md[DN_RNN_NEW_H], 4, state, type, along_state);
    return status ? status : dn_md_strided(&md[DN_RNN_NEW_C], 4, state, dnnl_f32, along_state);
}

static bool has_part(const rnn_plan *p, int part)
{
    return p->shape.cell == DN_CELL_LSTM || (part != DN_RNN_C && part != DN_RNN_NEW_C);
}

static dnnl_status_t describe(const rnn_plan *p, bool keep, mds *m)
{
    dn_rnn_case r = {
        .cell = p->shape.cell, .reverse = p->shape.reverse, .training = keep || p->backward};
    memset(m, 0, sizeof *m);
    dnnl_status_t status = describe_parts(p, false, m->md);
    if (!status && p->backward)
        status = describe_parts(p, true, m->diff);
    for (int i = 0; i < DN_RNN_PARTS; i++)
        if (has_part(p, i)) {
            r.md[i] = &m->md[i];
            r.diff[i] = &m->diff[i];
        }
    status = status ? status : dn_pd_rnn_forward(&m->forward, dn_engine, dn_attr, &r);
    if (!status && p->backward)
        status = dn_pd_rnn_backward(&m->backward, dn_engine, dn_attr, &r, m->forward);
    const_dnnl_primitive_desc_t pd = p->backward ? m->backward : m->forward;
    for (int i = 0; i < 2 && !status; i++) {
        dn_md_free(&m->md[DN_RNN_WX + i]);
        status = dn_md_copy(&m->md[DN_RNN_WX + i],
                            dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, i));
    }
    return !status && r.training ? dn_md_of(&m->workspace, pd, dnnl_query_workspace_md) : status;
}

/* ---- building ---- */

/* Bytes of the workspace for each sequence of a piece. */
static size_t kept_bytes(const rnn_plan *p, const mds *m)
{
    size_t each = (dn_md_bytes(&m->workspace) + (size_t)p->piece - 1) / (size_t)p->piece;
    return (each + 63) / 64 * 64;
}

/* Asks for the weight in the layout that the primitive chose, unless it lies so. */
static bool take_weight(const rnn_plan *p, const cpu_call *call, int input, const dn_md *chosen)
{
    const cr_meta *w = call->in[input];
    const int64_t gates = dn_rnn_gates(p->shape.cell);
    const int64_t size[5] = {1, 1, w->size[1], gates, p->shape.hidden};
    dn_md plain;
    if (dn_md_tag(&plain, 5, size, dn_type(w->dtype), dnnl_ldgoi))
        return false;
    bool same = p->shape.cell != DN_CELL_GRU && dn_md_equal(&plain, chosen);
    dn_md_free(&plain);
    if (same)
        return true;
    uint64_t tag =
        call->info->input_layouts ? dn_tag_of_weights(chosen, dn_rnn_groups(p->shape.cell)) : 0;
    if (tag) {
        call->info->input_layouts[call->in_at[input]] = tag;
        call->info->input_bytes[call->in_at[input]] = dn_md_bytes(chosen);
    }
    return tag != 0;
}

typedef struct operands {
    dn_operand o[DN_OPERANDS];
    const dn_md *md[DN_OPERANDS];
    int count;
} operands;

static void add(operands *o, int arg, dn_where where, const dn_md *md)
{
    o->o[o->count] = (dn_operand){arg, where};
    o->md[o->count++] = md;
}

/* The operands of the forward, which the backward reads. */
static bool place_parts(rnn_plan *p, const mds *m, operands *o)
{
    const dn_rnn_shape *s = &p->shape;
    const int *in = p->at + (p->backward ? GRADS : 0);
    const int y = p->backward ? p->at[OLD_Y] : p->out[Y];
    const size_t state = (size_t)s->hidden * element(p);
    dn_where where[DN_RNN_PARTS] = {
        [DN_RNN_X] = dn_value(in[X], (size_t)s->size * element(p)),
        [DN_RNN_H] = dn_value(in[H], state),
        [DN_RNN_WX] = dn_value(in[WX], 0),
        [DN_RNN_WH] = dn_value(in[WH], 0),
        [DN_RNN_Y] = dn_value(y, state),
        [DN_RNN_NEW_H] = dn_value(p->backward ? y : p->out[NEW_H], state),
    };
    if (p->backward && !s->reverse) /* h after the last step */
        where[DN_RNN_NEW_H].offset = (size_t)((s->steps - 1) * s->batch) * state;
    size_t bias = (size_t)(dn_rnn_bias_rows(s->cell) * s->hidden) * sizeof(float);
    if (!dn_take_shared(&p->plan, bias, &p->bias))
        return false;
    where[DN_RNN_B] = p->bias;
    if (s->cell == DN_CELL_LSTM && (!place(p, in[C], false, 1, s->hidden, &where[DN_RNN_C]) ||
                                    !place(p, p->backward ? p->at[OLD_C] : p->out[NEW_C],
                                           !p->backward, 1, s->hidden, &where[DN_RNN_NEW_C])))
        return false;
    for (int i = 0; i < DN_RNN_PARTS; i++)
        if (has_part(p, i))
            add(o, dn_rnn_args[i], where[i], &m->md[i]);
    return true;
}

static bool place_gradients(rnn_plan *p, const mds *m, operands *o)
{
    const dn_rnn_shape *s = &p->shape;
    const int64_t row = dn_rnn_gates(s->cell) * s->hidden;
    dn_where where[DN_RNN_PARTS];
    bool lstm = s->cell == DN_CELL_LSTM;
    if (!place(p, p->out[X], true, s->steps, s->size, &where[DN_RNN_X]) ||
        !place(p, p->out[H], true, 1, s->hidden, &where[DN_RNN_H]) ||
        !place(p, p->at[0], false, s->steps, s->hidden, &where[DN_RNN_Y]) ||
        !place(p, p->at[1], false, 1, s->hidden, &where[DN_RNN_NEW_H]) ||
        (lstm && (!place(p, p->out[C], true, 1, s->hidden, &where[DN_RNN_C]) ||
                  !place(p, p->at[2], false, 1, s->hidden, &where[DN_RNN_NEW_C]))) ||
        !place_sums(p, 0, s->size * row) || !place_sums(p, 1, s->hidden * row) ||
        !place_sums(p, 2, dn_rnn_bias_rows(s->cell) * s->hidden))
        return false;
    for (int i = 0; i < 3; i++)
        where[DN_RNN_WX + i] = p->diff[i];
    for (int i = 0; i < DN_RNN_PARTS; i++)
        if (has_part(p, i))
            add(o, dn_rnn_diff_args[i], where[i], &m->diff[i]);
    return true;
}

static bool add_plain(rnn_plan *p, int64_t items, double cost,
                      void (*body)(const dn_plan *, const cr_run *, int64_t, int64_t))
{
    dn_stage *stage = dn_stage_add(&p->plan, items, 0, cost);
    if (stage)
        stage->plain = body;
    return stage != NULL;
}

/* Nanoseconds that a sequence takes, roughly. */
static double sequence_cost(const rnn_plan *p)
{
    const dn_rnn_shape *s = &p->shape;
    double products =
        (double)(s->steps * dn_rnn_gates(s->cell) * s->hidden) * (double)(s->size + s->hidden);
    return products * (s->half ? 0.01 : 0.03) * (p->backward ? 2.5 : 1);
}

/* kept: where the primitive's workspace is, if it has one. */
static cr_status build(rnn_plan *p, mds *m, const dn_where *kept)
{
    const dn_rnn_shape *s = &p->shape;
    operands o = {.count = 0};
    if (!place_parts(p, m, &o) || (p->backward && !place_gradients(p, m, &o)))
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "%s: its workspace overflows",
                              p->plan.text);
    if (kept)
        add(&o, DNNL_ARG_WORKSPACE, *kept, &m->workspace);
    int64_t copied = 0;
    for (int i = 0; i < p->nviews; i++)
        copied += p->views[i].aside ? p->views[i].count : 0;
    add_plain(p, CHUNKS, (double)copied / CHUNKS * 0.2, before);
    dn_stage *stage = dn_stage_add(&p->plan, s->batch, p->piece, sequence_cost(p));
    dnnl_primitive_desc_t *pd = p->backward ? &m->backward : &m->forward;
    cr_status status = dn_step_set(&p->plan, stage, 0, 0, *pd, o.o, o.md, o.count);
    *pd = NULL;
    bool writes = false;
    for (int i = 0; i < p->nviews; i++)
        writes = writes || (p->views[i].aside && p->views[i].written && p->views[i].at >= 0);
    if (writes)
        add_plain(p, CHUNKS, (double)copied / CHUNKS * 0.2, after);
    int64_t rows = dn_rnn_gates(s->cell) * s->hidden;
    if (p->backward && p->out[WX] >= 0)
        add_plain(p, rows, (double)(s->size * p->pieces), grads_of_wx);
    if (p->backward && p->out[WH] >= 0)
        add_plain(p, rows, (double)(s->hidden * p->pieces), grads_of_wh);
    if (p->backward && (p->out[B] >= 0 || p->out[B_HH] >= 0))
        add_plain(p, 1, (double)(rows * p->pieces), grads_of_bias);
    return status;
}

/* ---- planning ---- */

static bool cell_of(const char *mode, dn_cell *cell)
{
    static const char *const names[] = {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"};
    for (int i = 0; mode && i < 4; i++)
        if (!strcmp(mode, names[i])) {
            *cell = (dn_cell)i;
            return true;
        }
    return false;
}

/* Where oneDNN is the faster, forward and backward together, weights' copies included: docs/benchmarks.md has the figures. */
static bool takes(const dn_rnn_shape *s, bool training)
{
    static const struct least {
        int64_t batch, rows, work; /* rows: of all steps; work: rows times hidden */
    } least[3][2][2] = {
        /* plain RNN, GRU, LSTM; f32, bf16; inference, training */
        {{{8, 1024, 131072}, {8, 1024, 131072}}, {{8, 128, 32768}, {8, 256, 100000}}},
        {{{8, 64, 4096}, {8, 256, 16384}}, {{8, 64, 4096}, {8, 512, 48000}}},
        {{{8, 64, 4096}, {8, 512, 48000}}, {{1, 64, 2048}, {8, 256, 16000}}}};
    const int cell = s->cell == DN_CELL_LSTM ? 2 : s->cell == DN_CELL_GRU;
    const struct least *l = &least[cell][s->half][training];
    int64_t rows = s->steps * s->batch;
    return dn_takes_tiny() ||
           (s->batch >= l->batch && rows >= l->rows && rows * s->hidden >= l->work);
}

/* How many pieces: one a thread, of some sequences, all alike. */
static int64_t pieces_of(int64_t batch)
{
    int64_t least = dn_takes_tiny() ? 1 : 8, most = cpu_host->num_threads(cpu_host);
    most = most < DN_RNN_PIECES ? most : DN_RNN_PIECES;
    for (int64_t n = most; n > 1; n--)
        if (batch % n == 0 && batch / n >= least)
            return n;
    return 1;
}

/* A plan for the layer whose inputs begin at `first`, or the reason why there is none. */
static cr_status plan_new(const cpu_call *call, bool backward, rnn_plan **out)
{
    const int first = backward ? GRADS : 0;
    const cr_meta *x = call->in[first + X], *h = call->in[first + H];
    dn_rnn_shape s = {.reverse = cpu_attr_int(call->node, "reverse", 0)};
    if (!x || !h || call->in[first + SIZES] || (x->dtype != CR_F32 && x->dtype != CR_BF16) ||
        !cell_of(cpu_attr_text(call->node, "mode", NULL), &s.cell))
        return CR_UNSUPPORTED;
    s.half = x->dtype == CR_BF16;
    s.batch = h->size[0];
    s.hidden = h->size[1];
    s.steps = x->size[0] / s.batch;
    s.size = x->size[1];
    if (!backward && !takes(&s, cpu_attr_int(call->node, "keep", 0)))
        return CR_UNSUPPORTED;
    for (uint32_t i = 0; i < call->nin; i++)
        if (call->in[i] && (!cpu_is_contiguous(call->in[i]) ||
                            (call->in[i]->layout && (!backward || i != OLD_RESERVE))))
            return CR_UNSUPPORTED;
    rnn_plan *p = *out = dn_plan_new(call, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->shape = s;
    p->backward = backward;
    for (uint32_t i = 0; i < call->nin; i++)
        p->at[i] = call->in_at[i];
    for (uint32_t i = 0; i < call->nout; i++)
        p->out[i] = call->out_at[i];
    return CR_OK;
}

static cr_status plan_any(const cpu_call *call, bool backward, int64_t pieces, cr_plan **out)
{
    rnn_plan *p;
    cr_status status = plan_new(call, backward, &p);
    if (status != CR_OK)
        return status;
    p->pieces = pieces ? pieces : pieces_of(p->shape.batch);
    p->piece = p->shape.batch / p->pieces;
    bool keep = !backward && p->out[RESERVE] >= 0;
    mds m;
    status = dn_status(&p->plan, describe(p, keep, &m), "describe");
    int first = backward ? GRADS : 0;
    for (int i = 0; i < 2 && status == CR_OK; i++)
        if (!take_weight(p, call, first + WX + i, &m.md[DN_RNN_WX + i]))
            status = CR_UNSUPPORTED;
    if (status == CR_OK) {
        size_t each = keep || backward ? kept_bytes(p, &m) : 0;
        dn_where kept = dn_value(backward ? p->at[OLD_RESERVE] : p->out[RESERVE], each);
        if (keep) { /* the last output, behind the inputs and output, hy and perhaps cy */
            int number = p->out[NEW_C] < 0 ? 2 : 3;
            call->info->output_layouts[number] = dn_rnn_reserve_tag((int)p->pieces);
            call->info->output_bytes[number] = each * (size_t)p->shape.batch;
        }
        status = build(p, &m, keep || backward ? &kept : NULL);
    }
    free_mds(&m);
    return dn_plan_done(&p->plan, call, status, out);
}

static cr_status plan_layer(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, false, 0, out);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **out)
{
    const cr_meta *reserve = call->in[OLD_RESERVE];
    int pieces = reserve ? dn_rnn_reserve_pieces(reserve->layout) : 0;
    return pieces ? plan_any(call, true, pieces, out) : CR_UNSUPPORTED;
}

const cpu_op dn_family_rnn[] = {
    {"_rnn_layer", plan_layer},
    {"_rnn_layer_backward", plan_backward},
    {NULL, NULL},
};
