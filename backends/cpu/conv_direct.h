/* What the direct convolutions of two dimensions share: padded planes, and how a batch is cut. */
#ifndef CRESSET_BACKENDS_CPU_CONV_DIRECT_H
#define CRESSET_BACKENDS_CPU_CONV_DIRECT_H

#include "conv.h"
#include "simd.h"

#include <string.h>

/* Images go to a fixed number of parts, whatever the number of threads. */
enum { PARTS = 16, LANES = VF_LANES, SLACK = 64 };
/* Of a row, that registers hold. */
enum { MOST_TAPS = 5 };

/* The compiler forgets what it knows of the pointer. Else GCC keeps a number that the next turn of the loop reads again, and
 * spends a shuffle on spreading it over the lanes, which a load does by itself. */
#define KEEP_LOADS(pointer) __asm__("" : "+r"(pointer))

typedef struct plane {
    int64_t channels, height, pitch,
        size; /* padded; size of one, with slack for vectors that run over */
} plane;

/* Where a part's images begin, which the part before ends with; parts may be empty. */
static inline int64_t first_image(const conv_shape *s, int64_t part)
{
    return part * s->n / PARTS;
}

static inline int64_t round_up(int64_t value, int64_t to)
{
    return (value + to - 1) / to * to;
}

static inline char *aligned(char *p)
{
    return (char *)(((uintptr_t)p + 63) / 64 * 64);
}

static inline plane plane_of(int64_t channels, int64_t rows, int64_t columns, int64_t pad_y,
                             int64_t pad_x)
{
    plane p = {channels, rows + 2 * pad_y, columns + 2 * pad_x, 0};
    p.size = round_up(p.height * p.pitch + SLACK, LANES);
    return p;
}

/* Copies an image's planes into the padded form; margins must be zero already. */
static inline void pad_planes(const float *from, float *to, int64_t channels, int64_t rows,
                              int64_t columns, const plane *p, int64_t pad_y, int64_t pad_x)
{
    const int rest = (int)(columns % LANES);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < rows; y++, from += columns) { /* rows too short for memcpy's call */
            float *row = to + c * p->size + (y + pad_y) * p->pitch + pad_x;
            for (int64_t i = 0; i < columns - rest; i += LANES)
                vf_store(row + i, vf_load(from + i));
            if (rest)
                vf_store_part(row + columns - rest, vf_load_part(from + columns - rest, rest),
                              rest);
        }
}

static inline bool is_small(const conv_shape *s)
{
    return s->groups == 1 && s->in[0] == 1 && s->out[0] == 1 && s->k[0] == 1 && s->stride[1] == 1 &&
           s->stride[2] == 1 && s->dil[1] == 1 && s->dil[2] == 1 && s->pad[1] < s->k[1] &&
           s->pad[2] < s->k[2] && s->ic <= 32 && s->oc <= 32 && s->in_size <= 4096 &&
           s->taps <= 49 && s->taps > 1 && s->out_size > 0 && s->n > 0;
}

/* conv_direct_weight.c */
bool CPU_NAME(conv_direct_takes_weight)(const conv_shape *shape, size_t *scratch, int *choice);
bool CPU_NAME(conv_direct_weight)(const conv_data *data);

#endif
