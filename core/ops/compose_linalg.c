/* Solving, inverting, determinants: said with the factorisations that backends compute. */
#include <float.h>
#include <math.h>

#include "core/ops/compose.h"
#include "core/ops/linalg.h"

bool cr_linalg_is_matrix(const char *name, cr_tensor *a)
{
    if (a->dim < 2)
        cr_fail("%s: The input tensor A must have at least 2 dimensions, got %s", name,
                cr_describe(a));
    return a->dim >= 2;
}
/* The diagonal as a view. */
static cr_tensor *diagonal(cr_tensor *a)
{
    return cr_diagonal(a, .dim1 = -2, .dim2 = CR_SOME(-1));
}

/* The first number that tells of a failure, with its place in the batch. 0 if there is none. */
static int64_t failure(cr_tensor *info, int64_t *batch)
{
    *batch = 0;
    if (!info || !info->numel)
        return 0;
    cr_tensor *flat = cr_reshape(info, CR_INTS(-1));
    *batch = cr_item_int(cr_argmax(cr_ne_scalar(flat, 0)));
    return cr_error() ? -1 : cr_item_int(cr_select(flat, 0, *batch));
}
static bool is_singular(cr_tensor *info, const char *name)
{
    int64_t batch, code = failure(info, &batch);
    if (code > 0)
        cr_fail("%s: (Batch element %lld): The diagonal element %lld is zero, the solve could not "
                "be completed because the "
                "input matrix is singular.",
                name, (long long)batch, (long long)code);
    return code != 0;
}

/* ---- Cholesky ---- */

static cr_tensor *cholesky(cr_tensor *a, bool upper)
{
    cr_linalg_cholesky_ex_result f = cr_linalg_cholesky_ex(a, .upper = upper);
    int64_t batch, code = failure(f.info, &batch);
    if (code > 0)
        return cr_fail(
            "linalg.cholesky: (Batch element %lld): The factorization could not be completed "
            "because the input is "
            "not positive-definite (the leading minor of order %lld is not positive-definite).",
            (long long)batch, (long long)code);
    return code ? NULL : f.L;
}
COMPOSITE(linalg_cholesky)
GIVE(cholesky(T(0), INT(1)))
/* A·X = self, A given by its factor. */
static cr_tensor *cholesky_solve(cr_tensor *b, cr_tensor *factor, bool upper)
{
    if (!cr_linalg_is_matrix("cholesky_solve", b) || !cr_linalg_is_matrix("cholesky_solve", factor))
        return NULL;
    cr_tensor *lower = upper ? mt(factor) : factor;
    return cr_linalg_solve_triangular(mt(lower), cr_linalg_solve_triangular(lower, b, false), true);
}
COMPOSITE(cholesky_solve)
GIVE(cholesky_solve(T(0), T(1), INT(2)))
COMPOSITE(cholesky_inverse)
{
    (void)op;
    cr_tensor *l = T(0);
    if (!cr_linalg_is_matrix("cholesky_inverse", l))
        return -1;
    return cr_give(r, cholesky_solve(cr_eye(columns_of(l), .dtype = dtype_of(l),
                                            .device = cr_tensor_device(l)),
                                     l, INT(1)));
}

/* ---- LU ---- */

/* Row i of PᵀA is row order[i] of A: the exchanges that the pivots tell, done one after the other. [.., m] */
static cr_tensor *order_of(cr_tensor *pivots, int64_t m)
{
    int64_t sizes[CR_MAX_RANK];
    int d = pivots->dim - 1;
    if (d < 0 || pivots->size[d] > m)
        return cr_fail("pivots %s don't belong to matrices of %lld rows", cr_describe(pivots),
                       (long long)m);
    memcpy(sizes, pivots->size, sizeof sizes);
    sizes[d] = m;
    cr_tensor *order =
        cr_clone(cr_expand(cr_arange(m, .dtype = CR_I64, .device = cr_tensor_device(pivots)),
                           cr_make_ints(sizes, pivots->dim)));
    cr_tensor *at = cr_sub_scalar(cr_to_dtype(pivots, CR_I64), 1);
    for (int64_t i = 0; i < pivots->size[d] && order; i++) {
        cr_tensor *with = cr_narrow(at, -1, i, 1), *here = cr_clone(cr_narrow(order, -1, i, 1));
        cr_tensor *there = cr_gather(order, -1, with);
        if (!cr_scatter_(order, -1, with, here) ||
            !cr_copy_(cr_narrow(order, -1, i, 1), cr_where(cr_eq_scalar(with, i), here, there)))
            return NULL;
    }
    return order;
}
/* The permutation matrix of it. */
static cr_tensor *permutation(cr_tensor *order, cr_dtype dtype)
{
    if (!order)
        return NULL;
    int64_t m = order->size[order->dim - 1];
    cr_tensor *row =
        cr_unsqueeze(cr_arange(m, .dtype = CR_I64, .device = cr_tensor_device(order)), 1);
    return cr_to_dtype(cr_eq(row, cr_unsqueeze(order, -2)), dtype);
}
static void triangles(cr_tensor *lu, cr_tensor **lower, cr_tensor **upper)
{
    int64_t m = rows_of(lu), n = columns_of(lu), k = m < n ? m : n;
    cr_tensor *one = cr_eye_m(m, k, .dtype = dtype_of(lu), .device = cr_tensor_device(lu));
    *lower = cr_add(cr_tril(cr_narrow(lu, -1, 0, k), .diagonal = -1), one);
    *upper = cr_triu(cr_narrow(lu, -2, 0, k));
}
COMPOSITE(linalg_lu_factor)
{
    (void)op;
    cr_linalg_lu_factor_ex_result f = cr_linalg_lu_factor_ex(T(0), .no_pivot = !INT(1));
    if (!INT(1)) {
        int64_t batch, code = failure(f.info, &batch);
        if (code)
            return code < 0 ? -1
                            : CR_FAIL_INT("torch.linalg.lu_factor: (Batch element %lld): "
                                          "U[%lld,%lld] is zero and using it on "
                                          "lu_solve would result in a division by zero.",
                                          (long long)batch, (long long)code, (long long)code);
    }
    return cr_give_two(r, f.LU, f.pivots);
}
COMPOSITE(lu_with_info)
{
    (void)op;
    cr_linalg_lu_factor_ex_result f = cr_linalg_lu_factor_ex(T(0), .no_pivot = !INT(1));
    return cr_give_three(r, f.LU, f.pivots, f.info, true);
}
COMPOSITE(lu_unpack)
{
    (void)op;
    cr_tensor *lu = T(0), *pivots = T(1);
    if (!cr_linalg_is_matrix("lu_unpack", lu))
        return -1;
    if (dtype_of(pivots) != CR_I32)
        return CR_FAIL_INT("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of "
                           "torch.int32 dtype, got %s",
                           cr_describe(pivots));
    cr_tensor *none = cr_empty(0, .dtype = dtype_of(lu), .device = cr_tensor_device(lu)), *l = none,
              *u = none;
    if (INT(2))
        triangles(lu, &l, &u);
    cr_tensor *p = INT(3) ? permutation(order_of(pivots, rows_of(lu)), dtype_of(lu)) : none;
    return cr_give_three(r, p, l, u, true);
}
COMPOSITE(linalg_lu)
{
    (void)op;
    cr_tensor *a = T(0), *l, *u;
    cr_linalg_lu_factor_ex_result f = cr_linalg_lu_factor_ex(a, .no_pivot = !INT(1));
    if (!f.LU)
        return -1;
    triangles(f.LU, &l, &u);
    cr_tensor *p = INT(1) ? permutation(order_of(f.pivots, rows_of(a)), dtype_of(a))
                          : cr_empty(0, .dtype = dtype_of(a), .device = cr_tensor_device(a));
    return cr_give_three(r, p, l, u, true);
}

/* Rows of b in the order of the exchanges, or back to where they came from. */
static cr_tensor *exchanged(cr_tensor *b, cr_tensor *order, bool back)
{
    if (!b || !order)
        return NULL;
    cr_tensor *p = permutation(order, dtype_of(b));
    return cr_matmul(back ? p : mt(p), b);
}
/* A·X = B (adjoint: Aᵀ·X = B) by A = P·L·U. */
static cr_tensor *lu_solve(cr_tensor *lu, cr_tensor *pivots, cr_tensor *b, bool adjoint)
{
    cr_tensor *order = order_of(pivots, rows_of(lu));
    if (!adjoint) {
        cr_tensor *y = cr_linalg_solve_triangular(lu, exchanged(b, order, false), false,
                                                  .unitriangular = true);
        return cr_linalg_solve_triangular(lu, y, true);
    }
    cr_tensor *y = cr_linalg_solve_triangular(mt(lu), b, false);
    return exchanged(cr_linalg_solve_triangular(mt(lu), y, true, .unitriangular = true), order,
                     true);
}
COMPOSITE(linalg_lu_solve)
{
    (void)op;
    cr_tensor *lu = T(0), *pivots = T(1), *b = T(2);
    bool left = INT(3), adjoint = INT(4);
    if (!cr_linalg_is_matrix("linalg.lu_solve", lu) || !cr_linalg_is_matrix("linalg.lu_solve", b))
        return -1;
    if (dtype_of(pivots) != CR_I32 || dtype_of(lu) != dtype_of(b))
        return CR_FAIL_INT("linalg.lu_solve: Expected LU and B to have the same dtype and pivots "
                           "int32, got %s, %s and %s",
                           cr_describe(lu), cr_describe(b), cr_describe(pivots));
    if (rows_of(lu) != columns_of(lu) || (left ? rows_of(b) : columns_of(b)) != rows_of(lu))
        return CR_FAIL_INT(
            "linalg.lu_solve: Incompatible shapes of A and B for the equation %s (%s and %s)",
            left ? "AX = B" : "XA = B", cr_sizes_text(lu->dim, lu->size),
            cr_sizes_text(b->dim, b->size));
    return cr_give(r, left ? lu_solve(lu, pivots, b, adjoint)
                           : mt(lu_solve(lu, pivots, mt(b), !adjoint)));
}
COMPOSITE(lu_solve)
GIVE(cr_linalg_lu_solve(T(1), T(2), T(0)))

/* ---- solving ---- */

DECOMPOSE(linalg_solve_ex)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    bool vector = cr_linalg_is_vector(a, b), left = INT(2);
    cr_linalg_lu_factor_ex_result f = cr_linalg_lu_factor_ex(left ? a : mt(a));
    cr_tensor *y = vector ? cr_unsqueeze(b, -1) : left ? b : mt(b);
    if (!f.LU || !y)
        return -1;
    cr_tensor *x = lu_solve(f.LU, f.pivots, y, false);
    r->count = 4;
    r->t[0] = vector ? cr_squeeze_dim(x, -1) : left ? x : mt(x);
    r->t[1] = f.LU;
    r->t[2] = f.pivots;
    r->t[3] = f.info;
    return r->t[0] ? 0 : -1;
}
static cr_tensor *solve(const char *name, cr_tensor *a, cr_tensor *b, bool left)
{
    cr_linalg_solve_kernel_result s = cr_linalg_solve_kernel(a, b, .no_left = !left);
    return s.result && !is_singular(s.info, name) ? s.result : NULL;
}
COMPOSITE(linalg_solve)
GIVE(solve("linalg.solve", T(0), T(1), INT(2)))
COMPOSITE(linalg_solve_ex)
{
    cr_linalg_solve_kernel_result s = cr_linalg_solve_kernel(T(0), T(1), .no_left = !INT(2));
    (void)op;
    if (INT(3) && s.result && is_singular(s.info, "linalg.solve_ex"))
        return -1;
    return cr_give_two(r, s.result, s.info);
}
static cr_tensor *identity_like(cr_tensor *a)
{
    return cr_eye(columns_of(a), .dtype = dtype_of(a), .device = cr_tensor_device(a));
}
static int inverse(cr_tensor *a, cr_linalg_solve_kernel_result *s)
{
    if (!cr_linalg_is_matrix("linalg.inv", a))
        return -1;
    *s = cr_linalg_solve_kernel(a, identity_like(a));
    return s->result ? 0 : -1;
}
COMPOSITE(linalg_inv_ex)
{
    (void)op;
    cr_linalg_solve_kernel_result s;
    if (inverse(T(0), &s) || (INT(1) && is_singular(s.info, "linalg.inv_ex")))
        return -1;
    return cr_give_two(r, s.result, s.info);
}
COMPOSITE(linalg_inv)
{
    (void)op;
    cr_linalg_solve_kernel_result s;
    int64_t batch;
    if (inverse(T(0), &s))
        return -1;
    int64_t code = failure(s.info, &batch);
    if (code > 0)
        return CR_FAIL_INT("linalg.inv: (Batch element %lld): The diagonal element %lld is zero, "
                           "the inversion could not be "
                           "completed because the input matrix is singular.",
                           (long long)batch, (long long)code);
    return code ? -1 : cr_give(r, s.result);
}
/* torch.triangular_solve(b, A): the solution, and A again. */
COMPOSITE(triangular_solve)
{
    (void)op;
    cr_tensor *b = T(0), *a = T(1);
    bool upper = INT(2), transpose = INT(3);
    if (!cr_linalg_is_matrix("triangular_solve", a) || !cr_linalg_is_matrix("triangular_solve", b))
        return -1;
    cr_tensor *x = cr_linalg_solve_triangular(transpose ? mt(a) : a, b, upper != transpose,
                                              .unitriangular = INT(4));
    return cr_give_two(r, x, cr_clone(a));
}

/* ---- determinants ---- */

/* 1 or -1 by how many exchanges there are. */
static cr_tensor *parity(cr_tensor *pivots, cr_dtype dtype)
{
    int64_t n = pivots->size[pivots->dim - 1];
    cr_tensor *same = cr_eq(
        pivots, cr_arange_start(1, n + 1, .dtype = CR_I32, .device = cr_tensor_device(pivots)));
    return cr_prod_dim(cr_sub_scalar(cr_mul_scalar(cr_to_dtype(same, dtype), 2), 1), -1);
}
DECOMPOSE(linalg_det)
{
    (void)op;
    cr_linalg_lu_factor_ex_result f = cr_linalg_lu_factor_ex(T(0));
    if (!f.LU)
        return -1;
    cr_tensor *det = cr_mul(cr_prod_dim(diagonal(f.LU), -1), parity(f.pivots, dtype_of(T(0))));
    return cr_give_three(r, det, f.LU, f.pivots, true);
}
DECOMPOSE(linalg_slogdet)
{
    (void)op;
    cr_linalg_lu_factor_ex_result f = cr_linalg_lu_factor_ex(T(0));
    if (!f.LU)
        return -1;
    cr_tensor *d = diagonal(f.LU);
    r->count = 4;
    r->t[0] = cr_mul(cr_prod_dim(cr_sign(d), -1), parity(f.pivots, dtype_of(T(0))));
    r->t[1] = cr_sum_dim(cr_log(cr_abs(d)), -1);
    r->t[2] = f.LU;
    r->t[3] = f.pivots;
    return r->t[0] && r->t[1] ? 0 : -1;
}
COMPOSITE(linalg_det)
GIVE(cr_linalg_det_kernel(T(0)).result)
COMPOSITE(linalg_slogdet)
{
    (void)op;
    cr_linalg_slogdet_kernel_result s = cr_linalg_slogdet_kernel(T(0));
    return cr_give_two(r, s.sign, s.logabsdet);
}
/* NaN where the determinant is negative. */
COMPOSITE(logdet)
{
    (void)op;
    cr_linalg_slogdet_kernel_result s = cr_linalg_slogdet_kernel(T(0));
    return cr_give(r, s.sign ? cr_where_scalar_self(cr_eq_scalar(s.sign, -1), NAN, s.logabsdet)
                             : NULL);
}
