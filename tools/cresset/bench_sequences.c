/* The benchmark's rows of recurrent layers and attention. */
#include "bench.h"

#include <stdio.h>

#include "cli.h"

CR_MODULE(Recurrent, r, h);
CR_FORWARD(Recurrent, x)
{
    return cr_forward(self->h, cr_select(cr_forward(self->r, x), 1, -1));
}

typedef struct sequence {
    cr_module *net;
    cr_optimizer *optimizer;
    cr_tensor *x, *y;
} sequence;

static void do_step(void *p)
{
    sequence *s = p;
    cr_zero_grad(s->optimizer);
    cr_backward(cr_cross_entropy(cr_forward(s->net, s->x), s->y));
    cr_step(s->optimizer);
}

static void do_forward(void *p)
{
    sequence *s = p;
    CR_NO_GRAD
        cr_forward(s->net, s->x);
}

static void recurrent(const char *name, cr_module *layer)
{
    char train[64], infer[64];
    snprintf(train, sizeof train, "train/%s_h128_b32_t64", name);
    snprintf(infer, sizeof infer, "infer/%s_h128_b32_t64", name);
    sequence s = {.net = CR_NEW(Recurrent, .r = layer, .h = cr_linear(128, 10))};
    s.optimizer = cr_adam(s.net);
    s.x = cr_randn(CR_INTS(32, 64, 64));
    s.y = cr_randint(10, CR_INTS(32));
    bench_row(train, "sequences/s", 32, do_step, &s);
    bench_row(infer, "sequences/s", 32, do_forward, &s);
}

/* ---- attention: a module to itself, without weights ---- */

static void do_attend(void *p)
{
    sequence *s = p;
    CR_NO_GRAD
        cr_forward(s->net, s->x, s->x, s->x);
}

static void do_attend_back(void *p)
{
    sequence *s = p;
    cr_module_zero_grad(s->net);
    cr_backward(cr_forward(s->net, s->x, s->x, s->x), .gradient = s->y);
}

static void attention(int64_t batch, int64_t length)
{
    char train[64], infer[64];
    snprintf(train, sizeof train, "train/attention_d256_h4_b%lld_t%lld", (long long)batch,
             (long long)length);
    snprintf(infer, sizeof infer, "infer/attention_d256_h4_b%lld_t%lld", (long long)batch,
             (long long)length);
    sequence s = {.net = cr_multihead_attention(256, 4, .batch_first = true)};
    s.x = cr_randn(CR_INTS(batch, length, 256));
    s.y = cr_randn(CR_INTS(batch, length, 256));
    bench_row(train, "us", 1, do_attend_back, &s);
    bench_row(infer, "us", 1, do_attend, &s);
}

void bench_sequences(void)
{
    if (bench_wants("train/lstm") || bench_wants("infer/lstm"))
        CR_SCOPE
            recurrent("lstm", cr_lstm(64, 128, .batch_first = true));
    if (bench_wants("train/gru") || bench_wants("infer/gru"))
        CR_SCOPE
            recurrent("gru", cr_gru(64, 128, .batch_first = true));
    if (bench_wants("train/attention") || bench_wants("infer/attention")) {
        CR_SCOPE
            attention(8, 128);
        CR_SCOPE
            attention(1, 2048);
    }
}
