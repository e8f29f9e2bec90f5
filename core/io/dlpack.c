/* DLPack. The structs are laid out as in dlpack.h: unversioned as since 0.2, versioned as since 1.0. */
#include <cresset/dlpack.h>

#include <stdlib.h>

#include <cresset/autograd.h>
#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/io/memory.h"
#include "core/tensor/tensor.h"

enum { DEVICE_CPU = 1, DEVICE_CUDA_HOST = 3, DEVICE_ROCM_HOST = 11 };
enum { CODE_INT, CODE_UINT, CODE_FLOAT, CODE_BFLOAT = 4, CODE_BOOL = 6 };
enum { FLAG_READ_ONLY = 1 };

typedef struct dl_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape;
    int64_t *strides; /* in elements; null: row-major */
    uint64_t byte_offset;
} dl_tensor;

struct DLManagedTensor {
    dl_tensor tensor;
    void *context;
    void (*deleter)(struct DLManagedTensor *self);
};

struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void *context;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    dl_tensor tensor;
};

static const struct {
    cr_dtype dtype;
    uint8_t code, bits;
} dtypes[] = {{CR_F64, CODE_FLOAT, 64},   {CR_F32, CODE_FLOAT, 32}, {CR_F16, CODE_FLOAT, 16},
              {CR_BF16, CODE_BFLOAT, 16}, {CR_I64, CODE_INT, 64},   {CR_I32, CODE_INT, 32},
              {CR_I16, CODE_INT, 16},     {CR_I8, CODE_INT, 8},     {CR_U8, CODE_UINT, 8},
              {CR_B8, CODE_BOOL, 8}};

/* ---- out ---- */

typedef struct lent {
    union {
        struct DLManagedTensor plain;
        struct DLManagedTensorVersioned versioned;
    } as;
    cr_tensor *tensor;
    int64_t shape[CR_MAX_RANK], strides[CR_MAX_RANK];
} lent;

static lent *lend(const char *who, cr_tensor *tensor, size_t tensor_at)
{
    if (!tensor)
        return NULL;
    if (cr_requires_grad_flag(tensor) || !cr_is_leaf(tensor))
        return cr_fail("%s: %s requires grad; detach it first", who, cr_describe(tensor));
    void *data = cr_data_ptr(tensor);
    if (!data && tensor->numel)
        return cr_error()
                   ? NULL
                   : cr_fail("%s: the host can't see the memory of %s: take %s to \"cpu\" first",
                             who, cr_tensor_device(tensor), cr_describe(tensor));
    lent *l = calloc(1, sizeof *l);
    if (!l)
        return cr_fail_memory("a DLPack tensor", sizeof *l);
    dl_tensor *t = (dl_tensor *)(void *)((char *)l + tensor_at);
    size_t i = 0;
    while (dtypes[i].dtype != tensor->dtype)
        i++;
    for (int k = 0; k < tensor->dim; k++) {
        l->shape[k] = tensor->size[k];
        l->strides[k] = tensor->stride[k];
    }
    *t = (dl_tensor){data,           DEVICE_CPU, 0,        tensor->dim, dtypes[i].code,
                     dtypes[i].bits, 1,          l->shape, l->strides,  0};
    l->tensor = cr_retain(tensor);
    return l;
}

static void end_plain(struct DLManagedTensor *self)
{
    lent *l = (lent *)(void *)self;
    cr_release(l->tensor);
    free(l);
}

static void end_versioned(struct DLManagedTensorVersioned *self)
{
    lent *l = (lent *)(void *)self;
    cr_release(l->tensor);
    free(l);
}

struct DLManagedTensor *cr_to_dlpack(cr_tensor *tensor)
{
    lent *l = lend("cr_to_dlpack", tensor, offsetof(struct DLManagedTensor, tensor));
    if (!l)
        return NULL;
    l->as.plain.context = l;
    l->as.plain.deleter = end_plain;
    return &l->as.plain;
}

struct DLManagedTensorVersioned *cr_to_dlpack_versioned(cr_tensor *tensor)
{
    lent *l =
        lend("cr_to_dlpack_versioned", tensor, offsetof(struct DLManagedTensorVersioned, tensor));
    if (!l)
        return NULL;
    l->as.versioned.major = 1;
    l->as.versioned.context = l;
    l->as.versioned.deleter = end_versioned;
    return &l->as.versioned;
}

/* ---- in ---- */

/* What a borrowed tensor's storage holds: one of the two, taken over once everything went well. */
typedef struct taken {
    struct DLManagedTensor *plain;
    struct DLManagedTensorVersioned *versioned;
    bool ours;
} taken;

static void give_back(void *context)
{
    taken *t = context;
    if (t->ours && t->plain && t->plain->deleter)
        t->plain->deleter(t->plain);
    if (t->ours && t->versioned && t->versioned->deleter)
        t->versioned->deleter(t->versioned);
    free(t);
}

static cr_dtype dtype_of(const dl_tensor *t)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && t->lanes == 1; i++)
        if (dtypes[i].code == t->code && dtypes[i].bits == t->bits)
            return dtypes[i].dtype;
    return CR_DTYPE_NONE;
}

/* Checks a tensor and finds its strides and how many bytes it covers. */
static bool check(const char *who, const dl_tensor *t, cr_dtype dtype, int64_t *strides,
                  size_t *bytes)
{
    if (t->device_type != DEVICE_CPU && t->device_type != DEVICE_CUDA_HOST &&
        t->device_type != DEVICE_ROCM_HOST)
        return cr_fail("%s: its memory is on the device %d:%d, only host memory can be shared", who,
                       t->device_type, t->device_id);
    if (!dtype)
        return cr_fail("%s: the dtype with code %u, %u bits and %u lanes is not supported", who,
                       t->code, t->bits, t->lanes);
    if (t->ndim < 0 || t->ndim > CR_MAX_RANK || (t->ndim && !t->shape))
        return cr_fail("%s: it has %d dimensions, from 0 to %d are supported", who, t->ndim,
                       CR_MAX_RANK);
    for (int i = 0; i < t->ndim; i++)
        if (t->shape[i] < 0 || (t->strides && t->strides[i] < 0))
            return cr_fail("%s: dimension %d has the %s %lld", who, i,
                           t->shape[i] < 0 ? "size" : "stride",
                           (long long)(t->shape[i] < 0 ? t->shape[i] : t->strides[i]));
    int64_t numel = cr_numel_of(t->ndim, t->shape);
    if (numel < 0 || !cr_io_bytes(dtype, t->ndim, t->shape, bytes))
        return cr_fail("%s: its sizes overflow", who);
    if (!t->strides) {
        cr_contiguous_strides(t->ndim, t->shape, strides);
    } else {
        int64_t last = 1;
        for (int i = 0; i < t->ndim; i++) {
            int64_t reach;
            strides[i] = t->strides[i];
            if (numel && (__builtin_mul_overflow(t->shape[i] - 1, strides[i], &reach) ||
                          __builtin_add_overflow(last, reach, &last)))
                return cr_fail("%s: its strides overflow", who);
        }
        if (numel && (uint64_t)last > SIZE_MAX / 2 / cr_dtype_size(dtype))
            return cr_fail("%s: its strides overflow", who);
        *bytes = numel ? (size_t)last * cr_dtype_size(dtype) : 0;
    }
    if (*bytes && !t->data)
        return cr_fail("%s: its memory is null", who);
    return true;
}

static cr_tensor *take(const char *who, const dl_tensor *t, struct DLManagedTensor *plain,
                       struct DLManagedTensorVersioned *versioned)
{
    static int64_t nothing;
    int64_t strides[CR_MAX_RANK];
    size_t bytes;
    cr_dtype dtype = dtype_of(t);
    if (!check(who, t, dtype, strides, &bytes))
        return NULL;
    taken *context = malloc(sizeof *context);
    if (!context)
        return cr_fail_memory("a DLPack tensor", sizeof *context);
    *context = (taken){plain, versioned, false};
    void *data = bytes ? (char *)t->data + t->byte_offset : (void *)&nothing;
    cr_tensor *tensor =
        cr_tensor_adopt(data, bytes, dtype, t->ndim, t->shape, strides, 0, give_back, context);
    if (tensor)
        context->ours = true;
    return tensor;
}

cr_tensor *cr_from_dlpack(struct DLManagedTensor *managed)
{
    if (!managed)
        return cr_fail("cr_from_dlpack: the tensor is null");
    return take("cr_from_dlpack", &managed->tensor, managed, NULL);
}

cr_tensor *cr_from_dlpack_versioned(struct DLManagedTensorVersioned *managed)
{
    static const char who[] = "cr_from_dlpack_versioned";
    if (!managed)
        return cr_fail("%s: the tensor is null", who);
    if (managed->major != 1)
        return cr_fail("%s: it is of DLPack %u.%u, supported are versions 1.x", who, managed->major,
                       managed->minor);
    if (!(managed->flags & FLAG_READ_ONLY))
        return take(who, &managed->tensor, NULL, managed);
    cr_tensor *copy = NULL;
    CR_SCOPE {
        cr_tensor *shared = take(who, &managed->tensor, NULL, NULL);
        copy = cr_clone(shared);
        if (copy)
            cr_keep(copy);
    }
    if (copy && managed->deleter)
        managed->deleter(managed);
    return copy;
}
