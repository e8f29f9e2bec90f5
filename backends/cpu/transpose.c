/* See transpose.h. Small squares of 4-byte elements are turned in registers, plain loops do the other sizes. */
#include "transpose.h"
#include "simd.h"

#include <string.h>

typedef uint8_t __attribute__((may_alias)) raw1;
typedef uint16_t __attribute__((may_alias)) raw2;
typedef uint64_t __attribute__((may_alias)) raw8;

/* A cache line of every column at a time: whole columns' lines would push each other out of the cache where the stride is a
 * power of two. */
#define PLAIN(name, T)                                                                             \
    static void plain_##name(int64_t rows, int64_t columns, const char *from, int64_t from_stride, \
                             char *to, int64_t to_stride)                                          \
    {                                                                                              \
        enum { LINE = 64 / sizeof(T) };                                                            \
        for (int64_t r = 0; r < rows; r += LINE) {                                                 \
            int64_t n = rows - r < LINE ? rows - r : LINE;                                         \
            for (int64_t c = 0; c < columns; c++) {                                                \
                const T *f = (const T *)(const void *)(from + c * from_stride) + r;                \
                char *o = to + r * to_stride + c * (int64_t)sizeof *f;                             \
                for (int64_t i = 0; i < n; i++)                                                    \
                    *(T *)(void *)(o + i * to_stride) = f[i];                                      \
            }                                                                                      \
        }                                                                                          \
    }
PLAIN(1, raw1)
PLAIN(2, raw2)
PLAIN(8, raw8)

/* Functions of their own: in the loop, the compiler keeps 32 addresses in memory and moves each on. */
static __attribute__((noinline)) void square(const float *from, int64_t from_stride, float *to,
                                             int64_t to_stride)
{
    vf_transpose(from, from_stride, to, to_stride);
}

static __attribute__((noinline)) void part_of_square(int rows, int columns, const float *from,
                                                     int64_t from_stride, float *to,
                                                     int64_t to_stride)
{
    vf_transpose_part(rows, columns, from, from_stride, to, to_stride);
}

/* By squares, in registers. */
static void squares_4(int64_t rows, int64_t columns, const char *from, int64_t from_stride,
                      char *to, int64_t to_stride)
{
    enum { S = VF_LANES };
    for (int64_t r = 0; r < rows; r += S)
        for (int64_t c = 0; c < columns; c += S) {
            const float *f = (const float *)(const void *)(from + r * 4 + c * from_stride);
            float *t = (float *)(void *)(to + r * to_stride + c * 4);
            int64_t down = rows - r, across = columns - c;
            if (down >= S && across >= S)
                square(f, from_stride / 4, t, to_stride / 4);
            else
                part_of_square(across < S ? (int)across : S, down < S ? (int)down : S, f,
                               from_stride / 4, t, to_stride / 4);
        }
}

void CPU_NAME(cpu_transpose_tile)(size_t size, int64_t rows, int64_t columns, const char *from,
                                  int64_t from_stride, char *to, int64_t to_stride)
{
    switch (size) {
    case 1: plain_1(rows, columns, from, from_stride, to, to_stride); return;
    case 2: plain_2(rows, columns, from, from_stride, to, to_stride); return;
    case 4: squares_4(rows, columns, from, from_stride, to, to_stride); return;
    default: plain_8(rows, columns, from, from_stride, to, to_stride); return;
    }
}
