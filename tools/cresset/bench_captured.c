/* The benchmark's rows of captured graphs: the same work as rows of other files, recorded once and run as one graph. */
#include "bench.h"

#include "cli.h"
#include "models.h"

typedef struct captured {
    cr_compiled *graph;
    cr_tensor *in[2];
    size_t n;
} captured;

static void do_call(void *p)
{
    captured *c = p;
    cr_compiled_call_with(c->graph, c->in, c->n);
}

static void do_infer(void *p)
{
    CR_NO_GRAD
        do_call(p);
}

static size_t chain(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_mul(cr_relu(cr_add(in[0], in[1])), in[0]);
    return out[0] != NULL;
}

static void do_chain(void *p)
{
    captured *c = p;
    cr_tensor *out;
    chain(NULL, c->in, 2, &out);
}

static void chains(void)
{
    captured c = {.in = {cr_randn(10000000), cr_randn(10000000)}, .n = 2};
    c.graph = cr_compile_function(chain, NULL, NULL);
    bench_row("chain/relu_add_mul/10000000", "us", 1, do_chain, &c);
    bench_row("captured/relu_add_mul/10000000", "us", 1, do_call, &c);
}

static cr_tensor *loss_of(void *context, cr_module *net, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    return cr_cross_entropy(cr_forward(net, in[0]), in[1]);
}

static void lenet(void)
{
    cr_module *net = make_lenet();
    captured c = {.in = {cr_randn(CR_INTS(1, 1, 28, 28)), cr_randint(10, CR_INTS(1))}, .n = 2};
    c.graph = cr_compile_step(net, cr_sgd(net, .lr = 0.01, .momentum = 0.9), loss_of, NULL);
    bench_row("captured/train/lenet_b1", "images/s", 1, do_call, &c);
    c.in[0] = cr_randn(CR_INTS(64, 1, 28, 28));
    c.in[1] = cr_randint(10, CR_INTS(64));
    bench_row("captured/train/lenet_b64", "images/s", 64, do_call, &c);
    c.in[0] = cr_randn(CR_INTS(1, 1, 28, 28));
    c.n = 1;
    CR_NO_GRAD
        c.graph = cr_compile(net, c.in[0]);
    bench_row("captured/infer/lenet_b1", "us", 1, do_infer, &c);
}

static void infer(const char *name, cr_module *net, cr_tensor *x, double amount)
{
    captured c = {.in = {x}, .n = 1};
    cr_eval(net);
    CR_NO_GRAD
        c.graph = cr_compile(net, x);
    bench_row(name, "images/s", amount, do_infer, &c);
}

static void train(const char *name, const char *unit, double amount, cr_module *net,
                  cr_optimizer *optimizer, cr_compiled_loss loss, cr_tensor *x, cr_tensor *y)
{
    captured c = {.in = {x, y}, .n = 2};
    c.graph = cr_compile_step(net, optimizer, loss, NULL);
    bench_row(name, unit, amount, do_call, &c);
}

static void resnet(void)
{
    cr_module *net = make_resnet18(64);
    train("captured/train/resnet18_b8_32px", "images/s", 8, net,
          cr_sgd(net, .lr = 0.01, .momentum = 0.9), loss_of, cr_randn(CR_INTS(8, 3, 32, 32)),
          cr_randint(10, CR_INTS(8)));
    infer("captured/infer/resnet18_b8_224px", net, cr_randn(CR_INTS(8, 3, 224, 224)), 8);
}

static cr_tensor *gpt_loss(void *context, cr_module *net, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    cr_tensor *logits = cr_forward(net, in[0]);
    return cr_cross_entropy(cr_reshape(logits, CR_INTS(-1, cr_tensor_size(logits, -1))),
                            cr_flatten(in[1]));
}

static void gpt(void)
{
    cr_module *net = make_gpt(4, 256);
    cr_tensor *ids = cr_randint(256, CR_INTS(8, GPT_CONTEXT));
    train("captured/train/gpt_4l_d256_b8_t128", "tokens/s", 8 * GPT_CONTEXT, net, cr_adamw(net),
          gpt_loss, ids, ids);
}

void bench_captured(void)
{
    if (bench_wants("captured/train/resnet18") || bench_wants("captured/infer/resnet18"))
        CR_SCOPE
            resnet();
    if (bench_wants("captured/train/gpt"))
        CR_SCOPE
            gpt();
    if (bench_wants("captured/relu") || bench_wants("chain/"))
        CR_SCOPE
            chains();
    if (bench_wants("captured/train/lenet") || bench_wants("captured/infer/lenet"))
        CR_SCOPE
            lenet();
}
