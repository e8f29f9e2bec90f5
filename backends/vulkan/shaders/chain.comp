#version 450
// A chain of elementwise operations, an element an invocation: what stands in chain() is written when it is planned.
#include "kernel.glsl"
#include "step.glsl"

// chain_grid in chain.c.
struct Space {
    uint count;
    Step dim[8];
};
UNIFORMS(Space, space)
#include "pieces.glsl"

void chain(const uint i)
{
    use_all(i);
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < space.count;
         i += gl_NumWorkGroups.x * gl_WorkGroupSize.x)
        chain(i);
}
