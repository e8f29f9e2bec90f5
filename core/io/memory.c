/* Host memory for tensors, sizes, byte order, and checks that all formats share. */
#include "core/io/memory.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"

bool cr_io_bytes(cr_dtype dtype, int dim, const int64_t *sizes, size_t *bytes)
{
    size_t total = cr_dtype_size(dtype);
    bool zero = false;
    for (int i = 0; i < dim; i++) {
        if (sizes[i] < 0)
            return false;
        if (!sizes[i]) {
            zero = true;
            continue;
        }
        /* half of the address space at most, so that pointer differences and int64_t hold it;
         * checked past a zero, too, because strides are products of the other sizes */
        if ((uint64_t)sizes[i] > (SIZE_MAX / 2) / total)
            return false;
        total *= (size_t)sizes[i];
    }
    *bytes = zero ? 0 : total;
    return true;
}

void *cr_io_allocate(const char *what, size_t count)
{
    if (count > SIZE_MAX / 2)
        return cr_fail_memory(what, count);
    size_t rounded = count ? (count + 63) / 64 * 64 : 64;
    void *memory = aligned_alloc(64, rounded);
    return memory ? memory : cr_fail_memory(what, count);
}

cr_tensor *cr_io_adopt(void *memory, cr_dtype dtype, int dim, const int64_t *sizes,
                       const int64_t *strides)
{
    size_t bytes;
    if (!memory)
        return NULL;
    if (!cr_io_bytes(dtype, dim, sizes, &bytes)) {
        free(memory);
        return cr_fail("a tensor's sizes overflow");
    }
    return cr_tensor_adopt(memory, bytes, dtype, dim, sizes, strides, 0, free, memory);
}

cr_tensor *cr_io_map_tensor(cr_file_map *map, const unsigned char *bytes, cr_dtype dtype, int dim,
                            const int64_t *sizes, const int64_t *strides)
{
    size_t count;
    if (!cr_io_bytes(dtype, dim, sizes, &count))
        return cr_fail("a tensor's sizes overflow");
    /* an offset into the map's own pointer, which is not const */
    unsigned char *at = cr_file_map_data(map) + (bytes - cr_file_map_data(map));
    if (count && (uintptr_t)at % cr_dtype_size(dtype) == 0)
        return cr_tensor_adopt(at, count, dtype, dim, sizes, strides, 0, cr_file_map_release,
                               cr_file_map_retain(map));
    void *copy = cr_io_allocate("a tensor", count);
    if (copy && count)
        memcpy(copy, bytes, count);
    return cr_io_adopt(copy, dtype, dim, sizes, strides);
}

void cr_io_swap_bytes(void *memory, size_t count, size_t size)
{
    unsigned char *at = memory;
    for (size_t i = 0; i < count; i++, at += size) {
        for (size_t low = 0, high = size - 1; low < high; low++, high--) {
            unsigned char byte = at[low];
            at[low] = at[high];
            at[high] = byte;
        }
    }
}

bool cr_io_are_bools(const unsigned char *bytes, size_t count)
{
    unsigned char bits = 0;
    for (size_t i = 0; i < count; i++)
        bits |= bytes[i];
    return bits <= 1;
}

bool cr_io_is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        int more = *s < 0x80 ? 0 : *s >= 0xc2 && *s < 0xe0 ? 1 : *s >= 0xe0 && *s < 0xf0 ? 2 : 3;
        if (*s >= 0x80 && (*s < 0xc2 || *s > 0xf4))
            return false;
        uint32_t code = more ? *s & (0x3fu >> more) : *s;
        s++;
        for (int i = 0; i < more; i++, s++) {
            if ((*s & 0xc0) != 0x80)
                return false;
            code = code << 6 | (*s & 0x3f);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
    }
    return true;
}

const void *cr_io_elements(const cr_tensor *tensor, size_t *bytes, void **owned)
{
    *owned = NULL;
    if (!tensor || !cr_io_bytes(cr_tensor_dtype(tensor), cr_tensor_dim(tensor),
                                cr_tensor_sizes(tensor), bytes))
        return NULL;
    /* cr_data_ptr asks for a tensor that may be written to; here it is only read from */
    const void *at = cr_is_contiguous(tensor) ? cr_data_ptr((cr_tensor *)(uintptr_t)tensor) : NULL;
    if (at)
        return at;
    *owned = cr_io_allocate("a tensor's elements", *bytes);
    if (*owned && cr_tensor_read(tensor, *owned, *bytes)) {
        free(*owned);
        *owned = NULL;
    }
    return *owned;
}
