/* The loader object: options checked and kept. */
#include "core/data/loader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/dispatch/device.h"

static void release(void *loader)
{
    cr_loader_release(loader);
}

static int check(const cr_data_loader_options *o)
{
    static const char name[] = "cr_data_loader";
    if (!o->dataset)
        return CR_FAIL_INT("%s: the data set is null", name);
    if (o->batch_size < 0)
        return CR_FAIL_INT("%s: batch_size %" PRId64 " is negative", name, o->batch_size);
    if (o->num_workers < CR_NO_WORKERS || o->num_workers > 64)
        return CR_FAIL_INT("%s: num_workers %d is not CR_NO_WORKERS, 0 (the default, 1) or up to "
                           "64",
                           name, o->num_workers);
    if (o->prefetch < 0 || o->prefetch > 1024)
        return CR_FAIL_INT("%s: prefetch %d is not between 0 (the default, 2) and 1024", name,
                           o->prefetch);
    if (o->dataset->iterable && (o->shuffle || o->sampler || o->batch_sampler))
        return CR_FAIL_INT("%s: %s is iterable: it can't be shuffled or sampled", name,
                           o->dataset->kind->name);
    if (o->sampler && o->shuffle)
        return CR_FAIL_INT("%s: shuffle and sampler exclude each other", name);
    if (o->batch_sampler && (o->batch_size || o->shuffle || o->sampler || o->drop_last))
        return CR_FAIL_INT("%s: batch_sampler excludes batch_size, shuffle, sampler and drop_last",
                           name);
    if (o->batch_sampler && !o->batch_sampler->kind->batch_count)
        return CR_FAIL_INT("%s: %s makes no batches; it goes to .sampler", name,
                           o->batch_sampler->kind->name);
    return 0;
}

/* A reference on the sampler that the options ask for. */
static cr_sampler *choose_sampler(const cr_data_loader_options *o)
{
    cr_sampler *given = o->batch_sampler ? o->batch_sampler : o->sampler;
    if (given)
        return cr_sampler_retain(given);
    int64_t length = o->dataset->iterable ? 0 : cr_dataset_length(o->dataset);
    cr_random_sampler_options random = {.length = length, .seed = o->seed};
    return cr_sampler_retain(o->shuffle ? cr_random_sampler_with(&random)
                                        : cr_sequential_sampler(length));
}

static cr_dev *choose_pinned(const cr_data_loader_options *o, const char *device)
{
    if (o->pin_memory_device)
        return cr_dev_find(o->pin_memory_device);
    cr_dev *dev = cr_dev_find(device);
    return dev && cr_dev_is_host(dev) ? cr_dev_default() : dev;
}

static int fill(cr_loader *loader, const cr_data_loader_options *o)
{
    loader->dataset = cr_dataset_retain(o->dataset);
    loader->batch_size = o->batch_sampler ? 0 : o->batch_size ? o->batch_size : 1;
    loader->drop_last = o->drop_last;
    loader->nworkers = o->num_workers == CR_NO_WORKERS ? 0 : o->num_workers ? o->num_workers : 1;
    if (o->dataset->iterable && loader->nworkers > 1)
        loader->nworkers = 1; /* its samples come one after the other */
    loader->nslots = (loader->nworkers ? loader->nworkers : 1) * (o->prefetch ? o->prefetch : 2);
    loader->collate = o->collate;
    loader->collate_context = o->collate_context;
    if (!(loader->sampler = choose_sampler(o)))
        return -1;
    loader->nfields = o->collate ? 0 : cr_dataset_fields(o->dataset, loader->fields);
    if (loader->nfields < 0)
        return -1;
    const char *device = o->device ? o->device : cr_default_device();
    if (!device)
        return -1;
    size_t bytes = strlen(device) + 1;
    if (!(loader->device = malloc(bytes)))
        return cr_fail_memory("a loader", bytes), -1;
    memcpy(loader->device, device, bytes);
    cr_dev *pinned = NULL;
    if (o->pin_memory && !(pinned = choose_pinned(o, device)))
        return -1;
    if (pinned && !(loader->pin_for = strdup(pinned->name)))
        return cr_fail_memory("a loader", strlen(pinned->name)), -1;
    /* what is made ahead, what is being made, and what the caller has in hand */
    loader->pool = cr_pool_new(loader->nslots + loader->nworkers + 1, pinned);
    return loader->pool ? 0 : -1;
}

cr_loader *cr_data_loader_with(const cr_data_loader_options *options)
{
    if (check(options))
        return NULL;
    cr_loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return cr_fail_memory("a loader", sizeof *loader);
    atomic_init(&loader->refs, 1);
    if (fill(loader, options)) {
        cr_loader_release(loader);
        return NULL;
    }
    return cr_scope_add(loader, release);
}

int64_t cr_loader_length(const cr_loader *loader)
{
    if (!loader || loader->dataset->iterable)
        return -1;
    if (!loader->batch_size)
        return loader->sampler->kind->batch_count(loader->sampler->data);
    int64_t samples = cr_sampler_length(loader->sampler);
    return samples / loader->batch_size + (!loader->drop_last && samples % loader->batch_size != 0);
}

int64_t cr_loader_sample_count(const cr_loader *loader)
{
    if (!loader || loader->dataset->iterable)
        return -1;
    int64_t samples = cr_sampler_length(loader->sampler);
    return loader->drop_last ? samples - samples % loader->batch_size : samples;
}

cr_dataset *cr_loader_dataset(const cr_loader *loader)
{
    return loader ? loader->dataset : NULL;
}

uint64_t cr_loader_epoch(const cr_loader *loader)
{
    return loader ? loader->epoch : 0;
}

void cr_loader_set_epoch(cr_loader *loader, uint64_t epoch)
{
    if (loader)
        loader->epoch = epoch;
}

void cr_loader_start_at(cr_loader *loader, int64_t batch)
{
    if (loader)
        loader->start = batch < 0 ? 0 : batch;
}

cr_loader *cr_loader_retain(cr_loader *loader)
{
    if (loader)
        atomic_fetch_add_explicit(&loader->refs, 1, memory_order_relaxed);
    return loader;
}

void cr_loader_release(cr_loader *loader)
{
    if (!loader || atomic_fetch_sub_explicit(&loader->refs, 1, memory_order_acq_rel) != 1)
        return;
    cr_dataset_release(loader->dataset);
    cr_sampler_release(loader->sampler);
    cr_pool_close(loader->pool);
    free(loader->device);
    free(loader->pin_for);
    free(loader);
}
