/* Views share memory, write through, and keep the graph; and what they refuse. */
#include <check.h>
#include <cresset/cresset.h>
#include <math.h>
#include <string.h>

static cr_tensor *grid(void)
{
    return cr_view(cr_arange(24), CR_INTS(2, 3, 4));
}

START_TEST(views_share_memory)
{
    cr_tensor *x = grid();
    cr_tensor *views[] = {cr_view(x, CR_INTS(6, 4)),
                          cr_reshape(x, CR_INTS(-1)),
                          cr_permute(x, CR_INTS(2, 0, 1)),
                          cr_transpose(x, 0, 2),
                          cr_expand(cr_unsqueeze(x, 0), CR_INTS(5, 2, 3, 4)),
                          cr_slice(x, .dim = 2, .start = CR_SOME(1), .step = CR_SOME(2)),
                          cr_select(x, 1, 2),
                          cr_unfold(x, 2, 2, 1),
                          cr_as_strided(x, CR_INTS(3, 3), CR_INTS(8, 1)),
                          cr_narrow(x, 1, 1, 2),
                          cr_squeeze(cr_narrow(x, 0, 0, 1)),
                          cr_flatten(x),
                          cr_diagonal(x),
                          cr_detach(x)};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        ck_assert_msg(views[i] && cr_is_same_storage(views[i], x),
                      "view %zu has memory of its own (%s)", i, cr_error());
        ck_assert_int_eq(cr_tensor_version(views[i]), cr_tensor_version(x));
    }
    ck_assert(!cr_is_same_storage(cr_reshape(cr_t(cr_view(x, CR_INTS(6, 4))), CR_INTS(-1)), x));
    ck_assert(!cr_is_same_storage(cr_contiguous(cr_t(cr_view(x, CR_INTS(6, 4)))), x));
    ck_assert(cr_is_same_storage(cr_contiguous(x), x));
}
END_TEST

START_TEST(writes_go_through)
{
    cr_tensor *x = cr_zeros(CR_INTS(3, 4));
    int64_t before = cr_tensor_version(x);
    cr_fill_scalar_(cr_select(cr_t(x), 0, 1), 7);
    cr_add_scalar_(cr_slice(x, .dim = 0, .start = CR_SOME(1)), 1);
    cr_copy_(cr_select(x, 0, 0), cr_arange(4.));
    ck_assert(cr_equal(x, cr_tensor_f32(CR_INTS(3, 4), 0, 1, 2, 3, 1, 8, 1, 1, 1, 8, 1, 1)));
    ck_assert_int_eq(cr_tensor_version(x), before + 3);
}
END_TEST

START_TEST(gradients_pass_through_writes_into_views)
{
    cr_tensor *a = cr_requires_grad_(cr_tensor_f32(3, 1, 2, 3), true);
    cr_tensor *x = cr_mul_scalar(a, 2);
    cr_mul_scalar_(cr_slice(x, .dim = 0, .end = CR_SOME(2)), 10);
    cr_backward(cr_sum(cr_mul(x, x)));
    ck_assert(cr_equal(cr_grad(a), cr_tensor_f32(3, 800, 1600, 24)));
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(shared_memory_is_the_callers)
{
    float numbers[6] = {1, 2, 3, 4, 5, 6};
    static const int64_t sizes[] = {2, 3}, turned[] = {3, 2}, strides[] = {1, 3};
    cr_tensor *t = cr_tensor_from_memory(numbers, sizeof numbers, CR_F32, 2, sizes, NULL, 0);
    cr_tensor *u = cr_tensor_from_memory(numbers, sizeof numbers, CR_F32, 2, turned, strides, 0);
    cr_tensor *copy = cr_tensor_copy_from(numbers, CR_F32, 2, sizes, NULL);
    numbers[4] = 50;
    cr_mul_scalar_(cr_select(t, 0, 0), 2);
    ck_assert_float_eq(numbers[0], 2);
    ck_assert(cr_equal(u, cr_t(t)));
    ck_assert_double_eq(cr_item(cr_select(cr_select(t, 0, 1), 0, 1)), 50);
    ck_assert_double_eq(cr_item(cr_sum(copy)), 21);
    ck_assert_ptr_null(
        cr_tensor_from_memory(numbers, sizeof numbers - 1, CR_F32, 2, sizes, NULL, 0));
    cr_clear_error();
    ck_assert_ptr_null(cr_tensor_from_memory(numbers, sizeof numbers, CR_F32, 2, sizes, NULL, 1));
    cr_clear_error();
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    cr_tensor *x = grid();
#define REFUSED(call, text)                                                                  \
    ck_assert_ptr_null(call);                                                                \
    ck_assert_msg(cr_error() && strstr(cr_error(), text), "%s says: %s", #call, cr_error()); \
    cr_clear_error()
    REFUSED(cr_view(x, CR_INTS(5, 5)), "invalid for input of size 24");
    REFUSED(cr_view(cr_t(cr_view(x, CR_INTS(6, 4))), CR_INTS(24)), "view size is not compatible");
    REFUSED(cr_view(x, CR_INTS(-1, -1)), "only one dimension can be inferred");
    REFUSED(cr_permute(x, CR_INTS(0, 1)), "permute");
    REFUSED(cr_permute(x, CR_INTS(0, 1, 1)), "permute");
    REFUSED(cr_transpose(x, 0, 3), "Dimension out of range");
    REFUSED(cr_expand(x, CR_INTS(2, 3, 5)), "expand");
    REFUSED(cr_select(x, 0, 2), "out of range");
    REFUSED(cr_narrow(x, 0, 1, 2), "narrow");
    REFUSED(cr_as_strided(x, CR_INTS(100), CR_INTS(1)), "storage");
    REFUSED(cr_as_strided(x, CR_INTS(2), CR_INTS(INT64_MAX)), "as_strided");
    REFUSED(cr_slice(x, .dim = 0, .step = CR_SOME(0)), "step");
    REFUSED(cr_unfold(x, 0, 3, 1), "unfold");
}
END_TEST

START_TEST(a_copy_lies_as_it_was_asked_to)
{
    cr_tensor *x = cr_t(cr_view(cr_arange(20), CR_INTS(5, 4)));
    ck_assert_int_eq(cr_tensor_stride(cr_clone(x), 0), 1);
    ck_assert_int_eq(cr_tensor_stride(cr_contiguous(x), 0), 5);
    ck_assert_int_eq(cr_tensor_stride(cr_clone(x), 0), 1);
    ck_assert(cr_equal(cr_reshape(x, CR_INTS(-1)), cr_reshape(cr_clone(x), CR_INTS(-1))));
}
END_TEST

/* A tensor written from a view of itself, then from others of the same sizes, which need another plan; and the other way round. */
START_TEST(views_of_what_is_written)
{
    for (int k = 0; k < 2; k++) {
        cr_tensor *x = cr_reshape(cr_arange(6), CR_INTS(2, 3)), *was = cr_clone(x);
        for (int i = 0; i < 2; i++) {
            cr_tensor *other = cr_full(CR_INTS(2, 3), 7, .dtype = CR_I64);
            bool own = i == k;
            ck_assert_ptr_nonnull(cr_copy_(x, own ? cr_view(x, CR_INTS(2, 3)) : other));
            ck_assert(cr_equal(x, own && !k ? was : other));
        }
        cr_tensor *y = cr_reshape(cr_arange(9), CR_INTS(3, 3)), *z = cr_clone(y);
        for (int i = 0; i < 2; i++)
            if (i == k)
                ck_assert(cr_equal(cr_sub_(y, cr_t(y)), cr_sub(z, cr_t(z))));
            else
                ck_assert(cr_equal(cr_sub_(cr_clone(z), cr_t(z)), cr_sub(z, cr_t(z))));
    }
}
END_TEST

START_TEST(resizing_keeps_what_was_there)
{
    cr_tensor *x = cr_arange(6), *view = cr_view(x, CR_INTS(2, 3));
    ck_assert_ptr_eq(cr_resize_(x, CR_INTS(2, 2)), x);
    ck_assert(cr_equal(x, cr_tensor_i64(CR_INTS(2, 2), 0, 1, 2, 3)));
    ck_assert(cr_is_same_storage(x, view));
    cr_resize_(x, CR_INTS(3, 4));
    ck_assert(cr_equal(cr_slice(cr_flatten(x), .dim = 0, .end = CR_SOME(6)), cr_arange(6)));
    ck_assert(!cr_is_same_storage(x, view));
    ck_assert(cr_equal(view, cr_view(cr_arange(6), CR_INTS(2, 3))));
    ck_assert_ptr_null(cr_resize_(x, CR_INTS(-1)));
    cr_clear_error();
    ck_assert_ptr_null(cr_resize_(cr_requires_grad_(cr_ones(2), true), CR_INTS(3)));
    cr_clear_error();
}
END_TEST

START_TEST(equality_and_closeness)
{
    cr_tensor *a = cr_tensor_f32(3, 1, 2, 3), *b = cr_add_scalar(a, 1e-6);
    ck_assert(cr_equal(a, cr_clone(a)));
    ck_assert(!cr_equal(a, b));
    ck_assert(!cr_equal(a, cr_tensor_f32(2, 1, 2)));
    ck_assert(cr_allclose(a, b));
    ck_assert(!cr_allclose(a, cr_add_scalar(a, 0.1)));
    ck_assert(cr_allclose(a, cr_add_scalar(a, 0.1), .atol = CR_SOME(0.2)));
    cr_tensor *nan = cr_tensor_f32(1, NAN);
    ck_assert(!cr_allclose(nan, nan));
    ck_assert(cr_allclose(nan, nan, .equal_nan = true));
    ck_assert(!cr_allclose(a, cr_zeros(2)));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

START_TEST(memory_is_read_as_another_dtype)
{
    cr_tensor *x = cr_tensor_f32(4, 1, -2, 0, 0.5), *bits = cr_view_dtype(x, CR_I32);
    ck_assert(bits && cr_is_same_storage(bits, x));
    ck_assert_int_eq(cr_item(cr_select(bits, 0, 0)), 0x3f800000);
    ck_assert_ptr_nonnull(cr_bitwise_and_scalar_(bits, 0x7fffffff)); /* without signs */
    ck_assert(cr_equal(x, cr_tensor_f32(4, 1, 2, 0, 0.5)));
    ck_assert(cr_equal(cr_view_dtype(cr_view_dtype(x, CR_U8), CR_F32), x));
    cr_tensor *second = cr_view_dtype(cr_narrow(x, 0, 1, 1), CR_I16);
    ck_assert_int_eq(cr_tensor_size(second, 0), 2);
    ck_assert_int_eq(cr_item(cr_select(second, 0, 1)), 0x4000);
    /* No derivative, and none of the in-place rules of views that have one. */
    cr_tensor *leaf = cr_requires_grad_(cr_clone(x), true), *raw = cr_view_dtype(leaf, CR_I32);
    ck_assert(raw && !cr_requires_grad(raw));
    ck_assert_ptr_nonnull(cr_zero_(raw));
    ck_assert_int_eq(cr_backward(cr_sum(leaf)), 0);
    cr_value out,
        args[] = {{.tag = CR_TENSOR, .as.tensor = x}, {.tag = CR_STRING, .as.s = "int32"}};
    ck_assert_int_eq(cr_call("view", args, 2, NULL, 0, &out, 1, NULL), 0);
    ck_assert_int_eq(cr_tensor_dtype(out.as.tensor), CR_I32);
    ck_assert_ptr_null(cr_view_dtype(x, (cr_dtype)77));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("views");
    TCase *tests = tcase_create("views");
    tcase_add_test(tests, views_share_memory);
    tcase_add_test(tests, writes_go_through);
    tcase_add_test(tests, gradients_pass_through_writes_into_views);
    tcase_add_test(tests, shared_memory_is_the_callers);
    tcase_add_test(tests, what_does_not_fit_is_refused);
    tcase_add_test(tests, a_copy_lies_as_it_was_asked_to);
    tcase_add_test(tests, views_of_what_is_written);
    tcase_add_test(tests, resizing_keeps_what_was_there);
    tcase_add_test(tests, equality_and_closeness);
    tcase_add_test(tests, memory_is_read_as_another_dtype);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
