/* Optimisers: 50 steps as PyTorch takes them, groups, saving and loading, clipping, errors. */
#include <unistd.h>

#include "nn/golden.h"

static cr_state_dict *values;
static cr_tensor *start[2], *target[2], *scale[2], *params[2];

static cr_tensor *value(const char *prefix, int i)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%d", prefix, i);
    cr_tensor *t = cr_state_dict_get(values, name);
    ck_assert_msg(t != NULL, "no golden value %s", name);
    return t;
}

static void load(void)
{
    values = cr_load("tests/golden/optim/trajectories.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
    for (int i = 0; i < 2; i++) {
        start[i] = cr_tensor_to(value("start", i), cr_default_device());
        target[i] = cr_tensor_to(value("target", i), cr_default_device());
        scale[i] = cr_tensor_to(value("scale", i), cr_default_device());
    }
}

static cr_tensors fresh(void)
{
    for (int i = 0; i < 2; i++)
        params[i] = cr_requires_grad_(cr_clone(start[i]), 1);
    return cr_make_tensors(params, 2);
}

/* Gradients of the sum of (p - target)² scale over the first `used` parameters. */
static void differentiate(int used)
{
    for (int i = 0; i < used; i++)
        CR_SCOPE {
            cr_tensor *away = cr_square(cr_sub(params[i], target[i]));
            ck_assert_int_eq(cr_backward(cr_sum(cr_mul(away, scale[i]))), 0);
        }
}

static void step(cr_optimizer *optimizer, int used)
{
    ck_assert_int_eq(cr_zero_grad(optimizer), 0);
    differentiate(used);
    ck_assert_msg(!cr_step(optimizer), "%s", cr_error());
}

static void check_at(const char *name, int steps)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.%d", name, steps);
    for (int i = 0; i < 2; i++)
        assert_close(prefix, params[i], value(prefix, i), 2e-5);
}

static void check_trajectory(const char *name, cr_optimizer *optimizer, bool late)
{
    ck_assert_msg(optimizer != NULL, "%s: %s", name, cr_error());
    for (int n = 1; n <= 50; n++) {
        step(optimizer, late && n <= 3 ? 1 : 2);
        if (n == 1 || n == 2 || n == 5 || n == 50)
            check_at(name, n);
        if (n == 10)
            save_optimizer(name, optimizer, params, 2);
    }
    assert_no_error();
}

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

/* Each kind, with options that use all its states. */
static cr_optimizer *make_kind(int kind, cr_tensors ps)
{
    switch (kind) {
    case 0: return cr_sgd(ps, .lr = 0.02, .momentum = 0.9, .nesterov = true);
    case 1: return cr_adam(ps, .amsgrad = true);
    case 2: return cr_adamw(ps, .lr = 0.05);
    case 3: return cr_sparse_adam(ps, .lr = 0.05);
    case 4: return cr_adamax(ps);
    case 5: return cr_nadam(ps);
    case 6: return cr_radam(ps, .lr = 0.05);
    case 7: return cr_rmsprop(ps, .momentum = 0.5, .centered = true, .eps = 1e-3);
    case 8: return cr_rprop(ps);
    case 9: return cr_adagrad(ps, .initial_accumulator_value = 0.1, .lr_decay = 0.1);
    case 10: return cr_adadelta(ps);
    default: return cr_asgd(ps, .t0 = 5, .lambd = 0.1);
    }
}

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
    tcase_add_test(all, a_state_dict_resumes_where_it_was_taken);
    tcase_add_test(all, every_kind_resumes_exactly_from_a_file);
    tcase_add_test(all, pytorchs_state_is_gone_on_from);
    tcase_add_test(all, groups_of_every_kind_follow_their_options);
    tcase_add_test(all, adagrad_and_asgd_have_pytorchs_state);
    tcase_add_test(all, a_module_may_change_its_dtype_between_steps);
    tcase_add_test(all, a_state_dict_has_pytorchs_names);
    tcase_add_test(all, groups_have_options_of_their_own);
    tcase_add_test(all, groups_are_saved_as_pytorch_has_them);
    tcase_add_test(all, an_optimiser_of_a_module_takes_each_parameter_once);
    tcase_add_test(all, a_training_loop_lowers_the_loss_and_keeps_memory);
    tcase_add_test(all, momentum_without_gradients_decays_to_nothing);
    tcase_add_test(all, many_parameters_step_in_one_operation);
    tcase_add_test(all, clipping_bounds_gradients_as_pytorch_does);
    tcase_add_test(all, options_out_of_range_are_refused);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
