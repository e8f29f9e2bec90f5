/* Captured graphs on the onednn backend: values stay in private layouts there as in eager running, and what follows a
 * convolution or a product becomes post-ops of its primitive. Results are held against eager ones on the same device. */
#include <math.h>

#include "onednn_compare.h"

typedef struct shape {
    cr_dtype dtype;
    int64_t in, out, kernel, stride, size, batch;
    bool bias;
} shape;

static const shape shapes[] = {
    {CR_F32, 32, 32, 3, 1, 14, 3, false}, {CR_F32, 3, 64, 7, 2, 40, 2, true},
    {CR_F32, 64, 48, 1, 1, 9, 5, true},   {CR_F32, 32, 64, 3, 2, 15, 1, false},
    {CR_BF16, 32, 32, 3, 1, 14, 3, true}, {CR_BF16, 64, 64, 1, 1, 9, 2, false},
    {CR_F32, 16, 24, 3, 1, 12, 2, true},  {CR_F32, 16, 37, 3, 1, 20, 2, true},
    {CR_BF16, 5, 21, 3, 1, 20, 2, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef enum chain_kind {
    RELU,
    NORM,
    NORM_RELU,
    NORM_ADD_RELU,
    ADD_GELU,
    SUB_SCALED,
    KINDS
} chain_kind;

/* A convolution and what follows it, with everything that they read. */
typedef struct work {
    chain_kind kind;
    const shape *s;
    cr_tensor *w, *bias, *scale, *shift, *mean, *var;
} work;

static cr_tensor *vector(int64_t n)
{
    return some(CR_F32, 1, &n);
}

static work work_of(const shape *s, chain_kind kind)
{
    const int64_t w[4] = {s->out, s->in, s->kernel, s->kernel};
    return (work){kind,
                  s,
                  cr_mul_scalar(some(s->dtype, 4, w), 0.1),
                  s->bias ? some(s->dtype, 1, &s->out) : NULL,
                  vector(s->out),
                  vector(s->out),
                  vector(s->out),
                  cr_abs(vector(s->out))};
}

static size_t chain(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    const work *c = context;
    const shape *s = c->s;
    int64_t half = s->kernel / 2;
    cr_tensor *y =
        cr_f_conv2d(in[0], c->w, .bias = c->bias, .stride = CR_INTS(s->stride, s->stride),
                    .padding = CR_INTS(half, half));
    (void)n;
    if (c->kind == NORM || c->kind == NORM_RELU || c->kind == NORM_ADD_RELU)
        y = cr_f_batch_norm(y, c->scale, c->shift, c->mean, c->var, false, 0.1, 1e-3, false);
    if (c->kind == NORM_ADD_RELU || c->kind == ADD_GELU)
        y = cr_add(y, in[1]);
    if (c->kind == SUB_SCALED)
        y = cr_sub(y, in[1], .alpha = CR_S(0.5));
    if (c->kind == RELU || c->kind == NORM_RELU || c->kind == NORM_ADD_RELU)
        y = cr_relu(y);
    out[0] = c->kind == ADD_GELU ? cr_gelu(y) : y;
    return out[0] != NULL;
}

static void same(const char *what, int k, cr_tensor *got, cr_tensor *want, double tolerance)
{
    ck_assert_msg(got && want, "%s: %s", what, cr_error());
    cr_tensor *g = cr_to_copy(cr_tensor_to(got, "cpu"), .dtype = CR_F64);
    cr_tensor *w = cr_to_copy(cr_tensor_to(want, "cpu"), .dtype = CR_F64);
    double most = cr_item(cr_amax(cr_flatten(cr_abs(w)), .dim = CR_INTS(0)));
    double off = cr_item(cr_amax(cr_flatten(cr_abs(cr_sub(g, w))), .dim = CR_INTS(0)));
    ck_assert_msg(off <= tolerance * most, "%s, call %d: off by %g beside %g", what, k, off, most);
}

/* The other operand: a convolution's result too, so that it is in the same layout. */
static size_t whole(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    const work *c = context;
    int64_t half = c->s->kernel / 2;
    cr_tensor *both[2] = {in[0],
                          cr_f_conv2d(in[1], c->w, .stride = CR_INTS(c->s->stride, c->s->stride),
                                      .padding = CR_INTS(half, half))};
    (void)n;
    return chain(context, both, 2, out);
}

static cr_tensor *image(const shape *s)
{
    const int64_t size[4] = {s->batch, s->in, s->size, s->size};
    return some(s->dtype, 4, size);
}

/* Calls until there is a graph and some times after, on other inputs each time, and changes what it reads in between. */
static cr_compile_stats agree(const char *what, cr_compiled_function f, void *with, int nin,
                              cr_tensor *(*make)(const void *), const void *of, cr_tensor *changes,
                              double tolerance)
{
    cr_compile_stats stats = {0};
    cr_compiled *c = cr_compile_function(f, with, NULL);
    for (int k = 0; k < 5; k++)
        CR_SCOPE {
            cr_tensor *in[2], *right[1];
            for (int i = 0; i < nin; i++)
                in[i] = make(of);
            if (k > 2 && changes)
                cr_mul_scalar_(changes, 0.7);
            ck_assert_uint_eq(f(with, in, (size_t)nin, right), 1);
            same(what, k, cr_compiled_call_with(c, in, (size_t)nin), right[0], tolerance);
            ck_assert_msg(k < 2 || !cr_compile_reason(c), "%s: %s", what, cr_compile_reason(c));
        }
    ck_assert(!cr_compile_get_stats(c, &stats));
    ck_assert_msg(!cr_error(), "%s: %s", what, cr_error());
    return stats;
}

static cr_tensor *make_image(const void *s)
{
    return image(s);
}

START_TEST(what_follows_a_convolution_becomes_part_of_it)
{
    static const char *const names[KINDS] = {"relu",      "norm", "norm, relu", "norm, add, relu",
                                             "add, gelu", "sub"};
    for (int kind = 0; kind < KINDS; kind++)
        CR_NO_GRAD
            CR_SCOPE {
                work c = work_of(&shapes[_i], (chain_kind)kind);
                double tolerance = c.s->dtype == CR_F32 ? 1e-5 : 2e-2;
                cr_compile_stats s =
                    agree(names[kind], whole, &c, 2, make_image, c.s, c.w, tolerance);
                bool alone = kind == RELU || kind == NORM || kind == NORM_RELU;
                /* Results of small products per element are row-major: a sum with them is a plan of its own, with what
                 * follows. Else there are the two convolutions, and the way out of the layout. */
                bool small = 2 * c.s->in * c.s->kernel * c.s->kernel < 250 || c.s->out < 32;
                if (has_avx512())
                    ck_assert_msg(s.plans <= (alone   ? 2u
                                              : small ? 4u
                                                      : 3u),
                                  "%s, shape %d: %zu plans", names[kind], _i, s.plans);
            }
}
END_TEST

START_TEST(statistics_that_change_take_effect)
{
    CR_NO_GRAD
        CR_SCOPE {
            work c = work_of(&shapes[0], NORM_RELU);
            cr_tensor *const change[] = {c.scale, c.shift, c.mean, c.var};
            for (int i = 0; i < 4; i++)
                agree("norm", whole, &c, 2, make_image, c.s, change[i], 1e-5);
        }
}
END_TEST

START_TEST(not_a_number_stays_one)
{
    CR_NO_GRAD
        CR_SCOPE {
            work c = work_of(&shapes[0], NORM_RELU);
            cr_tensor *x = image(c.s), *in[2] = {x, x}, *out[1];
            cr_compiled *fast = cr_compile_function(whole, &c, NULL);
            for (int k = 0; k < 3; k++)
                cr_compiled_call_with(fast, in, 2);
            cr_fill_scalar_(cr_select(x, 0, 1), NAN);
            cr_tensor *got = cr_compiled_call_with(fast, in, 2);
            ck_assert_ptr_null(cr_compile_reason(fast));
            whole(&c, in, 2, out);
            ck_assert(cr_item(cr_sum(cr_ne(got, got))) > 0);
            ck_assert(cr_equal(cr_isnan(got), cr_isnan(out[0])));
        }
}
END_TEST

/* ---- products ---- */

typedef struct layer {
    cr_dtype dtype;
    int kind; /* gelu, relu, plus the other input, scaled sum */
    int64_t rows, in, out;
    cr_tensor *w, *bias;
} layer;

static cr_tensor *make_rows(const void *of)
{
    const layer *l = of;
    const int64_t size[2] = {l->rows, l->in};
    return some(l->dtype, 2, size);
}

static size_t linear(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    const layer *l = context;
    cr_tensor *y = cr_f_linear(in[0], l->w, .bias = l->bias);
    (void)n;
    switch (l->kind) {
    case 0: y = cr_gelu(y); break;
    case 1: y = cr_relu(y); break;
    case 2: y = cr_add(in[1], y); break;
    case 4: y = cr_tanh(y); break;
    case 5: y = cr_sigmoid(y); break;
    case 6: y = cr_silu(y); break;
    case 3: y = cr_add(in[1], y, .alpha = CR_S(-0.5)); break;
    default:
        y = cr_gelu(cr_addmm(l->bias, in[0], l->w, .beta = CR_S(0.5), .alpha = CR_S(2)));
        break;
    }
    out[0] = y;
    return y != NULL;
}

START_TEST(what_follows_a_product_becomes_part_of_it)
{
    static const int64_t sizes[][3] = {{300, 64, 64}, {64, 96, 96}, {1, 64, 64}, {257, 48, 48}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kind = 0; kind < 8; kind++)
            for (int half = 0; half < 2; half++)
                CR_NO_GRAD
                    CR_SCOPE {
                        const int64_t w[2] = {sizes[i][1], sizes[i][1]};
                        cr_dtype dtype = half ? CR_BF16 : CR_F32;
                        layer l = {dtype,
                                   kind,
                                   sizes[i][0],
                                   sizes[i][1],
                                   sizes[i][2],
                                   cr_mul_scalar(some(dtype, 2, w), 0.1),
                                   some(dtype, 1, &sizes[i][2])};
                        cr_compile_stats s =
                            agree("linear", linear, &l, 2, make_rows, &l, l.w, half ? 2e-2 : 1e-5);
                        ck_assert_msg(s.plans == 1, "size %zu, kind %d, half %d: %zu plans", i,
                                      kind, half, s.plans);
                    }
}
END_TEST

/* ---- networks ---- */

CR_MODULE(Residual, stem, norm, pool, a, na, b, nb, head);
CR_FORWARD(Residual, x)
{
    cr_tensor *y = cr_relu(cr_forward(self->norm, cr_forward(self->stem, x)));
    y = cr_forward(self->pool, y);
    cr_tensor *z = cr_relu(cr_forward(self->na, cr_forward(self->a, y)));
    z = cr_relu(cr_add(cr_forward(self->nb, cr_forward(self->b, z)), y));
    z = cr_flatten(cr_f_adaptive_avg_pool2d(z, CR_INTS(1, 1)), .start_dim = 1);
    return cr_forward(self->head, z);
}

static cr_module *residual(void)
{
    return CR_NEW(Residual, .stem = cr_conv2d(3, 64, 7, .stride = 2, .padding = 3, .no_bias = true),
                  .norm = cr_batch_norm2d(64), .pool = cr_max_pool2d(3, .stride = 2, .padding = 1),
                  .a = cr_conv2d(64, 64, 3, .padding = 1, .no_bias = true),
                  .na = cr_batch_norm2d(64),
                  .b = cr_conv2d(64, 64, 3, .padding = 1, .no_bias = true),
                  .nb = cr_batch_norm2d(64), .head = cr_linear(64, 10));
}

START_TEST(a_residual_network_is_captured_in_its_layouts)
{
    const shape s = {CR_F32, 3, 64, 7, 2, 64, 2, false};
    CR_NO_GRAD {
        cr_module *net = residual();
        cr_module_to(net, .device = "onednn");
        cr_eval(net);
        cr_tensor *x = image(&s);
        cr_compiled *fast = cr_compile(net, x);
        for (int k = 0; k < 4; k++) {
            x = image(&s);
            same("residual", k, cr_compiled_call(fast, x), cr_forward(net, x), 1e-5);
            ck_assert_msg(!cr_compile_reason(fast), "%s", cr_compile_reason(fast));
        }
        cr_compile_stats stats;
        ck_assert(!cr_compile_get_stats(fast, &stats));
        if (has_avx512()) /* three convolutions, two pools, a product, and what these need */
            ck_assert_uint_le(stats.plans, 8);
    }
}
END_TEST

static cr_tensor *loss_of(void *context, cr_module *net, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    return cr_cross_entropy(cr_forward(net, in[0]), in[1]);
}

static uint64_t in_tensors(void)
{
    cr_memory_stats_result s;
    ck_assert(!cr_memory_stats("onednn", &s));
    return s.allocated_bytes;
}

/* And holds no copies of weights between its steps. */
START_TEST(training_is_captured_in_layouts_too)
{
    uint64_t when_made = 0;
    const shape s = {CR_F32, 3, 64, 7, 2, 64, 4, false};
    double losses[2][6];
    cr_tensor *x = image(&s), *y = cr_randint(10, CR_INTS(4), .device = "onednn");
    for (int captured = 0; captured < 2; captured++) {
        cr_manual_seed(5);
        cr_module *net = residual();
        cr_module_to(net, .device = "onednn");
        cr_optimizer *sgd = cr_sgd(net, .lr = 0.05, .momentum = 0.9);
        cr_compiled *step = cr_compile_step(net, sgd, loss_of, NULL);
        for (int k = 0; k < 6; k++)
            CR_SCOPE {
                cr_tensor *in[2] = {x, y}, *loss;
                if (captured) {
                    loss = cr_compiled_call_with(step, in, 2);
                } else {
                    cr_zero_grad(sgd);
                    loss = loss_of(NULL, net, in, 2);
                    cr_backward(loss);
                    cr_step(sgd);
                }
                losses[captured][k] = cr_item(loss);
                if (captured && k == 1)
                    when_made = in_tensors();
                ck_assert(!captured || k < 2 || in_tensors() <= when_made);
                ck_assert_msg(!captured || k < 2 || !cr_compile_reason(step), "%s",
                              cr_compile_reason(step));
            }
    }
    ck_assert_msg(!cr_error(), "%s", cr_error());
    for (int k = 0; k < 6; k++)
        ck_assert_msg(fabs(losses[0][k] - losses[1][k]) <= 1e-4 * (1 + fabs(losses[0][k])),
                      "step %d: %g, captured %g", k, losses[0][k], losses[1][k]);
    ck_assert(losses[0][5] < losses[0][0]);
}
END_TEST

Suite *captured_suite(void)
{
    Suite *suite = suite_create("captured");
    TCase *all = tcase_create("captured");
    tcase_set_timeout(all, 240);
    tcase_add_loop_test(all, what_follows_a_convolution_becomes_part_of_it, 0, SHAPES);
    tcase_add_test(all, statistics_that_change_take_effect);
    tcase_add_test(all, not_a_number_stays_one);
    tcase_add_test(all, what_follows_a_product_becomes_part_of_it);
    tcase_add_test(all, a_residual_network_is_captured_in_its_layouts);
    tcase_add_test(all, training_is_captured_in_layouts_too);
    suite_add_tcase(suite, all);
    return suite;
}
