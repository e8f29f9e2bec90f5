/* The rows of cresset bench that ggml has, too: products, element-wise operations, softmax, layer norm, copies, and the chain
 * relu(x + y) * x, each as a graph that is built once and computed over and over into the same memory. tools/bench builds it where
 * ggml is. Prints, with tabs between: row, median, unit, least, most.
 * usage: ggml_peer [--threads N] [--only PREFIX] */
#include <ggml-cpu.h>
#include <ggml.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"

enum { REPEATS = 7 };
static const double budget = 0.25; /* seconds a repeat */
static const char *only = "";
static int threads = 1;
static struct ggml_threadpool *pool;

typedef struct ggml_tensor tensor;
typedef struct ggml_context context;

static int wanted(const char *name)
{
    return !strncmp(name, only, strlen(only));
}

static void refuse(const char *what)
{
    fprintf(stderr, "ggml_peer: %s\n", what);
    exit(1);
}

/* A context with room for `bytes` of tensors. */
static context *make(size_t bytes)
{
    context *c = ggml_init((struct ggml_init_params){.mem_size = bytes + (1 << 20)});
    if (!c)
        refuse("no memory for a context");
    return c;
}

static tensor *filled(context *c, enum ggml_type type, int64_t columns, int64_t rows)
{
    tensor *t = ggml_new_tensor_2d(c, type, columns, rows);
    for (int64_t i = 0; i < columns * rows; i++) {
        float x = (float)((uint32_t)i * 2654435761u >> 8) / 8388608.0f - 1;
        if (type == GGML_TYPE_BF16)
            ((ggml_bf16_t *)t->data)[i] = ggml_fp32_to_bf16(x);
        else
            ((float *)t->data)[i] = x;
    }
    return t;
}

static double run(struct ggml_cgraph *graph, struct ggml_cplan *plan, long times)
{
    double begun = now();
    for (long i = 0; i < times; i++)
        if (ggml_graph_compute(graph, plan) != GGML_STATUS_SUCCESS)
            refuse("a graph failed");
    return now() - begun;
}

/* Times the graph that ends in `result`; amount as in cresset bench. */
static void row(const char *name, const char *unit, double amount, context *c, tensor *result)
{
    struct ggml_cgraph *graph = ggml_new_graph(c);
    ggml_build_forward_expand(graph, result);
    struct ggml_cplan plan = ggml_graph_plan(graph, threads, pool);
    plan.work_data = malloc(plan.work_size + 1);
    if (!plan.work_data)
        refuse("no memory to work in");
    double value[REPEATS], one;
    run(graph, &plan, 1);
    one = run(graph, &plan, 1);
    if (one < 1e-4)
        one = run(graph, &plan, 1000) / 1000;
    long times = budget / one > 1 ? (long)(budget / one) : 1;
    for (int i = 0; i < REPEATS; i++) {
        double seconds = run(graph, &plan, times) / (double)times;
        value[i] = strstr(unit, "/s") ? amount / seconds : seconds * 1e6 / amount;
    }
    free(plan.work_data);
    qsort(value, REPEATS, sizeof *value, by_value);
    printf("%s\t%.4g\t%s\t%.4g\t%.4g\n", name, value[REPEATS / 2], unit, value[0],
           value[REPEATS - 1]);
    fflush(stdout);
}

static void product(const char *name, enum ggml_type type, int64_t n)
{
    if (!wanted(name))
        return;
    context *c = make((size_t)(n * n) * 12);
    tensor *b = filled(c, type, n, n), *a = filled(c, GGML_TYPE_F32, n, n);
    row(name, "GFLOP/s", 2e-9 * (double)(n * n * n), c, ggml_mul_mat(c, b, a));
    ggml_free(c);
}

static tensor *add(context *c, tensor *x, tensor *y)
{
    return ggml_add(c, x, y);
}
static tensor *relu(context *c, tensor *x, tensor *y)
{
    (void)y;
    return ggml_relu(c, x);
}
static tensor *gelu(context *c, tensor *x, tensor *y)
{
    (void)y;
    return ggml_gelu_erf(c, x);
}
static tensor *exponential(context *c, tensor *x, tensor *y)
{
    (void)y;
    return ggml_exp(c, x);
}
static tensor *sum(context *c, tensor *x, tensor *y)
{
    (void)y;
    return ggml_sum(c, x);
}
static tensor *copy(context *c, tensor *x, tensor *y)
{
    (void)y;
    return ggml_cont(c, x);
}
static tensor *chain(context *c, tensor *x, tensor *y)
{
    return ggml_mul(c, ggml_relu(c, ggml_add(c, x, y)), x);
}
static tensor *softmax(context *c, tensor *x, tensor *y)
{
    (void)y;
    return ggml_soft_max(c, x);
}
static tensor *transpose(context *c, tensor *x, tensor *y)
{
    (void)y;
    return ggml_cont(c, ggml_transpose(c, x));
}
static tensor *layer_norm(context *c, tensor *x, tensor *y)
{
    tensor *weight = ggml_view_1d(c, y, x->ne[0], 0);
    return ggml_add(c, ggml_mul(c, ggml_norm(c, x, 1e-5f), weight), weight);
}

static void each(const char *name, int64_t columns, int64_t rows,
                 tensor *(*make_graph)(context *c, tensor *x, tensor *y))
{
    if (!wanted(name))
        return;
    context *c = make((size_t)(columns * rows) * 4 * 5);
    tensor *x = filled(c, GGML_TYPE_F32, columns, rows),
           *y = filled(c, GGML_TYPE_F32, columns, rows);
    row(name, "us", 1, c, make_graph(c, x, y));
    ggml_free(c);
}

static void operations(void)
{
    static const struct {
        const char *name;
        tensor *(*make_graph)(context *c, tensor *x, tensor *y);
    } of[] = {{"add", add}, {"relu", relu}, {"gelu", gelu}, {"exp", exponential}, {"sum", sum}};
    char name[64];
    for (int64_t n = 1; n <= 10000000; n *= n == 1 ? 1000 : 100)
        for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
            snprintf(name, sizeof name, "%s/%lld", of[i].name, (long long)n);
            each(name, n, 1, of[i].make_graph);
        }
    each("copy/10000000", 10000000, 1, copy);
    each("chain/relu_add_mul/10000000", 10000000, 1, chain);
    each("transpose_copy/4096", 4096, 4096, transpose);
    each("softmax/512x1024", 1024, 512, softmax);
    each("softmax/100x1000", 1000, 100, softmax);
    each("layer_norm/512x1024", 1024, 512, layer_norm);
    each("layer_norm/100x1000", 1000, 100, layer_norm);
}

int main(int argc, char **argv)
{
    char name[64];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--threads"))
            threads = (int)strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--only"))
            only = argv[i + 1];
    }
    if (threads < 1)
        refuse("--threads needs a number from 1 on");
    struct ggml_threadpool_params params = ggml_threadpool_params_default(threads);
    pool = ggml_threadpool_new(&params);
    for (int64_t n = 32; n <= 2048; n *= n == 64 ? 4 : 2) {
        snprintf(name, sizeof name, "gemm/f32/%lld", (long long)n);
        product(name, GGML_TYPE_F32, n);
    }
    product("gemm/bf16/1024", GGML_TYPE_BF16, 1024);
    operations();
    ggml_threadpool_free(pool);
    return 0;
}
