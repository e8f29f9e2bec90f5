/* ONNX's operators that work element by element, and its reductions. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/io/onnx.h"

#define X          onnx_in(run, 0)
#define Y          onnx_in(run, 1)
#define Z          onnx_in(run, 2)
#define OUT(value) return onnx_out(run, 0, value)

/* ---- one input ---- */

#define UNARY(name, expression)     \
    static bool name(onnx_run *run) \
    {                               \
        cr_tensor *x = X;           \
        OUT(expression);            \
    }
UNARY(op_abs, cr_abs(x))
UNARY(op_acos, cr_acos(x))
UNARY(op_acosh, cr_acosh(x))
UNARY(op_asin, cr_asin(x))
UNARY(op_asinh, cr_asinh(x))
UNARY(op_atan, cr_atan(x))
UNARY(op_atanh, cr_atanh(x))
UNARY(op_ceil, cr_ceil(x))
UNARY(op_cos, cr_cos(x))
UNARY(op_cosh, cr_cosh(x))
UNARY(op_erf, cr_erf(x))
UNARY(op_exp, cr_exp(x))
UNARY(op_floor, cr_floor(x))
UNARY(op_identity, cr_alias(x))
UNARY(op_isnan, cr_isnan(x))
UNARY(op_log, cr_log(x))
UNARY(op_neg, cr_neg(x))
UNARY(op_not, cr_logical_not(x))
UNARY(op_reciprocal, cr_reciprocal(x))
UNARY(op_relu, cr_relu(x))
UNARY(op_round, cr_round(x))
UNARY(op_sigmoid, cr_sigmoid(x))
UNARY(op_sign, cr_sign(x))
UNARY(op_sin, cr_sin(x))
UNARY(op_sinh, cr_sinh(x))
UNARY(op_softsign, cr_softsign(x))
UNARY(op_sqrt, cr_sqrt(x))
UNARY(op_tan, cr_tan(x))
UNARY(op_tanh, cr_tanh(x))
UNARY(op_hardswish, cr_hardswish(x))
UNARY(op_softplus, cr_softplus(x, .threshold = CR_S(DBL_MAX)))
UNARY(op_celu, cr_celu(x, .alpha = CR_S(onnx_float(run, "alpha", 1))))
UNARY(op_elu, cr_elu(x, .alpha = CR_S(onnx_float(run, "alpha", 1))))
UNARY(op_leaky_relu, cr_leaky_relu(x, .negative_slope = CR_S(onnx_float(run, "alpha", 0.01))))
UNARY(op_thresholded_relu,
      cr_mul(x, cr_to_dtype(cr_gt_scalar(x, onnx_float(run, "alpha", 1)), cr_tensor_dtype(x))))
UNARY(op_hard_sigmoid, cr_clamp(cr_add_scalar(cr_mul_scalar(x, onnx_float(run, "alpha", 0.2)),
                                              onnx_float(run, "beta", 0.5)),
                                .min = CR_S(0), .max = CR_S(1)))

static bool op_selu(onnx_run *run)
{
    double alpha = onnx_float(run, "alpha", 1.67326319217681884765625);
    double gamma = onnx_float(run, "gamma", 1.05070102214813232421875);
    OUT(cr_mul_scalar(cr_elu(X, .alpha = CR_S(alpha)), gamma));
}

static bool op_isinf(onnx_run *run)
{
    bool negative = onnx_int(run, "detect_negative", 1),
         positive = onnx_int(run, "detect_positive", 1);
    cr_tensor *x = X;
    if (negative && positive)
        OUT(cr_isinf(x));
    OUT(negative ? cr_isneginf(x) : positive ? cr_isposinf(x) : cr_zeros_like(cr_isinf(x)));
}

static bool op_shrink(onnx_run *run)
{
    double lambda = onnx_float(run, "lambd", 0.5), bias = onnx_float(run, "bias", 0);
    cr_tensor *x = X, *zero = cr_zeros_like(x);
    cr_tensor *low = cr_where(cr_lt_scalar(x, -lambda),
                              cr_to_dtype(cr_add_scalar(x, bias), cr_tensor_dtype(x)), zero);
    OUT(cr_where(cr_gt_scalar(x, lambda), cr_to_dtype(cr_sub_scalar(x, bias), cr_tensor_dtype(x)),
                 low));
}

static bool op_cast(onnx_run *run)
{
    int64_t to = onnx_int(run, "to", 0);
    cr_dtype dtype = onnx_dtype(to);
    if (!dtype)
        return onnx_fail(run, "ONNX's type %lld is not supported", (long long)to);
    OUT(cr_to_dtype(X, dtype));
}

static bool op_cast_like(onnx_run *run)
{
    if (!X || !Y)
        return false;
    OUT(cr_to_dtype(X, cr_tensor_dtype(Y)));
}

static bool op_clip(onnx_run *run)
{
    cr_tensor *x = X, *low = Y, *high = Z;
    const onnx_attribute *min = onnx_find(run, "min"), *max = onnx_find(run, "max");
    if (min)
        x = cr_clamp_min(x, CR_S((double)min->f));
    if (max)
        x = cr_clamp_max(x, CR_S((double)max->f));
    if (low)
        x = cr_maximum(x, low);
    if (high)
        x = cr_minimum(x, high);
    OUT(x == X ? cr_alias(x) : x);
}

static bool op_dropout(onnx_run *run)
{
    if (Z && cr_item(Z) != 0 && onnx_number(run, 1, NULL, 0.5) != 0)
        return onnx_fail(run, "training mode is not supported");
    cr_tensor *x = X;
    onnx_out(run, 1, cr_to_dtype(cr_ones_like(x), CR_B8));
    OUT(cr_alias(x));
}

/* ---- two and more ---- */

#define BINARY(name, expression)    \
    static bool name(onnx_run *run) \
    {                               \
        cr_tensor *x = X, *y = Y;   \
        OUT(expression);            \
    }
BINARY(op_add, cr_add(x, y))
BINARY(op_sub, cr_sub(x, y))
BINARY(op_mul, cr_mul(x, y))
BINARY(op_equal, cr_eq(x, y))
BINARY(op_less, cr_lt(x, y))
BINARY(op_less_equal, cr_le(x, y))
BINARY(op_greater, cr_gt(x, y))
BINARY(op_greater_equal, cr_ge(x, y))
BINARY(op_and, cr_logical_and(x, y))
BINARY(op_or, cr_logical_or(x, y))
BINARY(op_xor, cr_logical_xor(x, y))
BINARY(op_pow, cr_to_dtype(cr_pow(x, y), cr_tensor_dtype(x)))
BINARY(op_prelu, cr_where(cr_lt_scalar(x, 0), cr_mul(x, y), x))

static bool op_div(onnx_run *run)
{
    if (cr_is_floating_point(X))
        OUT(cr_div(X, Y));
    OUT(cr_div_mode(X, Y, "trunc"));
}

static bool op_mod(onnx_run *run)
{
    OUT(onnx_int(run, "fmod", 0) ? cr_fmod(X, Y) : cr_remainder(X, Y));
}

static bool op_bit_shift(onnx_run *run)
{
    bool left = !strcmp(onnx_text(run, "direction", ""), "LEFT");
    OUT(left ? cr_bitwise_left_shift(X, Y) : cr_bitwise_right_shift(X, Y));
}

static bool op_where(onnx_run *run)
{
    OUT(cr_where(X, Y, Z));
}

/* Folds all inputs with a function of two. */
static bool fold(onnx_run *run, cr_tensor *(*join)(cr_tensor *, cr_tensor *), bool mean)
{
    cr_tensor *result = X ? cr_alias(X) : NULL;
    for (size_t i = 1; i < run->node->ninputs; i++)
        result = join(result, onnx_in(run, i));
    if (mean)
        result = cr_div_scalar(result, (double)run->node->ninputs);
    OUT(result);
}

static cr_tensor *add_two(cr_tensor *a, cr_tensor *b)
{
    return cr_add(a, b);
}

static bool op_sum(onnx_run *run)
{
    return fold(run, add_two, false);
}

static bool op_mean(onnx_run *run)
{
    return fold(run, add_two, true);
}

static bool op_max(onnx_run *run)
{
    return fold(run, cr_maximum, false);
}

static bool op_min(onnx_run *run)
{
    return fold(run, cr_minimum, false);
}

/* ---- reductions ---- */

typedef enum reduction {
    R_SUM,
    R_MEAN,
    R_PROD,
    R_MAX,
    R_MIN,
    R_L1,
    R_L2,
    R_LOG_SUM,
    R_LOG_SUM_EXP,
    R_SQUARE
} reduction;

static cr_tensor *reduce_over(cr_tensor *x, reduction how, cr_ints dims, bool keep)
{
    cr_dtype dtype = cr_tensor_dtype(x);
    switch (how) {
    case R_SUM: return cr_sum_dim(x, dims, .keepdim = keep, .dtype = dtype);
    case R_MEAN:
        if (!cr_is_floating_point(x))
            return cr_to_dtype(cr_mean_dim(cr_to_dtype(x, CR_F64), dims, .keepdim = keep), dtype);
        return cr_mean_dim(x, dims, .keepdim = keep);
    case R_PROD:
        for (int64_t i = dims.count; i-- > 0;)
            x = cr_prod_dim(x, dims.data[i], .keepdim = keep, .dtype = dtype);
        return x;
    case R_MAX: return cr_amax(x, .dim = dims, .keepdim = keep);
    case R_MIN: return cr_amin(x, .dim = dims, .keepdim = keep);
    case R_L1: return cr_sum_dim(cr_abs(x), dims, .keepdim = keep, .dtype = dtype);
    case R_L2: return cr_sqrt(cr_sum_dim(cr_mul(x, x), dims, .keepdim = keep, .dtype = dtype));
    case R_LOG_SUM: return cr_log(cr_sum_dim(x, dims, .keepdim = keep, .dtype = dtype));
    case R_LOG_SUM_EXP: return cr_logsumexp(x, dims, .keepdim = keep);
    case R_SQUARE: return cr_sum_dim(cr_mul(x, x), dims, .keepdim = keep, .dtype = dtype);
    }
    return NULL;
}

static bool reduce(onnx_run *run, reduction how)
{
    cr_tensor *x = X;
    if (!x)
        return false;
    int64_t axes[ONNX_INTS], dims[CR_MAX_RANK];
    bool seen[CR_MAX_RANK] = {0};
    int rank = cr_tensor_dim(x), count = onnx_ints(run, 1, "axes", axes), n = 0;
    if (count < -1)
        return false;
    if (count < 1 && onnx_int(run, "noop_with_empty_axes", 0))
        OUT(cr_alias(x));
    for (int i = 0; i < count; i++) {
        int axis = onnx_axis(run, axes[i], rank);
        if (axis < 0)
            return false;
        seen[axis] = true;
    }
    for (int i = 0; i < rank; i++)
        if (count < 1 || seen[i])
            dims[n++] = i;
    bool keep = onnx_int(run, "keepdims", 1);
    OUT(reduce_over(x, how, cr_make_ints(dims, (size_t)n), keep));
}

#define REDUCE(name, how)           \
    static bool name(onnx_run *run) \
    {                               \
        return reduce(run, how);    \
    }
REDUCE(reduce_sum, R_SUM)
REDUCE(reduce_mean, R_MEAN)
REDUCE(reduce_prod, R_PROD)
REDUCE(reduce_max, R_MAX)
REDUCE(reduce_min, R_MIN)
REDUCE(reduce_l1, R_L1)
REDUCE(reduce_l2, R_L2)
REDUCE(reduce_log_sum, R_LOG_SUM)
REDUCE(reduce_log_sum_exp, R_LOG_SUM_EXP)
REDUCE(reduce_square, R_SQUARE)

/* The first of several equal extremes, or with select_last_index the last. */
static bool arg_extreme(onnx_run *run, bool largest)
{
    cr_tensor *x = X;
    int axis = x ? onnx_axis(run, onnx_int(run, "axis", 0), cr_tensor_dim(x)) : -1;
    if (axis < 0)
        return false;
    bool keep = onnx_int(run, "keepdims", 1), last = onnx_int(run, "select_last_index", 0);
    if (last)
        x = cr_flip(x, CR_INTS(axis));
    cr_tensor *at = largest ? cr_argmax(x, .dim = CR_SOME(axis), .keepdim = keep)
                            : cr_argmin(x, .dim = CR_SOME(axis), .keepdim = keep);
    OUT(last ? cr_rsub_scalar(at, cr_tensor_size(x, axis) - 1) : at);
}

static bool op_argmax(onnx_run *run)
{
    return arg_extreme(run, true);
}

static bool op_argmin(onnx_run *run)
{
    return arg_extreme(run, false);
}

static bool op_cumsum(onnx_run *run)
{
    cr_tensor *x = X;
    int axis = x && Y ? onnx_axis(run, cr_item_int(Y), cr_tensor_dim(x)) : -1;
    if (axis < 0)
        return false;
    bool reverse = onnx_int(run, "reverse", 0);
    if (reverse)
        x = cr_flip(x, CR_INTS(axis));
    cr_tensor *sum = cr_cumsum(x, axis, .dtype = cr_tensor_dtype(x));
    if (onnx_int(run, "exclusive", 0))
        sum = cr_sub(sum, x);
    OUT(reverse ? cr_flip(sum, CR_INTS(axis)) : sum);
}

const onnx_entry onnx_math_operators[] = {{"Abs", op_abs},
                                          {"Acos", op_acos},
                                          {"Acosh", op_acosh},
                                          {"Add", op_add},
                                          {"And", op_and},
                                          {"ArgMax", op_argmax},
                                          {"ArgMin", op_argmin},
                                          {"Asin", op_asin},
                                          {"Asinh", op_asinh},
                                          {"Atan", op_atan},
                                          {"Atanh", op_atanh},
                                          {"BitShift", op_bit_shift},
                                          {"Cast", op_cast},
                                          {"CastLike", op_cast_like},
                                          {"Ceil", op_ceil},
                                          {"Celu", op_celu},
                                          {"Clip", op_clip},
                                          {"Cos", op_cos},
                                          {"Cosh", op_cosh},
                                          {"CumSum", op_cumsum},
                                          {"Div", op_div},
                                          {"Dropout", op_dropout},
                                          {"Elu", op_elu},
                                          {"Equal", op_equal},
                                          {"Erf", op_erf},
                                          {"Exp", op_exp},
                                          {"Floor", op_floor},
                                          {"Greater", op_greater},
                                          {"GreaterOrEqual", op_greater_equal},
                                          {"HardSigmoid", op_hard_sigmoid},
                                          {"HardSwish", op_hardswish},
                                          {"Identity", op_identity},
                                          {"IsInf", op_isinf},
                                          {"IsNaN", op_isnan},
                                          {"LeakyRelu", op_leaky_relu},
                                          {"Less", op_less},
                                          {"LessOrEqual", op_less_equal},
                                          {"Log", op_log},
                                          {"Max", op_max},
                                          {"Mean", op_mean},
                                          {"Min", op_min},
                                          {"Mod", op_mod},
                                          {"Mul", op_mul},
                                          {"Neg", op_neg},
                                          {"Not", op_not},
                                          {"Or", op_or},
                                          {"Pow", op_pow},
                                          {"PRelu", op_prelu},
                                          {"Reciprocal", op_reciprocal},
                                          {"ReduceL1", reduce_l1},
                                          {"ReduceL2", reduce_l2},
                                          {"ReduceLogSum", reduce_log_sum},
                                          {"ReduceLogSumExp", reduce_log_sum_exp},
                                          {"ReduceMax", reduce_max},
                                          {"ReduceMean", reduce_mean},
                                          {"ReduceMin", reduce_min},
                                          {"ReduceProd", reduce_prod},
                                          {"ReduceSum", reduce_sum},
                                          {"ReduceSumSquare", reduce_square},
                                          {"Relu", op_relu},
                                          {"Round", op_round},
                                          {"Selu", op_selu},
                                          {"Shrink", op_shrink},
                                          {"Sigmoid", op_sigmoid},
                                          {"Sign", op_sign},
                                          {"Sin", op_sin},
                                          {"Sinh", op_sinh},
                                          {"Softplus", op_softplus},
                                          {"Softsign", op_softsign},
                                          {"Sqrt", op_sqrt},
                                          {"Sub", op_sub},
                                          {"Sum", op_sum},
                                          {"Tan", op_tan},
                                          {"Tanh", op_tanh},
                                          {"ThresholdedRelu", op_thresholded_relu},
                                          {"Where", op_where},
                                          {"Xor", op_xor},
                                          {NULL, NULL}};
