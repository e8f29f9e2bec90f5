/* Products of large matrices by blocks that fit the caches, after Goto and van de Geijn, "Anatomy of High-Performance Matrix
 * Multiplication" (2008). A and B are packed, DEPTH terms at a time, into panels that the tile reads in order: a panel of A
 * (a few rows) stays in the first cache while the panels of a block of B pass by from the second. Each instruction set
 * has the tile that fills its registers. cpu_dgemm's plain loops and the tests' double loops check it. */
#include "gemm_blocked.h"

#include "cpu.h"
#include "gemm_memory.h"
#include "simd.h"
#include "transpose.h"

#include <string.h>

/* Rows of a tile, and vectors in each: their product, with a row of B and a number of A beside it, fills the registers. */
#if defined __AVX512F__
enum { ROWS = 14, VECTORS = 2 };
#elif defined __AVX2__
enum { ROWS = 6, VECTORS = 2 };
#else
enum { ROWS = 4, VECTORS = 2 };
#endif

enum {
    DEPTH = 384,           /* terms that are summed in registers */
    BLOCK_BYTES = 3 << 18, /* of B, half of a usual second cache and more */
    HELD_BYTES = 3 << 19,  /* that a second cache holds at the most */
    UNIT = 4,              /* panels that are packed together */
    TOGETHER = 8           /* rows of them */
};

#define REAL      float
#define LANES     VF_LANES
#define VEC       vf
#define VEC_LOOSE vf_loose
#define ARGS      cpu_sgemm_args
#define NAMED(x)  x##_f32
#define ENTRY     CPU_NAME(cpu_sgemm_blocked)
#include "gemm_blocked_real.h"
#undef REAL
#undef LANES
#undef VEC
#undef VEC_LOOSE
#undef ARGS
#undef NAMED
#undef ENTRY

typedef double vd __attribute__((vector_size(VF_LANES * 4)));
typedef double vd_loose __attribute__((vector_size(VF_LANES * 4), aligned(8), may_alias));

#define REAL      double
#define LANES     (VF_LANES / 2)
#define VEC       vd
#define VEC_LOOSE vd_loose
#define ARGS      cpu_dgemm_args
#define NAMED(x)  x##_f64
#define ENTRY     CPU_NAME(cpu_dgemm_blocked)
#include "gemm_blocked_real.h"
