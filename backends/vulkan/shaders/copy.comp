#version 450
// Strided copies and casts. Without a change of dtype the bits move as they are.
#include "kernel.glsl"
#include "space.glsl"
#include "convert.glsl"

layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int FROM = 0;
layout(constant_id = 3) const int TO = 0;
layout(constant_id = 4) const int BYTES = 0; // of an element whose bits move; 0: a cast

void main()
{
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        if (BYTES == 1)
            U8_OUT(args.at[0], at.x, U8_IN(args.at[1], at.y));
        else if (BYTES == 2)
            U16_OUT(args.at[0], at.x, U16_IN(args.at[1], at.y));
        else if (BYTES == 4)
            U32_OUT(args.at[0], at.x, U32_IN(args.at[1], at.y));
        else if (BYTES == 8)
            PAIR_OUT(args.at[0], at.x, PAIR_IN(args.at[1], at.y));
        else if (FROM == F32 || FROM == F16 || FROM == BF16)
            put_float(args.at[0], at.x, TO, load_float(args.at[1], at.y, FROM));
#ifdef HAS_F64
        else if (FROM == F64)
            put_double(args.at[0], at.x, TO, load_double(args.at[1], at.y));
#endif
        else if (FROM == I64)
            put_long(args.at[0], at.x, TO, load_long(args.at[1], at.y));
        else
            put_int(args.at[0], at.x, TO, load_int(args.at[1], at.y, FROM));
    }
}
