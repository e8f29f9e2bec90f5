/* Recurrent layers, their one-step cells, and packed sequences: torch.nn's RNN, LSTM and GRU with torch.nn.utils.rnn. Options
 * and defaults are written as layers.h says. */
#ifndef CRESSET_RNN_H
#define CRESSET_RNN_H

#include <cresset/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- layers over whole sequences ----
 *
 * RNN (Elman, 1990):  h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu
 *
 * LSTM (Hochreiter and Schmidhuber, 1997):
 *     i, f, o = σ(W_i· x_t + b_i· + W_h· h_(t-1) + b_h·),   g = tanh(the same)
 *     c_t = f ⊙ c_(t-1) + i ⊙ g,   h_t = o ⊙ tanh(c_t);   with proj_size: h_t = W_hr h_t (Sak et al., 2014)
 *
 * GRU (Cho et al., 2014):
 *     r, z = σ(W_i· x_t + b_i· + W_h· h_(t-1) + b_h·),   n = tanh(W_in x_t + b_in + r ⊙ (W_hn h_(t-1) + b_hn))
 *     h_t = (1 - z) ⊙ n + z ⊙ h_(t-1)
 *
 * Called with the input and, if not zeros, h_0 (an LSTM: h_0 and c_0). input: (L, N, H_in), with batch_first (N, L, H_in),
 * unbatched (L, H_in); h_0: (D·num_layers, N, H_out), c_0: (D·num_layers, N, hidden_size), D being 2 if bidirectional. Outputs,
 * see cr_forward_many: output (L, N, D·H_out) or batch first, h_n, and an LSTM's c_n, shaped as h_0 and c_0. H_out is proj_size
 * or hidden_size.
 *
 * Parameters of layer k, and of its reverse direction with "_reverse" behind: weight_ih_l[k] (gates·hidden_size, H_in; from the
 * second layer D·H_out), weight_hh_l[k] (gates·hidden_size, H_out), bias_ih_l[k] and bias_hh_l[k] (gates·hidden_size),
 * weight_hr_l[k] (proj_size, hidden_size); gates in the order i f g o, or r z n. All are uniform in ±1/√hidden_size.
 *
 * Between layers, in training, elements are zeroed with probability dropout. Errors: sizes below 1, dropout outside of 0 to 1,
 * proj_size that isn't below hidden_size or isn't an LSTM's; when called: other features, states of other sizes. */
typedef struct cr_rnn_options {
    int64_t input_size, hidden_size, num_layers; /* num_layers: 1 */
    bool no_bias, batch_first;
    double dropout;
    bool bidirectional;
    int64_t proj_size;        /* LSTM; 0: none */
    const char *nonlinearity; /* RNN: "tanh" or "relu" */
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_rnn_options;
CR_API cr_module *cr_rnn_with(const cr_rnn_options *options);
CR_API cr_module *cr_lstm_with(const cr_rnn_options *options);
CR_API cr_module *cr_gru_with(const cr_rnn_options *options);

/* ---- one step ----
 *
 * Called with the input (N, input_size) or (input_size) and, if not zeros, h (N, hidden_size) or (hidden_size); an LSTM cell
 * with h and c, of which it returns both; outputs are (N, hidden_size) or (hidden_size). Formulas as above. Parameters: weight_ih
 * (gates·hidden_size, input_size), weight_hh (gates·hidden_size, hidden_size), bias_ih and bias_hh (gates·hidden_size), uniform in
 * ±1/√hidden_size. Errors: sizes below 1, another nonlinearity; called with other features, ranks or batches. */
typedef struct cr_rnn_cell_options {
    int64_t input_size, hidden_size;
    bool no_bias;
    const char *nonlinearity; /* RNNCell: "tanh" or "relu" */
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_rnn_cell_options;
CR_API cr_module *cr_rnn_cell_with(const cr_rnn_cell_options *options);
CR_API cr_module *cr_lstm_cell_with(const cr_rnn_cell_options *options);
CR_API cr_module *cr_gru_cell_with(const cr_rnn_cell_options *options);

/* ---- sequences of different lengths ---- */

/* Sequences without padding, longest first: the rows of all first steps, then of all second steps, and so on. A failed one has
 * null data. The tensors belong to the scope. */
typedef struct cr_packed_sequence {
    cr_tensor *data;        /* (sum of the lengths, *) */
    cr_tensor *batch_sizes; /* int64, on cpu: how many sequences have each step */
    cr_tensor
        *sorted_indices; /* int64: which sequence was taken first, second, …; null: as they came */
    cr_tensor *unsorted_indices; /* int64: the way back */
} cr_packed_sequence;

/* Runs an RNN, LSTM or GRU on packed sequences, hooks included. h_0 and c_0 may be null and are in the order of the original
 * sequences, as are *h_n and *c_n, which may be null when not wanted. Returns the packed output. */
CR_API cr_packed_sequence cr_forward_packed(cr_module *module, cr_packed_sequence input,
                                            cr_tensor *h_0, cr_tensor *c_0, cr_tensor **h_n,
                                            cr_tensor **c_n);

typedef struct cr_pack_sequence_options {
    bool batch_first;
    bool no_enforce_sorted; /* sort by length first; else lengths must not increase */
    int end_;
} cr_pack_sequence_options;
/* input: (T, B, *), or batch first; lengths: (B), int64, each from 1 to T: data (Σ lengths, *). Errors, with null data: lengths that
 * are out of range, of another size or dtype, or increase and are not to be sorted. */
CR_API cr_packed_sequence cr_pack_padded_sequence_with(cr_tensor *input, cr_tensor *lengths,
                                                       const cr_pack_sequence_options *options);
/* Sequences (length, *) of one dtype: data (Σ lengths, *). batch_first has no meaning here. Errors: as above, no sequences. */
CR_API cr_packed_sequence cr_pack_sequence_with(cr_tensors sequences,
                                                const cr_pack_sequence_options *options);

typedef struct cr_pad_sequence_options {
    bool batch_first;
    double padding_value;
    int64_t total_length; /* 0: the longest sequence's. Of packed sequences only */
    int end_;
} cr_pad_sequence_options;
/* The padded tensor (T, B, *), or batch first, in the original order; and, unless null, *lengths (B), int64, on cpu. Of the
 * scope. Errors: batch sizes that don't fit the data, a total_length below the longest sequence's. */
CR_API cr_tensor *cr_pad_packed_sequence_with(cr_packed_sequence sequence, cr_tensor **lengths,
                                              const cr_pad_sequence_options *options);
/* Sequences (length, *), each filled up to the longest one: (T, B, *), or batch first. Of the scope. Errors: no sequences, sizes that
 * differ beyond the length. */
CR_API cr_tensor *cr_pad_sequence_with(cr_tensors sequences,
                                       const cr_pad_sequence_options *options);
/* The other way: views of (T, B, *), or batch first, cut to their lengths (B). The list is the scope's; without data after an
 * error. */
CR_API cr_tensors cr_unpad_sequence_with(cr_tensor *padded, cr_tensor *lengths,
                                         const cr_pad_sequence_options *options);
/* Packed sequences, each by itself. */
CR_API cr_tensors cr_unpack_sequence(cr_packed_sequence sequence);

#ifndef __cplusplus
#define cr_rnn(...)       cr_rnn_with(&(const cr_rnn_options){__VA_ARGS__, .end_ = 0})
#define cr_lstm(...)      cr_lstm_with(&(const cr_rnn_options){__VA_ARGS__, .end_ = 0})
#define cr_gru(...)       cr_gru_with(&(const cr_rnn_options){__VA_ARGS__, .end_ = 0})
#define cr_rnn_cell(...)  cr_rnn_cell_with(&(const cr_rnn_cell_options){__VA_ARGS__, .end_ = 0})
#define cr_lstm_cell(...) cr_lstm_cell_with(&(const cr_rnn_cell_options){__VA_ARGS__, .end_ = 0})
#define cr_gru_cell(...)  cr_gru_cell_with(&(const cr_rnn_cell_options){__VA_ARGS__, .end_ = 0})
#define cr_pack_padded_sequence(input, ...) \
    cr_pack_padded_sequence_with(           \
        input, CR_FIRST_(__VA_ARGS__, 0),   \
        &(const cr_pack_sequence_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_pack_sequence(...)                        \
    cr_pack_sequence_with(CR_FIRST_(__VA_ARGS__, 0), \
                          &(const cr_pack_sequence_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_pad_packed_sequence(sequence, ...) \
    cr_pad_packed_sequence_with(              \
        sequence, CR_FIRST_(__VA_ARGS__, 0),  \
        &(const cr_pad_sequence_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_pad_sequence(...)                        \
    cr_pad_sequence_with(CR_FIRST_(__VA_ARGS__, 0), \
                         &(const cr_pad_sequence_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_unpad_sequence(padded, ...)                        \
    cr_unpad_sequence_with(padded, CR_FIRST_(__VA_ARGS__, 0), \
                           &(const cr_pad_sequence_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

#ifdef __cplusplus
}
#endif
#endif
