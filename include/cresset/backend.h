/* Cresset's backend interface: the whole contract between the core and whatever computes for it.
 *
 * A backend is a shared object that exports one function, cresset_backend_entry, and needs this
 * header and nothing else of Cresset: no link against the core, no other include. The core hands
 * over its services (cr_host) and receives a table of functions (cr_backend). Everything that the
 * core wants computed is asked for in two steps: `plan` turns the description of a small graph into
 * something that can be run, once; `run` runs it, many times. The core caches plans, infers shapes,
 * allocates outputs, converts dtypes and owns every lifetime; a backend keeps no tensor.
 *
 * Rules that hold for every struct and function here:
 *  - Every struct that may grow starts with its own size as its maker knew it. Members are only ever
 * appended: read a later member only if struct_size covers it (CR_HAS does that). cr_meta, cr_attr,
 * cr_binding and cr_number come in arrays, have no size, and never change.
 *  - Strings and arrays that a function receives live until it returns. What it must keep, it
 * copies.
 *  - Operations and attributes cross by name, never by number.
 *  - Failures come back as a status, with words for the user given to cr_host.fail. A backend never
 * prints, exits, aborts or throws through this interface.
 *  - Calls for one device come one at a time, from any thread; calls for different devices may come
 * at once. cresset_backend_entry, device_count, device_open, device_close, wrap and unwrap come one
 * at a time; device_info comes at any time.
 *  - Who makes a thing frees it: what the core passes in is the core's, what a backend hands out
 * (devices, buffers, plans) goes back to it through device_close, free and plan_free, each once.
 * Nothing crosses for the other side to call free() on.
 *
 * The promise of 1.0. A plugin that was built with any header of major 1 loads and runs on every
 * later library of major 1, without being rebuilt; and one built with a later minor on an earlier
 * library, which uses what it knows. So within the major: no member, enumerator, macro or operation
 * of the primitive set is removed, moved, renumbered or given another meaning; functions that are
 * appended to cr_backend are optional; statuses, attributes and operations may be added (a plan is
 * answered CR_UNSUPPORTED for those that it does not know, or that have an attribute it does not
 * know). Members that are newer than 1.0 say since when.
 *
 * Valid C11 and C++17. Units are bytes unless a comment says elements.
 */
#ifndef CRESSET_BACKEND_H
#define CRESSET_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A backend of another major is refused. Minors mix freely: each side uses what both know. A
 * backend writes what it was built with into its table. */
#define CR_ABI_MAJOR 1
#define CR_ABI_MINOR 3

/* The most dimensions a value has. */
#define CR_MAX_RANK 8

/* In a node's inputs: an optional tensor that was not given. */
#define CR_NO_VALUE UINT32_MAX

/* Whether the struct that p points to was made by someone who knew of the member. */
#define CR_HAS(p, type, member) ((p)->struct_size >= offsetof(type, member) + sizeof((p)->member))

typedef enum cr_status {
    CR_OK = 0,
    CR_UNSUPPORTED, /* plan: not here; the core decomposes the operation, or runs it on the host */
    CR_INVALID,     /* an argument breaks this contract: a bug of the caller */
    CR_OUT_OF_MEMORY, /* alloc: the core empties its cache and asks once more */
    CR_DEVICE_LOST,   /* the device will not answer again; its tensors are gone */
    CR_FAILED         /* anything else; the message says what */
} cr_status;

/* The one list of dtypes: enumerator, number, bytes, and PyTorch's name. Numbers are part of the
 * ABI; 0 is "none". */
#define CR_DTYPES(X)          \
    X(F64, 1, 8, "float64")   \
    X(F32, 2, 4, "float32")   \
    X(F16, 3, 2, "float16")   \
    X(BF16, 4, 2, "bfloat16") \
    X(I64, 5, 8, "int64")     \
    X(I32, 6, 4, "int32")     \
    X(I16, 7, 2, "int16")     \
    X(I8, 8, 1, "int8")       \
    X(U8, 9, 1, "uint8")      \
    X(B8, 10, 1, "bool")

typedef enum cr_dtype {
    CR_DTYPE_NONE = 0, /* in options: the default */
#define CR_DTYPE_ENUMERATOR_(name, number, bytes, text) CR_##name = number,
    CR_DTYPES(CR_DTYPE_ENUMERATOR_)
#undef CR_DTYPE_ENUMERATOR_
} cr_dtype;

typedef struct cr_device cr_device; /* an open device: the backend's own */
typedef struct cr_buffer cr_buffer; /* a piece of device memory: the backend's own */
typedef struct cr_plan cr_plan;     /* something that can be run: the backend's own */

/* What a value looks like, without its data. Sizes and strides count elements, row-major meaning
 * that the last stride is 1; a stride may be 0 (a broadcast dimension) and is never negative; a
 * size may be 0. rank 0 is one element. Elements past rank are unspecified. layout 0 means just
 * that; another number is a private layout that this backend chose in an earlier plan for the value
 * (see cr_plan_info). */
typedef struct cr_meta {
    int32_t dtype;               /* cr_dtype */
    int32_t rank;                /* 0 … CR_MAX_RANK */
    int64_t size[CR_MAX_RANK];   /* elements */
    int64_t stride[CR_MAX_RANK]; /* elements from one to the next along the dimension */
    uint64_t layout;             /* 0, or a tag of the backend that the device is of */
} cr_meta;

/* A static attribute of an operation, part of the plan's identity. Its name is the argument's in the
 * operation's schema ("dim", "keepdim", "padding"; `cresset ops NAME` shows the schema). Booleans are
 * CR_ATTR_INT or CR_ATTR_INTS, 0 or 1. Dtypes are told by the values, and an optional argument that
 * was not given has no attribute. */
typedef enum cr_attr_kind { CR_ATTR_INT = 1, CR_ATTR_INTS, CR_ATTR_TEXT } cr_attr_kind;

typedef struct cr_attr {
    const char *name; /* like all that it points to, until plan returns */
    int32_t kind;     /* cr_attr_kind */
    int32_t count;    /* of CR_ATTR_INTS: how many, may be 0 */
    union {
        int64_t i;           /* CR_ATTR_INT */
        const int64_t *ints; /* CR_ATTR_INTS: [count] */
        const char *text;    /* CR_ATTR_TEXT: ends with 0 */
    } as;
} cr_attr;

/* One operation: its name as in the table ("add.Tensor"), the values it reads and writes (indices
 * into the graph's values), its attributes, and the names of the run-time numbers that it takes
 * from cr_run.numbers: every argument of the schema's types Scalar and float, in the schema's
 * order; an optional one that was not given is left out. */
typedef struct cr_graph_node {
    size_t struct_size;
    const char *op;          /* the name in the table, with its overload */
    const uint32_t *inputs;  /* [ninputs]; CR_NO_VALUE where an optional tensor is absent */
    const uint32_t *outputs; /* [noutputs]; CR_NO_VALUE where nobody wants the result */
    uint32_t ninputs, noutputs;
    const cr_attr *attrs; /* [nattrs], in the schema's order */
    uint32_t nattrs;
    uint32_t nnumbers;
    const char *const *number_names; /* [nnumbers] */
} cr_graph_node;

/* What to plan: nodes in an order that can be run. Eager mode plans graphs of one node, a captured
 * region graphs of many. Values that are neither input nor output of the graph are the backend's to
 * place, or to fuse away. In a graph of one node the values are the node's inputs, in order and
 * without the absent ones, and then its outputs, and so are the bindings of a run. All of it lives
 * until plan returns. */
typedef struct cr_graph {
    size_t struct_size;
    const cr_meta *values;            /* [nvalues] */
    const cr_graph_node *nodes;       /* [nnodes]; those of one graph have one struct_size */
    const uint32_t *inputs, *outputs; /* [ninputs], [noutputs]: indices into values */
    uint32_t nvalues, nnodes, ninputs, noutputs;
} cr_graph;

/* What plan tells the core. The core sets struct_size and the pointers, and zeros all the rest and
 * what they point to, before the call; it is the core's memory, and a backend's until plan returns.
 * After a failure nothing of it is read.
 *
 * Private layouts. A backend that wants to keep an output in a layout of its own writes a tag into
 * output_layouts and the bytes it needs into output_bytes; whoever reads that output without knowing
 * the tag gets it through a plan of the operation "copy" from that layout to layout 0, which the
 * backend must then support, for every dtype. A tag says where the elements lie, whatever their
 * dtype. So the core itself takes element-wise operations through a layout that a plan declines:
 * where all values have one size and one tag, and the bytes are just their elements', the backend is
 * asked once more with layout 0 and row-major strides in place of the tag, and the result has the
 * tag. An output that is an input's memory (in place) has the input's tag already.
 * The bytes of a value in such a layout are the backend's: a run may change those of an input, too, as long as the value
 * stays good for later runs.
 *
 * A backend that would rather read an input that is in layout 0 (a weight, say) in a layout of its
 * own writes a tag into input_layouts and the bytes into input_bytes. The core then plans "copy" to
 * that layout, runs it when the value has changed since the last time, keeps what it wrote with the
 * value, and binds that to the runs. These tags may stand for one dtype, size and operand. */
typedef struct cr_plan_info {
    size_t struct_size;
    size_t workspace;         /* bytes wanted at each run, aligned like an allocation */
    uint64_t *output_layouts; /* [noutputs of the graph] */
    size_t *output_bytes;     /* [noutputs of the graph] */
    /* Since minor 1. [ninputs of the graph]; null where the core can't keep such copies. */
    uint64_t *input_layouts;
    size_t *input_bytes;
} cr_plan_info;

/* Where a value lies: `offset` bytes into the buffer is its first element. */
typedef struct cr_binding {
    cr_buffer *buffer; /* null only for a value without elements, or a workspace of 0 bytes */
    size_t offset;     /* bytes; a multiple of the dtype's size */
} cr_binding;

/* A run-time number, both ways: f for floating computation, i (truncated, saturated) for integers.
 */
typedef struct cr_number {
    double f;
    int64_t i;
} cr_number;

/* One run. values: the graph's inputs in order, then its outputs. An absent optional tensor has no
 * value in the graph and no binding. An output never overlaps an input, but for one case: it may be
 * bound to exactly the memory of an input of the same sizes, strides and dtype (operations in
 * place); operations whose note says so must allow it. */
typedef struct cr_run {
    size_t struct_size;
    const cr_binding *values; /* [ninputs + noutputs of the graph]; until run returns */
    const cr_number *numbers; /* those of all nodes, in node order, as many as their nnumbers add up
                                 to; until run returns */
    cr_binding workspace;     /* as many bytes as plan asked for; their content is unspecified */
    uint64_t seed, offset;    /* Philox4x32-10 key and counter, for operations that draw */
    /* The operation that the core is saying with others, of which this run is a step
     * ("layer_norm"): the outermost one. Null where the run is the operation itself. For figures
     * only. Lives as long as the library. */
    const char *within;
    /* What an index out of bounds means in this run ("ctc_loss: target out of range"), or null: said
     * in front by a backend that finds it after run has returned. Lives as long as the library.
     * Since minor 3. */
    const char *index_meaning;
} cr_run;

typedef struct cr_device_info {
    size_t struct_size;
    char name[256];   /* for people, ends with 0: "NVIDIA H200", "AMD EPYC 9R14" */
    uint64_t memory;  /* bytes in all, 0 unknown */
    size_t alignment; /* of allocations, a power of two; 0 means 64 */
    int32_t rank; /* "auto" takes the highest: 100 reference, 200 tuned CPU, 300 integrated GPU, 400
                     discrete GPU; below 0: only when asked for by name */
    int32_t host_memory; /* 1: a cr_buffer's memory is plain host memory that host_pointer gives,
                            and other backends that say so, too, may be handed it as their own
                            cr_buffer: such a buffer *is* its host pointer */
} cr_device_info;

/* The host's services, valid as long as the library is loaded: a backend keeps the pointer. All may
 * be called from any thread, also while a call into the backend is going on. Their strings are read
 * before they return. */
typedef struct cr_host {
    size_t struct_size;
    uint32_t abi_major, abi_minor; /* of the core */
    /* Records words for the user (printf's format, of which 511 bytes are kept) about a failure of the
     * calling thread, and returns status, so that `return host->fail(…)` is one line. The words
     * count for the call into the backend that is going on in this thread; of several the last
     * ones. */
    cr_status (*fail)(const struct cr_host *host, cr_status status, const char *format, ...);
    /* Says something that is no failure; level 0 debug, 1 info, 2 warning. Shown as CRESSET_LOG
     * asks. */
    void (*log)(const struct cr_host *host, int level, const char *format, ...);
    /* How many threads a CPU backend may use now, at least 1. The program may change it: ask at each
     * run. */
    int (*num_threads)(const struct cr_host *host);
    /* Since minor 2. Runs body over pieces of 0 … n on the process's threads, which all CPU backends share, and returns
     * when all are done. Pieces are multiples of unit items (1 at least) but for the last; cost is the work of one item in
     * nanoseconds, roughly. Little work (some 20 microseconds), and whatever is asked for within a piece, runs on the
     * calling thread alone. body must not fail, and takes no lock that its caller holds. */
    void (*parallel)(const struct cr_host *host, int64_t n, int64_t unit, double cost,
                     void (*body)(void *context, int64_t begin, int64_t end), void *context);
} cr_host;

/* The backend's table, with all that it points to the backend's own, and unchanged until the shared
 * object is closed. Members marked optional may be null. `self` is this table. A device, buffer or
 * plan that a function receives is one that this backend made, or null where it gave null. */
typedef struct cr_backend {
    size_t struct_size;
    uint32_t abi_major, abi_minor;
    const char *name; /* "vulkan": lower case letters, digits, '-', '_'; at most 31, not "auto" */
    const char *version; /* for people; null is "" */

    /* Devices: how many (0 … 1024; the same each time), what they are, open and close. index counts
     * from 0 and is below the count. Nothing is open twice, but a device may be opened again after
     * it was closed. device_info may be called at any time, open or not; info comes zeroed but for
     * struct_size. device_open may leave the device null, which is then handed back as it is; on
     * failure nothing is open. device_close comes last, after all buffers and plans are freed. */
    cr_status (*device_count)(const struct cr_backend *self, int *count);
    cr_status (*device_info)(const struct cr_backend *self, int index, cr_device_info *info);
    cr_status (*device_open)(const struct cr_backend *self, int index, cr_device **device);
    void (*device_close)(cr_device *device);

    /* Memory. The core caches what it gets, so these are rare. bytes > 0; what is in them is
     * unspecified. A buffer is not null, and aligned as device_info says. free comes once for each
     * buffer, after everything that was run with it is done (the core calls sync). */
    cr_status (*alloc)(cr_device *device, size_t bytes, cr_buffer **buffer);
    void (*free)(cr_device *device, cr_buffer *buffer);
    /* Optional: the buffer's bytes in the host's address space, the same until free, or null. Work
     * already given to run that writes there is finished by sync. */
    void *(*host_pointer)(cr_device *device, cr_buffer *buffer);
    /* Both return when `from` may be changed and `to` may be read. In order with run. offset and
     * bytes lie within the buffer; bytes may be 0. */
    cr_status (*copy_in)(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes);
    cr_status (*copy_out)(cr_device *device, void *to, cr_buffer *from, size_t offset,
                          size_t bytes);
    /* Waits until all that was run is done. Optional where run is synchronous. */
    cr_status (*sync)(cr_device *device);

    /* The heart. plan answers CR_UNSUPPORTED without ceremony for what it won't do (and must leave
     * nothing behind then, nor on any failure); after CR_OK the plan is not null. run may return
     * before the work is done: what it was handed lives until it returns, the buffers until sync. A
     * plan is used by one thread at a time, any number of times, until plan_free, which comes once,
     * before device_close, and maybe before what was run is done. */
    cr_status (*plan)(cr_device *device, const cr_graph *graph, cr_plan_info *info, cr_plan **plan);
    cr_status (*run)(cr_plan *plan, const cr_run *run);
    void (*plan_free)(cr_plan *plan);

    /* Both or neither: this is a wrapper, which has no devices of its own and stands before another
     * backend: "trace:cpu" names the backend `cpu` as seen through the wrapper `trace`, and wrappers
     * stack ("trace:chaos:vulkan:1"). wrap receives the table of the inner backend, which may be a
     * wrapped one, and makes a table to use in its place, with the same number of devices. That
     * table's devices, plans and buffers are the wrapper's to make, but for this: where its
     * device_info passes on host_memory 1, its buffers are host addresses. The inner table stays
     * valid until unwrap has returned, which is called once for each table that wrap made, after the
     * last device is closed. A wrapper's own table needs nothing else but a name. Operations that
     * the inner backend has no plan for run on "self:cpu", where the core would take `cpu`. */
    cr_status (*wrap)(const struct cr_backend *self, const struct cr_backend *inner,
                      const struct cr_backend **wrapped);
    void (*unwrap)(const struct cr_backend *wrapped);

    /* Since minor 2. 1: "auto" passes this backend over without asking it for devices, so that a
     * program that does not name it does not wait for its driver; a negative rank of a device says
     * the same of that device, but has to be asked for. 0 elsewhere, and for wrappers. */
    int32_t only_by_name;

    /* Since minor 2, too, and optional: all four or none. Host memory that the device's copy engine reads by
     * itself (page-locked, registered, …), for what goes there often: batches. Backends whose
     * buffers are host memory need none. host_alloc gives at least `bytes` (> 0), aligned to 64;
     * on any failure the core goes on with ordinary memory. host_copy is copy_in from such memory,
     * in order with run, without a copy between, and may return before `from` was read: the core
     * calls host_wait before it writes there again. host_free comes once for each, after a
     * host_wait. `from` and `bytes` lie within what one host_alloc gave. */
    cr_status (*host_alloc)(cr_device *device, size_t bytes, void **memory);
    void (*host_free)(cr_device *device, void *memory);
    cr_status (*host_copy)(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                           size_t bytes);
    cr_status (*host_wait)(cr_device *device, void *memory);
} cr_backend;

/* The one exported symbol. Returning null refuses the load, after host->fail said why. The table
 * stays valid until the shared object is closed. The entry is called once for each load, and may be
 * called again after the object was closed and loaded anew, or where it is never closed since it is
 * linked into the library: for that the build defines cresset_backend_entry as a name of the
 * backend's own and CR_BACKEND_EXPORT as nothing (CRESSET_STATIC_BACKENDS does). */
#define CR_BACKEND_ENTRY "cresset_backend_entry"
typedef const cr_backend *(*cr_backend_entry)(const cr_host *host);

#if defined CR_BACKEND_EXPORT
#elif defined _WIN32
#define CR_BACKEND_EXPORT __declspec(dllexport)
#else
#define CR_BACKEND_EXPORT __attribute__((visibility("default")))
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * The primitive set: the operations that have no decomposition. A backend that plans these runs the whole table, forward
 * and backward; one that plans fewer has the rest run on the `cpu` backend, counted and shown. Every other operation of
 * the table may be planned too, and is then a way to be fast.
 *
 * In all of them: values have layout 0; sizes agree as stated (the core has broadcast: elementwise inputs come with the
 * output's sizes, stride 0 where repeated); inputs have any strides, outputs any without overlap; "number" is a cr_run
 * number. "float" is f64 f32 f16 bf16, "int" is i64 i32 i16 i8 u8, "any" is both and bool. f16 and bf16 are computed and
 * accumulated in f32 and rounded once, to nearest even. Integers wrap. Unless said otherwise inputs and output have one
 * dtype, and the output may be exactly one of the inputs (in place).
 *
 *  elementwise, one input        float   abs neg sign floor ceil trunc round (half to even) sqrt rsqrt reciprocal exp exp2
 *                                        expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh
 *                                        atanh erf erfc erfinv lgamma digamma sigmoid
 *                                int     abs neg sign
 *                                int, bool  bitwise_not (bool: not);    any  logical_not (output bool)
 *  elementwise, two inputs       any     add.Tensor sub.Tensor (number alpha: self ± alpha·other; not sub on bool)
 *                                        mul.Tensor maximum minimum (NaN wins) ; bool add is or, mul is and
 *                                float   div.Tensor atan2 ;  float, int: pow.Tensor_Tensor fmod.Tensor (sign of self)
 *                                        remainder.Tensor (sign of other); integer division by zero gives 0
 *                                int     div.Tensor_mode  with attribute rounding_mode "trunc" or "floor"; float too
 *                                any     eq.Tensor ne.Tensor lt.Tensor le.Tensor gt.Tensor ge.Tensor logical_and logical_or
 *                                        logical_xor: output bool
 *                                int, bool  bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor; int only:
 *                                        bitwise_left_shift.Tensor bitwise_right_shift.Tensor (arithmetic)
 *                                float   copysign.Tensor nextafter
 *  elementwise, three inputs     any     where.self (condition bool, self, other)
 *  cast and strided copy         any     copy (one input): the output's dtype and strides are its own. float to int
 *                                        truncates, to bool is ≠ 0, int to narrower int wraps
 *  fill, iota                    any     fill.Scalar (number value), arange.start_step (numbers start, end, step: start + i·step
 *                                        in the output's order, computed in f64 or i64); no inputs
 *  reduce                        any     sum.dim_IntList prod.dim_int amax amin argmax argmin any.dims all.dims; attributes
 *                                        dim (ints, ≥ 0, at least one, ascending) and keepdim. NaN wins in amax amin argmax
 *                                        argmin; of equal elements argmax and argmin take the first; they have one dim and
 *                                        output i64; any and all read bool and write bool. An empty sum is 0, product 1
 *  scan                          any     cumsum cumprod (attribute dim)  cummax cummin (two outputs: values, i64 indices of
 *                                        the last occurrence so far);  float: logcumsumexp
 *  matmul                        float, int   bmm: [b,n,k] × [b,k,m], any strides
 *  gather                        any     gather (attribute dim; self, index i64 of the output's sizes). Indices are in range
 *  scatter                       any     scatter.src (attribute dim; self, index i64, src: output is self with src[i…]
 *                                        written at index; of equal targets the last in order wins), scatter_reduce.two
 *                                        (attribute reduce "sum" "prod" "amax" "amin"; include_self 1; added in order);
 *                                        output may be exactly self
 *  sort                          any     sort.stable (attributes dim, descending; stable; NaN is the greatest; outputs
 *                                        values and i64 indices; not in place)
 *  random bits                   i32 i64 random_bits: no inputs. Block j of the output in row-major order, four 32-bit words
 *                                        (i32: four elements; i64: two, low word first), is Philox4x32-10 with key = seed
 *                                        (low word first) and counter = offset + j (64 bits, low words; high words 0)
 *
 * sum and prod of f32 accumulate pairwise or in higher precision: an error of a few ulp per thousand terms, not of n ulp. */

#ifdef __cplusplus
}
#endif
#endif
