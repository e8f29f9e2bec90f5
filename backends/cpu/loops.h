/* Makers of elementwise kernels: a loop over one to four dense inputs from an expression of their elements x, y, z, w. In
 * the expression T is the dtype's C type and U the unsigned type in which integers wrap; `setup` may read number[…]. */
#ifndef CRESSET_BACKENDS_CPU_LOOPS_H
#define CRESSET_BACKENDS_CPU_LOOPS_H

#include "elementwise.h"

/* Expressions for all integers meet u8, too. */
#pragma GCC diagnostic ignored "-Wtype-limits"

#define CPU_LOOP_(name, T_, U_, R_, setup, inputs, elements, expr)                         \
    static void name(int64_t n, const void *const *in, void *out, const cr_number *number) \
    {                                                                                      \
        typedef T_ T;                                                                      \
        typedef U_ U;                                                                      \
        typedef R_ R;                                                                      \
        inputs R *o = out;                                                                 \
        (void)number;                                                                      \
        (void)sizeof(T);                                                                   \
        (void)sizeof(U);                                                                   \
        setup;                                                                             \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                \
        {                                                                                  \
            elements o[i] = (R)(expr);                                                     \
        }                                                                                  \
    }
#define CPU_LOOP1(name, T, U, R, setup, expr) \
    CPU_LOOP_(name, T, U, R, setup, const T *a = in[0];, T x = a[i];, expr)
#define CPU_LOOP2(name, T, U, R, setup, expr)                                            \
    CPU_LOOP_(name, T, U, R, setup, const T *a = in[0]; const T *b = in[1];, T x = a[i]; \
              T y = b[i];, expr)
#define CPU_LOOP3(name, T, U, R, setup, expr)                                                   \
    CPU_LOOP_(name, T, U, R, setup, const T *a = in[0]; const T *b = in[1]; const T *c = in[2]; \
              , T x = a[i]; T y = b[i]; T z = c[i];, expr)

/* The same for all integers, for both floats (R is the inputs' type), and for bool. */
#define CPU_INTS(LOOP, op, setup, expr)                     \
    LOOP(op##_i64, int64_t, uint64_t, int64_t, setup, expr) \
    LOOP(op##_i32, int32_t, uint32_t, int32_t, setup, expr) \
    LOOP(op##_i16, int16_t, uint32_t, int16_t, setup, expr) \
    LOOP(op##_i8, int8_t, uint32_t, int8_t, setup, expr)    \
    LOOP(op##_u8, uint8_t, uint32_t, uint8_t, setup, expr)
#define CPU_FLOATS(LOOP, op, setup, expr)               \
    LOOP(op##_f64, double, double, double, setup, expr) \
    LOOP(op##_f32, float, float, float, setup, expr)
#define CPU_BOOL(LOOP, op, setup, expr) LOOP(op##_b8, uint8_t, uint8_t, uint8_t, setup, expr)

/* The same with results of bool. */
#define CPU_TO_BOOL(LOOP, op, expr)                    \
    LOOP(op##_f64, double, double, uint8_t, , expr)    \
    LOOP(op##_f32, float, float, uint8_t, , expr)      \
    LOOP(op##_i64, int64_t, uint64_t, uint8_t, , expr) \
    LOOP(op##_i32, int32_t, uint32_t, uint8_t, , expr) \
    LOOP(op##_i16, int16_t, uint32_t, uint8_t, , expr) \
    LOOP(op##_i8, int8_t, uint32_t, uint8_t, , expr)   \
    LOOP(op##_u8, uint8_t, uint32_t, uint8_t, , expr)  \
    CPU_BOOL(LOOP, op, , expr)

/* Their places in cpu_elementwise.loop. */
#define CPU_AT_FLOATS(op) \
    [CR_F64] = op##_f64, [CR_F32] = op##_f32, [CR_F16] = op##_f32, [CR_BF16] = op##_f32
#define CPU_AT_INTS(op)                                                               \
    [CR_I64] = op##_i64, [CR_I32] = op##_i32, [CR_I16] = op##_i16, [CR_I8] = op##_i8, \
    [CR_U8] = op##_u8
#define CPU_AT_BOOL(op) [CR_B8] = op##_b8
#define CPU_AT_ALL(op)  CPU_AT_FLOATS(op), CPU_AT_INTS(op), CPU_AT_BOOL(op)

/* The tables of the families' files. */
extern const cpu_elementwise CPU_NAME(cpu_unary_ops)[], CPU_NAME(cpu_binary_ops)[],
    CPU_NAME(cpu_compare_ops)[], CPU_NAME(cpu_ternary_ops)[];

#endif
