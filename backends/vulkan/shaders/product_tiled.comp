#version 450
// A product by tiles of 64 x 64 in shared memory: a group of 128 invocations, of which each keeps
// 8 x 4 elements of C in registers.
#include "kernel.glsl"
#include "dim.glsl"
#include "product.glsl"

const uint BM = 64, BN = 64, BK = 16, TM = 8, TN = 4, INVOCATIONS = 128;

shared T tile_a[BK][BM + 1], tile_b[BK][BN + 1];

void main()
{
    uint me = gl_LocalInvocationID.x, split = gl_WorkGroupID.z / p.batch,
         b = gl_WorkGroupID.z - split * p.batch;
    uint m0 = gl_WorkGroupID.y * BM, n0 = gl_WorkGroupID.x * BN;
    uint row = me / 16, column = me % 16; // C's element (i, j) is at row + 8 i, column + 16 j
    uint first = split * p.chunk, end = min(first + p.chunk, p.k);
    T c[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            c[i][j] = T(0);
    for (uint k0 = first; k0 < end; k0 += BK) {
        for (uint i = me; i < BM * BK; i += INVOCATIONS) {
            uint k = A_ALONG_K != 0 ? i % BK : i / BM, m = A_ALONG_K != 0 ? i / BK : i % BM;
            bool there = m0 + m < p.m && k0 + k < end;
            tile_a[k][m] = there ? load_a(b, m_place(m0 + m), k_place(k0 + k)) : T(0);
        }
        for (uint i = me; i < BN * BK; i += INVOCATIONS) {
            uint k = B_ALONG_K != 0 ? i % BK : i / BN, n = B_ALONG_K != 0 ? i / BK : i % BN;
            bool there = n0 + n < p.n && k0 + k < end;
            tile_b[k][n] = there ? load_b(b, k_place(k0 + k), n_place(n0 + n)) : T(0);
        }
        barrier();
        for (uint k = 0; k < BK; k++) {
            T x[TN];
            [[unroll]] for (uint j = 0; j < TN; j++)
                x[j] = tile_b[k][column + 16 * j];
            [[unroll]] for (uint i = 0; i < TM; i++) {
                T y = tile_a[k][row + 8 * i];
                [[unroll]] for (uint j = 0; j < TN; j++)
                    c[i][j] += product(y, x[j]);
            }
        }
        barrier();
    }
    Place n[TN];
    [[unroll]] for (uint j = 0; j < TN; j++)
        n[j] = n_place(min(n0 + column + 16 * j, p.n - 1));
    [[unroll]] for (uint i = 0; i < TM; i++) {
        uint mi = m0 + row + 8 * i;
        Place m = m_place(min(mi, p.m - 1));
        [[unroll]] for (uint j = 0; j < TN; j++)
            c[i][j] = complete(b, mi, n0 + column + 16 * j, m, n[j], c[i][j]);
    }
    CURVE(c, TM, TN)
    [[unroll]] for (uint i = 0; i < TM; i++) {
        uint mi = m0 + row + 8 * i;
        Place m = m_place(min(mi, p.m - 1));
        [[unroll]] for (uint j = 0; j < TN; j++)
            store_c(b, split, mi, n0 + column + 16 * j, m, n[j], c[i][j]);
    }
}
