/* ONNX's layers: convolution, pooling, normalisation, products, losses. */
#include <math.h>
#include <string.h>

#include "core/base/text.h"
#include "core/io/onnx.h"
#include "core/io/onnx_resize.h"

#define X          onnx_in(run, 0)
#define Y          onnx_in(run, 1)
#define Z          onnx_in(run, 2)
#define OUT(value) return onnx_out(run, 0, value)

/* ---- windows: what convolution and pooling have in common ---- */

enum { SPACE = 3 };
typedef struct window {
    size_t n; /* spatial dimensions */
    int64_t kernel[SPACE], stride[SPACE], dilation[SPACE], pads[2 * SPACE];
    bool symmetric;
} window;

static int64_t reach(const window *w, size_t i)
{
    return w->dilation[i] * (w->kernel[i] - 1) + 1;
}

/* auto_pad: as much that the output is as large as the input over the stride. */
static void pad_same(window *w, const cr_tensor *x, bool lower)
{
    for (size_t i = 0; i < w->n; i++) {
        int64_t size = cr_tensor_size(x, (int)i + 2),
                out = (size + w->stride[i] - 1) / w->stride[i];
        int64_t total = (out - 1) * w->stride[i] + reach(w, i) - size;
        total = total > 0 ? total : 0;
        w->pads[i] = lower ? total - total / 2 : total / 2;
        w->pads[w->n + i] = total - w->pads[i];
    }
}

static bool read_window(const onnx_run *run, const cr_tensor *x, const cr_tensor *weight, window *w)
{
    int rank = cr_tensor_dim(x);
    if (rank < 3 || rank > 2 + SPACE)
        return onnx_fail(run, "needs one to %d spatial dimensions, the input has %d", SPACE,
                         rank - 2);
    w->n = (size_t)rank - 2;
    if (weight && cr_tensor_dim(weight) != rank)
        return onnx_fail(run, "the weight has %d dimensions, the input %d", cr_tensor_dim(weight),
                         rank);
    if (!onnx_list(run, "kernel_shape", w->n, 0, w->kernel) ||
        !onnx_list(run, "strides", w->n, 1, w->stride) ||
        !onnx_list(run, "dilations", w->n, 1, w->dilation) ||
        !onnx_list(run, "pads", 2 * w->n, 0, w->pads))
        return false;
    for (size_t i = 0; i < w->n; i++) {
        if (weight)
            w->kernel[i] = cr_tensor_size(weight, (int)i + 2);
        const int64_t most = 1 << 16;
        if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1 || w->pads[i] < 0 ||
            w->pads[w->n + i] < 0 || w->kernel[i] > most || w->stride[i] > most ||
            w->dilation[i] > most || w->pads[i] > most || w->pads[w->n + i] > most)
            return onnx_fail(run, "its kernel, strides, dilations or pads are out of range");
    }
    const char *pad = onnx_text(run, "auto_pad", "NOTSET");
    if (!strncmp(pad, "SAME", 4))
        pad_same(w, x, !strcmp(pad, "SAME_LOWER"));
    w->symmetric = !memcmp(w->pads, w->pads + w->n, w->n * sizeof *w->pads);
    return true;
}

static cr_ints ints(const window *w, const int64_t *list)
{
    return cr_make_ints(list, w->n);
}

/* Puts the padding into the input, so that the window has none. */
static cr_tensor *pad_input(window *w, cr_tensor *x, double value)
{
    int64_t list[2 * SPACE];
    for (size_t i = 0; i < w->n; i++) {
        list[2 * i] = w->pads[w->n - 1 - i];
        list[2 * i + 1] = w->pads[2 * w->n - 1 - i];
    }
    memset(w->pads, 0, sizeof w->pads);
    return cr_constant_pad_nd(x, cr_make_ints(list, 2 * w->n), .value = CR_S(value));
}

/* ---- convolution ---- */

cr_tensor *onnx_convolve(const onnx_run *run, cr_tensor *x, cr_tensor *weight, cr_tensor *bias)
{
    window w;
    if (!x || !weight || !read_window(run, x, weight, &w))
        return NULL;
    if (!w.symmetric)
        x = pad_input(&w, x, 0);
    const int64_t none[SPACE] = {0};
    return cr_convolution(x, weight, bias, ints(&w, w.stride), ints(&w, w.pads),
                          ints(&w, w.dilation), false, ints(&w, none), onnx_int(run, "group", 1));
}

static bool op_conv(onnx_run *run)
{
    OUT(onnx_convolve(run, X, Y, Z));
}

static bool op_conv_transpose(onnx_run *run)
{
    cr_tensor *x = X, *weight = Y;
    window w;
    int64_t extra[SPACE], shape[SPACE];
    const int64_t none[SPACE] = {0};
    if (!x || !weight || !read_window(run, x, weight, &w) ||
        !onnx_list(run, "output_padding", w.n, 0, extra) ||
        !onnx_list(run, "output_shape", w.n, 0, shape))
        return false;
    const char *pad = onnx_text(run, "auto_pad", "NOTSET");
    bool same = !strncmp(pad, "SAME", 4), given = onnx_find(run, "output_shape");
    cr_tensor *y =
        cr_convolution(x, weight, Z, ints(&w, w.stride), ints(&w, none), ints(&w, w.dilation), true,
                       ints(&w, none), onnx_int(run, "group", 1));
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
            int64_t list[2 * SPACE] = {0};
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

/* ---- pooling ---- */

static cr_tensor *max_pool(const window *w, cr_tensor *x, bool ceil, cr_tensor **at)
{
    cr_ints kernel = ints(w, w->kernel), stride = ints(w, w->stride), pads = ints(w, w->pads);
    cr_ints dilation = ints(w, w->dilation);
#define POOL(d_)                                                                          \
    if (w->n == d_) {                                                                     \
        cr_max_pool##d_##d_with_indices_result r =                                        \
            cr_max_pool##d_##d_with_indices(x, kernel, .stride = stride, .padding = pads, \
                                            .dilation = dilation, .ceil_mode = ceil);     \
        *at = r.output1;                                                                  \
        return r.output0;                                                                 \
    }
    POOL(1)
    POOL(2)
    POOL(3)
#undef POOL
    return NULL;
}

static cr_tensor *avg_pool(const window *w, cr_tensor *x, bool ceil, bool count_pad)
{
    cr_ints kernel = ints(w, w->kernel), stride = ints(w, w->stride), pads = ints(w, w->pads);
#define POOL(d_)                                                                  \
    if (w->n == d_)                                                               \
        return cr_f_avg_pool##d_##d(x, kernel, .stride = stride, .padding = pads, \
                                    .ceil_mode = ceil, .no_count_include_pad = !count_pad);
    POOL(1)
    POOL(2)
    POOL(3)
#undef POOL
    return NULL;
}

/* Whether the operations take the padding: the same on both sides, and at most half of the kernel. */
static bool fits(const window *w)
{
    bool good = w->symmetric;
    for (size_t i = 0; i < w->n; i++)
        good &= w->pads[i] <= w->kernel[i] / 2;
    return good;
}

static bool op_max_pool(onnx_run *run)
{
    cr_tensor *x = X, *at = NULL;
    window w;
    if (!x || !read_window(run, x, NULL, &w))
        return false;
    bool padded = !fits(&w), wanted = run->node->noutputs > 1;
    bool by_columns = onnx_int(run, "storage_order", 0);
    if (wanted && (padded || (by_columns && w.n != 2)))
        return onnx_fail(run, "indices of such a window are not supported");
    cr_dtype dtype = cr_tensor_dtype(x);
    if (!cr_is_floating_point(x))
        x = cr_to_dtype(x, CR_F32); /* exact for 8 bits, the integers that ONNX has here */
    if (padded)
        x = pad_input(&w, x, -INFINITY);
    cr_tensor *y = max_pool(&w, x, onnx_int(run, "ceil_mode", 0), &at);
    if (wanted && at) {
        /* ONNX counts over the whole tensor, not over each plane */
        int64_t plane = 1, planes = cr_tensor_size(x, 0) * cr_tensor_size(x, 1);
        int64_t sizes[CR_MAX_RANK] = {cr_tensor_size(x, 0), cr_tensor_size(x, 1), 1, 1, 1};
        for (int i = 2; i < cr_tensor_dim(x); i++)
            plane *= cr_tensor_size(x, i);
        if (by_columns) {
            int64_t width = cr_tensor_size(x, 3);
            cr_tensor *row = cr_div_scalar_mode(at, width, "floor");
            at = cr_add(cr_mul_scalar(cr_remainder_scalar(at, width), cr_tensor_size(x, 2)), row);
        }
        cr_tensor *base =
            cr_mul_scalar(cr_arange(planes, .dtype = CR_I64, .device = cr_tensor_device(x)), plane);
        onnx_out(run, 1, cr_add(at, cr_reshape(base, cr_make_ints(sizes, w.n + 2))));
    }
    OUT(cr_to_dtype(y, dtype));
}

/* Puts each element where its index says, in a tensor of zeros that is as large as pooling would have had it. */
static bool op_max_unpool(onnx_run *run)
{
    cr_tensor *x = X, *at = Y;
    window w;
    int64_t sizes[CR_MAX_RANK], asked[ONNX_INTS], behind[2 * SPACE] = {0}, total = 1;
    if (!x || !at || !read_window(run, x, NULL, &w))
        return false;
    int count = onnx_ints(run, 2, NULL, asked), rank = cr_tensor_dim(x);
    if (count < -1 || (count >= 0 && count != rank))
        return count < -1 ? false : onnx_fail(run, "output_shape has %d numbers", count);
    bool larger = false;
    for (int i = 0; i < rank; i++) {
        int64_t size = cr_tensor_size(x, i), k = i - 2;
        if (k >= 0)
            size = (size - 1) * w.stride[k] + w.kernel[k] - w.pads[k] - w.pads[(int64_t)w.n + k];
        sizes[i] = size;
        if (size < 0 || (size && total > ((int64_t)1 << 40) / size) ||
            (count >= 0 && (asked[i] < size || asked[i] > (int64_t)1 << 40)) ||
            (count >= 0 && k < 0 && asked[i] != size))
            return onnx_fail(run, "dimension %d of its output is out of range", i);
        total *= size;
        if (count >= 0 && k >= 0) {
            behind[2 * ((int64_t)w.n - 1 - k) + 1] = asked[i] - size;
            larger |= asked[i] > size;
        }
    }
    cr_tensor *y =
        cr_zeros(CR_INTS(total), .dtype = cr_tensor_dtype(x), .device = cr_tensor_device(x));
    y = cr_scatter(y, 0, cr_reshape(cr_tensor_to(at, cr_tensor_device(x)), CR_INTS(-1)),
                   cr_reshape(x, CR_INTS(-1)));
    y = cr_reshape(y, cr_make_ints(sizes, (size_t)rank));
    OUT(larger ? cr_constant_pad_nd(y, cr_make_ints(behind, 2 * w.n)) : y);
}

static bool op_average_pool(onnx_run *run)
{
    cr_tensor *x = X;
    window w;
    if (!x || !read_window(run, x, NULL, &w))
        return false;
    bool ceil = onnx_int(run, "ceil_mode", 0), count = onnx_int(run, "count_include_pad", 0);
    if (fits(&w))
        OUT(avg_pool(&w, x, ceil, count));
    /* the mean over what isn't padding: the mean with zeros over the mean of ones */
    window again = w;
    cr_tensor *sum = avg_pool(&w, pad_input(&w, x, 0), ceil, true);
    if (count)
        OUT(sum);
    cr_tensor *ones = pad_input(&again, cr_ones_like(x), 0);
    OUT(cr_div(sum, avg_pool(&again, ones, ceil, true)));
}

/* All dimensions behind the second. */
static cr_ints space_of(const cr_tensor *x, int64_t *dims)
{
    int rank = cr_tensor_dim(x);
    for (int i = 2; i < rank; i++)
        dims[i - 2] = i;
    return cr_make_ints(dims, rank > 2 ? (size_t)rank - 2 : 0);
}

static bool op_global_average_pool(onnx_run *run)
{
    int64_t dims[CR_MAX_RANK];
    OUT(cr_tensor_dim(X) > 2 ? cr_mean_dim(X, space_of(X, dims), .keepdim = true) : cr_alias(X));
}

static bool op_global_max_pool(onnx_run *run)
{
    int64_t dims[CR_MAX_RANK];
    OUT(cr_tensor_dim(X) > 2 ? cr_amax(X, .dim = space_of(X, dims), .keepdim = true) : cr_alias(X));
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

const onnx_entry onnx_nn_operators[] = {{"AveragePool", op_average_pool},
                                        {"BatchNormalization", op_batch_norm},
                                        {"Conv", op_conv},
                                        {"ConvTranspose", op_conv_transpose},
                                        {"Det", op_det},
                                        {"Einsum", op_einsum},
                                        {"Gemm", op_gemm},
                                        {"GlobalAveragePool", op_global_average_pool},
                                        {"GlobalMaxPool", op_global_max_pool},
                                        {"GridSample", op_grid_sample},
                                        {"Hardmax", op_hardmax},
                                        {"InstanceNormalization", op_instance_norm},
                                        {"LRN", op_lrn},
                                        {"LayerNormalization", op_layer_norm},
                                        {"LogSoftmax", op_log_softmax},
                                        {"MatMul", op_matmul},
                                        {"MaxPool", op_max_pool},
                                        {"MaxUnpool", op_max_unpool},
                                        {"MeanVarianceNormalization", op_mvn},
                                        {"NegativeLogLikelihoodLoss", op_nll_loss},
                                        {"Resize", onnx_resize},
                                        {"Softmax", op_softmax},
                                        {"SoftmaxCrossEntropyLoss", op_softmax_cross_entropy},
                                        {"Upsample", onnx_resize},
                                        {NULL, NULL}};
