#version 450
// A stable sort along one dimension: keys with their places in a work array of a power of two, a
// bitonic network over it, and the result written out. STAGE says which of the three this is. Ties
// are broken by place, which makes it stable; what fills up to the power of two goes last.
#include "kernel.glsl"
#include "dim.glsl"

layout(constant_id = 1) const int STAGE = 0;
layout(constant_id = 2) const int RANK = 0; // of the lanes' space
layout(constant_id = 3) const int TO = 0;
layout(constant_id = 4) const int DESCENDING = 0;
layout(constant_id = 5) const int WIDE = 0; // the dtype of keys in the work array

const int READ = 0, SWAP = 1, WRITE = 2;

// sort_block in sort.c. Strides: the values', the input's, the indices'; step: along the dimension.
layout(set = 0, binding = 0, std140) uniform Sort {
    uint lanes, terms, padded, shift; // padded = 2^shift
    uvec4 step;
    Dim lane[8];
} s;

// Whether x at i goes after y at k.
bool after(T x, uint i, T y, uint k)
{
    if (i >= s.terms || k >= s.terms)
        return i > k;
    if (is_nan(x) != is_nan(y))
        return is_nan(x) == (DESCENDING == 0);
    if (x != y && !is_nan(x))
        return IS_LESS(y, x) == (DESCENDING == 0);
    return i > k;
}

void main()
{
    BITS64 keys = args.at[3], places = args.at[4];
    uint n = STAGE == SWAP ? s.lanes << (s.shift - 1) : s.lanes << s.shift;
    for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        if (STAGE == SWAP) {
            // word[0]: the length of the runs being merged, word[1]: the distance of the pair.
            uint lane = i >> (s.shift - 1), k = i - (lane << (s.shift - 1)), d = args.word[1];
            uint low = 2 * k - (k & (d - 1)), a = (lane << s.shift) + low, b = a + d;
            T x = load(keys, a, WIDE), y = load(keys, b, WIDE);
            uint xi = U32_AT(places, a), yi = U32_AT(places, b);
            bool up = (low & args.word[0]) == 0;
            if (after(x, xi, y, yi) == up) {
                store(keys, a, WIDE, y);
                store(keys, b, WIDE, x);
                U32_AT(places, a) = yi;
                U32_AT(places, b) = xi;
            }
            continue;
        }
        uint lane = i >> s.shift, t = i - (lane << s.shift);
        uvec4 at;
        PLACE_IN(s.lane, RANK, lane, at);
        if (STAGE == READ) {
            store(keys, i, WIDE, t < s.terms ? load(args.at[1], at.y + t * s.step.y, TO) : T(0));
            U32_AT(places, i) = t;
        } else if (t < s.terms) {
            store(args.at[0], at.x + t * s.step.x, TO, load(keys, i, WIDE));
            PAIR_OUT(args.at[2], at.z + t * s.step.z, uvec2(U32_AT(places, i), 0u));
        }
    }
}
