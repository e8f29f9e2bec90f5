/* CRESSET_VALIDATE=1 at the end of a program: what is still given out when devices are closed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cresset/cresset.h>

static cr_tensor *volatile kept; /* in sight of leak checkers: it is not theirs to complain */

/* cr_exit, with what it prints in words. */
static int exit_with(char *words, size_t size)
{
    int ends[2], saved = dup(2);
    ck_assert_int_eq(pipe(ends), 0);
    fflush(stderr);
    dup2(ends[1], 2);
    int status = cr_exit();
    fflush(stderr);
    dup2(saved, 2);
    close(ends[1]);
    ssize_t n = read(ends[0], words, size - 1);
    words[n < 0 ? 0 : n] = 0;
    close(ends[0]);
    close(saved);
    return status;
}

/* Enough of a program to have plans, gradients, an optimiser and buffers of the device. */
static void train(void)
{
    cr_module *net = cr_sequential(cr_linear(3, 4), cr_relu_layer(), cr_linear(4, 1));
    cr_optimizer *sgd = cr_sgd(net, .lr = 0.05, .momentum = 0.9);
    cr_tensor *x = cr_randn(CR_INTS(8, 3)), *y = cr_sum_dim(x, 1, .keepdim = true);
    for (int step = 0; step < 2; step++)
        CR_SCOPE {
            cr_tensor *loss = cr_mse_loss(cr_forward(net, x), y);
            cr_zero_grad(sgd);
            cr_backward(loss);
            cr_step(sgd);
        }
    ck_assert_msg(!cr_error(), "%s", cr_error());
}

START_TEST(a_program_that_gives_everything_back_ends_well)
{
    static const char *const backends[] = {"cpu", "chaos:cpu", "trace:chaos:cpu"};
    char words[600];
    setenv("CRESSET_VALIDATE", "1", 1);
    setenv("CRESSET_BACKEND", backends[_i], 1);
    setenv("CRESSET_TRACE", "none", 1);
    setenv("CRESSET_TRACE_TABLE", "none", 1);
    train();
    ck_assert_str_eq(cr_default_device(), backends[_i]);
    int status = exit_with(words, sizeof words);
    ck_assert_msg(!status && !strstr(words, "VALIDATE"), "%d: %s", status, words);
}
END_TEST

START_TEST(a_tensor_that_is_kept_beyond_the_end_is_an_error)
{
    char words[600];
    setenv("CRESSET_VALIDATE", "1", 1);
    setenv("CRESSET_BACKEND", "cpu", 1);
    kept = cr_retain(cr_ones(CR_INTS(3)));
    ck_assert_int_eq(exit_with(words, sizeof words), 1);
    ck_assert_msg(strstr(words, "a device of cpu is closed that has 1 buffer and 0 plans") != NULL,
                  "%s", words);
    /* The library can be used again, and the next end is a good one. */
    train();
    ck_assert_int_eq(exit_with(words, sizeof words), 0);
}
END_TEST

START_TEST(an_error_of_the_program_is_not_lost_over_it)
{
    char words[600];
    setenv("CRESSET_VALIDATE", "1", 1);
    kept = cr_retain(cr_ones(CR_INTS(3)));
    cr_fail("the program's own");
    ck_assert_int_eq(exit_with(words, sizeof words), 1);
    ck_assert_ptr_nonnull(strstr(words, "the program's own"));
    ck_assert_ptr_nonnull(strstr(words, "tensors were kept beyond cr_exit"));
}
END_TEST

START_TEST(nothing_is_said_where_it_was_not_asked_for)
{
    static const char *const values[] = {"0", "", "2", "yes"};
    char words[600];
    setenv("CRESSET_VALIDATE", values[_i], 1);
    kept = cr_retain(cr_ones(CR_INTS(3)));
    int status = exit_with(words, sizeof words);
    ck_assert_msg(!status && !*words, "%d: %s", status, words);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("validate");
    TCase *end = tcase_create("end");
    tcase_add_loop_test(end, a_program_that_gives_everything_back_ends_well, 0, 3);
    tcase_add_test(end, a_tensor_that_is_kept_beyond_the_end_is_an_error);
    tcase_add_test(end, an_error_of_the_program_is_not_lost_over_it);
    tcase_add_loop_test(end, nothing_is_said_where_it_was_not_asked_for, 0, 4);
    suite_add_tcase(suite, end);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
