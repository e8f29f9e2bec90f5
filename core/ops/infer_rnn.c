/* Inference of recurrent layers. */
#include <string.h>

#include "core/ops/functions.h"

static int64_t gates_of(const char *mode)
{
    return !strcmp(mode, "LSTM") ? 4 : !strcmp(mode, "GRU") ? 3 : 1;
}

/* What all of them have in common: the rows of x (gates, or a layer's input), hx, cx, weight_hh, bias_hh and batch_sizes.
 * Checks them and gives the hidden size. */
static bool check_states(cr_frame *f, const char *mode, const char *what, const cr_tensor *x,
                         const cr_tensor *const *of, int64_t *hidden)
{
    const cr_tensor *h = of[0], *c = of[1], *w = of[2], *b = of[3], *batch_sizes = of[4];
    bool lstm = !strcmp(mode, "LSTM");
    if (!lstm && strcmp(mode, "GRU") && strcmp(mode, "RNN_TANH") && strcmp(mode, "RNN_RELU"))
        return cr_frame_fail(f, "mode must be LSTM, GRU, RNN_TANH or RNN_RELU, got %s", mode);
    int64_t n = gates_of(mode);
    if (!cr_dtype_is_floating((cr_dtype)x->dtype))
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name((cr_dtype)x->dtype));
    if (x->dim != 2 || h->dim != 2 || w->dim != 2)
        return cr_frame_fail(f, "%s, hx and weight_hh must be matrices, got %s, %s and %s", what,
                             cr_describe(x), cr_describe(h), cr_describe(w));
    *hidden = h->size[1];
    if (w->size[0] != n * *hidden || w->size[1] != *hidden)
        return cr_frame_fail(f, "%s with hidden size %lld needs weight_hh [%lld, %lld], got %s",
                             mode, (long long)*hidden, (long long)(n * *hidden), (long long)*hidden,
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
    if (!batch_sizes && (h->size[0] ? x->size[0] % h->size[0] : x->size[0]))
        return cr_frame_fail(f, "%lld rows of %s are no whole number of steps of %lld sequences",
                             (long long)x->size[0], what, (long long)h->size[0]);
    return true;
}

/* Whether all but batch_sizes and `other` are of x's dtype. */
static bool same_dtypes(cr_frame *f, const cr_tensor *x, const cr_tensor *batch_sizes,
                        const cr_tensor *other)
{
    for (uint32_t i = 0; i < f->nin; i++) {
        const cr_tensor *t = f->in[i];
        if (t && t != batch_sizes && t != other && t->dtype != x->dtype)
            return cr_frame_fail(
                f, "expected all tensors to have the same dtype, but got %s and %s",
                cr_dtype_name((cr_dtype)x->dtype), cr_dtype_name((cr_dtype)t->dtype));
    }
    return true;
}

/* ---- scans ---- */

/* gates, hx, cx, weight_hh, bias_hh and batch_sizes from input `at` on, in this order. Gives the hidden size and what a row of
 * the reserve holds. */
static bool check(cr_frame *f, uint32_t at, const char *mode, int64_t *hidden, int64_t *reserve)
{
    const cr_tensor *gates = f->in[at];
    if (!check_states(f, mode, "gates", gates, (const cr_tensor *const *)&f->in[at + 1], hidden))
        return false;
    *reserve = !strcmp(mode, "LSTM") ? 5 * *hidden : !strcmp(mode, "GRU") ? 4 * *hidden : 0;
    if (gates->size[1] != gates_of(mode) * *hidden)
        return cr_frame_fail(f, "%s with hidden size %lld needs gates [*, %lld], got %s", mode,
                             (long long)*hidden, (long long)(gates_of(mode) * *hidden),
                             cr_describe(gates));
    return same_dtypes(f, gates, f->in[at + 5], NULL);
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

/* ---- layers ---- */

/* A layer's reserve is a byte that says nothing, in whose place a backend may keep what its backward wants, in a private
 * layout. Out of that it is a byte again, from which the backward has to walk the steps once more. */
enum { TOKEN = 1 };

/* input, hx, cx, weight_ih, weight_hh, bias, bias_hh and batch_sizes from input `at` on, in this order. */
static bool check_layer(cr_frame *f, uint32_t at, const char *mode, const cr_tensor *reserve,
                        int64_t *hidden)
{
    cr_tensor *const *in = f->in + at;
    const cr_tensor *x = in[0], *w = in[3], *b = in[5];
    const cr_tensor *states[5] = {in[1], in[2], in[4], in[6], in[7]};
    if (!check_states(f, mode, "input", x, states, hidden))
        return false;
    int64_t rows = gates_of(mode) * *hidden;
    if (w->dim != 2 || w->size[0] != rows || w->size[1] != x->size[1])
        return cr_frame_fail(f, "%s with hidden size %lld needs weight_ih [%lld, %lld], got %s",
                             mode, (long long)*hidden, (long long)rows, (long long)x->size[1],
                             cr_describe(w));
    if (b && (b->dim != 1 || b->size[0] != rows))
        return cr_frame_fail(f, "bias must be [%lld], got %s", (long long)rows, cr_describe(b));
    return same_dtypes(f, x, in[7], reserve);
}

bool cr_infer_rnn_layer(cr_frame *f)
{
    int64_t hidden;
    if (!check_layer(f, 0, f->args[8].as.s, NULL, &hidden))
        return false;
    const cr_tensor *x = f->in[0], *h = f->in[1];
    cr_dtype dtype = (cr_dtype)x->dtype;
    int64_t output[2] = {x->size[0], hidden}, token = f->args[10].as.i ? TOKEN : 0;
    if (!cr_frame_out(f, 0, dtype, 2, output) || !cr_frame_out_like(f, 1, h, dtype) ||
        !cr_frame_out_like(f, 2, h, dtype) || !cr_frame_out(f, 3, CR_U8, 1, &token))
        return false;
    f->alias[2] = f->in[2] ? -1 : -2;
    return true;
}

bool cr_infer_rnn_layer_backward(cr_frame *f)
{
    enum { INPUT = 3, OUTPUT = 11, CY = 12, RESERVE = 13 };
    int64_t hidden;
    if (!check_layer(f, INPUT, f->args[14].as.s, f->in[RESERVE], &hidden))
        return false;
    cr_tensor *const *in = f->in + INPUT;
    const cr_tensor *x = in[0], *h = in[1], *output = f->in[OUTPUT], *cy = f->in[CY];
    cr_dtype dtype = (cr_dtype)x->dtype;
    if (output->dim != 2 || output->size[0] != x->size[0] || output->size[1] != hidden)
        return cr_frame_fail(f, "output %s doesn't fit input %s", cr_describe(output),
                             cr_describe(x));
    if (!cy != !in[2] || (cy && (cy->dim != 2 || memcmp(cy->size, h->size, 16))))
        return cr_frame_fail(f, "an LSTM needs cy of the sizes of hx, others have none");
    /* The gradients of input, hx, cx, weight_ih, weight_hh, bias, bias_hh, as far as asked for. */
    for (int i = 0; i < 7; i++) {
        bool wanted = in[i] && f->args[16].as.bools[i];
        if (!cr_frame_out_like(f, i, in[i] ? in[i] : x, dtype))
            return false;
        f->alias[i] = wanted ? -1 : -2;
    }
    return true;
}
