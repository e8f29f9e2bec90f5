/* Deep copies, weight_norm and spectral_norm taken back (their values are among modules.def), parameters as one vector. */
#include "golden.h"

static cr_tensor *input(void)
{
    return cr_randn(CR_INTS(3, 4));
}

START_TEST(a_deep_copy_is_alike_and_independent)
{
    cr_module *fc = cr_linear(4, 4);
    cr_module *net = cr_sequential("a", fc, "norm", cr_batch_norm1d(4), "again", fc, "tail",
                                   cr_sequential(cr_dropout(0.5), cr_linear(4, 2)));
    cr_module_requires_grad_(cr_module_child(net, "norm"), false);
    cr_eval(cr_module_child(net, "tail"));
    cr_register_buffer(net, "passing", cr_ones(2), false);
    cr_backward(cr_sum(cr_forward(net, input())));
    cr_module *copy = cr_module_copy(net);
    ck_assert_msg(copy != NULL, "%s", cr_error());
    char *a = cr_module_to_string(net), *b = cr_module_to_string(copy);
    ck_assert_str_eq(a, b);
    cr_free(a);
    cr_free(b);
    ck_assert_ptr_eq(cr_module_child(copy, "a"), cr_module_child(copy, "again"));
    ck_assert_ptr_ne(cr_module_child(copy, "a"), fc);
    ck_assert(cr_module_child(copy, "norm")->training);
    ck_assert(!cr_get_submodule(copy, "tail.0")->training);
    ck_assert(!cr_requires_grad(cr_get_parameter(copy, "norm.weight")));
    ck_assert_ptr_null(cr_grad(cr_get_parameter(copy, "a.weight")));
    ck_assert_ptr_nonnull(cr_get_buffer(copy, "passing"));
    ck_assert_ptr_null(cr_state_dict_get(cr_module_state_dict(copy), "passing"));
    cr_eval(net);
    cr_eval(copy);
    cr_tensor *x = input(), *before = cr_forward(net, x);
    assert_close("copy", cr_forward(copy, x), before, 0);
    CR_NO_GRAD
        CR_FOREACH_PARAMETER (p, net)
            cr_add_scalar_(p.tensor, 1);
    assert_close("independent", cr_forward(copy, x), before, 0);
    assert_no_error();
}
END_TEST

START_TEST(every_kind_of_layer_is_copied_with_its_members)
{
    cr_tensor *x = cr_randn(CR_INTS(5, 2, 8));
    cr_module *of[] = {cr_lstm(8, 3, 2, .bidirectional = true),
                       cr_multihead_attention(8, 2),
                       cr_transformer_encoder(cr_transformer_encoder_layer(8, 2, 12, CR_ZERO), 2),
                       cr_rearrange_layer("a b c -> (a b) c"),
                       cr_weight_norm(cr_linear(8, 3)),
                       cr_weight_norm(cr_gru(8, 3), "weight_hh_l0")};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        cr_tensor *in[] = {x, x, x};
        size_t n = i == 1 ? 3 : 1;
        cr_module *copy = NULL;
        cr_tensor *expected = cr_forward_with(of[i], in, n);
        ck_assert_msg(expected != NULL, "%s", cr_error());
        CR_SCOPE
            copy = cr_module_retain(cr_module_copy(of[i]));
        ck_assert_msg(copy != NULL, "%s", cr_error());
        CR_NO_GRAD
            CR_FOREACH_PARAMETER (p, of[i])
                cr_zero_(p.tensor);
        assert_close(copy->type->name, cr_forward_with(copy, in, n), expected, 1e-6);
        cr_module_release(copy);
    }
    assert_no_error();
}
END_TEST

static void free_nothing(cr_module *module)
{
    (void)module;
}
static const cr_module_type owner_type = {
    .name = "Owner", .size = sizeof(cr_module), .destroy = free_nothing};

START_TEST(what_owns_memory_is_not_copied_blindly)
{
    ck_assert_ptr_null(
        cr_module_copy(cr_sequential(cr_linear(2, 2), cr_module_new(&owner_type, NULL))));
    assert_error_has("a Owner can't be copied");
    ck_assert_ptr_null(cr_module_copy(NULL));
    assert_error("cr_module_copy: the module is null");
}
END_TEST

START_TEST(norms_are_taken_back)
{
    cr_tensor *x = input();
    cr_module *fc = cr_linear(4, 3);
    cr_tensor *plain = cr_forward(fc, x);
    ck_assert_ptr_eq(cr_weight_norm(fc), fc);
    assert_close("weight_norm", cr_forward(fc, x), plain, 1e-5);
    ck_assert_ptr_nonnull(cr_get_parameter(fc, "weight_g"));
    ck_assert_ptr_null(cr_weight_norm(fc));
    assert_error("Cannot register two weight_norm hooks on the same parameter weight");
    ck_assert_ptr_eq(cr_remove_weight_norm(fc, NULL), fc);
    assert_close("taken back", cr_forward(fc, x), plain, 1e-5);
    ck_assert_ptr_nonnull(cr_get_parameter(fc, "weight"));
    ck_assert_ptr_null(cr_module_tensor(fc, "weight_v"));
    ck_assert_ptr_null(cr_remove_weight_norm(fc, NULL));
    assert_error("weight_norm of 'weight' not found in Linear");
    ck_assert_ptr_eq(cr_spectral_norm(fc, .n_power_iterations = 50), fc);
    cr_forward(fc, x);
    cr_tensor *y = cr_forward(cr_eval(fc), x);
    ck_assert_ptr_eq(cr_remove_spectral_norm(fc, "weight"), fc);
    assert_close("spectral", cr_forward(fc, x), y, 1e-5);
    cr_tensor *values = cr_linalg_svdvals(cr_detach(cr_get_parameter(fc, "weight")));
    ck_assert_double_eq_tol(cr_item(cr_max(values)), 1, 1e-3);
    ck_assert_ptr_null(cr_weight_norm(fc, "weigth"));
    assert_error("weight_norm: Linear has no parameter `weigth`");
    ck_assert_ptr_null(cr_spectral_norm(fc, .dim = CR_SOME(2)));
    assert_error_has("dim 2 is out of range for a parameter of rank 2");
    assert_no_error();
}
END_TEST

START_TEST(parameters_become_a_vector_and_come_back)
{
    cr_module *net = cr_sequential(cr_linear(2, 3), cr_linear(3, 1));
    cr_tensor *vector = cr_parameters_to_vector(net);
    ck_assert_int_eq(cr_tensor_numel(vector), 13);
    ck_assert_int_eq(cr_backward(cr_sum(vector)), 0);
    assert_close("gradient", cr_grad(cr_get_parameter(net, "1.bias")), cr_ones(1), 0);
    ck_assert_int_eq(cr_vector_to_parameters(cr_arange(13, .dtype = CR_F32), net), 0);
    cr_tensor *weight = cr_get_parameter(net, "1.weight");
    assert_close("part", weight, cr_tensor_f32(CR_INTS(1, 3), 9, 10, 11), 0);
    ck_assert(cr_requires_grad(weight) && cr_is_leaf(weight));
    assert_no_error();
    ck_assert_int_eq(cr_vector_to_parameters(cr_zeros(12), net), -1);
    assert_error("cr_vector_to_parameters: expected a vector of 13 elements, got sizes [12]");
    ck_assert_ptr_null(cr_parameters_to_vector(cr_relu_layer()));
    assert_error("cr_parameters_to_vector: got an empty parameter list");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parametrize");
    TCase *all = tcase_create("parametrize");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, a_deep_copy_is_alike_and_independent);
    tcase_add_test(all, every_kind_of_layer_is_copied_with_its_members);
    tcase_add_test(all, what_owns_memory_is_not_copied_blindly);
    tcase_add_test(all, norms_are_taken_back);
    tcase_add_test(all, parameters_become_a_vector_and_come_back);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
