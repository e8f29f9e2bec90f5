// The space of values that a kernel walks, one element an invocation: vk_grid in plan.h. RANK is a
// specialisation constant; 0 means that all values are dense and in one order.
#include "dim.glsl"

struct Space {
    uint count;
    Dim dim[8];
};
UNIFORMS(Space, space)

// Where element i of the space lies in each value.
uvec4 place(uint i, int rank)
{
    if (rank == 0)
        return uvec4(i);
    uvec4 at;
    PLACE_IN(space.dim, rank, i, at);
    return at;
}

#define EACH_ELEMENT(i)                                     \
    for (uint i = gl_GlobalInvocationID.x; i < space.count; \
         i += gl_NumWorkGroups.x * gl_WorkGroupSize.x)
