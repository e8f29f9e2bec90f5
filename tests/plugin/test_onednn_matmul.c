/* Matrix products: shapes, strides, what is added to them, and its factors. */
#include "onednn_compare.h"

#include <math.h>

typedef enum strides { ROWS, COLUMNS, GAPS } strides;

static cr_tensor *matrix(cr_dtype dtype, int64_t batch, int64_t rows, int64_t columns, strides how)
{
    cr_tensor *t;
    switch (how) {
    case ROWS: t = some(dtype, 3, (int64_t[]){batch, rows, columns}); break;
    case COLUMNS: t = cr_transpose(some(dtype, 3, (int64_t[]){batch, columns, rows}), 1, 2); break;
    default:
        t = cr_slice(some(dtype, 3, (int64_t[]){batch, rows, columns + 5}), .dim = 2,
                     .start = CR_SOME(2), .end = CR_SOME(columns + 2));
    }
    return batch == 1 ? cr_select(t, 0, 0) : t;
}

static const int64_t sizes[][4] = {
    /* batch, m, n, k */
    {1, 64, 64, 64},   {1, 129, 65, 250},  {1, 300, 130, 90}, {1, 256, 256, 256}, {1, 31, 1000, 99},
    {1, 1000, 31, 99}, {1, 16, 2048, 160}, {1, 513, 77, 640}, {8, 33, 47, 64},    {5, 128, 130, 65},
    {1, 1, 600, 700},  {1, 700, 1, 600},   {1, 17, 3, 5},     {16, 64, 64, 64},   {3, 1, 128, 300},
};
enum { SIZES = sizeof sizes / sizeof *sizes };
static const cr_dtype dtypes[] = {CR_F32, CR_BF16};

START_TEST(products)
{
    cr_dtype dtype = dtypes[_i];
    for (int i = 0; i < SIZES; i++)
        for (int how = 0; how < 9; how++)
            CR_SCOPE {
                const int64_t *s = sizes[i];
                bool large = s[1] >= 16 && s[2] >= 16 && s[0] * s[1] * s[2] * s[3] >= 2000000;
                cr_value args[2] = {v_tensor(matrix(dtype, s[0], s[1], s[3], (strides)(how / 3))),
                                    v_tensor(matrix(dtype, s[0], s[3], s[2], (strides)(how % 3)))};
                compare(s[0] > 1 ? "bmm" : "mm", args, 2, tolerance_of(dtype),
                        large ? NATIVE : ANY_WAY);
            }
}
END_TEST

START_TEST(sums)
{
    cr_dtype dtype = dtypes[_i];
    for (int i = 0; i < SIZES; i++)
        for (int how = 0; how < 5; how++)
            for (int factors = 0; factors < 4; factors++)
                CR_SCOPE {
                    const int64_t *s = sizes[i];
                    cr_tensor *self = how == 0   ? some(dtype, 1, &s[2])
                                      : how == 1 ? matrix(dtype, s[0], s[1], s[2], ROWS)
                                      : how == 2 ? matrix(dtype, s[0], s[1], s[2], COLUMNS)
                                      : how == 3 ? some(dtype, 2, (int64_t[]){s[1], 1})
                                                 : some(dtype, 1, (int64_t[]){1});
                    cr_value args[3] = {v_tensor(self),
                                        v_tensor(matrix(dtype, s[0], s[1], s[3], ROWS)),
                                        v_tensor(matrix(dtype, s[0], s[3], s[2], COLUMNS))};
                    cr_keyword kw[2] = {{"beta", v_float(factors & 1 ? 0.5 : 1)},
                                        {"alpha", v_float(factors & 2 ? -2 : 1)}};
                    compare_with(s[0] > 1 ? "baddbmm" : "addmm", args, 3, kw, 2,
                                 tolerance_of(dtype), ANY_WAY);
                }
}
END_TEST

/* beta 0 does not read self, which may hold NaN. */
START_TEST(ignored_self)
{
    CR_SCOPE {
        cr_tensor *self = cr_full(CR_INTS(256), NAN, .device = "onednn", .dtype = dtypes[_i]);
        cr_value args[3] = {v_tensor(self), v_tensor(matrix(dtypes[_i], 1, 256, 64, ROWS)),
                            v_tensor(matrix(dtypes[_i], 1, 64, 256, ROWS))};
        cr_keyword kw[2] = {{"beta", v_float(0)}, {"alpha", v_float(1)}};
        compare_with("addmm", args, 3, kw, 2, tolerance_of(dtypes[_i]), NATIVE);
    }
}
END_TEST

START_TEST(in_place)
{
    CR_SCOPE {
        cr_dtype dtype = dtypes[_i];
        for (int factors = 0; factors < 2; factors++) {
            cr_tensor *self = some(dtype, 2, (int64_t[]){200, 150}), *copy = cr_clone(self);
            cr_value args[3] = {v_tensor(copy), v_tensor(matrix(dtype, 1, 200, 100, ROWS)),
                                v_tensor(matrix(dtype, 1, 100, 150, ROWS))};
            cr_keyword kw[2] = {{"beta", v_float(factors ? 3 : 1)},
                                {"alpha", v_float(factors ? 2 : 1)}};
            cr_value want, got;
            size_t n;
            ck_assert_int_eq(cr_call("addmm", args, 3, kw, 2, &want, 1, &n), 0);
            args[0] = v_tensor(self);
            ck_assert_int_eq(cr_call("addmm_", args, 3, kw, 2, &got, 1, &n), 0);
            ck_assert_msg(cr_allclose(self, want.as.tensor), "in place differs");
        }
    }
}
END_TEST

/* A batch that is one matrix, repeated. */
START_TEST(repeated)
{
    CR_SCOPE {
        cr_dtype dtype = dtypes[_i];
        cr_tensor *one = cr_expand(some(dtype, 3, (int64_t[]){1, 80, 90}), CR_INTS(6, 80, 90));
        cr_value args[2] = {v_tensor(some(dtype, 3, (int64_t[]){6, 70, 80})), v_tensor(one)};
        compare("bmm", args, 2, tolerance_of(dtype), NATIVE);
        cr_value turned[2] = {v_tensor(cr_transpose(one, 1, 2)),
                              v_tensor(some(dtype, 3, (int64_t[]){6, 80, 70}))};
        compare("bmm", turned, 2, tolerance_of(dtype), NATIVE);
    }
}
END_TEST

Suite *matmul_suite(void)
{
    Suite *suite = suite_create("products");
    TCase *tc = tcase_create("against cpu");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, products, 0, 2);
    tcase_add_loop_test(tc, sums, 0, 2);
    tcase_add_loop_test(tc, ignored_self, 0, 2);
    tcase_add_loop_test(tc, in_place, 0, 2);
    tcase_add_loop_test(tc, repeated, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
