/* Loops over runs of elements that change dtype or distance: what brings values of any dtype and stride to the dense
 * arrays that kernels compute on, and back. */
#ifndef CRESSET_BACKENDS_CPU_CONVERT_H
#define CRESSET_BACKENDS_CPU_CONVERT_H

#include "cpu.h"
#include "variant.h"

/* Dtypes as a list of their own, with their C types and a short name; halves appear as their bits. */
#define CPU_DTYPES(X)       \
    X(F64, f64, double)     \
    X(F32, f32, float)      \
    X(F16, f16, uint16_t)   \
    X(BF16, bf16, uint16_t) \
    X(I64, i64, int64_t)    \
    X(I32, i32, int32_t)    \
    X(I16, i16, int16_t)    \
    X(I8, i8, int8_t)       \
    X(U8, u8, uint8_t)      \
    X(B8, b8, uint8_t)

enum { CPU_NDTYPES = CR_B8 + 1 };

typedef void (*cpu_convert)(int64_t n, const void *from, void *to);

/* n dense elements of one dtype to another; null for unknown dtypes. Floats become integers by truncation, saturated at
 * 32 bits for narrower ones, which then wrap; NaN becomes 0. Equal dtypes are copied. */
cpu_convert CPU_NAME(cpu_convert_loop)(int32_t from, int32_t to);

/* n elements of `size` bytes (1, 2, 4 or 8), `stride` bytes apart, to a dense array, and back. */
void CPU_NAME(cpu_load_strided)(size_t size, int64_t n, const char *from, int64_t stride, void *to);
void CPU_NAME(cpu_store_strided)(size_t size, int64_t n, const void *from, char *to,
                                 int64_t stride);

/* These three of the instruction set that was chosen, for sources that are compiled once. */
typedef struct cpu_row_loops {
    cpu_convert (*convert)(int32_t from, int32_t to);
    void (*load)(size_t size, int64_t n, const char *from, int64_t stride, void *to);
    void (*store)(size_t size, int64_t n, const void *from, char *to, int64_t stride);
} cpu_row_loops;
extern const cpu_row_loops *cpu_rows;

/* Copies bytes past the caches, for what is larger than they are. */
void CPU_NAME(cpu_stream)(size_t bytes, const void *from, void *to);
/* The same of many parts; other threads see them all after the end. */
void CPU_NAME(cpu_stream_part)(size_t bytes, const void *from, void *to);
void CPU_NAME(cpu_stream_end)(void);

/* What a dtype is computed in: f32 for the halves, itself otherwise. */
static inline int32_t cpu_kernel_dtype(int32_t dtype)
{
    return dtype == CR_F16 || dtype == CR_BF16 ? (int32_t)CR_F32 : dtype;
}

/* The number as an element of a dtype, at `to`. */
void CPU_NAME(cpu_store_number)(const cr_number *number, int32_t dtype, void *to);

#endif
