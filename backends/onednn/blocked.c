/* The loops behind blocked.h for one instruction set. */
#include "blocked.h"

#include <math.h>

/* ---- numbers of channels ---- */

static float read_one(const dn_vector *v, int64_t c)
{
    return v->dtype == CR_BF16 ? dn_from_bf16(((const uint16_t *)v->at)[c * v->stride])
                               : ((const float *)v->at)[c * v->stride];
}

static void write_one(const dn_vector *v, int64_t c, float f)
{
    if (v->dtype == CR_BF16)
        ((uint16_t *)v->at)[c * v->stride] = dn_to_bf16(f);
    else
        ((float *)v->at)[c * v->stride] = f;
}

/* ---- for 16 and 8 channels, f32 and bf16 ---- */

#define LANES   16
#define HALF    0
#define NAME(x) f32_16_##x
#include "blocked_real.h"
#undef HALF
#undef NAME
#define HALF    1
#define NAME(x) bf16_16_##x
#include "blocked_real.h"
#undef HALF
#undef NAME
#undef LANES
#define LANES   8
#define HALF    0
#define NAME(x) f32_8_##x
#include "blocked_real.h"
#undef HALF
#undef NAME
#define HALF    1
#define NAME(x) bf16_8_##x
#include "blocked_real.h"

#define CHOOSE(kernel, job)                                                                 \
    (dn_lanes((job)->grid.block) == 16 ? ((job)->half ? bf16_16_##kernel : f32_16_##kernel) \
                                       : ((job)->half ? bf16_8_##kernel : f32_8_##kernel))

static void norm_forward(const dn_norm_job *job, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++)
        CHOOSE(norm_forward, job)(job, i);
}

static void norm_backward(const dn_norm_job *job, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++)
        CHOOSE(norm_backward, job)(job, i);
}

static void pool_forward(const dn_pool_job *job, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++)
        if (job->index)
            CHOOSE(max_forward, job)(job, i);
        else
            CHOOSE(average_forward, job)(job, i);
}

static void pool_backward(const dn_pool_job *job, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++)
        if (job->index)
            CHOOSE(max_backward, job)(job, i);
        else
            CHOOSE(average_backward, job)(job, i);
}

/* ---- NaN ---- */

#define NANS(name, bits, infinity, nan)                                    \
    static void rows_##name(const dn_nan_job *job)                         \
    {                                                                      \
        typedef uint##bits##_t word;                                       \
        const word sign = (word)1 << (bits - 1), inf = infinity;           \
        for (int64_t i = 0; i < job->rows; i++) {                          \
            const word *restrict x = (const word *)job->from + i * job->m; \
            word *restrict y = (word *)job->to + i * job->m;               \
            word bad = 0, some = 0;                                        \
            for (int64_t j = 0; j < job->m; j++) {                         \
                word magnitude = x[j] & (word)~sign;                       \
                bad |= (word)((magnitude > inf) | (x[j] == inf));          \
                some |= (word)(x[j] ^ (word)(inf | sign));                 \
            }                                                              \
            if (bad || !some)                                              \
                for (int64_t j = 0; j < job->m; j++)                       \
                    y[j] = nan;                                            \
        }                                                                  \
    }                                                                      \
    static void elements_##name(const dn_nan_job *job)                     \
    {                                                                      \
        typedef uint##bits##_t word;                                       \
        const word sign = (word)1 << (bits - 1), inf = infinity;           \
        const word *restrict x = job->from;                                \
        word *restrict y = job->to;                                        \
        for (int64_t j = 0; j < job->rows * job->m; j++)                   \
            y[j] = (word)(x[j] & (word)~sign) > inf ? (word)nan : y[j];    \
    }
NANS(f32, 32, 0x7f800000, 0x7fc00000)
NANS(bf16, 16, 0x7f80, 0x7fc0)
NANS(f16, 16, 0x7c00, 0x7e00)

static void nan_rows(const dn_nan_job *job)
{
    switch (job->dtype) {
    case CR_F32: rows_f32(job); break;
    case CR_BF16: rows_bf16(job); break;
    default: rows_f16(job);
    }
}

static void nan_elements(const dn_nan_job *job)
{
    switch (job->dtype) {
    case CR_F32: elements_f32(job); break;
    case CR_BF16: elements_bf16(job); break;
    default: elements_f16(job);
    }
}

/* Of blocks that no vector divides: one by one. */
static void tail_plain(const dn_tail_job *job)
{
    const dn_grid *g = &job->grid;
    float *wide = job->y;
    uint16_t *narrow = job->y;
    const float *wide_other = job->other;
    const uint16_t *narrow_other = job->other;
    int64_t at = 0;
    for (int64_t block = 0; block < g->n * g->blocks; block++)
        for (int64_t i = 0; i < g->positions * g->block; i++, at++) {
            int64_t c = block % g->blocks * g->block + i % g->block;
            float x = job->half ? dn_from_bf16(narrow[at]) : wide[at];
            if (job->scale)
                x = x * job->scale[c] + job->shift[c];
            if (job->other)
                x += job->half ? dn_from_bf16(narrow_other[at]) : wide_other[at];
            if (job->relu)
                x = x < 0 ? 0 : x;
            if (job->half)
                narrow[at] = dn_to_bf16(x);
            else
                wide[at] = x;
        }
}

static void tail(const dn_tail_job *job)
{
    if (job->grid.block % 8)
        tail_plain(job);
    else
        CHOOSE(tail, job)(job);
}

static void relu(bool half, void *x, int64_t n)
{
    float *restrict wide = x;
    uint16_t *restrict narrow = x;
    if (half)
        for (int64_t i = 0; i < n; i++) /* below 0, down to -inf; beyond are NaNs */
            narrow[i] = narrow[i] >= 0x8000 && narrow[i] <= 0xff80 ? 0 : narrow[i];
    else
        for (int64_t i = 0; i < n; i++)
            wide[i] = wide[i] < 0 ? 0 : wide[i];
}

#include "small_real.h"

extern const dn_kernel_table CPU_NAME(dn_kernels_of);
const dn_kernel_table CPU_NAME(dn_kernels_of) = {
    .turn_images = CPU_NAME(dn_turn_images),
    .turn_weights = CPU_NAME(dn_turn_weights),
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .pool_forward = pool_forward,
    .pool_backward = pool_backward,
    .nan_rows = nan_rows,
    .nan_elements = nan_elements,
    .relu = relu,
    .tail = tail,
    .small_forward = small_forward,
    .small_data = small_data,
    .small_weights = small_weights,
};
