#version 450
// Pooling over up to three dimensions. Forward: an invocation finds one window's greatest element
// and its place in the plane, or its mean. Backward: an invocation gathers one element's share of
// the windows that it lies in; or, where windows lie side by side, writes a window's elements.
#include "kernel.glsl"
#include "dim.glsl"

layout(constant_id = 1) const int OP = 0;
layout(constant_id = 2) const int TO = 0;

// The windows are constants, since nothing is slower than a division by what a compiler doesn't know.
layout(constant_id = 3) const int K_X = 1;
layout(constant_id = 4) const int K_Y = 1;
layout(constant_id = 5) const int K_Z = 1;
layout(constant_id = 6) const int STRIDE_X = 1;
layout(constant_id = 7) const int STRIDE_Y = 1;
layout(constant_id = 8) const int STRIDE_Z = 1;
layout(constant_id = 9) const int DIL_X = 1;
layout(constant_id = 10) const int DIL_Y = 1;
layout(constant_id = 11) const int DIL_Z = 1;
const ivec3 K = ivec3(K_X, K_Y, K_Z), STRIDE = ivec3(STRIDE_X, STRIDE_Y, STRIDE_Z),
            DIL = ivec3(DIL_X, DIL_Y, DIL_Z);

const int MAX = 0, MAX_BACK = 1, MEAN = 2, MEAN_BACK = 3, MAX_BACK_APART = 4;

// pool_block in pool.c. Dim strides: x (or its gradient), y (or its gradient), the indices.
struct Pool {
    uint count;               // invocations
    int divisor;              // of means; 0: the window's size
    int count_pad;            // the padding counts in that size
    uint unused;
    ivec4 k, stride, pad, dil, x_size, y_size;
    Dim axis[5];              // batch, channels, and three of space: of what invocations run over
    uvec4 x_step, y_step, index_step; // along the space
};
UNIFORMS(Pool, p)

struct Where {
    uvec4 at; // of batch and channel
    ivec3 o;
};

Where find(uint i)
{
    Where w;
    w.at = uvec4(0);
    uvec3 o;
    [[unroll]] for (int d = 4; d > 0; d--) {
        uint q = divide(i, p.axis[d].magic, p.axis[d].shift), r = i - q * p.axis[d].size;
        if (d >= 2)
            o[d - 2] = r;
        else
            w.at += r * p.axis[d].stride;
        i = q;
    }
    w.at += i * p.axis[0].stride;
    w.o = ivec3(o);
    return w;
}

uint x_place(Where w, ivec3 c)
{
    uvec3 u = uvec3(c) * p.x_step.xyz;
    return w.at.x + u.x + u.y + u.z;
}

uint y_place(Where w, ivec3 c)
{
    uvec3 u = uvec3(c) * p.y_step.xyz;
    return w.at.y + u.x + u.y + u.z;
}

uint index_place(Where w, ivec3 c)
{
    uvec3 u = uvec3(c) * p.index_step.xyz;
    return w.at.z + u.x + u.y + u.z;
}

int in_plane(ivec3 c)
{
    return (c.x * p.x_size.y + c.y) * p.x_size.z + c.z;
}

T window_size(ivec3 o)
{
    if (p.divisor != 0)
        return T(p.divisor);
    ivec3 from = o * STRIDE - p.pad.xyz, to = min(from + K, p.x_size.xyz + p.pad.xyz);
    if (p.count_pad == 0) {
        from = max(from, ivec3(0));
        to = min(to, p.x_size.xyz);
    }
    ivec3 n = to - from;
    return T(n.x * n.y * n.z);
}

// Loops over a window are as long as constants say, so that drivers may unroll them.
void forward(Where w)
{
    ivec3 from = w.o * STRIDE - p.pad.xyz, t;
    int best = -1;
    T greatest = T(0), sum = T(0);
    bool any = false;
    for (t.x = 0; t.x < K.x; t.x++)
        for (t.y = 0; t.y < K.y; t.y++)
            for (t.z = 0; t.z < K.z; t.z++) {
                ivec3 c = from + t * DIL;
                if (!all(lessThan(uvec3(c), uvec3(p.x_size.xyz))))
                    continue;
                T x = load(args.at[1], x_place(w, c), TO);
                if (OP == MEAN) {
                    sum += x;
                } else if (!any || x > greatest || is_nan(x)) {
                    greatest = x;
                    best = in_plane(c);
                    any = true;
                }
            }
    if (OP == MEAN) {
        store(args.at[0], y_place(w, w.o), TO, sum / window_size(w.o));
        return;
    }
    store(args.at[0], y_place(w, w.o), TO, greatest);
    PAIR_OUT(args.at[2], index_place(w, w.o), pair_of(best));
}

// at[1]: the output's gradient; at[2]: the indices.
void backward(Where w)
{
    // Windows o with o stride - pad <= place <= o stride - pad + (k - 1) dil.
    ivec3 reach = (K - 1) * DIL, s = w.o + p.pad.xyz, o;
    ivec3 from = max((s - reach + STRIDE - 1) / STRIDE, ivec3(0));
    from = mix(from, ivec3(0), lessThan(s, reach));
    ivec3 to = min(s / STRIDE + 1, p.y_size.xyz);
    int me = in_plane(w.o);
    T sum = T(0);
    for (o.x = from.x; o.x < to.x; o.x++)
        for (o.y = from.y; o.y < to.y; o.y++)
            for (o.z = from.z; o.z < to.z; o.z++) {
                if (OP == MEAN_BACK)
                    sum += load(args.at[1], y_place(w, o), TO) / window_size(o);
                else if (I32_IN(args.at[2], 2 * index_place(w, o)) == me)
                    sum += load(args.at[1], y_place(w, o), TO);
            }
    store(args.at[0], x_place(w, w.o), TO, sum);
}

// Windows that neither overlap nor leave the plane by their beginning: what is beyond the last of them
// is as if there were more. Each index and each gradient is read once.
void backward_apart(Where w)
{
    bool is = all(lessThan(w.o, p.y_size.xyz));
    ivec3 from = w.o * STRIDE, t;
    int best = is ? I32_IN(args.at[2], 2 * index_place(w, w.o)) : -1;
    T g = is ? load(args.at[1], y_place(w, w.o), TO) : T(0);
    for (t.x = 0; t.x < K.x; t.x++)
        for (t.y = 0; t.y < K.y; t.y++)
            for (t.z = 0; t.z < K.z; t.z++) {
                ivec3 c = from + t;
                if (all(lessThan(c, p.x_size.xyz)))
                    store(args.at[0], x_place(w, c), TO, in_plane(c) == best ? g : T(0));
            }
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.count; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        Where w = find(i);
        if (OP == MAX || OP == MEAN)
            forward(w);
        else if (OP == MAX_BACK_APART)
            backward_apart(w);
        else
            backward(w);
    }
}
