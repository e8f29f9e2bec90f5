/* Elementwise operations of the cpu backend, each with a plain formula beside it. */
#include "kernel_host.h"

#include <math.h>
#include <string.h>

enum { FLOATS = 1, INTS = 2, BOOL = 4, ANY = 7 };

/* x: the inputs; n: the numbers. Floats are computed in double and rounded once, integers in int64 and wrapped. */
typedef struct formula {
    const char *name;
    int nin, dtypes;
    double (*f)(const double *x, const double *n);
    int64_t (*i)(const int64_t *x, const int64_t *n);
    double steps; /* the error allowed in f32 and f64 */
    bool to_bool, condition;
    const char *numbers[2];
    const char *mode; /* rounding_mode */
} formula;

#define F(name, expr)                                        \
    static double f_##name(const double *x, const double *n) \
    {                                                        \
        (void)n;                                             \
        return (double)(expr);                               \
    }
#define I(name, expr)                                           \
    static int64_t i_##name(const int64_t *x, const int64_t *n) \
    {                                                           \
        (void)n;                                                \
        return (int64_t)(expr);                                 \
    }
#define U(x) ((uint64_t)(x))

F(abs, fabs(x[0]))
I(abs, x[0] < 0 ? 0 - U(x[0]) : U(x[0]))
F(neg, -x[0])
I(neg, 0 - U(x[0]))
F(sign, (x[0] > 0) - (x[0] < 0))
I(sign, (x[0] > 0) - (x[0] < 0))
F(floor, floor(x[0]))
F(ceil, ceil(x[0]))
F(trunc, trunc(x[0]))
F(round, rint(x[0]))
F(sqrt, sqrt(x[0]))
F(rsqrt, 1 / sqrt(x[0]))
F(reciprocal, 1 / x[0])
F(square, x[0] * x[0])
I(square, U(x[0]) * U(x[0]))
F(exp, exp(x[0]))
F(exp2, exp2(x[0]))
F(expm1, expm1(x[0]))
F(log, log(x[0]))
F(log2, log2(x[0]))
F(log10, log10(x[0]))
F(log1p, log1p(x[0]))
F(sin, sin(x[0]))
F(cos, cos(x[0]))
F(tan, tan(x[0]))
F(asin, asin(x[0]))
F(acos, acos(x[0]))
F(atan, atan(x[0]))
F(sinh, sinh(x[0]))
F(cosh, cosh(x[0]))
F(tanh, tanh(x[0]))
F(asinh, asinh(x[0]))
F(acosh, acosh(x[0]))
F(atanh, atanh(x[0]))
F(erf, erf(x[0]))
F(erfc, erfc(x[0]))
F(lgamma, lgamma(x[0]))
F(sigmoid, x[0] < 0 ? exp(x[0]) / (1 + exp(x[0])) : 1 / (1 + exp(-x[0])))
I(bitwise_not, ~x[0])
I(not, !x[0])
F(not, x[0] == 0)
F(add, x[0] + n[0] * x[1])
I(add, U(x[0]) + U(n[0]) * U(x[1]))
F(sub, x[0] - n[0] * x[1])
I(sub, U(x[0]) - U(n[0]) * U(x[1]))
F(mul, x[0] * x[1])
I(mul, U(x[0]) * U(x[1]))
F(div, x[0] / x[1])
F(maximum, x[0] != x[0] || x[0] > x[1] ? x[0] : x[1])
I(maximum, x[0] > x[1] ? x[0] : x[1])
F(minimum, x[0] != x[0] || x[0] < x[1] ? x[0] : x[1])
I(minimum, x[0] < x[1] ? x[0] : x[1])
F(pow, pow(x[0], x[1]))
F(atan2, atan2(x[0], x[1]))
F(fmod, fmod(x[0], x[1]))
I(fmod, x[1] == 0 || x[1] == -1 ? 0 : x[0] % x[1])
F(copysign, copysign(x[0], x[1]))
F(eq, x[0] == x[1])
I(eq, x[0] == x[1])
F(ne, x[0] != x[1])
I(ne, x[0] != x[1])
F(lt, x[0] < x[1])
I(lt, x[0] < x[1])
F(le, x[0] <= x[1])
I(le, x[0] <= x[1])
F(gt, x[0] > x[1])
I(gt, x[0] > x[1])
F(ge, x[0] >= x[1])
I(ge, x[0] >= x[1])
F(and, x[0] != 0 && x[1] != 0)
I(and, x[0] && x[1])
F(or, x[0] != 0 || x[1] != 0)
I(or, x[0] || x[1])
F(xor, (x[0] != 0) != (x[1] != 0))
I(xor, !x[0] != !x[1])
I(bit_and, x[0] & x[1])
I(bit_or, x[0] | x[1])
I(bit_xor, x[0] ^ x[1])
F(where, x[0] != 0 ? x[1] : x[2])
I(where, x[0] ? x[1] : x[2])
F(addcmul, x[0] + n[0] * x[1] * x[2])
I(addcmul, U(x[0]) + U(n[0]) * U(x[1]) * U(x[2]))
F(addcdiv, x[0] + n[0] * x[1] / x[2])
F(other_add, x[0] + n[1] * n[0])
I(other_add, U(x[0]) + U(n[1]) * U(n[0]))
F(other_rsub, n[0] - n[1] * x[0])
I(other_rsub, U(n[0]) - U(n[1]) * U(x[0]))
F(other_mul, x[0] * n[0])
I(other_mul, U(x[0]) * U(n[0]))
F(other_div, x[0] / n[0])
F(other_lt, x[0] < n[0])
I(other_lt, x[0] < n[0])
F(other_pow, pow(x[0], n[0]))
F(clamp, x[0]<n[0] ? n[0] : x[0]> n[1] ? n[1] : x[0])
I(clamp, x[0]<n[0] ? n[0] : x[0]> n[1] ? n[1] : x[0])
F(clamp_min, x[0] < n[0] ? n[0] : x[0])
I(clamp_min, x[0] < n[0] ? n[0] : x[0])

static double f_remainder(const double *x, const double *n)
{
    double m = fmod(x[0], x[1]);
    (void)n;
    return m != 0 && (x[1] < 0) != (m < 0) ? m + x[1] : m;
}

static int64_t i_remainder(const int64_t *x, const int64_t *n)
{
    int64_t m = i_fmod(x, n);
    return m && (x[1] < 0) != (m < 0) ? m + x[1] : m;
}

static int64_t i_div_trunc(const int64_t *x, const int64_t *n)
{
    (void)n;
    return x[1] == 0 ? 0 : x[1] == -1 ? (int64_t)(0 - U(x[0])) : x[0] / x[1];
}

static int64_t i_div_floor(const int64_t *x, const int64_t *n)
{
    return i_div_trunc(x, n) - (i_fmod(x, n) != 0 && (x[0] < 0) != (x[1] < 0));
}

static const formula formulas[] = {
    {"abs", 1, FLOATS | INTS, f_abs, i_abs, 0, 0, 0, {0}, 0},
    {"neg", 1, FLOATS | INTS, f_neg, i_neg, 0, 0, 0, {0}, 0},
    {"sign", 1, FLOATS | INTS, f_sign, i_sign, 0, 0, 0, {0}, 0},
    {"floor", 1, FLOATS, f_floor, 0, 0, 0, 0, {0}, 0},
    {"ceil", 1, FLOATS, f_ceil, 0, 0, 0, 0, {0}, 0},
    {"trunc", 1, FLOATS, f_trunc, 0, 0, 0, 0, {0}, 0},
    {"round", 1, FLOATS, f_round, 0, 0, 0, 0, {0}, 0},
    {"sqrt", 1, FLOATS, f_sqrt, 0, 0, 0, 0, {0}, 0},
    {"rsqrt", 1, FLOATS, f_rsqrt, 0, 1, 0, 0, {0}, 0},
    {"reciprocal", 1, FLOATS, f_reciprocal, 0, 0, 0, 0, {0}, 0},
    {"square", 1, FLOATS | INTS, f_square, i_square, 0, 0, 0, {0}, 0},
    {"exp", 1, FLOATS, f_exp, 0, 2, 0, 0, {0}, 0},
    {"exp2", 1, FLOATS, f_exp2, 0, 2, 0, 0, {0}, 0},
    {"expm1", 1, FLOATS, f_expm1, 0, 2, 0, 0, {0}, 0},
    {"log", 1, FLOATS, f_log, 0, 2, 0, 0, {0}, 0},
    {"log2", 1, FLOATS, f_log2, 0, 2, 0, 0, {0}, 0},
    {"log10", 1, FLOATS, f_log10, 0, 2, 0, 0, {0}, 0},
    {"log1p", 1, FLOATS, f_log1p, 0, 2, 0, 0, {0}, 0},
    {"sin", 1, FLOATS, f_sin, 0, 2, 0, 0, {0}, 0},
    {"cos", 1, FLOATS, f_cos, 0, 2, 0, 0, {0}, 0},
    {"tan", 1, FLOATS, f_tan, 0, 2, 0, 0, {0}, 0},
    {"asin", 1, FLOATS, f_asin, 0, 2, 0, 0, {0}, 0},
    {"acos", 1, FLOATS, f_acos, 0, 2, 0, 0, {0}, 0},
    {"atan", 1, FLOATS, f_atan, 0, 2, 0, 0, {0}, 0},
    {"sinh", 1, FLOATS, f_sinh, 0, 2, 0, 0, {0}, 0},
    {"cosh", 1, FLOATS, f_cosh, 0, 2, 0, 0, {0}, 0},
    {"tanh", 1, FLOATS, f_tanh, 0, 2, 0, 0, {0}, 0},
    {"asinh", 1, FLOATS, f_asinh, 0, 2, 0, 0, {0}, 0},
    {"acosh", 1, FLOATS, f_acosh, 0, 2, 0, 0, {0}, 0},
    {"atanh", 1, FLOATS, f_atanh, 0, 2, 0, 0, {0}, 0},
    {"erf", 1, FLOATS, f_erf, 0, 2, 0, 0, {0}, 0},
    {"erfc", 1, FLOATS, f_erfc, 0, 6, 0, 0, {0}, 0},
    {"lgamma", 1, FLOATS, f_lgamma, 0, 2, 0, 0, {0}, 0},
    {"sigmoid", 1, FLOATS, f_sigmoid, 0, 3, 0, 0, {0}, 0},
    {"bitwise_not", 1, INTS, 0, i_bitwise_not, 0, 0, 0, {0}, 0},
    {"bitwise_not", 1, BOOL, 0, i_not, 0, 0, 0, {0}, 0},
    {"logical_not", 1, ANY, f_not, i_not, 0, 1, 0, {0}, 0},
    {"add.Tensor", 2, FLOATS | INTS, f_add, i_add, 0, 0, 0, {"alpha"}, 0},
    {"add.Tensor", 2, BOOL, 0, i_or, 0, 0, 0, {"alpha"}, 0},
    {"sub.Tensor", 2, FLOATS | INTS, f_sub, i_sub, 0, 0, 0, {"alpha"}, 0},
    {"mul.Tensor", 2, ANY, f_mul, i_mul, 0, 0, 0, {0}, 0},
    {"div.Tensor", 2, FLOATS, f_div, 0, 0, 0, 0, {0}, 0},
    {"maximum", 2, ANY, f_maximum, i_maximum, 0, 0, 0, {0}, 0},
    {"minimum", 2, ANY, f_minimum, i_minimum, 0, 0, 0, {0}, 0},
    {"pow.Tensor_Tensor", 2, FLOATS, f_pow, 0, 2, 0, 0, {0}, 0},
    {"atan2", 2, FLOATS, f_atan2, 0, 2, 0, 0, {0}, 0},
    {"fmod.Tensor", 2, FLOATS | INTS, f_fmod, i_fmod, 0, 0, 0, {0}, 0},
    {"remainder.Tensor", 2, FLOATS | INTS, f_remainder, i_remainder, 0, 0, 0, {0}, 0},
    {"div.Tensor_mode", 2, INTS, 0, i_div_trunc, 0, 0, 0, {0}, "trunc"},
    {"div.Tensor_mode", 2, INTS, 0, i_div_floor, 0, 0, 0, {0}, "floor"},
    {"copysign.Tensor", 2, FLOATS, f_copysign, 0, 0, 0, 0, {0}, 0},
    {"eq.Tensor", 2, ANY, f_eq, i_eq, 0, 1, 0, {0}, 0},
    {"ne.Tensor", 2, ANY, f_ne, i_ne, 0, 1, 0, {0}, 0},
    {"lt.Tensor", 2, ANY, f_lt, i_lt, 0, 1, 0, {0}, 0},
    {"le.Tensor", 2, ANY, f_le, i_le, 0, 1, 0, {0}, 0},
    {"gt.Tensor", 2, ANY, f_gt, i_gt, 0, 1, 0, {0}, 0},
    {"ge.Tensor", 2, ANY, f_ge, i_ge, 0, 1, 0, {0}, 0},
    {"logical_and", 2, ANY, f_and, i_and, 0, 1, 0, {0}, 0},
    {"logical_or", 2, ANY, f_or, i_or, 0, 1, 0, {0}, 0},
    {"logical_xor", 2, ANY, f_xor, i_xor, 0, 1, 0, {0}, 0},
    {"bitwise_and.Tensor", 2, INTS | BOOL, 0, i_bit_and, 0, 0, 0, {0}, 0},
    {"bitwise_or.Tensor", 2, INTS | BOOL, 0, i_bit_or, 0, 0, 0, {0}, 0},
    {"bitwise_xor.Tensor", 2, INTS | BOOL, 0, i_bit_xor, 0, 0, 0, {0}, 0},
    {"where.self", 3, ANY, f_where, i_where, 0, 0, 1, {0}, 0},
    {"addcmul", 3, FLOATS | INTS, f_addcmul, i_addcmul, 0, 0, 0, {"value"}, 0},
    {"addcdiv", 3, FLOATS, f_addcdiv, 0, 0, 0, 0, {"value"}, 0},
    {"add.Scalar", 1, FLOATS | INTS, f_other_add, i_other_add, 0, 0, 0, {"other", "alpha"}, 0},
    {"rsub.Scalar", 1, FLOATS | INTS, f_other_rsub, i_other_rsub, 0, 0, 0, {"other", "alpha"}, 0},
    {"mul.Scalar", 1, FLOATS | INTS, f_other_mul, i_other_mul, 0, 0, 0, {"other"}, 0},
    {"div.Scalar", 1, FLOATS, f_other_div, 0, 0, 0, 0, {"other"}, 0},
    {"lt.Scalar", 1, FLOATS | INTS, f_other_lt, i_other_lt, 0, 1, 0, {"other"}, 0},
    {"pow.Tensor_Scalar", 1, FLOATS, f_other_pow, 0, 2, 0, 0, {"exponent"}, 0},
    {"clamp", 1, FLOATS | INTS, f_clamp, i_clamp, 0, 0, 0, {"min", "max"}, 0},
    {"clamp_min", 1, FLOATS | INTS, f_clamp_min, i_clamp_min, 0, 0, 0, {"min"}, 0},
};

static const double numbers[2] = {2, 4}; /* whose products are exact */

static bool takes(const formula *f, int32_t dtype)
{
    return f->dtypes & (is_float(dtype) ? FLOATS : dtype == CR_B8 ? BOOL : INTS);
}

static cell expected(const formula *f, int32_t dtype, int32_t result, const cell *x)
{
    double fx[3] = {x[0].f, x[1].f, x[2].f};
    int64_t ix[3] = {x[0].i, x[1].i, x[2].i}, n[2] = {(int64_t)numbers[0], (int64_t)numbers[1]};
    cell c = {0, 0};
    if (f->condition)
        fx[0] = x[0].i != 0;
    if (is_float(dtype))
        c.f = f->f(fx, numbers);
    else
        c.i = f->i(ix, n);
    if (is_float(dtype) && result == CR_B8)
        c.i = c.f != 0;
    return value_round(result, c);
}

/* Sums that cancel are as exact as their terms, in fused and in separate steps; a few steps of the largest term count. */
static bool close_enough(const formula *f, int32_t dtype, int32_t result, const cell *x, cell got,
                         cell want)
{
    double steps = f->steps;
    if (dtype == CR_F16 || dtype == CR_BF16)
        steps = steps > 0 ? 1 : 0;
    if (cells_apart(result, got, want) <= steps)
        return true;
    /* Between its zeros at negative x, lgamma is as exact as the terms that cancel. */
    if (dtype == CR_F64 && !strcmp(f->name, "lgamma"))
        return x[0].f < 0 ? fabs(got.f - want.f) < 4e-15 : cells_apart(result, got, want) <= 6;
    if (!is_float(result) || strncmp(f->name, "addc", 4) != 0)
        return false;
    double most =
        fabs(x[0].f) + fabs(numbers[0] * x[1].f * (f->name[4] == 'm' ? x[2].f : 1 / x[2].f));
    most += fabs(numbers[0] * x[1].f);
    double unit = dtype == CR_F64 ? 1e-15 : dtype == CR_F32 ? 5e-7 : dtype == CR_F16 ? 2e-3 : 2e-2;
    return fabs(got.f - want.f) <= unit * most || !(most < (dtype == CR_F16 ? 6e4 : 1e37));
}

static void check_one(const formula *f, int32_t dtype, const shape *s, const layout *in_layout,
                      layout out_layout, bool in_place)
{
    int32_t result = f->to_bool ? CR_B8 : dtype;
    value in[3], out, before[3];
    operation op = {.name = f->name, .nin = f->nin, .nout = 1};
    for (int k = 0; k < f->nin; k++) {
        in[k] = value_new(f->condition && k == 0 ? CR_B8 : dtype, s->rank, s->size, in_layout[k]);
        value_fill(&in[k], (uint32_t)(k * 17 + s->rank + 3), true);
        before[k] = value_new(in[k].meta.dtype, s->rank, s->size, DENSE);
        for (int64_t i = 0; i < value_numel(&in[k]); i++)
            value_set(&before[k], i, value_get(&in[k], i));
        op.in[k] = &in[k];
    }
    out = value_new(result, s->rank, s->size, out_layout);
    op.out[0] = in_place ? &in[f->condition ? 1 : 0] : &out;
    for (; op.nnumbers < 2 && f->numbers[op.nnumbers]; op.nnumbers++) {
        op.numbers[op.nnumbers] = f->numbers[op.nnumbers];
        op.number[op.nnumbers] = (cr_number){numbers[op.nnumbers], (int64_t)numbers[op.nnumbers]};
    }
    if (f->mode)
        op.attrs[op.nattrs++] = attr_text("rounding_mode", f->mode);
    cr_status status = operation_run(&op);
    ck_assert_msg(status == CR_OK, "%s of dtype %d: status %d %s", f->name, dtype, status,
                  host_words);
    for (int64_t i = 0; i < value_numel(&out); i++) {
        cell x[3] = {{0, 0}, {0, 0}, {0, 0}};
        for (int k = 0; k < f->nin; k++)
            x[k] = value_get(&before[k], i);
        cell got = value_get(op.out[0], i), want = expected(f, dtype, result, x);
        ck_assert_msg(close_enough(f, dtype, result, x, got, want),
                      "%s of dtype %d, rank %d, layouts %d %d to %d, element %lld: (%g %g %g | "
                      "%lld %lld %lld) gives %.17g "
                      "%lld, not %.17g %lld",
                      f->name, dtype, s->rank, in_layout[0], in_layout[1], out_layout, (long long)i,
                      x[0].f, x[1].f, x[2].f, (long long)x[0].i, (long long)x[1].i,
                      (long long)x[2].i, got.f, (long long)got.i, want.f, (long long)want.i);
    }
    for (int k = 0; k < f->nin; k++) {
        value_free(&in[k]);
        value_free(&before[k]);
    }
    value_free(&out);
}

START_TEST(every_operation_agrees_with_its_formula)
{
    static const layout ways[][4] = {
        {DENSE, DENSE, DENSE, DENSE},      {SPACED, DENSE, TURNED, DENSE},
        {TURNED, TURNED, TURNED, TURNED},  {DENSE, REPEATED, DENSE, DENSE},
        {REPEATED_1, DENSE, DENSE, DENSE}, {DENSE, DENSE, REPEATED_1, SPACED},
        {REPEATED, TURNED, DENSE, TURNED}};
    const formula *f = &formulas[_i];
    for (int32_t dtype = 1; dtype <= CR_B8; dtype++) {
        if (!takes(f, dtype))
            continue;
        for (int s = 0; s < nshapes; s++)
            for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
                if (!host_few || ((size_t)s + w) % 5 == (size_t)_i % 5)
                    check_one(f, dtype, &shapes[s], ways[w], ways[w][3], false);
    }
}
END_TEST

START_TEST(every_operation_may_run_in_place)
{
    static const layout dense[3] = {DENSE, DENSE, DENSE}, spaced[3] = {SPACED, SPACED, SPACED};
    const formula *f = &formulas[_i];
    for (int32_t dtype = 1; dtype <= CR_B8; dtype++) {
        if (!takes(f, dtype) || (f->to_bool && dtype != CR_B8))
            continue;
        for (int s = 0; s < nshapes; s++) {
            check_one(f, dtype, &shapes[s], dense, DENSE, true);
            check_one(f, dtype, &shapes[s], spaced, SPACED, true);
        }
    }
}
END_TEST

/* Runs a binary operation on single f64 or integer elements. */
static cell apply(const char *name, int32_t dtype, cell a, cell b)
{
    value x = value_new(dtype, 0, NULL, DENSE), y = value_new(dtype, 0, NULL, DENSE),
          z = value_new(dtype, 0, NULL, DENSE);
    operation op = {.name = name, .nin = 2, .nout = 1, .in = {&x, &y}, .out = {&z}};
    value_set(&x, 0, a);
    value_set(&y, 0, b);
    ck_assert_int_eq(operation_run(&op), CR_OK);
    cell c = value_get(&z, 0);
    value_free(&x);
    value_free(&y);
    value_free(&z);
    return c;
}

#define INT_OF(name, dtype, a, b) apply(name, dtype, (cell){0, a}, (cell){0, b}).i
#define F_OF(name, dtype, a, b)   apply(name, dtype, (cell){a, 0}, (cell){b, 0}).f

START_TEST(powers_of_integers_wrap_and_inverses_vanish)
{
    ck_assert_int_eq(INT_OF("pow.Tensor_Tensor", CR_I64, 3, 5), 243);
    ck_assert_int_eq(INT_OF("pow.Tensor_Tensor", CR_I32, -2, 31), INT32_MIN);
    ck_assert_int_eq(INT_OF("pow.Tensor_Tensor", CR_I8, 2, 9), 0);
    ck_assert_int_eq(INT_OF("pow.Tensor_Tensor", CR_I16, 5, -1), 0);
    ck_assert_int_eq(INT_OF("pow.Tensor_Tensor", CR_I16, -1, -3), -1);
    ck_assert_int_eq(INT_OF("pow.Tensor_Tensor", CR_U8, 0, 0), 1);
}
END_TEST

START_TEST(shifts_past_the_width_push_everything_out)
{
    ck_assert_int_eq(INT_OF("bitwise_left_shift.Tensor", CR_I32, 1, 31), INT32_MIN);
    ck_assert_int_eq(INT_OF("bitwise_left_shift.Tensor", CR_I32, 1, 32), 0);
    ck_assert_int_eq(INT_OF("bitwise_left_shift.Tensor", CR_I8, 3, 7), -128);
    ck_assert_int_eq(INT_OF("bitwise_right_shift.Tensor", CR_I64, -5, 1), -3);
    ck_assert_int_eq(INT_OF("bitwise_right_shift.Tensor", CR_I64, -5, 64), -1);
    ck_assert_int_eq(INT_OF("bitwise_right_shift.Tensor", CR_U8, 200, 3), 25);
    ck_assert_int_eq(INT_OF("bitwise_right_shift.Tensor", CR_U8, 200, 8), 0);
}
END_TEST

START_TEST(a_neighbour_is_one_step_away_in_every_float)
{
    ck_assert(F_OF("nextafter", CR_F64, 1, 2) == 1 + 0x1p-52);
    ck_assert(F_OF("nextafter", CR_F32, 1, 2) == 1 + 0x1p-23);
    ck_assert(F_OF("nextafter", CR_F16, 1, 2) == 1 + 0x1p-10);
    ck_assert(F_OF("nextafter", CR_BF16, 1, 2) == 1 + 0x1p-7);
    ck_assert(F_OF("nextafter", CR_F16, 0, -1) == -0x1p-24);
    ck_assert(F_OF("nextafter", CR_F16, -1, 2) == -1 + 0x1p-11);
    ck_assert(isnan(F_OF("nextafter", CR_BF16, NAN, 2)));
}
END_TEST

START_TEST(special_functions_take_their_known_values)
{
    static const struct {
        const char *name;
        double x, y;
    } known[] = {{"digamma", 1, -0.57721566490153286},
                 {"digamma", 0.5, -1.9635100260214235},
                 {"digamma", -0.5, 0.036489973978576520},
                 {"digamma", 20, 2.9705239922421491},
                 {"erfinv", 0.5, 0.47693627620446987},
                 {"erfinv", -0.95, -1.3859038243496779},
                 {"erfinv", 1, INFINITY},
                 {"erfinv", 1.5, NAN},
                 {"digamma", -3, NAN}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        for (int32_t dtype = CR_F64; dtype <= CR_F32; dtype++) {
            value x = value_new(dtype, 0, NULL, DENSE), y = value_new(dtype, 0, NULL, DENSE);
            operation op = {.name = known[k].name, .nin = 1, .nout = 1, .in = {&x}, .out = {&y}};
            value_set(&x, 0, (cell){known[k].x, 0});
            ck_assert_int_eq(operation_run(&op), CR_OK);
            cell want = value_round(dtype, (cell){known[k].y, 0});
            double error = dtype == CR_F64 ? 64 : known[k].x == -0.95 || known[k].x == -0.5 ? 8 : 1;
            ck_assert_msg(cells_apart(dtype, value_get(&y, 0), want) <= error, "%s(%g) is %.17g",
                          known[k].name, known[k].x, value_get(&y, 0).f);
            value_free(&x);
            value_free(&y);
        }
}
END_TEST

/* Large enough for threads and streaming stores. */
START_TEST(threads_do_not_change_results)
{
    static const char *const names[] = {"add.Tensor", "pow.Tensor_Tensor", "maximum"};
    const int64_t size[2] = {1031, 1777};
    value a = value_new(CR_F32, 2, size, DENSE), b = value_new(CR_F32, 2, size, TURNED);
    value one = value_new(CR_F32, 2, size, DENSE), two = value_new(CR_F32, 2, size, DENSE);
    value_fill(&a, 1, false);
    value_fill(&b, 2, false);
    operation op = {.name = names[_i], .nin = 2, .nout = 1, .in = {&a, &b}, .out = {&one}};
    host_threads = 1;
    ck_assert_int_eq(operation_run(&op), CR_OK);
    op.out[0] = &two;
    host_threads = 3;
    ck_assert_int_eq(operation_run(&op), CR_OK);
    host_threads = 2;
    ck_assert(memcmp(one.memory, two.memory, one.bytes) == 0);
    value_free(&a);
    value_free(&b);
    value_free(&one);
    value_free(&two);
}
END_TEST

START_TEST(large_outputs_past_the_caches_are_whole)
{
    const int64_t size[1] = {(int64_t)9 << 20 | 5};
    value a = value_new(CR_F32, 1, size, DENSE), c = value_new(CR_F32, 1, size, DENSE);
    operation op = {.name = "add.Tensor", .nin = 2, .nout = 1, .in = {&a, &a}, .out = {&c}};
    for (int64_t i = 0; i < size[0]; i++)
        ((float *)(void *)a.memory)[i] = (float)(i % 1000);
    ck_assert_int_eq(operation_run(&op), CR_OK);
    for (int64_t i = 0; i < size[0]; i++)
        ck_assert(((float *)(void *)c.memory)[i] == (float)(i % 1000) * 2);
    value_free(&a);
    value_free(&c);
}
END_TEST

static double gelu_slope(double x)
{
    return 0.5 * erfc(-x / sqrt(2)) + x * exp(-0.5 * x * x) / sqrt(8 * atan(1));
}

/* Longer work is done by pieces there, with a rest at the end; infinity has a slope, too. */
START_TEST(longer_work_on_large_values_is_whole)
{
    static const char *const names[] = {"tanh", "gelu", "gelu_backward"};
    const int64_t size[1] = {70001};
    for (int32_t dtype = CR_F64; dtype <= CR_BF16; dtype++) {
        value x = value_new(dtype, 1, size, DENSE), g = value_new(dtype, 1, size, DENSE);
        value y = value_new(dtype, 1, size, DENSE);
        for (int64_t i = 0; i < size[0]; i++) {
            value_set(&x, i, (cell){(double)(i - 35000) / 2500, 0});
            value_set(&g, i, (cell){(double)(i % 7) - 3, 0});
        }
        operation op = {.name = names[_i], .nin = 1, .nout = 1, .in = {&x}, .out = {&y}};
        if (_i == 2) {
            value_set(&x, 3, (cell){-INFINITY, 0});
            value_set(&x, size[0] - 2, (cell){INFINITY, 0});
            value_set(&x, 4, (cell){NAN, 0});
            op.nin = 2, op.in[0] = &g, op.in[1] = &x;
        }
        const cr_status status = operation_run(&op);
        ck_assert(status == CR_OK || (status == CR_UNSUPPORTED && host_few));
        for (int64_t i = 0; i < size[0] && status == CR_OK; i++) {
            const double at = value_get(&x, i).f, got = value_get(&y, i).f;
            double want = _i == 0 ? tanh(at) : 0.5 * at * erfc(-at / sqrt(2));
            if (_i == 2)
                want = value_get(&g, i).f * (isinf(at) ? at > 0 : gelu_slope(at));
            const bool same = host_few && !isfinite(at) ? true : isnan(want) ? isnan(got) : false;
            const double apart = is_float(dtype) && dtype_bytes(dtype) == 2
                                     ? cells_apart(dtype, (cell){got, 0}, (cell){want, 0})
                                     : 2;
            ck_assert_msg(same || fabs(got - want) < 2e-6 || apart <= 1,
                          "%s(%g) of dtype %d is %g, not %g", names[_i], at, dtype, got, want);
        }
        value_free(&x);
        value_free(&g);
        value_free(&y);
    }
}
END_TEST

Suite *elementwise_suite(void)
{
    Suite *suite = suite_create("elementwise");
    TCase *tc = tcase_create("elementwise");
    int count = sizeof formulas / sizeof *formulas;
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, every_operation_agrees_with_its_formula, 0, count);
    tcase_add_loop_test(tc, every_operation_may_run_in_place, 0, count);
    tcase_add_test(tc, powers_of_integers_wrap_and_inverses_vanish);
    tcase_add_test(tc, shifts_past_the_width_push_everything_out);
    tcase_add_test(tc, a_neighbour_is_one_step_away_in_every_float);
    tcase_add_test(tc, special_functions_take_their_known_values);
    tcase_add_loop_test(tc, threads_do_not_change_results, 0, 3);
    tcase_add_test(tc, large_outputs_past_the_caches_are_whole);
    tcase_add_loop_test(tc, longer_work_on_large_values_is_whole, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
