#version 450
// Adds up the parts of a split product, in order, and finishes as the product itself would.
#include "kernel.glsl"
#include "dim.glsl"
#include "product.glsl"

T load_part(uint i)
{
#if defined CLASS_FLOAT
    return load_float(args.at[1], i, F32);
#elif defined CLASS_INT
    return load_int(args.at[1], i, I32);
#else
    return load(args.at[1], i, TO);
#endif
}

void main()
{
    uint count = p.batch * p.m * p.n;
    for (uint i = gl_GlobalInvocationID.x; i < count; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        T x = T(0);
        for (uint s = 0; s < p.splits; s++)
            x += load_part(s * count + i);
        uint row = i / p.n, n = i - row * p.n, b = row / p.m, m = row - b * p.m;
        Place row_place = m_place(m), column = n_place(n);
        store_c(b, 0, m, n, row_place, column, curved(complete(b, m, n, row_place, column, x)));
    }
}
