/* f32 convolutions of two dimensions by parts of numbers (amx.h), straight from the padded image: the gradient of x is one, too,
 * of y's, where the stride is 1. A band of lines of an image is packed with its channels side by side, so that the tile for
 * a tap is what begins some places further: nothing is unfolded. With a stride, places that the taps step over in turn lie
 * apart, in a grid for each remainder. Where parts cannot hold the numbers, conv_general.c computes. */
#include "conv_amx.h"

#include "gemm_memory.h"

#if CPU_HAS_AMX_CODE

#include <string.h>

enum {
    LINE = AMX_LINE,
    BAND_BYTES =
        600 << 10 /* of a packed band: a part of the second cache, which the weights pass through */
};

/* to = from * w, read so that a gradient is one. Channels of `from` are terms, those of `to` the right operand's columns. */
typedef struct job {
    const conv_shape *s;
    bool turned; /* w is [inputs][outputs][taps], its taps from the last to the first */
    int64_t inputs, outputs;
    int64_t in[2], out[2], pad[2], stride[2]; /* lines, columns */
    int64_t channel_steps, panels;            /* of inputs, of outputs */
    int64_t band, bands; /* lines of an image's output that are computed together */
    int64_t high, wide,
        places; /* a grid's lines and columns, and the places that it has room for */
    int64_t grids;
    const float *from, *w, *bias;
    float *to;
    uint16_t *packed;    /* weights: by panels, taps and steps of channels */
    exponents *of_panel; /* of them */
    exponents of_weights;
    bool refused, failed;
} job;

/* Lines of a band that fits; at least one. */
static int64_t fitting_lines(const job *j)
{
    const int64_t of_line = j->channel_steps * PARTS * LINE * 2 * used_grids(j->s) * j->wide;
    const int64_t lines = of_line > 0 ? BAND_BYTES / of_line - reach_of_lines(j->s) : 1;
    return lines < 1 ? 1 : lines < j->out[0] ? lines : j->out[0];
}

/* Bands that fit and are enough for all threads, but not much lower than what the taps reach beyond them, and the room that one
 * takes. */
static void lay_bands(job *j, int64_t images, int threads)
{
    const int64_t reach = reach_of_lines(j->s);
    j->bands = units_of(j->out[0], fitting_lines(j));
    while (threads > 1 && images * j->bands < 4 * threads && j->bands < j->out[0] &&
           units_of(j->out[0], j->bands + 1) * 2 >= reach)
        j->bands++;
    j->band = units_of(j->out[0], j->bands);
    j->bands = units_of(j->out[0], j->band);
    j->high = j->band + reach;
    /* Tiles end, and squares are packed, up to so many places behind the last one. */
    const int64_t last = units_of(j->band * j->wide, PANEL) * PANEL;
    const int64_t furthest = reach * j->wide + reach_of_columns(j->s);
    j->places = (last + furthest > j->high * j->wide ? last + furthest : j->high * j->wide) + SIDE;
}

static job job_of(const conv_shape *s, bool turned)
{
    job j = {.s = s, .turned = turned, .inputs = turned ? s->oc : s->ic};
    j.outputs = turned ? s->ic : s->oc;
    for (int d = 0; d < 2; d++) {
        j.in[d] = turned ? s->out[d + 1] : s->in[d + 1];
        j.out[d] = turned ? s->in[d + 1] : s->out[d + 1];
        j.pad[d] = turned ? (s->k[d + 1] - 1) * s->dil[d + 1] - s->pad[d + 1] : s->pad[d + 1];
        j.stride[d] = s->stride[d + 1];
    }
    j.channel_steps = units_of(j.inputs, STEP);
    j.panels = units_of(j.outputs, PANEL);
    j.grids = j.stride[0] * j.stride[1];
    j.wide = grid_width(s, j.out[1]);
    return j;
}

static int64_t packed_size(const job *j)
{
    return j->panels * j->s->taps * j->channel_steps * STEP_SIZE;
}

/* ---- the weights ------------------------------------------------------------------------------------------------ */

/* A square of pairs' channels along lines and outputs along lanes. */
static void weight_square(const job *j, int64_t output, int64_t tap, int64_t channel, vf room[SIDE])
{
    const int64_t taps = j->s->taps, outputs = j->outputs - output, channels = j->inputs - channel;
    const int64_t far = taps * (j->turned ? j->outputs : j->inputs); /* apart; else by taps */
    const int64_t lines = j->turned ? channels : outputs, lanes = j->turned ? outputs : channels;
    const float *w = j->w + (j->turned ? taps - 1 - tap : tap);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)taps));
    const __mmask16 mask = lanes <= 0 ? 0 : (__mmask16)(lanes < SIDE ? (1u << lanes) - 1 : 0xffff);
    if (outputs > 0 && channels > 0)
        w += j->turned ? output * taps : channel * taps;
    for (int l = 0; l < SIDE; l++) {
        const int64_t line = (j->turned ? channel : output) + l;
        room[l] = l < lines && mask ? (vf)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, at,
                                                                   w + line * far, 4)
                                    : (vf){0};
    }
    if (!j->turned)
        vf_turn(room);
}

static void pack_weights(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const int64_t steps = j->s->taps * j->channel_steps;
    for (int64_t panel = begin; panel < end; panel++) {
        uint16_t *to = j->packed + panel * steps * STEP_SIZE;
        range seen = nothing_seen();
        for (int64_t step = 0; step < steps; step++, to += STEP_SIZE)
            for (int half = 0; half < 2; half++) {
                const int64_t output = panel * PANEL + half * SIDE;
                const int64_t channel = step % j->channel_steps * STEP;
                vf room[2][SIDE];
                weight_square(j, output, step / j->channel_steps, channel, room[0]);
                weight_square(j, output, step / j->channel_steps, channel + PAIRS, room[1]);
                pack_tiles((square){(const float *)room[0], SIDE},
                           (square){(const float *)room[1], SIDE}, to + half * TILE, 2 * TILE,
                           &seen);
            }
        j->of_panel[panel] = exponents_of(&seen);
    }
}

/* ---- the image -------------------------------------------------------------------------------------------------- */

static void clear_places(const job *j, uint16_t *line, int64_t from, int64_t end)
{
    for (int part = 0; part < PARTS && from < end; part++)
        memset(line + (part * j->places + from) * LINE, 0, (size_t)(end - from) * LINE * 2);
}

/* One grid's lines for 32 channels. Lines are packed in order, for a square may reach into the next one. */
static void pack_grid(const job *j, const float *image, int64_t first_line, int64_t grid,
                      int64_t step, uint16_t *to, range *seen)
{
    const int64_t plane = j->in[0] * j->in[1], channel = step * STEP, left = j->inputs - channel;
    const int64_t shift = grid % j->stride[1] - j->pad[1], stride = j->stride[1];
    const int64_t last_line =
        (j->out[0] - 1) * j->stride[0] + (j->s->k[1] - 1) * j->s->dil[1] - j->pad[0];
    /* Columns of the grid that lie within the image. */
    int64_t from = shift >= 0 ? 0 : units_of(-shift, stride);
    int64_t end = j->in[1] - shift <= 0 ? 0 : units_of(j->in[1] - shift, stride);
    from = from < j->wide ? from : j->wide;
    end = end < j->wide ? end : j->wide;
    end = end > from ? end : from;
    for (int64_t line = 0; line < j->high; line++) {
        const int64_t y = (first_line + line) * j->stride[0] + grid / j->stride[1] - j->pad[0];
        uint16_t *at = to + line * j->wide * LINE;
        /* What no output reads must not count either, whatever lines a band has. */
        if (y < 0 || y >= j->in[0] || y > last_line) {
            clear_places(j, at, 0, j->wide);
            continue;
        }
        clear_places(j, at, 0, from);
        const float *row = image + channel * plane + y * j->in[1];
        for (int64_t x = from; x < end; x += SIDE) {
            vf room[2][SIDE];
            square of[2];
            for (int i = 0; i < 2; i++)
                of[i] = square_of(row + (left > i * PAIRS ? i * PAIRS * plane : 0) +
                                      (x * stride + shift),
                                  stride, plane, end - x, left - i * PAIRS, room[i]);
            pack_tiles(of[0], of[1], at + x * LINE, j->places * LINE, seen);
        }
        clear_places(j, at, end, j->wide);
    }
}

static exponents pack_band(const job *j, const float *image, int64_t first_line, uint16_t *to)
{
    range seen = nothing_seen();
    for (int64_t grid = 0; grid < j->grids; grid++)
        if (is_grid_used(j->s, grid))
            for (int64_t step = 0; step < j->channel_steps; step++)
                pack_grid(j, image, first_line, grid, step,
                          to + (grid * j->channel_steps + step) * PARTS * j->places * LINE, &seen);
    return exponents_of(&seen);
}

/* ---- multiplying ------------------------------------------------------------------------------------------------ */

CPU_INLINE WITH_AMX void sum_tile(bool low, bool narrow, const job *j, const uint16_t *band,
                                  const uint16_t *weights, float *sums)
{
    const int64_t part = j->places * LINE, taps = j->s->taps;
    int64_t summed = 0;
    bool is_first = true;
    amx_clear();
    for (int64_t tap = 0; tap < taps; tap++) {
        const tap_at t = tap_of(j->s, j->wide, tap);
        const uint16_t *a = band + t.grid * j->channel_steps * PARTS * part + t.place * LINE;
        for (int64_t step = 0; step < j->channel_steps;
             step++, a += PARTS * part, weights += STEP_SIZE) {
            amx_step(low, narrow, (amx_tiles){a, part, TILE, PARTS * part},
                     (amx_tiles){weights, 2 * TILE, TILE, STEP_SIZE});
            if (++summed % AMX_CHAIN && !(tap == taps - 1 && step == j->channel_steps - 1))
                continue;
            amx_add(sums, is_first);
            is_first = false;
            amx_clear();
        }
    }
}

static WITH_AMX void sum_tile_of(bool low, bool narrow, const job *j, const uint16_t *band,
                                 const uint16_t *weights, float *sums)
{
    AMX_BY_HALVES(low, narrow, sum_tile, j, band, weights, sums);
}

static void write_square(const job *j, int64_t output, const places_run *runs, int count,
                         const float *sums, float *image)
{
    vf turned[SIDE];
    for (int l = 0; l < SIDE; l++)
        turned[l] = vf_load(sums + l * PANEL);
    vf_turn(turned);
    const int64_t plane = j->out[0] * j->out[1];
    for (int l = 0; l < SIDE && output + l < j->outputs; l++) {
        const vf y = j->bias ? turned[l] + vf_all(j->bias[output + l]) : turned[l];
        for (int r = 0; r < count; r++) {
            const __mmask16 lanes = (__mmask16)(((1u << runs[r].count) - 1) << runs[r].lane);
            vf_store_part(image + (output + l) * plane + runs[r].at,
                          (vf)_mm512_maskz_compress_ps(lanes, (__m512)y), runs[r].count);
        }
    }
}

static WITH_AMX void multiply_band(const job *j, int64_t image, int64_t first_line,
                                   const uint16_t *band)
{
    const int64_t steps = j->s->taps * j->channel_steps;
    const int64_t left = j->out[0] - first_line, lines = left < j->band ? left : j->band;
    const int64_t places = (lines - 1) * j->wide + j->out[1];
    const grid_in_plane grid = outputs_of(j->wide, first_line, lines, j->out[1]);
    float *to = j->to + image * j->outputs * j->out[0] * j->out[1];
    amx_begin();
    for (int64_t panel = 0; panel < j->panels; panel++)
        for (int64_t place = 0; place < places; place += PANEL) {
            _Alignas(64) float sums[PANEL * PANEL];
            const int64_t output = panel * PANEL;
            const bool low = places - place <= SIDE, narrow = j->outputs - output <= SIDE;
            sum_tile_of(low, narrow, j, band + place * LINE, j->packed + panel * steps * STEP_SIZE,
                        sums);
            for (int h = 0; h < (low ? 1 : 2); h++) {
                places_run runs[SIDE];
                const int count = runs_of(&grid, place + h * SIDE, runs);
                for (int v = 0; v < (narrow ? 1 : 2); v++)
                    write_square(j, output + v * SIDE, runs, count,
                                 sums + h * SIDE * PANEL + v * SIDE, to);
            }
        }
    amx_end();
}

/* Pieces are bands, image by image. */
static void pieces(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    const int64_t image_size = j->inputs * j->in[0] * j->in[1];
    uint16_t *band = cpu_gemm_memory(
        CPU_GEMM_AMX,
        (size_t)(j->grids * j->channel_steps * PARTS * j->places * LINE) * sizeof *band);
    if (!band) {
        __atomic_store_n(&j->failed, true, __ATOMIC_RELAXED);
        return;
    }
    for (int64_t piece = begin; piece < end && !__atomic_load_n(&j->refused, __ATOMIC_RELAXED);
         piece++) {
        const int64_t image = piece / j->bands, first_line = piece % j->bands * j->band;
        if (in_range(pack_band(j, j->from + image * image_size, first_line, band), j->of_weights))
            multiply_band(j, image, first_line, band);
        else
            __atomic_store_n(&j->refused, true, __ATOMIC_RELAXED);
    }
}

static bool run(job *j, const conv_data *d, bool (*otherwise)(const conv_data *d))
{
    const conv_shape *s = j->s;
    const double each = 1.0 / 150; /* nanoseconds of a multiplication */
    lay_bands(j, s->n, cpu_host->num_threads(cpu_host));
    j->w = d->w;
    j->bias = d->bias;
    j->packed = (uint16_t *)(void *)d->scratch;
    j->of_panel = (exponents *)(void *)(j->packed + packed_size(j));
    cpu_parallel(j->panels, 1, (double)(PANEL * j->inputs * s->taps) * 0.5, pack_weights, j);
    j->of_weights = no_exponents();
    for (int64_t panel = 0; panel < j->panels; panel++)
        j->of_weights = wider(j->of_weights, j->of_panel[panel]);
    cpu_parallel(s->n * j->bands, 1,
                 (double)(j->band * j->out[1]) * (double)(j->inputs * j->outputs * s->taps) * each,
                 pieces, j);
    if (j->failed || j->refused)
        return !j->failed && otherwise(d);
    if (!j->turned)
        conv_tell(d, 0, s->n * j->outputs * s->out_size);
    return true;
}

static bool takes(const conv_shape *s, bool turned, size_t *scratch)
{
    const job j = job_of(s, turned);
    if ((turned && (s->stride[1] > 1 || s->stride[2] > 1)) || j.pad[0] < 0 || j.pad[1] < 0 ||
        j.outputs * s->taps < AMX_LEAST_USES || !amx_pays(s, j.out[0], j.out[1]) ||
        reach_of_lines(s) > 2 * fitting_lines(&j))
        return false;
    const size_t bytes =
        (size_t)packed_size(&j) * sizeof *j.packed + (size_t)j.panels * sizeof *j.of_panel;
    *scratch = *scratch > bytes ? *scratch : bytes;
    return true;
}

static bool takes_forward(const conv_shape *s, size_t *scratch, int *choice)
{
    return CPU_NAME(conv_general_f32).takes_forward(s, scratch, choice) && takes(s, false, scratch);
}

static bool takes_backward_data(const conv_shape *s, size_t *scratch, int *choice)
{
    return CPU_NAME(conv_general_f32).takes_backward_data(s, scratch, choice) &&
           takes(s, true, scratch);
}

static bool forward(const conv_data *d)
{
    job j = job_of(d->shape, false);
    j.from = d->x;
    j.to = d->y;
    return run(&j, d, CPU_NAME(conv_general_f32).forward);
}

static bool backward_data(const conv_data *d)
{
    job j = job_of(d->shape, true);
    j.from = d->y;
    j.to = d->x;
    return run(&j, d, CPU_NAME(conv_general_f32).backward_data);
}

const conv_way CPU_NAME(conv_amx_f32) = {.takes_forward = takes_forward,
                                         .takes_backward_data = takes_backward_data,
                                         .takes_backward_weight = CPU_NAME(conv_amx_takes_weight),
                                         .forward = forward,
                                         .backward_data = backward_data,
                                         .backward_weight = CPU_NAME(conv_amx_weight)};

#else

const conv_way CPU_NAME(conv_amx_f32) = {.takes_forward = NULL};

#endif
