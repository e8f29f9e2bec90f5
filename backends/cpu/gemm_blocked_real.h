/* The blocked product for one dtype; gemm_blocked.c includes it for each. */

enum { NAMED(WIDTH) = VECTORS * (LANES) }; /* columns of a tile */

typedef struct NAMED(blocked) {
    const ARGS *g;
    REAL *a,
        *b; /* packed: A by panels of [depth][rows], B by panels of [depth][WIDTH], as far apart as for `deepest` terms */
    int64_t deepest, first, end; /* terms of a pass at the most; of the passes of this round */
    int64_t from, depth;         /* the terms of this pass */
    int64_t row_panels, column_panels;
    int64_t unit; /* panels of a piece, which it packs itself */
    bool by_rows; /* pieces are row panels, and B is shared; else they are column panels */
    size_t shared_reals;
    REAL *shared;    /* what was packed before; null where each thread does */
    uint64_t number; /* of cpu_gemm_number */
    bool failed;     /* for want of memory */
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
    if (col == 1 && columns == to_row)
        NAMED(copy_rows)(depth, columns, from, row, to);
    else if (row == 1)
        CPU_TRANSPOSE(depth, columns, from, col, to, to_row);
    else
        for (int64_t q = 0; q < depth; q++)
            for (int64_t c = 0; c < columns; c++)
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
             p->a + i0 * p->deepest + q * rows, rows);
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
            REAL *to = p->b + j0 * p->deepest + q * NAMED(WIDTH);
            if (columns < NAMED(WIDTH))
                memset(to, 0, (size_t)(depth * NAMED(WIDTH)) * sizeof *to);
            NAMED(pack)
            (depth, columns, g->b + (p->from + q) * g->b_row + j0 * g->b_col, g->b_row, g->b_col,
             to, NAMED(WIDTH));
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
    const REAL *a = p->a + i * p->deepest, *b = p->b + j * p->deepest;
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

/* The tiles of row panels i … i_end and column panels j … j_end. */
static void NAMED(tiles)(const NAMED(blocked) * p, int64_t i, int64_t i_end, int64_t j,
                         int64_t j_end)
{
    for (; i < i_end; i++) {
        int64_t row = NAMED(row_of)(p, i), rows = NAMED(row_of)(p, i + 1) - row;
        for (int64_t at = j; at < j_end; at++) {
            int64_t left = p->g->n - at * NAMED(WIDTH);
            NAMED(tile_of)(rows, left <= (LANES) ? 1 : VECTORS, p, row, at * NAMED(WIDTH));
        }
    }
}

/* What all pieces read, A or B, each thread packs for itself, for all passes of a round, if its cache holds it; else it is packed before,
 * by all threads. Each piece packs the other one's panels. So panels come from the cache of the core that reads them. */
static NAMED(blocked) NAMED(pass_at)(const NAMED(blocked) * p, int64_t from)
{
    NAMED(blocked) pass = *p;
    pass.from = from;
    pass.depth = p->end - from < p->deepest ? p->end - from : p->deepest;
    if (p->by_rows)
        pass.b += (from - p->first) * p->column_panels * NAMED(WIDTH);
    else
        pass.a += (from - p->first) * p->g->m;
    return pass;
}

/* Units of shared panels. */
static void NAMED(pack_shared)(void *context, int64_t begin, int64_t end)
{
    const NAMED(blocked) *p = context;
    const int64_t panels = p->by_rows ? p->column_panels : p->row_panels;
    for (int64_t from = p->first; from < p->end; from += p->deepest) {
        NAMED(blocked) pass = NAMED(pass_at)(p, from);
        for (int64_t unit = begin; unit < end; unit++) {
            const int64_t at = unit * UNIT, left = panels - at;
            if (p->by_rows)
                NAMED(pack_b)(&pass, at, left < UNIT ? panels : at + UNIT);
            else
                NAMED(pack_a)(&pass, at, left < UNIT ? panels : at + UNIT);
        }
    }
}

static int64_t NAMED(shared_units)(const NAMED(blocked) * p)
{
    return ((p->by_rows ? p->column_panels : p->row_panels) + UNIT - 1) / UNIT;
}

/* The round as this thread sees it, with the shared panels. False without memory, which is noted. */
static bool NAMED(with_shared)(NAMED(blocked) * round, NAMED(blocked) * p)
{
    *p = *round;
    bool fresh = false;
    REAL *to = p->shared;
    if (!to)
        to = cpu_gemm_memory_for(CPU_GEMM_BLOCKED, p->shared_reals * sizeof *to, p->number, &fresh);
    if (!to) {
        __atomic_store_n(&round->failed, true, __ATOMIC_RELAXED);
        return false;
    }
    *(p->by_rows ? &p->b : &p->a) = to;
    if (fresh)
        NAMED(pack_shared)(p, 0, NAMED(shared_units)(p));
    return true;
}

static void NAMED(row_pieces)(void *context, int64_t begin, int64_t end)
{
    NAMED(blocked) own, *p = &own;
    if (!NAMED(with_shared)(context, p))
        return;
    for (int64_t i = begin * p->unit, i_end; i < end * p->unit && i < p->row_panels; i = i_end) {
        i_end = i + p->unit < p->row_panels ? i + p->unit : p->row_panels;
        for (int64_t from = p->first; from < p->end; from += p->deepest) {
            NAMED(blocked) pass = NAMED(pass_at)(p, from);
            NAMED(pack_a)(&pass, i, i_end);
            NAMED(tiles)(&pass, i, i_end, 0, p->column_panels);
        }
    }
}

static void NAMED(column_pieces)(void *context, int64_t begin, int64_t end)
{
    NAMED(blocked) own, *p = &own;
    if (!NAMED(with_shared)(context, p))
        return;
    for (int64_t j = begin * p->unit, j_end; j < end * p->unit && j < p->column_panels; j = j_end) {
        j_end = j + p->unit < p->column_panels ? j + p->unit : p->column_panels;
        for (int64_t from = p->first; from < p->end; from += p->deepest) {
            NAMED(blocked) pass = NAMED(pass_at)(p, from);
            NAMED(pack_b)(&pass, j, j_end);
            NAMED(tiles)(&pass, 0, p->row_panels, j, j_end);
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
    p.deepest = g->k > 0 ? (g->k + passes - 1) / passes : 1;
    /* By rows where B fits the cache as a whole. Enough pieces that the last ones leave no thread waiting for long. */
    const int64_t block = BLOCK_BYTES / (int64_t)sizeof(REAL) / (DEPTH * NAMED(WIDTH));
    p.by_rows = g->m > g->n && p.column_panels <= block;
    const int64_t panels = p.by_rows ? p.row_panels : p.column_panels;
    const int64_t shared = p.by_rows ? p.column_panels : p.row_panels;
    const int threads = cpu_host->num_threads(cpu_host);
    const int64_t pieces = threads > 1 ? 4 * threads : 1, most = p.by_rows ? UNIT : block;
    p.unit = (panels + pieces - 1) / pieces;
    p.unit = p.unit < most ? p.unit : most;
    /* A round takes as many passes as the cache holds the shared operand's panels of. */
    const int64_t width = p.by_rows ? p.column_panels * NAMED(WIDTH) : g->m;
    int64_t together = BLOCK_BYTES / (int64_t)sizeof(REAL) / (width * p.deepest);
    together = together < 1 ? 1 : together < passes ? together : passes;
    const size_t a_reals = (size_t)g->m * (size_t)p.deepest;
    const size_t b_reals = (size_t)p.column_panels * NAMED(WIDTH) * (size_t)p.deepest;
    p.shared_reals = (p.by_rows ? b_reals : a_reals) * (size_t)together;
    p.a = p.b =
        cpu_gemm_memory(CPU_GEMM_BLOCKED_OWN, (p.by_rows ? a_reals : b_reals) * sizeof *p.a);
    if (!p.a)
        return false;
    if (p.shared_reals * sizeof *p.shared > HELD_BYTES &&
        !(p.shared = cpu_gemm_memory(CPU_GEMM_BLOCKED, p.shared_reals * sizeof *p.shared)))
        return false;
    const double reals = p.by_rows ? NAMED(WIDTH) : ROWS; /* of a shared panel, a term */
    const double nanoseconds = 1.0 / (5.0 * (LANES));     /* of a multiplication and addition */
    do {
        p.number = cpu_gemm_number();
        p.end = g->k - p.first < together * p.deepest ? g->k : p.first + together * p.deepest;
        double terms = (double)(p.end - p.first);
        if (p.shared) {
            *(p.by_rows ? &p.b : &p.a) = p.shared;
            cpu_parallel(NAMED(shared_units)(&p), 1, terms * UNIT * reals * 0.1, NAMED(pack_shared),
                         &p);
        }
        cpu_parallel((panels + p.unit - 1) / p.unit, 1,
                     terms * (double)(p.unit * shared) * (ROWS * NAMED(WIDTH)) * nanoseconds,
                     p.by_rows ? NAMED(row_pieces) : NAMED(column_pieces), &p);
        p.first = p.end;
    } while (p.first < g->k);
    return !p.failed;
}
