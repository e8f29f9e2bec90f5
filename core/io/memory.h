/* Tensors in host memory made from a file's bytes, and size arithmetic that can't overflow. */
#ifndef CRESSET_CORE_IO_MEMORY_H
#define CRESSET_CORE_IO_MEMORY_H

#include <cresset/tensor.h>

#include "core/base/file.h"

/* numel times the element's size; false where it overflows or a size is negative. */
bool cr_io_bytes(cr_dtype dtype, int dim, const int64_t *sizes, size_t *bytes);

/* Memory for count bytes, aligned to 64; free with free. Null, with the error set, saying what it
 * is for. */
void *cr_io_allocate(const char *what, size_t count);

/* A tensor of the scope over memory from malloc, which it takes over (also when it fails). strides
 * null: row-major. */
cr_tensor *cr_io_adopt(void *memory, cr_dtype dtype, int dim, const int64_t *sizes,
                       const int64_t *strides);

/* A tensor of the scope over bytes of the map: in place where they are aligned, else copied. The
 * bytes must be all there. */
cr_tensor *cr_io_map_tensor(cr_file_map *map, const unsigned char *bytes, cr_dtype dtype, int dim,
                            const int64_t *sizes, const int64_t *strides);

/* Whether this machine's byte order is that of safetensors and zip. */
static inline bool cr_io_is_little_endian(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one;
}

/* Reverses the bytes of each of count elements of size bytes (1, 2, 4 or 8). */
void cr_io_swap_bytes(void *memory, size_t count, size_t size);

/* Whether all bytes are 0 or 1, as bool's must be: other values are undefined for kernels. */
bool cr_io_are_bools(const unsigned char *bytes, size_t count);

bool cr_io_is_utf8(const char *text);

/* A tensor's elements, dense and row-major, in host memory: in place if they lie so, else a copy in
 * *owned (the caller's to free; null otherwise). Null, with the error set, if they can't be read.
 */
const void *cr_io_elements(const cr_tensor *tensor, size_t *bytes, void **owned);

#endif
