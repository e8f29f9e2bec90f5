/* The loops of layer and batch normalisation for one type; norm.c includes this for f32 and f64 with REAL and NAME. Sums run
 * in lanes over a row (row_sum and row_squares, in norm.c) and in double between rows. */

/* ---- layer norm: rows of m values ---- */

static void NAME(layer_rows)(void *context, int64_t begin, int64_t end)
{
    const norm_job *job = context;
    const int64_t m = job->m;
    const REAL *restrict w = job->weight, *restrict b = job->bias;
    const double part = 1 / (double)m;
    for (int64_t r = begin; r < end; r++) {
        const REAL *restrict x = (const REAL *)job->x + r * m;
        REAL *restrict y = (REAL *)job->y + r * m;
        REAL mean = (REAL)(NAME(row_sum)(x, m) * part);
        REAL rstd = (REAL)(1 / sqrt(NAME(row_squares)(x, m, mean) * part + job->eps));
        ((REAL *)job->mean)[r] = mean;
        ((REAL *)job->rstd)[r] = rstd;
        if (w && b) {
#pragma omp simd
            for (int64_t i = 0; i < m; i++)
                y[i] = (x[i] - mean) * rstd * w[i] + b[i];
        } else {
            for (int64_t i = 0; i < m; i++)
                y[i] = (x[i] - mean) * rstd * (w ? w[i] : 1) + (b ? b[i] : 0);
        }
    }
}

/* x' = rstd (h - mean h - x̂ mean(h x̂)),  h = y' w */
static void NAME(layer_back_rows)(const norm_job *job, int64_t begin, int64_t end)
{
    const int64_t m = job->m;
    const REAL *restrict w = job->weight;
    for (int64_t r = begin; r < end; r++) {
        const REAL *restrict x = (const REAL *)job->x + r * m, *restrict g =
                                                                   (const REAL *)job->g + r * m;
        REAL *restrict dx = (REAL *)job->dx + r * m;
        const REAL mean = ((const REAL *)job->mean)[r], rstd = ((const REAL *)job->rstd)[r];
        REAL a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
        for (int64_t i = 0; i < m; i++) {
            REAL h = w ? g[i] * w[i] : g[i];
            a += h;
            b += h * (x[i] - mean);
        }
        a /= (REAL)m;
        b *= rstd * rstd / (REAL)m;
#pragma omp simd
        for (int64_t i = 0; i < m; i++)
            dx[i] = rstd * ((w ? g[i] * w[i] : g[i]) - a - (x[i] - mean) * b);
    }
}

/* w' = Σ y' x̂, b' = Σ y' over rows begin to end. */
static void NAME(layer_back_columns)(const norm_job *job, int64_t begin, int64_t end, REAL *to_dw,
                                     REAL *to_db)
{
    for (int64_t from = 0; from < job->m; from += COLUMNS) {
        const int n = (int)(job->m - from < COLUMNS ? job->m - from : COLUMNS);
        REAL dw[COLUMNS] = {0}, db[COLUMNS] = {0};
        for (int64_t r = begin; r < end; r++) {
            const REAL *restrict x = (const REAL *)job->x + r * job->m + from;
            const REAL *restrict g = (const REAL *)job->g + r * job->m + from;
            const REAL mean = ((const REAL *)job->mean)[r], rstd = ((const REAL *)job->rstd)[r];
#pragma omp simd
            for (int i = 0; i < n; i++) {
                dw[i] += g[i] * ((x[i] - mean) * rstd);
                db[i] += g[i];
            }
        }
        memcpy(to_dw + from, dw, (size_t)n * sizeof *dw);
        memcpy(to_db + from, db, (size_t)n * sizeof *db);
    }
}

/* All of a chunk of rows while the caches hold it. */
static void NAME(layer_back_chunks)(void *context, int64_t begin, int64_t end)
{
    const norm_job *job = context;
    for (int64_t c = begin; c < end; c++) {
        const int64_t first = c * job->chunk;
        const int64_t last = job->rows - first < job->chunk ? job->rows : first + job->chunk;
        REAL *sums = (REAL *)job->sums + c * 2 * job->m;
        if (job->dx)
            NAME(layer_back_rows)(job, first, last);
        if (job->dw || job->db)
            NAME(layer_back_columns)(job, first, last, sums, sums + job->m);
    }
}

/* Columns begin to end of w' and b' from those of the chunks. */
static void NAME(layer_back_join)(void *context, int64_t begin, int64_t end)
{
    const norm_job *job = context;
    REAL *const to[2] = {job->dw, job->db};
    for (int k = 0; k < 2; k++)
        for (int64_t i = begin; to[k] && i < end; i++) {
            double sum = 0;
            for (int64_t first = 0, c = 0; first < job->rows; first += job->chunk, c++)
                sum += (double)((const REAL *)job->sums)[(2 * c + k) * job->m + i];
            to[k][i] = (REAL)sum;
        }
}

/* ---- batch norm: [rows, channels, m], a channel at a time ---- */

/* mean, 1 / √(variance + ε) and the running statistics of one channel. */
static void NAME(batch_statistics)(const norm_job *job, int64_t c, REAL *mean_out, REAL *rstd_out)
{
    const int64_t m = job->m, step = job->channels * m;
    const REAL *x = (const REAL *)job->x + c * m;
    REAL *running_mean = job->running_mean, *running_var = job->running_var;
    if (!job->training) {
        *mean_out = running_mean[c];
        *rstd_out = (REAL)(1 / sqrt((double)running_var[c] + job->eps));
        return;
    }
    const double count = (double)job->rows * (double)m;
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < job->rows; r++)
        sum += NAME(row_sum)(x + r * step, m);
    REAL mean = (REAL)(sum / count);
    for (int64_t r = 0; r < job->rows; r++)
        squares += NAME(row_squares)(x + r * step, m, mean);
    *mean_out = ((REAL *)job->mean)[c] = mean;
    *rstd_out = ((REAL *)job->rstd)[c] = (REAL)(1 / sqrt(squares / count + job->eps));
    if (running_mean && running_var) {
        const double keep = 1 - job->momentum;
        running_mean[c] = (REAL)(keep * (double)running_mean[c] + job->momentum * (double)mean);
        running_var[c] =
            (REAL)(keep * (double)running_var[c] + job->momentum * (squares / (count - 1)));
    }
}

static void NAME(batch_channels)(void *context, int64_t begin, int64_t end)
{
    const norm_job *job = context;
    const int64_t m = job->m, step = job->channels * m;
    for (int64_t c = begin; c < end; c++) {
        REAL mean, rstd;
        NAME(batch_statistics)(job, c, &mean, &rstd);
        const REAL scale = rstd * (job->weight ? ((const REAL *)job->weight)[c] : 1);
        const REAL shift = job->bias ? ((const REAL *)job->bias)[c] : 0;
        for (int64_t r = 0; r < job->rows; r++) {
            const REAL *restrict x = (const REAL *)job->x + r * step + c * m;
            REAL *restrict y = (REAL *)job->y + r * step + c * m;
#pragma omp simd
            for (int64_t i = 0; i < m; i++)
                y[i] = (x[i] - mean) * scale + shift;
        }
    }
}

/* Training: x' = w rstd (y' - mean y' - x̂ mean(y' x̂)); evaluation: x' = w rstd y'. */
static void NAME(batch_back_channels)(void *context, int64_t begin, int64_t end)
{
    const norm_job *job = context;
    const int64_t m = job->m, step = job->channels * m;
    const double count = (double)job->rows * (double)m;
    for (int64_t c = begin; c < end; c++) {
        const REAL mean = ((const REAL *)(job->training ? job->mean : job->running_mean))[c];
        const REAL rstd =
            job->training
                ? ((const REAL *)job->rstd)[c]
                : (REAL)(1 / sqrt((double)((const REAL *)job->running_var)[c] + job->eps));
        double sum = 0, product = 0;
        for (int64_t r = 0; r < job->rows; r++) {
            const REAL *restrict x = (const REAL *)job->x + r * step + c * m, *restrict g =
                                                                                  (const REAL *)
                                                                                      job->g +
                                                                                  r * step + c * m;
            REAL a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
            for (int64_t i = 0; i < m; i++) {
                a += g[i];
                b += g[i] * (x[i] - mean);
            }
            sum += (double)a;
            product += (double)b;
        }
        if (job->dw)
            ((REAL *)job->dw)[c] = (REAL)(product * (double)rstd);
        if (job->db)
            ((REAL *)job->db)[c] = (REAL)sum;
        if (!job->dx)
            continue;
        const REAL scale = rstd * (job->weight ? ((const REAL *)job->weight)[c] : 1);
        const REAL a = job->training ? (REAL)(sum / count) : 0;
        const REAL b = job->training ? (REAL)(product / count * (double)rstd * (double)rstd) : 0;
        for (int64_t r = 0; r < job->rows; r++) {
            const REAL *restrict x = (const REAL *)job->x + r * step + c * m, *restrict g =
                                                                                  (const REAL *)
                                                                                      job->g +
                                                                                  r * step + c * m;
            REAL *restrict dx = (REAL *)job->dx + r * step + c * m;
#pragma omp simd
            for (int64_t i = 0; i < m; i++)
                dx[i] = scale * (g[i] - a - (x[i] - mean) * b);
        }
    }
}
