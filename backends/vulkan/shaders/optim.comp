#version 450
// One step of an optimiser over one parameter. at[0..4]: the parameter, its gradient, and up to
// three buffers, all dense and in one order. The numbers are in at[5..8], number[0..2] and word[1..4].
//   sgd    g = ±g + wd p;  b = mu b + (1 - tau) g, or g at first;  p -= lr (nesterov ? g + mu b : b)
//   adam   g = ±g + wd p, or p *= 1 - lr wd (adamw);  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²
//          p -= lr / (1 - b1^t) m / (sqrt(v or the greatest v) / sqrt(1 - b2^t) + eps)
#include "kernel.glsl"

layout(constant_id = 1) const int OP = 0;
layout(constant_id = 2) const int FLAGS = 0;
layout(constant_id = 3) const int DTYPE = 0;

const int PLAIN_SGD = 0, FIRST_SGD = 1, SGD = 2, ADAM = 3;
const int NESTEROV = 1, MAXIMIZE = 2, AMSGRAD = 4;

T real(uint k)
{
    if (k > 6) {
        uvec2 u = k == 7 ? uvec2(args.word[1], args.word[2]) : uvec2(args.word[3], args.word[4]);
#if defined CLASS_FLOAT
        return uintBitsToFloat(u.x);
#else
        return packDouble2x32(u);
#endif
    }
#if defined CLASS_FLOAT
    return uintBitsToFloat(LOW(k < 4 ? args.at[5 + k] : args.number[k - 4]));
#else
    return uint64BitsToDouble(k < 4 ? args.at[5 + k] : args.number[k - 4]);
#endif
}

T get(uint which, uint i)
{
    return load(args.at[which], i, DTYPE);
}

void put(uint which, uint i, T x)
{
    store(args.at[which], i, DTYPE, x);
}

// real: rate, decay, momentum, 1 - dampening
void sgd(uint i)
{
    T p = get(0, i), g = get(1, i);
    g = ((FLAGS & MAXIMIZE) != 0 ? -g : g) + real(1) * p;
    if (OP != PLAIN_SGD) {
        T b = OP == FIRST_SGD ? g : real(2) * get(2, i) + real(3) * g;
        put(2, i, b);
        g = (FLAGS & NESTEROV) != 0 ? g + real(2) * b : b;
    }
    put(0, i, p - real(0) * g);
}

// real: rate / (1 - b1^t), decay, shrink, b1, b2, eps, 1 / sqrt(1 - b2^t), 1 - b1, 1 - b2
void adam(uint i)
{
    T p = get(0, i), g = get(1, i);
    g = ((FLAGS & MAXIMIZE) != 0 ? -g : g) + real(1) * p;
    T m = real(3) * get(2, i) + real(7) * g;
    T v = real(4) * get(3, i) + real(8) * g * g, top = v;
    put(2, i, m);
    put(3, i, v);
    if ((FLAGS & AMSGRAD) != 0) {
        T old = get(4, i);
        top = v > old || is_nan(v) ? v : old;
        put(4, i, top);
    }
    put(0, i, p * real(2) - real(0) * m / (sqrt(top) * real(6) + real(5)));
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < args.word[0]; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x)
        if (OP == ADAM)
            adam(i);
        else
            sgd(i);
}
