/* Numbers that the host and the kernels agree on: dtypes as in backend.h, classes, operations, and how values are laid over
 * each other. Read by both compilers, so plain C. */
#ifndef CRESSET_PLUGINS_OPENCL_OPS_H
#define CRESSET_PLUGINS_OPENCL_OPS_H

/* The type that an element is computed in: f32 for the narrow floats, i32 for the narrow integers. */
#define CLASS_FLOAT  0
#define CLASS_DOUBLE 1
#define CLASS_INT    2
#define CLASS_LONG   3

/* clang-format off */
enum {
    U_ABS, U_NEG, U_SIGN, U_FLOOR, U_CEIL, U_TRUNC, U_ROUND, U_SQRT, U_RSQRT, U_RECIPROCAL, U_EXP, U_EXP2, U_EXPM1, U_LOG,
    U_LOG2, U_LOG10, U_LOG1P, U_SIN, U_COS, U_TAN, U_ASIN, U_ACOS, U_ATAN, U_SINH, U_COSH, U_TANH, U_ASINH, U_ACOSH,
    U_ATANH, U_ERF, U_ERFC, U_ERFINV, U_LGAMMA, U_DIGAMMA, U_SIGMOID, U_BITWISE_NOT, U_LOGICAL_NOT
};

enum {
    B_ADD, B_SUB, B_MUL, B_DIV, B_MAXIMUM, B_MINIMUM, B_ATAN2, B_POW, B_FMOD, B_REMAINDER, B_DIV_TRUNC, B_DIV_FLOOR, B_AND,
    B_OR, B_XOR, B_LEFT, B_RIGHT, B_COPYSIGN, B_NEXTAFTER,
    B_EQ, B_NE, B_LT, B_LE, B_GT, B_GE, B_LOGICAL_AND, B_LOGICAL_OR, B_LOGICAL_XOR /* from B_EQ on the output is bool */
};

/* Reductions, scans and scatter_reduce fold by these. */
enum { R_SUM, R_PROD, R_AMAX, R_AMIN, R_ARGMAX, R_ARGMIN, R_ANY, R_ALL, R_LOGSUMEXP, R_SET };
/* clang-format on */

#endif
