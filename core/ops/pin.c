/* Tensors in pinned memory, from which a device copies by itself. */
#include <string.h>

#include "core/dispatch/pinned.h"
#include "core/ops/invoke.h"

bool cr_tensor_is_pinned(const cr_tensor *tensor)
{
    return tensor && tensor->storage->pinned;
}

cr_tensor *cr_tensor_pin_memory(cr_tensor *tensor, const char *device)
{
    cr_dev *dev = tensor ? cr_dev_find(device) : NULL;
    if (!dev)
        return NULL;
    if (!cr_dev_is_host(tensor->storage->dev))
        return cr_fail("cr_tensor_pin_memory: cannot pin %s, which is on %s: only tensors in host "
                       "memory can be pinned",
                       cr_describe(tensor), tensor->storage->dev->name);
    if (tensor->storage->pinned && tensor->storage->pinned->dev == dev)
        return tensor;
    size_t bytes = (size_t)tensor->numel * cr_dtype_size((cr_dtype)tensor->dtype);
    cr_pinned *pinned = cr_pinned_new(dev, bytes);
    if (!pinned)
        return tensor;
    if (cr_tensor_read(tensor, pinned->memory, bytes)) {
        cr_pinned_free(pinned);
        return NULL;
    }
    cr_tensor *made = cr_tensor_adopt(pinned->memory, bytes, (cr_dtype)tensor->dtype, tensor->dim,
                                      tensor->size, NULL, 0, cr_pinned_free, pinned);
    if (made)
        made->storage->pinned = pinned;
    return made;
}

int cr_pinned_move(cr_tensor *from, cr_storage *to, size_t bytes)
{
    cr_pinned *pinned = from->storage->pinned;
    size_t size = cr_dtype_size((cr_dtype)from->dtype);
    char *base = cr_storage_host(from->storage);
    if (!base || cr_pinned_copy(pinned, base + (size_t)from->offset * size, to, 0, bytes))
        return -1;
    return from->storage->wait_later ? 0 : cr_pinned_wait(pinned);
}
