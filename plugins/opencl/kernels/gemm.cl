// Batched matrix product, tiled: a work-group computes TILE_M rows and TILE_N columns, an item ROWS rows and LANES columns in
// registers, as vectors along the columns. Both factors come through local memory, TILE_K terms at a time, so that strides
// matter only when loading. Edges are padded with zeros there, and left out when storing.
#if CLASS == CLASS_INT || CLASS == CLASS_LONG
#define E U // wraps
#else
#define E T
#endif
#define VECTOR(type) PASTE(type, LANES)
#define FETCH PASTE(vload, LANES)
#define PUT PASTE(vstore, LANES)
#define GROUP_N (TILE_N / LANES)
#define GROUP_M (TILE_M / ROWS)
#define GROUP (GROUP_N * GROUP_M)

// The arguments' strides: batch, row, column of each.
kernel void gemm(VALUE(y), VALUE(a), VALUE(b), int dtype, long m, long n, long depth, long4 y_step, long4 a_step, long4 b_step)
{
    START(y);
    START(a);
    START(b);
    local E left[TILE_K * TILE_M], right[TILE_K * TILE_N];
    const int column = get_local_id(0), row = get_local_id(1), me = row * GROUP_N + column;
    const INDEX first_row = (INDEX)get_group_id(1) * TILE_M, first_column = (INDEX)get_group_id(0) * TILE_N;
    const INDEX batch = (INDEX)get_group_id(2);
    const INDEX a_first = batch * (INDEX)a_step.x, b_first = batch * (INDEX)b_step.x;
    VECTOR(E) sum[ROWS];
    for (int r = 0; r < ROWS; r++)
        sum[r] = 0;
    for (INDEX k0 = 0; k0 < (INDEX)depth; k0 += TILE_K) {
        for (int e = me; e < TILE_K * TILE_M; e += GROUP) {
            // neighbours read neighbours where the factor is dense along one of its dimensions
            int k = A_BY_ROWS ? e % TILE_K : e / TILE_M, r = A_BY_ROWS ? e / TILE_K : e % TILE_M;
            INDEX i = first_row + r, j = k0 + k;
            left[k * TILE_M + r] = i < (INDEX)m && j < (INDEX)depth
                ? (E)load(a, a_first + i * (INDEX)a_step.y + j * (INDEX)a_step.z, CHOSEN_DTYPE) : 0;
        }
        for (int e = me; e < TILE_K * TILE_N; e += GROUP) {
            int k = B_BY_ROWS ? e / TILE_N : e % TILE_K, c = B_BY_ROWS ? e % TILE_N : e / TILE_K;
            INDEX i = k0 + k, j = first_column + c;
            right[k * TILE_N + c] = i < (INDEX)depth && j < (INDEX)n
                ? (E)load(b, b_first + i * (INDEX)b_step.y + j * (INDEX)b_step.z, CHOSEN_DTYPE) : 0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < TILE_K; k++) {
            VECTOR(E) x = FETCH(0, right + k * TILE_N + column * LANES);
            for (int r = 0; r < ROWS; r++) {
#if IS_FLOAT
                sum[r] = fma((VECTOR(E))(left[k * TILE_M + row * ROWS + r]), x, sum[r]);
#else
                sum[r] += left[k * TILE_M + row * ROWS + r] * x;
#endif
            }
        }
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
