/* Shapes and strides: counting, comparing, overlap, and describing them in messages. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/tensor/tensor.h"

int64_t cr_numel_of(int dim, const int64_t *sizes)
{
    int64_t numel = 1;
    bool empty = false;
    for (int i = 0; i < dim; i++) {
        if (sizes[i] < 0)
            return -1;
        if (!sizes[i])
            empty = true;
        else if (__builtin_mul_overflow(numel, sizes[i], &numel))
            return -1; /* also where another size is 0: strides have to be counted */
    }
    return numel > INT64_MAX / 16 ? -1 : empty ? 0 : numel;
}

void cr_contiguous_strides(int dim, const int64_t *sizes, int64_t *strides)
{
    int64_t step = 1;
    for (int i = dim - 1; i >= 0; i--) {
        strides[i] = step;
        /* without overflow also for sizes that can't be counted, which whoever makes the tensor refuses */
        step = (int64_t)((uint64_t)step * (uint64_t)(sizes[i] > 1 ? sizes[i] : 1));
    }
}

bool cr_strides_are_contiguous(int dim, const int64_t *sizes, const int64_t *strides)
{
    int64_t step = 1;
    bool fits = true;
    for (int i = dim - 1; i >= 0; i--) {
        if (!sizes[i])
            return true;
        if (sizes[i] != 1) {
            fits = fits && strides[i] == step;
            step *= sizes[i];
        }
    }
    return fits;
}

/* The dimensions that matter (size above 1), by stride. */
static int sorted_dims(const cr_tensor *t, int64_t *sizes, int64_t *strides)
{
    int n = 0;
    for (int i = 0; i < t->dim; i++) {
        if (t->size[i] == 1)
            continue;
        int j = n++;
        for (; j && strides[j - 1] > t->stride[i]; j--) {
            sizes[j] = sizes[j - 1];
            strides[j] = strides[j - 1];
        }
        sizes[j] = t->size[i];
        strides[j] = t->stride[i];
    }
    return n;
}

bool cr_is_dense(const cr_tensor *t)
{
    if (t->flags & CR_FLAG_CONTIGUOUS || !t->numel)
        return true;
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], step = 1;
    int n = sorted_dims(t, sizes, strides);
    for (int i = 0; i < n; i++) {
        if (strides[i] != step)
            return false;
        step *= sizes[i];
    }
    return true;
}

bool cr_has_internal_overlap(const cr_tensor *t)
{
    if (t->flags & CR_FLAG_CONTIGUOUS || !t->numel)
        return false;
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], reach = 0;
    int n = sorted_dims(t, sizes, strides);
    for (int i = 0; i < n; i++) {
        if (strides[i] <= reach && !(i == 0 && strides[i] > 0))
            return true;
        reach += (sizes[i] - 1) * strides[i];
    }
    return false;
}

bool cr_extent(int dim, const int64_t *sizes, const int64_t *strides, int64_t offset,
               int64_t *first, int64_t *last)
{
    *first = *last = offset;
    for (int i = 0; i < dim; i++) {
        int64_t reach;
        if (!sizes[i])
            return false;
        if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) ||
            __builtin_add_overflow(*last, reach, last))
            *last = INT64_MAX;
        if (*last == INT64_MAX)
            return true;
    }
    return true;
}

int cr_wrap_dim(const char *op, int64_t dim, int rank)
{
    int64_t range = rank ? rank : 1;
    if (dim < -range || dim >= range) {
        cr_fail("%s: Dimension out of range (expected to be in range of [%" PRId64 ", %" PRId64
                "], but got %" PRId64 ")",
                op, -range, range - 1, dim);
        return -1;
    }
    return (int)(dim < 0 ? dim + range : dim);
}

void cr_meta_of(const cr_tensor *t, cr_meta *meta)
{
    meta->dtype = t->dtype;
    meta->rank = t->dim;
    meta->layout = t->storage->layout;
    memcpy(meta->size, t->size, sizeof meta->size);
    memcpy(meta->stride, t->stride, sizeof meta->stride);
}

const char *cr_sizes_text(int dim, const int64_t *sizes)
{
    char *text = cr_thread_text();
    size_t length = (size_t)snprintf(text, CR_TEXT_SIZE, "[");
    for (int i = 0; i < dim && length < CR_TEXT_SIZE - 24; i++)
        length += (size_t)snprintf(text + length, CR_TEXT_SIZE - length,
                                   i ? ", %" PRId64 : "%" PRId64, sizes[i]);
    snprintf(text + length, CR_TEXT_SIZE - length, "]");
    return text;
}

const char *cr_describe(const cr_tensor *t)
{
    char *text = cr_thread_text();
    if (t)
        snprintf(text, CR_TEXT_SIZE, "%s%s", cr_dtype_name((cr_dtype)t->dtype),
                 cr_sizes_text(t->dim, t->size));
    else
        snprintf(text, CR_TEXT_SIZE, "null");
    return text;
}
