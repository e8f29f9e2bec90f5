/* RNNCell, LSTMCell and GRUCell. */
#include <string.h>

#include <cresset/rnn.h>

#include "core/nn/layer.h"

enum { RNN, GRU, LSTM };

typedef struct cell {
    cr_module module;
    cr_tensor *weight_ih, *weight_hh, *bias_ih, *bias_hh;
    int64_t input_size, hidden_size;
    int kind;
    bool bias, relu;
} cell;

/* A state as it was given, with a batch; or zeros. */
static cr_tensor *state_of(const cell *self, cr_tensor *x, cr_tensor *given, bool unbatched)
{
    if (!given)
        return cr_zeros(CR_INTS(cr_tensor_size(x, 0), self->hidden_size),
                        .dtype = cr_tensor_dtype(x), .device = cr_tensor_device(x));
    if (cr_tensor_dim(given) != (unbatched ? 1 : 2))
        return cr_fail("%s: expected a state of %d dimensions, as the input, got %s",
                       self->module.type->name, unbatched ? 1 : 2, cr_shape_text(given));
    return unbatched ? cr_unsqueeze(given, 0) : given;
}

static size_t forward_cell(cr_module *module, cr_tensor *const *inputs, size_t n,
                           cr_tensor **outputs)
{
    const cell *self = (const cell *)(const void *)module;
    const size_t states = self->kind == LSTM ? 2 : 1;
    if (n != 1 && n != 1 + states)
        return cr_fail("%s: forward takes the input and, optionally, %s; %zu inputs given",
                       module->type->name, states == 2 ? "h and c" : "h", n),
               0;
    cr_tensor *x = inputs[0], *h, *c = NULL;
    int dim = cr_tensor_dim(x);
    if (dim != 1 && dim != 2)
        return cr_fail("%s: Expected input to be 1-D or 2-D but received %d-D tensor",
                       module->type->name, dim),
               0;
    bool unbatched = dim == 1;
    if (unbatched)
        x = cr_unsqueeze(x, 0);
    if (!(h = state_of(self, x, n > 1 ? inputs[1] : NULL, unbatched)))
        return 0;
    if (self->kind == LSTM) {
        if (!(c = state_of(self, x, n > 1 ? inputs[2] : NULL, unbatched)))
            return 0;
        cr_f_lstm_cell_result r =
            cr_f_lstm_cell(x, CR_TENSORS(h, c), self->weight_ih, self->weight_hh,
                           .b_ih = self->bias_ih, .b_hh = self->bias_hh);
        h = r.output0, c = r.output1;
    } else if (self->kind == GRU) {
        h = cr_f_gru_cell(x, h, self->weight_ih, self->weight_hh, .b_ih = self->bias_ih,
                          .b_hh = self->bias_hh);
    } else if (self->relu) {
        h = cr_f_rnn_relu_cell(x, h, self->weight_ih, self->weight_hh, .b_ih = self->bias_ih,
                               .b_hh = self->bias_hh);
    } else {
        h = cr_f_rnn_tanh_cell(x, h, self->weight_ih, self->weight_hh, .b_ih = self->bias_ih,
                               .b_hh = self->bias_hh);
    }
    outputs[0] = unbatched ? cr_squeeze_dim(h, 0) : h;
    outputs[1] = unbatched && c ? cr_squeeze_dim(c, 0) : c;
    return outputs[0] && (self->kind != LSTM || outputs[1]) ? states : 0;
}

static int cell_repr(const cr_module *module, char *to, size_t bytes)
{
    const cell *self = (const cell *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, %lld", (long long)self->input_size, (long long)self->hidden_size);
    if (!self->bias)
        cr_text_add(&text, ", bias=False");
    if (self->relu)
        cr_text_add(&text, ", nonlinearity=relu");
    return cr_repr_finish(&text, to, bytes);
}

#define CELL_TYPE(label)                                                                      \
    {                                                                                         \
        .name = label, .size = sizeof(cell), .forward = forward_cell, .extra_repr = cell_repr \
    }
static const cr_module_type cell_types[] = {CELL_TYPE("RNNCell"), CELL_TYPE("GRUCell"),
                                            CELL_TYPE("LSTMCell")};

static bool add_weight(cell *self, const cr_rnn_cell_options *o, const char *name,
                       cr_tensor **place, cr_ints sizes)
{
    double bound = 1 / sqrt((double)self->hidden_size);
    return cr_init_uniform_(cr_layer_parameter(self, name, place, sizes, o->device, o->dtype),
                            -bound, bound);
}

static cr_module *new_cell(int kind, const cr_rnn_cell_options *o)
{
    const cr_module_type *type = &cell_types[kind];
    if (!o || o->input_size < 1 || o->hidden_size < 1 || o->input_size > INT32_MAX ||
        o->hidden_size > INT32_MAX)
        return cr_fail("%s: input_size and hidden_size must be positive, got %lld and %lld",
                       type->name, (long long)CR_OPTION(o, input_size),
                       (long long)CR_OPTION(o, hidden_size));
    if (o->nonlinearity &&
        (kind != RNN || (strcmp(o->nonlinearity, "tanh") && strcmp(o->nonlinearity, "relu"))))
        return cr_fail("%s: Unknown nonlinearity: %s", type->name, o->nonlinearity);
    cell *self = cr_module_new(type, NULL);
    if (!self)
        return NULL;
    self->kind = kind;
    self->input_size = o->input_size;
    self->hidden_size = o->hidden_size;
    self->bias = !o->no_bias;
    self->relu = o->nonlinearity && !strcmp(o->nonlinearity, "relu");
    int64_t gates = (kind == LSTM ? 4 : kind == GRU ? 3 : 1) * o->hidden_size;
    bool good = false;
    CR_SCOPE
        good = add_weight(self, o, "weight_ih", &self->weight_ih, CR_INTS(gates, o->input_size)) &&
               add_weight(self, o, "weight_hh", &self->weight_hh, CR_INTS(gates, o->hidden_size)) &&
               (o->no_bias || (add_weight(self, o, "bias_ih", &self->bias_ih, CR_INTS(gates)) &&
                               add_weight(self, o, "bias_hh", &self->bias_hh, CR_INTS(gates))));
    return good ? &self->module : NULL;
}

cr_module *cr_rnn_cell_with(const cr_rnn_cell_options *options)
{
    return new_cell(RNN, options);
}

cr_module *cr_lstm_cell_with(const cr_rnn_cell_options *options)
{
    return new_cell(LSTM, options);
}

cr_module *cr_gru_cell_with(const cr_rnn_cell_options *options)
{
    return new_cell(GRU, options);
}
