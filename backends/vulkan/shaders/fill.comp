#version 450
// One element's bits everywhere.
#include "kernel.glsl"
#include "space.glsl"

layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int BYTES = 0;

void main()
{
    uvec2 bits = HALVES(args.number[0]);
    EACH_ELEMENT(i)
    {
        uint at = place(i, RANK).x;
        if (BYTES == 1)
            U8_OUT(args.at[0], at, bits.x);
        else if (BYTES == 2)
            U16_OUT(args.at[0], at, bits.x);
        else if (BYTES == 4)
            U32_OUT(args.at[0], at, bits.x);
        else
            PAIR_OUT(args.at[0], at, bits);
    }
}
