#version 450
// start + i step, in f64 for floats and i64 for integers. The space's dimensions keep their order.
#include "kernel.glsl"
#include "space.glsl"
#include "convert.glsl"

layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int TO = 0;

void main()
{
    EACH_ELEMENT(i)
    {
        uint at = place(i, RANK).x;
#ifdef HAS_F64
        if (TO <= BF16) {
            precise double step = double(i) * uint64BitsToDouble(args.number[1]);
            precise double x = uint64BitsToDouble(args.number[0]) + step;
            put_double(args.at[0], at, TO, x);
            continue;
        }
#endif
        uvec2 x = pair_add(HALVES(args.number[0]), pair_mul(uvec2(i, 0u), HALVES(args.number[1])));
#ifdef LEAN
        put_long(args.at[0], at, TO, x);
#else
        put_long(args.at[0], at, TO, int64_t(pack64(x)));
#endif
    }
}
