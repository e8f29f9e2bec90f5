/* Products of bf16 on AMX, summed in f32 as it does: numbers that are subnormal count as zero. */
#include "gemm_amx.h"

#include "amx.h"
#include "cpu.h"
#include "gemm_memory.h"

#if CPU_HAS_AMX_CODE

#define REAL          uint16_t
#define ARGS          cpu_bgemm_args
#define ENTRY         CPU_NAME(cpu_bgemm_amx)
#define OF_STEP       (2 * TILE)
#define AMX_STEP      step_of_bf16
#define ASKS_AHEAD    false
#define PACK_COST     0.15
#define MULTIPLY_COST 0.001

enum {
    PASS_STEPS = 256, /* all: C could not hold part of the sums */
    SHARED_ROOM = 560000
};

/* Of 32 elements the first n. */
CPU_INLINE __m512i load_elements(const uint16_t *from, int64_t n)
{
    return _mm512_maskz_loadu_epi16(n < STEP ? (1u << n) - 1 : ~0u, from);
}

CPU_INLINE void turn_pairs(__m512i tile[SIDE])
{
    vf lines[SIDE];
    for (int i = 0; i < SIDE; i++)
        lines[i] = (vf)tile[i];
    vf_turn(lines);
    for (int i = 0; i < SIDE; i++)
        tile[i] = (__m512i)lines[i];
}

/* Tiles of lines, from memory where those are contiguous. Neighbours are the pairs. */
CPU_INLINE void tiles_of_lines(const uint16_t *from, int64_t line, int64_t lines, int64_t terms,
                               __m512i tile[2][SIDE])
{
    for (int l = 0; l < PANEL; l++)
        tile[l / SIDE][l % SIDE] =
            l < lines ? load_elements(from + l * line, terms) : _mm512_setzero_si512();
}

/* Tiles of pairs, from memory where terms lie apart and lines are neighbours. */
CPU_INLINE void tiles_of_pairs(const uint16_t *from, int64_t term, int64_t lines, int64_t terms,
                               __m512i tile[2][SIDE])
{
    __m512i of_half[2];
    for (int half = 0; half < 2; half++)
        for (int l = 0; l < SIDE; l++)
            ((uint32_t *)&of_half[half])[l] =
                (uint32_t)(half * SIDE + l) | (uint32_t)(PANEL + half * SIDE + l) << 16;
    for (int p = 0; p < PAIRS; p++) {
        __m512i of_pair[2];
        for (int i = 0; i < 2; i++)
            of_pair[i] = 2 * p + i < terms ? load_elements(from + (2 * p + i) * term, lines)
                                           : _mm512_setzero_si512();
        for (int half = 0; half < 2; half++)
            tile[half][p] = _mm512_permutex2var_epi16(of_pair[0], of_half[half], of_pair[1]);
    }
}

static void pack_step(const uint16_t *from, int64_t line, int64_t term, int64_t lines,
                      int64_t terms, bool lines_are_terms, uint16_t *to, range *seen)
{
    (void)seen;
    lines = lines < PANEL ? lines : PANEL;
    terms = terms < STEP ? terms : STEP;
    __m512i tile[2][SIDE];
    bool are_pairs = false;
    if (term == 1) {
        tiles_of_lines(from, line, lines, terms, tile);
    } else if (line == 1) {
        tiles_of_pairs(from, term, lines, terms, tile);
        are_pairs = true;
    } else {
        uint16_t dense[PANEL * STEP];
        for (int64_t l = 0; l < lines; l++)
            for (int64_t t = 0; t < terms; t++)
                dense[l * STEP + t] = from[l * line + t * term];
        tiles_of_lines(dense, STEP, lines, terms, tile);
    }
    for (int half = 0; half < 2; half++) {
        if (are_pairs != lines_are_terms)
            turn_pairs(tile[half]);
        for (int i = 0; i < SIDE; i++)
            _mm512_store_si512(to + half * TILE + i * STEP, tile[half][i]);
    }
}

CPU_INLINE vf load_part(const uint16_t *from, int lanes)
{
    const __m256i x = _mm256_maskz_loadu_epi16((__mmask16)((1u << lanes) - 1), from);
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16);
}

/* As cpu_bf16_of_f32. */
CPU_INLINE void store_part(uint16_t *to, vf x, int lanes)
{
    const __m512i bits = (__m512i)x,
                  even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q);
    const __m512i all = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    _mm256_mask_storeu_epi16(to, (__mmask16)((1u << lanes) - 1),
                             _mm512_cvtepi32_epi16(_mm512_srli_epi32(all, 16)));
}

CPU_INLINE WITH_AMX void step_of_bf16(bool low, bool narrow, amx_tiles a, amx_tiles b)
{
    _tile_loadd(4, a.at, 64);
    _tile_loadd(6, b.at, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (!narrow) {
        _tile_loadd(7, b.at + b.half, 64);
        _tile_dpbf16ps(1, 4, 7);
    }
    if (!low) {
        _tile_loadd(5, a.at + a.half, 64);
        _tile_dpbf16ps(2, 5, 6);
    }
    if (!low && !narrow)
        _tile_dpbf16ps(3, 5, 7);
}

#include "gemm_amx_real.h"

bool CPU_NAME(cpu_amx_takes_bf16)(int64_t m, int64_t n, int64_t k)
{
    if (k < STEP || k > PASS_STEPS * STEP || m < SIDE || n < SIDE || m * n < 16 * (m + n))
        return false;
    return cpu_amx_works();
}

#else

bool CPU_NAME(cpu_amx_takes_bf16)(int64_t m, int64_t n, int64_t k)
{
    (void)m, (void)n, (void)k;
    return false;
}

bool CPU_NAME(cpu_bgemm_amx)(const cpu_bgemm_args *g)
{
    (void)g;
    return false;
}

#endif
