/* The loader from inside: its settings (loader.c), how one batch is made (make_batch.c), and an
 * epoch under way with its threads (batches.c). */
#ifndef CRESSET_CORE_DATA_LOADER_H
#define CRESSET_CORE_DATA_LOADER_H

#include <stdatomic.h>

#include "core/data/dataset.h"
#include "core/data/pool.h"
#include "core/data/sampler.h"

struct cr_loader {
    atomic_int refs;
    cr_dataset *dataset;
    cr_sampler *sampler;
    int64_t batch_size; /* 0: the sampler says where batches end */
    bool drop_last;
    int nworkers; /* 0: the caller's thread */
    int nslots;   /* batches made ahead by all workers together */
    cr_collate_function collate;
    void *collate_context;
    char *device;  /* null: the host's own */
    char *pin_for; /* the device whose pinned memory batches lie in; null: ordinary memory */
    uint64_t epoch;
    int64_t start; /* the batch that the next epoch begins with */
    int nfields;   /* of the batch path; 0: samples are taken one by one */
    cr_field fields[CR_MAX_FIELDS];
    cr_pool *pool;
};

/* A batch that a worker made: memory to be dressed as tensors, or the tensors of a collate
 * function, or an error. */
typedef struct cr_made_batch {
    int64_t count; /* samples */
    bool failed;
    char *error;       /* why; null without memory for the words */
    cr_sample tensors; /* each with a reference */
    cr_pool_buffer *buffer;
    int nfields;
    cr_field fields[CR_MAX_FIELDS];
    size_t offsets[CR_MAX_FIELDS]; /* in the buffer */
} cr_made_batch;

/* Makes the batch of samples indices[0…count). Leaves the thread's error clear: it is moved into
 * made->error. */
void cr_make_batch(cr_loader *loader, const int64_t *indices, int64_t count, cr_made_batch *made);
/* Makes the next batch of an iterable data set from its iterator; made->count is 0 at the end. */
void cr_make_stream_batch(cr_loader *loader, void *iterator, cr_made_batch *made);
/* What cr_current_epoch says in this thread from now on. */
void cr_set_current_epoch(uint64_t epoch);
/* Dresses it as tensors of the innermost scope, on the loader's device, and empties it. Returns 0,
 * or -1 with the error set, the batch's own included. */
int cr_hand_out_batch(cr_loader *loader, cr_made_batch *made, cr_batch *batch);
void cr_made_batch_free(cr_made_batch *made);

#endif
