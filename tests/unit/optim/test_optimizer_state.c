/* What optimisers keep: saved and loaded, PyTorch's names and values of it, groups, and parameters that change their dtype. */
#include <unistd.h>

#include "optim/trajectory.h"

START_TEST(a_state_dict_resumes_where_it_was_taken)
{
    for (int kind = 0; kind < 3; kind++) {
        const char *names[] = {"sgd_momentum", "adam_late", "adamw_amsgrad"};
#define MAKE(ps)                                           \
    (kind == 0   ? cr_sgd(ps, .lr = 0.02, .momentum = 0.9) \
     : kind == 1 ? cr_adam(ps, .lr = 0.05)                 \
                 : cr_adamw(ps, .lr = 0.05, .weight_decay = 0.2, .amsgrad = true))
        cr_optimizer *first = MAKE(fresh());
        for (int n = 1; n <= 20; n++)
            step(first, kind == 1 && n <= 3 ? 1 : 2);
        cr_state_dict *saved = cr_optimizer_state_dict(first);
        ck_assert_ptr_nonnull(saved);
        cr_optimizer *second = MAKE(cr_make_tensors(params, 2));
        cr_set_lr(second, 123);
        ck_assert_msg(!cr_optimizer_load_state_dict(second, saved), "%s", cr_error());
        for (int n = 21; n <= 50; n++)
            step(second, 2);
        check_at(names[kind], 50);
    }
    assert_no_error();
}
END_TEST

/* Through a file after eight steps, the first three of which had no gradient for one parameter, and at another rate: the same
 * bits as without. */
START_TEST(every_kind_resumes_exactly_from_a_file)
{
    for (int kind = 0; kind < 12; kind++) {
        cr_tensor *expected[2];
        for (int cut = 0; cut < 2; cut++) {
            cr_optimizer *optimizer = make_kind(kind, fresh());
            cr_set_lr(optimizer, 0.03);
            for (int n = 1; n <= 16; n++) {
                step(optimizer, n <= 3 ? 1 : 2);
                if (!cut || n != 8)
                    continue;
                char path[] = "/tmp/cresset-optimizer-XXXXXX";
                int file = mkstemp(path);
                ck_assert_int_ge(file, 0);
                close(file);
                ck_assert_msg(!cr_save(path, cr_optimizer_state_dict(optimizer)), "%s", cr_error());
                optimizer = make_kind(kind, cr_make_tensors(params, 2));
                ck_assert_msg(!cr_optimizer_load_state_dict(optimizer, cr_load(path)), "%s",
                              cr_error());
                unlink(path);
            }
            for (int i = 0; i < 2; i++) {
                if (cut)
                    ck_assert_msg(cr_equal(params[i], expected[i]), "kind %d", kind);
                else
                    expected[i] = cr_clone(cr_detach(params[i]));
            }
        }
    }
    assert_no_error();
}
END_TEST

/* An optimiser that goes on from PyTorch's state after ten steps, which holds tensors for all, its counts among them. */
START_TEST(pytorchs_state_is_gone_on_from)
{
    static const char *const names[12] = {
        "sgd_momentum", "adam_amsgrad", "adamw", NULL,      "adamax",   "nadam",
        "radam",        "rmsprop_both", "rprop", "adagrad", "adadelta", "asgd_options"};
    for (int kind = 0; kind < 12; kind++) {
        const char *name = names[kind];
        char prefix[64];
        if (!name)
            continue;
        snprintf(prefix, sizeof prefix, "%s.at10", name);
        fresh();
        for (int i = 0; i < 2; i++)
            CR_NO_GRAD
                cr_copy_(params[i], cr_tensor_to(value(prefix, i), cr_default_device()));
        cr_tensors both = cr_make_tensors(params, 2);
        cr_optimizer *optimizer =
            kind == 0    ? cr_sgd(both, .lr = 0.02, .momentum = 0.9)
            : kind == 1  ? cr_adam(both, .lr = 0.05, .amsgrad = true)
            : kind == 6  ? cr_radam(both, .lr = 0.05)
            : kind == 7  ? cr_rmsprop(both, .lr = 0.01, .momentum = 0.5, .eps = 1e-3,
                                      .centered = true, .maximize = true)
            : kind == 9  ? cr_adagrad(both, .lr = 0.3)
            : kind == 11 ? cr_asgd(both, .lr = 0.05, .lambd = 0.01, .alpha = 0.6, .t0 = 10,
                                   .weight_decay = 0.1)
            : kind == 5  ? cr_nadam(both)
                         : make_kind(kind, both);
        cr_state_dict *dict = cr_optimizer_state_dict(optimizer);
        int length = snprintf(prefix, sizeof prefix, "%s.", name), entries = 0;
        CR_FOREACH_STATE(s, values)
        if (!strncmp(s.name, prefix, (size_t)length) && !strncmp(s.name + length, "state.", 6)) {
            ck_assert_int_eq(cr_state_dict_set(dict, s.name + length, s.tensor), 0);
            entries++;
        }
        ck_assert_msg(entries >= 2, "%s has %d entries", name, entries);
        ck_assert_msg(!cr_optimizer_load_state_dict(optimizer, dict), "%s: %s", name, cr_error());
        for (int n = 0; n < 10; n++)
            step(optimizer, 2);
        snprintf(prefix, sizeof prefix, "%s.at20", name);
        for (int i = 0; i < 2; i++)
            assert_close(prefix, params[i], value(prefix, i), 2e-5);
    }
    assert_no_error();
}
END_TEST

START_TEST(adagrad_and_asgd_have_pytorchs_state)
{
    cr_optimizer *adagrad = cr_adagrad(fresh(), .initial_accumulator_value = 0.5);
    cr_state_dict *dict = cr_optimizer_state_dict(adagrad); /* before any step */
    ck_assert_double_eq(cr_item(cr_max(cr_state_dict_get(dict, "state.1.sum"))), 0.5);
    ck_assert_double_eq(cr_state_dict_value(dict, "state.0.step")->as.f, 0);
    ck_assert_double_eq(cr_state_dict_value(dict, "param_groups.0.initial_accumulator_value")->as.f,
                        0.5);
    ck_assert_ptr_null(cr_state_dict_value(dict, "param_groups.0.betas"));
    cr_optimizer *asgd = cr_asgd(fresh(), .t0 = 1);
    step(asgd, 2);
    step(asgd, 2);
    step(asgd, 2);
    dict = cr_optimizer_state_dict(asgd);
    ck_assert_double_eq(cr_state_dict_value(dict, "state.0.mu")->as.f, 0.5);
    ck_assert_ptr_nonnull(cr_state_dict_get(dict, "state.0.ax"));
    cr_optimizer *rprop = cr_rprop(fresh());
    step(rprop, 2);
    dict = cr_optimizer_state_dict(rprop);
    ck_assert_double_eq(cr_state_dict_value(dict, "param_groups.0.etas")->as.floats[1], 1.2);
    ck_assert_double_eq(cr_state_dict_value(dict, "param_groups.0.step_sizes")->as.floats[1], 50);
    assert_no_error();
}
END_TEST

static cr_tensor *ones_squared(void *net)
{
    cr_module *linear = net;
    cr_tensor *w = cr_module_tensor(linear, "weight");
    cr_tensor *x = cr_ones(CR_INTS(4, 3), .dtype = cr_tensor_dtype(w));
    cr_module_zero_grad(linear);
    cr_tensor *loss = cr_sum(cr_square(cr_forward(linear, x)));
    cr_backward(loss);
    return loss;
}

/* Two steps in f32, the module to f64, two more: what PyTorch's go on with, to the weight that it has then. */
START_TEST(a_module_may_change_its_dtype_between_steps)
{
    static const struct {
        const char *name;
        double first;
    } expected[] = {{"SGD", -0.005534242},       {"ASGD", 0.050863152},  {"Rprop", 0.046320003},
                    {"SparseAdam", 0.060853418}, {"RAdam", 0.039063834}, {"RMSprop", 0.058064550},
                    {"Adadelta", 0.087549224}};
    for (int i = 0; i < 9; i++) {
        cr_module *net = cr_linear(3, 2);
        CR_NO_GRAD {
            cr_copy_(cr_module_tensor(net, "weight"),
                     on_device(cr_tensor_f32(CR_INTS(2, 3), .1, -.2, .3, .4, -.5, .6)));
            cr_copy_(cr_module_tensor(net, "bias"), on_device(cr_tensor_f32(CR_INTS(2), .05, -.1)));
        }
        cr_optimizer *o = i == 0   ? cr_sgd(net, .lr = .01, .momentum = .9)
                          : i == 1 ? cr_asgd(net, .lr = .01)
                          : i == 2 ? cr_rprop(net, .lr = .01)
                          : i == 3 ? cr_sparse_adam(net, .lr = .01)
                          : i == 4 ? cr_radam(net, .lr = .01)
                          : i == 5 ? cr_rmsprop(net, .lr = .01, .momentum = .5, .centered = true)
                          : i == 6 ? cr_adadelta(net)
                          : i == 7 ? cr_adam(net, .lr = .01)
                                   : cr_lbfgs(net, .lr = .1, .max_iter = 2);
        for (int step = 0; step < 2; step++)
            ck_assert_msg(cr_step_closure(o, ones_squared, net) != NULL, "%s", cr_error());
        cr_module_to(net, .dtype = CR_F64);
        cr_tensor *more = cr_step_closure(o, ones_squared, net);
        if (i == 7) {
            ck_assert_ptr_null(more);
            assert_error_has("Adam: a parameter of float64[2, 3] has exp_avg of float32 since its "
                             "module was moved");
        } else if (i == 8) {
            ck_assert_ptr_null(more);
            assert_error_has("LBFGS: parameters are float64 now, but its history is float32");
        } else {
            ck_assert_msg(more && cr_step_closure(o, ones_squared, net), "%s: %s", expected[i].name,
                          cr_error());
            cr_tensor *w = cr_module_tensor(net, "weight");
            ck_assert_str_eq(cr_dtype_name(cr_tensor_dtype(w)), "float64");
            double first = cr_item(cr_select(cr_select(w, 0, 0), 0, 0));
            ck_assert_msg(fabs(first - expected[i].first) < 2e-6, "%s: %.9f, not %.9f",
                          expected[i].name, first, expected[i].first);
        }
    }
}
END_TEST

START_TEST(a_state_dict_has_pytorchs_names)
{
    cr_optimizer *adam = cr_adam(fresh(), .lr = 0.1);
    ck_assert_ptr_null(cr_state_dict_value(cr_optimizer_state_dict(adam), "state.0.step"));
    step(adam, 1);
    cr_state_dict *dict = cr_optimizer_state_dict(adam);
    static const char *const there[] = {"state.0.step",       "state.0.exp_avg",
                                        "state.0.exp_avg_sq", "param_groups.0.lr",
                                        "param_groups.0.eps", "param_groups.0.amsgrad"};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        ck_assert_msg(cr_state_dict_value(dict, there[i]) != NULL, "%s", there[i]);
    ck_assert_ptr_null(cr_state_dict_value(dict, "state.1.exp_avg"));
    ck_assert_ptr_null(cr_state_dict_value(dict, "param_groups.0.momentum"));
    ck_assert_double_eq(cr_state_dict_value(dict, "param_groups.0.betas")->as.floats[1], 0.999);
    ck_assert_int_eq(cr_state_dict_value(dict, "param_groups.0.params")->as.ints[1], 1);
    ck_assert_double_eq(cr_state_dict_value(dict, "param_groups.0.lr")->as.f, 0.1);
    ck_assert_int_eq(cr_optimizer_load_state_dict(cr_adam(cr_make_tensors(params, 1)), dict), -1);
    assert_error("loaded state dict contains a parameter group that doesn't match the size of "
                 "optimizer's group");
    cr_optimizer *two = cr_adam(cr_make_tensors(params, 1));
    cr_add_param_group(two, cr_make_tensors(params + 1, 1));
    ck_assert_int_eq(cr_optimizer_load_state_dict(two, dict), -1);
    assert_error("loaded state dict has a different number of parameter groups");
}
END_TEST

START_TEST(groups_are_saved_as_pytorch_has_them)
{
    fresh();
    cr_optimizer *adam = cr_adam(cr_make_tensors(params, 1), .lr = 0.05, .amsgrad = true);
    ck_assert_int_eq(cr_add_param_group(adam, cr_make_tensors(params + 1, 1), .lr = 0.01,
                                        .weight_decay = 0.1, .betas = {0.8, 0.9}),
                     0);
    for (int n = 0; n < 10; n++)
        step(adam, 2);
    save_optimizer("adam_groups", adam, params, 2);
    cr_state_dict *dict = cr_optimizer_state_dict(adam);
    ck_assert_int_eq(cr_state_dict_value(dict, "param_groups.1.params")->as.ints[0], 1);
    ck_assert_double_eq(cr_state_dict_value(dict, "param_groups.1.betas")->as.floats[1], 0.9);
    ck_assert_double_eq(cr_state_dict_value(dict, "param_groups.0.lr")->as.f, 0.05);
    ck_assert_ptr_nonnull(cr_state_dict_get(dict, "state.1.max_exp_avg_sq"));
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizer state");
    TCase *all = tcase_create("optimizer state");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, load, finish);
    tcase_add_test(all, a_state_dict_resumes_where_it_was_taken);
    tcase_add_test(all, every_kind_resumes_exactly_from_a_file);
    tcase_add_test(all, pytorchs_state_is_gone_on_from);
    tcase_add_test(all, adagrad_and_asgd_have_pytorchs_state);
    tcase_add_test(all, a_module_may_change_its_dtype_between_steps);
    tcase_add_test(all, a_state_dict_has_pytorchs_names);
    tcase_add_test(all, groups_are_saved_as_pytorch_has_them);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
