#version 450
// The first of the greatest or least, with its place: argmax, argmin, max and min along a dimension.
// NaN wins. Parts lie as values, then their places.
#include "kernel.glsl"
#include "dim.glsl"
#include "reduce.glsl"

const int ARGMAX = 0, ARGMIN = 1;

shared T part[GROUP];
shared uint part_place[GROUP];

// Whether x at i goes before a at k.
bool beats(T x, uint i, T a, uint k)
{
    if (is_nan(x) != is_nan(a))
        return is_nan(x);
    if (OP == ARGMAX ? IS_LESS(a, x) : IS_LESS(x, a))
        return true;
    return (x == a || is_nan(x)) && i < k;
}

T load_term(uint i)
{
#if defined CLASS_FLOAT
    return PARTS == 2 ? load_float(args.at[1], i, F32) : load(args.at[1], i, FROM);
#elif defined CLASS_INT
    return PARTS == 2 ? load_int(args.at[1], i, I32) : load(args.at[1], i, FROM);
#else
    return load(args.at[1], i, FROM);
#endif
}

// at[0]: places (i64), or the parts' values; at[2]: values where wanted; at[3], at[4]: the parts'
// places, written and read.
void put(uint unit, uvec4 at, T x, uint place)
{
    if (PARTS == 1) {
#if defined CLASS_FLOAT
        store_float(args.at[0], unit, F32, x);
#elif defined CLASS_INT
        store_int(args.at[0], unit, I32, x);
#else
        store(args.at[0], unit, FROM, x);
#endif
        U32_OUT(args.at[3], unit, place);
        return;
    }
    PAIR_OUT(args.at[0], at.x, uvec2(place, 0u));
    if (TO != 0)
        store(args.at[2], at.z, TO, x);
}

void main()
{
    EACH_UNIT(unit)
    {
        uint o, first, end, step, place = 0xffffffffu;
        unit_terms(unit, o, first, end, step);
        uvec4 at = output_place(o);
        T a = T(0);
        for (uint t = first; t < end; t += step) {
            uint from = at.y + term_place(t);
            T x = load_term(from);
            uint i = PARTS == 2 ? U32_IN(args.at[4], from) : t;
            if (place == 0xffffffffu || beats(x, i, a, place)) {
                a = x;
                place = i;
            }
        }
        if (GROUPED == 0) {
            put(unit, at, a, place);
            continue;
        }
        uint me = gl_LocalInvocationID.x;
        part[me] = a;
        part_place[me] = place;
        barrier();
        for (uint half_group = gl_WorkGroupSize.x / 2; half_group > 0; half_group /= 2) {
            uint other = me + half_group;
            if (me < half_group && part_place[other] != 0xffffffffu &&
                (part_place[me] == 0xffffffffu ||
                 beats(part[other], part_place[other], part[me], part_place[me]))) {
                part[me] = part[other];
                part_place[me] = part_place[other];
            }
            barrier();
        }
        if (me == 0)
            put(unit, at, part[0], part_place[0]);
        barrier();
    }
}
