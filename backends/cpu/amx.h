/* f32 products by a unit that multiplies bf16. A number of 24 bits is the sum of three of 8, x = x0 + x1 + x2, each of which is
 * a bf16 (Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
 * Computations", 2019). Of the nine products of parts the six largest are summed, in f32: each of the other three is below
 * 2^-24 of the product, so that the sum is as exact as one of f32 products. AMX takes subnormal numbers for zero; where
 * numbers are so small, so large or not finite that this or a part's overflow could be seen (in_range), its users compute
 * otherwise.
 *
 * A tile of the left operand has a line for each of 16 rows, one of the right operand a line for each of 16 pairs of terms
 * and 16 columns; terms 0 … 15 of a step are paired with 16 … 31. */
#ifndef CRESSET_BACKENDS_CPU_AMX_H
#define CRESSET_BACKENDS_CPU_AMX_H

#include "simd.h"

#include <stdbool.h>

/* Whether the processor and the system have AMX, and the user did not ask for a lesser instruction set. */
bool cpu_amx_works(void);

#if defined __AVX512F__ && defined __linux__ && (__GNUC__ >= 11 || __clang_major__ >= 12)
#define CPU_HAS_AMX_CODE 1

#define WITH_AMX __attribute__((target("amx-tile,amx-bf16")))

enum {
    SIDE = 16,                    /* lines of a tile */
    PAIRS = 16,                   /* of terms in one */
    STEP = 2 * PAIRS,             /* terms of a tile; 0 … 15 are paired with 16 … 31 */
    PARTS = 3,                    /* of a number */
    TILE = SIDE * STEP,           /* bf16 in a tile */
    PANEL = 2 * SIDE,             /* rows or columns that are multiplied together */
    STEP_SIZE = PARTS * 2 * TILE, /* bf16 of a panel's step: [part][half][line][2 · pair + term] */
};

/* ---- packing ---- */

/* Of what was packed: the largest magnitude and the least but zero, less one, as bits. */
typedef struct range {
    __m512i most, least;
} range;

/* Sixteen lines of sixteen numbers. */
typedef struct square {
    const float *at;
    int64_t line;
} square;

/* from[l line_stride + p lane_stride] as lines, zeros past `lines` and `lanes`: where it lies if it can, else in `room`. */
CPU_INLINE square square_of(const float *from, int64_t line_stride, int64_t lane_stride,
                            int64_t lines, int64_t lanes, vf room[SIDE])
{
    const bool along = lane_stride == 1, across = !along && line_stride == 1;
    const int64_t count = along ? lines : lanes, width = along ? lanes : lines;
    const int64_t stride = along ? line_stride : lane_stride;
    if (along && lines >= SIDE && lanes >= SIDE)
        return (square){from, line_stride};
    if (count <= 0 || width <= 0) {
        for (int l = 0; l < SIDE; l++)
            room[l] = (vf){0};
    } else if (along || across) {
        for (int l = 0; l < SIDE; l++)
            room[l] = l < count ? vf_load_part(from + l * stride, width < SIDE ? (int)width : SIDE)
                                : (vf){0};
    } else {
        for (int l = 0; l < SIDE; l++) {
            float lane[SIDE] = {0};
            for (int p = 0; l < lines && p < SIDE && p < lanes; p++)
                lane[p] = from[l * line_stride + p * lane_stride];
            room[l] = vf_load(lane);
        }
    }
    if (across)
        vf_turn(room);
    return (square){(const float *)room, SIDE};
}

/* x as the sum of three numbers whose lower halves are zero. */
CPU_INLINE void split(vf x, __m512i part[PARTS])
{
    const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(-0x10000);
#pragma GCC unroll 2
    for (int p = 0; p < PARTS - 1; p++) {
        part[p] = _mm512_and_si512(_mm512_add_epi32((__m512i)x, half), upper);
        x -= (vf)part[p];
    }
    part[PARTS - 1] = (__m512i)x;
}

/* A tile of each part, part_size bf16 apart: line l's pairs are the lanes of x's and y's line. */
CPU_INLINE void pack_tiles(square x, square y, uint16_t *to, int64_t part_size, range *seen)
{
    const __m512i upper = _mm512_set1_epi32(-0x10000), magnitude = _mm512_set1_epi32(0x7fffffff);
    const __m512i one = _mm512_set1_epi32(1);
    for (int l = 0; l < SIDE; l++) {
        __m512i first[PARTS], second[PARTS];
        const vf of_x = vf_load(x.at + l * x.line), of_y = vf_load(y.at + l * y.line);
        const __m512i bits[2] = {_mm512_and_si512((__m512i)of_x, magnitude),
                                 _mm512_and_si512((__m512i)of_y, magnitude)};
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            seen->most = _mm512_max_epu32(seen->most, bits[i]);
            seen->least = _mm512_min_epu32(seen->least, _mm512_sub_epi32(bits[i], one));
        }
        split(of_x, first);
        split(of_y, second);
#pragma GCC unroll 3
        for (int p = 0; p < PARTS; p++)
            _mm512_store_si512(to + p * part_size + l * STEP,
                               _mm512_or_si512(_mm512_srli_epi32(first[p], 16),
                                               _mm512_and_si512(second[p], upper)));
    }
}

/* Exponents as f32 has them; least is 256 where all numbers are zero. */
typedef struct exponents {
    int most, least;
} exponents;

CPU_INLINE range nothing_seen(void)
{
    return (range){_mm512_setzero_si512(), _mm512_set1_epi32(-1)};
}

CPU_INLINE exponents no_exponents(void)
{
    return (exponents){0, 256};
}

CPU_INLINE exponents exponents_of(const range *seen)
{
    const uint32_t most = _mm512_reduce_max_epu32(seen->most);
    const uint32_t least = _mm512_reduce_min_epu32(seen->least);
    return (exponents){(int)(most >> 23), least == UINT32_MAX ? 256 : (int)((least + 1) >> 23)};
}

CPU_INLINE exponents wider(exponents a, exponents b)
{
    return (exponents){a.most > b.most ? a.most : b.most, a.least < b.least ? a.least : b.least};
}

/* Whether no product of parts that counts is subnormal, and neither a part nor a sum can be too large for f32. */
static inline bool in_range(exponents a, exponents b)
{
    enum { BIAS = 127, LEAST = -100, MOST = 114 };
    return a.least - BIAS >= LEAST && b.least - BIAS >= LEAST &&
           a.least - BIAS + b.least - BIAS >= LEAST && a.most - BIAS <= MOST &&
           b.most - BIAS <= MOST && a.most - BIAS + b.most - BIAS <= MOST;
}

/* ---- multiplying ---- */

/* What ldtilecfg reads: eight tiles of 16 lines of 64 bytes. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tile_config;

/* Before a thread's first step, and after its last one. */
CPU_INLINE WITH_AMX void amx_begin(void)
{
    static const tile_config config = {.palette = 1,
                                       .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                       .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}

CPU_INLINE WITH_AMX void amx_end(void)
{
    _tile_release();
}

/* What was packed is in memory then: some compilers don't know that loads of tiles read it. */
CPU_INLINE WITH_AMX void amx_clear(void)
{
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* A panel's tiles at one step: how many bf16 the parts and the halves lie apart, and how far on the next step's are. */
typedef struct amx_tiles {
    const uint16_t *at;
    int64_t part, half, next;
} amx_tiles;

/* Asks for tiles that are multiplied next: their lines come from the second cache while others are multiplied. After the last
 * step there may be no memory, which a prefetch does not mind. */
CPU_INLINE void amx_fetch(bool one, amx_tiles of, int64_t part)
{
    enum { BYTES = STEP * sizeof(uint16_t) };
    const uintptr_t first = (uintptr_t)of.at + (uintptr_t)(of.next + part * of.part) * 2;
    const uintptr_t second = first + (uintptr_t)of.half * 2;
#pragma GCC unroll 16
    for (int line = 0; line < SIDE; line++)
        __builtin_prefetch((const void *)(first + (uintptr_t)line * BYTES));
#pragma GCC unroll 16
    for (int line = 0; !one && line < SIDE; line++)
        __builtin_prefetch((const void *)(second + (uintptr_t)line * BYTES));
}

/* Adds one step's products of two panels, or of the first half of the left (`low`) or of the right one (`narrow`). Each pair of
 * parts differs from the one before in one operand alone, which is what there are tiles for. */
CPU_INLINE WITH_AMX void amx_step(bool low, bool narrow, amx_tiles a, amx_tiles b)
{
#define LOAD(tile, of, which, side) \
    _tile_loadd(tile, (of).at + (which) * (of).part + (side) * (of).half, 64)
#define LOAD_A(part)     \
    LOAD(4, a, part, 0); \
    if (!low)            \
    LOAD(5, a, part, 1)
#define LOAD_B(part)     \
    LOAD(6, b, part, 0); \
    if (!narrow)         \
    LOAD(7, b, part, 1)
#define MULTIPLY                     \
    do {                             \
        _tile_dpbf16ps(0, 4, 6);     \
        if (!narrow)                 \
            _tile_dpbf16ps(1, 4, 7); \
        if (!low)                    \
            _tile_dpbf16ps(2, 5, 6); \
        if (!low && !narrow)         \
            _tile_dpbf16ps(3, 5, 7); \
    } while (0)
    LOAD_A(2);
    LOAD_B(0);
    MULTIPLY;
    amx_fetch(low, a, 2);
    LOAD_A(0);
    MULTIPLY;
    amx_fetch(narrow, b, 0);
    LOAD_A(1);
    MULTIPLY;
    amx_fetch(low, a, 0);
    LOAD_B(1);
    MULTIPLY;
    amx_fetch(low, a, 1);
    LOAD_A(0);
    MULTIPLY;
    amx_fetch(narrow, b, 1);
    LOAD_B(2);
    MULTIPLY;
    amx_fetch(narrow, b, 2);
#undef MULTIPLY
#undef LOAD_B
#undef LOAD_A
#undef LOAD
}

/* The sums as [2 SIDE][2 SIDE]. */
CPU_INLINE WITH_AMX void amx_store(float *sums)
{
    enum { ROW = PANEL * sizeof(float) };
    _tile_stored(0, sums, ROW);
    _tile_stored(1, sums + SIDE, ROW);
    _tile_stored(2, sums + SIDE * PANEL, ROW);
    _tile_stored(3, sums + SIDE * PANEL + SIDE, ROW);
}

/* Adds the sums to those that are there; the first ones take their place. */
CPU_INLINE WITH_AMX void amx_add(float *sums, bool is_first)
{
    _Alignas(64) float more[PANEL * PANEL];
    amx_store(is_first ? sums : more);
    for (int i = 0; !is_first && i < PANEL * PANEL; i += SIDE)
        vf_store(sums + i, vf_load(sums + i) + vf_load(more + i));
}

/* Calls f(low, narrow, ...) with constants for the first two. */
#define AMX_BY_HALVES(low, narrow, f, ...) \
    do {                                   \
        if (!(low) && !(narrow))           \
            f(false, false, __VA_ARGS__);  \
        else if (!(low))                   \
            f(false, true, __VA_ARGS__);   \
        else if (!(narrow))                \
            f(true, false, __VA_ARGS__);   \
        else                               \
            f(true, true, __VA_ARGS__);    \
    } while (0)

#else
#define CPU_HAS_AMX_CODE 0
#endif

#endif
