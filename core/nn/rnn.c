/* RNN, LSTM and GRU over whole sequences. */
#include <stdio.h>
#include <string.h>

#include <cresset/rnn.h>

#include "core/nn/layer.h"

enum { RNN, GRU, LSTM };

typedef struct rnn {
    cr_module module;
    int64_t nweights, input_size, hidden_size, layers, proj_size;
    double dropout;
    int kind;
    bool bias, batch_first, bidirectional, relu;
} rnn;

/* By layer and direction: w_ih, w_hh, b_ih, b_hh, w_hr, as far as there are any. */
static cr_tensor **weights_of(const rnn *self)
{
    return self->module.state_->places;
}

static int64_t out_size(const rnn *self)
{
    return self->proj_size ? self->proj_size : self->hidden_size;
}

/* ---- calling ---- */

/* What a call was given, after its sizes were checked: batched. */
typedef struct rnn_input {
    cr_tensor *x, *h, *c, *batch_sizes, *sorted, *unsorted;
    bool unbatched;
} rnn_input;

static bool check_state(const rnn *self, const char *what, const cr_tensor *state, int64_t batch,
                        int64_t size)
{
    int64_t n = self->layers * (self->bidirectional ? 2 : 1);
    const int64_t *s = cr_tensor_sizes(state);
    if (cr_tensor_dim(state) == 3 && s[0] == n && s[1] == batch && s[2] == size)
        return true;
    cr_fail("%s: Expected %s size (%lld, %lld, %lld), got %s", self->module.type->name, what,
            (long long)n, (long long)batch, (long long)size, cr_shape_text(state));
    return false;
}

/* The state given, checked, with a batch, in the order of the sequences; or zeros. */
static cr_tensor *state_of(const rnn *self, rnn_input *in, const char *what, cr_tensor *given,
                           int64_t batch, int64_t size)
{
    int64_t n = self->layers * (self->bidirectional ? 2 : 1);
    if (!given)
        return cr_zeros(CR_INTS(n, batch, size), .dtype = cr_tensor_dtype(in->x),
                        .device = cr_tensor_device(in->x));
    int dim = cr_tensor_dim(given), expected = in->unbatched ? 2 : 3;
    if (dim != expected)
        return cr_fail("%s: For %s %d-D input, %s should also be %d-D but got %d-D tensor",
                       self->module.type->name, in->unbatched ? "unbatched" : "batched", expected,
                       self->kind == LSTM ? "hx and cx" : "hx", expected, dim);
    if (in->unbatched)
        given = cr_unsqueeze(given, 1);
    if (!given || !check_state(self, what, given, batch, size))
        return NULL;
    return in->sorted ? cr_index_select(given, 1, in->sorted) : given;
}

static bool take_inputs(const rnn *self, cr_tensor *const *inputs, size_t n, rnn_input *in)
{
    const char *name = self->module.type->name;
    bool lstm = self->kind == LSTM, packed = n == 6 && inputs[3];
    if (n > 6 || (n > 3 && !packed) || (!packed && !lstm && n > 2)) {
        cr_fail("%s: forward takes the input and, optionally, %s; %zu inputs given", name,
                lstm ? "h_0 and c_0" : "h_0", n);
        return false;
    }
    *in = (rnn_input){.x = inputs[0]};
    int dim = cr_tensor_dim(in->x);
    if (packed) {
        in->batch_sizes = inputs[3];
        in->sorted = inputs[4];
        in->unsorted = inputs[5];
    }
    if (packed ? dim != 2 : dim != 2 && dim != 3) {
        cr_fail("%s: Expected input to be %s but received %d-D tensor", name,
                packed ? "2-D when packed" : "2-D or 3-D", dim);
        return false;
    }
    if (cr_tensor_sizes(in->x)[dim - 1] != self->input_size) {
        cr_fail("%s: input.size(-1) must be equal to input_size. Expected %lld, got %lld", name,
                (long long)self->input_size, (long long)cr_tensor_sizes(in->x)[dim - 1]);
        return false;
    }
    int64_t batch_dim = self->batch_first ? 0 : 1, batch;
    in->unbatched = !packed && dim == 2;
    if (in->unbatched && !(in->x = cr_unsqueeze(in->x, batch_dim)))
        return false;
    if (!packed)
        batch = cr_tensor_size(in->x, (int)batch_dim);
    else if (cr_tensor_numel(in->batch_sizes) < 1)
        return cr_fail("%s: packed sequences without steps", name), false;
    else
        batch = cr_item_int(cr_select(cr_flatten(in->batch_sizes), 0, 0));
    cr_tensor *h = n > 1 ? inputs[1] : NULL, *c = n > 2 ? inputs[2] : NULL;
    if (lstm ? !h != !c : c != NULL) {
        cr_fail(lstm ? "%s: forward needs both h_0 and c_0, or neither"
                     : "%s: only an LSTM has c_0",
                name);
        return false;
    }
    if (!(in->h = state_of(self, in, lstm ? "hidden[0]" : "hidden", h, batch, out_size(self))))
        return false;
    return !lstm || (in->c = state_of(self, in, "hidden[1]", c, batch, self->hidden_size));
}

/* A last state as the caller has its sequences. */
static cr_tensor *give_state(const rnn_input *in, cr_tensor *state)
{
    if (in->unbatched)
        return cr_squeeze_dim(state, 1);
    return in->unsorted ? cr_index_select(state, 1, in->unsorted) : state;
}

static size_t forward_rnn(cr_module *module, cr_tensor *const *inputs, size_t n,
                          cr_tensor **outputs)
{
    const rnn *self = (const rnn *)(const void *)module;
    rnn_input in;
    if (!take_inputs(self, inputs, n, &in))
        return 0;
    cr_tensors params = cr_make_tensors(weights_of(self), (size_t)self->nweights);
    bool train = module->training, bias = self->bias, both = self->bidirectional;
    double p = self->dropout;
    cr_tensor *y, *h, *c = NULL;
    if (self->kind == LSTM) {
        cr_tensors states = CR_TENSORS(in.h, in.c);
        if (in.batch_sizes) {
            cr_f_lstm_data_result r = cr_f_lstm_data(in.x, in.batch_sizes, states, params, bias,
                                                     self->layers, p, train, both);
            y = r.output0, h = r.output1, c = r.output2;
        } else {
            cr_f_lstm_result r = cr_f_lstm(in.x, states, params, bias, self->layers, p, train, both,
                                           self->batch_first);
            y = r.output0, h = r.output1, c = r.output2;
        }
    } else {
#define RUN(op)                                                                                    \
    do {                                                                                           \
        if (in.batch_sizes) {                                                                      \
            cr_f_##op##_data_result r = cr_f_##op##_data(in.x, in.batch_sizes, in.h, params, bias, \
                                                         self->layers, p, train, both);            \
            y = r.output0, h = r.output1;                                                          \
        } else {                                                                                   \
            cr_f_##op##_result r = cr_f_##op(in.x, in.h, params, bias, self->layers, p, train,     \
                                             both, self->batch_first);                             \
            y = r.output0, h = r.output1;                                                          \
        }                                                                                          \
    } while (0)
        if (self->kind == GRU)
            RUN(gru);
        else if (self->relu)
            RUN(rnn_relu);
        else
            RUN(rnn_tanh);
#undef RUN
    }
    if (!y)
        return 0;
    outputs[0] = in.unbatched ? cr_squeeze_dim(y, self->batch_first ? 0 : 1) : y;
    outputs[1] = give_state(&in, h);
    outputs[2] = c ? give_state(&in, c) : NULL;
    return !outputs[0] || !outputs[1] ? 0 : c ? 3 : 2;
}

cr_packed_sequence cr_forward_packed(cr_module *module, cr_packed_sequence input, cr_tensor *h_0,
                                     cr_tensor *c_0, cr_tensor **h_n, cr_tensor **c_n)
{
    cr_packed_sequence result = {NULL, NULL, NULL, NULL};
    cr_tensor *const inputs[6] = {
        input.data, h_0, c_0, input.batch_sizes, input.sorted_indices, input.unsorted_indices};
    cr_tensor *outputs[3] = {NULL};
    if (h_n)
        *h_n = NULL;
    if (c_n)
        *c_n = NULL;
    if (input.data && !input.batch_sizes) {
        cr_fail("cr_forward_packed: the sequences have no batch_sizes");
        return result;
    }
    if (cr_forward_many_with(module, inputs, 6, outputs, c_n ? 3 : 2))
        return result;
    if (h_n)
        *h_n = outputs[1];
    if (c_n)
        *c_n = outputs[2];
    result = input;
    result.data = outputs[0];
    return result;
}

/* ---- making ---- */

static int rnn_repr(const cr_module *module, char *to, size_t bytes)
{
    const rnn *self = (const rnn *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, %lld", (long long)self->input_size, (long long)self->hidden_size);
    if (self->proj_size)
        cr_text_add(&text, ", proj_size=%lld", (long long)self->proj_size);
    if (self->layers != 1)
        cr_text_add(&text, ", num_layers=%lld", (long long)self->layers);
    if (!self->bias)
        cr_text_add(&text, ", bias=False");
    if (self->batch_first)
        cr_text_add(&text, ", batch_first=True");
    if (self->dropout != 0) {
        cr_text_add(&text, ", dropout=");
        cr_repr_float(&text, self->dropout);
    }
    if (self->bidirectional)
        cr_text_add(&text, ", bidirectional=True");
    return cr_repr_finish(&text, to, bytes);
}

#define RNN_TYPE(label)                                                                     \
    {                                                                                       \
        .name = label, .size = sizeof(rnn), .forward = forward_rnn, .extra_repr = rnn_repr, \
    }
static const cr_module_type rnn_types[] = {RNN_TYPE("RNN"), RNN_TYPE("GRU"), RNN_TYPE("LSTM")};

/* One parameter, uniform in ±1/√hidden_size. */
static bool add_weight(rnn *self, const cr_rnn_options *o, const char *what, int64_t layer,
                       bool reverse, cr_ints sizes, int64_t *at)
{
    char name[64];
    double bound = 1 / sqrt((double)self->hidden_size);
    snprintf(name, sizeof name, "%s_l%lld%s", what, (long long)layer, reverse ? "_reverse" : "");
    return cr_init_uniform_(
        cr_layer_parameter(self, name, &weights_of(self)[(*at)++], sizes, o->device, o->dtype),
        -bound, bound);
}

static bool add_weights(rnn *self, const cr_rnn_options *o)
{
    int64_t directions = self->bidirectional ? 2 : 1, out = out_size(self), at = 0;
    int64_t gates = (self->kind == LSTM ? 4 : self->kind == GRU ? 3 : 1) * self->hidden_size;
    for (int64_t i = 0; i < self->layers; i++)
        for (int64_t d = 0; d < directions; d++) {
            int64_t in = i ? directions * out : self->input_size;
            if (!add_weight(self, o, "weight_ih", i, d, CR_INTS(gates, in), &at) ||
                !add_weight(self, o, "weight_hh", i, d, CR_INTS(gates, out), &at))
                return false;
            if (self->bias && (!add_weight(self, o, "bias_ih", i, d, CR_INTS(gates), &at) ||
                               !add_weight(self, o, "bias_hh", i, d, CR_INTS(gates), &at)))
                return false;
            if (self->proj_size && !add_weight(self, o, "weight_hr", i, d,
                                               CR_INTS(self->proj_size, self->hidden_size), &at))
                return false;
        }
    return true;
}

static bool check_options(const char *name, int kind, const cr_rnn_options *o)
{
    if (!o || o->input_size < 1 || o->hidden_size < 1 || o->num_layers < 0 ||
        o->input_size > INT32_MAX || o->hidden_size > INT32_MAX || o->num_layers > 100000)
        cr_fail("%s: input_size, hidden_size and num_layers must be positive, got %lld, %lld and "
                "%lld",
                name, (long long)CR_OPTION(o, input_size), (long long)CR_OPTION(o, hidden_size),
                (long long)CR_OPTION(o, num_layers));
    else if (!(o->dropout >= 0 && o->dropout <= 1))
        cr_fail("%s: dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed",
                name);
    else if (o->proj_size && kind != LSTM)
        cr_fail("%s: proj_size argument is only supported for LSTM, not RNN or GRU", name);
    else if (o->proj_size < 0 || o->proj_size >= o->hidden_size)
        cr_fail("%s: proj_size has to be smaller than hidden_size, and not negative, got %lld",
                name, (long long)o->proj_size);
    else if (o->nonlinearity &&
             (kind != RNN || (strcmp(o->nonlinearity, "tanh") && strcmp(o->nonlinearity, "relu"))))
        cr_fail("%s: Unknown nonlinearity '%s'", name, o->nonlinearity);
    else
        return true;
    return false;
}

static cr_module *new_rnn(int kind, const cr_rnn_options *o)
{
    const cr_module_type *type = &rnn_types[kind];
    if (!check_options(type->name, kind, o))
        return NULL;
    rnn *self = cr_module_new(type, NULL);
    if (!self)
        return NULL;
    self->kind = kind;
    self->input_size = o->input_size;
    self->hidden_size = o->hidden_size;
    self->layers = cr_or_default_int(o->num_layers, 1);
    self->proj_size = o->proj_size;
    self->dropout = o->dropout;
    self->bias = !o->no_bias;
    self->batch_first = o->batch_first;
    self->bidirectional = o->bidirectional;
    self->relu = o->nonlinearity && !strcmp(o->nonlinearity, "relu");
    int64_t each = 2 + 2 * self->bias + (self->proj_size > 0);
    self->nweights = each * self->layers * (self->bidirectional ? 2 : 1);
    if (!cr_module_add_places(&self->module, (size_t)self->nweights * sizeof(cr_tensor *)))
        return NULL;
    bool good = false;
    CR_SCOPE
        good = add_weights(self, o);
    return good ? &self->module : NULL;
}

cr_module *cr_rnn_with(const cr_rnn_options *options)
{
    return new_rnn(RNN, options);
}

cr_module *cr_lstm_with(const cr_rnn_options *options)
{
    return new_rnn(LSTM, options);
}

cr_module *cr_gru_with(const cr_rnn_options *options)
{
    return new_rnn(GRU, options);
}
