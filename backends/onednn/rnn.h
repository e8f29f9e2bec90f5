/* What the files about recurrent layers share: rnn.c has the primitives and their runs, rnn_values.c how values and weights
 * come to be as oneDNN wants them. */
#ifndef CRESSET_BACKENDS_ONEDNN_RNN_H
#define CRESSET_BACKENDS_ONEDNN_RNN_H

#include "compat_rnn.h"
#include "layout.h"

enum { DN_RNN_PIECES = 64 };

/* One layer in one direction: x [steps, batch, size], states [batch, hidden]. */
typedef struct dn_rnn_shape {
    dn_cell cell;
    int64_t steps, batch, size, hidden;
    bool half, reverse;
} dn_rnn_shape;

static inline int64_t dn_rnn_gates(dn_cell cell)
{
    return cell == DN_CELL_LSTM ? 4 : cell == DN_CELL_GRU ? 3 : 1;
}

/* A GRU's gates are reset, update and new for us, update, reset and new for oneDNN: where our gate g is there, and back. */
static inline int64_t dn_rnn_gate(dn_cell cell, int64_t g)
{
    return cell == DN_CELL_GRU && g < 2 ? 1 - g : g;
}

/* ---- weights ---- */

/* What dn_tag_of_weights is told in place of a number of groups: that these are a cell's. */
static inline int64_t dn_rnn_groups(dn_cell cell)
{
    return -1 - (int64_t)cell;
}
/* The plan of a copy of weights [gates · hidden, width] into the layout that a primitive chose. groups: see above. */
cr_status dn_plan_rnn_weights(const cpu_call *call, const dn_md *chosen, int64_t groups,
                              cr_plan **out);
/* The gradient of weights, [width][gates][hidden] in f32 in each of n pieces `step` floats apart, summed, to rows begin to
 * end of [gates · hidden, width]. */
void dn_rnn_weight_grads(const dn_rnn_shape *s, const float *from, int64_t n, size_t step,
                         int64_t width, void *to, int64_t begin, int64_t end);

/* ---- biases ---- */

/* oneDNN's bias, [gates (a GRU: 4), hidden] in f32, from ours; null is 0. */
void dn_rnn_bias(const dn_rnn_shape *s, const void *bias, const void *bias_hh, float *to);
/* And its gradient back, summed over n pieces; null is not wanted. */
void dn_rnn_bias_grads(const dn_rnn_shape *s, const float *from, int64_t n, size_t step, void *bias,
                       void *bias_hh);
static inline int64_t dn_rnn_bias_rows(dn_cell cell)
{
    return cell == DN_CELL_GRU ? 4 : dn_rnn_gates(cell);
}

/* ---- the reserve ---- */

/* The tag of a reserve that so many pieces wrote, and back: 0 for others. */
uint64_t dn_rnn_reserve_tag(int pieces);
int dn_rnn_reserve_pieces(uint64_t tag);
/* Out of that layout: a byte that says nothing. */
cr_status dn_plan_forget(const cpu_call *call, cr_plan **out);

#endif
