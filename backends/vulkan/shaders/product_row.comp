#version 450
// A convolution, or its weight's gradient, for software devices, where loading costs more than
// computing: the innermost dimensions of k and n run over the same row of B, so that TK terms by TN
// columns need only TK + TN - 1 of its elements. Otherwise as product_direct.comp: a group is one
// subgroup, an invocation keeps TM rows and TN columns of C, and A comes one term to an invocation.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "kernel.glsl"
#include "dim.glsl"
#include "product.glsl"

const uint LANES = 8;
const int WINDOW = TK + TN - 1, PAIRS = WINDOW / 2 + 1;
const bool BACKWARDS = MODE == SCATTERED; // terms go against the row

// Elements of the row from k and n on: those that the first `columns` of n and `terms` of k meet. What
// stands behind those is anything.
void load_row(uint b, Place k, Place n, uint columns, uint terms, out T x[WINDOW])
{
    uint start = b * p.b_axis[0].stride.y + k.at.y + n.at.y, step = p.n_axis[N_RANK - 1].stride.y;
    int last = int(columns + terms) - 2 + (BACKWARDS ? TK - int(terms) : 0);
    ivec3 c = k.coordinate + n.coordinate;
    bool inside = true;
    if (MODE != PLAIN && SPATIAL > 1)
        inside = step_inside(c.y, p.extent.y, 1, p.spatial.y, start);
    if (MODE != PLAIN && SPATIAL > 2)
        inside = step_inside(c.x, p.extent.x, 1, p.spatial.x, start) && inside;
#ifndef TEXELS
    if (B_ALONG_K != 0) { // then two elements come for the price of one
        uint64_t base = args.at[2] & ~uint64_t(7);
        int first = MODE == PLAIN ? 0 : c.z - (BACKWARDS ? TK - 1 : 0);
        int begin = int(start) + int(uint(args.at[2]) >> 2 & 1u); // in elements from base
        int end = (begin + (MODE == PLAIN ? last : min(first + last, p.extent.z - 1))) >> 1;
        int pair = (begin + first) >> 1;
        bool odd = ((begin + first) & 1) != 0;
        float pairs[2 * PAIRS];
        [[unroll]] for (int t = 0; t < PAIRS; t++) {
            uvec2 two = unpack32(U64_AT(base, uint(max(min(pair + t, end), 0))));
            pairs[2 * t] = uintBitsToFloat(two.x);
            pairs[2 * t + 1] = uintBitsToFloat(two.y);
        }
        [[unroll]] for (int t = 0; t < WINDOW; t++) {
            bool is = MODE == PLAIN || (inside && uint(first + t) < uint(p.extent.z));
            float found = odd ? pairs[t + 1] : pairs[t];
            x[t] = is ? found : OUTSIDE;
        }
        return;
    }
#endif
    [[unroll]] for (int t = 0; t < WINDOW; t++) {
#ifdef TEXELS // of the block's other values
        int there = t;
#else
        int there = min(t, last);
#endif
        if (MODE == PLAIN) {
            x[t] = load(args.at[2], start + uint(there) * step, FROM);
        } else {
            uint at = start;
            bool is = step_inside(c.z + there - (BACKWARDS ? TK - 1 : 0), p.extent.z, 1, p.spatial.z, at);
            x[t] = is && inside ? load(args.at[2], at, FROM) : OUTSIDE;
        }
    }
}

void main()
{
    uint lane = gl_SubgroupInvocationID, split = gl_WorkGroupID.z / p.batch,
         b = gl_WorkGroupID.z - split * p.batch;
    uint length = p.n_axis[N_RANK - 1].size, blocks = (length + TN - 1) / TN, rows = p.n / length;
    uint mine = gl_WorkGroupID.x * LANES + lane, row = min(mine / blocks, rows - 1);
    uint from = (mine - mine / blocks * blocks) * TN, m0 = gl_WorkGroupID.y * TM;
    uint columns = mine < rows * blocks ? min(length - from, TN) : 0;
    uint along = p.k_axis[K_RANK - 1].size;
    uint first = split * p.chunk, end = min(first + p.chunk, p.k); // whole rows
    Place m[TM], n = n_place(row * length + from);
    T c[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        m[i] = m_place(min(m0 + i, p.m - 1));
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            c[i][j] = T(0);
    uint q = 0; // of the row of k
    for (uint k0 = first; k0 < end; k0 += min(TK, along - q), q = q + TK < along ? q + TK : 0) {
        uint terms = min(TK, along - q);
        T x[WINDOW];
#ifdef TEXELS
        Place own = k_place(k0);
#else
        T a[TM];
        Place own = k_place(k0 + min(lane, terms - 1));
        [[unroll]] for (uint i = 0; i < TM; i++)
            a[i] = load_a(b, m[i], own);
#endif
        load_row(b, k_place(k0), n, max(columns, 1), terms, x);
        [[unroll]] for (int s = 0; s < TK; s++) {
            bool is = EXACT != 0 || s < terms;
            T z[TN];
            uint terms_of[TN]; // bits of A to be kept: none beside what is no term
            [[unroll]] for (int j = 0; j < TN; j++) {
                z[j] = x[BACKWARDS ? j - s + TK - 1 : j + s];
                bool counts = is && (MODE != SCATTERED || IS_TERM(z[j]));
                z[j] = counts ? z[j] : 0.0;
                terms_of[j] = counts ? 0xffffffffu : 0u;
            }
            [[unroll]] for (uint i = 0; i < TM; i++) {
#ifdef TEXELS
                uint y = is ? floatBitsToUint(load_a(b, m[i], own)) : 0u;
#else
                uint y = floatBitsToUint(subgroupBroadcast(a[i], s));
#endif
                [[unroll]] for (int j = 0; j < TN; j++)
                    c[i][j] += uintBitsToFloat(y & terms_of[j]) * z[j];
            }
#ifdef TEXELS
            own.at.x += p.k_axis[K_RANK - 1].stride.x;
#endif
        }
    }
    if (CURVES) {
        Place next = n;
        [[unroll]] for (uint j = 0; j < TN; j++) {
            uint column = j < columns ? row * length + from + j : p.n;
            [[unroll]] for (uint i = 0; i < TM; i++)
                c[i][j] = complete(b, m0 + i, column, m[i], next, c[i][j]);
            next.at += p.n_axis[N_RANK - 1].stride;
        }
        CURVE(c, TM, TN)
    }
    [[unroll]] for (uint j = 0; j < TN; j++) {
        uint column = j < columns ? row * length + from + j : p.n;
        [[unroll]] for (uint i = 0; i < TM; i++) {
            T x = CURVES ? c[i][j] : complete(b, m0 + i, column, m[i], n, c[i][j]);
            store_c(b, split, m0 + i, column, m[i], n, x);
        }
        n.at += p.n_axis[N_RANK - 1].stride;
    }
}
