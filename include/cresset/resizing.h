/* Layers that change sizes without parameters: padding, upsampling, and windows unfolded and folded. Options and defaults are
 * written as layers.h says. */
#ifndef CRESSET_RESIZING_H
#define CRESSET_RESIZING_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- padding ----
 *
 * By one number on all sides, or by two for each dimension, the last dimension's first: left, right, top, bottom, front, back.
 * Negative ones crop. ConstantPad with value, ZeroPad2d with zeros; ReflectionPad mirrors the input at its border (padding must
 * be smaller than the input's size), ReplicationPad repeats the border. 1d: (N, C, W) or (C, W) to (N, C, W_out) or (C, W_out), 2d:
 * (N, C, H, W) or (C, H, W), 3d: (N, C, D, H, W) or (C, D, H, W), with W_out = W + left + right and H, D alike. Each returns a module
 * of the scope. Errors: another number of paddings; called with another rank, with paddings that leave nothing or are too wide to
 * mirror. */
CR_API cr_module *cr_constant_pad1d_with(cr_ints padding, double value);
CR_API cr_module *cr_constant_pad2d_with(cr_ints padding, double value);
CR_API cr_module *cr_constant_pad3d_with(cr_ints padding, double value);
CR_API cr_module *cr_zero_pad2d_with(cr_ints padding);
CR_API cr_module *cr_reflection_pad1d_layer_with(cr_ints padding);
CR_API cr_module *cr_reflection_pad2d_layer_with(cr_ints padding);
CR_API cr_module *cr_reflection_pad3d_layer_with(cr_ints padding);
CR_API cr_module *cr_replication_pad1d_layer_with(cr_ints padding);
CR_API cr_module *cr_replication_pad2d_layer_with(cr_ints padding);
CR_API cr_module *cr_replication_pad3d_layer_with(cr_ints padding);

/* ---- upsampling ---- */

/* Upsample: (N, C, W), (N, C, H, W) or (N, C, D, H, W) to the same with W_out = size or ⌊scale_factor W⌋, H and D alike. An output
 * element at i is taken from x at   i W / W_out (nearest: its floor; nearest-exact: of the middle),   (i + ½) W / W_out - ½   or, with
 * align_corners, i (W - 1) / (W_out - 1),   between its neighbours (bicubic: Keys, 1981, with a = -0.75). mode: "nearest" (the default), "nearest-exact", "linear" (1 spatial
 * dimension), "bilinear", "bicubic" (2), "trilinear" (3). With align_corners the corner elements keep their values. Errors: both
 * or none of size and factor, another mode, align_corners with a nearest one, recompute_scale_factor with a size, sizes below 1;
 * antialias, which interpolate alone takes; called with another rank, without channels, or a factor that leaves nothing.
 * UpsamplingNearest2d and UpsamplingBilinear2d (with
 * align_corners) have their modes fixed. */
typedef struct cr_upsample_options {
    int64_t size;
    double scale_factor;
    const char *mode;
    bool align_corners, recompute_scale_factor, antialias;
    int64_t size_hw[2], size_dhw[3];
    double scale_factor_hw[2], scale_factor_dhw[3];
    int end_;
} cr_upsample_options;
CR_API cr_module *cr_upsample_with(const cr_upsample_options *options);
CR_API cr_module *cr_upsampling_nearest2d_with(const cr_upsample_options *options);
CR_API cr_module *cr_upsampling_bilinear2d_with(const cr_upsample_options *options);

/* ---- windows ---- */

/* Unfold: (N, C, H, W) to (N, C kH kW, L), a column for each of   L = Π_d ⌊(size_d + 2 padding_d - dilation_d (kernel_d - 1) - 1) /
 * stride_d + 1⌋   windows. Fold: (N, C kH kW, L) to (N, C, output_size), the sum
 * of windows where they overlap. Both without N, too. Errors: sizes below 1; called with columns that don't fit. */
typedef struct cr_fold_options {
    int64_t output_size, kernel_size, dilation, padding, stride;
    int64_t output_size_hw[2], kernel_size_hw[2], dilation_hw[2], padding_hw[2], stride_hw[2];
    int end_;
} cr_fold_options;
CR_API cr_module *cr_fold_layer_with(const cr_fold_options *options);
typedef struct cr_unfold_layer_options {
    int64_t kernel_size, dilation, padding, stride;
    int64_t kernel_size_hw[2], dilation_hw[2], padding_hw[2], stride_hw[2];
    int end_;
} cr_unfold_layer_options;
CR_API cr_module *cr_unfold_layer_with(const cr_unfold_layer_options *options);

#ifndef __cplusplus
#define cr_constant_pad1d(padding, value)   cr_constant_pad1d_with(CR_I(padding), value)
#define cr_constant_pad2d(padding, value)   cr_constant_pad2d_with(CR_I(padding), value)
#define cr_constant_pad3d(padding, value)   cr_constant_pad3d_with(CR_I(padding), value)
#define cr_zero_pad2d(padding)              cr_zero_pad2d_with(CR_I(padding))
#define cr_reflection_pad1d_layer(padding)  cr_reflection_pad1d_layer_with(CR_I(padding))
#define cr_reflection_pad2d_layer(padding)  cr_reflection_pad2d_layer_with(CR_I(padding))
#define cr_reflection_pad3d_layer(padding)  cr_reflection_pad3d_layer_with(CR_I(padding))
#define cr_replication_pad1d_layer(padding) cr_replication_pad1d_layer_with(CR_I(padding))
#define cr_replication_pad2d_layer(padding) cr_replication_pad2d_layer_with(CR_I(padding))
#define cr_replication_pad3d_layer(padding) cr_replication_pad3d_layer_with(CR_I(padding))
#define cr_upsample(...)                    cr_upsample_with(&(const cr_upsample_options){__VA_ARGS__, .end_ = 0})
#define cr_upsampling_nearest2d(...) \
    cr_upsampling_nearest2d_with(&(const cr_upsample_options){__VA_ARGS__, .end_ = 0})
#define cr_upsampling_bilinear2d(...) \
    cr_upsampling_bilinear2d_with(&(const cr_upsample_options){__VA_ARGS__, .end_ = 0})
#define cr_fold_layer(...) cr_fold_layer_with(&(const cr_fold_options){__VA_ARGS__, .end_ = 0})
#define cr_unfold_layer(...) \
    cr_unfold_layer_with(&(const cr_unfold_layer_options){__VA_ARGS__, .end_ = 0})
#endif

#ifdef __cplusplus
}
#endif
#endif
