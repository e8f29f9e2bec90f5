/* How time and memory grow: one work at growing batch, width, depth, number of parameters, threads and operations in a graph.
 * tools/costs makes docs/costs.md of the rows. */
#include "bench.h"

#include "cli.h"
#include "models.h"
#include "run.h"

#include <stdio.h>

enum { MOST_DEPTH = 64, MOST_PARAMETERS = 1024 };

/* The most that tensors take at once while the work is done once. */
static void memory_row(const char *what, int n, bench_work *fn, void *with)
{
    char name[64];
    cr_memory_stats_result s;
    snprintf(name, sizeof name, "costs/%s_memory/%d", what, n);
    if (!bench_wants(name))
        return;
    cr_reset_peak_memory_stats(NULL);
    CR_SCOPE
        fn(with);
    if (!cr_memory_stats(NULL, &s))
        printf("%s\t%llu\tbytes\t%llu\t%llu\n", name, (unsigned long long)s.peak_allocated_bytes,
               (unsigned long long)s.peak_allocated_bytes,
               (unsigned long long)s.peak_allocated_bytes);
}

static void rows(const char *what, int n, bench_work *fn, void *with)
{
    char name[64];
    snprintf(name, sizeof name, "costs/%s/%d", what, n);
    bench_row(name, "us", 1, fn, with);
    memory_row(what, n, fn, with);
}

/* ---- a perceptron's training step ---- */

static void perceptron(const char *what, int n, int batch, int width, int depth)
{
    CR_SCOPE {
        const void *layers[2 * MOST_DEPTH + 1];
        for (int i = 0; i < depth; i++) {
            layers[2 * i] = cr_linear(width, width);
            layers[2 * i + 1] = cr_relu_layer();
        }
        layers[2 * depth] = cr_linear(width, 10);
        cr_module *net = cr_sequential_with(layers, 2 * (size_t)depth + 1);
        training s = {.net = net, .optimizer = cr_sgd(net, .lr = 0.01)};
        s.x = cr_randn(CR_INTS(batch, width));
        s.y = cr_randint(10, CR_INTS(batch));
        rows(what, n, train_step, &s);
    }
}

/* ---- an optimiser over many parameters ---- */

static void do_step(void *optimizer)
{
    cr_step((cr_optimizer *)optimizer);
}

static void parameters(int n)
{
    CR_SCOPE {
        cr_module *list[MOST_PARAMETERS];
        for (int i = 0; i < n; i++)
            list[i] = cr_linear(32, 32, .no_bias = true);
        cr_module *all = cr_module_list_with(list, (size_t)n);
        CR_FOREACH_PARAMETER (p, all)
            cr_set_grad(p.tensor, cr_ones(CR_INTS(32, 32)));
        rows("parameters", n, do_step, cr_adam(all));
    }
}

/* ---- threads ---- */

static void do_product(void *x)
{
    cr_mm(x, x);
}

static void threads(int n)
{
    int before = cr_num_threads();
    cr_set_num_threads(n);
    CR_SCOPE
        rows("threads", n, do_product, cr_randn(CR_INTS(768, 768)));
    cr_set_num_threads(before);
}

/* ---- operations in a graph ---- */

typedef struct chain {
    int length;
    cr_tensor *x;
    cr_compiled *graph;
} chain;

/* Two operations a round that don't fuse, with a value that lives long. */
static size_t run_chain(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    const chain *c = context;
    (void)n;
    cr_tensor *y = in[0];
    for (int i = 0; i < c->length; i += 2)
        y = cr_cumsum(cr_softmax(y, 1), 0);
    out[0] = cr_add(y, in[0]);
    return out[0] != NULL;
}

static void do_eager(void *p)
{
    chain *c = p;
    cr_tensor *out;
    run_chain(c, &c->x, 1, &out);
}

static void do_record(void *p)
{
    chain *c = p;
    cr_compiled *graph = cr_compile_function(run_chain, c, NULL);
    for (int i = 0; i < 2; i++) /* recorded twice, and built */
        cr_compiled_call_with(graph, &c->x, 1);
}

static void do_replay(void *p)
{
    chain *c = p;
    cr_compiled_call_with(c->graph, &c->x, 1);
}

static void do_backward(void *p)
{
    chain *c = p;
    cr_tensor *x = cr_requires_grad_(cr_detach(c->x), 1), *y = x;
    for (int i = 0; i < c->length; i++)
        y = cr_add(y, x);
    cr_backward(cr_sum(y));
}

static void operations(int n)
{
    CR_SCOPE {
        chain c = {.length = n, .x = cr_randn(CR_INTS(4, 4))};
        rows("ops_eager", n, do_eager, &c);
        rows("ops_backward", n, do_backward, &c);
        rows("ops_record", n, do_record, &c);
        c.graph = cr_compile_function(run_chain, &c, NULL);
        for (int i = 0; i < 2; i++)
            do_replay(&c);
        rows("ops_captured", n, do_replay, &c);
    }
}

void bench_costs(void)
{
    for (int n = 64; n <= 4096 && bench_wants("costs/batch"); n *= 2)
        perceptron("batch", n, n, 128, 3);
    for (int n = 64; n <= 1024 && bench_wants("costs/width"); n *= 2)
        perceptron("width", n, 256, n, 2);
    for (int n = 2; n <= MOST_DEPTH && bench_wants("costs/depth"); n *= 2)
        perceptron("depth", n, 64, 64, n);
    for (int n = 16; n <= MOST_PARAMETERS && bench_wants("costs/parameters"); n *= 2)
        parameters(n);
    for (int n = 1; n <= cr_num_threads() && bench_wants("costs/threads"); n *= 2)
        threads(n);
    for (int n = 64; n <= 4096 && bench_wants("costs/ops"); n *= 2)
        operations(n);
}
