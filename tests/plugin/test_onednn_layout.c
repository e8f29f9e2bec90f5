/* Private layouts of the onednn backend: values that stay in them between operations, and what leaves them. The same network
 * of operations runs on "onednn" and, in float64, on "cpu"; every value and gradient is held together. */
#include <math.h>
#include <stdlib.h>

#include "onednn_compare.h"

enum { MOST = 24 };

typedef struct net { /* one run: what it made, by the order of making */
    const char *device;
    cr_tensor *value[MOST];
    int count;
} net;

static cr_tensor *note(net *n, cr_tensor *t)
{
    ck_assert_msg(t && n->count < MOST, "value %d: %s", n->count, cr_error());
    return n->value[n->count++] = t;
}

typedef struct setup {
    cr_dtype dtype;
    int64_t channels, height, width;
} setup;

/* The input and the parameters: the same numbers for both devices. */
typedef struct numbers {
    cr_tensor *x, *w1, *w2, *bias, *scale, *shift, *mean, *var;
} numbers;

static numbers numbers_of(const setup *s)
{
    const int64_t c = s->channels, x[4] = {3, 32, s->height, s->width}, w1[4] = {c, 32, 3, 3},
                  w2[4] = {c, c, 3, 3}, vector[1] = {c};
    cr_dtype d = s->dtype;
    return (numbers){
        some(d, 4, x),      some(d, 4, w1),     some(d, 4, w2),     some(d, 1, vector),
        some(d, 1, vector), some(d, 1, vector), some(d, 1, vector), cr_abs(some(d, 1, vector))};
}

static cr_tensor *on(const char *device, cr_tensor *t)
{
    return device ? cr_to_copy(cr_tensor_to(t, "cpu"), .dtype = CR_F64) : cr_clone(t);
}

static numbers copies(const numbers *n, const char *device)
{
    return (numbers){on(device, n->x),    on(device, n->w1),    on(device, n->w2),
                     on(device, n->bias), on(device, n->scale), on(device, n->shift),
                     on(device, n->mean), on(device, n->var)};
}

static cr_tensor *convolve(cr_tensor *x, cr_tensor *w, cr_tensor *bias, int64_t stride)
{
    return cr_f_conv2d(x, w, .bias = bias, .stride = CR_INTS(stride, stride),
                       .padding = CR_INTS(1, 1));
}

/* Convolution, batch norm, relu, pools, a sum with what came before, and everything's gradients. */
static void run_net(net *n, numbers p, bool training, bool look)
{
    cr_tensor *leaves[] = {p.x, p.w1, p.w2, p.bias, p.scale, p.shift};
    for (int i = 0; i < 6; i++)
        cr_requires_grad_(leaves[i], 1);
    cr_tensor *a = note(n, convolve(p.x, p.w1, p.bias, 1));
    cr_tensor *b =
        note(n, cr_f_batch_norm(a, p.scale, p.shift, p.mean, p.var, training, 0.2, 1e-5, false));
    cr_tensor *c = note(n, cr_relu(b));
    cr_tensor *d = note(
        n, cr_f_max_pool2d(c, CR_INTS(3, 3), .stride = CR_INTS(2, 2), .padding = CR_INTS(1, 1)));
    cr_tensor *e = note(n, cr_add(convolve(d, p.w2, NULL, 1), d));
    cr_tensor *f = note(n, cr_f_avg_pool2d(e, CR_INTS(2, 3), .padding = CR_INTS(1, 1)));
    cr_tensor *g = note(n, cr_f_adaptive_avg_pool2d(cr_relu(e), CR_INTS(1, 1)));
    cr_tensor *h = note(n, cr_f_adaptive_avg_pool2d(e, CR_INTS(3, 2)));
    if (look) /* somebody reads values in between: they leave their layout, the results are the same */
        ck_assert(cr_data_ptr(c) && cr_data_ptr(e));
    cr_tensor *loss = cr_add(cr_add(cr_sum(cr_mul(f, f)), cr_mean(cr_mul(g, g))), cr_sum(h));
    cr_backward(cr_mul_scalar(loss, 1e-2));
    for (int i = 0; i < 6; i++)
        note(n, cr_grad(leaves[i]));
    note(n, p.mean);
    note(n, p.var);
    ck_assert_msg(!cr_error(), "%s", cr_error());
}

/* The differences of each value, taken together, beside its elements: where two elements are nearly equal a maximum may
 * choose the other, and send the gradient there. */
static void hold_nets(const net *got, const net *want, double tolerance)
{
    ck_assert_int_eq(got->count, want->count);
    for (int i = 0; i < got->count; i++) {
        cr_tensor *g = cr_to_copy(cr_tensor_to(got->value[i], "cpu"), .dtype = CR_F64);
        cr_tensor *w = want->value[i];
        double whole = cr_item(cr_mean(cr_abs(w)));
        double off = cr_item(cr_mean(cr_abs(cr_sub(g, w))));
        ck_assert_msg(off <= tolerance * (whole + 0.05), "value %d is off by %g beside %g", i, off,
                      whole);
    }
}

static const setup setups[] = {
    {CR_F32, 32, 13, 14}, {CR_F32, 48, 9, 9},  {CR_F32, 40, 10, 7},
    {CR_F32, 56, 8, 8},   {CR_BF16, 32, 9, 8}, {CR_BF16, 40, 7, 9},
};

static void compare_nets(bool training, bool look)
{
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++)
        CR_SCOPE {
            cr_manual_seed(1); /* how many maxima are nearly equal depends on the numbers */
            numbers p = numbers_of(&setups[i]);
            net got = {0}, again = {0}, want = {0};
            run_net(&got, copies(&p, NULL), training, look);
            run_net(&again, copies(&p, NULL), training, look);
            run_net(&want, copies(&p, "cpu"), training, false);
            for (int v = 0; v < got.count; v++)
                ck_assert_msg(cr_equal(got.value[v], again.value[v]),
                              "value %d has other bits the second time", v);
            hold_nets(&got, &want, setups[i].dtype == CR_F32 ? 1e-4 : 6e-2);
        }
}

START_TEST(a_network_in_layouts_computes_what_cpu_does)
{
    compare_nets(true, false);
}
END_TEST

START_TEST(evaluation_too)
{
    compare_nets(false, false);
}
END_TEST

START_TEST(reading_in_between_changes_nothing)
{
    compare_nets(true, true);
}
END_TEST

START_TEST(values_stay_in_layouts_between_operations)
{
    CR_SCOPE {
        setup s = {CR_F32, 32, 12, 12};
        numbers p = numbers_of(&s);
        net n = {0};
        const char *const ops[] = {"native_batch_norm",       "native_batch_norm_backward",
                                   "max_pool2d_with_indices", "max_pool2d_with_indices_backward",
                                   "_adaptive_avg_pool2d",    "_adaptive_avg_pool2d_backward"};
        uint64_t before[6];
        for (int i = 0; i < 6; i++)
            before[i] = native_count(ops[i]);
        run_net(&n, p, true, false);
        for (int i = 0; i < 6; i++)
            ck_assert_msg(native_count(ops[i]) > before[i], "%s left the layout", ops[i]);
    }
}
END_TEST

/* Every dtype's way out, by casts within the layout. */
START_TEST(casts_keep_the_layout_and_can_be_read)
{
    static const cr_dtype to[] = {CR_F64, CR_BF16, CR_F16, CR_I64, CR_I32, CR_U8, CR_B8};
    CR_SCOPE {
        setup s = {CR_F32, 32, 7, 9};
        numbers p = numbers_of(&s);
        for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
            cr_tensor *y = cr_relu(convolve(p.x, p.w1, NULL, 1));
            cr_tensor *cast = cr_to_copy(y, .dtype = to[i]);
            cr_tensor *plain = cr_tensor_to(y, "cpu");
            cr_tensor *want = cr_to_copy(plain, .dtype = to[i]);
            ck_assert(cr_equal(cr_tensor_to(cast, "cpu"), want));
        }
    }
}
END_TEST

START_TEST(nan_wins_in_a_maximum)
{
    CR_SCOPE {
        setup s = {CR_F32, 32, 8, 8};
        numbers p = numbers_of(&s);
        float *x = cr_data_ptr(p.x);
        x[3 * 8 + 3] = NAN;
        cr_tensor *y = cr_f_max_pool2d(convolve(p.x, p.w1, NULL, 1), CR_INTS(2, 2));
        cr_tensor *nans = cr_sum(cr_isnan(y));
        ck_assert_int_eq(cr_item_int(nans),
                         32 * 4); /* 3 x 3 places in every channel, 2 x 2 windows */
    }
}
END_TEST

START_TEST(weights_that_change_are_reordered_again)
{
    CR_SCOPE {
        setup s = {CR_F32, 32, 8, 8};
        numbers p = numbers_of(&s);
        cr_tensor *before = cr_clone(convolve(p.x, p.w1, NULL, 1));
        cr_mul_scalar_(p.w1, 2);
        cr_tensor *twice = convolve(p.x, p.w1, NULL, 1);
        ck_assert(cr_allclose(twice, cr_mul_scalar(before, 2)));
        float *w = cr_data_ptr(p.w1);
        for (int i = 0; i < 32 * 32 * 9; i++)
            w[i] /= 2;
        ck_assert(cr_allclose(convolve(p.x, p.w1, NULL, 1), before));
    }
}
END_TEST

Suite *layout_suite(void)
{
    Suite *suite = suite_create("layouts");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 300);
    tcase_add_test(all, a_network_in_layouts_computes_what_cpu_does);
    tcase_add_test(all, evaluation_too);
    tcase_add_test(all, reading_in_between_changes_nothing);
    tcase_add_test(all, values_stay_in_layouts_between_operations);
    tcase_add_test(all, casts_keep_the_layout_and_can_be_read);
    tcase_add_test(all, nan_wins_in_a_maximum);
    tcase_add_test(all, weights_that_change_are_reordered_again);
    suite_add_tcase(suite, all);
    return suite;
}
