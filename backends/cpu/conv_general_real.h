/* The general convolution for one type; conv_general.c includes it for f32 and f64 with REAL, GEMM, GEMM_ARGS and NAME.
 *
 * With col[(c, tap)][place] = x[c][place · stride - pad + tap · dil], 0 outside (a block of places at a time):
 *   y = w col + bias,   col' = wᵀ y' folded back onto x',   w' = Σ y' colᵀ. */

typedef struct NAME(job) {
    const conv_data *data;
    int64_t slots, lines; /* output lines that are unfolded at once */
    bool failed;
} NAME(job);

/* The taps' lines: rows (c, kz, ky, kx) of col over output lines [first, last), folded back if `fold`. */
static void NAME(unfold)(const conv_shape *s, REAL *x, int64_t first, int64_t last, REAL *col,
                         bool fold)
{
    int64_t width = s->out[2], row_size = (last - first) * width;
    for (int64_t c = 0; c < s->ic; c++)
        for (int64_t tap = 0; tap < s->taps; tap++) {
            int64_t kz = tap / (s->k[1] * s->k[2]), ky = tap / s->k[2] % s->k[1],
                    kx = tap % s->k[2];
            REAL *row = col + (c * s->taps + tap) * row_size;
            /* x places [from, to) of a line lie inside */
            int64_t shift = kx * s->dil[2] - s->pad[2], step = s->stride[2];
            int64_t from = shift >= 0 ? 0 : (-shift + step - 1) / step;
            int64_t to = s->in[2] - shift <= 0 ? 0 : (s->in[2] - shift + step - 1) / step;
            from = from < width ? from : width;
            to = to < width ? to : width;
            to = to > from ? to : from;
            for (int64_t line = first; line < last; line++, row += width) {
                int64_t z = line / s->out[1] * s->stride[0] - s->pad[0] + kz * s->dil[0];
                int64_t y = line % s->out[1] * s->stride[1] - s->pad[1] + ky * s->dil[1];
                if (z < 0 || z >= s->in[0] || y < 0 || y >= s->in[1]) {
                    if (!fold)
                        memset(row, 0, (size_t)width * sizeof *row);
                    continue;
                }
                REAL *plane = x + (c * s->in[0] + z) * s->in[1] * s->in[2] + y * s->in[2];
                if (fold) {
                    for (int64_t i = from; i < to; i++)
                        plane[i * step + shift] += row[i];
                    continue;
                }
                for (int64_t i = 0; i < from; i++)
                    row[i] = 0;
                if (step == 1)
                    memcpy(row + from, plane + from + shift, (size_t)(to - from) * sizeof *row);
                else
                    for (int64_t i = from; i < to; i++)
                        row[i] = plane[i * step + shift];
                for (int64_t i = to; i < width; i++)
                    row[i] = 0;
            }
        }
}

static int64_t NAME(col_lines)(const conv_shape *s)
{
    int64_t lines = COL_ELEMENTS / (s->ic * s->taps * s->out[2] + 1);
    int64_t least = s->out[2] > 0 ? (LEAST_PLACES + s->out[2] - 1) / s->out[2] : 1;
    /* But so that there is scratch for all slots. */
    int64_t most =
        MOST_SCRATCH / MOST_SLOTS / (int64_t)sizeof(REAL) / (s->ic * s->taps * s->out[2] + 1);
    least = least < most ? least : most;
    int64_t all = s->out[0] * s->out[1];
    lines = lines < least ? least : lines;
    lines = lines < 1 ? 1 : lines;
    return lines > all ? all : lines;
}

/* Scratch: one block of col for each slot, and for each slot but the first a gradient of w. */
static size_t NAME(slot_bytes)(const conv_shape *s, bool weights)
{
    int64_t elements = s->ic * s->taps * s->out[2] * NAME(col_lines)(s);
    if (weights)
        elements += s->groups * s->oc * s->ic * s->taps;
    return ((size_t)elements * sizeof(REAL) + 63) & ~(size_t)63;
}

/* A fixed number, so that sums over images do not depend on the threads of a run. */
static int64_t NAME(slots)(const conv_shape *s, bool weights)
{
    size_t bytes = NAME(slot_bytes)(s, weights);
    int64_t most = (int64_t)(MOST_SCRATCH / (bytes + 1));
    most = most > MOST_SLOTS ? MOST_SLOTS : most < 1 ? 1 : most;
    return s->n < most ? (s->n < 1 ? 1 : s->n) : most;
}

static bool NAME(takes_data)(const conv_shape *s, size_t *scratch, int *choice)
{
    *scratch = (size_t)NAME(slots)(s, false) * NAME(slot_bytes)(s, false);
    return true;
}

static bool NAME(takes_weight)(const conv_shape *s, size_t *scratch, int *choice)
{
    *scratch =
        NAME(slot_bytes)(s, false) + (size_t)(NAME(slots)(s, true) - 1) * NAME(slot_bytes)(s, true);
    return true;
}

/* Where slot's gradient of w begins, and its col behind that; the first slot has col alone. */
static REAL *NAME(weight_slot)(const conv_data *d, int64_t slot)
{
    size_t first = NAME(slot_bytes)(d->shape, false);
    return (REAL *)(d->scratch +
                    (slot ? first + (size_t)(slot - 1) * NAME(slot_bytes)(d->shape, true) : 0));
}

static void NAME(forward_slots)(void *context, int64_t begin, int64_t end)
{
    NAME(job) *job = context;
    const conv_data *d = job->data;
    const conv_shape *s = d->shape;
    int64_t k = s->ic * s->taps, all = s->out[0] * s->out[1];
    for (int64_t slot = begin; slot < end; slot++) {
        REAL *col = (REAL *)(d->scratch + (size_t)slot * NAME(slot_bytes)(s, false));
        for (int64_t i = slot; i < s->n; i += job->slots)
            for (int64_t g = 0; g < s->groups; g++) {
                for (int64_t line = 0; line < all; line += job->lines) {
                    int64_t last = line + job->lines < all ? line + job->lines : all;
                    REAL *x = (REAL *)d->x + (i * s->groups + g) * s->ic * s->in_size;
                    NAME(unfold)(s, x, line, last, col, false);
                    GEMM_ARGS args = {
                        .m = s->oc, .n = (last - line) * s->out[2], .k = k, .alpha = 1};
                    args.a = (const REAL *)d->w + g * s->oc * k;
                    args.a_row = k;
                    args.b = col;
                    args.b_row = args.n;
                    args.a_col = args.b_col = args.s_row = 1;
                    args.c =
                        (REAL *)d->y + (i * s->groups + g) * s->oc * s->out_size + line * s->out[2];
                    args.c_row = s->out_size;
                    if (d->bias) {
                        args.s = (const REAL *)d->bias + g * s->oc;
                        args.beta = 1;
                    }
                    if (!GEMM(&args))
                        __atomic_store_n(&job->failed, true, __ATOMIC_RELAXED);
                }
                conv_tell(d, (i * s->groups + g) * s->oc * s->out_size, s->oc * s->out_size);
            }
    }
}

static void NAME(data_slots)(void *context, int64_t begin, int64_t end)
{
    NAME(job) *job = context;
    const conv_data *d = job->data;
    const conv_shape *s = d->shape;
    int64_t k = s->ic * s->taps, all = s->out[0] * s->out[1];
    for (int64_t slot = begin; slot < end; slot++) {
        REAL *col = (REAL *)(d->scratch + (size_t)slot * NAME(slot_bytes)(s, false));
        for (int64_t i = slot; i < s->n; i += job->slots)
            for (int64_t g = 0; g < s->groups; g++) {
                REAL *x = (REAL *)d->x + (i * s->groups + g) * s->ic * s->in_size;
                for (int64_t c = 0; c < s->ic; c++)
                    for (int64_t j = 0; j < s->in_size; j++)
                        x[c * s->in_size + j] =
                            d->bias ? ((const REAL *)d->bias)[g * s->ic + c] : 0;
                for (int64_t line = 0; line < all; line += job->lines) {
                    int64_t last = line + job->lines < all ? line + job->lines : all;
                    GEMM_ARGS args = {
                        .m = k, .n = (last - line) * s->out[2], .k = s->oc, .alpha = 1};
                    args.a = (const REAL *)d->w + g * s->oc * k;
                    args.a_row = 1;
                    args.a_col = k;
                    args.b = (const REAL *)d->y + (i * s->groups + g) * s->oc * s->out_size +
                             line * s->out[2];
                    args.b_row = s->out_size;
                    args.b_col = 1;
                    args.c = col;
                    args.c_row = args.n;
                    if (!GEMM(&args))
                        __atomic_store_n(&job->failed, true, __ATOMIC_RELAXED);
                    NAME(unfold)(s, x, line, last, col, true);
                }
            }
    }
}

static void NAME(weight_slots)(void *context, int64_t begin, int64_t end)
{
    NAME(job) *job = context;
    const conv_data *d = job->data;
    const conv_shape *s = d->shape;
    int64_t k = s->ic * s->taps, all = s->out[0] * s->out[1];
    for (int64_t slot = begin; slot < end; slot++) {
        REAL *own = NAME(weight_slot)(d, slot), *col = slot ? own + s->groups * s->oc * k : own;
        REAL *w = slot ? own : d->w;
        memset(w, 0, (size_t)(s->groups * s->oc * k) * sizeof *w);
        for (int64_t i = slot; i < s->n; i += job->slots)
            for (int64_t g = 0; g < s->groups; g++)
                for (int64_t line = 0; line < all; line += job->lines) {
                    int64_t last = line + job->lines < all ? line + job->lines : all;
                    REAL *x = (REAL *)d->x + (i * s->groups + g) * s->ic * s->in_size;
                    NAME(unfold)(s, x, line, last, col, false);
                    GEMM_ARGS args = {
                        .m = s->oc, .n = k, .k = (last - line) * s->out[2], .alpha = 1, .beta = 1};
                    args.a = (const REAL *)d->y + (i * s->groups + g) * s->oc * s->out_size +
                             line * s->out[2];
                    args.a_row = s->out_size;
                    args.b = col;
                    args.b_col = args.k;
                    args.a_col = args.b_row = args.s_col = 1;
                    args.c = w + g * s->oc * k;
                    args.s = args.c;
                    args.c_row = args.s_row = k;
                    if (!GEMM(&args))
                        __atomic_store_n(&job->failed, true, __ATOMIC_RELAXED);
                }
    }
}

static bool NAME(run)(const conv_data *d, bool weights, void (*slots)(void *, int64_t, int64_t))
{
    const conv_shape *s = d->shape;
    NAME(job) job = {.data = d, .slots = NAME(slots)(s, weights), .lines = NAME(col_lines)(s)};
    double work = (double)(s->groups * s->oc * s->ic * s->taps) * (double)s->out_size;
    if (job.slots == 1)
        slots(&job, 0, 1);
    else
        cpu_parallel(job.slots, 1, work * 0.05 * (double)(s->n / job.slots + 1), slots, &job);
    return !job.failed;
}

static bool NAME(forward)(const conv_data *d)
{
    return NAME(run)(d, false, NAME(forward_slots));
}

static bool NAME(backward_data)(const conv_data *d)
{
    return NAME(run)(d, false, NAME(data_slots));
}

static bool NAME(backward_weight)(const conv_data *d)
{
    const conv_shape *s = d->shape;
    if (!NAME(run)(d, true, NAME(weight_slots)))
        return false;
    int64_t count = s->groups * s->oc * s->ic * s->taps, slots = NAME(slots)(s, true);
    REAL *w = d->w;
    for (int64_t slot = 1; slot < slots; slot++) {
        const REAL *own = NAME(weight_slot)(d, slot);
        for (int64_t i = 0; i < count; i++)
            w[i] += own[i];
    }
    return true;
}
