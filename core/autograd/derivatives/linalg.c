/* Derivatives of the factorisations of matrices (Giles, 2008; Walter and Lehmann, 2010; Murray, 2016; Higham, 2008). */
#include "core/autograd/derivatives/derivative.h"
#include "core/ops/linalg.h"

#undef result /* a member of what linalg_solve_ex gives */

static int64_t last(cr_tensor *t, int back)
{
    return cr_tensor_size(t, -back);
}
static cr_tensor *plus(cr_tensor *a, cr_tensor *b)
{
    return !a ? b : !b ? a : cr_add(a, b);
}
/* The lower triangle with half of the diagonal. */
static cr_tensor *lower_half(cr_tensor *x)
{
    return cr_mul_scalar(cr_add(cr_tril(x), cr_tril(x, .diagonal = -1)), 0.5);
}
static cr_tensor *identity(cr_tensor *like, int64_t n)
{
    return cr_eye(n, .dtype = cr_tensor_dtype(like), .device = cr_tensor_device(like));
}

/* Lᵀ·gL, its lower triangle, between L⁻ᵀ and L⁻¹; the same on both sides of the diagonal. */
DERIVATIVE(linalg_cholesky, "LinalgCholeskyExBackward0", .out_for = {FOR_ALL})
{
    cr_tensor *l = cr_out(c, 0), *g = cr_g(c, 0);
    if (int_arg(c, 1)) {
        l = mt(l);
        g = mt(g);
    }
    cr_tensor *x = lower_half(cr_matmul(mt(l), g));
    x = cr_add(x, mt(x));
    x = cr_linalg_solve_triangular(mt(l), x, true);
    cr_set(c, 0, cr_mul_scalar(cr_linalg_solve_triangular(l, x, false, .no_left = true), 0.5));
    return 0;
}

/* op(A)·X = B: gB = A⁻ᵀ·gX, gA = -gB·Xᵀ in A's triangle. */
DERIVATIVE(linalg_solve_triangular, "LinalgSolveTriangularBackward0", .in_for = {FOR_ALL},
           .out_for = {FOR_0})
{
    cr_tensor *a = cr_in(c, 0), *g = cr_g(c, 0);
    bool upper = int_arg(c, 2), left = int_arg(c, 3), unit = int_arg(c, 4);
    cr_tensor *gb =
        cr_linalg_solve_triangular(mt(a), g, !upper, .no_left = !left, .unitriangular = unit);
    cr_set(c, 1, gb);
    if (cr_needs(c, 0)) {
        cr_tensor *x = cr_out(c, 0),
                  *ga = cr_neg(left ? cr_matmul(gb, mt(x)) : cr_matmul(mt(x), gb));
        cr_set(c, 0,
               upper ? cr_triu(ga, .diagonal = unit) : cr_tril(ga, .diagonal = -(int64_t)unit));
    }
    return 0;
}

/* A·X = B: the same without a triangle. */
DERIVATIVE(linalg_solve, "LinalgSolveExBackward0", .in_for = {FOR_ALL, FOR_ALL}, .out_for = {FOR_0})
{
    cr_tensor *a = cr_in(c, 0), *b = cr_in(c, 1), *g = cr_g(c, 0);
    bool left = int_arg(c, 2);
    if (!a || !b || !g)
        return a && b ? 0 : -1;
    bool vector = cr_linalg_is_vector(a, b);
    if (vector)
        g = cr_unsqueeze(g, -1);
    cr_tensor *gb = cr_linalg_solve_kernel(mt(a), g, .no_left = !left).result;
    if (cr_needs(c, 1))
        cr_set(c, 1, vector ? cr_squeeze_dim(gb, -1) : gb);
    if (cr_needs(c, 0)) {
        cr_tensor *x = cr_out(c, 0);
        if (vector)
            x = cr_unsqueeze(x, -1);
        cr_set(c, 0, cr_neg(left ? cr_matmul(gb, mt(x)) : cr_matmul(mt(x), gb)));
    }
    return 0;
}

/* A = P·L·U; what belongs to U's further columns, or L's further rows, is first taken out of the square part. */
DERIVATIVE(linalg_lu, "LinalgLuFactorExBackward0", .out_for = {FOR_ALL, FOR_ALL})
{
    cr_tensor *lu = cr_out(c, 0), *g = cr_g(c, 0);
    int64_t m = last(lu, 2), n = last(lu, 1), k = m < n ? m : n;
    cr_tensor *square = cr_narrow(cr_narrow(lu, -2, 0, k), -1, 0, k),
              *gs = cr_narrow(cr_narrow(g, -2, 0, k), -1, 0, k);
    cr_tensor *l = cr_add(cr_tril(square, .diagonal = -1), identity(lu, k)), *u = cr_triu(square);
    cr_tensor *for_l = cr_matmul(mt(l), cr_tril(gs, .diagonal = -1)),
              *for_u = cr_matmul(cr_triu(gs), mt(u)), *rest = NULL;
    if (n > k) {
        cr_tensor *g2 = cr_narrow(g, -1, k, n - k);
        for_l = cr_sub(for_l, cr_matmul(g2, mt(cr_narrow(lu, -1, k, n - k))));
        rest = cr_linalg_solve_triangular(mt(l), g2, true, .unitriangular = true);
    } else if (m > k) {
        cr_tensor *g2 = cr_narrow(g, -2, k, m - k);
        for_u = cr_sub(for_u, cr_matmul(mt(cr_narrow(lu, -2, k, m - k)), g2));
        rest = cr_linalg_solve_triangular(mt(u), g2, false, .no_left = true);
    }
    cr_tensor *x = cr_add(cr_tril(for_l, .diagonal = -1), cr_triu(for_u));
    x = cr_linalg_solve_triangular(mt(l), x, true, .unitriangular = true);
    x = cr_linalg_solve_triangular(mt(u), x, false, .no_left = true);
    if (rest)
        x = cr_cat(CR_TENSORS(x, rest), .dim = n > k ? -1 : -2);
    if (int_arg(c, 1))
        x = cr_matmul(cr_lu_unpack(cr_detach(lu), cr_out(c, 1), .no_unpack_data = true).P, x);
    cr_set(c, 0, x);
    return 0;
}

/* The triangle M of gR·Rᵀ - Qᵀ·gQ, mirrored: gA = (gQ + Q·M)·R⁻ᵀ. Of a wide matrix the further columns are Q·R's. */
DERIVATIVE(linalg_qr, "LinalgQrBackward0", .out_for = {FOR_ALL, FOR_ALL})
{
    cr_tensor *q = cr_out(c, 0), *u = cr_out(c, 1), *gq = cr_g(c, 0), *gr = cr_g(c, 1),
              *rest = NULL;
    const char *mode = cr_argument(c, 1)->as.s;
    if (!q || !u)
        return -1;
    if (!mode[1])
        return CR_FAIL_INT("The derivative of linalg.qr depends on Q, which is not computed when "
                           "mode='r'. Please use "
                           "linalg.qr(A, mode='reduced') if you are going to require gradients "
                           "through linalg.qr.");
    int64_t m = last(q, 2), n = last(u, 1);
    if (mode[0] == 'c' && m > n)
        return CR_FAIL_INT(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols.");
    if (n > m) { /* A = [X | Y], R = [U | V], Y = Q·V */
        cr_tensor *v = cr_narrow(u, -1, m, n - m);
        u = cr_narrow(u, -1, 0, m);
        if (gr) {
            cr_tensor *gv = cr_narrow(gr, -1, m, n - m);
            rest = cr_matmul(q, gv);
            gq = plus(gq, cr_matmul(cr_matmul(q, v), mt(gv)));
            gr = cr_narrow(gr, -1, 0, m);
        }
    }
    cr_tensor *x = gr ? cr_matmul(gr, mt(u)) : NULL;
    if (gq)
        x = plus(x, cr_neg(cr_matmul(mt(q), gq)));
    x = cr_triu(x);
    x = cr_add(x, mt(cr_triu(x, .diagonal = 1)));
    x = plus(cr_matmul(q, x), gq);
    x = cr_linalg_solve_triangular(mt(u), x, false, .no_left = true);
    if (n > m)
        x = cr_cat(
            CR_TENSORS(x, rest ? rest
                               : cr_zeros_like(cr_narrow(cr_matmul(x, cr_zeros_like(cr_out(c, 1))),
                                                         -1, m, n - m))),
            .dim = -1);
    cr_set(c, 0, x);
    return 0;
}

/* x_j - x_i, and 1 on the diagonal, for what stands there is 0. */
static cr_tensor *gaps(cr_tensor *x)
{
    cr_tensor *e = cr_sub(cr_unsqueeze(x, -2), cr_unsqueeze(x, -1));
    return cr_add(e, identity(x, last(x, 1)));
}
static cr_tensor *diagonal_of(cr_tensor *g)
{
    return cr_diag_embed(g);
}

/* V·(gL on the diagonal, (Vᵀ·gV)ᵢⱼ/(λⱼ - λᵢ) beside it)·Vᵀ. */
DERIVATIVE(linalg_eigh, "LinalgEighBackward0", .out_for = {FOR_ALL, FOR_ALL})
{
    cr_tensor *w = cr_out(c, 0), *v = cr_out(c, 1), *gw = cr_g(c, 0), *gv = cr_g(c, 1);
    if (!w || !v)
        return -1;
    if (!int_arg(c, 2))
        return CR_FAIL_INT("linalg_eigh: its derivative needs the eigenvectors; compute them, too");
    cr_tensor *x = gw ? diagonal_of(gw) : NULL;
    if (gv) {
        cr_tensor *mixed = cr_div(cr_matmul(mt(v), gv), gaps(w));
        x = plus(x, cr_mul(mixed, cr_rsub_scalar(identity(w, last(w, 1)), 1)));
    }
    cr_set(c, 0, cr_matmul(v, cr_matmul(x, mt(v))));
    return 0;
}

static cr_tensor *skew(cr_tensor *x)
{
    return cr_sub(x, mt(x));
}
/* What is left of x without its part in the columns of u. */
static cr_tensor *outside(cr_tensor *x, cr_tensor *u)
{
    return cr_sub(x, cr_matmul(u, cr_matmul(mt(u), x)));
}
DERIVATIVE(linalg_svd, "LinalgSvdBackward0", .out_for = {FOR_ALL, FOR_ALL, FOR_ALL})
{
    cr_tensor *u = cr_out(c, 0), *s = cr_out(c, 1), *vh = cr_out(c, 2), *gu = cr_g(c, 0),
              *gs = cr_g(c, 1), *gvh = cr_g(c, 2);
    if (!u || !s || !vh)
        return -1;
    if (!int_arg(c, 2))
        return CR_FAIL_INT(
            "linalg_svd: its derivative needs the singular vectors; compute them, too");
    int64_t k = last(s, 1), m = last(u, 2), n = last(vh, 1);
    u = cr_narrow(u, -1, 0, k);
    vh = cr_narrow(vh, -2, 0, k);
    gu = gu ? cr_narrow(gu, -1, 0, k) : NULL;
    cr_tensor *v = mt(vh), *gv = gvh ? mt(cr_narrow(gvh, -2, 0, k)) : NULL,
              *x = gs ? diagonal_of(gs) : NULL;
    if (gu || gv) {
        cr_tensor *e = gaps(cr_mul(s, s));
        if (gu)
            x = plus(x, cr_mul(cr_div(skew(cr_matmul(mt(u), gu)), e), cr_unsqueeze(s, -2)));
        if (gv)
            x = plus(x, cr_mul(cr_div(skew(cr_matmul(vh, gv)), e), cr_unsqueeze(s, -1)));
    }
    x = cr_matmul(u, x);
    if (gu && m > k)
        x = cr_add(x, outside(cr_div(gu, cr_unsqueeze(s, -2)), u));
    x = cr_matmul(x, vh);
    if (gv && n > k)
        x = cr_add(x, cr_matmul(u, mt(outside(cr_div(gv, cr_unsqueeze(s, -2)), v))));
    cr_set(c, 0, x);
    return 0;
}

/* det·A⁻ᵀ; where A is singular, by its LU with the zeros of U made tiny (no second derivative then). */
DERIVATIVE(linalg_det, "LinalgDetBackward0", .in_for = {FOR_ALL},
           .out_for = {FOR_ALL, FOR_ALL, FOR_ALL})
{
    cr_tensor *a = self, *det = cr_out(c, 0), *g = cr_g(c, 0);
    if (!a || !det)
        return -1;
    if (!cr_tensor_numel(a)) {
        cr_set(c, 0, cr_zeros_like(a));
        return 0;
    }
    if (cr_grad_enabled()) {
        cr_tensor *scale = cr_unsqueeze(cr_unsqueeze(cr_mul(g, det), -1), -1);
        cr_set(c, 0, cr_mul(scale, mt(cr_linalg_inv_ex(a).inverse)));
        return 0;
    }
    cr_tensor *lu = cr_out(c, 1), *pivots = cr_out(c, 2),
              *u = cr_diagonal(lu, .dim1 = -2, .dim2 = CR_SOME(-1));
    double tiny = cr_tensor_dtype(a) == CR_F64 ? 2.220446049250313e-16 : 1.1920928955078125e-07;
    cr_tensor *size =
        cr_clamp_min(cr_amax(cr_sum_dim(cr_abs(a), -2, .keepdim = true), .dim = CR_INTS(-1)), tiny);
    cr_tensor *least = cr_where(cr_eq_scalar(u, 0), cr_mul_scalar(size, tiny), u),
              *change = cr_sub(least, u);
    lu = cr_add(lu, cr_diag_embed(change));
    cr_tensor *count = cr_eq(
        pivots, cr_arange_start(1, last(a, 1) + 1, .dtype = CR_I32, .device = cr_tensor_device(a)));
    cr_tensor *sign =
        cr_prod_dim(cr_sub_scalar(cr_mul_scalar(cr_to_dtype(count, cr_tensor_dtype(a)), 2), 1), -1);
    cr_tensor *near = cr_mul(cr_prod_dim(least, -1), sign);
    cr_tensor *right =
        cr_mul(identity(a, last(a, 1)), cr_unsqueeze(cr_unsqueeze(cr_mul(g, near), -1), -1));
    cr_set(c, 0, cr_linalg_lu_solve(lu, pivots, right, .adjoint = true));
    return 0;
}
DERIVATIVE(linalg_slogdet, "LinalgSlogdetBackward0", .in_for = {FOR_ALL})
{
    cr_tensor *a = self, *g = cr_g(c, 1);
    if (!a)
        return -1;
    if (!g)
        cr_set(c, 0, cr_zeros_like(a));
    else
        cr_set(c, 0,
               cr_mul(cr_unsqueeze(cr_unsqueeze(g, -1), -1), mt(cr_linalg_inv_ex(a).inverse)));
    return 0;
}

/* Golub and Pereyra, 1973. */
DERIVATIVE(linalg_pinv, "LinalgPinvBackward0", .in_for = {FOR_ALL}, .out_for = {FOR_ALL})
{
    cr_tensor *a = self, *p = cr_out(c, 0);
    if (!a || !p)
        return -1;
    cr_tensor *g = mt(cr_g(c, 0)), *pt = mt(p), *x; /* g as A is */
    if (last(a, 2) <= last(a, 1)) {
        cr_tensor *k = cr_matmul(g, p), *kpt = cr_matmul(k, pt);
        x = cr_add(cr_neg(mt(cr_matmul(p, k))), cr_sub(kpt, cr_matmul(cr_matmul(a, p), kpt)));
        x = cr_add(x, cr_matmul(cr_matmul(pt, p), cr_sub(g, cr_matmul(k, a))));
    } else {
        cr_tensor *k = cr_matmul(p, g), *ptk = cr_matmul(pt, k);
        x = cr_add(cr_neg(mt(cr_matmul(k, p))),
                   cr_matmul(cr_matmul(cr_sub(g, cr_matmul(a, k)), p), pt));
        x = cr_add(x, cr_sub(ptk, cr_matmul(cr_matmul(ptk, p), a)));
    }
    cr_set(c, 0, x);
    return 0;
}

/* exp([[Aᵀ, g], [0, Aᵀ]]) has the gradient in its corner (Mathias, 1996). */
DERIVATIVE(linalg_matrix_exp, "LinalgMatrixExpBackward0", SAVES_SELF)
{
    cr_tensor *a = self, *g = cr_g(c, 0);
    if (!a)
        return -1;
    int64_t n = last(a, 1);
    cr_tensor *above = cr_cat(CR_TENSORS(mt(a), g), .dim = -1),
              *below = cr_cat(CR_TENSORS(cr_zeros_like(a), mt(a)), .dim = -1);
    cr_tensor *whole = cr_linalg_matrix_exp(cr_cat(CR_TENSORS(above, below), .dim = -2));
    cr_set(c, 0, cr_narrow(cr_narrow(whole, -2, 0, n), -1, n, n));
    return 0;
}
