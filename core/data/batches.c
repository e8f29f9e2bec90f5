/* An epoch under way: its order, the threads that make its batches ahead, and the thread that takes
 * them in order. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/scope.h"
#include "core/data/loader.h"

typedef struct slot {
    bool ready;
    cr_made_batch made;
} slot;

struct cr_batches {
    cr_loader *loader;
    int64_t *order;  /* the epoch's indices */
    int64_t *starts; /* [nbatches + 1]: where each batch begins in order */
    int64_t nbatches;
    uint64_t epoch;
    void *iterator; /* of an iterable data set, used by whoever makes batches */
    int64_t next;   /* the batch to be handed out next */
    int depth;      /* of the scopes where the loop stands */
    bool open;      /* a batch's scope is */

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t made, taken;
    int64_t claimed; /* batches that workers have begun or made */
    int64_t out;     /* batches that the caller took */
    bool stop;
    slot *slots; /* [loader->nslots]: batch k is made in slot k modulo that */
    pthread_t *threads;
    int nthreads;
};

/* ---- workers ---- */

static void make(cr_batches *b, int64_t k, cr_made_batch *made)
{
    cr_set_current_epoch(b->epoch);
    if (b->iterator)
        cr_make_stream_batch(b->loader, b->iterator, made);
    else
        cr_make_batch(b->loader, b->order + b->starts[k], b->starts[k + 1] - b->starts[k], made);
    cr_set_current_epoch(0);
}

/* The next batch to make, or -1 when there is nothing left to do. Under the lock. */
static int64_t claim(cr_batches *b)
{
    while (!b->stop && b->claimed < b->nbatches && b->claimed >= b->out + b->loader->nslots)
        pthread_cond_wait(&b->taken, &b->lock);
    return b->stop || b->claimed >= b->nbatches ? -1 : b->claimed++;
}

static void *work(void *argument)
{
    cr_batches *b = argument;
    pthread_mutex_lock(&b->lock);
    for (int64_t k; (k = claim(b)) >= 0;) {
        pthread_mutex_unlock(&b->lock);
        cr_made_batch made;
        make(b, k, &made);
        pthread_mutex_lock(&b->lock);
        slot *s = &b->slots[k % b->loader->nslots];
        s->made = made;
        s->ready = true;
        if (made.failed ||
            !made.count) /* the loop will end there; what was begun before is still wanted */
            b->claimed = b->nbatches;
        pthread_cond_signal(&b->made);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static int start_workers(cr_batches *b)
{
    int wanted = b->loader->nworkers;
    if ((int64_t)wanted > b->nbatches)
        wanted = (int)b->nbatches;
    if (!wanted)
        return 0;
    b->slots = calloc((size_t)b->loader->nslots, sizeof *b->slots);
    b->threads = calloc((size_t)wanted, sizeof *b->threads);
    if (!b->slots || !b->threads)
        return cr_fail_memory("a loader's workers", (size_t)b->loader->nslots * sizeof *b->slots),
               -1;
    sigset_t all, before; /* signals are the program's own threads' business */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int number = 0;
    while (b->nthreads < wanted && !number)
        if (!(number = pthread_create(&b->threads[b->nthreads], NULL, work, b)))
            b->nthreads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number && !b->nthreads)
        return CR_FAIL_INT("cr_data_loader: can't start a thread (error %d); .num_workers = "
                           "CR_NO_WORKERS does without",
                           number);
    return 0; /* fewer threads make the same batches */
}

static void stop_workers(cr_batches *b)
{
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->taken);
    pthread_mutex_unlock(&b->lock);
    for (int i = 0; i < b->nthreads; i++)
        pthread_join(b->threads[i], NULL);
    b->nthreads = 0;
}

/* ---- the order ---- */

/* Sizes become starts: where each batch begins. */
static int read_batch_sizes(cr_batches *b, uint64_t epoch, int64_t samples)
{
    const cr_sampler_class *kind = b->loader->sampler->kind;
    if (kind->batch_sizes(b->loader->sampler->data, epoch, b->starts))
        return cr_error() ? -1 : CR_FAIL_INT("%s: failed and said nothing", kind->name);
    int64_t at = 0;
    for (int64_t k = 0; k <= b->nbatches; k++) {
        int64_t size = k < b->nbatches ? b->starts[k] : 0;
        if (k < b->nbatches && (size < 1 || size > samples - at))
            return CR_FAIL_INT("%s: batch %" PRId64 " of %" PRId64
                               " samples is empty or goes past the epoch's %" PRId64,
                               kind->name, k, size, samples);
        b->starts[k] = at;
        at += size;
    }
    return 0;
}

/* The iterator of an iterable data set, past the batches that are not wanted again. */
static int begin_stream(cr_batches *b, int64_t start)
{
    cr_loader *loader = b->loader;
    b->nbatches = INT64_MAX;
    if (!(b->iterator = loader->dataset->iterable->begin(loader->dataset->data, b->epoch)))
        return cr_error()
                   ? -1
                   : CR_FAIL_INT("%s: begin failed and said nothing", loader->dataset->kind->name);
    for (int64_t i = 0; i < start; i++) {
        cr_made_batch made;
        make(b, i, &made);
        bool failed = made.failed;
        int64_t count = made.count;
        if (failed)
            cr_fail("%s", made.error ? made.error : "out of memory: a batch");
        cr_made_batch_free(&made);
        if (failed)
            return -1;
        if (!count)
            break;
    }
    return 0;
}

static int draw_order(cr_batches *b, uint64_t epoch)
{
    cr_loader *loader = b->loader;
    int64_t start = loader->start;
    loader->start = 0;
    b->epoch = epoch;
    b->next = b->claimed = b->out = start;
    if (loader->dataset->iterable)
        return begin_stream(b, start);
    int64_t samples = cr_sampler_length(loader->sampler);
    int64_t length = cr_dataset_length(loader->dataset);
    b->nbatches = cr_loader_length(loader);
    if (samples < 0 || b->nbatches < 0 || b->nbatches > samples)
        return CR_FAIL_INT("%s: has %" PRId64 " samples in %" PRId64 " batches",
                           loader->sampler->kind->name, samples, b->nbatches);
    b->order = malloc(((size_t)samples + 1) * sizeof *b->order);
    b->starts = malloc(((size_t)b->nbatches + 1) * sizeof *b->starts);
    if (!b->order || !b->starts)
        return cr_fail_memory("an epoch's order", (size_t)samples * sizeof *b->order), -1;
    if (start > b->nbatches)
        b->next = b->claimed = b->out = b->nbatches;
    if (cr_sampler_draw(loader->sampler, epoch, b->order))
        return -1;
    for (int64_t i = 0; i < samples; i++)
        if (b->order[i] < 0 || b->order[i] >= length)
            return CR_FAIL_INT("%s: drew index %" PRId64 ", out of range for %" PRId64 " samples",
                               loader->sampler->kind->name, b->order[i], length);
    if (!loader->batch_size)
        return read_batch_sizes(b, epoch, samples);
    for (int64_t k = 0; k <= b->nbatches; k++) {
        bool past = k > samples / loader->batch_size; /* a last, smaller batch's end */
        b->starts[k] = past ? samples : k * loader->batch_size;
    }
    return 0;
}

/* ---- begin, next, end ---- */

static void destroy(void *destroyed)
{
    cr_batches *b = destroyed;
    stop_workers(b);
    for (int i = 0; i < b->loader->nslots && b->slots; i++)
        cr_made_batch_free(&b->slots[i].made);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->made);
    pthread_cond_destroy(&b->taken);
    free(b->slots);
    free(b->threads);
    free(b->order);
    free(b->starts);
    if (b->iterator && b->loader->dataset->iterable->end)
        b->loader->dataset->iterable->end(b->iterator);
    cr_loader_release(b->loader);
    free(b);
}

cr_batches *cr_batches_begin(cr_loader *loader)
{
    if (!loader || cr_error())
        return loader ? NULL : cr_fail("CR_FOREACH_BATCH: the loader is null");
    cr_batches *b = calloc(1, sizeof *b);
    if (!b)
        return cr_fail_memory("an epoch", sizeof *b);
    b->loader = cr_loader_retain(loader);
    b->depth = cr_scope_depth();
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->made, NULL);
    pthread_cond_init(&b->taken, NULL);
    if (draw_order(b, loader->epoch++) || start_workers(b)) {
        destroy(b);
        return NULL;
    }
    return cr_scope_add(b, destroy);
}

/* The scope of the batch before, and whatever was left open in it. */
static void close_scope(cr_batches *b)
{
    if (b->open)
        cr_scope_unwind(b->depth);
    b->open = false;
}

static void wait_for(cr_batches *b, int64_t k, cr_made_batch *made)
{
    slot *s = &b->slots[k % b->loader->nslots];
    pthread_mutex_lock(&b->lock);
    while (!s->ready)
        pthread_cond_wait(&b->made, &b->lock);
    *made = s->made;
    *s = (slot){.ready = false};
    b->out++;
    pthread_mutex_unlock(&b->lock);
    pthread_cond_signal(&b->taken); /* last: who wakes up under the lock only waits again */
}

bool cr_batches_next(cr_batches *b, cr_batch *batch)
{
    memset(batch, 0, sizeof *batch);
    if (!b)
        return false;
    close_scope(b);
    if (cr_error() || b->next >= b->nbatches)
        return false;
    cr_made_batch made;
    int64_t k = b->next++;
    if (b->nthreads)
        wait_for(b, k, &made);
    else
        make(b, k, &made);
    if (!made.failed && !made.count) { /* an iterable data set's end */
        b->next = b->nbatches;
        return false;
    }
    cr_scope_begin();
    b->open = true;
    batch->index = k;
    if (!cr_hand_out_batch(b->loader, &made, batch))
        return true;
    close_scope(b);
    b->next = b->nbatches;
    memset(batch, 0, sizeof *batch);
    return false;
}

cr_batches *cr_batches_end(cr_batches *b)
{
    if (!b)
        return NULL;
    close_scope(b);
    if (cr_scope_forget(b))
        destroy(b);
    return NULL;
}
