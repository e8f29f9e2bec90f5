/* Whether two tensors, of any devices, hold the same bits. */
#ifndef CRESSET_TESTS_VULKAN_BITS_H
#define CRESSET_TESTS_VULKAN_BITS_H

#include <cresset/cresset.h>
#include <stdlib.h>
#include <string.h>

static inline int same_bits(cr_tensor *a, cr_tensor *b)
{
    if (!a || !b || cr_tensor_dtype(a) != cr_tensor_dtype(b) ||
        cr_tensor_numel(a) != cr_tensor_numel(b))
        return 0;
    size_t bytes = (size_t)cr_tensor_numel(a) * cr_dtype_size(cr_tensor_dtype(a));
    char *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    int same = x && y && !cr_tensor_read(a, x, bytes) && !cr_tensor_read(b, y, bytes) &&
               !memcmp(x, y, bytes);
    free(x);
    free(y);
    return same;
}

#endif
