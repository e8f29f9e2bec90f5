"""Samples of linear algebra for make_ops.py. Where a factorisation is unique only up to signs, what depends on them is left out."""

import torch

from golden_ops import F64, INF, NAN, Golden, ints, pos, r, strided


def definite(*batch, n=3):
    a = r(*batch, n, n)
    return a @ a.transpose(-1, -2) + n * torch.eye(n, dtype=F64)


def well(*batch, n=3):
    """Far from singular."""
    return r(*batch, n, n) + 3 * torch.eye(n, dtype=F64)


def columns(x):
    return x.transpose(-1, -2).contiguous().transpose(-1, -2)


def squares(n=3):
    return (well(n=n), well(2, n=n), columns(well(2, 2, n=n)), strided(n, n) + 3 * torch.eye(n, dtype=F64), well(n=1), well(0, n=n),
            well(n=n).float(), torch.zeros(0, 0, dtype=F64), well(n=17))


def factorisations():
    g = Golden(extremes=False)
    L = torch.linalg
    for x in (definite(), definite(2), columns(definite(2, 2)), definite(n=1), definite(0), definite().float(), definite(n=33)):
        for upper in (False, True):
            g.add("linalg_cholesky", [x], lambda t, upper: L.cholesky((t + t.mT) / 2 if t.requires_grad else t, upper=upper), grad=False,
                  upper=upper)
            g.add("linalg_cholesky_ex", [x], lambda t, upper: L.cholesky_ex(t, upper=upper), grad=False, upper=upper)
            g.add("cholesky", [x, upper], torch.cholesky, grad=False)
            f = L.cholesky(x, upper=upper)
            b = r(*x.shape[:-1], 2).to(x.dtype)
            g.add("cholesky_solve", [b, f, upper], torch.cholesky_solve, grad=False)  # PyTorch: also of what it doesn't read
            if x.dim() == 2 and x.numel():
                g.add("cholesky_inverse", [f, upper], torch.cholesky_inverse, grad=False)
    g.add("linalg_cholesky", [-definite()], L.cholesky)
    g.add("linalg_cholesky", [r(2, 3)], L.cholesky)
    g.add("linalg_cholesky", [r(3)], L.cholesky)
    for x in squares():
        g.add("linalg_det", [x], L.det)
        g.add("det", [x], torch.det)
        g.add("linalg_slogdet", [x], L.slogdet)
        g.add("slogdet", [x], torch.slogdet)
        if x.numel():
            g.add("logdet", [x @ x.mT], torch.logdet, grad=False)
        g.add("linalg_inv", [x], L.inv)
        g.add("inverse", [x], torch.inverse)
        g.add("linalg_inv_ex", [x], L.inv_ex, grad=False)
        g.add("linalg_lu_factor", [x], L.lu_factor, grad=False)
        g.add("linalg_lu_factor_ex", [x], L.lu_factor_ex, grad=False)
        g.add("linalg_lu", [x], L.lu)
        if x.numel():
            lu, pivots = L.lu_factor(x)
            b = r(*x.shape[:-1], 2).to(x.dtype)
            g.add("lu_solve", [b, lu, pivots], torch.lu_solve)
            g.add("lu_unpack", [lu, pivots], torch.lu_unpack)
            g.add("linalg_lu_solve", [lu, pivots, b], L.lu_solve)
            g.add("linalg_lu_solve", [lu, pivots, b.mT.clone()], lambda *a, left: L.lu_solve(*a, left=left), left=False)
            g.add("linalg_lu_solve", [lu, pivots, b], lambda *a, adjoint: L.lu_solve(*a, adjoint=adjoint), adjoint=True)
        b = r(*x.shape[:-1], 2).to(x.dtype)
        g.add("linalg_solve", [x, b], L.solve)
        g.add("linalg_solve", [x, r(*x.shape[:-1]).to(x.dtype)], L.solve)
        g.add("linalg_solve_ex", [x, b], torch.linalg.solve_ex, grad=False)
        g.add("linalg_matrix_exp", [x * 0.3], L.matrix_exp)
        g.add("matrix_exp", [x * 0.5], torch.matrix_exp)
        for upper in (False, True):
            g.add("linalg_solve_triangular", [x, b], L.solve_triangular, upper=upper)
            g.add("linalg_solve_triangular", [x, b.mT.clone()], L.solve_triangular, upper=upper, left=False)
            g.add("linalg_solve_triangular", [x, b], L.solve_triangular, upper=upper, unitriangular=True)
            if x.numel():
                g.add("triangular_solve", [b, x, upper], torch.triangular_solve)
        for n in (0, 1, 2, 3, 5, -1, -2):
            if x.dtype == F64 or n < 3:  # in float32 what cancels is beyond the tolerance
                g.add("linalg_matrix_power", [x, n], L.matrix_power, grad=n != 0)
        s = x + x.mT
        for triangle in ("L", "U"):
            g.add("linalg_eigvalsh", [s, triangle], L.eigvalsh, grad=False)
            g.add("linalg_eigh", [s, triangle], lambda t, u: L.eigh(t, u)[:1], grad=False, some=True)
    g.add("linalg_solve", [well(), r(2, 3, 2)], torch.linalg.solve)
    g.add("linalg_solve", [well(4, 1), r(2, 3, 2)], torch.linalg.solve)
    g.add("linalg_solve", [well(), r(2, 3)], torch.linalg.solve, left=False)
    g.add("linalg_solve", [torch.zeros(2, 2), torch.ones(2)], torch.linalg.solve)
    g.add("linalg_solve", [well(), r(4)], torch.linalg.solve)
    g.add("linalg_inv", [torch.ones(2, 2)], L.inv)
    g.add("linalg_inv", [r(2, 3)], L.inv)
    g.add("linalg_det", [torch.ones(3, 3, dtype=F64)], L.det, grad=False)
    for x in (r(4, 3), r(3, 4), r(2, 4, 3), columns(r(2, 3, 4)), strided(4, 4), r(4, 3).float(), r(0, 4, 3), r(1, 1), r(20, 7)):
        g.add("linalg_qr", [x], L.qr)
        g.add("linalg_qr", [x, "r"], lambda t, m: L.qr(t, m)[1:] and (torch.empty(0, dtype=t.dtype), L.qr(t, m)[1]), grad=False)
        g.add("linalg_qr", [x, "complete"], L.qr, grad=x.shape[-2] <= x.shape[-1])
        g.add("qr", [x], torch.qr)
        g.add("geqrf", [x], torch.geqrf, grad=False)
        a, tau = torch.geqrf(x)
        if x.shape[-2] >= x.shape[-1]:
            g.add("linalg_householder_product", [a, tau], L.householder_product, grad=False)
            g.add("orgqr", [a, tau], torch.orgqr, grad=False)
        if x.numel() and x.dim() == 2 and x.shape[0] >= x.shape[1]:
            for left, transpose in ((True, False), (True, True), (False, False), (False, True)):
                c = r(x.shape[0], 5) if left else r(5, x.shape[0])
                g.add("ormqr", [a, tau, c.to(x.dtype), left, transpose], torch.ormqr, grad=False)
        g.add("linalg_svdvals", [x], L.svdvals)
        g.add("linalg_pinv", [x], lambda t: L.pinv(t))
        g.add("pinverse", [x], torch.pinverse)
        if x.numel():
            g.add("linalg_matrix_rank", [x], lambda t: L.matrix_rank(t), grad=False)
            b = r(*x.shape[:-1], 2).to(x.dtype)
            for driver in ("gels", "gelsd", "gelss"):  # gelsy begins with memory that PyTorch leaves as it was
                g.add("linalg_lstsq", [x, b], lambda t, u, driver: L.lstsq(t, u, driver=driver)[:1], grad=False, some=True, driver=driver)
        for p in (2, -2, 1, -1, INF, -INF):
            if x.numel():
                g.add("linalg_matrix_norm", [x, p], lambda t, q: L.matrix_norm(t, q))
                g.add("linalg_norm", [x, p, [-2, -1]], lambda t, q, d: L.norm(t, q, d))
                if x.shape[-1] == x.shape[-2] or p in (2, -2):
                    g.add("linalg_cond", [x, p], lambda t, q: L.cond(t, q), grad=False)
        for p in ("fro", "nuc"):
            if x.numel():
                g.add("linalg_matrix_norm.str_ord", [x, p], lambda t, q: L.matrix_norm(t, q))
                g.add("linalg_norm.ord_str", [x, p, [-2, -1]], lambda t, q, d: L.norm(t, q, d))
        if x.numel():
            g.add("nuclear_norm.dim", [x, [-2, -1]], lambda t, d: torch.norm(t, "nuc", d))
        if x.dim() == 2:
            g.add("nuclear_norm", [x], lambda t: torch.norm(t, "nuc"))
    for x in (well(), well(2), well().float()):
        g.add("linalg_cond.p_str", [x, "fro"], lambda t, q: L.cond(t, q), grad=False)
        g.add("linalg_cond.p_str", [x, "nuc"], lambda t, q: L.cond(t, q), grad=False)
    return g


def vectors():
    g = Golden()
    L = torch.linalg
    for x in (r(5), r(3, 4), strided(3, 4), r(2, 3, 4).permute(2, 0, 1), r(0, 3), r(), r(3, 4).float(), r(2, 0)):
        for p in (2, 1, 0, 3.5, -1.5, INF, -INF):
            g.add("linalg_vector_norm", [x, p], L.vector_norm)
            if x.dim() > 1:
                g.add("linalg_vector_norm", [x, p, [1], True], lambda t, q, d, k: L.vector_norm(t, q, d, k))
        g.add("linalg_norm", [x], L.norm)
        g.add("frobenius_norm", [x], lambda t: torch.norm(t, "fro"))
        if x.dim() > 1:
            g.add("frobenius_norm.dim", [x, [-2, -1], True], lambda t, d, k: torch.norm(t, "fro", d, k))
            for p in (1, 2, 3.0):
                g.add("renorm", [x, p, 0, 0.7], torch.renorm)
                g.add("renorm", [x, p, -1, 2.0], torch.renorm)
        g.add("norm.ScalarOpt_dim", [x, 2.0, [0]], lambda t, p, d: torch.norm(t, p, d) if t.dim() else torch.norm(t, p))
        g.add("norm.ScalarOpt_dim", [x, 3.0, [-1], True], lambda t, p, d, k: torch.norm(t, p, d, k) if t.dim() else torch.norm(t, p))
        if x.dtype == F64:
            g.add("norm.ScalarOpt_dtype", [x.float(), 2], lambda t, p, dtype: torch.norm(t, p, dtype=dtype), grad=False, dtype=F64)
            if x.dim():
                g.add("norm.ScalarOpt_dim_dtype", [x.float(), 2, [0], False],
                      lambda t, p, d, k, dtype: torch.norm(t, p, d, k, dtype=dtype), grad=False, dtype=F64)
    g.add("linalg_vector_norm", [torch.tensor([1.0, NAN, 2.0])], L.vector_norm)
    g.add("linalg_vector_norm", [ints(0, 5, 4)], L.vector_norm)
    chains = ([(2, 3), (3, 4)], [(2, 3), (3, 4), (4, 1)], [(5, 2), (2, 6), (6, 3), (3, 4)], [(3,), (3, 4), (4,)], [(3,), (3, 2)], [(2, 3), (3,)],
              [(0, 3), (3, 2), (2, 2)], [(2, 3), (4, 2)], [(7, 2), (2, 9), (9, 1), (1, 8), (8, 2)])
    for sizes in chains:
        g.add("linalg_multi_dot", [[r(*s) for s in sizes]], L.multi_dot)
    for x in (r(4), strided(4), r(2, 3), r(3).float(), torch.arange(4), r(0)):
        for n in (None, 2, 5):
            g.add("linalg_vander", [x], L.vander, N=n)
            if x.dim() == 1:
                g.add("vander", [x, n], torch.vander)
                g.add("vander", [x, n, True], torch.vander)
    for x, y in ((r(3), r(3)), (r(2, 3), r(3)), (r(2, 3), r(2, 1)), (strided(4, 3), strided(4, 3)), (r(0, 3), r(3)), (r(2, 0), r(2, 0)), (r(3), r(4))):
        g.add("linalg_vecdot", [x, y], L.vecdot)
        if x.dim() > 1:
            g.add("linalg_vecdot", [x, y], L.vecdot, dim=0)
        g.add("linalg_matmul", [x, y.mT if y.dim() > 1 else y], L.matmul)
    for x in (r(3, 4), r(2, 3, 3), strided(3, 3)):
        for k in (0, 1, -1):
            g.add("linalg_diagonal", [x], L.diagonal, offset=k)
        g.add("linalg_diagonal", [x], L.diagonal, dim1=0, dim2=1)
    g.add("linalg_tensorinv", [r(4, 6, 8, 3), 2], L.tensorinv)
    g.add("linalg_tensorinv", [r(6, 2, 3), 1], L.tensorinv)
    g.add("linalg_tensorinv", [r(4, 2, 3), 1], L.tensorinv)
    g.add("linalg_tensorsolve", [r(2, 3, 6), r(2, 3)], L.tensorsolve)
    g.add("linalg_tensorsolve", [r(6, 4, 2, 3, 4), r(4, 6)], lambda a, b, dims: L.tensorsolve(a, b, dims), dims=[0, 2])
    for x, y, d in ((r(4, 3), r(4, 3), -1), (r(3, 4), r(3, 4), 0), (r(2, 3), r(3), -1), (strided(5, 3), r(5, 3), 1), (r(4, 2), r(4, 2), -1),
                    (r(0, 3), r(0, 3), -1), (ints(0, 9, 3), ints(0, 9, 3), -1)):
        g.add("cross", [x, y, d], torch.cross)
        g.add("linalg_cross", [x, y], torch.linalg.cross, dim=d)
    return g
