/* TensorDataset: the rows of tensors in host memory. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/data/dataset.h"
#include "core/io/memory.h"

typedef struct rows {
    int64_t length;
    int count;
    cr_tensor *tensors[CR_MAX_FIELDS]; /* retained: the memory below is theirs */
    void *owned[CR_MAX_FIELDS];        /* or ours, where theirs wasn't dense host memory */
    const unsigned char *memory[CR_MAX_FIELDS];
    cr_field fields[CR_MAX_FIELDS];
    size_t bytes[CR_MAX_FIELDS]; /* of a row */
} rows;

static int64_t length(void *data)
{
    return ((rows *)data)->length;
}

static int get_fields(void *data, cr_field *fields)
{
    rows *r = data;
    memcpy(fields, r->fields, (size_t)r->count * sizeof *fields);
    return r->count;
}

static int get_batch(void *data, const int64_t *indices, int64_t count, void *const *to)
{
    rows *r = data;
    for (int f = 0; f < r->count; f++) {
        size_t bytes = r->bytes[f];
        unsigned char *at = to[f];
        for (int64_t i = 0; i < count && bytes; i++, at += bytes)
            memcpy(at, r->memory[f] + (size_t)indices[i] * bytes, bytes);
    }
    return 0;
}

static void destroy(void *data)
{
    rows *r = data;
    for (int f = 0; f < r->count; f++) {
        cr_release(r->tensors[f]);
        free(r->owned[f]);
    }
    free(r);
}

static const cr_dataset_class kind = {.name = "TensorDataset",
                                      .length = length,
                                      .fields = get_fields,
                                      .get_batch = get_batch,
                                      .destroy = destroy};

static int add(rows *r, cr_tensor *tensor)
{
    int dim = cr_tensor_dim(tensor), f = r->count;
    if (dim < 1)
        return CR_FAIL_INT("cr_tensor_dataset: tensor %d %s", f,
                           tensor ? "has no dimension to take samples from" : "is null");
    const int64_t *sizes = cr_tensor_sizes(tensor);
    if (f && sizes[0] != r->length)
        return CR_FAIL_INT("cr_tensor_dataset: tensor %d has %" PRId64 " samples, tensor 0 has "
                           "%" PRId64,
                           f, sizes[0], r->length);
    r->length = sizes[0];
    r->fields[f].dtype = cr_tensor_dtype(tensor);
    r->fields[f].dim = dim - 1;
    memcpy(r->fields[f].sizes, sizes + 1, (size_t)(dim - 1) * sizeof *sizes);
    size_t all;
    if (!cr_field_bytes(&r->fields[f], &r->bytes[f]) ||
        !(r->memory[f] = cr_io_elements(tensor, &all, &r->owned[f])))
        return -1;
    r->tensors[f] = cr_retain(tensor);
    r->count++;
    return 0;
}

cr_dataset *cr_tensor_dataset_with(cr_tensor *const *tensors, size_t count)
{
    if (!tensors || !count || count > CR_MAX_FIELDS)
        return cr_fail("cr_tensor_dataset: needs 1 to %d tensors, not %zu", CR_MAX_FIELDS, count);
    rows *r = calloc(1, sizeof *r);
    if (!r)
        return cr_fail_memory("a data set", sizeof *r);
    for (size_t i = 0; i < count; i++) {
        if (add(r, tensors[i])) {
            destroy(r);
            return NULL;
        }
    }
    return cr_dataset_new(&kind, r);
}
