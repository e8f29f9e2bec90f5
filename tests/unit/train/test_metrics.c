/* Metrics beside what scikit-learn says of the same numbers, in one batch and in several. */
#include <check.h>
#include <cresset/cresset.h>
#include <math.h>
#include <string.h>

/* ten samples, three classes */
static cr_tensor *scores(void)
{
    /* clang-format off */
    return cr_tensor_f32(CR_INTS(10, 3), 2, 1, 0,  0, 3, 1,  0, 1, 5,  4, 3, 2,  1, 2, 0,
                                         0, 1, 2,  3, 2, 9,  7, 1, 1,  0, 5, 1,  2, 1, 0);
    /* clang-format on */
}
static cr_tensor *classes(void)
{
    return cr_tensor_i64(10, 0, 1, 2, 1, 1, 0, 2, 0, 1, 2);
}

static void whole_and_in_parts(cr_metric *m, cr_tensor *prediction, cr_tensor *target,
                               double expected)
{
    ck_assert(isnan(cr_metric_compute(m)));
    ck_assert_int_eq(cr_metric_update(m, prediction, target), 0);
    ck_assert_double_eq_tol(cr_metric_compute(m), expected, 1e-12);
    cr_metric_reset(m);
    for (int64_t i = 0; i < 10; i += 5)
        ck_assert_int_eq(
            cr_metric_update(m, cr_narrow(prediction, 0, i, 5), cr_narrow(target, 0, i, 5)), 0);
    ck_assert_double_eq_tol(cr_metric_compute(m), expected, 1e-12);
}

START_TEST(of_three_classes)
{
    /* confusion: class 0: 2 right of 3; class 1: 3 of 4; class 2: 2 of 3; predicted 4, 3, 3 */
    whole_and_in_parts(cr_accuracy(), scores(), classes(), 0.7);
    whole_and_in_parts(cr_precision(), scores(), classes(), (2.0 / 4 + 1 + 2.0 / 3) / 3);
    whole_and_in_parts(cr_recall(), scores(), classes(), (2.0 / 3 + 3.0 / 4 + 2.0 / 3) / 3);
    whole_and_in_parts(cr_f1_score(), scores(), classes(), (4.0 / 7 + 6.0 / 7 + 4.0 / 6) / 3);
    whole_and_in_parts(cr_f1_score(.average = CR_AVERAGE_MICRO), scores(), classes(), 0.7);
    whole_and_in_parts(cr_iou(), scores(), classes(), (2.0 / 5 + 3.0 / 4 + 2.0 / 4) / 3);
}
END_TEST

START_TEST(of_two_classes)
{
    cr_tensor *p = cr_tensor_f32(CR_INTS(10, 1), .1, .4, .35, .8, .5, .9, .2, .6, .6, .7);
    cr_tensor *t = cr_tensor_f32(10, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1);
    whole_and_in_parts(cr_accuracy(), p, t, 0.8);
    whole_and_in_parts(cr_precision(), p, t, 4.0 / 5);
    whole_and_in_parts(cr_recall(), p, t, 4.0 / 5);
    whole_and_in_parts(cr_recall(.threshold = 0.65), p, t, 3.0 / 5);
    whole_and_in_parts(cr_auc(), p, t, 21.5 / 25); /* .35 loses to .4, .5, .6; .6 ties once */
    cr_tensor *logits = cr_log(cr_div(p, cr_sub(cr_ones_like(p), p)));
    whole_and_in_parts(cr_precision(.from_logits = true), logits, t, 4.0 / 5);
    whole_and_in_parts(cr_auc(), cr_cat(CR_TENSORS(cr_zeros_like(p), p), .dim = 1), t, 21.5 / 25);
}
END_TEST

START_TEST(of_numbers)
{
    cr_tensor *p = cr_tensor_f32(CR_INTS(10, 1), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    cr_tensor *t = cr_tensor_f32(10, 1, 1, 2, 3, 4, 5, 6, 7, 8, 7);
    whole_and_in_parts(cr_mean_absolute_error(), p, t, 0.3);
    whole_and_in_parts(cr_mean_squared_error(), p, t, 0.5);
    ck_assert_str_eq(cr_metric_name(cr_mean_squared_error(.name = "loss")), "loss");
}
END_TEST

START_TEST(mistakes_are_named)
{
    ck_assert_int_ne(cr_metric_update(cr_accuracy(), scores(), cr_arange(4)), 0);
    ck_assert_ptr_nonnull(
        strstr(cr_error(), "accuracy: a prediction [10, 3] doesn't fit a target [4]"));
    cr_clear_error();
    ck_assert_int_ne(cr_metric_update(cr_accuracy(), scores(), cr_sub_scalar(classes(), 1)), 0);
    ck_assert_ptr_nonnull(strstr(cr_error(), "class -1"));
    cr_clear_error();
    ck_assert_int_ne(cr_metric_update(cr_auc(), scores(), classes()), 0);
    cr_clear_error();
    ck_assert(isnan(cr_metric_compute(cr_auc())));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tests = tcase_create("metrics");
    tcase_add_test(tests, of_three_classes);
    tcase_add_test(tests, of_two_classes);
    tcase_add_test(tests, of_numbers);
    tcase_add_test(tests, mistakes_are_named);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
