/* Of two host-memory devices' plans for a call the faster is taken, unless the environment asks for the same bits always. */
#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>
#include <cresset/ops.h>

static cr_tensor *floored(void)
{
    cr_tensor *x = cr_tensor_f32(4, -1.5, -0.5, 0.5, 1.5);
    cr_tensor *y = cr_floor(cr_tensor_to(x, getenv("CRESSET_LAYOUT_PLUGIN")));
    float got[4];
    ck_assert_msg(y && !cr_tensor_read(y, got, sizeof got), "%s", cr_error());
    ck_assert(got[0] == -2 && got[1] == -1 && got[2] == 0 && got[3] == 1);
    ck_assert_str_eq(cr_tensor_device(y), "layouts");
    return y;
}

/* How often the operation ran as the device's own plan, and as a lent one. */
static void ran(const char *op, uint64_t own, uint64_t lent)
{
    cr_op_counts counts[16];
    size_t n = cr_device_op_counts("layouts", counts, 16);
    for (size_t i = 0; i < n && i < 16; i++)
        if (!strcmp(counts[i].op, op)) {
            ck_assert_uint_eq(counts[i].native, own);
            ck_assert_uint_eq(counts[i].fallback, lent);
            return;
        }
    ck_abort_msg("%s did not run", op);
}

START_TEST(the_faster_plan_is_taken)
{
    CR_SCOPE {
        floored();
        floored();
        ran("floor", 0, 2);
    }
}
END_TEST

/* The plugin's product reads a copy of its second operand in a layout of its own. */
START_TEST(a_plan_that_prepares_inputs_is_measured_too)
{
    CR_SCOPE {
        const char *plugin = getenv("CRESSET_LAYOUT_PLUGIN");
        cr_tensor *a = cr_tensor_to(
            cr_reshape(cr_arange_start(1, 15, .dtype = CR_F32), CR_INTS(7, 2)), plugin);
        cr_tensor *b =
            cr_tensor_to(cr_reshape(cr_tensor_f32(4, 1, 2, 3, 4), CR_INTS(2, 2)), plugin);
        for (int i = 0; i < 2; i++) {
            float got[14];
            ck_assert_msg(!cr_tensor_read(cr_mm(a, b), got, sizeof got), "%s", cr_error());
            for (int r = 0; r < 7; r++) {
                float x = (float)(2 * r + 1), y = x + 1;
                ck_assert(got[2 * r] == x + 3 * y && got[2 * r + 1] == 2 * x + 4 * y);
            }
        }
        ran("mm", 0, 2);
    }
}
END_TEST

/* How often the plugin's own plan ran, in trials and out of them. */
static int own_runs(void)
{
    void *handle = dlopen(getenv("CRESSET_LAYOUT_PLUGIN"), RTLD_NOW | RTLD_NOLOAD);
    int *runs = handle ? dlsym(handle, "layouts_floors") : NULL;
    ck_assert_msg(runs != NULL, "%s", dlerror());
    dlclose(handle);
    return *runs;
}

/* Up to a quarter more or less is alike, but not what is no multiple of 16, nor what lies otherwise. */
START_TEST(calls_of_like_sizes_are_measured_once)
{
    CR_SCOPE {
        const char *plugin = getenv("CRESSET_LAYOUT_PLUGIN");
        static const struct {
            int64_t size;
            bool turned, measured;
        } calls[] = {{321, false, true},  {322, false, false}, {383, false, false},
                     {384, false, true},  {336, false, true},  {368, false, false},
                     {322, true, true},   {323, true, false},  {641, false, true},
                     {1281, false, true}, {1283, false, false}};
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            int64_t n = calls[i].size;
            cr_tensor *x = cr_full(CR_INTS(calls[i].turned ? n : 5, calls[i].turned ? 5 : n), 1.5,
                                   .device = plugin);
            int before = own_runs();
            cr_tensor *y = cr_floor(calls[i].turned ? cr_transpose(x, 0, 1) : x);
            ck_assert_msg(y && cr_item(cr_sum(y)) == (double)(5 * n), "%s", cr_error());
            ck_assert_msg((own_runs() > before) == calls[i].measured, "call %zu", i);
        }
        ran("floor", 0, sizeof calls / sizeof *calls);
    }
}
END_TEST

START_TEST(a_devices_own_plan_comes_first_where_bits_must_not_vary)
{
    setenv("CRESSET_DETERMINISTIC", "1", 1);
    CR_SCOPE {
        floored();
        floored();
        ran("floor", 2, 0);
    }
}
END_TEST

START_TEST(what_writes_in_place_is_run_once)
{
    CR_SCOPE {
        cr_tensor *x = cr_tensor_to(cr_tensor_f32(1, 1.5), getenv("CRESSET_LAYOUT_PLUGIN"));
        cr_floor_(x);
        ck_assert(cr_item(x) == 1);
        ran("floor", 1, 0);
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
    Suite *s = suite_create("choice");
    TCase *c = tcase_create("choice");
    tcase_add_checked_fixture(c, NULL, end);
    tcase_add_test(c, the_faster_plan_is_taken);
    tcase_add_test(c, a_plan_that_prepares_inputs_is_measured_too);
    tcase_add_test(c, calls_of_like_sizes_are_measured_once);
    tcase_add_test(c, a_devices_own_plan_comes_first_where_bits_must_not_vary);
    tcase_add_test(c, what_writes_in_place_is_run_once);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
