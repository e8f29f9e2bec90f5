/* Between tensors and the program's memory: sharing, copying in and out, single values, moving
 * between devices. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/autograd.h>
#include <cresset/ops.h>

#include "core/dispatch/pinned.h"
#include "core/ops/invoke.h"
#include "op_index.h"

/* ---- from memory ---- */

/* Checks a description of borrowed memory. */
static bool describes(const void *storage, size_t bytes, cr_dtype dtype, int dim,
                      const int64_t *sizes, const int64_t *strides, int64_t offset)
{
    size_t size = cr_dtype_size(dtype);
    int64_t made[CR_MAX_RANK], first, last;
    if (!size)
        return cr_fail("cr_tensor_from_memory: %d is no dtype", (int)dtype), false;
    if (dim < 0 || dim > CR_MAX_RANK)
        return cr_fail("cr_tensor_from_memory: %d dimensions; 0 to %d are supported", dim,
                       CR_MAX_RANK),
               false;
    if ((dim && !sizes) || (!storage && bytes))
        return cr_fail("cr_tensor_from_memory: %s is null", storage ? "sizes" : "storage"), false;
    if (cr_numel_of(dim, sizes) < 0)
        return cr_fail("cr_tensor_from_memory: sizes %s are negative or too large",
                       cr_sizes_text(dim, sizes)),
               false;
    if ((uintptr_t)storage % size)
        return cr_fail("cr_tensor_from_memory: the memory is not aligned for %s",
                       cr_dtype_name(dtype)),
               false;
    if (!strides) {
        cr_contiguous_strides(dim, sizes, made);
        strides = made;
    }
    for (int d = 0; d < dim; d++)
        if (strides[d] < 0)
            return cr_fail("cr_tensor_from_memory: negative strides are not supported: %s",
                           cr_sizes_text(dim, strides)),
                   false;
    bool any = cr_extent(dim, sizes, strides, offset, &first, &last);
    if (offset < 0 || (any && (last < 0 || (uint64_t)last >= bytes / size)))
        return cr_fail("cr_tensor_from_memory: sizes %s, strides %s and offset %lld need more than "
                       "the %zu bytes of storage",
                       cr_sizes_text(dim, sizes), cr_sizes_text(dim, strides), (long long)offset,
                       bytes),
               false;
    return true;
}

cr_tensor *cr_tensor_adopt(void *storage, size_t bytes, cr_dtype dtype, int dim,
                           const int64_t *sizes, const int64_t *strides, int64_t offset,
                           void (*release)(void *), void *context)
{
    cr_dev *dev =
        describes(storage, bytes, dtype, dim, sizes, strides, offset) ? cr_dev_host() : NULL;
    if (!dev) {
        if (release)
            release(context);
        return NULL;
    }
    cr_storage *made = cr_storage_adopt(dev, storage, bytes, release, context);
    return made ? cr_tensor_to_scope(cr_tensor_make(made, dtype, dim, sizes, strides, offset))
                : NULL;
}

/* Borrowed memory has one storage for all its tensors, so that changes are counted together: the
 * storages that are alive are known by address. */
typedef struct borrowed {
    void *memory;
    size_t bytes;
    cr_storage *storage;
    struct borrowed *next;
} borrowed;
static borrowed *all_borrowed;
static cr_lock borrowed_lock;

static void forget_borrowed(void *context)
{
    borrowed *b = context;
    cr_lock_acquire(&borrowed_lock);
    for (borrowed **link = &all_borrowed; *link; link = &(*link)->next) {
        if (*link == b) {
            *link = b->next;
            break;
        }
    }
    cr_lock_release(&borrowed_lock);
    free(b);
}

/* The living storage over that memory with one more reference, or null. */
static cr_storage *find_borrowed(const void *memory, size_t bytes)
{
    cr_storage *found = NULL;
    cr_lock_acquire(&borrowed_lock);
    for (borrowed *b = all_borrowed; b && !found; b = b->next) {
        if (b->memory != memory || b->bytes != bytes)
            continue;
        int refs = atomic_load(&b->storage->refs);
        while (refs > 0 && !atomic_compare_exchange_weak(&b->storage->refs, &refs, refs + 1)) {
        }
        if (refs > 0)
            found = b->storage;
    }
    cr_lock_release(&borrowed_lock);
    return found;
}

cr_tensor *cr_tensor_from_memory(void *storage, size_t bytes, cr_dtype dtype, int dim,
                                 const int64_t *sizes, const int64_t *strides, int64_t offset)
{
    if (!describes(storage, bytes, dtype, dim, sizes, strides, offset))
        return NULL;
    cr_storage *made = find_borrowed(storage, bytes);
    if (!made) {
        cr_dev *dev = cr_dev_host();
        borrowed *b = dev ? malloc(sizeof *b) : NULL;
        if (!b)
            return dev ? cr_fail_memory("a storage", sizeof *b) : NULL;
        *b = (borrowed){storage, bytes, NULL, NULL};
        made =
            cr_storage_adopt(dev, storage, bytes, forget_borrowed, b); /* frees b when it fails */
        if (!made)
            return NULL;
        cr_lock_acquire(&borrowed_lock);
        b->storage = made;
        b->next = all_borrowed;
        all_borrowed = b;
        cr_lock_release(&borrowed_lock);
    }
    return cr_tensor_to_scope(cr_tensor_make(made, dtype, dim, sizes, strides, offset));
}

/* An uninitialised row-major tensor of nobody's scope. */
static cr_tensor *make_empty(cr_dev *dev, cr_dtype dtype, int dim, const int64_t *sizes)
{
    int64_t numel = cr_numel_of(dim, sizes);
    if (numel < 0)
        return cr_fail("a tensor of sizes %s is negative or too large", cr_sizes_text(dim, sizes));
    cr_storage *storage = cr_storage_new(dev, (size_t)numel * cr_dtype_size(dtype));
    return storage ? cr_tensor_make(storage, dtype, dim, sizes, NULL, 0) : NULL;
}

cr_tensor *cr_tensor_copy_from(const void *data, cr_dtype dtype, int dim, const int64_t *sizes,
                               const char *device)
{
    if (!cr_dtype_size(dtype) || dim < 0 || dim > CR_MAX_RANK || (dim && !sizes))
        return cr_fail("cr_tensor_copy_from: dtype %d, %d dimensions: not a tensor's description",
                       (int)dtype, dim);
    cr_dev *dev = cr_dev_find(device);
    cr_tensor *t = dev ? make_empty(dev, dtype, dim, sizes) : NULL;
    if (!t)
        return NULL;
    size_t bytes = (size_t)t->numel * cr_dtype_size(dtype);
    if (bytes && !data) {
        cr_release(t);
        return cr_fail("cr_tensor_copy_from: data is null");
    }
    if (cr_storage_write(t->storage, 0, data, bytes)) {
        cr_release(t);
        return NULL;
    }
    return cr_tensor_to_scope(t);
}

cr_tensor *cr_tensor_literal_(const void *data, size_t bytes, cr_dtype dtype, cr_ints sizes)
{
    const int64_t *list = sizes.data ? sizes.data : &sizes.one;
    if (sizes.count > CR_MAX_RANK)
        return cr_fail("a tensor has at most %d dimensions, not %lld", CR_MAX_RANK,
                       (long long)sizes.count);
    int64_t numel = cr_numel_of((int)sizes.count, list);
    int64_t given = (int64_t)(bytes / cr_dtype_size(dtype));
    if (numel != given)
        return cr_fail("a tensor of sizes %s has %lld elements, but %lld were given",
                       cr_sizes_text((int)sizes.count, list), (long long)numel, (long long)given);
    return cr_tensor_copy_from(data, dtype, (int)sizes.count, list, NULL);
}

/* ---- to memory ---- */

int cr_tensor_read(const cr_tensor *tensor, void *to, size_t bytes)
{
    cr_tensor *t = (cr_tensor *)(uintptr_t)tensor;
    if (!t || (!to && bytes))
        return cr_error() ? -1 : CR_FAIL_INT("cr_tensor_read: %s is null", t ? "to" : "tensor");
    size_t size = cr_dtype_size((cr_dtype)t->dtype), need = (size_t)t->numel * size;
    if (bytes != need)
        return CR_FAIL_INT("cr_tensor_read: %zu bytes were offered for %s, which has %zu", bytes,
                           cr_describe(t), need);
    if (t->storage->layout && cr_make_plain(t))
        return -1;
    if (t->flags & CR_FLAG_CONTIGUOUS)
        return cr_storage_read(t->storage, (size_t)t->offset * size, to, need);
    int status = -1;
    bool was = cr_set_grad_enabled(false);
    CR_SCOPE {
        cr_tensor *dense = cr_contiguous(t);
        if (dense)
            status = cr_storage_read(dense->storage, (size_t)dense->offset * size, to, need);
    }
    cr_set_grad_enabled(was);
    return status;
}

int cr_tensor_write(cr_tensor *tensor, const void *from, size_t bytes)
{
    cr_tensor *t = tensor;
    if (!t || (!from && bytes))
        return cr_error() ? -1 : CR_FAIL_INT("cr_tensor_write: %s is null", t ? "from" : "tensor");
    size_t size = cr_dtype_size((cr_dtype)t->dtype), need = (size_t)t->numel * size;
    if (bytes != need)
        return CR_FAIL_INT("cr_tensor_write: %zu bytes were given for %s, which has %zu", bytes,
                           cr_describe(t), need);
    if (t->storage->layout && cr_make_plain(t))
        return -1;
    int status = -1;
    if (t->flags & CR_FLAG_CONTIGUOUS) {
        status = cr_storage_write(t->storage, (size_t)t->offset * size, from, need);
        atomic_fetch_add(&t->storage->version, 1);
        return status;
    }
    bool was = cr_set_grad_enabled(false);
    CR_SCOPE {
        cr_tensor *dense =
            cr_tensor_copy_from(from, (cr_dtype)t->dtype, t->dim, t->size, t->storage->dev->name);
        status = cr_copy_(t, dense) ? 0 : -1;
    }
    cr_set_grad_enabled(was);
    return status;
}

void *cr_data_ptr(cr_tensor *tensor)
{
    if (!tensor || (tensor->storage->layout && cr_make_plain(tensor)))
        return NULL;
    char *base = cr_storage_host(tensor->storage);
    return base ? base + (size_t)tensor->offset * cr_dtype_size((cr_dtype)tensor->dtype) : NULL;
}

/* The one element's bytes. */
static bool one_element(const cr_tensor *tensor, unsigned char bytes[8])
{
    cr_tensor *t = (cr_tensor *)(uintptr_t)tensor;
    if (!t)
        return cr_error() ? false : (cr_fail("cr_item: tensor is null"), false);
    if (t->numel != 1)
        return cr_fail("cr_item: a Tensor with %lld elements cannot be converted to Scalar",
                       (long long)t->numel),
               false;
    if (t->storage->layout && cr_make_plain(t))
        return false;
    size_t size = cr_dtype_size((cr_dtype)t->dtype);
    return !cr_storage_read(t->storage, (size_t)t->offset * size, bytes, size);
}

double cr_item(const cr_tensor *tensor)
{
    unsigned char bytes[8];
    return one_element(tensor, bytes) ? cr_element_f(bytes, (cr_dtype)tensor->dtype) : NAN;
}

int64_t cr_item_int(const cr_tensor *tensor)
{
    unsigned char bytes[8];
    if (!one_element(tensor, bytes))
        return 0;
    if (cr_dtype_is_floating((cr_dtype)tensor->dtype)) {
        double value = cr_element_f(bytes, (cr_dtype)tensor->dtype);
        if (isnan(value) || isinf(value)) {
            cr_fail("cr_item_int: cannot convert %s to an integer",
                    isnan(value) ? "NaN" : "infinity");
            return 0;
        }
    }
    return cr_element_i(bytes, (cr_dtype)tensor->dtype);
}

bool cr_equal(const cr_tensor *a, const cr_tensor *b)
{
    if (!a || !b)
        return cr_error() ? false : (cr_fail("cr_equal: %s is null", a ? "b" : "a"), false);
    cr_dev *on = a->storage->dev, *other = b->storage->dev;
    if (on != other && !(cr_dev_is_host(on) && cr_dev_is_host(other)))
        return cr_fail("cr_equal: Expected all tensors to be on the same device, but found at "
                       "least two devices, %s and %s!",
                       on->name, other->name),
               false;
    if (a->dim != b->dim || memcmp(a->size, b->size, (size_t)a->dim * sizeof *a->size))
        return false;
    bool equal = false, was = cr_set_grad_enabled(false);
    CR_SCOPE {
        cr_tensor *same = cr_all(cr_eq((cr_tensor *)(uintptr_t)a, (cr_tensor *)(uintptr_t)b));
        equal = same && cr_item(same) != 0;
    }
    cr_set_grad_enabled(was);
    return equal;
}

bool cr_allclose_with(const cr_tensor *a, const cr_tensor *b, const cr_allclose_options *o)
{
    bool close = false;
    CR_NO_GRAD
        CR_SCOPE {
            cr_tensor *all =
                cr_all(cr_isclose((cr_tensor *)(uintptr_t)a, (cr_tensor *)(uintptr_t)b,
                                  .rtol = o->rtol, .atol = o->atol, .equal_nan = o->equal_nan));
            close = all && cr_item(all) != 0;
        }
    return close;
}

/* ---- between devices ---- */

static void release_storage(void *storage)
{
    cr_storage_release(storage);
}

/* Copies without recording; both host devices share instead. */
static cr_tensor *move(cr_tensor *t, cr_dev *dev)
{
    cr_dev *from = t->storage->dev;
    if (cr_dev_is_host(from) && cr_dev_is_host(dev)) {
        void *memory = cr_storage_host(t->storage);
        cr_storage *shared = cr_storage_adopt(dev, memory, t->storage->bytes, release_storage,
                                              cr_storage_retain(t->storage));
        if (shared)
            shared->pinned = t->storage->pinned;
        return shared ? cr_tensor_make(shared, (cr_dtype)t->dtype, t->dim, t->size, t->stride,
                                       t->offset)
                      : NULL;
    }
    size_t size = cr_dtype_size((cr_dtype)t->dtype), bytes = (size_t)t->numel * size;
    cr_tensor *made = make_empty(dev, (cr_dtype)t->dtype, t->dim, t->size);
    if (!made)
        return NULL;
    int failed = 0;
    if (cr_dev_is_host(dev)) { /* straight into the new tensor's memory */
        failed = cr_tensor_read(t, made->storage->buffer, bytes);
    } else if (t->flags & CR_FLAG_CONTIGUOUS && t->storage->pinned &&
               t->storage->pinned->dev == dev) {
        failed = cr_pinned_move(t, made->storage, bytes);
    } else if (cr_dev_is_host(from) && t->flags & CR_FLAG_CONTIGUOUS) {
        char *base = cr_storage_host(t->storage);
        failed =
            !base || cr_storage_write(made->storage, 0, base + (size_t)t->offset * size, bytes);
    } else {
        void *bounce = malloc(bytes ? bytes : 1);
        failed = !bounce ? (cr_fail_memory("a copy between devices", bytes), -1)
                         : (cr_tensor_read(t, bounce, bytes) ||
                            cr_storage_write(made->storage, 0, bounce, bytes));
        free(bounce);
    }
    if (failed) {
        cr_release(made);
        return NULL;
    }
    return made;
}

cr_tensor *cr_tensor_to(cr_tensor *tensor, const char *device)
{
    cr_dev *dev = tensor ? cr_dev_find(device) : NULL;
    if (!dev)
        return NULL;
    if (tensor->storage->dev == dev)
        return tensor;
    if (tensor->storage->layout && cr_make_plain(tensor))
        return NULL;
    /* Recorded as _to_copy, whose derivative brings the gradient back to where the tensor was. */
    const cr_op *op = cr_op_at(CR_OP_to_copy);
    cr_value args[8] = {cr_v_tensor(tensor)};
    args[3].tag = CR_DEVICE;
    args[3].as.s = dev->name;
    struct cr_grad_node *node = NULL;
    if (cr_requires_grad_flag(tensor) && cr_grad_enabled()) {
        bool cannot = false;
        node = cr_the_recorder.begin(op, args, &tensor, 1, tensor->flags, &cannot);
        if (cannot)
            return NULL;
    }
    cr_results results = {.count = 1};
    results.t[0] = cr_tensor_to_scope(move(tensor, dev));
    if (node) {
        if (!results.t[0])
            cr_the_recorder.cancel(node);
        else if (cr_the_recorder.finish(node, op, &tensor, &results))
            return NULL;
    }
    return results.t[0];
}
