/* Printed tensors against PyTorch's own prints (tools/golden/make_print.py). */
#include <check.h>
#include <cresset/cresset.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *golden;

/* What PyTorch prints for an expression, to be freed. */
static char *printed(const char *expression)
{
    char line[256];
    snprintf(line, sizeof line, "### %s\n", expression);
    const char *at = strstr(golden, line);
    ck_assert_msg(at, "no print of %s; run tools/golden/make_print.py", expression);
    at += strlen(line);
    const char *end = strstr(at, "\n###");
    return strndup(at, end ? (size_t)(end - at) : strlen(at) - 1);
}

static void check(const char *expression, cr_tensor *t)
{
    char *wanted = printed(expression), *got = cr_tensor_to_string(t);
    ck_assert_msg(got && !strcmp(got, wanted), "%s\nprints\n%s\nnot\n%s\n%s", expression,
                  got ? got : "nothing", wanted, cr_error() ? cr_error() : "");
    free(wanted);
    cr_free(got);
}

START_TEST(values_print_as_in_pytorch)
{
    check("T.tensor([1., 2., 3.])", cr_tensor_f32(3, 1, 2, 3));
    check("T.tensor([1.5, -2.25, 1000.])", cr_tensor_f32(3, 1.5f, -2.25f, 1000));
    check("T.tensor([1e-8, 1.])", cr_tensor_f32(2, 1e-8f, 1));
    check("T.tensor([1e10, 1.])", cr_tensor_f32(2, 1e10f, 1));
    check("T.tensor([nan, inf, -inf, 1.])", cr_tensor_f32(4, NAN, INFINITY, -INFINITY, 1));
    check("T.tensor([0.0001, 123456.])", cr_tensor_f32(2, 0.0001f, 123456));
    check("T.tensor([1., 10., 100., 1e5])", cr_tensor_f32(4, 1, 10, 100, 1e5f));
    check("T.full((3,), 100000000.)", cr_full(3, 100000000.));
    check("T.arange(30.) * 1000", cr_mul_scalar(cr_arange(30.), 1000));
    check("T.linspace(0, 1, 20)", cr_linspace(0, 1, 20));
    check("T.tensor([True, False])", cr_tensor_bool(2, true, false));
}
END_TEST

START_TEST(dtypes_are_named_unless_they_are_the_default)
{
    check("T.tensor([1, 2], dtype=T.int32)", cr_tensor_i32(2, 1, 2));
    check("T.tensor([1., 2.], dtype=T.float64)", cr_tensor_f64(2, 1, 2));
    check("T.tensor([1., 2.], dtype=T.float16)", cr_to_dtype(cr_tensor_f32(2, 1, 2), CR_F16));
    check("T.tensor([0.1, 2.], dtype=T.bfloat16)", cr_to_dtype(cr_tensor_f32(2, 0.1f, 2), CR_BF16));
    check("T.tensor([-5, 100, 3], dtype=T.int8)", cr_to_dtype(cr_tensor_i64(3, -5, 100, 3), CR_I8));
}
END_TEST

START_TEST(every_rank_has_its_form)
{
    check("T.tensor(3.5)", cr_tensor_f32(CR_EMPTY, 3.5f));
    check("T.tensor(7)", cr_tensor_i64(CR_EMPTY, 7));
    check("T.tensor(True)", cr_tensor_bool(CR_EMPTY, true));
    check("T.tensor([])", cr_zeros(0));
    check("T.zeros(0, 3)", cr_zeros(CR_INTS(0, 3)));
    check("T.zeros(2, 0, dtype=T.int64)", cr_zeros(CR_INTS(2, 0), .dtype = CR_I64));
    check("T.arange(6).view(2, 3)", cr_view(cr_arange(6), CR_INTS(2, 3)));
    check("T.arange(24).view(2, 3, 4)", cr_view(cr_arange(24), CR_INTS(2, 3, 4)));
    check("T.tensor([[1., -1.], [0.5, 100.]]).t()",
          cr_t(cr_tensor_f32(CR_INTS(2, 2), 1, -1, 0.5f, 100)));
    check("T.arange(8).view(2, 2, 2)[:, ::2]",
          cr_slice(cr_view(cr_arange(8), CR_INTS(2, 2, 2)), .dim = 1, .step = CR_SOME(2)));
}
END_TEST

START_TEST(long_ones_are_summarised)
{
    check("T.arange(1200.)", cr_arange(1200.));
    check("T.arange(1600).view(40, 40)", cr_view(cr_arange(1600), CR_INTS(40, 40)));
}
END_TEST

START_TEST(the_graph_shows)
{
    cr_tensor *x = cr_requires_grad_(cr_tensor_f32(2, 1, 2), true);
    check("T.tensor([1., 2.]).requires_grad_() * 2", cr_mul_scalar(x, 2));
    check("(T.tensor([1., 2.]).requires_grad_() * 2).detach()", cr_detach(cr_mul_scalar(x, 2)));
    check("T.tensor([-1., 2.]).requires_grad_()", cr_requires_grad_(cr_tensor_f32(2, -1, 2), true));
    check("T.tensor(3., requires_grad=True)", cr_requires_grad_(cr_tensor_f32(CR_EMPTY, 3), true));
}
END_TEST

START_TEST(options_change_the_print)
{
    cr_set_print_options(&(cr_print_options){.precision = 2, .threshold = 5, .edge_items = 1});
    char *text = cr_tensor_to_string(cr_mul_scalar(cr_arange(9.), 0.125));
    ck_assert_str_eq(text, "tensor([0.,  ..., 1.])");
    cr_free(text);
}
END_TEST

int main(void)
{
    FILE *file = fopen("tests/golden/tensor/printed.txt", "r");
    golden = calloc(1, 1 << 16);
    if (!file || !golden || !fread(golden, 1, (1 << 16) - 1, file))
        return 1;
    fclose(file);
    Suite *suite = suite_create("printing");
    TCase *tests = tcase_create("prints");
    tcase_add_test(tests, values_print_as_in_pytorch);
    tcase_add_test(tests, dtypes_are_named_unless_they_are_the_default);
    tcase_add_test(tests, every_rank_has_its_form);
    tcase_add_test(tests, long_ones_are_summarised);
    tcase_add_test(tests, the_graph_shows);
    tcase_add_test(tests, options_change_the_print);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    free(golden);
    return failed != 0;
}
