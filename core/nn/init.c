/* torch.nn.init, but for the matrices (init_matrix.c). */
#include <math.h>
#include <string.h>

#include <cresset/autograd.h>
#include <cresset/init.h>
#include <cresset/ops.h>

#include "core/base/error.h"

/* Runs an operation in place outside of the graph, its temporaries in a scope of their own. */
#define IN_PLACE(call)                  \
    do {                                \
        cr_tensor *result_ = NULL;      \
        if (tensor)                     \
            CR_SCOPE                    \
                CR_NO_GRAD              \
                    result_ = (call);   \
        return result_ ? tensor : NULL; \
    } while (0)

cr_tensor *cr_init_uniform_(cr_tensor *tensor, double from, double to)
{
    IN_PLACE(cr_uniform_(tensor, .from = from, .to = CR_SOME(to)));
}

cr_tensor *cr_init_normal_(cr_tensor *tensor, double mean, double std)
{
    IN_PLACE(cr_normal_(tensor, .mean = mean, .std = CR_SOME(std)));
}

cr_tensor *cr_init_constant_(cr_tensor *tensor, double value)
{
    IN_PLACE(cr_fill_scalar_(tensor, value));
}

cr_tensor *cr_init_ones_(cr_tensor *tensor)
{
    return cr_init_constant_(tensor, 1);
}

cr_tensor *cr_init_zeros_(cr_tensor *tensor)
{
    return cr_init_constant_(tensor, 0);
}

/* The inverse of the cumulative distribution, of a uniform draw between its values at the bounds. */
static cr_tensor *truncated(cr_tensor *tensor, double mean, double std, double from, double to)
{
    double low = erf((from - mean) / std / sqrt(2)), high = erf((to - mean) / std / sqrt(2));
    if (!cr_uniform_(tensor, .from = low, .to = CR_SOME(high)) || !cr_erfinv_(tensor))
        return NULL;
    cr_tensor *scaled = cr_add_scalar_(cr_mul_scalar_(tensor, std * sqrt(2)), mean);
    return cr_clamp_(scaled, .min = CR_S(from), .max = CR_S(to));
}

cr_tensor *cr_init_trunc_normal_(cr_tensor *tensor, double mean, double std, double from, double to)
{
    if (!(std > 0) || !(from < to))
        return cr_fail("cr_init_trunc_normal_: std must be above 0 and the bounds in order, got "
                       "std %g, bounds %g and %g",
                       std, from, to);
    IN_PLACE(truncated(tensor, mean, std, from, to));
}

int cr_init_calculate_fan_in_and_fan_out(const cr_tensor *tensor, int64_t *fan_in, int64_t *fan_out)
{
    int rank = cr_tensor_dim(tensor);
    if (!tensor)
        return cr_error() ? -1
                          : CR_FAIL_INT("cr_init_calculate_fan_in_and_fan_out: the tensor is null");
    if (rank < 2)
        return CR_FAIL_INT(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
    const int64_t *size = cr_tensor_sizes(tensor);
    int64_t field = 1;
    for (int i = 2; i < rank; i++)
        field *= size[i];
    *fan_in = size[1] * field;
    *fan_out = size[0] * field;
    return 0;
}

double cr_init_calculate_gain(const char *nonlinearity, double a)
{
    static const char *const ones[] = {"linear",           "conv1d",           "conv2d",
                                       "conv3d",           "conv_transpose1d", "conv_transpose2d",
                                       "conv_transpose3d", "sigmoid"};
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        if (!strcmp(nonlinearity, ones[i]))
            return 1;
    if (!strcmp(nonlinearity, "tanh"))
        return 5.0 / 3;
    if (!strcmp(nonlinearity, "relu"))
        return sqrt(2);
    if (!strcmp(nonlinearity, "leaky_relu"))
        return sqrt(2 / (1 + a * a));
    if (!strcmp(nonlinearity, "selu"))
        return 0.75;
    cr_fail("Unsupported nonlinearity %s", nonlinearity);
    return NAN;
}

/* √(2 / (fan_in + fan_out)) · gain; NaN after an error. */
static double xavier_std(const cr_tensor *tensor, double gain)
{
    int64_t fan_in, fan_out;
    if (cr_init_calculate_fan_in_and_fan_out(tensor, &fan_in, &fan_out))
        return NAN;
    return gain * sqrt(2.0 / (double)(fan_in + fan_out));
}

cr_tensor *cr_init_xavier_uniform_(cr_tensor *tensor, double gain)
{
    double bound = sqrt(3) * xavier_std(tensor, gain);
    return isnan(bound) ? NULL : cr_init_uniform_(tensor, -bound, bound);
}

cr_tensor *cr_init_xavier_normal_(cr_tensor *tensor, double gain)
{
    double std = xavier_std(tensor, gain);
    return isnan(std) ? NULL : cr_init_normal_(tensor, 0, std);
}

static double kaiming_std(const cr_tensor *tensor, const cr_init_kaiming_options *o)
{
    static const cr_init_kaiming_options none = {.end_ = 0};
    o = o ? o : &none;
    int64_t fan[2];
    if (cr_init_calculate_fan_in_and_fan_out(tensor, &fan[0], &fan[1]))
        return NAN;
    double gain = cr_init_calculate_gain(o->nonlinearity ? o->nonlinearity : "leaky_relu", o->a);
    return gain / sqrt((double)fan[o->mode == CR_FAN_OUT]);
}

cr_tensor *cr_init_kaiming_uniform_with_(cr_tensor *tensor, const cr_init_kaiming_options *options)
{
    if (tensor && !cr_tensor_numel(tensor))
        return tensor; /* nothing to fill, as in PyTorch */
    double bound = sqrt(3) * kaiming_std(tensor, options);
    return isnan(bound) ? NULL : cr_init_uniform_(tensor, -bound, bound);
}

cr_tensor *cr_init_kaiming_normal_with_(cr_tensor *tensor, const cr_init_kaiming_options *options)
{
    if (tensor && !cr_tensor_numel(tensor))
        return tensor;
    double std = kaiming_std(tensor, options);
    return isnan(std) ? NULL : cr_init_normal_(tensor, 0, std);
}
