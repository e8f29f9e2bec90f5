/* Products of few rows with many weights, for conv_small.c: each passes once over the weights as they lie. Rows come in
 * fours; k is a multiple of 64, o of 4. */

typedef float small_vector __attribute__((vector_size(64), aligned(4), may_alias));
enum { SMALL_LANES = 16, SMALL_TILE = 4 };

static inline __attribute__((always_inline)) small_vector small_load(const float *p)
{
    return *(const small_vector *)p;
}

/* y[m][o] = Σ cols[m][k] w[o][k], of fours of o. */
static void small_forward(const dn_small_job *job, int64_t begin, int64_t end)
{
    int64_t k = job->k;
    for (int64_t o = begin * SMALL_TILE; o < end * SMALL_TILE; o += SMALL_TILE)
        for (int64_t m = 0; m < job->m; m += SMALL_TILE) {
            const float *w = job->w + o * k, *c = job->cols + m * k;
            small_vector sum[SMALL_TILE][SMALL_TILE] = {0};
            for (int64_t i = 0; i < k; i += SMALL_LANES) {
                small_vector a[SMALL_TILE];
                for (int j = 0; j < SMALL_TILE; j++)
                    a[j] = small_load(c + j * k + i);
                for (int r = 0; r < SMALL_TILE; r++) {
                    small_vector b = small_load(w + r * k + i);
                    for (int j = 0; j < SMALL_TILE; j++)
                        sum[r][j] += b * a[j];
                }
            }
            for (int r = 0; r < SMALL_TILE; r++)
                for (int j = 0; j < SMALL_TILE; j++) {
                    float all = 0;
                    for (int i = 0; i < SMALL_LANES; i++)
                        all += sum[r][j][i];
                    job->rows[(m + j) * job->o + o + r] = all;
                }
        }
}

/* cols[m][k] = Σ rows[m][o] w[o][k], of pieces of 64 k. */
static void small_data(const dn_small_job *job, int64_t begin, int64_t end)
{
    int64_t k = job->k, step = SMALL_TILE * SMALL_LANES;
    for (int64_t at = begin * step; at < end * step; at += step)
        for (int64_t m = 0; m < job->m; m += SMALL_TILE) {
            const float *g = job->rows + m * job->o, *w = job->w + at;
            small_vector sum[SMALL_TILE][SMALL_TILE] = {0};
            for (int64_t o = 0; o < job->o; o++) {
                small_vector b[SMALL_TILE];
                for (int i = 0; i < SMALL_TILE; i++) {
                    b[i] = small_load(w + o * k + i * SMALL_LANES);
                    if (m == 0 && o + 8 < job->o)
                        __builtin_prefetch(w + (o + 8) * k + i * SMALL_LANES);
                }
                for (int j = 0; j < SMALL_TILE; j++) {
                    float f = g[j * job->o + o];
                    for (int i = 0; i < SMALL_TILE; i++)
                        sum[j][i] += b[i] * f;
                }
            }
            for (int j = 0; j < SMALL_TILE; j++)
                for (int i = 0; i < SMALL_TILE; i++)
                    *(small_vector *)(job->cols + (m + j) * k + at + i * SMALL_LANES) = sum[j][i];
        }
}

/* dw[o][k] = Σ rows[m][o] cols[m][k], of fours of o. */
static void small_weights(const dn_small_job *job, int64_t begin, int64_t end)
{
    int64_t k = job->k;
    for (int64_t o = begin * SMALL_TILE; o < end * SMALL_TILE; o += SMALL_TILE)
        for (int64_t at = 0; at < k; at += SMALL_TILE * SMALL_LANES) {
            small_vector sum[SMALL_TILE][SMALL_TILE] = {0};
            for (int64_t m = 0; m < job->m; m++) {
                const float *g = job->rows + m * job->o + o;
                small_vector a[SMALL_TILE];
                for (int i = 0; i < SMALL_TILE; i++)
                    a[i] = small_load(job->cols + m * k + at + i * SMALL_LANES);
                for (int r = 0; r < SMALL_TILE; r++)
                    for (int i = 0; i < SMALL_TILE; i++)
                        sum[r][i] += a[i] * g[r];
            }
            for (int r = 0; r < SMALL_TILE; r++)
                for (int i = 0; i < SMALL_TILE; i++)
                    *(small_vector *)(job->dw + (o + r) * k + at + i * SMALL_LANES) = sum[r][i];
        }
}
