/* The activations and their backwards, one row each: the formula stands where the function is made. a is the first input,
 * b the second; p[] are the numbers in the order of the row. The tests' naive doubles check every row. */
#include "cpu_math.h"
#include "pointwise.h"
#include "variant.h"

#include <math.h>
#include <string.h>

static inline double sigmoid_f64(double x)
{
    return 1 / (1 + exp(-x));
}

#define GELU_BETA    0.79788456080286535588 /* √(2/π) */
#define GELU_KAPPA   0.044715
#define SQRT_HALF    0.70710678118654752440
#define INV_SQRT_2PI 0.39894228040143267794

/* Φ, the normal distribution's. */
static inline double phi_f64(double x)
{
    return 0.5 * (1 + erf(x * SQRT_HALF));
}

/* Of x Φ(x). */
static inline double gelu_slope_f64(double x)
{
    const double density = exp(-0.5 * x * x) * INV_SQRT_2PI;
    return phi_f64(x) + (density > 0 ? x * density : 0); /* of infinity, too */
}

/* T, its exp, tanh, Φ, (x Φ)', expm1, log1p. */
#define ACTIVATIONS(X, T, e, sigmoid, tanh_, phi, gelu_slope, expm1_, log1p_)                  \
    POINTWISE(X##_relu, T, 1, , a < 0 ? (T)0 : a)                                              \
    POINTWISE(X##_threshold_backward, T, 2, , b <= p[0] ? (T)0 : a)                            \
    POINTWISE(X##_sigmoid_backward, T, 2, , a *(1 - b) * b)                                    \
    POINTWISE(X##_tanh_backward, T, 2, , a *(1 - b * b))                                       \
    POINTWISE(X##_gelu, T, 1, , a *phi(a))                                                     \
    POINTWISE(X##_gelu_backward, T, 2, , a *gelu_slope(b))                                     \
    POINTWISE(X##_gelu_tanh, T, 1, ,                                                           \
              (T)0.5 * a * (1 + tanh_((T)GELU_BETA * (a + (T)GELU_KAPPA * a * a * a))))        \
    static inline T X##_gelu_tanh_slope(T x)                                                   \
    {                                                                                          \
        T t = tanh_((T)GELU_BETA * (x + (T)GELU_KAPPA * x * x * x));                           \
        return (T)0.5 * (1 + t) +                                                              \
               (T)0.5 * x * (1 - t * t) * (T)GELU_BETA * (1 + 3 * (T)GELU_KAPPA * x * x);      \
    }                                                                                          \
    POINTWISE(X##_gelu_tanh_backward, T, 2, , a *X##_gelu_tanh_slope(b))                       \
    POINTWISE(X##_silu, T, 1, , a / (1 + e(-a)))                                               \
    static inline T X##_silu_slope(T x)                                                        \
    {                                                                                          \
        T s = sigmoid(x);                                                                      \
        return s * (1 + x * (1 - s));                                                          \
    }                                                                                          \
    POINTWISE(X##_silu_backward, T, 2, , a *X##_silu_slope(b))                                 \
    POINTWISE(X##_leaky_relu, T, 1, , a > 0 ? a : a * p[0])                                    \
    POINTWISE(X##_leaky_relu_backward, T, 2, , b > 0 ? a : a * p[0])                           \
    POINTWISE(X##_elu, T, 1, , a <= 0 ? expm1_(a * p[2]) * (p[0] * p[1]) : a * p[1])           \
    POINTWISE(X##_elu_backward, T, 2, , a *(b <= 0 ? p[2] * p[0] * p[1] * e(b * p[2]) : p[1])) \
    POINTWISE(X##_elu_backward_result, T, 2, , a *(b <= 0 ? p[2] * (b + p[0] * p[1]) : p[1]))  \
    POINTWISE(X##_hardtanh, T, 1, , a<p[0] ? p[0] : a> p[1] ? p[1] : a)                        \
    POINTWISE(X##_hardtanh_backward, T, 2, , b <= p[0] || b >= p[1] ? (T)0 : a)                \
    POINTWISE(X##_softplus, T, 1, , a *p[0] > p[1] ? a : log1p_(e(a * p[0])) / p[0])           \
    POINTWISE(X##_softplus_backward, T, 2, , b *p[0] > p[1] ? a : a * sigmoid(b * p[0]))

ACTIVATIONS(f32, float, cpu_expf, cpu_sigmoidf, cpu_tanhf, cpu_phif, cpu_gelu_slopef, cpu_expm1f,
            cpu_log1pf)
ACTIVATIONS(f64, double, exp, sigmoid_f64, tanh, phi_f64, gelu_slope_f64, expm1, log1p)

/* Rows: name, kernel, cost, numbers. */
#define ROW(plan_name, kernel, nanoseconds, ...)                            \
    static cr_status plan_##plan_name(const cpu_call *call, cr_plan **plan) \
    {                                                                       \
        static const pointwise_spec spec = {.f32 = f32_##kernel,            \
                                            .f64 = f64_##kernel,            \
                                            .numbers = {__VA_ARGS__},       \
                                            .cost = nanoseconds};           \
        return cpu_plan_pointwise(call, &spec, plan);                       \
    }
ROW(relu, relu, 0.15, NULL)
ROW(threshold_backward, threshold_backward, 0.2, "threshold")
ROW(sigmoid_backward, sigmoid_backward, 0.2, NULL)
ROW(tanh_backward, tanh_backward, 0.2, NULL)
ROW(gelu_erf, gelu, 0.8, NULL)
ROW(gelu_tanh, gelu_tanh, 1, NULL)
ROW(gelu_erf_backward, gelu_backward, 1.2, NULL)
ROW(gelu_tanh_backward, gelu_tanh_backward, 1.2, NULL)
ROW(silu, silu, 0.5, NULL)
ROW(silu_backward, silu_backward, 0.5, NULL)
ROW(leaky_relu, leaky_relu, 0.15, "negative_slope")
ROW(leaky_relu_backward, leaky_relu_backward, 0.2, "negative_slope")
ROW(elu, elu, 1.2, "alpha", "scale", "input_scale")
ROW(elu_backward_self, elu_backward, 0.5, "alpha", "scale", "input_scale")
ROW(elu_backward_result, elu_backward_result, 0.2, "alpha", "scale", "input_scale")
ROW(hardtanh, hardtanh, 0.15, "min_val", "max_val")
ROW(hardtanh_backward, hardtanh_backward, 0.2, "min_val", "max_val")
ROW(softplus, softplus, 2, "beta", "threshold")
ROW(softplus_backward, softplus_backward, 0.5, "beta", "threshold")

static bool by_tanh(const cpu_call *call)
{
    return strcmp(cpu_attr_text(call->node, "approximate", "none"), "tanh") == 0;
}

static cr_status plan_gelu(const cpu_call *call, cr_plan **plan)
{
    return (by_tanh(call) ? plan_gelu_tanh : plan_gelu_erf)(call, plan);
}

static cr_status plan_gelu_backward(const cpu_call *call, cr_plan **plan)
{
    return (by_tanh(call) ? plan_gelu_tanh_backward : plan_gelu_erf_backward)(call, plan);
}

static cr_status plan_elu_backward(const cpu_call *call, cr_plan **plan)
{
    bool result = cpu_attr_int(call->node, "is_result", 0) != 0;
    return (result ? plan_elu_backward_result : plan_elu_backward_self)(call, plan);
}

const cpu_op CPU_NAME(cpu_family_activation)[] = {
    {"relu", plan_relu},
    {"threshold_backward", plan_threshold_backward},
    {"sigmoid_backward", plan_sigmoid_backward},
    {"tanh_backward", plan_tanh_backward},
    {"gelu", plan_gelu},
    {"gelu_backward", plan_gelu_backward},
    {"silu", plan_silu},
    {"silu_backward", plan_silu_backward},
    {"leaky_relu", plan_leaky_relu},
    {"leaky_relu_backward", plan_leaky_relu_backward},
    {"elu", plan_elu},
    {"elu_backward", plan_elu_backward},
    {"hardtanh", plan_hardtanh},
    {"hardtanh_backward", plan_hardtanh_backward},
    {"softplus", plan_softplus},
    {"softplus_backward", plan_softplus_backward},
    {NULL, NULL},
};
