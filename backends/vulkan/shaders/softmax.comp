#version 450
// Softmax and its logarithm along one dimension, and their gradients. An invocation takes a lane, or
// (GROUPED) a group does.
//   softmax      y = exp(x - max) / sum exp(x - max)      x' = y (y' - sum y' y)
//   log_softmax  y = x - max - log sum exp(x - max)       x' = y' - exp(y) sum y'
#include "kernel.glsl"
#include "dim.glsl"
#if defined CLASS_FLOAT
#include "math_f32.glsl"
#else
#include "math_f64.glsl"
#endif

layout(constant_id = 1) const int LOG = 0;
layout(constant_id = 2) const int BACK = 0;
layout(constant_id = 3) const int RANK = 0; // of the lanes' space
layout(constant_id = 4) const int TO = 0;
layout(constant_id = 5) const int FROM = 0; // x, or the output's gradient
layout(constant_id = 6) const int FROM_1 = 0; // the output
layout(constant_id = 7) const int GROUPED = 0;

// lane_block in softmax.c. Strides: what is written, x or y', y; step: along the dimension.
struct Lanes {
    uint lanes, terms;
    uvec4 step;
    Dim lane[8];
};
UNIFORMS(Lanes, s)

const uint GROUP = 128;
shared T part[GROUP];

T greatest_of(T x)
{
    if (GROUPED == 0)
        return x;
    uint me = gl_LocalInvocationID.x;
    part[me] = x;
    barrier();
    for (uint h = gl_WorkGroupSize.x / 2; h > 0; h /= 2) {
        if (me < h) {
            T y = part[me + h];
            part[me] = is_nan(part[me]) || part[me] > y ? part[me] : y;
        }
        barrier();
    }
    T all = part[0];
    barrier();
    return all;
}

T sum_of(T x)
{
    if (GROUPED == 0)
        return x;
    uint me = gl_LocalInvocationID.x;
    part[me] = x;
    barrier();
    for (uint h = gl_WorkGroupSize.x / 2; h > 0; h /= 2) {
        if (me < h)
            part[me] += part[me + h];
        barrier();
    }
    T all = part[0];
    barrier();
    return all;
}

void forward(uvec4 at, uint first, uint by)
{
    T greatest = load(args.at[1], at.y, FROM), sum = T(0);
    for (uint t = first; t < s.terms; t += by) {
        T x = load(args.at[1], at.y + t * s.step.y, FROM);
        greatest = is_nan(greatest) || greatest > x ? greatest : x;
    }
    greatest = greatest_of(greatest);
    for (uint t = first; t < s.terms; t += by)
        sum += exp_(load(args.at[1], at.y + t * s.step.y, FROM) - greatest);
    sum = sum_of(sum);
    T less = LOG != 0 ? log_(sum) : T(1) / sum;
    for (uint t = first; t < s.terms; t += by) {
        T x = load(args.at[1], at.y + t * s.step.y, FROM) - greatest;
        store(args.at[0], at.x + t * s.step.x, TO, LOG != 0 ? x - less : exp_(x) * less);
    }
}

void backward(uvec4 at, uint first, uint by)
{
    T sum = T(0);
    for (uint t = first; t < s.terms; t += by) {
        T g = load(args.at[1], at.y + t * s.step.y, FROM);
        sum += LOG != 0 ? g : g * load(args.at[2], at.z + t * s.step.z, FROM_1);
    }
    sum = sum_of(sum);
    for (uint t = first; t < s.terms; t += by) {
        T g = load(args.at[1], at.y + t * s.step.y, FROM);
        T y = load(args.at[2], at.z + t * s.step.z, FROM_1);
        store(args.at[0], at.x + t * s.step.x, TO, LOG != 0 ? g - exp_(y) * sum : y * (g - sum));
    }
}

void main()
{
    uint all = gl_WorkGroupSize.x, me = gl_LocalInvocationID.x;
    uint first_lane = GROUPED != 0 ? gl_WorkGroupID.x : gl_GlobalInvocationID.x;
    uint stride = GROUPED != 0 ? gl_NumWorkGroups.x : gl_NumWorkGroups.x * all;
    for (uint lane = first_lane; lane < s.lanes; lane += stride) {
        uvec4 at;
        PLACE_IN(s.lane, RANK, lane, at);
        if (BACK != 0)
            backward(at, GROUPED != 0 ? me : 0u, GROUPED != 0 ? all : 1u);
        else
            forward(at, GROUPED != 0 ? me : 0u, GROUPED != 0 ? all : 1u);
    }
}
