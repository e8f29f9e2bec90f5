/* The blocked product for one dtype; gemm_blocked.c includes it for each. */

enum { NAMED(WIDTH) = VECTORS * (LANES) }; /* columns of a tile */

typedef struct NAMED(blocked) {
    const ARGS *g;
    REAL *a, *b;         /* packed: A by panels of [depth][rows], B by panels of [depth][WIDTH] */
    int64_t from, depth; /* the terms of this pass */
    int64_t row_panels, column_panels;
    int64_t block; /* column panels that stay in the cache together */
} NAMED(blocked);

/* The first row of a panel: rows are shared out evenly, so that no panel is much lower than a tile. */
static int64_t NAMED(row_of)(const NAMED(blocked) * p, int64_t panel)
{
    return panel * p->g->m / p->row_panels;
}

/* to[q][c] = from[q][c] for q < depth and c < columns, the rows of `to` dense. A tile's numbers of columns are constants here,
 * which makes a few moves of a row where memcpy would be called. */
static void NAMED(copy_rows)(int64_t depth, int64_t columns, const REAL *from, int64_t from_row,
                             REAL *to)
{
#define COPY(n)                                                      \
    if (columns == n) {                                              \
        for (int64_t q = 0; q < depth; q++)                          \
            memcpy(to + q * n, from + q * from_row, n * sizeof *to); \
        return;                                                      \
    }
    COPY(ROWS)
    COPY((ROWS - 1))
    COPY(NAMED(WIDTH))
#undef COPY
    for (int64_t q = 0; q < depth; q++)
        memcpy(to + q * columns, from + q * from_row, (size_t)columns * sizeof *to);
}

/* to[q][c] = from[q row + c col] for q < depth and c < columns. */
static void NAMED(pack)(int64_t depth, int64_t columns, const REAL *from, int64_t row, int64_t col,
                        REAL *to, int64_t to_row)
{
    const int64_t size = sizeof *to;
    if (col == 1 && columns == to_row)
        NAMED(copy_rows)(depth, columns, from, row, to);
    else if (row == 1)
        CPU_NAME(cpu_transpose_tile)
    (sizeof *to, depth, columns, (const char *)from, col * size, (char *)to, to_row * size);
    else for (int64_t q = 0; q < depth; q++) for (int64_t c = 0; c < columns; c++)
        to[q * to_row + c] = from[q * row + c * col];
}

/* Panels from `begin` up to `end`. Where their elements lie side by side, a few rows of all panels are copied before the
 * next ones: rows a page apart would push each other out of the first cache before all of a line is taken. */
static void NAMED(pack_a)(const NAMED(blocked) * p, int64_t begin, int64_t end)
{
    const ARGS *g = p->g;
    int64_t step = g->a_row == 1 ? TOGETHER : p->depth;
    for (int64_t q = 0; q < p->depth; q += step)
        for (int64_t panel = begin; panel < end; panel++) {
            int64_t i0 = NAMED(row_of)(p, panel), rows = NAMED(row_of)(p, panel + 1) - i0;
            NAMED(pack)
            (p->depth - q < step ? p->depth - q : step, rows,
             g->a + i0 * g->a_row + (p->from + q) * g->a_col, g->a_col, g->a_row,
             p->a + i0 * p->depth + q * rows, rows);
        }
}

static void NAMED(pack_b)(const NAMED(blocked) * p, int64_t begin, int64_t end)
{
    const ARGS *g = p->g;
    int64_t step = g->b_col == 1 ? TOGETHER : p->depth;
    for (int64_t q = 0; q < p->depth; q += step)
        for (int64_t panel = begin; panel < end; panel++) {
            int64_t j0 = panel * NAMED(WIDTH), columns = g->n - j0;
            columns = columns < NAMED(WIDTH) ? columns : NAMED(WIDTH);
            int64_t depth = p->depth - q < step ? p->depth - q : step;
            REAL *to = p->b + j0 * p->depth + q * NAMED(WIDTH);
            if (columns < NAMED(WIDTH))
                memset(to, 0, (size_t)(depth * NAMED(WIDTH)) * sizeof *to);
            NAMED(pack)
            (depth, columns, g->b + (p->from + q) * g->b_row + j0 * g->b_col, g->b_row, g->b_col,
             to, NAMED(WIDTH));
        }
}

/* Pieces count units of A's panels, then of B's. */
static void NAMED(pack_pieces)(void *context, int64_t begin, int64_t end)
{
    const NAMED(blocked) *p = context;
    int64_t units = (p->row_panels + UNIT - 1) / UNIT;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = (i < units ? i : i - units) * UNIT, last = first + UNIT;
        if (i < units)
            NAMED(pack_a)(p, first, last < p->row_panels ? last : p->row_panels);
        else
            NAMED(pack_b)(p, first, last < p->column_panels ? last : p->column_panels);
    }
}

/* Results at (i, j), from a tile at its edge or with S along columns: sums are [rows][WIDTH]. */
static __attribute__((noinline)) void NAMED(write_part)(const NAMED(blocked) * p, int64_t i,
                                                        int64_t j, int64_t rows, const REAL *sums)
{
    const ARGS *g = p->g;
    int64_t columns = g->n - j < NAMED(WIDTH) ? g->n - j : NAMED(WIDTH);
    for (int64_t r = 0; r < rows; r++) {
        REAL *c = g->c + (i + r) * g->c_row + j;
        const REAL *from = sums + r * NAMED(WIDTH);
        const REAL *s = g->beta != 0 ? g->s + (i + r) * g->s_row + j * g->s_col : NULL;
        for (int64_t l = 0; l < columns; l++)
            c[l] = g->alpha * from[l] + (p->from        ? c[l]
                                         : g->beta != 0 ? g->beta * s[l * g->s_col]
                                                        : 0);
    }
}

/* rows x vectors vectors of sums at (i, j). The first pass takes S in, the later ones what the earlier left. */
CPU_INLINE void NAMED(tile)(int rows, int vectors, const NAMED(blocked) * p, int64_t i, int64_t j)
{
    const ARGS *g = p->g;
    VEC sum[ROWS][VECTORS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            sum[r][v] = (VEC){0};
    const REAL *a = p->a + i * p->depth, *b = p->b + j * p->depth;
    for (int64_t q = 0; q < p->depth; q++, a += rows, b += NAMED(WIDTH)) {
        VEC x[VECTORS];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            x[v] = *(const VEC *)(const void *)(b + v * (LANES));
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            VEC y = a[r] - (VEC){0};
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[r][v] += y * x[v];
        }
    }
    bool whole = g->n - j >= vectors * (LANES), with_self = !p->from && g->beta != 0;
    if (!whole || (with_self && g->s_col != 1)) {
        REAL sums[ROWS * VECTORS * (LANES)];
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                *(VEC_LOOSE *)(sums + r * NAMED(WIDTH) + v * (LANES)) = sum[r][v];
        NAMED(write_part)(p, i, j, rows, sums);
        return;
    }
    const VEC alpha = g->alpha - (VEC){0}, beta = g->beta - (VEC){0};
    const REAL *s = with_self ? g->s + i * g->s_row + j : NULL;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) {
            VEC_LOOSE *c = (VEC_LOOSE *)(g->c + (i + r) * g->c_row + j + v * (LANES));
            if (p->from)
                *c = alpha * sum[r][v] + *c;
            else if (with_self)
                *c =
                    alpha * sum[r][v] + beta * *(const VEC_LOOSE *)(s + r * g->s_row + v * (LANES));
            else
                *c = alpha * sum[r][v];
        }
}

static __attribute__((noinline)) void NAMED(tile_of)(int64_t rows, int64_t vectors,
                                                     const NAMED(blocked) * p, int64_t i, int64_t j)
{
#define TILE(r)                         \
    case r:                             \
        if (vectors == 1)               \
            NAMED(tile)(r, 1, p, i, j); \
        else                            \
            NAMED(tile)(r, 2, p, i, j); \
        return;
    switch (rows) {
        TILE(1)
        TILE(2)
        TILE(3)
        TILE(4)
#if defined __AVX2__
        TILE(5)
        TILE(6)
#endif
#if defined __AVX512F__
        TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#endif
    }
#undef TILE
}

/* A piece is one row panel by one block of columns; they count block after block. */
static void NAMED(tile_pieces)(void *context, int64_t begin, int64_t end)
{
    const NAMED(blocked) *p = context;
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t j0 = piece / p->row_panels * p->block, j1 = j0 + p->block;
        int64_t i = piece % p->row_panels;
        int64_t row = NAMED(row_of)(p, i), rows = NAMED(row_of)(p, i + 1) - row;
        for (int64_t j = j0; j < j1 && j < p->column_panels; j++) {
            int64_t left = p->g->n - j * NAMED(WIDTH);
            NAMED(tile_of)(rows, left <= (LANES) ? 1 : VECTORS, p, row, j * NAMED(WIDTH));
        }
    }
}

bool ENTRY(const ARGS *g)
{
    if (g->m <= 0 || g->n <= 0)
        return true;
    NAMED(blocked) p = {.g = g};
    p.row_panels = (g->m + ROWS - 1) / ROWS;
    p.column_panels = (g->n + NAMED(WIDTH) - 1) / NAMED(WIDTH);
    int64_t passes = g->k > DEPTH ? (g->k + DEPTH - 1) / DEPTH : 1;
    int64_t deepest = (g->k + passes - 1) / passes;
    p.block = BLOCK_BYTES / (int64_t)sizeof(REAL) / (DEPTH * NAMED(WIDTH));
    /* Enough pieces that the last ones leave no thread waiting for long. */
    const int64_t pieces = 4 * cpu_host->num_threads(cpu_host);
    const int64_t blocks_at_least = pieces / p.row_panels + 1;
    if (pieces > 4 && blocks_at_least * p.block > p.column_panels)
        p.block = (p.column_panels + blocks_at_least - 1) / blocks_at_least;
    /* B's panels begin on a vector's bounds: A's come in front, rounded up. */
    size_t a_reals = ((size_t)g->m * (size_t)deepest + 63) / 64 * 64;
    size_t b_reals = (size_t)p.column_panels * NAMED(WIDTH) * (size_t)deepest;
    REAL *memory = packing_memory((a_reals + b_reals + 64) * sizeof(REAL));
    if (!memory)
        return false;
    p.a = memory;
    p.b = memory + a_reals;
    double nanoseconds = (double)(ROWS * NAMED(WIDTH)) / (5.0 * (LANES)); /* a panel's, a term */
    do {
        p.depth = g->k - p.from < deepest ? g->k - p.from : deepest;
        cpu_parallel((p.row_panels + UNIT - 1) / UNIT + (p.column_panels + UNIT - 1) / UNIT, 1,
                     (double)(p.depth * UNIT * (ROWS + NAMED(WIDTH))) * 0.1, NAMED(pack_pieces),
                     &p);
        int64_t blocks = (p.column_panels + p.block - 1) / p.block;
        cpu_parallel(
            p.row_panels * blocks, 1,
            nanoseconds *
                (double)(p.depth * (p.block < p.column_panels ? p.block : p.column_panels)),
            NAMED(tile_pieces), &p);
        p.from += p.depth;
    } while (p.from < g->k);
    return true;
}
