/* CIFAR's binary files: records of one label (CIFAR-10) or two (CIFAR-100) and 3 · 32 · 32 bytes. */
#include <cresset/io.h>
#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/io/memory.h"

enum { PIXELS = 3 * 32 * 32 };

cr_cifar cr_load_cifar(const char *path, int labels)
{
    cr_cifar result = {0};
    if (!path || labels < 1 || labels > 2) {
        cr_fail(
            "cr_load_cifar: needs a path, and 1 label a record (CIFAR-10) or 2 (CIFAR-100), not %d",
            labels);
        return result;
    }
    cr_file_map *map = cr_file_map_open(path);
    if (!map)
        return result;
    size_t size = cr_file_map_size(map), record = (size_t)labels + PIXELS;
    if (!size || size % record) {
        cr_fail("%s: %zu bytes are no whole number of records of %zu bytes", path, size, record);
    } else {
        int64_t count = (int64_t)(size / record), sizes[] = {count, (int64_t)record};
        CR_SCOPE {
            cr_tensor *all = cr_io_map_tensor(map, cr_file_map_data(map), CR_U8, 2, sizes, NULL);
            cr_tensor *images =
                cr_as_strided(all, CR_INTS(count, 3, 32, 32), CR_INTS((int64_t)record, 1024, 32, 1),
                              .storage_offset = CR_SOME(labels));
            cr_tensor *fine = cr_to_dtype(cr_select(all, 1, labels - 1), CR_I64);
            cr_tensor *coarse = labels == 2 ? cr_to_dtype(cr_select(all, 1, 0), CR_I64) : NULL;
            if (images && fine && (coarse || labels == 1)) {
                result = (cr_cifar){cr_keep(images), cr_keep(fine), NULL};
                if (coarse)
                    result.coarse = cr_keep(coarse);
            }
        }
    }
    cr_file_map_release(map);
    return result;
}
