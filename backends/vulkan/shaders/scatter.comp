#version 450
// Writes or adds src's elements where index says, in order: an invocation owns the targets of one
// lane whose number modulo `parts` is its own, and goes through the lane's terms from word[0] to
// word[1].
#include "kernel.glsl"
#include "dim.glsl"

layout(constant_id = 1) const int OP = 0;
layout(constant_id = 2) const int RANK = 0; // of the lanes' space
layout(constant_id = 3) const int TO = 0;
layout(constant_id = 4) const int FROM = 0;

const int PUT = 0, SUM = 1, PROD = 2, AMAX = 3, AMIN = 4, OR = 5, AND = 6;

// scatter_block in scatter.c. Strides of lanes: the output's, the index's, src's; step: the same
// along the dimension.
layout(set = 0, binding = 0, std140) uniform Scatter {
    uint lanes, terms, parts, size;
    uvec4 step;
    uint dim;
    int skipped; // an index that is passed over
    Dim lane[8];
} s;

T combine(T a, T x)
{
    switch (OP) {
    case SUM: return PLUS(a, x);
    case PROD: return TIMES(a, x);
    case AMAX: return is_nan(a) || IS_LESS(x, a) ? a : x;
    case AMIN: return is_nan(a) || IS_LESS(a, x) ? a : x;
#if defined CLASS_INT
    case OR: return a | x;
    case AND: return a & x;
#endif
    default: return x;
    }
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < s.lanes * s.parts;
         i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        uint lane = i / s.parts, part_ = i - lane * s.parts;
        uvec4 at;
        PLACE_IN(s.lane, RANK, lane, at);
        for (uint t = args.word[0]; t < args.word[1]; t++) {
            uvec2 index = PAIR_IN(args.at[1], at.y + t * s.step.y);
            if (index == pair_of(s.skipped))
                continue;
            if (is_index(index, s.size) && index.x % s.parts != part_)
                continue;
            if (bad_index(index, s.dim, s.size))
                continue;
            uint to = at.x + index.x * s.step.x;
            T x = load(args.at[2], at.z + t * s.step.z, FROM);
            store(args.at[0], to, TO, OP == PUT ? x : combine(load(args.at[0], to, TO), x));
        }
    }
}
