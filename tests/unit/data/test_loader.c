/* Data sets, samplers and the loader: every sample once, the same order for the same seed, early ends, errors from workers. */
#include <check.h>
#include <cresset/cresset.h>
#include <stdlib.h>
#include <string.h>

static cr_dataset *numbers(int64_t n)
{
    cr_tensor *x = cr_view(cr_arange((double)n), CR_INTS(n, 1));
    return cr_tensor_dataset(cr_to_dtype(x, CR_F32), cr_arange(n));
}

/* The targets in the order in which an epoch gives them, in one list; returns how many. */
static int64_t epoch(cr_loader *loader, int64_t *order)
{
    int64_t n = 0;
    CR_FOREACH_BATCH (batch, loader) {
        ck_assert_int_eq(cr_tensor_size(batch.input, 0), batch.count);
        ck_assert_int_eq(cr_tensor_read(batch.target, order + n, (size_t)batch.count * 8), 0);
        for (int64_t i = 0; i < batch.count; i++)
            ck_assert_double_eq(cr_item(cr_select(cr_select(batch.input, 0, i), 0, 0)),
                                (double)order[n + i]);
        n += batch.count;
    }
    return n;
}

START_TEST(every_sample_comes_once)
{
    static const int workers[] = {CR_NO_WORKERS, 1, 3};
    for (int w = 0; w < 3; w++) {
        int64_t order[103], seen[103] = {0};
        cr_loader *loader = cr_data_loader(numbers(103), .batch_size = 10, .shuffle = true,
                                           .num_workers = workers[w], .seed = 5);
        ck_assert_int_eq(cr_loader_length(loader), 11);
        ck_assert_int_eq(epoch(loader, order), 103);
        for (int i = 0; i < 103; i++)
            seen[order[i]]++;
        for (int i = 0; i < 103; i++)
            ck_assert_int_eq(seen[i], 1);
    }
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(a_seed_fixes_the_order_whatever_the_workers)
{
    int64_t first[50], second[50], again[50];
    cr_loader *a = cr_data_loader(numbers(50), .batch_size = 7, .shuffle = true,
                                  .num_workers = CR_NO_WORKERS, .seed = 9);
    cr_loader *b =
        cr_data_loader(numbers(50), .batch_size = 7, .shuffle = true, .num_workers = 4, .seed = 9);
    epoch(a, first);
    epoch(a, second);
    ck_assert(memcmp(first, second, sizeof first) != 0);
    epoch(b, again);
    ck_assert_mem_eq(first, again, sizeof first);
    epoch(b, again);
    ck_assert_mem_eq(second, again, sizeof first);
    cr_loader_set_epoch(a, 0);
    epoch(a, again);
    ck_assert_mem_eq(first, again, sizeof first);
}
END_TEST

START_TEST(the_last_batch_may_be_dropped)
{
    int64_t order[25];
    cr_loader *loader = cr_data_loader(numbers(25), .batch_size = 10, .drop_last = true);
    ck_assert_int_eq(epoch(loader, order), 20);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(order[i], i);
}
END_TEST

START_TEST(an_epoch_may_end_early)
{
    for (int round = 0; round < 20; round++) {
        int n = 0;
        cr_loader *loader = cr_data_loader(numbers(100), .batch_size = 3, .num_workers = 3);
        CR_FOREACH_BATCH (batch, loader) {
            if (++n > round)
                break;
        }
    }
    ck_assert_ptr_null(cr_error());
}
END_TEST

static int fails_at_13(void *data, int64_t index, cr_sample *sample)
{
    (void)data;
    if (index == 13) {
        cr_fail("sample 13 is unlucky");
        return -1;
    }
    sample->tensors[0] = cr_ones(2);
    sample->count = 1;
    return 0;
}
static int64_t thirty(void *data)
{
    (void)data;
    return 30;
}

START_TEST(an_error_of_a_worker_reaches_the_caller)
{
    static const cr_dataset_class kind = {
        .name = "unlucky", .length = thirty, .get_item = fails_at_13};
    for (int workers = 0; workers < 3; workers++) {
        int64_t n = 0;
        cr_loader *loader = cr_data_loader(cr_dataset_new(&kind, NULL), .batch_size = 5,
                                           .num_workers = workers ? workers : CR_NO_WORKERS);
        CR_FOREACH_BATCH (batch, loader)
            n += batch.count;
        ck_assert_int_eq(n, 10);
        ck_assert_ptr_nonnull(cr_error());
        ck_assert_ptr_nonnull(strstr(cr_error(), "sample 13 is unlucky"));
        cr_clear_error();
    }
}
END_TEST

START_TEST(parts_and_sums_of_data_sets)
{
    int64_t order[12];
    static const int64_t picked[] = {4, 2, 9};
    cr_dataset *parts[] = {cr_subset(numbers(10), picked, 3), numbers(4)};
    cr_dataset *both = cr_concat_dataset(parts, 2);
    ck_assert_int_eq(cr_dataset_length(both), 7);
    static const int64_t expected[] = {4, 2, 9, 0, 1, 2, 3};
    ck_assert_int_eq(epoch(cr_data_loader(both, .batch_size = 2), order), 7);
    ck_assert_mem_eq(order, expected, sizeof expected);
    static const int64_t beyond[] = {10};
    cr_subset(numbers(10), beyond, 1);
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    cr_data_loader(numbers(10), .batch_size = -2);
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

START_TEST(weights_choose_what_is_drawn)
{
    static const double weights[] = {0, 1, 0, 3};
    int64_t drawn[4000], count[4] = {0};
    cr_sampler *sampler = cr_weighted_random_sampler(weights, 4, 4000, .seed = 3);
    ck_assert_int_eq(cr_sampler_draw(sampler, 0, drawn), 0);
    for (int i = 0; i < 4000; i++)
        count[drawn[i]]++;
    ck_assert_int_eq(count[0] + count[2], 0);
    ck_assert_int_gt(count[3], 2800);
    ck_assert_int_lt(count[3], 3200);
}
END_TEST

START_TEST(indices_given_come_in_another_order)
{
    static const int64_t given[] = {3, 5, 8, 13, 21};
    int64_t first[5], second[5], seen = 0;
    cr_sampler *sampler = cr_subset_random_sampler(given, 5, .seed = 2);
    ck_assert_int_eq(cr_sampler_draw(sampler, 0, first), 0);
    ck_assert_int_eq(cr_sampler_draw(sampler, 1, second), 0);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 5; k++)
            seen += first[k] == given[i];
    ck_assert_int_eq(seen, 5);
    ck_assert(memcmp(first, second, sizeof first) != 0);
}
END_TEST

START_TEST(processes_share_an_epoch)
{
    int seen[10] = {0};
    for (int rank = 0; rank < 3; rank++) {
        int64_t drawn[4];
        cr_sampler *sampler = cr_distributed_sampler(10, 3, rank, .seed = 1);
        ck_assert_int_eq(cr_sampler_length(sampler), 4); /* two samples come twice */
        ck_assert_int_eq(cr_sampler_draw(sampler, 5, drawn), 0);
        for (int i = 0; i < 4; i++)
            seen[drawn[i]]++;
    }
    int all = 0;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_ge(seen[i], 1);
        all += seen[i];
    }
    ck_assert_int_eq(all, 12);
    ck_assert_int_eq(cr_sampler_length(cr_distributed_sampler(10, 3, 0, .drop_last = true)), 3);
    ck_assert_ptr_null(cr_distributed_sampler(10, 3, 3));
    cr_clear_error();
}
END_TEST

static int open_streams;
static void *stream_begin(void *data, uint64_t epoch)
{
    int64_t *at = malloc(2 * sizeof *at);
    at[0] = (int64_t)epoch * 100;
    at[1] = at[0] + *(const int64_t *)data;
    open_streams++;
    return at;
}
static int stream_next(void *iterator, cr_sample *sample)
{
    int64_t *at = iterator;
    if (at[0] == at[1])
        return 0;
    if (at[0] == 250) {
        cr_fail("250 is too much");
        return -1;
    }
    sample->tensors[0] = cr_full(CR_EMPTY, at[0], .dtype = CR_I64);
    sample->tensors[1] = sample->tensors[0];
    sample->count = 2;
    at[0]++;
    return 1;
}
static void stream_end(void *iterator)
{
    free(iterator);
    open_streams--;
}

START_TEST(a_stream_has_batches_too)
{
    static const cr_iterable_class kind = {"numbers", stream_begin, stream_next, stream_end, NULL};
    static int64_t length = 23;
    for (int workers = -1; workers < 3; workers += 2) {
        cr_dataset *set = cr_iterable_dataset_new(&kind, &length);
        cr_loader *loader = cr_data_loader(set, .batch_size = 5, .num_workers = workers);
        ck_assert_int_eq(cr_loader_length(loader), -1);
        for (int e = 0; e < 2; e++) {
            int64_t n = 0, batches = 0;
            CR_FOREACH_BATCH (batch, loader) {
                int64_t first[5];
                ck_assert_int_eq(cr_tensor_read(batch.input, first, (size_t)batch.count * 8), 0);
                ck_assert_int_eq(first[0], 100 * e + n);
                n += batch.count;
                batches++;
            }
            ck_assert_msg(!cr_error(), "%s", cr_error());
            ck_assert_int_eq(n, 23);
            ck_assert_int_eq(batches, 5);
        }
        cr_loader *dropping =
            cr_data_loader(set, .batch_size = 5, .drop_last = true, .num_workers = workers);
        int64_t n = 0;
        CR_FOREACH_BATCH (batch, dropping)
            n += batch.count;
        ck_assert_int_eq(n, 20);
        cr_loader_start_at(dropping, 3);
        CR_FOREACH_BATCH (batch, dropping) {
            ck_assert_double_eq(cr_item(cr_min(batch.input)), 115);
            break;
        }
        ck_assert_int_eq(open_streams, 0);
        ck_assert_ptr_null(cr_data_loader(set, .shuffle = true));
        cr_clear_error();
        length = 60;
        cr_loader_set_epoch(loader, 2);
        n = 0;
        CR_FOREACH_BATCH (batch, loader)
            n += batch.count;
        ck_assert_int_eq(n, 50);
        ck_assert_ptr_nonnull(strstr(cr_error(), "250 is too much"));
        cr_clear_error();
        length = 23;
    }
}
END_TEST

START_TEST(an_epoch_may_begin_in_the_middle)
{
    int64_t whole[50], rest[50];
    for (int workers = -1; workers < 3; workers += 3) {
        cr_loader *a = cr_data_loader(numbers(50), .batch_size = 7, .shuffle = true, .seed = 9,
                                      .num_workers = workers);
        epoch(a, whole);
        cr_loader_set_epoch(a, 0);
        cr_loader_start_at(a, 3);
        ck_assert_int_eq(epoch(a, rest), 29);
        ck_assert_mem_eq(whole + 21, rest, 29 * sizeof *rest);
        ck_assert_int_eq(epoch(a, rest), 50); /* the one after is whole */
        cr_loader_start_at(a, 99);
        ck_assert_int_eq(epoch(a, rest), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *tests = tcase_create("loader");
    tcase_add_test(tests, every_sample_comes_once);
    tcase_add_test(tests, a_seed_fixes_the_order_whatever_the_workers);
    tcase_add_test(tests, the_last_batch_may_be_dropped);
    tcase_add_test(tests, an_epoch_may_end_early);
    tcase_add_test(tests, an_error_of_a_worker_reaches_the_caller);
    tcase_add_test(tests, parts_and_sums_of_data_sets);
    tcase_add_test(tests, weights_choose_what_is_drawn);
    tcase_add_test(tests, indices_given_come_in_another_order);
    tcase_add_test(tests, processes_share_an_epoch);
    tcase_add_test(tests, a_stream_has_batches_too);
    tcase_add_test(tests, an_epoch_may_begin_in_the_middle);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
