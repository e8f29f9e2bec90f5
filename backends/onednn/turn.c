/* Images and weights out of blocks of channels and into them (blocked.h), for one instruction set. */
#include "blocked.h"
#include "simd.h"
#include "transpose.h"

/* ---- images ---- */

static void copy_one(size_t size, char *to, const char *from)
{
    switch (size) {
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8);
    }
}

/* n channels of `count` places in a row, which lie `step` bytes apart, and the channels `apart`; in blocks of `pitch` bytes. */
static void turn_row(const dn_turn_job *job, int64_t n, int64_t count, char *plain, int64_t step,
                     int64_t apart, char *blocked, int64_t pitch)
{
    if (apart == (int64_t)job->size) {
        for (int64_t x = 0; x < count; x++) {
            char *here = plain + x * step, *there = blocked + x * pitch;
            memcpy(job->in ? there : here, job->in ? here : there, (size_t)n * job->size);
        }
    } else if (step != (int64_t)job->size) {
        for (int64_t x = 0; x < count; x++)
            for (int64_t c = 0; c < n; c++) {
                char *here = plain + x * step + c * apart;
                char *there = blocked + x * pitch + c * (int64_t)job->size;
                copy_one(job->size, job->in ? there : here, job->in ? here : there);
            }
    } else if (job->in) {
        CPU_NAME(cpu_transpose_tile)(job->size, count, n, plain, apart, blocked, pitch);
    } else {
        CPU_NAME(cpu_transpose_tile)(job->size, n, count, blocked, pitch, plain, apart);
    }
}

/* Whether the places of a channel lie as in one row. */
static bool is_dense(const dn_turn_job *job)
{
    int64_t step = job->stride[4];
    for (int d = 2; d >= 0; d--) {
        if (job->grid.size[d] > 1 && job->stride[2 + d] != step)
            return false;
        step *= job->grid.size[d];
    }
    return true;
}

static void cut_images(const dn_turn_job *job, int64_t begin, int64_t end)
{
    const size_t bytes = (size_t)job->image * job->size;
    for (int64_t i = begin; i < end; i++) {
        char *here = job->plain + (size_t)(i * job->stride[0]) * job->size;
        char *there = job->blocked + (size_t)i * bytes;
        memcpy(job->in ? there : here, job->in ? here : there, bytes);
    }
}

void CPU_NAME(dn_turn_images)(const dn_turn_job *job, int64_t begin, int64_t end)
{
    if (job->image) {
        cut_images(job, begin, end);
        return;
    }
    const dn_grid *g = &job->grid;
    const int64_t *stride = job->stride, size = (int64_t)job->size, pitch = g->block * size;
    const int64_t lanes = dn_turn_lanes(job), parts = (g->block + lanes - 1) / lanes;
    const int64_t rows = is_dense(job) ? 1 : g->size[0] * g->size[1], count = g->positions / rows;
    for (int64_t i = begin; i < end; i++) {
        int64_t block = i / parts, first = i % parts * lanes, image = block / g->blocks;
        int64_t n = g->block - first < lanes ? g->block - first : lanes;
        int64_t channel = block % g->blocks * g->block + first;
        char *blocked = job->blocked + (block * g->positions * g->block + first) * size;
        char *plain = job->plain + (image * stride[0] + channel * stride[1]) * size;
        for (int64_t row = 0; row < rows; row++) {
            int64_t z = row / g->size[1], y = row % g->size[1];
            turn_row(job, n, count, plain + (z * stride[2] + y * stride[3]) * size,
                     stride[4] * size, stride[1] * size, blocked + row * count * pitch, pitch);
        }
    }
}

/* ---- weights ---- */

enum { GROUP = 16, LANES = VF_LANES };

/* Output channels beside each other: those of the group are a square's one side, neighbouring taps and inputs the other. */
static void outputs_beside(const dn_weights_job *job, float *plain, float *blocked, int64_t inputs)
{
    const int64_t row = job->inputs * job->taps, count = inputs * job->taps;
    int64_t i = 0, t = 0;
    for (int64_t j = 0; j < count; j += LANES) {
        const int n = count - j < LANES ? (int)(count - j) : LANES;
        float *there[LANES];
        for (int k = 0; k < n; k++) {
            there[k] = blocked + i * job->input_step + t * job->tap;
            i += t + 1 == job->taps;
            t = t + 1 == job->taps ? 0 : t + 1;
        }
        for (int o = 0; o < GROUP; o += LANES) {
            float *here = plain + o * row + j;
            vf r[LANES];
            for (int k = 0; k < LANES; k++)
                r[k] = job->in ? vf_load_part(here + k * row, n)
                       : k < n ? vf_load(there[k] + o)
                               : (vf){0};
            vf_turn(r);
            for (int k = 0; k < LANES; k++)
                if (!job->in)
                    vf_store_part(here + k * row, r[k], n);
                else if (k < n)
                    vf_store(there[k] + o, r[k]);
        }
    }
}

/* Inputs beside each other: of each output channel a matrix, taps across. */
static void inputs_beside(const dn_weights_job *job, float *plain, float *blocked)
{
    for (int64_t o = 0; o < GROUP; o++, plain += job->inputs * job->taps, blocked += GROUP)
        if (job->in)
            CPU_TRANSPOSE(job->taps, GROUP, plain, job->taps, blocked, job->tap);
        else
            CPU_TRANSPOSE(GROUP, job->taps, blocked, job->tap, plain, job->taps);
}

void CPU_NAME(dn_turn_weights)(const dn_weights_job *job, int64_t begin, int64_t end)
{
    const int64_t parts = (job->inputs + GROUP - 1) / GROUP;
    for (int64_t item = begin; item < end; item++) {
        int64_t o = item / parts * GROUP, i = item % parts * GROUP;
        int64_t inputs = job->inputs - i < GROUP ? job->inputs - i : GROUP;
        float *plain = job->plain + (o * job->inputs + i) * job->taps;
        float *blocked =
            job->blocked + o / job->block * job->output + o % job->block + i / GROUP * job->input;
        if (job->inputs_beside)
            inputs_beside(job, plain, blocked);
        else
            outputs_beside(job, plain, blocked, inputs);
    }
}
