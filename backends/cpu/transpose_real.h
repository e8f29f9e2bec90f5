/* Tiles of elements of one size; transpose.c includes it for each. */

typedef T __attribute__((may_alias)) NAMED(raw);

/* A cache line of every column at a time: whole columns' lines would push each other out of the cache where the stride is a
 * power of two. */
static void NAMED(plain)(int64_t rows, int64_t columns, const char *from, int64_t from_stride,
                         char *to, int64_t to_stride)
{
    enum { LINE = 64 / sizeof(T) };
    for (int64_t r = 0; r < rows; r += LINE) {
        int64_t n = rows - r < LINE ? rows - r : LINE;
        for (int64_t c = 0; c < columns; c++) {
            const NAMED(raw) *f = (const NAMED(raw) *)(const void *)(from + c * from_stride) + r;
            char *o = to + r * to_stride + c * (int64_t)sizeof *f;
            for (int64_t i = 0; i < n; i++)
                *(NAMED(raw) *)(void *)(o + i * to_stride) = f[i];
        }
    }
}

typedef T __attribute__((vector_size(SIDE * sizeof(T)))) NAMED(row);
typedef T __attribute__((vector_size(SIDE * sizeof(T)), aligned(1), may_alias)) NAMED(row_at);

/* Rows i and i + SIDE / 2 are taken together, element by element, as often as the side can be halved (Stone, "Parallel
 * Processing with the Perfect Shuffle", 1971). */
static __attribute__((noinline)) void NAMED(square)(const char *from, int64_t from_stride, char *to,
                                                    int64_t to_stride)
{
    NAMED(row) row[SIDE], next[SIDE];
#pragma GCC unroll 16
    for (int i = 0; i < SIDE; i++)
        row[i] = *(const NAMED(row_at) *)(const void *)(from + i * from_stride);
#pragma GCC unroll 16
    for (int side = 1; side < SIDE; side *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < SIDE / 2; i++) {
            next[2 * i] = LOW_HALVES(row[i], row[i + SIDE / 2]);
            next[2 * i + 1] = HIGH_HALVES(row[i], row[i + SIDE / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < SIDE; i++)
            row[i] = next[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < SIDE; i++)
        *(NAMED(row_at) *)(void *)(to + i * to_stride) = row[i];
}

static void NAMED(squares)(int64_t rows, int64_t columns, const char *from, int64_t from_stride,
                           char *to, int64_t to_stride)
{
    const int64_t size = sizeof(T), down = rows - rows % SIDE, across = columns - columns % SIDE;
    for (int64_t r = 0; r < down; r += SIDE)
        for (int64_t c = 0; c < across; c += SIDE) {
            const char *f = from + r * size + c * from_stride;
            NAMED(square)(f, from_stride, to + r * to_stride + c * size, to_stride);
        }
    NAMED(plain)
    (rows, columns - across, from + across * from_stride, from_stride, to + across * size,
     to_stride);
    NAMED(plain)
    (rows - down, across, from + down * size, from_stride, to + down * to_stride, to_stride);
}
