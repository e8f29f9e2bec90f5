/* The benchmark's rows of models: a training step, or inference, on made-up inputs that stay where they are. */
#include "bench.h"

#include "cli.h"

#include <math.h>

typedef struct step {
    cr_module *net;
    cr_optimizer *optimizer;
    cr_tensor *x, *y;
} step;

static void do_step(void *p)
{
    step *s = p;
    cr_zero_grad(s->optimizer);
    cr_tensor *out = cr_forward(s->net, s->x);
    if (!out)
        return;
    out = cr_reshape(out, CR_INTS(-1, cr_tensor_size(out, -1)));
    cr_backward(cr_cross_entropy(out, cr_reshape(s->y, CR_INTS(-1))));
    cr_step(s->optimizer);
}

static void do_forward(void *p)
{
    step *s = p;
    CR_NO_GRAD
        cr_forward(s->net, s->x);
}

/* ---- a residual network: He et al., 2015 ---- */

CR_MODULE(ResBlock, a, b, na, nb, d);
CR_FORWARD(ResBlock, x)
{
    cr_tensor *y = cr_relu(cr_forward(self->na, cr_forward(self->a, x)));
    y = cr_forward(self->nb, cr_forward(self->b, y));
    return cr_relu(cr_add(y, cr_forward(self->d, x)));
}

CR_MODULE(ResNet, body, fc);
CR_FORWARD(ResNet, x)
{
    return cr_forward(self->fc, cr_mean_dim(cr_forward(self->body, x), CR_INTS(-1, -2)));
}

static cr_module *make_block(int64_t in, int64_t out, int64_t stride)
{
    cr_module *shortcut =
        stride > 1 || in != out
            ? cr_sequential(cr_conv2d(in, out, 1, stride, .no_bias = true), cr_batch_norm2d(out))
            : cr_identity();
    return CR_NEW(ResBlock, .a = cr_conv2d(in, out, 3, stride, 1, .no_bias = true),
                  .b = cr_conv2d(out, out, 3, 1, 1, .no_bias = true), .na = cr_batch_norm2d(out),
                  .nb = cr_batch_norm2d(out), .d = shortcut);
}

static cr_module *make_resnet18(void)
{
    cr_module *body = cr_sequential(
        cr_conv2d(3, 64, 7, 2, 3, .no_bias = true), cr_batch_norm2d(64), cr_relu_layer(),
        cr_max_pool2d(3, 2, 1), make_block(64, 64, 1), make_block(64, 64, 1),
        make_block(64, 128, 2), make_block(128, 128, 1), make_block(128, 256, 2),
        make_block(256, 256, 1), make_block(256, 512, 2), make_block(512, 512, 1));
    return CR_NEW(ResNet, .body = body, .fc = cr_linear(512, 10));
}

/* ---- a small GPT: Radford et al., 2019; pre-norm blocks, causal ---- */

enum { HEADS = 4, WIDTH = 256, VOCABULARY = 256, CONTEXT = 128 };

CR_MODULE(GptBlock, n1, n2, qkv, o, u, v);
CR_FORWARD(GptBlock, x)
{
    int64_t b = cr_tensor_size(x, 0), t = cr_tensor_size(x, 1), d = cr_tensor_size(x, 2);
    cr_tensor *qkv =
        cr_view(cr_forward(self->qkv, cr_forward(self->n1, x)), CR_INTS(b, t, 3, HEADS, d / HEADS));
    qkv = cr_permute(qkv, CR_INTS(2, 0, 3, 1, 4));
    cr_tensor *q = cr_select(qkv, 0, 0), *k = cr_select(qkv, 0, 1), *v = cr_select(qkv, 0, 2);
    cr_tensor *heads = cr_scaled_dot_product_attention(q, k, v, .is_causal = true);
    cr_tensor *mixed = cr_reshape(cr_transpose(heads, 1, 2), CR_INTS(b, t, d));
    x = cr_add(x, cr_forward(self->o, mixed));
    return cr_add(x, cr_forward(self->v, cr_gelu(cr_forward(self->u, cr_forward(self->n2, x)))));
}

CR_MODULE(Gpt, e, p, b, n, head);
CR_FORWARD(Gpt, i)
{
    cr_tensor *position = cr_arange(cr_tensor_size(i, 1), .dtype = CR_I64);
    cr_tensor *x = cr_add(cr_forward(self->e, i), cr_forward(self->p, position));
    return cr_forward(self->head, cr_forward(self->n, cr_forward(self->b, x)));
}

static cr_module *make_gpt_block(void)
{
    return CR_NEW(GptBlock, .n1 = cr_layer_norm(CR_INTS(WIDTH)),
                  .n2 = cr_layer_norm(CR_INTS(WIDTH)), .qkv = cr_linear(WIDTH, 3 * WIDTH),
                  .o = cr_linear(WIDTH, WIDTH), .u = cr_linear(WIDTH, 4 * WIDTH),
                  .v = cr_linear(4 * WIDTH, WIDTH));
}

static cr_module *make_gpt(void)
{
    return CR_NEW(
        Gpt, .e = cr_embedding(VOCABULARY, WIDTH), .p = cr_embedding(CONTEXT, WIDTH),
        .b = cr_sequential(make_gpt_block(), make_gpt_block(), make_gpt_block(), make_gpt_block()),
        .n = cr_layer_norm(CR_INTS(WIDTH)), .head = cr_linear(WIDTH, VOCABULARY, .no_bias = true));
}

/* ---- rows ---- */

static void lenet(void)
{
    step s = {.net = make_lenet()};
    s.optimizer = cr_sgd(s.net, .lr = 0.01, .momentum = 0.9);
    s.x = cr_randn(CR_INTS(1, 1, 28, 28));
    s.y = cr_randint(10, CR_INTS(1));
    bench_row("train/lenet_b1", "images/s", 1, do_step, &s);
    bench_row("infer/lenet_b1", "us", 1, do_forward, &s);
    s.x = cr_randn(CR_INTS(64, 1, 28, 28));
    s.y = cr_randint(10, CR_INTS(64));
    bench_row("train/lenet_b64", "images/s", 64, do_step, &s);
}

static void mlp(void)
{
    step s = {.net = cr_sequential(cr_linear(784, 512), cr_relu_layer(), cr_linear(512, 512),
                                   cr_relu_layer(), cr_linear(512, 10))};
    s.optimizer = cr_adam(s.net);
    s.x = cr_randn(CR_INTS(128, 784));
    s.y = cr_randint(10, CR_INTS(128));
    bench_row("train/mlp_b128_adam", "images/s", 128, do_step, &s);
}

/* Steps of Adam alone, over a few large parameters and over many small ones. */
static void do_adam(void *optimizer)
{
    cr_step((cr_optimizer *)optimizer);
}

static void adam(void)
{
    const int64_t large[6] = {784 * 512, 512, 512 * 512, 512, 5120, 10};
    cr_tensor *params[200];
    for (int many = 0; many < 2; many++) {
        int count = many ? 200 : 6;
        for (int i = 0; i < count; i++) {
            int64_t n = many ? 1000 : large[i];
            params[i] = cr_requires_grad_(cr_randn(CR_INTS(n)), 1);
            cr_set_grad(params[i], cr_randn(CR_INTS(n)));
        }
        cr_optimizer *optimizer = cr_adam(cr_make_tensors(params, count));
        bench_row(many ? "adam/200x1000" : "adam/mlp", "us", 1, do_adam, optimizer);
    }
}

static void resnet(void)
{
    step s = {.net = make_resnet18()};
    s.optimizer = cr_sgd(s.net, .lr = 0.01, .momentum = 0.9);
    s.x = cr_randn(CR_INTS(8, 3, 32, 32));
    s.y = cr_randint(10, CR_INTS(8));
    bench_row("train/resnet18_b8_32px", "images/s", 8, do_step, &s);
    cr_eval(s.net);
    s.x = cr_randn(CR_INTS(8, 3, 224, 224));
    bench_row("infer/resnet18_b8_224px", "images/s", 8, do_forward, &s);
}

static void gpt(void)
{
    step s = {.net = make_gpt()};
    s.optimizer = cr_adamw(s.net);
    s.x = s.y = cr_randint(VOCABULARY, CR_INTS(8, CONTEXT));
    bench_row("train/gpt_4l_d256_b8_t128", "tokens/s", 8 * CONTEXT, do_step, &s);
}

void bench_models(void)
{
    if (bench_wants("train/lenet") || bench_wants("infer/lenet"))
        CR_SCOPE
            lenet();
    if (bench_wants("train/mlp"))
        CR_SCOPE
            mlp();
    if (bench_wants("adam/"))
        CR_SCOPE
            adam();
    if (bench_wants("train/resnet18") || bench_wants("infer/resnet18"))
        CR_SCOPE
            resnet();
    if (bench_wants("train/gpt"))
        CR_SCOPE
            gpt();
}
