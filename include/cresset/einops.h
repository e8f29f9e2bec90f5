/* einops: rearranging, reducing and repeating by named axes (Rogozhnikov, 2022), with its patterns and meanings.
 *
 *     cr_rearrange(x, "b c (h s) (w t) -> b (c s t) h w", {"s", 2}, {"t", 2});
 *     cr_reduce(x, "b c (h 2) (w 2) -> b c h w", "max");
 *     cr_einops_repeat(x, "h w -> h (w k)", {"k", 3});
 *     cr_rearrange(CR_TENSORS(a, b), "n h w -> h (n w)");          // lists are stacked on a new first axis
 *
 * A pattern says the axes before and after. Axes stand in a tensor's order; those in parentheses are one dimension together, outer
 * first; 1 and () are a dimension of size 1; a number is an axis without a name; ... is any number of dimensions. Sizes that don't
 * follow from the tensor are given behind as {"name", size}. Names are letters, digits and underscores, as Python's identifiers,
 * without an underscore at either end. Up to CR_MAX_RANK axes on a side.
 *
 * Everything is differentiable, on any device, and a view of its input wherever one can be (what is merged lies in order, as
 * reshape). Parsed patterns are kept (the 256 most used, about), so that the second call with a pattern costs little more than the
 * operations that it becomes. einops.asnumpy is cr_tensor_read here, or cr_to_dlpack where NumPy itself is. Errors name the pattern, the tensor and the axis. Results are the scope's. */
#ifndef CRESSET_EINOPS_H
#define CRESSET_EINOPS_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The size of an axis, by its name. Lists of them end with a null name; the macros add it. */
typedef struct cr_axis {
    const char *name;
    int64_t size;
} cr_axis;

/* The same elements in another order and shape. Both sides have the same axes. Errors: a pattern that doesn't parse or fit the
 * tensor; an axis whose size is unknown, or doesn't divide. */
CR_API cr_tensor *cr_rearrange_with(cr_tensor *tensor, const char *pattern, const cr_axis *axes);

/* Axes that are missing on the right are reduced: by "min", "max", "sum", "mean", "prod", "any" or "all", with the dtypes of
 * cr_amin, cr_amax, cr_sum_dim, cr_mean_dim, cr_prod_dim, cr_any_dims and cr_all_dims. Errors: another reduction; "mean" of
 * integers. */
CR_API cr_tensor *cr_reduce_with(cr_tensor *tensor, const char *pattern, const char *reduction,
                                 const cr_axis *axes);

/* Axes that are new on the right are repeated; einops's repeat (cr_repeat is Tensor.repeat). What needs no copy is expanded. */
CR_API cr_tensor *cr_einops_repeat_with(cr_tensor *tensor, const char *pattern,
                                        const cr_axis *axes);

/* Products summed over the axes that are missing on the right: cr_einops_einsum("batch i c, batch j c -> batch i j",
 * CR_TENSORS(a, b)). Names may have several letters; otherwise as cr_einsum, which it becomes. No parentheses and no numbers. */
CR_API cr_tensor *cr_einops_einsum(const char *pattern, cr_tensors tensors);

/* ---- packing ---- */

/* The dimensions of one tensor that were packed into one. */
typedef struct cr_packed_shape {
    int dim;
    int64_t sizes[CR_MAX_RANK]; /* for cr_unpack one of them may be -1: what is left */
} cr_packed_shape;

/* Joins tensors that share the dimensions named in the pattern along one, `*`, into which each tensor's other dimensions (any
 * number of them) are flattened: "b * c". Writes the dimensions that went into `*` to shapes[0..tensors.count). */
CR_API cr_tensor *cr_pack(cr_tensors tensors, const char *pattern, cr_packed_shape *shapes);

/* Takes a tensor apart again, views of it: outputs[i] has shapes[i] in the place of `*`. One size in all shapes may be -1.
 * Returns 0, or an error: sizes that don't add up. */
CR_API int cr_unpack(cr_tensor *tensor, const cr_packed_shape *shapes, size_t count,
                     const char *pattern, cr_tensor **outputs);

/* ---- looking at shapes ---- */

/* Where the size of a named axis goes. */
typedef struct cr_axis_size {
    const char *name;
    int64_t *size;
} cr_axis_size;

/* Reads sizes off: cr_parse_shape(x, "b _ h w", {"h", &height}, {"w", &width}). `_` is any dimension, a number must be as the
 * pattern says, ... is skipped; no parentheses. Returns 0, or an error: another rank, a name that the pattern hasn't. */
CR_API int cr_parse_shape_with(const cr_tensor *tensor, const char *pattern,
                               const cr_axis_size *axes);

/* ---- layers ---- */

/* Rearrange and Reduce as modules, for cr_sequential. Patterns are parsed when they are made. */
CR_API cr_module *cr_rearrange_layer_with(const char *pattern, const cr_axis *axes);
CR_API cr_module *cr_reduce_layer_with(const char *pattern, const char *reduction,
                                       const cr_axis *axes);

typedef struct cr_einmix_options {
    const char *pattern;      /* "t b c -> t b c_out" */
    const char *weight_shape; /* "c c_out": its axes, sizes in `axes` */
    const char *bias_shape;   /* "c_out"; null: no bias */
    cr_axis axes[2 * CR_MAX_RANK];
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_einmix_options;

/* A linear layer over any axes: EinMix. The input times `weight`, summed over the axes that the output lacks, plus `bias`. Weight
 * uniform in ±√(3/fan_in), bias in ±√(1/fan_in), fan_in the product of the weight's axes that are summed over:
 * cr_einmix("b (h p) w c -> b h w d", "p c d", .bias_shape = "d", .axes = {{"p", 4}, {"c", 3}, {"d", 8}}). Errors: what EinMix
 * refuses: numbers, parentheses or ... in the weight's shape, axes that are unknown, unused or without a size. */
CR_API cr_module *cr_einmix_with(const cr_einmix_options *options);

#ifndef __cplusplus
#define cr_rearrange(tensor, ...)                                          \
    cr_rearrange_with(CR_EINOPS_INPUT_(tensor), CR_FIRST_(__VA_ARGS__, 0), \
                      CR_AXES_(CR_REST_(__VA_ARGS__, {0, 0})))
#define cr_reduce(tensor, pattern, ...)                                          \
    cr_reduce_with(CR_EINOPS_INPUT_(tensor), pattern, CR_FIRST_(__VA_ARGS__, 0), \
                   CR_AXES_(CR_REST_(__VA_ARGS__, {0, 0})))
#define cr_einops_repeat(tensor, ...)                                          \
    cr_einops_repeat_with(CR_EINOPS_INPUT_(tensor), CR_FIRST_(__VA_ARGS__, 0), \
                          CR_AXES_(CR_REST_(__VA_ARGS__, {0, 0})))
#define cr_parse_shape(tensor, ...)                        \
    cr_parse_shape_with(tensor, CR_FIRST_(__VA_ARGS__, 0), \
                        (const cr_axis_size[]){CR_REST_(__VA_ARGS__, {0, 0})})
#define cr_rearrange_layer(...) \
    cr_rearrange_layer_with(CR_FIRST_(__VA_ARGS__, 0), CR_AXES_(CR_REST_(__VA_ARGS__, {0, 0})))
#define cr_reduce_layer(pattern, ...)                        \
    cr_reduce_layer_with(pattern, CR_FIRST_(__VA_ARGS__, 0), \
                         CR_AXES_(CR_REST_(__VA_ARGS__, {0, 0})))
#define cr_einmix(...) cr_einmix_with(&(const cr_einmix_options){__VA_ARGS__, .end_ = 0})

#define CR_AXES_(...) ((const cr_axis[]){__VA_ARGS__})
/* A tensor, or a list of them to be stacked. */
#define CR_EINOPS_INPUT_(x) \
    _Generic((x), cr_tensors : cr_einops_stack_, default : cr_einops_same_)(x)
static inline cr_tensor *cr_einops_same_(cr_tensor *tensor)
{
    return tensor;
}
#endif
CR_API cr_tensor *cr_einops_stack_(cr_tensors tensors);

#ifdef __cplusplus
}
#endif
#endif
