/* The loops of blocked attention for one type; attention.c includes this for f32 and f64 with REAL, EXP, LOG, NAME, GEMM and
 * GEMM_ARG, and what is done to a row:
 *   largest(x, n)                  the largest of n numbers, or any where one is NaN
 *   exp_all(x, n, top)             x becomes exp(x - top); its sum
 *   dot(a, b, n)                   Σ a b
 *   weigh(w, s, n, lse, sum, scale)  w becomes exp(w - lse), and s w (s - sum) scale */

static const REAL *NAME(at)(const void *x, const att_strides *s, const att_plan *p, int64_t head,
                            int64_t row)
{
    return (const REAL *)x + head / p->heads * s->batch + head % p->heads * s->head + row * s->row;
}

/* A panel of x [sources, width] transposed, [width][PANEL], zero beyond the last key. */
static void NAME(pack_panel)(const att_plan *p, const void *x, const att_strides *s, int64_t width,
                             int64_t head, int64_t key, REAL *to)
{
    int64_t n = p->sources - key < PANEL ? p->sources - key : PANEL;
    CPU_TRANSPOSE(width, n, NAME(at)(x, s, p, head, key), s->row, to, PANEL);
    for (int64_t d = 0; n < PANEL && d < width; d++)
        memset(to + d * PANEL + n, 0, (size_t)(PANEL - n) * sizeof *to);
}

static void NAME(pack)(const att_plan *p, const void *x, const att_strides *s, int64_t width,
                       void *to, int64_t begin, int64_t end)
{
    const int64_t panels = panels_of(p);
    for (int64_t piece = begin; piece < end; piece++)
        NAME(pack_panel)
    (p, x, s, width, piece / panels, piece % panels * PANEL, (REAL *)to + piece * width * PANEL);
}

static void NAME(pack_k)(void *context, int64_t begin, int64_t end)
{
    const att_job *j = context;
    NAME(pack)(j->plan, j->k, j->ks, j->plan->width, j->to_pack_k, begin, end);
}

static void NAME(pack_v)(void *context, int64_t begin, int64_t end)
{
    const att_job *j = context;
    NAME(pack)(j->plan, j->v, j->vs, j->plan->values, j->to_pack_v, begin, end);
}

/* to [rows][KEYS] = factor · a [rows, width] times the packed keys (or values) from `key` on, n of them. */
static void NAME(times_packed)(const att_job *j, const REAL *a, int64_t a_row, int64_t rows,
                               const void *packed, int64_t width, int64_t head, int64_t key,
                               int64_t n, double factor, REAL *to)
{
    const int64_t first = j->alone ? 0 : head * panels_of(j->plan);
    for (int64_t i = 0; i < n; i += PANEL) {
        const REAL *panel = (const REAL *)packed + (first + (key + i) / PANEL) * width * PANEL;
        GEMM(&(GEMM_ARG){.m = rows,
                         .n = n - i < PANEL ? n - i : PANEL,
                         .k = width,
                         .a = a,
                         .a_row = a_row,
                         .a_col = 1,
                         .b = panel,
                         .b_row = PANEL,
                         .b_col = 1,
                         .c = to + i,
                         .c_row = KEYS,
                         .alpha = (REAL)factor});
    }
}

/* Hides what the mask and causality hide in scores of `rows` rows from `row` on and n keys from `key` on. */
static void NAME(hide)(const att_job *j, int64_t head, int64_t row, int64_t rows, int64_t key,
                       int64_t n, REAL *scores)
{
    const att_plan *p = j->plan;
    const int64_t *s = p->mask_stride;
    for (int64_t r = 0; r < rows && p->mask_kind; r++) {
        const int64_t at =
            head / p->heads * s[0] + head % p->heads * s[1] + (row + r) * s[2] + key * s[3];
        REAL *x = scores + r * KEYS;
        if (p->mask_kind == 1) {
            const uint8_t *seen = (const uint8_t *)j->mask + at;
            for (int64_t i = 0; i < n; i++)
                x[i] = seen[i * s[3]] ? x[i] : -(REAL)INFINITY;
        } else if (s[3] == 1) {
            const REAL *more = (const REAL *)j->mask + at;
            for (int64_t i = 0; i < n; i++)
                x[i] += more[i];
        } else {
            const REAL *more = (const REAL *)j->mask + at;
            for (int64_t i = 0; i < n; i++)
                x[i] += more[i * s[3]];
        }
    }
    for (int64_t r = 0; r < rows && p->causal; r++)
        for (int64_t i = row + r + 1 > key ? row + r + 1 - key : 0; i < n; i++)
            scores[r * KEYS + i] = -(REAL)INFINITY;
}

/* Rows times n rows of b, [n, width], onto c, [rows, width]. turned: a is [n][rows] in memory instead. */
static void NAME(add_product)(const REAL *a, bool turned, int64_t rows, int64_t n, const REAL *b,
                              int64_t b_row, int64_t width, REAL *c, int64_t c_row, bool fresh)
{
    GEMM(&(GEMM_ARG){.m = rows,
                     .n = width,
                     .k = n,
                     .a = a,
                     .a_row = turned ? 1 : KEYS,
                     .a_col = turned ? KEYS : 1,
                     .b = b,
                     .b_row = b_row,
                     .b_col = 1,
                     .s = c,
                     .s_row = c_row,
                     .s_col = 1,
                     .c = c,
                     .c_row = c_row,
                     .alpha = 1,
                     .beta = fresh ? 0 : 1});
}

/* ---- forward ---- */

/* scores of a row become exp(score - top); *top and *sum go along. Returns by what earlier results are to be multiplied. */
static REAL NAME(soften)(REAL *restrict x, int64_t n, REAL *top, REAL *sum)
{
    REAL best = NAME(largest)(x, n);
    best = best > *top ? best : *top;
    if (best ==
        -(REAL)INFINITY) { /* nothing seen yet, unless NaN is, which the sum below takes along */
        bool strange = false;
        for (int64_t i = 0; i < n; i++)
            strange |= x[i] != x[i];
        if (!strange) {
            memset(x, 0, (size_t)n * sizeof *x);
            return 1;
        }
        best = (REAL)NAN;
    }
    const REAL total = NAME(exp_all)(x, n, best);
    REAL earlier = *top == -(REAL)INFINITY ? 0 : EXP(*top - best);
    *sum = *sum * earlier + total;
    *top = best;
    return earlier;
}

static void NAME(forward_block)(const att_job *j, int64_t head, int64_t row, int64_t rows)
{
    const att_plan *p = j->plan;
    _Alignas(64) REAL scores[ROWS * KEYS];
    REAL top[ROWS], sum[ROWS];
    REAL *out = (REAL *)j->out + (NAME(at)(j->out, j->ys, p, head, row) - (const REAL *)j->out);
    for (int64_t r = 0; r < rows; r++) {
        top[r] = -(REAL)INFINITY;
        sum[r] = 0;
    }
    const int64_t seen = keys_seen(p, row + rows);
    for (int64_t key = 0; key < seen; key += KEYS) {
        int64_t n = seen - key < KEYS ? seen - key : KEYS;
        NAME(times_packed)
        (j, NAME(at)(j->q, j->qs, p, head, row), j->qs->row, rows, j->packed_k, p->width, head, key,
         n, j->scale, scores);
        if (p->mask_kind || (p->causal && key + n > row + 1))
            NAME(hide)(j, head, row, rows, key, n, scores);
        for (int64_t r = 0; r < rows; r++) {
            REAL earlier = NAME(soften)(scores + r * KEYS, n, &top[r], &sum[r]);
            if (key && earlier != 1)
                for (int64_t d = 0; d < p->values; d++)
                    out[r * j->ys->row + d] *= earlier;
            if (j->dropout > 0) {
                float keep[KEYS];
                draw_keep(j, head, row + r, key, n, keep);
                for (int64_t i = 0; i < n; i++)
                    scores[r * KEYS + i] *= (REAL)keep[i];
            }
        }
        NAME(add_product)
        (scores, false, rows, n, NAME(at)(j->v, j->vs, p, head, key), j->vs->row, p->values, out,
         j->ys->row, key == 0);
    }
    for (int64_t r = 0; r < rows; r++) {
        const REAL part = 1 / sum[r];
        for (int64_t d = 0; d < p->values; d++)
            out[r * j->ys->row + d] *= part;
        ((REAL *)j->lse)[head * p->targets + row + r] = top[r] + LOG(sum[r]);
    }
}

static void NAME(forward)(void *context, int64_t begin, int64_t end)
{
    const att_job *j = context;
    const att_plan *p = j->plan;
    const int64_t blocks = blocks_of(p);
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t row = piece % blocks * p->rows;
        NAME(forward_block)
        (j, piece / blocks, row, p->targets - row < p->rows ? p->targets - row : p->rows);
    }
}

/* ---- a head by one thread ---- */

/* Σ g · y for a row. */
static REAL NAME(sum_of)(const att_job *j, int64_t head, int64_t row)
{
    const att_plan *p = j->plan;
    return NAME(dot)(NAME(at)(j->g, j->gs, p, head, row), NAME(at)(j->y, j->ys, p, head, row),
                     p->values);
}

/* Room for a head of a value. */
static void *NAME(room_of)(const att_value *v, const att_strides **lies, REAL **room)
{
    REAL *here = *room;
    *lies = &v->alone;
    *room += v->stage.meta.size[2] * v->stage.meta.size[3];
    return here;
}

/* Input i of a head where its rows lie beside one another, if it is to be copied. */
static void NAME(gather)(const att_plan *p, int i, int64_t head, const void **x,
                         const att_strides **lies, REAL **room)
{
    const att_value *v = &p->in[i];
    if (!v->own)
        return;
    void *to = NAME(room_of)(v, lies, room);
    gather_head(p, v, *x, head, to);
    *x = to;
}

/* Where output i of a head is computed: in place, or in the thread's memory, from which `put` takes it. */
static void NAME(place)(const att_plan *p, int i, void **x, const att_strides **lies, REAL **room)
{
    if (p->out[i].own)
        *x = NAME(room_of)(&p->out[i], lies, room);
}

static void NAME(put)(const att_plan *p, int i, int64_t head, void *x, const void *computed)
{
    if (p->out[i].own)
        scatter_head(p, &p->out[i], x, head, computed);
}

/* The job of one head with what it reads again and again in this thread's memory, which its caches hold. False without memory. */
static bool NAME(own_head)(const att_job *j, int64_t head, att_job *own)
{
    const att_plan *p = j->plan;
    REAL *room = cpu_gemm_memory(CPU_GEMM_HEAD, (size_t)p->head_reals * sizeof *room);
    if (!room)
        return false;
    *own = *j;
    own->alone = true;
    own->packed_k = own->to_pack_k = room;
    room += panels_of(p) * PANEL * p->width;
    if (j->g) {
        own->packed_v = own->to_pack_v = room;
        room += panels_of(p) * PANEL * p->values;
        NAME(gather)(p, 0, head, &own->g, &own->gs, &room);
        NAME(gather)(p, 1, head, &own->q, &own->qs, &room);
        NAME(gather)(p, 2, head, &own->k, &own->ks, &room);
        NAME(gather)(p, 3, head, &own->v, &own->vs, &room);
        NAME(gather)(p, 4, head, &own->y, &own->ys, &room);
        NAME(place)(p, 0, &own->dq, &own->dqs, &room);
        NAME(place)(p, 1, &own->dk, &own->dks, &room);
        NAME(place)(p, 2, &own->dv, &own->dvs, &room);
    } else {
        NAME(gather)(p, 0, head, &own->q, &own->qs, &room);
        NAME(gather)(p, 1, head, &own->k, &own->ks, &room);
        NAME(gather)(p, 2, head, &own->v, &own->vs, &room);
        NAME(place)(p, 0, &own->out, &own->ys, &room);
    }
    for (int64_t key = 0; key < p->sources; key += PANEL) {
        NAME(pack_panel)
        (p, own->k, own->ks, p->width, head, key, (REAL *)own->to_pack_k + key * p->width);
        if (j->g)
            NAME(pack_panel)
        (p, own->v, own->vs, p->values, head, key, (REAL *)own->to_pack_v + key * p->values);
    }
    own->sums = room;
    for (int64_t row = 0; j->g && row < p->targets; row++)
        room[row] = NAME(sum_of)(own, head, row);
    return true;
}

static void NAME(forward_heads)(void *context, int64_t begin, int64_t end)
{
    att_job *j = context;
    const int64_t blocks = blocks_of(j->plan);
    for (int64_t head = begin; head < end; head++) {
        att_job own;
        if (!NAME(own_head)(j, head, &own)) {
            __atomic_store_n(&j->failed, true, __ATOMIC_RELAXED);
            continue;
        }
        NAME(forward)(&own, head * blocks, (head + 1) * blocks);
        NAME(put)(j->plan, 0, head, j->out, own.out);
    }
}

/* ---- backward ---- */

static void NAME(sums)(void *context, int64_t begin, int64_t end)
{
    const att_job *j = context;
    const int64_t targets = j->plan->targets;
    for (int64_t i = begin; i < end; i++)
        ((REAL *)j->sums)[i] = NAME(sum_of)(j, i / targets, i % targets);
}

/* What rows and keys of one head have to do with one another:
 *   P = exp(scores - lse),  v' += Pᵀ g,  S = P ⊙ (g vᵀ - Σ g y) · scale,  k' += Sᵀ q,  q' += S k;
 * dropout multiplies the P of v' and g vᵀ. */
static void NAME(back_block)(const att_job *j, int64_t head, int64_t row, int64_t rows, int64_t key,
                             int64_t n)
{
    const att_plan *p = j->plan;
    _Alignas(64) REAL weights[ROWS * KEYS], slopes[ROWS * KEYS];
    const REAL *q = NAME(at)(j->q, j->qs, p, head, row), *g = NAME(at)(j->g, j->gs, p, head, row);
    NAME(times_packed)
    (j, q, j->qs->row, rows, j->packed_k, p->width, head, key, n, j->scale, weights);
    if (p->mask_kind || (p->causal && key + n > row + 1))
        NAME(hide)(j, head, row, rows, key, n, weights);
    NAME(times_packed)(j, g, j->gs->row, rows, j->packed_v, p->values, head, key, n, 1, slopes);
    for (int64_t r = 0; r < rows; r++) {
        const REAL lse = ((const REAL *)j->lse)[head * p->targets + row + r];
        const REAL sum = ((const REAL *)j->sums)[(j->alone ? 0 : head * p->targets) + row + r];
        const REAL scale = (REAL)j->scale;
        REAL *restrict w = weights + r * KEYS, *restrict s = slopes + r * KEYS;
        if (j->dropout > 0) {
            float keep[KEYS];
            draw_keep(j, head, row + r, key, n, keep);
            for (int64_t i = 0; i < n; i++) {
                w[i] = EXP(w[i] - lse);
                s[i] = w[i] * (s[i] * (REAL)keep[i] - sum) * scale;
                w[i] *= (REAL)keep[i];
            }
            continue;
        }
        NAME(weigh)(w, s, n, lse, sum, scale);
    }
    if (j->want_kv) {
        REAL *dv = (REAL *)(uintptr_t)NAME(at)(j->dv, j->dvs, p, head, key);
        REAL *dk = (REAL *)(uintptr_t)NAME(at)(j->dk, j->dks, p, head, key);
        NAME(add_product)(weights, true, n, rows, g, j->gs->row, p->values, dv, j->dvs->row, false);
        NAME(add_product)(slopes, true, n, rows, q, j->qs->row, p->width, dk, j->dks->row, false);
    }
    if (j->want_q) {
        REAL *dq = (REAL *)(uintptr_t)NAME(at)(j->dq, j->dqs, p, head, row);
        NAME(add_product)
        (slopes, false, rows, n, NAME(at)(j->k, j->ks, p, head, key), j->ks->row, p->width, dq,
         j->dqs->row, false);
    }
}

static void NAME(clear)(void *x, const att_strides *s, const att_plan *p, int64_t head, int64_t row,
                        int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++)
        memset((REAL *)(uintptr_t)NAME(at)(x, s, p, head, row + r), 0,
               (size_t)width * sizeof(REAL));
}

/* All rows for some keys of one head, or some rows for all keys. */
static void NAME(back_range)(const att_job *j, int64_t head, int64_t row0, int64_t row1,
                             int64_t key0, int64_t key1)
{
    const att_plan *p = j->plan;
    if (j->want_kv) {
        NAME(clear)(j->dk, j->dks, p, head, key0, key1 - key0, p->width);
        NAME(clear)(j->dv, j->dvs, p, head, key0, key1 - key0, p->values);
    }
    if (j->want_q)
        NAME(clear)(j->dq, j->dqs, p, head, row0, row1 - row0, p->width);
    for (int64_t row = row0; row < row1; row += p->rows) {
        int64_t rows = row1 - row < p->rows ? row1 - row : p->rows, last = keys_seen(p, row + rows);
        last = last < key1 ? last : key1;
        for (int64_t key = key0; key < last; key += KEYS)
            NAME(back_block)(j, head, row, rows, key, last - key < KEYS ? last - key : KEYS);
    }
}

static void NAME(back_heads)(void *context, int64_t begin, int64_t end)
{
    att_job *j = context;
    for (int64_t head = begin; head < end; head++) {
        att_job own;
        if (!NAME(own_head)(j, head, &own)) {
            __atomic_store_n(&j->failed, true, __ATOMIC_RELAXED);
            continue;
        }
        NAME(back_range)(&own, head, 0, j->plan->targets, 0, j->plan->sources);
        NAME(put)(j->plan, 0, head, j->dq, own.dq);
        NAME(put)(j->plan, 1, head, j->dk, own.dk);
        NAME(put)(j->plan, 2, head, j->dv, own.dv);
    }
}

static void NAME(chunks)(void *context, int64_t begin, int64_t end)
{
    const att_job *j = context;
    const att_plan *p = j->plan;
    const int64_t chunks = (p->sources + KEYS - 1) / KEYS;
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t key = piece % chunks * KEYS;
        NAME(back_range)
        (j, piece / chunks, 0, p->targets, key, p->sources - key < KEYS ? p->sources : key + KEYS);
    }
}

static void NAME(blocks)(void *context, int64_t begin, int64_t end)
{
    const att_job *j = context;
    const att_plan *p = j->plan;
    const int64_t blocks = blocks_of(p);
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t row = piece % blocks * p->rows;
        NAME(back_range)
        (j, piece / blocks, row, p->targets - row < p->rows ? p->targets : row + p->rows, 0,
         p->sources);
    }
}
