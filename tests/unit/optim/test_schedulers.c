/* Schedulers: thirty steps as PyTorch takes them, saving and loading, errors. */
#include "nn/golden.h"

static cr_state_dict *values;
static cr_optimizer *sgd;

static void load(void)
{
    values = cr_load("tests/golden/optim/schedules.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
}

static cr_optimizer *fresh(void)
{
    return sgd = cr_sgd(CR_TENSORS(cr_requires_grad_(cr_zeros(1), 1)), .lr = 0.1, .momentum = 0.9);
}

static void check(const char *name, cr_scheduler *schedule)
{
    ck_assert_msg(schedule != NULL, "%s: %s", name, cr_error());
    double rates[30], momenta[30];
    char key[64];
    snprintf(key, sizeof key, "%s.lr", name);
    ck_assert_int_eq(cr_tensor_read(cr_state_dict_get(values, key), rates, sizeof rates), 0);
    snprintf(key, sizeof key, "%s.momentum", name);
    ck_assert_int_eq(cr_tensor_read(cr_state_dict_get(values, key), momenta, sizeof momenta), 0);
    for (int t = 0; t < 30; t++) {
        double rate = cr_get_lr(sgd), momentum = cr_param_group_get(sgd, 0, "momentum");
        ck_assert_msg(fabs(rate - rates[t]) <= 1e-14, "%s: rate %d is %.17g, expected %.17g", name,
                      t, rate, rates[t]);
        ck_assert_msg(fabs(momentum - momenta[t]) <= 1e-14,
                      "%s: momentum %d is %.17g, expected %.17g", name, t, momentum, momenta[t]);
        ck_assert_double_eq(cr_get_last_lr(schedule, 0), rate);
        if (t < 29)
            ck_assert_msg(!cr_step(schedule), "%s: %s", name, cr_error());
    }
}

static double falling(void *context, int64_t epoch)
{
    return pow(*(const double *)context, (double)epoch);
}

static double steady(void *context, int64_t epoch)
{
    (void)epoch;
    return *(const double *)context;
}

START_TEST(rates_follow_pytorch)
{
    double base = 0.95, factor = 0.9;
    check("step", cr_step_lr(fresh(), 7, .gamma = 0.5));
    check("multi_step", cr_multi_step_lr(fresh(), CR_INTS(3, 8, 8, 20)));
    check("exponential", cr_exponential_lr(fresh(), 0.9));
    check("constant", cr_constant_lr(fresh(), .factor = 0.5, .total_iters = 4));
    check("linear", cr_linear_lr(fresh()));
    check("linear_options",
          cr_linear_lr(fresh(), .start_factor = 1, .end_factor = 0.1, .total_iters = 12));
    check("polynomial", cr_polynomial_lr(fresh(), .total_iters = 10, .power = 2));
    check("cosine", cr_cosine_annealing_lr(fresh(), 8, 0.01));
    check("lambda", cr_lambda_lr(fresh(), falling, &base));
    check("multiplicative", cr_multiplicative_lr(fresh(), steady, &factor));
    check("one_cycle", cr_one_cycle_lr(fresh(), 0.5, .total_steps = 30));
    check("one_cycle_linear",
          cr_one_cycle_lr(fresh(), 0.5, .epochs = 5, .steps_per_epoch = 6,
                          .anneal_strategy = "linear", .three_phase = true, .pct_start = 0.4));
    fresh();
    cr_scheduler *parts[2] = {cr_constant_lr(sgd, .factor = 0.1, .total_iters = 2)};
    parts[1] = cr_exponential_lr(sgd, 0.9);
    check("sequential", cr_sequential_lr(sgd, 5, parts[0], parts[1]));
    assert_no_error();
}
END_TEST

START_TEST(a_schedule_resumes_where_it_was_saved)
{
    cr_scheduler *first = cr_cosine_annealing_lr(fresh(), 8, 0.01);
    for (int t = 0; t < 10; t++)
        cr_step(first);
    cr_state_dict *saved = cr_scheduler_state_dict(first), *of_sgd = cr_optimizer_state_dict(sgd);
    ck_assert_int_eq(cr_state_dict_value(saved, "last_epoch")->as.i, 10);
    cr_step(first);
    double expected = cr_get_lr(sgd);
    cr_scheduler *second = cr_cosine_annealing_lr(fresh(), 8, 0.01);
    ck_assert_int_eq(cr_optimizer_load_state_dict(sgd, of_sgd), 0);
    ck_assert_int_eq(cr_scheduler_load_state_dict(second, saved), 0);
    ck_assert_int_eq(cr_step(second), 0);
    ck_assert_double_eq(cr_get_lr(sgd), expected);
    assert_no_error();
}
END_TEST

START_TEST(schedules_that_make_no_sense_are_refused)
{
    ck_assert_ptr_null(cr_step_lr(fresh(), 0));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    ck_assert_ptr_null(cr_cosine_annealing_lr(fresh(), 0, 0));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    ck_assert_ptr_null(cr_one_cycle_lr(fresh(), 0.5));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    ck_assert_ptr_null(cr_exponential_lr(NULL, 0.5));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    cr_scheduler *cycle = cr_one_cycle_lr(fresh(), 0.5, .total_steps = 3);
    ck_assert_int_eq(cr_step(cycle), 0);
    ck_assert_int_eq(cr_step(cycle), 0);
    ck_assert_int_eq(cr_step(cycle), 0); /* PyTorch, too, lets one pass */
    ck_assert_int_eq(cr_step(cycle), -1);
    assert_error("Tried to step 4 times. The specified number of total steps is 3");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedulers");
    TCase *all = tcase_create("schedulers");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, load, NULL);
    tcase_add_test(all, rates_follow_pytorch);
    tcase_add_test(all, a_schedule_resumes_where_it_was_saved);
    tcase_add_test(all, schedules_that_make_no_sense_are_refused);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
