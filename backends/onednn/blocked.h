/* Kernels over images whose channels lie in blocks (layout.h), compiled for each instruction set. They work on groups of
 * 16 or 8 neighbouring channels, a group's number being image · groups + group or, for statistics, the group alone. */
#ifndef CRESSET_BACKENDS_ONEDNN_BLOCKED_H
#define CRESSET_BACKENDS_ONEDNN_BLOCKED_H

#include "layout.h"
#include "variant.h"

/* Images out of blocks, row-major, or into them, with any strides; dn_turn_items items. */
typedef struct dn_turn_job {
    dn_grid grid;
    size_t size;       /* of an element */
    int64_t stride[5]; /* of the row-major or strided side: image, channel, three of space */
    bool in;           /* plain is read and blocked is written */
    int64_t image; /* not 0: so many elements of each image lie in the same blocks on both sides */
    char *plain, *blocked;
} dn_turn_job;

/* The job between images of the grid and a value of those sizes, without addresses (layout.c). */
dn_turn_job dn_turn_of(const dn_grid *grid, const cr_meta *meta, bool in);

/* Channels of an item: a cache line's. */
static inline int64_t dn_turn_lanes(const dn_turn_job *job)
{
    int64_t lanes = 64 / (int64_t)job->size;
    return lanes < job->grid.block ? lanes : job->grid.block;
}

static inline int64_t dn_turn_items(const dn_turn_job *job)
{
    if (job->image)
        return job->grid.n;
    int64_t lanes = dn_turn_lanes(job);
    return job->grid.n * job->grid.blocks * ((job->grid.block + lanes - 1) / lanes);
}

/* f32 weights [outputs, inputs, taps] out of blocks of channels or into them, 16 of both an item: dn_weights_items. A block has a
 * multiple of 16 outputs; with inputs beside each other 16 of both, an output's after the other's. */
typedef struct dn_weights_job {
    int64_t outputs, inputs, taps, block;
    int64_t output, input, tap; /* elements from a block of outputs, 16 inputs, a tap to the next */
    int64_t input_step;         /* from one of the 16 inputs to the next */
    bool inputs_beside, in;
    float *plain, *blocked;
} dn_weights_job;

static inline int64_t dn_weights_items(const dn_weights_job *job)
{
    return job->outputs / 16 * ((job->inputs + 15) / 16);
}

/* turn.c, for each instruction set. */
void CPU_NAME(dn_turn_images)(const dn_turn_job *job, int64_t begin, int64_t end);
void CPU_NAME(dn_turn_weights)(const dn_weights_job *job, int64_t begin, int64_t end);

/* One number for each channel; at is null where there are none. */
typedef struct dn_vector {
    void *at;
    int32_t dtype;
    int64_t stride;
} dn_vector;

/* Batch norm, by groups of channels. x in both; forward: y, backward: g is y's gradient, y x's (or null). */
typedef struct dn_norm_job {
    dn_grid grid;
    bool half, training;
    double eps, momentum;
    const void *x, *g;
    void *y;
    dn_vector weight, bias, running_mean, running_var; /* running: read and written in training */
    dn_vector mean, rstd;                              /* written forward, read backward */
    dn_vector weight_grad, bias_grad;
} dn_norm_job;

/* Along one dimension: of each place of the small side the window from … to on the large (step apart) and what it counts
 * for in an average; of each place of the large side the places of the small, first … last, whose windows hold it. */
typedef struct dn_windows {
    int64_t *from, *to, *count, *first, *last;
    int64_t step;
} dn_windows;

/* Pools, by groups of an image's channels. large is read forward and written backward, small the other way. */
typedef struct dn_pool_job {
    dn_grid grid;             /* of the large side */
    int64_t small[3], places; /* of the small side */
    const dn_windows *along;  /* [3] */
    int64_t divisor;          /* of averages, 0: what the windows count */
    bool half;
    void *large, *out;
    int64_t *index; /* null: averages */
} dn_pool_job;

/* oneDNN's exponential loses NaN. Rows of m elements of a dtype: */
typedef struct dn_nan_job {
    int32_t dtype;
    int64_t rows, m;
    const void *from;
    void *to;
} dn_nan_job;

/* What follows a convolution: y = relu(y · scale + shift + other) in place, each part optional. y and other are images as
 * their grid says, whose blocks may be of one channel; scale and shift have a number for each channel of the blocks. */
typedef struct dn_tail_job {
    dn_grid grid;
    bool half, relu;
    const float *scale, *shift;
    const void *other;
    void *y;
} dn_tail_job;

/* Products of few rows with many weights (small_real.h): rows [m, o], cols [m, k], w and dw [o, k]. */
typedef struct dn_small_job {
    int64_t m, k, o;
    const float *w;
    float *rows, *cols, *dw;
} dn_small_job;

typedef struct dn_kernel_table {
    void (*turn_images)(const dn_turn_job *job, int64_t begin, int64_t end);
    void (*turn_weights)(const dn_weights_job *job, int64_t begin, int64_t end);
    void (*norm_forward)(const dn_norm_job *job, int64_t begin, int64_t end);
    void (*norm_backward)(const dn_norm_job *job, int64_t begin, int64_t end);
    void (*pool_forward)(const dn_pool_job *job, int64_t begin, int64_t end);
    void (*pool_backward)(const dn_pool_job *job, int64_t begin, int64_t end);
    /* Rows whose softmax is NaN, those with a NaN, an infinite maximum, or nothing but -inf, made so. */
    void (*nan_rows)(const dn_nan_job *job);
    /* Every element is NaN where `from` is. */
    void (*nan_elements)(const dn_nan_job *job);
    /* In place, of f32 or (half) bf16; NaN stays. */
    void (*relu)(bool half, void *x, int64_t n);
    void (*tail)(const dn_tail_job *job);
    void (*small_forward)(const dn_small_job *job, int64_t begin, int64_t end);
    void (*small_data)(const dn_small_job *job, int64_t begin, int64_t end);
    void (*small_weights)(const dn_small_job *job, int64_t begin, int64_t end);
} dn_kernel_table;

/* The kernels for this machine, or those that CRESSET_CPU_ISA asks for. */
const dn_kernel_table *dn_kernels(void);

/* Channels in a group of blocks of this size. */
static inline int dn_lanes(int64_t block)
{
    return block % 16 ? 8 : 16;
}

#endif
