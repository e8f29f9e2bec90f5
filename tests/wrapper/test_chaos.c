/* Every allocation, copy, plan and run of a training step goes wrong once, in each way that chaos
 * knows: the step ends in an error that names the culprit, and the process lives on. Each case is a
 * process of its own, since chaos reads its environment once. */
#include <check.h>
#include <cresset/cresset.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child ends with. */
enum { UNTOUCHED = 10, ERROR_AND_ALIVE, NO_WORDS, NOT_ALIVE, OTHER_RESULT, EXIT_ERROR };

/* One step of a small convolutional net, and what it is worth afterwards; NAN after an error. */
static double training_step(void)
{
    double loss = NAN;
    cr_manual_seed(1);
    CR_SCOPE {
        cr_module *net = cr_sequential(cr_conv2d(1, 2, 3), cr_relu_layer(), cr_max_pool2d(2),
                                       cr_flatten_layer(), cr_linear(18, 4));
        cr_optimizer *sgd = cr_sgd(net, .lr = 0.1, .momentum = 0.9);
        cr_tensor *x = cr_randn(CR_INTS(3, 1, 8, 8)), *target = cr_zeros(3, .dtype = CR_I64);
        cr_tensor *before = cr_cross_entropy(cr_forward(net, x), target);
        cr_zero_grad(sgd);
        cr_backward(before);
        cr_step(sgd);
        loss = cr_item(cr_cross_entropy(cr_forward(net, x), target));
    }
    return cr_error() ? NAN : loss;
}

static bool says(const char *text)
{
    return cr_error() && strstr(cr_error(), text);
}

/* The culprit's name, as the wrapper and the core give it. */
static int child(const char *device, const char *rule, const char *culprit, bool forever,
                 double wanted)
{
    setenv("CRESSET_BACKEND", device, 1);
    setenv("CRESSET_CHAOS", rule, 1);
    setenv("CRESSET_NUM_THREADS", "1", 1);
    double loss = training_step();
    int result = UNTOUCHED;
    if (cr_error() && !strncmp(rule, "corrupt", 7)) {
        result = OTHER_RESULT; /* as an index that is out of bounds now */
        cr_clear_error();
    } else if (cr_error()) {
        result = says("chaos: ") && says(culprit) ? ERROR_AND_ALIVE : NO_WORDS;
        if (result == NO_WORDS)
            fprintf(stderr, "%s: %s\n", rule, cr_error());
        cr_clear_error();
        if (!forever && (isnan(training_step()) || cr_item(cr_sum(cr_ones(3))) != 3)) {
            fprintf(stderr, "%s, then: %s\n", rule, cr_error());
            result = NOT_ALIVE;
        }
        cr_clear_error();
    } else if (memcmp(&loss, &wanted, sizeof loss) && !isnan(wanted)) {
        result = OTHER_RESULT;
    }
    return cr_exit() ? EXIT_ERROR : result;
}

static int try(const char *device, const char *rule, const char *culprit, bool forever,
               double wanted)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) {
        alarm(100);
        exit(child(device, rule, culprit, forever, wanted));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "%s on %s: ended by signal %d", rule, device,
                  WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* The loss of a step that nothing happens to, through a pipe. */
static double clean_loss(const char *device)
{
    int ends[2], status = 0;
    double loss = NAN;
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        setenv("CRESSET_BACKEND", device, 1);
        setenv("CRESSET_NUM_THREADS", "1", 1);
        loss = training_step();
        bool sent = write(ends[1], &loss, sizeof loss) == (ssize_t)sizeof loss;
        exit(cr_exit() || !sent);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq((int)read(ends[0], &loss, sizeof loss), (int)sizeof loss);
    close(ends[0]);
    close(ends[1]);
    ck_assert(isfinite(loss));
    return loss;
}

/* Has the first, second, … call go wrong until the step needs no more of them. Returns how many
 * there were. */
static int sweep(const char *device, const char *fault, const char *point, bool forever)
{
    char rule[64], culprit[32];
    int n = 0, result;
    do {
        snprintf(rule, sizeof rule, "%s:%s:%d", fault, point, ++n);
        snprintf(culprit, sizeof culprit, "%s %d", point, n);
        result = try(device, rule, culprit, forever, NAN);
        ck_assert_msg(result == UNTOUCHED || result == ERROR_AND_ALIVE, "%s on %s ended with %d",
                      rule, device, result);
    } while (result == ERROR_AND_ALIVE && n < 1000);
    return n - 1;
}

START_TEST(a_failure_at_any_point_is_an_error_that_names_it)
{
    ck_assert_int_ge(sweep("chaos:cpu", "fail", "alloc", false), 3);
    ck_assert_int_ge(sweep("chaos:cpu", "fail", "copy", false), 1);
    ck_assert_int_ge(sweep("chaos:cpu", "fail", "plan", false), 20);
    ck_assert_int_ge(sweep("chaos:cpu", "fail", "run", false), 20);
}
END_TEST

/* What another host-memory backend has no plan for is lent by cpu, behind the same wrappers. */
START_TEST(a_failure_of_a_lent_plan_is_an_error_too)
{
    if (!getenv("CRESSET_TEST_LENT")) /* oneDNN is not on every machine */
        return;
    setenv("CRESSET_TRACE", "none", 1);
    setenv("CRESSET_TRACE_TABLE", "none", 1);
    ck_assert_int_ge(sweep("trace:chaos:onednn", "fail", "run", false), 20);
    ck_assert_int_ge(sweep("chaos:trace:onednn", "fail", "plan", false), 20);
}
END_TEST

/* The core empties its cache and asks again: one refusal is no error, a lasting one is. */
START_TEST(memory_that_runs_out_is_asked_for_again)
{
    double loss = clean_loss("chaos:cpu");
    ck_assert_int_eq(try("chaos:cpu", "oom:alloc:3", "alloc 3", false, loss), UNTOUCHED);
    ck_assert_int_eq(try("chaos:cpu", "oom:alloc:3+", "alloc", true, loss), ERROR_AND_ALIVE);
    ck_assert_int_eq(try("chaos:cpu", "oom:plan:5", "plan 5", false, loss), ERROR_AND_ALIVE);
    ck_assert_int_eq(try("chaos:cpu", "oom:run:5", "run 5", false, loss), ERROR_AND_ALIVE);
}
END_TEST

START_TEST(a_lost_device_is_an_error_from_then_on)
{
    ck_assert_int_eq(try("chaos:cpu", "lost:alloc:2", "the device is lost", true, NAN),
                     ERROR_AND_ALIVE);
    ck_assert_int_eq(try("chaos:cpu", "lost:copy:1", "the device is lost", true, NAN),
                     ERROR_AND_ALIVE);
    ck_assert_int_eq(try("chaos:cpu", "lost:plan:9", "the device is lost", true, NAN),
                     ERROR_AND_ALIVE);
    ck_assert_int_eq(try("chaos:cpu", "lost:run:9", "the device is lost", true, NAN),
                     ERROR_AND_ALIVE);
}
END_TEST

START_TEST(delays_change_nothing)
{
    setenv("CRESSET_CHAOS_DELAY", "1", 1);
    double loss = clean_loss("cpu");
    ck_assert_int_eq(try("chaos:cpu", "delay:run:1+,delay:plan:1+,delay:alloc:1+", "", false, loss),
                     UNTOUCHED);
    ck_assert_int_eq(try("chaos:cpu", "delay:copy:1+", "", false, loss), UNTOUCHED);
}
END_TEST

/* New memory may hold anything; other bits in a copy or a result are seen in what comes out. */
START_TEST(nothing_reads_new_memory_and_corrupted_results_show)
{
    double loss = clean_loss("cpu");
    char rule[64];
    int differ = 0;
    ck_assert_int_eq(try("chaos:cpu", "corrupt:alloc:1+", "", false, loss), UNTOUCHED);
    ck_assert_int_eq(try("chaos:cpu", "corrupt:copy:1+", "", false, loss), OTHER_RESULT);
    ck_assert_int_eq(try("chaos:cpu", "corrupt:plan:1+", "", false, loss), OTHER_RESULT);
    for (int n = 1; n < 40; n++) {
        snprintf(rule, sizeof rule, "corrupt:run:%d", n);
        int result = try("chaos:cpu", rule, "", false, loss);
        ck_assert_msg(result == UNTOUCHED || result == OTHER_RESULT, "%s ended with %d", rule,
                      result);
        differ += result == OTHER_RESULT;
    }
    ck_assert_int_ge(differ, 15);
}
END_TEST

START_TEST(the_seed_chooses_which_calls_go_wrong)
{
    int errors = 0;
    for (int seed = 0; seed < 12; seed++) {
        char text[16];
        snprintf(text, sizeof text, "%d", seed);
        setenv("CRESSET_CHAOS_SEED", text, 1);
        int first = try("chaos:cpu", "fail:run:1/60", "run", true, NAN);
        ck_assert_int_eq(try("chaos:cpu", "fail:run:1/60", "run", true, NAN), first);
        errors += first == ERROR_AND_ALIVE;
    }
    ck_assert_int_ge(errors, 3);
    ck_assert_int_le(errors, 11);
}
END_TEST

static int stacks(void)
{
    float memory[2] = {1, 2};
    const int64_t size = 2, stride = 1;
    setenv("CRESSET_BACKEND", "chaos:cpu", 1);
    setenv("CRESSET_TRACE", "none", 1);
    setenv("CRESSET_TRACE_TABLE", "none", 1);
    cr_tensor *t = cr_tensor_from_memory(memory, sizeof memory, CR_F32, 1, &size, &stride, 0);
    if (!t || strcmp(cr_tensor_device(t), "chaos:cpu") ||
        cr_tensor_device(t) != cr_default_device())
        return 2;
    if (cr_item(cr_sum(cr_add(t, cr_ones(2, .device = "cpu")))) != 5) /* the same device */
        return 3;
    if (cr_set_default_device("trace:cpu") != -1 ||
        !says("it is open already as chaos:cpu; name the one with its wrappers first"))
        return 4;
    cr_clear_error();
    if (cr_set_default_device("chaos:cpu:0") || strcmp(cr_default_device(), "chaos:cpu"))
        return 5;
    return cr_exit();
}

/* "cpu" is the device behind the wrappers, and nothing is open twice. */
START_TEST(a_device_is_open_once_under_whatever_name)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (!pid)
        exit(stacks());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chaos");
    TCase *tests = tcase_create("chaos");
    tcase_set_timeout(tests, 900);
    tcase_add_test(tests, a_failure_at_any_point_is_an_error_that_names_it);
    tcase_add_test(tests, a_failure_of_a_lent_plan_is_an_error_too);
    tcase_add_test(tests, memory_that_runs_out_is_asked_for_again);
    tcase_add_test(tests, a_lost_device_is_an_error_from_then_on);
    tcase_add_test(tests, delays_change_nothing);
    tcase_add_test(tests, nothing_reads_new_memory_and_corrupted_results_show);
    tcase_add_test(tests, the_seed_chooses_which_calls_go_wrong);
    tcase_add_test(tests, a_device_is_open_once_under_whatever_name);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
