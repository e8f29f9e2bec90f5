/* What convolutions by AMX have in common: an image whose places lie line after line with their padding, in a grid for each
 * remainder of the stride, so that a tap is a shift. */
#ifndef CRESSET_BACKENDS_CPU_CONV_AMX_H
#define CRESSET_BACKENDS_CPU_CONV_AMX_H

#include "amx.h"
#include "conv.h"

#if CPU_HAS_AMX_CODE

enum {
    AMX_LINE = STEP,          /* bf16 of a place, in each part */
    AMX_LEAST_CHANNELS = 24,  /* fewer would fill less than three quarters of a step or a panel */
    AMX_LEAST_USES = 200,     /* of each number that is packed */
    AMX_LEAST_OUTPUTS = 300,  /* of a channel in all images */
    AMX_LEAST_WORK = 3000000, /* multiplications */
    AMX_MOST_STRIDE = 4,
    AMX_CHAIN =
        32 /* steps that are summed in tiles: longer sums would round more than f32 ones in blocks */
};

/* How many of them n takes. */
CPU_INLINE int64_t units_of(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit;
}

/* Columns of a grid for so many columns of output. */
CPU_INLINE int64_t grid_width(const conv_shape *s, int64_t columns)
{
    return units_of((columns - 1) * s->stride[2] + (s->k[2] - 1) * s->dil[2] + 1, s->stride[2]);
}

/* A tap's grid, and the place in it that the tap of an output's place 0 is at. */
typedef struct tap_at {
    int64_t grid, place;
} tap_at;

CPU_INLINE tap_at tap_of(const conv_shape *s, int64_t wide, int64_t tap)
{
    const int64_t y = tap / s->k[2] * s->dil[1], x = tap % s->k[2] * s->dil[2];
    return (tap_at){y % s->stride[1] * s->stride[2] + x % s->stride[2],
                    y / s->stride[1] * wide + x / s->stride[2]};
}

/* How far the last tap reaches beyond an output's place, in lines and columns of a grid. */
CPU_INLINE int64_t reach_of_lines(const conv_shape *s)
{
    return (s->k[1] - 1) * s->dil[1] / s->stride[1];
}

CPU_INLINE int64_t reach_of_columns(const conv_shape *s)
{
    return (s->k[2] - 1) * s->dil[2] / s->stride[2];
}

CPU_INLINE bool is_grid_used(const conv_shape *s, int64_t grid)
{
    for (int64_t tap = 0; tap < s->taps; tap++)
        if (tap_of(s, 1, tap).grid == grid)
            return true;
    return false;
}

CPU_INLINE int64_t used_grids(const conv_shape *s)
{
    int64_t used = 0;
    for (int64_t grid = 0; grid < s->stride[1] * s->stride[2]; grid++)
        used += is_grid_used(s, grid);
    return used;
}

/* Among sixteen places of a grid those that lie side by side in one line of an image. */
typedef struct places_run {
    int lane, count;
    int64_t at; /* in a plane */
} places_run;

/* Where sixteen places of a grid with so many columns lie: columns from … end of its lines are those of a plane's line, which
 * begins at `first` and lies `line` on from the one before; lines from … end of the grid are within the plane. */
typedef struct grid_in_plane {
    int64_t wide, first_line, end_line, first_column, end_column;
    int64_t first, line, column;
} grid_in_plane;

/* The outputs of a band's lines. */
CPU_INLINE grid_in_plane outputs_of(int64_t wide, int64_t first_line, int64_t lines,
                                    int64_t columns)
{
    return (grid_in_plane){.wide = wide,
                           .end_line = lines,
                           .end_column = columns,
                           .first = first_line * columns,
                           .line = columns,
                           .column = 1};
}

CPU_INLINE int runs_of(const grid_in_plane *g, int64_t place, places_run runs[SIDE])
{
    int count = 0;
    int64_t line = place / g->wide, column = place % g->wide;
    for (int lane = 0; lane < SIDE && line < g->end_line; line++, column = 0) {
        const int64_t left = g->wide - column < SIDE - lane ? g->wide - column : SIDE - lane;
        const int64_t from = column > g->first_column ? column : g->first_column;
        const int64_t end = column + left < g->end_column ? column + left : g->end_column;
        if (line >= g->first_line && from < end)
            runs[count++] =
                (places_run){lane + (int)(from - column), (int)(end - from),
                             g->first + line * g->line + (from - g->first_column) * g->column};
        lane += (int)left;
    }
    return count;
}

/* Whether tiles gain: two dimensions, enough channels, outputs and work, and of the places that are computed, in lines of
 * `columns` outputs each, most are outputs. */
CPU_INLINE bool amx_pays(const conv_shape *s, int64_t lines, int64_t columns)
{
    const bool is_plane = s->in[0] == 1 && s->k[0] == 1 && s->out[0] == 1 && s->pad[0] == 0;
    if (s->groups != 1 || !is_plane || s->n < 1 || lines < 1 || columns < 1 ||
        s->stride[1] > AMX_MOST_STRIDE || s->stride[2] > AMX_MOST_STRIDE)
        return false;
    const int64_t outputs = lines * columns,
                  places = units_of((lines - 1) * grid_width(s, columns) + columns, SIDE) * SIDE;
    const int64_t work = s->n * s->out_size * s->ic * s->oc * s->taps;
    return s->ic >= AMX_LEAST_CHANNELS && s->oc >= AMX_LEAST_CHANNELS &&
           s->n * outputs >= AMX_LEAST_OUTPUTS && outputs * 5 >= places * 3 &&
           work >= AMX_LEAST_WORK && cpu_amx_works();
}

#endif

/* The gradient of w, for conv_amx.c's table. */
bool CPU_NAME(conv_amx_takes_weight)(const conv_shape *shape, size_t *scratch, int *choice);
bool CPU_NAME(conv_amx_weight)(const conv_data *data);

#endif
