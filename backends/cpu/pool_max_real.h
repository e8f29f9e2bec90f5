/* Maximum pooling for one type; pool_max.c includes this for f32 and f64 with REAL and NAME. */

/* One plane. Of a window the first greatest wins, and NaN is greater than all; the index counts within the plane. */
static void NAME(plane)(const pool_shape *s, const REAL *x, REAL *y, int64_t *index)
{
    for (int64_t oz = 0; oz < s->out[0]; oz++)
        for (int64_t oy = 0; oy < s->out[1]; oy++)
            for (int64_t ox = 0; ox < s->out[2]; ox++) {
                const int64_t o[3] = {oz, oy, ox};
                int64_t from[3], to[3];
                for (int d = 0; d < 3; d++) {
                    from[d] = o[d] * s->stride[d] - s->pad[d];
                    to[d] = from[d] + (s->k[d] - 1) * s->dil[d] + 1;
                    to[d] = to[d] < s->in[d] ? to[d] : s->in[d];
                    if (from[d] < 0)
                        from[d] += (-from[d] + s->dil[d] - 1) / s->dil[d] * s->dil[d];
                }
                REAL best = -(REAL)INFINITY;
                int64_t where = (from[0] * s->in[1] + from[1]) * s->in[2] + from[2];
                for (int64_t z = from[0]; z < to[0]; z += s->dil[0])
                    for (int64_t v = from[1]; v < to[1]; v += s->dil[1])
                        for (int64_t u = from[2]; u < to[2]; u += s->dil[2]) {
                            int64_t at = (z * s->in[1] + v) * s->in[2] + u;
                            if (x[at] > best || x[at] != x[at]) {
                                best = x[at];
                                where = at;
                            }
                        }
                *y++ = best;
                *index++ = where;
            }
}

static void NAME(adaptive_plane)(const pool_shape *s, const REAL *x, REAL *y, int64_t *index)
{
    for (int64_t oy = 0; oy < s->out[1]; oy++)
        for (int64_t ox = 0; ox < s->out[2]; ox++) {
            int64_t v0 = adaptive_start(oy, s->out[1], s->in[1]),
                    v1 = adaptive_end(oy, s->out[1], s->in[1]);
            int64_t u0 = adaptive_start(ox, s->out[2], s->in[2]),
                    u1 = adaptive_end(ox, s->out[2], s->in[2]);
            REAL best = -(REAL)INFINITY;
            int64_t where = v0 * s->in[2] + u0;
            for (int64_t v = v0; v < v1; v++)
                for (int64_t u = u0; u < u1; u++) {
                    int64_t at = v * s->in[2] + u;
                    if (x[at] > best || x[at] != x[at]) {
                        best = x[at];
                        where = at;
                    }
                }
            *y++ = best;
            *index++ = where;
        }
}

static void NAME(planes)(void *context, int64_t begin, int64_t end)
{
    const pool_job *job = context;
    const pool_shape *s = job->shape;
    bool pairs = sizeof(REAL) == 4 && takes_pairs(s);
    for (int64_t i = begin; i < end; i++) {
        REAL *x = (REAL *)job->x + i * s->in_size, *y = (REAL *)job->y + i * s->out_size;
        int64_t *index = job->index + i * s->out_size;
        if (pairs)
            pairs_plane(s, (const float *)x, (float *)y, index);
        else if (job->adaptive)
            NAME(adaptive_plane)(s, x, y, index);
        else
            NAME(plane)(s, x, y, index);
    }
}

/* x'[index] += y', from 0. */
static void NAME(back_planes)(void *context, int64_t begin, int64_t end)
{
    const pool_job *job = context;
    const pool_shape *s = job->shape;
    for (int64_t i = begin; i < end; i++) {
        REAL *restrict x = (REAL *)job->x + i * s->in_size;
        const REAL *restrict y = (const REAL *)job->y + i * s->out_size;
        const int64_t *restrict index = job->index + i * s->out_size;
        memset(x, 0, (size_t)s->in_size * sizeof *x);
        for (int64_t j = 0; j < s->out_size; j++)
            if (index[j] >= 0 && index[j] < s->in_size)
                x[index[j]] += y[j];
    }
}
