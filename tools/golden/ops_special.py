"""Samples for make_ops.py of torch.special, and of the overloads that say with numbers, lists and other names what another row does."""

import torch
import torch.nn.functional as F

from golden_ops import F64, INF, NAN, Golden, ints, pos, r, strided, unit

A = torch.ops.aten
S = torch.special


def special():
    g = Golden()
    edges = torch.tensor([0.0, 1.0, -1.0, 0.5, INF, -INF, NAN, -0.0, 1e-30, 40.0], dtype=F64)
    wide = torch.linspace(-30, 30, 41, dtype=F64)
    for n in ("entr", "erfcx", "ndtr", "ndtri", "log_ndtr", "i0e", "i1", "i1e", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"):
        f = getattr(S, n)
        graded = not n.startswith("bessel")
        low, high = {"erfcx": (-5, 30), "bessel_y1": (-30, 5)}.get(n, (-30, 30))  # PyTorch 1.13's y1 is off by 1e-7 from 5 on
        for x in (unit(3, 4), strided(3, 4, make=unit), unit(0, 2), unit(), unit(4, 3).t(), unit(5).float(), pos(4) * 9):
            g.add("special_" + n, [x], f, grad=graded)
        g.add("special_" + n, [edges], f, grad=False)
        g.add("special_" + n, [wide.clamp(low, high)], f, grad=graded and n not in ("ndtri", "entr"))
        g.add("special_" + n, [torch.linspace(0, 5 if n == "bessel_y1" else 60, 61, dtype=F64) if n != "ndtri" else torch.linspace(0, 1, 51, dtype=F64)], f, grad=False)
        g.add("special_" + n, [ints(-3, 4, 5)], f, grad=False)
        g.add("special_" + n, [torch.tensor([True, False])], f, grad=False)
    g.add("special_ndtri", [torch.tensor([1e-300, 1e-20, 1e-5, 0.3, 0.7, 1 - 1e-9], dtype=F64)], S.ndtri)
    g.add("special_log_ndtr", [torch.tensor([-200.0, -38.0, -5.0, -1.0, 6.0], dtype=F64)], S.log_ndtr)
    pairs = ((r(3, 4), pos(4)), (strided(3, 4), pos(3, 1)), (r(), pos(2)), (r(0, 4), pos(4)), (r(4, 3).t(), pos(3, 4)), (r(3).float(), pos(3).float()),
             (ints(-3, 4, 5), ints(1, 5, 5)), (ints(0, 3, 4), pos(4)))
    odd = (torch.tensor([0.0, 0.0, 0.0, 0.0, 2.0, NAN, INF], dtype=F64), torch.tensor([0.0, NAN, INF, 2.0, -3.0, 1.0, 2.0], dtype=F64))
    for n, f in (("xlogy.Tensor", torch.xlogy), ("special_xlog1py", S.xlog1py), ("special_xlogy", S.xlogy)):
        for x, y in pairs:
            g.add(n, [x, y], f)
        g.add(n, list(odd), f, grad=False)
        # where x is 0: the gradient is the logarithm, but 0 where that is not defined
        g.add(n, [torch.zeros(4, dtype=F64), torch.tensor([0.5, 3.0, 1.0, -2.0], dtype=F64)], f)
    for x, y in ((torch.tensor([2.0, 1.5, 3.0, 10.0], dtype=F64), pos(4)), (pos(3, 1) + 1.1, pos(4)), (strided(2, 3, make=lambda *s: pos(*s) + 1.5), strided(2, 3, make=pos) * 30),
                 (pos(3).float() + 2, pos(3).float()), (pos(0) + 2, pos(0)), (ints(2, 5, 3), ints(1, 5, 3)),
                 (torch.tensor([1.0, 0.5, 2.0, 2.0, 3.0, 2.5, 2.0, NAN, 2.0, 2.0, 3.0], dtype=F64), torch.tensor([2.0, 2.0, 0.0, -1.0, -0.5, -0.5, INF, 1.0, NAN, -7.25, -3.5], dtype=F64))):
        g.add("special_zeta", [x, y], S.zeta, grad=False)
        if y.dtype == F64 and not y.isnan().any():  # PyTorch has a derivative by the second alone
            g.add("special_zeta", [x.float(), y.abs() + 0.5], S.zeta)
    for x in (pos(3, 4), strided(2, 3, make=pos), pos(), pos(0), pos(4).float(), ints(1, 4, 3)):
        for v in (2.0, 0, 1.5):
            for n, f in (("xlogy.Scalar_Other", torch.xlogy), ("special_xlog1py.other_scalar", S.xlog1py)):
                g.add(n, [x, v], f)
            for n, f in (("xlogy.Scalar_Self", torch.xlogy), ("special_xlog1py.self_scalar", S.xlog1py)):
                g.add(n, [v, x], f)
        g.add("special_zeta.other_scalar", [x + 1, 1.5], S.zeta, grad=False)
        g.add("special_zeta.self_scalar", [3, x], S.zeta, grad=False)
    for x in (unit(3, 4), strided(3, 4, make=unit), unit(0, 2), unit(), unit(4, 3).t(), unit(5).float(), ints(1, 4, 5)):
        for n in ("digamma", "psi", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0", "log1p", "sinc", "logit"):
            g.add("special_" + n, [x], getattr(S, n))
        for n in ("gammainc", "gammaincc"):
            g.add("special_" + n, [x.detach() + 1, x.detach().clone()], getattr(S, n), grad=False)
        g.add("special_multigammaln", [x + 1.5, 2], S.multigammaln)
        g.add("special_polygamma", [1, x + 1], S.polygamma)
        g.add("special_round", [x * 100], S.round, decimals=1)
        g.add("special_round", [x * 100], S.round)
        for n in ("log_softmax", "softmax"):
            g.add("special_" + n, [x, -1], getattr(S, n))
            g.add("special_" + n, [x, 0], lambda t, d, dtype, f=getattr(S, n): f(t, d, dtype=dtype), dtype=F64)
        g.add("special_logsumexp", [x, [0]], S.logsumexp)
        g.add("special_logsumexp", [x, [-1], True], S.logsumexp)
        g.add("angle", [x - 0.5], torch.angle)
    g.add("angle", [edges], torch.angle, grad=False)
    return g


def overloads():
    g = Golden()
    floats = (r(3, 4), strided(3, 4), r(), r(0, 4), r(4, 3).t(), r(5).float())
    whole = (ints(0, 9, 3, 4), ints(0, 9, 4, 3).t(), ints(0, 9), ints(0, 9, 0), ints(0, 9, 5, dtype=torch.int8), ints(0, 2, 4, dtype=torch.uint8))
    for x in whole:
        for n in ("and", "or", "xor"):
            g.add(f"bitwise_{n}.Scalar_Tensor", [5, x], getattr(torch, "bitwise_" + n), grad=False)
            g.add(f"bitwise_{n}.Scalar_Tensor", [True, x > 3], getattr(torch, "bitwise_" + n), grad=False)
        for n in ("left", "right"):
            f = getattr(torch, f"bitwise_{n}_shift")
            g.add(f"bitwise_{n}_shift.Tensor_Scalar", [x, 2], f, grad=False)
            g.add(f"bitwise_{n}_shift.Scalar_Tensor", [3, x.clamp(0, 4)], f, grad=False)
        g.add("remainder.Scalar_Tensor", [7, x + 1], torch.remainder, grad=False)
        g.add("floor_divide.Scalar", [x, 2], torch.floor_divide, grad=False)
        g.add("isin.Tensor_Scalar", [x, 1], torch.isin, grad=False)
        g.add("isin.Tensor_Scalar", [x, 1], torch.isin, grad=False, invert=True)
        if x.dim() <= 1:
            g.add("repeat_interleave.Tensor", [x.long()], torch.repeat_interleave, grad=False)
        g.add("count_nonzero.dim_IntList", [x, [0]], torch.count_nonzero, grad=False)
        g.add("count_nonzero.dim_IntList", [x, list(range(x.dim()))], torch.count_nonzero, grad=False)
        g.add("where", [x > 3], lambda c: torch.where(c), grad=False)
        g.add("where", [x], lambda c: torch.where(c), grad=False)
    g.add("isin.Scalar_Tensor", [1, ints(0, 3, 9)], torch.isin, grad=False)
    g.add("isin.Scalar_Tensor", [7, ints(0, 3, 9)], torch.isin, grad=False, invert=True)
    for x in floats:
        y = r(*x.shape).to(x.dtype)
        g.add("copysign.Scalar", [x, -2.5], torch.copysign)
        g.add("copysign.Scalar", [x, 1], torch.copysign)
        g.add("floor_divide.Scalar", [x, 0.4], torch.floor_divide, grad=False)
        g.add("remainder.Scalar_Tensor", [1.5, x], torch.remainder, grad=False)
        g.add("float_power.Tensor_Scalar", [x, 2], torch.float_power)
        g.add("float_power.Tensor_Scalar", [x.abs() + 0.1, 1.5], torch.float_power)
        g.add("float_power.Scalar", [2, x], torch.float_power)
        g.add("clamp_min.Tensor", [x, y], torch.clamp_min)
        g.add("clamp_max.Tensor", [x, y], torch.clamp_max)
        g.add("clip.Tensor", [x, y, y + 0.5], torch.clip)
        g.add("clip.Tensor", [x, None, y], torch.clip)
        g.add("divide.Scalar", [x, 3], torch.divide)
        g.add("true_divide.Scalar", [x, 3], torch.true_divide)
        g.add("divide.Scalar_mode", [x, 0.7], torch.divide, rounding_mode="floor")
        g.add("divide.Tensor_mode", [x, y], torch.divide, rounding_mode="trunc")
        g.add("multiply.Scalar", [x, 3], torch.multiply)
        g.add("subtract.Scalar", [x, 3, 2], A.subtract)
        for n in ("greater", "greater_equal", "less", "less_equal", "not_equal"):
            g.add(n + ".Scalar", [x, 0.25], getattr(torch, n), grad=False)
        for d in (2, -1, 0):
            g.add("round.decimals", [x * 50], torch.round, decimals=d)
        for n in ("std_mean", "var_mean"):
            f = getattr(torch, n)
            if x.dim():
                g.add(n + ".dim", [x, [0]], f)
                g.add(n + ".dim", [x, [0, -1] if x.dim() > 1 else [0], False, True], f)
                g.add(n + ".correction", [x, [-1]], lambda t, d, correction, keepdim, f=f: f(t, d, correction=correction, keepdim=keepdim), correction=2, keepdim=True)
            g.add(n + ".correction", [x, None], lambda t, d, correction, f=f: f(t, d, correction=correction), correction=0)
        if x.dim() == 2:
            for n in ("movedim", "moveaxis"):
                g.add(n + ".int", [x, 0, 1], getattr(torch, n))
                g.add(n + ".int", [x, -1, 0], getattr(torch, n))
            g.add("split.sizes", [x, [1, x.shape[1] - 1], 1], torch.split)
            g.add("tensor_split.tensor_indices_or_sections", [x, torch.tensor(2), 1], torch.tensor_split)
            g.add("tensor_split.tensor_indices_or_sections", [x, torch.tensor([1, 2]), -1], torch.tensor_split)
            g.add("narrow.Tensor", [x, 1, torch.tensor(1), 2], lambda t, d, s, n: torch.narrow(t, d, s, n))
            g.add("narrow.Tensor", [x, 1, torch.tensor(-2), 2], lambda t, d, s, n: torch.narrow(t, d, s, n))
            for how in ("add", "multiply"):
                index = ints(0, max(x.shape[0], 1), 2, 3) if x.shape[0] else ints(0, 1, 0, 3)
                g.add("scatter.reduce", [x, 0, index, r(*index.shape).to(x.dtype)], lambda t, d, i, s, reduce: t.scatter(d, i, s, reduce=reduce), grad=False, reduce=how)
                g.add("scatter.value_reduce", [x, 0, index, 1.5], lambda t, d, i, v, reduce: t.scatter(d, i, v, reduce=reduce), grad=False, reduce=how)
        if x.dim() and x.shape[0]:
            g.add("index_fill.int_Tensor", [x, 0, torch.tensor([0, x.shape[0] - 1]), r().to(x.dtype)], torch.index_fill)
            g.add("index_fill.int_Tensor", [x, -1, torch.tensor([0, 2]), r().to(x.dtype)], torch.index_fill)
    g.add("scatter.reduce", [r(3, 3), 0, ints(0, 3, 2, 3), r(2, 3)], lambda t, d, i, s, reduce: t.scatter(d, i, s, reduce=reduce), reduce="mean")
    g.add("index_fill.int_Tensor", [r(3), 0, torch.tensor([0]), r(1)], torch.index_fill)
    for x in (r(3, 4), r(2, 3, 4), strided(3, 4), r(2, 2, 0), r(), r(5), r(4, 3).t().float()):
        for n in ("adjoint", "mT", "mH"):
            g.add(n, [x], (lambda t: t.adjoint()) if n == "adjoint" else lambda t, n=n: getattr(t, n))
        g.add("matrix_H", [x], lambda t: t.H)
        g.add("numpy_T", [x], lambda t: A.numpy_T(t))
    for n in (1, 2, 3):
        f = getattr(F, f"conv{n}d")
        for mode in ("same", "valid"):
            for size in (3, 2):
                x, w = r(2, 4, *[5, 4, 3][:n]), r(4, 2, *[size] * n)
                g.add(f"conv{n}d.padding", [x, w, r(4), [1] * n, mode, [1] * n, 2], f)
                g.add(f"conv{n}d.padding", [x, r(3, 4, *[2] * n), None, [1] * n, mode, [2 if n == 1 else 1] * n], f)
            g.add(f"conv{n}d.padding", [x, w, None, [2] * n, mode, [1] * n, 2], f)
        g.add(f"conv{n}d.padding", [x, w, None, [1] * n, "sane", [1] * n, 2], f)
    for pad in (0, 1, 2):
        g.add("conv_tbc", [r(5, 2, 3), r(2, 3, 4), r(4), pad], torch.conv_tbc)
        g.add("conv_tbc", [r(4, 2, 3), strided(3, 3, 2).contiguous(), r(2), pad], torch.conv_tbc)
    g.add("conv_tbc", [r(5, 3), r(2, 3, 4), r(4)], torch.conv_tbc)
    for reduction in (0, 1, 2):
        logs = r(6, 2, 4).log_softmax(-1)
        g.add("ctc_loss.IntList", [logs, ints(1, 4, 2, 3), [6, 5], [3, 2], 0, reduction], A.ctc_loss, grad=False)  # PyTorch's gradient is of logits: ctc_loss.Tensor has it
        g.add("ctc_loss.IntList", [logs.detach(), ints(1, 4, 2, 3), [6, 1], [3, 2], 0, reduction, True], A.ctc_loss, grad=False)
    for x in (r(5), r(3, 4), strided(4, 3), r(4, 5).t(), r(3, 3, 4), r(4).float(), ints(0, 9, 6), r(2, 3)):
        for order in (1, 2):
            g.add("gradient.scalarint", [x], lambda t, edge_order: torch.gradient(t, edge_order=edge_order), edge_order=order)
            g.add("gradient.scalarint", [x], lambda t, spacing, dim, edge_order: torch.gradient(t, spacing=spacing, dim=dim, edge_order=edge_order), spacing=0.5, dim=-1, edge_order=order)
            g.add("gradient.array", [x], lambda t, dim, edge_order: torch.gradient(t, dim=dim, edge_order=edge_order), dim=[0], edge_order=order)
            g.add("gradient.scalararray", [x], lambda t, spacing, dim, edge_order: torch.gradient(t, spacing=spacing, dim=dim, edge_order=edge_order), spacing=2.0, dim=[-1, 0] if x.dim() > 1 else [0], edge_order=order)
            at = [torch.rand(n, dtype=F64).cumsum(0) + 0.1 * torch.arange(n) for n in x.shape]
            if x.dtype == F64:
                for dims in ([0], list(range(x.dim()))):
                    g.add("gradient.tensorarray", [x], lambda t, spacing, dim, edge_order: torch.gradient(t, spacing=spacing, dim=dim, edge_order=edge_order),
                          spacing=[at[d] for d in dims], dim=dims, edge_order=order)
                g.add("gradient.tensorarrayint", [x], lambda t, spacing, edge_order: torch.gradient(t, spacing=spacing, edge_order=edge_order), spacing=at, edge_order=order)
    g.add("gradient.scalarint", [r(4)], lambda t, edge_order: torch.gradient(t, edge_order=edge_order), edge_order=3)
    for mode in (0, 1, 2):
        for padding in (0, 1, 2):
            for corners in (False, True):
                x, grid = r(2, 2, 3, 4, 3), r(2, 2, 3, 2, 3)
                g.add("grid_sampler_3d", [x, grid, mode, padding, corners], A.grid_sampler_3d)
                g.add("grid_sampler", [x, grid, mode, padding, corners], A.grid_sampler)
                g.add("grid_sampler", [r(1, 2, 4, 3), r(1, 3, 2, 2), mode, padding, corners], A.grid_sampler)
    g.add("grid_sampler_3d", [strided(1, 2, 3, 3, 3), strided(1, 2, 2, 2, 3), 0, 0, False], A.grid_sampler_3d)
    for corners in (False, True):
        for size in ([2, 1, 3, 4, 2], [2, 3, 1, 2, 2]):
            g.add("affine_grid_generator", [r(2, 3, 4), size, corners], A.affine_grid_generator)
            g.add("affine_grid_generator", [strided(2, 3, 4), size, corners], A.affine_grid_generator)
    return g
