/* Products of matrices on AMX, for the dtype that the includer says:
 *   REAL                     an element
 *   ARGS, ENTRY              the product's arguments, and its name
 *   OF_STEP, AMX_STEP        how many bf16 a panel's step is packed into, and what multiplies two of them
 *   PASS_STEPS               steps of a pass at the most; C takes part of the sums where there are more
 *   SHARED_ROOM              how many bf16 are packed at a time of the shared operand
 *   ASKS_AHEAD               whether steps are long enough to ask for what is packed and written next
 *   PACK_COST, MULTIPLY_COST nanoseconds to pack an element, and for a product of two
 *   pack_step(at, line, term, lines, terms, lines_are_terms, to, seen)
 *                            packs a panel's step, of which so many lines and terms are there, and notes the range of what it saw
 *   load_part, store_part    elements as f32
 *   PLAIN_PRODUCT            where not all numbers can be multiplied: what computes a pass of a piece then */

/* A matrix as its panels see it: lines of A are rows, of B columns. */
typedef struct operand {
    const REAL *at;
    int64_t line, term; /* strides */
    int64_t lines;
} operand;

/* The terms of a pass: whole steps but for the end of the last one. */
typedef struct terms {
    int64_t from, count, steps;
} terms;

enum {
    LINE = 64 / sizeof(REAL),   /* elements of a line of the cache */
    TOGETHER = 8 * LINE / PANEL /* panels */
};

/* Asks for numbers that are packed soon. */
CPU_INLINE void fetch(const REAL *at, int64_t lines, int64_t stride, int64_t length)
{
    for (int64_t l = 0; l < lines; l++)
        for (int64_t i = 0; i < length; i += LINE)
            __builtin_prefetch(at + l * stride + i);
}

/* What a panel's turn asks for of the step that begins at `term`: where lines are contiguous its share of the rows that all
 * panels read together, since memory is fast along a row alone. */
static void fetch_step(const operand *o, int64_t panel, int panels, int turn, int64_t term,
                       int64_t left)
{
    const int64_t first = panel * PANEL, lines = o->lines - first, wide = panels * PANEL;
    const int64_t count = left < STEP ? left : STEP;
    if (o->line == 1) {
        const int64_t from = turn * count / panels, end = (turn + 1) * count / panels;
        fetch(o->at + first + (term + from) * o->term, end - from, o->term,
              lines < wide ? lines : wide);
    } else if (o->term == 1) {
        fetch(o->at + first * o->line + term, lines < PANEL ? lines : PANEL, o->line, count);
    }
}

/* How many of the panels that are left are packed together. */
static int packed_together(const operand *o, int64_t left)
{
    return o->term == 1 || left < 1 ? 1 : left < TOGETHER ? (int)left : TOGETHER;
}

/* Panels, each with so much room in `to`. B's tiles have a line for each pair of terms, A's for each row. */
static void pack_panels(const operand *o, bool lines_are_terms, int64_t panel, int panels, terms of,
                        uint16_t *to, int64_t room, exponents *found)
{
    range seen[TOGETHER];
    for (int p = 0; p < panels; p++)
        seen[p] = nothing_seen();
    for (int64_t t = 0; t < of.count; t += STEP, to += OF_STEP)
        for (int p = 0; p < panels; p++) {
            if (t + STEP < of.count)
                fetch_step(o, panel, panels, p, of.from + t + STEP, of.count - t - STEP);
            pack_step(o->at + (panel + p) * PANEL * o->line + (of.from + t) * o->term, o->line,
                      o->term, o->lines - (panel + p) * PANEL, of.count - t, lines_are_terms,
                      to + p * room, &seen[p]);
        }
    for (int p = 0; p < panels; p++)
        found[p] = exponents_of(&seen[p]);
}

/* ---- the product ------------------------------------------------------------------------------------------------ */

/* A block of C for one pass. Pieces are panels of the operand that has more lines: each packs its own in place of one before it,
 * in the cache of the core that reads it. The other one's panels, which all pieces read, each thread packs for itself before its
 * first piece: fetching them from the cache of another core takes longer. */
typedef struct c_block {
    const ARGS *g;
    operand own, shared;
    bool by_rows; /* own is A, and shared is B */
    bool failed;
    terms of;
    int64_t room;    /* of a panel */
    uint64_t number; /* of cpu_gemm_number */
    REAL *c;
    const REAL *s; /* null where none is added */
} c_block;

static int64_t panels_of(int64_t lines)
{
    return (lines + PANEL - 1) / PANEL;
}

static int64_t passes_of(const ARGS *g)
{
    const int64_t steps = (g->k + STEP - 1) / STEP;
    return (steps + PASS_STEPS - 1) / PASS_STEPS;
}

static terms terms_of(const ARGS *g, int64_t pass)
{
    const int64_t steps = (g->k + STEP - 1) / STEP, passes = passes_of(g);
    const int64_t from = pass * steps / passes, end = (pass + 1) * steps / passes;
    return (terms){from * STEP, (end * STEP < g->k ? end * STEP : g->k) - from * STEP, end - from};
}

/* What a panel of a pass is packed into at the most. */
static int64_t room_of(const ARGS *g)
{
    const int64_t steps = (g->k + STEP - 1) / STEP, passes = passes_of(g);
    return (steps + passes - 1) / passes * OF_STEP;
}

/* Panels that are packed, and their range. */
typedef struct packed_panels {
    const uint16_t *at;
    exponents of;
} packed_panels;

/* The shared panels of a block in this thread's memory, their range behind them; null without memory. */
static packed_panels shared_of(const c_block *b)
{
    const int64_t all = panels_of(b->shared.lines);
    bool fresh;
    uint16_t *to = cpu_gemm_memory_for(
        CPU_GEMM_AMX, (size_t)(all * b->room) * sizeof *to + sizeof(exponents), b->number, &fresh);
    if (!to)
        return (packed_panels){NULL, no_exponents()};
    exponents *of = (exponents *)(void *)(to + all * b->room);
    if (fresh)
        *of = no_exponents();
    for (int64_t panel = 0, together; fresh && panel < all; panel += together) {
        exponents found[TOGETHER];
        together = packed_together(&b->shared, all - panel);
        pack_panels(&b->shared, b->by_rows, panel, (int)together, b->of, to + panel * b->room,
                    b->room, found);
        for (int64_t i = 0; i < together; i++)
            *of = wider(*of, found[i]);
    }
    return (packed_panels){to, *of};
}

/* ---- multiplying ------------------------------------------------------------------------------------------------ */

/* What is to go to C's tile at (i, j): [2 SIDE][2 SIDE]; null for none. The first sums take S in, the later ones what the
 * earlier left. */
typedef struct tile_sums {
    int64_t i, j;
    const float *at;
    bool are_first;
} tile_sums;

static int64_t rows_of(const c_block *b)
{
    return b->by_rows ? b->own.lines : b->shared.lines;
}

static int64_t columns_of(const c_block *b)
{
    return b->by_rows ? b->shared.lines : b->own.lines;
}

/* Rows from … end of a tile. */
static void write_rows(const c_block *b, const tile_sums *tile, int64_t from, int64_t end)
{
    const ARGS *g = b->g;
    const int64_t left = columns_of(b) - tile->j, columns = left < PANEL ? left : PANEL;
    const vf alpha = vf_all(g->alpha), beta = vf_all(g->beta);
    end = end < rows_of(b) - tile->i ? end : rows_of(b) - tile->i;
    for (int64_t r = from; tile->at && r < end; r++)
        for (int64_t v = 0; v < columns; v += SIDE) {
            const int lanes = columns - v < SIDE ? (int)(columns - v) : SIDE;
            REAL *c = b->c + (tile->i + r) * g->c_row + tile->j + v;
            vf x = alpha * vf_load(tile->at + r * PANEL + v);
            if (!tile->are_first) {
                x += load_part(c, lanes);
            } else if (b->s) {
                const REAL *s = b->s + (tile->i + r) * g->s_row + (tile->j + v) * g->s_col;
                REAL along[SIDE];
                for (int l = 0; g->s_col != 1 && l < lanes; l++)
                    along[l] = s[l * g->s_col];
                x += beta * load_part(g->s_col == 1 ? s : along, lanes);
            }
            store_part(c, x, lanes);
        }
}

/* Rows of numbers that are packed after what is multiplied: each step of that asks for some of their lines of the cache, so that
 * they come from memory meanwhile. */
typedef struct ahead {
    const REAL *row;
    int64_t stride, length; /* of rows */
    int64_t rows, at;       /* rows that are left, and how far in the first of them */
    int64_t of_step;
} ahead;

/* Of pieces, within so many steps. */
static ahead ahead_of(const c_block *b, int64_t piece, int64_t pieces, int64_t steps)
{
    const operand *o = &b->own;
    const int64_t left = o->lines - piece * PANEL;
    const int64_t lines = left < pieces * PANEL ? left : pieces * PANEL;
    const REAL *at = o->at + piece * PANEL * o->line + b->of.from * o->term;
    ahead x = {0};
    if (o->term == 1)
        x = (ahead){at, o->line, b->of.count, lines, 0, 0};
    else if (o->line == 1)
        x = (ahead){at, o->term, lines, b->of.count, 0, 0};
    x.of_step = (x.rows * ((x.length + LINE - 1) / LINE) + steps - 1) / steps;
    return x;
}

CPU_INLINE void fetch_ahead(ahead *x)
{
    for (int64_t i = 0; i < x->of_step && x->rows > 0; i++) {
        __builtin_prefetch(x->row + x->at, 0, 2);
        x->at += LINE;
        if (x->at >= x->length) {
            x->at = 0;
            if (--x->rows > 0)
                x->row += x->stride;
        }
    }
}

/* Asks for rows from … end of a tile of C, to write. */
CPU_INLINE void fetch_rows(const c_block *b, int64_t i, int64_t j, int64_t from, int64_t end)
{
    const int64_t left = rows_of(b) - i, columns = columns_of(b) - j;
    for (int64_t r = from; r < end && r < left; r++)
        for (int64_t line = 0; line < PANEL && line < columns; line += LINE)
            __builtin_prefetch(b->c + (i + r) * b->g->c_row + j + line, 1);
}

/* A panel of each operand, how far on from its last step the one lies that is multiplied next, and the place of their tile. */
typedef struct panels {
    const uint16_t *a, *b;
    int64_t a_next, b_next, steps, i, j;
} panels;

/* sums[2 SIDE][2 SIDE] of two panels, or of the first halves of them. The tile before, whose sums are in the same memory, is
 * written meanwhile, for which AMX leaves room. */
CPU_INLINE WITH_AMX void multiply(bool low, bool narrow, const c_block *block, const panels *p,
                                  float *sums, const tile_sums *before, ahead *next)
{
    const uint16_t *a = p->a, *b = p->b;
    const int64_t steps = p->steps;
    amx_clear();
    for (int64_t step = 0; step < steps; step++, a += OF_STEP, b += OF_STEP) {
        const bool is_last = step == steps - 1;
        AMX_STEP(low, narrow, (amx_tiles){a, 2 * TILE, TILE, is_last ? p->a_next : OF_STEP},
                 (amx_tiles){b, 2 * TILE, TILE, is_last ? p->b_next : OF_STEP});
        const int64_t from = step * PANEL / steps, end = (step + 1) * PANEL / steps;
        if (ASKS_AHEAD) {
            fetch_ahead(next);
            fetch_rows(block, p->i, p->j, from, end);
        }
        write_rows(block, before, from, end);
    }
    amx_store(sums);
}

static WITH_AMX void multiply_of(const c_block *b, const panels *p, float *sums,
                                 const tile_sums *before, ahead *next)
{
    const bool low = rows_of(b) - p->i <= SIDE, narrow = columns_of(b) - p->j <= SIDE;
    AMX_BY_HALVES(low, narrow, multiply, b, p, sums, before, next);
}

#ifdef PLAIN_PRODUCT
/* A piece without AMX. */
static bool multiply_plainly(const c_block *b, int64_t piece)
{
    ARGS g = *b->g;
    const int64_t line = piece * PANEL, left = b->own.lines - line;
    const int64_t i = b->by_rows ? line : 0, j = b->by_rows ? 0 : line;
    const operand *rows = b->by_rows ? &b->own : &b->shared;
    const operand *columns = b->by_rows ? &b->shared : &b->own;
    g.m = rows->lines;
    g.n = columns->lines;
    *(b->by_rows ? &g.m : &g.n) = left < PANEL ? left : PANEL;
    g.k = b->of.count;
    g.a = rows->at + i * g.a_row + b->of.from * g.a_col;
    g.b = columns->at + j * g.b_col + b->of.from * g.b_row;
    g.c = b->c + i * g.c_row + j;
    if (b->of.from) {
        g.s = g.c;
        g.s_row = g.c_row;
        g.s_col = 1;
        g.beta = 1;
    } else if (b->s) {
        g.s = b->s + i * g.s_row + j * g.s_col;
    }
    return PLAIN_PRODUCT(&g);
}

#endif

/* own: the piece's panel. */
static WITH_AMX void multiply_piece(c_block *b, int64_t piece, packed_panels own,
                                    packed_panels shared, float *sums, tile_sums *before,
                                    ahead *next)
{
#ifdef PLAIN_PRODUCT
    if (!in_range(own.of, shared.of)) {
        write_rows(b, before, 0, PANEL);
        before->at = NULL;
        if (!multiply_plainly(b, piece))
            __atomic_store_n(&b->failed, true, __ATOMIC_RELAXED);
        return;
    }
#endif
    const int64_t back = -(b->of.steps - 1) * OF_STEP, on = back + b->room;
    for (int64_t at = 0; at < panels_of(b->shared.lines); at++) {
        const uint16_t *other = shared.at + at * b->room;
        const panels p =
            b->by_rows ? (panels){own.at, other, back, on, b->of.steps, piece * PANEL, at * PANEL}
                       : (panels){other, own.at, on, back, b->of.steps, at * PANEL, piece * PANEL};
        multiply_of(b, &p, sums, before, next);
        *before = (tile_sums){p.i, p.j, sums, !b->of.from};
    }
}

static WITH_AMX void multiply_pieces(void *context, int64_t begin, int64_t end)
{
    c_block *b = context;
    _Alignas(64) float sums[PANEL * PANEL];
    tile_sums before = {.at = NULL};
    exponents of_own[TOGETHER];
    const packed_panels shared = shared_of(b);
    uint16_t *own = cpu_gemm_memory(CPU_GEMM_AMX_OWN, TOGETHER * (size_t)b->room * sizeof *own);
    if (!own || !shared.at) {
        __atomic_store_n(&b->failed, true, __ATOMIC_RELAXED);
        return;
    }
    amx_begin();
    for (int64_t piece = begin, together, after; piece < end; piece = after) {
        together = packed_together(&b->own, end - piece);
        after = piece + together;
        pack_panels(&b->own, !b->by_rows, piece, (int)together, b->of, own, b->room, of_own);
        ahead next = {0};
        if (after < end)
            next = ahead_of(b, after, packed_together(&b->own, end - after),
                            together * panels_of(b->shared.lines) * b->of.steps);
        for (int64_t i = 0; i < together; i++)
            multiply_piece(b, piece + i, (packed_panels){own + i * b->room, of_own[i]}, shared,
                           sums, &before, &next);
    }
    amx_end();
    write_rows(b, &before, 0, PANEL);
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

bool ENTRY(const ARGS *g)
{
    const operand a = {g->a, g->a_row, g->a_col, g->m}, b = {g->b, g->b_col, g->b_row, g->n};
    c_block p = {.g = g, .by_rows = g->m >= g->n, .room = room_of(g)};
    p.own = p.by_rows ? a : b;
    const operand shared = p.by_rows ? b : a;
    const int64_t fit = SHARED_ROOM / p.room > 1 ? SHARED_ROOM / p.room : 1;
    const int64_t all = panels_of(shared.lines), blocks = (all + fit - 1) / fit;
    const int64_t in_block = (all + blocks - 1) / blocks, lines = in_block * PANEL;
    for (int64_t pass = 0; pass < passes_of(g); pass++)
        for (int64_t from = 0; from < shared.lines; from += lines) {
            const int64_t left = shared.lines - from;
            p.number = cpu_gemm_number();
            p.of = terms_of(g, pass);
            p.shared = (operand){shared.at + from * shared.line, shared.line, shared.term,
                                 left < lines ? left : lines};
            p.c = g->c + (p.by_rows ? from : from * g->c_row);
            p.s = g->beta != 0 ? g->s + from * (p.by_rows ? g->s_col : g->s_row) : NULL;
            const double of_line = (double)(PANEL * p.of.count);
            cpu_parallel(panels_of(p.own.lines), 1,
                         of_line * (PACK_COST + (double)p.shared.lines * MULTIPLY_COST),
                         multiply_pieces, &p);
        }
    return !p.failed;
}
