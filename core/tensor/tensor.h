/* The tensor object and its storage, for the rooms of the core. The public face is
 * <cresset/tensor.h>. */
#ifndef CRESSET_CORE_TENSOR_TENSOR_H
#define CRESSET_CORE_TENSOR_TENSOR_H

#include <stdatomic.h>

#include <cresset/call.h>
#include <cresset/tensor.h>

#include "core/base/error.h"
#include "core/base/refs.h"
#include "core/base/scope.h"
#include "core/base/small.h"
#include "core/base/thread.h"

typedef struct cr_dev cr_dev;           /* an open device; the dispatch room's */
typedef struct cr_autograd cr_autograd; /* what autograd knows of a tensor; its own */

/* Device memory that tensors share. `destroy` gives it back to whoever made it (the allocator, or
 * the owner of borrowed memory) and frees the struct. layout is 0, or the private layout that the
 * backend keeps it in. prepared holds copies in layouts that plans asked for (ops/layout.c); nothing
 * is kept of memory that can change without the version telling: borrowed, or with its address
 * given out. */
typedef struct cr_storage {
    atomic_int refs;
    atomic_uint version; /* counts changes in place */
    atomic_bool exposed;
    bool wait_later; /* who owns it sees to it that copies from it are done */
    bool in_use;     /* under the allocator's lock, as bin, made and the lists */
    int bin;         /* of the allocator */
    struct cr_prepared *prepared;
    cr_dev *dev;
    cr_buffer *buffer;
    size_t bytes; /* asked for */
    size_t capacity;
    uint64_t layout;
    void (*destroy)(struct cr_storage *storage);
    struct cr_storage *next; /* in a free list */
    _Atomic(const char *)
        made_by;   /* for snapshots (memory.c): the operation whose result it is; null: none */
    uint64_t made; /* the count of allocations then */
    struct cr_storage *all_next, *all_before; /* among all of the device's allocator */
    void (*release)(void *context);           /* of adopted memory */
    void *context;
    struct cr_pinned *pinned; /* of host memory that a device copies from by itself; else null */
} cr_storage;

enum {
    CR_FLAG_CONTIGUOUS = 1,
    CR_FLAG_REQUIRES_GRAD = 2,
    CR_FLAG_INFERENCE = 4, /* made in inference mode: can't be recorded */
    CR_FLAG_WRAPPED = 8,   /* 0-d, from a number: gives way in type promotion */
    CR_FLAG_VIEW = 16      /* of a base whose history becomes its own (cr_view_requires_grad) */
};

struct cr_tensor {
    atomic_int refs;
    uint8_t dtype, dim, flags;
    int64_t numel;
    int64_t offset; /* elements */
    cr_storage *storage;
    cr_autograd *autograd; /* null: a leaf that nobody asked anything of */
    int64_t size[CR_MAX_RANK];
    int64_t stride[CR_MAX_RANK];
};

/* ---- storages ---- */

static inline cr_storage *cr_storage_retain(cr_storage *storage)
{
    cr_refs_add(&storage->refs);
    return storage;
}
static inline void cr_storage_release(cr_storage *storage)
{
    if (cr_refs_drop(&storage->refs))
        storage->destroy(storage);
}

/* A copy of a value in a private layout; goes with the storage. */
typedef struct cr_prepared {
    struct cr_prepared *next;
    uint64_t layout, value; /* value: a hash of offset, dtype, sizes and strides */
    unsigned version;       /* of the storage when a copy was last asked for */
    bool again;             /* more than once of that version: the next one's is kept at once */
    cr_storage *copy;       /* null until it is asked for again */
} cr_prepared;

/* ---- tensors ---- */

/* A tensor over storage (whose reference it takes over) with refs 1, owned by nobody's scope.
 * strides null: row-major. No checks. Null, with the error set and the storage released, without
 * memory. */
cr_tensor *cr_tensor_make(cr_storage *storage, cr_dtype dtype, int dim, const int64_t *sizes,
                          const int64_t *strides, int64_t offset);
/* Another tensor over t's storage. */
cr_tensor *cr_tensor_make_view(const cr_tensor *t, int dim, const int64_t *sizes,
                               const int64_t *strides, int64_t offset);
/* A tensor struct with refs 1 and everything else unset; back with cr_tensor_free_struct. */
static inline cr_tensor *cr_tensor_new_struct(void)
{
    cr_tensor *t = cr_small_take(sizeof *t);
    if (CR_UNLIKELY(!t))
        return cr_fail_memory("a tensor", sizeof *t);
    atomic_init(&t->refs, 1);
    t->flags = 0;
    t->autograd = NULL;
    return t;
}
static inline void cr_tensor_free_struct(cr_tensor *t)
{
    cr_small_give(t, sizeof *t);
}

void cr_tensor_release(void *tensor); /* cr_release, as scopes want it */
/* Gives the scope the reference. Returns t; null (t released) without memory. */
static inline cr_tensor *cr_tensor_to_scope(cr_tensor *t)
{
    if (CR_UNLIKELY(!t))
        return NULL;
    if (CR_UNLIKELY(!cr_scope_push(t, cr_tensor_release))) {
        cr_release(t);
        return NULL;
    }
    return t;
}

/* Set by the autograd room: whether a view's base got a history after the view was made, from a change in place. */
extern bool (*cr_view_requires_grad)(const cr_tensor *view);

static inline bool cr_requires_grad_flag(const cr_tensor *t)
{
    return t->flags & CR_FLAG_REQUIRES_GRAD ||
           (t->flags & CR_FLAG_VIEW && cr_view_requires_grad(t));
}

/* Set by the autograd room: frees what hangs on a tensor. */
extern void (*cr_autograd_free)(cr_autograd *autograd);

/* ---- shapes ---- */

/* The number of elements; -1 for a negative size or an overflow. */
int64_t cr_numel_of(int dim, const int64_t *sizes);
void cr_contiguous_strides(int dim, const int64_t *sizes, int64_t *strides);
bool cr_strides_are_contiguous(int dim, const int64_t *sizes, const int64_t *strides);
/* Whether the elements fill a block of memory without gaps or repeats, in some order of dimensions.
 */
bool cr_is_dense(const cr_tensor *t);
/* Whether two indices may name one element (as after expand). */
bool cr_has_internal_overlap(const cr_tensor *t);
/* First and last element used, counted from the storage's beginning; false if there are none. */
bool cr_extent(int dim, const int64_t *sizes, const int64_t *strides, int64_t offset,
               int64_t *first, int64_t *last);
/* dim, wrapped from -rank…rank-1 to 0…rank-1 (rank 0 counts as 1); -1 and an error otherwise,
 * naming `op`. */
int cr_wrap_dim(const char *op, int64_t dim, int rank);
void cr_meta_of(const cr_tensor *t, cr_meta *meta);

/* ---- dtypes ---- */

typedef enum cr_dtype_kind { CR_KIND_BOOL, CR_KIND_INT, CR_KIND_FLOAT } cr_dtype_kind;
cr_dtype_kind cr_kind_of(cr_dtype dtype);

/* Reads one element as f or i; writes one. Host memory. */
double cr_element_f(const void *at, cr_dtype dtype);
int64_t cr_element_i(const void *at, cr_dtype dtype);
float cr_half_to_float(uint16_t bits);
float cr_bfloat_to_float(uint16_t bits);

/* "float32[2, 3]" into a static ring of buffers of the thread, for messages. */
const char *cr_describe(const cr_tensor *t);
const char *cr_sizes_text(int dim, const int64_t *sizes);

#endif
