/* Gathers, scatters and random bits of the cpu backend. */
#include "kernel_host.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The number in a value of sizes `to` of the element at number i in a value of sizes `from`, dimension `dim` replaced. */
static int64_t moved(int rank, const int64_t *from, const int64_t *to, int64_t i, int dim,
                     int64_t k)
{
    int64_t at[CR_MAX_RANK] = {0}, number = 0;
    for (int d = rank - 1; d >= 0; d--) {
        at[d] = i % from[d];
        i /= from[d];
    }
    if (rank)
        at[dim] = k;
    for (int d = 0; d < rank; d++)
        number = number * to[d] + at[d];
    return number;
}

static int64_t along(int rank, const int64_t *size, int64_t i, int dim)
{
    for (int d = rank - 1; d > dim; d--)
        i /= size[d];
    return rank ? i % size[dim] : 0;
}

typedef struct sample {
    int rank, dim;
    int64_t self[CR_MAX_RANK], index[CR_MAX_RANK];
} sample;

static const sample samples[] = {
    {0, 0, {0}, {0}},
    {1, 0, {5}, {9}},
    {1, 0, {5}, {0}},
    {2, 0, {6, 7}, {4, 7}},
    {2, 1, {6, 7}, {6, 30}},
    {2, 1, {6, 7}, {3, 2}},
    {3, 1, {4, 5, 6}, {4, 9, 6}},
    {3, 2, {3, 4, 300}, {2, 4, 700}},
    {3, 0, {9, 40, 10}, {20, 33, 10}},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static void fill_index(value *index, int64_t limit, uint32_t seed)
{
    for (int64_t i = 0; i < value_numel(index); i++) {
        seed = seed * 1664525u + 1013904223u;
        value_set(index, i, (cell){0, (int64_t)((seed >> 10) % (uint32_t)limit)});
    }
}

START_TEST(gather_takes_what_the_index_names)
{
    for (int k = 0; k < SAMPLES; k++)
        for (int32_t dtype = 1; dtype <= CR_B8; dtype++)
            for (int how = DENSE; how <= REPEATED_1; how++) {
                const sample *s = &samples[k];
                value self = value_new(dtype, s->rank, s->self, (layout)how),
                      index = value_new(CR_I64, s->rank, s->index, (layout)how);
                value out = value_new(dtype, s->rank, s->index, how == TURNED ? SPACED : DENSE);
                operation op = {.name = "gather",
                                .nin = 2,
                                .nout = 1,
                                .in = {&self, &index},
                                .out = {&out},
                                .nattrs = 1};
                op.attrs[0] = attr_int("dim", s->dim);
                value_fill(&self, 4, true);
                fill_index(&index, s->rank ? s->self[s->dim] : 1, 9);
                ck_assert_int_eq(operation_run(&op), CR_OK);
                for (int64_t i = 0; i < value_numel(&out); i++) {
                    int64_t from =
                        moved(s->rank, s->index, s->self, i, s->dim, value_get(&index, i).i);
                    ck_assert(cells_apart(dtype, value_get(&out, i), value_get(&self, from)) == 0);
                }
                value_free(&self);
                value_free(&index);
                value_free(&out);
            }
}
END_TEST

START_TEST(index_select_takes_slices)
{
    const int64_t size[3] = {4, 6, 5}, count[1] = {9}, to[3] = {4, 9, 5};
    value self = value_new(CR_F32, 3, size, TURNED), index = value_new(CR_I64, 1, count, DENSE),
          out = value_new(CR_F32, 3, to, DENSE);
    operation op = {.name = "index_select",
                    .nin = 2,
                    .nout = 1,
                    .in = {&self, &index},
                    .out = {&out},
                    .nattrs = 1};
    op.attrs[0] = attr_int("dim", 1);
    value_fill(&self, 4, true);
    fill_index(&index, 6, 2);
    ck_assert_int_eq(operation_run(&op), CR_OK);
    for (int64_t i = 0; i < value_numel(&out); i++) {
        int64_t k = value_get(&index, along(3, to, i, 1)).i;
        ck_assert(cells_apart(CR_F32, value_get(&out, i),
                              value_get(&self, moved(3, to, size, i, 1, k))) == 0);
    }
    value_free(&self);
    value_free(&index);
    value_free(&out);
}
END_TEST

START_TEST(a_bad_index_is_named)
{
    static const char *const names[] = {"gather", "scatter.src", "scatter_add"};
    const int64_t size[2] = {3, 4};
    value self = value_new(CR_F32, 2, size, DENSE), index = value_new(CR_I64, 2, size, DENSE),
          out = value_new(CR_F32, 2, size, DENSE);
    value_fill(&self, 4, false);
    for (int k = 0; k < 3; k++)
        for (int64_t bad = -1; bad <= 4; bad += 5) {
            operation op = {.name = names[k],
                            .nin = k ? 3 : 2,
                            .nout = 1,
                            .in = {&self, &index, &self},
                            .out = {&out},
                            .nattrs = 1};
            op.attrs[0] = attr_int("dim", 1);
            fill_index(&index, 4, 2);
            value_set(&index, 7, (cell){0, bad});
            ck_assert_int_eq(operation_run(&op), CR_INVALID);
            const char *words = bad < 0 ? "index -1 is out of bounds for dimension 1 with size 4"
                                        : "index 4 is out of bounds for dimension 1 with size 4";
            char named[128]; /* a device that tells it late says whose index it was */
            snprintf(named, sizeof named, "%s: %s", names[k], words);
            ck_assert_str_eq(host_words, *host_words == 'i' ? words : named);
        }
    value_free(&self);
    value_free(&index);
    value_free(&out);
}
END_TEST

static const char *const ways[] = {"put", "sum", "prod", "amax", "amin"};

/* For halves the reference adds up in f32 and rounds at the end. */
static void check_scatter(int way, int32_t dtype, const sample *s, layout how, bool in_place)
{
    int64_t src_size[CR_MAX_RANK];
    for (int d = 0; d < s->rank; d++)
        src_size[d] = s->index[d] + (d == 0 ? 1 : 0);
    int32_t wide = dtype == CR_F16 || dtype == CR_BF16 ? CR_F32 : dtype;
    layout out_how = how == REPEATED ? DENSE : how;
    value self = value_new(dtype, s->rank, s->self, in_place ? out_how : how),
          index = value_new(CR_I64, s->rank, s->index, how);
    value src = value_new(dtype, s->rank, src_size, how),
          out = value_new(dtype, s->rank, s->self, out_how);
    value want = value_new(wide, s->rank, s->self, DENSE);
    value_fill(&self, 6, way == 0 || way > 2);
    value_fill(&src, 8, way == 0 || way > 2);
    fill_index(&index, s->rank ? s->self[s->dim] : 1, 5);
    for (int64_t i = 0; i < value_numel(&want); i++)
        value_set(&want, i, value_get(&self, i));
    for (int64_t i = 0; i < value_numel(&index); i++) {
        int64_t to = moved(s->rank, s->index, s->self, i, s->dim, value_get(&index, i).i);
        cell x = value_get(&src, moved(s->rank, s->index, src_size, i, s->dim,
                                       along(s->rank, s->index, i, s->dim)));
        cell a = value_get(&want, to), c = x;
        bool real = is_float(dtype);
        if (way == 1)
            c = (cell){a.f + x.f,
                       dtype == CR_B8 ? a.i | x.i : (int64_t)((uint64_t)a.i + (uint64_t)x.i)};
        if (way == 2)
            c = (cell){a.f * x.f, (int64_t)((uint64_t)a.i * (uint64_t)x.i)};
        if (way == 3)
            c = real ? (a.f != a.f || a.f > x.f ? a : x) : a.i > x.i ? a : x;
        if (way == 4)
            c = real ? (a.f != a.f || a.f < x.f ? a : x) : a.i < x.i ? a : x;
        value_set(&want, to, c);
    }
    operation op = {.name = way ? "scatter_reduce.two" : "scatter.src",
                    .nin = 3,
                    .nout = 1,
                    .in = {&self, &index, &src},
                    .nattrs = 3};
    op.out[0] = in_place ? &self : &out;
    op.attrs[0] = attr_int("dim", s->dim);
    op.attrs[1] = attr_text("reduce", ways[way]);
    op.attrs[2] = attr_int("include_self", 1);
    cr_status status = operation_run(&op);
    ck_assert_msg(status == CR_OK, "%s %d: %d", ways[way], dtype, status);
    for (int64_t i = 0; i < value_numel(&want); i++) {
        cell got = value_get(op.out[0], i), right = value_round(dtype, value_get(&want, i));
        ck_assert_msg(cells_apart(dtype, got, right) == 0,
                      "%s of dtype %d, rank %d, dim %d, layout %d: %g %lld, not %g %lld", ways[way],
                      dtype, s->rank, s->dim, how, got.f, (long long)got.i, right.f,
                      (long long)right.i);
    }
    value_free(&self);
    value_free(&index);
    value_free(&src);
    value_free(&out);
    value_free(&want);
}

START_TEST(scatters_agree_with_loops)
{
    for (int k = 0; k < SAMPLES; k++)
        for (int32_t dtype = 1; dtype <= CR_B8; dtype++)
            for (int how = DENSE; how <= REPEATED; how++) {
                check_scatter(_i, dtype, &samples[k], (layout)how, false);
                check_scatter(_i, dtype, &samples[k], (layout)how, true);
            }
}
END_TEST

/* ---- random bits ---- */

/* The generator as its paper has it, one block. */
static void philox(uint32_t k0, uint32_t k1, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c[4];
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * c[0], q = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k0, (uint32_t)q,
                            (uint32_t)(p >> 32) ^ c[3] ^ k1, (uint32_t)p};
        memcpy(c, next, sizeof c);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

/* Of the known answers that Random123 ships, those whose counter the interface can set. */
START_TEST(random_bits_are_philox)
{
    const int64_t size[1] = {4};
    value out = value_new(CR_I32, 1, size, DENSE);
    operation op = {.name = "random_bits", .nout = 1, .out = {&out}};
    ck_assert_int_eq(operation_run(&op), CR_OK);
    const uint32_t zero[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
    ck_assert(memcmp(out.memory, zero, sizeof zero) == 0);
    value_free(&out);

    /* The reference above against the other two known answers, which the wide counters need. */
    uint32_t got[4];
    const uint32_t ones[4] = {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu};
    const uint32_t of_ones[4] = {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu};
    const uint32_t pi[4] = {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u};
    const uint32_t of_pi[4] = {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u};
    philox(0xffffffffu, 0xffffffffu, ones, got);
    ck_assert(memcmp(got, of_ones, sizeof got) == 0);
    philox(0xa4093822u, 0x299f31d0u, pi, got);
    ck_assert(memcmp(got, of_pi, sizeof got) == 0);
}
END_TEST

static uint32_t word_of(uint64_t seed, uint64_t offset, int64_t i)
{
    uint64_t block = offset + (uint64_t)i / 4;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0}, out[4];
    philox((uint32_t)seed, (uint32_t)(seed >> 32), counter, out);
    return out[i % 4];
}

START_TEST(random_bits_follow_seed_and_offset)
{
    static const uint64_t seeds[][2] = {
        {1, 0}, {0x123456789abcdef0u, 0xfffffff0u}, {7, UINT64_MAX - 3}};
    for (size_t k = 0; k < sizeof seeds / sizeof *seeds; k++)
        for (int s = 0; s < nshapes; s++)
            for (int how = DENSE; how <= SPACED; how++)
                for (int wide = 0; wide < 2; wide++) {
                    value out = value_new(wide ? CR_I64 : CR_I32, shapes[s].rank, shapes[s].size,
                                          (layout)how);
                    operation op = {.name = "random_bits",
                                    .nout = 1,
                                    .out = {&out},
                                    .seed = seeds[k][0],
                                    .offset = seeds[k][1]};
                    ck_assert_int_eq(operation_run(&op), CR_OK);
                    for (int64_t i = 0; i < value_numel(&out); i++) {
                        uint64_t low = word_of(seeds[k][0], seeds[k][1], wide ? 2 * i : i);
                        uint64_t high = wide ? word_of(seeds[k][0], seeds[k][1], 2 * i + 1) : 0;
                        int64_t want = wide ? (int64_t)(high << 32 | low) : (int32_t)low;
                        ck_assert_int_eq(value_get(&out, i).i, want);
                    }
                    value_free(&out);
                }
}
END_TEST

START_TEST(uniform_numbers_are_made_of_the_same_bits)
{
    const int64_t size[1] = {1001};
    for (int32_t dtype = CR_F64; dtype <= CR_BF16; dtype++) {
        value out = value_new(dtype, 1, size, DENSE);
        operation op = {.name = "uniform",
                        .nout = 1,
                        .out = {&out},
                        .seed = 5,
                        .offset = 3,
                        .nnumbers = 2,
                        .numbers = {"from", "to"},
                        .number = {{-2, -2}, {6, 6}}};
        ck_assert_int_eq(operation_run(&op), CR_OK);
        for (int64_t i = 0; i < size[0]; i++) {
            uint64_t bits = (uint64_t)word_of(5, 3, 2 * i + 1) << 32 | word_of(5, 3, 2 * i);
            double u = dtype == CR_F64 ? (double)(bits >> 11) * 0x1p-53
                                       : (word_of(5, 3, i) >> 8) * 0x1p-24;
            ck_assert(cells_apart(dtype, value_get(&out, i),
                                  value_round(dtype, (cell){-2 + 8 * u, 0})) <= 0);
        }
        value_free(&out);
    }
}
END_TEST

Suite *index_suite(void)
{
    Suite *suite = suite_create("index");
    TCase *tc = tcase_create("index");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, gather_takes_what_the_index_names);
    tcase_add_test(tc, index_select_takes_slices);
    tcase_add_test(tc, a_bad_index_is_named);
    tcase_add_loop_test(tc, scatters_agree_with_loops, 0, 5);
    tcase_add_test(tc, random_bits_are_philox);
    tcase_add_test(tc, random_bits_follow_seed_and_offset);
    tcase_add_test(tc, uniform_numbers_are_made_of_the_same_bits);
    suite_add_tcase(suite, tc);
    return suite;
}
