/* Resampling that oneDNN plans. */
#include "onednn_compare.h"

#include <string.h>

static const char *const modes[] = {"nearest", "nearest-exact", "linear"};

static cr_value v_text(const char *text)
{
    return (cr_value){.tag = CR_STRING, .count = (int64_t)strlen(text), .as.s = text};
}

START_TEST(resampling)
{
    static const int64_t sizes[][5] = {{3, 16, 5, 7, 3}, {1, 5, 8, 8, 2}};
    cr_dtype dtype = _i / 3 ? CR_BF16 : CR_F32;
    const char *mode = modes[_i % 3];
    bool linear = _i % 3 == 2;
    for (int dims = 1; dims <= 3; dims++)
        for (int s = 0; s < 2; s++)
            for (int whole = 0; whole < 2; whole++)
                CR_SCOPE {
                    int64_t to[5], large[5];
                    for (int d = 0; d < 5; d++)
                        large[d] = d < 2   ? sizes[s][d]
                                   : whole ? (1 + d % 3) * sizes[s][d]
                                           : sizes[s][d] * 2 - 1;
                    memcpy(to, large + 2, sizeof(int64_t) * 3);
                    cr_tensor *x = some(dtype, dims + 2, sizes[s]);
                    cr_tensor *g = some(dtype, dims + 2, large);
                    way expected = linear || whole ? NATIVE : NOT_NATIVE;
                    cr_value args[3] = {v_tensor(x), v_ints(to, dims), v_text(mode)};
                    cr_value back[3] = {v_tensor(g), v_ints(sizes[s] + 2, dims), v_text(mode)};
                    compare("_resample", args, 3, tolerance_of(dtype), expected);
                    compare("_resample_backward", back, 3, 4 * tolerance_of(dtype), expected);
                }
}
END_TEST

/* A convolution's result goes through in the layout that oneDNN left it in. */
START_TEST(images_stay_in_their_layout)
{
    static const int64_t sizes[4] = {2, 32, 9, 9}, weights[4] = {32, 32, 3, 3};
    CR_SCOPE {
        cr_tensor *x = some(CR_F32, 4, sizes), *w = some(CR_F32, 4, weights);
        cr_tensor *y = cr_f_conv2d(x, w);
        uint64_t copies = native_count("copy");
        cr_tensor *up = cr_resample(y, CR_INTS(14, 14), "linear");
        cr_tensor *again = cr_f_conv2d(up, w);
        ck_assert(again);
        ck_assert_uint_eq(native_count("copy"), copies);
        cr_tensor *plain = cr_resample(cr_contiguous(cr_add_scalar(cr_tensor_to(y, "cpu"), 0)),
                                       CR_INTS(14, 14), "linear");
        cr_tensor *apart = cr_amax(cr_abs(cr_sub(cr_tensor_to(up, "cpu"), plain)));
        float most;
        ck_assert(!cr_tensor_read(apart, &most, sizeof most));
        ck_assert_msg(most < 1e-4f, "apart by %g", (double)most);
    }
}
END_TEST

Suite *resample_suite(void)
{
    Suite *suite = suite_create("resampling");
    TCase *tc = tcase_create("against cpu");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, resampling, 0, 6);
    tcase_add_test(tc, images_stay_in_their_layout);
    suite_add_tcase(suite, tc);
    return suite;
}
