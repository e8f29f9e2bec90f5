/* sort.stable. Elements become unsigned keys in ascending order, together with their places: for keys up to 32 bits both
 * share one word. Short rows are merged, long ones sorted by digits. NaN is the greatest, and all NaN are equal, as are the
 * two zeros. */
#include "convert.h"
#include "half.h"
#include "space.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 16, RADIX_FROM = 384, ON_STACK = 256 };

/* ---- keys ---- */

CPU_INLINE uint64_t key_f64(double x)
{
    uint64_t u = cpu_bits_f64(x + 0.0); /* -0 + 0 is 0 */
    u ^= u >> 63 ? UINT64_MAX : (uint64_t)1 << 63;
    return x != x ? UINT64_MAX : u;
}

CPU_INLINE uint32_t key_f32(float x)
{
    uint32_t u = cpu_bits_f32(x + 0.0f);
    u ^= u >> 31 ? UINT32_MAX : (uint32_t)1 << 31;
    return x != x ? UINT32_MAX : u;
}

#define KEYS(s, T, K, expr)                                                   \
    static void keys_##s(int64_t n, const char *from, int64_t stride, K *key) \
    {                                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            T x = *(const T *)(const void *)(from + i * stride);              \
            key[i] = (K)(expr);                                               \
        }                                                                     \
    }
KEYS(f64, double, uint64_t, key_f64(x))
KEYS(i64, int64_t, uint64_t, (uint64_t)x ^ (uint64_t)1 << 63)
KEYS(f32, float, uint32_t, key_f32(x))
KEYS(f16, uint16_t, uint32_t, key_f32(cpu_f32_of_f16(x)))
KEYS(bf16, uint16_t, uint32_t, key_f32(cpu_f32_of_bf16(x)))
KEYS(i32, int32_t, uint32_t, (uint32_t)x ^ (uint32_t)1 << 31)
KEYS(i16, int16_t, uint32_t, (uint32_t)(x + 32768))
KEYS(i8, int8_t, uint32_t, (uint32_t)(x + 128))
KEYS(u8, uint8_t, uint32_t, x)

/* ---- sorting: an entry is a key with its place ---- */

typedef uint64_t
    packed; /* the key above, the place below: whole words compare, and equal keys keep their order */
typedef struct paired {
    uint64_t key, place;
} paired;

#define LESS_packed(a, b) ((a) < (b))
#define LESS_paired(a, b) ((a).key < (b).key)
#define KEY_packed(a)     (a)
#define KEY_paired(a)     ((a).key)

/* `entries` is sorted in place, `other` is as long. Digits of 8 bits from bit `low` on; a digit that all share is skipped. */
#define SORTER(E)                                                                                 \
    static void merge_##E(int64_t n, E *entries, E *other)                                        \
    {                                                                                             \
        for (int64_t from = 0; from < n; from += RUN) {                                           \
            int64_t to = n - from < RUN ? n : from + RUN;                                         \
            for (int64_t i = from + 1; i < to; i++) {                                             \
                E e = entries[i];                                                                 \
                int64_t j = i;                                                                    \
                for (; j > from && LESS_##E(e, entries[j - 1]); j--)                              \
                    entries[j] = entries[j - 1];                                                  \
                entries[j] = e;                                                                   \
            }                                                                                     \
        }                                                                                         \
        E *in = entries, *out = other;                                                            \
        for (int64_t width = RUN; width < n; width *= 2) {                                        \
            for (int64_t from = 0; from < n; from += 2 * width) {                                 \
                int64_t mid = n - from < width ? n : from + width;                                \
                int64_t to = n - mid < width ? n : mid + width, a = from, b = mid;                \
                for (int64_t k = from; k < to; k++)                                               \
                    out[k] = a < mid && (b == to || !LESS_##E(in[b], in[a])) ? in[a++] : in[b++]; \
            }                                                                                     \
            E *t = in;                                                                            \
            in = out;                                                                             \
            out = t;                                                                              \
        }                                                                                         \
        if (in != entries)                                                                        \
            memcpy(entries, in, (size_t)n * sizeof *in);                                          \
    }                                                                                             \
    static void radix_##E(int64_t n, E *entries, E *other, int low, int bits)                     \
    {                                                                                             \
        E *in = entries, *out = other;                                                            \
        for (int shift = low; shift < low + bits; shift += 8) {                                   \
            int64_t count[256] = {0}, sum = 0;                                                    \
            for (int64_t i = 0; i < n; i++)                                                       \
                count[KEY_##E(in[i]) >> shift & 255]++;                                           \
            if (count[KEY_##E(in[0]) >> shift & 255] == n)                                        \
                continue;                                                                         \
            for (int d = 0; d < 256; d++) {                                                       \
                int64_t c = count[d];                                                             \
                count[d] = sum;                                                                   \
                sum += c;                                                                         \
            }                                                                                     \
            for (int64_t i = 0; i < n; i++)                                                       \
                out[count[KEY_##E(in[i]) >> shift & 255]++] = in[i];                              \
            E *t = in;                                                                            \
            in = out;                                                                             \
            out = t;                                                                              \
        }                                                                                         \
        if (in != entries)                                                                        \
            memcpy(entries, in, (size_t)n * sizeof *in);                                          \
    }                                                                                             \
    static void sort_##E(int64_t n, E *entries, E *other, int low, int bits)                      \
    {                                                                                             \
        if (n < RADIX_FROM)                                                                       \
            merge_##E(n, entries, other);                                                         \
        else                                                                                      \
            radix_##E(n, entries, other, low, bits);                                              \
    }
SORTER(packed)
SORTER(paired)

/* ---- rows ---- */

enum { IN, VALUE, PLACE, VALUES };

typedef struct sort_plan {
    struct cr_plan base;
    int at[VALUES];
    int32_t dtype;
    int rank, bits; /* of the other dimensions; of a key */
    int64_t size[CR_MAX_RANK], stride[VALUES][CR_MAX_RANK], step[VALUES], element, n, rows;
    bool descending;
} sort_plan;

typedef struct sort_job {
    const sort_plan *plan;
    char *value[VALUES];
    atomic_int failed;
} sort_job;

static void keys_32(const sort_plan *p, const char *row, uint32_t *key)
{
    switch (p->dtype) {
    case CR_F32: keys_f32(p->n, row, p->step[IN], key); return;
    case CR_F16: keys_f16(p->n, row, p->step[IN], key); return;
    case CR_BF16: keys_bf16(p->n, row, p->step[IN], key); return;
    case CR_I32: keys_i32(p->n, row, p->step[IN], key); return;
    case CR_I16: keys_i16(p->n, row, p->step[IN], key); return;
    case CR_I8: keys_i8(p->n, row, p->step[IN], key); return;
    default: keys_u8(p->n, row, p->step[IN], key); return;
    }
}

/* Writes element `from` of the row to place i of the outputs. */
static inline void put(const sort_plan *p, char *const *value, int64_t i, int64_t from)
{
    const char *x = value[IN] + from * p->step[IN];
    char *to = value[VALUE] ? value[VALUE] + i * p->step[VALUE] : NULL;
    if (to)
        switch (p->element) {
        case 1: *to = *x; break;
        case 2: memcpy(to, x, 2); break;
        case 4: memcpy(to, x, 4); break;
        default: memcpy(to, x, 8); break;
        }
    if (value[PLACE])
        *(int64_t *)(void *)(value[PLACE] + i * p->step[PLACE]) = from;
}

static void sort_row(const sort_plan *p, char *const *value, void *entries, void *other)
{
    if (p->bits <= 32 && p->n <= UINT32_MAX) {
        packed *e = entries;
        uint32_t *key = other, flip = p->descending ? UINT32_MAX >> (32 - p->bits) : 0;
        keys_32(p, value[IN], key);
        for (int64_t i = 0; i < p->n; i++)
            e[i] = (packed)(key[i] ^ flip) << 32 | (packed)i;
        sort_packed(p->n, e, other, 32, p->bits);
        for (int64_t i = 0; i < p->n; i++)
            put(p, value, i, (int64_t)(e[i] & UINT32_MAX));
        return;
    }
    paired *e = entries;
    uint64_t *key = other, flip = p->descending ? UINT64_MAX : 0;
    if (p->bits <= 32) { /* more elements than a word can number */
        keys_32(p, value[IN], other);
        for (int64_t i = 0; i < p->n; i++)
            e[i].key = ((uint32_t *)other)[i] ^ (flip >> (64 - p->bits));
    } else {
        if (p->dtype == CR_F64)
            keys_f64(p->n, value[IN], p->step[IN], key);
        else
            keys_i64(p->n, value[IN], p->step[IN], key);
        for (int64_t i = 0; i < p->n; i++)
            e[i].key = key[i] ^ flip;
    }
    for (int64_t i = 0; i < p->n; i++)
        e[i].place = (uint64_t)i;
    sort_paired(p->n, e, other, 0, p->bits);
    for (int64_t i = 0; i < p->n; i++)
        put(p, value, i, (int64_t)e[i].place);
}

static void sort_range(void *context, int64_t begin, int64_t end)
{
    sort_job *job = context;
    const sort_plan *p = job->plan;
    paired stack[2 * ON_STACK], *entries = stack;
    if (p->n > ON_STACK) {
        if ((uint64_t)p->n > SIZE_MAX / (2 * sizeof *entries) ||
            !(entries = malloc((size_t)p->n * 2 * sizeof *entries))) {
            atomic_store(&job->failed, 1);
            return;
        }
    }
    for (int64_t i = begin; i < end; i++) {
        int64_t at[CR_MAX_RANK] = {0};
        char *value[VALUES];
        cpu_locate(p->rank, p->size, i, at);
        for (int v = 0; v < VALUES; v++)
            value[v] = job->value[v] ? job->value[v] + cpu_place(p->rank, at, p->stride[v]) : NULL;
        sort_row(p, value, entries, entries + p->n);
    }
    if (entries != stack)
        free(entries);
}

static cr_status sort_run(cr_plan *plan, const cr_run *run)
{
    const sort_plan *p = (const sort_plan *)plan;
    sort_job job = {.plan = p};
    for (int v = 0; v < VALUES; v++)
        job.value[v] = p->at[v] < 0 ? NULL : cpu_at(run, p->at[v]);
    if (p->n)
        cpu_parallel(p->rows, 1, 20 + 12.0 * (double)p->n, sort_range, &job);
    if (atomic_load(&job.failed))
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory to sort rows of %lld elements",
                              (long long)p->n);
    return CR_OK;
}

static int key_bits(int32_t dtype)
{
    switch (dtype) {
    case CR_F64:
    case CR_I64: return 64;
    case CR_I16: return 16;
    case CR_I8:
    case CR_U8:
    case CR_B8: return 8;
    default: return 32;
    }
}

static cr_status plan_sort(const cpu_call *call, cr_plan **plan)
{
    if (call->nin < 1 || !call->in[0] || call->nout != 2 || (!call->out[0] && !call->out[1]))
        return CR_UNSUPPORTED;
    const cr_meta *given[VALUES] = {call->in[0], call->out[0], call->out[1]}, *metas[VALUES];
    int rank = given[IN]->rank;
    int64_t dim = cpu_attr_int(call->node, "dim", 0), numel = cpu_numel(given[IN]);
    if (dim < 0 || dim >= (rank ? rank : 1) ||
        (given[VALUE] && given[VALUE]->dtype != given[IN]->dtype) ||
        (given[PLACE] && given[PLACE]->dtype != CR_I64))
        return CR_UNSUPPORTED;
    for (int v = 1; v < VALUES; v++)
        if (given[v] && (given[v]->rank != rank || memcmp(given[v]->size, given[IN]->size,
                                                          (size_t)rank * sizeof *given[v]->size)))
            return CR_UNSUPPORTED;
    sort_plan *p = cpu_plan_new(sizeof *p, sort_run, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->at[IN] = call->in_at[0];
    p->at[VALUE] = call->out_at[0];
    p->at[PLACE] = call->out_at[1];
    p->dtype = given[IN]->dtype;
    p->bits = key_bits(p->dtype);
    p->element = (int64_t)cpu_dtype_size(p->dtype);
    p->descending = cpu_attr_int(call->node, "descending", 0) != 0;
    p->n = rank ? given[IN]->size[dim] : 1;
    p->rows = p->n ? numel / p->n : 0;
    cr_meta without[VALUES];
    for (int v = 0; v < VALUES; v++) {
        const cr_meta *m = given[v] ? given[v] : given[IN];
        int64_t element = v == PLACE ? 8 : p->element;
        without[v] = *m;
        metas[v] = &without[v];
        p->step[v] = rank ? m->stride[dim] * element : element;
        if (rank)
            without[v].size[dim] = 1;
    }
    p->rank = cpu_coalesce(VALUES, metas, p->size, p->stride);
    for (int v = 0; v < VALUES; v++)
        for (int d = 0; d < p->rank; d++)
            p->stride[v][d] *= v == PLACE ? 8 : p->element;
    *plan = &p->base;
    return CR_OK;
}

const cpu_op CPU_NAME(cpu_family_sort)[] = {
    {"sort.stable", plan_sort},
    {NULL, NULL},
};
