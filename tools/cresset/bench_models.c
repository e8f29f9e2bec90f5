/* The benchmark's rows of models: a training step, or inference, on made-up inputs that stay where they are. */
#include "bench.h"

#include "cli.h"
#include "models.h"

static void do_forward(void *p)
{
    training *s = p;
    CR_NO_GRAD
        cr_forward(s->net, s->x);
}

/* ---- rows ---- */

static void lenet(void)
{
    training s = {.net = make_lenet()};
    s.optimizer = cr_sgd(s.net, .lr = 0.01, .momentum = 0.9);
    s.x = cr_randn(CR_INTS(1, 1, 28, 28));
    s.y = cr_randint(10, CR_INTS(1));
    bench_row("train/lenet_b1", "images/s", 1, train_step, &s);
    bench_row("infer/lenet_b1", "us", 1, do_forward, &s);
    s.x = cr_randn(CR_INTS(64, 1, 28, 28));
    s.y = cr_randint(10, CR_INTS(64));
    bench_row("train/lenet_b64", "images/s", 64, train_step, &s);
}

static void mlp(void)
{
    training s = {.net = cr_sequential(cr_linear(784, 512), cr_relu_layer(), cr_linear(512, 512),
                                       cr_relu_layer(), cr_linear(512, 10))};
    s.optimizer = cr_adam(s.net);
    s.x = cr_randn(CR_INTS(128, 784));
    s.y = cr_randint(10, CR_INTS(128));
    bench_row("train/mlp_b128_adam", "images/s", 128, train_step, &s);
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
    training s = {.net = make_resnet18(64)};
    s.optimizer = cr_sgd(s.net, .lr = 0.01, .momentum = 0.9);
    s.x = cr_randn(CR_INTS(8, 3, 32, 32));
    s.y = cr_randint(10, CR_INTS(8));
    bench_row("train/resnet18_b8_32px", "images/s", 8, train_step, &s);
    cr_eval(s.net);
    s.x = cr_randn(CR_INTS(8, 3, 224, 224));
    bench_row("infer/resnet18_b8_224px", "images/s", 8, do_forward, &s);
}

/* In bf16 by autocast over f32 weights. */
static void half_step(void *p)
{
    training *s = p;
    cr_zero_grad(s->optimizer);
    cr_tensor *loss = NULL;
    CR_AUTOCAST (NULL, .dtype = CR_BF16) {
        cr_tensor *out = cr_forward(s->net, s->x);
        if (out)
            loss = cr_cross_entropy(cr_reshape(out, CR_INTS(-1, cr_tensor_size(out, -1))),
                                    cr_reshape(s->y, CR_INTS(-1)));
    }
    cr_backward(loss);
    cr_step(s->optimizer);
}

static void gpt(void)
{
    training s = {.net = make_gpt(4, 256)};
    s.optimizer = cr_adamw(s.net);
    s.x = s.y = cr_randint(GPT_VOCABULARY, CR_INTS(8, GPT_CONTEXT));
    bench_row("train/gpt_4l_d256_b8_t128", "tokens/s", 8 * GPT_CONTEXT, train_step, &s);
    bench_row("train/gpt_bf16_4l_d256_b8_t128", "tokens/s", 8 * GPT_CONTEXT, half_step, &s);
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
