/* Products of large matrices by blocks that fit the caches, after Goto and van de Geijn, "Anatomy of High-Performance Matrix
 * Multiplication" (2008). A and B are packed, DEPTH terms at a time, into panels that the tile reads in order: a panel of A
 * (a few rows) stays in the first cache while the panels of a block of B pass by from the second. Each instruction set
 * has the tile that fills its registers. cpu_dgemm's plain loops and the tests' double loops check it. */
#include "gemm_blocked.h"

#include "cpu.h"
#include "simd.h"
#include "transpose.h"

#include <pthread.h>
#include <stdlib.h>
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
    UNIT = 4,              /* panels that are packed together */
    TOGETHER = 8           /* rows of them */
};

/* Packed operands of the calling thread's last product: fresh memory would cost a tenth of the product again. */
typedef struct gemm_memory {
    size_t bytes;
    void *at;
} gemm_memory;

static pthread_key_t memory_key;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static bool memory_works;

static void drop_memory(void *memory)
{
    gemm_memory *m = memory;
    free(m->at);
    free(m);
}

static void make_memory_key(void)
{
    memory_works = !pthread_key_create(&memory_key, drop_memory);
}

/* At least that many bytes, aligned for vectors, the calling thread's until its next product; null when there are none. */
static void *packing_memory(size_t bytes)
{
    pthread_once(&memory_once, make_memory_key);
    gemm_memory *m = memory_works ? pthread_getspecific(memory_key) : NULL;
    if (!m) {
        m = memory_works ? calloc(1, sizeof *m) : NULL;
        if (!m || pthread_setspecific(memory_key, m)) {
            free(m);
            return NULL;
        }
    }
    if (m->bytes < bytes) {
        free(m->at);
        m->at = NULL;
        m->bytes = posix_memalign(&m->at, 64, bytes) ? 0 : bytes;
        if (!m->bytes)
            m->at = NULL;
    }
    return m->at;
}

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
