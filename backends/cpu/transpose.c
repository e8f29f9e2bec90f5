/* See transpose.h. Small squares of 4-byte elements are turned in registers; plain loops do the borders and the other sizes,
 * and check the squares. */
#include "transpose.h"
#include "simd.h"

#include <string.h>

typedef uint8_t __attribute__((may_alias)) raw1;
typedef uint16_t __attribute__((may_alias)) raw2;
typedef uint32_t __attribute__((may_alias)) raw4;
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
PLAIN(4, raw4)
PLAIN(8, raw8)

/* A square of S x S elements through an array that stays in registers or the first-level cache. */
static void squares_4(int64_t rows, int64_t columns, const char *from, int64_t from_stride,
                      char *to, int64_t to_stride)
{
    enum { S = VF_LANES };
    int64_t r, c;
    for (r = 0; r + S <= rows; r += S) {
        for (c = 0; c + S <= columns; c += S)
            vf_transpose((const float *)(const void *)(from + r * 4 + c * from_stride),
                         from_stride / 4, (float *)(void *)(to + r * to_stride + c * 4),
                         to_stride / 4);
        plain_4(S, columns - c, from + r * 4 + c * from_stride, from_stride,
                to + r * to_stride + c * 4, to_stride);
    }
    plain_4(rows - r, columns, from + r * 4, from_stride, to + r * to_stride, to_stride);
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
