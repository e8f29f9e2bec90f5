/* The gradient of a direct convolution's weights: for each tap the inner product of y's plane and x's, shifted. Either the
 * lanes of a vector are places, and have to be added up in the end; or they are output channels, and all taps of an input
 * channel are a tile. */
#include "conv_direct.h"
#include "transpose.h"

/* ---- lanes are places ----------------------------------------------------------------------------------------------- */

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
    vf_loose sum[OUTS][TAPS] = {{{0}}};
    for (int64_t i = 0; i < p->images; i++, g += p->g_image, x += p->x_image)
        for (int64_t at = 0; at < p->places; at += LANES) {
            vf_loose a[OUTS];
#pragma GCC unroll 4
            for (int o = 0; o < outs; o++)
                a[o] = *(const vf_loose *)(const void *)(g + o * p->g_size + at);
#pragma GCC unroll 5
            for (int t = 0; t < taps; t++) {
                vf_loose b = *(const vf_loose *)(const void *)(x + t + at);
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
        int64_t first = first_image(s, part), last = first_image(s, part + 1);
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

static void add_weights(const weight_job *j, const conv_shape *s)
{
    int64_t count = s->ic * s->oc * s->taps;
    float *w = j->d->w;
    memset(w, 0, (size_t)count * sizeof *w);
    for (int64_t part = 0; part < PARTS; part++) {
        if (first_image(s, part) == first_image(s, part + 1))
            continue;
        const float *sums = (const float *)(const void *)(j->parts + (size_t)part * j->part_bytes) +
                            j->images.images * (j->images.x_image + j->images.g_image);
        for (int64_t i = 0; i < count; i++)
            w[i] += sums[i];
    }
}

/* ---- lanes are output channels -------------------------------------------------------------------------------------- */

typedef struct channel_job {
    const conv_data *d;
    plane in;
    int64_t blocks; /* of output channels */
    int64_t g_floats, w_floats;
    char *parts;
    size_t part_bytes;
} channel_job;

/* What one column of x adds to the taps from `first` on to `last` of every row: near[u] is g's place u before it. */
CPU_INLINE void column(int ky, int kx, int first, int last, const vf *near, const float *x,
                       int64_t pitch, vf *sum)
{
#pragma GCC unroll 5
    for (int t = 0; t < ky; t++) {
        const vf here = vf_all(x[t * pitch]);
#pragma GCC unroll 5
        for (int u = first; u < last; u++)
            sum[t * kx + u] += near[u] * here;
    }
}

CPU_INLINE void move_on(int kx, vf *near, const float *g)
{
#pragma GCC unroll 5
    for (int u = kx - 1; u > 0; u--)
        near[u] = near[u - 1];
    if (g)
        near[0] = vf_load(g);
}

/* One input channel: g has all lanes at each place, and so have the sums at each tap. What is read of x serves all taps of a
 * row; where a row begins and ends, these are fewer. */
CPU_INLINE void taps(int ky, int kx, const conv_shape *s, const float *g, const float *x,
                     int64_t pitch, float *sums)
{
    vf sum[MOST_TAPS * MOST_TAPS], near[MOST_TAPS] = {{0}};
    const int64_t width = s->out[2];
#pragma GCC unroll 25
    for (int t = 0; t < ky * kx; t++)
        sum[t] = vf_load(sums + t * LANES);
    for (int64_t y = 0; y < s->out[1]; y++, x += pitch, g += width * LANES) {
#pragma GCC unroll 5
        for (int i = 0; i < kx - 1; i++) {
            move_on(kx, near, g + i * LANES);
            column(ky, kx, 0, i + 1, near, x + i, pitch, sum);
        }
        for (int64_t i = kx - 1; i < width; i++) {
            move_on(kx, near, g + i * LANES);
            column(ky, kx, 0, kx, near, x + i, pitch, sum);
        }
#pragma GCC unroll 5
        for (int i = 0; i < kx - 1; i++) {
            move_on(kx, near, NULL);
            column(ky, kx, i + 1, kx, near, x + width + i, pitch, sum);
        }
    }
#pragma GCC unroll 25
    for (int t = 0; t < ky * kx; t++)
        vf_store(sums + t * LANES, sum[t]);
}

/* Whether the taps' sums fit the registers, and output channels the lanes. */
static bool by_channel(const conv_shape *s, const weight_job *j)
{
    const bool fits =
        LANES == 16 && s->k[1] == s->k[2] && (s->k[1] == 3 || s->k[1] == 5) && s->out[2] >= s->k[2];
    return fits && round_up(s->oc, LANES) * s->out_size < s->oc * round_up(j->images.places, LANES);
}

static size_t channel_layout(channel_job *j, const conv_shape *s)
{
    j->in = plane_of(s->ic, s->in[1], s->in[2], s->pad[1], s->pad[2]);
    j->blocks = (s->oc + LANES - 1) / LANES;
    j->g_floats = s->out_size * LANES;
    j->w_floats = j->blocks * s->ic * s->taps * LANES;
    j->part_bytes = (size_t)(j->w_floats + j->g_floats + s->ic * j->in.size) * sizeof(float);
    j->part_bytes = (size_t)round_up((int64_t)j->part_bytes, 64);
    return PARTS * j->part_bytes + 64;
}

static void channel_parts(void *context, int64_t begin, int64_t end)
{
    const channel_job *j = context;
    const conv_shape *s = j->d->shape;
    for (int64_t part = begin; part < end; part++) {
        float *w = (float *)(void *)(j->parts + (size_t)part * j->part_bytes);
        float *g = w + j->w_floats, *x = g + j->g_floats;
        int64_t first = first_image(s, part), last = first_image(s, part + 1);
        if (first < last)
            memset(w, 0, j->part_bytes);
        for (int64_t i = first; i < last; i++) {
            pad_planes((const float *)j->d->x + i * s->ic * s->in_size, x, s->ic, s->in[1],
                       s->in[2], &j->in, s->pad[1], s->pad[2]);
            for (int64_t block = 0; block < j->blocks; block++) {
                const float *from =
                    (const float *)j->d->y + (i * s->oc + block * LANES) * s->out_size;
                int64_t left = s->oc - block * LANES;
                CPU_TRANSPOSE(s->out_size, left < LANES ? left : LANES, from, s->out_size, g,
                              LANES);
                for (int64_t c = 0; c < s->ic; c++) {
                    float *sums = w + (block * s->ic + c) * s->taps * LANES;
                    if (s->k[1] == 5)
                        taps(5, 5, s, g, x + c * j->in.size, j->in.pitch, sums);
                    else
                        taps(3, 3, s, g, x + c * j->in.size, j->in.pitch, sums);
                }
            }
        }
    }
}

static void add_parts(const channel_job *j, const conv_shape *s)
{
    float *sums = (float *)(void *)j->parts, *w = j->d->w;
    const int64_t terms = s->ic * s->taps;
    for (int64_t part = 0, have = 0; part < PARTS; part++) {
        if (first_image(s, part) == first_image(s, part + 1))
            continue;
        const float *more = (const float *)(const void *)(j->parts + (size_t)part * j->part_bytes);
        for (int64_t i = 0; i < j->w_floats; i++)
            sums[i] = have ? sums[i] + more[i] : more[i];
        have = 1;
    }
    for (int64_t o = 0; o < s->oc; o += LANES, sums += terms * LANES, w += terms * LANES)
        CPU_TRANSPOSE(s->oc - o < LANES ? s->oc - o : LANES, terms, sums, LANES, w, terms);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

bool CPU_NAME(conv_direct_takes_weight)(const conv_shape *s, size_t *scratch, int *choice)
{
    weight_job j;
    channel_job c;
    *scratch = 0;
    if (!is_small(s))
        return false;
    *scratch = weight_layout(&j, s);
    if (by_channel(s, &j))
        *scratch = channel_layout(&c, s);
    return true;
}

/* Images go to a fixed number of parts whose sums are added in order: the same bits for any number of threads. */
bool CPU_NAME(conv_direct_weight)(const conv_data *d)
{
    const conv_shape *s = d->shape;
    const double cost =
        (double)s->n / PARTS * (double)(s->ic * s->oc * s->taps * s->out_size) * 0.02;
    weight_job j = {.d = d};
    channel_job c = {.d = d};
    weight_layout(&j, s);
    j.parts = c.parts = aligned(d->scratch);
    if (by_channel(s, &j)) {
        channel_layout(&c, s);
        cpu_parallel(PARTS, 1, cost, channel_parts, &c);
        add_parts(&c, s);
        return true;
    }
    cpu_parallel(PARTS, 1, cost, weight_parts, &j);
    add_weights(&j, s);
    return true;
}
