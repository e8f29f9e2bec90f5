/* The factorisations for one real type: REAL, its LAPACK letter by LAPACK(name), its CBLAS by CBLAS(name), and names ended by
 * SUFFIX. LAPACK's matrices are column-major: matrices are brought to that and back. Included by linalg.c. */

#define JOIN2_(a, b) a##b
#define JOIN_(a, b)  JOIN2_(a, b)
#define NAMED(name)  JOIN_(name, SUFFIX)

/* Matrix b of the run as columns in to, and back. */
static void NAMED(load)(const linalg_plan *p, const matrix *m, const cr_run *run, int64_t b,
                        REAL *to)
{
    const REAL *x = (const REAL *)cpu_at(run, m->at) + batch_offset(p, m, b);
    for (int64_t j = 0; j < m->columns; j++)
        for (int64_t i = 0; i < m->rows; i++)
            to[j * m->rows + i] = x[i * m->row_stride + j * m->column_stride];
}
static void NAMED(store)(const linalg_plan *p, const matrix *m, const cr_run *run, int64_t b,
                         const REAL *from, int64_t leading)
{
    if (m->at < 0)
        return;
    REAL *x = (REAL *)cpu_at(run, m->at) + batch_offset(p, m, b);
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t j = 0; j < m->columns; j++)
            x[i * m->row_stride + j * m->column_stride] = from[j * leading + i];
}

/* Only the triangle that is given counts; the other is zero in the result. */
static int NAMED(cholesky)(const linalg_plan *p, const cr_run *run, int64_t b, REAL *a, REAL *work)
{
    int n = (int)p->a.rows, info = 0, lead = n ? n : 1;
    (void)work;
    NAMED(load)(p, &p->a, run, b, a);
    if (n)
        LAPACK(potrf)(p->upper ? "U" : "L", &n, a, &lead, &info, 1);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i++)
            if (p->upper ? i > j : i < j)
                a[(size_t)j * (size_t)n + (size_t)i] = 0;
    NAMED(store)(p, &p->out[0], run, b, a, n);
    store_int(p, &p->out[1], run, b, &info, 1);
    return 0;
}

static int NAMED(lu)(const linalg_plan *p, const cr_run *run, int64_t b, REAL *a, REAL *work)
{
    int m = (int)p->a.rows, n = (int)p->a.columns, k = m < n ? m : n, info = 0;
    int32_t *pivots = (int32_t *)(void *)work;
    NAMED(load)(p, &p->a, run, b, a);
    for (int i = 0; i < k; i++)
        pivots[i] = i + 1;
    if (k && p->pivot) {
        LAPACK(getrf)(&m, &n, a, &m, pivots, &info);
    } else {
        for (int c = 0; c < k; c++) { /* Gauss, without exchanging rows */
            REAL *column = a + (size_t)c * (size_t)m;
            if (column[c] == 0 && !info)
                info = c + 1;
            for (int i = c + 1; i < m; i++)
                column[i] /= column[c];
            for (int j = c + 1; j < n; j++) {
                REAL *to = a + (size_t)j * (size_t)m, by = to[c];
                for (int i = c + 1; i < m; i++)
                    to[i] -= column[i] * by;
            }
        }
    }
    NAMED(store)(p, &p->out[0], run, b, a, m);
    store_int(p, &p->out[1], run, b, pivots, k);
    store_int(p, &p->out[2], run, b, &info, 1);
    return 0;
}

/* op(A)·X = B or X·op(A) = B. */
static int NAMED(triangular)(const linalg_plan *p, const cr_run *run, int64_t b, REAL *a,
                             REAL *work)
{
    int n = (int)p->a.rows, rows = (int)p->b.rows, columns = (int)p->b.columns;
    NAMED(load)(p, &p->a, run, b, a);
    NAMED(load)(p, &p->b, run, b, work);
    if (n && rows && columns)
        CBLAS(trsm)
    (CblasColMajor, p->left ? CblasLeft : CblasRight, p->upper ? CblasUpper : CblasLower,
     CblasNoTrans, p->unit ? CblasUnit : CblasNonUnit, rows, columns, 1, a, n, work, rows);
    NAMED(store)(p, &p->out[0], run, b, work, rows);
    return 0;
}

static int NAMED(householder)(const linalg_plan *p, const cr_run *run, int64_t b, REAL *a,
                              REAL *work)
{
    int m = (int)p->a.rows, n = (int)p->a.columns, k = m < n ? m : n, info = 0,
        size = (int)p->work_size;
    REAL *tau = work + p->work_size;
    NAMED(load)(p, &p->a, run, b, a);
    if (k)
        LAPACK(geqrf)(&m, &n, a, &m, tau, work, &size, &info);
    NAMED(store)(p, &p->out[0], run, b, a, m);
    NAMED(store)(p, &p->out[1], run, b, tau, k);
    return info;
}

/* Q has as many columns as the output; R is the upper triangle. */
static int NAMED(qr)(const linalg_plan *p, const cr_run *run, int64_t b, REAL *a, REAL *work)
{
    int m = (int)p->a.rows, n = (int)p->a.columns, k = m < n ? m : n, info = 0,
        size = (int)p->work_size;
    int wide = p->out[0].rank ? (int)p->out[0].columns : 0;
    REAL *tau = work + p->work_size;
    NAMED(load)(p, &p->a, run, b, a);
    if (k)
        LAPACK(geqrf)(&m, &n, a, &m, tau, work, &size, &info);
    if (p->out[1].at >= 0) {
        REAL *r = (REAL *)cpu_at(run, p->out[1].at) + batch_offset(p, &p->out[1], b);
        for (int64_t i = 0; i < p->out[1].rows; i++)
            for (int64_t j = 0; j < n; j++)
                r[i * p->out[1].row_stride + j * p->out[1].column_stride] =
                    i <= j ? a[j * m + i] : 0;
    }
    if (!p->vectors || info)
        return info;
    if (k && wide)
        LAPACK(orgqr)(&m, &wide, &k, a, &m, tau, work, &size, &info);
    else
        for (int j = 0; j < wide; j++)
            for (int i = 0; i < m; i++)
                a[(size_t)j * (size_t)m + (size_t)i] = i == j;
    NAMED(store)(p, &p->out[0], run, b, a, m);
    return info;
}

static int NAMED(svd)(const linalg_plan *p, const cr_run *run, int64_t b, REAL *a, REAL *work)
{
    int m = (int)p->a.rows, n = (int)p->a.columns, k = m < n ? m : n, info = 0,
        size = (int)p->work_size;
    int columns = p->vectors ? (int)p->out[0].columns : 0,
        rows = p->vectors ? (int)p->out[2].rows : 0;
    REAL *s = work + p->work_size, *u = s + k, *vt = u + (size_t)m * (size_t)columns;
    int *iwork = (int *)(void *)(vt + (size_t)rows * (size_t)n), lead_u = m,
        lead_v = rows > 1 ? rows : 1;
    NAMED(load)(p, &p->a, run, b, a);
    for (int64_t i = 0; i < (int64_t)m * n; i++)
        if (!isfinite(a[i]))
            return NOT_FINITE;
    if (k) {
        LAPACK(gesdd)
        (!p->vectors ? "N"
         : p->full   ? "A"
                     : "S",
         &m, &n, a, &m, s, u, &lead_u, vt, &lead_v, work, &size, iwork, &info, 1);
    } else if (p->vectors) { /* no singular values: the vectors are those of the identity */
        memset(u, 0, sizeof *u * (size_t)m * (size_t)columns);
        memset(vt, 0, sizeof *vt * (size_t)rows * (size_t)n);
        for (int i = 0; i < m && i < columns; i++)
            u[(size_t)i * (size_t)m + (size_t)i] = 1;
        for (int i = 0; i < n && i < rows; i++)
            vt[(size_t)i * (size_t)rows + (size_t)i] = 1;
    }
    if (info)
        return info;
    NAMED(store)(p, &p->out[1], run, b, s, k);
    if (p->vectors) {
        NAMED(store)(p, &p->out[0], run, b, u, m);
        NAMED(store)(p, &p->out[2], run, b, vt, rows);
    }
    return 0;
}

static int NAMED(eigh)(const linalg_plan *p, const cr_run *run, int64_t b, REAL *a, REAL *work)
{
    int n = (int)p->a.rows, info = 0, size = (int)p->work_size, isize = (int)p->iwork_size;
    REAL *w = work + p->work_size;
    int *iwork = (int *)(void *)(w + n);
    NAMED(load)(p, &p->a, run, b, a);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i++)
            if ((p->upper ? i <= j : i >= j) && !isfinite(a[(size_t)j * (size_t)n + (size_t)i]))
                return NOT_FINITE;
    if (n)
        LAPACK(syevd)
    (p->vectors ? "V" : "N", p->upper ? "U" : "L", &n, a, &n, w, work, &size, iwork, &isize, &info,
     1, 1);
    if (info)
        return info;
    NAMED(store)(p, &p->out[0], run, b, w, n);
    if (p->vectors)
        NAMED(store)(p, &p->out[1], run, b, a, n);
    return 0;
}

/* What LAPACK wants to work in, in numbers, beside what is laid behind it. */
static void NAMED(ask)(linalg_plan *p)
{
    int m = (int)p->a.rows, n = (int)p->a.columns, k = m < n ? m : n, ask = -1, info = 0, iask = 0;
    int lead = m ? m : 1,
        wide = p->out[0].rank && p->kind == QR && p->vectors ? (int)p->out[0].columns : k;
    int rows = p->kind == SVD && p->vectors ? (int)p->out[2].rows : 1;
    REAL best = 1, more = 1, none = 0;
    if (k && (p->kind == QR || p->kind == HOUSEHOLDER)) {
        LAPACK(geqrf)(&m, &n, &none, &lead, &none, &best, &ask, &info);
        if (p->kind == QR && p->vectors && wide)
            LAPACK(orgqr)(&m, &wide, &k, &none, &lead, &none, &more, &ask, &info);
    } else if (k && p->kind == SVD) {
        LAPACK(gesdd)
        (!p->vectors ? "N"
         : p->full   ? "A"
                     : "S",
         &m, &n, &none, &lead, &none, &none, &lead, &none, &rows, &best, &ask, &iask, &info, 1);
    } else if (k && p->kind == EIGH) {
        LAPACK(syevd)
        (p->vectors ? "V" : "N", "L", &n, &none, &lead, &none, &best, &ask, &iask, &ask, &info, 1,
         1);
        p->iwork_size = iask > 0 ? iask : 1;
    }
    best = best < more ? more : best;
    p->work_size = (int64_t)best + 1;
}

#undef NAMED
#undef JOIN_
#undef JOIN2_
