/* Products of f32 and f64 matrices: own kernels where OpenBLAS's start costs more than its speed brings, gemm_amx.c, OpenBLAS or
 * gemm_blocked.c above. Two kernels of f32 share the work: `panel_tile` runs along B's rows (dense or packed), `dot_tile` along k when both
 * operands lie so and there are too few rows to pay for packing. cpu_dgemm's plain loops and the tests' double loops check
 * both. */
#include "gemm_f32.h"
#include "cpu.h"
#include "gemm_amx.h"
#include "gemm_blocked.h"
#include "simd.h"
#include "transpose.h"

#include <cblas.h>
#include <limits.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined __AVX512F__
enum { NARROW_ROWS = 12 }; /* of a tile at most two vectors wide: what 32 registers hold */
#else
enum { NARROW_ROWS = 6 };
#endif

enum {
    TILE_ROWS = 6,
    TILE_VECTORS = 4,
    PANEL = TILE_VECTORS * VF_LANES, /* columns that are done together */
    DOT_ROWS = 4,
    DOT_COLUMNS = 8,
    NARROW_DEPTH = 2048, /* above, more tiles are worth more: threads share them */
    PACK_ROWS = 12,      /* from so many rows on, packing a B that lies along k pays */
    STACK_FLOATS = 6144,
    AMX_LIMIT = 800000,   /* multiplications; from so many on, packing for AMX pays */
    OWN_LIMIT = 3000000,  /* multiplications; above, packing by blocks pays */
    DOUBLE_LIMIT = 100000 /* from so many on, packing pays */
};

/* ---- along B's rows --------------------------------------------------------------------------------------------- */

/* Brings a tile of self together where the elements of its rows don't lie side by side. */
static __attribute__((noinline)) void gather_self(const cpu_sgemm_args *g, int64_t i, int64_t j,
                                                  int rows, int columns, float *to, int64_t to_row)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            to[r * to_row + c] = g->s[(i + r) * g->s_row + (j + c) * g->s_col];
}

CPU_INLINE vf load_lanes(const float *p, bool part, int lanes)
{
    return part ? vf_load_part(p, lanes) : vf_load(p);
}

/* rows x vectors sums at (i, j); the last vector has `lanes` columns. b: row 0 of B at column j. */
CPU_INLINE void panel_tile(int rows, int vectors, bool part, const cpu_sgemm_args *g, int64_t i,
                           int64_t j, const float *b, int64_t b_row, int lanes)
{
    enum { TOGETHER = 3 }; /* rows of A that share an address: one for each would be too many */
    vf sum[NARROW_ROWS * TILE_VECTORS];
#pragma GCC unroll 64
    for (int s = 0; s < rows * vectors; s++)
        sum[s] = (vf){0};
    const int64_t a_row = g->a_row, a_col = g->a_col;
    const float *a[NARROW_ROWS / TOGETHER];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r += TOGETHER)
        a[r / TOGETHER] = g->a + (i + r) * a_row;
    float room[NARROW_ROWS * TILE_VECTORS * VF_LANES];
    const float *self = g->s;
    int64_t self_row = g->s_row;
    if (g->beta == 0.0f) {
        self = NULL;
    } else if (g->s_col == 1) {
        self += i * self_row + j;
    } else {
        gather_self(g, i, j, rows, (vectors - 1) * VF_LANES + lanes, room, vectors * VF_LANES);
        self = room;
        self_row = vectors * VF_LANES;
    }
    for (int64_t p = 0; p < g->k; p++, b += b_row) {
        vf x[TILE_VECTORS];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            x[v] = load_lanes(b + v * VF_LANES, part && v == vectors - 1, lanes);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vf y = vf_all(a[r / TOGETHER][r % TOGETHER * a_row]);
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[r * vectors + v] += y * x[v];
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r += TOGETHER)
            a[r / TOGETHER] += a_col;
    }
    if (g->alpha != 1.0f)
#pragma GCC unroll 64
        for (int s = 0; s < rows * vectors; s++)
            sum[s] *= g->alpha;
    if (self)
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[r * vectors + v] += g->beta * load_lanes(self + r * self_row + v * VF_LANES,
                                                             part && v == vectors - 1, lanes);
    float *c = g->c + i * g->c_row + j;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++, c += g->c_row)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            if (part && v == vectors - 1)
                vf_store_part(c + v * VF_LANES, sum[r * vectors + v], lanes);
            else
                vf_store(c + v * VF_LANES, sum[r * vectors + v]);
}

static void panel_tile_of(int rows, int vectors, const cpu_sgemm_args *g, int64_t i, int64_t j,
                          const float *b, int64_t b_row, int lanes)
{
#define TILE(r, v)                                                \
    case r * 8 + v:                                               \
        if (lanes < VF_LANES)                                     \
            panel_tile(r, v, true, g, i, j, b, b_row, lanes);     \
        else                                                      \
            panel_tile(r, v, false, g, i, j, b, b_row, VF_LANES); \
        return;
#define NARROW(r) TILE(r, 1) TILE(r, 2)
#define TILES(r)  NARROW(r) TILE(r, 3) TILE(r, 4)
#if defined __AVX512F__
#define HIGH NARROW(7) NARROW(8) NARROW(9) NARROW(10) NARROW(11) NARROW(12)
#else
#define HIGH
#endif
    switch (rows * 8 + vectors) {
        TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6) HIGH
    }
#undef HIGH
#undef TILES
#undef NARROW
#undef TILE
}

/* ---- along k ---------------------------------------------------------------------------------------------------- */

/* rows x columns dot products at (i, j), where A's rows and B's columns are dense. */
CPU_INLINE void dot_tile(int rows, int columns, const cpu_sgemm_args *g, int64_t i, int64_t j)
{
    vf sum[DOT_ROWS][DOT_COLUMNS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++)
            sum[r][c] = (vf){0};
    const float *a = g->a + i * g->a_row, *b = g->b + j * g->b_col;
    const int64_t a_row = g->a_row, b_col = g->b_col, whole = g->k - g->k % VF_LANES;
    for (int64_t p = 0; p < whole; p += VF_LANES) {
        vf x[DOT_COLUMNS];
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++)
            x[c] = vf_load(b + c * b_col + p);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf y = vf_load(a + r * a_row + p);
#pragma GCC unroll 8
            for (int c = 0; c < columns; c++)
                sum[r][c] += y * x[c];
        }
    }
    int rest = (int)(g->k - whole);
    if (rest) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int c = 0; c < columns; c++)
                sum[r][c] += vf_load_part(a + r * a_row + whole, rest) *
                             vf_load_part(b + c * b_col + whole, rest);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++) {
            float x = g->alpha * vf_sum(sum[r][c]);
            if (g->beta != 0.0f)
                x += g->beta * g->s[(i + r) * g->s_row + (j + c) * g->s_col];
            g->c[(i + r) * g->c_row + j + c] = x;
        }
}

static void dot_tile_of(int rows, int columns, const cpu_sgemm_args *g, int64_t i, int64_t j)
{
#define TILE(r, c)               \
    case r * 16 + c:             \
        dot_tile(r, c, g, i, j); \
        return;
#define TILES(r) TILE(r, 1) TILE(r, 2) TILE(r, 3) TILE(r, 4)
    switch (rows * 16 + columns) {
        TILES(1) TILES(2) TILES(3) TILES(4) TILE(1, 5) TILE(1, 6) TILE(1, 7) TILE(1, 8)
    }
#undef TILES
#undef TILE
}

/* ---- the whole product ------------------------------------------------------------------------------------------ */

typedef struct product {
    const cpu_sgemm_args *g;
    const float *packed; /* B by panels of [k][PANEL], or null: B's own rows are dense */
    float *pack_to;
    int64_t row_blocks, column_blocks;
    int tile_rows;
    int dot_columns; /* of a tile along k */
} product;

/* Pieces count row blocks, panel after panel, so that a panel stays in the cache while it is used. */
static void panel_pieces(void *context, int64_t begin, int64_t end)
{
    const product *p = context;
    const cpu_sgemm_args *g = p->g;
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t i = piece % p->row_blocks * p->tile_rows, j = piece / p->row_blocks * PANEL;
        int rows = g->m - i < p->tile_rows ? (int)(g->m - i) : p->tile_rows;
        int columns = g->n - j < PANEL ? (int)(g->n - j) : PANEL;
        int vectors = (columns + VF_LANES - 1) / VF_LANES;
        const float *b = p->packed ? p->packed + j * g->k : g->b + j;
        panel_tile_of(rows, vectors, g, i, j, b, p->packed ? PANEL : g->b_row,
                      columns - (vectors - 1) * VF_LANES);
    }
}

static void dot_pieces(void *context, int64_t begin, int64_t end)
{
    const product *p = context;
    const cpu_sgemm_args *g = p->g;
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t i = piece % p->row_blocks * DOT_ROWS, j = piece / p->row_blocks * p->dot_columns;
        int rows = g->m - i < DOT_ROWS ? (int)(g->m - i) : DOT_ROWS;
        int columns = g->n - j < p->dot_columns ? (int)(g->n - j) : p->dot_columns;
        dot_tile_of(rows, columns, g, i, j);
    }
}

static void pack_panels(void *context, int64_t begin, int64_t end)
{
    const product *p = context;
    const cpu_sgemm_args *g = p->g;
    for (int64_t panel = begin; panel < end; panel++) {
        float *to = p->pack_to + panel * PANEL * g->k;
        int64_t j0 = panel * PANEL, columns = g->n - j0 < PANEL ? g->n - j0 : PANEL;
        const float *from = g->b + j0 * g->b_col;
        if (g->b_row == 1)
            CPU_TRANSPOSE(g->k, columns, from, g->b_col, to, PANEL);
        else
            for (int64_t q = 0; q < g->k; q++)
                for (int64_t l = 0; l < columns; l++)
                    to[q * PANEL + l] = from[q * g->b_row + l * g->b_col];
    }
}

static bool own_sgemm(const cpu_sgemm_args *g)
{
    double nanoseconds = 1.0 / (VF_LANES * 2.5); /* of one multiplication and addition */
    product p = {.g = g};
    if (g->b_row == 1 && g->a_col == 1 && g->m < PACK_ROWS && g->b_col != 1) {
        p.row_blocks = (g->m + DOT_ROWS - 1) / DOT_ROWS;
        p.dot_columns = g->m == 1 ? DOT_COLUMNS : DOT_COLUMNS / 2;
        p.column_blocks = (g->n + p.dot_columns - 1) / p.dot_columns;
        int64_t rows = g->m < DOT_ROWS ? g->m : DOT_ROWS;
        cpu_parallel(p.row_blocks * p.column_blocks, 1,
                     (double)(rows * p.dot_columns * (g->k + 48)) * nanoseconds, dot_pieces, &p);
        return true;
    }
    float stack[STACK_FLOATS], *heap = NULL;
    p.row_blocks = g->n <= 2 * VF_LANES && g->k <= NARROW_DEPTH
                       ? (g->m + NARROW_ROWS - 1) / NARROW_ROWS
                       : (g->m + TILE_ROWS - 1) / TILE_ROWS;
    /* Of like heights: a low tile leaves the multipliers waiting for its few sums. */
    p.tile_rows = p.row_blocks == 1 ? (int)g->m : (int)((g->m + p.row_blocks - 1) / p.row_blocks);
    p.column_blocks = (g->n + PANEL - 1) / PANEL;
    if (g->b_col != 1 && g->n > 1) {
        int64_t floats = p.column_blocks * PANEL * g->k;
        p.pack_to = stack;
        if (floats > STACK_FLOATS && !(p.pack_to = heap = malloc((size_t)floats * sizeof *heap)))
            return false;
        p.packed = p.pack_to;
        cpu_parallel(p.column_blocks, 1, (double)(g->k * PANEL) * 0.1, pack_panels, &p);
    }
    int64_t columns = g->n < PANEL ? g->n : PANEL;
    cpu_parallel(p.row_blocks * p.column_blocks, 1,
                 (double)(p.tile_rows * columns * g->k) * nanoseconds, panel_pieces, &p);
    free(heap);
    return true;
}

/* ---- OpenBLAS --------------------------------------------------------------------------------------------------- */

/* How OpenBLAS would call a matrix of these strides; false if it can't. */
static bool blas_layout(int64_t rows, int64_t columns, int64_t row, int64_t col,
                        CBLAS_TRANSPOSE *transpose, blasint *leading)
{
    int64_t ld;
    if ((col == 1 || columns <= 1) && (row >= columns || rows <= 1)) {
        *transpose = CblasNoTrans;
        ld = rows <= 1 ? columns : row;
    } else if ((row == 1 || rows <= 1) && (col >= rows || columns <= 1)) {
        *transpose = CblasTrans;
        ld = columns <= 1 ? rows : col;
    } else {
        return false;
    }
    if (rows > INT_MAX || columns > INT_MAX || ld > INT_MAX)
        return false;
    *leading = ld < 1 ? 1 : (blasint)ld;
    return true;
}

/* Whether OpenBLAS's kernels are faster than gemm_blocked.c's. With AVX-512 ours are, by a twentieth to two fifths as measured. Else its are
 * where it knows the processor: an older one than the processor takes it for a plain SSE machine, and is then several times
 * slower than it could be. */
static bool blas_is_faster(void)
{
#if defined __AVX512F__
    return false;
#elif defined __AVX2__
    static const char *const with_fma[] = {"Haswell",  "Zen",        "Excavator",
                                           "SkylakeX", "Cooperlake", "SapphireRapids"};
    static atomic_int answer; /* 0 not asked yet, 1 no, 2 yes */
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (!known) {
        const char *core = openblas_get_corename();
        known = 1;
        for (size_t i = 0; i < sizeof with_fma / sizeof *with_fma; i++)
            if (core && !strcmp(core, with_fma[i]))
                known = 2;
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == 2;
#else
    return true;
#endif
}

/* OpenBLAS computes on one thread, and cpu_parallel shares a large product out by rows or columns: two pools of threads would
 * get in each other's way. The OpenMP build takes its number of threads from the calling thread's setting, which is the
 * program's, so it is put back: blas_begin returns what to give to blas_end. */
static int blas_begin(void)
{
    int before = omp_get_max_threads();
    if (before == 1)
        return 0;
    omp_set_num_threads(1);
    return before;
}

static void blas_end(int before)
{
    if (before)
        omp_set_num_threads(before);
}

/* A product as OpenBLAS takes it. */
typedef struct blas_job {
    const void *args; /* cpu_sgemm_args or cpu_dgemm_args */
    CBLAS_TRANSPOSE ta, tb;
    blasint lda, ldb, ldc;
    bool wide, by_rows;
} blas_job;

static void blas_pieces(void *context, int64_t begin, int64_t end)
{
    const blas_job *j = context;
    int before = blas_begin();
#define PIECE(gemm, kind)                                                                         \
    do {                                                                                          \
        kind g = *(const kind *)j->args;                                                          \
        g.c += j->by_rows ? begin * g.c_row : begin;                                              \
        g.a += j->by_rows ? begin * g.a_row : 0;                                                  \
        g.b += j->by_rows ? 0 : begin * g.b_col;                                                  \
        *(j->by_rows ? &g.m : &g.n) = end - begin;                                                \
        gemm(CblasRowMajor, j->ta, j->tb, (blasint)g.m, (blasint)g.n, (blasint)g.k, g.alpha, g.a, \
             j->lda, g.b, j->ldb, g.beta, g.c, j->ldc);                                           \
    } while (0)
    if (j->wide)
        PIECE(cblas_dgemm, cpu_dgemm_args);
    else
        PIECE(cblas_sgemm, cpu_sgemm_args);
#undef PIECE
    blas_end(before);
}

/* Pieces are multiples of what a tile of OpenBLAS's kernels takes. */
static void run_blas(blas_job *j, int64_t m, int64_t n, int64_t k)
{
    enum { UNIT = 48 };
    j->by_rows = m >= n;
    int64_t count = j->by_rows ? m : n, other = j->by_rows ? n : m;
    cpu_parallel(count, UNIT, (double)other * (double)k / (j->wide ? 25 : 50), blas_pieces, j);
}

#define COPY_SELF(g, T)                                                                          \
    do {                                                                                         \
        if ((g)->beta != 0 && ((g)->s != (g)->c || (g)->s_row != (g)->c_row || (g)->s_col != 1)) \
            for (int64_t i = 0; i < (g)->m; i++) {                                               \
                const T *s = (g)->s + i * (g)->s_row;                                            \
                T *c = (g)->c + i * (g)->c_row;                                                  \
                for (int64_t j = 0; j < (g)->n; j++)                                             \
                    c[j] = s[j * (g)->s_col];                                                    \
            }                                                                                    \
    } while (0)

bool CPU_NAME(cpu_sgemm)(const cpu_sgemm_args *g)
{
    if (g->m <= 0 || g->n <= 0)
        return true;
    cpu_sgemm_args turned;
    if (g->n == 1 && g->m > 1 && g->c_row == 1) { /* a column is a row: C' = B' A' */
        turned = (cpu_sgemm_args){.m = 1,
                                  .n = g->m,
                                  .k = g->k,
                                  .a = g->b,
                                  .a_row = g->b_col,
                                  .a_col = g->b_row,
                                  .b = g->a,
                                  .b_row = g->a_col,
                                  .b_col = g->a_row,
                                  .s = g->s,
                                  .s_row = g->s_col,
                                  .s_col = g->s_row,
                                  .c = g->c,
                                  .c_row = g->m,
                                  .alpha = g->alpha,
                                  .beta = g->beta};
        g = &turned;
    }
    double work = (double)g->m * (double)g->n * (double)g->k;
    CBLAS_TRANSPOSE ta, tb;
    blasint lda, ldb;
    if (work >= AMX_LIMIT && CPU_NAME(cpu_amx_takes)(g))
        return CPU_NAME(cpu_sgemm_amx)(g);
    if (work < OWN_LIMIT || g->m == 1 || g->k <= 4)
        return own_sgemm(g);
    if (!blas_is_faster() || g->k > INT_MAX || g->c_row > INT_MAX ||
        !blas_layout(g->m, g->k, g->a_row, g->a_col, &ta, &lda) ||
        !blas_layout(g->k, g->n, g->b_row, g->b_col, &tb, &ldb))
        return g->m < PACK_ROWS ? own_sgemm(g) : CPU_NAME(cpu_sgemm_blocked)(g);
    COPY_SELF(g, float);
    blas_job job = {g, ta, tb, lda, ldb, (blasint)(g->m == 1 ? g->n : g->c_row), false, false};
    run_blas(&job, g->m, g->n, g->k);
    return true;
}

bool CPU_NAME(cpu_dgemm)(const cpu_dgemm_args *g)
{
    if (g->m <= 0 || g->n <= 0)
        return true;
    double work = (double)g->m * (double)g->n * (double)g->k;
    CBLAS_TRANSPOSE ta, tb;
    blasint lda, ldb;
    bool large = work >= DOUBLE_LIMIT;
    if (work >= 2048 && (!large || blas_is_faster()) && g->k <= INT_MAX && g->c_row <= INT_MAX &&
        blas_layout(g->m, g->k, g->a_row, g->a_col, &ta, &lda) &&
        blas_layout(g->k, g->n, g->b_row, g->b_col, &tb, &ldb)) {
        COPY_SELF(g, double);
        blas_job job = {g, ta, tb, lda, ldb, (blasint)(g->m == 1 ? g->n : g->c_row), true, false};
        run_blas(&job, g->m, g->n, g->k);
        return true;
    }
    if (large)
        return CPU_NAME(cpu_dgemm_blocked)(g);
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < g->k; p++)
                sum += g->a[i * g->a_row + p * g->a_col] * g->b[p * g->b_row + j * g->b_col];
            double *c = &g->c[i * g->c_row + j];
            *c = g->alpha * sum + (g->beta != 0 ? g->beta * g->s[i * g->s_row + j * g->s_col] : 0);
        }
    return true;
}
