/* torch.nn.init: fills tensors in place, outside of the graph, with numbers of the process's
 * generator (see cr_manual_seed).
 *
 * Each returns its tensor, or null and an error. fan_in and fan_out are the numbers of inputs and
 * outputs that an element of a weight (out, in, …) takes part in: in · receptive field and out ·
 * receptive field. */
#ifndef CRESSET_INIT_H
#define CRESSET_INIT_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cr_fan { CR_FAN_IN, CR_FAN_OUT } cr_fan;

CR_API cr_tensor *cr_init_uniform_(cr_tensor *tensor, double from, double to); /* U(from, to) */
CR_API cr_tensor *cr_init_normal_(cr_tensor *tensor, double mean, double std); /* N(mean, std²) */
/* N(mean, std²) with what lies outside of [from, to] drawn again. */
CR_API cr_tensor *cr_init_trunc_normal_(cr_tensor *tensor, double mean, double std, double from,
                                        double to);
CR_API cr_tensor *cr_init_constant_(cr_tensor *tensor, double value);
CR_API cr_tensor *cr_init_ones_(cr_tensor *tensor);
CR_API cr_tensor *cr_init_zeros_(cr_tensor *tensor);
/* The identity matrix, for a 2-d weight: inputs are passed on. Errors: another rank. */
CR_API cr_tensor *cr_init_eye_(cr_tensor *tensor);
/* The same for a convolution's weight of rank 3 to 5, in each of `groups` groups (1 or more). */
CR_API cr_tensor *cr_init_dirac_(cr_tensor *tensor, int64_t groups);

/* Glorot and Bengio, 2010: U(±gain √(6 / (fan_in + fan_out))), and N with the same variance. gain
 * is 1 if not asked for otherwise. Errors: fewer than 2 dimensions. */
CR_API cr_tensor *cr_init_xavier_uniform_(cr_tensor *tensor, double gain);
CR_API cr_tensor *cr_init_xavier_normal_(cr_tensor *tensor, double gain);

typedef struct cr_init_kaiming_options {
    double a;                 /* the slope, for "leaky_relu" */
    cr_fan mode;              /* CR_FAN_IN */
    const char *nonlinearity; /* "leaky_relu" */
    int end_;
} cr_init_kaiming_options;
/* He et al., 2015: U(±gain √(3 / fan)), and N(0, gain² / fan), with the gain of the nonlinearity.
 */
CR_API cr_tensor *cr_init_kaiming_uniform_with_(cr_tensor *tensor,
                                                const cr_init_kaiming_options *options);
CR_API cr_tensor *cr_init_kaiming_normal_with_(cr_tensor *tensor,
                                               const cr_init_kaiming_options *options);
#ifndef __cplusplus
#define cr_init_kaiming_uniform_(...) \
    cr_init_kaiming_uniform_with_(    \
        CR_FIRST_(__VA_ARGS__, 0),    \
        &(const cr_init_kaiming_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_init_kaiming_normal_(...)                                                          \
    cr_init_kaiming_normal_with_(CR_FIRST_(__VA_ARGS__, 0), &(const cr_init_kaiming_options){ \
                                                                CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

/* Saxe et al., 2013: a (semi-)orthogonal matrix, dimensions from the second on taken as one, times
 * gain. The factorisation is computed on the host. Errors: fewer than 2 dimensions. */
CR_API cr_tensor *cr_init_orthogonal_(cr_tensor *tensor, double gain);

/* Martens, "Deep learning via Hessian-free optimization", 2010: N(0, std²) (PyTorch's default: 0.01), with ⌈sparsity · rows⌉
 * elements of each column, drawn at random, zero. tensor: (rows, columns). Errors: another rank, sparsity outside of 0 to 1. */
CR_API cr_tensor *cr_init_sparse_(cr_tensor *tensor, double sparsity, double std);

/* The recommended gain: "linear", "conv1d" to "conv3d" and "sigmoid" 1, "tanh" 5/3, "relu" √2,
 * "leaky_relu" √(2 / (1 + a²)) (PyTorch's default for a is 0.01), "selu" 3/4. Another name is an
 * error, and NaN. */
CR_API double cr_init_calculate_gain(const char *nonlinearity, double a);
/* Returns 0, or an error: fewer than 2 dimensions. */
CR_API int cr_init_calculate_fan_in_and_fan_out(const cr_tensor *tensor, int64_t *fan_in,
                                                int64_t *fan_out);

#ifdef __cplusplus
}
#endif
#endif
