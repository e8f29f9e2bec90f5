/* The gradient of a convolution's weights by parts of numbers (amx.h). Terms are places: a tile of y's gradient has a line for
 * each of 16 outputs, one of x a line for each of 16 pairs of places, which lie 16 apart. A line holds both numbers of its
 * pair, so that a tap, here too, is a shift (conv_amx.h). Images are shared out among slots, whose sums are added in order, by
 * bands of lines. Where parts cannot hold the numbers, conv_general.c computes. */
#include "conv_amx.h"

#include "gemm_memory.h"

#if CPU_HAS_AMX_CODE

enum {
    LINE = AMX_LINE,
    BAND_BYTES = 1200 << 10, /* of both packed bands: what of the second cache sums leave */
    MOST_SLOTS = 8,
    MOST_SUMS = 10 << 20, /* bytes of all slots */
    TILE_SUMS = PANEL * PANEL
};

typedef struct job {
    const conv_shape *s;
    const float *x, *y;
    float *w, *sums;                /* each slot's: by panels of outputs and of inputs, and taps */
    int64_t outputs, inputs, slots; /* panels, panels, slots */
    int64_t wide, band, bands,
        steps; /* columns of a grid; lines of a band; bands of an image; of 32 places in a band */
    int64_t places, grids; /* of x in a band */
    bool refused, failed;
} job;

static int64_t sums_of_slot(const job *j)
{
    return j->outputs * j->inputs * j->s->taps * TILE_SUMS;
}

static job job_of(const conv_shape *s)
{
    job j = {.s = s, .outputs = units_of(s->oc, PANEL), .inputs = units_of(s->ic, PANEL)};
    j.grids = s->stride[1] * s->stride[2];
    j.wide = grid_width(s, s->out[2]);
    const int64_t reach = reach_of_lines(s) * j.wide + reach_of_columns(s);
    const int64_t of_y = PANEL * PARTS * 2 * j.outputs;
    const int64_t of_x = PANEL * PARTS * 2 * 2 * j.inputs * used_grids(s);
    int64_t lines = (BAND_BYTES - of_x * reach) / ((of_y + of_x) * j.wide);
    const int64_t most = AMX_CHAIN * STEP / j.wide;
    lines = lines < most ? lines : most;
    j.bands = units_of(s->out[1], lines < 1 ? 1 : lines);
    j.band = units_of(s->out[1], j.bands);
    j.bands = units_of(s->out[1], j.band);
    j.steps = units_of(j.band * j.wide, STEP);
    j.places = units_of(j.steps * STEP + reach, SIDE) * SIDE;
    int64_t slots = MOST_SUMS / (int64_t)sizeof(float) / sums_of_slot(&j);
    slots = slots < MOST_SLOTS ? slots : MOST_SLOTS;
    j.slots = s->n * j.bands < slots ? s->n * j.bands : slots;
    return j;
}

/* ---- packing ---------------------------------------------------------------------------------------------------- */

/* A plane's numbers at sixteen places, zero at those that are none of its own. */
CPU_INLINE vf load_runs(const float *plane, const places_run *runs, int count, int64_t stride)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)stride));
    __m512 all = _mm512_setzero_ps();
    for (int r = 0; r < count; r++) {
        const __mmask16 first = (__mmask16)((1u << runs[r].count) - 1);
        const __m512 x = stride == 1 ? _mm512_maskz_loadu_ps(first, plane + runs[r].at)
                                     : _mm512_mask_i32gather_ps(_mm512_setzero_ps(), first, at,
                                                                plane + runs[r].at, 4);
        all = _mm512_mask_expand_ps(all, (__mmask16)(first << runs[r].lane), x);
    }
    return (vf)all;
}

static exponents pack_y(const job *j, const float *image, int64_t first_line, uint16_t *to)
{
    const conv_shape *s = j->s;
    const int64_t left = s->out[1] - first_line;
    const grid_in_plane grid =
        outputs_of(j->wide, first_line, left < j->band ? left : j->band, s->out[2]);
    range seen = nothing_seen();
    for (int64_t panel = 0; panel < j->outputs; panel++)
        for (int64_t step = 0; step < j->steps; step++, to += STEP_SIZE) {
            places_run runs[2][SIDE];
            int count[2];
            for (int i = 0; i < 2; i++)
                count[i] = runs_of(&grid, step * STEP + i * PAIRS, runs[i]);
            for (int half = 0; half < 2; half++) {
                vf room[2][SIDE];
                const int64_t output = panel * PANEL + half * SIDE;
                for (int i = 0; i < 2; i++)
                    for (int l = 0; l < SIDE; l++)
                        room[i][l] = output + l < s->oc
                                         ? load_runs(image + (output + l) * s->out_size, runs[i],
                                                     count[i], 1)
                                         : (vf){0};
                pack_tiles((square){(const float *)room[0], SIDE},
                           (square){(const float *)room[1], SIDE}, to + half * TILE, 2 * TILE,
                           &seen);
            }
        }
    return exponents_of(&seen);
}

/* One grid's places for 16 channels. */
static void pack_grid(const job *j, const float *image, const grid_in_plane *grid, int64_t channel,
                      uint16_t *to, range *seen)
{
    const conv_shape *s = j->s;
    vf room[2][SIDE];
    for (int64_t place = 0; place < j->places; place += SIDE) {
        places_run runs[SIDE];
        const int count = runs_of(grid, place, runs);
        vf *now = room[place / SIDE % 2], *before = room[(place / SIDE + 1) % 2];
        for (int l = 0; l < SIDE; l++)
            now[l] = channel + l < s->ic
                         ? load_runs(image + (channel + l) * s->in_size, runs, count, s->stride[2])
                         : (vf){0};
        vf_turn(now);
        if (place)
            pack_tiles((square){(const float *)before, SIDE}, (square){(const float *)now, SIDE},
                       to + (place - SIDE) * LINE, j->places * LINE, seen);
    }
}

/* As [grid][16 channels][part][place]. */
static exponents pack_x(const job *j, const float *image, int64_t first_line, uint16_t *to)
{
    const conv_shape *s = j->s;
    range seen = nothing_seen();
    for (int64_t at = 0; at < j->grids; at++) {
        if (!is_grid_used(s, at))
            continue;
        /* The image's line and column that the grid's first ones are. */
        const int64_t y = first_line * s->stride[1] + at / s->stride[2] - s->pad[1];
        const int64_t x = at % s->stride[2] - s->pad[2];
        grid_in_plane grid = {.wide = j->wide,
                              .first_line = y < 0 ? units_of(-y, s->stride[1]) : 0,
                              .end_line = y < s->in[1] ? units_of(s->in[1] - y, s->stride[1]) : 0,
                              .first_column = x < 0 ? units_of(-x, s->stride[2]) : 0,
                              .end_column = x < s->in[2] ? units_of(s->in[2] - x, s->stride[2]) : 0,
                              .line = s->in[2] * s->stride[1],
                              .column = s->stride[2]};
        grid.first = y * s->in[2] + x + grid.first_column * s->stride[2];
        for (int64_t group = 0; group < 2 * j->inputs; group++)
            pack_grid(j, image, &grid, group * SIDE,
                      to + (at * 2 * j->inputs + group) * PARTS * j->places * LINE, &seen);
    }
    return exponents_of(&seen);
}

/* ---- multiplying ------------------------------------------------------------------------------------------------ */

CPU_INLINE WITH_AMX void sum_tile(bool low, bool narrow, const job *j, const uint16_t *y,
                                  const uint16_t *x, bool is_first, float *sums)
{
    const int64_t part = j->places * LINE;
    for (int64_t from = 0; from < j->steps; from += AMX_CHAIN, is_first = false) {
        const int64_t end = from + AMX_CHAIN < j->steps ? from + AMX_CHAIN : j->steps;
        amx_clear();
        for (int64_t step = from; step < end; step++)
            amx_step(low, narrow, (amx_tiles){y + step * STEP_SIZE, 2 * TILE, TILE, STEP_SIZE},
                     (amx_tiles){x + step * STEP * LINE, part, PARTS * part, STEP * LINE});
        amx_add(sums, is_first);
    }
}

static WITH_AMX void sum_tile_of(bool low, bool narrow, const job *j, const uint16_t *y,
                                 const uint16_t *x, bool is_first, float *sums)
{
    AMX_BY_HALVES(low, narrow, sum_tile, j, y, x, is_first, sums);
}

static WITH_AMX void multiply_band(const job *j, const uint16_t *y, const uint16_t *x,
                                   bool is_first, float *sums)
{
    const conv_shape *s = j->s;
    amx_begin();
    for (int64_t output = 0; output < j->outputs; output++)
        for (int64_t input = 0; input < j->inputs; input++)
            for (int64_t tap = 0; tap < s->taps; tap++, sums += TILE_SUMS) {
                const tap_at t = tap_of(s, j->wide, tap);
                const int64_t group = (t.grid * j->inputs + input) * 2;
                sum_tile_of(s->oc - output * PANEL <= SIDE, s->ic - input * PANEL <= SIDE, j,
                            y + output * j->steps * STEP_SIZE,
                            x + (group * PARTS * j->places + t.place) * LINE, is_first, sums);
            }
    amx_end();
}

static void slots(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    const conv_shape *s = j->s;
    const int64_t y_size = j->outputs * j->steps * STEP_SIZE;
    const int64_t x_size = j->grids * 2 * j->inputs * PARTS * j->places * LINE;
    uint16_t *y = cpu_gemm_memory(CPU_GEMM_AMX, (size_t)(y_size + x_size) * sizeof *y);
    if (!y) {
        __atomic_store_n(&j->failed, true, __ATOMIC_RELAXED);
        return;
    }
    uint16_t *x = y + y_size;
    for (int64_t slot = begin; slot < end; slot++) {
        float *sums = j->sums + slot * sums_of_slot(j);
        for (int64_t piece = slot; piece < s->n * j->bands; piece += j->slots) {
            const int64_t image = piece / j->bands, line = piece % j->bands * j->band;
            if (__atomic_load_n(&j->refused, __ATOMIC_RELAXED))
                return;
            if (in_range(pack_y(j, j->y + image * s->oc * s->out_size, line, y),
                         pack_x(j, j->x + image * s->ic * s->in_size, line, x)))
                multiply_band(j, y, x, piece == slot, sums);
            else
                __atomic_store_n(&j->refused, true, __ATOMIC_RELAXED);
        }
    }
}

/* The slots' sums, for panels of outputs. */
static void add_slots(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const conv_shape *s = j->s;
    const int64_t of_slot = sums_of_slot(j);
    for (int64_t output = begin * PANEL; output < end * PANEL && output < s->oc; output++)
        for (int64_t input = 0; input < s->ic; input += SIDE)
            for (int64_t tap = 0; tap < s->taps; tap++) {
                const int64_t tile = (output / PANEL * j->inputs + input / PANEL) * s->taps + tap;
                const float *at =
                    j->sums + tile * TILE_SUMS + output % PANEL * PANEL + input % PANEL;
                vf sum = {0};
                for (int64_t slot = 0; slot < j->slots; slot++)
                    sum += vf_load(at + slot * of_slot);
                float *w = j->w + (output * s->ic + input) * s->taps + tap;
                for (int l = 0; l < SIDE && input + l < s->ic; l++)
                    w[l * s->taps] = sum[l];
            }
}

bool CPU_NAME(conv_amx_takes_weight)(const conv_shape *s, size_t *scratch, int *choice)
{
    enum { LEAST_SLOTS = 4 };
    if (!amx_pays(s, s->out[1], s->out[2]) || s->ic * s->taps < AMX_LEAST_USES ||
        s->oc * s->taps < AMX_LEAST_USES)
        return false;
    const job j = job_of(s);
    if (reach_of_lines(s) > 2 * j.band || j.slots < (s->n < LEAST_SLOTS ? s->n : LEAST_SLOTS) ||
        !CPU_NAME(conv_general_f32).takes_backward_weight(s, scratch, choice))
        return false;
    const size_t bytes = (size_t)(j.slots * sums_of_slot(&j)) * sizeof(float);
    *scratch = *scratch > bytes ? *scratch : bytes;
    return true;
}

bool CPU_NAME(conv_amx_weight)(const conv_data *d)
{
    const conv_shape *s = d->shape;
    job j = job_of(s);
    j.x = d->x;
    j.y = d->y;
    j.w = d->w;
    j.sums = (float *)(void *)d->scratch;
    const double each = 1.0 / 150; /* nanoseconds of a multiplication */
    const double work = (double)(s->out_size * s->ic * s->oc) * (double)(s->n * s->taps);
    cpu_parallel(j.slots, 1, work / (double)j.slots * each, slots, &j);
    if (j.failed || j.refused)
        return !j.failed && CPU_NAME(conv_general_f32).backward_weight(d);
    cpu_parallel(j.outputs, 1, (double)(PANEL * s->ic * s->taps * j.slots) * 0.5, add_slots, &j);
    return true;
}

#else

bool CPU_NAME(conv_amx_takes_weight)(const conv_shape *s, size_t *scratch, int *choice)
{
    return false;
}

bool CPU_NAME(conv_amx_weight)(const conv_data *d)
{
    return false;
}

#endif
