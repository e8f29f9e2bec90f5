/* What becomes one dispatch when it is captured on a Vulkan device, and what doesn't: chains through casts and strides, into
 * reductions, and longer ones than a kernel takes. */
#include "captured.h"

#include <stdio.h>

const char *const captured_name = "vulkan fusing";
const int captured_modules = 20;

/* ---- what is fused, and what is not ---- */

static size_t relu_of_sum_times(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_mul(cr_relu(cr_add(in[0], in[1])), in[0]);
    return 1;
}

START_TEST(relu_of_a_sum_times_is_one_dispatch)
{
    static const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_BF16, CR_F64, CR_I32};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        CR_SCOPE {
            int replayed;
            seed_with(3);
            cr_tensor *in[] = {values(dtypes[i], 70001), values(dtypes[i], 70001)};
            cr_compile_stats s = agree("relu(x + y) x", relu_of_sum_times, NULL, in, 2, &replayed);
            ck_assert_uint_eq(s.plans, 1);
            ck_assert_uint_eq(s.fused, 2);
            ck_assert_int_eq(replayed, 1);
        }
}
END_TEST

/* A software device gains by texels, which alone its operations use. */
START_TEST(a_chain_reaches_values_as_its_operations_do)
{
    CR_SCOPE {
        int replayed, before = texels_bound;
        cr_tensor *in[] = {values(CR_F32, 3001), values(CR_F32, 3001)};
        cr_relu(in[0]);
        bool texels = texels_bound > before;
        agree("texels", relu_of_sum_times, NULL, in, 2, &replayed);
        ck_assert_int_eq(texels_replayed, texels ? replayed : 0);
    }
}
END_TEST

static size_t cast_away_and_back(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    static const cr_dtype way[] = {CR_I8,   CR_F16, CR_I64, CR_F64, CR_U8,
                                   CR_BF16, CR_I16, CR_B8,  CR_F32};
    (void)context, (void)n;
    out[0] = cr_mul_scalar(in[0], 2.5);
    for (size_t k = 0; k < sizeof way / sizeof *way; k++) {
        out[1] = out[0] = cr_to_dtype(out[0], way[k]);
        if (way[k] == CR_I64)
            out[0] = cr_mul_scalar(out[0], 3);
    }
    return 2;
}

START_TEST(casts_are_as_in_memory)
{
    CR_SCOPE {
        int replayed;
        seed_with(5);
        cr_tensor *x = values(CR_F32, 500);
        cr_compile_stats s = agree("casts", cast_away_and_back, NULL, &x, 1, &replayed);
        ck_assert_uint_eq(s.plans, 1);
        ck_assert_int_eq(replayed, 1);
    }
}
END_TEST

/* Rows, columns, planes, single elements and transposed matrices of one block. */
static size_t many_strides(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context;
    out[0] = cr_neg(in[0]);
    for (size_t i = 1; i < n; i++)
        out[0] = cr_add(out[0], in[i]);
    return 1;
}

START_TEST(values_repeat_and_lie_in_strides)
{
    CR_SCOPE {
        int replayed;
        seed_with(11);
        cr_tensor *x = cr_reshape(values(CR_F32, 2 * 3 * 6 * 6), CR_INTS(2, 3, 6, 6));
        cr_tensor *in[] = {
            x,
            cr_select(cr_select(cr_select(x, 0, 0), 0, 1), 0, 2), /* a row */
            cr_narrow(x, 3, 2, 1),
            cr_reshape(values(CR_F32, 3), CR_INTS(3, 1, 1)),
            cr_transpose(x, 2, 3),
            cr_narrow(x, 0, 1, 1),
            cr_reshape(values(CR_F32, 1), CR_INTS(1, 1, 1, 1)),
            cr_permute(cr_reshape(values(CR_F32, 216), CR_INTS(6, 6, 3, 2)), CR_INTS(3, 2, 1, 0))};
        cr_compile_stats s = agree("strides", many_strides, NULL, in, 8, &replayed);
        ck_assert_uint_eq(s.plans, 1);
        ck_assert_int_eq(replayed, 1);
    }
}
END_TEST

/* ---- reductions ---- */

typedef struct reduction {
    int64_t dims[3];
    int ndims;
    bool keepdim;
} reduction;

static size_t reduce(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    static const char *const names[] = {"sum.dim_IntList", "mean.dim", "amax", "amin"};
    const reduction *r = context;
    (void)n;
    for (int k = 0; k < 4; k++) {
        const cr_value args[] = {
            {.tag = CR_TENSOR, .as.tensor = cr_mul(cr_relu(cr_sub(in[0], in[1])), in[0])},
            {.tag = CR_INT_LIST, .count = r->ndims, .as.ints = r->dims},
            {.tag = CR_BOOL, .as.i = r->keepdim}};
        cr_value y = {0};
        if (cr_call(names[k], args, 3, NULL, 0, &y, 1, NULL))
            return 0;
        out[k] = y.as.tensor;
    }
    return 4;
}

START_TEST(a_chain_ends_in_a_reduction)
{
    static const int64_t sizes[][3] = {{1, 1, 7},     {2, 3, 5},   {3, 7, 2048},
                                       {2, 2, 40001}, {700, 3, 2}, {4, 0, 3}};
    static const reduction ways[] = {{{2}, 1, false}, {{1, 2}, 2, true},  {{0, 1, 2}, 3, false},
                                     {{0}, 1, false}, {{0, 2}, 2, false}, {{1}, 1, true}};
    static const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_BF16};
    seed_with(23);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
            CR_SCOPE {
                char what[80];
                int replayed;
                reduction way = ways[k];
                cr_dtype dtype = dtypes[(i + k) % 3];
                cr_tensor *in[] = {operand(dtype, sizes[i], true), operand(dtype, sizes[i], false)};
                const int64_t *z = sizes[i];
                if (!z[1]) { /* amax of nothing is an error */
                    if (way.dims[0] != 0 || way.ndims != 1)
                        continue;
                    in[0] = in[1] = cr_zeros(CR_INTS(4, 0, 3));
                }
                snprintf(what, sizeof what, "reduction %zu of sizes %zu", k, i);
                cr_compile_stats s = agree(what, reduce, &way, in, 2, &replayed);
                ck_assert_msg(s.plans == 4 && s.fused == 12, "%s: %zu plans, %zu fused", what,
                              s.plans, s.fused);
                ck_assert_msg(replayed <= 8, "%s: %d dispatches", what, replayed);
            }
}
END_TEST

static size_t sum_and_terms(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_mul(cr_neg(in[0]), in[1]);
    out[1] = cr_sum(out[0]);
    return 2;
}

START_TEST(terms_that_are_wanted_are_written)
{
    CR_SCOPE {
        int replayed;
        seed_with(29);
        cr_tensor *in[] = {values(CR_F32, 77), values(CR_F32, 77)};
        ck_assert_uint_eq(agree("terms", sum_and_terms, NULL, in, 2, &replayed).plans, 2);
        ck_assert_int_eq(replayed, 2);
    }
}
END_TEST

static size_t step_aside(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    const cr_value args[] = {{.tag = CR_TENSOR, .as.tensor = cr_exp(in[0])},
                             {.tag = CR_TENSOR, .as.tensor = in[1]}};
    cr_value next = {0};
    (void)context, (void)n;
    if (cr_call("nextafter", args, 2, NULL, 0, &next, 1, NULL))
        return 0;
    out[0] = cr_relu(cr_neg(next.as.tensor));
    return 1;
}

static size_t sum_of_ten(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = in[0];
    for (int i = 1; i < 10; i++)
        out[0] = cr_add(out[0], in[i]);
    return 1;
}

static size_t fourteen_numbers(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = in[0];
    for (int i = 0; i < 14; i++)
        out[0] = cr_mul_scalar(out[0], 1.0 + 1.0 / (i + 2));
    return 1;
}

START_TEST(what_does_not_fit_runs_in_parts)
{
    CR_SCOPE {
        int replayed;
        cr_tensor *in[10];
        seed_with(17);
        for (int i = 0; i < 10; i++)
            in[i] = values(CR_F32, 333);
        /* exp alone, nextafter alone, the rest together */
        ck_assert_uint_eq(agree("nextafter", step_aside, NULL, in, 2, &replayed).plans, 3);
        ck_assert_int_eq(replayed, 3);
        ck_assert_uint_eq(agree("ten", sum_of_ten, NULL, in, 10, &replayed).plans, 2);
        ck_assert_int_eq(replayed, 2);
        ck_assert_uint_eq(agree("numbers", fourteen_numbers, NULL, in, 1, &replayed).plans, 2);
        ck_assert_int_eq(replayed, 2);
        in[0] = values(CR_F32, 0);
        in[1] = values(CR_F32, 0);
        agree("nothing", relu_of_sum_times, NULL, in, 2, &replayed);
        ck_assert_int_eq(replayed, 0);
    }
}
END_TEST

void captured_tests(TCase *tests)
{
    tcase_add_test(tests, relu_of_a_sum_times_is_one_dispatch);
    tcase_add_test(tests, a_chain_reaches_values_as_its_operations_do);
    tcase_add_test(tests, casts_are_as_in_memory);
    tcase_add_test(tests, values_repeat_and_lie_in_strides);
    tcase_add_test(tests, what_does_not_fit_runs_in_parts);
    tcase_add_test(tests, a_chain_ends_in_a_reduction);
    tcase_add_test(tests, terms_that_are_wanted_are_written);
}
