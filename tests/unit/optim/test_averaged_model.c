/* Averaged models: means and exponential means of weights, buffers, functions of one's own, state; batch norm statistics. */
#include "nn/golden.h"

static cr_module *make(void)
{
    return cr_sequential("fc", cr_linear(3, 2), "bn", cr_batch_norm1d(2));
}

static double weight_of(cr_module *net)
{
    double value = 0;
    CR_SCOPE
        value = cr_item(cr_select(cr_flatten(cr_detach(cr_get_parameter(net, "fc.weight"))), 0, 0));
    return value;
}

static void set(cr_module *net, double to)
{
    CR_NO_GRAD {
        CR_FOREACH_PARAMETER (p, net)
            cr_fill_scalar_(p.tensor, to);
        CR_FOREACH_BUFFER(b, net)
        cr_fill_scalar_(b.tensor, to);
    }
}

static double buffer_of(cr_module *net, const char *name)
{
    return cr_item(cr_sum(cr_to_dtype(cr_state_dict_get(cr_module_state_dict(net), name), CR_F64)));
}

START_TEST(parameters_are_averaged_and_buffers_where_asked)
{
    for (int buffers = 0; buffers < 2; buffers++) {
        cr_module *net = make();
        cr_averaged_model *swa = cr_averaged_model_new(make(), net, .use_buffers = buffers);
        ck_assert_double_eq(weight_of(cr_averaged_module(swa)), weight_of(net));
        for (int n = 1; n <= 5; n++) {
            set(net, n * n);
            ck_assert_msg(!cr_averaged_update(swa, net), "%s", cr_error());
        }
        ck_assert_int_eq(cr_averaged_count(swa), 5);
        cr_module *mean = cr_averaged_module(swa);
        ck_assert_double_eq_tol(weight_of(mean), 11, 1e-5);
        ck_assert_double_eq_tol(buffer_of(mean, "bn.running_mean"), buffers ? 22 : 0, 1e-5);
        ck_assert_double_eq(buffer_of(mean, "bn.num_batches_tracked"), buffers ? 25 : 0);
        ck_assert_double_eq(weight_of(net), 25);
    }
    assert_no_error();
}
END_TEST

START_TEST(exponential_averages_forget)
{
    cr_module *net = make();
    cr_averaged_model *ema = cr_averaged_model_new(make(), net, .ema_decay = 0.75);
    double expected = 0;
    for (int n = 0; n < 6; n++) {
        set(net, n + 1);
        ck_assert_int_eq(cr_averaged_update(ema, net), 0);
        expected = n ? 0.75 * expected + 0.25 * (n + 1) : 1;
    }
    ck_assert_double_eq_tol(weight_of(cr_averaged_module(ema)), expected, 1e-5);
    assert_no_error();
    ck_assert_ptr_null(cr_averaged_model_new(make(), net, .ema_decay = 1));
    assert_error_has("ema_decay");
}
END_TEST

static cr_tensor *largest(void *context, cr_tensor *averaged, cr_tensor *current, int64_t n)
{
    *(int64_t *)context += n;
    return cr_maximum(averaged, current);
}

START_TEST(averages_by_a_function)
{
    int64_t sum = 0;
    cr_module *net = make();
    cr_averaged_model *top =
        cr_averaged_model_new(make(), net, .avg_fn = largest, .avg_context = &sum);
    const double values[4] = {1, 7, 3, 5};
    for (int n = 0; n < 4; n++) {
        set(net, values[n]);
        ck_assert_int_eq(cr_averaged_update(top, net), 0);
    }
    ck_assert_double_eq(weight_of(cr_averaged_module(top)), 7);
    ck_assert_int_eq(sum, 4 * (1 + 2 + 3)); /* for each of four parameters */
    assert_no_error();
}
END_TEST

START_TEST(a_state_dict_goes_on)
{
    cr_module *net = make();
    cr_averaged_model *swa = cr_averaged_model_new(make(), net);
    for (int n = 1; n <= 3; n++) {
        set(net, n);
        cr_averaged_update(swa, net);
    }
    cr_state_dict *dict = cr_averaged_state_dict(swa);
    ck_assert_int_eq(cr_item_int(cr_state_dict_get(dict, "n_averaged")), 3);
    ck_assert_ptr_nonnull(cr_state_dict_get(dict, "module.fc.weight"));
    cr_averaged_model *other = cr_averaged_model_new(make(), net);
    ck_assert_msg(!cr_averaged_load_state_dict(other, dict), "%s", cr_error());
    set(net, 6);
    cr_averaged_update(other, net);
    ck_assert_double_eq_tol(weight_of(cr_averaged_module(other)), 3, 1e-6);
    ck_assert_int_eq(cr_averaged_count(other), 4);
    assert_no_error();
    ck_assert_int_eq(cr_averaged_load_state_dict(other, cr_module_state_dict(net)), -1);
    assert_error("the state dict has no n_averaged");
    ck_assert_ptr_null(cr_averaged_model_new(cr_linear(3, 2), net));
    assert_error_has("the same parameters");
    ck_assert_int_eq(
        cr_averaged_update(other, cr_sequential("fc", cr_linear(4, 2), "bn", cr_batch_norm1d(2))),
        -1);
    assert_error_has("fc.weight");
}
END_TEST

START_TEST(batch_norm_statistics_are_computed_anew)
{
    cr_module *net = cr_sequential("bn", cr_batch_norm1d(2, .momentum = 0.3));
    cr_manual_seed(3);
    cr_tensor *x = cr_randn(CR_INTS(24, 2));
    cr_loader *loader = cr_data_loader(cr_tensor_dataset(x, x), .batch_size = 8);
    cr_eval(net);
    set(net, 9);
    ck_assert_msg(!cr_update_bn(loader, net, NULL), "%s", cr_error());
    ck_assert(!net->training);
    cr_state_dict *dict = cr_module_state_dict(net);
    assert_close("mean", cr_state_dict_get(dict, "bn.running_mean"), cr_mean_dim(x, CR_INTS(0)),
                 1e-5);
    cr_tensor *var =
        cr_mean_dim(cr_var_dim(cr_reshape(x, CR_INTS(3, 8, 2)), CR_INTS(1)), CR_INTS(0));
    assert_close("var", cr_state_dict_get(dict, "bn.running_var"), var, 1e-5);
    ck_assert_int_eq(cr_item_int(cr_state_dict_get(dict, "bn.num_batches_tracked")), 3);
    cr_train(net); /* the momentum is back */
    cr_forward(net, cr_full(CR_INTS(4, 2), 100.0));
    assert_close("after", cr_state_dict_get(dict, "bn.running_mean"),
                 cr_add_scalar(cr_mul_scalar(cr_mean_dim(x, CR_INTS(0)), 0.7), 30), 1e-5);
    ck_assert_int_eq(cr_update_bn(loader, cr_linear(2, 2), NULL), 0);
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("averaged_model");
    TCase *all = tcase_create("averaged_model");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, parameters_are_averaged_and_buffers_where_asked);
    tcase_add_test(all, exponential_averages_forget);
    tcase_add_test(all, averages_by_a_function);
    tcase_add_test(all, a_state_dict_goes_on);
    tcase_add_test(all, batch_norm_statistics_are_computed_anew);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
