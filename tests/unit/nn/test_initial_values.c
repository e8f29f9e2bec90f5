/* How modules and torch.nn.init begin: each entry of each module's state dict is drawn from PyTorch's distribution, by its least and
 * greatest value, mean and deviation over many modules; initialisers likewise, or exactly where nothing is drawn. The figures are
 * tests/golden/nn/initial.def. */
#include "golden.h"

typedef struct begins {
    const char *module, *entry;
    double least, most, mean, deviation;
} begins;

#define MODULE_BEGINS(...) {__VA_ARGS__},
#define INIT_DRAWS(...)
#define INIT_GIVES(...)
#define GAIN(...)
static const begins expected[] = {
#include "tests/golden/nn/initial.def"
};
#undef MODULE_BEGINS
#undef INIT_DRAWS
#undef INIT_GIVES
#undef GAIN

typedef struct moments {
    double count, sum, squares, least, most;
} moments;

static void add(moments *m, cr_tensor *t)
{
    double *values = read_numbers(t);
    for (int64_t i = 0; i < cr_tensor_numel(t); i++) {
        double v = values[i];
        m->least = m->count == 0 || v < m->least ? v : m->least;
        m->most = m->count == 0 || v > m->most ? v : m->most;
        m->count++;
        m->sum += v;
        m->squares += v * v;
    }
    free(values);
}

/* Deviations are held to six of their own; uniform draws, which end √3 deviations from the middle, to their ends. */
static void check_moments(const char *name, const moments *m, const begins *e)
{
    double mean = m->sum / m->count, square = m->squares / m->count - mean * mean;
    double deviation = sqrt(square > 0 ? square : 0), slack = 6 * e->deviation / sqrt(m->count);
    if (e->deviation == 0) {
        ck_assert_msg((float)m->least == (float)e->least && (float)m->most == (float)e->most,
                      "%s %s: %g to %g, not %g to %g", name, e->entry, m->least, m->most, e->least,
                      e->most);
        return;
    }
    ck_assert_msg(fabs(mean - e->mean) <= slack, "%s %s: mean %g, not %g", name, e->entry, mean,
                  e->mean);
    ck_assert_msg(fabs(deviation - e->deviation) <= slack, "%s %s: deviation %g, not %g", name,
                  e->entry, deviation, e->deviation);
    if (e->most - e->least > 3.6 * e->deviation)
        return;
    /* The golden ends are those of 1200 draws at least. */
    double end = e->deviation * 30 / (m->count < 1200 ? m->count : 1200);
    ck_assert_msg(m->least > e->least - end && m->most < e->most + end,
                  "%s %s: %g to %g, not %g to %g", name, e->entry, m->least, m->most, e->least,
                  e->most);
}

/* Devices that are slow on small things make fewer: the bits of random numbers are the same on all. */
static double enough(void)
{
    return strstr(cr_default_device(), "vulkan") ? 150 : 4000;
}

enum { ENTRIES = 96 };

static void check_module(const char *name, cr_module *(*make)(void))
{
    const begins *first = NULL;
    size_t entries = 0;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strcmp(expected[i].module, name)) {
            first = first ? first : &expected[i];
            entries++;
        }
    ck_assert_uint_le(entries, ENTRIES);
    moments found[ENTRIES] = {{0}};
    for (bool more = entries > 0; more;) {
        more = false;
        CR_SCOPE {
            cr_state_dict *state = cr_module_state_dict(make());
            ck_assert_msg(state != NULL, "%s: %s", name, cr_error());
            ck_assert_uint_eq(cr_state_dict_count(state), entries);
            for (size_t i = 0; i < entries; i++) {
                add(&found[i], cr_state_dict_get(state, first[i].entry));
                more |= first[i].deviation > 0 && found[i].count < enough();
            }
        }
    }
    for (size_t i = 0; i < entries; i++)
        check_moments(name, &found[i], &first[i]);
    assert_no_error();
}

/* The constructor comes last, since its commas may stand in braces. */
#define MODULE(name, training, words, ...) \
    static cr_module *make_##name(void)    \
    {                                      \
        return (__VA_ARGS__);              \
    }
#include "tests/golden/nn/modules.def"
#undef MODULE

START_TEST(modules_begin_as_in_pytorch)
{
    cr_manual_seed(11);
#define MODULE(name, ...) check_module(#name, make_##name);
#include "tests/golden/nn/modules.def"
#undef MODULE
}
END_TEST

#define MODULE_BEGINS(...)
#define GAIN(...)

START_TEST(initialisers_draw_as_in_pytorch)
{
    cr_manual_seed(12);
#define SIZES(...) CR_INTS(__VA_ARGS__)
#define INIT_GIVES(...)
#define INIT_DRAWS(shape, call, ...)                          \
    do {                                                      \
        const begins e = {#call, "", __VA_ARGS__};            \
        moments m = {0};                                      \
        while (m.count < 5 * enough())                        \
            CR_SCOPE {                                        \
                cr_tensor *t = cr_empty(SIZES shape);         \
                ck_assert_msg((call) == t, "%s", cr_error()); \
                add(&m, t);                                   \
            }                                                 \
        check_moments(#call, &m, &e);                         \
    } while (0);
#include "tests/golden/nn/initial.def"
#undef INIT_DRAWS
#undef INIT_GIVES
    assert_no_error();
}
END_TEST

START_TEST(initialisers_give_what_pytorch_gives)
{
#define INIT_DRAWS(...)
#define INIT_GIVES(shape, call, ...)                                                              \
    CR_SCOPE {                                                                                    \
        cr_tensor *t = cr_rand(SIZES shape), *made = (call);                                      \
        ck_assert_ptr_eq(made, t);                                                                \
        assert_close(                                                                             \
            #call, t,                                                                             \
            cr_reshape(cr_tensor_f32(CR_INTS(cr_tensor_numel(t)), __VA_ARGS__), SIZES shape), 0); \
    }
#include "tests/golden/nn/initial.def"
#undef INIT_GIVES
#undef INIT_DRAWS
    assert_no_error();
}
END_TEST
#undef GAIN

START_TEST(gains_are_pytorchs)
{
#define INIT_DRAWS(...)
#define INIT_GIVES(...)
#define GAIN(name, a, gain) ck_assert_double_eq_tol(cr_init_calculate_gain(name, a), gain, 1e-12);
#include "tests/golden/nn/initial.def"
#undef GAIN
    int64_t in, out;
    ck_assert_int_eq(cr_init_calculate_fan_in_and_fan_out(cr_empty(CR_INTS(5, 4, 3, 2)), &in, &out),
                     0);
    ck_assert_int_eq(in, 24);
    ck_assert_int_eq(out, 30);
    assert_no_error();
}
END_TEST

/* Rows or columns, whichever are fewer, are orthogonal and gain long, in every direction alike. */
START_TEST(orthogonal_matrices_are_so)
{
    for (int tall = 0; tall < 2; tall++) {
        cr_tensor *w = cr_empty(tall ? CR_INTS(12, 2, 3) : CR_INTS(4, 3, 5));
        ck_assert_ptr_eq(cr_init_orthogonal_(w, 1.5), w);
        cr_tensor *m = cr_flatten(w, .start_dim = 1);
        assert_close("products", tall ? cr_mm(cr_t(m), m) : cr_mm(m, cr_t(m)),
                     cr_mul_scalar(cr_eye(tall ? 6 : 4), 2.25), 1e-5);
    }
    assert_no_error();
}
END_TEST

START_TEST(a_sparse_matrix_has_its_zeros_in_each_column)
{
    cr_tensor *w = cr_init_sparse_(cr_empty(CR_INTS(10, 7)), 0.33, 1);
    assert_close("zeros", cr_sum_dim(cr_to_dtype(cr_eq_scalar(w, 0), CR_F32), 0), cr_full(7, 4), 0);
    assert_no_error();
}
END_TEST

START_TEST(initialisers_refuse_what_makes_no_sense)
{
    cr_tensor *row = cr_zeros(3), *matrix = cr_zeros(CR_INTS(3, 3)),
              *kernel = cr_zeros(CR_INTS(3, 3, 3));
    const char *fans =
        "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions";
#define REFUSED(call, words)      \
    do {                          \
        ck_assert_ptr_null(call); \
        assert_error_has(words);  \
    } while (0)
    REFUSED(cr_init_xavier_uniform_(row, 1), fans);
    REFUSED(cr_init_xavier_normal_(row, 1), fans);
    REFUSED(cr_init_kaiming_uniform_(row), fans);
    REFUSED(cr_init_kaiming_normal_(row), fans);
    REFUSED(cr_init_kaiming_normal_(matrix, .nonlinearity = "sine"),
            "Unsupported nonlinearity sine");
    REFUSED(cr_init_eye_(kernel), "Only tensors with 2 dimensions are supported");
    REFUSED(cr_init_sparse_(kernel, 0.1, 1), "Only tensors with 2 dimensions are supported");
    REFUSED(cr_init_sparse_(matrix, 1.1, 1), "sparsity must be between 0 and 1, got 1.1");
    REFUSED(cr_init_dirac_(matrix, 1), "Only tensors with 3, 4, or 5 dimensions are supported");
    REFUSED(cr_init_dirac_(kernel, 2), "dim 0 must be divisible by groups");
    REFUSED(cr_init_orthogonal_(row, 1), "Only tensors with 2 or more dimensions are supported");
    REFUSED(cr_init_trunc_normal_(row, 0, 0, -1, 1), "std must be above 0");
    REFUSED(cr_init_trunc_normal_(row, 0, 1, 1, -1), "bounds in order");
    REFUSED(cr_init_normal_(row, 0, -1), "std");
    REFUSED(cr_init_uniform_(row, 1, -1), "uniform");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("initial values");
    TCase *all = tcase_create("initial values");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, modules_begin_as_in_pytorch);
    tcase_add_test(all, initialisers_draw_as_in_pytorch);
    tcase_add_test(all, initialisers_give_what_pytorch_gives);
    tcase_add_test(all, gains_are_pytorchs);
    tcase_add_test(all, orthogonal_matrices_are_so);
    tcase_add_test(all, a_sparse_matrix_has_its_zeros_in_each_column);
    tcase_add_test(all, initialisers_refuse_what_makes_no_sense);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
