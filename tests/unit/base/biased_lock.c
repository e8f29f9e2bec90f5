/* cr_biased_lock by itself, built from its source, since it is none of the public headers': whatever moment the second thread
 * comes at, no count is lost. */
#include <check.h>
#include <pthread.h>

#include "core/base/biased_lock.h"

CR_TLS cr_thread cr_this_thread; /* the lock needs its address only */

enum { THREADS = 3, EACH = 50000 };
static cr_biased_lock lock;
static long count;

static void *count_up(void *times)
{
    for (int i = 0; i < *(int *)times; i++) {
        cr_biased_lock_acquire(&lock);
        count++;
        cr_biased_lock_release(&lock);
    }
    return NULL;
}

START_TEST(no_count_is_lost)
{
    int first = 500 * _i, each = EACH;
    pthread_t threads[THREADS];
    count_up(&first);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &each), 0);
        count_up(&first);
    }
    count_up(&each);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(count, (THREADS + 1) * (EACH + first));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("biased_lock");
    TCase *tests = tcase_create("biased_lock");
    tcase_add_loop_test(tests, no_count_is_lost, 0, 30);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
