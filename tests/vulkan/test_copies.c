/* The vulkan backend's copies between values that lie in different orders, on shapes that fill tiles and that don't, of elements
 * of all sizes: they are the cpu backend's. */
#include "first_device.h"

#include <check.h>
#include <cresset/cresset.h>

static const char *device;

static const struct {
    int64_t size[4], order[4];
} cases[] = {
    {{1, 1, 100, 77}, {0, 1, 3, 2}}, {{3, 40, 33, 20}, {0, 2, 1, 3}},
    {{3, 40, 33, 20}, {3, 2, 1, 0}}, {{3, 40, 33, 20}, {0, 3, 2, 1}},
    {{2, 17, 5, 64}, {2, 0, 3, 1}},  {{5, 3, 31, 47}, {3, 0, 1, 2}},
    {{5, 3, 31, 47}, {1, 3, 0, 2}},  {{64, 2, 1, 32}, {3, 2, 1, 0}},
};

static cr_tensor *turned(cr_tensor *x, const int64_t order[4])
{
    return cr_contiguous(cr_permute(x, CR_INTS(order[0], order[1], order[2], order[3])));
}

START_TEST(copies_turn_values)
{
    static const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_I64, CR_I8, CR_B8};
    const int64_t *n = cases[_i].size;
    for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++)
        CR_SCOPE {
            cr_tensor *x = cr_reshape(cr_arange(n[0] * n[1] * n[2] * n[3], .device = "cpu"),
                                      CR_INTS(n[0], n[1], n[2], n[3]));
            x = cr_to_dtype(cr_sub_scalar(cr_remainder_scalar(x, 61), 30), dtypes[k]);
            cr_tensor *here = turned(x, cases[_i].order),
                      *there = turned(cr_tensor_to(x, device), cases[_i].order);
            ck_assert_msg(here && there, "%s", cr_error());
            ck_assert_msg(cr_equal(here, cr_tensor_to(there, "cpu")), "%s",
                          cr_dtype_name(dtypes[k]));
            /* Into a part of a larger one, from a part. */
            cr_tensor *wide = cr_zeros(CR_INTS(n[2] + 3, n[3] + 5), .device = device),
                      *part = cr_narrow(cr_narrow(wide, 0, 2, n[2]), 1, 1, n[3]);
            cr_tensor *from = cr_to_dtype(cr_select(cr_select(x, 0, n[0] - 1), 0, 0), CR_F32);
            cr_copy_(
                part,
                cr_transpose(cr_contiguous(cr_tensor_to(cr_transpose(from, 0, 1), device)), 0, 1));
            ck_assert_msg(cr_equal(from, cr_tensor_to(part, "cpu")), "a part");
            ck_assert(cr_item(cr_sum(wide)) == cr_item(cr_sum(from)));
        }
    ck_assert_msg(!cr_error(), "%s", cr_error());
}
END_TEST

int main(void)
{
    int status;
    device = first_device(&status);
    if (!device)
        return status;
    Suite *suite = suite_create("vulkan copies");
    TCase *tests = tcase_create("copies");
    tcase_set_timeout(tests, 200);
    tcase_add_loop_test(tests, copies_turn_values, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
