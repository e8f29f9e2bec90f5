/* Convolution straight from padded planes: two dimensions, f32, stride 1, few channels, where unfolding would cost more than
 * it helps. Checked by conv_general. Either the lanes of a vector are places of a plane, and a tile is a block of output
 * channels by some vectors; or they are output channels, and a tile is some places of a row. */
#include "conv_direct.h"
#include "transpose.h"

/* A tile's sums and what is multiplied fill the registers. */
#if defined __AVX512F__
enum { BLOCK = 6, WIDTH = 12 };
#else
enum { BLOCK = 6, WIDTH = 6 };
#endif

/* What the lanes of a vector are: output channels, or places of a plane, which run on over the ends of rows or begin anew with
 * each. It is chosen when a plan is made. */
typedef enum lanes_are { BY_CHANNEL, BY_PLANE, BY_ROW } lanes_are;

typedef struct job {
    const conv_data *d;
    const float *weights; /* pack_weights */
    plane in;
    int64_t inputs, outputs, blocks; /* channels; blocks of output channels */
    int64_t pad_y, pad_x, rows, columns, in_rows, in_columns, ky, kx;
    lanes_are lanes;
    int chunks;  /* vectors in a row, of BY_ROW */
    int vectors; /* in a plane, of places */
    const float *from;
    float *to;
    const float *bias;
    char *parts;
    size_t part_bytes;
} job;

/* ---- lanes are places ----------------------------------------------------------------------------------------------- */

enum { MOST_VECTORS = 8 };

/* Vectors of places side by side. Output place y · pitch + x reads input places y · pitch + x + ky · pitch + kx, of which those between
 * ky[0] and ky[1] aren't margins alone. to: where a vector is written, and how much of it: rows that begin anew are the output's. */
typedef struct places {
    int64_t at[MOST_VECTORS], to[MOST_VECTORS], ky[2];
    int lanes[MOST_VECTORS];
} places;

static int64_t between(int64_t low, int64_t x, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* `vectors` of them from n · vectors on. What they write beyond a row is overwritten by those of the next, or nobody's. */
CPU_INLINE places places_at(const job *j, int n, int vectors)
{
    int row = 0, first = 0, pitch = (int)j->in.pitch;
    places p;
#pragma GCC unroll 8
    for (int i = 0; i < vectors; i++) {
        int vector = n * vectors + i < j->vectors ? n * vectors + i : j->vectors - 1;
        if (j->lanes == BY_ROW) {
            int column = vector % j->chunks * LANES, left = (int)j->columns - column;
            row = vector / j->chunks;
            p.at[i] = row * pitch + column;
            p.to[i] = row * j->columns + column;
            p.lanes[i] = left < LANES ? left : LANES;
        } else {
            row = vector * LANES / pitch;
            p.at[i] = p.to[i] = vector * LANES;
            p.lanes[i] = LANES;
        }
        first = i ? first : row;
    }
    if (j->lanes == BY_PLANE)
        row = ((int)p.at[vectors - 1] + LANES - 1) / pitch;
    row = row < j->rows ? row : (int)j->rows - 1;
    p.ky[0] = between(0, j->pad_y - row, j->ky);
    p.ky[1] = between(0, j->pad_y + j->in_rows - first, j->ky);
    return p;
}

static void count_vectors(job *j)
{
    j->chunks = (int)((j->columns + LANES - 1) / LANES);
    j->vectors = j->lanes == BY_ROW
                     ? j->chunks * (int)j->rows
                     : (int)(((j->rows - 1) * j->in.pitch + j->columns + LANES - 1) / LANES);
}

/* Rows of taps that all pairs of vectors go through. */
static int64_t rows_of_taps(job *j, lanes_are lanes)
{
    int64_t sum = 0;
    j->lanes = lanes;
    count_vectors(j);
    for (int n = 0; 2 * n < j->vectors; n++) {
        places p = places_at(j, n, 2);
        sum += p.ky[1] - p.ky[0];
    }
    return sum;
}

static void store_place(float *to, vf x, int lanes)
{
    if (lanes == LANES)
        vf_store(to, x);
    else
        vf_store_part(to, x, lanes);
}

/* Sums over taps for tiles of channels x vectors, of which `count` channels are written to planes `size` apart, with their
 * biases. */
CPU_INLINE void by_places(int channels, int vectors, const job *j, const float *x, const float *w,
                          const float *bias, int count, float *y, int64_t size)
{
    const int64_t stride = j->blocks * BLOCK;
    for (int n = 0; n * vectors < j->vectors; n++) {
        const places p = places_at(j, n, vectors);
        vf sum[BLOCK * MOST_VECTORS];
#pragma GCC unroll 16
        for (int i = 0; i < channels * vectors; i++)
            sum[i] = (vf){0};
        const int64_t rows = p.ky[1] - p.ky[0], skipped = (j->ky - rows) * j->kx * stride;
        const float *from = x + p.ky[0] * j->in.pitch + p.at[0],
                    *tap = w + p.ky[0] * j->kx * stride;
        for (int64_t c = 0; c < j->inputs; c++, from += j->in.size, tap += skipped) {
            const float *row = from;
            for (int64_t ky = 0; ky < rows; ky++, row += j->in.pitch)
                for (int64_t kx = 0; kx < j->kx; kx++, tap += stride) {
                    vf a[MOST_VECTORS];
#pragma GCC unroll 8
                    for (int v = 0; v < vectors; v++)
                        a[v] = vf_load(row + (p.at[v] - p.at[0]) + kx);
#pragma GCC unroll 6
                    for (int o = 0; o < channels; o++)
#pragma GCC unroll 8
                        for (int v = 0; v < vectors; v++)
                            sum[o * vectors + v] += a[v] * tap[o];
                }
        }
#pragma GCC unroll 6
        for (int o = 0; o < channels; o++) {
            if (o >= count)
                break;
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                store_place(y + o * size + p.to[v], sum[o * vectors + v] + bias[o], p.lanes[v]);
        }
    }
}

/* Few channels go by more vectors: for one alone, a tile of BLOCK would do six times the work. In one function the tiles would
 * share its registers. */
#define PLACES(name, channels, vectors)                                                      \
    static __attribute__((noinline)) void name(const job *j, const float *x, const float *w, \
                                               const float *bias, int count, float *y,       \
                                               int64_t size)                                 \
    {                                                                                        \
        by_places(channels, vectors, j, x, w, bias, count, y, size);                         \
    }
PLACES(one_by_places, 1, 8)
PLACES(two_by_places, 2, 6)
PLACES(three_by_places, 3, 4)
PLACES(block_by_places, BLOCK, 2)
#undef PLACES

static void by_places_of(const job *j, const float *x, const float *w, const float *bias, int count,
                         float *y, int64_t size)
{
    switch (count) {
    case 1: one_by_places(j, x, w, bias, count, y, size); return;
    case 2: two_by_places(j, x, w, bias, count, y, size); return;
    case 3: three_by_places(j, x, w, bias, count, y, size); return;
    default: block_by_places(j, x, w, bias, count, y, size); return;
    }
}

/* A plane without its margins. */
static void take_plane(const job *j, const float *y, float *out)
{
    const int64_t whole = j->columns / LANES * LANES;
    const int rest = (int)(j->columns - whole);
    for (int64_t r = 0; r < j->rows; r++, out += j->columns, y += j->in.pitch) {
        for (int64_t k = 0; k < whole; k += LANES)
            vf_store(out + k, vf_load(y + k));
        if (rest)
            vf_store_part(out + whole, vf_load(y + whole), rest);
    }
}

static int64_t room_of_plane(const job *j)
{
    return j->rows * j->in.pitch + 4 * LANES;
}

static void planes_by_places(const job *j, const float *x, float *y, float *to)
{
    const int64_t y_size = room_of_plane(j), size = j->rows * j->columns;
    for (int64_t block = 0; block < j->blocks; block++, to += BLOCK * size) {
        const int64_t first = block * BLOCK, left = j->outputs - first;
        const int count = left < BLOCK ? (int)left : BLOCK;
        float bias[BLOCK] = {0};
        for (int o = 0; j->bias && o < count; o++)
            bias[o] = j->bias[first + o];
        if (j->lanes == BY_ROW) {
            by_places_of(j, x, j->weights + first, bias, count, to, size);
            continue;
        }
        by_places_of(j, x, j->weights + first, bias, count, y, y_size);
        for (int o = 0; o < count; o++)
            take_plane(j, y + o * y_size, to + o * size);
    }
}

/* ---- lanes are output channels -------------------------------------------------------------------------------------- */

/* `width` places of `rows` rows, from x on, to y, where a place has all lanes. With constants the sums stay in registers, and with
 * the taps of a row, too (kx; else 0), what is read of x serves all of them. */
CPU_INLINE void by_channels(int rows, int width, int kx, const job *j, const float *x,
                            const float *w, vf bias, float *y)
{
    vf sum[2][WIDTH];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 14
        for (int p = 0; p < width; p++)
            sum[r][p] = bias;
    for (int64_t c = 0; c < j->inputs; c++)
        for (int64_t ky = 0; ky < j->ky; ky++) {
            const float *at[2] = {x + c * j->in.size + ky * j->in.pitch};
            at[1] = at[0] + j->in.pitch;
            if (kx) {
                vf tap[MOST_TAPS];
#pragma GCC unroll 5
                for (int t = 0; t < kx; t++, w += LANES)
                    tap[t] = vf_load(w);
#pragma GCC unroll 18
                for (int q = 0; q < width + kx - 1; q++)
#pragma GCC unroll 2
                    for (int r = 0; r < rows; r++) {
                        const vf here = vf_all(at[r][q]);
#pragma GCC unroll 5
                        for (int t = 0; t < kx; t++)
                            if (q - t >= 0 && q - t < width)
                                sum[r][q - t] += tap[t] * here;
                    }
                continue;
            }
            for (int64_t t = 0; t < j->kx; t++, w += LANES) {
                vf tap = vf_load(w);
#pragma GCC unroll 2
                for (int r = 0; r < rows; r++) {
                    const float *row = at[r] + t;
                    KEEP_LOADS(row);
#pragma GCC unroll 14
                    for (int p = 0; p < width; p++)
                        sum[r][p] += tap * row[p];
                }
            }
        }
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 14
        for (int p = 0; p < width; p++)
            vf_store(y + (r * j->columns + p) * LANES, sum[r][p]);
}

#define TILE(n, kx)                                          \
    case n: by_channels(1, n, kx, j, x, w, bias, y); return; \
    case 16 + n:                                             \
        by_channels(2, n, kx, j, x, w, bias, y);             \
        return;
#if defined __AVX512F__
#define MORE_TILES(kx) TILE(7, kx) TILE(8, kx) TILE(9, kx) TILE(10, kx) TILE(11, kx) TILE(12, kx)
#else
#define MORE_TILES(kx)
#endif
#define CHANNELS(name, kx)                                                                         \
    static void name(int rows, int width, const job *j, const float *x, const float *w, vf bias,   \
                     float *y)                                                                     \
    {                                                                                              \
        switch (rows * 16 - 16 + width) {                                                          \
            TILE(1, kx) TILE(2, kx) TILE(3, kx) TILE(4, kx) TILE(5, kx) TILE(6, kx) MORE_TILES(kx) \
        }                                                                                          \
    }
CHANNELS(by_channels_of_3, 3)
CHANNELS(by_channels_of_5, 5)
CHANNELS(by_channels_of_any, 0)
#undef CHANNELS
#undef MORE_TILES
#undef TILE

static void by_channels_of(int rows, int width, const job *j, const float *x, const float *w,
                           vf bias, float *y)
{
    switch (j->kx) {
    case 3: by_channels_of_3(rows, width, j, x, w, bias, y); return;
    case 5: by_channels_of_5(rows, width, j, x, w, bias, y); return;
    default: by_channels_of_any(rows, width, j, x, w, bias, y);
    }
}

/* Rows are cut into tiles as equal as they can be; y has a plane's places, of all lanes. */
static void planes_by_channels(const job *j, const float *x, float *y, float *to)
{
    const int64_t size = j->rows * j->columns, tiles = (j->columns + WIDTH - 1) / WIDTH;
    const int64_t weights = j->inputs * j->ky * j->kx * LANES;
    for (int64_t block = 0; block < j->blocks; block++) {
        const int64_t first = block * LANES, left = j->outputs - first;
        const int64_t lanes = left < LANES ? left : LANES;
        vf bias = j->bias ? vf_load_part(j->bias + first, (int)lanes) : (vf){0};
        for (int64_t r = 0; r < j->rows; r += 2)
            for (int64_t t = 0; t < tiles; t++) {
                int64_t from = t * j->columns / tiles, end = (t + 1) * j->columns / tiles;
                by_channels_of(r + 1 < j->rows ? 2 : 1, (int)(end - from), j,
                               x + r * j->in.pitch + from, j->weights + block * weights, bias,
                               y + (r * j->columns + from) * LANES);
            }
        CPU_TRANSPOSE(lanes, size, y, LANES, to + first * size, size);
    }
}

/* ---- a batch -------------------------------------------------------------------------------------------------------- */

static void correlate_parts(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const conv_shape *s = j->d->shape;
    const int64_t in_size = j->in_rows * j->in_columns, size = j->outputs * j->rows * j->columns;
    const bool padded = j->lanes != BY_CHANNEL || j->pad_y || j->pad_x;
    for (int64_t part = begin; part < end; part++) {
        float *x = (float *)(void *)(j->parts + (size_t)part * j->part_bytes),
              *y = x + j->in.channels * j->in.size;
        int64_t first = first_image(s, part), last = first_image(s, part + 1);
        if (first < last && padded)
            memset(x, 0, (size_t)(j->in.channels * j->in.size) * sizeof *x);
        for (int64_t i = first; i < last; i++) {
            const float *from = j->from + i * j->inputs * in_size;
            if (padded)
                pad_planes(from, x, j->inputs, j->in_rows, j->in_columns, &j->in, j->pad_y,
                           j->pad_x);
            if (j->lanes == BY_CHANNEL)
                planes_by_channels(j, padded ? x : from, y, j->to + i * size);
            else
                planes_by_places(j, x, y, j->to + i * size);
            conv_tell(j->d, i * size, size);
        }
    }
}

/* By the multiplications that come of it, with tiles as by_places_of takes them; rows that begin anew are not copied once more,
 * a tenth of them. */
static lanes_are choose_lanes(job *j)
{
    int64_t channels = (j->outputs + LANES - 1) / LANES * j->rows * j->columns * j->ky;
    const int64_t rest = j->outputs % BLOCK;
    int64_t blocks = (j->outputs - rest + (rest > 3 ? BLOCK : rest)) * 2;
    int64_t on = rows_of_taps(j, BY_PLANE), anew = rows_of_taps(j, BY_ROW);
    lanes_are best = anew * 10 <= on * 11 ? BY_ROW : BY_PLANE;
    return channels < blocks * (best == BY_ROW ? anew : on) ? BY_CHANNEL : best;
}

static void lay_planes(job *j, const conv_shape *s)
{
    j->ky = s->k[1];
    j->kx = s->k[2];
    j->in = plane_of(j->inputs, j->in_rows, j->in_columns, j->pad_y, j->pad_x);
}

/* Sizes that follow from the lanes; returns the bytes of scratch. */
static size_t lay_out(job *j, const conv_shape *s, lanes_are lanes, size_t *weights)
{
    const int64_t wide = lanes == BY_CHANNEL ? LANES : BLOCK;
    lay_planes(j, s);
    j->lanes = lanes;
    j->blocks = (j->outputs + wide - 1) / wide;
    count_vectors(j);
    if (lanes == BY_CHANNEL && !j->pad_y && !j->pad_x)
        j->in.size = j->in_rows * j->in_columns;
    int64_t room = lanes == BY_CHANNEL ? j->rows * j->columns * LANES
                   : lanes == BY_PLANE ? BLOCK * room_of_plane(j)
                                       : 0;
    *weights = (size_t)(j->inputs * s->taps * j->blocks * wide) * sizeof(float) + 64;
    j->part_bytes = (size_t)(j->inputs * j->in.size + room) * sizeof(float) / 64 * 64 + 128;
    return *weights + PARTS * j->part_bytes + 256;
}

/* [taps of all input channels][output channels, padded to whole blocks]; by channel, a block's taps lie together. */
static void pack_weights(const job *j, const float *w, bool turned, float *to)
{
    const bool apart = j->lanes == BY_CHANNEL;
    const int64_t lanes = apart ? LANES : j->blocks * BLOCK, taps = j->ky * j->kx;
    const int64_t terms = j->inputs * taps, block = terms * lanes;
    memset(to, 0, (size_t)(apart ? j->blocks * block : block) * sizeof *to);
    if (!turned) {
        for (int64_t o = 0; o < j->outputs; o += lanes, to += block)
            CPU_TRANSPOSE(terms, j->outputs - o < lanes ? j->outputs - o : lanes, w + o * terms,
                          terms, to, lanes);
        return;
    }
    for (int64_t i = 0; i < j->inputs; i++)
        for (int64_t o = 0; o < j->outputs; o++, w += taps)
            for (int64_t t = 0; t < taps; t++)
                to[o / lanes * block + (i * taps + taps - 1 - t) * lanes + o % lanes] = w[t];
}

static bool run_correlation(job *j, const conv_data *d, bool turned)
{
    const conv_shape *s = d->shape;
    size_t bytes;
    lay_out(j, s, (lanes_are)d->choice, &bytes);
    float *weights = (float *)(void *)aligned(d->scratch);
    pack_weights(j, d->w, turned, weights);
    j->d = d;
    j->weights = weights;
    j->bias = d->bias;
    j->parts = aligned(d->scratch + bytes);
    double cost = (double)s->n / PARTS * (double)(s->ic * s->oc * s->taps * s->out_size) * 0.02;
    cpu_parallel(PARTS, 1, cost, correlate_parts, j);
    return true;
}

/* ---- forward and the gradient of x: correlations with the weights as they are, and turned -------------------------- */

static job forward_job(const conv_shape *s)
{
    job j = {.inputs = s->ic, .outputs = s->oc, .pad_y = s->pad[1], .pad_x = s->pad[2]};
    j.rows = s->out[1], j.columns = s->out[2], j.in_rows = s->in[1], j.in_columns = s->in[2];
    return j;
}

static job backward_job(const conv_shape *s)
{
    job j = {.inputs = s->oc,
             .outputs = s->ic,
             .pad_y = s->k[1] - 1 - s->pad[1],
             .pad_x = s->k[2] - 1 - s->pad[2]};
    j.rows = s->in[1], j.columns = s->in[2], j.in_rows = s->out[1], j.in_columns = s->out[2];
    return j;
}

static bool takes(job j, const conv_shape *s, size_t *scratch, int *choice)
{
    size_t weights;
    if (!is_small(s))
        return false;
    lay_planes(&j, s);
    *choice = choose_lanes(&j);
    *scratch = lay_out(&j, s, (lanes_are)*choice, &weights);
    return true;
}

static bool takes_forward(const conv_shape *s, size_t *scratch, int *choice)
{
    return takes(forward_job(s), s, scratch, choice);
}

static bool takes_backward_data(const conv_shape *s, size_t *scratch, int *choice)
{
    return takes(backward_job(s), s, scratch, choice);
}

static bool forward(const conv_data *d)
{
    job j = forward_job(d->shape);
    j.from = d->x;
    j.to = d->y;
    return run_correlation(&j, d, false);
}

static bool backward_data(const conv_data *d)
{
    job j = backward_job(d->shape);
    j.from = d->y;
    j.to = d->x;
    return run_correlation(&j, d, true);
}

const conv_way CPU_NAME(conv_direct_f32) = {
    takes_forward, takes_backward_data, CPU_NAME(conv_direct_takes_weight),
    forward,       backward_data,       CPU_NAME(conv_direct_weight)};
