#version 450
// out[...] = self[... index[...] ...]: gather, index_select, embedding. Values of the space: the
// output, the index, self without the indexed dimension.
#include "kernel.glsl"
#include "space.glsl"

layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int BYTES = 0;

void main()
{
    uint jump = args.word[0], size = args.word[1], dim = args.word[2]; // jump: self's stride along dim
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        uvec2 index = PAIR_IN(args.at[1], at.y);
        if (bad_index(index, dim, size))
            continue;
        uint from = at.z + index.x * jump;
        if (BYTES == 1)
            U8_OUT(args.at[0], at.x, U8_IN(args.at[2], from));
        else if (BYTES == 2)
            U16_OUT(args.at[0], at.x, U16_IN(args.at[2], from));
        else if (BYTES == 4)
            U32_OUT(args.at[0], at.x, U32_IN(args.at[2], from));
        else
            PAIR_OUT(args.at[0], at.x, PAIR_IN(args.at[2], from));
    }
}
