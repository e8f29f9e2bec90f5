/* Fusion beyond plain chains: what follows a product or a convolution, batch norm by running statistics, values that repeat,
 * reductions at the end; results against eager ones, and how many plans are left. */
#include "models.h"

/* Runs it captured until it is a graph, each time on other inputs, and compares; returns the figures. */
static cr_compile_stats agree(const char *what, cr_compiled_function f, void *with, cr_module *net,
                              cr_tensor *(*make)(int), int nin, size_t nout, double tolerance)
{
    cr_compile_stats s;
    CR_NO_GRAD
        CR_SCOPE {
            cr_compiled *c = cr_compile_function(f, with, net);
            for (int k = 0; k < 4; k++)
                CR_SCOPE {
                    cr_tensor *in[4], *out[4], *right[4];
                    for (int i = 0; i < nin; i++)
                        in[i] = make(4 * k + i);
                    ck_assert_uint_eq(f(with, in, (size_t)nin, right), nout);
                    ck_assert(!cr_compiled_call_many(c, in, (size_t)nin, out, nout));
                    for (size_t i = 0; i < nout; i++)
                        assert_same(what, out[i], right[i], tolerance);
                    ck_assert_msg(k < 2 || !cr_compile_reason(c), "%s: %s", what,
                                  cr_compile_reason(c));
                }
            s = stats_of(c);
        }
    ck_assert_msg(!cr_error(), "%s: %s", what, cr_error());
    ck_assert_uint_eq(s.recorded, s.plans + s.dropped + s.fused);
    return s;
}

/* ---- convolution ---- */

static const struct conv_case {
    int in, out, kernel, stride, groups, size, batch;
    bool bias;
} conv_cases[] = {
    {1, 6, 5, 1, 1, 28, 3, true},   /* straight from planes */
    {8, 16, 3, 2, 1, 17, 5, false}, /* by unfolding */
    {8, 16, 3, 1, 4, 9, 1, true},   /* in groups */
    {3, 64, 7, 2, 1, 112, 2, true}, /* blocks of lines */
    {64, 10, 1, 1, 1, 5, 2, false},
};
enum { CONV_CASES = sizeof conv_cases / sizeof *conv_cases };
static int conv_now;

static cr_tensor *image(int number)
{
    const struct conv_case *c = &conv_cases[conv_now];
    cr_manual_seed((uint64_t)number + 50);
    return cr_randn(CR_INTS(c->batch, c->in, c->size, c->size));
}

static cr_module *conv_of(const struct conv_case *c)
{
    return cr_conv2d(c->in, c->out, c->kernel, .stride = c->stride, .padding = c->kernel / 2,
                     .groups = c->groups, .no_bias = !c->bias);
}

static size_t forward(void *net, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    out[0] = cr_forward_with(net, in, n);
    return out[0] != NULL;
}

static void shake_statistics(cr_module *norm)
{
    CR_NO_GRAD {
        cr_init_uniform_(cr_get_buffer(norm, "running_mean"), -0.5, 0.5);
        cr_init_uniform_(cr_get_buffer(norm, "running_var"), 0.5, 2);
        cr_init_uniform_(cr_get_parameter(norm, "weight"), 0.5, 2);
        cr_init_uniform_(cr_get_parameter(norm, "bias"), -1, 1);
    }
}

START_TEST(convolution_batch_norm_and_relu_are_one_plan)
{
    conv_now = _i;
    const struct conv_case *c = &conv_cases[_i];
    cr_module *norm = cr_batch_norm2d(c->out);
    cr_module *net = cr_sequential(conv_of(c), norm, cr_relu_layer());
    cr_eval(net);
    shake_statistics(norm);
    cr_compile_stats s = agree("conv, norm, relu", forward, net, net, image, 1, 1, 0);
    ck_assert_uint_eq(s.plans, 1);
    ck_assert_uint_eq(s.fused, 2);
}
END_TEST

START_TEST(parameters_and_statistics_that_change_take_effect)
{
    conv_now = 1;
    cr_module *norm = cr_batch_norm2d(16), *conv = conv_of(&conv_cases[1]);
    cr_module *net = cr_sequential(conv, norm, cr_gelu_layer());
    cr_eval(net);
    CR_NO_GRAD {
        cr_tensor *x = image(1);
        cr_compiled *fast = cr_compile(net, x);
        for (int k = 0; k < 3; k++) {
            shake_statistics(norm);
            cr_init_uniform_(cr_get_parameter(conv, "weight"), -1, 1);
            assert_same("after a change", cr_compiled_call(fast, x), cr_forward(net, x), 0);
            ck_assert_ptr_null(cr_compile_reason(fast));
        }
        ck_assert_uint_eq(stats_of(fast).plans, 1);
        cr_train(net); /* now the statistics are the batch's: another graph */
        for (int k = 0; k < 3; k++)
            cr_compiled_call(fast, x);
        ck_assert_uint_gt(stats_of(fast).plans, 1);
    }
    assert_no_error();
}
END_TEST

CR_MODULE(Sum, a, na, b, nb);
CR_FORWARD(Sum, x)
{
    cr_tensor *y = cr_forward(self->na, cr_forward(self->a, x));
    return cr_relu(cr_add(y, cr_forward(self->nb, cr_forward(self->b, x))));
}

START_TEST(a_residual_block_is_two_plans)
{
    conv_now = 1;
    cr_module *na = cr_batch_norm2d(16), *nb = cr_batch_norm2d(16);
    cr_module *net =
        CR_NEW(Sum, .a = conv_of(&conv_cases[1]), .na = na, .b = conv_of(&conv_cases[1]), .nb = nb);
    cr_eval(net);
    shake_statistics(na);
    shake_statistics(nb);
    cr_compile_stats s = agree("residual", forward, net, net, image, 1, 1, 0);
    ck_assert_uint_eq(s.plans, 2);
}
END_TEST

/* ---- products ---- */

static cr_tensor *sequence(int number)
{
    cr_manual_seed((uint64_t)number + 70);
    return cr_randn(CR_INTS(6, 11, 24));
}

START_TEST(linear_layers_take_their_activation_along)
{
    cr_module *net = cr_sequential(cr_linear(24, 40), cr_gelu_layer(), cr_linear(40, 13),
                                   cr_relu_layer(), cr_linear(13, 300), cr_tanh_layer());
    cr_compile_stats s = agree("mlp", forward, net, net, sequence, 1, 1, 0);
    ck_assert_uint_eq(s.plans, 3);
}
END_TEST

static size_t scores(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    cr_tensor *s = cr_bmm(in[0], cr_transpose(in[1], 1, 2));
    out[0] = cr_tanh(cr_mul_scalar(s, 0.2));
    out[1] = cr_add(s, out[0]); /* the product itself is wanted, too */
    out[2] = s;
    return 3;
}

START_TEST(products_in_batches_take_what_follows_along)
{
    cr_compile_stats s = agree("scores", scores, NULL, NULL, sequence, 2, 3, 0);
    ck_assert_uint_eq(s.plans, 1);
}
END_TEST

/* ---- values that repeat ---- */

static size_t scale_and_shift(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    cr_tensor *row = cr_select(in[1], 0, 0), *column = cr_narrow(in[1], 2, 3, 1);
    cr_tensor *one = cr_reshape(cr_select(cr_select(row, 0, 0), 0, 0), CR_INTS(1));
    out[0] = cr_exp(cr_mul(cr_add(cr_mul(in[0], row), one), one));
    cr_tensor *whole = cr_contiguous(column);
    out[1] = cr_sub(cr_mul(in[0], whole), in[0]);
    return 2;
}

START_TEST(rows_and_columns_that_repeat_are_fused)
{
    cr_compile_stats s = agree("repeated", scale_and_shift, NULL, NULL, sequence, 2, 2, 0);
    ck_assert_uint_eq(s.plans, 3); /* two chains, and the copy */
}
END_TEST

/* ---- reductions ---- */

static int64_t reduced_sizes[3];
static cr_tensor *block(int number)
{
    cr_manual_seed((uint64_t)number + 90);
    return cr_randn(CR_INTS(reduced_sizes[0], reduced_sizes[1], reduced_sizes[2]));
}

static size_t sum_all(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_sum(cr_mul(cr_relu(in[0]), in[1]));
    return 1;
}

static size_t sum_last(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_sum_dim(cr_square(cr_sub(in[0], in[1])), CR_INTS(1, 2), .keepdim = true);
    out[1] = cr_amax(cr_abs(in[0]), .dim = CR_INTS(-1));
    out[2] = cr_mean_dim(cr_mul(in[0], in[1]), 2);
    return 3;
}

START_TEST(a_chain_ends_in_a_reduction)
{
    static const int64_t sizes[][3] = {{1, 1, 7},    {2, 3, 5},     {3, 7, 2048},
                                       {5, 2, 2047}, {2, 3, 70001}, {700, 3, 2}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(reduced_sizes, sizes[i], sizeof reduced_sizes);
        cr_compile_stats s = agree("sum", sum_all, NULL, NULL, block, 2, 1, 1e-4);
        ck_assert_uint_eq(s.plans, 1);
        ck_assert_uint_eq(s.fused, s.recorded - 1);
        s = agree("last", sum_last, NULL, NULL, block, 2, 3, 1e-4);
        ck_assert_uint_le(s.plans, 4); /* mean divides */
    }
}
END_TEST

/* The first value is read again at the end, when others have come and gone. */
static size_t long_chain(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    cr_tensor *early = cr_add(in[0], in[1]);
    cr_tensor *late = cr_neg(cr_square(cr_relu(cr_mul(early, in[1]))));
    out[0] = cr_sub(cr_maximum(late, early), in[0]);
    out[1] = cr_mul(cr_add(late, in[1]), early);
    return 2;
}

START_TEST(a_chain_of_any_size_keeps_what_is_read_later)
{
    static const int64_t sizes[][3] = {{1, 3, 5}, {3, 7, 512}, {5, 64, 2048}, {11, 97, 701}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(reduced_sizes, sizes[i], sizeof reduced_sizes);
        cr_compile_stats s = agree("long", long_chain, NULL, NULL, block, 2, 2, 0);
        ck_assert_uint_eq(s.plans, 1);
    }
}
END_TEST

static size_t sum_first(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_sum_dim(cr_mul(in[0], in[1]), 0); /* elements of a result lie apart */
    return 1;
}

static size_t sum_kept(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_mul(in[0], in[1]);
    out[1] = cr_sum_dim(out[0], 2);
    return 2;
}

START_TEST(what_a_backend_declines_runs_by_itself)
{
    memcpy(reduced_sizes, (int64_t[]){4, 5, 6}, sizeof reduced_sizes);
    ck_assert_uint_eq(agree("first", sum_first, NULL, NULL, block, 2, 1, 1e-5).plans, 2);
    ck_assert_uint_eq(agree("kept", sum_kept, NULL, NULL, block, 2, 2, 1e-5).plans, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fusion");
    TCase *all = tcase_create("fusion");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, convolution_batch_norm_and_relu_are_one_plan, 0, CONV_CASES);
    tcase_add_test(all, parameters_and_statistics_that_change_take_effect);
    tcase_add_test(all, a_residual_block_is_two_plans);
    tcase_add_test(all, linear_layers_take_their_activation_along);
    tcase_add_test(all, products_in_batches_take_what_follows_along);
    tcase_add_test(all, rows_and_columns_that_repeat_are_fused);
    tcase_add_test(all, a_chain_ends_in_a_reduction);
    tcase_add_test(all, a_chain_of_any_size_keeps_what_is_read_later);
    tcase_add_test(all, what_a_backend_declines_runs_by_itself);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
