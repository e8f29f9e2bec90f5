/* Whole files for programs: the atomic writer that checkpoints use, made public. */
#include <cresset/io.h>

#include "core/base/error.h"
#include "core/base/file.h"

int cr_write_file(const char *path, const void *data, size_t bytes)
{
    if (!path || (!data && bytes))
        return cr_error() ? -1 : CR_FAIL_INT("cr_write_file: %s is null", path ? "data" : "path");
    return cr_file_write(path, data, bytes);
}
