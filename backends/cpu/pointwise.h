/* The driver of this backend's fused elementwise operations: up to four float inputs, one output, any strides and float
 * dtype, computed in f32 or f64 by a function on dense runs. Values that lie alike and dense are computed in place of
 * memory; others pass through buffers, a block at a time. */
#ifndef CRESSET_BACKENDS_CPU_POINTWISE_H
#define CRESSET_BACKENDS_CPU_POINTWISE_H

#include "cpu.h"

enum { POINTWISE_INPUTS = 4, POINTWISE_NUMBERS = 4 };

typedef void (*pointwise_f32)(const float *const *in, float *out, int64_t n, const float *number);
typedef void (*pointwise_f64)(const double *const *in, double *out, int64_t n,
                              const double *number);

/* numbers: names of run-time numbers; where there is none, the constant at the same place counts. */
typedef struct pointwise_spec {
    pointwise_f32 f32;
    pointwise_f64 f64;
    const char *numbers[POINTWISE_NUMBERS];
    double constants[POINTWISE_NUMBERS];
    double cost; /* nanoseconds an element, roughly */
} pointwise_spec;

/* Inputs have the output's sizes or one element. CR_UNSUPPORTED when dtypes differ or are no floats. */
cr_status cpu_plan_pointwise(const cpu_call *call, const pointwise_spec *spec, cr_plan **plan);

/* A function of T over runs of in[0…], written as an expression of a, b, c, d (their elements) and p[…] (numbers). */
#define POINTWISE(name, T, N, setup, result)                            \
    static void name(const T *const *in, T *out, int64_t n, const T *p) \
    {                                                                   \
        POINTWISE_IN_##N(T) setup;                                      \
        (void)p;                                                        \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)             \
        {                                                               \
            POINTWISE_AT_##N(T) out[i] = (result);                      \
        }                                                               \
    }
#define POINTWISE_IN_1(T) const T *in0 = in[0];
#define POINTWISE_IN_2(T) POINTWISE_IN_1(T) const T *in1 = in[1];
#define POINTWISE_IN_3(T) POINTWISE_IN_2(T) const T *in2 = in[2];
#define POINTWISE_IN_4(T) POINTWISE_IN_3(T) const T *in3 = in[3];
#define POINTWISE_AT_1(T) const T a = in0[i];
#define POINTWISE_AT_2(T) POINTWISE_AT_1(T) const T b = in1[i];
#define POINTWISE_AT_3(T) POINTWISE_AT_2(T) const T c = in2[i];
#define POINTWISE_AT_4(T) POINTWISE_AT_3(T) const T d = in3[i];

#endif
