#version 450
// Scans along one dimension: an invocation takes a lane, or (GROUPED) a group does, each invocation
// a segment: first all segments are folded, then each starts from what is before it. Sums of floats
// carry what each addition loses.
#include "kernel.glsl"
#include "dim.glsl"

layout(constant_id = 1) const int OP = 0;
layout(constant_id = 2) const int RANK = 0; // of the lanes' space
layout(constant_id = 3) const int TO = 0;
layout(constant_id = 4) const int GROUPED = 0;

const int CUMSUM = 0, CUMPROD = 1, CUMMAX = 2, CUMMIN = 3, LOGCUMSUMEXP = 4, OR = 5, AND = 6;

// A: what is carried. f32 is carried in f64 where there is f64.
#if defined HAS_F64
#define A double
#include "math_f64.glsl"
#elif defined CLASS_FLOAT
#define A float
#include "math_f32.glsl"
#else
#define A T
#endif

// scan_block in scan.c. Strides: the output's, the input's, the indices'; step: along the dimension.
layout(set = 0, binding = 0, std140) uniform Scan {
    uint lanes, terms;
    uvec4 step;
    Dim lane[8];
} s;

const uint GROUP = 128;

// What is carried: a value, what its additions lost, and its place; none before the first term.
struct Carry {
    A a, lost;
    uint place;
    bool any;
};

shared A shared_a[GROUP], shared_lost[GROUP];
shared uint shared_place[GROUP];
shared bool shared_any[GROUP];

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
A log_add(A a, A x)
{
    A low = a < x ? a : x, high = a < x ? x : a;
    if (is_nan(a) || is_nan(x))
        return a + x;
    A apart = low - high;
    return low == high && is_nan(apart) ? low : high + log1p_(exp_(apart));
}
#endif

Carry join(Carry c, Carry x)
{
    if (!x.any)
        return c;
    if (!c.any)
        return x;
    Carry r = c;
    switch (OP) {
    case CUMPROD: r.a = TIMES(c.a, x.a); break;
    case CUMMAX:
    case CUMMIN:
        if (is_nan(x.a) || (!is_nan(c.a) && !(OP == CUMMAX ? IS_LESS(x.a, c.a) : IS_LESS(c.a, x.a))))
            r = x;
        break;
#if defined CLASS_FLOAT || defined CLASS_DOUBLE
    case LOGCUMSUMEXP: r.a = log_add(c.a, x.a); break;
    case CUMSUM: {
        precise A sum = c.a + x.a;
        precise A e = abs(c.a) >= abs(x.a) ? (c.a - sum) + x.a : (x.a - sum) + c.a;
        precise A lost = c.lost + x.lost + e;
        r.a = sum;
        r.lost = lost;
        break;
    }
#else
    case OR: r.a = c.a | x.a; break;
    case AND: r.a = c.a & x.a; break;
    case CUMSUM: r.a = PLUS(c.a, x.a); break;
#endif
    }
    return r;
}

T value_of(Carry c)
{
    A sum = c.a + c.lost;
    return T(OP != CUMSUM || is_nan(c.lost) ? c.a : sum);
}

Carry take(Carry c, uint base, uint t)
{
    return join(c, Carry(A(load(args.at[1], base + t * s.step.y, TO)), A(0), t, true));
}

void main()
{
    uint me = gl_LocalInvocationID.x, all = gl_WorkGroupSize.x;
    uint first_lane = GROUPED != 0 ? gl_WorkGroupID.x : gl_GlobalInvocationID.x;
    uint stride = GROUPED != 0 ? gl_NumWorkGroups.x : gl_NumWorkGroups.x * all;
    for (uint lane = first_lane; lane < s.lanes; lane += stride) {
        uvec4 at;
        PLACE_IN(s.lane, RANK, lane, at);
        uint first = 0, end = s.terms;
        Carry c = Carry(A(0), A(0), 0u, false);
        if (GROUPED != 0) {
            uint each = (s.terms + all - 1) / all;
            first = min(me * each, s.terms);
            end = min(first + each, s.terms);
            for (uint t = first; t < end; t++)
                c = take(c, at.y, t);
            shared_a[me] = c.a;
            shared_lost[me] = c.lost;
            shared_place[me] = c.place;
            shared_any[me] = c.any;
            barrier();
            c = Carry(A(0), A(0), 0u, false);
            for (uint k = 0; k < me; k++)
                c = join(c, Carry(shared_a[k], shared_lost[k], shared_place[k], shared_any[k]));
        }
        for (uint t = first; t < end; t++) {
            c = take(c, at.y, t);
            store(args.at[0], at.x + t * s.step.x, TO, value_of(c));
            if (OP == CUMMAX || OP == CUMMIN)
                PAIR_OUT(args.at[2], at.z + t * s.step.z, uvec2(c.place, 0u));
        }
        barrier();
    }
}
