/* Tensors of two devices that both live in host memory, cpu and layout_plugin.c, in one operation: nothing is copied, changes
 * are counted, private layouts are left, gradients arrive where their tensors are. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>
#include <cresset/ops.h>

static const char *plugin(void)
{
    return getenv("CRESSET_LAYOUT_PLUGIN");
}

static cr_tensor *on(const char *device)
{
    return cr_tensor_to(cr_reshape(cr_arange_start(-3, 3, .dtype = CR_F32), CR_INTS(2, 3)), device);
}

static void holds(cr_tensor *t, const char *device, const float *want, int n)
{
    float got[16];
    ck_assert_msg(t && !cr_tensor_read(t, got, (size_t)n * sizeof *got), "%s", cr_error());
    ck_assert_str_eq(cr_tensor_device(t), device);
    for (int i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i], "element %d is %g, not %g", i, (double)got[i],
                      (double)want[i]);
}

static const float doubled[] = {-6, -4, -2, 0, 2, 4};

START_TEST(it_runs_on_the_default_device)
{
    CR_SCOPE {
        cr_tensor *a = on("cpu"), *b = on(plugin());
        cr_set_default_device("cpu");
        holds(cr_add(a, b), "cpu", doubled, 6);
        holds(cr_add(b, a), "cpu", doubled, 6);
        cr_set_default_device(plugin());
        holds(cr_add(a, b), "layouts", doubled, 6);
        cr_set_default_device("cpu");
        ck_assert(cr_equal(a, b));
        cr_tensor *both = cr_cat(CR_TENSORS(a, b), 0);
        ck_assert_int_eq(cr_tensor_sizes(both)[0], 4);
    }
}
END_TEST

START_TEST(a_0d_tensor_does_not_decide)
{
    CR_SCOPE {
        cr_set_default_device("cpu");
        cr_tensor *two = cr_tensor_f32(CR_EMPTY, 2);
        holds(cr_mul(two, on(plugin())), "layouts", doubled, 6);
        holds(cr_mul(on(plugin()), two), "layouts", doubled, 6);
    }
}
END_TEST

START_TEST(what_is_written_in_place_decides)
{
    CR_SCOPE {
        cr_set_default_device("cpu");
        cr_tensor *a = on(plugin()), *b = on("cpu");
        const void *memory = cr_data_ptr(a);
        cr_add_(a, b);
        holds(a, "layouts", doubled, 6);
        ck_assert_ptr_eq(cr_data_ptr(a), memory);
        cr_copy_(a, b);
        holds(a, "layouts", (const float[]){-3, -2, -1, 0, 1, 2}, 6);
    }
}
END_TEST

START_TEST(a_private_layout_is_left_first)
{
    CR_SCOPE {
        cr_set_default_device("cpu");
        cr_tensor *y = cr_relu(on(plugin())); /* kept backward there */
        holds(cr_add(on("cpu"), y), "cpu", (const float[]){-3, -2, -1, 0, 2, 4}, 6);
    }
}
END_TEST

START_TEST(a_prepared_copy_of_anothers_tensor_is_not_kept)
{
    CR_SCOPE {
        cr_set_default_device(plugin());
        cr_tensor *a = on(plugin()), *w = on("cpu");
        cr_tensor *t = cr_contiguous(cr_t(w));
        holds(cr_mm(a, t), "layouts", (const float[]){14, -4, -4, 5}, 4);
        cr_mul_scalar_(t, 2);
        holds(cr_mm(a, t), "layouts", (const float[]){28, -8, -8, 10}, 4);
        cr_set_default_device("cpu");
    }
}
END_TEST

START_TEST(gradients_arrive_where_their_tensors_are)
{
    CR_SCOPE {
        cr_set_default_device("cpu");
        cr_tensor *a = cr_requires_grad_(on("cpu"), 1), *b = cr_requires_grad_(on(plugin()), 1);
        cr_backward(cr_sum(cr_mul(a, b)));
        holds(cr_grad(a), "cpu", (const float[]){-3, -2, -1, 0, 1, 2}, 6);
        holds(cr_grad(b), "layouts", (const float[]){-3, -2, -1, 0, 1, 2}, 6);
    }
}
END_TEST

START_TEST(a_change_of_what_was_saved_is_seen)
{
    CR_SCOPE {
        cr_set_default_device("cpu");
        cr_tensor *a = cr_requires_grad_(on("cpu"), 1), *b = on(plugin());
        cr_tensor *y = cr_sum(cr_mul(a, b));
        cr_add_scalar_(b, 1);
        cr_backward(y);
        ck_assert_msg(cr_error() && strstr(cr_error(), "modified by an inplace operation"), "%s",
                      cr_error());
        cr_clear_error();
    }
}
END_TEST

START_TEST(memory_of_the_program_is_on_the_default_device)
{
    static float numbers[] = {1, 2, 3};
    const int64_t size = 3;
    CR_SCOPE {
        cr_set_default_device(plugin());
        cr_tensor *t = cr_tensor_from_memory(numbers, sizeof numbers, CR_F32, 1, &size, NULL, 0);
        holds(t, "layouts", numbers, 3);
        cr_set_default_device("cpu");
        cr_tensor *u = cr_tensor_from_memory(numbers, 8, CR_F32, 1, (const int64_t[]){2}, NULL, 0);
        holds(u, "cpu", numbers, 2);
    }
}
END_TEST

static void end(void)
{
    ck_assert_msg(!cr_error(), "%s", cr_error());
    ck_assert_int_eq(cr_exit(), 0);
}

int main(void)
{
    Suite *s = suite_create("mixing");
    TCase *c = tcase_create("mixing");
    tcase_add_checked_fixture(c, NULL, end);
    tcase_add_test(c, it_runs_on_the_default_device);
    tcase_add_test(c, a_0d_tensor_does_not_decide);
    tcase_add_test(c, what_is_written_in_place_decides);
    tcase_add_test(c, a_private_layout_is_left_first);
    tcase_add_test(c, a_prepared_copy_of_anothers_tensor_is_not_kept);
    tcase_add_test(c, gradients_arrive_where_their_tensors_are);
    tcase_add_test(c, a_change_of_what_was_saved_is_seen);
    tcase_add_test(c, memory_of_the_program_is_on_the_default_device);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
