/* Matrix products: shapes, strides, what is added to them, and its factors. */
#include "onednn_compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* Whether the processor sums products of int8 in 32 bits. */
static bool has_vnni(void)
{
    static char line[8192];
    FILE *file = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file))
        found = strstr(line, "avx512_vnni") != NULL;
    if (file)
        fclose(file);
    return found;
}

static cr_tensor *int8s(int rank, const int64_t *size)
{
    cr_tensor *t = cr_randint_low(-128, 128, cr_make_ints(size, rank), .device = "onednn");
    return cr_to_copy(t, .dtype = CR_I8);
}

/* The call on both devices, where every bit has to be the same: products of int8 wrap. */
static void same_bits(const char *op, cr_value *args, size_t nargs, const cr_keyword *kw,
                      size_t nkw)
{
    cr_value got, want, there[3];
    size_t n;
    for (size_t i = 0; i < nargs; i++)
        there[i] = v_tensor(cr_to_copy(args[i].as.tensor, .device = "cpu"));
    uint64_t before = native_count(op);
    ck_assert_msg(!cr_call(op, args, nargs, kw, nkw, &got, 1, &n), "%s", cr_error());
    if (has_vnni() && cr_tensor_size(args[nargs - 1].as.tensor, -1) > 1) /* not of a column */
        ck_assert_msg(native_count(op) == before + 1, "%s of int8 is not native", op);
    ck_assert_msg(!cr_call(op, there, nargs, kw, nkw, &want, 1, &n), "%s", cr_error());
    ck_assert_int_eq(cr_tensor_dtype(got.as.tensor), CR_I8);
    ck_assert_msg(cr_equal(cr_to_copy(got.as.tensor, .device = "cpu"), want.as.tensor),
                  "%s of int8 differs", op);
}

START_TEST(integers)
{
    static const int64_t shapes[][4] = {{1, 64, 64, 64},  {1, 129, 65, 250}, {1, 300, 130, 90},
                                        {1, 31, 100, 99}, {8, 33, 47, 64},   {1, 4, 5, 140001},
                                        {3, 1, 128, 300}, {1, 600, 1, 70}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int how = 0; how < 4; how++)
            CR_SCOPE {
                const int64_t *s = shapes[i];
                int rank = s[0] > 1 ? 3 : 2, first = 3 - rank;
                const int64_t sa[3] = {s[0], s[1], s[3]}, ta[3] = {s[0], s[3], s[1]};
                const int64_t sb[3] = {s[0], s[3], s[2]}, tb[3] = {s[0], s[2], s[3]};
                const int64_t sc[3] = {s[0], s[1], s[2]};
                cr_tensor *a = how & 1 ? cr_transpose(int8s(rank, ta + first), -1, -2)
                                       : int8s(rank, sa + first);
                cr_tensor *b = how & 2 ? cr_transpose(int8s(rank, tb + first), -1, -2)
                                       : int8s(rank, sb + first);
                if (s[3] > 100000) { /* sums beyond 32 bits */
                    cr_fill_scalar_(a, -128);
                    cr_fill_scalar_(b, -128);
                }
                cr_value args[3] = {v_tensor(a), v_tensor(b)};
                same_bits(s[0] > 1 ? "bmm" : "mm", args, 2, NULL, 0);
                cr_tensor *self = how & 1 ? int8s(1, &s[2]) : int8s(rank, sc + first);
                cr_value sum[3] = {v_tensor(self), args[0], args[1]};
                cr_keyword kw[2] = {{"beta", v_int(how - 1)}, {"alpha", v_int(how & 2 ? -3 : 1)}};
                same_bits(s[0] > 1 ? "baddbmm" : "addmm", sum, 3, kw, 2);
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
    tcase_add_test(tc, integers);
    suite_add_tcase(suite, tc);
    return suite;
}
