#version 450
// One element's bits everywhere.
#include "kernel.glsl"
#include "space.glsl"

layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int BYTES = 0;

void main()
{
    uint64_t bits = args.number[0];
    EACH_ELEMENT(i)
    {
        uint at = place(i, RANK).x;
        if (BYTES == 1)
            U8_AT(args.at[0], at) = uint8_t(uint(bits));
        else if (BYTES == 2)
            U16_AT(args.at[0], at) = uint16_t(uint(bits));
        else if (BYTES == 4)
            U32_AT(args.at[0], at) = uint(bits);
        else
            U64_AT(args.at[0], at) = bits;
    }
}
