/* sort.stable. Elements become unsigned keys in ascending order; 32 bits of a key and the element's place share one word, an
 * entry, so that whole words compare and equal keys keep their order. Of wider keys the bits that vary are taken, and where
 * these are more than 32, the upper ones first and the rest among what is equal then. Very short rows are sorted by counting who
 * is smaller, short ones are merged, long ones sorted by digits. NaN is the greatest, and all NaN are equal, as are the two
 * zeros. */
#include "convert.h"
#include "half.h"
#include "space.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    COUNT_TO = 32,
    RUN = 16,
    RADIX_FROM = 384,
    ON_STACK = 256,
    BLOCK = 8,
    DIGIT = 11,
    DIGITS = 1 << DIGIT
};

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

/* ---- sorting entries; `other` is as long; each returns which of both is the sorted one ---- */

typedef uint64_t entry;

/* The room is a multiple of BLOCK, so that every round of the inner loop is whole vectors. */
static entry *by_counting(int64_t n, entry *entries, entry *other)
{
    int64_t padded = (n + BLOCK - 1) / BLOCK * BLOCK;
    for (int64_t i = n; i < padded; i++)
        entries[i] = UINT64_MAX; /* smaller than none */
    for (int64_t i = 0; i < n; i++) {
        const entry e = entries[i];
        uint64_t rank[BLOCK] = {0}, sum = 0;
        for (int64_t k = 0; k < padded; k += BLOCK)
            for (int j = 0; j < BLOCK; j++)
                rank[j] += entries[k + j] < e;
        for (int j = 0; j < BLOCK; j++)
            sum += rank[j];
        other[sum] = e;
    }
    return other;
}

static entry *by_merging(int64_t n, entry *entries, entry *other)
{
    for (int64_t from = 0; from < n; from += RUN) {
        int64_t to = n - from < RUN ? n : from + RUN;
        for (int64_t i = from + 1; i < to; i++) {
            entry e = entries[i];
            int64_t j = i;
            for (; j > from && e < entries[j - 1]; j--)
                entries[j] = entries[j - 1];
            entries[j] = e;
        }
    }
    entry *in = entries, *out = other;
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t from = 0; from < n; from += 2 * width) {
            int64_t mid = n - from < width ? n : from + width;
            int64_t to = n - mid < width ? n : mid + width, a = from, b = mid;
            for (int64_t k = from; k < to; k++)
                out[k] = a < mid && (b == to || in[a] < in[b]) ? in[a++] : in[b++];
        }
        entry *t = in;
        in = out;
        out = t;
    }
    return in;
}

/* By the `bits` bits from bit 32 on; a digit that all share is skipped. */
static entry *by_digits(int64_t n, entry *entries, entry *other, int bits)
{
    enum { PASSES = (32 + DIGIT - 1) / DIGIT };
    uint32_t count[PASSES][DIGITS] = {{0}};
    int passes = (bits + DIGIT - 1) / DIGIT;
    for (int64_t i = 0; i < n; i++)
        for (int p = 0; p < passes; p++)
            count[p][entries[i] >> (32 + p * DIGIT) & (DIGITS - 1)]++;
    entry *in = entries, *out = other;
    for (int p = 0; p < passes; p++) {
        int shift = 32 + p * DIGIT;
        if ((int64_t)count[p][in[0] >> shift & (DIGITS - 1)] == n)
            continue;
        uint32_t sum = 0;
        for (int d = 0; d < DIGITS; d++) {
            uint32_t c = count[p][d];
            count[p][d] = sum;
            sum += c;
        }
        for (int64_t i = 0; i < n; i++)
            out[count[p][in[i] >> shift & (DIGITS - 1)]++] = in[i];
        entry *t = in;
        in = out;
        out = t;
    }
    return in;
}

static entry *sort_entries(int64_t n, entry *entries, entry *other, int bits)
{
    return n <= COUNT_TO    ? by_counting(n, entries, other)
           : n < RADIX_FROM ? by_merging(n, entries, other)
                            : by_digits(n, entries, other, bits);
}

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

/* Writes the row's elements and their places in the order of the entries. */
#define PUT(T)                                                                          \
    for (int64_t i = 0; i < p->n; i++)                                                  \
        *(T *)(void *)(to + i * p->step[VALUE]) =                                       \
            *(const T *)(const void *)(x + (int64_t)(e[i] & UINT32_MAX) * p->step[IN]); \
    break
static void put(const sort_plan *p, char *const *value, const entry *e)
{
    const char *x = value[IN];
    char *to = value[VALUE], *place = value[PLACE];
    if (to)
        switch (p->element) {
        case 1: PUT(uint8_t);
        case 2: PUT(uint16_t);
        case 4: PUT(uint32_t);
        default: PUT(uint64_t);
        }
    if (place)
        for (int64_t i = 0; i < p->n; i++)
            *(int64_t *)(void *)(place + i * p->step[PLACE]) = (int64_t)(e[i] & UINT32_MAX);
}
#undef PUT

static int width_of(uint64_t x)
{
    return x ? 64 - __builtin_clzll(x) : 0;
}

/* Entries that agree in the bits sorted by: in the order of the `below` bits that remain of their keys. */
static void sort_ties(int64_t n, entry *entries, entry *other, const uint64_t *key, int below)
{
    const uint64_t mask = ((uint64_t)1 << below) - 1;
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && entries[to] >> 32 == entries[from] >> 32; to++) {
        }
        if (to - from == 1)
            continue;
        const uint64_t top = entries[from] >> 32;
        for (int64_t i = from; i < to;
             i++) { /* places rise within a tie, and stay in the lower half */
            uint64_t place = entries[i] & UINT32_MAX;
            entries[i] = (key[place] & mask) << 32 | place;
        }
        const entry *tied =
            (to - from < RADIX_FROM ? by_merging(to - from, entries + from, other)
                                    : by_digits(to - from, entries + from, other, below));
        for (int64_t i = from; i < to; i++)
            entries[i] = top << 32 | (tied[i - from] & UINT32_MAX);
    }
}

/* entries, other and keys have room for p->n each. */
static void sort_row(const sort_plan *p, char *const *value, entry *entries, entry *other,
                     uint64_t *key)
{
    int bits = p->bits;
    if (bits <= 32) {
        uint32_t *narrow = (uint32_t *)(void *)other,
                 flip = p->descending ? UINT32_MAX >> (32 - bits) : 0;
        keys_32(p, value[IN], narrow);
        for (int64_t i = 0; i < p->n; i++)
            key[i] = narrow[i] ^ flip;
    } else {
        const uint64_t flip = p->descending ? UINT64_MAX : 0;
        uint64_t least = UINT64_MAX, most = 0;
        if (p->dtype == CR_F64)
            keys_f64(p->n, value[IN], p->step[IN], key);
        else
            keys_i64(p->n, value[IN], p->step[IN], key);
        for (int64_t i = 0; i < p->n; i++) {
            key[i] ^= flip;
            least = key[i] < least ? key[i] : least;
            most = key[i] > most ? key[i] : most;
        }
        for (int64_t i = 0; i < p->n; i++)
            key[i] -= least;
        bits = width_of(most - least);
    }
    int below = bits > 32 ? bits - 32 : 0;
    for (int64_t i = 0; i < p->n; i++)
        entries[i] = key[i] >> below << 32 | (uint64_t)i;
    entry *sorted = sort_entries(p->n, entries, other, bits - below);
    if (below)
        sort_ties(p->n, sorted, sorted == entries ? other : entries, key, below);
    put(p, value, sorted);
}

static void sort_range(void *context, int64_t begin, int64_t end)
{
    sort_job *job = context;
    const sort_plan *p = job->plan;
    entry stack[3 * ON_STACK], *entries = stack;
    const int64_t room = (p->n + BLOCK - 1) / BLOCK * BLOCK;
    if (room > ON_STACK) {
        if ((uint64_t)room > SIZE_MAX / (3 * sizeof *entries) ||
            !(entries = malloc((size_t)room * 3 * sizeof *entries))) {
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
        sort_row(p, value, entries, entries + room, entries + 2 * room);
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
    if (dim < 0 || dim >= (rank ? rank : 1) || (rank && given[IN]->size[dim] > UINT32_MAX) ||
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
