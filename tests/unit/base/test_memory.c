/* Memory of a device: what its snapshot tells, and how much is held over steps whose sizes change all the time. */
#include <check.h>
#include <cresset/cresset.h>
#include <stdlib.h>
#include <string.h>

static const cr_memory_block *find(const cr_memory_block *blocks, size_t n, const char *made_by,
                                   size_t bytes)
{
    for (size_t i = 0; i < n; i++)
        if (blocks[i].in_use && blocks[i].bytes == bytes &&
            (made_by ? blocks[i].made_by && !strcmp(blocks[i].made_by, made_by) : true))
            return &blocks[i];
    return NULL;
}

START_TEST(a_snapshot_tells_what_holds_memory)
{
    cr_empty_cache(NULL);
    cr_tensor *x = cr_ones(12345);
    CR_SCOPE
        cr_exp(x);
    cr_tensor *y = cr_mul(x, x), *z = cr_softmax(cr_reshape(y, CR_INTS(5, 2469)), 1);
    size_t n = cr_memory_snapshot(NULL, NULL, 0);
    cr_memory_block *blocks = calloc(n, sizeof *blocks);
    ck_assert_uint_eq(cr_memory_snapshot(NULL, blocks, n), n);
    cr_memory_stats_result s;
    cr_memory_stats(NULL, &s);
    uint64_t in_use = 0, all = 0, asked = 0;
    for (size_t i = 0; i < n; i++) {
        in_use += blocks[i].in_use ? blocks[i].capacity : 0;
        all += blocks[i].capacity;
        asked += blocks[i].in_use;
        ck_assert_uint_ge(blocks[i].capacity, blocks[i].bytes);
    }
    ck_assert_uint_eq(in_use, s.allocated_bytes);
    ck_assert_uint_eq(all, s.reserved_bytes);
    ck_assert_uint_ge(asked, 3);
    const cr_memory_block *product = find(blocks, n, "mul.Tensor", 12345 * 4),
                          *soft = find(blocks, n, "_softmax", 12345 * 4);
    ck_assert_ptr_nonnull(product);
    if (!soft)
        soft = find(blocks, n, "softmax", 12345 * 4);
    ck_assert_ptr_nonnull(soft);
    ck_assert_uint_lt(product->made, soft->made);
    free(blocks);

    char *words = cr_memory_summary(NULL);
    ck_assert_ptr_nonnull(words);
    ck_assert_ptr_nonnull(strstr(words, "mul.Tensor"));
    ck_assert_ptr_nonnull(strstr(words, "waiting to be used again"));
    cr_free(words);
    ck_assert_ptr_nonnull(z);
    ck_assert_uint_eq(cr_memory_snapshot("nosuch", NULL, 0), SIZE_MAX);
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    ck_assert_ptr_null(cr_memory_summary("nosuch"));
    cr_clear_error();
}
END_TEST

static uint64_t state = 7;
static int64_t below(int64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((state >> 33) % (uint64_t)n);
}

/* Each size class would come to hold its own most: 10 times what is in use. */
START_TEST(a_thousand_steps_of_changing_sizes_hold_little_more_than_is_used)
{
    enum { LIVE = 12 };
    cr_empty_cache(NULL);
    cr_reset_peak_memory_stats(NULL);
    for (int step = 0; step < 1000; step++)
        CR_SCOPE {
            int64_t batch = 1 + below(64), length = 1 + below(128);
            for (int i = 0; i < LIVE; i++)
                ck_assert_ptr_nonnull(cr_empty(CR_INTS(batch, length, 64 << below(3))));
        }
    cr_memory_stats_result s;
    cr_memory_stats(NULL, &s);
    ck_assert_uint_gt(s.peak_allocated_bytes, 30u << 20);
    ck_assert_uint_le(s.peak_reserved_bytes,
                      s.peak_allocated_bytes + s.peak_allocated_bytes / 2 + (36u << 20));
    ck_assert_uint_lt(s.backend_allocations, 6000); /* of 12000 */
}
END_TEST

/* Where sizes come back, nothing is asked of the backend after the first round. */
START_TEST(steps_that_repeat_ask_the_backend_for_nothing)
{
    cr_memory_stats_result first = {0}, last;
    for (int step = 0; step < 50; step++) {
        CR_SCOPE
            for (int i = 0; i < 20; i++)
                cr_empty((100 + 37 * ((i * 7) % 20)) << 10);
        if (step == 1)
            cr_memory_stats(NULL, &first);
    }
    cr_memory_stats(NULL, &last);
    ck_assert_uint_eq(first.backend_allocations, last.backend_allocations);
}
END_TEST

/* A work that goes from few large values to many small ones, again and again: what was large serves for the small, so that after
 * some rounds no memory is fresh, and hardly more is held than is in use at a time. */
START_TEST(phases_of_other_sizes_share_memory)
{
    cr_empty_cache(NULL);
    cr_reset_peak_memory_stats(NULL);
    cr_memory_stats_result early = {0}, last;
    for (int round = 0; round < 20; round++) {
        CR_SCOPE
            for (int i = 0; i < 4; i++)
                ck_assert_ptr_nonnull(cr_empty(8 << 20));
        CR_SCOPE
            for (int i = 0; i < 8; i++)
                ck_assert_ptr_nonnull(cr_empty(3 << 20));
        CR_SCOPE
            for (int i = 0; i < 6; i++)
                ck_assert_ptr_nonnull(cr_empty(9 << 18));
        if (round == 4)
            cr_memory_stats(NULL, &early);
    }
    cr_memory_stats(NULL, &last);
    ck_assert_uint_eq(early.backend_allocations, last.backend_allocations);
    ck_assert_uint_lt(last.peak_reserved_bytes, 5 * (last.peak_allocated_bytes / 4));
}
END_TEST

/* As long as nothing that went back is asked for again, no piece stands in for one of less than half its size. */
START_TEST(large_pieces_do_not_serve_for_much_smaller_ones)
{
    cr_empty_cache(NULL);
    cr_reset_peak_memory_stats(NULL);
    cr_memory_stats_result before, s;
    cr_memory_stats(NULL, &before);
    CR_SCOPE
        for (int i = 0; i < 4; i++)
            ck_assert_ptr_nonnull(cr_empty(8 << 20));
    CR_SCOPE {
        for (int i = 0; i < 10; i++)
            ck_assert_ptr_nonnull(cr_empty(3 << 20));
        cr_memory_stats(NULL, &s);
        ck_assert_uint_le(s.allocated_bytes - before.allocated_bytes, (10 * 13) << 20);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *all = tcase_create("memory");
    tcase_add_test(all, a_snapshot_tells_what_holds_memory);
    tcase_add_test(all, a_thousand_steps_of_changing_sizes_hold_little_more_than_is_used);
    tcase_add_test(all, steps_that_repeat_ask_the_backend_for_nothing);
    tcase_add_test(all, large_pieces_do_not_serve_for_much_smaller_ones);
    tcase_add_test(all, phases_of_other_sizes_share_memory);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return cr_exit() || failed;
}
