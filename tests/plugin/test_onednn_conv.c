/* Convolution, its gradients and its transposed form. */
#include "onednn_compare.h"

#include <math.h>

typedef struct conv_case {
    const char *what;
    int dims;
    int64_t n, in, out, groups;
    int64_t size[3], kernel[3], stride[3], padding[3], dilation[3], extra[3];
    way forward, backward; /* of the plain one, in f32 */
} conv_case;

static const conv_case cases[] = {
    {"3x3", 2, 2, 16, 16, 1, {9, 11}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"odd channels", 2, 3, 19, 21, 1, {8, 7}, {3, 2}, {1, 1}, {1, 0}, {1, 1}, {0}, NATIVE, NATIVE},
    {"strided", 2, 4, 16, 32, 1, {13, 10}, {3, 3}, {2, 3}, {1, 1}, {1, 1}, {1, 0}, NATIVE, NATIVE},
    {"left over", 2, 1, 16, 24, 1, {14, 14}, {3, 3}, {4, 4}, {0, 0}, {1, 1}, {0}, NATIVE, NATIVE},
    {"dilated", 2, 2, 16, 16, 1, {15, 15}, {3, 3}, {1, 1}, {2, 2}, {2, 2}, {0}, NATIVE, NATIVE},
    {"grouped", 2, 2, 32, 32, 4, {10, 10}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"depthwise", 2, 3, 24, 24, 24, {12, 12}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"multiplied", 2, 2, 8, 16, 8, {12, 12}, {5, 5}, {1, 1}, {2, 2}, {1, 1}, {0}, NATIVE, NATIVE},
    {"pointwise", 2, 5, 64, 32, 1, {9, 9}, {1, 1}, {1, 1}, {0, 0}, {1, 1}, {0}, NATIVE, NATIVE},
    {"prime batch", 2, 7, 16, 16, 1, {20, 20}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"many images", 2, 64, 16, 16, 1, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"one channel",
     2,
     8,
     1,
     6,
     1,
     {28, 28},
     {5, 5},
     {1, 1},
     {2, 2},
     {1, 1},
     {0},
     NOT_NATIVE,
     NOT_NATIVE},
    /* channels that leave blocks of 16 partly empty */
    {"part blocks", 2, 5, 24, 40, 1, {9, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"part blocks, line", 1, 6, 24, 20, 1, {50}, {5}, {2}, {2}, {1}, {1}, NATIVE, NATIVE},
    {"part blocks, volume",
     3,
     2,
     20,
     24,
     1,
     {5, 6, 7},
     {3, 3, 3},
     {1, 2, 1},
     {1, 1, 1},
     {1, 1, 1},
     {0, 1, 0},
     NATIVE,
     NATIVE},
    {"tiny", 2, 1, 2, 2, 1, {3, 3}, {2, 2}, {1, 1}, {0, 0}, {1, 1}, {0}, NOT_NATIVE, NOT_NATIVE},
    /* conv_small.c */
    {"few", 2, 8, 64, 256, 1, {1, 1}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"few, strided", 2, 8, 64, 256, 1, {4, 4}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"few, dilated", 2, 3, 64, 256, 1, {4, 3}, {3, 3}, {1, 1}, {2, 2}, {2, 2}, {0}, NATIVE, NATIVE},
    {"few, 1x1", 2, 5, 512, 256, 1, {3, 4}, {1, 1}, {2, 2}, {0, 0}, {1, 1}, {0}, NATIVE, NATIVE},
    {"few, line", 1, 7, 64, 512, 1, {5}, {5}, {1}, {2}, {1}, {0}, NATIVE, NATIVE},
    {"few, volume",
     3,
     1,
     64,
     128,
     1,
     {2, 2, 3},
     {3, 3, 3},
     {1, 1, 1},
     {1, 1, 1},
     {1, 1, 1},
     {0},
     NATIVE,
     NATIVE},
    /* channels last forward; the weights' gradient and what becomes of it in blocks of channels, from a large copy of them */
    {"broad", 2, 4, 128, 192, 1, {9, 10}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"large", 2, 2, 256, 512, 1, {6, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0}, NATIVE, NATIVE},
    {"line", 1, 6, 32, 48, 1, {50}, {5}, {2}, {2}, {1}, {1}, NATIVE, NATIVE},
    {"line, grouped", 1, 2, 32, 32, 2, {61}, {3}, {1}, {1}, {1}, {0}, NATIVE, NATIVE},
    {"volume",
     3,
     2,
     16,
     16,
     1,
     {5, 6, 7},
     {3, 3, 3},
     {1, 1, 1},
     {1, 1, 1},
     {1, 1, 1},
     {0},
     NATIVE,
     NATIVE},
    {"volume, strided",
     3,
     2,
     16,
     32,
     1,
     {6, 8, 7},
     {2, 3, 3},
     {2, 2, 1},
     {0, 1, 1},
     {1, 1, 1},
     {0},
     NATIVE,
     NATIVE},
};
enum { CASES = sizeof cases / sizeof *cases };
static const cr_dtype dtypes[] = {CR_F32, CR_BF16};

static void check_case(const conv_case *c, cr_dtype dtype, bool transposed, bool last, bool bias,
                       const uint8_t mask[3], bool wants_way)
{
    int64_t x_size[5] = {c->n, c->in}, w_size[5], b_size = c->out;
    w_size[0] = transposed ? c->in : c->out;
    w_size[1] = (transposed ? c->out : c->in) / c->groups;
    for (int d = 0; d < c->dims; d++) {
        x_size[2 + d] = c->size[d];
        w_size[2 + d] = c->kernel[d];
    }
    static const int64_t zeros[3];
    cr_tensor *x =
        last ? some_channels_last(dtype, c->dims + 2, x_size) : some(dtype, c->dims + 2, x_size);
    cr_tensor *w = some(dtype, c->dims + 2, w_size), *b = some(dtype, 1, &b_size);
    cr_value args[9] = {v_tensor(x),
                        v_tensor(w),
                        v_tensor(bias ? b : NULL),
                        v_ints(c->stride, c->dims),
                        v_ints(c->padding, c->dims),
                        v_ints(c->dilation, c->dims),
                        v_bool(transposed),
                        v_ints(transposed ? c->extra : zeros, c->dims),
                        v_int(c->groups)};
    compare("convolution", args, 9, tolerance_of(dtype), wants_way ? c->forward : ANY_WAY);
    cr_value y;
    size_t n;
    ck_assert_int_eq(cr_call("convolution", args, 9, NULL, 0, &y, 1, &n), 0);
    cr_tensor *g = some(dtype, c->dims + 2, cr_tensor_sizes(y.as.tensor));
    cr_value back[11] = {v_tensor(g), args[0], args[1],         v_ints(&b_size, 1),
                         args[3],     args[4], args[5],         args[6],
                         args[7],     args[8], v_bools(mask, 3)};
    compare("convolution_backward", back, 11, tolerance_of(dtype),
            wants_way && mask[0] ? c->backward : ANY_WAY);
}

START_TEST(plain)
{
    for (int i = 0; i < CASES; i++)
        CR_SCOPE {
            check_case(&cases[i], dtypes[_i], false, false, i % 2 == 0, (uint8_t[]){1, 1, 1},
                       dtypes[_i] == CR_F32);
        }
}
END_TEST

START_TEST(transposed)
{
    for (int i = 0; i < CASES; i++)
        CR_SCOPE {
            check_case(&cases[i], dtypes[_i], true, false, i % 2 == 0, (uint8_t[]){1, 1, 1}, false);
        }
}
END_TEST

START_TEST(channels_last)
{
    for (int i = 0; i < CASES; i++)
        CR_SCOPE {
            check_case(&cases[i], dtypes[_i], i % 2, true, true, (uint8_t[]){1, 1, 1}, false);
        }
}
END_TEST

START_TEST(masked_gradients)
{
    for (uint8_t bits = 1; bits < 8; bits++)
        for (int i = 0; i < CASES; i += 3)
            CR_SCOPE {
                uint8_t mask[3] = {bits & 1, bits >> 1 & 1, bits >> 2};
                check_case(&cases[i], dtypes[_i], i & 1, false, true, mask, false);
            }
}
END_TEST

/* A gradient whose memory is repeated, as sum() gives it, and inputs cut out of larger tensors. */
/* Positions that are read out of oneDNN's blocks, values and gradients. */
START_TEST(few_positions_of_blocked_images)
{
    static const int64_t sizes[4] = {2, 64, 8, 8}, one[4] = {64, 64, 3, 3},
                         two[4] = {256, 64, 3, 3};
    float got[2][2 * 64 * 8 * 8];
    double most = 0;
    cr_tensor *given[4] = {some(CR_F32, 4, sizes), some(CR_F32, 4, one), some(CR_F32, 4, two),
                           NULL};
    for (int k = 0; k < 2; k++)
        CR_SCOPE {
            cr_tensor *x[3];
            for (int i = 0; i < 3; i++)
                x[i] =
                    cr_requires_grad_(cr_detach(k ? cr_tensor_to(given[i], "cpu") : given[i]), 1);
            cr_tensor *y = cr_f_conv2d(cr_f_conv2d(x[0], x[1]), x[2], .stride = CR_INTS(3));
            cr_tensor *gradient = NULL, *loss = cr_sum(cr_mul(y, y));
            ck_assert_msg(!cr_autograd_grad(&loss, NULL, 1, x, 1, 0, &gradient), "%s", cr_error());
            ck_assert(!cr_tensor_read(gradient, got[k], sizeof got[k]));
        }
    for (size_t i = 0; i < sizeof got[0] / sizeof **got; i++)
        most = fabs((double)got[1][i]) > most ? fabs((double)got[1][i]) : most;
    for (size_t i = 0; i < sizeof got[0] / sizeof **got; i++)
        ck_assert_msg(fabs((double)got[0][i] - (double)got[1][i]) <= 1e-4 * most,
                      "element %zu is %g, not %g", i, (double)got[0][i], (double)got[1][i]);
}
END_TEST

START_TEST(strange_strides)
{
    CR_SCOPE {
        cr_dtype dtype = dtypes[_i];
        cr_tensor *x = cr_slice(some(dtype, 4, (int64_t[]){4, 40, 12, 12}), .dim = 1,
                                .start = CR_SOME(3), .end = CR_SOME(35), .step = CR_SOME(2));
        cr_tensor *w = cr_transpose(some(dtype, 4, (int64_t[]){16, 16, 3, 3}), 0, 1);
        cr_tensor *g = cr_expand(some(dtype, 4, (int64_t[]){1, 1, 1, 1}), CR_INTS(4, 16, 10, 10));
        static const int64_t one[2] = {1, 1}, none[2] = {0, 0}, bias = 16;
        cr_value args[11] = {v_tensor(x),    v_tensor(w),     v_tensor(NULL),
                             v_ints(one, 2), v_ints(none, 2), v_ints(one, 2),
                             v_bool(false),  v_ints(none, 2), v_int(1)};
        compare("convolution", args, 9, tolerance_of(dtype), ANY_WAY);
        cr_value back[11] = {v_tensor(g),
                             args[0],
                             args[1],
                             v_ints(&bias, 1),
                             args[3],
                             args[4],
                             args[5],
                             args[6],
                             args[7],
                             args[8],
                             v_bools((uint8_t[]){1, 1, 1}, 3)};
        compare("convolution_backward", back, 11, tolerance_of(dtype), ANY_WAY);
    }
}
END_TEST

Suite *conv_suite(void)
{
    Suite *suite = suite_create("convolution");
    TCase *tc = tcase_create("against cpu");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, plain, 0, 2);
    tcase_add_loop_test(tc, transposed, 0, 2);
    tcase_add_loop_test(tc, channels_last, 0, 2);
    tcase_add_loop_test(tc, masked_gradients, 0, 2);
    tcase_add_test(tc, few_positions_of_blocked_images);
    tcase_add_loop_test(tc, strange_strides, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
