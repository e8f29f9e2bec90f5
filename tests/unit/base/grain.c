/* The choice of what is worth sharing, with a clock and a program made up. */
#include <check.h>

#include "core/base/grain.h"

/* A program of short jobs, each of 20 µs of work on one thread. */
typedef struct program {
    cr_grain grain;
    int64_t now;
    int64_t alone, shared;  /* how long a job takes then */
    int64_t long_job, idle; /* after each eighth job: another, or a pause */
} program;

/* Goes on for so long; says for which part of its short jobs the answer was to share. */
static double run(program *p, double seconds)
{
    int shared = 0, all = 0;
    int64_t end = p->now + (int64_t)(seconds * 1e9);
    for (; p->now < end; all++) {
        bool shares = cr_grain_shares_short(&p->grain, 20000, p->now);
        shared += shares;
        p->now += shares ? p->shared : p->alone;
        if (all % 8)
            continue;
        p->now += p->idle;
        if (p->long_job) {
            cr_grain_shares_short(&p->grain, 10 * (double)p->long_job, p->now);
            p->now += p->long_job;
        }
    }
    return (double)shared / all;
}

START_TEST(what_is_faster_is_kept)
{
    program gains = {.alone = 15000, .shared = 10000}, loses = {.alone = 10000, .shared = 13000};
    run(&gains, 0.1);
    run(&loses, 0.1);
    ck_assert_double_gt(run(&gains, 5), 0.95);
    ck_assert_double_lt(run(&loses, 5), 0.05);
}
END_TEST

START_TEST(a_change_is_noticed)
{
    program p = {.alone = 15000, .shared = 10000};
    run(&p, 20);
    p.shared = 20000;
    run(&p, 4.5);
    ck_assert_double_lt(run(&p, 5), 0.1);
    p.shared = 10000;
    run(&p, 4.5);
    ck_assert_double_gt(run(&p, 5), 0.9);
}
END_TEST

/* One that shows in what is done in a nanosecond, within a tenth of a second of short jobs, after however long a hold. */
START_TEST(another_program_is_noticed_at_once)
{
    program p = {.alone = 15000, .shared = 10000};
    run(&p, 20);
    p.alone = 12000;
    p.shared = 20000;
    run(&p, 0.15);
    ck_assert_double_lt(run(&p, 0.15), 0.35);
    ck_assert_double_lt(run(&p, 5), 0.1);
}
END_TEST

/* Long jobs that fall on one answer more often than on the other, and pauses, say nothing about either. */
START_TEST(pauses_and_long_jobs_do_not_count)
{
    program pauses = {.alone = 15000, .shared = 10000, .idle = 3000000};
    program mixed = {.alone = 10000, .shared = 11000, .long_job = 3100000};
    run(&pauses, 10);
    run(&mixed, 10);
    ck_assert_double_gt(run(&pauses, 20), 0.8);
    ck_assert_double_lt(run(&mixed, 20), 0.2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grain");
    TCase *cases = tcase_create("choice");
    tcase_add_test(cases, what_is_faster_is_kept);
    tcase_add_test(cases, a_change_is_noticed);
    tcase_add_test(cases, another_program_is_noticed_at_once);
    tcase_add_test(cases, pauses_and_long_jobs_do_not_count);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
