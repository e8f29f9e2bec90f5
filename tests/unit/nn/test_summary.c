/* The summary's table: what is counted, and what is put back. */
#include <check.h>
#include <cresset/cresset.h>
#include <string.h>

CR_MODULE(Twice, fc, act);
CR_FORWARD(Twice, x)
{
    return cr_forward(self->fc, cr_forward(self->act, cr_forward(self->fc, x)));
}

CR_MODULE(Two, left, right);
CR_FORWARD(Two, x, y)
{
    return cr_add(cr_forward(self->left, x), cr_forward(self->right, y));
}

static void has(const char *text, const char *part)
{
    ck_assert_msg(text && strstr(text, part), "no \"%s\" in\n%s", part, text ? text : cr_error());
}

START_TEST(a_module_called_twice_counts_once)
{
    char *text = cr_summary_to_string(CR_NEW(Twice, .fc = cr_linear(4, 4), .act = cr_relu_layer()),
                                      cr_one_int(4));
    has(text, "Linear-1                                     [-1, 4]                   20\n");
    has(text, "Linear-3                                     [-1, 4]                    0\n");
    has(text, "Total params: 20\n");
    cr_free(text);
}
END_TEST

START_TEST(frozen_parameters_are_not_trainable)
{
    cr_module *net = cr_sequential(cr_linear(4, 3), cr_linear(3, 2));
    cr_module_requires_grad_(cr_module_at(net, 0), false);
    char *text = cr_summary_to_string(net, cr_one_int(4));
    has(text, "Total params: 23\nTrainable params: 8\nNon-trainable params: 15\n");
    cr_free(text);
}
END_TEST

START_TEST(several_inputs)
{
    cr_module *net = CR_NEW(Two, .left = cr_linear(4, 2), .right = cr_linear(3, 2));
    char *text = cr_summary_inputs_to_string(
        net, CR_TENSORS(cr_ones(CR_INTS(2, 4)), cr_ones(CR_INTS(2, 3))));
    has(text, "Linear-2 ");
    has(text, "Input size (MB): 0.000027\n"); /* seven floats */
    cr_free(text);
}
END_TEST

START_TEST(a_failure_leaves_no_trace)
{
    cr_module *net = cr_sequential(cr_linear(4, 3), cr_linear(5, 2));
    cr_eval(cr_module_at(net, 0));
    uint64_t before[2], after[2];
    cr_get_rng_state(before);
    ck_assert_ptr_null(cr_summary_to_string(net, cr_one_int(4)));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    cr_get_rng_state(after);
    ck_assert_mem_eq(before, after, sizeof before);
    ck_assert(!cr_module_at(net, 0)->training && cr_module_at(net, 1)->training);
    /* a hook left behind would write to a summary that is gone, and a first handle would be taken */
    int64_t handle = cr_register_forward_hook(cr_module_at(net, 0), NULL, NULL);
    ck_assert(handle == 0 || !cr_module_remove_hook(cr_module_at(net, 0), handle));
    cr_clear_error();
    ck_assert_ptr_nonnull(cr_forward(cr_module_at(net, 0), cr_ones(CR_INTS(1, 4))));
}
END_TEST

START_TEST(the_models_device_and_dtype_are_used)
{
    cr_module *net = cr_sequential(cr_linear(4, 3, .dtype = CR_F64, .device = "cpu"));
    char *text = cr_summary_to_string(net, cr_one_int(4));
    has(text, "Total params: 15\n");
    cr_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("summary");
    TCase *tests = tcase_create("summary");
    tcase_add_test(tests, a_module_called_twice_counts_once);
    tcase_add_test(tests, frozen_parameters_are_not_trainable);
    tcase_add_test(tests, several_inputs);
    tcase_add_test(tests, a_failure_leaves_no_trace);
    tcase_add_test(tests, the_models_device_and_dtype_are_used);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
