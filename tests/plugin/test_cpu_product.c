/* Matrix products of the cpu backend in every layout, beside plain loops in double: tiles of every height and width, and
 * products large enough for the blocked kernels and for OpenBLAS, whose shapes straddle tiles, panels and passes. */
#include "kernel_host.h"

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

Suite *product_suite(void)
{
    Suite *suite = suite_create("products");
    TCase *all = tcase_create("products");
    tcase_set_timeout(all, 240);
    tcase_add_test(all, tiles_of_every_size_agree_with_loops);
    tcase_add_test(all, large_products_agree_with_loops);
    tcase_add_test(all, large_products_on_threads_are_the_same_bits);
    suite_add_tcase(suite, all);
    return suite;
}
