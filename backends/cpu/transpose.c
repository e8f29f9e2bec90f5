/* See transpose.h. Small squares are turned in registers; plain loops do what is left at the edges. */
#include "transpose.h"
#include "simd.h"

#define PICK __builtin_shufflevector

#define T                 uint8_t
#define NAMED(x)          x##_1
#define SIDE              16
#define LOW_HALVES(a, b)  PICK(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH_HALVES(a, b) PICK(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#include "transpose_real.h"
#undef T
#undef NAMED
#undef SIDE
#undef LOW_HALVES
#undef HIGH_HALVES

#define T                 uint16_t
#define NAMED(x)          x##_2
#define SIDE              8
#define LOW_HALVES(a, b)  PICK(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_HALVES(a, b) PICK(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#include "transpose_real.h"
#undef T
#undef NAMED
#undef SIDE
#undef LOW_HALVES
#undef HIGH_HALVES

#define T        uint64_t
#define NAMED(x) x##_8
#if defined __AVX512F__
#define SIDE              8
#define LOW_HALVES(a, b)  PICK(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_HALVES(a, b) PICK(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif defined __AVX2__
#define SIDE              4
#define LOW_HALVES(a, b)  PICK(a, b, 0, 4, 1, 5)
#define HIGH_HALVES(a, b) PICK(a, b, 2, 6, 3, 7)
#else
#define SIDE              2
#define LOW_HALVES(a, b)  PICK(a, b, 0, 2)
#define HIGH_HALVES(a, b) PICK(a, b, 1, 3)
#endif
#include "transpose_real.h"
#undef T
#undef NAMED
#undef SIDE
#undef LOW_HALVES
#undef HIGH_HALVES

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
    case 1: squares_1(rows, columns, from, from_stride, to, to_stride); return;
    case 2: squares_2(rows, columns, from, from_stride, to, to_stride); return;
    case 4: squares_4(rows, columns, from, from_stride, to, to_stride); return;
    default: squares_8(rows, columns, from, from_stride, to, to_stride); return;
    }
}
