/* The tensor object: making and freeing, reference counts, getters. What needs a device's help is
 * in core/ops/host.c. */
#include "core/tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

void (*cr_autograd_free)(cr_autograd *autograd);
bool (*cr_view_requires_grad)(const cr_tensor *view);

cr_tensor *cr_tensor_make(cr_storage *storage, cr_dtype dtype, int dim, const int64_t *sizes,
                          const int64_t *strides, int64_t offset)
{
    int64_t numel = cr_numel_of(dim, sizes);
    if (numel < 0)
        cr_fail("a tensor of the sizes %s has more elements than can be counted",
                cr_sizes_text(dim, sizes));
    cr_tensor *t = numel < 0 ? NULL : cr_tensor_new_struct();
    if (!t) {
        cr_storage_release(storage);
        return NULL;
    }
    t->dtype = (uint8_t)dtype;
    t->dim = (uint8_t)dim;
    t->offset = offset;
    t->storage = storage;
    t->numel = numel;
    if (dim)
        memcpy(t->size, sizes, (size_t)dim * sizeof *sizes);
    if (strides) {
        memcpy(t->stride, strides, (size_t)dim * sizeof *strides);
        if (cr_strides_are_contiguous(dim, sizes, strides))
            t->flags |= CR_FLAG_CONTIGUOUS;
    } else {
        cr_contiguous_strides(dim, sizes, t->stride);
        t->flags |= CR_FLAG_CONTIGUOUS;
    }
    if (cr_this_thread.inference_mode)
        t->flags |= CR_FLAG_INFERENCE;
    return t;
}

cr_tensor *cr_tensor_make_view(const cr_tensor *t, int dim, const int64_t *sizes,
                               const int64_t *strides, int64_t offset)
{
    return cr_tensor_make(cr_storage_retain(t->storage), (cr_dtype)t->dtype, dim, sizes, strides,
                          offset);
}

cr_tensor *cr_retain(cr_tensor *tensor)
{
    if (tensor)
        cr_refs_add(&tensor->refs);
    return tensor;
}

void cr_release(cr_tensor *t)
{
    if (!t || !cr_refs_drop(&t->refs))
        return;
    if (t->autograd)
        cr_autograd_free(t->autograd);
    cr_storage_release(t->storage);
    cr_tensor_free_struct(t);
}

void cr_tensor_release(void *tensor)
{
    cr_release(tensor);
}

cr_tensor *cr_keep(cr_tensor *tensor)
{
    if (tensor)
        cr_scope_keep(tensor);
    return tensor;
}

void cr_drop(cr_tensor *tensor)
{
    if (tensor && cr_scope_forget(tensor))
        cr_release(tensor);
}

/* ---- getters ---- */

cr_dtype cr_tensor_dtype(const cr_tensor *tensor)
{
    return tensor ? (cr_dtype)tensor->dtype : CR_DTYPE_NONE;
}

int cr_tensor_dim(const cr_tensor *tensor)
{
    return tensor ? tensor->dim : -1;
}

const int64_t *cr_tensor_sizes(const cr_tensor *tensor)
{
    return tensor ? tensor->size : NULL;
}

const int64_t *cr_tensor_strides(const cr_tensor *tensor)
{
    return tensor ? tensor->stride : NULL;
}

int64_t cr_tensor_size(const cr_tensor *tensor, int dim)
{
    int at = tensor ? cr_wrap_dim("cr_tensor_size", dim, tensor->dim) : -1;
    return at < 0 || !tensor->dim ? -1 : tensor->size[at];
}

int64_t cr_tensor_stride(const cr_tensor *tensor, int dim)
{
    int at = tensor ? cr_wrap_dim("cr_tensor_stride", dim, tensor->dim) : -1;
    return at < 0 || !tensor->dim ? -1 : tensor->stride[at];
}

int64_t cr_tensor_storage_offset(const cr_tensor *tensor)
{
    return tensor ? tensor->offset : 0;
}

int64_t cr_tensor_numel(const cr_tensor *tensor)
{
    return tensor ? tensor->numel : 0;
}

bool cr_is_contiguous(const cr_tensor *tensor)
{
    return tensor && tensor->flags & CR_FLAG_CONTIGUOUS;
}

bool cr_is_floating_point(const cr_tensor *tensor)
{
    return tensor && cr_dtype_is_floating((cr_dtype)tensor->dtype);
}

bool cr_is_same_storage(const cr_tensor *a, const cr_tensor *b)
{
    return a && b && a->storage == b->storage;
}

int64_t cr_tensor_version(const cr_tensor *tensor)
{
    return tensor ? (int64_t)atomic_load_explicit(&tensor->storage->version, memory_order_relaxed)
                  : 0;
}
