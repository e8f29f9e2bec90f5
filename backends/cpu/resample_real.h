/* The loops of resample.c in REAL. A plane is [depth, height, width]; dimensions that are not there have size 1. */

/* Two neighbours and the weight of the second, as compose_resample.c computes them. */
static void NAME(fill_axis)(resample_axis *a, resample_mode mode)
{
    const REAL step = (REAL)((double)a->in / (double)a->out);
    for (int64_t i = 0; i < a->out; i++) {
        REAL at = (REAL)i, weight = 0;
        if (mode == LINEAR)
            at = (at + (REAL)0.5) * step - (REAL)0.5;
        else
            at = (float)((mode == NEAREST_EXACT ? (float)i + 0.5f : (float)i) *
                         (float)((double)a->in / (double)a->out));
        at = at > 0 ? at : 0;
        int64_t low = (int64_t)at;
        low = low < a->in ? low : a->in - 1;
        if (mode == LINEAR) {
            weight = at - (REAL)low;
            weight = weight < 1 ? weight : 1;
        }
        a->low[i] = low;
        a->high[i] = mode == LINEAR && low + 1 < a->in ? low + 1 : low;
        ((REAL *)a->weight)[i] = weight;
    }
}

/* to = a (1 - w) + b w, of n elements; to may be a. */
static void NAME(blend)(REAL *to, const REAL *a, const REAL *b, REAL w, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = a[i] * (1 - w) + b[i] * w;
}

/* The input's row that belongs to row y of slice z of the output: one of the input, or one that is made in rows. */
static const REAL *NAME(row_of)(const resample_plan *p, const REAL *x, int64_t z, int64_t y,
                                REAL *rows)
{
    const resample_axis *d = &p->axis[0], *h = &p->axis[1];
    int64_t width = p->axis[2].in, slice = h->in * width;
    const REAL *low = x + d->low[z] * slice, *high = x + d->high[z] * slice;
    REAL wz = ((const REAL *)d->weight)[z], wy = ((const REAL *)h->weight)[y];
    const REAL *first = low + h->low[y] * width, *second = low + h->high[y] * width;
    if (p->mode != LINEAR || p->dims == 1)
        return first;
    if (p->dims == 3) {
        NAME(blend)(rows, first, high + h->low[y] * width, wz, width);
        NAME(blend)(rows + width, second, high + h->high[y] * width, wz, width);
        first = rows;
        second = rows + width;
    }
    NAME(blend)(rows, first, second, wy, width);
    return rows;
}

static void NAME(forward)(void *context, int64_t begin, int64_t end)
{
    const resample_job *job = context;
    const resample_plan *p = job->plan;
    const resample_axis *d = &p->axis[0], *h = &p->axis[1], *w = &p->axis[2];
    const REAL *weight = w->weight;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        REAL *rows = (REAL *)(void *)(job->scratch + (size_t)chunk * p->row_bytes);
        int64_t last = p->planes * (chunk + 1) / p->chunks;
        for (int64_t plane = p->planes * chunk / p->chunks; plane < last; plane++) {
            const REAL *x = (const REAL *)job->in + plane * d->in * h->in * w->in;
            REAL *restrict to = (REAL *)job->out + plane * d->out * h->out * w->out;
            for (int64_t z = 0; z < d->out; z++)
                for (int64_t y = 0; y < h->out; y++, to += w->out) {
                    if (p->mode != LINEAR && y && h->low[y] == h->low[y - 1]) {
                        memcpy(to, to - w->out, (size_t)w->out * sizeof *to);
                        continue;
                    }
                    const REAL *row = NAME(row_of)(p, x, z, y, rows);
                    if (p->mode != LINEAR)
                        for (int64_t i = 0; i < w->out; i++)
                            to[i] = row[w->low[i]];
                    else
                        for (int64_t i = 0; i < w->out; i++)
                            to[i] = row[w->low[i]] * (1 - weight[i]) + row[w->high[i]] * weight[i];
                }
        }
    }
}

/* Adds w times a row. */
static void NAME(add_row)(REAL *to, const REAL *row, REAL w, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += row[i] * w;
}

static void NAME(backward)(void *context, int64_t begin, int64_t end)
{
    const resample_job *job = context;
    const resample_plan *p = job->plan;
    const resample_axis *d = &p->axis[0], *h = &p->axis[1], *w = &p->axis[2];
    const REAL *weight = w->weight, *wz = d->weight, *wy = h->weight;
    int64_t slice = h->in * w->in;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        REAL *row = (REAL *)(void *)(job->scratch + (size_t)chunk * p->row_bytes);
        int64_t last = p->planes * (chunk + 1) / p->chunks;
        for (int64_t plane = p->planes * chunk / p->chunks; plane < last; plane++) {
            const REAL *g = (const REAL *)job->in + plane * d->out * h->out * w->out;
            REAL *x = (REAL *)job->out + plane * d->in * slice;
            memset(x, 0, (size_t)(d->in * slice) * sizeof *x);
            for (int64_t z = 0; z < d->out; z++)
                for (int64_t y = 0; y < h->out; y++, g += w->out) {
                    memset(row, 0, (size_t)w->in * sizeof *row);
                    for (int64_t i = 0; i < w->out; i++) {
                        row[w->low[i]] += g[i] * (1 - weight[i]);
                        if (p->mode == LINEAR)
                            row[w->high[i]] += g[i] * weight[i];
                    }
                    REAL *low = x + d->low[z] * slice, *high = x + d->high[z] * slice;
                    NAME(add_row)(low + h->low[y] * w->in, row, (1 - wz[z]) * (1 - wy[y]), w->in);
                    if (p->mode != LINEAR || p->dims == 1)
                        continue;
                    NAME(add_row)(low + h->high[y] * w->in, row, (1 - wz[z]) * wy[y], w->in);
                    if (p->dims == 3) {
                        NAME(add_row)(high + h->low[y] * w->in, row, wz[z] * (1 - wy[y]), w->in);
                        NAME(add_row)(high + h->high[y] * w->in, row, wz[z] * wy[y], w->in);
                    }
                }
        }
    }
}
