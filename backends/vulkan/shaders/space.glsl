// The space of values that a kernel walks, one element an invocation: vk_grid in plan.h. RANK is a
// specialisation constant; 0 means that all values are dense and in one order.
struct Dim {
    uint size, magic, shift, unused;
    uvec4 stride; // of up to four values
};
layout(set = 0, binding = 0, std140) uniform Space {
    uint count;
    Dim dim[8];
} space;

// i / d.size, for i below 2^31.
uint divide(uint i, uint magic, uint shift)
{
    uint high, low;
    umulExtended(i, magic, high, low);
    return (high + i) >> shift;
}

// Where element i of the space lies in each value.
uvec4 place(uint i, int rank)
{
    if (rank == 0)
        return uvec4(i);
    uvec4 at = uvec4(0);
    [[unroll]] for (int d = 7; d > 0; d--)
        if (d < rank) {
            uint q = divide(i, space.dim[d].magic, space.dim[d].shift);
            at += (i - q * space.dim[d].size) * space.dim[d].stride;
            i = q;
        }
    return at + i * space.dim[0].stride;
}

#define EACH_ELEMENT(i)                                     \
    for (uint i = gl_GlobalInvocationID.x; i < space.count; \
         i += gl_NumWorkGroups.x * gl_WorkGroupSize.x)
