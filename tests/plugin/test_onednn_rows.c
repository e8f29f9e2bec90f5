/* What oneDNN plans by rows: softmax, layer norm, sums and means. */
#include "onednn_compare.h"

#include <math.h>

static const cr_dtype dtypes[] = {CR_F32, CR_BF16};

static cr_value v_dtype(cr_dtype dtype)
{
    return (cr_value){.tag = CR_DTYPE, .as.i = dtype};
}

START_TEST(softmax_along_any_dimension)
{
    static const int64_t sizes[][3] = {{2, 3, 50}, {64, 1, 10}, {7, 11, 13}, {3, 500, 100}};
    cr_dtype dtype = dtypes[_i / 3];
    int dim = _i % 3;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CR_SCOPE {
            double most = tolerance_of(dtype);
            way expected = sizes[i][dim] > 1 ? NATIVE : NOT_NATIVE;
            way expected_back = has_avx512() ? expected : ANY_WAY;
            cr_tensor *x = some(dtype, 3, sizes[i]), *g = some(dtype, 3, sizes[i]);
            cr_tensor *turned = cr_permute(x, CR_INTS(2, 0, 1));
            cr_value args[4] = {v_tensor(x), v_int(dim), v_bool(false)};
            compare("_softmax", args, 3, most, expected);
            compare("_log_softmax", args, 3, most, expected);
            args[0] = v_tensor(turned);
            compare("_softmax", args, 3, most, ANY_WAY);
            cr_value back[4] = {v_tensor(g), v_tensor(cr_softmax_forward(x, dim, false)),
                                v_int(dim), v_dtype(dtype)};
            compare("_softmax_backward_data", back, 4, most, expected_back);
            back[1] = v_tensor(cr_log_softmax_forward(x, dim, false));
            compare("_log_softmax_backward_data", back, 4, most, expected_back);
        }
}
END_TEST

/* oneDNN's own exponential makes 0 of NaN. */
START_TEST(softmax_keeps_nan)
{
    static const float strange[4] = {NAN, INFINITY, -INFINITY, 0};
    enum { ROWS = 9, M = 40 };
    for (int logs = 0; logs < 2; logs++)
        CR_SCOPE {
            float x[ROWS * M], y[ROWS * M];
            for (int i = 0; i < ROWS * M; i++)
                x[i] = (float)(i % 7);
            for (int i = 0; i < 3; i++)
                x[2 * i * M + 11] = strange[i];
            for (int i = 0; i < M; i++)
                x[7 * M + i] = -INFINITY;
            cr_tensor *here =
                cr_tensor_from_memory(x, sizeof x, CR_F32, 2, (const int64_t[]){ROWS, M}, NULL, 0);
            cr_tensor *there = cr_to_copy(cr_tensor_to(here, "onednn"), .dtype = dtypes[_i]);
            cr_tensor *result = logs ? cr_log_softmax_forward(there, 1, false)
                                     : cr_softmax_forward(there, 1, false);
            ck_assert_msg(!cr_tensor_read(cr_to_copy(result, .dtype = CR_F32), y, sizeof y), "%s",
                          cr_error());
            for (int i = 0; i < ROWS * M; i++) {
                int row = i / M;
                ck_assert_int_eq(isnan(y[i]) != 0, row == 0 || row == 2 || row == 7);
            }
            cr_value back[4] = {v_tensor(result), v_tensor(result), v_int(1), v_dtype(dtypes[_i])};
            cr_value got[1];
            size_t n;
            ck_assert(!cr_call(logs ? "_log_softmax_backward_data" : "_softmax_backward_data", back,
                               4, NULL, 0, got, 1, &n));
            ck_assert(!cr_tensor_read(cr_to_copy(got[0].as.tensor, .dtype = CR_F32), y, sizeof y));
            for (int i = 0; i < ROWS * M; i++) {
                int row = i / M;
                /* a logarithm of 0 has a gradient of NaN, too, where it is multiplied */
                if (row != 4)
                    ck_assert_int_eq(isnan(y[i]) != 0, row == 0 || row == 2 || row == 7);
            }
        }
}
END_TEST

START_TEST(layer_norm)
{
    static const int64_t sizes[][3] = {{2, 3, 100}, {64, 1, 10}, {7, 11, 130}, {3, 500, 96}};
    static const double eps[] = {1e-5, 1e-3};
    cr_dtype dtype = dtypes[_i / 3], wdtype = _i % 3 == 2 ? CR_F32 : dtype;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CR_SCOPE {
            double most = tolerance_of(dtype);
            const int64_t *size = sizes[i];
            int inner = i == 2 ? 2 : 1;
            cr_tensor *x = some(dtype, 3, size), *g = some(dtype, 3, size);
            cr_tensor *w = some(wdtype, inner, size + 3 - inner);
            cr_tensor *b = some(wdtype, inner, size + 3 - inner);
            cr_value shape = v_ints(size + 3 - inner, inner), none = {.tag = CR_NONE};
            for (int e = 0; e < 2; e++) {
                cr_value args[5] = {v_tensor(x), shape, v_tensor(w), v_tensor(b), v_float(eps[e])};
                compare("native_layer_norm", args, 5, most, NATIVE);
                if (_i % 3 == 1)
                    args[2] = none;
                args[3] = none;
                compare("native_layer_norm", args, 5, most, NATIVE);
                if (inner == 1) { /* strided */
                    const int64_t turned[3] = {size[1], size[0], size[2]};
                    args[0] = v_tensor(cr_permute(some(dtype, 3, turned), CR_INTS(1, 0, 2)));
                    compare("native_layer_norm", args, 5, most, NATIVE);
                }
            }
            cr_native_layer_norm_result l =
                cr_native_layer_norm(x, cr_make_ints(size + 3 - inner, (size_t)inner), w, b, 1e-5);
            const uint8_t masks[3][3] = {{1, 1, 1}, {1, 0, 0}, {1, 0, 1}};
            for (int k = 0; k < 3; k++) {
                cr_value back[8] = {v_tensor(g),         v_tensor(x),         shape,
                                    v_tensor(l.output1), v_tensor(l.output2), v_tensor(w),
                                    v_tensor(b),         v_bools(masks[k], 3)};
                compare("native_layer_norm_backward", back, 8, most * 4, NATIVE);
            }
        }
}
END_TEST

START_TEST(sums_and_means)
{
    static const int64_t sizes[3] = {20, 30, 100};
    cr_dtype dtype = dtypes[_i];
    static const int64_t last[] = {2}, two[] = {1, 2}, outer[] = {0, 2}, first[] = {0};
    CR_SCOPE {
        double most = tolerance_of(dtype);
        cr_tensor *x = some(dtype, 3, sizes);
        cr_tensor *slice = cr_narrow(x, 2, 1, 90);
        const cr_value dims[] = {v_ints(last, 1), v_ints(two, 2), v_ints(outer, 2),
                                 v_ints(first, 1)};
        for (int i = 0; i < 4; i++)
            for (int keep = 0; keep < 2; keep++) {
                cr_value args[3] = {v_tensor(x), dims[i], v_bool(keep)};
                compare("sum.dim_IntList", args, 3, most, NATIVE);
                compare("mean.dim", args, 3, most, NATIVE);
                args[0] = v_tensor(slice);
                compare("sum.dim_IntList", args, 3, most, NATIVE);
            }
        cr_value args[1] = {v_tensor(cr_narrow(x, 0, 0, 10))};
        compare("mean", args, 1, most, NATIVE);
    }
}
END_TEST

Suite *rows_suite(void)
{
    Suite *suite = suite_create("rows");
    TCase *tc = tcase_create("against cpu");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, softmax_along_any_dimension, 0, 6);
    tcase_add_loop_test(tc, softmax_keeps_nan, 0, 2);
    tcase_add_loop_test(tc, layer_norm, 0, 6);
    tcase_add_loop_test(tc, sums_and_means, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
