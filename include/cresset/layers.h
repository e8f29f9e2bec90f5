/* Layers: torch.nn's modules, with its names, options, defaults, initial values and printed forms.
 *
 * Arguments come by position in PyTorch's order or as keywords: cr_conv2d(1, 6, 5, .padding = 2,
 * .no_bias = true). A member left out, or zero, is PyTorch's default. So
 *   - a bool whose default is true is written negated (no_bias),
 *   - an integer for which zero is an ordinary value is given as CR_SOME(0) (padding_idx),
 *   - a number whose default isn't zero takes CR_ZERO for a true zero (eps, momentum).
 * Where PyTorch takes an int or a tuple, there are two members: .kernel_size = 3, or
 * .kernel_size_hw = {3, 5}.
 *
 * Every constructor returns a module of the scope; null, with the error set, for options that make
 * no sense. `device` (null: the default one) and `dtype` (none: the default dtype) say where
 * parameters are made and in what. Initial values are drawn from the process's generator, see
 * cr_manual_seed and init.h. */
#ifndef CRESSET_LAYERS_H
#define CRESSET_LAYERS_H

#include <cresset/module.h>
#include <cresset/pooling.h>
#include <cresset/resizing.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A true zero, for options whose zero means a default that isn't: minus zero. */
#define CR_ZERO (-0.0)

/* ---- linear ---- */

/* y = x Aᵀ + b. x: (*, in_features), y: (*, out_features), weight: (out_features, in_features),
 * bias: (out_features), all uniform in ±1/√in_features. Errors: negative sizes; called with another
 * number of features or another dtype. */
typedef struct cr_linear_options {
    int64_t in_features, out_features;
    bool no_bias;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_linear_options;
CR_API cr_module *cr_linear_with(const cr_linear_options *options);
/* LazyLinear: the same with in_features taken from the first input, or from a state dict that is loaded: without parameters until then,
 * and an ordinary Linear from then on. */
typedef struct cr_lazy_linear_options {
    int64_t out_features;
    bool no_bias;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_lazy_linear_options;
CR_API cr_module *cr_lazy_linear_with(const cr_lazy_linear_options *options);

/* y = x1ᵀ A x2 + b. x1: (*, in1_features), x2: (*, in2_features), y: (*, out_features), weight:
 * (out_features, in1_features, in2_features), bias: (out_features), all uniform in
 * ±1/√in1_features. Called with two tensors, alike in all dimensions but the last. Errors: sizes below 1; called with others. */
typedef struct cr_bilinear_options {
    int64_t in1_features, in2_features, out_features;
    bool no_bias;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_bilinear_options;
CR_API cr_module *cr_bilinear_with(const cr_bilinear_options *options);

/* y = x, whatever it is called with. */
CR_API cr_module *cr_identity(void);

/* ---- convolution ---- */

/* Cross-correlation ⋆ over C_in channels:   y(n, o) = bias(o) + Σ_c weight(o, c) ⋆ x(n, c)
 *   Conv1d: (N, C_in, L) or (C_in, L) to (N, C_out, L_out) or (C_out, L_out)
 *   Conv2d: (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H_out, W_out) or (C_out, H_out, W_out)
 *   Conv3d: (N, C_in, D, H, W) or (C_in, D, H, W) to (N, C_out, D_out, H_out, W_out) or without N
 * with   L_out = ⌊(L + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1⌋,   and D, H, W alike. Parameters: weight
 * (out_channels, in_channels / groups, kernel sizes), bias (out_channels), uniform in ±1/√(in_channels / groups · Π kernel sizes).
 * stride, dilation and groups are 1, padding 0; padding_same is padding='same' (y as large as x; stride 1), padding_valid
 * padding='valid' (none); padding_mode says what is padded. Dilated: Yu and Koltun, 2016. Errors: channels that groups doesn't divide, sizes below 1, padding below 0, another
 * padding_mode; called with another rank or number of channels, a kernel larger than the padded input, another dtype. */
typedef struct cr_conv_options {
    int64_t in_channels, out_channels, kernel_size, stride, padding, dilation, groups;
    bool no_bias, padding_same, padding_valid;
    const char *device;
    cr_dtype dtype;
    int64_t kernel_size_hw[2], stride_hw[2], padding_hw[2], dilation_hw[2];     /* conv2d */
    int64_t kernel_size_dhw[3], stride_dhw[3], padding_dhw[3], dilation_dhw[3]; /* conv3d */
    const char *padding_mode; /* "zeros", "reflect", "replicate" or "circular" */
    int end_;
} cr_conv_options;
CR_API cr_module *cr_conv1d_with(const cr_conv_options *options);
CR_API cr_module *cr_conv2d_with(const cr_conv_options *options);
CR_API cr_module *cr_conv3d_with(const cr_conv_options *options);

/* Transposed convolution (Zeiler et al., "Deconvolutional Networks", 2010): the gradient of a convolution with respect to its input.
 *   ConvTranspose1d: (N, C_in, L) or (C_in, L) to (N, C_out, L_out) or (C_out, L_out); 2d with H, W; 3d with D, H, W
 *   L_out = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1
 * weight (in_channels, out_channels / groups, kernel sizes), bias (out_channels). A second input gives the output's size
 * (its last 1 to 3 sizes, int64) instead of output_padding. Initial values as above, of the weight's second size. Errors: as
 * above, output_padding that is below neither stride nor dilation, a padding_mode other than "zeros"; a size out of reach. */
typedef struct cr_conv_transpose_options {
    int64_t in_channels, out_channels, kernel_size, stride, padding, output_padding, groups;
    bool no_bias;
    int64_t dilation;
    const char *padding_mode;
    const char *device;
    cr_dtype dtype;
    int64_t kernel_size_hw[2], stride_hw[2], padding_hw[2], output_padding_hw[2], dilation_hw[2];
    int64_t kernel_size_dhw[3], stride_dhw[3], padding_dhw[3], output_padding_dhw[3],
        dilation_dhw[3];
    int end_;
} cr_conv_transpose_options;
CR_API cr_module *cr_conv_transpose1d_with(const cr_conv_transpose_options *options);
CR_API cr_module *cr_conv_transpose2d_with(const cr_conv_transpose_options *options);
CR_API cr_module *cr_conv_transpose3d_with(const cr_conv_transpose_options *options);

/* LazyConv, LazyConvTranspose: the same with in_channels taken from the first input. Until then such a layer has no parameters: it can't be given to an
 * optimiser or load a state; with the first call it becomes an ordinary Conv or ConvTranspose. */
typedef struct cr_lazy_conv_options {
    int64_t out_channels, kernel_size, stride, padding, output_padding, dilation, groups;
    bool no_bias, padding_same, padding_valid;
    const char *padding_mode;
    const char *device;
    cr_dtype dtype;
    int64_t kernel_size_hw[2], stride_hw[2], padding_hw[2], output_padding_hw[2], dilation_hw[2];
    int64_t kernel_size_dhw[3], stride_dhw[3], padding_dhw[3], output_padding_dhw[3],
        dilation_dhw[3];
    int end_;
} cr_lazy_conv_options;
CR_API cr_module *cr_lazy_conv1d_with(const cr_lazy_conv_options *options);
CR_API cr_module *cr_lazy_conv2d_with(const cr_lazy_conv_options *options);
CR_API cr_module *cr_lazy_conv3d_with(const cr_lazy_conv_options *options);
CR_API cr_module *cr_lazy_conv_transpose1d_with(const cr_lazy_conv_options *options);
CR_API cr_module *cr_lazy_conv_transpose2d_with(const cr_lazy_conv_options *options);
CR_API cr_module *cr_lazy_conv_transpose3d_with(const cr_lazy_conv_options *options);

/* ---- dropout: Srivastava et al., 2014, and Tompson et al., 2015 ---- */

typedef struct cr_dropout_options {
    bool inplace;
    int end_;
} cr_dropout_options;
/* In training, zeroes each element, (*) to (*), with probability p (Dropout2d: each whole channel of (N, C, H, W) or (N, C, L)) and
 * multiplies the others by 1 / (1 - p); in evaluation y = x. p is required, since 0 is a common value; PyTorch's default is 0.5.
 * Errors: p outside of 0 to 1. */
CR_API cr_module *cr_dropout_with(double p, const cr_dropout_options *options);
CR_API cr_module *cr_dropout2d_with(double p, const cr_dropout_options *options);

/* Dropout1d: whole channels of (N, C, L) or (C, L). Dropout3d: of (N, C, D, H, W) or (C, D, H, W). Errors: as above; called with
 * another rank. */
CR_API cr_module *cr_dropout1d_with(double p, const cr_dropout_options *options);
CR_API cr_module *cr_dropout3d_with(double p, const cr_dropout_options *options);
/* AlphaDropout, (*) to (*), and FeatureAlphaDropout, (N, C, *): in training, sets elements (whole channels) to SELU's negative
 * saturation α' = -1.7581 with probability p, then y = a x + b with a = 1 / √((1 - p)(1 + p α'²)) and b = -a α' p, so that mean 0
 * and variance 1 stay. Klambauer et al., "Self-Normalizing Neural Networks", 2017. Errors: as above. */
CR_API cr_module *cr_alpha_dropout_with(double p, const cr_dropout_options *options);
CR_API cr_module *cr_feature_alpha_dropout_with(double p, const cr_dropout_options *options);

/* ---- shapes ---- */

/* Makes dimensions start_dim to end_dim (1 to -1) one: (*, S_start, …, S_end, *) to (*, Π S, *), (N, C, H, W) to (N, C·H·W). Errors,
 * when called: dimensions that there are not. */
typedef struct cr_flatten_layer_options {
    int begin_;
    cr_opt_int start_dim, end_dim;
    int end_;
} cr_flatten_layer_options;
CR_API cr_module *cr_flatten_layer_with(const cr_flatten_layer_options *options);

/* Makes dimension dim several, (*, S_dim, *) to (*, U_1, …, U_n, *): cr_unflatten_layer(1, CR_INTS(2, 5)) takes (N, 10) to
 * (N, 2, 5). One size may be -1. Errors: sizes below -1; called with S_dim that isn't their product. */
CR_API cr_module *cr_unflatten_layer_with(int64_t dim, cr_ints unflattened_size);

/* PixelShuffle: (*, C r², H, W) to (*, C, H r, W r) with the factor r, and PixelUnshuffle back. Shi et al., "Real-Time Single Image
 * and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", 2016. Errors: a factor below 1; called with sizes that it
 * doesn't divide. */
CR_API cr_module *cr_pixel_shuffle(int64_t upscale_factor);
CR_API cr_module *cr_pixel_unshuffle(int64_t downscale_factor);
/* ChannelShuffle: (N, C, *) to (N, C, *), C being groups · k, in an order that takes one channel of each group in turn. Zhang et
 * al., "ShuffleNet", 2017. Errors: groups below 1; called with channels that groups doesn't divide. No derivative, as in PyTorch. */
CR_API cr_module *cr_channel_shuffle(int64_t groups);

/* ---- activations ----
 *
 * (*) to (*), element by element unless it is said otherwise, with the formula beside each. */

typedef struct cr_inplace_options {
    int begin_;
    bool inplace; /* change the input instead of making a tensor */
    int end_;
} cr_inplace_options;
CR_API cr_module *cr_relu_layer_with(const cr_inplace_options *options); /* max(0, x) */
CR_API cr_module *cr_silu_layer_with(
    const cr_inplace_options *options);   /* x σ(x); Hendrycks and Gimpel, 2016 */
CR_API cr_module *cr_sigmoid_layer(void); /* σ(x) = 1 / (1 + e⁻ˣ) */
CR_API cr_module *cr_tanh_layer(void);    /* tanh x */

typedef struct cr_gelu_layer_options {
    int begin_;
    const char *approximate; /* "none": x Φ(x); "tanh". Hendrycks and Gimpel, 2016 */
    int end_;
} cr_gelu_layer_options;
CR_API cr_module *cr_gelu_layer_with(const cr_gelu_layer_options *options);

typedef struct cr_leaky_relu_layer_options {
    int begin_;
    double negative_slope; /* 0.01: max(0, x) + negative_slope · min(0, x) */
    bool inplace;
    int end_;
} cr_leaky_relu_layer_options;
CR_API cr_module *cr_leaky_relu_layer_with(const cr_leaky_relu_layer_options *options);

typedef struct cr_elu_layer_options {
    int begin_;
    double alpha; /* 1: x above 0, alpha (eˣ - 1) below. Clevert et al., 2016 */
    bool inplace;
    int end_;
} cr_elu_layer_options;
CR_API cr_module *cr_elu_layer_with(const cr_elu_layer_options *options);

typedef struct cr_softplus_layer_options {
    int begin_;
    double beta;      /* 1: log(1 + e^(beta x)) / beta */
    double threshold; /* 20: x itself where beta x is above */
    int end_;
} cr_softplus_layer_options;
CR_API cr_module *cr_softplus_layer_with(const cr_softplus_layer_options *options);

/* Softmax: y_i = e^x_i / Σ_j e^x_j along dim, LogSoftmax: y_i = log(e^x_i / Σ_j e^x_j); (*) to (*). dim is required. Errors, when
 * called: a dim that there is not. */
CR_API cr_module *cr_softmax_layer(int64_t dim);
CR_API cr_module *cr_log_softmax_layer(int64_t dim);

/* Softmin: y_i = e^-x_i / Σ_j e^-x_j along dim, (*) to (*). Softmax2d: softmax over the channels of (N, C, H, W) or (C, H, W).
 * Errors, when called: another rank, a dim that there is not. */
CR_API cr_module *cr_softmin_layer(int64_t dim);
CR_API cr_module *cr_softmax2d_layer(void);

/* More of them; all return a module of the scope. */
CR_API cr_module *cr_relu6_layer_with(const cr_inplace_options *options); /* min(max(0, x), 6) */
/* scale (max(0, x) + min(0, α (eˣ - 1))), α = 1.6733, scale = 1.0507; Klambauer et al., 2017 */
CR_API cr_module *cr_selu_layer_with(const cr_inplace_options *options);
CR_API cr_module *cr_mish_layer_with(
    const cr_inplace_options *options); /* x tanh softplus x; Misra, 2019 */
CR_API cr_module *cr_hardsigmoid_layer_with(
    const cr_inplace_options *options); /* relu6(x + 3) / 6 */
CR_API cr_module *cr_hardswish_layer_with(
    const cr_inplace_options *options); /* x relu6(x + 3) / 6; Howard et al., 2019 */
/* max(0, x) + min(0, alpha (e^(x / alpha) - 1)); Barron, 2017 */
CR_API cr_module *cr_celu_layer_with(const cr_elu_layer_options *options);

typedef struct cr_hardtanh_layer_options {
    int begin_;
    double min_val, max_val; /* -1, 1: x, kept between them. Errors: not in this order */
    bool inplace;
    int end_;
} cr_hardtanh_layer_options;
CR_API cr_module *cr_hardtanh_layer_with(const cr_hardtanh_layer_options *options);

typedef struct cr_rrelu_layer_options {
    int begin_;
    double lower,
        upper; /* 1/8, 1/3: x, or a x below 0, with a drawn from U(lower, upper) in training, their mean in
                            evaluation. Xu et al., 2015 */
    bool inplace;
    int end_;
} cr_rrelu_layer_options;
CR_API cr_module *cr_rrelu_layer_with(const cr_rrelu_layer_options *options);

/* y = x where it is above threshold, value elsewhere. */
CR_API cr_module *cr_threshold_layer_with(double threshold, double value,
                                          const cr_inplace_options *options);

typedef struct cr_shrink_layer_options {
    int begin_;
    double
        lambd; /* 0.5: 0 where |x| ≤ lambd; elsewhere hardshrink is x, softshrink lambd nearer to 0 */
    int end_;
} cr_shrink_layer_options;
CR_API cr_module *cr_hardshrink_layer_with(const cr_shrink_layer_options *options);
CR_API cr_module *cr_softshrink_layer_with(const cr_shrink_layer_options *options);

typedef struct cr_glu_layer_options {
    int begin_;
    cr_opt_int dim; /* -1: a σ(b), a and b being the halves along dim: (*1, N, *2) to
                       (*1, N / 2, *2). Errors, when called: odd N. Dauphin et al., 2017 */
    int end_;
} cr_glu_layer_options;
CR_API cr_module *cr_glu_layer_with(const cr_glu_layer_options *options);

/* Without options. */
CR_API cr_module *cr_log_sigmoid_layer(void); /* log σ(x) */
CR_API cr_module *cr_softsign_layer(void);    /* x / (1 + |x|) */
CR_API cr_module *cr_tanhshrink_layer(void);  /* x - tanh x */

/* max(0, x) + weight · min(0, x), with weight learnt: one for all channels or one for each, the second dimension of x.
 * (N, *) to (N, *); weight: (num_parameters), starts as init. He et al., "Delving deep into rectifiers", 2015. Errors: num_parameters
 * below 1; called with another number of channels. */
typedef struct cr_prelu_layer_options {
    int begin_;
    int64_t num_parameters; /* 1 */
    double init;            /* 0.25 */
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_prelu_layer_options;
CR_API cr_module *cr_prelu_layer_with(const cr_prelu_layer_options *options);

/* ---- normalisation ---- */

/* BatchNorm:   y = (x - E[x]) / √(Var[x] + eps) · weight + bias,   per channel. 1d: (N, C) or (N, C, L); 2d: (N, C, H, W); 3d:
 * (N, C, D, H, W), to the same. In training over the batch, with the biased variance, and
 *   running ← (1 - momentum) running + momentum · statistic,   the variance unbiased;
 * in evaluation with running_mean and running_var, unless they are not tracked. Parameters: weight (C), 1, and bias (C), 0; buffers:
 * running_mean (C), 0, running_var (C), 1, num_batches_tracked (), int64. Ioffe and Szegedy, "Batch Normalization", 2015. Errors:
 * num_features below 1; called with another rank or number of channels or, in training, one value for each channel. */
typedef struct cr_batch_norm_options {
    int64_t num_features;
    double eps;      /* 1e-5 */
    double momentum; /* 0.1 */
    bool
        no_momentum; /* momentum=None: running statistics are the average over all batches so far */
    bool no_affine, no_track_running_stats;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_batch_norm_options;
CR_API cr_module *cr_batch_norm1d_with(const cr_batch_norm_options *options);
CR_API cr_module *cr_batch_norm2d_with(const cr_batch_norm_options *options);
CR_API cr_module *cr_batch_norm3d_with(const cr_batch_norm_options *options);

/* LazyBatchNorm: the same with num_features taken from the first input; without parameters or statistics until then. */
typedef struct cr_lazy_batch_norm_options {
    int begin_;
    double eps, momentum; /* 1e-5, 0.1 */
    bool no_momentum, no_affine, no_track_running_stats;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_lazy_batch_norm_options;
CR_API cr_module *cr_lazy_batch_norm1d_with(const cr_lazy_batch_norm_options *options);
CR_API cr_module *cr_lazy_batch_norm2d_with(const cr_lazy_batch_norm_options *options);
CR_API cr_module *cr_lazy_batch_norm3d_with(const cr_lazy_batch_norm_options *options);

/* SyncBatchNorm: (N, C, +) to (N, C, +), of any rank from 2. There is one process, so it is batch norm. Errors: as above. */
CR_API cr_module *cr_sync_batch_norm_with(const cr_batch_norm_options *options);

/* InstanceNorm:   y = (x - E[x]) / √(Var[x] + eps) · weight + bias   for each channel of each sample, in evaluation too unless
 * running statistics are tracked. 1d: (N, C, L) or (C, L); 2d: (N, C, H, W) or (C, H, W); 3d: (N, C, D, H, W) or (C, D, H, W), to
 * the same. Parameters and buffers, if affine and tracked, as BatchNorm's. Ulyanov et al., "Instance Normalization", 2016. Errors:
 * num_features below 1; another rank, one element only for each channel or, with weights or statistics, number of channels. */
typedef struct cr_instance_norm_options {
    int64_t num_features;
    double eps, momentum; /* 1e-5, 0.1 */
    bool affine, track_running_stats, no_momentum;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_instance_norm_options;
CR_API cr_module *cr_instance_norm1d_with(const cr_instance_norm_options *options);
CR_API cr_module *cr_instance_norm2d_with(const cr_instance_norm_options *options);
CR_API cr_module *cr_instance_norm3d_with(const cr_instance_norm_options *options);
/* LazyInstanceNorm: the same with num_features taken from the first input. */
typedef struct cr_lazy_instance_norm_options {
    int begin_;
    double eps, momentum; /* 1e-5, 0.1 */
    bool affine, track_running_stats, no_momentum;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_lazy_instance_norm_options;
CR_API cr_module *cr_lazy_instance_norm1d_with(const cr_lazy_instance_norm_options *options);
CR_API cr_module *cr_lazy_instance_norm2d_with(const cr_lazy_instance_norm_options *options);
CR_API cr_module *cr_lazy_instance_norm3d_with(const cr_lazy_instance_norm_options *options);

/* GroupNorm:   y = (x - E[x]) / √(Var[x] + eps) · weight + bias,   statistics over each of num_groups groups of channels of each
 * sample. (N, C, *) to (N, C, *). Parameters: weight (num_channels), 1, bias (num_channels), 0. Wu and He, "Group Normalization",
 * 2018. Errors: channels that groups don't divide; called with another number of channels, or one element for each group only. */
typedef struct cr_group_norm_options {
    int64_t num_groups, num_channels;
    double eps; /* 1e-5 */
    bool no_affine;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_group_norm_options;
CR_API cr_module *cr_group_norm_with(const cr_group_norm_options *options);

/* LocalResponseNorm:   y_c = x_c / (k + alpha / size · Σ x_c'²)^beta,   the sum over size channels around c. (N, C, *) to (N, C, *),
 * of rank 3 or more; CrossMapLRN2d: (N, C, H, W), by windows of ⌊(size - 1) / 2⌋ channels to both sides. Krizhevsky et al.,
 * "ImageNet Classification with Deep Convolutional Neural Networks", 2012. Errors: size below 1; called with another rank. */
typedef struct cr_local_response_norm_options {
    int64_t size;
    double alpha, beta, k; /* 1e-4, 0.75, 1 */
    int end_;
} cr_local_response_norm_options;
CR_API cr_module *cr_local_response_norm_with(const cr_local_response_norm_options *options);
CR_API cr_module *cr_cross_map_lrn2d_with(const cr_local_response_norm_options *options);

typedef struct cr_layer_norm_options {
    double eps; /* 1e-5 */
    bool no_elementwise_affine;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_layer_norm_options;
/* LayerNorm:   y = (x - E[x]) / √(Var[x] + eps) · weight + bias,   statistics over the last dimensions, which must have these sizes:
 * (N, *) to (N, *); cr_layer_norm(64), cr_layer_norm(CR_INTS(8, 8)). Parameters: weight (normalized_shape), 1, bias the same, 0. Ba
 * et al., "Layer Normalization", 2016. Errors: sizes below 1; called with other last sizes. */
CR_API cr_module *cr_layer_norm_with(cr_ints normalized_shape,
                                     const cr_layer_norm_options *options);

/* ---- embedding ---- */

/* y = weight[x]. x: integers (*), y: (*, embedding_dim), weight: (num_embeddings, embedding_dim),
 * drawn from N(0, 1). The row padding_idx (negative: from the end) starts as zeros and gets no
 * gradient. Errors: num_embeddings below 1, embedding_dim below 0, padding_idx out of range; called
 * with x that are no integers, or out of range (told when somebody reads the result, on devices that
 * compute later). */
typedef struct cr_embedding_options {
    int64_t num_embeddings, embedding_dim;
    cr_opt_int padding_idx;
    bool scale_grad_by_freq; /* divide gradients by how often each row was used in the batch */
    double max_norm,
        norm_type; /* rows used are scaled, in place, to this norm_type-norm (2) at most; 0: not */
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_embedding_options;
CR_API cr_module *cr_embedding_with(const cr_embedding_options *options);

/* The sum, mean or maximum of the rows of each bag, padding_idx left out. Called with indices (B, N), a bag in each row; or with
 * (N) and offsets (B), where bags begin (with include_last_offset and where the last one ends). A third input weighs the rows of
 * mode "sum": (B, N), or (N). Output: (B, embedding_dim), zeros for an empty bag; weight as Embedding's. Errors: another mode,
 * padding_idx out of range; called with another rank, offsets that don't begin with 0, fall or go past the indices, weights for
 * another mode, indices out of range. */
typedef struct cr_embedding_bag_layer_options {
    int64_t num_embeddings, embedding_dim;
    double max_norm, norm_type;
    bool scale_grad_by_freq;
    const char *mode; /* "mean", "sum" or "max" */
    bool include_last_offset;
    cr_opt_int padding_idx;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_embedding_bag_layer_options;
CR_API cr_module *cr_embedding_bag_layer_with(const cr_embedding_bag_layer_options *options);

#ifndef __cplusplus
#define cr_linear(...) cr_linear_with(&(const cr_linear_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_linear(...) \
    cr_lazy_linear_with(&(const cr_lazy_linear_options){__VA_ARGS__, .end_ = 0})
#define cr_bilinear(...) cr_bilinear_with(&(const cr_bilinear_options){__VA_ARGS__, .end_ = 0})
#define cr_conv1d(...)   cr_conv1d_with(&(const cr_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_conv2d(...)   cr_conv2d_with(&(const cr_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_conv3d(...)   cr_conv3d_with(&(const cr_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_conv_transpose1d(...) \
    cr_conv_transpose1d_with(&(const cr_conv_transpose_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_conv1d(...) \
    cr_lazy_conv1d_with(&(const cr_lazy_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_conv_transpose1d(...) \
    cr_lazy_conv_transpose1d_with(&(const cr_lazy_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_conv_transpose2d(...) \
    cr_conv_transpose2d_with(&(const cr_conv_transpose_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_conv2d(...) \
    cr_lazy_conv2d_with(&(const cr_lazy_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_conv_transpose2d(...) \
    cr_lazy_conv_transpose2d_with(&(const cr_lazy_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_conv_transpose3d(...) \
    cr_conv_transpose3d_with(&(const cr_conv_transpose_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_conv3d(...) \
    cr_lazy_conv3d_with(&(const cr_lazy_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_conv_transpose3d(...) \
    cr_lazy_conv_transpose3d_with(&(const cr_lazy_conv_options){__VA_ARGS__, .end_ = 0})
#define cr_dropout(...)                        \
    cr_dropout_with(CR_FIRST_(__VA_ARGS__, 0), \
                    &(const cr_dropout_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_dropout2d(...)                        \
    cr_dropout2d_with(CR_FIRST_(__VA_ARGS__, 0), \
                      &(const cr_dropout_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_flatten_layer(...) \
    cr_flatten_layer_with(&(const cr_flatten_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_unflatten_layer(dim, sizes) cr_unflatten_layer_with(dim, CR_I(sizes))
#define cr_relu_layer(...)             cr_relu_layer_with(&(const cr_inplace_options){.begin_ = 0, __VA_ARGS__})
#define cr_silu_layer(...)             cr_silu_layer_with(&(const cr_inplace_options){.begin_ = 0, __VA_ARGS__})
#define cr_gelu_layer(...) \
    cr_gelu_layer_with(&(const cr_gelu_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_leaky_relu_layer(...) \
    cr_leaky_relu_layer_with(&(const cr_leaky_relu_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_elu_layer(...) cr_elu_layer_with(&(const cr_elu_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_softplus_layer(...) \
    cr_softplus_layer_with(&(const cr_softplus_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_relu6_layer(...) \
    cr_relu6_layer_with(&(const cr_inplace_options){.begin_ = 0, __VA_ARGS__})
#define cr_selu_layer(...) cr_selu_layer_with(&(const cr_inplace_options){.begin_ = 0, __VA_ARGS__})
#define cr_mish_layer(...) cr_mish_layer_with(&(const cr_inplace_options){.begin_ = 0, __VA_ARGS__})
#define cr_hardsigmoid_layer(...) \
    cr_hardsigmoid_layer_with(&(const cr_inplace_options){.begin_ = 0, __VA_ARGS__})
#define cr_hardswish_layer(...) \
    cr_hardswish_layer_with(&(const cr_inplace_options){.begin_ = 0, __VA_ARGS__})
#define cr_celu_layer(...) \
    cr_celu_layer_with(&(const cr_elu_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_hardtanh_layer(...) \
    cr_hardtanh_layer_with(&(const cr_hardtanh_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_rrelu_layer(...) \
    cr_rrelu_layer_with(&(const cr_rrelu_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_hardshrink_layer(...) \
    cr_hardshrink_layer_with(&(const cr_shrink_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_softshrink_layer(...) \
    cr_softshrink_layer_with(&(const cr_shrink_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_glu_layer(...) cr_glu_layer_with(&(const cr_glu_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_prelu_layer(...) \
    cr_prelu_layer_with(&(const cr_prelu_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_threshold_layer(threshold, ...)                        \
    cr_threshold_layer_with(threshold, CR_FIRST_(__VA_ARGS__, 0), \
                            &(const cr_inplace_options){0, CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_dropout1d(...)                        \
    cr_dropout1d_with(CR_FIRST_(__VA_ARGS__, 0), \
                      &(const cr_dropout_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_dropout3d(...)                        \
    cr_dropout3d_with(CR_FIRST_(__VA_ARGS__, 0), \
                      &(const cr_dropout_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_alpha_dropout(...)                        \
    cr_alpha_dropout_with(CR_FIRST_(__VA_ARGS__, 0), \
                          &(const cr_dropout_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_feature_alpha_dropout(...)                        \
    cr_feature_alpha_dropout_with(CR_FIRST_(__VA_ARGS__, 0), \
                                  &(const cr_dropout_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_batch_norm1d(...) \
    cr_batch_norm1d_with(&(const cr_batch_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_batch_norm2d(...) \
    cr_batch_norm2d_with(&(const cr_batch_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_batch_norm3d(...) \
    cr_batch_norm3d_with(&(const cr_batch_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_sync_batch_norm(...) \
    cr_sync_batch_norm_with(&(const cr_batch_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_instance_norm1d(...) \
    cr_instance_norm1d_with(&(const cr_instance_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_instance_norm2d(...) \
    cr_instance_norm2d_with(&(const cr_instance_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_instance_norm3d(...) \
    cr_instance_norm3d_with(&(const cr_instance_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_lazy_batch_norm1d(...) \
    cr_lazy_batch_norm1d_with(&(const cr_lazy_batch_norm_options){.begin_ = 0, __VA_ARGS__})
#define cr_lazy_batch_norm2d(...) \
    cr_lazy_batch_norm2d_with(&(const cr_lazy_batch_norm_options){.begin_ = 0, __VA_ARGS__})
#define cr_lazy_batch_norm3d(...) \
    cr_lazy_batch_norm3d_with(&(const cr_lazy_batch_norm_options){.begin_ = 0, __VA_ARGS__})
#define cr_lazy_instance_norm1d(...) \
    cr_lazy_instance_norm1d_with(&(const cr_lazy_instance_norm_options){.begin_ = 0, __VA_ARGS__})
#define cr_lazy_instance_norm2d(...) \
    cr_lazy_instance_norm2d_with(&(const cr_lazy_instance_norm_options){.begin_ = 0, __VA_ARGS__})
#define cr_lazy_instance_norm3d(...) \
    cr_lazy_instance_norm3d_with(&(const cr_lazy_instance_norm_options){.begin_ = 0, __VA_ARGS__})
#define cr_group_norm(...) \
    cr_group_norm_with(&(const cr_group_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_local_response_norm(...) \
    cr_local_response_norm_with(&(const cr_local_response_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_cross_map_lrn2d(...) \
    cr_cross_map_lrn2d_with(&(const cr_local_response_norm_options){__VA_ARGS__, .end_ = 0})
#define cr_layer_norm(...)                              \
    cr_layer_norm_with(CR_I(CR_FIRST_(__VA_ARGS__, 0)), \
                       &(const cr_layer_norm_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_embedding_bag_layer(...) \
    cr_embedding_bag_layer_with(&(const cr_embedding_bag_layer_options){__VA_ARGS__, .end_ = 0})
#define cr_embedding(...) cr_embedding_with(&(const cr_embedding_options){__VA_ARGS__, .end_ = 0})
#endif

#ifdef __cplusplus
}
#endif
#endif
