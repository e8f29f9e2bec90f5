#version 450
// Layer and batch normalisation and their gradients. A unit has one mean and one variance: a row of
// a layer norm, a channel of a batch norm; its terms are walked by gl_WorkGroupSize / WIDTH
// invocations of a group that has WIDTH units.
//   y = (x - mean) rstd weight + bias, rstd = 1 / sqrt(variance + eps)
//   x' = rstd (h - mean of h - xh mean of h xh), h = y' weight, xh = (x - mean) rstd
//   weight' = sum of y' xh, bias' = sum of y'
// at: y or x', x, weight, bias or y', mean, rstd, running mean or weight', running variance or bias'.
#include "kernel.glsl"
#include "dim.glsl"

layout(constant_id = 1) const int OP = 0;
layout(constant_id = 2) const int WEIGHT_BY_TERM = 0; // weight and bias have a value for each term
layout(constant_id = 3) const int UNIT_RANK = 0;
layout(constant_id = 4) const int TERM_RANK = 0;
layout(constant_id = 5) const int DTYPE = 0;   // of x, y and their gradients
layout(constant_id = 6) const int WEIGHTS = 0; // dtype of weight and bias
layout(constant_id = 7) const int RUNNING = 0; // dtype of the running statistics
layout(constant_id = 8) const int HAS = 0;
layout(constant_id = 9) const int WIDTH = 1;

// COLUMNS: the weight's and the bias's gradients of a layer norm; its units are columns.
const int FORWARD = 0, EVALUATE = 1, BACK = 2, EVALUATE_BACK = 3, COLUMNS = 4;
const int HAS_WEIGHT = 1, HAS_BIAS = 2, HAS_RUNNING = 4, WANTS_X = 8, WANTS_WEIGHT = 16,
          WANTS_BIAS = 32;
#if defined CLASS_FLOAT
const int STAT = F32;
#else
const int STAT = F64;
#endif

// norm_block in norm.c. Strides: y or x', x, y'.
struct Norm {
    uint units, terms;
    Dim unit[8], term[8];
};
UNIFORMS(Norm, s)

const uint GROUP = 256;
shared T part[2 * GROUP];

// A sum that keeps what rounding dropped (Kahan).
struct Sum {
    T sum, rest;
};

void add(inout Sum s, T x)
{
    precise T y = x - s.rest;
    precise T t = s.sum + y;
    precise T rest = (t - s.sum) - y;
    s.rest = is_nan(rest) ? T(0) : rest;
    s.sum = t;
}

// The sums of all invocations that walk the same unit.
void join(inout T a, inout T b)
{
    uint me = gl_LocalInvocationID.x;
    if (WIDTH == gl_WorkGroupSize.x)
        return;
    part[me] = a;
    part[GROUP + me] = b;
    barrier();
    for (uint h = gl_WorkGroupSize.x / 2; h >= WIDTH; h /= 2) {
        if (me < h) {
            part[me] += part[me + h];
            part[GROUP + me] += part[GROUP + me + h];
        }
        barrier();
    }
    a = part[me % WIDTH];
    b = part[GROUP + me % WIDTH];
    barrier();
}

bool has(int what)
{
    return (HAS & what) != 0;
}

T weight(uint i)
{
    return has(HAS_WEIGHT) ? load(args.at[2], i, WEIGHTS) : T(1);
}

uvec4 term_place(uvec4 base, uint t)
{
    uvec4 at;
    PLACE_IN(s.term, TERM_RANK, t, at);
    return base + at;
}

T load_x(uvec4 at)
{
    return load(args.at[1], at.y, DTYPE);
}

T load_g(uvec4 at)
{
    return load(args.at[3], at.z, DTYPE);
}

// number(0) is eps, number(1) momentum.
T running_rstd(uint unit)
{
    return T(1) / sqrt(load(args.at[7], unit, RUNNING) + number(0));
}

void keep_statistics(uint unit, T mean, T square)
{
    T n = T(s.terms);
    store(args.at[4], unit, STAT, mean);
    store(args.at[5], unit, STAT, T(1) / sqrt(square / n + number(0)));
    if (has(HAS_RUNNING)) {
        T m = number(1);
        T old_mean = load(args.at[6], unit, RUNNING), old = load(args.at[7], unit, RUNNING);
        store(args.at[6], unit, RUNNING, old_mean * (T(1) - m) + mean * m);
        store(args.at[7], unit, RUNNING, old * (T(1) - m) + square / (n - T(1)) * m);
    }
}

void forward(uvec4 base, uint unit, bool mine, uint first, uint by)
{
    T mean, rstd;
    if (OP == FORWARD) {
        Sum sum = Sum(T(0), T(0)), square = sum;
        T unused = T(0);
        for (uint t = first; t < s.terms; t += by)
            add(sum, load_x(term_place(base, t)));
        join(sum.sum, unused);
        mean = sum.sum / T(s.terms);
        for (uint t = first; t < s.terms; t += by) {
            T x = load_x(term_place(base, t)) - mean;
            add(square, x * x);
        }
        join(square.sum, unused);
        rstd = T(1) / sqrt(square.sum / T(s.terms) + number(0));
        if (mine && first == 0)
            keep_statistics(unit, mean, square.sum);
    } else {
        mean = load(args.at[6], unit, RUNNING);
        rstd = running_rstd(unit);
    }
    if (!mine)
        return;
    for (uint t = first; t < s.terms; t += by) {
        uvec4 at = term_place(base, t);
        uint w = WEIGHT_BY_TERM != 0 ? t : unit;
        T y = (load_x(at) - mean) * rstd * weight(w);
        if (has(HAS_BIAS))
            y += load(args.at[3], w, WEIGHTS);
        store(args.at[0], at.x, DTYPE, y);
    }
}

void backward(uvec4 base, uint unit, bool mine, uint first, uint by)
{
    bool by_running = OP == EVALUATE_BACK;
    T mean = T(0), rstd = T(0);
    Sum a = Sum(T(0), T(0)), b = a;
    if (by_running) {
        mean = load(args.at[6], unit, RUNNING);
        rstd = running_rstd(unit);
    } else if (OP == BACK) {
        mean = load(args.at[4], unit, STAT);
        rstd = load(args.at[5], unit, STAT);
    }
    for (uint t = first; t < s.terms; t += by) {
        uvec4 at = term_place(base, t);
        if (OP == COLUMNS) {
            mean = load(args.at[4], t, STAT);
            rstd = load(args.at[5], t, STAT);
        }
        T h = load_g(at);
        if (WEIGHT_BY_TERM != 0)
            h *= weight(t);
        add(a, h);
        add(b, h * ((load_x(at) - mean) * rstd));
    }
    join(a.sum, b.sum);
    if (!mine)
        return;
    if (first == 0) {
        if (has(WANTS_WEIGHT))
            store(args.at[OP == EVALUATE_BACK ? 4 : 6], unit, WEIGHTS, b.sum);
        if (has(WANTS_BIAS))
            store(args.at[OP == EVALUATE_BACK ? 5 : 7], unit, WEIGHTS, a.sum);
    }
    if (!has(WANTS_X))
        return;
    T n = T(s.terms), scale = WEIGHT_BY_TERM != 0 ? rstd : rstd * weight(unit);
    for (uint t = first; t < s.terms; t += by) {
        uvec4 at = term_place(base, t);
        T h = load_g(at);
        if (WEIGHT_BY_TERM != 0)
            h *= weight(t);
        if (!by_running)
            h -= a.sum / n + (load_x(at) - mean) * rstd * (b.sum / n);
        store(args.at[0], at.x, DTYPE, scale * h);
    }
}

void main()
{
    uint me = gl_LocalInvocationID.x, lane = me % WIDTH, walker = me / WIDTH,
         walkers = gl_WorkGroupSize.x / WIDTH;
    for (uint first = gl_WorkGroupID.x * WIDTH; first < s.units; first += gl_NumWorkGroups.x * WIDTH) {
        uint unit = min(first + lane, s.units - 1);
        bool mine = first + lane < s.units;
        uvec4 base;
        PLACE_IN(s.unit, UNIT_RANK, unit, base);
        if (OP == FORWARD || OP == EVALUATE)
            forward(base, unit, mine, walker, walkers);
        else
            backward(base, unit, mine, walker, walkers);
    }
}
