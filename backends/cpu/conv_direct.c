/* Convolution straight from padded planes: two dimensions, f32, stride 1, few channels, where unfolding would cost more than
 * it helps. A plane is taken as one long row: padded to the pitch p, output place y·p + x reads input places y·p + x +
 * ky·p + kx, so vectors run over whole planes, and what they write in the margin is thrown away. Checked by conv_general. */
#include "conv.h"
#include "simd.h"

#include <string.h>

enum { PARTS = 16, LANES = VF_LANES, BLOCK = 6, SLACK = 64 };

typedef vf_loose vec;

typedef struct plane {
    int64_t channels, height, pitch,
        size; /* padded; size of one, with slack for vectors that run over */
} plane;

typedef struct job {
    const conv_data *d;
    const float *weights; /* [taps of all input channels][output channels, padded to BLOCK] */
    plane in;
    int64_t inputs, outputs, blocks; /* channels; blocks of BLOCK outputs */
    int64_t pad_y, pad_x, rows, columns, in_rows, in_columns, ky, kx;
    const float *from;
    float *to;
    const float *bias;
    char *parts;
    size_t part_bytes;
} job;

/* ---- the product: sums over taps for BLOCK output channels and two vectors of places -------------------------------- */

static void product(const job *j, const float *x, const float *w, int64_t places, float *y,
                    int64_t y_size)
{
    int64_t stride = j->blocks * BLOCK;
    for (int64_t at = 0; at < places; at += 2 * LANES) {
        vec sum[BLOCK][2] = {{{0}}};
        const float *tap = w;
        for (int64_t c = 0; c < j->inputs; c++) {
            for (int64_t ky = 0; ky < j->ky; ky++) {
                const float *row = x + c * j->in.size + ky * j->in.pitch + at;
                for (int64_t kx = 0; kx < j->kx; kx++, tap += stride) {
                    vec a = *(const vec *)(const void *)(row + kx),
                        b = *(const vec *)(const void *)(row + kx + LANES);
#pragma GCC unroll 6
                    for (int o = 0; o < BLOCK; o++) {
                        sum[o][0] += a * tap[o];
                        sum[o][1] += b * tap[o];
                    }
                }
            }
        }
#pragma GCC unroll 6
        for (int o = 0; o < BLOCK; o++) {
            *(vec *)(void *)(y + o * y_size + at) = sum[o][0];
            *(vec *)(void *)(y + o * y_size + at + LANES) = sum[o][1];
        }
    }
}

/* Copies an image's planes into the padded form; margins must be zero already. */
static void pad_planes(const float *from, float *to, int64_t channels, int64_t rows,
                       int64_t columns, const plane *p, int64_t pad_y, int64_t pad_x)
{
    const int rest = (int)(columns % VF_LANES);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < rows; y++, from += columns) { /* rows too short for memcpy's call */
            float *row = to + c * p->size + (y + pad_y) * p->pitch + pad_x;
            for (int64_t i = 0; i < columns - rest; i += VF_LANES)
                vf_store(row + i, vf_load(from + i));
            if (rest)
                vf_store_part(row + columns - rest, vf_load_part(from + columns - rest, rest),
                              rest);
        }
}

static void correlate_parts(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    int64_t n = j->d->shape->n, places = (j->rows - 1) * j->in.pitch + j->columns;
    int64_t y_size = (places + 2 * LANES) / (2 * LANES) * (2 * LANES);
    for (int64_t part = begin; part < end; part++) {
        float *x = (float *)(void *)(j->parts + (size_t)part * j->part_bytes),
              *y = x + j->in.channels * j->in.size;
        int64_t first = part * n / PARTS, last = (part + 1) * n / PARTS;
        if (first < last)
            memset(x, 0, (size_t)(j->in.channels * j->in.size) * sizeof *x);
        for (int64_t i = first; i < last; i++) {
            pad_planes(j->from + i * j->inputs * j->in_rows * j->in_columns, x, j->inputs,
                       j->in_rows, j->in_columns, &j->in, j->pad_y, j->pad_x);
            for (int64_t block = 0; block < j->blocks; block++) {
                product(j, x, j->weights + block * BLOCK, places, y, y_size);
                for (int64_t o = 0; o < BLOCK && block * BLOCK + o < j->outputs; o++) {
                    int64_t c = block * BLOCK + o;
                    float bias = j->bias ? j->bias[c] : 0;
                    float *out = j->to + (i * j->outputs + c) * j->rows * j->columns;
                    for (int64_t r = 0; r < j->rows; r++)
                        for (int64_t k = 0; k < j->columns; k++)
                            out[r * j->columns + k] = y[o * y_size + r * j->in.pitch + k] + bias;
                }
            }
            int64_t size = j->outputs * j->rows * j->columns;
            conv_tell(j->d, i * size, size);
        }
    }
}

static int64_t round_up(int64_t value, int64_t to)
{
    return (value + to - 1) / to * to;
}

static plane plane_of(int64_t channels, int64_t rows, int64_t columns, int64_t pad_y, int64_t pad_x)
{
    plane p = {channels, rows + 2 * pad_y, columns + 2 * pad_x, 0};
    p.size = round_up(p.height * p.pitch + SLACK, LANES);
    return p;
}

/* Scratch for a correlation of `inputs` planes into `outputs`. */
static size_t correlate_scratch(const plane *in, int64_t inputs, int64_t outputs, int64_t taps,
                                int64_t places, size_t *part, size_t *weights)
{
    *weights = (size_t)(inputs * taps * round_up(outputs, BLOCK)) * sizeof(float) + 64;
    *part =
        (size_t)(inputs * in->size + BLOCK * (places + 4 * LANES)) * sizeof(float) / 64 * 64 + 128;
    return *weights + PARTS * *part;
}

static bool is_small(const conv_shape *s)
{
    return s->groups == 1 && s->in[0] == 1 && s->out[0] == 1 && s->k[0] == 1 && s->stride[1] == 1 &&
           s->stride[2] == 1 && s->dil[1] == 1 && s->dil[2] == 1 && s->pad[1] < s->k[1] &&
           s->pad[2] < s->k[2] && s->ic <= 32 && s->oc <= 32 && s->in_size <= 4096 &&
           s->taps <= 49 && s->taps > 1 && s->out_size > 0 && s->n > 0;
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

static size_t lay_out(job *j, const conv_shape *s, size_t *weights)
{
    j->ky = s->k[1];
    j->kx = s->k[2];
    j->in = plane_of(j->inputs, j->in_rows, j->in_columns, j->pad_y, j->pad_x);
    j->blocks = round_up(j->outputs, BLOCK) / BLOCK;
    return correlate_scratch(&j->in, j->inputs, j->outputs, s->taps, j->rows * j->in.pitch,
                             &j->part_bytes, weights);
}

static char *aligned(char *p)
{
    return (char *)(((uintptr_t)p + 63) / 64 * 64);
}

static bool run_correlation(job *j, const conv_data *d, bool turned)
{
    const conv_shape *s = d->shape;
    size_t bytes;
    lay_out(j, s, &bytes);
    float *weights = (float *)(void *)aligned(d->scratch);
    const float *w = d->w;
    int64_t wide = j->blocks * BLOCK, taps = s->taps;
    memset(weights, 0, (size_t)(j->inputs * taps * wide) * sizeof *weights);
    for (int64_t o = 0; o < s->oc; o++)
        for (int64_t i = 0; i < s->ic; i++)
            for (int64_t t = 0; t < taps; t++) {
                float value = w[(o * s->ic + i) * taps + t];
                if (turned)
                    weights[(o * taps + taps - 1 - t) * wide + i] = value;
                else
                    weights[(i * taps + t) * wide + o] = value;
            }
    j->d = d;
    j->weights = weights;
    j->bias = d->bias;
    j->parts = aligned(d->scratch + bytes);
    double cost = (double)s->n / PARTS * (double)(s->ic * s->oc * taps * s->out_size) * 0.02;
    cpu_parallel(PARTS, 1, cost, correlate_parts, j);
    return true;
}

static bool takes_forward(const conv_shape *s, size_t *scratch)
{
    size_t weights;
    job j = forward_job(s);
    *scratch = is_small(s) ? lay_out(&j, s, &weights) + 256 : 0;
    return is_small(s);
}

static bool forward(const conv_data *d)
{
    job j = forward_job(d->shape);
    j.from = d->x;
    j.to = d->y;
    return run_correlation(&j, d, false);
}

static bool takes_backward_data(const conv_shape *s, size_t *scratch)
{
    size_t weights;
    job j = backward_job(s);
    *scratch = is_small(s) ? lay_out(&j, s, &weights) + 256 : 0;
    return is_small(s);
}

static bool backward_data(const conv_data *d)
{
    job j = backward_job(d->shape);
    j.from = d->y;
    j.to = d->x;
    return run_correlation(&j, d, true);
}

/* ---- the gradient of w: for each tap the inner product of y's plane and x's, shifted -------------------------------- */

/* A tile of output channels by neighbouring taps; its sums have to fit the registers. */
#if defined __AVX512F__
enum { OUTS = 4, TAPS = 5 };
#else
enum { OUTS = 2, TAPS = 5 };
#endif

/* The planes of some images that are added up together. */
typedef struct group {
    int64_t images, g_image, x_image; /* how many; from one's planes to the next's */
    int64_t g_size, places;           /* from a channel's plane to the next's; of a plane */
} group;

/* outs channels of g by taps places of x, over whole planes. With constant outs and taps the sums stay in registers. */
CPU_INLINE void inner(const group *p, const float *g, int outs, const float *x, int taps,
                      float *sums, int64_t out_stride)
{
    vec sum[OUTS][TAPS] = {{{0}}};
    for (int64_t i = 0; i < p->images; i++, g += p->g_image, x += p->x_image)
        for (int64_t at = 0; at < p->places; at += LANES) {
            vec a[OUTS];
#pragma GCC unroll 4
            for (int o = 0; o < outs; o++)
                a[o] = *(const vec *)(const void *)(g + o * p->g_size + at);
#pragma GCC unroll 5
            for (int t = 0; t < taps; t++) {
                vec b = *(const vec *)(const void *)(x + t + at);
#pragma GCC unroll 4
                for (int o = 0; o < outs; o++)
                    sum[o][t] += a[o] * b;
            }
        }
#pragma GCC unroll 4
    for (int o = 0; o < outs; o++)
#pragma GCC unroll 5
        for (int t = 0; t < taps; t++)
            sums[o * out_stride + t] += vf_sum(sum[o][t]);
}

typedef void inner_tile(const group *p, const float *g, const float *x, float *sums,
                        int64_t out_stride);

#define TILE(outs, taps)                                                                           \
    static void inner_##outs##_##taps(const group *p, const float *g, const float *x, float *sums, \
                                      int64_t out_stride)                                          \
    {                                                                                              \
        inner(p, g, outs, x, taps, sums, out_stride);                                              \
    }
#define TILES(outs) TILE(outs, 1) TILE(outs, 2) TILE(outs, 3) TILE(outs, 4) TILE(outs, 5)
#define ROW(outs)                                                                                \
    {                                                                                            \
        inner_##outs##_1, inner_##outs##_2, inner_##outs##_3, inner_##outs##_4, inner_##outs##_5 \
    }
TILES(1)
TILES(2)
#if defined __AVX512F__
TILES(3)
TILES(4)
static inner_tile *const tiles[OUTS][TAPS] = {ROW(1), ROW(2), ROW(3), ROW(4)};
#else
static inner_tile *const tiles[OUTS][TAPS] = {ROW(1), ROW(2)};
#endif

/* Splits count into parts of at most `most`, as equal as they can be: the size of the part that begins at `at`. */
static int64_t part_at(int64_t at, int64_t count, int64_t most)
{
    int64_t parts = (count - at + most - 1) / most;
    return (count - at + parts - 1) / parts;
}

typedef struct weight_job {
    const conv_data *d;
    plane in, out; /* y's planes have x's pitch, zeros between the rows */
    group images;
    char *parts;
    size_t part_bytes;
} weight_job;

/* Small planes are added up together, as the first cache holds them: the sum over a vector's lanes costs as much as six vectors. */
static int64_t images_together(const weight_job *j, const conv_shape *s)
{
    enum { VECTORS = 32, CACHED = 40 << 10 };
    int64_t vectors = (j->images.places + LANES - 1) / LANES;
    int64_t images = (VECTORS + vectors - 1) / vectors, each = s->n / PARTS;
    int64_t fit = CACHED / 4 / (s->ic * j->in.size + OUTS * j->out.size);
    images = images < fit ? images : fit;
    images = images < each ? images : each;
    return images < 1 ? 1 : images;
}

static size_t weight_layout(weight_job *j, const conv_shape *s)
{
    j->in = plane_of(s->ic, s->in[1], s->in[2], s->pad[1], s->pad[2]);
    j->out =
        (plane){s->oc, s->out[1], j->in.pitch, round_up(s->out[1] * j->in.pitch + SLACK, LANES)};
    j->images = (group){1, s->oc * j->out.size, s->ic * j->in.size, j->out.size,
                        (s->out[1] - 1) * j->in.pitch + s->out[2]};
    j->images.images = images_together(j, s);
    j->part_bytes = (size_t)(j->images.images * (j->images.x_image + j->images.g_image) +
                             round_up(s->ic * s->oc * s->taps, 16)) *
                        4 +
                    64;
    j->part_bytes = j->part_bytes / 64 * 64;
    return PARTS * j->part_bytes + 128;
}

static void weight_parts(void *context, int64_t begin, int64_t end)
{
    const weight_job *j = context;
    const conv_shape *s = j->d->shape;
    const int64_t together = j->images.images, taps = s->taps;
    for (int64_t part = begin; part < end; part++) {
        float *x = (float *)(void *)(j->parts + (size_t)part * j->part_bytes);
        float *g = x + together * j->images.x_image, *w = g + together * j->images.g_image;
        int64_t first = part * s->n / PARTS, last = (part + 1) * s->n / PARTS;
        if (first < last)
            memset(x, 0, j->part_bytes);
        for (int64_t i = first; i < last; i += together) {
            group images = j->images;
            images.images = last - i < together ? last - i : together;
            for (int64_t k = 0; k < images.images; k++) {
                pad_planes((const float *)j->d->x + (i + k) * s->ic * s->in_size,
                           x + k * images.x_image, s->ic, s->in[1], s->in[2], &j->in, s->pad[1],
                           s->pad[2]);
                pad_planes((const float *)j->d->y + (i + k) * s->oc * s->out_size,
                           g + k * images.g_image, s->oc, s->out[1], s->out[2], &j->out, 0, 0);
            }
            for (int64_t o = 0, outs; o < s->oc; o += outs) {
                outs = part_at(o, s->oc, OUTS);
                for (int64_t c = 0; c < s->ic; c++)
                    for (int64_t ky = 0; ky < s->k[1]; ky++)
                        for (int64_t kx = 0, run; kx < s->k[2]; kx += run) {
                            run = part_at(kx, s->k[2], TAPS);
                            tiles[outs - 1][run - 1](&images, g + o * j->out.size,
                                                     x + c * j->in.size + ky * j->in.pitch + kx,
                                                     w + (o * s->ic + c) * taps + ky * s->k[2] + kx,
                                                     s->ic * taps);
                        }
            }
        }
    }
}

static bool takes_backward_weight(const conv_shape *s, size_t *scratch)
{
    weight_job j;
    *scratch = is_small(s) ? weight_layout(&j, s) : 0;
    return is_small(s);
}

/* Images go to a fixed number of parts whose sums are added in order: the same bits for any number of threads. */
static bool backward_weight(const conv_data *d)
{
    const conv_shape *s = d->shape;
    weight_job j = {.d = d};
    weight_layout(&j, s);
    j.parts = aligned(d->scratch);
    double cost = (double)s->n / PARTS * (double)(s->ic * s->oc * s->taps * s->out_size) * 0.02;
    cpu_parallel(PARTS, 1, cost, weight_parts, &j);
    int64_t count = s->ic * s->oc * s->taps;
    float *w = d->w;
    memset(w, 0, (size_t)count * sizeof *w);
    for (int64_t part = 0; part < PARTS; part++) {
        if (part * s->n / PARTS == (part + 1) * s->n / PARTS)
            continue;
        const float *sums = (const float *)(const void *)(j.parts + (size_t)part * j.part_bytes) +
                            j.images.images * (j.images.x_image + j.images.g_image);
        for (int64_t i = 0; i < count; i++)
            w[i] += sums[i];
    }
    return true;
}

const conv_way CPU_NAME(conv_direct_f32) = {takes_forward,         takes_backward_data,
                                            takes_backward_weight, forward,
                                            backward_data,         backward_weight};
