/* The vulkan backend at the end of a process that leaves work unread and does not call cr_exit: it ends in order. Each
 * case is a process of its own, in which the C library's last functions take their time, so that a driver that is still at
 * work would meet what has been destroyed. */
#include "first_device.h"

#include <check.h>
#include <cresset/cresset.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NO_DEVICE = 77, WRONG = 3 };

static void pause_for(long milliseconds)
{
    struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* Registered before the driver is loaded, so that it runs after all of the driver's own. */
static void linger(void)
{
    pause_for(700);
}

/* Kernels that the driver has to compile, and takes long to run. */
static cr_tensor *queue_work(int64_t n, int rounds)
{
    cr_tensor *x = cr_full(CR_INTS(n, n), 0.01);
    for (int i = 0; i < rounds; i++)
        x = cr_mul_scalar(cr_tanh(cr_matmul(x, x)), 0.001);
    return x;
}

static void leaves_work_unread(void)
{
    queue_work(100, 30);
}

static void leaves_more_after_reading(void)
{
    cr_item(cr_sum(queue_work(100, 1)));
    cr_sigmoid(cr_cumsum(queue_work(400, 20), 0));
}

/* What was registered before the first device runs after the devices' end. */
static cr_tensor *kept;

static void use_and_close_it(void)
{
    double sum = cr_item(cr_sum(kept));
    if (sum == sum || !cr_error() || !strstr(cr_error(), "at its end")) {
        fprintf(stderr, "%g: %s\n", sum, cr_error() ? cr_error() : "no error");
        _exit(WRONG);
    }
    cr_clear_error();
    cr_exit();
}

static void leaves_it_to_be_used(void)
{
    kept = queue_work(100, 30);
}

/* The wait status of a process that does this and ends like main, and then does that, if anything. */
static int ends_with(void (*does)(void), void (*late)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        alarm(120);
        atexit(linger);
        if (late)
            atexit(late);
        if (!cr_device_is_available("vulkan"))
            _exit(NO_DEVICE);
        does();
        exit(cr_error() ? WRONG : 0);
    }
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static const struct {
    void (*does)(void), (*late)(void);
} cases[] = {{leaves_work_unread, NULL},
             {leaves_more_after_reading, NULL},
             {leaves_it_to_be_used, use_and_close_it}};

START_TEST(the_process_ends_in_order)
{
    ck_assert_int_eq(ends_with(cases[_i].does, cases[_i].late), 0);
}
END_TEST

static void nothing(void)
{
}

int main(void)
{
    /* Else the driver loads last time's code and compiles nothing. */
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
    if (ends_with(nothing, NULL) == NO_DEVICE << 8) {
        fprintf(stderr, "no Vulkan device on this machine\n");
        return NO_DEVICE;
    }
    Suite *suite = suite_create("vulkan at the end");
    TCase *tests = tcase_create("end");
    tcase_set_timeout(tests, 200);
    tcase_add_loop_test(tests, the_process_ends_in_order, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
