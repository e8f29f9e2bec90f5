/* What the files about recurrent layers share. */
#ifndef CRESSET_CORE_OPS_RNN_H
#define CRESSET_CORE_OPS_RNN_H

#include "core/ops/compose.h"

typedef enum cr_rnn_mode { CR_RNN_TANH, CR_RNN_RELU, CR_RNN_GRU, CR_RNN_LSTM } cr_rnn_mode;

static inline int64_t cr_rnn_gates(cr_rnn_mode mode)
{
    return mode == CR_RNN_LSTM ? 4 : mode == CR_RNN_GRU ? 3 : 1;
}

/* One layer in one direction. gates: [rows, gates · hidden]; cx is an LSTM's; bias_hh, weight_hr and batch_sizes may be null. */
typedef struct cr_rnn_parts {
    cr_rnn_mode mode;
    cr_tensor *gates, *hx, *cx, *weight_hh, *bias_hh, *weight_hr, *batch_sizes;
    bool reverse;
} cr_rnn_parts;

/* By the name that _rnn_scan takes; false and an error for others. */
bool cr_rnn_mode_of(const char *name, cr_rnn_mode *mode);

/* How many sequences each step has, checked: given, or `batch` in every step. The caller's to free; null with the error set. */
int64_t *cr_rnn_batch_sizes(cr_tensor *given, int64_t rows, int64_t batch, int64_t *steps);

/* Runs it step by step, differentiably: output, hy and cy (null but for an LSTM). */
int cr_rnn_steps_of(const cr_rnn_parts *layer, cr_results *results);

#endif
