/* One batch: samples gathered into memory by a worker, and handed out as tensors by the thread that
 * iterates. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/autograd.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/base/thread.h"
#include "core/data/loader.h"
#include "core/dispatch/device.h"
#include "core/io/memory.h"

/* ---- making ---- */

/* Takes a buffer for count samples of made's fields, each field's rows from a multiple of 64 on. */
static int take_buffer(cr_loader *loader, int64_t count, cr_made_batch *made, void **to)
{
    size_t total = 0;
    for (int f = 0; f < made->nfields; f++) {
        size_t bytes = 0;
        if (!cr_field_bytes(&made->fields[f], &bytes) ||
            (bytes && (uint64_t)count > (SIZE_MAX / 4 - total) / bytes))
            return CR_FAIL_INT("a batch of %" PRId64 " samples is more than memory can hold",
                               count);
        made->offsets[f] = total;
        total += (bytes * (size_t)count + 63) / 64 * 64;
    }
    made->buffer = cr_pool_take(loader->pool, total);
    if (!made->buffer)
        return -1;
    for (int f = 0; f < made->nfields; f++)
        to[f] = made->buffer->memory + made->offsets[f];
    return 0;
}

static int make_by_batch(cr_loader *loader, const int64_t *indices, int64_t count,
                         cr_made_batch *made)
{
    void *to[CR_MAX_FIELDS];
    made->nfields = loader->nfields;
    memcpy(made->fields, loader->fields, sizeof made->fields);
    if (take_buffer(loader, count, made, to))
        return -1;
    return cr_dataset_get_batch(loader->dataset, indices, count, to);
}

static cr_field field_of(const cr_tensor *tensor)
{
    cr_field field = {.dtype = cr_tensor_dtype(tensor), .dim = cr_tensor_dim(tensor)};
    if (field.dim > 0)
        memcpy(field.sizes, cr_tensor_sizes(tensor), (size_t)field.dim * sizeof *field.sizes);
    return field;
}

/* The first sample decides what all of the batch look like. */
static int take_form(const cr_sample *sample, cr_made_batch *made)
{
    made->nfields = sample->count;
    for (int f = 0; f < sample->count; f++) {
        made->fields[f] = field_of(sample->tensors[f]);
        if (made->fields[f].dim < 0 || made->fields[f].dim >= CR_MAX_RANK)
            return CR_FAIL_INT("a sample's tensor %d is null or has more than %d dimensions", f,
                               CR_MAX_RANK - 1);
    }
    return 0;
}

static int stack(const cr_sample *sample, int64_t index, int64_t place, const cr_made_batch *made,
                 void *const *to)
{
    if (sample->count != made->nfields)
        return CR_FAIL_INT("sample %" PRId64 " has %d tensors, the batch's first has %d", index,
                           sample->count, made->nfields);
    for (int f = 0; f < sample->count; f++) {
        cr_field field = field_of(sample->tensors[f]);
        if (!cr_field_equal(&field, &made->fields[f])) {
            cr_text text = {0};
            cr_text_add(&text, "%s", cr_dtype_name(field.dtype));
            cr_text_add_sizes(&text, field.sizes, field.dim < 0 ? 0 : field.dim);
            cr_text_add(&text, ", the batch's first is %s", cr_dtype_name(made->fields[f].dtype));
            cr_text_add_sizes(&text, made->fields[f].sizes, made->fields[f].dim);
            cr_fail("tensor %d of sample %" PRId64 " is %s: they can't be stacked; pass .collate",
                    f, index, text.data ? text.data : "different");
            cr_text_free(&text);
            return -1;
        }
        size_t bytes = 0;
        cr_field_bytes(&field, &bytes);
        if (bytes && cr_tensor_read(sample->tensors[f],
                                    (unsigned char *)to[f] + (size_t)place * bytes, bytes))
            return -1;
    }
    return 0;
}

static int make_by_item(cr_loader *loader, const int64_t *indices, int64_t count,
                        cr_made_batch *made)
{
    void *to[CR_MAX_FIELDS];
    int status = 0;
    for (int64_t i = 0; i < count && !status; i++) {
        CR_SCOPE {
            cr_sample sample;
            status = cr_dataset_get(loader->dataset, indices[i], &sample);
            if (!status && i == 0)
                status = take_form(&sample, made) || take_buffer(loader, count, made, to);
            if (!status)
                status = stack(&sample, indices[i], i, made, to);
        }
    }
    return status;
}

/* The outputs get a reference each, because the scope that they belong to ends here. */
static int keep_outputs(const cr_loader *loader, const cr_sample *outputs, cr_made_batch *made)
{
    if (outputs->count < 1 || outputs->count > CR_MAX_FIELDS)
        return CR_FAIL_INT("collate made %d tensors, expected 1 to %d", outputs->count,
                           CR_MAX_FIELDS);
    for (int f = 0; f < outputs->count; f++) {
        if (!outputs->tensors[f])
            return CR_FAIL_INT("collate made a batch whose tensor %d is null", f);
        cr_tensor *tensor = outputs->tensors[f], *pinned = tensor;
        if (loader->pin_for && cr_dev_is_host(tensor->storage->dev))
            pinned = cr_tensor_pin_memory(tensor, loader->pin_for);
        if (!pinned)
            return -1;
        made->tensors.tensors[made->tensors.count++] = cr_retain(pinned);
    }
    return 0;
}

/* Of samples at hand, which belong to the innermost scope: through collate, or stacked. */
static int join(cr_loader *loader, const cr_sample *samples, int64_t count, cr_made_batch *made)
{
    if (loader->collate) {
        cr_sample outputs = {.count = 0};
        if (loader->collate(loader->collate_context, samples, count, &outputs))
            return cr_error() ? -1 : CR_FAIL_INT("collate failed and said nothing");
        return keep_outputs(loader, &outputs, made);
    }
    void *to[CR_MAX_FIELDS];
    if (take_form(&samples[0], made) || take_buffer(loader, count, made, to))
        return -1;
    for (int64_t i = 0; i < count; i++)
        if (stack(&samples[i], i, i, made, to))
            return -1;
    return 0;
}

static int make_by_collate(cr_loader *loader, const int64_t *indices, int64_t count,
                           cr_made_batch *made)
{
    cr_sample *samples = calloc((size_t)count, sizeof *samples);
    if (!samples)
        return cr_fail_memory("a batch's samples", (size_t)count * sizeof *samples), -1;
    int status = 0;
    CR_SCOPE {
        for (int64_t i = 0; i < count && !status; i++)
            status = cr_dataset_get(loader->dataset, indices[i], &samples[i]);
        if (!status)
            status = join(loader, samples, count, made);
    }
    free(samples);
    return status;
}

/* What was made, or why not: the thread's error is moved into the batch. */
static void finish(cr_loader *loader, int status, int64_t count, cr_made_batch *made)
{
    if (!status && !cr_error())
        return;
    cr_made_batch_free(made);
    made->count = count;
    made->failed = true;
    cr_text text = {0};
    cr_text_add(&text, "%s: %s", loader->dataset->kind->name,
                cr_error() ? cr_error() : "failed and said nothing");
    cr_clear_error();
    made->error = cr_text_take(&text);
    cr_clear_error();
}

void cr_make_batch(cr_loader *loader, const int64_t *indices, int64_t count, cr_made_batch *made)
{
    *made = (cr_made_batch){.count = count};
    bool recorded = cr_set_grad_enabled(false); /* data are no function of parameters */
    int status = loader->collate   ? make_by_collate(loader, indices, count, made)
                 : loader->nfields ? make_by_batch(loader, indices, count, made)
                                   : make_by_item(loader, indices, count, made);
    cr_set_grad_enabled(recorded);
    finish(loader, status, count, made);
}

void cr_make_stream_batch(cr_loader *loader, void *iterator, cr_made_batch *made)
{
    *made = (cr_made_batch){.count = 0};
    int64_t wanted = loader->batch_size, count = 0, capacity = wanted < 64 ? wanted : 64;
    cr_sample *samples = malloc((size_t)capacity * sizeof *samples);
    int status = samples ? 1 : (cr_fail_memory("a batch's samples", sizeof *samples), -1);
    bool recorded = cr_set_grad_enabled(false);
    CR_SCOPE {
        while (status == 1 && count < wanted) {
            if (count == capacity) {
                cr_sample *more = realloc(samples, 2 * (size_t)capacity * sizeof *samples);
                if (!more) {
                    status = (cr_fail_memory("a batch's samples", sizeof *samples), -1);
                    break;
                }
                samples = more;
                capacity *= 2;
            }
            samples[count] = (cr_sample){.count = 0};
            status = loader->dataset->iterable->next(iterator, &samples[count]);
            count += status == 1;
        }
        if (status >= 0 && count && !(loader->drop_last && count < wanted)) {
            status = join(loader, samples, count, made);
            made->count = count;
        }
    }
    cr_set_grad_enabled(recorded);
    free(samples);
    finish(loader, status < 0, count, made);
}

static CR_TLS uint64_t current_epoch;

void cr_set_current_epoch(uint64_t epoch)
{
    current_epoch = epoch;
}

uint64_t cr_current_epoch(void)
{
    return current_epoch;
}

void cr_made_batch_free(cr_made_batch *made)
{
    for (int f = 0; f < made->tensors.count; f++)
        cr_release(made->tensors.tensors[f]);
    cr_pool_give(made->buffer);
    free(made->error);
    *made = (cr_made_batch){0};
}

/* ---- handing out ---- */

static void release_tensor(void *tensor)
{
    cr_release(tensor);
}

/* The tensor's f-th field over the buffer, which lives until the tensor goes. */
static cr_tensor *dress(const cr_made_batch *made, int f)
{
    int64_t sizes[CR_MAX_RANK] = {made->count};
    const cr_field *field = &made->fields[f];
    size_t bytes = 0;
    memcpy(sizes + 1, field->sizes, (size_t)field->dim * sizeof *sizes);
    cr_field_bytes(field, &bytes);
    cr_pool_retain(made->buffer);
    cr_tensor *tensor =
        cr_tensor_adopt(made->buffer->memory + made->offsets[f], bytes * (size_t)made->count,
                        field->dtype, field->dim + 1, sizes, NULL, 0, cr_pool_give, made->buffer);
    if (tensor)
        tensor->storage->pinned = made->buffer->pinned;
    return tensor;
}

static cr_tensor *to_device(const cr_loader *loader, cr_tensor *tensor, bool own)
{
    if (!tensor || !loader->device || !strcmp(cr_tensor_device(tensor), loader->device))
        return tensor;
    /* nobody else sees this memory, and the pool waits before it is written again */
    tensor->storage->wait_later = own;
    cr_tensor *moved = cr_tensor_to(tensor, loader->device);
    if (moved && moved != tensor)
        cr_drop(tensor);
    return moved;
}

int cr_hand_out_batch(cr_loader *loader, cr_made_batch *made, cr_batch *batch)
{
    batch->count = made->count;
    int status = 0;
    if (made->failed)
        status = CR_FAIL_INT("%s", made->error ? made->error : "out of memory: a batch");
    int ntensors = made->tensors.count ? made->tensors.count : made->nfields;
    for (int f = 0; f < ntensors && !status; f++) {
        cr_tensor *tensor = made->tensors.count
                                ? cr_scope_add(cr_retain(made->tensors.tensors[f]), release_tensor)
                                : dress(made, f);
        batch->tensors[f] = to_device(loader, tensor, !made->tensors.count);
        if (!batch->tensors[f])
            status = -1;
    }
    cr_made_batch_free(made);
    if (status)
        return -1;
    batch->ntensors = ntensors;
    batch->input = batch->tensors[0];
    batch->target = batch->tensors[1];
    return 0;
}
