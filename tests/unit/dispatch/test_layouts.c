/* Private layouts of a backend (layout_plugin.c): they are kept where the backend knows them, passed through element-wise
 * operations, and left for everybody else; and a prepared input is kept
 * for those who ask again. */
#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include <cresset/cresset.h>
#include <cresset/ops.h>

static const char *plugin(void)
{
    return getenv("CRESSET_LAYOUT_PLUGIN");
}

/* The plugin's counters. */
static int *counter(const char *name)
{
    void *handle = dlopen(plugin(), RTLD_NOW | RTLD_NOLOAD);
    ck_assert_msg(handle != NULL, "%s", dlerror());
    int *found = dlsym(handle, name);
    dlclose(handle);
    ck_assert_ptr_nonnull(found);
    return found;
}
#define LEFT    (*counter("layouts_left"))
#define ENTERED (*counter("layouts_entered"))

static cr_tensor *numbers(void)
{
    return cr_tensor_to(cr_reshape(cr_arange_start(-3, 3, .dtype = CR_F32), CR_INTS(2, 3)),
                        plugin());
}

static void holds(cr_tensor *t, const float *want, int n)
{
    float got[16];
    ck_assert_msg(t && !cr_tensor_read(t, got, (size_t)n * sizeof *got), "%s", cr_error());
    for (int i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i], "element %d is %g, not %g", i, (double)got[i],
                      (double)want[i]);
}

START_TEST(a_reader_of_memory_gets_layout_0)
{
    CR_SCOPE {
        cr_tensor *y = cr_relu(numbers());
        int before = LEFT;
        holds(y, (const float[]){0, 0, 0, 0, 1, 2}, 6);
        ck_assert_int_eq(LEFT, before + 1);
        holds(y, (const float[]){0, 0, 0, 0, 1, 2}, 6); /* it has left for good */
        ck_assert_int_eq(LEFT, before + 1);
        cr_tensor *z = cr_relu(numbers());
        const float *data = cr_data_ptr(z);
        ck_assert(data && data[5] == 2);
    }
}
END_TEST

START_TEST(a_plan_that_knows_the_tag_takes_it)
{
    CR_SCOPE {
        cr_tensor *x = numbers();
        int before = *counter("layouts_left");
        cr_tensor *y = cr_abs(cr_relu(x));
        ck_assert_int_eq(LEFT, before);
        holds(y, (const float[]){0, 0, 0, 0, 1, 2}, 6);
    }
}
END_TEST

START_TEST(element_wise_operations_pass_through)
{
    CR_SCOPE {
        cr_tensor *x = numbers();
        cr_tensor *y = cr_relu(x), *z = cr_relu(cr_neg(x));
        int before = LEFT;
        cr_tensor *sum = cr_add_scalar(cr_sub(y, z), 1);
        cr_tensor *wide = cr_to_copy(sum, .dtype = CR_F64), *mask = cr_gt(sum, y);
        cr_add_(sum, y);
        ck_assert_int_eq(LEFT, before);
        holds(sum, (const float[]){-2, -1, 0, 1, 3, 5}, 6);
        double twice[6];
        unsigned char bits[6];
        ck_assert(!cr_tensor_read(wide, twice, sizeof twice));
        ck_assert(!cr_tensor_read(mask, bits, sizeof bits));
        for (int i = 0; i < 6; i++) {
            ck_assert(twice[i] == i - 2);
            ck_assert_int_eq(bits[i], i - 2 > (i > 3 ? i - 3 : 0));
        }
    }
}
END_TEST

START_TEST(what_does_not_fit_leaves_first)
{
    CR_SCOPE {
        cr_tensor *x = numbers();
        cr_tensor *y = cr_relu(x);
        int before = LEFT;
        holds(cr_add(y, x), (const float[]){-3, -2, -1, 0, 2, 4}, 6); /* x is in layout 0 */
        ck_assert_int_eq(LEFT, before + 1);
        holds(cr_add(cr_relu(x), cr_narrow(x, 0, 1, 1)), (const float[]){0, 1, 2, 0, 2, 4}, 6);
        ck_assert_int_eq(LEFT, before + 2);
        holds(cr_select(cr_relu(x), 0, 1), (const float[]){0, 1, 2}, 3); /* a view */
        ck_assert_int_eq(LEFT, before + 3);
        holds(cr_sum_dim(cr_relu(x), 0), (const float[]){0, 1, 2}, 3);
        ck_assert_int_eq(LEFT, before + 4);
        /* Bytes beside the elements: nobody but the owner may go over them. */
        cr_tensor *s = cr_neg(cr_sigmoid(cr_mul_scalar(x, 0)));
        holds(s, (const float[]){-.5f, -.5f, -.5f, -.5f, -.5f, -.5f}, 6);
        ck_assert_int_eq(LEFT, before + 5);
        cr_tensor *other = cr_tensor_to(cr_relu(x), "cpu");
        holds(cr_relu(other), (const float[]){0, 0, 0, 0, 1, 2}, 6);
        ck_assert_int_eq(LEFT, before + 6);
        cr_tensor *to = cr_relu(x); /* written as the out of something else */
        cr_add_out(x, x, to);
        holds(to, (const float[]){-6, -4, -2, 0, 2, 4}, 6);
    }
}
END_TEST

START_TEST(gradients_go_through_layouts)
{
    CR_SCOPE {
        cr_tensor *x = cr_requires_grad_(numbers(), 1);
        cr_tensor *y = cr_relu(x);
        cr_backward(cr_sum(cr_mul(y, y)));
        holds(cr_grad(x), (const float[]){0, 0, 0, 0, 2, 4}, 6);
    }
}
END_TEST

START_TEST(a_copy_is_kept_from_the_second_time_on)
{
    CR_SCOPE {
        cr_tensor *a = numbers();
        cr_tensor *w = cr_full(CR_INTS(3, 2), 1, .dtype = CR_F32, .device = plugin());
        int before = ENTERED;
        for (int i = 0; i < 3; i++)
            holds(cr_mm(a, w), (const float[]){-6, -6, 3, 3}, 4);
        ck_assert_int_eq(ENTERED, before + 2);
        cr_mul_scalar_(w, 2);
        for (int i = 0; i < 3; i++)
            holds(cr_mm(a, w), (const float[]){-12, -12, 6, 6}, 4);
        ck_assert_int_eq(ENTERED, before + 3); /* of values that were asked for so once, at once */
        for (int i = 0; i < 2; i++) {
            cr_mul_scalar_(w, 0.5);
            cr_mm(a, w);
        }
        for (int i = 0; i < 2; i++)
            holds(cr_mm(a, w), (const float[]){-3, -3, 1.5f, 1.5f}, 4);
        ck_assert_int_eq(ENTERED, before + 6); /* and then only once: no longer */
        /* Another value over the same memory is another copy, and both stay. */
        cr_tensor *turned =
            cr_reshape(cr_arange(6, .dtype = CR_F32, .device = plugin()), CR_INTS(2, 3));
        cr_tensor *b = cr_t(turned);
        for (int i = 0; i < 3; i++) {
            holds(cr_mm(a, b), (const float[]){-4, -22, 5, 14}, 4);
            holds(cr_mm(cr_t(a), turned), (const float[]){0, -3, -6, 3, 2, 1, 6, 7, 8}, 9);
        }
        ck_assert_int_eq(ENTERED, before + 10);
    }
}
END_TEST

START_TEST(nothing_is_kept_of_memory_that_others_write)
{
    CR_SCOPE {
        cr_tensor *a = numbers();
        cr_tensor *w = cr_full(CR_INTS(3, 2), 1, .dtype = CR_F32, .device = plugin());
        holds(cr_mm(a, w), (const float[]){-6, -6, 3, 3}, 4);
        float *data = cr_data_ptr(w);
        for (int i = 0; i < 6; i++)
            data[i] = 3;
        holds(cr_mm(a, w), (const float[]){-18, -18, 9, 9}, 4);
        data[0] = 0;
        holds(cr_mm(a, w), (const float[]){-9, -18, 9, 9}, 4);
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
    setenv("CRESSET_DETERMINISTIC", "1", 1); /* or cpu's plans would be measured, and taken */
    Suite *s = suite_create("layouts");
    TCase *c = tcase_create("layouts");
    tcase_add_checked_fixture(c, NULL, end);
    tcase_add_test(c, a_reader_of_memory_gets_layout_0);
    tcase_add_test(c, a_plan_that_knows_the_tag_takes_it);
    tcase_add_test(c, element_wise_operations_pass_through);
    tcase_add_test(c, what_does_not_fit_leaves_first);
    tcase_add_test(c, gradients_go_through_layouts);
    tcase_add_test(c, a_copy_is_kept_from_the_second_time_on);
    tcase_add_test(c, nothing_is_kept_of_memory_that_others_write);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
