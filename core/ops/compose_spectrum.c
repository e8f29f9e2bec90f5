/* QR, singular values and eigenvalues, and what they tell of a matrix: its rank, pseudoinverse and least squares. */
#include <float.h>
#include <string.h>

#include "core/ops/compose.h"
#include "core/ops/linalg.h"

/* ---- QR ---- */

/* H₁·H₂·…: each is I - τ·v·vᵀ, v below the diagonal of a column and 1 on it. Times the first columns of the identity. */
static cr_tensor *householder(cr_tensor *a, cr_tensor *tau, int64_t wide)
{
    int64_t m = rows_of(a), k = tau->size[tau->dim - 1], sizes[CR_MAX_RANK];
    const char *device = cr_tensor_device(a);
    memcpy(sizes, a->size, sizeof sizes);
    sizes[a->dim - 1] = wide;
    cr_tensor *q = cr_expand(cr_eye_m(m, wide, .dtype = dtype_of(a), .device = device),
                             cr_make_ints(sizes, a->dim));
    cr_tensor *v = cr_add(cr_tril(cr_narrow(a, -1, 0, k), .diagonal = -1),
                          cr_eye_m(m, k, .dtype = dtype_of(a), .device = device));
    for (int64_t i = k - 1; i >= 0 && q; i--) {
        cr_tensor *column = cr_narrow(v, -1, i, 1),
                  *scale = cr_unsqueeze(cr_narrow(tau, -1, i, 1), -1);
        q = cr_sub(q, cr_mul(scale, cr_matmul(column, cr_matmul(mt(column), q))));
    }
    return q;
}
DECOMPOSE(linalg_qr)
{
    (void)op;
    cr_tensor *a = T(0);
    const char *mode = args[1].as.s;
    bool complete = mode[0] == 'c', only_r = !mode[1];
    int64_t m = rows_of(a), n = columns_of(a), k = m < n ? m : n, wide = complete ? m : k;
    cr_geqrf_result f = cr_geqrf(a);
    if (!f.a)
        return -1;
    cr_tensor *upper = cr_triu(f.a);
    upper = cr_narrow(upper, -2, 0, wide);
    cr_tensor *q = only_r ? cr_empty(0, .dtype = dtype_of(a), .device = cr_tensor_device(a))
                          : householder(f.a, f.tau, wide);
    return cr_give_two(r, q, upper);
}
COMPOSITE(linalg_householder_product)
{
    (void)op;
    cr_tensor *a = T(0), *tau = T(1);
    if (!cr_linalg_is_matrix("torch.linalg.householder_product", a))
        return -1;
    if (rows_of(a) < columns_of(a) || !tau->dim || tau->size[tau->dim - 1] > columns_of(a))
        return CR_FAIL_INT("torch.linalg.householder_product: input.shape[-2] must be greater than "
                           "or equal to input.shape[-1], "
                           "which must not be less than tau.shape[-1]; got %s and %s",
                           cr_sizes_text(a->dim, a->size), cr_sizes_text(tau->dim, tau->size));
    if (dtype_of(tau) != dtype_of(a) || tau->dim != a->dim - 1)
        return CR_FAIL_INT("torch.linalg.householder_product: tau %s does not fit input %s",
                           cr_describe(tau), cr_describe(a));
    return cr_give(r, householder(a, tau, columns_of(a)));
}
/* Q·C, Qᵀ·C, C·Q or C·Qᵀ for the whole square Q. */
COMPOSITE(ormqr)
{
    (void)op;
    cr_tensor *a = T(0), *tau = T(1), *c = T(2);
    bool left = INT(3), transpose = INT(4);
    if (!cr_linalg_is_matrix("ormqr", a) || !cr_linalg_is_matrix("ormqr", c))
        return -1;
    if (rows_of(a) != (left ? rows_of(c) : columns_of(c)) || !tau->dim ||
        tau->size[tau->dim - 1] > rows_of(a))
        return CR_FAIL_INT(
            "torch.ormqr: other.shape[%d] must be equal to input.shape[-2] (%s and %s)",
            left ? -2 : -1, cr_sizes_text(c->dim, c->size), cr_sizes_text(a->dim, a->size));
    cr_tensor *q = householder(a, tau, rows_of(a));
    q = transpose ? mt(q) : q;
    return cr_give(r, left ? cr_matmul(q, c) : cr_matmul(c, q));
}
COMPOSITE(qr)
{
    (void)op;
    cr_linalg_qr_result f = cr_linalg_qr(T(0), .mode = INT(1) ? "reduced" : "complete");
    return cr_give_two(r, f.Q, f.R);
}

/* ---- singular values and eigenvalues ---- */

COMPOSITE(linalg_svd)
{
    (void)op;
    cr_linalg_svd_kernel_result s = cr_linalg_svd_kernel(
        T(0), .full_matrices = INT(1), .driver = args[2].tag == CR_NONE ? NULL : args[2].as.s);
    return cr_give_three(r, s.U, s.S, s.Vh, true);
}
/* A derivative of singular values alone still needs the vectors. */
static cr_tensor *singular_values(cr_tensor *a)
{
    return cr_linalg_svd_kernel(a, .no_compute_uv = !(cr_requires_grad(a) && cr_grad_enabled())).S;
}
COMPOSITE(linalg_svdvals)
GIVE(singular_values(T(0)))
COMPOSITE(svd)
{
    (void)op;
    cr_tensor *a = T(0);
    const char *device = cr_tensor_device(a);
    if (!cr_linalg_is_matrix("svd", a))
        return -1;
    if (!INT(2)) {
        int64_t u[CR_MAX_RANK], v[CR_MAX_RANK];
        memcpy(u, a->size, sizeof u);
        memcpy(v, a->size, sizeof v);
        u[a->dim - 1] = rows_of(a);
        v[a->dim - 2] = columns_of(a);
        return cr_give_three(
            r, cr_zeros(cr_make_ints(u, a->dim), .dtype = dtype_of(a), .device = device),
            singular_values(a),
            cr_zeros(cr_make_ints(v, a->dim), .dtype = dtype_of(a), .device = device), true);
    }
    cr_linalg_svd_kernel_result s = cr_linalg_svd_kernel(a, .full_matrices = !INT(1));
    return cr_give_three(r, s.U, s.S, s.Vh ? mt(s.Vh) : NULL, true);
}
COMPOSITE(linalg_eigh)
{
    (void)op;
    cr_linalg_eigh_kernel_result e = cr_linalg_eigh_kernel(T(0), .UPLO = args[1].as.s);
    return cr_give_two(r, e.eigenvalues, e.eigenvectors);
}
static cr_tensor *eigenvalues(cr_tensor *a, const char *triangle)
{
    return cr_linalg_eigh_kernel(a, .UPLO = triangle,
                                 .no_compute_v = !(cr_requires_grad(a) && cr_grad_enabled()))
        .eigenvalues;
}
COMPOSITE(linalg_eigvalsh)
GIVE(eigenvalues(T(0), args[1].as.s))

/* ---- what singular values tell ---- */

static double epsilon(cr_tensor *a)
{
    return dtype_of(a) == CR_F64 ? DBL_EPSILON : FLT_EPSILON;
}
/* The greater of an absolute tolerance and a relative one; [.., 1] of the values, which are not negative. */
static cr_tensor *tolerance(cr_tensor *a, cr_tensor *values, const cr_value *atol,
                            const cr_value *rtol)
{
    double absolute = atol && atol->tag != CR_NONE ? cr_value_float(atol) : 0,
           most = (double)(rows_of(a) > columns_of(a) ? rows_of(a) : columns_of(a));
    double relative = rtol && rtol->tag != CR_NONE ? cr_value_float(rtol)
                      : absolute > 0               ? 0
                                                   : epsilon(a) * most;
    cr_tensor *top = cr_amax(values, .dim = CR_INTS(-1), .keepdim = true);
    return cr_clamp_min(cr_mul_scalar(top, relative), absolute);
}
static cr_tensor *spectrum(cr_tensor *a, bool hermitian)
{
    return hermitian ? cr_abs(eigenvalues(a, "L")) : singular_values(a);
}
/* How many singular values are above the tolerance. */
static cr_tensor *matrix_rank(cr_tensor *a, const cr_value *atol, const cr_value *rtol,
                              bool hermitian)
{
    int64_t sizes[CR_MAX_RANK];
    a = cr_detach(a);
    if (!a || !cr_linalg_is_matrix("linalg.matrix_rank", a))
        return NULL;
    memcpy(sizes, a->size, sizeof sizes);
    if (!rows_of(a) || !columns_of(a))
        return cr_zeros(cr_make_ints(sizes, (size_t)a->dim - 2), .dtype = CR_I64,
                        .device = cr_tensor_device(a));
    cr_tensor *s = spectrum(a, hermitian);
    return s ? cr_sum_dim(cr_gt(s, tolerance(a, s, atol, rtol)), -1) : NULL;
}
COMPOSITE(linalg_matrix_rank)
{
    (void)op;
    const cr_value none = {.tag = CR_NONE}, zero = {.tag = CR_FLOAT};
    return cr_give(r, matrix_rank(T(0), &args[1], args[1].as.f > 0 ? &none : &zero, INT(2)));
}
COMPOSITE(linalg_matrix_rank_tolerances)
GIVE(matrix_rank(T(0), &args[1], &args[2], INT(3)))

/* V·S⁻¹·Uᵀ, without the singular values under the tolerance. */
DECOMPOSE(linalg_pinv)
{
    (void)op;
    cr_tensor *a = T(0), *inverse_values;
    if (!rows_of(a) || !columns_of(a))
        return cr_give(r, cr_zeros_like(mt(a)));
    cr_tensor *s, *left, *right;
    if (INT(3)) {
        cr_linalg_eigh_kernel_result e = cr_linalg_eigh_kernel(a);
        s = e.eigenvalues;
        left = e.eigenvectors;
        right = left ? mt(left) : NULL;
    } else {
        cr_linalg_svd_kernel_result f = cr_linalg_svd_kernel(a);
        s = f.S;
        left = f.Vh ? mt(f.Vh) : NULL;
        right = f.U ? mt(f.U) : NULL;
    }
    if (!s || !left || !right)
        return -1;
    cr_tensor *size = cr_abs(s), *keep = cr_gt(size, tolerance(a, size, &args[1], &args[2]));
    inverse_values = cr_where(keep, cr_reciprocal(s), cr_zeros_like(s));
    return cr_give(r, cr_matmul(cr_mul(left, cr_unsqueeze(inverse_values, -2)), right));
}
static cr_tensor *pinv(cr_tensor *a, double rtol, bool hermitian)
{
    return cr_linalg_pinv(a, .atol = CR_SOME(0), .rtol = CR_SOME(rtol), .hermitian = hermitian);
}
COMPOSITE(linalg_pinv_rcond)
GIVE(pinv(T(0), F(1), INT(2)))
COMPOSITE(pinverse)
GIVE(pinv(T(0), F(1), false))

/* The least ‖A·X - B‖, of several the smallest X; residuals where A has more rows than columns and full rank. */
COMPOSITE(linalg_lstsq)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    static const char *const drivers[] = {"gels", "gelsy", "gelsd", "gelss"};
    const char *driver = args[3].tag == CR_NONE ? "gelsy" : args[3].as.s;
    int which = -1;
    for (int i = 0; i < 4; i++)
        if (!strcmp(driver, drivers[i]))
            which = i;
    if (which < 0)
        return CR_FAIL_INT("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, "
                           "gelsd, gelss), but got %s",
                           driver);
    if (!cr_linalg_is_matrix("torch.linalg.lstsq", a))
        return -1;
    bool vector = cr_linalg_is_vector(a, b);
    cr_tensor *y = vector ? cr_unsqueeze(b, -1) : b;
    if (!y || y->dim < 2 || rows_of(y) != rows_of(a) || dtype_of(a) != dtype_of(b))
        return cr_error() ? -1
                          : CR_FAIL_INT("torch.linalg.lstsq: input %s and other %s don't fit",
                                        cr_describe(a), cr_describe(b));
    int64_t m = rows_of(a), n = columns_of(a), most = m > n ? m : n;
    double rtol = args[2].tag == CR_NONE ? epsilon(a) * (double)most : F(2);
    const cr_value relative = cr_v_float(rtol), absolute = cr_v_float(0);
    const char *device = cr_tensor_device(a);
    cr_tensor *none = cr_empty(0, .dtype = dtype_of(a), .device = device);
    cr_tensor *x = cr_matmul(pinv(a, rtol, false), y), *residuals = none, *values = none;
    cr_tensor *rank = which ? matrix_rank(a, &absolute, &relative, false)
                            : cr_empty(0, .dtype = CR_I64, .device = device);
    if (which >= 2)
        values = cr_detach(singular_values(cr_detach(a)));
    bool full = m > n && rank && x;
    if (full && which && rank->numel)
        full = cr_item_int(cr_min(rank)) == n;
    if (full) {
        cr_tensor *gap = cr_sub(cr_matmul(a, x), y);
        residuals = cr_sum_dim(cr_mul(gap, gap), -2);
    }
    r->count = 4;
    r->t[0] = vector && x ? cr_squeeze_dim(x, -1) : x;
    r->t[1] = residuals;
    r->t[2] = rank;
    r->t[3] = values;
    return r->t[0] && residuals && rank && values && !cr_error() ? 0 : -1;
}
