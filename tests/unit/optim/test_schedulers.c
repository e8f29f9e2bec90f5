/* Schedulers: fifty steps as PyTorch takes them, saving and loading, errors. */
#include <unistd.h>

#include "nn/golden.h"

enum { STEPS = 50 };

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
    double rates[STEPS], momenta[STEPS];
    char key[64];
    snprintf(key, sizeof key, "%s.lr", name);
    ck_assert_int_eq(cr_tensor_read(cr_state_dict_get(values, key), rates, sizeof rates), 0);
    snprintf(key, sizeof key, "%s.momentum", name);
    ck_assert_int_eq(cr_tensor_read(cr_state_dict_get(values, key), momenta, sizeof momenta), 0);
    for (int t = 0; t < STEPS; t++) {
        double rate = cr_get_lr(sgd), momentum = cr_param_group_get(sgd, 0, "momentum");
        ck_assert_msg(fabs(rate - rates[t]) <= 1e-14, "%s: rate %d is %.17g, expected %.17g", name,
                      t, rate, rates[t]);
        ck_assert_msg(fabs(momentum - momenta[t]) <= 1e-14,
                      "%s: momentum %d is %.17g, expected %.17g", name, t, momentum, momenta[t]);
        ck_assert_double_eq(cr_get_last_lr(schedule, 0), rate);
        double metric = cos(t * t * 0.7) / (1 + t / 7);
        if (t + 1 < STEPS)
            ck_assert_msg(!cr_scheduler_step_metric(schedule, metric), "%s: %s", name, cr_error());
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
    check("one_cycle", cr_one_cycle_lr(fresh(), 0.5, .total_steps = 50));
    check("one_cycle_linear",
          cr_one_cycle_lr(fresh(), 0.5, .epochs = 5, .steps_per_epoch = 10,
                          .anneal_strategy = "linear", .three_phase = true, .pct_start = 0.4));
    fresh();
    cr_scheduler *parts[2] = {cr_constant_lr(sgd, .factor = 0.1, .total_iters = 2)};
    parts[1] = cr_exponential_lr(sgd, 0.9);
    check("sequential", cr_sequential_lr(sgd, 5, parts[0], parts[1]));
    assert_no_error();
}
END_TEST

START_TEST(cycles_and_schedules_of_schedules_follow_pytorch)
{
    double factor = 0.9;
    fresh();
    cr_scheduler *parts[3] = {cr_linear_lr(sgd, .total_iters = 6)};
    parts[1] = cr_multiplicative_lr(sgd, steady, &factor);
    parts[2] = cr_cosine_annealing_warm_restarts(sgd, 7);
    check("sequential_more", cr_sequential_lr(sgd, CR_INTS(6, 20), parts[0], parts[1], parts[2]));
    check("restarts", cr_cosine_annealing_warm_restarts(fresh(), 10));
    check("restarts_growing",
          cr_cosine_annealing_warm_restarts(fresh(), 5, .T_mult = 2, .eta_min = 0.01));
    check("cyclic", cr_cyclic_lr(fresh(), 0.01, 0.2, .step_size_up = 6));
    check("cyclic_triangular2", cr_cyclic_lr(fresh(), 0.01, 0.2, .step_size_up = 5,
                                             .step_size_down = 8, .mode = "triangular2"));
    check("cyclic_exp_range",
          cr_cyclic_lr(fresh(), 0.01, 0.2, .step_size_up = 4, .mode = "exp_range", .gamma = 0.95,
                       .base_momentum = 0.7, .max_momentum = 0.95));
    check("cyclic_function", cr_cyclic_lr(fresh(), 0.01, 0.2, .step_size_up = 4, .scale_fn = steady,
                                          .scale_context = &factor, .no_cycle_momentum = true));
    fresh();
    parts[0] = cr_constant_lr(sgd, .factor = 0.1, .total_iters = 4);
    parts[1] = cr_exponential_lr(sgd, 0.9);
    check("chained", cr_chained_scheduler(parts[0], parts[1]));
    check("swa", cr_swa_lr(fresh(), 0.02));
    check("swa_linear", cr_swa_lr(fresh(), 0.5, .anneal_epochs = 20, .anneal_strategy = "linear"));
    check("swa_at_once", cr_swa_lr(fresh(), 0.5, .at_once = true));
    check("plateau", cr_reduce_lr_on_plateau(fresh(), .patience = 2));
    check("plateau_options",
          cr_reduce_lr_on_plateau(fresh(), .mode = "max", .factor = 0.5, .patience = 1,
                                  .threshold = 0.05, .threshold_mode = "abs", .cooldown = 2,
                                  .min_lr = 0.01));
    assert_no_error();
}
END_TEST

/* Takes a scheduler apart after 13 steps, saves both to a file, and goes on with new ones, made by `again`. */
static void resume_with(const char *name, cr_scheduler *(*make)(void), cr_scheduler *(*again)(void))
{
    double rates[STEPS];
    char key[64], path[] = "/tmp/cresset-schedule-XXXXXX";
    snprintf(key, sizeof key, "%s.lr", name);
    ck_assert_int_eq(cr_tensor_read(cr_state_dict_get(values, key), rates, sizeof rates), 0);
    cr_scheduler *s = make();
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    for (int t = 0; t + 1 < STEPS; t++) {
        if (t == 13) {
            ck_assert_msg(!cr_save(path, cr_scheduler_state_dict(s)), "%s", cr_error());
            cr_state_dict *of_sgd = cr_optimizer_state_dict(sgd);
            s = again();
            ck_assert_int_eq(cr_optimizer_load_state_dict(sgd, of_sgd), 0);
            ck_assert_msg(!cr_scheduler_load_state_dict(s, cr_load(path)), "%s", cr_error());
        }
        ck_assert_int_eq(cr_scheduler_step_metric(s, cos(t * t * 0.7) / (1 + t / 7)), 0);
        ck_assert_msg(fabs(cr_get_lr(sgd) - rates[t + 1]) <= 1e-14, "%s: rate %d is %.17g", name,
                      t + 1, cr_get_lr(sgd));
        ck_assert_double_eq(cr_get_last_lr(s, 0), cr_get_lr(sgd));
    }
    unlink(path);
    assert_no_error();
}

static void resume(const char *name, cr_scheduler *(*make)(void))
{
    resume_with(name, make, make);
}

static cr_scheduler *make_plateau(void)
{
    return cr_reduce_lr_on_plateau(fresh(), .mode = "max", .factor = 0.5, .patience = 1,
                                   .threshold = 0.05, .threshold_mode = "abs", .cooldown = 2,
                                   .min_lr = 0.01);
}

static cr_scheduler *make_restarts(void)
{
    return cr_cosine_annealing_warm_restarts(fresh(), 5, .T_mult = 2, .eta_min = 0.01);
}

static cr_scheduler *make_sequence(void)
{
    static double factor = 0.9;
    fresh();
    cr_scheduler *first = cr_linear_lr(sgd, .total_iters = 6);
    cr_scheduler *second = cr_multiplicative_lr(sgd, steady, &factor);
    cr_scheduler *third = cr_cosine_annealing_warm_restarts(sgd, 7);
    return cr_sequential_lr(sgd, CR_INTS(6, 20), first, second, third);
}

static cr_scheduler *make_swa(void)
{
    return cr_swa_lr(fresh(), 0.5, .anneal_epochs = 20, .anneal_strategy = "linear");
}

/* PyTorch 1.13's rates. */
START_TEST(a_sequence_may_have_steps_in_it)
{
    static const double expected[] = {0.1, 0.2,  0.2,  0.18,  0.162, 0.1458, 0.2,
                                      0.2, 0.06, 0.06, 0.018, 0.018, 0.0054, 0.0054};
    cr_tensor *w = cr_zeros(1);
    cr_optimizer *o = cr_sgd(CR_TENSORS(w), .lr = 0.2);
    cr_scheduler *parts[3] = {cr_constant_lr(o, .factor = 0.5, .total_iters = 2),
                              cr_exponential_lr(o, 0.9)};
    parts[2] = cr_step_lr(o, 2, .gamma = 0.3);
    cr_scheduler *s = cr_sequential_lr(o, CR_INTS(3, 7), parts[0], parts[1], parts[2]);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ck_assert_msg(!cr_scheduler_step(s), "%s", cr_error());
        ck_assert_double_eq_tol(cr_get_lr(o), expected[i], 1e-12);
    }
    assert_no_error();
}
END_TEST

START_TEST(every_schedule_resumes_from_a_file)
{
    resume("plateau_options", make_plateau);
    resume("restarts_growing", make_restarts);
    resume("sequential_more", make_sequence);
    resume("swa_linear", make_swa);
}
END_TEST

#define MAKER(name, ...)                   \
    static cr_scheduler *make_##name(void) \
    {                                      \
        return (__VA_ARGS__);              \
    }
MAKER(step, cr_step_lr(fresh(), 7, .gamma = 0.5))
MAKER(other_step, cr_step_lr(fresh(), 3))
MAKER(multi_step, cr_multi_step_lr(fresh(), CR_INTS(3, 8, 8, 20)))
MAKER(other_multi_step, cr_multi_step_lr(fresh(), CR_INTS(1, 30), .gamma = 0.5))
MAKER(exponential, cr_exponential_lr(fresh(), 0.9))
MAKER(other_exponential, cr_exponential_lr(fresh(), 0.5))
MAKER(linear_options,
      cr_linear_lr(fresh(), .start_factor = 1, .end_factor = 0.1, .total_iters = 12))
MAKER(other_linear, cr_linear_lr(fresh()))
MAKER(polynomial, cr_polynomial_lr(fresh(), .total_iters = 10, .power = 2))
MAKER(other_polynomial, cr_polynomial_lr(fresh()))
MAKER(cosine, cr_cosine_annealing_lr(fresh(), 8, 0.01))
MAKER(other_cosine, cr_cosine_annealing_lr(fresh(), 5, 0))
MAKER(other_restarts, cr_cosine_annealing_warm_restarts(fresh(), 7))
MAKER(other_plateau, cr_reduce_lr_on_plateau(fresh()))
MAKER(cyclic, cr_cyclic_lr(fresh(), 0.01, 0.2, .step_size_up = 6))
MAKER(other_cyclic, cr_cyclic_lr(fresh(), 0.01, 0.7, .step_size_up = 2, .step_size_down = 3))

/* Options come with the state, as in PyTorch. */
START_TEST(a_schedule_of_other_options_becomes_the_saved_one)
{
    resume_with("step", make_step, make_other_step);
    resume_with("multi_step", make_multi_step, make_other_multi_step);
    resume_with("exponential", make_exponential, make_other_exponential);
    resume_with("linear_options", make_linear_options, make_other_linear);
    resume_with("polynomial", make_polynomial, make_other_polynomial);
    resume_with("cosine", make_cosine, make_other_cosine);
    resume_with("restarts_growing", make_restarts, make_other_restarts);
    resume_with("plateau_options", make_plateau, make_other_plateau);
    resume_with("cyclic", make_cyclic, make_other_cyclic);
    cr_state_dict *bad = cr_scheduler_state_dict(make_step());
    cr_state_dict_set_value(bad, "step_size", (cr_value){.tag = CR_INT});
    ck_assert_int_eq(cr_scheduler_load_state_dict(make_step(), bad), -1);
    assert_error("cr_scheduler_load_state_dict: step_size can't be 0");
}
END_TEST

START_TEST(warm_restarts_go_to_any_epoch)
{
    cr_scheduler *s = cr_cosine_annealing_warm_restarts(fresh(), 5, .T_mult = 2);
    ck_assert_int_eq(cr_scheduler_step_to(s, 17.5), 0); /* the third cycle, from 15 to 35 */
    ck_assert_double_eq_tol(cr_get_lr(sgd), 0.1 * (1 + cos(acos(-1) * 2.5 / 20)) / 2, 1e-15);
    ck_assert_int_eq(cr_scheduler_step_to(s, 2), 0);
    ck_assert_double_eq_tol(cr_get_lr(sgd), 0.1 * (1 + cos(acos(-1) * 2 / 5)) / 2, 1e-15);
    ck_assert_int_eq(cr_scheduler_step_to(s, -1), -1);
    assert_error("Expected non-negative epoch, but got -1");
    ck_assert_int_eq(cr_scheduler_step_to(cr_exponential_lr(fresh(), 0.9), 3), -1);
    assert_error_has("takes an epoch");
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
    assert_error("Tried to step 5 times. The specified number of total steps is 3");
    ck_assert_int_eq(cr_step(cr_reduce_lr_on_plateau(fresh())), -1);
    assert_error_has("metric");
    ck_assert_ptr_null(cr_reduce_lr_on_plateau(fresh(), .mode = "least"));
    assert_error("mode least is unknown!");
    ck_assert_ptr_null(cr_reduce_lr_on_plateau(fresh(), .factor = 1));
    assert_error("Factor should be < 1.0.");
    ck_assert_ptr_null(cr_cyclic_lr(fresh(), 0.1, 0.2, .mode = "square"));
    assert_error("mode is invalid and scale_fn is None");
    cr_optimizer *adam = cr_adam(CR_TENSORS(cr_requires_grad_(cr_zeros(1), 1)));
    ck_assert_ptr_null(cr_cyclic_lr(adam, 0.1, 0.2));
    assert_error("optimizer must support momentum with `cycle_momentum` option enabled");
    ck_assert_ptr_null(cr_cosine_annealing_warm_restarts(fresh(), 0));
    assert_error("Expected positive integer T_0, but got 0");
    cr_scheduler *other = cr_exponential_lr(fresh(), 0.9);
    ck_assert_ptr_null(cr_chained_scheduler(cr_exponential_lr(fresh(), 0.9), other));
    assert_error_has("same optimizer");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedulers");
    TCase *all = tcase_create("schedulers");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, load, finish);
    tcase_add_test(all, rates_follow_pytorch);
    tcase_add_test(all, cycles_and_schedules_of_schedules_follow_pytorch);
    tcase_add_test(all, a_sequence_may_have_steps_in_it);
    tcase_add_test(all, every_schedule_resumes_from_a_file);
    tcase_add_test(all, a_schedule_of_other_options_becomes_the_saved_one);
    tcase_add_test(all, warm_restarts_go_to_any_epoch);
    tcase_add_test(all, a_schedule_resumes_where_it_was_saved);
    tcase_add_test(all, schedules_that_make_no_sense_are_refused);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
