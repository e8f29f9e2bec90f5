/* Convolutions of whole batches and their gradients beside the same in f64, which other kernels compute: the shapes for which
 * kernels of f32 take images together, and those at their edges. */
#include <check.h>
#include <cresset/cresset.h>

typedef struct shape {
    int64_t images, in, out, size, kernel, padding;
} shape;

static const shape shapes[] = {
    {70, 6, 16, 14, 5, 0}, {64, 1, 6, 28, 5, 2},  {33, 6, 16, 14, 5, 0}, {16, 3, 7, 9, 3, 1},
    {200, 2, 5, 5, 3, 0},  {31, 6, 16, 14, 5, 0}, {1, 6, 16, 14, 5, 0},  {97, 5, 3, 4, 2, 1},
    {9, 3, 16, 17, 3, 1},  {5, 16, 20, 15, 5, 2}, {4, 32, 32, 9, 3, 1},  {2, 16, 3, 30, 5, 0},
    {17, 1, 16, 6, 2, 0},  {3, 4, 16, 5, 5, 0},   {2, 3, 31, 29, 7, 3},  {20, 7, 32, 16, 4, 2},
    {5, 4, 1, 40, 3, 1},   {3, 2, 2, 33, 5, 4},   {2, 1, 1, 64, 7, 6},   {3, 5, 8, 20, 3, 0},
    {3, 3, 7, 19, 5, 2},   {4, 2, 1, 3, 3, 2},    {3, 4, 16, 16, 5, 0},  {2, 5, 16, 13, 3, 0},
    {2, 3, 16, 12, 2, 0},  {2, 2, 16, 17, 7, 1},  {3, 2, 13, 11, 5, 3},  {2, 3, 16, 4, 5, 2},
    {2, 3, 16, 1, 3, 1},   {2, 3, 16, 2, 5, 2},   {2, 16, 6, 10, 5, 4},
};

static void same(cr_tensor *x, cr_tensor *expected, const shape *s, const char *what)
{
    ck_assert_msg(
        cr_allclose(cr_to_dtype(x, CR_F64), expected, .rtol = CR_SOME(1e-4), .atol = CR_SOME(1e-4)),
        "%s of %d images of %d x %d x %d: %s", what, (int)s->images, (int)s->in, (int)s->size,
        (int)s->size, cr_error() ? cr_error() : "other values");
}

/* Two in a row, whose values a backend may lay out as it likes between them, from inputs that lie in several ways. */
typedef struct chain {
    int64_t images, in, between, out, size, kernel, stride;
} chain;

static const chain chains[] = {
    {3, 16, 32, 48, 9, 3, 1},    {2, 128, 144, 128, 9, 3, 1}, {1, 160, 160, 160, 7, 3, 1},
    {2, 64, 96, 64, 6, 1, 1},    {2, 48, 64, 128, 11, 3, 2},  {4, 3, 64, 32, 17, 7, 2},
    {2, 24, 40, 24, 8, 3, 1},    {3, 20, 36, 50, 7, 3, 1},    {2, 128, 32, 128, 12, 1, 2},
    {1, 256, 128, 64, 8, 5, 1},  {9, 64, 64, 64, 4, 3, 1},    {5, 8, 16, 8, 5, 2, 1},
    {3, 256, 256, 128, 6, 3, 1}, {5, 512, 512, 64, 4, 1, 1},  {3, 128, 320, 128, 9, 3, 2},
    {2, 192, 256, 192, 9, 3, 1}, {1, 64, 128, 64, 20, 3, 1},  {1, 3, 64, 96, 40, 7, 2},
    {1, 48, 80, 48, 24, 1, 1},
};
enum { WAYS = 5, IN_BF16 = 4 };

static cr_tensor *lying(const chain *c, int way)
{
    const int64_t n = c->images, in = c->in, size = c->size;
    switch (way) {
    case 1: return cr_transpose(cr_randn(CR_INTS(n, in, size, size + 1)), 2, 3);
    case 2: return cr_permute(cr_randn(CR_INTS(n, size, size + 1, in)), CR_INTS(0, 3, 1, 2));
    case 3: return cr_narrow(cr_randn(CR_INTS(n, in + 2, size + 3, size + 2)), 1, 1, in);
    default: return cr_randn(CR_INTS(n, in, size, size + 1));
    }
}

/* Beside the largest. */
static void near(cr_tensor *x, cr_tensor *expected, const chain *c, const char *what)
{
    cr_tensor *wide = cr_to_dtype(x, CR_F64);
    double off = cr_item(cr_max(cr_abs(cr_sub(wide, expected)))),
           most = cr_item(cr_max(cr_abs(expected)));
    double enough = cr_tensor_dtype(x) == CR_F32 ? 1e-5 : 0.03;
    ck_assert_msg(off <= enough * most,
                  "%s of %d images of %d x %d x %d to %d to %d: off by %g of %g", what,
                  (int)c->images, (int)c->in, (int)c->size, (int)c->size, (int)c->between,
                  (int)c->out, off, most);
}

static cr_tensor *leaf_of(cr_tensor *x, int way)
{
    return cr_detach(cr_to_dtype(x, way == IN_BF16 ? CR_BF16 : CR_F32));
}

START_TEST(chains_are_as_in_f64)
{
    const chain *c = &chains[_i / WAYS];
    const int way = _i % WAYS;
    const int64_t half = c->kernel / 2, k = c->kernel;
    cr_manual_seed(12);
    CR_SCOPE {
        cr_tensor *w = cr_randn(CR_INTS(c->between, c->in, k, k));
        cr_tensor *v = cr_randn(CR_INTS(c->out, c->between, k, k));
        cr_tensor *leaf[4] = {leaf_of(lying(c, way), way),
                              leaf_of(cr_div_scalar(w, (double)k), way),
                              leaf_of(cr_div_scalar(v, (double)(k * c->between)), way),
                              leaf_of(cr_randn(CR_INTS(c->out)), way)};
        cr_tensor *wide[4], *y[2];
        for (int i = 0; i < 4; i++) {
            wide[i] = cr_requires_grad_(cr_to_dtype(cr_detach(leaf[i]), CR_F64), 1);
            cr_requires_grad_(leaf[i], 1);
        }
        for (int i = 0; i < 2; i++) {
            cr_tensor **of = i ? wide : leaf;
            cr_tensor *h =
                cr_f_conv2d(of[0], of[1], .padding = CR_INTS(half), .stride = CR_INTS(c->stride));
            y[i] = cr_f_conv2d(cr_relu(h), of[2], .bias = of[3], .padding = CR_INTS(half));
        }
        cr_tensor *g = cr_randn_like(y[0]);
        near(y[0], y[1], c, "the result");
        cr_backward(cr_sum(cr_mul(y[0], g)));
        cr_backward(cr_sum(cr_mul(y[1], cr_to_dtype(g, CR_F64))));
        near(cr_grad(leaf[0]), cr_grad(wide[0]), c, "the input's gradient");
        near(cr_grad(leaf[1]), cr_grad(wide[1]), c, "the first weights' gradient");
        near(cr_grad(leaf[2]), cr_grad(wide[2]), c, "the second weights' gradient");
        near(cr_grad(leaf[3]), cr_grad(wide[3]), c, "the bias's gradient");
        ck_assert_msg(!cr_error(), "%s", cr_error());
    }
}
END_TEST

/* Captured, where what follows a convolution may go along with it. */
CR_MODULE(Block, a, na, b, nb, c, nc);
CR_FORWARD(Block, x)
{
    cr_tensor *y = cr_relu(cr_forward(self->na, cr_forward(self->a, x)));
    cr_tensor *z = cr_relu(cr_forward(self->nb, cr_forward(self->b, y)));
    return cr_relu(cr_add(cr_forward(self->nc, cr_forward(self->c, z)), y));
}

static cr_module *convolve(int in, int out, bool no_bias)
{
    return cr_conv2d(in, out, 3, .padding = 1, .no_bias = no_bias);
}

static void shake(cr_module *norm)
{
    cr_init_uniform_(cr_get_buffer(norm, "running_mean"), -0.5, 0.5);
    cr_init_uniform_(cr_get_buffer(norm, "running_var"), 0.5, 2);
    cr_init_uniform_(cr_get_parameter(norm, "weight"), 0.5, 2);
    cr_init_uniform_(cr_get_parameter(norm, "bias"), -1, 1);
}

START_TEST(captured_blocks_are_as_eager)
{
    static const int sizes[][4] = {
        {1, 64, 96, 28}, {1, 3, 64, 40}, {2, 64, 96, 16}, {1, 128, 48, 20}};
    const int *size = sizes[_i / 2], out = size[2];
    const bool no_bias = _i % 2;
    cr_manual_seed(13);
    CR_NO_GRAD
        CR_SCOPE {
            cr_module *norm[3];
            for (int i = 0; i < 3; i++)
                norm[i] = cr_batch_norm2d(out);
            cr_module *net = CR_NEW(Block, .a = convolve(size[1], out, no_bias), .na = norm[0],
                                    .b = convolve(out, out, no_bias), .nb = norm[1],
                                    .c = convolve(out, out, no_bias), .nc = norm[2]);
            cr_eval(net);
            for (int i = 0; i < 3; i++)
                shake(norm[i]);
            cr_tensor *x = cr_randn(CR_INTS(size[0], size[1], size[3], size[3]));
            cr_compiled *fast = cr_compile(net, x);
            for (int k = 0; k < 3; k++) {
                cr_tensor *y = cr_randn_like(x);
                const chain c = {size[0], size[1], out, out, size[3], 3, 1};
                near(cr_compiled_call(fast, y), cr_to_dtype(cr_forward(net, y), CR_F64), &c,
                     "captured");
                ck_assert_ptr_null(cr_compile_reason(fast));
            }
        }
    ck_assert_msg(!cr_error(), "%s", cr_error());
}
END_TEST

START_TEST(batches_are_as_in_f64)
{
    const shape *s = &shapes[_i];
    cr_manual_seed(11);
    CR_SCOPE {
        cr_tensor *x = cr_requires_grad_(
            cr_randn(CR_INTS(s->images, s->in, s->size, s->size), .dtype = CR_F32), 1);
        cr_tensor *w = cr_requires_grad_(
            cr_randn(CR_INTS(s->out, s->in, s->kernel, s->kernel), .dtype = CR_F32), 1);
        cr_tensor *wide_x = cr_requires_grad_(cr_to_dtype(cr_detach(x), CR_F64), 1);
        cr_tensor *wide_w = cr_requires_grad_(cr_to_dtype(cr_detach(w), CR_F64), 1);
        cr_tensor *y = cr_f_conv2d(x, w, .padding = CR_INTS(s->padding, s->padding));
        cr_tensor *wide = cr_f_conv2d(wide_x, wide_w, .padding = CR_INTS(s->padding, s->padding));
        same(y, wide, s, "the result");
        cr_tensor *g = cr_div_scalar(cr_randn_like(y), (double)s->images);
        cr_backward(cr_sum(cr_mul(y, g)));
        cr_backward(cr_sum(cr_mul(wide, cr_to_dtype(g, CR_F64))));
        same(cr_grad(x), cr_grad(wide_x), s, "the input's gradient");
        same(cr_grad(w), cr_grad(wide_w), s, "the weights' gradient");
        ck_assert_msg(!cr_error(), "%s", cr_error());
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convolution");
    TCase *cases = tcase_create("convolution");
    tcase_add_loop_test(cases, batches_are_as_in_f64, 0, sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(cases, chains_are_as_in_f64, 0, WAYS * sizeof chains / sizeof *chains);
    tcase_add_loop_test(cases, captured_blocks_are_as_eager, 0, 8);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
