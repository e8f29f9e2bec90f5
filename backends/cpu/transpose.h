/* The transposition of a tile, the heart of copies that turn a matrix. */
#ifndef CRESSET_BACKENDS_CPU_TRANSPOSE_H
#define CRESSET_BACKENDS_CPU_TRANSPOSE_H

#include <stddef.h>
#include <stdint.h>

#include "variant.h"

/* to[r][c] = from[c][r] for elements of `size` bytes: the input is dense along r and its columns lie from_stride bytes
 * apart, the output is dense along c and its rows lie to_stride bytes apart. */
void CPU_NAME(cpu_transpose_tile)(size_t size, int64_t rows, int64_t columns, const char *from,
                                  int64_t from_stride, char *to, int64_t to_stride);

/* The same with pointers to elements and strides of elements. */
#define CPU_TRANSPOSE(rows, columns, from, from_stride, to, to_stride) \
    CPU_NAME(cpu_transpose_tile)                                       \
    (sizeof *(to), (rows), (columns), (const char *)(from),            \
     (int64_t)(from_stride) * (int64_t)sizeof *(from), (char *)(to),   \
     (int64_t)(to_stride) * (int64_t)sizeof *(to))

#endif
