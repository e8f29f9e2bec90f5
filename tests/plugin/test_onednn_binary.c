/* Sums, differences, products and quotients that oneDNN plans: bf16, and f32 with a second operand that is repeated along rows. */
#include "onednn_compare.h"

#include <math.h>

static const char *const ops[] = {"add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor"};

/* The second operand's sizes beside the first's; native: in bf16 and in f32. */
static const struct pair {
    int64_t a[3], b[3];
    bool half, full;
} pairs[] = {
    {{4, 33, 50}, {4, 33, 50}, true, false}, {{4, 33, 50}, {1, 1, 50}, true, false},
    {{4, 33, 50}, {4, 33, 1}, true, true},   {{4, 33, 50}, {1, 33, 50}, true, false},
    {{1, 1, 40001}, {1, 1, 1}, true, false}, {{2, 3, 5}, {2, 3, 5}, false, false},
    {{7, 1, 3000}, {7, 1, 1}, true, true},
};

START_TEST(binary)
{
    const char *op = ops[_i / 2];
    bool half = _i % 2, scales = _i / 2 < 2;
    cr_dtype dtype = half ? CR_BF16 : CR_F32;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        CR_SCOPE {
            const struct pair *p = &pairs[i];
            cr_tensor *a = some(dtype, 3, p->a), *b = some(dtype, 3, p->b);
            if (_i / 2 == 3)
                b = cr_add_scalar(cr_abs(b), 0.5);
            cr_value args[2] = {v_tensor(a), v_tensor(b)}, turned[2] = {v_tensor(b), v_tensor(a)};
            cr_keyword kw = {"alpha", v_float(-0.75)};
            bool native = half ? p->half : p->full;
            compare(op, args, 2, half ? 8e-3 : 1e-6, native && has_avx512() ? NATIVE : ANY_WAY);
            if (scales)
                compare_with(op, args, 2, &kw, 1, half ? 8e-3 : 1e-6, ANY_WAY);
            if (_i / 2 != 3)
                compare(op, turned, 2, half ? 8e-3 : 1e-6, ANY_WAY);
        }
}
END_TEST

START_TEST(in_place_and_not_a_number)
{
    CR_SCOPE {
        const int64_t size[2] = {64, 100}, row[2] = {1, 100};
        cr_tensor *x = some(CR_BF16, 2, size), *y = some(CR_BF16, 2, row);
        cr_fill_scalar_(cr_select(x, 0, 3), NAN);
        cr_fill_scalar_(cr_select(x, 0, 4), INFINITY);
        cr_tensor *want = cr_to_copy(cr_add(cr_to_copy(cr_tensor_to(x, "cpu"), .dtype = CR_F32),
                                            cr_to_copy(cr_tensor_to(y, "cpu"), .dtype = CR_F32)),
                                     .dtype = CR_BF16);
        cr_add_(x, y);
        cr_tensor *got = cr_tensor_to(x, "cpu");
        ck_assert_msg(!cr_error(), "%s", cr_error());
        ck_assert(cr_equal(cr_isnan(got), cr_isnan(want)));
        ck_assert(cr_equal(cr_nan_to_num(got), cr_nan_to_num(want)));
    }
}
END_TEST

Suite *binary_suite(void)
{
    Suite *suite = suite_create("binary");
    TCase *tc = tcase_create("against cpu");
    tcase_add_loop_test(tc, binary, 0, 8);
    tcase_add_test(tc, in_place_and_not_a_number);
    suite_add_tcase(suite, tc);
    return suite;
}
