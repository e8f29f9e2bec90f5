/* ONNX's operators on quantised numbers: 8 bits with a scale and a zero point. Products are computed in float64, which holds their
 * integers exactly; quotients in float32, as their roundings are told in. */
#include "core/io/onnx.h"

#define IN(i) onnx_in(run, i)

/* A scale or a zero point along an axis, shaped to broadcast with x. */
static cr_tensor *along(const onnx_run *run, cr_tensor *t, cr_tensor *x, int64_t axis)
{
    int64_t sizes[CR_MAX_RANK];
    if (!t || cr_tensor_numel(t) == 1)
        return t ? cr_reshape(t, CR_EMPTY) : NULL;
    int at = onnx_axis(run, axis, cr_tensor_dim(x));
    for (int i = 0; i < cr_tensor_dim(x); i++)
        sizes[i] = i == at ? -1 : 1;
    return at < 0 ? NULL : cr_reshape(t, cr_make_ints(sizes, (size_t)cr_tensor_dim(x)));
}

static cr_tensor *wide(cr_tensor *t)
{
    return t ? cr_to_dtype(t, CR_F64) : NULL;
}

/* round(x) + zero, kept within the dtype of zero. */
static cr_tensor *saturate(cr_tensor *x, cr_tensor *zero, cr_dtype dtype)
{
    x = cr_round(x);
    if (zero)
        x = cr_add(x, wide(zero));
    double low = dtype == CR_U8 ? 0 : -128, high = dtype == CR_U8 ? 255 : 127;
    return cr_to_dtype(cr_clamp(x, .min = CR_S(low), .max = CR_S(high)), dtype);
}

static cr_tensor *centred(cr_tensor *x, cr_tensor *zero)
{
    return zero ? cr_sub(wide(x), wide(zero)) : wide(x);
}

static bool op_quantize(onnx_run *run)
{
    cr_tensor *x = IN(0);
    if (!x || !IN(1))
        return false;
    int64_t axis = onnx_int(run, "axis", 1);
    cr_tensor *scale = along(run, IN(1), x, axis), *zero = along(run, IN(2), x, axis);
    cr_dtype dtype = zero ? cr_tensor_dtype(zero) : CR_U8;
    if (dtype != CR_U8 && dtype != CR_I8)
        return onnx_fail(run, "quantising to %s is not supported", cr_dtype_name(dtype));
    return onnx_out(run, 0,
                    saturate(cr_div(cr_to_dtype(x, cr_tensor_dtype(scale)), scale), zero, dtype));
}

static bool op_dequantize(onnx_run *run)
{
    cr_tensor *x = IN(0);
    if (!x || !IN(1))
        return false;
    int64_t axis = onnx_int(run, "axis", 1);
    cr_tensor *scale = along(run, IN(1), x, axis), *zero = along(run, IN(2), x, axis);
    return onnx_out(
        run, 0,
        scale ? cr_to_dtype(cr_mul(centred(x, zero), wide(scale)), cr_tensor_dtype(scale)) : NULL);
}

static bool op_dynamic_quantize(onnx_run *run)
{
    cr_tensor *x = IN(0);
    cr_tensor *low = cr_clamp_max(cr_min(x), CR_S(0.0)), *high = cr_clamp_min(cr_max(x), CR_S(0.0));
    cr_tensor *scale = cr_div_scalar(cr_sub(high, low), 255.0);
    cr_tensor *zero = saturate(cr_div(cr_neg(low), scale), NULL, CR_U8);
    onnx_out(run, 1, scale);
    onnx_out(run, 2, zero);
    return onnx_out(run, 0, saturate(cr_div(x, scale), zero, CR_U8));
}

static bool op_matmul_integer(onnx_run *run)
{
    cr_tensor *zero = IN(2) && cr_tensor_numel(IN(2)) > 1 ? cr_unsqueeze(IN(2), -1) : IN(2);
    return onnx_out(run, 0,
                    cr_to_dtype(cr_matmul(centred(IN(0), zero), centred(IN(1), IN(3))), CR_I32));
}

static bool op_qlinear_matmul(onnx_run *run)
{
    cr_tensor *y = cr_matmul(centred(IN(0), IN(2)), centred(IN(3), IN(5)));
    if (!y || !IN(6) || !IN(7))
        return false;
    y = cr_div(cr_mul(y, cr_mul(wide(IN(1)), wide(IN(4)))), wide(IN(6)));
    return onnx_out(run, 0, saturate(y, IN(7), cr_tensor_dtype(IN(7))));
}

/* A zero point or scale of each output channel, for a weight or (with `out`) for the output. */
static cr_tensor *of_channels(cr_tensor *t, const cr_tensor *like, bool out)
{
    int64_t sizes[CR_MAX_RANK];
    if (!t || cr_tensor_numel(t) == 1)
        return t ? cr_reshape(t, CR_EMPTY) : NULL;
    for (int i = 0; i < cr_tensor_dim(like); i++)
        sizes[i] = i == out ? -1 : 1;
    return cr_reshape(t, cr_make_ints(sizes, (size_t)cr_tensor_dim(like)));
}

static bool op_conv_integer(onnx_run *run)
{
    cr_tensor *x = IN(0), *w = IN(1);
    if (!x || !w)
        return false;
    cr_tensor *y =
        onnx_convolve(run, centred(x, IN(2)), centred(w, of_channels(IN(3), w, false)), NULL);
    return onnx_out(run, 0, y ? cr_to_dtype(y, CR_I32) : NULL);
}

static bool op_qlinear_conv(onnx_run *run)
{
    cr_tensor *x = IN(0), *w = IN(3), *scale = IN(4);
    if (!x || !w || !scale || !IN(1) || !IN(6) || !IN(7))
        return false;
    cr_tensor *y = onnx_convolve(run, centred(x, IN(2)), centred(w, of_channels(IN(5), w, false)),
                                 wide(IN(8)));
    if (!y)
        return false;
    scale = cr_mul(wide(of_channels(scale, y, true)), wide(cr_reshape(IN(1), CR_EMPTY)));
    y = cr_div(cr_mul(y, scale), wide(cr_reshape(IN(6), CR_EMPTY)));
    return onnx_out(run, 0, saturate(y, cr_reshape(IN(7), CR_EMPTY), cr_tensor_dtype(IN(7))));
}

const onnx_entry onnx_quantized_operators[] = {
    {"ConvInteger", op_conv_integer},     {"DequantizeLinear", op_dequantize},
    {"QLinearConv", op_qlinear_conv},     {"DynamicQuantizeLinear", op_dynamic_quantize},
    {"MatMulInteger", op_matmul_integer}, {"QLinearMatMul", op_qlinear_matmul},
    {"QuantizeLinear", op_quantize},      {NULL, NULL}};
