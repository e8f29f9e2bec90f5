/* RNN, LSTM and GRU over whole sequences: layers and directions, each one product for the inputs of all steps and one scan. */
#include <stdlib.h>

#include "core/ops/rnn.h"
#include "op_index.h"

/* A call of lstm.input and the like, whatever the order of its arguments. */
typedef struct rnn_call {
    const char *name;
    cr_rnn_mode mode;
    cr_tensor *input, *hx, *cx, *batch_sizes; /* input: [rows, features] here */
    cr_value params;
    int64_t batch, layers;
    double dropout;
    bool biases, train, bidirectional;
} rnn_call;

static bool any_grad(const cr_rnn_parts *l)
{
    return cr_grad_enabled() &&
           (cr_requires_grad(l->gates) || cr_requires_grad(l->hx) || cr_requires_grad(l->cx) ||
            cr_requires_grad(l->weight_hh) || cr_requires_grad(l->bias_hh));
}

/* Brings all to the widest dtype among them: autocast makes the gates narrower than the states are. False after an error. */
static bool agree(cr_rnn_parts *l)
{
    cr_tensor **parts[] = {&l->gates, &l->hx, &l->cx, &l->weight_hh, &l->bias_hh};
    cr_dtype wide = dtype_of(l->gates);
    for (int i = 1; i < 5; i++)
        if (*parts[i])
            wide = cr_promote_types(wide, dtype_of(*parts[i]));
    for (int i = 0; i < 5; i++)
        if (*parts[i] && dtype_of(*parts[i]) != wide && !(*parts[i] = cr_to_dtype(*parts[i], wide)))
            return false;
    return true;
}

/* Whether the device takes whole layers, and the call's parts are as it wants them: of one dtype, nothing cast on the way. */
static bool takes_layer(const cr_value *args)
{
    const cr_op *op = cr_op_at(CR_OP_rnn_layer);
    for (int i = 1; i < 7; i++)
        if (args[i].as.tensor && dtype_of(args[i].as.tensor) != dtype_of(args[0].as.tensor))
            return false;
    return !cr_this_thread.autocast && cr_has_plan(op, args);
}

/* One layer in one direction: p are its parameters, w_ih, w_hh, b_ih, b_hh, w_hr, as far as there are any. */
static int run_direction(const rnn_call *call, cr_tensor *x, cr_tensor *const *p, int64_t index,
                         bool project, bool reverse, cr_results *r)
{
    static const char *const names[] = {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"};
    cr_tensor *b_ih = call->biases ? p[2] : NULL, *b_hh = call->biases ? p[3] : NULL;
    if (p[0]->dim != 2 || p[0]->size[1] != cr_tensor_size(x, 1))
        return CR_FAIL_INT(
            "%s: input.size(-1) must be equal to input_size. Expected %lld, got %lld", call->name,
            (long long)cr_tensor_size(p[0], -1), (long long)cr_tensor_size(x, 1));
    /* A GRU's second bias lies within the reset gate; others are added once for all steps. */
    bool together = call->biases && call->mode != CR_RNN_GRU;
    cr_tensor *bias = together ? cr_add(b_ih, b_hh) : b_ih;
    cr_rnn_parts l = {.mode = call->mode,
                      .gates = x, /* until there are gates */
                      .hx = cr_select(call->hx, 0, index),
                      .cx = call->cx ? cr_select(call->cx, 0, index) : NULL,
                      .weight_hh = p[1],
                      .bias_hh = together ? NULL : b_hh,
                      .weight_hr = project ? p[call->biases ? 4 : 2] : NULL,
                      .batch_sizes = call->batch_sizes,
                      .reverse = reverse};
    if (!l.hx || (call->cx && !l.cx) || (together && !bias))
        return -1;
    cr_tensor *sizes = l.batch_sizes;
    if (!project && sizes && strcmp(cr_tensor_device(sizes), cr_tensor_device(x)))
        sizes = cr_tensor_to(sizes, cr_tensor_device(x));
    bool keep =
        any_grad(&l) || (cr_grad_enabled() && (cr_requires_grad(p[0]) || cr_requires_grad(bias)));
    const char *mode = names[call->mode];
    cr_value args[] = {cr_v_tensor(x),
                       cr_v_tensor(l.hx),
                       cr_v_tensor(l.cx),
                       cr_v_tensor(p[0]),
                       cr_v_tensor(p[1]),
                       cr_v_tensor(bias),
                       cr_v_tensor(l.bias_hh),
                       cr_v_tensor(sizes),
                       {.tag = CR_STRING, .count = (int64_t)strlen(mode), .as.s = mode},
                       {.tag = CR_BOOL, .as.i = reverse},
                       {.tag = CR_BOOL, .as.i = keep}};
    if (!project && takes_layer(args)) {
        int failed = cr_invoke(cr_op_at(CR_OP_rnn_layer), args, r);
        return failed || !r->t[0] || !r->t[1] ? -1 : 0;
    }
    if (!(l.gates = cr_f_linear(x, p[0], .bias = bias)))
        return -1;
    if (project)
        return cr_rnn_steps_of(&l, r);
    if (!agree(&l))
        return -1;
    cr_rnn_scan_result y =
        cr_rnn_scan(l.gates, l.hx, l.cx, l.weight_hh, l.bias_hh, sizes, mode, reverse, keep);
    r->t[0] = y.output;
    r->t[1] = y.hy;
    r->t[2] = y.cy;
    return y.output && y.hy ? 0 : -1;
}

static int run_layers(const rnn_call *call, cr_results *r, cr_tensor **last_h, cr_tensor **last_c)
{
    int64_t directions = call->bidirectional ? 2 : 1, at = 0;
    bool project = call->cx && cr_tensor_size(call->hx, 2) != cr_tensor_size(call->cx, 2);
    int64_t each = (call->biases ? 4 : 2) + project;
    if (call->params.count != each * directions * call->layers)
        return CR_FAIL_INT(
            "%s: %lld layers in %lld direction%s take %lld parameters, got %lld", call->name,
            (long long)call->layers, (long long)directions, directions == 1 ? "" : "s",
            (long long)(each * directions * call->layers), (long long)call->params.count);
    cr_tensor *x = call->input;
    for (int64_t i = 0; i < call->layers; i++) {
        cr_tensor *outs[2];
        for (int64_t d = 0; d < directions; d++, at++) {
            cr_results one = {0};
            if (run_direction(call, x, call->params.as.tensors + at * each, at, project, d, &one))
                return -1;
            outs[d] = one.t[0];
            last_h[at] = one.t[1];
            last_c[at] = one.t[2];
        }
        x = directions == 2 ? cr_cat(CR_TENSORS(outs[0], outs[1]), .dim = 1) : outs[0];
        if (call->train && call->dropout > 0 && i + 1 < call->layers)
            x = cr_f_dropout(x, call->dropout, true);
    }
    r->count = call->cx ? 3 : 2;
    r->t[0] = x;
    r->t[1] = cr_stack(cr_make_tensors(last_h, (size_t)at));
    r->t[2] = call->cx ? cr_stack(cr_make_tensors(last_c, (size_t)at)) : NULL;
    return r->t[0] && r->t[1] && (!call->cx || r->t[2]) ? 0 : -1;
}

/* The states' sizes are checked, then all layers run. */
static int run_call(const rnn_call *call, cr_results *r)
{
    const cr_tensor *states[2] = {call->hx, call->cx};
    int64_t n = call->layers;
    if (call->layers < 1 || __builtin_mul_overflow(n, call->bidirectional ? 2 : 1, &n))
        return CR_FAIL_INT("%s: num_layers must be greater than zero, and not %lld", call->name,
                           (long long)call->layers);
    for (int i = 0; i < (call->mode == CR_RNN_LSTM ? 2 : 1); i++)
        if (!states[i] || states[i]->dim != 3 || states[i]->size[0] != n ||
            states[i]->size[1] != call->batch)
            return CR_FAIL_INT("%s: Expected %s size (%lld, %lld, *), got %s", call->name,
                               i          ? "hidden[1]"
                               : call->cx ? "hidden[0]"
                                          : "hidden",
                               (long long)n, (long long)call->batch,
                               states[i] ? cr_sizes_text(states[i]->dim, states[i]->size) : "none");
    cr_tensor **last = calloc((size_t)n * 2, sizeof *last);
    int failed = last ? run_layers(call, r, last, last + n)
                      : (cr_fail_memory("an RNN's states", (size_t)n * sizeof *last), -1);
    free(last);
    return failed;
}

/* [steps, batch, features], or batch first, to rows and back. */
static int run_padded(rnn_call *call, cr_tensor *x, bool batch_first, cr_results *r)
{
    if (x->dim != 3)
        return CR_FAIL_INT("%s: input must have 3 dimensions, got %d", call->name, x->dim);
    if (batch_first)
        x = cr_transpose(x, 0, 1);
    if (!x)
        return -1;
    int64_t steps = x->size[0];
    call->batch = x->size[1];
    if (steps == 0)
        return CR_FAIL_INT("%s: Expected sequence length to be larger than 0 in RNN", call->name);
    call->input = cr_reshape(x, CR_INTS(steps * call->batch, x->size[2]));
    if (!call->input || run_call(call, r))
        return -1;
    cr_tensor *y = r->t[0];
    y = cr_reshape(y, CR_INTS(steps, call->batch, y->size[1]));
    r->t[0] = batch_first ? cr_transpose(y, 0, 1) : y;
    return r->t[0] ? 0 : -1;
}

static int run_packed(rnn_call *call, cr_tensor *x, cr_tensor *batch_sizes, cr_results *r)
{
    int64_t first = 0;
    if (x->dim != 2 || batch_sizes->dim != 1 || !batch_sizes->numel || batch_sizes->dtype != CR_I64)
        return CR_FAIL_INT("%s: packed data must be a matrix with a vector of int64 batch sizes, "
                           "got %s and %s",
                           call->name, cr_describe(x), cr_describe(batch_sizes));
    CR_SCOPE
        first = cr_item_int(cr_select(batch_sizes, 0, 0));
    call->input = x;
    call->batch = first;
    call->batch_sizes = batch_sizes;
    return run_call(call, r);
}

/* The arguments that all forms have, from `params` at place i on. */
static rnn_call call_of(const cr_op *op, const cr_value *args, int i)
{
    rnn_call call = {.name = op->name,
                     .mode = !strncmp(op->name, "lstm", 4)       ? CR_RNN_LSTM
                             : !strncmp(op->name, "gru", 3)      ? CR_RNN_GRU
                             : !strncmp(op->name, "rnn_relu", 8) ? CR_RNN_RELU
                                                                 : CR_RNN_TANH,
                     .params = args[i],
                     .biases = INT(i + 1),
                     .layers = INT(i + 2),
                     .dropout = F(i + 3),
                     .train = INT(i + 4),
                     .bidirectional = INT(i + 5)};
    return call;
}

static bool take_states(rnn_call *call, const cr_value *hx)
{
    if (hx->count != 2) {
        cr_fail("lstm expects two hidden states, got %lld", (long long)hx->count);
        return false;
    }
    call->hx = hx->as.tensors[0];
    call->cx = hx->as.tensors[1];
    return true;
}

COMPOSITE(lstm_input)
{
    rnn_call call = call_of(op, args, 2);
    return take_states(&call, &args[1]) ? run_padded(&call, T(0), INT(8), r) : -1;
}

COMPOSITE(lstm_data)
{
    rnn_call call = call_of(op, args, 3);
    return take_states(&call, &args[2]) ? run_packed(&call, T(0), T(1), r) : -1;
}

COMPOSITE(rnn_input)
{
    rnn_call call = call_of(op, args, 2);
    call.hx = T(1);
    return run_padded(&call, T(0), INT(8), r);
}

COMPOSITE(rnn_data)
{
    rnn_call call = call_of(op, args, 3);
    call.hx = T(2);
    return run_packed(&call, T(0), T(1), r);
}
