/* The forward of recurrent layers for one type; rnn.c includes this for f32 and f64 with REAL, SIGMOID, TANH, NAME, GEMM and
 * GEMM_ARG. */

/* w [gates · hidden, hidden] into panels of [hidden][gates][units], zero beyond the last unit. */
static void NAME(pack_forward)(const rnn_job *j, void *to)
{
    const rnn_plan *p = j->plan;
    const int64_t units = units_of(p), width = units * p->gates, hidden = p->hidden;
    for (int64_t panel = 0; panel < j->panels; panel++) {
        REAL *block = (REAL *)to + panel * hidden * width;
        for (int64_t g = 0; g < p->gates; g++)
            for (int64_t k0 = 0; k0 < hidden; k0 += 16) {
                int64_t k1 = k0 + 16 < hidden ? k0 + 16 : hidden;
                for (int64_t u = 0; u < units; u++) {
                    int64_t unit = panel * units + u;
                    const REAL *from = (const REAL *)j->weight + (g * hidden + unit) * hidden;
                    for (int64_t k = k0; k < k1; k++)
                        block[k * width + g * units + u] = unit < hidden ? from[k] : 0;
                }
            }
    }
}

/* One sequence's step for n units from `unit` on: the recurrent part of their gates lies in sum, gate by gate. */
static inline void NAME(row)(const rnn_job *j, int64_t row, int64_t b, int64_t unit, int64_t n,
                             const REAL *restrict sum, const REAL *restrict before)
{
    const rnn_plan *p = j->plan;
    const int64_t hidden = p->hidden, units = units_of(p);
    const REAL *restrict x = (const REAL *)j->gates + row * p->gates * hidden + unit;
    const REAL *restrict bias = (const REAL *)j->bias + unit;
    REAL *restrict y = (REAL *)j->output + row * hidden + unit;
    if (p->mode == MODE_LSTM) {
        REAL *restrict c = (REAL *)j->cell + b * hidden + unit;
        REAL in[PANEL / 4], forget[PANEL / 4], cell[PANEL / 4], out[PANEL / 4];
#pragma omp simd
        for (int64_t u = 0; u < n; u++) {
            in[u] = SIGMOID(x[u] + sum[u] + bias[u]);
            forget[u] = SIGMOID(x[hidden + u] + sum[units + u] + bias[hidden + u]);
            cell[u] = TANH(x[2 * hidden + u] + sum[2 * units + u] + bias[2 * hidden + u]);
            out[u] = SIGMOID(x[3 * hidden + u] + sum[3 * units + u] + bias[3 * hidden + u]);
            c[u] = forget[u] * c[u] + in[u] * cell[u];
            y[u] = out[u] * TANH(c[u]);
        }
        if (j->reserve) {
            REAL *kept = (REAL *)j->reserve + row * 5 * hidden + unit;
            memcpy(kept, in, (size_t)n * sizeof *in);
            memcpy(kept + hidden, forget, (size_t)n * sizeof *in);
            memcpy(kept + 2 * hidden, cell, (size_t)n * sizeof *in);
            memcpy(kept + 3 * hidden, out, (size_t)n * sizeof *in);
            memcpy(kept + 4 * hidden, c, (size_t)n * sizeof *in);
        }
    } else if (p->mode == MODE_GRU) {
        REAL reset[PANEL / 4], update[PANEL / 4], fresh[PANEL / 4], part[PANEL / 4];
#pragma omp simd
        for (int64_t u = 0; u < n; u++) {
            reset[u] = SIGMOID(x[u] + sum[u] + bias[u]);
            update[u] = SIGMOID(x[hidden + u] + sum[units + u] + bias[hidden + u]);
            part[u] = sum[2 * units + u] + bias[2 * hidden + u];
            fresh[u] = TANH(x[2 * hidden + u] + reset[u] * part[u]);
            y[u] = fresh[u] + update[u] * (before[u] - fresh[u]);
        }
        if (j->reserve) {
            REAL *kept = (REAL *)j->reserve + row * 4 * hidden + unit;
            memcpy(kept, reset, (size_t)n * sizeof *reset);
            memcpy(kept + hidden, update, (size_t)n * sizeof *reset);
            memcpy(kept + 2 * hidden, fresh, (size_t)n * sizeof *reset);
            memcpy(kept + 3 * hidden, part, (size_t)n * sizeof *reset);
        }
    } else if (p->mode == MODE_TANH) {
#pragma omp simd
        for (int64_t u = 0; u < n; u++)
            y[u] = TANH(x[u] + sum[u] + bias[u]);
    } else {
        for (int64_t u = 0; u < n; u++) {
            REAL s = x[u] + sum[u] + bias[u];
            y[u] = s < 0 ? 0 : s; /* NaN stays */
        }
    }
}

/* The recurrent part of a panel's gates: `count` rows of h before the step times the weight. */
static void NAME(recurrent)(const rnn_job *j, const REAL *before, int64_t count, int64_t panel,
                            int64_t unit, int64_t n, REAL *sums)
{
    const rnn_plan *p = j->plan;
    const int64_t units = units_of(p), width = units * p->gates, hidden = p->hidden;
    GEMM_ARG g = {.m = count,
                  .n = width,
                  .k = hidden,
                  .a = before,
                  .a_row = hidden,
                  .a_col = 1,
                  .b_row = width,
                  .b_col = 1,
                  .c_row = width,
                  .alpha = 1};
    if (j->packed) {
        g.b = (const REAL *)j->packed + panel * hidden * width;
        g.c = sums;
        GEMM(&g);
        return;
    }
    g.n = n;
    g.b_row = 1;
    g.b_col = hidden;
    for (int64_t i = 0; i < p->gates; i++) {
        g.b = (const REAL *)j->weight + (i * hidden + unit) * hidden;
        g.c = sums + i * units;
        GEMM(&g);
    }
}

/* Step t for sequences b0 to b1 and a panel of units. */
static void NAME(tile)(const rnn_job *j, int64_t t, int64_t b0, int64_t b1, int64_t panel)
{
    const rnn_plan *p = j->plan;
    const int64_t units = units_of(p), width = units * p->gates, hidden = p->hidden;
    const int64_t unit = panel * units, n = hidden - unit < units ? hidden - unit : units;
    REAL sums[CHUNK * PANEL];
    for (int64_t b = b0; b < b1;) {
        int64_t count = b1 - b < CHUNK ? b1 - b : CHUNK, at = previous_row(j, t, b, &count);
        const REAL *before =
            at < 0 ? (const REAL *)j->hx + b * hidden : (const REAL *)j->output + at * hidden;
        NAME(recurrent)(j, before, count, panel, unit, n, sums);
        for (int64_t i = 0; i < count; i++)
            NAME(row)
        (j, j->offsets[t] + b + i, b + i, unit, n, sums + i * width, before + i * hidden + unit);
        b += count;
    }
}

/* All steps for sequences begin to end. */
static void NAME(slab)(void *context, int64_t begin, int64_t end)
{
    const rnn_job *j = context;
    const rnn_plan *p = j->plan;
    for (int64_t i = 0; i < p->steps; i++) {
        int64_t t = p->reverse ? p->steps - 1 - i : i;
        int64_t last = end < j->sizes[t] ? end : j->sizes[t];
        for (int64_t panel = 0; panel < j->panels && begin < last; panel++)
            NAME(tile)(j, t, begin, last, panel);
    }
}

static void NAME(step_panels)(void *context, int64_t begin, int64_t end)
{
    const rnn_job *j = context;
    int64_t t = j->plan->reverse ? j->plan->steps - 1 - j->step : j->step;
    for (int64_t panel = begin; panel < end; panel++)
        NAME(tile)(j, t, 0, j->sizes[t], panel);
}

static void NAME(step)(rnn_job *j)
{
    cpu_parallel(j->panels, 1, step_cost(j->plan) * (double)j->plan->batch / (double)j->panels,
                 NAME(step_panels), j);
}

/* hy: each sequence's output after its last step. */
static void NAME(last_states)(const rnn_job *j)
{
    const rnn_plan *p = j->plan;
    const size_t row = (size_t)p->hidden * sizeof(REAL);
    for (int64_t t = 0; t < p->steps; t++) {
        int64_t from = p->reverse || t + 1 == p->steps ? 0 : j->sizes[t + 1];
        if (p->reverse && t)
            break;
        if (from < j->sizes[t] && row)
            memcpy((REAL *)j->hy + from * p->hidden,
                   (const REAL *)j->output + (j->offsets[t] + from) * p->hidden,
                   (size_t)(j->sizes[t] - from) * row);
    }
}
