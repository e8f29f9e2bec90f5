/* Activation checkpointing: the same outputs and gradients with less kept, the same random numbers in both runs; and gradients
 * gathered over parts of a batch. */
#include "golden.h"

static cr_module *make_net(double dropout)
{
    cr_manual_seed(5);
    return cr_sequential(cr_linear(4, 8), cr_tanh_layer(), cr_dropout(dropout), cr_linear(8, 8),
                         cr_gelu_layer(), cr_linear(8, 3));
}

static cr_tensor *plainly(cr_module *net, cr_tensor *x)
{
    return cr_forward(net, x);
}
static cr_tensor *checkpointed(cr_module *net, cr_tensor *x)
{
    return cr_checkpoint(net, x);
}
static cr_tensor *in_parts(cr_module *net, cr_tensor *x)
{
    return cr_checkpoint_sequential(net, 3, x);
}

/* The output and all gradients, of a net that is made anew with the same values, and of random numbers drawn alike. */
static size_t gradients(cr_tensor *(*run)(cr_module *, cr_tensor *), bool input_too, cr_tensor **to)
{
    size_t n = 0;
    cr_module *net = make_net(0.5);
    cr_tensor *x = cr_requires_grad_(cr_randn(CR_INTS(5, 4)), input_too);
    cr_manual_seed(9);
    cr_tensor *y = run(net, x);
    ck_assert_msg(y != NULL, "%s", cr_error());
    cr_tensor *more = cr_rand(3); /* drawn between the two runs */
    to[n++] = y;
    to[n++] = more;
    ck_assert_msg(!cr_backward(cr_sum(cr_mul(y, y))), "%s", cr_error());
    to[n++] = cr_rand(3); /* and after them: as if there had been one */
    if (input_too)
        to[n++] = cr_grad(x);
    CR_FOREACH_PARAMETER (p, net)
        to[n++] = cr_grad(p.tensor);
    return n;
}

START_TEST(gradients_are_those_of_a_plain_run)
{
    cr_tensor *(*const runs[])(cr_module *, cr_tensor *) = {checkpointed, in_parts};
    for (int input = 0; input < 2; input++)
        for (int i = 0; i < 2; i++) {
            cr_tensor *a[16], *b[16];
            size_t n = gradients(plainly, input, a);
            ck_assert_uint_eq(gradients(runs[i], input, b), n);
            for (size_t k = 0; k < n; k++)
                assert_close("result", b[k], a[k], 1e-6);
        }
    assert_no_error();
}
END_TEST

START_TEST(nothing_inside_is_recorded)
{
    cr_module *net = make_net(0.5);
    cr_tensor *y = cr_checkpoint(net, cr_randn(CR_INTS(2, 4)));
    ck_assert_str_eq(cr_grad_node_name(cr_grad_fn(y)), "CheckpointFunctionBackward");
    for (size_t i = 0; i < cr_grad_node_next_count(cr_grad_fn(y)); i++) {
        cr_grad_node *next = cr_grad_node_next(cr_grad_fn(y), i);
        ck_assert(!next || !strcmp(cr_grad_node_name(next), "AccumulateGrad"));
    }
    CR_NO_GRAD
        ck_assert(!cr_requires_grad(cr_checkpoint(net, cr_randn(CR_INTS(2, 4)))));
    assert_no_error();
}
END_TEST

static cr_tensor *run_net(void *net, cr_tensor *const *in, size_t n)
{
    (void)n;
    return cr_sum(cr_square(cr_checkpoint(net, in[0])));
}

START_TEST(checkpoints_can_be_differentiated_twice)
{
    cr_module *net = cr_module_to(make_net(0), .dtype = CR_F64);
    cr_tensor *x = cr_requires_grad_(cr_randn(CR_INTS(2, 4), .dtype = CR_F64), 1);
    ck_assert_msg(cr_gradcheck(run_net, net, &x, 1, NULL), "%s", cr_error());
    ck_assert_msg(cr_gradgradcheck(run_net, net, &x, 1, NULL), "%s", cr_error());
    assert_no_error();
}
END_TEST

START_TEST(modules_of_many_outputs_and_absent_inputs)
{
    cr_manual_seed(2);
    cr_module *net = cr_gru(3, 4);
    cr_tensor *x = cr_randn(CR_INTS(5, 2, 3)), *a[2], *b[2];
    ck_assert_int_eq(cr_checkpoint_many(net, a, 2, x, NULL), 0);
    ck_assert_int_eq(cr_forward_many(net, b, 2, x), 0);
    assert_close("output", a[0], b[0], 0);
    assert_close("h_n", a[1], b[1], 0);
    ck_assert_int_eq(cr_backward(cr_sum(a[1])), 0);
    ck_assert_ptr_nonnull(cr_grad(cr_get_parameter(net, "weight_hh_l0")));
    assert_no_error();
}
END_TEST

START_TEST(autocast_is_the_same_in_both_runs)
{
    cr_tensor *x = cr_randn(CR_INTS(3, 4)), *a = NULL, *b = NULL;
    for (int i = 0; i < 2; i++) {
        cr_module *net = make_net(0);
        cr_tensor *y = NULL;
        CR_AUTOCAST (NULL)
            y = i ? cr_checkpoint(net, x) : cr_forward(net, x);
        ck_assert_int_eq(cr_tensor_dtype(y), CR_BF16);
        ck_assert_int_eq(cr_backward(cr_sum(y)), 0);
        *(i ? &b : &a) = cr_grad(cr_get_parameter(net, "0.weight"));
    }
    assert_close("gradient", b, a, 0);
    assert_no_error();
}
END_TEST

static int fails(void *context, cr_tensor *const *in, size_t n, cr_tensor **out, size_t nout)
{
    (void)context, (void)in, (void)n, (void)out, (void)nout;
    cr_fail("not today");
    return -1;
}

START_TEST(mistakes_are_told)
{
    cr_tensor *x = cr_zeros(CR_INTS(2, 4)), *y;
    cr_module *net = make_net(0);
    ck_assert_int_eq(cr_checkpoint_run(fails, NULL, &x, 1, &y, 1, NULL), -1);
    assert_error("not today");
    ck_assert_int_eq(cr_checkpoint_run(fails, NULL, &x, 0, &y, 1, NULL), -1);
    assert_error_has("1 to 16 inputs are needed");
    ck_assert_int_eq(cr_checkpoint_run(NULL, NULL, &x, 1, &y, 1, NULL), -1);
    assert_error_has("a function and room");
    ck_assert_ptr_null(cr_checkpoint_sequential(net, 7, x));
    assert_error_has("1 to as many segments");
    ck_assert_ptr_null(cr_checkpoint_sequential(cr_linear(4, 4), 1, x));
    assert_error_has("needs a Sequential");
    ck_assert_ptr_null(cr_checkpoint(net, cr_zeros(CR_INTS(2, 3))));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    x = cr_requires_grad_(cr_zeros(CR_INTS(2, 4)), 1);
    cr_tensor *between = cr_mul_scalar(x, 2);
    y = cr_checkpoint(net, between);
    cr_add_scalar_(between, 1);
    ck_assert_int_eq(cr_backward(cr_sum(y)), -1);
    assert_error_has("has been modified by an inplace operation");
    assert_no_error();
}
END_TEST

START_TEST(gradients_gather_over_parts_of_a_batch)
{
    cr_module *net = make_net(0);
    cr_tensor *x = cr_randn(CR_INTS(6, 4)), *target = cr_randn(CR_INTS(6, 3));
    cr_backward(cr_mse_loss(cr_forward(net, x), target));
    cr_tensor *whole[8];
    size_t n = 0;
    CR_FOREACH_PARAMETER (p, net)
        whole[n++] = cr_clone(cr_grad(p.tensor));
    cr_module_zero_grad(net);
    for (int64_t i = 0; i < 3; i++)
        CR_SCOPE {
            cr_tensor *y = cr_forward(net, cr_narrow(x, 0, 2 * i, 2));
            cr_backward(cr_div_scalar(cr_mse_loss(y, cr_narrow(target, 0, 2 * i, 2)), 3));
        }
    n = 0;
    CR_FOREACH_PARAMETER (p, net)
        assert_close(p.name, cr_grad(p.tensor), whole[n++], 1e-6);
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *all = tcase_create("checkpoint");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, gradients_are_those_of_a_plain_run);
    tcase_add_test(all, nothing_inside_is_recorded);
    tcase_add_test(all, checkpoints_can_be_differentiated_twice);
    tcase_add_test(all, modules_of_many_outputs_and_absent_inputs);
    tcase_add_test(all, autocast_is_the_same_in_both_runs);
    tcase_add_test(all, mistakes_are_told);
    tcase_add_test(all, gradients_gather_over_parts_of_a_batch);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
