/* torch.nn.functional, where its functions are more than an operation of ops.h: the names that put several together or choose
 * among them. All others are in ops.h, as cr_NAME or, where a module has the name, cr_f_NAME.
 *
 * Shapes are those of PyTorch's pages. Results belong to the scope; null arguments give null, failures set cr_error. Options are
 * keywords behind the required arguments; zero or missing ones are the default that is named. Where PyTorch takes an int or a
 * tuple, there are members with _hw and _dhw for the tuple. */
#ifndef CRESSET_FUNCTIONAL_H
#define CRESSET_FUNCTIONAL_H

#include <cresset/losses.h>
#include <cresset/ops.h>
#include <cresset/resizing.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- resampling ---- */

/* interpolate: what Upsample computes, of (N, C, W), (N, C, H, W) or (N, C, D, H, W). Options and errors: Upsample's, see
 * resizing.h; also mode "area", the mean of what lies in an output element's place, as adaptive_avg_pool, and antialias, for
 * "bilinear" and "bicubic" (an error with others): where the input is larger, s = W / W_out > 1, an output element is the mean of all
 * that falls to it,   y[i] = Σ_j w_j x[j] / Σ_j w_j,   w_j = f((j + ½ - s (i + ½)) / max(s, 1)),   f a triangle or Keys' cubic
 * with a = -0.5 (as in Pillow). upsample is interpolate's deprecated name, upsample_nearest and upsample_bilinear (with
 * align_corners) have their modes fixed. */
CR_API cr_tensor *cr_interpolate_with(cr_tensor *input, const cr_upsample_options *options);
CR_API cr_tensor *cr_upsample_nearest_with(cr_tensor *input, const cr_upsample_options *options);
CR_API cr_tensor *cr_upsample_bilinear_with(cr_tensor *input, const cr_upsample_options *options);

/* grid_sample (Jaderberg et al., "Spatial Transformer Networks", 2015): input (N, C, H, W) at the places (x, y) of grid (N, H_out, W_out, 2), -1 to 1
 * from side to side: (N, C, H_out, W_out); or volumes (N, C, D, H, W) and (x, y, z) of grid (N, D_out, H_out, W_out, 3). With align_corners ±1 are the middles of the corner elements, else their outer corners. mode:
 * "bilinear" (the default), "nearest", "bicubic" (images alone); padding_mode, for places outside: "zeros" (the default), "border", "reflection". Errors:
 * other words, other ranks or batches. */
typedef struct cr_grid_sample_options {
    const char *mode, *padding_mode;
    bool align_corners;
    int end_;
} cr_grid_sample_options;
CR_API cr_tensor *cr_grid_sample_with(cr_tensor *input, cr_tensor *grid,
                                      const cr_grid_sample_options *options);
/* affine_grid: theta (N, 2, 3), a size (N, C, H, W): the grid (N, H, W, 2) of theta (x, y, 1)ᵀ for grid_sample; theta (N, 3, 4), a size
 * (N, C, D, H, W): (N, D, H, W, 3). Errors: other shapes. */
typedef struct cr_affine_grid_options {
    bool align_corners;
    int end_;
} cr_affine_grid_options;
CR_API cr_tensor *cr_affine_grid_with(cr_tensor *theta, cr_ints size,
                                      const cr_affine_grid_options *options);

/* ---- windows ---- */

/* unfold: (N, C, H, W) or (C, H, W) to (N, C kH kW, L) or (C kH kW, L), a column for each of L = Π ⌊(size + 2 padding - dilation (kernel_size - 1) - 1) /
 * stride + 1⌋ windows. fold: back to (N, C, *output_size), what overlaps added. Options: the layers', see resizing.h, dilation 1,
 * padding 0, stride 1. Errors: sizes below 1, columns that don't fit. (cr_unfold is the tensor's method.) */
CR_API cr_tensor *cr_f_unfold_with(cr_tensor *input, const cr_unfold_layer_options *options);
CR_API cr_tensor *cr_f_fold_with(cr_tensor *input, const cr_fold_options *options);

/* Pools with where the greatest are, int64, in the flattened spatial dimensions: other names of cr_f_adaptive_max_pool1d … in ops.h. */
#define cr_adaptive_max_pool1d_with_indices   cr_f_adaptive_max_pool1d
#define cr_adaptive_max_pool2d_with_indices   cr_f_adaptive_max_pool2d
#define cr_adaptive_max_pool3d_with_indices   cr_f_adaptive_max_pool3d
#define cr_fractional_max_pool2d_with_indices cr_f_fractional_max_pool2d
#define cr_fractional_max_pool3d_with_indices cr_f_fractional_max_pool3d

/* ---- activations, embeddings, losses ---- */

/* logsigmoid: log(1 / (1 + e⁻ˣ)) of (*), exact at both ends: the same shape. */
CR_API cr_tensor *cr_logsigmoid(cr_tensor *input);

/* embedding_bag: input (B, n), int64, or (n) with offsets (B), where each bag begins; weight (num, width): (B, width), the "sum", "mean" (the
 * default) or "max" of each bag's rows of weight, 0 for an empty one. per_sample_weights, of input's shape, multiply rows, in sums only. With
 * include_last_offset the last offset is where the last bag ends. Rows of padding_idx count for nothing (negative ones count from the end). max_norm:
 * rows that are looked up are first scaled down, in place, to that norm_type-norm (2). Errors: indices outside of 0 to num - 1, another
 * mode or rank, offsets with (B, n) or none with (n). */
typedef struct cr_f_embedding_bag_options {
    cr_tensor *offsets;
    double max_norm, norm_type;
    bool scale_grad_by_freq;
    const char *mode;
    cr_tensor *per_sample_weights;
    bool include_last_offset;
    cr_opt_int padding_idx;
    int end_;
} cr_f_embedding_bag_options;
CR_API cr_tensor *cr_f_embedding_bag_with(cr_tensor *input, cr_tensor *weight,
                                          const cr_f_embedding_bag_options *options);

/* triplet_margin_with_distance_loss: max(0, d(anchor, positive) - d(anchor, negative) + margin), each (N, D), d any module of two inputs (null:
 * PairwiseDistance). Options and errors: the module's, see losses.h. */
CR_API cr_tensor *cr_f_triplet_margin_with_distance_loss_with(
    cr_tensor *anchor, cr_tensor *positive, cr_tensor *negative,
    const cr_triplet_margin_with_distance_loss_options *options);

#ifndef __cplusplus
#define cr_interpolate(...)                        \
    cr_interpolate_with(CR_FIRST_(__VA_ARGS__, 0), \
                        &(const cr_upsample_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_f_upsample cr_interpolate
#define cr_upsample_nearest(...)                        \
    cr_upsample_nearest_with(CR_FIRST_(__VA_ARGS__, 0), \
                             &(const cr_upsample_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_upsample_bilinear(...)                        \
    cr_upsample_bilinear_with(CR_FIRST_(__VA_ARGS__, 0), \
                              &(const cr_upsample_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_grid_sample(input, ...)                        \
    cr_grid_sample_with(input, CR_FIRST_(__VA_ARGS__, 0), \
                        &(const cr_grid_sample_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_affine_grid(theta, ...)                              \
    cr_affine_grid_with(theta, CR_I(CR_FIRST_(__VA_ARGS__, 0)), \
                        &(const cr_affine_grid_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_f_unfold(...)                        \
    cr_f_unfold_with(CR_FIRST_(__VA_ARGS__, 0), \
                     &(const cr_unfold_layer_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_f_fold(...)                        \
    cr_f_fold_with(CR_FIRST_(__VA_ARGS__, 0), \
                   &(const cr_fold_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_f_embedding_bag(input, ...)                        \
    cr_f_embedding_bag_with(input, CR_FIRST_(__VA_ARGS__, 0), \
                            &(const cr_f_embedding_bag_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_f_triplet_margin_with_distance_loss(anchor, positive, ...) \
    cr_f_triplet_margin_with_distance_loss_with(                      \
        anchor, positive, CR_FIRST_(__VA_ARGS__, 0),                  \
        &(const cr_triplet_margin_with_distance_loss_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

#ifdef __cplusplus
}
#endif
#endif
