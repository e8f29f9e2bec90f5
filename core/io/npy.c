/* Single arrays: NumPy's .npy files. */
#include "core/io/npy.h"

#include <stdlib.h>
#include <string.h>

#include <cresset/io.h>

#include "core/base/error.h"
#include "core/io/memory.h"

cr_tensor *cr_load_npy(const char *path)
{
    cr_file_map *map = cr_file_map_open(path);
    if (!map)
        return NULL;
    cr_npy_header h;
    cr_tensor *tensor = NULL;
    const unsigned char *bytes = cr_file_map_data(map);
    if (!cr_npy_parse(path, bytes, cr_file_map_size(map), &h)) {
        if (h.swapped) {
            void *memory = cr_io_allocate(path, h.bytes);
            if (memory) {
                memcpy(memory, bytes + h.data, h.bytes);
                cr_io_swap_bytes(memory, h.bytes / cr_dtype_size(h.dtype), cr_dtype_size(h.dtype));
            }
            tensor = cr_io_adopt(memory, h.dtype, h.dim, h.sizes, h.strides);
        } else {
            tensor = cr_io_map_tensor(map, bytes + h.data, h.dtype, h.dim, h.sizes, h.strides);
        }
    }
    cr_file_map_release(map);
    return tensor;
}

int cr_save_npy(const char *path, const cr_tensor *tensor)
{
    if (!path || !tensor)
        return CR_FAIL_INT("cr_save_npy: needs a path and a tensor, the %s is null",
                           path ? "tensor" : "path");
    cr_text header = {0};
    size_t bytes;
    void *owned = NULL;
    int status = -1;
    if (!cr_npy_print(path, tensor, &header)) {
        const void *elements = cr_io_elements(tensor, &bytes, &owned);
        cr_file_writer *writer = elements ? cr_file_writer_open(path) : NULL;
        cr_file_writer_add(writer, header.data, header.length);
        cr_file_writer_add(writer, elements, elements ? bytes : 0);
        status = cr_file_writer_commit(writer);
    }
    free(owned);
    cr_text_free(&header);
    return status;
}
