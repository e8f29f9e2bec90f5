/* The sampler object, and the samplers that draw nothing: sequential and batch. */
#include "core/data/sampler.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/error.h"

static void release(void *sampler)
{
    cr_sampler_release(sampler);
}

cr_sampler *cr_sampler_new(const cr_sampler_class *kind, void *data)
{
    bool whole = kind && kind->length && kind->draw && !kind->batch_count == !kind->batch_sizes;
    cr_sampler *sampler = whole ? malloc(sizeof *sampler) : NULL;
    if (!sampler) {
        if (kind && kind->destroy)
            kind->destroy(data);
        return whole ? cr_fail_memory("a sampler", sizeof *sampler)
                     : cr_fail("cr_sampler_new: a sampler needs length and draw, and batch_count "
                               "and batch_sizes both or neither");
    }
    *sampler = (cr_sampler){.refs = 1, .kind = kind, .data = data};
    return cr_scope_add(sampler, release);
}

int64_t cr_sampler_length(const cr_sampler *sampler)
{
    return sampler ? sampler->kind->length(sampler->data) : -1;
}

int cr_sampler_draw(cr_sampler *sampler, uint64_t epoch, int64_t *indices)
{
    if (!sampler || !indices)
        return CR_FAIL_INT("cr_sampler_draw: the %s null", sampler ? "indices are" : "sampler is");
    if (!sampler->kind->draw(sampler->data, epoch, indices))
        return 0;
    if (!cr_error())
        cr_fail("%s: draw failed and said nothing", sampler->kind->name);
    return -1;
}

cr_sampler *cr_sampler_retain(cr_sampler *sampler)
{
    if (sampler)
        atomic_fetch_add_explicit(&sampler->refs, 1, memory_order_relaxed);
    return sampler;
}

void cr_sampler_release(cr_sampler *sampler)
{
    if (!sampler || atomic_fetch_sub_explicit(&sampler->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (sampler->kind->destroy)
        sampler->kind->destroy(sampler->data);
    free(sampler);
}

/* ---- sequential ---- */

static int64_t sequential_length(void *data)
{
    return *(int64_t *)data;
}

static int sequential_draw(void *data, uint64_t epoch, int64_t *indices)
{
    (void)epoch;
    for (int64_t i = 0; i < *(int64_t *)data; i++)
        indices[i] = i;
    return 0;
}

static const cr_sampler_class sequential = {.name = "SequentialSampler",
                                            .length = sequential_length,
                                            .draw = sequential_draw,
                                            .destroy = free};

cr_sampler *cr_sequential_sampler(int64_t length)
{
    if (length < 0)
        return cr_fail("cr_sequential_sampler: length %" PRId64 " is negative", length);
    int64_t *data = malloc(sizeof *data);
    if (!data)
        return cr_fail_memory("a sampler", sizeof *data);
    *data = length;
    return cr_sampler_new(&sequential, data);
}

/* ---- batch ---- */

typedef struct batches {
    cr_sampler *inner;
    int64_t length, size; /* length: what is left of the inner's after drop_last */
} batches;

static int64_t batch_length(void *data)
{
    return ((batches *)data)->length;
}

static int batch_draw(void *data, uint64_t epoch, int64_t *indices)
{
    batches *b = data;
    int64_t all = cr_sampler_length(b->inner);
    if (all == b->length)
        return cr_sampler_draw(b->inner, epoch, indices);
    int64_t *drawn = malloc((size_t)all * sizeof *drawn);
    if (!drawn)
        return cr_fail_memory("an epoch's order", (size_t)all * sizeof *drawn), -1;
    int status = cr_sampler_draw(b->inner, epoch, drawn);
    for (int64_t i = 0; i < b->length && !status; i++)
        indices[i] = drawn[i];
    free(drawn);
    return status;
}

static int64_t batch_count(void *data)
{
    batches *b = data;
    return b->length / b->size + (b->length % b->size != 0);
}

static int batch_sizes(void *data, uint64_t epoch, int64_t *sizes)
{
    (void)epoch;
    batches *b = data;
    for (int64_t left = b->length; left > 0; left -= b->size)
        *sizes++ = left < b->size ? left : b->size;
    return 0;
}

static void batch_destroy(void *data)
{
    batches *b = data;
    cr_sampler_release(b->inner);
    free(b);
}

static const cr_sampler_class batch = {.name = "BatchSampler",
                                       .length = batch_length,
                                       .draw = batch_draw,
                                       .batch_count = batch_count,
                                       .batch_sizes = batch_sizes,
                                       .destroy = batch_destroy};

cr_sampler *cr_batch_sampler(cr_sampler *sampler, int64_t batch_size, bool drop_last)
{
    if (!sampler || batch_size < 1)
        return sampler ? cr_fail("cr_batch_sampler: batch size %" PRId64 " is below 1", batch_size)
                       : cr_fail("cr_batch_sampler: the sampler is null");
    if (sampler->kind->batch_count)
        return cr_fail("cr_batch_sampler: %s makes batches already", sampler->kind->name);
    batches *b = malloc(sizeof *b);
    if (!b)
        return cr_fail_memory("a sampler", sizeof *b);
    int64_t length = cr_sampler_length(sampler);
    *b = (batches){.inner = cr_sampler_retain(sampler),
                   .length = drop_last ? length - length % batch_size : length,
                   .size = batch_size};
    return cr_sampler_new(&batch, b);
}
