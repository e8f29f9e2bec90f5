/* Reductions, scans and sorting of the cpu backend. */
#include "kernel_host.h"

#include <math.h>
#include <string.h>

/* The element of `v` that differs from place i of the reduced value by term t along `dims`: row-major numbers. */
typedef struct walk {
    int rank;
    int64_t size[CR_MAX_RANK];
    unsigned dims;
} walk;

static int64_t kept_count(const walk *w)
{
    int64_t n = 1;
    for (int d = 0; d < w->rank; d++)
        n *= w->dims >> d & 1 ? 1 : w->size[d];
    return n;
}

static int64_t term_count(const walk *w)
{
    int64_t n = 1;
    for (int d = 0; d < w->rank; d++)
        n *= w->dims >> d & 1 ? w->size[d] : 1;
    return n;
}

static int64_t element_of(const walk *w, int64_t kept, int64_t term)
{
    int64_t number = 0, step = 1;
    for (int d = w->rank - 1; d >= 0; d--) {
        int64_t *from = w->dims >> d & 1 ? &term : &kept;
        number += *from % w->size[d] * step;
        *from /= w->size[d];
        step *= w->size[d];
    }
    return number;
}

static cell reduced(const char *name, const value *in, const walk *w, int64_t kept)
{
    int32_t dtype = in->meta.dtype;
    int64_t n = term_count(w), best = 0;
    bool product = !strncmp(name, "prod", 4), sum = !strncmp(name, "sum", 3),
         all = !strncmp(name, "all", 3);
    bool least = strstr(name, "min") != NULL;
    cell acc = {product, product || all};
    for (int64_t t = 0; t < n; t++) {
        cell x = value_get(in, element_of(w, kept, t));
        if (sum && dtype != CR_B8) {
            acc.f += x.f;
            acc.i = (int64_t)((uint64_t)acc.i + (uint64_t)x.i);
        } else if (product) {
            acc.f *= x.f;
            acc.i = (int64_t)((uint64_t)acc.i * (uint64_t)x.i);
        } else if (sum || !strncmp(name, "any", 3)) {
            acc.i |= x.i;
        } else if (all) {
            acc.i &= x.i;
        } else if (t == 0) {
            acc = x;
        } else if (is_float(dtype)
                       ? acc.f == acc.f && (x.f != x.f || (least ? x.f < acc.f : x.f > acc.f))
                   : least ? x.i < acc.i
                           : x.i > acc.i) {
            acc = x;
            best = t;
        }
    }
    return strncmp(name, "arg", 3) ? value_round(dtype, acc) : (cell){0, best};
}

static void check_reduce(const char *name, int32_t dtype, const shape *s, layout how, unsigned dims,
                         bool keepdim, bool special)
{
    walk w = {.rank = s->rank, .dims = dims};
    int64_t list[CR_MAX_RANK], size[CR_MAX_RANK];
    int count = 0, rank = 0;
    memcpy(w.size, s->size, sizeof w.size);
    for (int d = 0; d < s->rank; d++) {
        if (dims >> d & 1)
            list[count++] = d;
        if (!(dims >> d & 1) || keepdim)
            size[rank++] = dims >> d & 1 ? 1 : s->size[d];
    }
    if (s->rank == 0)
        list[count++] = 0;
    bool place = !strncmp(name, "arg", 3), extreme = place || name[0] == 'a';
    if (extreme && strncmp(name, "any", 3) && strncmp(name, "all", 3) && term_count(&w) == 0)
        return;
    value in = value_new(dtype, s->rank, s->size, how),
          out = value_new(place ? CR_I64 : dtype, rank, size, DENSE);
    value_fill(&in, dims + 5, special);
    operation op = {.name = name, .nin = 1, .nout = 1, .in = {&in}, .out = {&out}, .nattrs = 2};
    op.attrs[0] = place || !strcmp(name, "prod.dim_int") ? attr_int("dim", list[0])
                                                         : attr_ints("dim", list, count);
    op.attrs[1] = attr_int("keepdim", keepdim);
    cr_status status = operation_run(&op);
    ck_assert_msg(status == CR_OK, "%s of dtype %d: %d", name, dtype, status);
    for (int64_t i = 0; i < kept_count(&w); i++) {
        cell got = value_get(&out, i), want = reduced(name, &in, &w, i);
        double apart = cells_apart(out.meta.dtype, got, want);
        /* f64 has nothing wider to be held against: n roundings of the largest partial result. */
        double terms = (double)term_count(&w), most = fmax(fabs(want.f), 8 * terms);
        bool close =
            apart <= (extreme ? 0 : 1) ||
            (dtype == CR_F64 && !extreme && fabs(got.f - want.f) <= 1e-13 * fabs(want.f)) ||
            (dtype == CR_F64 && !extreme && fabs(got.f - want.f) <= 0x1p-52 * terms * most);
        ck_assert_msg(close,
                      "%s of dtype %d, rank %d, layout %d, dims %x: element %lld is %.17g %lld, "
                      "not %.17g %lld",
                      name, dtype, s->rank, how, dims, (long long)i, got.f, (long long)got.i,
                      want.f, (long long)want.i);
    }
    value_free(&in);
    value_free(&out);
}

static const char *const reductions[] = {"sum.dim_IntList", "prod.dim_int", "amax",     "amin",
                                         "argmax",          "argmin",       "any.dims", "all.dims"};

START_TEST(reductions_agree_with_loops)
{
    const char *name = reductions[_i];
    bool logic = _i >= 6, one_dim = !strncmp(name, "arg", 3) || _i == 1;
    for (int32_t dtype = logic ? CR_B8 : 1; dtype <= CR_B8; dtype++)
        for (int s = 0; s < nshapes; s++)
            for (int how = DENSE; how <= REPEATED_1; how++)
                for (unsigned dims = 1; dims < 1u << (shapes[s].rank ? shapes[s].rank : 1);
                     dims++) {
                    if (one_dim && (dims & (dims - 1)))
                        continue;
                    check_reduce(name, dtype, &shapes[s], (layout)how, dims, dims & 1,
                                 !(_i < 2 && is_float(dtype)));
                }
}
END_TEST

static double sum_of(value *in)
{
    const int64_t dim[1] = {0};
    value out = value_new(CR_F32, 0, NULL, DENSE);
    operation op = {
        .name = "sum.dim_IntList", .nin = 1, .nout = 1, .in = {in}, .out = {&out}, .nattrs = 1};
    op.attrs[0] = attr_ints("dim", dim, 1);
    ck_assert_int_eq(operation_run(&op), CR_OK);
    double sum = value_get(&out, 0).f;
    value_free(&out);
    return sum;
}

/* Short rows and long ones, which are added up in other ways. */
static const int64_t row_sizes[] = {9, 130, 5000, 100003};

START_TEST(sums_carry_nan_and_infinity)
{
    const int64_t n = row_sizes[_i];
    value in = value_new(CR_F32, 1, &n, DENSE);
    value_fill(&in, 1, false);
    value_set(&in, 4, (cell){INFINITY, 0});
    ck_assert(sum_of(&in) == INFINITY);
    value_set(&in, n - 2, (cell){-INFINITY, 0});
    ck_assert(isnan(sum_of(&in)));
    value_set(&in, 4, (cell){0, 0});
    ck_assert(sum_of(&in) == -INFINITY);
    value_set(&in, n / 2, (cell){NAN, 0});
    ck_assert(isnan(sum_of(&in)));
    value_free(&in);
}
END_TEST

/* What f32 would lose on the way, by its digits or its range, is there at the end. */
START_TEST(sums_have_more_digits_and_range_than_their_terms)
{
    if (host_few) /* a backend whose processor has no f64 keeps fewer */
        return;
    const int64_t n = row_sizes[_i];
    value in = value_new(CR_F32, 1, &n, DENSE);
    for (int64_t i = 0; i < n; i++)
        value_set(&in, i, (cell){1, 0});
    value_set(&in, 1, (cell){1e9, 0});
    value_set(&in, n - 1, (cell){-1e9, 0});
    ck_assert(sum_of(&in) == (double)(n - 2));
    for (int64_t i = 0; i < n; i++)
        value_set(&in, i, (cell){i == n / 2 ? 0 : i < n / 2 ? 3e38 : -3e38, 0});
    ck_assert(sum_of(&in) == (double)((n - 1) % 2 ? 3e38f : 0));
    value_free(&in);
}
END_TEST

/* Few outputs and many terms: cut into chunks, by rows and by columns. */
START_TEST(large_sums_are_exact_and_do_not_depend_on_threads)
{
    static const shape large[] = {
        {1, {1300000}}, {2, {250000, 7}}, {2, {7, 250000}}, {3, {40, 5, 9000}}, {2, {900, 1500}}};
    static const unsigned dims[] = {1, 1, 2, 5, 1};
    const shape *s = &large[_i];
    int64_t list[2], size[CR_MAX_RANK] = {0};
    int count = 0, rank = 0;
    walk w = {.rank = s->rank, .dims = dims[_i]};
    memcpy(w.size, s->size, sizeof w.size);
    for (int d = 0; d < s->rank; d++)
        if (dims[_i] >> d & 1)
            list[count++] = d;
        else
            size[rank++] = s->size[d];
    value in = value_new(CR_F32, s->rank, s->size, DENSE), out[2];
    value_fill(&in, 3, false);
    for (int k = 0; k < 2; k++) {
        out[k] = value_new(CR_F32, rank, size, DENSE);
        operation op = {.name = "sum.dim_IntList",
                        .nin = 1,
                        .nout = 1,
                        .in = {&in},
                        .out = {&out[k]},
                        .nattrs = 1};
        op.attrs[0] = attr_ints("dim", list, count);
        host_threads = k ? 5 : 1;
        ck_assert_int_eq(operation_run(&op), CR_OK);
        host_threads = 2;
    }
    ck_assert(memcmp(out[0].memory, out[1].memory, out[0].bytes) == 0);
    for (int64_t i = 0; i < kept_count(&w) && i < 50;
         i++) /* the terms are multiples of 1/256: double sums are exact */
        ck_assert(value_get(&out[0], i).f == reduced("sum", &in, &w, i).f);
    value_free(&in);
    value_free(&out[0]);
    value_free(&out[1]);
}
END_TEST

/* ---- scans ---- */

static void check_scan(const char *name, int32_t dtype, const shape *s, layout how, layout to,
                       int dim)
{
    bool extreme = !strcmp(name, "cummax") || !strcmp(name, "cummin"), least = name[5] == 'n';
    walk w = {.rank = s->rank, .dims = s->rank ? 1u << dim : 0};
    memcpy(w.size, s->size, sizeof w.size);
    value in = value_new(dtype, s->rank, s->size, how),
          out = value_new(dtype, s->rank, s->size, to);
    value places = value_new(CR_I64, s->rank, s->size, to);
    operation op = {.name = name,
                    .nin = 1,
                    .nout = extreme ? 2 : 1,
                    .in = {&in},
                    .out = {&out, &places},
                    .nattrs = 1};
    op.attrs[0] = attr_int("dim", dim);
    value_fill(&in, 7, extreme || !is_float(dtype));
    ck_assert_int_eq(operation_run(&op), CR_OK);
    int64_t rows = kept_count(&w), terms = term_count(&w);
    for (int64_t r = 0; r < rows; r++) {
        cell acc = {!strcmp(name, "cumprod"), !strcmp(name, "cumprod")};
        int64_t place = 0;
        if (!strcmp(name, "logcumsumexp"))
            acc.f = 0;
        for (int64_t t = 0; t < terms; t++) {
            int64_t i = element_of(&w, r, t);
            cell x = value_get(&in, i), want;
            if (!strcmp(name, "cumsum")) {
                acc.f += x.f;
                acc.i = dtype == CR_B8 ? acc.i | x.i : (int64_t)((uint64_t)acc.i + (uint64_t)x.i);
            } else if (!strcmp(name, "cumprod")) {
                acc.f *= x.f;
                acc.i = (int64_t)((uint64_t)acc.i * (uint64_t)x.i);
            } else if (!extreme) {
                acc.f += exp(x.f);
            } else if (t == 0 ||
                       (is_float(dtype) ? x.f != x.f || (least ? x.f <= acc.f : x.f >= acc.f)
                        : least         ? x.i <= acc.i
                                        : x.i >= acc.i)) {
                acc = x;
                place = t;
            }
            want = value_round(dtype, !strcmp(name, "logcumsumexp") ? (cell){log(acc.f), 0} : acc);
            cell got = value_get(&out, i);
            double apart = cells_apart(dtype, got, want);
            bool small = is_float(dtype) && fabs(got.f - want.f) < (dtype == CR_F64   ? 1e-12
                                                                    : dtype == CR_F32 ? 1e-6
                                                                                      : 1e-2);
            ck_assert_msg(apart <= (extreme ? 0 : 2) || (small && !extreme),
                          "%s of dtype %d, layout %d: %g %lld, not %g %lld", name, dtype, how,
                          got.f, (long long)got.i, want.f, (long long)want.i);
            if (extreme)
                ck_assert_int_eq(value_get(&places, i).i, place);
        }
    }
    value_free(&in);
    value_free(&out);
    value_free(&places);
}

START_TEST(scans_agree_with_loops)
{
    static const char *const names[] = {"cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"};
    for (int32_t dtype = 1; dtype <= (_i == 4 ? CR_BF16 : CR_B8); dtype++)
        for (int s = 0; s < nshapes; s++)
            for (int dim = 0; dim < (shapes[s].rank ? shapes[s].rank : 1); dim++) {
                check_scan(names[_i], dtype, &shapes[s], DENSE, DENSE, dim);
                check_scan(names[_i], dtype, &shapes[s], TURNED, DENSE, dim);
                check_scan(names[_i], dtype, &shapes[s], REPEATED, SPACED, dim);
            }
}
END_TEST

/* ---- sorting ---- */

static bool before(int32_t dtype, cell a, cell b, bool descending)
{
    if (descending) {
        cell c = a;
        a = b;
        b = c;
    }
    if (!is_float(dtype))
        return a.i < b.i;
    return b.f != b.f ? a.f == a.f : a.f < b.f;
}

static void check_sort(int32_t dtype, const shape *s, layout how, int dim, bool descending)
{
    walk w = {.rank = s->rank, .dims = s->rank ? 1u << dim : 0};
    memcpy(w.size, s->size, sizeof w.size);
    value in = value_new(dtype, s->rank, s->size, how),
          out = value_new(dtype, s->rank, s->size, DENSE);
    value places = value_new(CR_I64, s->rank, s->size, DENSE);
    operation op = {.name = "sort.stable",
                    .nin = 1,
                    .nout = 2,
                    .in = {&in},
                    .out = {&out, &places},
                    .nattrs = 3};
    op.attrs[0] = attr_int("dim", dim);
    op.attrs[1] = attr_int("descending", descending);
    op.attrs[2] = attr_int("stable", 1);
    value_fill(&in, 11, true);
    ck_assert_int_eq(operation_run(&op), CR_OK);
    int64_t terms = term_count(&w);
    for (int64_t r = 0; r < kept_count(&w); r++) {
        int64_t sum = 0;
        for (int64_t t = 0; t < terms; t++) {
            int64_t i = element_of(&w, r, t), from = value_get(&places, i).i;
            ck_assert(from >= 0 && from < terms);
            sum += from;
            ck_assert(cells_apart(dtype, value_get(&out, i),
                                  value_get(&in, element_of(&w, r, from))) == 0);
            if (t) {
                int64_t last = element_of(&w, r, t - 1);
                cell a = value_get(&out, last), b = value_get(&out, i);
                ck_assert(!before(dtype, b, a, descending));
                if (!before(dtype, a, b, descending))
                    ck_assert(value_get(&places, last).i < from);
            }
        }
        ck_assert_int_eq(sum, terms * (terms - 1) / 2);
    }
    value_free(&in);
    value_free(&out);
    value_free(&places);
}

START_TEST(sorting_is_right_and_stable)
{
    static const shape long_rows[] = {{1, {383}}, {1, {5000}}, {2, {3, 900}}, {2, {900, 3}}};
    for (int32_t dtype = 1; dtype <= CR_B8; dtype++)
        for (int descending = 0; descending < 2; descending++) {
            for (int s = 0; s < nshapes; s++)
                for (int dim = 0; dim < (shapes[s].rank ? shapes[s].rank : 1); dim++) {
                    check_sort(dtype, &shapes[s], DENSE, dim, descending);
                    check_sort(dtype, &shapes[s], TURNED, dim, descending);
                }
            for (size_t s = 0; s < sizeof long_rows / sizeof *long_rows; s++)
                check_sort(dtype, &long_rows[s], DENSE, 0, descending);
        }
}
END_TEST

Suite *reduce_suite(void)
{
    Suite *suite = suite_create("reduce");
    TCase *tc = tcase_create("reduce");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, reductions_agree_with_loops, 0, 8);
    tcase_add_loop_test(tc, sums_carry_nan_and_infinity, 0, 4);
    tcase_add_loop_test(tc, sums_have_more_digits_and_range_than_their_terms, 0, 4);
    tcase_add_loop_test(tc, large_sums_are_exact_and_do_not_depend_on_threads, 0, 5);
    tcase_add_loop_test(tc, scans_agree_with_loops, 0, 5);
    tcase_add_test(tc, sorting_is_right_and_stable);
    suite_add_tcase(suite, tc);
    return suite;
}
