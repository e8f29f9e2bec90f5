#version 450
// nll_loss and its gradient. With t = target[n] and w = weight[t] (1 without weights, 0 for the
// ignored index): loss[n] = -w x[n, t]; reduced, the sum of them, divided by the sum of w for the
// mean. x'[n, t] = -w y' (/ the sum of w).
#include "kernel.glsl"

layout(constant_id = 1) const int BACK = 0;
layout(constant_id = 2) const int TO = 0;
layout(constant_id = 3) const int REDUCTION = 0;
layout(constant_id = 4) const int WEIGHTS = 0;

const int NONE = 0, MEAN = 1, SUM = 2;

// nll_block in loss.c.
struct Nll {
    uint rows, classes;
    uvec2 ignored;
    uint x_row, x_class, out_row, out_class; // strides; backward, of the gradients
    uint target_row, weight_class, y_row, unused;
};
UNIFORMS(Nll, p)

const uint GROUP = 128;
shared T part[GROUP], part_weight[GROUP];

// at: 0 the loss or x', 1 x or y', 2 target, 3 weight, 4 the total weight.
T weight_of(uvec2 t)
{
    return WEIGHTS != 0 ? load(args.at[3], t.x * p.weight_class, TO) : T(1);
}

bool counts(uvec2 t)
{
    return t != p.ignored && !bad_index(t, 1, p.classes);
}

// One group does all rows.
void forward()
{
    uint me = gl_LocalInvocationID.x, all = gl_WorkGroupSize.x;
    T sum = T(0), weights = T(0);
    for (uint n = me; n < p.rows; n += all) {
        uvec2 t = PAIR_IN(args.at[2], n * p.target_row);
        T each = T(0);
        if (counts(t)) {
            T w = weight_of(t);
            each = -w * load(args.at[1], n * p.x_row + t.x * p.x_class, TO);
            weights += w;
        }
        sum += each;
        if (REDUCTION == NONE)
            store(args.at[0], n * p.out_row, TO, each);
    }
    part[me] = sum;
    part_weight[me] = weights;
    barrier();
    for (uint h = all / 2; h > 0; h /= 2) {
        if (me < h) {
            part[me] += part[me + h];
            part_weight[me] += part_weight[me + h];
        }
        barrier();
    }
    if (me == 0) {
        if (REDUCTION != NONE)
            store(args.at[0], 0, TO, REDUCTION == MEAN ? part[0] / part_weight[0] : part[0]);
        if (args.at[4] != BITS64(0))
            store(args.at[4], 0, TO, REDUCTION == NONE ? T(0) : part_weight[0]);
    }
}

void backward()
{
    uint count = p.rows * p.classes;
    for (uint i = gl_GlobalInvocationID.x; i < count; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        uint n = i / p.classes, c = i - n * p.classes;
        uvec2 t = PAIR_IN(args.at[2], n * p.target_row);
        T each = T(0);
        if (t == uvec2(c, 0u) && t != p.ignored) {
            each = -weight_of(t) * load(args.at[1], REDUCTION == NONE ? n * p.y_row : 0, TO);
            if (REDUCTION == MEAN)
                each /= load(args.at[4], 0, TO);
        } else if (c == 0 && t != p.ignored) {
            bad_index(t, 1, p.classes);
        }
        store(args.at[0], n * p.out_row + c * p.out_class, TO, each);
    }
}

void main()
{
    if (BACK != 0)
        backward();
    else
        forward();
}
