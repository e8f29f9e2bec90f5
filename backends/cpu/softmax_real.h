/* Softmax's loops for one type; softmax.c includes this for f32 and f64 with REAL, EXP, LOG and NAME, and,
 * where a row is done otherwise than here, FORWARD_ROW. Values are dense
 * [outer, dim, inner]. A piece is a row of inner places' block, done with one running maximum and sum a place. */

#ifndef FORWARD_ROW
#define FORWARD_ROW NAME(forward_row)
static void NAME(forward_row)(const REAL *x, REAL *y, int64_t dim, bool logs)
{
    REAL top = x[0], sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t j = 0; j < dim; j++)
        top = x[j] > top ? x[j] : top;
    if (logs) {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < dim; j++)
            sum += EXP(x[j] - top);
        REAL shift = LOG(sum);
#pragma omp simd
        for (int64_t j = 0; j < dim; j++)
            y[j] = x[j] - top - shift;
        return;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < dim; j++) {
        REAL e = EXP(x[j] - top);
        y[j] = e;
        sum += e;
    }
    REAL scale = 1 / sum;
#pragma omp simd
    for (int64_t j = 0; j < dim; j++)
        y[j] *= scale;
}
#endif

static void NAME(backward_row)(const REAL *g, const REAL *y, REAL *x, int64_t dim, bool logs)
{
    REAL sum = 0;
    if (logs) {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < dim; j++)
            sum += g[j];
#pragma omp simd
        for (int64_t j = 0; j < dim; j++)
            x[j] = g[j] - EXP(y[j]) * sum;
        return;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < dim; j++)
        sum += g[j] * y[j];
#pragma omp simd
    for (int64_t j = 0; j < dim; j++)
        x[j] = y[j] * (g[j] - sum);
}

/* The same for `n` neighbouring places at once, elements of a place lying `inner` apart. */
static void NAME(forward_block)(const REAL *x, REAL *y, int64_t dim, int64_t inner, int n,
                                bool logs)
{
    REAL top[BLOCK], sum[BLOCK] = {0};
    for (int i = 0; i < n; i++)
        top[i] = x[i];
    for (int64_t j = 1; j < dim; j++)
        for (int i = 0; i < n; i++)
            top[i] = x[j * inner + i] > top[i] ? x[j * inner + i] : top[i];
    for (int64_t j = 0; j < dim; j++)
#pragma omp simd
        for (int i = 0; i < n; i++) {
            REAL e = EXP(x[j * inner + i] - top[i]);
            sum[i] += e;
            if (!logs)
                y[j * inner + i] = e;
        }
    for (int i = 0; i < n; i++)
        sum[i] = logs ? LOG(sum[i]) : 1 / sum[i];
    for (int64_t j = 0; j < dim; j++)
        for (int i = 0; i < n; i++)
            y[j * inner + i] =
                logs ? x[j * inner + i] - top[i] - sum[i] : y[j * inner + i] * sum[i];
}

static void NAME(backward_block)(const REAL *g, const REAL *y, REAL *x, int64_t dim, int64_t inner,
                                 int n, bool logs)
{
    REAL sum[BLOCK] = {0};
    for (int64_t j = 0; j < dim; j++)
        for (int i = 0; i < n; i++)
            sum[i] += logs ? g[j * inner + i] : g[j * inner + i] * y[j * inner + i];
    for (int64_t j = 0; j < dim; j++)
#pragma omp simd
        for (int i = 0; i < n; i++) {
            REAL gi = g[j * inner + i], yi = y[j * inner + i];
            x[j * inner + i] = logs ? gi - EXP(yi) * sum[i] : yi * (gi - sum[i]);
        }
}

static void NAME(pieces)(void *context, int64_t begin, int64_t end)
{
    const softmax_job *job = context;
    const softmax_plan *p = job->plan;
    int64_t blocks = (p->inner + BLOCK - 1) / BLOCK;
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t i = piece % blocks * BLOCK, at = piece / blocks * p->dim * p->inner + i;
        int n = p->inner - i < BLOCK ? (int)(p->inner - i) : BLOCK;
        const REAL *a = (const REAL *)job->a + at, *b = job->b ? (const REAL *)job->b + at : NULL;
        REAL *out = (REAL *)job->out + at;
        if (p->inner == 1 && b)
            NAME(backward_row)(a, b, out, p->dim, p->logs);
        else if (p->inner == 1)
            FORWARD_ROW(a, out, p->dim, p->logs);
        else if (b)
            NAME(backward_block)(a, b, out, p->dim, p->inner, n, p->logs);
        else
            NAME(forward_block)(a, out, p->dim, p->inner, n, p->logs);
    }
}
