/* Large f32 products by parts of numbers (amx.h). What parts cannot hold is computed by gemm_blocked.c, a panel and a pass at
 * a time. */
#include "gemm_amx.h"

#include "amx.h"
#include "cpu.h"
#include "gemm_blocked.h"
#include "gemm_memory.h"

#if CPU_HAS_AMX_CODE

#define REAL          float
#define ARGS          cpu_sgemm_args
#define ENTRY         CPU_NAME(cpu_sgemm_amx)
#define OF_STEP       STEP_SIZE
#define AMX_STEP      amx_step
#define PLAIN_PRODUCT CPU_NAME(cpu_sgemm_blocked)
#define ASKS_AHEAD    true
#define PACK_COST     0.4
#define MULTIPLY_COST 0.005

enum {
    /* Of shared panels some 1 MB of the second cache, which own panels, C and what is packed next pass through. Fewer steps would
     * move C more often, which costs more than that a panel of the own operand does not stay in the first: it is asked for
     * again in time. */
    PASS_STEPS = 12,
    SHARED_ROOM = 176 * STEP_SIZE
};

static void pack_step(const float *from, int64_t line, int64_t term, int64_t lines, int64_t terms,
                      bool lines_are_terms, uint16_t *to, range *seen)
{
    for (int half = 0; half < 2; half++) {
        const int64_t lines_left = lines - half * SIDE;
        vf room[2][SIDE];
        square of_terms[2];
        for (int i = 0; i < 2; i++) {
            const int64_t terms_left = terms - i * PAIRS;
            const float *at = from;
            if (lines_left > 0 && terms_left > 0)
                at += half * SIDE * line + i * PAIRS * term;
            of_terms[i] = lines_are_terms
                              ? square_of(at, term, line, terms_left, lines_left, room[i])
                              : square_of(at, line, term, lines_left, terms_left, room[i]);
        }
        pack_tiles(of_terms[0], of_terms[1], to + half * TILE, 2 * TILE, seen);
    }
}

CPU_INLINE vf load_part(const float *from, int lanes)
{
    return vf_load_part(from, lanes);
}

CPU_INLINE void store_part(float *to, vf x, int lanes)
{
    vf_store_part(to, x, lanes);
}

#include "gemm_amx_real.h"

bool CPU_NAME(cpu_amx_takes)(const cpu_sgemm_args *g)
{
    /* Packing takes as long as some 50 rows and columns save; below, nothing is gained. */
    if (g->k < STEP || g->m * g->n < 56 * (g->m + g->n))
        return false;
    return cpu_amx_works();
}

#else

bool CPU_NAME(cpu_amx_takes)(const cpu_sgemm_args *g)
{
    (void)g;
    return false;
}

bool CPU_NAME(cpu_sgemm_amx)(const cpu_sgemm_args *g)
{
    return CPU_NAME(cpu_sgemm_blocked)(g);
}

#endif
