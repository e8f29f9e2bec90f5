/* Convolution by unfolding x into a matrix and multiplying: every dimension, stride, dilation and group, f32 and f64. */
#include "conv.h"
#include "gemm_f32.h"

#include <string.h>

enum {
    COL_ELEMENTS = 1 << 17,
    LEAST_PLACES =
        192, /* of a block, where the image has them: the weights are packed for each block */
    MOST_SCRATCH = 16 << 20,
    MOST_SLOTS = 8
};

#define REAL      float
#define GEMM      CPU_NAME(cpu_sgemm)
#define GEMM_ARGS cpu_sgemm_args
#define NAME(x)   f32_##x
#include "conv_general_real.h"
#undef REAL
#undef GEMM
#undef GEMM_ARGS
#undef NAME

#define REAL      double
#define GEMM      CPU_NAME(cpu_dgemm)
#define GEMM_ARGS cpu_dgemm_args
#define NAME(x)   f64_##x
#include "conv_general_real.h"
#undef NAME

#define WAY(x)                                                                     \
    {                                                                              \
        .takes_forward = x##_takes_data, .takes_backward_data = x##_takes_data,    \
        .takes_backward_weight = x##_takes_weight, .forward = x##_forward,         \
        .backward_data = x##_backward_data, .backward_weight = x##_backward_weight \
    }
const conv_way CPU_NAME(conv_general_f32) = WAY(f32);
const conv_way CPU_NAME(conv_general_f64) = WAY(f64);
