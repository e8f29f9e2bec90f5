/* The gradient scaler: scales and steps as PyTorch's, skipped steps, resuming, and training in bf16 and f16 over f32 weights. */
#include <unistd.h>

#include "nn/golden.h"

static cr_tensor *weight;
static cr_optimizer *sgd;

static void fresh(void)
{
    weight = cr_requires_grad_(cr_ones(3), 1);
    sgd = cr_sgd(CR_TENSORS(weight), .lr = 0.5);
}

static void set_grad(double a, double b, double c)
{
    cr_tensor *grad = cr_tensor_f32(3, (float)a, (float)b, (float)c);
    ck_assert_int_eq(cr_set_grad(weight, grad), 0);
}

static double first(void)
{
    double all = 0;
    CR_SCOPE
        all = cr_item(cr_select(cr_detach(weight), 0, 0));
    return all;
}

START_TEST(a_step_is_taken_with_unscaled_gradients)
{
    fresh();
    cr_grad_scaler *scaler = cr_grad_scaler_new(.init_scale = 1024);
    cr_tensor *loss = cr_sum(cr_mul(weight, weight));
    ck_assert_int_eq(cr_backward(cr_scaler_scale(scaler, loss)), 0);
    ck_assert_double_eq(cr_item(cr_max(cr_grad(weight))), 2048);
    ck_assert_int_eq(cr_scaler_step(scaler, sgd), 0);
    ck_assert_double_eq(cr_item(cr_max(cr_grad(weight))), 2);
    ck_assert_double_eq(first(), 0);
    ck_assert_int_eq(cr_scaler_update(scaler), 0);
    ck_assert_double_eq(cr_scaler_get_scale(scaler), 1024);
    assert_no_error();
}
END_TEST

START_TEST(gradients_that_are_not_finite_skip_the_step)
{
    const double bad[3] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        fresh();
        cr_grad_scaler *scaler = cr_grad_scaler_new();
        set_grad(1, bad[i], 2);
        ck_assert_int_eq(cr_scaler_step(scaler, sgd), 0);
        ck_assert(cr_scaler_skipped(scaler, sgd));
        ck_assert_double_eq(first(), 1);
        ck_assert_int_eq(cr_scaler_update(scaler), 0);
        ck_assert_double_eq(cr_scaler_get_scale(scaler), 32768);
        set_grad(1, 1, 2);
        ck_assert_int_eq(cr_scaler_step(scaler, sgd), 0);
        ck_assert(!cr_scaler_skipped(scaler, sgd));
        ck_assert_double_eq_tol(first(), 1 - 0.5 / 32768, 1e-7);
    }
    assert_no_error();
}
END_TEST

START_TEST(the_scale_grows_after_an_interval_and_stays_finite)
{
    fresh();
    cr_grad_scaler *scaler =
        cr_grad_scaler_new(.init_scale = 8, .growth_factor = 4, .growth_interval = 3);
    const double expected[8] = {8, 8, 32, 32, 16, 16, 16, 64}; /* the fifth is skipped */
    for (int n = 0; n < 8; n++) {
        set_grad(n == 4 ? NAN : 1, 1, 1);
        ck_assert_int_eq(cr_scaler_step(scaler, sgd), 0);
        ck_assert_int_eq(cr_scaler_update(scaler), 0);
        ck_assert_msg(cr_scaler_get_scale(scaler) == expected[n], "%d: %g", n,
                      cr_scaler_get_scale(scaler));
    }
    scaler = cr_grad_scaler_new(.init_scale = 3e38, .growth_interval = 1);
    set_grad(0, 0, 0);
    ck_assert_int_eq(cr_scaler_step(scaler, sgd), 0);
    ck_assert_int_eq(cr_scaler_update(scaler), 0);
    ck_assert_double_eq(cr_scaler_get_scale(scaler), (double)3e38f);
    assert_no_error();
}
END_TEST

START_TEST(calls_out_of_turn_are_refused)
{
    fresh();
    cr_grad_scaler *scaler = cr_grad_scaler_new();
    ck_assert_int_eq(cr_scaler_update(scaler), -1);
    assert_error("No inf checks were recorded prior to update.");
    ck_assert_int_eq(cr_scaler_step(scaler, sgd), -1);
    assert_error("No inf checks were recorded for this optimizer.");
    set_grad(1, 1, 1);
    ck_assert_int_eq(cr_scaler_unscale_(scaler, sgd), 0);
    ck_assert_int_eq(cr_scaler_unscale_(scaler, sgd), -1);
    assert_error("unscale_() has already been called on this optimizer since the last update().");
    ck_assert_int_eq(cr_scaler_step(scaler, sgd), 0);
    ck_assert_int_eq(cr_scaler_step(scaler, sgd), -1);
    assert_error("step() has already been called since the last update().");
    ck_assert_int_eq(cr_scaler_unscale_(scaler, sgd), -1);
    assert_error("unscale_() is being called after step().");
    ck_assert_int_eq(cr_scaler_update(scaler), 0);
    ck_assert_ptr_null(cr_grad_scaler_new(.growth_factor = 1));
    assert_error("The growth factor must be > 1.0.");
    ck_assert_ptr_null(cr_grad_scaler_new(.backoff_factor = 1));
    assert_error("The backoff factor must be < 1.0.");
    cr_tensor *half = cr_requires_grad_(cr_ones(2, .dtype = CR_F16), 1);
    cr_optimizer *of_half = cr_sgd(CR_TENSORS(half), .lr = 1);
    cr_set_grad(half, cr_ones(2, .dtype = CR_F16));
    ck_assert_int_eq(cr_scaler_step(scaler, of_half), -1);
    assert_error("Attempting to unscale FP16 gradients.");
    cr_grad_scaler *off = cr_grad_scaler_new(.disabled = true);
    ck_assert_ptr_eq(cr_scaler_scale(off, weight), weight);
    ck_assert_int_eq(cr_scaler_step(off, sgd), 0);
    ck_assert_int_eq(cr_scaler_update(off), 0);
    ck_assert_uint_eq(cr_state_dict_count(cr_scaler_state_dict(off)), 0);
    ck_assert_int_eq(cr_scaler_load_state_dict(scaler, cr_scaler_state_dict(off)), -1);
    assert_error_has("is empty");
}
END_TEST

/* A step of a small net under autocast. */
static double train(cr_module *net, cr_optimizer *optimizer, cr_grad_scaler *scaler, int n,
                    cr_dtype dtype)
{
    double value = 0;
    CR_SCOPE {
        cr_tensor *x = cr_sin(cr_add_scalar(
                      cr_reshape(cr_arange(128, .dtype = CR_F32), CR_INTS(32, 4)), n)),
                  *y = cr_sum_dim(x, 1, .keepdim = true), *loss = NULL;
        CR_AUTOCAST (NULL, .dtype = dtype)
            loss = cr_mse_loss(cr_forward(net, x), y);
        ck_assert(cr_tensor_dtype(loss) == CR_F32);
        cr_zero_grad(optimizer);
        cr_backward(cr_scaler_scale(scaler, loss));
        ck_assert_msg(!cr_scaler_step(scaler, optimizer), "%s", cr_error());
        ck_assert_int_eq(cr_scaler_update(scaler), 0);
        value = cr_item(loss);
    }
    return value;
}

static cr_module *make_net(void)
{
    cr_manual_seed(4);
    return cr_sequential(cr_linear(4, 16), cr_tanh_layer(), cr_linear(16, 1));
}

START_TEST(training_under_autocast_lowers_the_loss)
{
    for (int half = 0; half < 2; half++) {
        cr_module *net = make_net();
        cr_optimizer *adam = cr_adam(net, .lr = 0.01);
        cr_grad_scaler *scaler = cr_grad_scaler_new(.growth_interval = 20);
        double before = train(net, adam, scaler, 0, half ? CR_F16 : CR_BF16), after = 0;
        for (int n = 1; n < 300; n++)
            after = train(net, adam, scaler, n, half ? CR_F16 : CR_BF16);
        ck_assert_msg(after < before / 20, "from %g to %g", before, after);
        ck_assert(cr_tensor_dtype(cr_param_group_tensor(adam, 0, 0)) == CR_F32);
        ck_assert(cr_tensor_dtype(cr_grad(cr_param_group_tensor(adam, 0, 0))) == CR_F32);
    }
    assert_no_error();
}
END_TEST

/* Saves net, optimiser and scaler to files after 30 of 60 steps and goes on with new ones: the same bits. */
START_TEST(mixed_precision_resumes_exactly)
{
    char paths[3][40];
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/cresset-scaler-XXXXXX");
        int file = mkstemp(paths[i]);
        ck_assert_int_ge(file, 0);
        close(file);
    }
    cr_module *net = make_net();
    cr_optimizer *adam = cr_adam(net, .lr = 0.01, .amsgrad = true);
    cr_grad_scaler *scaler = cr_grad_scaler_new(.growth_interval = 7, .init_scale = 1e8);
    for (int n = 0; n < 60; n++) {
        if (n == 30) {
            ck_assert_int_eq(cr_save(paths[0], cr_module_state_dict(net)), 0);
            ck_assert_int_eq(cr_save(paths[1], cr_optimizer_state_dict(adam)), 0);
            ck_assert_int_eq(cr_save(paths[2], cr_scaler_state_dict(scaler)), 0);
        }
        train(net, adam, scaler, n, CR_F16);
    }
    cr_module *again = make_net();
    cr_optimizer *adam2 = cr_adam(again);
    cr_grad_scaler *scaler2 = cr_grad_scaler_new();
    ck_assert_msg(!cr_module_load_state_dict(again, cr_load(paths[0])), "%s", cr_error());
    ck_assert_msg(!cr_optimizer_load_state_dict(adam2, cr_load(paths[1])), "%s", cr_error());
    ck_assert_msg(!cr_scaler_load_state_dict(scaler2, cr_load(paths[2])), "%s", cr_error());
    for (int n = 30; n < 60; n++)
        train(again, adam2, scaler2, n, CR_F16);
    ck_assert_double_eq(cr_scaler_get_scale(scaler), cr_scaler_get_scale(scaler2));
    for (size_t i = 0; i < 4; i++)
        ck_assert(cr_equal(cr_param_group_tensor(adam, 0, i), cr_param_group_tensor(adam2, 0, i)));
    for (int i = 0; i < 3; i++)
        unlink(paths[i]);
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grad_scaler");
    TCase *all = tcase_create("grad_scaler");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, a_step_is_taken_with_unscaled_gradients);
    tcase_add_test(all, gradients_that_are_not_finite_skip_the_step);
    tcase_add_test(all, the_scale_grows_after_an_interval_and_stays_finite);
    tcase_add_test(all, calls_out_of_turn_are_refused);
    tcase_add_test(all, training_under_autocast_lowers_the_loss);
    tcase_add_test(all, mixed_precision_resumes_exactly);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
