/* Scopes, sticky errors, threads' own state, and memory statistics. */
#include <check.h>
#include <cresset/cresset.h>
#include <pthread.h>
#include <string.h>

static uint64_t in_use(void)
{
    cr_memory_stats_result stats = {0};
    ck_assert_int_eq(cr_memory_stats(NULL, &stats), 0);
    return stats.allocated_bytes;
}

START_TEST(a_scope_releases_what_was_made_in_it)
{
    cr_tensor *kept = NULL;
    cr_zeros(1);
    uint64_t before = in_use();
    CR_SCOPE {
        cr_zeros(1000);
        kept = cr_keep(cr_ones(500));
        CR_SCOPE
            cr_zeros(2000);
        ck_assert_uint_ge(in_use(), before + 6000);
    }
    ck_assert_uint_lt(in_use(), before + 4000);
    ck_assert_uint_ge(in_use(), before + 2000);
    ck_assert_double_eq(cr_item(cr_sum(kept)), 500);
}
END_TEST

static int leave_early(int how)
{
    for (int i = 0; i < 3; i++)
        CR_SCOPE {
            cr_zeros(1000);
            if (how == 0)
                return 1;
            if (how == 1)
                break;
        }
    return 0;
}

START_TEST(a_scope_ends_however_it_is_left)
{
    int depth = cr_scope_depth();
    for (int how = 0; how < 3; how++) {
        leave_early(how);
        ck_assert_int_eq(cr_scope_depth(), depth);
    }
    for (int i = 0; i < 2; i++)
        CR_NO_GRAD {
            ck_assert(!cr_grad_enabled());
            break;
        }
    ck_assert(cr_grad_enabled());
}
END_TEST

START_TEST(the_first_error_stays_and_later_calls_do_nothing)
{
    cr_tensor *a = cr_zeros(CR_INTS(2, 3)), *b = cr_zeros(CR_INTS(4, 5));
    cr_tensor *bad = cr_matmul(a, b);
    ck_assert_ptr_null(bad);
    ck_assert_ptr_nonnull(strstr(cr_error(), "[2, 3] x [4, 5]"));
    ck_assert_ptr_null(cr_add(bad, a));
    ck_assert_ptr_null(cr_relu(cr_reshape(bad, CR_INTS(2))));
    ck_assert_ptr_nonnull(strstr(cr_error(), "[2, 3] x [4, 5]"));
    cr_clear_error();
    ck_assert_ptr_null(cr_error());
    ck_assert_ptr_nonnull(cr_add(a, a));
}
END_TEST

static void *in_another_thread(void *unused)
{
    (void)unused;
    ck_assert_ptr_null(cr_error());
    ck_assert(cr_grad_enabled());
    cr_matmul(cr_zeros(CR_INTS(2, 3)), cr_zeros(CR_INTS(2, 3)));
    return cr_error() ? (void *)1 : NULL;
}

START_TEST(a_threads_errors_and_modes_are_its_own)
{
    pthread_t thread;
    void *failed = NULL;
    CR_NO_GRAD {
        ck_assert_int_eq(pthread_create(&thread, NULL, in_another_thread, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, &failed), 0);
    }
    ck_assert_ptr_nonnull(failed);
    ck_assert_ptr_null(cr_error());
}
END_TEST

static void *share(void *tensor)
{
    for (int i = 0; i < 20000; i++) {
        cr_retain(tensor);
        cr_release(tensor);
    }
    for (int i = 0; i < 200; i++)
        CR_SCOPE
            cr_add(tensor, tensor);
    return cr_error() ? (void *)1 : NULL;
}

START_TEST(tensors_may_be_shared_by_threads)
{
    pthread_t threads[4];
    cr_tensor *t = cr_ones(100);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, share, t), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_double_eq(cr_item(cr_sum(t)), 100);
}
END_TEST

static uint64_t adds_so_far(void)
{
    static cr_op_counts counts[1024];
    size_t n = cr_device_op_counts(NULL, counts, 1024);
    ck_assert_uint_le(n, 1024);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(counts[i].op, "add.Tensor"))
            return counts[i].native;
    return 0;
}

static void *add_often(void *n)
{
    cr_tensor *t = cr_ones(3);
    for (int i = 0; i < *(int *)n; i++)
        CR_SCOPE
            cr_add(t, t);
    return cr_error() ? (void *)1 : NULL;
}

/* The device's locks favour the thread that came first. The others come while it is at work, at different moments; every count
 * that the locks guard must be exact in the end. */
START_TEST(a_second_thread_may_come_at_any_time)
{
    enum { THREADS = 3, EACH = 20000 };
    pthread_t threads[THREADS];
    int n = EACH, few = 100 + _i * 997;
    ck_assert_ptr_null(add_often(&few));
    uint64_t before = adds_so_far();
    cr_memory_stats_result first, second;
    cr_memory_stats(NULL, &first);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_often, &n), 0);
        ck_assert_ptr_null(add_often(&few));
    }
    ck_assert_ptr_null(add_often(&n));
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_uint_eq(adds_so_far() - before, (THREADS + 1) * EACH + THREADS * few);
    cr_memory_stats(NULL, &second); /* and each made a tensor of its own first */
    ck_assert_uint_eq(second.allocations - first.allocations,
                      (THREADS + 1) * EACH + THREADS * few + 2 * THREADS + 1);
}
END_TEST

START_TEST(statistics_tell_peak_and_reuse)
{
    cr_memory_stats_result first, second;
    CR_SCOPE
        cr_zeros(100000);
    cr_memory_stats(NULL, &first);
    ck_assert_uint_ge(first.peak_allocated_bytes, 400000);
    cr_reset_peak_memory_stats(NULL);
    for (int i = 0; i < 10; i++)
        CR_SCOPE
            cr_zeros(100000);
    cr_memory_stats(NULL, &second);
    ck_assert_uint_eq(second.backend_allocations, first.backend_allocations);
    ck_assert_uint_eq(second.allocations, first.allocations + 10);
    ck_assert_int_eq(cr_empty_cache(NULL), 0);
    cr_memory_stats(NULL, &second);
    ck_assert_uint_lt(second.reserved_bytes, 400000);
}
END_TEST

START_TEST(too_large_sizes_are_errors)
{
    static const int64_t sizes[][2] = {
        {(int64_t)1 << 40, (int64_t)1 << 40}, {INT64_MAX, 2}, {INT64_MAX, INT64_MAX}, {-1, 3}};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_ptr_null(cr_zeros(CR_INTS(sizes[i][0], sizes[i][1])));
        ck_assert_ptr_nonnull(cr_error());
        cr_clear_error();
    }
    ck_assert_ptr_null(cr_zeros(CR_INTS(1, 1, 1, 1, 1, 1, 1, 1, 1)));
    cr_clear_error();
}
END_TEST

START_TEST(a_seed_gives_the_same_numbers_on_every_run)
{
    cr_manual_seed(42);
    uint64_t state[2];
    cr_get_rng_state(state);
    cr_tensor *a = cr_randn(100), *b = cr_rand(7);
    cr_set_rng_state(state);
    ck_assert(cr_equal(cr_randn(100), a));
    ck_assert(cr_equal(cr_rand(7), b));
    cr_manual_seed(43);
    ck_assert(!cr_equal(cr_randn(100), a));
    cr_tensor *p = cr_randperm(1000);
    ck_assert_int_eq(cr_item_int(cr_sum(p)), 999 * 500);
    ck_assert(cr_equal(cr_sort(p).values, cr_arange(1000)));
    cr_tensor *i = cr_randint(6, CR_INTS(10000));
    ck_assert_int_eq(cr_item_int(cr_min(i)), 0);
    ck_assert_int_eq(cr_item_int(cr_max(i)), 5);
    cr_tensor *n = cr_randn(100000);
    ck_assert_double_eq_tol(cr_item(cr_mean(n)), 0, 0.02);
    ck_assert_double_eq_tol(cr_item(cr_std(n)), 1, 0.02);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tests = tcase_create("base");
    tcase_add_test(tests, a_scope_releases_what_was_made_in_it);
    tcase_add_test(tests, a_scope_ends_however_it_is_left);
    tcase_add_test(tests, the_first_error_stays_and_later_calls_do_nothing);
    tcase_add_test(tests, a_threads_errors_and_modes_are_its_own);
    tcase_add_test(tests, tensors_may_be_shared_by_threads);
    tcase_add_loop_test(tests, a_second_thread_may_come_at_any_time, 0, 8);
    tcase_add_test(tests, statistics_tell_peak_and_reuse);
    tcase_add_test(tests, too_large_sizes_are_errors);
    tcase_add_test(tests, a_seed_gives_the_same_numbers_on_every_run);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
