/* ONNX's recurrent layers, step by step: RNN, GRU and LSTM, both directions, with peepholes and lengths. */
#include <string.h>

#include "core/io/onnx.h"

typedef enum cell { RNN = 1, GRU = 3, LSTM = 4 } cell; /* how many gates */

/* One direction of a layer. */
typedef struct layer {
    cell kind;
    int64_t hidden, steps;
    bool reset_after;        /* linear_before_reset */
    const char *activations; /* "Tanh" or "Sigmoid,Tanh" …, this direction's first */
    cr_tensor *x;            /* (T, N, gates · H): W x + Wb */
    cr_tensor *recurrent, *bias, *peephole;
    cr_tensor *lengths; /* (N, 1), or null: all steps */
    cr_tensor *h, *c;
} layer;

/* The i-th of the names, applied. */
static cr_tensor *activate(const onnx_run *run, const layer *l, int i, cr_tensor *x)
{
    const char *name = l->activations;
    for (; i > 0 && name; i--)
        name = strchr(name, ',') ? strchr(name, ',') + 1 : NULL;
    size_t length = name ? strcspn(name, ",") : 0;
    if (length == 4 && !strncmp(name, "Tanh", 4))
        return cr_tanh(x);
    if (length == 7 && !strncmp(name, "Sigmoid", 7))
        return cr_sigmoid(x);
    if (length == 4 && !strncmp(name, "Relu", 4))
        return cr_relu(x);
    onnx_fail(run, "the activations '%.60s' are not supported", l->activations);
    return NULL;
}

/* A gate's part of the last dimension. */
static cr_tensor *gate(const layer *l, cr_tensor *x, int64_t from, int64_t count)
{
    return cr_narrow(x, -1, from * l->hidden, count * l->hidden);
}

static cr_tensor *with_peephole(const layer *l, cr_tensor *x, int which, cr_tensor *c)
{
    return l->peephole ? cr_add(x, cr_mul(gate(l, l->peephole, which, 1), c)) : x;
}

static void step_lstm(const onnx_run *run, layer *l, cr_tensor *x, cr_tensor **h, cr_tensor **c)
{
    cr_tensor *all = cr_add(cr_add(x, cr_matmul(l->h, cr_t(l->recurrent))), l->bias);
    cr_tensor *in = activate(run, l, 0, with_peephole(l, gate(l, all, 0, 1), 0, l->c));
    cr_tensor *forget = activate(run, l, 0, with_peephole(l, gate(l, all, 2, 1), 2, l->c));
    *c = cr_add(cr_mul(forget, l->c), cr_mul(in, activate(run, l, 1, gate(l, all, 3, 1))));
    cr_tensor *out = activate(run, l, 0, with_peephole(l, gate(l, all, 1, 1), 1, *c));
    *h = cr_mul(out, activate(run, l, 2, *c));
}

static void step_gru(const onnx_run *run, layer *l, cr_tensor *x, cr_tensor **h)
{
    cr_tensor *two = cr_narrow(l->recurrent, 0, 0, 2 * l->hidden);
    cr_tensor *last = cr_t(cr_narrow(l->recurrent, 0, 2 * l->hidden, l->hidden));
    cr_tensor *gates =
        cr_add(cr_add(gate(l, x, 0, 2), cr_matmul(l->h, cr_t(two))), gate(l, l->bias, 0, 2));
    cr_tensor *update = activate(run, l, 0, gate(l, gates, 0, 1));
    cr_tensor *reset = activate(run, l, 0, gate(l, gates, 1, 1)), *bias = gate(l, l->bias, 2, 1),
              *inner;
    if (l->reset_after)
        inner = cr_mul(reset, cr_add(cr_matmul(l->h, last), bias));
    else
        inner = cr_add(cr_matmul(cr_mul(reset, l->h), last), bias);
    cr_tensor *fresh = activate(run, l, 1, cr_add(gate(l, x, 2, 1), inner));
    *h = cr_add(fresh, cr_mul(update, cr_sub(l->h, fresh)));
}

static void step_rnn(const onnx_run *run, layer *l, cr_tensor *x, cr_tensor **h)
{
    *h = activate(run, l, 0, cr_add(cr_add(x, cr_matmul(l->h, cr_t(l->recurrent))), l->bias));
}

/* Runs over time; the outputs of all steps, (T, N, H), in the order of the steps. */
static cr_tensor *run_steps(const onnx_run *run, layer *l)
{
    cr_tensors steps = cr_unbind(l->x);
    cr_tensor *stacked = NULL;
    for (int64_t t = 0; t < steps.count; t++) {
        cr_tensor *h = NULL, *c = l->c;
        if (l->kind == LSTM)
            step_lstm(run, l, steps.data[t], &h, &c);
        else if (l->kind == GRU)
            step_gru(run, l, steps.data[t], &h);
        else
            step_rnn(run, l, steps.data[t], &h);
        cr_tensor *out = h;
        if (l->lengths && h) {
            cr_tensor *lives = cr_gt_scalar(l->lengths, t);
            out = cr_mul(h, cr_to_dtype(lives, cr_tensor_dtype(h)));
            h = cr_where(lives, h, l->h);
            c = c ? cr_where(lives, c, l->c) : NULL;
        }
        if (!h || (l->c && !c))
            return NULL;
        l->h = h;
        l->c = c;
        out = cr_unsqueeze(out, 0);
        stacked = stacked ? cr_cat(CR_TENSORS(stacked, out)) : out;
    }
    return stacked;
}

static cr_tensor *part(cr_tensor *t, int64_t direction)
{
    return t ? cr_select(t, 0, direction) : NULL;
}

/* Checks the shapes that the steps rely on. */
static bool check(const onnx_run *run, cell kind, cr_tensor *x, cr_tensor *w, cr_tensor *r,
                  int64_t hidden, int64_t directions)
{
    if (!x || !w || !r)
        return false;
    bool good = cr_tensor_dim(x) == 3 && cr_tensor_dim(w) == 3 && cr_tensor_dim(r) == 3 &&
                hidden > 0 && hidden < INT32_MAX && cr_tensor_size(x, 0) > 0 &&
                cr_tensor_size(r, 2) == hidden && cr_tensor_size(r, 1) == kind * hidden &&
                cr_tensor_size(w, 1) == kind * hidden && cr_tensor_size(w, 0) == directions &&
                cr_tensor_size(r, 0) == directions;
    return good || onnx_fail(run, "its weights don't fit its hidden size and directions");
}

static cr_tensor *state_of(cr_tensor *given, cr_tensor *x, int64_t direction, int64_t hidden)
{
    return given ? part(given, direction) : cr_new_zeros(x, CR_INTS(cr_tensor_size(x, 1), hidden));
}

static bool recurrent(onnx_run *run, cell kind, const char *activations)
{
    bool batch_first = onnx_int(run, "layout", 0);
    const char *way = onnx_text(run, "direction", "forward");
    int64_t directions = !strcmp(way, "bidirectional") ? 2 : 1,
            hidden = onnx_int(run, "hidden_size", 0);
    cr_tensor *x = onnx_in(run, 0), *w = onnx_in(run, 1), *r = onnx_in(run, 2),
              *lengths = onnx_in(run, 4);
    cr_tensor *h0 = onnx_in(run, 5), *c0 = kind == LSTM ? onnx_in(run, 6) : NULL;
    if (onnx_find(run, "clip") || onnx_int(run, "input_forget", 0))
        return onnx_fail(run, "clip and input_forget are not supported");
    if (batch_first) {
        x = cr_transpose(x, 0, 1);
        h0 = h0 ? cr_transpose(h0, 0, 1) : NULL;
        c0 = c0 ? cr_transpose(c0, 0, 1) : NULL;
    }
    if (!check(run, kind, x, w, r, hidden, directions))
        return false;
    int64_t steps = cr_tensor_size(x, 0);
    if (lengths && cr_item_int(cr_amin(lengths)) == steps)
        lengths = NULL;
    if (lengths && strcmp(way, "forward"))
        return onnx_fail(run, "lengths that differ are not supported backwards");
    const char *names = onnx_text(run, "activations", activations);
    cr_tensor *y = NULL, *last = NULL, *last_c = NULL;
    for (int64_t d = 0; d < directions; d++) {
        bool reverse = d || !strcmp(way, "reverse");
        cr_tensor *bias = onnx_in(run, 3) ? part(onnx_in(run, 3), d)
                                          : cr_new_zeros(x, CR_INTS(2 * kind * hidden));
        cr_tensor *in = cr_matmul(reverse ? cr_flip(x, CR_INTS(0)) : x, cr_t(part(w, d)));
        layer l = {.kind = kind, .hidden = hidden, .steps = steps, .activations = names};
        l.reset_after = onnx_int(run, "linear_before_reset", 0);
        l.x = cr_add(in, cr_narrow(bias, 0, 0, kind * hidden));
        l.bias = cr_narrow(bias, 0, kind * hidden, kind * hidden);
        l.recurrent = part(r, d);
        l.peephole = kind == LSTM ? part(onnx_in(run, 7), d) : NULL;
        l.lengths = lengths ? cr_unsqueeze(lengths, 1) : NULL;
        l.h = state_of(h0, x, d, hidden);
        l.c = kind == LSTM ? state_of(c0, x, d, hidden) : NULL;
        if (!l.x || !l.bias || !l.recurrent || !l.h || (kind == LSTM && !l.c))
            return false;
        cr_tensor *out = run_steps(run, &l);
        out = cr_unsqueeze(reverse ? cr_flip(out, CR_INTS(0)) : out, 1);
        cr_tensor *h = cr_unsqueeze(l.h, 0), *c = l.c ? cr_unsqueeze(l.c, 0) : NULL;
        y = y ? cr_cat(CR_TENSORS(y, out), .dim = 1) : out;
        last = last ? cr_cat(CR_TENSORS(last, h)) : h;
        last_c = last_c ? cr_cat(CR_TENSORS(last_c, c)) : c;
        /* the other direction's activations come behind this one's */
        int count = kind == LSTM ? 3 : kind == GRU ? 2 : 1;
        const char *next = names;
        for (int i = 0; i < count && next; i++)
            next = strchr(next, ',') ? strchr(next, ',') + 1 : NULL;
        names = next ? next : names;
    }
    if (batch_first) {
        y = cr_permute(y, CR_INTS(2, 0, 1, 3));
        last = cr_transpose(last, 0, 1);
        last_c = last_c ? cr_transpose(last_c, 0, 1) : NULL;
    }
    onnx_out(run, 1, last);
    onnx_out(run, 2, last_c);
    return onnx_out(run, 0, y);
}

static bool op_rnn(onnx_run *run)
{
    return recurrent(run, RNN, "Tanh");
}

static bool op_gru(onnx_run *run)
{
    return recurrent(run, GRU, "Sigmoid,Tanh");
}

static bool op_lstm(onnx_run *run)
{
    return recurrent(run, LSTM, "Sigmoid,Tanh,Tanh");
}

const onnx_entry onnx_rnn_operators[] = {
    {"GRU", op_gru}, {"LSTM", op_lstm}, {"RNN", op_rnn}, {NULL, NULL}};
