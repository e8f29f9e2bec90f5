/* Samplers: their draws have the mean, the spread and the range that their distribution has; a seed repeats them. */
#include <check.h>
#include <cresset/cresset.h>
#include <math.h>

enum { N = 20000 };

static cr_tensor *empty(void)
{
    return cr_empty(N, .dtype = CR_F64);
}

static void has(const char *name, cr_tensor *x, double mean, double variance, double low,
                double high)
{
    ck_assert_msg(x != NULL, "%s: %s", name, cr_error());
    x = cr_to_dtype(x, CR_F64);
    double m = cr_item(cr_mean(x)), v = cr_item(cr_var(x));
    double error = 5 * sqrt(variance / (double)cr_tensor_numel(x));
    ck_assert_msg(fabs(m - mean) <= error, "%s: the mean is %g, not %g", name, m, mean);
    ck_assert_msg(fabs(v - variance) <= 0.15 * variance, "%s: the variance is %g, not %g", name, v,
                  variance);
    ck_assert_msg(cr_item(cr_min(x)) >= low && cr_item(cr_max(x)) <= high, "%s: from %g to %g",
                  name, cr_item(cr_min(x)), cr_item(cr_max(x)));
}

START_TEST(moments)
{
    const double pi = 3.14159265358979323846;
    cr_manual_seed(5);
    has("uniform", cr_uniform_(empty(), .from = -1, .to = CR_SOME(3)), 1, 16.0 / 12, -1, 3);
    has("normal", cr_normal_(empty(), .mean = 2, .std = CR_SOME(3)), 2, 9, -30, 30);
    has("exponential", cr_exponential_(empty(), .lambd = CR_SOME(2)), 0.5, 0.25, 0, 30);
    has("geometric", cr_geometric_(empty(), 0.25), 4, 12, 1, 200);
    has("log_normal", cr_log_normal_(empty(), .mean = CR_SOME(0), .std = CR_SOME(0.5)), exp(0.125),
        (exp(0.25) - 1) * exp(0.25), 0, 100);
    has("cauchy", cr_atan(cr_cauchy_(empty())), 0, pi * pi / 12, -pi / 2, pi / 2);
    has("random", cr_random_to_(cr_empty(N, .dtype = CR_I64), 10), 4.5, 99.0 / 12, 0, 9);
    has("random from", cr_random_from_(cr_empty(N, .dtype = CR_I32), -5, (cr_opt_int)CR_SOME(5)),
        -0.5, 99.0 / 12, -5, 4);
    has("random of uint8", cr_random_(cr_empty(N, .dtype = CR_U8)), 127.5, 65535.0 / 12, 0, 255);
    has("randint_like", cr_randint_like_low(empty(), 3, 5), 3.5, 0.25, 3, 4);
    has("bernoulli", cr_bernoulli_p(empty(), 0.3), 0.3, 0.21, 0, 1);
    has("bernoulli of p", cr_bernoulli(cr_full(N, 0.8)), 0.8, 0.16, 0, 1);
    has("bernoulli_ of p", cr_bernoulli_tensor_(empty(), cr_full(N, 0.8)), 0.8, 0.16, 0, 1);
    has("poisson", cr_poisson(cr_full(N, 3.5)), 3.5, 3.5, 0, 30);
    has("poisson, large", cr_poisson(cr_full(N, 120.0)), 120, 120, 50, 200);
    has("normal of means", cr_normal_tensor_float(cr_full(N, 4.0)), 4, 1, -5, 15);
    has("normal of spreads", cr_normal_float_tensor(1, cr_full(N, 2.0)), 1, 4, -15, 15);
    has("normal of both", cr_normal_tensor_tensor(cr_full(N, 4.0), cr_full(N, 2.0)), 4, 4, -15, 20);
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(multinomial)
{
    cr_manual_seed(7);
    cr_tensor *weights = cr_tensor_f32(4, 1, 0, 3, 4);
    cr_tensor *drawn = cr_multinomial(weights, N, .replacement = true);
    cr_tensor *share = cr_div_scalar(cr_bincount(drawn, NULL, .minlength = 4), N);
    ck_assert_msg(cr_allclose(share, cr_tensor_f32(4, 0.125, 0, 0.375, 0.5), .atol = CR_SOME(0.02)),
                  "%s", cr_error());
    cr_tensor *rows = cr_multinomial(cr_expand(weights, CR_INTS(500, 4)), 3);
    ck_assert_int_eq(cr_item_int(cr_sum(cr_eq_scalar(rows, 1))), 0);
    cr_tensor *sorted = cr_sort(rows).values;
    ck_assert(cr_equal(cr_select(sorted, 0, 0), cr_tensor_i64(3, 0, 2, 3)));
    cr_tensor *first = cr_bincount(cr_select(rows, 1, 0));
    ck_assert_int_gt(cr_item_int(cr_select(first, 0, 3)), cr_item_int(cr_select(first, 0, 0)));
    ck_assert_ptr_null(cr_error());
    ck_assert_ptr_null(cr_multinomial(cr_tensor_f32(2, 1, -1), 1));
    cr_clear_error();
    ck_assert_ptr_null(cr_multinomial(weights, 5));
    cr_clear_error();
}
END_TEST

START_TEST(dropouts)
{
    cr_manual_seed(9);
    cr_tensor *x = cr_normal_(cr_empty(CR_INTS(100, 200), .dtype = CR_F64));
    has("alpha_dropout", cr_f_alpha_dropout(x, 0.4, true), 0, 1, -20, 20);
    ck_assert(cr_equal(cr_f_alpha_dropout(x, 0.4, false), x));
    cr_tensor *ones = cr_ones(CR_INTS(50, 40, 7));
    cr_tensor *planes = cr_f_dropout1d(ones, .p = CR_SOME(0.25));
    cr_tensor *each = cr_mean_dim(planes, 2);
    ck_assert(cr_equal(cr_mul_scalar(cr_to_dtype(cr_ne_scalar(each, 0), CR_F32), 1 / 0.75), each));
    has("dropout1d", each, 1, 1 / 0.75 - 1, 0, 1.34);
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(a_seed_repeats)
{
    cr_manual_seed(3);
    cr_tensor *a = cr_poisson(cr_full(50, 20.0)), *b = cr_poisson(cr_full(50, 20.0));
    cr_manual_seed(3);
    ck_assert(cr_equal(a, cr_poisson(cr_full(50, 20.0))));
    ck_assert(!cr_equal(a, b));
    ck_assert(cr_equal(b, cr_poisson(cr_full(50, 20.0))));
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    cr_tensor *calls[] = {cr_exponential_(empty(), .lambd = CR_SOME(-1)),
                          cr_geometric_(empty(), 1.5),
                          cr_cauchy_(empty(), .sigma = CR_SOME(-2)),
                          cr_exponential_(cr_empty(3, .dtype = CR_I64)),
                          cr_bernoulli_tensor(empty(), cr_full(N, 2.0)),
                          cr_bernoulli_p(empty(), -0.5),
                          cr_random_from_(empty(), 5, (cr_opt_int)CR_SOME(5)),
                          cr_poisson(cr_full(3, -1.0)),
                          cr_normal_float_tensor(0, cr_full(3, -1.0))};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        ck_assert_msg(!calls[i], "call %zu was accepted", i);
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("samplers");
    TCase *t = tcase_create("samplers");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, moments);
    tcase_add_test(t, multinomial);
    tcase_add_test(t, dropouts);
    tcase_add_test(t, a_seed_repeats);
    tcase_add_test(t, what_makes_no_sense_is_refused);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    cr_exit();
    return failed != 0;
}
