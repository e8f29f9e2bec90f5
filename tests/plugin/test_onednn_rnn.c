/* Recurrent layers through oneDNN: results and gradients against the cpu backend's in float64. */
#include "onednn_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct sizes {
    int64_t steps, batch, size, hidden;
} sizes;

static const sizes cases[] = {
    {1, 2, 1, 3},    {3, 2, 5, 4},  {5, 4, 16, 16},   {4, 3, 7, 33},
    {9, 16, 24, 64}, {2, 1, 40, 8}, {2, 16, 24, 512}, /* where oneDNN packs a GRU's weights */
};
enum { CASES = sizeof cases / sizeof *cases, TENSORS = 7 };
static const char *const modes[] = {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"};
static const cr_dtype dtypes[] = {CR_F32, CR_BF16};

/* x, hx, cx, w_ih, w_hh, bias, bias_hh, in this order; those that the layer lacks are null. */
static void make(const char *mode, const sizes *s, cr_dtype dtype, bool biases, cr_tensor **t)
{
    int64_t gates = !strcmp(mode, "LSTM") ? 4 : !strcmp(mode, "GRU") ? 3 : 1;
    const int64_t x[2] = {s->steps * s->batch, s->size}, state[2] = {s->batch, s->hidden};
    const int64_t wx[2] = {gates * s->hidden, s->size}, wh[2] = {gates * s->hidden, s->hidden};
    t[0] = some(dtype, 2, x);
    t[1] = some(dtype, 2, state);
    t[2] = gates == 4 ? some(dtype, 2, state) : NULL;
    t[3] = cr_mul_scalar(some(dtype, 2, wx), 0.5 / sqrt((double)s->size));
    t[4] = cr_mul_scalar(some(dtype, 2, wh), 0.5 / sqrt((double)s->hidden));
    t[5] = biases ? some(dtype, 1, wx) : NULL;
    t[6] = biases ? some(dtype, 1, wx) : NULL;
}

static void arguments(cr_tensor *const *t, const char *mode, bool reverse, bool keep, cr_value *v)
{
    for (int i = 0; i < TENSORS; i++)
        v[i] = v_tensor(t[i]);
    v[7] = v_tensor(NULL);
    v[8] = (cr_value){.tag = CR_STRING, .count = (int64_t)strlen(mode), .as.s = mode};
    v[9] = v_bool(reverse);
    v[10] = v_bool(keep);
}

START_TEST(layers_forward)
{
    const char *mode = modes[_i / 2];
    cr_dtype dtype = dtypes[_i % 2];
    for (int i = 0; i < CASES; i++)
        for (int k = 0; k < 8; k++)
            CR_SCOPE {
                cr_tensor *t[TENSORS];
                cr_value v[11];
                make(mode, &cases[i], dtype, k & 1, t);
                arguments(t, mode, k & 2, k & 4, v);
                compare("_rnn_layer", v, 11, 4 * tolerance_of(dtype), NATIVE);
            }
}
END_TEST

/* The gradients of Σ outputs · cotangents, on the device where the tensors are. */
static void gradients(const char *mode, bool reverse, cr_tensor *const *from, bool wide,
                      unsigned wanted, unsigned given, cr_tensor **grads)
{
    cr_tensor *t[TENSORS], *asked[TENSORS], *outs[3], *cotangents[3], *got[TENSORS];
    size_t nasked = 0, nouts = 0, count = 0;
    cr_value v[11], y[4] = {{0}};
    for (int i = 0; i < TENSORS; i++) {
        grads[i] = NULL;
        t[i] = from[i];
        if (t[i] && wide)
            t[i] = cr_to_copy(cr_tensor_to(t[i], "cpu"), .dtype = CR_F64);
        if (t[i])
            t[i] = cr_detach(t[i]);
        if (t[i] && wanted >> i & 1)
            asked[nasked++] = cr_requires_grad_(t[i], 1);
    }
    arguments(t, mode, reverse, true, v);
    ck_assert_msg(!cr_call("_rnn_layer", v, 11, NULL, 0, y, 4, &count), "%s", cr_error());
    for (int i = 0; i < 3; i++)
        if (y[i].as.tensor && given >> i & 1) {
            outs[nouts] = y[i].as.tensor;
            const int64_t *size = cr_tensor_sizes(outs[nouts]);
            cr_tensor *g = cr_reshape(cr_arange(size[0] * size[1], .dtype = CR_F32,
                                                .device = cr_tensor_device(outs[nouts])),
                                      cr_make_ints(size, 2));
            cotangents[nouts] =
                cr_to_copy(cr_sin(cr_add_scalar(g, i)), .dtype = cr_tensor_dtype(outs[nouts]));
            nouts++;
        }
    ck_assert_msg(!cr_autograd_grad(outs, cotangents, nouts, asked, nasked, false, got), "%s",
                  cr_error());
    for (int i = 0, k = 0; i < TENSORS; i++)
        if (t[i] && wanted >> i & 1)
            grads[i] = got[k++];
}

/* |a - b| / |b|, over all elements. */
static double distance(cr_tensor *a, cr_tensor *b)
{
    cr_tensor *x = cr_to_copy(cr_tensor_to(a, "cpu"), .dtype = CR_F64);
    return sqrt(cr_item(cr_sum(cr_square(cr_sub(x, b)))) / (cr_item(cr_sum(cr_square(b))) + 1e-12));
}

START_TEST(layers_backward)
{
    const char *mode = modes[_i / 2];
    cr_dtype dtype = dtypes[_i % 2];
    bool native = dtype == CR_F32 || has_avx512();
    /* what rounding turns from one side of 0 to the other has all of its gradient or none */
    double most = dtype == CR_F32 ? 1e-4 : strcmp(mode, "RNN_RELU") ? 0.06 : 0.3;
    static const unsigned given[] = {7, 1, 2, 4, 6}, wanted[] = {0x7f, 0x7f, 0x79, 0x18, 0x07};
    for (int i = 0; i < CASES; i++)
        for (int k = 0; k < 10; k++)
            CR_SCOPE {
                if (given[k % 5] == 4 && strcmp(mode, "LSTM"))
                    break;
                cr_tensor *t[TENSORS], *got[TENSORS], *again[TENSORS], *want[TENSORS];
                cr_manual_seed((uint64_t)(_i + 8 * k)); /* the same numbers whatever ran before */
                make(mode, &cases[i], dtype, k & 1, t);
                uint64_t before = native_count("_rnn_layer_backward");
                gradients(mode, k > 4, t, false, wanted[k % 5], given[k % 5], got);
                ck_assert(!native || native_count("_rnn_layer_backward") == before + 1);
                gradients(mode, k > 4, t, false, wanted[k % 5], given[k % 5], again);
                gradients(mode, k > 4, t, true, wanted[k % 5], given[k % 5], want);
                for (int n = 0; n < TENSORS; n++) {
                    ck_assert(!got[n] == !want[n]);
                    if (!got[n])
                        continue;
                    double far = distance(got[n], want[n]);
                    ck_assert_msg(far <= most, "%s, case %d, way %d: gradient %d is off by %g",
                                  mode, i, k, n, far);
                    ck_assert(cr_equal(got[n], again[n]));
                }
            }
}
END_TEST

/* A reserve serves any number of backwards, and one that left its layout says nothing: the steps are walked again then. */
START_TEST(reserves_stay_good_and_may_be_lost)
{
    const sizes s = {5, 4, 16, 16};
    cr_tensor *t[TENSORS];
    cr_value v[11], y[4] = {{0}}, back[17], grads[3][7];
    size_t n;
    static const uint8_t mask[7] = {1, 1, 1, 1, 1, 1, 1};
    make("LSTM", &s, dtypes[_i], true, t);
    arguments(t, "LSTM", false, true, v);
    ck_assert_msg(!cr_call("_rnn_layer", v, 11, NULL, 0, y, 4, &n), "%s", cr_error());
    back[0] = v_tensor(cr_ones_like(y[0].as.tensor));
    back[1] = back[2] = v_tensor(NULL);
    memcpy(back + 3, v, 8 * sizeof *v);
    back[11] = y[0];
    back[12] = y[2];
    back[14] = v[8];
    back[15] = v[9];
    back[16] = v_bools(mask, 7);
    for (int i = 0; i < 3; i++) {
        back[13] = i < 2 ? y[3] : v_tensor(cr_clone(y[3].as.tensor));
        uint64_t before = native_count("_rnn_layer_backward");
        ck_assert_msg(!cr_call("_rnn_layer_backward", back, 17, NULL, 0, grads[i], 7, &n), "%s",
                      cr_error());
        if (_i == 0 || has_avx512())
            ck_assert_uint_eq(native_count("_rnn_layer_backward"), before + (i < 2));
    }
    for (int i = 0; i < 7; i++) {
        ck_assert(cr_equal(grads[0][i].as.tensor, grads[1][i].as.tensor));
        double far =
            distance(grads[0][i].as.tensor,
                     cr_to_copy(cr_tensor_to(grads[2][i].as.tensor, "cpu"), .dtype = CR_F64));
        ck_assert_msg(far < (_i ? 0.06 : 1e-4), "gradient %d is off by %g", i, far);
    }
}
END_TEST

/* Weights are brought to the primitive's layout again when they were changed. */
START_TEST(changed_weights_are_seen)
{
    const sizes s = {3, 2, 8, 16};
    cr_tensor *t[TENSORS];
    cr_value v[11];
    make("LSTM", &s, dtypes[_i], true, t);
    arguments(t, "LSTM", false, false, v);
    for (int i = 0; i < 3; i++) {
        compare("_rnn_layer", v, 11, 4 * tolerance_of(dtypes[_i]), NATIVE);
        cr_mul_scalar_(t[3 + i % 2], -1.5);
    }
}
END_TEST

Suite *rnn_suite(void)
{
    Suite *suite = suite_create("rnn");
    TCase *tc = tcase_create("against cpu");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, layers_forward, 0, 8);
    tcase_add_loop_test(tc, layers_backward, 0, 8);
    tcase_add_loop_test(tc, reserves_stay_good_and_may_be_lost, 0, 2);
    tcase_add_loop_test(tc, changed_weights_are_seen, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
