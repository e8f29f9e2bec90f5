/* torch.autocast: blocks in which operations choose their own precision.
 *
 *     CR_AUTOCAST ("cpu", .dtype = CR_BF16)
 *         loss = cr_cross_entropy(cr_forward(net, x), y);
 *     cr_backward(loss);
 *
 * Operations of the lower-precision list (products and convolutions) cast their floating-point
 * arguments to dtype, those of the float32 list (losses, exponentials, sums …) to f32, those of the
 * promoting list to the widest that they are given. The lists are PyTorch 1.13's, in
 * core/ops/autocast.def: devices that compute in host memory have those of its CPU (float32: losses,
 * decompositions of matrices, 3d pools …; promoting: cat, stack, index_copy), others those of CUDA
 * (float32: exp, log, pow, sum, softmax, norms, losses …; promoting: addcmul, dot, scatter_add …),
 * where binary_cross_entropy is an error, since it is unsafe: use the one with logits. f64 is left
 * alone, and so are in-place and out forms and all other operations, which compute in what they
 * are given. Parameters stay as they are (f32 master weights): of a leaf that requires grad, the cast
 * is kept until the outermost block ends, or the leaf is changed.
 *
 * Blocks nest, the innermost that speaks of a tensor's device deciding; a block with
 * .disabled = true inside of another turns casting off. The state is the thread's. Where nothing is
 * on, nothing is looked at but a byte of the operation's row. */
#ifndef CRESSET_AUTOCAST_H
#define CRESSET_AUTOCAST_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_autocast_options {
    cr_dtype dtype; /* CR_BF16, CR_F16; bf16 if missing */
    bool disabled;  /* enabled = False */
    bool no_cache;  /* cache_enabled = False */
    int end_;
} cr_autocast_options;

/* Begins a block for a type of device ("cpu", "vulkan"; null: all), and ends the innermost one.
 * begin returns a depth for cr_autocast_end, to which it ends all inner blocks, too; 0 and an error
 * for another dtype, a name that is too long, or more than 32 blocks. */
CR_API int cr_autocast_begin(const char *device, const cr_autocast_options *options);
CR_API void cr_autocast_end(int depth);

/* Whether casting is on for a type of device (null: in the innermost block); to what. */
CR_API bool cr_autocast_enabled(const char *device);
CR_API cr_dtype cr_autocast_dtype(const char *device);
/* How many casts the thread keeps. */
CR_API size_t cr_autocast_cached(void);
/* The list that an operation, by its row's name ("softmax.int"), is on for a device (null: the default
 * one): "lower_precision", "float32", "promote", "banned"; null if on none, or for a device that there
 * is not, which is an error. The second asks for the default device. */
CR_API const char *cr_autocast_policy_on(const char *device, const char *op);
CR_API const char *cr_autocast_policy(const char *op);

#ifndef __cplusplus
/* A block; with GCC and Clang it may be left by any way, elsewhere not by `break`, `return`, `goto`.
 * Where it can't begin, it isn't entered. */
#define CR_AUTOCAST(...) CR_AUTOCAST_(CR_JOIN_(cr_autocast_depth_, __LINE__), __VA_ARGS__)
#define CR_AUTOCAST_(depth_, ...)                                                               \
    for (int depth_ CR_CLEANUP_(cr_autocast_leave_) =                                           \
             cr_autocast_begin(CR_FIRST_(__VA_ARGS__, 0),                                       \
                               &(const cr_autocast_options){CR_REST_(__VA_ARGS__, .end_ = 0)}); \
         depth_; cr_autocast_end(depth_), depth_ = 0)
#endif
/* What the block's variable runs when it goes; not for use by hand. */
static inline void cr_autocast_leave_(int *depth)
{
    if (*depth)
        cr_autocast_end(*depth);
}

#ifdef __cplusplus
}
#endif
#endif
