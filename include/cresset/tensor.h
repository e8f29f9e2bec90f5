/* Tensors: an n-dimensional view of typed memory on one device.
 *
 * A tensor has a dtype, up to CR_MAX_RANK sizes and strides (in elements), an offset, and a storage
 * that several tensors may share. The operations on tensors are in ops.h; here is what concerns the
 * object itself. Reference counts are atomic; one tensor may be read from several threads, but
 * written only by one at a time. */
#ifndef CRESSET_TENSOR_H
#define CRESSET_TENSOR_H

#include <cresset/backend.h>
#include <cresset/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_tensor cr_tensor;

/* ---- dtypes ---- */

/* By PyTorch's name ("float32", also "float", "half", "long", …, with or without "torch."), or
 * CR_DTYPE_NONE. */
CR_API cr_dtype cr_dtype_by_name(const char *name);
/* PyTorch's name: "float32". "none" for what is no dtype. */
CR_API const char *cr_dtype_name(cr_dtype dtype);
/* Bytes of one element; 0 for what is no dtype. */
CR_API size_t cr_dtype_size(cr_dtype dtype);
CR_API bool cr_dtype_is_floating(cr_dtype dtype);
/* The dtype in which values of both can be computed, as torch.promote_types. */
CR_API cr_dtype cr_promote_types(cr_dtype a, cr_dtype b);
/* The dtype of factory functions and of integers divided: float32 unless set (a floating dtype). */
CR_API cr_dtype cr_default_dtype(void);
CR_API int cr_set_default_dtype(cr_dtype dtype);

/* ---- numbers and lists, as arguments ---- */

typedef enum cr_tag {
    CR_NONE,
    CR_TENSOR,
    CR_INT,
    CR_FLOAT,
    CR_BOOL,
    CR_STRING,
    CR_DTYPE,
    CR_DEVICE,
    CR_INT_LIST,
    CR_FLOAT_LIST,
    CR_BOOL_LIST,
    CR_TENSOR_LIST
} cr_tag;

/* A number that remembers whether it is an int, a float or a bool, as PyTorch's Scalar: the
 * difference decides dtypes. All zero is "not given". */
typedef struct cr_scalar {
    int32_t tag; /* CR_NONE, CR_INT, CR_FLOAT, CR_BOOL */
    int32_t reserved;
    union {
        int64_t i;
        double f;
    } as;
} cr_scalar;

static inline cr_scalar cr_int_scalar(int64_t value)
{
    cr_scalar s = {CR_INT, 0, {0}};
    s.as.i = value;
    return s;
}
static inline cr_scalar cr_float_scalar(double value)
{
    cr_scalar s = {CR_FLOAT, 0, {0}};
    s.as.f = value;
    return s;
}
static inline cr_scalar cr_bool_scalar(bool value)
{
    cr_scalar s = {CR_BOOL, 0, {0}};
    s.as.i = value;
    return s;
}
static inline cr_scalar cr_same_scalar(cr_scalar value)
{
    return value;
}

/* A list of integers as an argument: sizes, dims, strides. data null means the one number `one`, so
 * that CR_I(3) needs no memory; data null and count 0 mean "not given". Borrowed for the call. */
typedef struct cr_ints {
    const int64_t *data;
    int64_t count;
    int64_t one;
} cr_ints;

static inline cr_ints cr_one_int(int64_t value)
{
    cr_ints list = {NULL, 1, 0};
    list.one = value;
    return list;
}
static inline cr_ints cr_same_ints(cr_ints list)
{
    return list;
}
static inline cr_ints cr_make_ints(const int64_t *data, size_t count)
{
    cr_ints list = {data, (int64_t)count, 0};
    return list;
}

/* An optional integer, float or bool that PyTorch would have as None. */
typedef struct cr_opt_int {
    int64_t value;
    bool given;
} cr_opt_int;
typedef struct cr_opt_float {
    double value;
    bool given;
} cr_opt_float;

/* A list of tensors as an argument. Borrowed for the call. */
typedef struct cr_tensors {
    cr_tensor *const *data;
    int64_t count;
} cr_tensors;

static inline cr_tensors cr_make_tensors(cr_tensor *const *data, size_t count)
{
    cr_tensors list = {data, (int64_t)count};
    return list;
}

/* The first member of the options in ops.h: compilers complain when an option comes without its name. */
typedef void (*cr_keywords_only_)(cr_tensor *, cr_tensor *);

#ifndef __cplusplus
/* Any C number as a Scalar. ops.h wraps arguments in it by itself: cr_mul_scalar(x, 2) and
 * cr_mul_scalar(x, 2.0) differ as in PyTorch. In options it is written out: .alpha = CR_S(0.5). */
#define CR_S(x)                        \
    _Generic((x), cr_scalar            \
             : cr_same_scalar, float   \
             : cr_float_scalar, double \
             : cr_float_scalar, _Bool  \
             : cr_bool_scalar, default \
             : cr_int_scalar)(x)

/* Lists in place: cr_permute(x, CR_INTS(0, 2, 1)). CR_EMPTY is the list without elements, as the
 * shape of a 0-d tensor. CR_I takes an integer or a list; ops.h wraps with it. */
#define CR_INTS(...)                              \
    (cr_make_ints((const int64_t[]){__VA_ARGS__}, \
                  sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))
#define CR_EMPTY (cr_make_ints((const int64_t[]){0}, 0))
#define CR_I(x)  _Generic((x), cr_ints : cr_same_ints, default : cr_one_int)(x)
#define CR_TENSORS(...)                                 \
    (cr_make_tensors((cr_tensor *const[]){__VA_ARGS__}, \
                     sizeof((cr_tensor *const[]){__VA_ARGS__}) / sizeof(cr_tensor *)))
#define CR_SOME(x) \
    {              \
        (x), true  \
    }

/* For the macros of ops.h: the first of several arguments, and the rest. */
#define CR_FIRST_(first, ...) first
#define CR_REST_(first, ...)  __VA_ARGS__
#endif

/* ---- making tensors from memory ---- */

/* Borrows memory that the caller keeps alive as long as any tensor shares it; two calls on one
 * storage alias. `storage` is where the memory begins and `bytes` its length; sizes and strides
 * (null: row-major) count elements, offset too. Errors: a view that leaves the memory, a negative
 * size, rank above CR_MAX_RANK, misaligned memory. On the default device where that uses host
 * memory, else on cpu. */
CR_API cr_tensor *cr_tensor_from_memory(void *storage, size_t bytes, cr_dtype dtype, int dim,
                                        const int64_t *sizes, const int64_t *strides,
                                        int64_t offset);

/* The same, with a function that is called when the last tensor that shares the memory goes (also
 * when the call fails). */
CR_API cr_tensor *cr_tensor_adopt(void *storage, size_t bytes, cr_dtype dtype, int dim,
                                  const int64_t *sizes, const int64_t *strides, int64_t offset,
                                  void (*release)(void *context), void *context);

/* Copies `data`, dense and row-major, of the given dtype, onto a device (null: the default one).
 * torch.tensor. */
CR_API cr_tensor *cr_tensor_copy_from(const void *data, cr_dtype dtype, int dim,
                                      const int64_t *sizes, const char *device);

#ifndef __cplusplus
/* torch.tensor from C literals: cr_tensor_f32(CR_INTS(2, 2), 1, 2, 3, 4), cr_tensor_i64(CR_INTS(3),
 * 1, 2, 3). Copies. */
#define cr_tensor_f32(sizes, ...)                                                                  \
    cr_tensor_literal_((const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}), CR_F32, \
                       CR_I(sizes))
#define cr_tensor_f64(sizes, ...)                                                            \
    cr_tensor_literal_((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}), \
                       CR_F64, CR_I(sizes))
#define cr_tensor_i64(sizes, ...)                                                              \
    cr_tensor_literal_((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}), \
                       CR_I64, CR_I(sizes))
#define cr_tensor_i32(sizes, ...)                                                              \
    cr_tensor_literal_((const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}), \
                       CR_I32, CR_I(sizes))
#define cr_tensor_bool(sizes, ...)                                                              \
    cr_tensor_literal_((const bool[]){__VA_ARGS__}, sizeof((const bool[]){__VA_ARGS__}), CR_B8, \
                       CR_I(sizes))
#endif
CR_API cr_tensor *cr_tensor_literal_(const void *data, size_t bytes, cr_dtype dtype, cr_ints sizes);

/* ---- looking at one ---- */

/* All of these take null and failed tensors: they then give CR_DTYPE_NONE, -1, null, 0 or false. */
CR_API cr_dtype cr_tensor_dtype(const cr_tensor *tensor);
CR_API int cr_tensor_dim(const cr_tensor *tensor);
CR_API const int64_t *cr_tensor_sizes(const cr_tensor *tensor);   /* borrowed from the tensor */
CR_API const int64_t *cr_tensor_strides(const cr_tensor *tensor); /* in elements; borrowed */
CR_API int64_t cr_tensor_size(const cr_tensor *tensor,
                              int dim); /* dim may be negative; -1 and an error out of range */
CR_API int64_t cr_tensor_stride(const cr_tensor *tensor, int dim);
CR_API int64_t cr_tensor_storage_offset(const cr_tensor *tensor); /* in elements */
CR_API int64_t cr_tensor_numel(const cr_tensor *tensor);
CR_API bool cr_is_contiguous(const cr_tensor *tensor);
CR_API bool cr_is_floating_point(const cr_tensor *tensor);
CR_API bool cr_is_same_storage(const cr_tensor *a, const cr_tensor *b);
/* "cpu", "vulkan:1". Borrowed from the library. */
CR_API const char *cr_tensor_device(const cr_tensor *tensor);
/* How often the memory was changed in place; views share it. */
CR_API int64_t cr_tensor_version(const cr_tensor *tensor);

/* The first element's address where the device's memory is host memory, after waiting for the work
 * that writes it; null otherwise. Writes through it are seen by every tensor of the storage, but
 * not by version counters. */
CR_API void *cr_data_ptr(cr_tensor *tensor);

/* Waits, and copies the elements, dense and row-major, in the tensor's dtype. `bytes` must be
 * exactly numel times the element's size. Returns 0, or an error. */
CR_API int cr_tensor_read(const cr_tensor *tensor, void *to, size_t bytes);
/* Copies such elements into the tensor, which may be a view. Counts as a change in place. Returns
 * 0, or an error. */
CR_API int cr_tensor_write(cr_tensor *tensor, const void *from, size_t bytes);

/* The value of a one-element tensor, as a double or an integer (truncating). Errors: more or fewer
 * elements; NaN as int. */
CR_API double cr_item(const cr_tensor *tensor);
CR_API int64_t cr_item_int(const cr_tensor *tensor);

/* Whether sizes and all elements are equal (torch.equal; NaN is unequal). False, and an error, on
 * different devices that don't both use host memory. */
CR_API bool cr_equal(const cr_tensor *a, const cr_tensor *b);

typedef struct cr_allclose_options {
    cr_opt_float rtol, atol; /* CR_SOME(1e-5), CR_SOME(1e-8) unless given */
    bool equal_nan;          /* NaN is close to NaN */
    int end_;
} cr_allclose_options;
/* torch.allclose: whether |a - b| <= atol + rtol |b| everywhere, after broadcasting:
 * cr_allclose(a, b, .rtol = CR_SOME(1e-3)). False, and an error, where cr_isclose refuses the two. */
CR_API bool cr_allclose_with(const cr_tensor *a, const cr_tensor *b,
                             const cr_allclose_options *options);
#ifndef __cplusplus
#define cr_allclose(a, ...)                        \
    cr_allclose_with(a, CR_FIRST_(__VA_ARGS__, 0), \
                     &(const cr_allclose_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

/* Waits for all work of the device given (null: of all devices). Returns 0, or an error. */
CR_API int cr_synchronize(const char *device);

/* ---- devices ----
 *
 * An operation takes tensors of one device, and 0-d ones of host memory beside them. Devices that all live in host memory
 * (cpu, onednn) are one in this: their tensors mix as they are, without a copy. Such an operation runs where it writes in
 * place; else on the default device, if one of the tensors is on it; else on the one of the highest rank. */

/* The tensor itself if it is there already, else a copy on that device; differentiable. Errors: no
 * such device. */
CR_API cr_tensor *cr_tensor_to(cr_tensor *tensor, const char *device);
/* The tensor in pinned memory of that device (null: the default device), from which cr_tensor_to
 * copies there without an intermediate copy: the tensor itself if it lies so already, else a
 * row-major copy, detached. Where the device computes in host memory, or has no such memory (left),
 * it is the tensor itself, in ordinary memory. Errors: a tensor that is not in host memory, no such
 * device. */
CR_API cr_tensor *cr_tensor_pin_memory(cr_tensor *tensor, const char *device);
/* Whether it lies in pinned memory of some device; false for null. */
CR_API bool cr_tensor_is_pinned(const cr_tensor *tensor);

/* Where factory functions put new tensors: the best device found, unless set. "cpu", "vulkan:1".
 * Null and an error where no backend could be loaded. */
CR_API const char *cr_default_device(void);
CR_API int cr_set_default_device(const char *device);
CR_API bool cr_device_is_available(const char *device);

/* ---- lifetimes ---- */

/* One more, one fewer reference. cr_release of null does nothing. */
CR_API cr_tensor *cr_retain(cr_tensor *tensor);
CR_API void cr_release(cr_tensor *tensor);
/* Moves the scope's reference one scope out: the tensor outlives this CR_SCOPE. Returns it. */
CR_API cr_tensor *cr_keep(cr_tensor *tensor);
/* Gives the innermost scope's reference up at once, for results that are not needed until the scope
 * ends. */
CR_API void cr_drop(cr_tensor *tensor);

/* ---- printing ---- */

/* PyTorch's printed form, with dtype, grad_fn and requires_grad where PyTorch shows them. Free with
 * cr_free. */
CR_API char *cr_tensor_to_string(const cr_tensor *tensor);
/* The same to stdout, with a newline. Returns 0, or an error. */
CR_API int cr_print(const cr_tensor *tensor);

typedef struct cr_print_options {
    int precision;  /* digits after the point: 4 */
    int threshold;  /* elements above which it is summarised: 1000 */
    int edge_items; /* at each end when summarised: 3 */
    int line_width; /* columns: 80 */
    int sci_mode;   /* 0: as needed; 1: always; -1: never */
} cr_print_options;
/* Zero members keep the defaults. For the whole process. */
CR_API void cr_set_print_options(const cr_print_options *options);

/* ---- memory ---- */

typedef struct cr_memory_stats_result {
    uint64_t allocated_bytes;      /* in tensors now */
    uint64_t peak_allocated_bytes; /* the most so far */
    uint64_t reserved_bytes;       /* taken from the backend, in tensors or cached */
    uint64_t peak_reserved_bytes;
    uint64_t allocations;         /* asked for by tensors, so far */
    uint64_t backend_allocations; /* passed on to the backend, so far */
    uint64_t out_of_memory_retries;
} cr_memory_stats_result;
/* Of a device (null: the default one). Returns 0, or an error. */
CR_API int cr_memory_stats(const char *device, cr_memory_stats_result *stats);
CR_API int cr_reset_peak_memory_stats(const char *device);
/* One piece of memory that the allocator has from the backend. */
typedef struct cr_memory_block {
    const char
        *made_by;    /* the operation whose result (or workspace) it is or was, the outermost one
                            ("layer_norm"); null: the program made it by itself */
    size_t bytes;    /* what was asked for; 0 when it waits */
    size_t capacity; /* what it takes */
    uint64_t made;   /* how many allocations came before this one: an order of age */
    bool in_use;     /* false: it waits to be used again */
} cr_memory_block;
/* Writes up to cap blocks of a device (null: the default one) in no order, and returns how many there are; SIZE_MAX and an
 * error on failure. */
CR_API size_t cr_memory_snapshot(const char *device, cr_memory_block *blocks, size_t cap);
/* The same in words: totals, what is in use by the operation that made it, what waits by size. Free with cr_free; null, and an
 * error, on failure. */
CR_API char *cr_memory_summary(const char *device);
/* Gives cached memory back to the backend. */
CR_API int cr_empty_cache(const char *device);

/* ---- random numbers ---- */

/* Seeds the process's generator: a Philox4x32-10 whose draws are the same on every backend. */
CR_API void cr_manual_seed(uint64_t seed);
CR_API uint64_t cr_initial_seed(void);
/* The generator's state (seed and offset), to resume exactly. */
CR_API void cr_get_rng_state(uint64_t state[2]);
CR_API void cr_set_rng_state(const uint64_t state[2]);

#ifdef __cplusplus
}
#endif
#endif
