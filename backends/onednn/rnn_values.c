/* Weights, biases and reserves of recurrent layers: from the core's form to oneDNN's, and back. */
#include "rnn.h"

static float read_at(bool half, const void *from, int64_t i)
{
    return half ? dn_from_bf16(((const uint16_t *)from)[i]) : ((const float *)from)[i];
}

static void write_at(bool half, void *to, int64_t i, float f)
{
    if (half)
        ((uint16_t *)to)[i] = dn_to_bf16(f);
    else
        ((float *)to)[i] = f;
}

/* ---- weights ---- */

typedef struct weights_plan {
    dn_plan plan;
    int from_at;
    dn_where turned;
    size_t gate; /* bytes */
} weights_plan;

/* A GRU's weights with the gates in oneDNN's order. */
static void turn_gates(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const weights_plan *p = (const weights_plan *)base;
    const char *from = cpu_at(run, p->from_at);
    char *to = dn_address(base, run, &p->turned, 0);
    for (int64_t g = begin; g < end; g++)
        memcpy(to + (size_t)dn_rnn_gate(DN_CELL_GRU, g) * p->gate, from + (size_t)g * p->gate,
               p->gate);
}

cr_status dn_plan_rnn_weights(const cpu_call *call, const dn_md *chosen, int64_t groups,
                              cr_plan **out)
{
    const cr_meta *w = call->in[0];
    dn_cell cell = (dn_cell)(-1 - groups);
    int64_t gates = dn_rnn_gates(cell);
    if (w->rank != 2 || w->size[0] % gates || !cpu_is_contiguous(w))
        return CR_UNSUPPORTED;
    int64_t hidden = w->size[0] / gates, width = w->size[1];
    weights_plan *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    const int64_t size[5] = {1, 1, width, gates, hidden};
    dn_md from = {0};
    dn_where where = dn_value(call->in_at[0], 0);
    size_t bytes = (size_t)cpu_numel(w) * cpu_dtype_size(w->dtype);
    bool room = true;
    p->from_at = call->in_at[0];
    if (cell == DN_CELL_GRU) {
        room = dn_take_shared(&p->plan, bytes, &p->turned);
        p->gate = bytes / (size_t)gates;
        dn_stage_add(&p->plan, gates, 0, (double)p->gate * 0.1)->plain = turn_gates;
        where = p->turned;
    }
    cr_status status =
        room ? dn_status(&p->plan, dn_md_tag(&from, 5, size, dn_type(w->dtype), dnnl_ldgoi),
                         "describe")
             : CR_OUT_OF_MEMORY;
    dn_stage *stage = status == CR_OK ? dn_stage_add(&p->plan, 1, 1, (double)bytes * 0.1) : NULL;
    if (stage)
        status = dn_step_reorder(&p->plan, stage, 0, 0, &from, where, chosen,
                                 dn_value(call->out_at[0], 0));
    dn_md_free(&from);
    return dn_plan_done(&p->plan, call, status, out);
}

void dn_rnn_weight_grads(const dn_rnn_shape *s, const float *from, int64_t n, size_t step,
                         int64_t width, void *to, int64_t begin, int64_t end)
{
    enum { TILE = 16 };
    const int64_t gates = dn_rnn_gates(s->cell), row = gates * s->hidden;
    for (int64_t r0 = begin; r0 < end; r0 += TILE)
        for (int64_t i0 = 0; i0 < width; i0 += TILE)
            for (int64_t r = r0; r < end && r < r0 + TILE; r++) {
                int64_t g = r / s->hidden, o = r % s->hidden;
                const float *at = from + dn_rnn_gate(s->cell, g) * s->hidden + o;
                for (int64_t i = i0; i < width && i < i0 + TILE; i++) {
                    float sum = at[i * row];
                    for (int64_t k = 1; k < n; k++)
                        sum += at[(size_t)k * step + (size_t)(i * row)];
                    write_at(s->half, to, r * width + i, sum);
                }
            }
}

/* ---- biases ---- */

void dn_rnn_bias(const dn_rnn_shape *s, const void *bias, const void *bias_hh, float *to)
{
    const int64_t hidden = s->hidden;
    for (int64_t g = 0; g < dn_rnn_gates(s->cell); g++) {
        float *row = to + dn_rnn_gate(s->cell, g) * hidden;
        bool apart = s->cell == DN_CELL_GRU && g == 2; /* the reset gate multiplies the one */
        for (int64_t o = 0; o < hidden; o++) {
            float x = bias ? read_at(s->half, bias, g * hidden + o) : 0;
            float h = bias_hh ? read_at(s->half, bias_hh, g * hidden + o) : 0;
            row[o] = apart ? x : x + h;
            if (apart)
                row[hidden + o] = h;
        }
    }
}

void dn_rnn_bias_grads(const dn_rnn_shape *s, const float *from, int64_t n, size_t step, void *bias,
                       void *bias_hh)
{
    const int64_t hidden = s->hidden;
    for (int64_t g = 0; g < dn_rnn_gates(s->cell); g++)
        for (int which = 0; which < 2; which++) {
            bool apart = which && s->cell == DN_CELL_GRU && g == 2;
            void *to = which ? bias_hh : bias;
            const float *row = from + (dn_rnn_gate(s->cell, g) + apart) * hidden;
            for (int64_t o = 0; to && o < hidden; o++) {
                float sum = row[o];
                for (int64_t k = 1; k < n; k++)
                    sum += row[(size_t)k * step + (size_t)o];
                write_at(s->half, to, g * hidden + o, sum);
            }
        }
}

/* ---- the reserve ---- */

enum { RESERVE = 0x800000 };

uint64_t dn_rnn_reserve_tag(int pieces)
{
    return RESERVE + (uint64_t)pieces;
}

int dn_rnn_reserve_pieces(uint64_t tag)
{
    return tag > RESERVE && tag <= RESERVE + DN_RNN_PIECES ? (int)(tag - RESERVE) : 0;
}

typedef struct forget_plan {
    cr_plan base;
    int to_at;
    size_t bytes;
} forget_plan;

static cr_status forget(cr_plan *base, const cr_run *run)
{
    const forget_plan *p = (const forget_plan *)base;
    memset(cpu_at(run, p->to_at), 0, p->bytes);
    return CR_OK;
}

cr_status dn_plan_forget(const cpu_call *call, cr_plan **out)
{
    const cr_meta *to = call->out[0];
    if (!cpu_is_contiguous(to))
        return CR_UNSUPPORTED;
    forget_plan *p = cpu_plan_new(sizeof *p, forget, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->to_at = call->out_at[0];
    p->bytes = (size_t)cpu_numel(to) * cpu_dtype_size(to->dtype);
    *out = &p->base;
    return CR_OK;
}
