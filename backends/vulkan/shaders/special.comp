#version 450
// An elementwise operation on one float that is computed in f64: FUNCTION.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "math_f64.glsl"
#include "math_circle.glsl"
#include "math_erf.glsl"
#include "math_gamma.glsl"

void main()
{
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        store(args.at[0], at.x, TO, T(FUNCTION(double(INPUT(0, FROM_0, at.y)))));
    }
}
