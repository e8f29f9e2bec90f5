/* The boxed call: values, keywords, defaults, forms of an operation, and what it says of mistakes. */
#include <check.h>
#include <cresset/cresset.h>
#include <string.h>

static cr_value of(cr_tensor *t)
{
    return (cr_value){.tag = CR_TENSOR, .as.tensor = t};
}
static cr_value integer(int64_t i)
{
    return (cr_value){.tag = CR_INT, .as.i = i};
}
static cr_value real(double f)
{
    return (cr_value){.tag = CR_FLOAT, .as.f = f};
}

static cr_tensor *call(const char *name, const cr_value *args, size_t n, const cr_keyword *kw,
                       size_t nkw)
{
    cr_value out = {0};
    size_t nouts = 0;
    return cr_call(name, args, n, kw, nkw, &out, 1, &nouts) ? NULL : out.as.tensor;
}

/* The call is refused with words that contain these. */
static void refused(const char *name, const cr_value *args, size_t n, const cr_keyword *kw,
                    size_t nkw, const char *words)
{
    ck_assert_ptr_null(call(name, args, n, kw, nkw));
    ck_assert_msg(cr_error() && strstr(cr_error(), words), "%s says \"%s\", not \"%s\"", name,
                  cr_error(), words);
    cr_clear_error();
}

START_TEST(defaults_and_keywords_fill_the_schema)
{
    cr_tensor *x = cr_tensor_f32(3, 1, 2, 3), *y = cr_tensor_f32(3, 10, 20, 30);
    const cr_value args[] = {of(x), of(y)};
    const cr_keyword alpha = {"alpha", real(0.5)};
    ck_assert(cr_equal(call("add", args, 2, NULL, 0), cr_tensor_f32(3, 11, 22, 33)));
    ck_assert(cr_equal(call("add.Tensor", args, 2, &alpha, 1), cr_tensor_f32(3, 6, 12, 18)));
    const cr_keyword named[] = {{"other", of(y)}, {"self", of(x)}};
    ck_assert(cr_equal(call("sub.Tensor", NULL, 0, named, 2), cr_tensor_f32(3, -9, -18, -27)));
    const cr_value scalar[] = {of(x), integer(2)};
    ck_assert(cr_equal(call("mul", scalar, 2, NULL, 0), cr_tensor_f32(3, 2, 4, 6)));
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(a_call_is_differentiable)
{
    cr_tensor *x = cr_requires_grad_(cr_tensor_f32(3, 1, 2, 3), true);
    const cr_value args[] = {of(x)};
    cr_backward(call("sum", (const cr_value[]){of(call("square", args, 1, NULL, 0))}, 1, NULL, 0));
    ck_assert(cr_equal(cr_grad(x), cr_tensor_f32(3, 2, 4, 6)));
}
END_TEST

START_TEST(in_place_and_out_forms_come_from_the_table)
{
    cr_tensor *x = cr_tensor_f32(2, -1, 4), *into = cr_zeros(2);
    cr_tensor *same = call("relu_", (const cr_value[]){of(x)}, 1, NULL, 0);
    ck_assert_ptr_eq(same, x);
    ck_assert(cr_equal(x, cr_tensor_f32(2, 0, 4)));
    const cr_keyword out = {"out", of(into)};
    call("exp.out", (const cr_value[]){of(cr_zeros(2))}, 1, &out, 1);
    ck_assert(cr_equal(into, cr_ones(2)));
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(mistakes_are_named)
{
    cr_tensor *x = cr_tensor_f32(2, 1, 2);
    const cr_value args[] = {of(x), of(x), of(x)};
    const cr_keyword wrong = {"alhpa", real(1)}, again = {"self", of(x)};
    refused("addd", args, 2, NULL, 0, "closest");
    refused("add.Tensr", args, 2, NULL, 0, "add.Tensor");
    refused("relu", NULL, 0, NULL, 0, "self");
    refused("relu", args, 2, NULL, 0, "relu(Tensor self) -> Tensor");
    refused("add.Tensor", args, 2, &wrong, 1, "alhpa");
    refused("add.Tensor", args, 2, &again, 1, "self");
    refused("relu", (const cr_value[]){real(1)}, 1, NULL, 0, "self");
    refused("sum.dim_IntList", (const cr_value[]){of(x), real(0.5)}, 2, NULL, 0, "dim");
}
END_TEST

START_TEST(every_row_can_be_told_of)
{
    size_t n = cr_op_count(), views = 0, derivatives = 0;
    ck_assert_uint_gt(n, 300);
    for (size_t i = 0; i < n; i++) {
        cr_op_info info;
        ck_assert_int_eq(cr_op_describe(i, &info), 0);
        ck_assert_str_eq(info.name, cr_op_name(i));
        ck_assert(!strncmp(info.schema, info.name, strlen(info.name)) &&
                  info.schema[strlen(info.name)] == '(');
        ck_assert_ptr_eq(cr_op_schema(info.name), info.schema);
        ck_assert_ptr_nonnull(cr_op_find(info.name));
        views += info.kind == CR_OP_VIEW;
        derivatives += info.derivative != NULL;
    }
    ck_assert_uint_gt(views, 15);
    ck_assert_uint_gt(derivatives, 100);
    cr_op_info none;
    ck_assert_int_ne(cr_op_describe(n, &none), 0);
    cr_clear_error();
}
END_TEST

START_TEST(hostile_values_are_refused)
{
    cr_tensor *x = cr_tensor_f32(2, 1, 2);
    for (size_t i = 0; i < cr_op_count(); i++) {
        cr_value odd[3] = {of(x), {.tag = 99}, {.tag = CR_INT_LIST, .count = 1000000}};
        cr_op_call(cr_op_find(cr_op_name(i)), odd, 3, NULL, 0, NULL, 0, NULL);
        ck_assert_ptr_nonnull(cr_error());
        cr_clear_error();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("call");
    TCase *tests = tcase_create("call");
    tcase_add_test(tests, defaults_and_keywords_fill_the_schema);
    tcase_add_test(tests, a_call_is_differentiable);
    tcase_add_test(tests, in_place_and_out_forms_come_from_the_table);
    tcase_add_test(tests, mistakes_are_named);
    tcase_add_test(tests, every_row_can_be_told_of);
    tcase_add_test(tests, hostile_values_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
