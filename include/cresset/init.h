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

/* U(from, to), any shape. PyTorch's defaults: 0 and 1. Errors: from above to. */
CR_API cr_tensor *cr_init_uniform_(cr_tensor *tensor, double from, double to);
/* N(mean, std²), any shape. PyTorch's defaults: 0 and 1. Errors: std below 0. */
CR_API cr_tensor *cr_init_normal_(cr_tensor *tensor, double mean, double std);
/* N(mean, std²) conditioned on [from, to], by the inverse of its distribution, any shape. PyTorch's defaults: 0, 1, -2 and 2.
 * Errors: std not above 0, bounds out of order. */
CR_API cr_tensor *cr_init_trunc_normal_(cr_tensor *tensor, double mean, double std, double from,
                                        double to);
/* value, 1 or 0 in each element, any shape. */
CR_API cr_tensor *cr_init_constant_(cr_tensor *tensor, double value);
CR_API cr_tensor *cr_init_ones_(cr_tensor *tensor);
CR_API cr_tensor *cr_init_zeros_(cr_tensor *tensor);
/* (n, m): 1 on the diagonal and 0 elsewhere, so that a Linear passes on as many inputs as it can. Errors: another rank. */
CR_API cr_tensor *cr_init_eye_(cr_tensor *tensor);
/* (C_out, C_in, *), of rank 3 to 5: the Dirac delta, 1 at each kernel's centre where the output channel of its group has the input
 * channel's number, and 0 elsewhere, so that a padded convolution passes on its input. groups is 1 by PyTorch's default. Errors:
 * another rank, C_out that groups doesn't divide. */
CR_API cr_tensor *cr_init_dirac_(cr_tensor *tensor, int64_t groups);

/* Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010:
 *   U(-a, a) with a = gain √(6 / (fan_in + fan_out)),   N(0, std²) with std = gain √(2 / (fan_in + fan_out))
 * (C_out, C_in, *); PyTorch's default for gain is 1. Errors: fewer than 2 dimensions. */
CR_API cr_tensor *cr_init_xavier_uniform_(cr_tensor *tensor, double gain);
CR_API cr_tensor *cr_init_xavier_normal_(cr_tensor *tensor, double gain);

typedef struct cr_init_kaiming_options {
    double a;                 /* the slope, for "leaky_relu" */
    cr_fan mode;              /* CR_FAN_IN */
    const char *nonlinearity; /* "leaky_relu" */
    int end_;
} cr_init_kaiming_options;
/* He et al., "Delving deep into rectifiers", 2015:
 *   U(-b, b) with b = gain √(3 / fan),   N(0, std²) with std = gain / √fan
 * (C_out, C_in, *); fan is fan_in or fan_out, as mode says, gain that of the nonlinearity. A tensor without elements stays as it is.
 * Errors: fewer than 2 dimensions, an unknown nonlinearity. */
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

/* Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013: a (semi-)orthogonal
 * matrix, dimensions from the second on taken as one, times gain (PyTorch's default: 1); uniform over such matrices. The
 * factorisation is computed on the host. Errors: fewer than 2 dimensions. */
CR_API cr_tensor *cr_init_orthogonal_(cr_tensor *tensor, double gain);

/* Martens, "Deep learning via Hessian-free optimization", 2010: N(0, std²) (PyTorch's default: 0.01), with ⌈sparsity · rows⌉
 * elements of each column, drawn at random, zero. tensor: (rows, columns). Errors: another rank, sparsity outside of 0 to 1. */
CR_API cr_tensor *cr_init_sparse_(cr_tensor *tensor, double sparsity, double std);

/* The recommended gain: "linear", "conv1d" to "conv3d" and "sigmoid" 1, "tanh" 5/3, "relu" √2,
 * "leaky_relu" √(2 / (1 + a²)) (PyTorch's default for a is 0.01), "selu" 3/4. Another name is an
 * error, and NaN. */
CR_API double cr_init_calculate_gain(const char *nonlinearity, double a);
/* Of a weight (C_out, C_in, *): fan_in = C_in · Π *, fan_out = C_out · Π *. Returns 0, or an error: fewer than 2 dimensions. */
CR_API int cr_init_calculate_fan_in_and_fan_out(const cr_tensor *tensor, int64_t *fan_in,
                                                int64_t *fan_out);

#ifdef __cplusplus
}
#endif
#endif
