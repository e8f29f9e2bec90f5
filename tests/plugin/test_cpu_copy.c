/* Copies, casts, fills and ranges of the cpu backend. */
#include "kernel_host.h"

#include <math.h>
#include <string.h>

/* The cast's rule, element by element: floats truncate, saturate at 32 bits (64 for i64) and then wrap. */
static cell cast(int32_t from, int32_t to, cell c)
{
    if (is_float(from)) {
        double low = to == CR_I64 ? -0x1p63 : -0x1p31, high = to == CR_I64 ? 0x1p63 : 0x1p31;
        c.i = c.f != c.f    ? 0
              : c.f <= low  ? (to == CR_I64 ? INT64_MIN : INT32_MIN)
              : c.f >= high ? (to == CR_I64 ? INT64_MAX : INT32_MAX)
                            : (int64_t)c.f;
        if (to == CR_B8)
            c.i = c.f != 0;
    } else {
        c.f = (double)c.i;
        if (to == CR_F32 || to == CR_F16 || to == CR_BF16)
            c.f = (double)(float)c.i;
    }
    return value_round(to, c);
}

static void check_copy(int32_t from, int32_t to, const shape *s, layout in_layout,
                       layout out_layout)
{
    value in = value_new(from, s->rank, s->size, in_layout),
          out = value_new(to, s->rank, s->size, out_layout);
    operation op = {.name = "copy", .nin = 1, .nout = 1, .in = {&in}, .out = {&out}};
    value_fill(&in, (uint32_t)from, true);
    ck_assert_int_eq(operation_run(&op), CR_OK);
    for (int64_t i = 0; i < value_numel(&out); i++) {
        cell got = value_get(&out, i), want = cast(from, to, value_get(&in, i));
        ck_assert_msg(cells_apart(to, got, want) == 0,
                      "dtype %d to %d, rank %d, layout %d to %d: %g %lld became %g %lld", from, to,
                      s->rank, in_layout, out_layout, value_get(&in, i).f,
                      (long long)value_get(&in, i).i, got.f, (long long)got.i);
    }
    value_free(&in);
    value_free(&out);
}

START_TEST(every_dtype_becomes_every_other)
{
    static const layout ways[][2] = {{DENSE, DENSE},      {TURNED, DENSE}, {DENSE, TURNED},
                                     {SPACED, DENSE},     {DENSE, SPACED}, {REPEATED, DENSE},
                                     {REPEATED_1, TURNED}};
    for (int32_t to = 1; to <= CR_B8; to++)
        for (int s = 0; s < nshapes; s++)
            for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
                if (!host_few || ((size_t)s + w) % 5 == (size_t)to % 5)
                    check_copy(_i, to, &shapes[s], ways[w][0], ways[w][1]);
}
END_TEST

START_TEST(matrices_turn)
{
    static const shape turned[] = {{2, {64, 64}},    {2, {65, 127}}, {2, {130, 70}}, {2, {4, 200}},
                                   {3, {3, 40, 90}}, {2, {17, 33}},  {2, {300, 300}}};
    for (size_t s = 0; s < sizeof turned / sizeof *turned; s++)
        for (int32_t dtype = 1; dtype <= CR_B8; dtype++) {
            check_copy(dtype, dtype, &turned[s], TURNED, DENSE);
            check_copy(dtype, dtype, &turned[s], DENSE, TURNED);
            check_copy(dtype, CR_F32, &turned[s], TURNED, DENSE);
            check_copy(dtype, CR_I8, &turned[s], TURNED, SPACED);
        }
}
END_TEST

/* Past the second-level cache, where lines are written around it: rows that begin anywhere in a line, borders of all kinds. */
START_TEST(large_matrices_turn)
{
    static const shape turned[] = {
        {2, {1100, 1030}}, {2, {1024, 2048}}, {3, {2, 300, 2001}}, {2, {40000, 70}}};
    for (size_t s = 0; s < sizeof turned / sizeof *turned && !host_few; s++) {
        check_copy(_i, _i, &turned[s], TURNED, DENSE);
        check_copy(_i, CR_F64, &turned[s], TURNED, DENSE);
        check_copy(CR_I64, _i, &turned[s], TURNED, DENSE);
    }
}
END_TEST

/* Rows that are copied as they are, and by threads: of whole lines of the cache and of others, with gaps on either side. */
START_TEST(rows_keep_their_place)
{
    static const shape rows[] = {
        {2, {130, 100}}, {3, {5, 33, 48}}, {4, {3, 40, 50, 48}}, {3, {40, 90, 64}}, {2, {3, 5000}}};
    const int threads = host_threads;
    for (size_t s = 0; s < sizeof rows / sizeof *rows; s++)
        for (host_threads = 1; host_threads <= 3; host_threads += 2) {
            check_copy(_i, _i, &rows[s], ROWS, DENSE);
            check_copy(_i, _i, &rows[s], DENSE, ROWS);
            check_copy(_i, _i, &rows[s], ROWS, ROWS);
            check_copy(_i, _i, &rows[s], REPEATED, ROWS);
            check_copy(_i, CR_F32, &rows[s], ROWS, DENSE);
            check_copy(CR_F32, _i, &rows[s], DENSE, ROWS);
        }
    host_threads = threads;
}
END_TEST

/* All of f16's and bf16's bits through f32 and back. */
START_TEST(halves_survive_f32)
{
    const int64_t size[1] = {65536};
    for (int32_t half = CR_F16; half <= CR_BF16; half++) {
        value a = value_new(half, 1, size, DENSE), b = value_new(CR_F32, 1, size, DENSE),
              c = value_new(half, 1, size, DENSE);
        for (int i = 0; i < 65536; i++)
            ((uint16_t *)(void *)a.memory)[i] = (uint16_t)i;
        operation wide = {.name = "copy", .nin = 1, .nout = 1, .in = {&a}, .out = {&b}};
        operation back = {.name = "copy", .nin = 1, .nout = 1, .in = {&b}, .out = {&c}};
        ck_assert_int_eq(operation_run(&wide), CR_OK);
        ck_assert_int_eq(operation_run(&back), CR_OK);
        for (int i = 0; i < 65536; i++) {
            ck_assert(cells_apart(half, value_get(&b, i), value_get(&a, i)) == 0);
            ck_assert(cells_apart(half, value_get(&c, i), value_get(&a, i)) == 0);
        }
        value_free(&a);
        value_free(&b);
        value_free(&c);
    }
}
END_TEST

/* Around every border between two f16, and bf16. */
START_TEST(halves_round_to_nearest_even)
{
    enum { EACH = 3 };
    const int64_t size[1] = {31744 * EACH};
    for (int32_t half = CR_F16; half <= CR_BF16; half++) {
        value a = value_new(CR_F32, 1, size, DENSE), b = value_new(half, 1, size, DENSE);
        for (int i = 0; i < 31743; i++) {
            uint16_t low = (uint16_t)i, high = (uint16_t)(i + 1);
            value one = {.meta = b.meta, .memory = (char *)&low},
                  two = {.meta = b.meta, .memory = (char *)&high};
            one.meta.rank = two.meta.rank = 0;
            float mid = (float)((value_get(&one, 0).f + value_get(&two, 0).f) / 2);
            float near[EACH] = {nextafterf(mid, 0), mid, nextafterf(mid, INFINITY)};
            memcpy(a.memory + (size_t)i * sizeof near, near, sizeof near);
        }
        operation op = {.name = "copy", .nin = 1, .nout = 1, .in = {&a}, .out = {&b}};
        ck_assert_int_eq(operation_run(&op), CR_OK);
        for (int i = 0; i < 31743 * EACH; i++)
            ck_assert_msg(
                cells_apart(half, value_get(&b, i), value_round(half, value_get(&a, i))) == 0,
                "%.9g became %.9g", value_get(&a, i).f, value_get(&b, i).f);
        value_free(&a);
        value_free(&b);
    }
}
END_TEST

START_TEST(fill_and_arange_reach_every_element)
{
    for (int32_t dtype = 1; dtype <= CR_B8; dtype++)
        for (int s = 0; s < nshapes; s++)
            for (int how = DENSE; how <= SPACED; how++) {
                value out = value_new(dtype, shapes[s].rank, shapes[s].size, (layout)how);
                operation fill = {.name = "fill.Scalar",
                                  .nout = 1,
                                  .out = {&out},
                                  .numbers = {"value"},
                                  .number = {{3, 3}}};
                fill.nnumbers = 1;
                ck_assert_int_eq(operation_run(&fill), CR_OK);
                for (int64_t i = 0; i < value_numel(&out); i++)
                    ck_assert(cells_apart(dtype, value_get(&out, i),
                                          value_round(dtype, (cell){3, 3})) == 0);
                operation range = {.name = "arange.start_step",
                                   .nout = 1,
                                   .out = {&out},
                                   .nnumbers = 2,
                                   .numbers = {"start", "step"},
                                   .number = {{-2, -2}, {0.5, 3}}};
                ck_assert_int_eq(operation_run(&range), CR_OK);
                for (int64_t i = 0; i < value_numel(&out); i++) {
                    cell want = value_round(dtype, (cell){-2 + (double)i * 0.5, -2 + i * 3});
                    ck_assert(cells_apart(dtype, value_get(&out, i), want) == 0);
                }
                value_free(&out);
            }
}
END_TEST

Suite *copy_suite(void)
{
    Suite *suite = suite_create("copy");
    TCase *tc = tcase_create("copy");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, every_dtype_becomes_every_other, 1, CR_B8 + 1);
    tcase_add_test(tc, matrices_turn);
    tcase_add_loop_test(tc, large_matrices_turn, 1, CR_B8 + 1);
    tcase_add_loop_test(tc, rows_keep_their_place, 1, CR_B8 + 1);
    tcase_add_test(tc, halves_survive_f32);
    tcase_add_test(tc, halves_round_to_nearest_even);
    tcase_add_test(tc, fill_and_arange_reach_every_element);
    suite_add_tcase(suite, tc);
    return suite;
}
