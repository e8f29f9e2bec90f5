/* Optimisers: 50 steps as PyTorch takes them, groups, many parameters, clipping, errors. */
#include <unistd.h>

#include "optim/trajectory.h"

START_TEST(sgd_follows_pytorch)
{
    check_trajectory("sgd", cr_sgd(fresh(), .lr = 0.05), false);
    check_trajectory("sgd_momentum", cr_sgd(fresh(), .lr = 0.02, .momentum = 0.9), false);
    check_trajectory(
        "sgd_dampening",
        cr_sgd(fresh(), .lr = 0.02, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.01),
        false);
    check_trajectory(
        "sgd_nesterov",
        cr_sgd(fresh(), .lr = 0.02, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1), false);
    check_trajectory("sgd_maximize", cr_sgd(fresh(), .lr = 0.001, .maximize = true), false);
    check_trajectory("sgd_late", cr_sgd(fresh(), .lr = 0.02, .momentum = 0.9, .dampening = 0.5),
                     true);
}
END_TEST

START_TEST(adam_and_adamw_follow_pytorch)
{
    check_trajectory("adam", cr_adam(fresh(), .lr = 0.05), false);
    check_trajectory(
        "adam_options",
        cr_adam(fresh(), .lr = 0.05, .betas = {0.8, 0.95}, .eps = 1e-4, .weight_decay = 0.1),
        false);
    check_trajectory("adam_amsgrad", cr_adam(fresh(), .lr = 0.05, .amsgrad = true), false);
    check_trajectory("adam_maximize", cr_adam(fresh(), .lr = 0.01, .maximize = true), false);
    check_trajectory("adam_late", cr_adam(fresh(), .lr = 0.05), true);
    check_trajectory("adamw", cr_adamw(fresh(), .lr = 0.05), false);
    check_trajectory("adamw_amsgrad",
                     cr_adamw(fresh(), .lr = 0.05, .weight_decay = 0.2, .amsgrad = true), false);
}
END_TEST

START_TEST(the_kin_of_adam_follow_pytorch)
{
    check_trajectory("adamw_maximize", cr_adamw(fresh(), .lr = 0.01, .maximize = true), false);
    check_trajectory("adamax", cr_adamax(fresh()), false);
    check_trajectory(
        "adamax_options",
        cr_adamax(fresh(), .lr = 0.05, .betas = {0.8, 0.95}, .eps = 1e-4, .weight_decay = 0.1),
        true);
    check_trajectory("adamax_maximize", cr_adamax(fresh(), .lr = 0.01, .maximize = true), false);
    check_trajectory("nadam", cr_nadam(fresh()), false);
    check_trajectory("nadam_options",
                     cr_nadam(fresh(), .lr = 0.05, .betas = {0.8, 0.95}, .eps = 1e-4,
                              .weight_decay = 0.1, .momentum_decay = 0.02),
                     true);
    check_trajectory("radam", cr_radam(fresh(), .lr = 0.05), false);
    check_trajectory(
        "radam_options",
        cr_radam(fresh(), .lr = 0.05, .betas = {0.8, 0.95}, .eps = 1e-4, .weight_decay = 0.1),
        true);
    check_trajectory("sparse_adam", cr_sparse_adam(fresh(), .lr = 0.05), false);
    check_trajectory(
        "sparse_adam_options",
        cr_sparse_adam(fresh(), .lr = 0.05, .betas = {0.8, 0.95}, .eps = 1e-2, .maximize = true),
        true);
}
END_TEST

START_TEST(rmsprop_and_rprop_follow_pytorch)
{
    check_trajectory("rmsprop", cr_rmsprop(fresh()), false);
    check_trajectory("rmsprop_momentum",
                     cr_rmsprop(fresh(), .lr = 0.01, .alpha = 0.9, .momentum = 0.5, .eps = 1e-3,
                                .weight_decay = 0.1),
                     false);
    check_trajectory("rmsprop_centered",
                     cr_rmsprop(fresh(), .lr = 0.02, .alpha = 0.9, .eps = 1e-3, .centered = true),
                     true);
    check_trajectory("rmsprop_both",
                     cr_rmsprop(fresh(), .lr = 0.01, .momentum = 0.5, .eps = 1e-3, .centered = true,
                                .maximize = true),
                     false);
    check_trajectory("rprop", cr_rprop(fresh()), false);
    check_trajectory("rprop_options",
                     cr_rprop(fresh(), .lr = 0.1, .etas = {0.4, 1.3}, .step_sizes = {1e-3, 0.3}),
                     true);
    check_trajectory("rprop_maximize", cr_rprop(fresh(), .maximize = true), false);
}
END_TEST

START_TEST(adagrad_adadelta_and_asgd_follow_pytorch)
{
    check_trajectory("adagrad", cr_adagrad(fresh(), .lr = 0.3), false);
    check_trajectory("adagrad_options",
                     cr_adagrad(fresh(), .lr = 0.3, .lr_decay = 0.05, .weight_decay = 0.1,
                                .initial_accumulator_value = 0.2, .eps = 1e-4),
                     true);
    check_trajectory("adagrad_maximize", cr_adagrad(fresh(), .maximize = true), false);
    check_trajectory("adadelta", cr_adadelta(fresh()), false);
    check_trajectory("adadelta_options",
                     cr_adadelta(fresh(), .lr = 0.5, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.1),
                     true);
    check_trajectory("adadelta_maximize", cr_adadelta(fresh(), .maximize = true), false);
    check_trajectory("asgd", cr_asgd(fresh()), false);
    check_trajectory(
        "asgd_options",
        cr_asgd(fresh(), .lr = 0.05, .lambd = 0.01, .alpha = 0.6, .t0 = 10, .weight_decay = 0.1),
        true);
    check_trajectory("asgd_maximize", cr_asgd(fresh(), .lr = 0.001, .maximize = true), false);
}
END_TEST

/* A parameter in a group of its own takes the steps of an optimiser with those options. */
START_TEST(groups_of_every_kind_follow_their_options)
{
    for (int kind = 0; kind < 12; kind++) {
        cr_tensor *apart[2];
        for (int way = 0; way < 2; way++) {
            fresh();
            cr_optimizer *one = make_kind(kind, cr_make_tensors(params, 1)), *other = NULL;
            if (way) {
                ck_assert_msg(!cr_add_param_group(one, cr_make_tensors(params + 1, 1)), "%s",
                              cr_error());
                ck_assert_int_eq(cr_param_group_set(one, 1, "lr", 0.004), 0);
            } else {
                other = make_kind(kind, cr_make_tensors(params + 1, 1));
                cr_set_lr(other, 0.004);
            }
            for (int n = 0; n < 6; n++) {
                cr_zero_grad(one);
                if (other)
                    cr_zero_grad(other);
                differentiate(2);
                ck_assert_msg(!cr_step(one), "%s", cr_error());
                ck_assert(!other || !cr_step(other));
            }
            for (int i = 0; i < 2; i++) {
                if (way)
                    ck_assert_msg(cr_equal(params[i], apart[i]), "kind %d", kind);
                else
                    apart[i] = cr_clone(cr_detach(params[i]));
            }
        }
    }
    assert_no_error();
}
END_TEST

START_TEST(groups_have_options_of_their_own)
{
    fresh();
    cr_optimizer *sgd = cr_sgd(CR_TENSORS(params[0]), .lr = 0.05);
    ck_assert_int_eq(cr_add_param_group(sgd, CR_TENSORS(params[1]), .lr = CR_ZERO), 0);
    step(sgd, 2);
    assert_close("first", params[0], value("sgd.1", 0), 1e-6);
    assert_close("second", params[1], start[1], 0);
    ck_assert_uint_eq(cr_param_group_count(sgd), 2);
    ck_assert_double_eq(cr_get_lr(sgd), 0.05);
    ck_assert_double_eq(cr_param_group_get(sgd, 1, "lr"), 0);
    ck_assert_int_eq(cr_set_lr(sgd, 0.5), 0);
    ck_assert_double_eq(cr_param_group_get(sgd, 1, "lr"), 0.5);
    ck_assert_ptr_eq(cr_param_group_tensor(sgd, 1, 0), params[1]);
    ck_assert_ptr_null(cr_param_group_tensor(sgd, 1, 1));
    assert_no_error();
    ck_assert_int_eq(cr_add_param_group(sgd, CR_TENSORS(params[1])), -1);
    assert_error("some parameters appear in more than one parameter group");
    ck_assert(isnan(cr_param_group_get(sgd, 0, "speed")));
    assert_error("a parameter group has no number \"speed\"");
}
END_TEST

START_TEST(an_optimiser_of_a_module_takes_each_parameter_once)
{
    cr_module *fc = cr_linear(2, 2);
    cr_optimizer *sgd = cr_sgd(cr_sequential("a", fc, "b", fc), .lr = 0.1);
    ck_assert_ptr_eq(cr_param_group_tensor(sgd, 0, 0), cr_get_parameter(fc, "weight"));
    ck_assert_ptr_eq(cr_param_group_tensor(sgd, 0, 1), cr_get_parameter(fc, "bias"));
    ck_assert_ptr_null(cr_param_group_tensor(sgd, 0, 2));
    cr_backward(cr_sum(cr_forward(fc, cr_ones(CR_INTS(1, 2)))));
    ck_assert_int_eq(cr_zero_grad(sgd, .set_to_zero = true), 0);
    ck_assert_double_eq(cr_item(cr_sum(cr_abs(cr_grad(cr_get_parameter(fc, "weight"))))), 0);
    ck_assert_int_eq(cr_zero_grad(fc), 0);
    ck_assert_ptr_null(cr_grad(cr_get_parameter(fc, "weight")));
    assert_no_error();
}
END_TEST

START_TEST(a_training_loop_lowers_the_loss_and_keeps_memory)
{
    cr_manual_seed(2);
    cr_module *net = cr_sequential(cr_linear(4, 16), cr_tanh_layer(), cr_linear(16, 1));
    cr_optimizer *adam = cr_adam(net, .lr = 0.01);
    cr_tensor *x = cr_randn(CR_INTS(32, 4)), *y = cr_sum_dim(x, 1, .keepdim = true);
    cr_memory_stats_result early, late;
    double first = 0, last = 0;
    for (int n = 0; n < 200; n++) {
        CR_SCOPE {
            cr_tensor *loss = cr_mse_loss(cr_forward(net, x), y);
            cr_zero_grad(adam);
            cr_backward(loss);
            cr_step(adam);
            last = cr_item(loss);
        }
        if (n == 0)
            first = last;
        if (n == 10)
            cr_memory_stats(NULL, &early);
    }
    cr_memory_stats(NULL, &late);
    ck_assert_uint_eq(early.allocated_bytes, late.allocated_bytes);
    ck_assert_uint_eq(early.backend_allocations, late.backend_allocations);
    ck_assert_msg(last < first / 20, "from %g to %g", first, last);
    assert_no_error();
}
END_TEST

static cr_op_counts counts_of(const char *op)
{
    cr_op_counts counts[512], none = {.op = op};
    size_t n = cr_device_op_counts(NULL, counts, 512);
    for (size_t i = 0; i < n && i < 512; i++)
        if (!strcmp(counts[i].op, op))
            return counts[i];
    return none;
}

static uint64_t runs_of(cr_op_counts c)
{
    return c.native + c.decomposed + c.fallback;
}

/* Left to itself 0.9 of the least subnormal number rounds to that number for ever. */
START_TEST(momentum_without_gradients_decays_to_nothing)
{
    cr_tensor *p = cr_requires_grad_(cr_ones(CR_INTS(70)), 1);
    cr_optimizer *sgd = cr_sgd(CR_TENSORS(p), .lr = 0.1, .momentum = 0.9);
    cr_set_grad(p, cr_ones(CR_INTS(70)));
    ck_assert_int_eq(cr_step(sgd), 0);
    cr_set_grad(p, cr_zeros(CR_INTS(70)));
    for (int i = 0; i < 1100; i++)
        ck_assert_int_eq(cr_step(sgd), 0);
    cr_tensor *left = cr_state_dict_get(cr_optimizer_state_dict(sgd), "state.0.momentum_buffer");
    ck_assert_msg(left != NULL, "%s", cr_error());
    float most = (float)cr_item(cr_max(cr_abs(left)));
    bool flushes = !strncmp(cr_default_device(), "cpu", 3);
    ck_assert_msg(flushes ? most == 0 : most < 1.2e-38f, "%g is left", (double)most);
    ck_assert_double_eq_tol(cr_item(cr_select(p, 0, 0)), 0, 1e-5);
}
END_TEST

START_TEST(many_parameters_step_in_one_operation)
{
    enum { MANY = 300 };
    cr_tensor *many[MANY];
    for (int i = 0; i < MANY; i++) {
        many[i] = cr_requires_grad_(cr_ones(CR_INTS(i % 7 + 1, 3)), 1);
        cr_set_grad(many[i], cr_full_like(many[i], i + 1));
    }
    cr_optimizer *adam = cr_adam(cr_make_tensors(many, MANY), .lr = 0.5);
    cr_op_counts before = counts_of("_fused_adam_");
    ck_assert_msg(!cr_step(adam), "%s", cr_error());
    cr_op_counts after = counts_of("_fused_adam_");
    ck_assert_uint_eq(runs_of(after), runs_of(before) + 1);
    if (!strcmp(cr_default_device(), "cpu") && !getenv("CRESSET_ONLY_PRIMITIVES"))
        ck_assert_uint_eq(after.native, before.native + 1);
    for (int i = 0; i < MANY; i++) /* the first step is lr, whatever the gradient */
        ck_assert_double_eq_tol(cr_item(cr_max(cr_detach(many[i]))), 0.5, 1e-5);
    assert_no_error();
}
END_TEST

START_TEST(clipping_bounds_gradients_as_pytorch_does)
{
    cr_tensors both = fresh();
    differentiate(2);
    double before = sqrt(cr_item(cr_sum(cr_square(cr_grad(params[0])))) +
                         cr_item(cr_sum(cr_square(cr_grad(params[1])))));
    cr_tensor *norm = cr_clip_grad_norm_(both, 1.0);
    ck_assert_double_eq_tol(cr_item(norm), before, 1e-5 * before);
    double after = cr_item(cr_clip_grad_norm_(both, 100.0));
    ck_assert_double_eq_tol(after, before / (before + 1e-6), 1e-5);
    ck_assert_double_eq_tol(cr_item(cr_clip_grad_norm_(both, 100.0)), after, 1e-7);
    double most = cr_item(cr_clip_grad_norm_(both, 0.25, .norm_type = INFINITY));
    ck_assert(most <= 1 && most > 0.1);
    ck_assert_int_eq(cr_clip_grad_value_(both, 0.125), 0);
    for (int i = 0; i < 2; i++)
        ck_assert(cr_item(cr_max(cr_abs(cr_grad(params[i])))) <= 0.125);
    assert_no_error();
    cr_set_grad(params[0], cr_full_like(params[0], INFINITY));
    ck_assert_ptr_null(cr_clip_grad_norm_(both, 1.0, .error_if_nonfinite = true));
    assert_error_has("non-finite");
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
    cr_tensors both = fresh();
    ck_assert_ptr_null(cr_sgd(both));
    assert_error_has("lr");
    ck_assert_ptr_null(cr_sgd(both, .lr = -1));
    assert_error("Invalid learning rate: -1");
    ck_assert_ptr_null(cr_sgd(both, .lr = 1, .nesterov = true));
    assert_error("Nesterov momentum requires a momentum and zero dampening");
    ck_assert_ptr_null(cr_adam(both, .betas = {0.9, 1}));
    assert_error("Invalid beta parameter at index 1: 1");
    ck_assert_ptr_null(cr_rprop(both, .etas = {1.5, 1.2}));
    assert_error("Invalid eta values: 1.5, 1.2");
    ck_assert_ptr_null(cr_adadelta(both, .rho = 2));
    assert_error("Invalid rho value: 2");
    ck_assert_ptr_null(cr_rmsprop(both, .alpha = -1));
    assert_error("Invalid alpha value: -1");
    ck_assert_ptr_null(cr_sparse_adam(both, .lr = CR_ZERO));
    assert_error("Invalid learning rate: 0");
    ck_assert_ptr_null(cr_adam(cr_relu_layer()));
    assert_error("optimizer got an empty parameter list");
    ck_assert_ptr_null(cr_adam(CR_TENSORS(params[0], params[0])));
    assert_error_has("duplicate");
    ck_assert_ptr_null(cr_adam(CR_TENSORS(cr_relu(params[0]))));
    assert_error("can't optimize a non-leaf Tensor");
    ck_assert_int_eq(cr_step((cr_optimizer *)NULL), -1);
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizers");
    TCase *all = tcase_create("optimizers");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, load, finish);
    tcase_add_test(all, sgd_follows_pytorch);
    tcase_add_test(all, adam_and_adamw_follow_pytorch);
    tcase_add_test(all, the_kin_of_adam_follow_pytorch);
    tcase_add_test(all, rmsprop_and_rprop_follow_pytorch);
    tcase_add_test(all, adagrad_adadelta_and_asgd_follow_pytorch);
    tcase_add_test(all, groups_of_every_kind_follow_their_options);
    tcase_add_test(all, groups_have_options_of_their_own);
    tcase_add_test(all, an_optimiser_of_a_module_takes_each_parameter_once);
    tcase_add_test(all, a_training_loop_lowers_the_loss_and_keeps_memory);
    tcase_add_test(all, momentum_without_gradients_decays_to_nothing);
    tcase_add_test(all, many_parameters_step_in_one_operation);
    tcase_add_test(all, clipping_bounds_gradients_as_pytorch_does);
    tcase_add_test(all, options_out_of_range_are_refused);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
