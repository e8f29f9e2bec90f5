/* State dicts: entries, a module's, loading and its errors; the summary; initial values. */
#include "golden.h"

static cr_module *create_net(void)
{
    return cr_sequential("linear1", cr_linear(15, 20), "relu1", cr_relu_layer(), "linear2",
                         cr_linear(20, 15), "relu2", cr_relu_layer(), "linear3", cr_linear(15, 1),
                         "sigmoid", cr_sigmoid_layer());
}

START_TEST(entries_keep_their_order_and_own_what_they_hold)
{
    cr_state_dict *dict = cr_state_dict_new();
    CR_SCOPE {
        double numbers[] = {0.9, 0.999};
        char words[] = "mean";
        cr_value list = {.tag = CR_FLOAT_LIST, .count = 2}, text = {.tag = CR_STRING, .count = 4};
        list.as.floats = numbers;
        text.as.s = words;
        cr_state_dict_set(dict, "z", cr_ones(3));
        cr_state_dict_set_value(dict, "betas", list);
        cr_state_dict_set_value(dict, "reduction", text);
        numbers[0] = 0;
        words[0] = 'x';
    }
    ck_assert_uint_eq(cr_state_dict_count(dict), 3);
    ck_assert_str_eq(cr_state_dict_name(dict, 0), "z");
    ck_assert_double_eq(cr_item(cr_sum(cr_state_dict_get(dict, "z"))), 3);
    ck_assert_double_eq(cr_state_dict_value(dict, "betas")->as.floats[0], 0.9);
    ck_assert_str_eq(cr_state_dict_value(dict, "reduction")->as.s, "mean");
    ck_assert_ptr_null(cr_state_dict_get(dict, "betas"));
    ck_assert_int_eq(cr_state_dict_set(dict, "z", cr_zeros(2)), 0);
    ck_assert_str_eq(cr_state_dict_name(dict, 0), "z");
    ck_assert_int_eq(cr_state_dict_remove(dict, "z"), 0);
    ck_assert_str_eq(cr_state_dict_name(dict, 0), "betas");
    assert_no_error();
    ck_assert_int_eq(cr_state_dict_remove(dict, "z"), -1);
    assert_error("cr_state_dict_remove: there is no entry \"z\"");
    ck_assert_int_eq(cr_state_dict_set(dict, "z", NULL), -1);
    assert_error_has("null");
}
END_TEST

START_TEST(a_modules_dict_has_pytorchs_keys_and_shares_memory)
{
    cr_module *net = cr_sequential(cr_batch_norm1d(2), cr_linear(2, 1));
    char all[256] = "";
    cr_state_dict *dict = cr_module_state_dict(net);
    CR_FOREACH_STATE(s, dict)
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", s.name);
    ck_assert_str_eq(all, "0.weight 0.bias 0.running_mean 0.running_var 0.num_batches_tracked "
                          "1.weight 1.bias ");
    cr_tensor *weight = cr_state_dict_get(dict, "1.weight");
    ck_assert(!cr_requires_grad(weight));
    ck_assert(cr_is_same_storage(weight, cr_get_parameter(net, "1.weight")));
    cr_register_buffer(net, "scratch", cr_zeros(1), false);
    ck_assert_uint_eq(cr_state_dict_count(cr_module_state_dict(net)), 7);
    assert_no_error();
}
END_TEST

START_TEST(loading_copies_values)
{
    cr_module *a = create_net(), *b = create_net();
    cr_tensor *x = cr_randn(CR_INTS(4, 15));
    ck_assert(!cr_equal(cr_forward(a, x), cr_forward(b, x)));
    ck_assert_int_eq(cr_module_load_state_dict(b, cr_module_state_dict(a)), 0);
    ck_assert(cr_equal(cr_forward(a, x), cr_forward(b, x)));
    ck_assert(!cr_is_same_storage(cr_get_parameter(a, "linear1.weight"),
                                  cr_get_parameter(b, "linear1.weight")));
    assert_no_error();
}
END_TEST

START_TEST(loading_lists_all_problems_in_pytorchs_words)
{
    cr_state_dict *dict = cr_state_dict_new();
    cr_state_dict_set(dict, "linear1.weight", cr_zeros(CR_INTS(3, 3)));
    cr_state_dict_set(dict, "foo", cr_zeros(1));
    ck_assert_int_eq(cr_module_load_state_dict(create_net(), dict), -1);
    assert_error(
        "Error(s) in loading state_dict for Sequential:\n"
        "\tMissing key(s) in state_dict: \"linear1.bias\", \"linear2.weight\", "
        "\"linear2.bias\", \"linear3.weight\", \"linear3.bias\". \n"
        "\tUnexpected key(s) in state_dict: \"foo\". \n"
        "\tsize mismatch for linear1.weight: copying a param with shape torch.Size([3, 3]) "
        "from checkpoint, the shape in current model is torch.Size([20, 15]).");
    ck_assert_int_eq(cr_module_load_state_dict(create_net(), dict, .no_strict = true), -1);
    assert_error_has("size mismatch for linear1.weight");
    cr_state_dict_remove(dict, "linear1.weight");
    ck_assert_int_eq(cr_module_load_state_dict(create_net(), dict, .no_strict = true), 0);
    assert_no_error();
}
END_TEST

/* ---- the summary ---- */

static const char *const expected_summary =
    "--------------------------------------------------------------------------\n"
    "Layer (type)                            Output Shape              Param #\n"
    "==========================================================================\n"
    "Linear-1                                    [-1, 20]                  320\n"
    "ReLU-2                                      [-1, 20]                    0\n"
    "Linear-3                                    [-1, 15]                  315\n"
    "ReLU-4                                      [-1, 15]                    0\n"
    "Linear-5                                     [-1, 1]                   16\n"
    "Sigmoid-6                                    [-1, 1]                    0\n"
    "==========================================================================\n"
    "Total params: 651\n"
    "Trainable params: 651\n"
    "Non-trainable params: 0\n"
    "--------------------------------------------------------------------------\n"
    "Input size (MB): 0.000057\n"
    "Forward/backward pass size (MB): 0.000549\n"
    "Params size (MB): 0.002483\n"
    "Estimated Total Size (MB): 0.003090\n"
    "--------------------------------------------------------------------------\n";

START_TEST(the_summary_is_torchkerass_and_leaves_no_trace)
{
    cr_module *net = create_net();
    uint64_t before[2], after[2];
    cr_get_rng_state(before);
    char *text = cr_summary_to_string(net, cr_one_int(15));
    ck_assert_msg(text != NULL, "%s", cr_error());
    ck_assert_str_eq(text, expected_summary);
    cr_free(text);
    cr_get_rng_state(after);
    ck_assert_mem_eq(before, after, sizeof before);
    ck_assert_ptr_null(cr_summary_to_string(net, cr_one_int(14)));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    CR_FOREACH_MODULE(m, net)
    {
        ck_assert(m.module->training);
        ck_assert_int_eq(cr_module_remove_hook(m.module, 1), -1); /* none is left */
        cr_clear_error();
    }
}
END_TEST

START_TEST(a_module_called_twice_is_counted_once)
{
    cr_module *fc = cr_linear(4, 4), *bn = cr_batch_norm1d(4);
    cr_module *net = cr_sequential("a", fc, "b", fc, "c", bn);
    char *text = cr_summary_to_string(net, cr_one_int(4));
    ck_assert_msg(text != NULL, "%s", cr_error());
    ck_assert(
        strstr(text, "Linear-1                                     [-1, 4]                   20"));
    ck_assert(
        strstr(text, "Linear-2                                     [-1, 4]                    0"));
    ck_assert(strstr(text, "Total params: 28\n"));
    cr_free(text);
    ck_assert_int_eq(cr_item_int(cr_get_buffer(bn, "num_batches_tracked")), 0);
    assert_no_error();
}
END_TEST

/* ---- initial values ---- */

static void check_uniform(cr_tensor *t, double bound)
{
    ck_assert_msg(t != NULL, "%s", cr_error());
    double most = cr_item(cr_max(cr_abs(cr_detach(t))));
    ck_assert_msg(most <= bound && most > 0.9 * bound, "at most %g, bound %g", most, bound);
    ck_assert_double_eq_tol(cr_item(cr_std(cr_detach(t))), bound / sqrt(3), 0.1 * bound);
}

static void check_normal(cr_tensor *t, double std)
{
    ck_assert_msg(t != NULL, "%s", cr_error());
    ck_assert_double_eq_tol(cr_item(cr_mean(cr_detach(t))), 0, 0.1 * std);
    ck_assert_double_eq_tol(cr_item(cr_std(cr_detach(t))), std, 0.1 * std);
}

START_TEST(layers_begin_as_in_pytorch)
{
    cr_manual_seed(3);
    cr_module *fc = cr_linear(100, 50), *conv = cr_conv2d(8, 16, 5);
    check_uniform(cr_get_parameter(fc, "weight"), 0.1);
    check_uniform(cr_get_parameter(fc, "bias"), 0.1);
    check_uniform(cr_get_parameter(conv, "weight"), 1 / sqrt(200));
    check_normal(cr_get_parameter(cr_embedding(50, 40), "weight"), 1);
    cr_tensor *padded = cr_get_parameter(cr_embedding(5, 4, .padding_idx = CR_SOME(-1)), "weight");
    ck_assert_double_eq(cr_item(cr_sum(cr_abs(cr_select(cr_detach(padded), 0, 4)))), 0);
    cr_manual_seed(3);
    ck_assert(
        cr_equal(cr_get_parameter(cr_linear(100, 50), "weight"), cr_get_parameter(fc, "weight")));
}
END_TEST

START_TEST(initialisers_draw_what_they_say)
{
    cr_tensor *w = cr_empty(CR_INTS(60, 40));
    cr_manual_seed(5);
    check_uniform(cr_init_xavier_uniform_(w, 1), sqrt(6.0 / 100));
    check_normal(cr_init_xavier_normal_(w, 2), 2 * sqrt(2.0 / 100));
    check_uniform(cr_init_kaiming_uniform_(w, .nonlinearity = "relu"), sqrt(6.0 / 40));
    check_normal(cr_init_kaiming_normal_(w, .mode = CR_FAN_OUT, .nonlinearity = "relu"),
                 sqrt(2.0 / 60));
    cr_init_trunc_normal_(w, 0, 1, -0.5, 0.5);
    ck_assert(cr_item(cr_max(cr_abs(w))) <= 0.5);
    ck_assert_double_eq_tol(cr_item(cr_mean(w)), 0, 0.05);
    cr_init_orthogonal_(w, 2);
    assert_close("orthogonal", cr_mm(cr_t(w), w), cr_mul_scalar(cr_eye(40), 4), 1e-5);
    cr_init_eye_(w);
    ck_assert(cr_equal(w, cr_eye_m(60, 40)));
    cr_tensor *kernel = cr_empty(CR_INTS(4, 2, 3, 3)), *x = cr_randn(CR_INTS(1, 4, 5, 5));
    cr_init_dirac_(kernel, 2);
    assert_close("dirac", cr_f_conv2d(x, kernel, .padding = CR_INTS(1, 1), .groups = CR_SOME(2)), x,
                 1e-6);
    cr_init_sparse_(w, 0.25, 0.1);
    assert_close("zeros of a column", cr_sum_dim(cr_to_dtype(cr_eq_scalar(w, 0), CR_F32), 0),
                 cr_full(cr_tensor_size(w, 1), ceil(0.25 * (double)cr_tensor_size(w, 0))), 0);
    ck_assert_double_eq(cr_init_calculate_gain("tanh", 0), 5.0 / 3);
    assert_no_error();
    ck_assert_ptr_null(cr_init_xavier_uniform_(cr_empty(3), 1));
    assert_error("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
    ck_assert(isnan(cr_init_calculate_gain("sine", 0)));
    assert_error("Unsupported nonlinearity sine");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state dicts");
    TCase *all = tcase_create("state dicts");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, entries_keep_their_order_and_own_what_they_hold);
    tcase_add_test(all, a_modules_dict_has_pytorchs_keys_and_shares_memory);
    tcase_add_test(all, loading_copies_values);
    tcase_add_test(all, loading_lists_all_problems_in_pytorchs_words);
    tcase_add_test(all, the_summary_is_torchkerass_and_leaves_no_trace);
    tcase_add_test(all, a_module_called_twice_is_counted_once);
    tcase_add_test(all, layers_begin_as_in_pytorch);
    tcase_add_test(all, initialisers_draw_what_they_say);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
