/* Average pooling for one type; pool_avg.c includes this for f32 and f64 with REAL and NAME. */

/* y = Σ window / divisor, or back: x' += y' / divisor over the window. */
static void NAME(plane)(const pool_shape *s, REAL *x, REAL *y, bool adaptive, bool back)
{
    if (back)
        memset(x, 0, (size_t)s->in_size * sizeof *x);
    for (int64_t oz = 0; oz < s->out[0]; oz++)
        for (int64_t oy = 0; oy < s->out[1]; oy++)
            for (int64_t ox = 0; ox < s->out[2]; ox++, y++) {
                const int64_t o[3] = {oz, oy, ox};
                int64_t from[3], to[3];
                REAL divisor = (REAL)window_of(s, o, adaptive, from, to);
                REAL sum = 0, part = back ? *y / divisor : 0;
                for (int64_t z = from[0]; z < to[0]; z++)
                    for (int64_t v = from[1]; v < to[1]; v++) {
                        REAL *row = x + (z * s->in[1] + v) * s->in[2];
                        if (back)
                            for (int64_t u = from[2]; u < to[2]; u++)
                                row[u] += part;
                        else
                            for (int64_t u = from[2]; u < to[2]; u++)
                                sum += row[u];
                    }
                if (!back)
                    *y = sum / divisor;
            }
}

/* The whole plane at once: out is 1 x 1. */
static void NAME(whole)(const pool_shape *s, const REAL *x, REAL *y)
{
    REAL sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < s->in_size; j++)
        sum += x[j];
    *y = sum / (REAL)s->in_size;
}

static void NAME(planes)(void *context, int64_t begin, int64_t end)
{
    const pool_job *job = context;
    const pool_shape *s = job->shape;
    for (int64_t i = begin; i < end; i++) {
        REAL *x = (REAL *)job->x + i * s->in_size, *y = (REAL *)job->y + i * s->out_size;
        if (job->adaptive && !job->back && s->out_size == 1)
            NAME(whole)(s, x, y);
        else
            NAME(plane)(s, x, y, job->adaptive, job->back);
    }
}
