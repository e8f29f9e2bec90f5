/* Convolutions of many channels on the cpu backend, with both gradients, beside plain loops in double: strides, dilations and
 * paddings of their own along each dimension, channels that fill no panel, bands and chains that are not full, numbers that are
 * long, huge, tiny or not finite. Each bound is of what f32 arithmetic may leave (gemm_amx.c and conv_amx.c split numbers). */
#include "kernel_host.h"

#include <float.h>
#include <math.h>

typedef struct convolution {
    int64_t n, ic, oc, in[2], k[2], stride[2], pad[2], dil[2];
} convolution;

static const convolution convolutions[] = {
    {2, 64, 64, {20, 32}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {1, 40, 70, {33, 29}, {3, 5}, {1, 1}, {1, 0}, {1, 1}},
    {2, 32, 48, {31, 46}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
    {2, 47, 33, {30, 61}, {3, 2}, {1, 3}, {2, 1}, {2, 1}},
    {3, 208, 224, {14, 11}, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
    {2, 208, 210, {37, 26}, {1, 1}, {2, 2}, {0, 0}, {1, 1}},
    {1, 32, 32, {120, 90}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {1, 200, 33, {20, 20}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {6, 48, 49, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {1, 64, 50, {1, 700}, {1, 5}, {1, 1}, {0, 2}, {1, 2}},
    {2, 30, 41, {24, 23}, {3, 3}, {1, 1}, {3, 2}, {1, 1}},
    {1, 24, 24, {40, 70}, {4, 4}, {4, 3}, {2, 0}, {1, 3}},
    {1, 32, 32, {40, 40}, {3, 3}, {1, 1}, {12, 2}, {12, 2}},
    {1, 32, 32, {40, 40}, {3, 3}, {1, 1}, {900, 1}, {900, 1}},
};
enum { CONVOLUTIONS = sizeof convolutions / sizeof *convolutions };

/* Numbers of 24 bits. */
static void fill(value *v, uint32_t seed)
{
    float *at = (float *)(void *)v->memory;
    for (int64_t i = 0; i < value_numel(v); i++) {
        seed = seed * 1664525u + 1013904223u;
        at[i] = (float)(((double)(seed >> 7) - 0x1p24) * 0x1p-24);
    }
}

static const float *floats(const value *v)
{
    return (const float *)(const void *)v->memory;
}

static int64_t out_size(const convolution *c, int d)
{
    return (c->in[d] + 2 * c->pad[d] - c->dil[d] * (c->k[d] - 1) - 1) / c->stride[d] + 1;
}

typedef struct sum {
    double value, weight;
} sum;

static void add_product(sum *s, float a, float b)
{
    s->value += (double)a * (double)b;
    s->weight += fabs((double)a * (double)b);
}

/* The place of x that an output's tap reads, or -1: in the padding, whose zeros are multiplied like other numbers. */
static int64_t place_of(const convolution *c, int64_t oy, int64_t ox, int64_t ky, int64_t kx)
{
    int64_t y = oy * c->stride[0] + ky * c->dil[0] - c->pad[0];
    int64_t x = ox * c->stride[1] + kx * c->dil[1] - c->pad[1];
    return y < 0 || y >= c->in[0] || x < 0 || x >= c->in[1] ? -1 : y * c->in[1] + x;
}

typedef struct values {
    value x, w, y; /* of the plain convolution: y from x and w */
} values;

static sum forward_at(const convolution *c, const values *v, int64_t i)
{
    const int64_t oh = out_size(c, 0), ow = out_size(c, 1), plane = c->in[0] * c->in[1];
    const int64_t ox = i % ow, oy = i / ow % oh, o = i / ow / oh % c->oc, n = i / ow / oh / c->oc;
    sum s = {0, 0};
    for (int64_t ch = 0; ch < c->ic; ch++)
        for (int64_t tap = 0; tap < c->k[0] * c->k[1]; tap++) {
            int64_t at = place_of(c, oy, ox, tap / c->k[1], tap % c->k[1]);
            add_product(&s, at < 0 ? 0 : floats(&v->x)[(n * c->ic + ch) * plane + at],
                        floats(&v->w)[(o * c->ic + ch) * c->k[0] * c->k[1] + tap]);
        }
    return s;
}

static sum data_at(const convolution *c, const values *v, int64_t i)
{
    const int64_t oh = out_size(c, 0), ow = out_size(c, 1), plane = c->in[0] * c->in[1];
    const int64_t at = i % plane, ch = i / plane % c->ic, n = i / plane / c->ic;
    sum s = {0, 0};
    for (int64_t tap = 0; tap < c->k[0] * c->k[1]; tap++) {
        const int64_t ky = tap / c->k[1], kx = tap % c->k[1];
        const int64_t y = at / c->in[1] + c->pad[0] - ky * c->dil[0];
        const int64_t x = at % c->in[1] + c->pad[1] - kx * c->dil[1];
        const int64_t oy = y / c->stride[0], ox = x / c->stride[1];
        if (y < 0 || x < 0 || y % c->stride[0] || x % c->stride[1] || oy >= oh || ox >= ow)
            continue;
        for (int64_t o = 0; o < c->oc; o++)
            add_product(&s, floats(&v->y)[((n * c->oc + o) * oh + oy) * ow + ox],
                        floats(&v->w)[(o * c->ic + ch) * c->k[0] * c->k[1] + tap]);
    }
    return s;
}

static sum weight_at(const convolution *c, const values *v, int64_t i)
{
    const int64_t oh = out_size(c, 0), ow = out_size(c, 1), plane = c->in[0] * c->in[1];
    const int64_t tap = i % (c->k[0] * c->k[1]), ch = i / (c->k[0] * c->k[1]) % c->ic;
    const int64_t o = i / (c->k[0] * c->k[1]) / c->ic;
    sum s = {0, 0};
    for (int64_t n = 0; n < c->n; n++)
        for (int64_t p = 0; p < oh * ow; p++) {
            int64_t at = place_of(c, p / ow, p % ow, tap / c->k[1], tap % c->k[1]);
            add_product(&s, at < 0 ? 0 : floats(&v->x)[(n * c->ic + ch) * plane + at],
                        floats(&v->y)[(n * c->oc + o) * oh * ow + p]);
        }
    return s;
}

/* `bias` is of the channels that lie `channel` apart, or null. */
static void compare(const char *what, const convolution *c, const values *v, const value *got,
                    sum (*expected_at)(const convolution *, const values *, int64_t),
                    const value *bias, int64_t channel, double most)
{
    const int64_t numel = value_numel(got), step = 1 + numel / 300;
    for (int64_t i = 0; i < numel; i += step + i % 3) {
        sum s = expected_at(c, v, i);
        if (bias) {
            const double b = floats(bias)[i / channel % value_numel(bias)];
            s = (sum){s.value + b, s.weight + fabs(b)};
        }
        const double is = floats(got)[i];
        const bool is_near =
            isnan(s.value) ? isnan(is)
            : isinf(s.value)
                ? is == s.value
                : s.weight > FLT_MAX || fabs(is - s.value) <= most * s.weight + 0x1p-125;
        ck_assert_msg(is_near,
                      "%s of convolution %d (%lld to %lld channels) at %lld: %.9g instead of %.9g",
                      what, (int)(c - convolutions), (long long)c->ic, (long long)c->oc,
                      (long long)i, is, s.value);
    }
}

static values values_of(const convolution *c)
{
    const int64_t x[] = {c->n, c->ic, c->in[0], c->in[1]}, w[] = {c->oc, c->ic, c->k[0], c->k[1]};
    const int64_t y[] = {c->n, c->oc, out_size(c, 0), out_size(c, 1)};
    values v = {value_new(CR_F32, 4, x, DENSE), value_new(CR_F32, 4, w, DENSE),
                value_new(CR_F32, 4, y, DENSE)};
    fill(&v.x, 1);
    fill(&v.w, 2);
    fill(&v.y, 3);
    return v;
}

static void values_free(values *v)
{
    value_free(&v->x);
    value_free(&v->w);
    value_free(&v->y);
}

static void run(const char *name, const convolution *c, bool transposed, value *const in[],
                value *const out[], int nout)
{
    operation op = {.name = name,
                    .in = {in[0], in[1], in[2]},
                    .nin = 3,
                    .out = {out[0]},
                    .nout = nout,
                    .attrs = {attr_ints("stride", c->stride, 2), attr_ints("padding", c->pad, 2),
                              attr_ints("dilation", c->dil, 2), attr_int("transposed", transposed)},
                    .nattrs = 4};
    for (int i = 1; i < nout; i++)
        op.out[i] = out[i];
    ck_assert_int_eq(operation_run(&op), CR_OK);
}

/* All there is to a convolution: y, both gradients, and what the transposed one computes, with bias. */
static void check(const convolution *c, const values *v, double most)
{
    const int64_t oc[] = {c->oc}, ic[] = {c->ic};
    value bias = value_new(CR_F32, 1, oc, DENSE), back_bias = value_new(CR_F32, 1, ic, DENSE);
    fill(&bias, 4);
    fill(&back_bias, 5);
    values got = values_of(c);
    value of_bias = value_new(CR_F32, 1, oc, DENSE);
    values in = *v;
    run("convolution", c, false, (value *const[]){&in.x, &in.w, &bias}, (value *const[]){&got.y},
        1);
    compare("y", c, v, &got.y, forward_at, &bias, out_size(c, 0) * out_size(c, 1), most);
    run("convolution_backward", c, false, (value *const[]){&in.y, &in.x, &in.w},
        (value *const[]){&got.x, &got.w, &of_bias}, 3);
    compare("gradient of x", c, v, &got.x, data_at, NULL, 1, most);
    compare("gradient of w", c, v, &got.w, weight_at, NULL, 1, most);
    run("convolution", c, true, (value *const[]){&in.y, &in.w, &back_bias},
        (value *const[]){&got.x}, 1);
    compare("transposed", c, v, &got.x, data_at, &back_bias, c->in[0] * c->in[1], most);
    values_free(&got);
    value_free(&bias);
    value_free(&back_bias);
    value_free(&of_bias);
}

/* With two parts of three, a term would be off by some 2^-18. */
START_TEST(convolutions_agree_with_loops)
{
    for (int i = 0; i < CONVOLUTIONS; i++) {
        values v = values_of(&convolutions[i]);
        check(&convolutions[i], &v, 2.4e-7);
        values_free(&v);
    }
}
END_TEST

START_TEST(numbers_of_every_size_are_convolved)
{
    static const float sizes[] = {INFINITY, NAN, 3e38f, 1e-40f, 1e-30f, 1e-20f, 0};
    const convolution *c = &convolutions[0];
    const int before = host_threads;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int which = 0; which < 4; which++) {
            values v = values_of(c);
            value *of = which == 0 ? &v.x : which == 1 ? &v.w : &v.y;
            float *at = (float *)(void *)of->memory;
            /* In the first image or the last one. */
            const int64_t one = value_numel(of) * (i % 2 ? 2 : 5) / 6;
            for (int64_t j = 0; j < value_numel(of); j++)
                if (which == 3 || j == one)
                    at[j] *= sizes[i];
            /* In the last round x is as small as y, so that their products are smaller still. */
            for (int64_t j = 0; which == 3 && sizes[i] < 1 && j < value_numel(&v.x); j++)
                ((float *)(void *)v.x.memory)[j] *= sizes[i];
            host_threads = 1 + (int)(i + (size_t)which) % 3;
            check(c, &v, 1e-6);
            values_free(&v);
        }
    host_threads = before;
}
END_TEST

START_TEST(convolutions_on_threads_are_the_same_bits)
{
    const int before = host_threads;
    for (int i = 0; i < CONVOLUTIONS; i++) {
        const convolution *c = &convolutions[i];
        const int64_t oc[] = {c->oc};
        if (c->n == 1) /* some products of OpenBLAS's are then shared out */
            continue;
        value bias = value_new(CR_F32, 1, oc, DENSE), of_bias = value_new(CR_F32, 1, oc, DENSE);
        fill(&bias, 4);
        values in = values_of(c), one = values_of(c), three = values_of(c);
        for (host_threads = 1; host_threads <= 3; host_threads += 2) {
            values *to = host_threads == 1 ? &one : &three;
            run("convolution", c, false, (value *const[]){&in.x, &in.w, &bias},
                (value *const[]){&to->y}, 1);
            run("convolution_backward", c, false, (value *const[]){&in.y, &in.x, &in.w},
                (value *const[]){&to->x, &to->w, &of_bias}, 3);
        }
        ck_assert_mem_eq(one.x.memory, three.x.memory, one.x.bytes);
        ck_assert_mem_eq(one.w.memory, three.w.memory, one.w.bytes);
        ck_assert_mem_eq(one.y.memory, three.y.memory, one.y.bytes);
        values_free(&in);
        values_free(&one);
        values_free(&three);
        value_free(&bias);
        value_free(&of_bias);
    }
    host_threads = before;
}
END_TEST

Suite *convolution_suite(void)
{
    Suite *suite = suite_create("convolutions");
    TCase *all = tcase_create("convolutions");
    tcase_set_timeout(all, 240);
    tcase_add_test(all, convolutions_agree_with_loops);
    tcase_add_test(all, numbers_of_every_size_are_convolved);
    tcase_add_test(all, convolutions_on_threads_are_the_same_bits);
    suite_add_tcase(suite, all);
    return suite;
}
