/* Inference of recurrent layers. */
#include <string.h>

#include "core/ops/functions.h"

static int64_t gates_of(const char *mode)
{
    return !strcmp(mode, "LSTM") ? 4 : !strcmp(mode, "GRU") ? 3 : 1;
}

/* What _rnn_scan and its backward have in common: gates, hx, cx, weight_hh, bias_hh and batch_sizes from input `at` on, in this
 * order. Checks them and gives the hidden size and what a row of the reserve holds. */
static bool check(cr_frame *f, uint32_t at, const char *mode, int64_t *hidden, int64_t *reserve)
{
    const cr_tensor *gates = f->in[at], *h = f->in[at + 1], *c = f->in[at + 2];
    const cr_tensor *w = f->in[at + 3], *b = f->in[at + 4], *batch_sizes = f->in[at + 5];
    bool lstm = !strcmp(mode, "LSTM"), gru = !strcmp(mode, "GRU");
    if (!lstm && !gru && strcmp(mode, "RNN_TANH") && strcmp(mode, "RNN_RELU"))
        return cr_frame_fail(f, "mode must be LSTM, GRU, RNN_TANH or RNN_RELU, got %s", mode);
    int64_t n = gates_of(mode);
    if (!cr_dtype_is_floating((cr_dtype)gates->dtype))
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name((cr_dtype)gates->dtype));
    if (gates->dim != 2 || h->dim != 2 || w->dim != 2)
        return cr_frame_fail(f, "gates, hx and weight_hh must be matrices, got %s, %s and %s",
                             cr_describe(gates), cr_describe(h), cr_describe(w));
    *hidden = h->size[1];
    *reserve = lstm ? 5 * *hidden : gru ? 4 * *hidden : 0;
    if (w->size[0] != n * *hidden || w->size[1] != *hidden || gates->size[1] != n * *hidden)
        return cr_frame_fail(f,
                             "%s with hidden size %lld needs gates [*, %lld] and weight_hh "
                             "[%lld, %lld], got %s and %s",
                             mode, (long long)*hidden, (long long)(n * *hidden),
                             (long long)(n * *hidden), (long long)*hidden, cr_describe(gates),
                             cr_describe(w));
    if (lstm != (c != NULL) ||
        (c && (c->dim != 2 || c->size[0] != h->size[0] || c->size[1] != *hidden)))
        return cr_frame_fail(f, "%s",
                             lstm ? "an LSTM needs cx of the sizes of hx" : "only an LSTM has cx");
    if (b && (b->dim != 1 || b->size[0] != n * *hidden))
        return cr_frame_fail(f, "bias_hh must be [%lld], got %s", (long long)(n * *hidden),
                             cr_describe(b));
    if (batch_sizes && (batch_sizes->dim != 1 || batch_sizes->dtype != CR_I64))
        return cr_frame_fail(f, "batch_sizes must be a vector of int64, got %s",
                             cr_describe(batch_sizes));
    if (!batch_sizes && (h->size[0] ? gates->size[0] % h->size[0] : gates->size[0]))
        return cr_frame_fail(f, "%lld rows of gates are no whole number of steps of %lld sequences",
                             (long long)gates->size[0], (long long)h->size[0]);
    for (uint32_t i = 0; i < f->nin; i++)
        if (f->in[i] && f->in[i] != batch_sizes && f->in[i]->dtype != gates->dtype)
            return cr_frame_fail(
                f, "expected all tensors to have the same dtype, but got %s and %s",
                cr_dtype_name((cr_dtype)gates->dtype), cr_dtype_name((cr_dtype)f->in[i]->dtype));
    return true;
}

bool cr_infer_rnn_scan(cr_frame *f)
{
    int64_t hidden, kept;
    if (!check(f, 0, f->args[6].as.s, &hidden, &kept))
        return false;
    const cr_tensor *gates = f->in[0], *h = f->in[1];
    cr_dtype dtype = (cr_dtype)gates->dtype;
    int64_t rows = gates->size[0], output[2] = {rows, hidden};
    int64_t reserve[2] = {f->args[8].as.i ? rows : 0, kept};
    if (!cr_frame_out(f, 0, dtype, 2, output) || !cr_frame_out_like(f, 1, h, dtype) ||
        !cr_frame_out_like(f, 2, h, dtype) || !cr_frame_out(f, 3, dtype, 2, reserve))
        return false;
    f->alias[2] = f->in[2] ? -1 : -2;
    return true;
}

bool cr_infer_rnn_scan_backward(cr_frame *f)
{
    int64_t hidden, kept;
    if (!check(f, 3, f->args[11].as.s, &hidden, &kept))
        return false;
    const cr_tensor *gates = f->in[3], *h = f->in[4], *w = f->in[6], *b = f->in[7];
    const cr_tensor *output = f->in[9], *reserve = f->in[10];
    cr_dtype dtype = (cr_dtype)gates->dtype;
    if (output->dim != 2 || output->size[0] != gates->size[0] || output->size[1] != hidden)
        return cr_frame_fail(f, "output %s doesn't fit gates %s", cr_describe(output),
                             cr_describe(gates));
    /* A forward that was decomposed kept nothing: so is its backward. */
    f->no_plan = reserve->dim != 2 || reserve->size[0] != gates->size[0];
    f->unseen[3] = true;
    for (int i = 0; i < 5; i++)
        if (!cr_frame_out_like(f, i, i == 0 ? gates : i < 3 ? h : i == 3 || !b ? w : b, dtype))
            return false;
    f->alias[2] = f->in[5] ? -1 : -2;
    f->alias[4] = b ? -1 : -2;
    return true;
}
