/* The backward of recurrent layers for one type, see rnn_real.h. */

/* w [gates · hidden, hidden] into panels of [gates · hidden][PANEL]. */
static void NAME(pack_backward)(const rnn_job *j, void *to)
{
    const rnn_plan *p = j->plan;
    const int64_t hidden = p->hidden, k = p->gates * hidden;
    for (int64_t panel = 0; panel < j->panels; panel++) {
        const int64_t first = panel * PANEL, n = hidden - first < PANEL ? hidden - first : PANEL;
        for (int64_t i = 0; i < k; i++) {
            REAL *row = (REAL *)to + (panel * k + i) * PANEL;
            memcpy(row, (const REAL *)j->weight + i * hidden + first, (size_t)n * sizeof *row);
            memset(row + n, 0, (size_t)(PANEL - n) * sizeof *row);
        }
    }
}

/* One sequence's step: the gates' gradients, and of what needs no product the gradients that go to the step before. */
static inline void NAME(row_back)(const rnn_job *j, int64_t row, int64_t b,
                                  const REAL *restrict before, const REAL *restrict cell_before)
{
    const rnn_plan *p = j->plan;
    const int64_t hidden = p->hidden;
    const REAL *restrict g = j->grad_output ? (const REAL *)j->grad_output + row * hidden : NULL;
    const REAL *restrict y = (const REAL *)j->old_output + row * hidden;
    REAL *restrict dh = (REAL *)j->hy + b * hidden;
    REAL *restrict d = (REAL *)j->grad_gates + row * p->gates * hidden;
    if (g)
        for (int64_t u = 0; u < hidden; u++)
            dh[u] += g[u];
    if (p->mode == MODE_LSTM) {
        const REAL *restrict in = (const REAL *)j->old_reserve + row * 5 * hidden;
        const REAL *restrict forget = in + hidden, *restrict cell = in + 2 * hidden,
                             *restrict out = in + 3 * hidden, *restrict c = in + 4 * hidden;
        REAL *restrict dc = (REAL *)j->cell + b * hidden;
#pragma omp simd
        for (int64_t u = 0; u < hidden; u++) {
            REAL shown = TANH(c[u]), dcell = dc[u] + dh[u] * out[u] * (1 - shown * shown);
            d[u] = dcell * cell[u] * in[u] * (1 - in[u]);
            d[hidden + u] = dcell * cell_before[u] * forget[u] * (1 - forget[u]);
            d[2 * hidden + u] = dcell * in[u] * (1 - cell[u] * cell[u]);
            d[3 * hidden + u] = dh[u] * shown * out[u] * (1 - out[u]);
            dc[u] = dcell * forget[u];
        }
    } else if (p->mode == MODE_GRU) {
        const REAL *restrict reset = (const REAL *)j->old_reserve + row * 4 * hidden;
        const REAL *restrict update = reset + hidden, *restrict fresh = reset + 2 * hidden,
                             *restrict part = reset + 3 * hidden;
        REAL *restrict e = (REAL *)j->hidden_grads + row * 3 * hidden;
#pragma omp simd
        for (int64_t u = 0; u < hidden; u++) {
            REAL dfresh = dh[u] * (1 - update[u]) * (1 - fresh[u] * fresh[u]);
            REAL dreset = dfresh * part[u] * reset[u] * (1 - reset[u]);
            REAL dupdate = dh[u] * (before[u] - fresh[u]) * update[u] * (1 - update[u]);
            d[u] = e[u] = dreset;
            d[hidden + u] = e[hidden + u] = dupdate;
            d[2 * hidden + u] = dfresh;
            e[2 * hidden + u] = dfresh * reset[u];
            dh[u] *= update[u];
        }
    } else if (p->mode == MODE_TANH) {
#pragma omp simd
        for (int64_t u = 0; u < hidden; u++)
            d[u] = dh[u] * (1 - y[u] * y[u]);
    } else {
        for (int64_t u = 0; u < hidden; u++)
            d[u] = y[u] > 0 ? dh[u] : 0;
    }
}

/* Step t's own part for sequences b0 to b1; notes what h was before. */
static void NAME(gates_back)(const rnn_job *j, int64_t t, int64_t b0, int64_t b1)
{
    const rnn_plan *p = j->plan;
    const int64_t hidden = p->hidden;
    for (int64_t b = b0; b < b1;) {
        int64_t count = b1 - b, at = previous_row(j, t, b, &count);
        for (int64_t i = 0; i < count; i++, b++) {
            const REAL *before = at < 0 ? (const REAL *)j->hx + b * hidden
                                        : (const REAL *)j->old_output + (at + i) * hidden;
            const REAL *cell = p->mode != MODE_LSTM ? NULL
                               : at < 0
                                   ? (const REAL *)j->cx + b * hidden
                                   : (const REAL *)j->old_reserve + ((at + i) * 5 + 4) * hidden;
            int64_t row = j->offsets[t] + b;
            memcpy((REAL *)j->before + row * hidden, before, (size_t)hidden * sizeof(REAL));
            NAME(row_back)(j, row, b, before, cell);
        }
    }
}

/* The gradient of h before step t: the gates' gradients times the weight, for a panel of units. */
static void NAME(hidden_back)(const rnn_job *j, int64_t t, int64_t b0, int64_t b1, int64_t panel)
{
    const rnn_plan *p = j->plan;
    const int64_t hidden = p->hidden, k = p->gates * hidden, first = panel * PANEL;
    REAL *dh = (REAL *)j->hy + b0 * hidden + first;
    GEMM(&(GEMM_ARG){.m = b1 - b0,
                     .n = hidden - first < PANEL ? hidden - first : PANEL,
                     .k = k,
                     .a = (const REAL *)j->hidden_grads + (j->offsets[t] + b0) * k,
                     .a_row = k,
                     .a_col = 1,
                     .b = j->packed ? (const REAL *)j->packed + panel * k * PANEL
                                    : (const REAL *)j->weight + first,
                     .b_row = j->packed ? PANEL : hidden,
                     .b_col = 1,
                     .s = dh,
                     .s_row = hidden,
                     .s_col = 1,
                     .c = dh,
                     .c_row = hidden,
                     .alpha = 1,
                     .beta = p->mode == MODE_GRU});
}

static void NAME(slab_back)(void *context, int64_t begin, int64_t end)
{
    const rnn_job *j = context;
    const rnn_plan *p = j->plan;
    for (int64_t i = 0; i < p->steps; i++) {
        int64_t t = p->reverse ? i : p->steps - 1 - i;
        int64_t last = end < j->sizes[t] ? end : j->sizes[t];
        if (begin >= last)
            continue;
        NAME(gates_back)(j, t, begin, last);
        for (int64_t panel = 0; panel < j->panels; panel++)
            NAME(hidden_back)(j, t, begin, last, panel);
    }
}

static void NAME(step_back_panels)(void *context, int64_t begin, int64_t end)
{
    const rnn_job *j = context;
    int64_t t = j->plan->reverse ? j->step : j->plan->steps - 1 - j->step;
    for (int64_t panel = begin; panel < end; panel++)
        NAME(hidden_back)(j, t, 0, j->sizes[t], panel);
}

static void NAME(step_back)(rnn_job *j)
{
    int64_t t = j->plan->reverse ? j->step : j->plan->steps - 1 - j->step;
    NAME(gates_back)(j, t, 0, j->sizes[t]);
    cpu_parallel(j->panels, 1, step_cost(j->plan) * (double)j->plan->batch / (double)j->panels,
                 NAME(step_back_panels), j);
}

/* weight_hh's gradient, one product over all rows, and bias_hh's, their sum. */
static bool NAME(weight_grads)(const rnn_job *j, void *weight, void *bias)
{
    const rnn_plan *p = j->plan;
    const int64_t hidden = p->hidden, k = p->gates * hidden;
    if (bias) {
        REAL *restrict sum = bias;
        memset(sum, 0, (size_t)k * sizeof *sum);
        for (int64_t r = 0; r < p->rows; r++) {
            const REAL *restrict d = (const REAL *)j->hidden_grads + r * k;
            for (int64_t i = 0; i < k; i++)
                sum[i] += d[i];
        }
    }
    if (!p->rows) {
        memset(weight, 0, (size_t)(k * hidden) * sizeof(REAL));
        return true;
    }
    return GEMM(&(GEMM_ARG){.m = k,
                            .n = hidden,
                            .k = p->rows,
                            .a = j->hidden_grads,
                            .a_row = 1,
                            .a_col = k,
                            .b = j->before,
                            .b_row = hidden,
                            .b_col = 1,
                            .c = weight,
                            .c_row = hidden,
                            .alpha = 1});
}
