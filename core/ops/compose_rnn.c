/* Recurrent layers step by step, with differentiable operations, and the one-step cells. */
#include <stdlib.h>

#include "core/ops/rnn.h"

/* ---- one step ---- */

/* The parts of gates along dimension 1. */
static cr_tensor *part(cr_tensor *gates, int64_t i, int64_t hidden)
{
    return cr_narrow(gates, 1, i * hidden, hidden);
}

bool cr_rnn_mode_of(const char *name, cr_rnn_mode *mode)
{
    static const char *const names[] = {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(name, names[i])) {
            *mode = (cr_rnn_mode)i;
            return true;
        }
    cr_fail("_rnn_steps: mode must be LSTM, GRU, RNN_TANH or RNN_RELU, got %s", name);
    return false;
}

/* h (and c of an LSTM) after one step with the inputs' part of its gates. */
static cr_tensor *step(cr_rnn_mode mode, cr_tensor *x, cr_tensor *h, cr_tensor **c, cr_tensor *w,
                       cr_tensor *b, cr_tensor *project)
{
    cr_tensor *recurrent = cr_f_linear(h, w, .bias = b);
    int64_t hidden = cr_tensor_size(w, 0) / cr_rnn_gates(mode);
    if (mode == CR_RNN_GRU) {
        cr_tensor *reset = cr_sigmoid(cr_add(part(x, 0, hidden), part(recurrent, 0, hidden)));
        cr_tensor *update = cr_sigmoid(cr_add(part(x, 1, hidden), part(recurrent, 1, hidden)));
        cr_tensor *fresh =
            cr_tanh(cr_add(part(x, 2, hidden), cr_mul(reset, part(recurrent, 2, hidden))));
        return cr_add(fresh, cr_mul(update, cr_sub(h, fresh)));
    }
    cr_tensor *gates = cr_add(x, recurrent);
    if (mode != CR_RNN_LSTM)
        return mode == CR_RNN_TANH ? cr_tanh(gates) : cr_relu(gates);
    cr_tensor *in = cr_sigmoid(part(gates, 0, hidden)),
              *forget = cr_sigmoid(part(gates, 1, hidden));
    cr_tensor *cell = cr_tanh(part(gates, 2, hidden)), *out = cr_sigmoid(part(gates, 3, hidden));
    *c = cr_add(cr_mul(forget, *c), cr_mul(in, cell));
    cr_tensor *y = cr_mul(out, cr_tanh(*c));
    return project ? cr_f_linear(y, project) : y;
}

/* ---- all steps ---- */

int64_t *cr_rnn_batch_sizes(cr_tensor *given, int64_t rows, int64_t batch, int64_t *steps)
{
    int64_t n = given ? cr_tensor_numel(given) : batch ? rows / batch : 0, sum = 0;
    int64_t *sizes = malloc((size_t)(n > 0 ? n : 1) * sizeof *sizes);
    if (!sizes)
        return cr_fail_memory("batch sizes", (size_t)n * sizeof *sizes);
    if (given && cr_tensor_read(given, sizes, (size_t)n * sizeof *sizes)) {
        free(sizes);
        return NULL;
    }
    for (int64_t t = 0; t < n; t++) {
        if (!given)
            sizes[t] = batch;
        if (sizes[t] < 1 || sizes[t] > (t ? sizes[t - 1] : batch)) {
            cr_fail("batch_sizes must begin with the number of sequences or less, be positive and "
                    "not increase; got %lld at step %lld of %lld sequences",
                    (long long)sizes[t], (long long)t, (long long)batch);
            free(sizes);
            return NULL;
        }
        sum += sizes[t];
    }
    if (sum != rows || (given && n && sizes[0] != batch)) {
        cr_fail("batch_sizes say %lld rows of %lld sequences, there are %lld of %lld",
                (long long)sum, (long long)(n ? sizes[0] : 0), (long long)rows, (long long)batch);
        free(sizes);
        return NULL;
    }
    *steps = n;
    return sizes;
}

/* The rows [from, to) of t; t itself when these are all. */
static cr_tensor *rows_of(cr_tensor *t, int64_t from, int64_t to)
{
    return t && from == 0 && to == cr_tensor_size(t, 0) ? t : cr_narrow(t, 0, from, to - from);
}

/* Sequences end as steps go by (forward), or begin as they go back (reverse). The lists are filled from their ends where order
 * asks for it. */
static int run_steps(const cr_rnn_parts *l, const int64_t *sizes, int64_t steps, cr_tensor **out,
                     cr_tensor **last_h, cr_tensor **last_c, cr_results *r)
{
    int64_t row = l->reverse ? cr_tensor_size(l->gates, 0) : 0, ended = steps;
    cr_tensor *h = NULL, *c = NULL;
    for (int64_t i = 0; i < steps; i++) {
        int64_t t = l->reverse ? steps - 1 - i : i, n = sizes[t];
        int64_t have = h ? cr_tensor_size(h, 0) : 0;
        row -= l->reverse ? n : 0;
        if (!h) {
            h = rows_of(l->hx, 0, n);
            c = l->cx ? rows_of(l->cx, 0, n) : NULL;
        } else if (n > have) {
            h = cr_cat(CR_TENSORS(h, rows_of(l->hx, have, n)));
            c = c ? cr_cat(CR_TENSORS(c, rows_of(l->cx, have, n))) : NULL;
        } else if (n < have) {
            last_h[--ended] = rows_of(h, n, have);
            last_c[ended] = c ? rows_of(c, n, have) : NULL;
            h = rows_of(h, 0, n);
            c = c ? rows_of(c, 0, n) : NULL;
        }
        h = step(l->mode, rows_of(l->gates, row, row + n), h, &c, l->weight_hh, l->bias_hh,
                 l->weight_hr);
        if (!h)
            return -1;
        out[t] = h;
        row += l->reverse ? 0 : n;
    }
    last_h[--ended] = h;
    last_c[ended] = c;
    size_t parts = (size_t)(steps - ended);
    r->count = 3;
    r->t[0] = cr_cat(cr_make_tensors(out, (size_t)steps));
    r->t[1] = parts == 1 ? h : cr_cat(cr_make_tensors(last_h + ended, parts));
    r->t[2] = !c || parts == 1 ? c : cr_cat(cr_make_tensors(last_c + ended, parts));
    return r->t[0] && r->t[1] && (!c || r->t[2]) ? 0 : -1;
}

int cr_rnn_steps_of(const cr_rnn_parts *l, cr_results *r)
{
    int64_t steps = 0;
    int64_t *sizes = cr_rnn_batch_sizes(l->batch_sizes, cr_tensor_size(l->gates, 0),
                                        cr_tensor_size(l->hx, 0), &steps);
    if (!sizes)
        return -1;
    if (!steps) {
        free(sizes);
        r->count = 3;
        r->t[0] = cr_new_zeros(l->gates, CR_INTS(0, cr_tensor_size(l->hx, 1)));
        r->t[1] = l->hx;
        r->t[2] = l->cx;
        return r->t[0] ? 0 : -1;
    }
    /* There are at most as many ends as steps. */
    cr_tensor **lists = calloc((size_t)steps * 3, sizeof *lists);
    int failed = lists ? run_steps(l, sizes, steps, lists, lists + steps, lists + 2 * steps, r)
                       : (cr_fail_memory("an RNN's steps", (size_t)steps * sizeof *lists), -1);
    free(lists);
    free(sizes);
    return failed;
}

COMPOSITE(rnn_steps)
{
    (void)op;
    cr_rnn_parts l = {CR_RNN_TANH, T(0), T(1), T(2), T(3), T(4), T(5), T(6), INT(8)};
    return cr_rnn_mode_of(args[7].as.s, &l.mode) ? cr_rnn_steps_of(&l, r) : -1;
}

/* ---- below autograd ---- */

DECOMPOSE(rnn_scan)
{
    (void)op;
    cr_rnn_parts l = {CR_RNN_TANH, T(0), T(1), T(2), T(3), T(4), NULL, T(5), INT(7)};
    if (!cr_rnn_mode_of(args[6].as.s, &l.mode) || cr_rnn_steps_of(&l, r))
        return -1;
    r->count = 4; /* nothing is kept: the backward walks the steps again */
    r->t[3] = cr_new_zeros(T(0), CR_INTS(0, 0));
    return r->t[3] ? 0 : -1;
}

/* The gradients of the steps, which are walked again for it. */
DECOMPOSE(rnn_scan_backward)
{
    (void)op;
    cr_tensor *in[5] = {T(3), T(4), T(5), T(6), T(7)}, *asked[5], *grads[5] = {NULL};
    cr_tensor *outs[3], *given[3];
    size_t nouts = 0, nasked = 0;
    int failed = -1;
    CR_ENABLE_GRAD {
        for (int i = 0; i < 5; i++)
            if (in[i])
                asked[nasked++] = in[i] = cr_requires_grad_(cr_detach(in[i]), 1);
        cr_rnn_parts l = {CR_RNN_TANH, in[0], in[1], in[2], in[3], in[4], NULL, T(8), INT(12)};
        cr_results made = {0};
        if (cr_rnn_mode_of(args[11].as.s, &l.mode) && !cr_rnn_steps_of(&l, &made)) {
            for (int i = 0; i < 3; i++)
                if (T(i) && made.t[i]) {
                    outs[nouts] = made.t[i];
                    given[nouts++] = T(i);
                }
            failed = cr_autograd_grad(outs, given, nouts, asked, nasked, true, grads);
        }
    }
    r->count = 5;
    for (size_t i = 0, k = 0; i < 5; i++) {
        r->t[i] = NULL;
        if (!in[i] || failed)
            continue;
        cr_tensor *g = grads[k++];
        if (!(r->t[i] = g ? g : cr_zeros_like(in[i])))
            failed = -1;
    }
    return failed;
}

DECOMPOSE(rnn_layer)
{
    (void)op;
    cr_rnn_scan_result y = cr_rnn_scan(cr_f_linear(T(0), T(3), .bias = T(5)), T(1), T(2), T(4),
                                       T(6), T(7), args[8].as.s, INT(9), false);
    r->count = 4;
    r->t[0] = y.output;
    r->t[1] = y.hy;
    r->t[2] = y.cy;
    r->t[3] = cr_new_zeros(T(0), CR_INTS(INT(10) ? 1 : 0), .dtype = CR_U8); /* nothing is kept */
    return y.output && y.hy && r->t[3] ? 0 : -1;
}

/* The gates are made and the steps walked once more: a forward that was planned leaves nothing that others understand. */
DECOMPOSE(rnn_layer_backward)
{
    (void)op;
    const uint8_t *mask = args[16].as.bools;
    const char *mode = args[14].as.s;
    cr_tensor *x = T(3), *w = T(6), *gates = cr_f_linear(x, w, .bias = T(8));
    cr_rnn_scan_result y = cr_rnn_scan(gates, T(4), T(5), T(7), T(9), T(10), mode, INT(15), true);
    cr_rnn_scan_backward_result g = cr_rnn_scan_backward(
        T(0), T(1), T(2), gates, T(4), T(5), T(7), T(9), T(10), y.output, y.reserve, mode, INT(15));
    cr_tensor *all[7] = {NULL, g.grad_hx, g.grad_cx, NULL, g.grad_weight_hh, NULL, g.grad_bias_hh};
    if (mask[0])
        all[0] = cr_mm(g.grad_gates, w);
    if (mask[3])
        all[3] = cr_mm(cr_t(g.grad_gates), x);
    if (mask[5] && T(8))
        all[5] = cr_sum_dim(g.grad_gates, 0);
    r->count = 7;
    for (int i = 0; i < 7; i++) {
        bool wanted = mask[i] && T(3 + i);
        r->t[i] = wanted ? all[i] : NULL;
        if (wanted && !all[i])
            return -1;
    }
    return 0;
}

/* ---- cells ---- */

static int check_cell(const char *name, cr_tensor *x, cr_tensor *h, cr_tensor *w_ih,
                      cr_tensor *w_hh)
{
    if (!x || !h || x->dim != 2 || h->dim != 2 || w_ih->dim != 2 || w_hh->dim != 2)
        return CR_FAIL_INT("%s: input, hidden state and weights must be matrices", name);
    if (x->size[0] != h->size[0])
        return CR_FAIL_INT("%s: Input batch size %lld doesn't match hidden batch size %lld", name,
                           (long long)x->size[0], (long long)h->size[0]);
    if (x->size[1] != w_ih->size[1])
        return CR_FAIL_INT("%s: input has inconsistent input_size: got %lld expected %lld", name,
                           (long long)x->size[1], (long long)w_ih->size[1]);
    if (h->size[1] != w_hh->size[1])
        return CR_FAIL_INT("%s: hidden has inconsistent hidden_size: got %lld, expected %lld", name,
                           (long long)h->size[1], (long long)w_hh->size[1]);
    return 0;
}

COMPOSITE(lstm_cell)
{
    (void)op;
    if (args[1].count != 2)
        return CR_FAIL_INT("lstm_cell expects two hidden states");
    cr_tensor *h = args[1].as.tensors[0], *c = args[1].as.tensors[1];
    if (check_cell("lstm_cell", T(0), h, T(2), T(3)) ||
        check_cell("lstm_cell", T(0), c, T(2), T(3)))
        return -1;
    h = step(CR_RNN_LSTM, cr_f_linear(T(0), T(2), .bias = T(4)), h, &c, T(3), T(5), NULL);
    return cr_give_two(r, h, c);
}

COMPOSITE(rnn_cell)
{
    cr_rnn_mode mode = !strcmp(op->name, "gru_cell")        ? CR_RNN_GRU
                       : !strcmp(op->name, "rnn_relu_cell") ? CR_RNN_RELU
                                                            : CR_RNN_TANH;
    if (check_cell(op->name, T(0), T(1), T(2), T(3)))
        return -1;
    cr_tensor *x = cr_f_linear(T(0), T(2), .bias = T(4));
    return cr_give(r, step(mode, x, T(1), NULL, T(3), T(5), NULL));
}
