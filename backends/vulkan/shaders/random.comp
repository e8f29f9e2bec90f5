#version 450
// Random bits and uniform numbers: an invocation makes one Philox block's elements, four of 32 bits
// or two of 64. The space's dimensions keep their order.
#include "kernel.glsl"
#include "space.glsl"
#include "philox.glsl"

layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int TO = 0;

void main()
{
    const uint each = TO == I64 || TO == F64 ? 2 : 4;
    uvec2 seed = HALVES(args.number[0]), offset = HALVES(args.number[1]);
    uint blocks = (space.count + each - 1) / each;
    for (uint b = gl_GlobalInvocationID.x; b < blocks; b += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        uvec4 w = philox(seed, pair_add(offset, uvec2(b, 0u)));
        for (uint k = 0; k < each; k++) {
            uint i = b * each + k;
            if (i >= space.count)
                break;
            uint at = place(i, RANK).x;
            uvec2 wide = k == 0 ? w.xy : w.zw;
            if (TO == I32) {
                U32_OUT(args.at[0], at, w[k]);
            } else if (TO == I64) {
                PAIR_OUT(args.at[0], at, wide);
#ifdef HAS_F64
            } else if (TO == F64) {
                double from = uint64BitsToDouble(args.at[7]), to = uint64BitsToDouble(args.at[8]);
                precise double u = double(pack64(wide) >> 11) * 1.1102230246251565e-16lf;
                precise double x = from + (to - from) * u;
                store_double(args.at[0], at, TO, x);
#endif
            } else {
                float from = uintBitsToFloat(args.word[0]), span = uintBitsToFloat(args.word[1]);
                precise float u = float(w[k] >> 8) * 5.9604644775390625e-8;
                precise float x = from + span * u;
                store_float(args.at[0], at, TO, x);
            }
        }
    }
}
