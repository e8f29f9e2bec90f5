// Batched matrix product, tiled: a work-group computes TILE_M rows and TILE_N columns, an item ROWS rows and LANES columns in
// registers, as vectors along the columns. Both factors come through local memory, TILE_K terms at a time, so that strides
// matter only when loading. Edges are padded with zeros there, and left out when storing.
#pragma OPENCL FP_CONTRACT ON // fma() itself may be a call of a function; this is an instruction wherever there is one
#if CLASS == CLASS_INT || CLASS == CLASS_LONG
#define E U // wraps
#else
#define E T
#endif
#define VECTOR(type) PASTE(type, LANES)
#define CHUNK ROWS // elements that are loaded together; it divides all sides of the tiles
#define FETCH PASTE(vload, LANES)
#define PUT PASTE(vstore, LANES)
#define GROUP_N (TILE_N / LANES)
#define GROUP_M (TILE_M / ROWS)
#define GROUP (GROUP_N * GROUP_M)

// CHUNK elements into local memory, of which `there` are in the matrix and the rest are 0.
void bring(local E *to, uint to_step, global const void *from, INDEX at, INDEX step, INDEX there)
{
    if (there < CHUNK) {
        for (uint c = 0; c < CHUNK; c++)
            to[c * to_step] = c < there ? (E)load(from, at + c * step, DTYPE) : 0;
    } else if (step == 1) {
        for (uint c = 0; c < CHUNK; c++)
            to[c * to_step] = (E)load(from, at + c, DTYPE);
    } else {
        for (uint c = 0; c < CHUNK; c++)
            to[c * to_step] = (E)load(from, at + c * step, DTYPE);
    }
}

// How many from first on are below end.
INDEX from_on(INDEX first, INDEX end)
{
    return first < end ? end - first : 0;
}

// Where element (row r, term k) of the left tile lies: dense along what is dense in memory.
#if A_BY_ROWS
#define LEFT(r, k) ((r) * TILE_K + (k))
#else
#define LEFT(r, k) ((k) * TILE_M + (r))
#endif

// The arguments' strides: batch, row, column of each.
kernel void gemm(VALUE(y), VALUE(a), VALUE(b), int dtype, long m, long n, long depth, long4 y_step, long4 a_step, long4 b_step)
{
    START(y);
    START(a);
    START(b);
    local E left[TILE_K * TILE_M], right[TILE_K * TILE_N];
    const uint column = (uint)get_local_id(0), row = (uint)get_local_id(1), me = row * GROUP_N + column;
    const INDEX first_row = (INDEX)get_group_id(1) * TILE_M, first_column = (INDEX)get_group_id(0) * TILE_N;
    const INDEX batch = (INDEX)get_group_id(2);
    const INDEX a_first = batch * (INDEX)a_step.x, b_first = batch * (INDEX)b_step.x;
    VECTOR(E) sum[ROWS];
    for (int r = 0; r < ROWS; r++)
        sum[r] = 0;
    for (INDEX k0 = 0; k0 < (INDEX)depth; k0 += TILE_K) {
        for (uint e = me; e < TILE_K * TILE_M / CHUNK; e += GROUP) {
#if A_BY_ROWS
            const uint r = e / (TILE_K / CHUNK), k = e % (TILE_K / CHUNK) * CHUNK;
            const INDEX i = first_row + r, j = k0 + k, there = i < (INDEX)m ? from_on(j, (INDEX)depth) : 0;
            bring(left + LEFT(r, k), 1, a, a_first + i * (INDEX)a_step.y + j * (INDEX)a_step.z, (INDEX)a_step.z, there);
#else
            const uint k = e / (TILE_M / CHUNK), r = e % (TILE_M / CHUNK) * CHUNK;
            const INDEX i = first_row + r, j = k0 + k, there = j < (INDEX)depth ? from_on(i, (INDEX)m) : 0;
            bring(left + LEFT(r, k), 1, a, a_first + i * (INDEX)a_step.y + j * (INDEX)a_step.z, (INDEX)a_step.y, there);
#endif
        }
        for (uint e = me; e < TILE_K * TILE_N / CHUNK; e += GROUP) {
#if B_BY_ROWS
            const uint k = e / (TILE_N / CHUNK), c = e % (TILE_N / CHUNK) * CHUNK;
            const INDEX i = k0 + k, j = first_column + c, there = i < (INDEX)depth ? from_on(j, (INDEX)n) : 0;
            bring(right + k * TILE_N + c, 1, b, b_first + i * (INDEX)b_step.y + j * (INDEX)b_step.z, (INDEX)b_step.z, there);
#else
            const uint c = e / (TILE_K / CHUNK), k = e % (TILE_K / CHUNK) * CHUNK;
            const INDEX i = k0 + k, j = first_column + c, there = j < (INDEX)n ? from_on(i, (INDEX)depth) : 0;
            bring(right + k * TILE_N + c, TILE_N, b, b_first + i * (INDEX)b_step.y + j * (INDEX)b_step.z, (INDEX)b_step.y, there);
#endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        // In an array of this block alone, which can live in registers: what outlives a barrier may lie in memory.
        VECTOR(E) now[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            now[r] = sum[r];
        // From local id 2, which is 0: a loop that all items run alike PoCL takes apart, an iteration of all items at a time,
        // and the sums go to memory and back at each.
        for (uint k = (uint)get_local_id(2); k < TILE_K; k++) {
            const VECTOR(E) x = FETCH(0, right + k * TILE_N + column * LANES);
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                now[r] += (VECTOR(E))(left[LEFT(row * ROWS + r, k)]) * x;
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            sum[r] = now[r];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int r = 0; r < ROWS; r++) {
        INDEX i = first_row + row * ROWS + r;
        E out[LANES];
        PUT(sum[r], 0, out);
        for (int c = 0; c < LANES && i < (INDEX)m; c++) {
            INDEX j = first_column + column * LANES + c;
            if (j < (INDEX)n)
                store(y, batch * (INDEX)y_step.x + i * (INDEX)y_step.y + j * (INDEX)y_step.z, (T)out[c], CHOSEN_DTYPE);
        }
    }
}
