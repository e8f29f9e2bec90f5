/* Memory that pieces share: what is taken is nobody else's, at a page, and comes back. */
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/cpu/region.h"

enum { PIECES = 64, TURNS = 4000, MOST = 5 << 20, WORDS_APART = 1021 };

typedef struct piece {
    cpu_span *span;
    size_t words;
    uint64_t seed;
} piece;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Writes, or looks for, words that no other piece has, here and there, in the first and in the last. */
static bool mark(const piece *p, bool write)
{
    uint64_t *at = cpu_span_begin(p->span);
    bool same = true;
    for (size_t i = 0; i < p->words; i += WORDS_APART) {
        const size_t j = i + WORDS_APART < p->words ? i : p->words - 1;
        if (write)
            at[j] = p->seed + j;
        same = same && at[j] == p->seed + j;
    }
    return same;
}

/* Returns what went wrong, or null. */
static void *take_and_give(void *seed)
{
    uint64_t state = *(uint64_t *)seed;
    const char *wrong = NULL;
    piece pieces[PIECES] = {{0}};
    for (int turn = 0; turn < TURNS && !wrong; turn++) {
        piece *p = &pieces[next_random(&state) % PIECES];
        if (p->span) {
            if (!mark(p, false))
                wrong = "another piece wrote here";
            cpu_span_give(p->span);
            *p = (piece){0};
            continue;
        }
        const size_t bytes = 8 + next_random(&state) % (turn % 3 ? MOST / 64 : MOST);
        *p = (piece){cpu_span_take(bytes), bytes / 8,
                     (*(uint64_t *)seed << 56) + (uint64_t)turn * MOST};
        if (!p->span)
            wrong = "no memory";
        else if ((uintptr_t)cpu_span_begin(p->span) % (size_t)sysconf(_SC_PAGESIZE))
            wrong = "not at a page";
        else
            mark(p, true);
    }
    for (int i = 0; i < PIECES; i++)
        if (pieces[i].span) {
            if (!mark(&pieces[i], false))
                wrong = "another piece wrote here at last";
            cpu_span_give(pieces[i].span);
        }
    return (void *)(uintptr_t)wrong;
}

START_TEST(pieces_are_apart)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS];
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = (uint64_t)i + 1;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, &seeds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_msg(!wrong, "%s", (const char *)wrong);
    }
}
END_TEST

/* A stretch that was given is taken again, alone and with its neighbours. */
START_TEST(room_is_used_again)
{
    enum { SIZE = 3 << 20 };
    cpu_span *keep = cpu_span_take(SIZE), *two[2] = {cpu_span_take(SIZE), cpu_span_take(SIZE)};
    cpu_span *last = cpu_span_take(SIZE);
    ck_assert_msg(keep && two[0] && two[1] && last, "no memory");
    char *begin = cpu_span_begin(two[0]);
    ck_assert_ptr_eq(cpu_span_begin(two[1]), begin + SIZE);
    for (int first = 0; first < 2; first++) {
        begin[SIZE - 1] = begin[SIZE] = 1;
        cpu_span_give(two[first]);
        cpu_span_give(two[!first]);
        cpu_span *both = cpu_span_take(2 * SIZE);
        ck_assert_ptr_eq(cpu_span_begin(both), begin);
        ck_assert_msg(!begin[SIZE - 1] && !begin[SIZE], "memory was not given back");
        cpu_span_give(both);
        two[0] = cpu_span_take(SIZE);
        two[1] = cpu_span_take(SIZE);
        ck_assert_ptr_eq(cpu_span_begin(two[0]), begin);
        ck_assert_ptr_eq(cpu_span_begin(two[1]), begin + SIZE);
    }
    cpu_span *all[] = {two[1], keep, last, two[0]};
    for (int i = 0; i < 4; i++)
        cpu_span_give(all[i]);
}
END_TEST

START_TEST(too_much_is_refused)
{
    ck_assert_ptr_null(cpu_span_take(SIZE_MAX));
    ck_assert_ptr_null(cpu_span_take((size_t)1 << 40));
    cpu_span *least = cpu_span_take(1);
    ck_assert_ptr_nonnull(least);
    cpu_span_give(least);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("region");
    TCase *tests = tcase_create("region");
    tcase_add_test(tests, pieces_are_apart);
    tcase_add_test(tests, room_is_used_again);
    tcase_add_test(tests, too_much_is_refused);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
