/* Factorisations of matrices said with primitives, for backends that have none of their own: right-looking elimination, one
 * column at a time over the whole batch, and Jacobi's rotations, n/2 at a time. As LAPACK where the result is unique. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/ops/compose.h"
#include "core/ops/linalg.h"

/* ---- matrices as one batch: [batch, rows, columns] ---- */

/* A copy of a, [batch, m, n], that may be written. */
static cr_tensor *flattened(cr_tensor *a)
{
    cr_tensor *copy = cr_contiguous(cr_clone(a));
    return copy ? cr_reshape(copy, CR_INTS(count_of(a, 0, a->dim - 2), rows_of(a), columns_of(a)))
                : NULL;
}
/* Brings [batch, …] back to the first dims of `like` and what follows the batch. */
static cr_tensor *unflattened(cr_tensor *x, const cr_tensor *like)
{
    int64_t sizes[CR_MAX_RANK];
    int batch = like->dim - 2;
    if (!x)
        return NULL;
    memcpy(sizes, like->size, sizeof sizes);
    for (int d = 1; d < x->dim; d++)
        sizes[batch + d - 1] = x->size[d];
    return cr_reshape(x, cr_make_ints(sizes, (size_t)(batch + x->dim - 1)));
}
static cr_tensor *block(cr_tensor *a, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
    return cr_narrow(cr_narrow(a, 1, row, rows), 2, column, columns);
}
static cr_tensor *new_ints(cr_tensor *like, cr_ints sizes)
{
    return cr_zeros(sizes, .dtype = CR_I32, .device = cr_tensor_device(like));
}
/* info, with `step` where nothing was noted before and bad holds. */
static cr_tensor *note(cr_tensor *info, cr_tensor *bad, int64_t step)
{
    cr_tensor *now = cr_logical_and(cr_eq_scalar(info, 0), cr_reshape(bad, CR_INTS(-1)));
    return cr_masked_fill_scalar(info, now, step);
}
/* a -= b, in place; false when it failed. */
static bool take_away(cr_tensor *a, cr_tensor *b)
{
    return cr_sub_(a, b) != NULL;
}

/* ---- elimination ---- */

DECOMPOSE(linalg_cholesky_ex)
{
    (void)op;
    cr_tensor *self = T(0), *a = flattened(INT(1) ? mt(self) : self);
    if (!a)
        return -1;
    int64_t n = columns_of(a);
    cr_tensor *info = new_ints(a, CR_INTS(a->size[0]));
    for (int64_t j = 0; j < n; j++) {
        cr_tensor *pivot = block(a, j, 1, j, 1);
        if (!(info = note(info, cr_logical_not(cr_gt_scalar(pivot, 0)), j + 1)) ||
            !cr_copy_(pivot, cr_sqrt(pivot)))
            return -1;
        if (j + 1 == n)
            break;
        cr_tensor *column = block(a, j + 1, n - j - 1, j, 1),
                  *rest = block(a, j + 1, n - j - 1, j + 1, n - j - 1);
        if (!cr_copy_(column, cr_div(column, pivot)) ||
            !take_away(rest, cr_matmul(column, mt(column))))
            return -1;
    }
    cr_tensor *l = unflattened(cr_tril(a), self);
    return cr_give_two(r, INT(1) ? mt(l) : l,
                       cr_reshape(info, cr_make_ints(self->size, (size_t)self->dim - 2)));
}

/* Exchanges row j of each matrix with the row of its column's greatest number, and says which that was. */
static cr_tensor *exchange(cr_tensor *a, int64_t j)
{
    int64_t batch = a->size[0], m = rows_of(a), n = columns_of(a);
    cr_tensor *below = cr_reshape(cr_abs(block(a, j, m - j, j, 1)), CR_INTS(batch, m - j));
    cr_tensor *at = cr_add_scalar(cr_argmax(below, .dim = CR_SOME(1)), j);
    cr_tensor *index = cr_expand(cr_reshape(at, CR_INTS(batch, 1, 1)), CR_INTS(batch, 1, n));
    cr_tensor *greatest = cr_gather(a, 1, index), *row = cr_clone(cr_narrow(a, 1, j, 1));
    cr_tensor *swapped = cr_scatter(a, 1, index, row);
    return cr_copy_(a, swapped) && cr_copy_(cr_narrow(a, 1, j, 1), greatest) ? at : NULL;
}

DECOMPOSE(linalg_lu_factor_ex)
{
    (void)op;
    cr_tensor *self = T(0), *a = flattened(self);
    if (!a)
        return -1;
    int64_t batch = a->size[0], m = rows_of(a), n = columns_of(a), k = m < n ? m : n;
    cr_tensor *info = new_ints(a, CR_INTS(batch)), *pivots = new_ints(a, CR_INTS(batch, k));
    for (int64_t j = 0; j < k && batch; j++) {
        cr_tensor *at =
            INT(1) ? exchange(a, j)
                   : cr_full(batch, CR_S(j), .dtype = CR_I64, .device = cr_tensor_device(a));
        if (!at || !cr_copy_(cr_select(pivots, 1, j), cr_add_scalar(at, 1)))
            return -1;
        cr_tensor *pivot = block(a, j, 1, j, 1), *none = cr_eq_scalar(pivot, 0);
        if (!(info = note(info, none, j + 1)))
            return -1;
        if (j + 1 == m)
            break;
        cr_tensor *column = block(a, j + 1, m - j - 1, j, 1);
        if (!cr_copy_(column, cr_div(column, cr_masked_fill_scalar(pivot, none, 1))))
            return -1;
        if (j + 1 < n && !take_away(block(a, j + 1, m - j - 1, j + 1, n - j - 1),
                                    cr_matmul(column, block(a, j, 1, j + 1, n - j - 1))))
            return -1;
    }
    return cr_give_three(r, unflattened(a, self), unflattened(pivots, self),
                         cr_reshape(info, cr_make_ints(self->size, (size_t)self->dim - 2)), true);
}

/* linalg_solve_triangular(A, B, upper, left, unitriangular): X·A = B is Aᵀ·Xᵀ = Bᵀ. */
DECOMPOSE(linalg_solve_triangular)
{
    (void)op;
    bool upper = INT(2), left = INT(3), unit = INT(4);
    cr_tensor *a = T(0), *b = T(1);
    if (!left) {
        a = mt(a);
        b = mt(b);
        upper = !upper;
    }
    int64_t sizes[CR_MAX_RANK], n = columns_of(a), wide = columns_of(b);
    int rank = a->dim > b->dim ? a->dim : b->dim;
    for (int d = 1; d <= rank; d++) { /* the batch that both broadcast to, counted from the end */
        int64_t in_a = d <= a->dim ? a->size[a->dim - d] : 1,
                in_b = d <= b->dim ? b->size[b->dim - d] : 1;
        sizes[rank - d] = in_a == 1 ? in_b : in_a;
    }
    sizes[rank - 2] = sizes[rank - 1] = n;
    a = cr_expand(a, cr_make_ints(sizes, (size_t)rank));
    sizes[rank - 1] = wide;
    b = cr_expand(b, cr_make_ints(sizes, (size_t)rank));
    cr_tensor *f = a ? flattened(a) : NULL, *x = b ? flattened(b) : NULL;
    if (!f || !x)
        return -1;
    for (int64_t step = 0; step < n; step++) {
        int64_t i = upper ? n - 1 - step : step, from = upper ? 0 : i + 1,
                count = upper ? i : n - 1 - i;
        cr_tensor *row = cr_narrow(x, 1, i, 1);
        if (!row || (!unit && !cr_copy_(row, cr_div(row, block(f, i, 1, i, 1)))))
            return -1;
        if (count &&
            !take_away(cr_narrow(x, 1, from, count), cr_matmul(block(f, from, count, i, 1), row)))
            return -1;
    }
    x = unflattened(x, b);
    return cr_give(r, left ? x : mt(x));
}

/* Householder's reflections as LAPACK's xGEQRF leaves them. */
DECOMPOSE(geqrf)
{
    (void)op;
    cr_tensor *self = T(0), *a = flattened(self);
    if (!a)
        return -1;
    int64_t batch = a->size[0], m = rows_of(a), n = columns_of(a), k = m < n ? m : n;
    cr_tensor *taus =
        cr_zeros(CR_INTS(batch, k), .dtype = dtype_of(a), .device = cr_tensor_device(a));
    for (int64_t j = 0; j + 1 < m && j < k; j++) {
        cr_tensor *alpha = block(a, j, 1, j, 1), *below = block(a, j + 1, m - j - 1, j, 1);
        cr_tensor *square = cr_sum_dim(cr_square(below), 1, .keepdim = true),
                  *flat = cr_eq_scalar(square, 0);
        cr_tensor *beta = cr_neg(cr_copysign(cr_sqrt(cr_add(cr_square(alpha), square)), alpha));
        beta = cr_where(flat, alpha, beta);
        cr_tensor *safe = cr_masked_fill_scalar(beta, flat, 1);
        cr_tensor *tau = cr_masked_fill_scalar(cr_div(cr_sub(beta, alpha), safe), flat, 0);
        cr_tensor *v = cr_div(below, cr_masked_fill_scalar(cr_sub(alpha, beta), flat, 1));
        if (j + 1 < n) { /* the columns behind, with v's leading 1 apart */
            cr_tensor *top = block(a, j, 1, j + 1, n - j - 1),
                      *rest = block(a, j + 1, m - j - 1, j + 1, n - j - 1);
            cr_tensor *w = cr_mul(tau, cr_add(top, cr_matmul(mt(v), rest)));
            if (!take_away(rest, cr_matmul(v, w)) || !take_away(top, w))
                return -1;
        }
        if (!cr_copy_(below, v) || !cr_copy_(alpha, cr_clone(beta)) ||
            !cr_copy_(cr_select(taus, 1, j), cr_reshape(tau, CR_INTS(batch))))
            return -1;
    }
    return cr_give_two(r, unflattened(a, self), unflattened(taus, self));
}

/* ---- Jacobi's rotations: Golub and Van Loan, Matrix Computations, §8.5 and §8.6.3 ---- */

enum { MOST_SWEEPS = 40 };

/* Round `round` of a tournament in which every two of n (even) columns meet once in n - 1 rounds: p[i] meets q[i]. */
static void pairs(int64_t n, int64_t round, int64_t *p, int64_t *q)
{
    for (int64_t i = 0; i < n / 2; i++) {
        int64_t a = i ? (round + i) % (n - 1) : n - 1,
                b = i ? (round - i + n - 1) % (n - 1) : round % (n - 1);
        p[i] = a < b ? a : b;
        q[i] = a < b ? b : a;
    }
}

typedef struct round_index {
    cr_tensor *p, *q; /* [n/2] */
    int64_t count;
} round_index;

/* The pairs of one round; with an odd n one column rests. */
static bool index_round(cr_tensor *like, int64_t n, int64_t round, int64_t *room, round_index *to)
{
    int64_t even = n + n % 2, count = 0, *p = room, *q = room + even / 2;
    pairs(even, round, p, q);
    for (int64_t i = 0; i < even / 2; i++)
        if (q[i] < n) {
            p[count] = p[i];
            q[count++] = q[i];
        }
    const char *device = cr_tensor_device(like);
    to->p = cr_tensor_copy_from(p, CR_I64, 1, &count, device);
    to->q = cr_tensor_copy_from(q, CR_I64, 1, &count, device);
    to->count = count;
    return to->p && to->q;
}

/* Columns p and q of x become c·p - s·q and s·p + c·q. */
static cr_tensor *rotate_columns(cr_tensor *x, const round_index *at, cr_tensor *c, cr_tensor *s)
{
    cr_tensor *a = cr_index_select(x, 2, at->p), *b = cr_index_select(x, 2, at->q);
    c = cr_unsqueeze(c, 1);
    s = cr_unsqueeze(s, 1);
    x = cr_index_copy(x, 2, at->p, cr_sub(cr_mul(c, a), cr_mul(s, b)));
    return cr_index_copy(x, 2, at->q, cr_add(cr_mul(s, a), cr_mul(c, b)));
}

/* The rotation that makes g vanish between two columns whose own numbers are a and b. */
static void rotation(cr_tensor *a, cr_tensor *b, cr_tensor *g, cr_tensor **c, cr_tensor **s)
{
    cr_tensor *none = cr_eq_scalar(g, 0);
    cr_tensor *zeta = cr_div(cr_sub(b, a), cr_mul_scalar(cr_masked_fill_scalar(g, none, 1), 2));
    cr_tensor *root = cr_sqrt(cr_add_scalar(cr_square(zeta), 1));
    cr_tensor *t = cr_div(cr_copysign(cr_ones_like(zeta), zeta), cr_add(cr_abs(zeta), root));
    t = cr_masked_fill_scalar(t, none, 0);
    *c = cr_rsqrt(cr_add_scalar(cr_square(t), 1));
    *s = cr_mul(t, *c);
}

static double precision(cr_tensor *a)
{
    return dtype_of(a) == CR_F64 ? DBL_EPSILON : FLT_EPSILON;
}

/* Whether no number of x is above 0; -1 after an error. */
static int settled(cr_tensor *x)
{
    cr_tensor *above = cr_any(cr_gt_scalar(x, 0));
    double yes = above ? cr_item(above) : -1;
    return yes == 0 ? 1 : yes == 1 ? 0 : -1;
}

/* Sweeps until x's columns are what is wanted: of symmetric x (of which both sides are rotated) the off-diagonal vanishes, else
 * the columns become orthogonal. v, if given, is rotated with them. */
static int sweep(cr_tensor **x, cr_tensor **v, bool symmetric)
{
    int64_t n = columns_of(*x), even = n + n % 2, *room = malloc((size_t)even * sizeof *room + 1);
    if (!room)
        return cr_fail_memory("a sweep of rotations", (size_t)even * sizeof *room), -1;
    int done = n < 2 || !(*x)->numel ? 1 : 0;
    for (int turn = 0; turn < MOST_SWEEPS && !done; turn++) {
        cr_tensor *worst = NULL;
        for (int64_t round = 0; round < even - 1 && done >= 0; round++) {
            round_index at;
            cr_tensor *a, *b, *g, *c, *s, *size;
            if (!index_round(*x, n, round, room, &at)) {
                done = -1;
                break;
            }
            if (symmetric) {
                cr_tensor *diagonal = cr_diagonal(*x, .dim1 = 1, .dim2 = CR_SOME(2));
                a = cr_index_select(diagonal, 1, at.p);
                b = cr_index_select(diagonal, 1, at.q);
                cr_tensor *across =
                    cr_index_select(*x, 2, at.q); /* [batch, n, pairs]: row p of column q */
                cr_tensor *index = cr_expand(cr_reshape(at.p, CR_INTS(1, 1, at.count)),
                                             CR_INTS((*x)->size[0], 1, at.count));
                g = cr_squeeze_dim(cr_gather(across, 1, index), 1);
                size = cr_amax(cr_abs(diagonal), .dim = CR_INTS(1), .keepdim = true);
            } else {
                cr_tensor *p = cr_index_select(*x, 2, at.p), *q = cr_index_select(*x, 2, at.q);
                a = cr_sum_dim(cr_square(p), 1);
                b = cr_sum_dim(cr_square(q), 1);
                g = cr_sum_dim(cr_mul(p, q), 1);
                size = cr_sqrt(cr_mul(a, b));
            }
            rotation(a, b, g, &c, &s);
            double eps = precision(*x) * (symmetric ? 0.125 : sqrt((double)rows_of(*x)));
            cr_tensor *over = cr_sub(cr_abs(g), cr_mul_scalar(size, eps));
            over = cr_amax(over, .dim = CR_INTS(1));
            worst = worst ? cr_maximum(worst, over) : over;
            *x = rotate_columns(*x, &at, c, s);
            if (symmetric)
                *x = mt(rotate_columns(mt(*x), &at, c, s));
            if (v)
                *v = rotate_columns(*v, &at, c, s);
            if (!*x || (v && !*v))
                done = -1;
        }
        if (done >= 0)
            done = settled(worst);
    }
    free(room);
    return done < 0 ? -1 : 0;
}

/* A batch of identities as x's columns are many. */
static cr_tensor *identities(cr_tensor *x)
{
    int64_t n = columns_of(x);
    cr_tensor *one = cr_eye(n, .dtype = dtype_of(x), .device = cr_tensor_device(x));
    return cr_contiguous(cr_expand(one, CR_INTS(x->size[0], n, n)));
}
/* The columns of x in the order of index [batch, n]. */
static cr_tensor *ordered(cr_tensor *x, cr_tensor *index)
{
    if (!x || !index)
        return NULL;
    return cr_gather(
        x, 2, cr_expand(cr_unsqueeze(index, 1), CR_INTS(x->size[0], rows_of(x), index->size[1])));
}
static cr_tensor *nothing(cr_tensor *like)
{
    return cr_empty(0, .dtype = dtype_of(like), .device = cr_tensor_device(like));
}

/* _linalg_eigh(A, UPLO, compute_v) */
DECOMPOSE(linalg_eigh_kernel)
{
    (void)op;
    cr_tensor *self = T(0), *x = flattened(self);
    bool upper = args[1].as.s[0] == 'U' || args[1].as.s[0] == 'u', vectors = INT(2);
    if (!x)
        return -1;
    x = upper ? cr_add(cr_triu(x), mt(cr_triu(x, .diagonal = 1)))
              : cr_add(cr_tril(x), mt(cr_tril(x, .diagonal = -1)));
    cr_tensor *v = vectors && x ? identities(x) : NULL;
    if (!x || (vectors && !v) || sweep(&x, vectors ? &v : NULL, true))
        return -1;
    cr_sort_result s =
        cr_sort(cr_contiguous(cr_diagonal(x, .dim1 = 1, .dim2 = CR_SOME(2))), .dim = CR_SOME(1));
    if (!s.values)
        return -1;
    return cr_give_two(r, unflattened(s.values, self),
                       vectors ? unflattened(ordered(v, s.indices), self) : nothing(self));
}

/* The columns of u that belong to no singular value become any that are orthogonal to the others; as many columns as rows if
 * full. */
static cr_tensor *completed(cr_tensor *u, cr_tensor *none, bool full)
{
    u = cr_masked_fill_scalar(u, cr_unsqueeze(none, 1), 0);
    cr_linalg_qr_result qr = cr_linalg_qr(u, .mode = full ? "complete" : "reduced");
    if (!qr.Q)
        return NULL;
    int64_t k = columns_of(u), wide = columns_of(qr.Q);
    cr_tensor *own = cr_where(cr_unsqueeze(none, 1), cr_narrow(qr.Q, 2, 0, k), u);
    return wide > k ? cr_cat(CR_TENSORS(own, cr_narrow(qr.Q, 2, k, wide - k)), .dim = 2) : own;
}

/* _linalg_svd(A, full_matrices, compute_uv, driver): one-sided, of the side that has fewer columns. */
DECOMPOSE(linalg_svd_kernel)
{
    (void)op;
    cr_tensor *self = T(0);
    bool full = INT(1), vectors = INT(2), wide = rows_of(self) < columns_of(self);
    cr_tensor *x = flattened(wide ? mt(self) : self), *v = vectors && x ? identities(x) : NULL;
    if (!x || (vectors && !v) || sweep(&x, vectors ? &v : NULL, false))
        return -1;
    cr_sort_result s =
        cr_sort(cr_sqrt(cr_sum_dim(cr_square(x), 1)), .dim = CR_SOME(1), .descending = true);
    if (!s.values)
        return -1;
    cr_tensor *values = unflattened(s.values, self);
    if (!vectors)
        return cr_give_three(r, nothing(self), values, nothing(self), true);
    int64_t k = columns_of(x);
    cr_tensor *most = k ? cr_narrow(s.values, 1, 0, 1) : s.values;
    cr_tensor *none = cr_le(s.values, cr_mul_scalar(most, precision(x) * (double)rows_of(x)));
    cr_tensor *u =
        cr_div(ordered(x, s.indices), cr_unsqueeze(cr_masked_fill_scalar(s.values, none, 1), 1));
    u = u && none ? completed(u, none, full) : NULL;
    v = ordered(v, s.indices);
    cr_tensor *left = unflattened(wide ? v : u, self), *right = unflattened(wide ? u : v, self);
    return cr_give_three(r, left, values, mt(right), true);
}
