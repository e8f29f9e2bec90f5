/* The data set object: counting references, and one sample whichever way its kind gives samples. */
#include "core/data/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/io/memory.h"

static void release(void *dataset)
{
    cr_dataset_release(dataset);
}

cr_dataset *cr_dataset_new(const cr_dataset_class *kind, void *data)
{
    bool whole = kind && kind->length && (kind->get_item || (kind->fields && kind->get_batch));
    cr_dataset *dataset = whole ? malloc(sizeof *dataset) : NULL;
    if (!dataset) {
        if (kind && kind->destroy)
            kind->destroy(data);
        return whole ? cr_fail_memory("a data set", sizeof *dataset)
                     : cr_fail("cr_dataset_new: a data set needs length and get_item, or length, "
                               "fields and get_batch");
    }
    *dataset = (cr_dataset){.refs = 1, .kind = kind, .data = data};
    return cr_scope_add(dataset, release);
}

static int64_t no_length(void *data)
{
    (void)data;
    return -1;
}

cr_dataset *cr_iterable_dataset_new(const cr_iterable_class *kind, void *data)
{
    bool whole = kind && kind->begin && kind->next;
    cr_dataset *dataset = whole ? malloc(sizeof *dataset) : NULL;
    if (!dataset) {
        if (kind && kind->destroy)
            kind->destroy(data);
        return whole ? cr_fail_memory("a data set", sizeof *dataset)
                     : cr_fail("cr_iterable_dataset_new: a data set needs begin and next");
    }
    *dataset =
        (cr_dataset){.refs = 1,
                     .data = data,
                     .iterable = kind,
                     .own = {.name = kind->name, .length = no_length, .destroy = kind->destroy}};
    dataset->kind = &dataset->own;
    return cr_scope_add(dataset, release);
}

int64_t cr_dataset_length(const cr_dataset *dataset)
{
    return dataset ? dataset->kind->length(dataset->data) : -1;
}

cr_dataset *cr_dataset_retain(cr_dataset *dataset)
{
    if (dataset)
        atomic_fetch_add_explicit(&dataset->refs, 1, memory_order_relaxed);
    return dataset;
}

void cr_dataset_release(cr_dataset *dataset)
{
    if (!dataset || atomic_fetch_sub_explicit(&dataset->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (dataset->kind->destroy)
        dataset->kind->destroy(dataset->data);
    free(dataset);
}

bool cr_field_bytes(const cr_field *field, size_t *bytes)
{
    return cr_io_bytes(field->dtype, field->dim, field->sizes, bytes);
}

bool cr_field_equal(const cr_field *a, const cr_field *b)
{
    return a->dtype == b->dtype && a->dim == b->dim &&
           (!a->dim || !memcmp(a->sizes, b->sizes, (size_t)a->dim * sizeof *a->sizes));
}

/* A kind that reports failure without words still gets some. */
static int failed(const cr_dataset *dataset, const char *what)
{
    if (!cr_error())
        cr_fail("%s: %s failed and said nothing", dataset->kind->name, what);
    return -1;
}

int cr_dataset_fields(cr_dataset *dataset, cr_field fields[CR_MAX_FIELDS])
{
    const cr_dataset_class *kind = dataset->kind;
    if (!kind->fields || !kind->get_batch)
        return 0;
    memset(fields, 0, CR_MAX_FIELDS * sizeof *fields);
    int count = kind->fields(dataset->data, fields);
    if (count < 0)
        return failed(dataset, "fields");
    if (count > CR_MAX_FIELDS)
        return CR_FAIL_INT("%s: a sample has %d tensors, at most %d are supported", kind->name,
                           count, CR_MAX_FIELDS);
    for (int i = 0; i < count; i++) {
        size_t bytes;
        if (fields[i].dim < 0 || fields[i].dim >= CR_MAX_RANK || !cr_dtype_size(fields[i].dtype) ||
            !cr_field_bytes(&fields[i], &bytes))
            return CR_FAIL_INT("%s: field %d has no proper dtype or sizes, or more than %d "
                               "dimensions",
                               kind->name, i, CR_MAX_RANK - 1);
    }
    return count;
}

int cr_dataset_get_batch(cr_dataset *dataset, const int64_t *indices, int64_t count,
                         void *const *to)
{
    return dataset->kind->get_batch(dataset->data, indices, count, to)
               ? failed(dataset, "get_batch")
               : 0;
}

/* A sample through the batch path: a batch of one, without the batch dimension. */
static int get_by_batch(cr_dataset *dataset, int64_t index, const cr_field *fields, int count,
                        cr_sample *sample)
{
    void *memory[CR_MAX_FIELDS] = {NULL};
    int status = 0;
    for (int i = 0; i < count && !status; i++) {
        size_t bytes = 0;
        cr_field_bytes(&fields[i], &bytes);
        memory[i] = cr_io_allocate("a sample", bytes);
        status = memory[i] ? 0 : -1;
    }
    if (!status)
        status = cr_dataset_get_batch(dataset, &index, 1, memory);
    for (int i = 0; i < count; i++) {
        if (status) {
            free(memory[i]);
            continue;
        }
        sample->tensors[i] =
            cr_io_adopt(memory[i], fields[i].dtype, fields[i].dim, fields[i].sizes, NULL);
        if (!sample->tensors[i])
            status = -1;
    }
    sample->count = status ? 0 : count;
    return status;
}

int cr_dataset_get(cr_dataset *dataset, int64_t index, cr_sample *sample)
{
    *sample = (cr_sample){.count = 0};
    if (!dataset)
        return CR_FAIL_INT("cr_dataset_get: the data set is null");
    if (dataset->iterable)
        return CR_FAIL_INT("%s: an iterable data set can't be indexed", dataset->kind->name);
    int64_t length = cr_dataset_length(dataset), at = index < 0 ? index + length : index;
    if (at < 0 || at >= length)
        return CR_FAIL_INT("%s: index %" PRId64 " is out of range for %" PRId64 " samples",
                           dataset->kind->name, index, length);
    if (dataset->kind->get_item) {
        if (dataset->kind->get_item(dataset->data, at, sample))
            return failed(dataset, "get_item");
        if (sample->count >= 0 && sample->count <= CR_MAX_FIELDS)
            return 0;
        sample->count = 0;
        return CR_FAIL_INT("%s: a sample has fewer than 0 or more than %d tensors",
                           dataset->kind->name, CR_MAX_FIELDS);
    }
    cr_field fields[CR_MAX_FIELDS];
    int count = cr_dataset_fields(dataset, fields);
    if (count > 0)
        return get_by_batch(dataset, at, fields, count, sample);
    return count ? -1
                 : CR_FAIL_INT("%s: has neither get_item nor fields that all samples share",
                               dataset->kind->name);
}
