/* Elementwise operations that oneDNN plans. */
#include "onednn_compare.h"

#include <string.h>

static const cr_dtype dtypes[] = {CR_F32, CR_BF16};

START_TEST(gelu)
{
    static const int64_t sizes[][3] = {
        {1, 1, 5}, {3, 4, 5}, {7, 100, 40}, {2, 128, 128}, {1, 1, 100001}};
    cr_dtype dtype = dtypes[_i / 2];
    cr_value how = {.tag = CR_STRING};
    how.as.s = _i % 2 ? "tanh" : "none";
    how.count = (int64_t)strlen(how.as.s);
    cr_keyword kw = {"approximate", how};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CR_SCOPE {
            cr_tensor *x = cr_mul_scalar(some(dtype, 3, sizes[i]), 3.0);
            cr_tensor *last = cr_permute(x, CR_INTS(2, 0, 1)), *g = some(dtype, 3, sizes[i]);
            cr_value args[2] = {v_tensor(g), v_tensor(x)};
            compare_with("gelu", args + 1, 1, &kw, 1, tolerance_of(dtype), NATIVE);
            compare_with("gelu_backward", args, 2, &kw, 1, tolerance_of(dtype), NATIVE);
            args[0] = v_tensor(last);
            compare_with("gelu", args, 1, &kw, 1, tolerance_of(dtype), NATIVE);
        }
}
END_TEST

Suite *eltwise_suite(void)
{
    Suite *suite = suite_create("elementwise");
    TCase *tc = tcase_create("against cpu");
    tcase_add_loop_test(tc, gelu, 0, 4);
    suite_add_tcase(suite, tc);
    return suite;
}
