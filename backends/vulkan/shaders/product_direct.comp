#version 450
// A product for software devices, where shared memory is no nearer than any other: a group is one
// subgroup of LANES invocations, which keeps TM rows and TN columns of C for each of them in
// registers. Invocations lie along n. Where loading takes an invocation at a time, A comes LANES
// terms at a time, one to an invocation, and is passed around.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "kernel.glsl"
#include "dim.glsl"
#include "product.glsl"

const uint LANES = 8;

void main()
{
    uint lane = gl_SubgroupInvocationID, split = gl_WorkGroupID.z / p.batch,
         b = gl_WorkGroupID.z - split * p.batch;
    uint m0 = gl_WorkGroupID.y * TM, n0 = gl_WorkGroupID.x * (TN * LANES) + lane;
    uint first = split * p.chunk, end = min(first + p.chunk, p.k);
    Place m[TM], n[TN];
    T c[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        m[i] = m_place(min(m0 + i, p.m - 1));
    [[unroll]] for (uint j = 0; j < TN; j++)
        n[j] = n_place(min(n0 + j * LANES, p.n - 1));
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            c[i][j] = T(0);
#ifdef TEXELS
    for (uint s = first; s < end; s++) {
        Place k = k_place(s);
        T x[TN];
        [[unroll]] for (uint j = 0; j < TN; j++)
            x[j] = load_b(b, k, n[j]);
        [[unroll]] for (uint i = 0; i < TM; i++) {
            T y = load_a(b, m[i], k);
            [[unroll]] for (uint j = 0; j < TN; j++)
                c[i][j] += product(y, x[j]);
        }
    }
#else
    for (uint k0 = first; k0 < end; k0 += LANES) {
        T a[TM];
        uint mine = min(k0 + lane, end - 1);
        Place own = k_place(mine);
        [[unroll]] for (uint i = 0; i < TM; i++)
            a[i] = load_a(b, m[i], own);
        uint there = min(LANES, end - k0);
        for (uint s = 0; s < there; s++) {
            Place k = k_place(k0 + s);
            T x[TN];
            [[unroll]] for (uint j = 0; j < TN; j++)
                x[j] = load_b(b, k, n[j]);
            [[unroll]] for (uint i = 0; i < TM; i++) {
                T y = subgroupBroadcast(a[i], s);
                [[unroll]] for (uint j = 0; j < TN; j++)
                    c[i][j] += product(y, x[j]);
            }
        }
    }
#endif
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            c[i][j] = complete(b, m0 + i, n0 + j * LANES, m[i], n[j], c[i][j]);
    CURVE(c, TM, TN)
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            store_c(b, split, m0 + i, n0 + j * LANES, m[i], n[j], c[i][j]);
}
