/* The vulkan backend's kernels on values of more than one block, which the conformance samples hardly have: attention
 * against the cpu backend's, random numbers bit by bit, and sums that have the same bits every time. */
#include "bits.h"
#include "first_device.h"

#include <check.h>

#include <cresset/cresset.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device;

static void no_error(void)
{
    ck_assert_msg(!cr_error(), "%s", cr_error());
}

/* ---- attention ---- */

typedef struct way {
    cr_dtype dtype;
    int64_t targets, sources, width, values;
    bool causal, bools, added;
    double dropout, tolerance;
} way;

/* Output and the gradients of query, key and value on a device. */
static void attend(const way *w, cr_tensor *const in[4], const char *on, cr_tensor *of[4])
{
    cr_tensor *x[3], *mask = in[3] ? cr_tensor_to(in[3], on) : NULL;
    for (int i = 0; i < 3; i++) /* heads within rows, as they lie in a transformer */
        x[i] = cr_requires_grad_(cr_detach(cr_transpose(cr_tensor_to(in[i], on), 1, 2)), 1);
    cr_manual_seed(3);
    of[0] = cr_scaled_dot_product_attention(x[0], x[1], x[2], .attn_mask = mask,
                                            .dropout_p = w->dropout, .is_causal = w->causal);
    cr_backward(cr_sum(cr_mul(of[0], of[0])));
    for (int i = 0; i < 3; i++)
        of[1 + i] = cr_grad(x[i]);
}

static void attention_is_the_cpus(const way *w)
{
    CR_SCOPE {
        cr_tensor *in[4] = {
            cr_to_dtype(cr_randn(CR_INTS(2, w->targets, 3, w->width), .device = "cpu"), w->dtype),
            cr_to_dtype(cr_randn(CR_INTS(2, w->sources, 3, w->width), .device = "cpu"), w->dtype),
            cr_to_dtype(cr_randn(CR_INTS(2, w->sources, 3, w->values), .device = "cpu"), w->dtype)};
        cr_tensor *mask = cr_randn(CR_INTS(2, 1, w->targets, w->sources), .device = "cpu");
        in[3] = w->bools ? cr_gt_scalar(mask, -0.5) : w->added ? cr_to_dtype(mask, w->dtype) : NULL;
        cr_tensor *of[2][4];
        attend(w, in, device, of[0]);
        attend(w, in, "cpu", of[1]);
        for (int i = 0; i < 4; i++) {
            cr_tensor *a = cr_to_dtype(cr_tensor_to(of[0][i], "cpu"), CR_F64),
                      *b = cr_to_dtype(of[1][i], CR_F64);
            double most = cr_item(cr_amax(cr_abs(cr_sub(a, b)))),
                   scale = cr_item(cr_amax(cr_abs(b)));
            no_error();
            ck_assert_msg(most <= w->tolerance * scale, "value %d: off by %g of %g", i, most,
                          scale);
        }
    }
    no_error();
}

START_TEST(attention_of_many_blocks_is_the_cpus)
{
    const way ways[] = {{CR_F32, 33, 97, 64, 20, .tolerance = 1e-5},
                        {CR_F32, 97, 33, 8, 16, .causal = true, .tolerance = 1e-5},
                        {CR_F32, 40, 65, 33, 70, .bools = true, .tolerance = 1e-5},
                        {CR_F32, 65, 40, 24, 16, .added = true, .tolerance = 1e-5},
                        {CR_F32, 70, 67, 24, 24, .dropout = 0.3, .tolerance = 1e-5},
                        {CR_BF16, 40, 70, 32, 32, .causal = true, .tolerance = 2e-2},
                        {CR_F64, 40, 33, 20, 16, .bools = true, .tolerance = 1e-12}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        attention_is_the_cpus(&ways[i]);
}
END_TEST

/* Neither forward nor backward: of 1024 queries and keys there are never more than a few rows' scores. */
START_TEST(attention_never_holds_the_scores)
{
    enum { LONG = 1024, WIDTH = 8 };
    cr_memory_stats_result before, after;
    cr_tensor *x = cr_requires_grad_(cr_randn(CR_INTS(1, 2, LONG, WIDTH)), 1);
    cr_synchronize(NULL);
    cr_memory_stats(NULL, &before);
    cr_reset_peak_memory_stats(NULL);
    CR_SCOPE {
        cr_tensor *y = cr_scaled_dot_product_attention(x, x, x, .is_causal = true);
        ck_assert_msg(!cr_backward(cr_sum(y)), "%s", cr_error());
    }
    cr_synchronize(NULL);
    cr_memory_stats(NULL, &after);
    uint64_t used = after.peak_allocated_bytes - before.allocated_bytes;
    ck_assert_msg(used < (uint64_t)LONG * LONG / 2, "%llu bytes", (unsigned long long)used);
}
END_TEST

/* ---- bits ---- */

START_TEST(random_numbers_have_the_cpus_bits)
{
    CR_SCOPE {
        const cr_dtype bits[] = {CR_I32, CR_I64}, uniform[] = {CR_F32, CR_F64, CR_F16, CR_BF16};
        for (int round = 0; round < 2; round++) {
            cr_tensor *of[2][7];
            for (int i = 0; i < 2; i++) {
                const char *on = i ? "cpu" : device;
                cr_manual_seed(0x123456789abcdefu + (uint64_t)round);
                for (int k = 0; k < 2; k++)
                    of[i][k] = cr_random_bits(CR_INTS(1003), .dtype = bits[k], .device = on);
                for (int k = 0; k < 4; k++)
                    of[i][2 + k] = cr_rand(CR_INTS(17, 59), .dtype = uniform[k], .device = on);
                of[i][6] = cr_randint(1000, CR_INTS(5000), .device = on);
            }
            no_error();
            for (int k = 0; k < 7; k++)
                ck_assert_msg(same_bits(of[0][k], of[1][k]), "%d of round %d", k, round);
        }
    }
}
END_TEST

/* Sums that are split among groups, gradients that many elements add to. */
static void sums(cr_tensor *x, cr_tensor *a, cr_tensor *b, cr_tensor *index, cr_tensor *of[7])
{
    cr_tensor *image = cr_reshape(cr_narrow(x, 0, 0, 16 * 4 * 32 * 32), CR_INTS(16, 4, 32, 32)),
              *window = cr_requires_grad_(
                  cr_clone(cr_reshape(cr_narrow(x, 0, 0, 6 * 4 * 25), CR_INTS(6, 4, 5, 5))), 1),
              *y = cr_f_conv2d(image, window);
    cr_backward(cr_sum(cr_mul(y, y)));
    of[0] = cr_sum(x);
    of[1] = cr_mm(a, b);
    of[2] = cr_scatter_add(cr_zeros(100), 0, index, x);
    of[3] = cr_cumsum(x, 0);
    of[4] = y;
    of[5] = cr_grad(window);
    of[6] = cr_softmax(cr_reshape(x, CR_INTS(4, -1)), 1);
}

START_TEST(sums_have_the_same_bits_every_time)
{
    CR_SCOPE {
        cr_tensor *x = cr_randn(200000), *a = cr_randn(CR_INTS(5, 20000)),
                  *b = cr_randn(CR_INTS(20000, 7)), *index = cr_randint(100, CR_INTS(200000));
        cr_tensor *first[7], *again[7];
        sums(x, a, b, index, first);
        for (int round = 0; round < 3; round++) {
            sums(x, a, b, index, again);
            no_error();
            for (int k = 0; k < 7; k++)
                ck_assert_msg(same_bits(first[k], again[k]), "sum %d of round %d", k, round);
        }
    }
}
END_TEST

/* Pairs of elements are loaded at once where rows are shared: a view may begin between two. */
START_TEST(convolutions_begin_anywhere)
{
    CR_SCOPE {
        const int64_t n = (int64_t)3 * 4 * 11 * 13;
        cr_tensor *flat = cr_randn(n + 4), *window = cr_randn(CR_INTS(6, 4, 5, 5));
        for (int64_t from = 0; from < 4; from++)
            for (int64_t padding = 0; padding < 3; padding++) {
                cr_tensor *view = cr_reshape(cr_narrow(flat, 0, from, n), CR_INTS(3, 4, 11, 13));
                cr_tensor *a = cr_f_conv2d(view, window, .padding = CR_INTS(padding)),
                          *b = cr_f_conv2d(cr_clone(view), window, .padding = CR_INTS(padding)),
                          *c = cr_f_conv2d(cr_tensor_to(view, "cpu"), cr_tensor_to(window, "cpu"),
                                           .padding = CR_INTS(padding));
                double most = cr_item(cr_amax(cr_abs(cr_sub(cr_tensor_to(a, "cpu"), c))));
                no_error();
                ck_assert_msg(same_bits(a, b) && most < 1e-4, "from %d, padding %d: %g", (int)from,
                              (int)padding, most);
            }
    }
}
END_TEST

int main(void)
{
    int status;
    if (!(device = first_device(&status)))
        return status;
    Suite *suite = suite_create("vulkan kernels");
    TCase *tests = tcase_create("kernels");
    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, attention_of_many_blocks_is_the_cpus);
    tcase_add_test(tests, attention_never_holds_the_scores);
    tcase_add_test(tests, random_numbers_have_the_cpus_bits);
    tcase_add_test(tests, sums_have_the_same_bits_every_time);
    tcase_add_test(tests, convolutions_begin_anywhere);
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
