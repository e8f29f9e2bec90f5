/* Pooling layers: torch.nn's, options and defaults written as layers.h says. Sizes that PyTorch takes as an int or a tuple have
 * a member for one number, one for height and width (_hw, 2d) and one for depth, height and width (_dhw, 3d).
 *
 * x: (N, C, L) or (C, L) in 1d, (N, C, H, W) or (C, H, W) in 2d, (N, C, D, H, W) or (C, D, H, W) in 3d; y the same with L_out, or
 * H_out and W_out, or D_out too. Constructors give a module of the scope, and null with the error for sizes below 1 and padding below
 * 0; calls refuse another rank and windows that leave an output empty. */
#ifndef CRESSET_POOLING_H
#define CRESSET_POOLING_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* MaxPool:   y(n, c, i, j) = max over the window of x(n, c, stride i + dilation k - padding, …).   H_out = ⌊(H + 2 padding - dilation (kH - 1) - 1) / stride + 1⌋, rounded up with ceil_mode. stride
 * is kernel_size unless given. With return_indices a call has a second output: each maximum's place in its plane. Errors:
 * padding above half of the kernel's size; called with another rank. */
typedef struct cr_max_pool_options {
    int64_t kernel_size, stride, padding, dilation;
    bool return_indices, ceil_mode;
    int64_t kernel_size_hw[2], stride_hw[2], padding_hw[2], dilation_hw[2];
    int64_t kernel_size_dhw[3], stride_dhw[3], padding_dhw[3], dilation_dhw[3];
    int end_;
} cr_max_pool_options;
CR_API cr_module *cr_max_pool1d_with(const cr_max_pool_options *options);
CR_API cr_module *cr_max_pool2d_with(const cr_max_pool_options *options);
CR_API cr_module *cr_max_pool3d_with(const cr_max_pool_options *options);

/* AvgPool:   y(n, c, i, j) = Σ x(n, c, stride i + k - padding, …) / (kH kW);   sizes as above with dilation 1. With no_count_include_pad the padding's zeros don't count;
 * divisor_override (2d and 3d; 0: none) is what sums are divided by. Errors: padding above half of the kernel's size. */
typedef struct cr_avg_pool_options {
    int64_t kernel_size, stride, padding;
    bool ceil_mode, no_count_include_pad;
    int64_t divisor_override;
    int64_t kernel_size_hw[2], stride_hw[2], padding_hw[2];
    int64_t kernel_size_dhw[3], stride_dhw[3], padding_dhw[3];
    int end_;
} cr_avg_pool_options;
CR_API cr_module *cr_avg_pool1d_with(const cr_avg_pool_options *options);
CR_API cr_module *cr_avg_pool2d_with(const cr_avg_pool_options *options);
CR_API cr_module *cr_avg_pool3d_with(const cr_avg_pool_options *options);

/* LPPool:   y = (Σ xᵖ)^(1/p) of each window,   p being norm_type: p = 1 is the sum. H_out = ⌊(H - kH) / stride + 1⌋. Errors: norm_type
 * not above 0. */
typedef struct cr_lp_pool_options {
    double norm_type;
    int64_t kernel_size, stride;
    bool ceil_mode;
    int64_t kernel_size_hw[2], stride_hw[2];
    int64_t kernel_size_dhw[3], stride_dhw[3]; /* not used: there is no 3d */
    int end_;
} cr_lp_pool_options;
CR_API cr_module *cr_lp_pool1d_with(const cr_lp_pool_options *options);
CR_API cr_module *cr_lp_pool2d_with(const cr_lp_pool_options *options);

/* AdaptiveMaxPool, AdaptiveAvgPool: the largest of, or the mean over, windows chosen so that the output has this size, whatever the
 * input's: window i goes from ⌊i H / H_out⌋ to ⌈(i + 1) H / H_out⌉. A size of -1 is PyTorch's None: as the input's.
 * 0 gives an empty output (through which, in one and two dimensions, no gradient goes back: an error, as in PyTorch).
 * return_indices: the maxima's places as a second output. Errors: a size below -1. */
typedef struct cr_adaptive_pool_options {
    int64_t output_size;
    bool return_indices; /* of the maximum's */
    int64_t output_size_hw[2], output_size_dhw[3];
    int end_;
} cr_adaptive_pool_options;
CR_API cr_module *cr_adaptive_max_pool1d_with(const cr_adaptive_pool_options *options);
CR_API cr_module *cr_adaptive_max_pool2d_with(const cr_adaptive_pool_options *options);
CR_API cr_module *cr_adaptive_max_pool3d_with(const cr_adaptive_pool_options *options);
CR_API cr_module *cr_adaptive_avg_pool1d_with(const cr_adaptive_pool_options *options);
CR_API cr_module *cr_adaptive_avg_pool2d_with(const cr_adaptive_pool_options *options);
CR_API cr_module *cr_adaptive_avg_pool3d_with(const cr_adaptive_pool_options *options);

/* FractionalMaxPool (Graham, "Fractional Max-Pooling", 2014): maxima of windows at random places, so that the output has output_size, or output_ratio (in 0 to 1) times the
 * input's. random_samples (N, C, 2 or 3), in 0 to 1, says where (null: drawn at each call). Errors: both or none of size and
 * ratio; a ratio outside of 0 to 1. */
typedef struct cr_fractional_max_pool_options {
    int64_t kernel_size, output_size;
    double output_ratio;
    bool return_indices;
    cr_tensor *random_samples;
    int64_t kernel_size_hw[2], output_size_hw[2];
    int64_t kernel_size_dhw[3], output_size_dhw[3];
    double output_ratio_hw[2], output_ratio_dhw[3];
    int end_;
} cr_fractional_max_pool_options;
CR_API cr_module *cr_fractional_max_pool2d_with(const cr_fractional_max_pool_options *options);
CR_API cr_module *cr_fractional_max_pool3d_with(const cr_fractional_max_pool_options *options);

/* MaxUnpool (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2013), the inverse of max pooling with these
 * options: called with maxima and their indices, it puts them back and zeros elsewhere.
 * H_out = (H - 1) stride - 2 padding + kH, or given by a third input: the output's size as an int64 tensor of its last 1 to 3
 * sizes, where pooling has rounded. Errors: a size further than stride from that; indices outside of the plane. */
typedef struct cr_max_unpool_options {
    int64_t kernel_size, stride, padding;
    int64_t kernel_size_hw[2], stride_hw[2], padding_hw[2];
    int64_t kernel_size_dhw[3], stride_dhw[3], padding_dhw[3];
    int end_;
} cr_max_unpool_options;
CR_API cr_module *cr_max_unpool1d_with(const cr_max_unpool_options *options);
CR_API cr_module *cr_max_unpool2d_with(const cr_max_unpool_options *options);
CR_API cr_module *cr_max_unpool3d_with(const cr_max_unpool_options *options);

#ifndef __cplusplus
#define cr_max_pool1d(...) cr_max_pool1d_with(&(const cr_max_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_max_pool2d(...) cr_max_pool2d_with(&(const cr_max_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_max_pool3d(...) cr_max_pool3d_with(&(const cr_max_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_avg_pool1d(...) cr_avg_pool1d_with(&(const cr_avg_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_avg_pool2d(...) cr_avg_pool2d_with(&(const cr_avg_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_avg_pool3d(...) cr_avg_pool3d_with(&(const cr_avg_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_lp_pool1d(...)  cr_lp_pool1d_with(&(const cr_lp_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_lp_pool2d(...)  cr_lp_pool2d_with(&(const cr_lp_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_adaptive_max_pool1d(...) \
    cr_adaptive_max_pool1d_with(&(const cr_adaptive_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_adaptive_max_pool2d(...) \
    cr_adaptive_max_pool2d_with(&(const cr_adaptive_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_adaptive_max_pool3d(...) \
    cr_adaptive_max_pool3d_with(&(const cr_adaptive_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_adaptive_avg_pool1d(...) \
    cr_adaptive_avg_pool1d_with(&(const cr_adaptive_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_adaptive_avg_pool2d(...) \
    cr_adaptive_avg_pool2d_with(&(const cr_adaptive_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_adaptive_avg_pool3d(...) \
    cr_adaptive_avg_pool3d_with(&(const cr_adaptive_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_fractional_max_pool2d(...) \
    cr_fractional_max_pool2d_with(&(const cr_fractional_max_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_fractional_max_pool3d(...) \
    cr_fractional_max_pool3d_with(&(const cr_fractional_max_pool_options){__VA_ARGS__, .end_ = 0})
#define cr_max_unpool1d(...) \
    cr_max_unpool1d_with(&(const cr_max_unpool_options){__VA_ARGS__, .end_ = 0})
#define cr_max_unpool2d(...) \
    cr_max_unpool2d_with(&(const cr_max_unpool_options){__VA_ARGS__, .end_ = 0})
#define cr_max_unpool3d(...) \
    cr_max_unpool3d_with(&(const cr_max_unpool_options){__VA_ARGS__, .end_ = 0})
#endif

#ifdef __cplusplus
}
#endif
#endif
