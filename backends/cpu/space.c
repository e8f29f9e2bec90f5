/* Runs of elements in and out of strided values. See space.h. */
#include "space.h"
#include "convert.h"

#include <string.h>

/* A run inside one row is a strided load. One over many rows goes element by element through short rows. */
typedef uint8_t __attribute__((may_alias)) raw1;
typedef uint16_t __attribute__((may_alias)) raw2;
typedef uint32_t __attribute__((may_alias)) raw4;
typedef uint64_t __attribute__((may_alias)) raw8;

#define RUNS(name, T)                                                                             \
    static void gather_##name(int rank, const int64_t *size, const int64_t *stride, int64_t *at,  \
                              int64_t n, const char *row, T *to)                                  \
    {                                                                                             \
        int last = rank - 1;                                                                      \
        int64_t inner = size[last], step = stride[last];                                          \
        row += cpu_place(rank, at, stride);                                                       \
        for (;;) {                                                                                \
            int64_t left = inner - at[last], m = n < left ? n : left;                             \
            if (step == 0) {                                                                      \
                for (int64_t i = 0; i < m; i++)                                                   \
                    to[i] = *(const T *)(const void *)row;                                        \
            } else if (step == (int64_t)sizeof *to) {                                             \
                for (int64_t i = 0; i < m; i++)                                                   \
                    to[i] = ((const T *)(const void *)row)[i];                                    \
            } else {                                                                              \
                for (int64_t i = 0; i < m; i++)                                                   \
                    to[i] = *(const T *)(const void *)(row + i * step);                           \
            }                                                                                     \
            to += m;                                                                              \
            n -= m;                                                                               \
            if (!n)                                                                               \
                return;                                                                           \
            row -= at[last] * step;                                                               \
            at[last] = 0;                                                                         \
            for (int d = last - 1; d >= 0; d--) {                                                 \
                row += stride[d];                                                                 \
                if (++at[d] < size[d])                                                            \
                    break;                                                                        \
                row -= size[d] * stride[d];                                                       \
                at[d] = 0;                                                                        \
            }                                                                                     \
        }                                                                                         \
    }                                                                                             \
    static void scatter_##name(int rank, const int64_t *size, const int64_t *stride, int64_t *at, \
                               int64_t n, const T *from, char *row)                               \
    {                                                                                             \
        int last = rank - 1;                                                                      \
        int64_t inner = size[last], step = stride[last];                                          \
        row += cpu_place(rank, at, stride);                                                       \
        for (;;) {                                                                                \
            int64_t left = inner - at[last], m = n < left ? n : left;                             \
            if (step == (int64_t)sizeof *from) {                                                  \
                for (int64_t i = 0; i < m; i++)                                                   \
                    ((T *)(void *)row)[i] = from[i];                                              \
            } else {                                                                              \
                for (int64_t i = 0; i < m; i++)                                                   \
                    *(T *)(void *)(row + i * step) = from[i];                                     \
            }                                                                                     \
            from += m;                                                                            \
            n -= m;                                                                               \
            if (!n)                                                                               \
                return;                                                                           \
            row -= at[last] * step;                                                               \
            at[last] = 0;                                                                         \
            for (int d = last - 1; d >= 0; d--) {                                                 \
                row += stride[d];                                                                 \
                if (++at[d] < size[d])                                                            \
                    break;                                                                        \
                row -= size[d] * stride[d];                                                       \
                at[d] = 0;                                                                        \
            }                                                                                     \
        }                                                                                         \
    }
RUNS(1, raw1)
RUNS(2, raw2)
RUNS(4, raw4)
RUNS(8, raw8)

void CPU_NAME(cpu_gather_run)(int rank, const int64_t *size, const int64_t *stride,
                              const int64_t *at, int64_t n, size_t element, const char *from,
                              void *to)
{
    int64_t place[CR_MAX_RANK];
    if (!rank || n == 1) {
        memcpy(to, from + cpu_place(rank, at, stride), element);
        return;
    }
    memcpy(place, at, (size_t)rank * sizeof *at);
    switch (element) {
    case 1: gather_1(rank, size, stride, place, n, from, to); return;
    case 2: gather_2(rank, size, stride, place, n, from, to); return;
    case 4: gather_4(rank, size, stride, place, n, from, to); return;
    default: gather_8(rank, size, stride, place, n, from, to); return;
    }
}

void CPU_NAME(cpu_scatter_run)(int rank, const int64_t *size, const int64_t *stride,
                               const int64_t *at, int64_t n, size_t element, const void *from,
                               char *to)
{
    int64_t place[CR_MAX_RANK];
    if (!rank || n == 1) {
        memcpy(to + cpu_place(rank, at, stride), from, element);
        return;
    }
    memcpy(place, at, (size_t)rank * sizeof *at);
    switch (element) {
    case 1: scatter_1(rank, size, stride, place, n, from, to); return;
    case 2: scatter_2(rank, size, stride, place, n, from, to); return;
    case 4: scatter_4(rank, size, stride, place, n, from, to); return;
    default: scatter_8(rank, size, stride, place, n, from, to); return;
    }
}
