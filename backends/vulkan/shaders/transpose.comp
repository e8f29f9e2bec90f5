#version 450
// Copies between values whose neighbours run along different dimensions. Tiles of both dimensions go through shared memory, so
// that each value is met along its own neighbours.
#include "kernel.glsl"
#include "space.glsl"

// Of the dimensions around those two, which stand behind them in the space: the source's, then the result's. The space counts tiles.
layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int BYTES = 0; // of an element

const uint N = 32, ROW = N + 1; // shared memory's banks differ
shared uint low[N * ROW], high[N * ROW];

void take(uint to, uint at)
{
    if (BYTES == 1)
        low[to] = U8_IN(args.at[1], at);
    else if (BYTES == 2)
        low[to] = U16_IN(args.at[1], at);
    else if (BYTES == 4)
        low[to] = U32_IN(args.at[1], at);
    else {
        uvec2 both = PAIR_IN(args.at[1], at);
        low[to] = both.x;
        high[to] = both.y;
    }
}

void put(uint at, uint from)
{
    if (BYTES == 1)
        U8_OUT(args.at[0], at, low[from]);
    else if (BYTES == 2)
        U16_OUT(args.at[0], at, low[from]);
    else if (BYTES == 4)
        U32_OUT(args.at[0], at, low[from]);
    else
        PAIR_OUT(args.at[0], at, uvec2(low[from], high[from]));
}

void main()
{
    uint x = gl_LocalInvocationID.x % N, first = gl_LocalInvocationID.x / N, each = gl_WorkGroupSize.x / N;
    Dim i = space.dim[RANK], j = space.dim[RANK + 1];
    uint across = (j.size + N - 1) / N, down = (i.size + N - 1) / N;
    for (uint tile = gl_WorkGroupID.x; tile < space.count; tile += gl_NumWorkGroups.x) {
        uint i0 = tile / across % down * N, j0 = tile % across * N;
        uvec4 at = place(tile / across / down, RANK);
        for (uint y = first; y < N; y += each)
            if (i0 + x < i.size && j0 + y < j.size)
                take(y * ROW + x, at.y + (i0 + x) * i.stride.y + (j0 + y) * j.stride.y);
        barrier();
        for (uint y = first; y < N; y += each)
            if (i0 + y < i.size && j0 + x < j.size)
                put(at.x + (i0 + y) * i.stride.x + (j0 + x) * j.stride.x, x * ROW + y);
        barrier();
    }
}
