/* Changing a tensor's own sizes in place. */
#include "core/ops/compose.h"

/* What was there stays in front, in memory's order; what comes behind is not set. A tensor that shares its memory with others
 * parts from them when it needs more. */
COMPOSITE(resize_)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints size = L(1);
    int64_t numel = 1, sizes[CR_MAX_RANK];
    if (cr_requires_grad(x))
        return CR_FAIL_INT("cannot resize variables that require grad");
    if (size.count > CR_MAX_RANK)
        return CR_FAIL_INT("resize_: at most %d dimensions, got %lld", CR_MAX_RANK,
                           (long long)size.count);
    for (int d = 0; d < (int)size.count; d++) {
        sizes[d] = size.data[d];
        if (sizes[d] < 0 || __builtin_mul_overflow(numel, sizes[d], &numel))
            return CR_FAIL_INT("resize_: sizes %s are negative or too large",
                               cr_sizes_text((int)size.count, size.data));
    }
    int64_t room = (int64_t)(x->storage->bytes / cr_dtype_size(dtype_of(x))) - x->offset;
    if (numel > room) {
        cr_tensor *larger =
            cr_empty(CR_INTS(numel), .dtype = dtype_of(x), .device = cr_tensor_device(x));
        cr_tensor *was = cr_as_strided(cr_detach(x), CR_INTS(room), CR_INTS(1),
                                       .storage_offset = CR_SOME(x->offset));
        if (!larger || !was || (room && !cr_copy_(cr_narrow(larger, 0, 0, room), was)))
            return -1;
        cr_storage *old = x->storage;
        x->storage = cr_storage_retain(larger->storage);
        x->offset = 0;
        cr_storage_release(old);
    }
    x->dim = (uint8_t)size.count;
    x->numel = numel;
    memcpy(x->size, sizes, (size_t)size.count * sizeof *sizes);
    cr_contiguous_strides(x->dim, x->size, x->stride);
    x->flags |= CR_FLAG_CONTIGUOUS;
    return cr_give(r, x);
}
