#version 450
// Sums, products, extremes, any and all. Sums of floats carry what each addition loses (Neumaier);
// products of f32 are taken in f64 where there is f64. With CHAIN the terms are not in memory: each is what a chain of
// elementwise operations gives for that element, whose body, element(), is written when it is planned.
#include "kernel.glsl"
#ifdef CHAIN
#include "step.glsl"
#else
#include "dim.glsl"
#endif
#include "reduce.glsl"
#ifdef CHAIN
#define space r
#include "pieces.glsl"

float element(const uint i)
{
    return use_all(i);
}
#endif

const int SUM = 0, PROD = 1, AMAX = 2, AMIN = 3, ANY = 4, ALL = 5, MEAN = 6;

shared T part[GROUP];

T start()
{
    if (OP == PROD || OP == ALL)
        return ONE;
#if defined CLASS_FLOAT
    if (OP == AMAX || OP == AMIN)
        return uintBitsToFloat(OP == AMAX ? 0xff800000u : 0x7f800000u);
#elif defined CLASS_DOUBLE
    if (OP == AMAX || OP == AMIN)
        return packDouble2x32(uvec2(0u, OP == AMAX ? 0xfff00000u : 0x7ff00000u));
#elif defined CLASS_INT
    if (OP == AMAX || OP == AMIN)
        return OP == AMAX ? int(0x80000000u) : 0x7fffffff;
#elif defined PAIRS
    if (OP == AMAX) // a choice of constants is one that not every driver gets right for vectors
        return uvec2(0u, 0x80000000u);
    if (OP == AMIN)
        return uvec2(0xffffffffu, 0x7fffffffu);
#else
    if (OP == AMAX || OP == AMIN)
        return OP == AMAX ? int64_t(0x8000000000000000ul) : 0x7fffffffffffffffl;
#endif
    return T(0);
}

T merge(T a, T x)
{
    switch (OP) {
    case PROD: return TIMES(a, x);
    case AMAX: return is_nan(a) || IS_LESS(x, a) ? a : x;
    case AMIN: return is_nan(a) || IS_LESS(a, x) ? a : x;
    case ANY: return T(a != T(0) || x != T(0) ? 1 : 0);
    case ALL: return T(a != T(0) && x != T(0) ? 1 : 0);
    default: return PLUS(a, x);
    }
}

T load_term(uint base, uint t)
{
#ifdef CHAIN
    return element(base + t);
#else
    uint i = base + term_place(t);
#if defined CLASS_FLOAT
    return PARTS == 2 ? load_float(args.at[1], i, F32) : load(args.at[1], i, FROM);
#elif defined CLASS_INT
    return PARTS == 2 ? load_int(args.at[1], i, I32) : load(args.at[1], i, FROM);
#else
    return load(args.at[1], i, FROM);
#endif
#endif
}

T fold(uint base, uint first, uint end, uint step)
{
    T a = start();
#if defined CLASS_FLOAT || defined CLASS_DOUBLE
    if (OP == SUM || OP == MEAN) {
        precise T lost = T(0);
        for (uint t = first; t < end; t += step) {
            T x = load_term(base, t);
            precise T s = a + x;
            precise T e = abs(a) >= abs(x) ? (a - s) + x : (x - s) + a;
            lost += e;
            a = s;
        }
        precise T sum = a + lost;
        return is_nan(lost) ? a : sum; // of infinities
    }
#endif
#if defined CLASS_FLOAT && defined HAS_F64
    if (OP == PROD) {
        double product = 1.0lf;
        for (uint t = first; t < end; t += step)
            product *= double(load_term(base, t));
        return float(product);
    }
#endif
    for (uint t = first; t < end; t += step)
        a = merge(a, load_term(base, t));
    return a;
}

void put(uint unit, uint at, T x)
{
    if (PARTS == 1) {
#if defined CLASS_FLOAT
        store_float(args.at[0], unit, F32, x);
#elif defined CLASS_INT
        store_int(args.at[0], unit, I32, x);
#else
        store(args.at[0], unit, FROM, x);
#endif
        return;
    }
    store(args.at[0], at, TO, OP == MEAN ? x / T(r.divisor) : x);
}

void main()
{
    EACH_UNIT(unit)
    {
        uint o, first, end, step;
        unit_terms(unit, o, first, end, step);
        uvec4 at = output_place(o);
        T a = fold(at.y, first, end, step);
        if (GROUPED == 0) {
            put(unit, at.x, a);
            continue;
        }
        uint me = gl_LocalInvocationID.x;
        part[me] = a;
        barrier();
        for (uint half_group = gl_WorkGroupSize.x / 2; half_group > 0; half_group /= 2) {
            if (me < half_group)
                part[me] = merge(part[me], part[me + half_group]);
            barrier();
        }
        if (me == 0)
            put(unit, at.x, part[0]);
        barrier();
    }
}
