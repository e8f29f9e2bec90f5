/* The benchmark's rows of single operations, and of what calling one costs. */
#include "bench.h"

#include <stdio.h>

typedef struct operands {
    cr_tensor *x, *y, *weight, *bias, *grad;
    int64_t padding;
} operands;

static void do_matmul(void *p)
{
    const operands *o = p;
    cr_matmul(o->x, o->y);
}
static void do_add(void *p)
{
    const operands *o = p;
    cr_add(o->x, o->y);
}
static void do_relu(void *p)
{
    cr_relu(((operands *)p)->x);
}
static void do_gelu(void *p)
{
    cr_gelu(((operands *)p)->x);
}
static void do_exp(void *p)
{
    cr_exp(((operands *)p)->x);
}
static void do_sum(void *p)
{
    cr_sum(((operands *)p)->x);
}
static void do_transpose(void *p)
{
    cr_contiguous(cr_t(((operands *)p)->x));
}
static void do_clone(void *p)
{
    cr_clone(((operands *)p)->x);
}
static void do_sort(void *p)
{
    cr_sort(((operands *)p)->x);
}
static void do_softmax(void *p)
{
    cr_softmax(((operands *)p)->x, -1);
}

static void do_layer_norm(void *p)
{
    const operands *o = p;
    cr_f_layer_norm(o->x, CR_INTS(cr_tensor_size(o->x, -1)), .weight = o->weight, .bias = o->bias);
}

static void do_conv(void *p)
{
    const operands *o = p;
    cr_f_conv2d(o->x, o->weight, .padding = CR_INTS(o->padding));
}

/* The gradient of the input or of the weights alone. */
static void do_conv_gradient(operands *o, bool weights)
{
    static const uint8_t masks[2][3] = {{1, 0, 0}, {0, 1, 0}};
    static const int64_t ones[2] = {1, 1}, none[2] = {0, 0};
    static const cr_op *op;
    const int64_t padding[2] = {o->padding, o->padding};
    const cr_value args[11] = {
        {.tag = CR_TENSOR, .as.tensor = o->grad},
        {.tag = CR_TENSOR, .as.tensor = o->x},
        {.tag = CR_TENSOR, .as.tensor = o->weight},
        {.tag = CR_NONE},
        {.tag = CR_INT_LIST, .count = 2, .as.ints = ones},
        {.tag = CR_INT_LIST, .count = 2, .as.ints = padding},
        {.tag = CR_INT_LIST, .count = 2, .as.ints = ones},
        {.tag = CR_BOOL},
        {.tag = CR_INT_LIST, .count = 2, .as.ints = none},
        {.tag = CR_INT, .as.i = 1},
        {.tag = CR_BOOL_LIST, .count = 3, .as.bools = masks[weights]},
    };
    cr_value out[3];
    size_t n;
    op = op ? op : cr_op_find("convolution_backward");
    cr_op_call(op, args, 11, NULL, 0, out, 3, &n);
}

static void do_conv_data(void *p)
{
    do_conv_gradient(p, false);
}

static void do_conv_weights(void *p)
{
    do_conv_gradient(p, true);
}

static void do_conv_train(void *p)
{
    const operands *o = p;
    cr_tensor *y = cr_f_conv2d(o->x, o->weight, .padding = CR_INTS(o->padding));
    cr_tensor *grads[2];
    cr_autograd_grad(&y, &o->grad, 1, (cr_tensor *[]){o->x, o->weight}, 2, 0, grads);
}

static void do_chain(void *p)
{
    operands *o = p;
    cr_tensor *y = o->x;
    for (int i = 0; i < 1000; i++)
        y = cr_add(y, o->x);
    cr_backward(y);
}

static void elementwise(int64_t n)
{
    static const struct {
        const char *name;
        bench_work *fn;
    } rows[] = {
        {"add", do_add}, {"relu", do_relu}, {"gelu", do_gelu}, {"exp", do_exp}, {"sum", do_sum}};
    operands o = {0};
    char name[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(name, sizeof name, "%s/%lld", rows[i].name, (long long)n);
        if (!bench_wants(name))
            continue;
        if (!o.x) {
            o.x = cr_randn(CR_INTS(n));
            o.y = cr_randn(CR_INTS(n));
        }
        bench_row(name, "us", 1, rows[i].fn, &o);
    }
}

static void products(void)
{
    static const int64_t sizes[] = {32, 64, 256, 512, 1024, 2048};
    char name[64];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t n = sizes[i];
        snprintf(name, sizeof name, "gemm/f32/%lld", (long long)n);
        if (!bench_wants(name))
            continue;
        operands o = {.x = cr_randn(CR_INTS(n, n)), .y = cr_randn(CR_INTS(n, n))};
        bench_row(name, "GFLOP/s", 2.0 * (double)(n * n * n) / 1e9, do_matmul, &o);
    }
    if (bench_wants("gemm/bf16/1024")) {
        operands o = {.x = cr_randn(CR_INTS(1024, 1024), .dtype = CR_BF16),
                      .y = cr_randn(CR_INTS(1024, 1024), .dtype = CR_BF16)};
        bench_row("gemm/bf16/1024", "GFLOP/s", 2.0 * (1 << 30) / 1e9, do_matmul, &o);
    }
}

static void normalised(const char *softmax, const char *layer_norm, int64_t rows, int64_t columns)
{
    if (!bench_wants(softmax) && !bench_wants(layer_norm))
        return;
    operands o = {.x = cr_randn(CR_INTS(rows, columns)),
                  .weight = cr_randn(CR_INTS(columns)),
                  .bias = cr_randn(CR_INTS(columns))};
    bench_row(softmax, "us", 1, do_softmax, &o);
    bench_row(layer_norm, "us", 1, do_layer_norm, &o);
}

static void convolution(const char *name, int64_t in, int64_t out, int64_t kernel, int64_t side,
                        int64_t batch, int64_t padding)
{
    static const struct {
        const char *name;
        bench_work *fn;
        double times; /* the forward's work */
    } rows[] = {{"conv_fwd", do_conv, 1},
                {"conv_data", do_conv_data, 1},
                {"conv_weights", do_conv_weights, 1},
                {"conv_train", do_conv_train, 3}};
    enum { ROWS = sizeof rows / sizeof *rows };
    char row[ROWS][64];
    bool wanted = false;
    for (int i = 0; i < ROWS; i++) {
        snprintf(row[i], sizeof row[i], "%s/%s", rows[i].name, name);
        wanted = wanted || bench_wants(row[i]);
    }
    if (!wanted)
        return;
    operands o = {.x = cr_randn(CR_INTS(batch, in, side, side)),
                  .weight = cr_randn(CR_INTS(out, in, kernel, kernel)),
                  .padding = padding};
    int64_t to = side + 2 * padding - kernel + 1;
    o.grad = cr_randn(CR_INTS(batch, out, to, to));
    double flops = 2.0 * (double)(batch * out * to * to * in * kernel * kernel) / 1e9;
    for (int i = 0; i < ROWS; i++) {
        bool grad = rows[i].fn == do_conv_train;
        cr_requires_grad_(o.x, grad);
        cr_requires_grad_(o.weight, grad);
        bench_row(row[i], "GFLOP/s", rows[i].times * flops, rows[i].fn, &o);
    }
}

void bench_operations(void)
{
    CR_SCOPE {
        products();
        elementwise(1);
        elementwise(1000);
        elementwise(100000);
        CR_SCOPE
            elementwise(10000000);
        if (bench_wants("transpose_copy/4096"))
            CR_SCOPE {
                operands o = {.x = cr_randn(CR_INTS(4096, 4096))};
                bench_row("transpose_copy/4096", "us", 1, do_transpose, &o);
            }
        if (bench_wants("copy/10000000"))
            CR_SCOPE {
                operands o = {.x = cr_randn(CR_INTS(10000000))};
                bench_row("copy/10000000", "us", 1, do_clone, &o);
            }
        if (bench_wants("sort/1000000"))
            CR_SCOPE {
                operands o = {.x = cr_randn(CR_INTS(1000000))};
                bench_row("sort/1000000", "us", 1, do_sort, &o);
            }
        normalised("softmax/512x1024", "layer_norm/512x1024", 512, 1024);
        normalised("softmax/100x1000", "layer_norm/100x1000", 100, 1000);
        convolution("lenet1", 1, 6, 5, 28, 64, 2);
        convolution("lenet2", 6, 16, 5, 14, 64, 0);
        convolution("res64", 64, 64, 3, 56, 8, 1);
        convolution("res256", 256, 256, 3, 14, 8, 1);
        operands one = {.x = cr_randn(CR_INTS(1))};
        one.y = one.x;
        bench_row("dispatch/add_no_grad", "us", 1, do_add, &one);
        cr_requires_grad_(one.x, true);
        bench_row("dispatch/add_grad", "us", 1, do_add, &one);
        bench_row("dispatch/chain1000_fwd_bwd", "us", 1, do_chain, &one);
    }
}
