/* Derivatives of products, convolution, pooling, softmax, normalisation, dropout and losses. */
#include <string.h>

#include "core/autograd/derivatives/derivative.h"

/* ---- products ---- */

static cr_tensor *swap(cr_tensor *x)
{
    return cr_transpose(x, -1, -2);
}

/* The product a b (matrices, or batches of them), laid out as input i lay: transposed in memory when that was. So the gradient
 * of a linear layer's weight, which the product saw transposed, comes out contiguous. */
static cr_tensor *product_like(cr_grad_context *c, int i, cr_tensor *a, cr_tensor *b)
{
    bool batched = a && a->dim == 3;
    if (!(c->node->transposed >> i & 1))
        return batched ? cr_bmm(a, b) : cr_mm(a, b);
    return swap(batched ? cr_bmm(swap(b), swap(a)) : cr_mm(swap(b), swap(a)));
}

DERIVATIVE(mm, "MmBackward0", .in_for = {FOR_1, FOR_0})
{
    if (cr_needs(c, 0))
        cr_set(c, 0, product_like(c, 0, cr_g(c, 0), swap(cr_in(c, 1))));
    if (cr_needs(c, 1))
        cr_set(c, 1, product_like(c, 1, swap(cr_in(c, 0)), cr_g(c, 0)));
    return 0;
}

DERIVATIVE(bmm, "BmmBackward0", .in_for = {FOR_1, FOR_0})
{
    return grad_mm(c);
}

DERIVATIVE(addmm, "AddmmBackward0", .in_for = {0, FOR_2, FOR_1})
{
    cr_tensor *g = cr_g(c, 0);
    if (cr_needs(c, 0))
        cr_set(c, 0, times(g, scalar_arg(c, 3)));
    if (cr_needs(c, 1))
        cr_set(c, 1, times(product_like(c, 1, g, swap(cr_in(c, 2))), scalar_arg(c, 4)));
    if (cr_needs(c, 2))
        cr_set(c, 2, times(product_like(c, 2, swap(cr_in(c, 1)), g), scalar_arg(c, 4)));
    return 0;
}

DERIVATIVE(baddbmm, "BaddbmmBackward0", .in_for = {0, FOR_2, FOR_1})
{
    return grad_addmm(c);
}

DERIVATIVE(mv, "MvBackward0", .in_for = {FOR_1, FOR_0})
{
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_outer(cr_g(c, 0), cr_in(c, 1)));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_mv(cr_t(cr_in(c, 0)), cr_g(c, 0)));
    return 0;
}

DERIVATIVE(dot, "DotBackward0", .in_for = {FOR_1, FOR_0})
{
    for (int i = 0; i < 2; i++)
        if (cr_needs(c, i))
            cr_set(c, i, cr_mul(cr_g(c, 0), cr_in(c, 1 - i)));
    return 0;
}

/* ---- convolution ---- */

DERIVATIVE(convolution, "ConvolutionBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    const uint8_t mask[3] = {cr_needs(c, 0), cr_needs(c, 1), cr_needs(c, 2)};
    cr_convolution_backward_result r = cr_convolution_backward(
        cr_g(c, 0), cr_in(c, 0), cr_in(c, 1), (cr_ints){0}, ints_arg(c, 3), ints_arg(c, 4),
        ints_arg(c, 5), int_arg(c, 6), ints_arg(c, 7), int_arg(c, 8), mask);
    cr_set(c, 0, r.output0);
    cr_set(c, 1, r.output1);
    cr_set(c, 2, r.output2);
    return 0;
}

/* Gradients of (grad_input, grad_weight, grad_bias) with respect to (grad_output, input, weight).
 * All three are linear in grad_output and in one of the others, and are convolutions themselves. */
DERIVATIVE(convolution_backward, "ConvolutionBackwardBackward0",
           .in_for = {FOR_ALL, FOR_ALL, FOR_ALL})
{
    cr_tensor *gi = cr_g(c, 0), *gw = cr_g(c, 1), *gb = cr_g(c, 2);
    cr_tensor *go = cr_in(c, 0), *x = cr_in(c, 1), *w = cr_in(c, 2);
    cr_ints stride = ints_arg(c, 4), padding = ints_arg(c, 5), dilation = ints_arg(c, 6),
            extra = ints_arg(c, 8);
    bool transposed = int_arg(c, 7);
    int64_t groups = int_arg(c, 9);
    cr_tensor *sum = NULL;
#define ADD(to, t) to = to ? cr_add(to, t) : (t)
    if (cr_needs(c, 0)) {
        if (gi)
            ADD(sum,
                cr_convolution(gi, w, NULL, stride, padding, dilation, transposed, extra, groups));
        if (gw)
            ADD(sum,
                cr_convolution(x, gw, NULL, stride, padding, dilation, transposed, extra, groups));
        if (gb) {
            int64_t shape[CR_MAX_RANK] = {1, -1, 1, 1, 1, 1, 1, 1};
            cr_tensor *wide =
                cr_expand_as(cr_reshape(gb, cr_make_ints(shape, (size_t)cr_tensor_dim(go))), go);
            ADD(sum, wide);
        }
        cr_set(c, 0, sum ? sum : cr_zeros_like(go));
    }
    if (cr_needs(c, 1)) {
        const uint8_t mask[3] = {1, 0, 0};
        cr_tensor *dx = gw ? cr_convolution_backward(go, x, gw, (cr_ints){0}, stride, padding,
                                                     dilation, transposed, extra, groups, mask)
                                 .output0
                           : cr_zeros_like(x);
        cr_set(c, 1, dx);
    }
    if (cr_needs(c, 2)) {
        const uint8_t mask[3] = {0, 1, 0};
        cr_tensor *dw = gi ? cr_convolution_backward(go, gi, w, (cr_ints){0}, stride, padding,
                                                     dilation, transposed, extra, groups, mask)
                                 .output1
                           : cr_zeros_like(w);
        cr_set(c, 2, dw);
    }
    return 0;
}

/* ---- pooling ---- */

DERIVATIVE(max_pool2d_with_indices, "MaxPool2DWithIndicesBackward0", .in_for = {FOR_ALL},
           .out_for = {0, FOR_ALL})
{
    cr_set(c, 0,
           cr_max_pool2d_with_indices_backward(cr_g(c, 0), self, ints_arg(c, 1), ints_arg(c, 2),
                                               ints_arg(c, 3), ints_arg(c, 4), int_arg(c, 5),
                                               cr_out(c, 1)));
    return 0;
}

/* What the indices chose: gathers the planes' elements, n dimensions each. */
static cr_tensor *chosen(cr_tensor *planes, cr_tensor *indices, int n)
{
    cr_tensor *flat = cr_flatten(planes, .start_dim = -n);
    return cr_view_as(cr_gather(flat, -1, cr_flatten(indices, .start_dim = -n)), indices);
}

/* Of maximum pools' backward (grad_output, self, …, indices): linear in the first, flat in the second. */
#define MAX_POOL_BACKWARD(name, node, n)                                   \
    DERIVATIVE(name, node, .in_for = {0, 0, FOR_0})                        \
    {                                                                      \
        if (cr_needs(c, 0))                                                \
            cr_set(c, 0, chosen(cr_g(c, 0), cr_in(c, 2), n));              \
        if (cr_needs(c, 1))                                                \
            cr_set(c, 1,                                                   \
                   cr_zeros(cr_in_sizes(c, 1), .dtype = cr_in_dtype(c, 1), \
                            .device = cr_in_device(c, 1)));                \
        return 0;                                                          \
    }
MAX_POOL_BACKWARD(max_pool2d_with_indices_backward, "MaxPool2DWithIndicesBackwardBackward0", 2)
MAX_POOL_BACKWARD(max_pool3d_with_indices_backward, "MaxPool3DWithIndicesBackwardBackward0", 3)
MAX_POOL_BACKWARD(adaptive_max_pool2d_backward, "AdaptiveMaxPool2DBackwardBackward0", 2)

DERIVATIVE(adaptive_max_pool2d, "AdaptiveMaxPool2DBackward0", .in_for = {FOR_ALL},
           .out_for = {0, FOR_ALL})
{
    cr_set(c, 0, cr_adaptive_max_pool2d_backward(cr_g(c, 0), self, cr_out(c, 1)));
    return 0;
}

DERIVATIVE(max_pool3d_with_indices, "MaxPool3DWithIndicesBackward0", .in_for = {FOR_ALL},
           .out_for = {0, FOR_ALL})
{
    cr_set(c, 0,
           cr_max_pool3d_with_indices_backward(cr_g(c, 0), self, ints_arg(c, 1), ints_arg(c, 2),
                                               ints_arg(c, 3), ints_arg(c, 4), int_arg(c, 5),
                                               cr_out(c, 1)));
    return 0;
}

/* Averages are linear: the derivative of their backward is the average again. self is only looked at for its sizes. */
#define AVG_POOL(n, N)                                                                            \
    DERIVATIVE(avg_pool##n, "AvgPool" N "Backward0", .in_for = {FOR_ALL})                         \
    {                                                                                             \
        cr_opt_int divisor = {c->node->args[6].as.i, c->node->args[6].tag != CR_NONE};            \
        cr_set(c, 0,                                                                              \
               cr_avg_pool##n##_backward(cr_g(c, 0), self, ints_arg(c, 1), ints_arg(c, 2),        \
                                         ints_arg(c, 3), int_arg(c, 4), int_arg(c, 5), divisor)); \
        return 0;                                                                                 \
    }                                                                                             \
    DERIVATIVE(avg_pool##n##_backward, "AvgPool" N "BackwardBackward0", .in_for = {0, 0})         \
    {                                                                                             \
        cr_opt_int divisor = {c->node->args[7].as.i, c->node->args[7].tag != CR_NONE};            \
        cr_set(c, 0,                                                                              \
               cr_f_avg_pool##n(cr_g(c, 0), ints_arg(c, 2), .stride = ints_arg(c, 3),             \
                                .padding = ints_arg(c, 4), .ceil_mode = int_arg(c, 5),            \
                                .no_count_include_pad = !int_arg(c, 6),                           \
                                .divisor_override = divisor));                                    \
        cr_set(c, 1,                                                                              \
               cr_zeros(cr_in_sizes(c, 1), .dtype = cr_in_dtype(c, 1),                            \
                        .device = cr_in_device(c, 1)));                                           \
        return 0;                                                                                 \
    }                                                                                             \
    DERIVATIVE(adaptive_avg_pool##n, "AdaptiveAvgPool" N "Backward0", .in_for = {FOR_ALL})        \
    {                                                                                             \
        cr_set(c, 0, cr_adaptive_avg_pool##n##_backward(cr_g(c, 0), self));                       \
        return 0;                                                                                 \
    }                                                                                             \
    DERIVATIVE(adaptive_avg_pool##n##_backward, "AdaptiveAvgPool" N "BackwardBackward0",          \
               .in_for = {FOR_0})                                                                 \
    {                                                                                             \
        int dims = #n[0] - '0';                                                                   \
        cr_tensor *was = cr_in(c, 0);                                                             \
        if (cr_needs(c, 0) && was)                                                                \
            cr_set(c, 0,                                                                          \
                   cr_adaptive_avg_pool##n##_kernel(                                              \
                       cr_g(c, 0), cr_make_ints(was->size + was->dim - dims, (size_t)dims)));     \
        cr_set(c, 1,                                                                              \
               cr_zeros(cr_in_sizes(c, 1), .dtype = cr_in_dtype(c, 1),                            \
                        .device = cr_in_device(c, 1)));                                           \
        return 0;                                                                                 \
    }
AVG_POOL(2d, "2D")
AVG_POOL(3d, "3D")

/* ---- resampling: linear, as its backward is ---- */

/* The sizes of input 0 behind batch and channels. */
static cr_ints spatial_sizes(const cr_grad_context *c)
{
    cr_ints sizes = cr_in_sizes(c, 0);
    return cr_make_ints(sizes.data + 2, sizes.count - 2);
}

DERIVATIVE(resample, "ResampleBackward0", SAVES_NONE)
{
    cr_set(c, 0, cr_resample_backward(cr_g(c, 0), spatial_sizes(c), cr_argument(c, 2)->as.s));
    return 0;
}

DERIVATIVE(resample_backward, "ResampleBackwardBackward0", SAVES_NONE)
{
    cr_set(c, 0, cr_resample(cr_g(c, 0), spatial_sizes(c), cr_argument(c, 2)->as.s));
    return 0;
}

/* ---- softmax ---- */

UNARY(softmax, "SoftmaxBackward0", SAVES_RESULT,
      cr_softmax_backward_data(g, result, int_arg(c, 1), cr_in_dtype(c, 0)))
UNARY(log_softmax, "LogSoftmaxBackward0", SAVES_RESULT,
      cr_log_softmax_backward_data(g, result, int_arg(c, 1), cr_in_dtype(c, 0)))

/* dx = y·(g - Σ g·y) */
DERIVATIVE(softmax_backward_data, "SoftmaxBackwardBackward0", .in_for = {FOR_1, FOR_ALL})
{
    cr_tensor *gg = cr_g(c, 0), *y = cr_in(c, 1);
    int64_t dim = int_arg(c, 2);
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_softmax_backward_data(gg, y, dim, cr_in_dtype(c, 0)));
    if (cr_needs(c, 1)) {
        cr_tensor *g = cr_in(c, 0);
        cr_tensor *gy = cr_sum_dim(cr_mul(g, y), dim, .keepdim = true),
                  *ggy = cr_sum_dim(cr_mul(gg, y), dim, .keepdim = true);
        cr_set(c, 1, cr_sub(cr_sub(cr_mul(gg, g), cr_mul(gg, gy)), cr_mul(g, ggy)));
    }
    return 0;
}

/* dx = g - exp(y)·Σ g */
DERIVATIVE(log_softmax_backward_data, "LogSoftmaxBackwardBackward0", .in_for = {FOR_1, FOR_ALL})
{
    cr_tensor *gg = cr_g(c, 0), *p = cr_exp(cr_in(c, 1));
    int64_t dim = int_arg(c, 2);
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_sub(gg, cr_sum_dim(cr_mul(gg, p), dim, .keepdim = true)));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_neg(cr_mul(cr_mul(gg, p), cr_sum_dim(cr_in(c, 0), dim, .keepdim = true))));
    return 0;
}

/* ---- normalisation ---- */

/* dx of y = (x - mean)·rstd over `dims` with statistics of x itself: rstd·(h - mean(h) -
 * xh·mean(h·xh)), h = g·weight. */
static cr_tensor *normalised_back(cr_tensor *h, cr_tensor *xh, cr_tensor *rstd, cr_ints dims)
{
    cr_tensor *a = cr_mean_dim(h, dims, .keepdim = true),
              *b = cr_mean_dim(cr_mul(h, xh), dims, .keepdim = true);
    return cr_mul(rstd, cr_sub(cr_sub(h, a), cr_mul(xh, b)));
}

/* Statistics are worked out again from x where the derivative itself is to be differentiated. */
static cr_tensor *standardised(cr_tensor *x, cr_ints dims, double eps, cr_tensor **rstd)
{
    cr_tensor *centred = cr_sub(x, cr_mean_dim(x, dims, .keepdim = true));
    *rstd = cr_rsqrt(cr_add_scalar(cr_mean_dim(cr_square(centred), dims, .keepdim = true), eps));
    return cr_mul(centred, *rstd);
}

DERIVATIVE(native_batch_norm, "NativeBatchNormBackward0",
           .in_for = {FOR_ALL, FOR_ALL, 0, FOR_ALL, FOR_ALL}, .out_for = {0, FOR_ALL, FOR_ALL})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 0), *weight = cr_in(c, 1);
    bool training = int_arg(c, 5);
    double eps = float_arg(c, 7);
    /* Running statistics were updated in place since: in training their values don't matter. */
    cr_tensor *mean = training ? NULL : cr_in(c, 3), *var = training ? NULL : cr_in(c, 4);
    if (!cr_grad_enabled()) {
        const uint8_t mask[3] = {cr_needs(c, 0), cr_needs(c, 1), cr_needs(c, 2)};
        cr_native_batch_norm_backward_result r = cr_native_batch_norm_backward(
            g, x, weight, mean, var, cr_out(c, 1), cr_out(c, 2), training, eps, mask);
        cr_set(c, 0, r.output0);
        cr_set(c, 1, r.output1);
        cr_set(c, 2, r.output2);
        return 0;
    }
    int64_t over[CR_MAX_RANK] = {0}, shape[CR_MAX_RANK] = {1, -1, 1, 1, 1, 1, 1, 1};
    int rank = cr_tensor_dim(x), n = 1;
    for (int d = 2; d < rank; d++)
        over[n++] = d;
    cr_ints dims = cr_make_ints(over, (size_t)n), wide = cr_make_ints(shape, (size_t)rank);
    cr_tensor *rstd, *xh;
    if (training) {
        xh = standardised(x, dims, eps, &rstd);
    } else {
        rstd = cr_rsqrt(cr_add_scalar(cr_reshape(var, wide), eps));
        xh = cr_mul(cr_sub(x, cr_reshape(mean, wide)), rstd);
    }
    cr_tensor *h = weight ? cr_mul(g, cr_reshape(weight, wide)) : g;
    if (cr_needs(c, 0))
        cr_set(c, 0, training ? normalised_back(h, xh, rstd, dims) : cr_mul(h, rstd));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_sum_dim(cr_mul(g, xh), dims));
    if (cr_needs(c, 2))
        cr_set(c, 2, cr_sum_dim(g, dims));
    return 0;
}

DERIVATIVE(native_layer_norm, "NativeLayerNormBackward0", .in_for = {FOR_ALL, FOR_ALL, FOR_ALL},
           .out_for = {0, FOR_ALL, FOR_ALL})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 0), *weight = cr_in(c, 1), *bias = cr_in(c, 2);
    cr_ints shape = ints_arg(c, 1);
    if (!cr_grad_enabled()) {
        const uint8_t mask[3] = {cr_needs(c, 0), cr_needs(c, 1), cr_needs(c, 2)};
        cr_native_layer_norm_backward_result r = cr_native_layer_norm_backward(
            g, x, shape, cr_out(c, 1), cr_out(c, 2), weight, bias, mask);
        cr_set(c, 0, r.output0);
        cr_set(c, 1, r.output1);
        cr_set(c, 2, r.output2);
        return 0;
    }
    int64_t inner[CR_MAX_RANK];
    for (int64_t d = 0; d < shape.count; d++)
        inner[d] = d - shape.count;
    cr_ints dims = cr_make_ints(inner, (size_t)shape.count);
    cr_tensor *rstd, *xh = standardised(x, dims, float_arg(c, 4), &rstd);
    if (cr_needs(c, 0))
        cr_set(c, 0, normalised_back(weight ? cr_mul(g, weight) : g, xh, rstd, dims));
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_sum_to_size(cr_mul(g, xh), shape));
    if (cr_needs(c, 2))
        cr_set(c, 2, cr_sum_to_size(g, shape));
    return 0;
}

/* ---- dropout ---- */

DERIVATIVE(native_dropout, "NativeDropoutBackward0", .out_for = {0, FOR_ALL})
{
    double p = float_arg(c, 1);
    bool training = cr_argument(c, 2)->tag == CR_NONE || int_arg(c, 2);
    cr_tensor *kept = cr_mul(cr_g(c, 0), cr_out(c, 1));
    cr_set(c, 0, !training || p == 1 ? kept : cr_mul_scalar(kept, 1 / (1 - p)));
    return 0;
}

/* ---- losses ---- */

DERIVATIVE(nll_loss, "NllLossBackward0", .in_for = {FOR_ALL, FOR_ALL, FOR_ALL},
           .out_for = {0, FOR_ALL})
{
    cr_set(c, 0,
           cr_nll_loss_backward(cr_g(c, 0), self, cr_in(c, 1), cr_in(c, 2), int_arg(c, 3),
                                int_arg(c, 4), cr_out(c, 1)));
    return 0;
}

/* nll_loss_backward is linear in grad_output: the loss of the outer gradient. */
DERIVATIVE(nll_loss_backward, "NllLossBackwardBackward0", .in_for = {0, 0, FOR_0, FOR_0})
{
    if (cr_needs(c, 0))
        cr_set(
            c, 0,
            cr_nll_loss_forward(cr_g(c, 0), cr_in(c, 2), cr_in(c, 3), int_arg(c, 4), int_arg(c, 5))
                .output);
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_zeros_like(cr_g(c, 0)));
    return 0;
}

DERIVATIVE(mse_loss, "MseLossBackward0", .in_for = {FOR_ALL, FOR_ALL})
{
    cr_tensor *d = cr_mse_loss_backward(cr_g(c, 0), cr_in(c, 0), cr_in(c, 1), int_arg(c, 2));
    cr_set(c, 0, d);
    if (cr_needs(c, 1))
        cr_set(c, 1, cr_neg(d));
    return 0;
}

/* 2·(x - t)·g, over n for the mean. */
DERIVATIVE(mse_loss_backward, "MseLossBackwardBackward0", .in_for = {FOR_1 | FOR_2, FOR_0, FOR_0})
{
    cr_tensor *gg = cr_g(c, 0);
    double by = int_arg(c, 3) == 1 ? 2.0 / (double)cr_tensor_numel(gg) : 2.0;
    if (cr_needs(c, 0))
        cr_set(c, 0, cr_mul_scalar(cr_mul(gg, cr_sub(cr_in(c, 1), cr_in(c, 2))), by));
    if (cr_needs(c, 1) || cr_needs(c, 2)) {
        cr_tensor *d = cr_mul_scalar(cr_mul(gg, cr_in(c, 0)), by);
        cr_set(c, 1, d);
        if (cr_needs(c, 2))
            cr_set(c, 2, cr_neg(d));
    }
    return 0;
}

DERIVATIVE(binary_cross_entropy, "BinaryCrossEntropyBackward0",
           .in_for = {FOR_ALL, FOR_ALL, FOR_ALL})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 0), *t = cr_in(c, 1), *weight = cr_in(c, 2);
    int64_t reduction = int_arg(c, 3);
    if (!cr_grad_enabled()) {
        cr_set(c, 0,
               cr_binary_cross_entropy_backward(g, x, t, .weight = weight,
                                                .reduction = {reduction, true}));
    } else if (cr_needs(c, 0)) {
        cr_tensor *d = cr_div(cr_sub(x, t), cr_clamp_min(cr_mul(cr_rsub_scalar(x, 1), x), 1e-12));
        d = cr_mul(g, weight ? cr_mul(d, weight) : d);
        cr_set(c, 0, reduction == 1 ? cr_div_scalar(d, cr_tensor_numel(x)) : d);
    }
    if (cr_needs(c, 1)) {
        cr_tensor *d = cr_sub(cr_log(cr_rsub_scalar(x, 1)), cr_log(x));
        d = cr_mul(g, weight ? cr_mul(d, weight) : d);
        cr_set(c, 1, reduction == 1 ? cr_div_scalar(d, cr_tensor_numel(x)) : d);
    }
    return 0;
}

/* d/dx = weight·(σ(x)·(1 + (p - 1)·t) - p·t), p the positive weight. */
DERIVATIVE(binary_cross_entropy_with_logits, "BinaryCrossEntropyWithLogitsBackward0",
           .in_for = {FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL})
{
    cr_tensor *g = cr_g(c, 0), *x = cr_in(c, 0), *t = cr_in(c, 1), *weight = cr_in(c, 2),
              *positive = cr_in(c, 3);
    int64_t reduction = int_arg(c, 4);
    double over = reduction == 1 ? 1.0 / (double)cr_tensor_numel(x) : 1.0;
    if (cr_needs(c, 0)) {
        cr_tensor *pt = positive ? cr_mul(positive, t) : t, *s = cr_sigmoid(x);
        cr_tensor *d =
            positive ? cr_sub(cr_mul(s, cr_sub(cr_add_scalar(pt, 1), t)), pt) : cr_sub(s, t);
        d = cr_mul(g, weight ? cr_mul(d, weight) : d);
        cr_set(c, 0, over == 1 ? d : cr_mul_scalar(d, over));
    }
    if (cr_needs(c, 1)) {
        cr_tensor *d = positive
                           ? cr_sub(cr_log_sigmoid(cr_neg(x)), cr_mul(positive, cr_log_sigmoid(x)))
                           : cr_neg(x);
        d = cr_mul(g, weight ? cr_mul(d, weight) : d);
        cr_set(c, 1, over == 1 ? d : cr_mul_scalar(d, over));
    }
    return 0;
}
