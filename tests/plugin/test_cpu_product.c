/* Matrix products of the cpu backend in every layout, beside plain loops in double: tiles of every height and width, and
 * products large enough for the blocked kernels and for OpenBLAS, whose shapes straddle tiles, panels and passes. */
#include "kernel_host.h"

#include <float.h>
#include <math.h>

typedef struct product {
    int64_t batch, n, k, m;
} product;

static const product products[] = {
    {1, 14, 384, 640},  {1, 15, 385, 33},   {2, 160, 150, 170}, {1, 97, 801, 45},
    {1, 211, 130, 129}, {1, 12, 2000, 160}, {1, 300, 1300, 9},  {1, 5, 900, 700},
};
enum { PRODUCTS = sizeof products / sizeof *products };

/* Element i, j of self · beta + alpha · a b, and the sum of what the terms weigh. */
static double element(const value *self, const value *a, const value *b, const product *p,
                      int64_t at, double alpha, double beta, double *weight)
{
    int64_t j = at % p->m, i = at / p->m % p->n, batch = at / p->m / p->n;
    double sum = 0;
    *weight = 0;
    for (int64_t q = 0; q < p->k; q++) {
        double term = value_get(a, (batch * p->n + i) * p->k + q).f *
                      value_get(b, (batch * p->k + q) * p->m + j).f;
        sum += term;
        *weight += fabs(term);
    }
    double from = self ? beta * value_get(self, at).f : 0;
    *weight = fabs(alpha) * *weight + fabs(from);
    return alpha * sum + from;
}

static void check_product(const product *p, int32_t dtype, layout how_a, layout how_b,
                          bool with_self)
{
    const int64_t size_a[] = {p->batch, p->n, p->k}, size_b[] = {p->batch, p->k, p->m},
                  size[] = {p->batch, p->n, p->m};
    value a = value_new(dtype, 3, size_a, how_a), b = value_new(dtype, 3, size_b, how_b);
    value self = value_new(dtype, 3, size, with_self ? how_b : DENSE),
          out = value_new(dtype, 3, size, DENSE);
    value_fill(&a, 1, false);
    value_fill(&b, 2, false);
    value_fill(&self, 3, false);
    operation op = {.name = "bmm", .in = {&a, &b}, .nin = 2, .out = {&out}, .nout = 1};
    double alpha = 1, beta = 0;
    if (with_self) {
        alpha = -0.5, beta = 1.5;
        op = (operation){.name = "baddbmm",
                         .in = {&self, &a, &b},
                         .nin = 3,
                         .out = {&out},
                         .nout = 1,
                         .numbers = {"beta", "alpha"},
                         .number = {{beta, 1}, {alpha, 0}},
                         .nnumbers = 2};
    }
    ck_assert_int_eq(operation_run(&op), CR_OK);
    double epsilon = dtype == CR_F64 ? 1e-15 : 1.2e-7;
    for (int64_t at = 0; at < value_numel(&out); at += 1 + at % 13) {
        double weight,
            expected = element(with_self ? &self : NULL, &a, &b, p, at, alpha, beta, &weight);
        double got = value_get(&out, at).f;
        ck_assert_msg(fabs(got - expected) <= 64 * epsilon * weight,
                      "%s [%lld,%lld,%lld] layouts %d %d at %lld: %.9g instead of %.9g", op.name,
                      (long long)p->n, (long long)p->k, (long long)p->m, how_a, how_b,
                      (long long)at, got, expected);
    }
    value_free(&a);
    value_free(&b);
    value_free(&self);
    value_free(&out);
}

START_TEST(large_products_agree_with_loops)
{
    for (int i = 0; i < (host_few ? 3 : PRODUCTS); i++)
        for (int32_t dtype = CR_F64; dtype <= CR_F32; dtype++)
            for (int how = DENSE; how <= REPEATED_1; how++) {
                check_product(&products[i], dtype, (layout)how, DENSE, false);
                check_product(&products[i], dtype, TURNED, (layout)how, true);
            }
}
END_TEST

START_TEST(tiles_of_every_size_agree_with_loops)
{
    static const int64_t widths[] = {1, 3, 4, 5, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 64, 65};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int64_t height = 1; height <= 26; height += host_few ? 5 : 1)
            for (int64_t k = 1; k <= 21; k += 10)
                for (int how = DENSE; how <= REPEATED_1; how++) {
                    product p = {1, height, k, widths[w]};
                    check_product(&p, CR_F32, (layout)how, DENSE, false);
                    check_product(&p, CR_F32, DENSE, (layout)how, true);
                }
}
END_TEST

START_TEST(large_products_on_threads_are_the_same_bits)
{
    const int64_t a_size[] = {1, 300, 500}, b_size[] = {1, 500, 400}, size[] = {1, 300, 400};
    value a = value_new(CR_F32, 3, a_size, SPACED), b = value_new(CR_F32, 3, b_size, DENSE);
    value one = value_new(CR_F32, 3, size, DENSE), two = value_new(CR_F32, 3, size, DENSE);
    value_fill(&a, 1, false);
    value_fill(&b, 2, false);
    int before = host_threads;
    for (host_threads = 1; host_threads <= 3; host_threads += 2) {
        operation op = {.name = "bmm",
                        .in = {&a, &b},
                        .nin = 2,
                        .out = {host_threads == 1 ? &one : &two},
                        .nout = 1};
        ck_assert_int_eq(operation_run(&op), CR_OK);
    }
    host_threads = before;
    for (int64_t i = 0; i < value_numel(&one); i++)
        ck_assert_msg(value_get(&one, i).f == value_get(&two, i).f, "element %lld", (long long)i);
    value_free(&a);
    value_free(&b);
    value_free(&one);
    value_free(&two);
}
END_TEST

/* ---- products by parts of numbers (gemm_amx.c, where the processor has AMX) ---- */

/* Numbers of 24 bits: in those that value_fill gives the lower ones are zeros. */
static void fill_with_long_numbers(value *v, uint32_t seed)
{
    for (int64_t i = 0; i < value_numel(v); i++) {
        seed = seed * 1664525u + 1013904223u;
        value_set(v, i, (cell){.f = ((double)(seed >> 7) - 0x1p24) * 0x1p-24});
    }
}

/* What a double comes to in f32 or bf16, where a sum on the way may have been taken for zero below f32's normal numbers, or for
 * infinite above them. */
static bool is_near(double got, double expected, double weight, double most, int32_t dtype)
{
    if (isnan(expected) || isinf(expected))
        return isnan(expected) ? isnan(got) : got == expected;
    const double rounding = dtype == CR_BF16 && expected != 0 ? ldexp(0x1p-8, ilogb(expected)) : 0;
    return weight > FLT_MAX || fabs(got - expected) <= most * weight + rounding + 0x1p-125;
}

/* out = alpha a b + beta self, self being out itself. `most` is of the terms' weight. */
static void check_in_place(const product *p, value *a, value *b, layout how, double most,
                           int64_t row_step)
{
    const int32_t dtype = a->meta.dtype;
    const int64_t size[] = {p->batch, p->n, p->m};
    value self = value_new(dtype, 3, size, DENSE), out = value_new(dtype, 3, size, how);
    fill_with_long_numbers(&self, 3);
    fill_with_long_numbers(&out, 3);
    operation op = {.name = "baddbmm",
                    .in = {&out, a, b},
                    .nin = 3,
                    .out = {&out},
                    .nout = 1,
                    .numbers = {"beta", "alpha"},
                    .number = {{0.25, 0}, {-0.5, 0}},
                    .nnumbers = 2};
    ck_assert_int_eq(operation_run(&op), CR_OK);
    for (int64_t i = 0; i < p->n; i += row_step)
        for (int64_t j = 0; j < p->m; j += 1 + j % 7) {
            double weight, expected = element(&self, a, b, p, i * p->m + j, -0.5, 0.25, &weight);
            double got = value_get(&out, i * p->m + j).f;
            ck_assert_msg(is_near(got, expected, weight, most, dtype),
                          "[%lld,%lld,%lld] at %lld,%lld: %.9g instead of %.9g (of %.9g)",
                          (long long)p->n, (long long)p->k, (long long)p->m, (long long)i,
                          (long long)j, got, expected, weight);
        }
    value_free(&self);
    value_free(&out);
}

static void check_layouts(const product *p, int32_t dtype)
{
    static const layout how[][2] = {
        {DENSE, DENSE}, {TURNED, DENSE}, {DENSE, TURNED}, {TURNED, TURNED}, {SPACED, REPEATED_1}};
    for (size_t h = 0; h < sizeof how / sizeof *how; h += host_few ? 3 : 1) {
        const int64_t size_a[] = {p->batch, p->n, p->k}, size_b[] = {p->batch, p->k, p->m};
        value a = value_new(dtype, 3, size_a, how[h][0]);
        value b = value_new(dtype, 3, size_b, how[h][1]);
        fill_with_long_numbers(&a, 1);
        fill_with_long_numbers(&b, 2);
        check_in_place(p, &a, &b, h == 1 ? SPACED : h == 2 ? TURNED : DENSE, 2.4e-7, 1 + p->n / 60);
        value_free(&a);
        value_free(&b);
    }
}

/* Blocks, passes and panels that are not full, on either side, and as exact as f32: with two parts of three, a term would be
 * off by some 2^-18. */
START_TEST(long_numbers_are_multiplied_exactly)
{
    static const product of[] = {
        {1, 300, 40, 300},  {1, 2100, 33, 115},  {1, 115, 40, 2100},  {1, 1030, 70, 97},
        {1, 97, 70, 1030},  {1, 260, 1300, 200}, {1, 530, 300, 1100}, {1, 190, 257, 170},
        {2, 177, 290, 145}, {1, 455, 353, 450},  {1, 450, 353, 455},  {1, 1030, 768, 1040},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i += host_few ? 3 : 1)
        check_layouts(&of[i], CR_F32);
}
END_TEST

/* The same of bf16, which are multiplied as they are, summed in f32 and rounded once; also more terms than one pass takes. */
START_TEST(bf16_are_summed_in_f32)
{
    static const product of[] = {
        {1, 300, 40, 300},  {1, 2100, 33, 115}, {1, 115, 40, 2100}, {1, 1030, 770, 97},
        {1, 97, 70, 1030},  {1, 48, 1300, 33},  {1, 33, 1300, 48},  {3, 65, 64, 66},
        {1, 40, 8192, 100}, {1, 40, 8193, 100}, {1, 16, 900, 400},  {5, 128, 96, 64},
        {1, 70, 8000, 66},  {1, 66, 8000, 70},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i += host_few ? 3 : 1)
        check_layouts(&of[i], CR_BF16);
}
END_TEST

START_TEST(bf16_that_are_not_finite_are_multiplied)
{
    static const double special[] = {INFINITY, -INFINITY, NAN, 0x1.fep127, 0x1p-126};
    const product p = {1, 70, 100, 90};
    const int64_t size_a[] = {1, p.n, p.k}, size_b[] = {1, p.k, p.m};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        value a = value_new(CR_BF16, 3, size_a, DENSE), b = value_new(CR_BF16, 3, size_b, TURNED);
        fill_with_long_numbers(&a, 1);
        fill_with_long_numbers(&b, 2);
        value_set(&a, 33 * p.k + 17, (cell){.f = special[i]});
        check_in_place(&p, &a, &b, DENSE, 2.4e-7, 1);
        value_free(&a);
        value_free(&b);
    }
}
END_TEST

/* The bounds of what parts can hold, each in one element and in whole matrices; the element also among later terms, when
 * earlier ones are written already. */
START_TEST(numbers_of_every_size_are_multiplied)
{
    static const double sizes[][2] = {
        {INFINITY, 1},  {-INFINITY, 1}, {NAN, 1},      {3.4e38, 1}, {3.4e38, 1e-38},
        {1e30, 1e30},   {1e-40, 1},     {1e-40, 1e30}, {1e-31, 1},  {1e-29, 1e-2},
        {1e-20, 1e-20}, {1e-15, 1e-15}, {1e-38, 1e38}, {0, 1},      {0, INFINITY},
    };
    const product p = {1, 200, 600, 160};
    const int64_t size_a[] = {1, p.n, p.k}, size_b[] = {1, p.k, p.m};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int way = 0; way < 4; way++) {
            value a = value_new(CR_F32, 3, size_a, DENSE), b = value_new(CR_F32, 3, size_b, DENSE);
            fill_with_long_numbers(&a, 1);
            fill_with_long_numbers(&b, 2);
            const int64_t row = 70, term = way == 1 ? 3 : 450;
            for (int64_t at = 0; at < value_numel(&a); at++)
                if (way == 0 || (way < 3 && at == row * p.k + term))
                    value_set(&a, at, (cell){.f = value_get(&a, at).f * sizes[i][0]});
            for (int64_t at = 0; at < value_numel(&b); at++)
                if (way == 0 || (way == 3 && at == term * p.m + 7))
                    value_set(&b, at, (cell){.f = value_get(&b, at).f * sizes[i][way == 0]});
            /* Of 600 terms a third or so of f32's rounding adds up. */
            check_in_place(&p, &a, &b, DENSE, 1e-6, 10);
            value_free(&a);
            value_free(&b);
        }
}
END_TEST

Suite *product_suite(void)
{
    Suite *suite = suite_create("products");
    TCase *all = tcase_create("products");
    tcase_set_timeout(all, 240);
    tcase_add_test(all, tiles_of_every_size_agree_with_loops);
    tcase_add_test(all, large_products_agree_with_loops);
    tcase_add_test(all, large_products_on_threads_are_the_same_bits);
    tcase_add_test(all, long_numbers_are_multiplied_exactly);
    tcase_add_test(all, numbers_of_every_size_are_multiplied);
    tcase_add_test(all, bf16_are_summed_in_f32);
    tcase_add_test(all, bf16_that_are_not_finite_are_multiplied);
    suite_add_tcase(suite, all);
    return suite;
}
