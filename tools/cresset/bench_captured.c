/* The benchmark's rows of captured graphs: the same work as rows of other files, recorded once and run as one graph. */
#include "bench.h"

#include "cli.h"

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

void bench_captured(void)
{
    if (bench_wants("captured/relu") || bench_wants("chain/"))
        CR_SCOPE
            chains();
    if (bench_wants("captured/train/lenet") || bench_wants("captured/infer/lenet"))
        CR_SCOPE
            lenet();
}
