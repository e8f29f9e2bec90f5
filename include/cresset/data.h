/* Data: sets of samples, the orders in which they are visited, and the loader that makes batches of
 * them ahead of time.
 *
 *     cr_loader *loader = cr_data_loader(cr_fashion_mnist(NULL, CR_TRAIN), .batch_size = 64,
 * .shuffle = true); CR_FOREACH_BATCH (batch, loader) { cr_tensor *loss =
 * cr_cross_entropy(cr_forward(net, batch.input), batch.target);
 *         ...
 *     }
 *
 * Names and meanings are those of torch.utils.data. Data sets, samplers and loaders belong to the
 * scope they are made in; whoever is given one (a loader its data set, a subset its whole) holds a
 * reference of its own. Everything here takes null where it needs something and then returns null,
 * so constructors nest. */
#ifndef CRESSET_DATA_H
#define CRESSET_DATA_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_dataset cr_dataset;
typedef struct cr_sampler cr_sampler;
typedef struct cr_loader cr_loader;

/* The most tensors a sample has. */
#define CR_MAX_FIELDS 8

/* ---- data sets ---- */

/* One sample, or one batch before it is handed out: its tensors, input first, then target. */
typedef struct cr_sample {
    cr_tensor *tensors[CR_MAX_FIELDS];
    int count;
} cr_sample;

/* What one tensor of every sample looks like: its dtype and sizes, without the batch dimension. */
typedef struct cr_field {
    cr_dtype dtype;
    int dim; /* at most CR_MAX_RANK - 1 */
    int64_t sizes[CR_MAX_RANK];
} cr_field;

/* How a kind of data set works. `data` is what cr_dataset_new was given. A kind has get_item, or
 * fields and get_batch (the fast way, straight into the batch's memory), or all three. They are
 * called from several threads at once, so what they share they must not change. Functions that
 * return int return 0; otherwise they have called cr_fail (from any thread: the loader carries the
 * words to the thread that iterates). */
typedef struct cr_dataset_class {
    const char *name; /* for messages: "FashionMNIST" */
    /* How many samples; constant. */
    int64_t (*length)(void *data);
    /* Writes the sample's tensors, which belong to the scope of the calling thread, and their
     * count. 0 <= index < length. */
    int (*get_item)(void *data, int64_t index, cr_sample *sample);
    /* Writes what all samples have in common to fields[CR_MAX_FIELDS] and returns how many there
     * are; 0 if the samples differ in form, so that only get_item is used; -1 after cr_fail. */
    int (*fields)(void *data, cr_field *fields);
    /* Writes samples indices[0…count) one behind the other, dense and row-major, to each field's
     * memory to[field]. */
    int (*get_batch)(void *data, const int64_t *indices, int64_t count, void *const *to);
    /* Frees data when the last reference goes; may be null. */
    void (*destroy)(void *data);
} cr_dataset_class;

/* A data set of one's own. `kind` must stay valid (static). On failure data is destroyed, too. */
CR_API cr_dataset *cr_dataset_new(const cr_dataset_class *kind, void *data);

/* How a kind of data set works whose samples come one after the other and can't be counted or
 * chosen: IterableDataset. One thread at a time uses an iterator. */
typedef struct cr_iterable_class {
    const char *name;
    /* An epoch's iterator; null after cr_fail. */
    void *(*begin)(void *data, uint64_t epoch);
    /* The next sample, whose tensors belong to the scope of the calling thread: 1; 0 at the end; -1
     * after cr_fail. */
    int (*next)(void *iterator, cr_sample *sample);
    void (*end)(void *iterator); /* may be null */
    void (*destroy)(void *data); /* may be null */
} cr_iterable_class;

/* A data set of one's own without numbers. It has no length (-1) and can't be indexed; loaders take
 * it without shuffle and samplers and use at most one thread for it. `kind` must stay valid
 * (static). On failure data is destroyed, too. */
CR_API cr_dataset *cr_iterable_dataset_new(const cr_iterable_class *kind, void *data);

/* How many samples; -1 for null and for iterable data sets. */
CR_API int64_t cr_dataset_length(const cr_dataset *dataset);
/* One sample (dataset[index]); negative indices count from the end. The tensors belong to the
 * scope. Returns 0, or an error: index out of range, or what the data set reports. */
CR_API int cr_dataset_get(cr_dataset *dataset, int64_t index, cr_sample *sample);
/* One more, one fewer reference. Release of null does nothing. */
CR_API cr_dataset *cr_dataset_retain(cr_dataset *dataset);
CR_API void cr_dataset_release(cr_dataset *dataset);

/* The rows of tensors of equal first size: sample i is (tensors[0][i], tensors[1][i], …). At most
 * CR_MAX_FIELDS. Dense tensors in host memory are used in place, others are copied to it once.
 * Samples come as copies, detached. Errors: other first sizes, a 0-d tensor.
 * cr_tensor_dataset(images, labels). */
CR_API cr_dataset *cr_tensor_dataset_with(cr_tensor *const *tensors, size_t count);
#ifndef __cplusplus
#define cr_tensor_dataset(...)                                \
    cr_tensor_dataset_with((cr_tensor *const[]){__VA_ARGS__}, \
                           sizeof((cr_tensor *const[]){__VA_ARGS__}) / sizeof(cr_tensor *))
#endif

/* The samples at indices[0…count) of another data set, in that order; the indices are copied.
 * Errors: out of range. */
CR_API cr_dataset *cr_subset(cr_dataset *dataset, const int64_t *indices, size_t count);

/* Several data sets, one behind the other. */
CR_API cr_dataset *cr_concat_dataset(cr_dataset *const *datasets, size_t count);

typedef struct cr_random_split_options {
    cr_dataset *dataset;
    cr_ints lengths;    /* they add up to the data set's length */
    cr_dataset **parts; /* [lengths.count], written; owned by the scope; all null after an error */
    uint64_t seed;      /* 0: cr_initial_seed() */
    int end_;
} cr_random_split_options;

/* Splits a data set at random, without overlap: cr_random_split(set, CR_INTS(50000, 10000), parts,
 * .seed = 1). Returns 0, or an error: lengths that are negative or don't add up. */
CR_API int cr_random_split_with(const cr_random_split_options *options);
#ifndef __cplusplus
#define cr_random_split(...) \
    cr_random_split_with(&(const cr_random_split_options){__VA_ARGS__, .end_ = 0})
#endif

/* ---- Fashion-MNIST ---- */

typedef enum cr_split { CR_TRAIN, CR_TEST } cr_split;

typedef struct cr_fashion_mnist_options {
    const char *root; /* the folder of the four idx files, plain or .gz; null:
                         $CRESSET_DATA/fashion-mnist where CRESSET_DATA is set, else
                         /usr/share/datasets/fashion-mnist (Debian: dataset-fashion-mnist) */
    cr_split split;
    double mean; /* subtracted after scaling to 0…1: 0 */
    double std;  /* then divided by: 1 */
    int end_;
} cr_fashion_mnist_options;

/* 60,000 images to train on or 10,000 to test: input float32 [1, 28, 28], (pixel / 255 - mean) /
 * std computed in float32 as torchvision does; target int64, 0-d, the class 0…9 (T-shirt/top,
 * trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot). Kept in memory as bytes
 * (47 MB). cr_fashion_mnist(NULL, CR_TRAIN, .mean = 0.286, .std = 0.353). Errors: a missing folder
 * or file, files that contradict themselves or each other. */
CR_API cr_dataset *cr_fashion_mnist_with(const cr_fashion_mnist_options *options);
#ifndef __cplusplus
#define cr_fashion_mnist(...) \
    cr_fashion_mnist_with(&(const cr_fashion_mnist_options){__VA_ARGS__, .end_ = 0})
#endif
/* "Ankle boot"; null outside of 0…9. Static. */
CR_API const char *cr_fashion_mnist_class(int64_t label);

/* ---- samplers: the order of an epoch ---- */

/* How a kind of sampler works. Each epoch's order depends on the epoch's number and on nothing that
 * changes. */
typedef struct cr_sampler_class {
    const char *name;
    /* How many indices an epoch has; constant. */
    int64_t (*length)(void *data);
    /* Writes that many indices. Returns 0, or -1 after cr_fail. */
    int (*draw)(void *data, uint64_t epoch, int64_t *indices);
    /* Of samplers that say where batches end, null in others: how many batches an epoch has
     * (constant), and their sizes in order, which add up to length. */
    int64_t (*batch_count)(void *data);
    int (*batch_sizes)(void *data, uint64_t epoch, int64_t *sizes);
    void (*destroy)(void *data); /* may be null */
} cr_sampler_class;

/* A sampler of one's own. `kind` must stay valid (static). On failure data is destroyed, too. */
CR_API cr_sampler *cr_sampler_new(const cr_sampler_class *kind, void *data);
CR_API int64_t cr_sampler_length(const cr_sampler *sampler);
/* The indices of an epoch, cr_sampler_length of them. Returns 0, or an error. */
CR_API int cr_sampler_draw(cr_sampler *sampler, uint64_t epoch, int64_t *indices);
CR_API cr_sampler *cr_sampler_retain(cr_sampler *sampler);
CR_API void cr_sampler_release(cr_sampler *sampler);

/* 0, 1, …, length - 1. */
CR_API cr_sampler *cr_sequential_sampler(int64_t length);

typedef struct cr_random_sampler_options {
    int64_t length;      /* of the data set */
    bool replacement;    /* each index drawn anew, so that some come twice */
    int64_t num_samples; /* an epoch's; 0: length. Above length only with replacement */
    uint64_t seed;       /* 0: cr_initial_seed() when the sampler is made */
    int end_;
} cr_random_sampler_options;

/* A random order, another in every epoch: the first num_samples of a permutation drawn by Fisher
 * and Yates's shuffle from Philox4x32-10 with key seed and stream epoch; the same on every machine.
 */
CR_API cr_sampler *cr_random_sampler_with(const cr_random_sampler_options *options);
#ifndef __cplusplus
#define cr_random_sampler(...) \
    cr_random_sampler_with(&(const cr_random_sampler_options){__VA_ARGS__, .end_ = 0})
#endif

typedef struct cr_weighted_random_sampler_options {
    const double *weights; /* [count], not negative, finite, some above 0; copied */
    size_t count;
    int64_t num_samples; /* an epoch's */
    bool no_replacement; /* each index at most once; then at least num_samples weights must be above
                            0 */
    uint64_t seed;       /* 0: cr_initial_seed() */
    int end_;
} cr_weighted_random_sampler_options;

/* Indices drawn with probabilities in proportion to weights, which need not add up to 1. */
CR_API cr_sampler *cr_weighted_random_sampler_with(
    const cr_weighted_random_sampler_options *options);
#ifndef __cplusplus
#define cr_weighted_random_sampler(...) \
    cr_weighted_random_sampler_with(    \
        &(const cr_weighted_random_sampler_options){__VA_ARGS__, .end_ = 0})
#endif

typedef struct cr_subset_random_sampler_options {
    const int64_t *indices; /* [count], not negative; copied */
    size_t count;
    uint64_t seed; /* 0: cr_initial_seed() */
    int end_;
} cr_subset_random_sampler_options;

/* These indices in a random order, another in every epoch. */
CR_API cr_sampler *cr_subset_random_sampler_with(const cr_subset_random_sampler_options *options);
#ifndef __cplusplus
#define cr_subset_random_sampler(...) \
    cr_subset_random_sampler_with(&(const cr_subset_random_sampler_options){__VA_ARGS__, .end_ = 0})
#endif

typedef struct cr_distributed_sampler_options {
    int64_t length;       /* of the data set */
    int64_t num_replicas; /* how many processes share the epoch */
    int64_t rank;         /* this one, from 0 */
    bool no_shuffle;      /* the set's own order */
    bool drop_last;       /* leave out what can't be shared evenly; otherwise some come twice */
    uint64_t seed;        /* the same in all processes; 0: 0, as in PyTorch */
    int end_;
} cr_distributed_sampler_options;

/* Every num_replicas-th index of an epoch's order, from the rank-th on, as DistributedSampler: all
 * processes get equally many, and together all. Epochs differ by themselves; set_epoch is not
 * needed. */
CR_API cr_sampler *cr_distributed_sampler_with(const cr_distributed_sampler_options *options);
#ifndef __cplusplus
#define cr_distributed_sampler(...) \
    cr_distributed_sampler_with(&(const cr_distributed_sampler_options){__VA_ARGS__, .end_ = 0})
#endif

/* Another sampler's order in batches of batch_size; drop_last leaves a last, smaller one out. */
CR_API cr_sampler *cr_batch_sampler(cr_sampler *sampler, int64_t batch_size, bool drop_last);

/* ---- the loader ---- */

/* Makes a batch of samples in a way of one's own: writes the batch's tensors, which belong to the
 * scope of the calling thread (a background thread unless num_workers is CR_NO_WORKERS). Gradients
 * are not recorded. Returns 0, or -1 after cr_fail. */
typedef int (*cr_collate_function)(void *context, const cr_sample *samples, int64_t count,
                                   cr_sample *batch);

/* num_workers: batches are made in the thread that asks for them, as PyTorch's num_workers=0. */
#define CR_NO_WORKERS (-1)

typedef struct cr_data_loader_options {
    cr_dataset *dataset;
    int64_t batch_size; /* 0: 1, as in PyTorch */
    bool shuffle;       /* a random order, another in every epoch */
    bool drop_last;     /* leave a last, smaller batch out */
    int num_workers;    /* threads that make batches ahead, at most 64; 0: 1; CR_NO_WORKERS: none */
    int prefetch;  /* batches that each worker is ahead: 0 means 2, as prefetch_factor; at most 1024
                    */
    uint64_t seed; /* of shuffle; 0: cr_initial_seed() when the loader is made */
    cr_sampler *sampler;         /* instead of shuffle */
    cr_sampler *batch_sampler;   /* instead of batch_size, shuffle, sampler and drop_last */
    cr_collate_function collate; /* null: tensors of equal form are stacked */
    void *collate_context;
    const char *device; /* where batches are put: null: the default device when the loader is made;
                           copied */
    bool pin_memory;    /* build batches in pinned memory of the device that they go to (see
                        cr_tensor_pin_memory; tensors of collate are copied there), so that its copy
                        engine reads them; ordinary memory where the device has none */
    const char *pin_memory_device; /* whose, if not device; null: device, or where that computes in
                                      host memory the default device when the loader is made */
    int end_;
} cr_data_loader_options;

/* A loader of batches. The order and the batches depend on seed and epoch only, not on num_workers.
 * Batches without a collate function are built in host memory that is used again for later batches
 * when their tensors are gone. Errors: an option out of range, options that exclude each other. */
CR_API cr_loader *cr_data_loader_with(const cr_data_loader_options *options);
#ifndef __cplusplus
#define cr_data_loader(...) \
    cr_data_loader_with(&(const cr_data_loader_options){__VA_ARGS__, .end_ = 0})
#endif

/* Batches of an epoch (len(loader)), and samples in them; -1 for null and iterable data sets. */
CR_API int64_t cr_loader_length(const cr_loader *loader);
CR_API int64_t cr_loader_sample_count(const cr_loader *loader);
/* The data set. Borrowed from the loader. */
CR_API cr_dataset *cr_loader_dataset(const cr_loader *loader);
/* The number that the next epoch will have: 0, then counted up with each that begins. Setting it
 * goes back to a point saved, or on. */
CR_API uint64_t cr_loader_epoch(const cr_loader *loader);
CR_API void cr_loader_set_epoch(cr_loader *loader, uint64_t epoch);
/* The next epoch begins with this batch of its order instead of batch 0 (once): to go on where a
 * stopped run was. Negative counts as 0. */
CR_API void cr_loader_start_at(cr_loader *loader, int64_t batch);
/* In a data set's or collate's functions: the epoch whose batch the calling thread is making; 0
 * elsewhere. Random changes of samples that depend on it, the index and a seed alone are the same
 * whatever thread makes them, and after resuming. */
CR_API uint64_t cr_current_epoch(void);
CR_API cr_loader *cr_loader_retain(cr_loader *loader);
CR_API void cr_loader_release(cr_loader *loader);

typedef struct cr_batch {
    cr_tensor *input;  /* tensors[0] */
    cr_tensor *target; /* tensors[1]; null where samples have one tensor */
    cr_tensor *tensors[CR_MAX_FIELDS];
    int ntensors;
    int64_t count; /* samples in this batch */
    int64_t index; /* which batch of the epoch, from 0 */
} cr_batch;

/* One epoch's batches, one after the other:
 *
 *     CR_FOREACH_BATCH (batch, loader) { use(batch.input, batch.target); }
 *
 * Each batch has a scope of its own, which owns its tensors and what is computed from them, and
 * ends with it (cr_keep and cr_retain hold things for longer). `break` and `continue` leave
 * properly and stop what is being made ahead; `return` and `goto` out of the loop leave that to the
 * end of the enclosing scope. The loop ends early at an error of the thread, one of a worker
 * included. */
#define CR_FOREACH_BATCH(batch, loader)                                                       \
    for (cr_batches *cr_batches_of_##batch = cr_batches_begin(loader); cr_batches_of_##batch; \
         cr_batches_of_##batch = cr_batches_end(cr_batches_of_##batch))                       \
        for (cr_batch batch; cr_batches_next(cr_batches_of_##batch, &batch);)

/* What the loop stands on, for other languages: an epoch under way, which belongs to the scope
 * where it begins (null after an error); the next batch, true if there is one, after ending the
 * scope of the one before; and the end, which may come at any time and returns null. Used by one
 * thread. */
typedef struct cr_batches cr_batches;
CR_API cr_batches *cr_batches_begin(cr_loader *loader);
CR_API bool cr_batches_next(cr_batches *batches, cr_batch *batch);
CR_API cr_batches *cr_batches_end(cr_batches *batches);

#ifdef __cplusplus
}
#endif
#endif
