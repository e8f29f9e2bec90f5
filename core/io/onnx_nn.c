/* ONNX's layers: convolution, normalisation, products, losses. */
#include <string.h>

#include "core/io/onnx.h"
#include "core/io/onnx_resize.h"
#include "core/io/onnx_window.h"

#define X          onnx_in(run, 0)
#define Y          onnx_in(run, 1)
#define Z          onnx_in(run, 2)
#define OUT(value) return onnx_out(run, 0, value)

/* ---- convolution ---- */

cr_tensor *onnx_convolve(const onnx_run *run, cr_tensor *x, cr_tensor *weight, cr_tensor *bias)
{
    onnx_window w;
    if (!x || !weight || !onnx_read_window(run, x, weight, &w))
        return NULL;
    if (!w.symmetric)
        x = onnx_pad_window(&w, x, 0);
    const int64_t none[ONNX_SPACE] = {0};
    return cr_convolution(x, weight, bias, onnx_window_ints(&w, w.stride),
                          onnx_window_ints(&w, w.pads), onnx_window_ints(&w, w.dilation), false,
                          onnx_window_ints(&w, none), onnx_int(run, "group", 1));
}

static bool op_conv(onnx_run *run)
{
    OUT(onnx_convolve(run, X, Y, Z));
}

static bool op_conv_transpose(onnx_run *run)
{
    cr_tensor *x = X, *weight = Y;
    onnx_window w;
    int64_t extra[ONNX_SPACE], shape[ONNX_SPACE];
    const int64_t none[ONNX_SPACE] = {0};
    if (!x || !weight || !onnx_read_window(run, x, weight, &w) ||
        !onnx_list(run, "output_padding", w.n, 0, extra) ||
        !onnx_list(run, "output_shape", w.n, 0, shape))
        return false;
    const char *pad = onnx_text(run, "auto_pad", "NOTSET");
    bool same = !strncmp(pad, "SAME", 4), given = onnx_find(run, "output_shape");
    cr_tensor *y = cr_convolution(x, weight, Z, onnx_window_ints(&w, w.stride),
                                  onnx_window_ints(&w, none), onnx_window_ints(&w, w.dilation),
                                  true, onnx_window_ints(&w, none), onnx_int(run, "group", 1));
    for (size_t i = 0; i < w.n && y; i++) {
        int dim = (int)i + 2;
        int64_t full = cr_tensor_size(y, dim) + extra[i], begin = w.pads[i];
        int64_t size = full - begin - w.pads[w.n + i];
        if (given || same) {
            size = given ? shape[i] : cr_tensor_size(x, dim) * w.stride[i];
            int64_t total = full - size;
            begin = total < 0 ? 0 : strcmp(pad, "SAME_UPPER") ? total - total / 2 : total / 2;
        }
        if (size < 0 || size > (int64_t)1 << 40)
            return onnx_fail(run, "its pads are larger than the output");
        /* what output_padding and output_shape add lies behind the last element */
        int64_t behind = begin + size - cr_tensor_size(y, dim);
        if (behind > 0) {
            int64_t list[2 * ONNX_SPACE] = {0};
            list[2 * (w.n - 1 - i) + 1] = behind;
            y = cr_constant_pad_nd(y, cr_make_ints(list, 2 * w.n));
            if (Z && y) {
                int64_t sizes[CR_MAX_RANK] = {1, -1, 1, 1, 1};
                cr_tensor *edge = cr_narrow(y, dim, begin + size - behind, behind);
                cr_add_(edge, cr_reshape(Z, cr_make_ints(sizes, w.n + 2)));
            }
        }
        y = cr_narrow(y, dim, begin, size);
    }
    OUT(y);
}

/* ---- normalisation ---- */

/* By the batch's own mean and variance, which go into the running ones. */
static bool batch_norm_training(onnx_run *run)
{
    cr_tensor *x = X, *mean, *variance, *old[2] = {onnx_in(run, 3), onnx_in(run, 4)};
    int64_t dims[CR_MAX_RANK] = {0};
    double momentum = onnx_float(run, "momentum", 0.9);
    int rank = x ? cr_tensor_dim(x) : 0;
    if (rank < 2 || !old[0] || !old[1])
        return x && old[0] && old[1] ? onnx_fail(run, "needs two dimensions at least") : false;
    for (int i = 2; i < rank; i++)
        dims[i - 1] = i;
    mean = cr_mean_dim(x, cr_make_ints(dims, (size_t)rank - 1));
    variance = cr_var_dim(x, cr_make_ints(dims, (size_t)rank - 1), .no_unbiased = true);
    cr_tensor *now[] = {mean, variance};
    for (size_t i = 0; i < 2; i++)
        if (!onnx_out(run, i + 1,
                      cr_add(cr_mul_scalar(old[i], momentum), cr_mul_scalar(now[i], 1 - momentum))))
            return false;
    OUT(cr_f_batch_norm(x, Y, Z, mean, variance, false, 0, onnx_float(run, "epsilon", 1e-5), true));
}

static bool op_batch_norm(onnx_run *run)
{
    if (onnx_int(run, "training_mode", 0))
        return batch_norm_training(run);
    OUT(cr_f_batch_norm(X, Y, Z, onnx_in(run, 3), onnx_in(run, 4), false, 0,
                        onnx_float(run, "epsilon", 1e-5), true));
}

static bool op_instance_norm(onnx_run *run)
{
    OUT(cr_f_instance_norm(X, Y, Z, NULL, NULL, true, 0, onnx_float(run, "epsilon", 1e-5), true));
}

static bool op_layer_norm(onnx_run *run)
{
    cr_tensor *x = X;
    int axis = x ? onnx_axis(run, onnx_int(run, "axis", -1), cr_tensor_dim(x)) : -1;
    if (axis < 0)
        return false;
    cr_ints shape = cr_make_ints(cr_tensor_sizes(x) + axis, (size_t)(cr_tensor_dim(x) - axis));
    cr_tensor *weight = Y ? cr_expand(Y, shape) : NULL, *bias = Z ? cr_expand(Z, shape) : NULL;
    cr_native_layer_norm_result r =
        cr_native_layer_norm(x, shape, weight, bias, onnx_float(run, "epsilon", 1e-5));
    onnx_out(run, 1, r.output1);
    onnx_out(run, 2, r.output2);
    OUT(r.output0);
}

static bool op_lrn(onnx_run *run)
{
    OUT(cr_f_local_response_norm(
        X, onnx_int(run, "size", 1), .alpha = CR_SOME(onnx_float(run, "alpha", 1e-4)),
        .beta = CR_SOME(onnx_float(run, "beta", 0.75)), .k = CR_SOME(onnx_float(run, "bias", 1))));
}

static bool op_mvn(onnx_run *run)
{
    cr_tensor *x = X;
    int64_t axes[ONNX_INTS] = {0, 2, 3};
    int count = onnx_ints(run, 1, "axes", axes);
    if (!x || count < -1)
        return false;
    cr_ints dims = cr_make_ints(axes, count < 0 ? 3 : (size_t)count);
    cr_tensor *centred = cr_sub(x, cr_mean_dim(x, dims, .keepdim = true));
    cr_tensor *deviation = cr_sqrt(cr_mean_dim(cr_mul(centred, centred), dims, .keepdim = true));
    OUT(cr_div(centred, cr_add_scalar(deviation, 1e-9)));
}

/* Before opset 13 everything from the axis on was one dimension. */
static cr_tensor *flat_from(const onnx_run *run, cr_tensor *x, int64_t *axis)
{
    bool old = run->model->opset && run->model->opset < 13;
    *axis = onnx_int(run, "axis", old ? 1 : -1);
    if (!x || !old)
        return x;
    int at = onnx_axis(run, *axis, cr_tensor_dim(x));
    int64_t outer = 1;
    for (int i = 0; i < at; i++)
        outer *= cr_tensor_size(x, i);
    *axis = 1;
    return at < 0 ? NULL : cr_reshape(x, CR_INTS(outer, outer ? cr_tensor_numel(x) / outer : 0));
}

static bool softmax(onnx_run *run, cr_tensor *(*apply)(cr_tensor *, int64_t))
{
    int64_t axis;
    cr_tensor *x = X, *y = flat_from(run, x, &axis);
    y = y ? apply(y, axis) : NULL;
    OUT(y ? cr_reshape(y, cr_make_ints(cr_tensor_sizes(x), (size_t)cr_tensor_dim(x))) : NULL);
}

static cr_tensor *soft(cr_tensor *x, int64_t axis)
{
    return cr_softmax(x, axis);
}

static cr_tensor *log_soft(cr_tensor *x, int64_t axis)
{
    return cr_log_softmax(x, axis);
}

static cr_tensor *hard(cr_tensor *x, int64_t axis)
{
    cr_tensor *at = cr_argmax(x, .dim = CR_SOME(axis), .keepdim = true);
    return cr_scatter_value(cr_zeros_like(x), axis, at, CR_S(1));
}

static bool op_softmax(onnx_run *run)
{
    return softmax(run, soft);
}

static bool op_log_softmax(onnx_run *run)
{
    return softmax(run, log_soft);
}

static bool op_hardmax(onnx_run *run)
{
    return softmax(run, hard);
}

/* ---- products ---- */

static bool op_matmul(onnx_run *run)
{
    OUT(cr_matmul(X, Y));
}

static bool op_gemm(onnx_run *run)
{
    cr_tensor *a = X, *b = Y, *c = Z;
    double alpha = onnx_float(run, "alpha", 1), beta = onnx_float(run, "beta", 1);
    a = onnx_int(run, "transA", 0) ? cr_t(a) : a;
    b = onnx_int(run, "transB", 0) ? cr_t(b) : b;
    if (c)
        OUT(cr_addmm(c, a, b, .alpha = CR_S(alpha), .beta = CR_S(beta)));
    cr_tensor *y = cr_mm(a, b);
    OUT(alpha == 1 ? y : cr_mul_scalar(y, alpha));
}

static bool op_einsum(onnx_run *run)
{
    const char *equation = onnx_text(run, "equation", "");
    cr_tensor *list[CR_MAX_RANK];
    size_t n = run->node->ninputs;
    if (n > CR_MAX_RANK)
        return onnx_fail(run, "more than %d inputs are not supported", CR_MAX_RANK);
    for (size_t i = 0; i < n; i++)
        list[i] = onnx_in(run, i);
    OUT(cr_einsum(equation, cr_make_tensors(list, n)));
}

static bool op_det(onnx_run *run)
{
    OUT(cr_det(X));
}

/* ---- losses ---- */

static int reduction_of(const onnx_run *run)
{
    const char *how = onnx_text(run, "reduction", "mean");
    return !strcmp(how, "none") ? 0 : !strcmp(how, "sum") ? 2 : 1;
}

static bool op_nll_loss(onnx_run *run)
{
    OUT(cr_nll_loss(X, cr_to_dtype(Y, CR_I64), .weight = Z, .reduction = CR_SOME(reduction_of(run)),
                    .ignore_index = CR_SOME(onnx_int(run, "ignore_index", INT64_MIN))));
}

static bool op_softmax_cross_entropy(onnx_run *run)
{
    cr_tensor *scores = cr_log_softmax(X, 1);
    onnx_out(run, 1, scores);
    OUT(cr_nll_loss(scores, cr_to_dtype(Y, CR_I64), .weight = Z,
                    .reduction = CR_SOME(reduction_of(run)),
                    .ignore_index = CR_SOME(onnx_int(run, "ignore_index", INT64_MIN))));
}

static bool op_grid_sample(onnx_run *run)
{
    const char *mode = onnx_text(run, "mode", "bilinear"),
               *pad = onnx_text(run, "padding_mode", "zeros");
    int how = !strcmp(mode, "nearest") ? 1 : !strcmp(mode, "bicubic") ? 2 : 0;
    int edge = !strcmp(pad, "border") ? 1 : !strcmp(pad, "reflection") ? 2 : 0;
    OUT(cr_grid_sampler_2d(X, Y, how, edge, onnx_int(run, "align_corners", 0)));
}

const onnx_entry onnx_nn_operators[] = {{"BatchNormalization", op_batch_norm},
                                        {"Conv", op_conv},
                                        {"ConvTranspose", op_conv_transpose},
                                        {"Det", op_det},
                                        {"Einsum", op_einsum},
                                        {"Gemm", op_gemm},
                                        {"GridSample", op_grid_sample},
                                        {"Hardmax", op_hardmax},
                                        {"InstanceNormalization", op_instance_norm},
                                        {"LRN", op_lrn},
                                        {"LayerNormalization", op_layer_norm},
                                        {"LogSoftmax", op_log_softmax},
                                        {"MatMul", op_matmul},
                                        {"MeanVarianceNormalization", op_mvn},
                                        {"NegativeLogLikelihoodLoss", op_nll_loss},
                                        {"Resize", onnx_resize},
                                        {"Softmax", op_softmax},
                                        {"SoftmaxCrossEntropyLoss", op_softmax_cross_entropy},
                                        {"Upsample", onnx_resize},
                                        {NULL, NULL}};
