#version 450
// A product of 16-bit floats by cooperative matrices: a group of four subgroups makes a tile of
// 64 x 64, each subgroup four matrices of 16 x 16 sums in f32. TYPE is float16_t or bfloat16_t.
// EMULATED is the same code over matrices that are places in shared memory: with it the tile's logic
// is tested where there are no such matrices.
#include "kernel.glsl"
#include "dim.glsl"
#include "product.glsl"

const uint BM = 64, BN = 64, BK = 32, N = 16;
const uint A_STRIDE = BK + 8, B_STRIDE = BN + 8, C_STRIDE = N + 4; // shared memory's banks differ
const uint SLAB = N * C_STRIDE; // a matrix of each subgroup on its way out

#ifdef EMULATED

shared float tile_a[BM * A_STRIDE], tile_b[BK * B_STRIDE], tile_c[4 * SLAB];
#define TYPE float

const uint LANES = 32, EACH = N * N / LANES;
struct Sums {
    float v[EACH];
};
#define MATRIX_A uint
#define MATRIX_B uint
#define MATRIX_C Sums
#define SUBGROUP (gl_LocalInvocationID.x / LANES)
#define LANE     (gl_LocalInvocationID.x % LANES)
#define LOAD_A(m, at) m = at
#define LOAD_B(m, at) m = at

void CLEAR(out Sums c)
{
    [[unroll]] for (uint e = 0; e < EACH; e++)
        c.v[e] = 0.0;
}

void MULTIPLY_ADD(uint a, uint b, inout Sums c)
{
    [[unroll]] for (uint e = 0; e < EACH; e++) {
        uint row = (LANE + e * LANES) / N, column = (LANE + e * LANES) % N;
        [[unroll]] for (uint k = 0; k < N; k++)
            c.v[e] += tile_a[a + row * A_STRIDE + k] * tile_b[b + k * B_STRIDE + column];
    }
}

void STORE_C(Sums c, uint at)
{
    [[unroll]] for (uint e = 0; e < EACH; e++)
        tile_c[at + (LANE + e * LANES) / N * C_STRIDE + (LANE + e * LANES) % N] = c.v[e];
}

#else

#pragma use_vulkan_memory_model
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_shader_subgroup_basic : require
#ifdef BFLOAT
#extension GL_EXT_bfloat16 : require
#define TYPE bfloat16_t
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define TYPE float16_t
#endif

shared TYPE tile_a[BM * A_STRIDE], tile_b[BK * B_STRIDE];
shared float tile_c[4 * SLAB];
#define MATRIX_A coopmat<TYPE, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define MATRIX_B coopmat<TYPE, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>
#define MATRIX_C coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define SUBGROUP gl_SubgroupID
#define LOAD_A(m, at) coopMatLoad(m, tile_a, at, A_STRIDE, gl_CooperativeMatrixLayoutRowMajor)
#define LOAD_B(m, at) coopMatLoad(m, tile_b, at, B_STRIDE, gl_CooperativeMatrixLayoutRowMajor)
#define CLEAR(c) c = MATRIX_C(0.0)
#define MULTIPLY_ADD(a, b, c) c = coopMatMulAdd(a, b, c)
#define STORE_C(c, at) coopMatStore(c, tile_c, at, C_STRIDE, gl_CooperativeMatrixLayoutRowMajor)

#endif

// Neighbours in a group read neighbours in memory.
void fill_a(uint b, uint m0, uint k0, uint end)
{
    for (uint i = gl_LocalInvocationID.x; i < BM * BK; i += gl_WorkGroupSize.x) {
        uint m = A_ALONG_K != 0 ? i / BK : i % BM, k = A_ALONG_K != 0 ? i % BK : i / BM;
        float x = 0.0;
        if (m0 + m < p.m && k0 + k < end)
            x = load_a(b, m_place(m0 + m), k_place(k0 + k));
        tile_a[m * A_STRIDE + k] = TYPE(x);
    }
}

void fill_b(uint b, uint n0, uint k0, uint end)
{
    for (uint i = gl_LocalInvocationID.x; i < BN * BK; i += gl_WorkGroupSize.x) {
        uint n = B_ALONG_K != 0 ? i / BK : i % BN, k = B_ALONG_K != 0 ? i % BK : i / BN;
        float x = 0.0;
        if (n0 + n < p.n && k0 + k < end)
            x = load_b(b, k_place(k0 + k), n_place(n0 + n));
        tile_b[k * B_STRIDE + n] = TYPE(x);
    }
}

void main()
{
    uint split = gl_WorkGroupID.z / p.batch, b = gl_WorkGroupID.z - split * p.batch;
    uint m0 = gl_WorkGroupID.y * BM, n0 = gl_WorkGroupID.x * BN;
    uint first = split * p.chunk, end = min(first + p.chunk, p.k);
    uint row = SUBGROUP / 2 * 32, column = SUBGROUP % 2 * 32; // of the subgroup's part of the tile
    MATRIX_C c[2][2];
    [[unroll]] for (uint i = 0; i < 2; i++)
        [[unroll]] for (uint j = 0; j < 2; j++)
            CLEAR(c[i][j]);
    for (uint k0 = first; k0 < end; k0 += BK) {
        fill_a(b, m0, k0, end);
        fill_b(b, n0, k0, end);
        barrier();
        for (uint k = 0; k < BK; k += N) {
            MATRIX_A x[2];
            MATRIX_B y[2];
            [[unroll]] for (uint i = 0; i < 2; i++) {
                LOAD_A(x[i], (row + i * N) * A_STRIDE + k);
                LOAD_B(y[i], k * B_STRIDE + column + i * N);
            }
            [[unroll]] for (uint i = 0; i < 2; i++)
                [[unroll]] for (uint j = 0; j < 2; j++)
                    MULTIPLY_ADD(x[i], y[j], c[i][j]);
        }
        barrier();
    }
    [[unroll]] for (uint i = 0; i < 2; i++)
        [[unroll]] for (uint j = 0; j < 2; j++) {
            STORE_C(c[i][j], SUBGROUP * SLAB);
            barrier();
            for (uint e = gl_LocalInvocationID.x; e < 4 * N * N; e += gl_WorkGroupSize.x) {
                uint from = e / (N * N), y = e / N % N, x = e % N;
                uint m = m0 + from / 2 * 32 + i * N + y, n = n0 + from % 2 * 32 + j * N + x;
                if (m < p.m && n < p.n) {
                    Place mp = m_place(m), np = n_place(n);
                    float sum = tile_c[from * SLAB + y * C_STRIDE + x];
                    store_c(b, split, m, n, mp, np, curved(complete(b, m, n, mp, np, sum)));
                }
            }
            barrier();
        }
}
