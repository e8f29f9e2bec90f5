/* cr_team_run by itself, built from its source, since it is none of the public headers': every item is done once, whatever the number of
 * threads, the size of the work and the time that has passed since the last. */
#define _GNU_SOURCE
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "core/base/team.h"

enum { MOST = 5000 };
static atomic_int done[MOST];
static atomic_int bad_pieces;
static int64_t asked_n, asked_unit;

static void mark(void *context, int64_t begin, int64_t end)
{
    int by = *(int *)context;
    if (begin < 0 || end > asked_n || begin >= end || begin % asked_unit ||
        (end != asked_n && end % asked_unit))
        atomic_fetch_add(&bad_pieces, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&done[i], by);
}

static void run_and_check(int threads, int64_t n, int64_t unit, double cost)
{
    int by = 1;
    memset(done, 0, sizeof done);
    asked_n = n;
    asked_unit = unit;
    cr_team_run(threads, n, unit, cost, mark, &by);
    ck_assert_int_eq(atomic_load(&bad_pieces), 0);
    for (int64_t i = 0; i < MOST; i++)
        ck_assert_int_eq(atomic_load(&done[i]), i < n);
}

static void wait_ns(long ns)
{
    nanosleep(&(struct timespec){0, ns}, NULL);
}

START_TEST(each_item_is_done_once)
{
    static const int64_t sizes[] = {0, 1, 3, 64, 1000, MOST};
    static const double whole[] = {1, 7000, 30000, 1e6, 1e18};
    static const int64_t units[] = {1, 3};
    for (int threads = 1; threads <= 5; threads += 2)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t w = 0; w < sizeof whole / sizeof *whole; w++)
                for (size_t u = 0; u < sizeof units / sizeof *units; u++)
                    run_and_check(threads, sizes[s], units[u],
                                  whole[w] / (double)(sizes[s] ? sizes[s] : 1));
    cr_team_stop();
}
END_TEST

/* Works of 10 µs in a row: at first alone, then shared; between waits all workers sleep. */
START_TEST(short_work_comes_out_whole_awake_or_asleep)
{
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 50; i++)
            run_and_check(3, 1000, 1, 10);
        wait_ns(round % 2 ? 1000000 : 20000);
    }
    cr_team_stop();
    run_and_check(3, 1000, 1, 10);
    cr_team_stop();
}
END_TEST

/* With one core for all threads there is none for a worker: it has to make way, and all is done nevertheless. */
START_TEST(one_core_for_all)
{
    cpu_set_t before, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE && !CPU_COUNT(&one); core++)
        if (CPU_ISSET(core, &before))
            CPU_SET(core, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < 200; i++) {
        run_and_check(4, 1000, 1, i % 2 ? 20 : 1000);
        if (i % 50 == 0)
            wait_ns(1000000);
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
    run_and_check(4, 1000, 1, 1000);
    cr_team_stop();
}
END_TEST

static void count_inside(void *context, int64_t begin, int64_t end)
{
    atomic_int *count = context;
    int by = 0;
    cr_team_run(4, 1000, 1, 1000, mark, &by); /* by this thread alone, at once */
    atomic_fetch_add(count, cr_team_inside() ? (int)(end - begin) : 0);
}

START_TEST(work_within_a_piece_is_its_thread_s_own)
{
    atomic_int count = 0;
    asked_n = 1000;
    asked_unit = 1;
    cr_team_run(3, 100, 1, 10000, count_inside, &count);
    ck_assert_int_eq(atomic_load(&count), 100);
    ck_assert_int_eq(atomic_load(&bad_pieces), 0);
    ck_assert(!cr_team_inside());
    cr_team_stop();
}
END_TEST

static void add_up(void *context, int64_t begin, int64_t end)
{
    atomic_fetch_add((atomic_llong *)context, end - begin);
}

static void *run_many(void *unused)
{
    for (int i = 0; i < 300; i++) {
        atomic_llong sum = 0;
        cr_team_run(3, 100 + i, 1, i % 3 ? 100 : 1000, add_up, &sum);
        if (atomic_load(&sum) != 100 + i)
            return &bad_pieces;
    }
    (void)unused;
    return NULL;
}

START_TEST(callers_don_t_get_into_each_other_s_way)
{
    pthread_t threads[3];
    void *wrong;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
    cr_team_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("team");
    TCase *tests = tcase_create("team");
    tcase_add_test(tests, each_item_is_done_once);
    tcase_add_test(tests, short_work_comes_out_whole_awake_or_asleep);
    tcase_add_test(tests, one_core_for_all);
    tcase_add_test(tests, work_within_a_piece_is_its_thread_s_own);
    tcase_add_test(tests, callers_don_t_get_into_each_other_s_way);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
