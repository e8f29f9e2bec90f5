"""Samples for make_ops.py of what the other families leave: backward kernels, copies and fills, order statistics."""

import torch
import torch.nn.functional as F

from golden_ops import F64, INF, NAN, Golden, ints, pos, r, strided, unit

A = torch.ops.aten


def plain():
    g = Golden()
    pairs = ((r(3, 4), r(4)), (strided(3, 4), r(3, 1)), (r(), r(2)), (r(0, 4), r(4)), (r(4, 3).t(), r(3, 4)), (r(3).float(), r(3).float()),
             (ints(-9, 9, 5), ints(1, 5, 5)))
    for x, y in pairs:
        g.add("positive", [x])
        g.add("rsub.Tensor", [x, y])
        g.add("rsub.Tensor", [x, y], alpha=2)
        g.add("rsub.Scalar", [x, 3])
        g.add("rsub.Scalar", [x, 3, 2])
        g.add("div.Scalar_mode", [x, 2, ], torch.div, rounding_mode="floor")
        g.add("div.Scalar_mode", [x, 2.5], torch.div, rounding_mode="trunc")
        g.add("floor_divide", [x, y], torch.floor_divide, grad=False)
        g.add("pow.Scalar", [2, x], torch.pow)
        g.add("pow.Scalar", [2.5, x], torch.pow)
        if x.dtype != torch.int64:
            g.add("nextafter", [x, y], grad=False)
        g.add("max.other", [x, y], torch.max)
        g.add("min.other", [x, y], torch.min)
        g.add("where.ScalarOther", [x > 0, x, 2.0], torch.where)
        g.add("where.ScalarSelf", [x > 0, 2.0, y], torch.where)
        g.add("where.Scalar", [x > 0, 2.0, -1.0], torch.where)
        g.add("where.Scalar", [x > 0, 2, 3], torch.where)
        g.add("fill.Scalar", [x, 3])
        g.add("fill.Tensor", [x, r().to(x.dtype)])
        g.add("zero", [x], lambda t: torch.zeros_like(t))
        g.add("full_like", [x, 2.5])
        g.add("zeros_like", [x])
        g.add("ones_like", [x])
        g.add("new_zeros", [x, [2, 3]])
        g.add("new_full", [x, [2], 7])
        g.add("contiguous", [x], lambda t: t.contiguous())
        g.add("alias", [x])
        g.add("copy", [x, y.to(torch.float32)], lambda a, b: a.clone().copy_(b))
        g.add("copy", [x, y], lambda a, b: b.expand_as(a).to(a.dtype).clone() if b.dim() <= a.dim() else a.clone().copy_(b))
        g.add("to.dtype", [x, torch.float32], lambda t, d: t.to(d), grad=False)
        g.add("to.dtype", [x, torch.int32], lambda t, d: t.to(d), grad=False)
        g.add("to.other", [x, y.float()], lambda t, o: t.to(o), grad=False)
        g.add("expand_as", [y, x + y], lambda a, b: a.expand_as(b))
        g.add("view_as", [x.contiguous(), r(x.numel())], lambda a, b: a.view_as(b))
        g.add("_unsafe_view", [x.contiguous(), [x.numel()]])
        g.add("count_nonzero", [x > 0], torch.count_nonzero)
        g.add("count_nonzero", [x], torch.count_nonzero, grad=False)
        if x.dim():
            g.add("count_nonzero", [x, 0], torch.count_nonzero, grad=False)
            g.add("sum_to_size", [x, [1] * x.dim()], lambda t, s: t.sum_to_size(s))
            g.add("sum_to_size", [x, list(x.shape[-1:])], lambda t, s: t.sum_to_size(s))
            g.add("sort.stable", [x], lambda t, stable, dim: torch.sort(t, stable=stable, dim=dim), stable=True, dim=0)
            g.add("argsort.stable", [x], lambda t, stable, dim, descending: torch.sort(t, stable=stable, dim=dim, descending=descending)[1],
                  grad=False, stable=True, dim=-1, descending=True)
            keep = [0] if x.dim() == 1 else [0, 1]
            g.add("any.dims", [x > 0, keep], lambda t, d: t.any())
            g.add("all.dims", [x > 0, keep, True], lambda t, d, k: t.all().view([1] * t.dim()))
            if x.dtype == F64:
                for c in (0, 1, 2):
                    g.add("var.correction", [x, [0]], torch.var, correction=c)
                    g.add("std.correction", [x, [-1]], torch.std, correction=c, keepdim=True)
    for n in ("and", "or", "xor"):
        for x in (ints(0, 99, 5), ints(0, 99, 2, 3, dtype=torch.uint8), torch.rand(5) > 0.5, ints(0, 9, 0), strided(3, make=lambda *s: ints(0, 9, *s))):
            g.add(f"bitwise_{n}.Scalar", [x, 6], getattr(torch, f"bitwise_{n}"))
            g.add(f"bitwise_{n}.Scalar", [x, True], getattr(torch, f"bitwise_{n}"))
    for x in (r(1, 3, 1), r(1, 1, 2, 1), strided(1, 3)):
        g.add("squeeze.dims", [x, [0]], lambda t, d: t.squeeze(0))
        g.add("squeeze.dims", [x, [0, -1]], lambda t, d: t.squeeze(-1).squeeze(0))
    for s in (3, 2.5, True, -INF, NAN):
        for dtype in (F64, torch.float32, torch.bfloat16):
            g.add("scalar_tensor", [s], torch.scalar_tensor, dtype=dtype)
    g.add("ones", [[2, 3]])
    g.add("ones", [[0]])
    g.add("ones", [[2]], dtype=torch.int16)
    g.add("eye.m", [3, 4])
    g.add("eye.m", [0, 4])
    g.add("eye.m", [2, -1])
    for args in ([2, 5], [5, 2], [0, 0], [-3, 3], [1.5, 4]):
        g.add("arange.start", args)
    for x in (r(2, 3, 4), strided(2, 3, 4), r(2, 0, 4)):
        for d in (0, 2):
            g.add("select_backward", [x.select(d, 0), list(x.shape), d, 0])
            g.add("slice_backward", [x[:, :, 1:4:2], list(x.shape), 2, 1, 4, 2])
    for x in (r(3), r(5), strided(4), r(0), torch.arange(3), torch.randn(70)):
        g.add("dot", [x, x + 1])
    g.add("dot", [r(3), r(4)])
    for a, b in ((r(2, 3), r(3, 4)), (strided(3, 4), r(5, 4).t()), (r(0, 3), r(3, 4)), (r(2, 0), r(0, 4)), (r(3, 4).float(), r(4, 5).float()),
                 (ints(0, 9, 2, 3), ints(0, 9, 3, 2)), (r(2, 3), r(2, 3)), (r(40, 50), r(50, 30))):
        g.add("mm", [a, b])
        g.add("bmm", [torch.stack([a, a + 1]), torch.stack([b, b - 1])])
    g.add("mm", [r(3), r(3, 2)])
    g.add("bmm", [r(2, 3, 4), r(3, 4, 2)])
    for x in (r(2, 6, 3), r(1, 4, 2, 2), strided(2, 6, 2, 2)):
        g.add("native_channel_shuffle", [x, 2], F.channel_shuffle)
    g.add("true_divide.Tensor", [r(3, 4), pos(4)], torch.true_divide)
    g.add("true_divide.Tensor", [ints(0, 9, 4), ints(1, 9, 4)], torch.true_divide)
    return g


def backwards():
    g = Golden()
    for x in (r(3, 4), strided(3, 4), r(), r(0, 3), r(4, 3).t(), r(37), r(3, 4).float()):
        d = r(*x.shape).to(x.dtype)
        g.add("threshold_backward", [d, x, 0.1])
        g.add("sigmoid_backward", [d, torch.sigmoid(x)])
        g.add("tanh_backward", [d, torch.tanh(x)])
        g.add("gelu_backward", [d, x], grad=False)
        g.add("gelu_backward", [d, x], grad=False, approximate="tanh")
        g.add("silu_backward", [d, x], grad=False)
        if x.dim():
            for dim in (0, -1):
                g.add("_softmax", [x, dim, False])
                g.add("_log_softmax", [x, dim, False])
                g.add("_softmax_backward_data", [d, x.softmax(dim), dim, x.dtype], grad=False)
                g.add("_log_softmax_backward_data", [d, x.log_softmax(dim), dim, x.dtype], grad=False)
        for red in (0, 1, 2):
            y = torch.sigmoid(r(*x.shape).to(x.dtype))
            up = d if red == 0 else d.sum()
            g.add("mse_loss_backward", [up, x, y, red], grad=False)
            g.add("binary_cross_entropy_backward", [up, torch.sigmoid(x), y, None, red], grad=False)
            g.add("binary_cross_entropy_backward", [up, torch.sigmoid(x), y, y + 0.5, red], grad=False)
    for red in (0, 1, 2):
        for x, t in ((r(4, 5), torch.tensor([0, 4, -100, 2])), (r(5), torch.tensor(3)), (strided(4, 5), ints(0, 5, 4))):
            if x.dim() == 1 and not red:  # here PyTorch tells a total that it otherwise leaves at 0
                continue
            w = pos(5)
            g.add("nll_loss_forward", [x, t, w, red, -100], grad=False)
            out, total = A.nll_loss_forward(x, t, w, red, -100)
            g.add("nll_loss_backward", [torch.ones_like(out) * 1.5, x, t, w, red, -100, total], grad=False)
    for x, w, s in ((r(2, 4, 7, 8), r(6, 2, 3, 3), dict(groups=2, stride=[2, 1], padding=[1, 2])), (r(2, 3, 9), r(4, 3, 3), {}),
                    (r(1, 2, 5, 5, 5), r(3, 2, 2, 3, 2), {}), (strided(2, 3, 6, 6), r(4, 3, 3, 3), dict(padding=[1, 1])),
                    (r(2, 4, 5, 5), r(4, 1, 3, 3), dict(groups=4)), (r(1, 3, 12, 12), r(7, 3, 5, 5), dict(dilation=[2, 2]))):
        n = x.dim() - 2
        o = [s.get("stride", [1] * n), s.get("padding", [0] * n), s.get("dilation", [1] * n), False, [0] * n, s.get("groups", 1)]
        y = torch.ops.aten.convolution(x, w, None, *o)
        g.add("convolution_backward", [r(*y.shape), x, w, [w.shape[0]], *o, [True, True, True]], grad=False)
        g.add("convolution_backward", [r(*y.shape).float(), x.float(), w.float(), [w.shape[0]], *o, [True, True, True]], grad=False)
    y = A.convolution(r(2, 4, 5), r(4, 3, 3), None, [2], [0], [2], True, [0], 1)
    g.add("convolution_backward", [r(*y.shape), r(2, 4, 5), r(4, 3, 3), [3], [2], [0], [2], True, [0], 1, [True, True, True]], grad=False)
    for x in (r(2, 3, 7, 8), strided(2, 3, 7, 8), r(3, 7, 8), r(2, 3, 7, 8).float()):
        for k, s, p, dl, ceil in (([2, 2], [2, 2], [0, 0], [1, 1], False), ([3, 2], [2, 1], [1, 0], [1, 2], True)):
            y, i = A.max_pool2d_with_indices(x, k, s, p, dl, ceil)
            g.add("max_pool2d_with_indices_backward", [r(*y.shape).to(x.dtype), x, k, s, p, dl, ceil, i], grad=False)
            if dl == [1, 1]:
                y = A.avg_pool2d(x, k, s, p, ceil)
                g.add("avg_pool2d_backward", [r(*y.shape).to(x.dtype), x, k, s, p, ceil, True, None], grad=False)
                g.add("avg_pool2d_backward", [r(*y.shape).to(x.dtype), x, k, s, p, ceil, False, 3], grad=False)
        y, i = A.adaptive_max_pool2d(x, [3, 3])
        g.add("adaptive_max_pool2d_backward", [r(*y.shape).to(x.dtype), x, i], grad=False)
        for size in ([3, 3], [1, 1], [7, 8]):
            g.add("_adaptive_avg_pool2d_backward", [r(*x.shape[:-2], *size).to(x.dtype), x], grad=False)
    for x in (r(2, 2, 5, 6, 4), strided(2, 4, 4, 6)):
        y, i = A.max_pool3d_with_indices(x, [2, 2, 2])
        g.add("max_pool3d_with_indices_backward", [r(*y.shape), x, [2, 2, 2], [2, 2, 2], [0, 0, 0], [1, 1, 1], False, i], grad=False)
        g.add("avg_pool3d_backward", [r(*y.shape), x, [2, 2, 2], [2, 2, 2], [0, 0, 0], False, True, None], grad=False)
        g.add("_adaptive_avg_pool3d_backward", [r(*x.shape[:-3], 2, 3, 1), x], grad=False)
    for x in (r(4, 3, 5), r(4, 3), r(4, 3, 2, 6), r(4, 3, 5).float()):
        w, b = r(3).to(x.dtype), r(3).to(x.dtype)
        y, mean, rstd = torch.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)
        g.add("native_batch_norm_backward", [r(*y.shape).to(x.dtype), x, w, None, None, mean, rstd, True, 1e-5, [True, True, True]], grad=False)
        g.add("native_batch_norm_backward", [r(*y.shape).to(x.dtype), x, None, b, w.abs() + 1, None, None, False, 1e-5, [True, False, False]],
              lambda *a: A.native_batch_norm_backward(*a)[:1], grad=False, some=True)
        g.add("_native_batch_norm_legit", [x, w, b, b.clone(), w.abs() + 1, True, 0.1, 1e-5],
              lambda t, w, b, m, v, *a: torch.native_batch_norm(t, w, b, m.clone(), v.clone(), *a), grad=False)
        shape = list(x.shape[1:])
        lw = r(*shape).to(x.dtype)
        y, mean, rstd = A.native_layer_norm(x, shape, lw, lw, 1e-5)
        g.add("native_layer_norm_backward", [r(*y.shape).to(x.dtype), x, shape, mean, rstd, lw, lw, [True, True, True]], grad=False)
    for x in (r(2, 6, 5), r(2, 6, 3, 4), r(1, 6), r(2, 6, 5).float()):
        w = r(6).to(x.dtype)
        hw = x[0, 0].numel()
        y, mean, rstd = torch.native_group_norm(x, w, w, x.shape[0], 6, hw, 3, 1e-5)
        g.add("native_group_norm_backward", [r(*y.shape).to(x.dtype), x, mean, rstd, w, x.shape[0], 6, hw, 3, [True, True, True]], grad=False)
    for i in (torch.tensor([0, 1, 4, 4]), torch.tensor([[0, 2], [1, 1]]), torch.tensor(3), torch.tensor([], dtype=torch.int64)):
        for pad in (-1, 1):
            g.add("embedding_dense_backward", [r(*i.shape, 3), i, 5, pad, False], grad=False)
            g.add("embedding_dense_backward", [r(*i.shape, 3), i, 5, pad, True], grad=False)
    return g


def order():
    g = Golden()
    for x in (r(4, 5), strided(4, 5), r(7), r(2, 3, 4), torch.tensor([3.0, NAN, 1.0, 2.0, NAN], dtype=F64), r(5, 4).t(), r(3, 3).float(), r(1)):
        g.add("nanmedian", [x])
        g.add("nanmedian.dim", [x, -1], torch.nanmedian)
        g.add("nanmedian.dim", [x, 0, True], torch.nanmedian)
        g.add("mode", [x])
        q = torch.tensor([0.0, 0.3, 0.5, 1.0], dtype=x.dtype)
        for how in ("linear", "lower", "higher", "nearest", "midpoint"):
            g.add("quantile.scalar", [x, 0.3], torch.quantile, grad=False, interpolation=how)
            g.add("nanquantile", [x, q], torch.nanquantile, grad=False, interpolation=how)
        g.add("quantile.scalar", [x, 0.6, 0, True], torch.quantile)
        g.add("nanquantile", [x, q, -1], torch.nanquantile, grad=False)
        g.add("nanquantile.scalar", [x, 0.6, 0, True], torch.nanquantile)
        g.add("nanquantile.scalar", [x, 0.25], torch.nanquantile)
    g.add("nanmedian", [ints(0, 9, 5)])
    for x in (ints(0, 3, 9), ints(0, 3, 4, 6), torch.tensor([2, 1, 2, 1]), torch.tensor([[1.0, 2, 2], [3, 3, 1]]), torch.tensor([True, False, True])):
        g.add("mode", [x], lambda t: torch.mode(t)[:1], some=True)  # of equal ones the last is as good
        g.add("mode", [x, 0, True], lambda t, d, k: torch.mode(t, d, k)[:1], some=True)
    s = torch.tensor([1, 3, 5, 7])
    for right in (False, True):
        for v in (4, 3, 0, 9.5):
            g.add("searchsorted.Scalar", [s, v], torch.searchsorted, right=right)
            g.add("bucketize.Scalar", [v, s], torch.bucketize, right=right)
    g.add("searchsorted.Tensor", [torch.tensor([5, 1, 7, 3]), torch.tensor([3, 6])], torch.searchsorted, sorter=torch.tensor([1, 3, 0, 2]))
    g.add("searchsorted.Tensor", [s, torch.tensor([3, 6])], torch.searchsorted, side="right")
    for x in (r(20), strided(4, 5), torch.randn(9)):
        for density in (False, True):
            g.add("histogram.bin_ct", [x, 5], torch.histogram, grad=False, density=density)
            g.add("histogram.bin_ct", [x, 4], torch.histogram, grad=False, range=[-1.0, 1.0], weight=pos(*x.shape).to(x.dtype), density=density)
            g.add("histogram.bins_tensor", [x, torch.tensor([-2.0, -0.5, 0.1, 3.0], dtype=x.dtype)], torch.histogram, grad=False, density=density)
    for x in (torch.tensor([[1, 2], [3, 4], [1, 2]]), torch.tensor([[2.0, 2.0, 1.0], [5.0, 5.0, 0.0]]), torch.tensor([3, 1, 3]), torch.zeros(2, 3)):
        for d in range(-1, x.dim()):
            g.add("unique_dim", [x, d, True, True, True])
            g.add("unique_dim_consecutive", [x, d, True, True])
    for x in (torch.tensor([1, 1, 2, 2, 1]), torch.tensor([[1.0, 1.0], [2.0, 2.0]]), torch.tensor([], dtype=torch.int64)):
        g.add("unique_consecutive", [x, True, True], lambda t, a, b: torch.unique_consecutive(t, a, b))
        if x.numel():
            g.add("unique_consecutive", [x, True, True, 0], lambda t, a, b, d: torch.unique_consecutive(t, a, b, d))
    for x in (r(3, 4), strided(3, 4), r(0, 3)):
        g.add("rrelu_with_noise", [x, torch.zeros_like(x), 0.1, 0.3, False], grad=False)
    return g


def joins():
    g = Golden()
    lists = ([r(3), r(4)], [r(3, 1), r(1, 4)], [r(2, 3), r(2, 3)], [r(3)], [r(), r()], [strided(3), r(3)], [r(2, 3, 4), r(2, 3, 4)], [r(0), r(2)],
             [r(3, 2).t(), strided(2, 3)], [torch.arange(3), torch.arange(3)], [r(3).float(), r(3).float(), r(3).float()])
    for tensors in lists:
        g.add("broadcast_tensors", [tensors], lambda t: torch.broadcast_tensors(*t))
        for op in ("hstack", "vstack", "row_stack", "dstack", "column_stack"):
            g.add(op, [tensors], getattr(torch, op))
        for n in (1, 2, 3):
            g.add(f"atleast_{n}d", [tensors[0]], getattr(torch, f"atleast_{n}d"))
            g.add(f"atleast_{n}d.Sequence", [tensors], getattr(torch, f"atleast_{n}d"))
        for how in ("ij", "xy"):
            g.add("meshgrid.indexing", [tensors], lambda t, indexing: torch.meshgrid(*t, indexing=indexing), indexing=how)
        g.add("block_diag", [tensors], lambda t: torch.block_diag(*t), grad=tensors[0].numel() > 0)
        g.add("cartesian_prod", [tensors], lambda t: torch.cartesian_prod(*t))
        g.add("concatenate", [tensors], torch.concatenate if hasattr(torch, "concatenate") else torch.cat)
        g.add("chain_matmul", [tensors], lambda t: torch.linalg.multi_dot(t))
    for x in (r(4), strided(5), torch.arange(3), r(1), r(0), r(2, 2)):
        for k, again in ((2, False), (3, False), (2, True), (1, False), (0, False)):
            g.add("combinations", [x, k, again], torch.combinations)
    for x in (r(6), r(4, 6), strided(4, 6), r(2, 4, 6), r(6, 4).t(), r(0, 6), torch.arange(7)):
        for n in (1, 2, 3, 4):
            g.add("tensor_split.sections", [x, n], torch.tensor_split)
            g.add("tensor_split.sections", [x, n, -1], torch.tensor_split)
        for at in ([1, 3], [2], [3, 1], [-1], [9]):
            g.add("tensor_split.indices", [x, at], torch.tensor_split)
            g.add("tensor_split.indices", [x, at, -1], torch.tensor_split)
        for name in ("hsplit", "vsplit", "dsplit"):
            g.add(name + ".int", [x, 2], getattr(torch, name))
            g.add(name + ".int", [x, 5], getattr(torch, name))
            g.add(name + ".array", [x, [1, 2]], getattr(torch, name))
    return g


def calculus():
    g = Golden()
    for y in (r(5), r(3, 4), strided(3, 4), r(4, 3).t(), r(3, 1), r(2, 0), r(3, 4).float()):
        x = torch.sort(r(y.shape[-1]).to(y.dtype))[0]
        for n in ("trapezoid", "cumulative_trapezoid"):
            g.add(n + ".x", [y, x], getattr(torch, n))
            g.add(n + ".x", [y, y * y], getattr(torch, n))
            g.add(n + ".dx", [y], getattr(torch, n))
            g.add(n + ".dx", [y], getattr(torch, n), dx=0.5, dim=0)
        g.add("trapz.x", [y, x], torch.trapz)
        g.add("trapz.dx", [y], torch.trapz, dx=2.0)
        if y.dtype == F64 and y.numel() and y.shape[-1] > 1:
            n = y.shape[-1]
            g.add("cov", [y], torch.cov)
            g.add("cov", [y], torch.cov, correction=0)
            g.add("cov", [y], torch.cov, fweights=ints(1, 4, n))
            g.add("cov", [y], lambda t, aweights: torch.cov(t, aweights=aweights.detach()), aweights=pos(n).detach(), grad=False)
            g.add("cov", [y], lambda t, aweights, fweights: torch.cov(t, aweights=aweights.detach(), fweights=fweights), aweights=pos(n), fweights=ints(1, 4, n), grad=False)
            g.add("corrcoef", [y], torch.corrcoef)
    g.add("cov", [r(2, 3, 4)], torch.cov)
    for n in (0, 1, 2, 5, 8, 33):
        for periodic in (True, False):
            for name in ("bartlett", "blackman", "hann", "hamming", "kaiser"):
                g.add(f"{name}_window" + {"hamming": ".periodic_alpha_beta", "kaiser": ".beta"}.get(name, ".periodic"), [n, periodic],
                      getattr(torch, name + "_window"), dtype=F64)
    g.add("hamming_window.periodic_alpha_beta", [6, True, 0.5, 0.4], torch.hamming_window)
    g.add("kaiser_window.beta", [6, True, 4.0], torch.kaiser_window)
    for a, b in ((ints(-20, 20, 9), ints(-20, 20, 9)), (ints(0, 50, 3, 4), ints(0, 50, 4)), (torch.tensor(12), torch.tensor(18)), (ints(0, 9, 0), ints(0, 9, 0)),
                 (ints(0, 99, 6, dtype=torch.int32), ints(0, 99, 6, dtype=torch.int16)), (ints(0, 99, 5, dtype=torch.uint8), ints(0, 99, 5, dtype=torch.uint8)),
                 (ints(-9, 9, 4, 3).t(), ints(-9, 9, 3, 4)), (torch.tensor([0, 0, 5]), torch.tensor([0, 7, 0]))):
        g.add("gcd", [a, b], torch.gcd)
        g.add("lcm", [a, b], torch.lcm)
    g.add("gcd", [r(3), r(3)], torch.gcd)
    for x in (r(9), r(3, 4).float(), torch.tensor([0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 1e300, 3e-310], dtype=F64), strided(3, 4), r(), r(0), torch.tensor([1e-40, 65504.0, 0.125])):
        g.add("frexp.Tensor", [x], torch.frexp, grad=False)
        g.add("i0", [x.clamp(-80, 80)], torch.i0, grad=False)
    g.add("i0", [torch.linspace(-30, 30, 41, dtype=F64)], torch.i0, grad=False)
    for e, s in ((ints(0, 9, 5), ints(0, 9, 4)), (ints(0, 9, 3, 4), ints(0, 9, 2)), (r(4), r(4)), (torch.arange(5), torch.tensor([], dtype=torch.int64)),
                 (torch.tensor([1.0, NAN, 2.0]), torch.tensor([NAN, 2.0])), (ints(0, 3, 4, dtype=torch.int8), ints(0, 3, 3)), (ints(0, 9, 4, 2).t(), torch.tensor(3))):
        g.add("isin.Tensor_Tensor", [e, s], torch.isin, grad=False)
        g.add("isin.Tensor_Tensor", [e, s], torch.isin, grad=False, invert=True)
    for args in ([0.0, 2.0, 5], [1.0, -1.0, 4], [0, 3, 1], [0, 0, 0], [-2.0, 2.0, 9, 2.0]):
        g.add("logspace", args, torch.logspace, dtype=F64)
        g.add("logspace", args, torch.logspace)
    a, x = pos(4, 5) * 5, pos(4, 5) * 6
    for p, z in ((a, x), (a, x[0]), (strided(3, 4, make=pos), strided(3, 4, make=pos)), (pos(3) * 40, pos(3) * 40), (pos(0), pos(0)), (pos(3, 3).float(), pos(3, 3).float()),
                 (torch.tensor([0.0, 1.0, 0.0, INF, 1.0, -1.0, 2.0], dtype=F64), torch.tensor([1.0, 0.0, 0.0, 1.0, INF, 1.0, -1.0], dtype=F64))):
        for n in ("igamma", "igammac"):
            g.add(n, [p, z], getattr(torch, n), grad=False)  # the first has no derivative
    for x in (pos(5), pos(3, 4) * 9, strided(2, 3, make=pos), pos(4).float(), torch.tensor([0.5, 1, 10, 100, 1000], dtype=F64)):
        for n in (0, 1, 2, 5):
            g.add("polygamma", [n, x], torch.polygamma)
        g.add("mvlgamma", [x + 1.5, 3], torch.mvlgamma)
        g.add("mvlgamma", [x + 1, 1], torch.mvlgamma)
    g.add("polygamma", [1, torch.tensor([-0.5, -1.3, 0.2, -7.7], dtype=F64)], torch.polygamma)
    return g


def selecting_more():
    g = Golden()
    i = torch.tensor([0, 2, 2, 1])
    for x in (pos(4, 3), strided(4, 3, make=pos), pos(4, 3, 2), pos(3, 4).t(), pos(4, 3).float()):
        for how in ("prod", "mean", "amax", "amin"):
            for inside in (True, False):
                source = pos(4, *x.shape[1:]).to(x.dtype)
                g.add("index_reduce", [x, 0, i, source, how], lambda t, d, j, s, h, include_self: t.index_reduce(d, j, s, h, include_self=include_self),
                      grad=how != "mean" or True, include_self=inside)
        g.add("put", [x, torch.tensor([0, 5, -1]), pos(3).to(x.dtype)], lambda t, j, s: t.put(j, s))
        g.add("put", [x, torch.tensor([[0, 0], [2, 2]]), pos(2, 2).to(x.dtype), True], lambda t, j, s, a: t.put(j, s, a))
        g.add("narrow_copy", [x, 0, 1, 2], torch.narrow_copy)
        g.add("narrow_copy", [x, 1, 0, 3], torch.narrow_copy)
        if x.is_contiguous():
            g.add("as_strided_scatter", [x, pos(2, 2).to(x.dtype), [2, 2], [3, 1], 1], torch.as_strided_scatter, grad=False)  # PyTorch: also of what is written over
            g.add("as_strided_scatter", [x, pos(2).to(x.dtype), [2], [4]], torch.as_strided_scatter, grad=False)
        g.add("fill_diagonal_", [x], lambda t, fill_value: t.clone().fill_diagonal_(fill_value), grad=False, fill_value=7.0)
    for x in (r(7, 3), r(3, 7), r(3, 3, 3), r(8, 2), r(3), r(2, 3, 2)):
        g.add("fill_diagonal_", [x], lambda t, fill_value, wrap: t.clone().fill_diagonal_(fill_value, wrap), grad=False, fill_value=2.5, wrap=True)
    return g
