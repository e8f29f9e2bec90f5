// What reductions share. A unit of work is one output, or one chunk of its terms; an invocation does
// a unit, or (GROUPED) a whole group does, each invocation every so many terms.
layout(constant_id = 1) const int OP = 0;
layout(constant_id = 2) const int KEPT = 0;    // rank of the outputs' space
layout(constant_id = 3) const int REDUCED = 0; // and of the terms'
layout(constant_id = 4) const int FROM = 0;
layout(constant_id = 5) const int TO = 0;
layout(constant_id = 6) const int GROUPED = 0;
layout(constant_id = 7) const int PARTS = 0; // 1: results are parts, in the dtype computed in; 2: terms are

// reduce_block in reduce.c.
struct Reduce {
    uint outputs, terms, chunks, chunk; // chunk: terms of one
    uint divisor;
    Dim kept[8];    // strides: the output's, the input's
    Dim reduced[8]; // strides: the input's
#ifdef CHAIN
    Step dim[8];    // of the outputs and, inside of them, of the terms
#endif
};
UNIFORMS(Reduce, r)

const uint GROUP = 128; // the most invocations of a group that works together

#define EACH_UNIT(unit)                                                                    \
    for (uint unit = GROUPED != 0 ? gl_WorkGroupID.x : gl_GlobalInvocationID.x;            \
         unit < r.outputs * r.chunks;                                                      \
         unit += GROUPED != 0 ? gl_NumWorkGroups.x : gl_NumWorkGroups.x * gl_WorkGroupSize.x)

// The terms of a unit, from first to end.
void unit_terms(uint unit, out uint o, out uint first, out uint end, out uint step)
{
    uint c = unit / r.outputs;
    o = unit - c * r.outputs;
    first = c * r.chunk;
    end = min(first + r.chunk, r.terms);
    step = 1;
    if (GROUPED != 0) {
        first += gl_LocalInvocationID.x;
        step = gl_WorkGroupSize.x;
    }
}

uint term_place(uint t)
{
    if (REDUCED == 1)
        return t * r.reduced[0].stride.x;
    uvec4 at;
    PLACE_IN(r.reduced, REDUCED, t, at);
    return at.x;
}

uvec4 output_place(uint o)
{
    uvec4 at;
    PLACE_IN(r.kept, KEPT, o, at);
    return at;
}
