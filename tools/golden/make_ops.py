"""Makes tests/golden/ops/*.safetensors: what PyTorch computes with single operations, for the conformance suite.

    python tools/golden/make_ops.py tests/golden/ops        (with torch 1.13; the same bytes each time; the format: golden_ops.py)
"""

import pathlib
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import torch
import torch.nn.functional as F

from golden_ops import F64, INF, NAN, Golden, ints, pos, r, strided, unit
from ops_dtypes import other_dtypes
from ops_linalg import factorisations, vectors
from ops_rest import backwards, calculus, joins, order, plain, selecting_more
from ops_sequences import attention, recurrent
from ops_special import overloads, special

EXTREME = [NAN, INF, -INF, 0.0, -0.0, 1e-310, 1e300, -1e300, 0.5, -2.5]


def unary():
    g = Golden()
    refs = {"log_sigmoid": F.logsigmoid, "isfinite": torch.isfinite, "relu6": F.relu6, "isinf": torch.isinf}
    anywhere = """abs neg sign floor ceil trunc round exp exp2 expm1 sin cos tan atan sinh cosh tanh asinh erf erfc sigmoid square
        frac relu silu gelu elu softplus leaky_relu log_sigmoid relu6 hardtanh isnan isinf isfinite""".split()
    halves = "abs neg sign floor ceil trunc round relu sqrt".split()
    for n in anywhere:
        for x in (r(3, 4), strided(3, 4), r(), r(0, 3), r(4, 3).t(), r(1, 5).expand(2, 5), r(37)):
            g.add(n, [x], refs.get(n))
        g.add(n, [torch.tensor(EXTREME, dtype=F64)], refs.get(n), grad=False)
        for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool):
            g.add(n, [(torch.randn(3, 3) * 3).to(dtype)], refs.get(n))
        if n in halves:
            g.add(n, [torch.randn(7).half()], refs.get(n))
    for n in "sqrt rsqrt reciprocal log log2 log10 log1p lgamma acosh".split():
        for x in (pos(3, 4) + 1, pos() + 1, pos(0), strided(2, 5, make=pos) + 1):
            g.add(n, [x])
        for x in (torch.arange(1, 6), torch.tensor(EXTREME, dtype=F64), torch.rand(17) + 1, torch.tensor([True])):
            g.add(n, [x], grad=False)
    for n in "asin acos atanh erfinv".split():
        for x in (unit(3, 4), unit(), strided(2, 3, make=unit)):
            g.add(n, [x])
        g.add(n, [torch.tensor([NAN, 1.0, -1.0, 2.0, 0.0])], grad=False)
    for n in ("digamma",):
        g.add(n, [pos(3, 4) + 1], grad=False)
    for x in (ints(0, 99, 5), ints(0, 99, 2, 3, dtype=torch.uint8), ints(-9, 9, 4, dtype=torch.int8), ints(-9, 9, 3, 3).t(), ints(0, 9, 0)):
        g.add("bitwise_not", [x])
        g.add("logical_not", [x])
    g.add("bitwise_not", [torch.rand(5) > 0.5])
    g.add("bitwise_not", [torch.rand(5)])
    g.add("logical_not", [ints(0, 2, 5)])
    g.add("logical_not", [torch.tensor([0.0, NAN, -0.0, 3.0])])
    g.add("clamp", [r(5, 5), -0.5, 0.5])
    g.add("clamp", [r(5, 5), None, 0.5])
    g.add("clamp", [torch.tensor([NAN, INF, -INF]), -1.0, 1.0])
    g.add("clamp", [ints(-9, 9, 7), -2, 3])
    g.add("clamp", [ints(-9, 9, 7), -2.5, 3])
    g.add("clamp", [r(3), None, None])
    g.add("clamp_min", [r(5), 0.1])
    g.add("clamp_min", [r(2, 6), 0.1])
    g.add("clamp_max", [r(5), 0.1])
    g.add("clamp_max", [r(2, 6), 0.1])
    g.add("clamp.Tensor", [r(5), r(5) - 1, r(5) + 1])
    g.add("clamp.Tensor", [r(5), None, r(5)])
    g.add("clamp.Tensor", [r(3, 5), r(5) - 1, r(3, 1) + 1])
    return g


def binary():
    g = Golden()
    names = "add sub mul div maximum minimum atan2 fmod remainder pow copysign eq ne lt le gt ge logical_and logical_or logical_xor".split()
    for n in names:
        a = pos if n == "pow" else r
        for x, y in ((a(3, 4), r(3, 4)), (a(3, 4), r(4)), (a(3, 4), r(3, 1)), (a(3, 4), r()), (pos(2, 1, 4), r(3, 1)),
                     (strided(3, 4, make=a), strided(3, 4)), (a(4, 3).t(), r(3, 4)), (pos(0, 4), r(4)), (a(), r()), (a(3), r(4)),
                     (a(35), r(35))):
            g.add(n, [x, y])
        for one in (torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool, torch.float16, torch.bfloat16):
            for two in (torch.float32, torch.int64, torch.int16, torch.bool):
                if torch.float16 in (one, two) and n in ("atan2", "fmod", "remainder", "pow", "copysign", "maximum", "minimum"):
                    continue
                x, y = ints(1, 5, 3, 4).to(one), ints(1, 4, 4).to(two)
                g.add(n, [x, y])
                g.add(n, [x, torch.tensor(2).to(two)])
        g.add(n, [torch.tensor([NAN, INF, -INF, 0.0, -0.0, 1.0]), torch.tensor([1.0, INF, 2.0, 0.0, 0.0, NAN])], grad=False)
        if n in ("maximum", "minimum", "atan2", "logical_and", "logical_or", "logical_xor", "copysign"):
            continue
        row = "pow.Tensor_Scalar" if n == "pow" else n + ".Scalar"
        for s in (2, 2.5, True, -1):
            g.add(row, [pos(3, 4), s], lambda x, y, n=n: getattr(torch, n)(x, y))
            g.add(row, [ints(1, 9, 5), s], lambda x, y, n=n: getattr(torch, n)(x, y))
    for mode in (None, "trunc", "floor"):
        g.add("div.Tensor_mode", [r(5, 5) * 9, r(5, 5)], rounding_mode=mode)
        g.add("div.Tensor_mode", [ints(-20, 20, 30), ints(1, 5, 30)], rounding_mode=mode)
        g.add("div.Tensor_mode", [ints(-20, 20, 30), -ints(1, 5, 30)], rounding_mode=mode)
    for n in "bitwise_and bitwise_or bitwise_xor".split():
        g.add(n, [ints(0, 99, 5), ints(0, 99, 5)])
        g.add(n, [torch.rand(5) > 0.5, torch.rand(5) > 0.5])
        g.add(n, [ints(0, 99, 2, 3, dtype=torch.uint8), ints(0, 99, 3, dtype=torch.int16)])
        g.add(n, [r(3), r(3)])
    for dtype in (torch.int64, torch.int32, torch.uint8):
        for x, y in ((torch.arange(6), torch.arange(6)), (torch.arange(60, 120, 5), torch.arange(12) % 5), (ints(0, 9, 3, 4), ints(0, 3, 4)),
                     (ints(0, 9, 0), ints(0, 3, 0)), (torch.tensor(5), torch.tensor(1))):
            g.add("bitwise_left_shift", [x.to(dtype), y.to(dtype)])
            g.add("bitwise_right_shift", [x.to(dtype), y.to(dtype)])
    g.add("bitwise_right_shift", [torch.arange(-60, 60, 10), torch.arange(12) % 5])
    for a in (r(3, 4), strided(3, 4), r(4, 3).t()):
        g.add("where.self", [a > 0, a, r(4)])
    g.add("where.self", [torch.tensor(True), ints(0, 5, 3), r(3)])
    g.add("where.self", [r(0, 4) > 0, r(0, 4), r(4)])
    g.add("where.self", [torch.tensor([True, False, True, False]), torch.tensor([NAN, NAN, 1.0, 2.0]), torch.tensor([3.0, NAN, NAN, INF])])
    g.add("addcmul", [r(3, 4), r(4), r(3, 1)], value=0.5)
    g.add("addcdiv", [r(3, 4), r(4), pos(3, 1)], value=0.5)
    g.add("lerp.Scalar", [r(3), r(3), 0.3])
    g.add("lerp.Scalar", [r(6), r(6), 0.3])
    g.add("lerp.Tensor", [r(3), r(3), unit(3)])
    g.add("lerp.Tensor", [r(6), r(6), unit(6)])
    g.add("masked_fill.Scalar", [r(3, 4), r(4) > 0, 2.0])
    g.add("masked_fill.Tensor", [r(3, 4), r(4) > 0, r()])
    for x, y in ((torch.tensor([1.0, 2, NAN, INF]), torch.tensor([1.0, 2.1, NAN, INF])), (ints(0, 3, 5), ints(0, 3, 5)), (r(3, 1), r(4)), (r(0), r(0))):
        g.add("isclose", [x, y], grad=False)
        g.add("isclose", [x, y], grad=False, rtol=0.5, atol=0.1)
        if x.shape == y.shape:
            g.add("isclose", [x, y], grad=False, equal_nan=True)
    for alpha in (2, 0.5):
        g.add("add", [r(3, 4), r(4)], alpha=alpha)
        g.add("sub", [r(3, 4), r(4)], alpha=alpha)
        g.add("add", [ints(0, 9, 4), ints(0, 9, 4)], alpha=alpha)
    return g


def reduction():
    g = Golden()
    for x in (r(2, 3, 4), strided(2, 3, 4), r(4, 3, 2).permute(2, 1, 0), r(2, 0, 4), r(), r(3, 1, 70), r(5)):
        for n in "sum mean prod std var".split():
            g.add(n, [x], grad=x.numel() != 1)
        for n in "max min argmax argmin".split():
            g.add(n, [x])
        g.add("norm.Scalar", [x, 2], lambda t, p: t.norm(p))
        g.add("any", [x], grad=False)
        g.add("all", [x], grad=False)
        for d in ([0], [1], [0, 2], [-1], []):
            if (not x.dim() and d) or (x.dim() == 1 and d not in ([0], [-1])):
                continue
            if d:
                g.add("logsumexp", [x, d])
            for keep in (False, True):
                g.add("sum.dim_IntList", [x, d, keep])
                g.add("mean.dim", [x, d, keep])
                g.add("amax", [x, d, keep])
                g.add("amin", [x, d, keep])
                if d:
                    g.add("var.dim", [x, d, True, keep])
                    g.add("std.dim", [x, d, False, keep])
        for d in ((0, 1, -1) if x.dim() > 1 else (0,)):
            for n in "cumsum cumprod cummax cummin prod.dim_int softmax.int log_softmax.int max.dim min.dim argmax argmin".split():
                g.add(n, [x, d])
            g.add("logcumsumexp", [x, d], grad=False)
            for down in (False, True):
                g.add("sort", [x, d, down])
                g.add("argsort", [x, d, down])
            g.add("min.dim", [x, d, True])
            g.add("topk", [x, min(2, x.size(d) if x.dim() else 1), d])
            g.add("any.dim", [x, d], grad=False)
            g.add("all.dim", [x, d], grad=False)
    for x in (torch.rand(5) > 0.5, torch.arange(5, dtype=torch.int32), torch.arange(6, dtype=torch.uint8).view(2, 3), ints(-9, 9, 4, 5)):
        for n in "sum prod mean max min argmax".split():
            g.add(n, [x])
        for n in "any all".split():  # of uint8 PyTorch gives uint8, a remnant that is left out
            g.add(n, [x.to(torch.int16) if x.dtype == torch.uint8 else x])
        for n in "cumsum cumprod cummax sort".split():
            g.add(n, [x, 0])
    for n in "cumsum cumprod cummax cummin".split():
        g.add(n, [torch.tensor([[1.0, NAN, 2.0], [INF, 1.0, -INF]]), 1])
    g.add("sum", [torch.arange(5)], dtype=torch.float32)
    g.add("sort", [torch.tensor([3.0, NAN, 1, 2, 1], dtype=F64)])
    for n in "max min sum argmax argmin".split():
        g.add(n, [torch.tensor([3.0, NAN, 1])])
    for n in "amax amin".split():
        g.add(n, [torch.tensor([[3.0, NAN, 1], [-INF, -INF, -INF]]), [1]])
    for n in "softmax.int log_softmax.int".split():
        g.add(n, [torch.tensor([[1.0, INF], [-INF, -INF], [1e30, -1e30]]), 1])
        g.add(n, [torch.randn(3, 5).bfloat16(), 1])
        g.add(n, [torch.randn(4, 33), 1])
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        g.add("sum", [torch.randn(300).to(dtype)])
        g.add("mean.dim", [torch.randn(7, 65).to(dtype), [1]])
    return g


def shape():
    g = Golden()
    x = r(4, 5)
    views = [("t", [x]), ("permute", [r(2, 3, 4), [2, 0, 1]]), ("permute", [r(2, 3, 4), [-1, 0, 1]]), ("transpose.int", [r(2, 3, 4), 0, -1]),
             ("view", [r(2, 6), [3, -1]]), ("view", [r(4, 3).t(), [12]]), ("view", [r(0, 3), [3, 0]]), ("reshape", [strided(4, 6), [3, 8]]),
             ("reshape", [r(4, 3).t(), [-1]]), ("expand", [r(3, 1), [2, 3, 4]]), ("expand", [r(3, 1), [-1, 4]]), ("expand", [r(3), [4]]),
             ("slice.Tensor", [x, 0, 1, 4, 2]), ("slice.Tensor", [x, 1, -3, None]), ("slice.Tensor", [x, 0, 3, 1]), ("slice.Tensor", [x, 0, -99, 99]),
             ("select.int", [x, 1, -2]), ("select.int", [x, 0, 9]), ("unsqueeze", [x, -1]), ("unsqueeze", [x, 3]), ("squeeze", [r(1, 3, 1)]),
             ("squeeze.dim", [r(1, 3, 1), 0]), ("squeeze.dim", [r(1, 3, 1), 1]), ("as_strided", [r(10), [3, 3], [1, 2]]),
             ("as_strided", [r(10), [2, 3], [5, 1], 1]), ("diagonal", [x]), ("diagonal", [x, 1]), ("diagonal", [r(2, 3, 4), -1, 2, 1]),
             ("unfold", [x, 1, 3, 1]), ("unfold", [x, 0, 2, 2]), ("narrow", [x, 1, 1, 2]), ("narrow", [x, 1, 4, 2]),
             ("flatten.using_ints", [r(2, 3, 4), 1]), ("flatten.using_ints", [r()]), ("movedim.intlist", [r(2, 3, 4), [0], [2]]),
             ("split_with_sizes", [x, [1, 4], 1]), ("split_with_sizes", [x, [1, 1], 1]), ("repeat", [x, [2, 1, 3]]), ("repeat", [x, [2]]),
             ("cat", [[x, r(2, 5)], 0]), ("cat", [[x, strided(4, 2)], 1]), ("cat", [[x, r(2, 4)], 0]), ("cat", [[r(0), x], 0]),
             ("stack", [[x, r(4, 5)], 1]), ("stack", [[x, r(4, 4)], 0]), ("constant_pad_nd", [x, [1, 2, -1, 3], 0.5]),
             ("constant_pad_nd", [x, [-1, -1], 0.0]), ("trace", [x]), ("cat", [[torch.arange(3), torch.rand(2)]]),
             ("triu", [x, 1]), ("triu", [r(2, 4, 4), -1]), ("tril", [x]), ("tril", [r(2, 4, 4), 2]), ("triu", [r(3)])]
    for op, args in views:
        g.add(op, args)
    for y in (r(2, 3, 4), strided(2, 3, 4), r(2, 0, 4)):
        for d in (0, 1, -1):
            g.add("flip", [y, [d]])
            g.add("roll", [y, [1], [d]])
            g.add("unbind.int", [y, d])
            g.add("split.Tensor", [y, 2, d])
            g.add("chunk", [y, 2, d])
    g.add("unflatten.int", [r(2, 12), 1, [3, -1]], lambda t, d, s: t.unflatten(d, s))
    for args in ([5], [0], [-1], [2.5], [1], [1e-3], [17], [-0.5], [3.0000001], [64]):
        g.add("arange", args)
        g.add("linspace", [float(args[0]), 4.0, 5])
    for args in ([0, 10, 3], [10, 0, -3], [0.0, 1.0, 0.25], [1, 1, 1], [-2, 2, 0.5], [0, 1, 0], [3, 4, 7]):
        g.add("arange.start_step", args)
        g.add("arange.start", args[:2])
    for size in ([], [0], [2], [3, 0, 2], [1, 2, 3], [5, 1], [7]):
        for n in ("zeros", "ones"):
            g.add(n, [size])
            g.add(n, [size], dtype=torch.int32)
        g.add("full", [size, 2])
        g.add("full", [size, -INF])
    for n in range(8):
        g.add("eye", [n])
        g.add("eye.m", [n, 3])
        for k in (-2, 0, 3):
            g.add("tril_indices", [n, 4, k], lambda a, b, c: torch.tril_indices(a, b, c))
            g.add("triu_indices", [4, n, k], lambda a, b, c: torch.triu_indices(a, b, c))
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.bool):
        g.add("eye", [3], dtype=dtype)
    g.add("arange.start_step", [1, 2, 0.3])
    g.add("arange.start_step", [5, 1, -2])
    g.add("arange.start_step", [1, 5, -1])
    g.add("linspace", [0.0, 1.0, 7])
    g.add("linspace", [0.0, 1.0, 1])
    g.add("eye", [3])
    g.add("full", [[2, 3], 1.5])
    g.add("full", [[2, 3], 1])
    g.add("full", [[], True], torch.full)
    g.add("full", [[2, 3], NAN])
    g.add("zeros", [[2]])
    g.add("zeros", [[2, -1]])
    for a in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool):
        for b in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool):
            g.add("_to_copy", [torch.tensor([0.0, 1.0, 2.7, 3.1, 100.0]).to(a)], grad=False, dtype=b)
    for dtype in (torch.float16, torch.bfloat16):
        for x in (r(40), torch.randn(40), torch.tensor([1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-11, 1 + 3 * 2.0**-11, 65519.0, 65520.0, NAN, 1e-8, -0.0])):
            g.add("_to_copy", [x], grad=False, dtype=dtype)
    wide = torch.tensor([0, 127, 128, 255, 256, -128, -129, -300, 32767, 32768, 70000, -70000, 2**31, -2**31 - 1, 2**40 + 3])
    for dtype in (torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.float64, torch.float32):
        g.add("_to_copy", [wide], grad=False, dtype=dtype)
    g.add("_to_copy", [r(3, 4).t()], dtype=torch.float32)
    g.add("_to_copy", [strided(3, 4)], dtype=torch.float64)
    g.add("_to_copy", [strided(3, 4)], dtype=torch.int16, grad=False)
    g.add("clone", [strided(3, 4)])
    read_as = lambda x, d: x.view(d)
    for x, dtypes in ((torch.randn(3, 4), (torch.int32, torch.float32, torch.float64, torch.int64, torch.int16, torch.uint8, torch.bfloat16)),
                      (torch.randn(4, 3).t(), (torch.int32, torch.int16)), (torch.randn(6)[1:], (torch.float64, torch.int8)),
                      (torch.randn(3, 5)[:, :4], (torch.float64, torch.int16)), (torch.randn(3, 6)[:, 2:], (torch.float64, torch.float16)),
                      (torch.randn(2, 3, 2).permute(1, 0, 2), (torch.float64,)), (torch.randn(()), (torch.int32, torch.float64)),
                      (torch.zeros(0, 2), (torch.float64, torch.int8)), (torch.tensor([True, False]), (torch.uint8, torch.int16)),
                      (torch.randn(1, 4).expand(3, 4), (torch.int64, torch.int16)), (ints(0, 9, 2, 2), (torch.float64, torch.int32))):
        for dtype in dtypes:
            g.add("view.dtype", [x, dtype], read_as, grad=False)
    return g


def indexing():
    g = Golden()
    i = ints(0, 4, 2, 3)
    g.add("gather", [r(4, 3), 0, i])
    g.add("gather", [strided(4, 3), 0, i])
    g.add("gather", [r(4, 3), 0, i + 9])
    g.add("gather", [r(4, 3), 1, ints(0, 3, 4, 2)])
    g.add("gather", [r(4, 0), 0, ints(0, 1, 2, 0)])
    broken = torch.tensor([[NAN, 1.0, INF], [2.0, NAN, 3.0]])
    g.add("gather", [broken, 0, torch.tensor([[0, 1, 1], [1, 1, 0]])])
    g.add("scatter.src", [torch.zeros(3, 3), 0, torch.tensor([[0, 1, 2], [1, 2, 0]]), broken])
    g.add("scatter.src", [r(4, 3), 0, torch.tensor([[0, 1, 2], [1, 2, 0]]), r(2, 3)])
    g.add("scatter.src", [strided(4, 3), 0, torch.tensor([[0, 1, 2], [1, 2, 0]]), strided(2, 3)])
    g.add("scatter.src", [r(3, 4).t(), 1, torch.tensor([[2, 0], [1, 0], [0, 1], [2, 1]]), r(2, 4).t()])
    g.add("scatter.value", [r(4, 3), 0, i, 1.5])
    g.add("scatter.value", [r(5, 6), 0, i, 1.5])
    g.add("scatter_add", [r(3, 4).t(), 0, i, strided(2, 3)])
    g.add("scatter_add", [r(4, 3), 0, i, r(2, 3)])
    g.add("scatter_add", [ints(0, 5, 4, 3), 0, i, ints(0, 5, 2, 3)])
    for how in "sum prod mean amax amin".split():
        for inc in (True, False):
            g.add("scatter_reduce.two", [pos(4, 3), 0, i, pos(2, 3), how],
                  lambda a, d, j, s, rd, include_self: a.scatter_reduce(d, j, s, rd, include_self=include_self), include_self=inc)
        g.add("scatter_reduce.two", [pos(3, 4).t(), 0, ints(0, 4, 3, 2).t(), pos(3, 2).t(), how],
              lambda a, d, j, s, rd: a.scatter_reduce(d, j, s, rd))
        g.add("scatter_reduce.two", [torch.ones(4, 3), 0, torch.tensor([[0, 1, 2], [1, 1, 0]]), broken, how],
              lambda a, d, j, s, rd: a.scatter_reduce(d, j, s, rd))
    g.add("index_select", [r(4, 3), 1, torch.tensor([0, 2, 2])])
    g.add("index_select", [strided(4, 3), 0, torch.tensor([3])])
    g.add("index_select", [r(4, 3), 0, torch.tensor([4])])
    g.add("index_add", [r(4, 3), 0, torch.tensor([0, 2, 2]), r(3, 3)], alpha=2)
    g.add("index_add", [r(5, 6), 0, torch.tensor([0, 2, 2]), r(3, 6)], alpha=2)
    g.add("index.Tensor", [r(4, 5, 6), [torch.tensor([0, 2]), None, torch.tensor([1, 1])]])
    g.add("index.Tensor", [r(4, 5), [torch.tensor([[0, 2], [1, -1]])]])
    g.add("index.Tensor", [r(4, 5), [r(4, 5) > 0]], lambda a, j: a[j[0]])
    g.add("index.Tensor", [r(4, 5), [r(4) > 0]], lambda a, j: a[j[0]])
    g.add("index.Tensor", [r(4, 5, 6), [None, torch.tensor([0, 2]), torch.tensor([1, 1])]])
    g.add("index.Tensor", [strided(4, 5), [torch.tensor([[0], [2]]), torch.tensor([1, 3, 4])]])
    g.add("index.Tensor", [r(4, 5), [torch.tensor([9])]])
    g.add("index.Tensor", [r(4, 5), [torch.tensor([], dtype=torch.int64)]])
    g.add("index_put", [r(4, 5), [torch.tensor([0, 2])], r(5)])
    g.add("index_put", [r(4, 5), [torch.tensor([0, 0])], r(2, 5), True])
    g.add("index_put", [r(4, 5), [None, torch.tensor([1, 2])], r(2)])
    g.add("index_put", [r(4, 5), [r(4, 5) > 0], r()])
    g.add("nonzero", [torch.tensor([[0, 1.0], [2, 0]])])
    g.add("nonzero", [torch.zeros(2, 2)])
    g.add("nonzero", [torch.tensor(1)])
    g.add("masked_select", [r(3, 4), r(4) > 0])
    g.add("masked_select", [r(2, 1, 3), r(5, 3) > 0])
    g.add("take", [r(3, 4), torch.tensor([0, -1, 5])])
    for t, n in ((torch.tensor([0, 2, 1]), -1), (torch.tensor([[0, 1], [3, 1]]), 5), (torch.tensor(2), 4), (torch.tensor([0]), -1),
                 (torch.tensor([], dtype=torch.int64), 3), (ints(0, 6, 3, 2).t(), 6), (torch.tensor([4]), 3), (torch.tensor([-1]), 3),
                 (torch.tensor([1.0]), 3), (ints(0, 2, 2, 1, 3), 2)):
        g.add("one_hot", [t, n], lambda t, n: F.one_hot(t, n))
    g.add("embedding", [r(5, 3), torch.tensor([[0, 1], [4, 4]])])
    g.add("embedding", [r(5, 3), torch.tensor([0, 1, 4, 4]), 1, True])
    g.add("embedding", [r(5, 3), torch.tensor([0, 5])])
    g.add("embedding", [torch.randn(5, 33).bfloat16(), torch.tensor([2, 0])])
    return g


def product():
    g = Golden()
    pairs = [(r(3), r(3)), (r(2, 3), r(3)), (r(3), r(3, 2)), (r(2, 3), r(3, 4)), (r(5, 2, 3), r(3, 4)), (r(5, 2, 3), r(5, 3, 4)),
             (r(5, 1, 2, 3), r(4, 3, 2)), (r(5, 2, 3), r(3)), (r(3), r(5, 3, 2)), (r(2, 0), r(0, 3)), (r(0, 2), r(2, 3)),
             (strided(3, 4), strided(4, 3)), (r(4, 3).t(), r(4, 5)), (r(3, 4), r(5, 4).t()), (r(17, 33), r(33, 19)),
             (ints(0, 9, 2, 3), ints(0, 9, 3, 2)), (torch.randn(9, 8).bfloat16(), torch.randn(8, 7).bfloat16()),
             (torch.randn(40, 64), torch.randn(64, 50)), (r(2, 3), r(2, 3))]
    for a, b in pairs:
        if a.dtype == torch.bfloat16:  # rounded once: PyTorch 1.13 rounds partial sums too
            g.add("matmul", [a, b], lambda x, y: (x.float() @ y.float()).bfloat16())
        else:
            g.add("matmul", [a, b], lambda x, y: x @ y)
    for n in "bmm matmul".split():
        g.add(n, [torch.tensor([[[1.0, NAN], [0.0, 2.0]]]), torch.tensor([[[1.0, 0.0, 3.0], [INF, 1.0, 2.0]]])])
    g.add("addmm", [r(4), r(3, 2), r(2, 4)], beta=0.5, alpha=2.0)
    g.add("addmm", [r(3, 1), r(3, 2), r(4, 2).t()])
    g.add("addmm", [torch.full((4,), NAN, dtype=F64), r(3, 2), r(2, 4)], beta=0, grad=False)
    g.add("baddbmm", [r(2, 3, 4), r(2, 3, 2), r(2, 2, 4)])
    g.add("mv", [r(3, 2), r(2)])
    g.add("outer", [r(3), r(2)])
    g.add("outer", [r(7), r(1)])
    g.add("linear", [r(2, 3, 4), r(5, 4), r(5)])
    g.add("linear", [r(3, 4), r(5, 4), r(5)])
    g.add("linear", [r(3, 4), r(5, 4)])
    g.add("linear", [r(4), r(5, 4), r(5)])
    g.add("linear", [r(3, 4), r(5, 3)])
    return g


def network():
    g = Golden()
    g.add("conv2d", [r(2, 4, 7, 8), r(6, 2, 3, 3), r(6), [2, 1], [1, 2], [1, 1], 2])
    g.add("conv2d", [r(2, 3, 7, 8), r(6, 3, 3, 2), None, [1, 1], [0, 0], [2, 1]])
    g.add("conv2d", [r(1, 3, 12, 12), r(7, 3, 5, 5), r(7), [1, 1], [2, 2]])
    g.add("conv2d", [strided(2, 3, 6, 6), r(4, 3, 3, 3), r(4)])
    g.add("conv2d", [torch.randn(2, 3, 9, 9), torch.randn(4, 3, 3, 3), torch.randn(4)])
    g.add("conv2d", [r(2, 4, 5, 5), r(4, 1, 3, 3), r(4), [1, 1], [1, 1], [1, 1], 4])
    g.add("conv2d", [r(3, 7, 8), r(6, 3, 3, 2)])
    g.add("conv2d", [r(2, 3, 2, 2), r(6, 3, 3, 3)])
    g.add("conv2d", [r(2, 3, 7, 8), r(6, 2, 3, 3)])
    g.add("conv2d", [r(0, 3, 7, 8), r(6, 3, 3, 3), r(6)])
    g.add("conv1d", [r(2, 3, 9), r(4, 3, 3), r(4)])
    g.add("conv1d", [r(0, 3, 9), r(4, 3, 3), r(4)])
    g.add("conv3d", [r(1, 2, 5, 5, 5), r(3, 2, 2, 3, 2), r(3)])
    g.add("convolution", [r(2, 4, 5, 6), r(4, 3, 3, 3), r(6), [2, 2], [1, 1], [1, 1], True, [1, 1], 2])
    g.add("convolution", [r(2, 4, 5), r(4, 3, 3), None, [2], [0], [2], True, [0], 1])
    for x in (r(2, 3, 7, 8), strided(2, 3, 7, 8), r(2, 3, 34, 38), torch.randn(2, 3, 9, 9), r(3, 7, 8)):
        g.add("max_pool2d", [x, [2, 2]])
        g.add("max_pool2d", [x, [3, 3], [2, 2], [1, 1], [1, 1], True])
        g.add("max_pool2d_with_indices", [x, [3, 2], [2, 1], [1, 0], [1, 2], False])
        g.add("max_pool2d_with_indices", [x, [2, 2]])
        g.add("adaptive_max_pool2d", [x, [3, 3]])
        g.add("adaptive_max_pool2d", [x, [1, 1]])
    g.add("max_pool2d_with_indices", [torch.tensor([[[1.0, NAN], [-INF, 3.0]]]), [2, 2]])
    g.add("max_pool2d", [r(2, 3, 7, 8), [2, 2], [2, 2], [2, 2]])
    for x in (r(4, 3, 5), r(4, 3), r(4, 3, 2, 6), strided(4, 3, 5)):
        g.add("native_batch_norm", [x, r(3), r(3), None, None, True, 0.1, 1e-5])
        g.add("native_batch_norm", [x, None, None, None, None, True, 0.1, 1e-3])
        g.add("batch_norm", [x, r(3), r(3), r(3), pos(3), False, 0.1, 1e-5, False],
              lambda x, w, b, m, v, *a: F.batch_norm(x, m.detach(), v.detach(), w, b, False, 0.1, 1e-5), grad=False)
        g.add("native_layer_norm", [x, list(x.shape[1:]), r(*x.shape[1:]), r(*x.shape[1:]), 1e-5])
        g.add("layer_norm", [x, [x.shape[-1]]], lambda x, s: F.layer_norm(x, s))
    g.add("native_layer_norm", [torch.randn(6, 130), [130], torch.randn(130), torch.randn(130), 1e-5])
    g.add("layer_norm", [r(4, 5), [4]], lambda x, s: F.layer_norm(x, s))
    return g


def pooling():
    g = Golden()
    for x in (r(2, 3, 7, 8), strided(1, 2, 7, 8), r(3, 9, 7), torch.randn(2, 3, 9, 9), r(0, 3, 6, 6), torch.randn(2, 9, 9).bfloat16()):
        g.add("avg_pool2d", [x, [2, 2]])
        g.add("avg_pool2d", [x, [3, 2], [2, 1], [1, 0], True, True])
        g.add("avg_pool2d", [x, [3, 3], [2, 2], [1, 1], True, False])
        g.add("avg_pool2d", [x, [3], [2], [1], False, False, 5])
        for size in ([3, 3], [1, 1], [7, 8], [10, 5]):
            g.add("_adaptive_avg_pool2d", [x, size])
        g.add("adaptive_avg_pool2d", [x, [2, 3]])
        g.add("lp_pool2d", [x.abs() + 0.1, 2.0, [2, 2]], lambda t, n, k: F.lp_pool2d(t, n, k))
    g.add("avg_pool2d", [torch.tensor([[[1.0, NAN, 2.0, INF], [3.0, 4.0, 5.0, 6.0]]]), [2, 2]])
    g.add("_adaptive_avg_pool2d", [torch.tensor([[[1.0, NAN, 2.0, INF], [3.0, 4.0, 5.0, 6.0]]]), [1, 3]])
    for x in (r(2, 2, 5, 6, 4), strided(2, 4, 4, 6), torch.randn(1, 2, 5, 5, 5)):
        g.add("avg_pool3d", [x, [2, 2, 2]])
        g.add("avg_pool3d", [x, [3, 2, 2], [2, 1, 2], [1, 1, 0], True, False])
        g.add("max_pool3d_with_indices", [x, [2, 2, 2]])
        g.add("max_pool3d_with_indices", [x, [3, 2, 2], [1, 2, 2], [1, 0, 1], [1, 2, 1], True])
        g.add("max_pool3d", [x, [2, 2, 2]])
        g.add("_adaptive_avg_pool3d", [x, [2, 3, 1]])
        g.add("adaptive_avg_pool3d", [x, [1, 1, 1]])
    for x in (r(2, 3, 9), strided(3, 8)):
        g.add("avg_pool1d", [x, [2]])
        g.add("avg_pool1d", [x, [3], [2], [1], True, False])
        g.add("max_pool1d", [x, [3], [2], [1], [1], True])
        g.add("max_pool1d_with_indices", [x, [3], [2], [1], [1], False])
        g.add("adaptive_avg_pool1d", [x, [4]])
        g.add("adaptive_max_pool1d", [x, [4]])
        g.add("lp_pool1d", [x.abs() + 0.1, 3.0, [2]], lambda t, n, k: F.lp_pool1d(t, n, k[0]))
    g.add("avg_pool2d", [r(2, 3, 7, 8), [3, 3], [1, 1], [2, 2]])
    g.add("avg_pool2d", [r(2, 3, 7, 8), [9, 9]])
    g.add("avg_pool2d", [r(2, 3), [2, 2]])
    for n in (1, 2, 3):
        x = r(*(2, 3, 4, 5, 6)[:n + 2])
        for size in sorted({(0,) * n, (0,) + (2,) * (n - 1), (2,) * (n - 1) + (0,)}):
            for kind in ("avg", "max"):
                g.add(f"adaptive_{kind}_pool{n}d", [x, list(size)], grad=n == 3)  # PyTorch refuses the others' gradients
    return g


def resampling():
    g = Golden()
    for n, sizes in ((1, (2, 3, 6)), (2, (2, 3, 5, 6)), (3, (1, 2, 4, 3, 5))):
        for x in (r(*sizes), strided(*sizes), r(*sizes[1:])):
            g.add(f"reflection_pad{n}d", [x, [1, 2] * n])
            g.add(f"reflection_pad{n}d", [x, [0, 0] * n])
            g.add(f"replication_pad{n}d", [x, [2, 1] * n])
            g.add(f"replication_pad{n}d", [x, [7, 0] * n])
        g.add(f"reflection_pad{n}d", [r(*sizes), [9, 0] * n])
    for mode in ("constant", "reflect", "replicate", "circular"):
        for x in (r(2, 3, 5, 6), torch.randn(2, 3, 5, 6).bfloat16(), strided(2, 3, 5, 6)):
            g.add("pad", [x, [1, 2, 2, 1], mode], lambda t, p, m: F.pad(t, p, m))
            g.add("pad", [x, [2, 0, 0, 0], mode], lambda t, p, m: F.pad(t, p, m))
    for n, kind, sizes, to in ((1, "linear", (2, 3, 6), [9]), (2, "bilinear", (2, 3, 5, 6), [7, 4]), (3, "trilinear", (1, 2, 4, 3, 5), [6, 3, 7])):
        for x in (r(*sizes), strided(*sizes), torch.randn(*sizes)):
            forms = ((to, None), (None, 0.6), (None, 2.0), ([1] * n, None), (list(sizes[2:]), None))
            for size, factor in forms if x.dtype == F64 and x.is_contiguous() else forms[:2]:
                factors = None if factor is None else [factor] * n
                ref = lambda t, s, f, m: F.interpolate(t, size=s, scale_factor=f, mode=m)
                near = lambda t, s, f: F.interpolate(t, size=s, scale_factor=f, mode="nearest")
                exact = lambda t, s, f: F.interpolate(t, size=s, scale_factor=f, mode="nearest-exact")
                g.add(f"upsample_nearest{n}d.vec", [x, size, factors], near)
                g.add(f"_upsample_nearest_exact{n}d.vec", [x, size, factors], exact)
                for corners in (False, True):
                    g.add(f"upsample_{kind}{n}d.vec", [x, size, corners, factors],
                          lambda t, s, c, f, m=kind: F.interpolate(t, size=s, scale_factor=f, mode=m, align_corners=c))
                    if n == 2:
                        g.add("upsample_bicubic2d.vec", [x, size, corners, factors],
                              lambda t, s, c, f: F.interpolate(t, size=s, scale_factor=f, mode="bicubic", align_corners=c))
                        for kind_aa in ("bilinear", "bicubic"):
                            g.add(f"_upsample_{kind_aa}2d_aa.vec", [x, size, corners, factors], lambda t, s, c, f, m=kind_aa:
                                  F.interpolate(t, size=s, scale_factor=f, mode=m, align_corners=c, antialias=True))
    for mode in ("bilinear", "bicubic"):
        for corners in (False, True):
            for size, factors in (([2, 9], None), ([1, 3], None), (None, [0.23, 1.6])):
                g.add(f"_upsample_{mode}2d_aa.vec", [r(2, 1, 13, 5), size, corners, factors],
                      lambda t, s, c, f, m=mode: F.interpolate(t, size=s, scale_factor=f, mode=m, align_corners=c, antialias=True))
        g.add(f"_upsample_{mode}2d_aa.vec", [r(2, 0, 4, 4), [2, 2], False, None],
              lambda t, s, c, f, m=mode: F.interpolate(t, size=s, scale_factor=f, mode=m, align_corners=c, antialias=True))
    for x in (r(2, 3, 5, 6), strided(2, 2, 4, 4)):
        grid = torch.rand(2, 3, 4, 2, dtype=F64) * 3 - 1.5
        for mode in (0, 1, 2):
            for padding in (0, 1, 2):
                for corners in (False, True):
                    g.add("grid_sampler_2d", [x, grid, mode, padding, corners])
    g.add("grid_sampler_2d", [r(2, 3, 5, 6), r(3, 3, 4, 2), 0, 0, False])
    for corners in (False, True):
        g.add("affine_grid_generator", [r(2, 2, 3), [2, 3, 4, 5], corners])
    for x in (r(2, 3, 6, 7), strided(3, 6, 7), torch.randn(2, 3, 6, 7)):
        g.add("im2col", [x, [2, 3], [1, 1], [0, 0], [1, 1]])
        g.add("im2col", [x, [3, 2], [2, 1], [1, 2], [2, 1]])
    g.add("im2col", [r(2, 3, 2, 2), [3, 3], [1, 1], [0, 0], [1, 1]])
    g.add("col2im", [r(2, 18, 25), [6, 7], [2, 3], [1, 1], [0, 0], [1, 1]])
    g.add("col2im", [r(12, 24), [5, 6], [2, 2], [1, 1], [1, 1], [2, 1]], lambda *a: torch.ops.aten.col2im(*a))
    g.add("col2im", [r(2, 12, 9), [6, 6], [2, 2], [1, 1], [0, 0], [2, 2]])
    g.add("col2im", [r(2, 13, 9), [6, 6], [2, 2], [1, 1], [0, 0], [2, 2]])
    g.add("pixel_shuffle", [r(2, 8, 3, 4), 2])
    g.add("pixel_shuffle", [r(2, 7, 3, 4), 2])
    g.add("pixel_unshuffle", [r(2, 2, 6, 4), 2])
    g.add("pixel_unshuffle", [r(2, 5, 4), 2])
    g.add("channel_shuffle", [r(2, 6, 3, 4), 3], lambda t, n: torch.channel_shuffle(t.detach(), n), grad=False)
    for n, sizes, smooth in ((1, (2, 3, 6), "linear"), (2, (2, 3, 5, 6), "bilinear"), (3, (1, 2, 4, 3, 5), "trilinear")):
        for mode in ("nearest", "nearest-exact", "linear"):
            def ref(t, size, mode, smooth=smooth):  # PyTorch rounds its weights to bfloat16, too
                wide = t.float() if t.dtype == torch.bfloat16 else t
                return F.interpolate(wide, size=size, mode=smooth if mode == "linear" else mode).to(t.dtype)

            for x in (r(*sizes), strided(*sizes), torch.randn(*sizes), torch.randn(*sizes).bfloat16()):
                for size in ([9, 4, 6][:n], [s * 2 for s in sizes[2:]], [1] * n):
                    g.add("_resample", [x, size, mode], ref)
            for x in (r(*sizes), strided(*sizes)):
                small = [2, 7, 3][:n]
                leaf = torch.zeros(*sizes[:2], *small, dtype=x.dtype, requires_grad=True)
                g.add("_resample_backward", [x, small, mode],
                      lambda t, s, m, leaf=leaf, ref=ref: torch.autograd.grad(ref(leaf, list(t.shape[2:]), m), leaf, t, create_graph=True)[0], grad=False)
            g.add("_resample", [r(0, *sizes[1:]), [3] * n, mode], lambda t, s, m: t.new_zeros(*t.shape[:2], *s), grad=False)
    return g


def activation():
    g = Golden()
    unary_refs = {"softsign": F.softsign, "tanhshrink": F.tanhshrink}
    for n in "hardshrink softshrink tanhshrink hardsigmoid hardswish mish softsign celu selu logit sinc deg2rad rad2deg sgn nan_to_num signbit".split():
        for x in (r(3, 4) * 2, strided(3, 4), r(), r(0, 3), torch.randn(5), torch.randn(4).bfloat16()):
            if n == "logit":
                x = x.sigmoid() * 0.9
            g.add(n, [x], unary_refs.get(n), grad=n not in ("signbit", "sgn"))
        g.add(n, [torch.tensor([NAN, INF, -INF, 0.0, -0.0, 0.5, -0.5, 3.0, -3.0])], unary_refs.get(n), grad=False)
    for x in (r(3, 4) * 2, strided(2, 3)):
        g.add("hardshrink", [x, 1.0])
        g.add("softshrink", [x, 0.2])
        g.add("celu", [x, 2.0])
        g.add("threshold", [x, 0.1, 20.0])
        g.add("rrelu", [x], lambda t: F.rrelu(t))
        g.add("prelu", [x, r(1)])
        g.add("prelu", [x, r(x.shape[1])])
        g.add("prelu", [x, r(9)])
        g.add("glu", [r(3, 4), 1])
        g.add("glu", [x, 0])
        g.add("nan_to_num", [torch.tensor([NAN, INF, -INF, 1.0]), 0.5, 2.0, -2.0])
    g.add("softshrink", [r(3), -1.0])
    for n in "logaddexp logaddexp2 hypot fmax fmin".split():
        for a, b in ((r(3, 4), r(4)), (r(3), r(3)), (strided(2, 3), r(2, 1)), (torch.randn(3), torch.randn(3))):
            g.add(n, [a, b])
        g.add(n, [torch.tensor([NAN, INF, -INF, -INF, INF, 0.0]), torch.tensor([1.0, 1.0, -INF, 2.0, INF, NAN])], grad=False)
    for a, b in ((pos(3, 4), pos(4)), (torch.tensor([0.0, 0, 1, 2], dtype=F64), torch.tensor([0.0, NAN, 0, 3], dtype=F64))):
        g.add("xlogy.Tensor", [a, b], grad=False)
        g.add("heaviside", [a - 1, b], grad=False)
    g.add("xlogy.Tensor", [pos(3, 4), pos(4)])
    return g


def distance():
    g = Golden()
    for a, b in ((r(3, 4), r(3, 4)), (r(2, 3, 4), r(4)), (strided(3, 4), r(3, 4))):
        g.add("pairwise_distance", [a, b], lambda x, y: F.pairwise_distance(x, y))
        g.add("pairwise_distance", [a, b, 1.0, 1e-3, True], lambda x, y, p, e, k: F.pairwise_distance(x, y, p, e, k))
        g.add("cosine_similarity", [a, b, -1])
        g.add("normalize", [a], lambda t: F.normalize(t))
        g.add("normalize", [a, 1.0, 0], lambda t, p, d: F.normalize(t, p, d))
    for a, b in ((r(3, 4), r(5, 4)), (r(2, 3, 4), r(2, 5, 4)), (strided(3, 4), r(2, 4)), (r(2, 1, 3, 4), r(5, 2, 4))):
        for p in (2.0, 1.0, 3.0, INF, 0.0):
            g.add("cdist", [a, b, p], lambda x, y, q: torch.cdist(x, y, q, compute_mode="donot_use_mm_for_euclid_dist"), grad=p != 0)
    g.add("cdist", [r(3, 4), r(5, 3), 2.0])
    g.add("_cdist_forward", [torch.randn(3, 4), torch.randn(5, 4), 2.0, 2])
    g.add("_cdist_forward", [torch.randn(2, 3, 4), torch.randn(2, 5, 4), 1.0, None])
    for p in (2.0, 1.0, 3.0, INF):
        g.add("pdist", [r(5, 3), p], lambda x, q: F.pdist(x, q))
    for p in (0.0, 1.0, 3.0, INF):
        g.add("_pdist_forward", [torch.randn(5, 3), p])
    g.add("_pdist_forward", [torch.randn(4, 3), 2.0])
    g.add("_pdist_forward", [torch.randn(6, 2), 3.0])
    return g


def more_losses():
    g = Golden()
    how = ["none", "mean", "sum"]
    sign = torch.tensor([[1.0, -1.0, 1.0, -1.0]], dtype=F64).expand(3, 4)
    for red in (0, 1, 2):
        for x, y in ((r(3, 4), r(3, 4)), (strided(3, 4), r(4, 3).t())):
            g.add("smooth_l1_loss", [x, y, red])
            g.add("smooth_l1_loss", [x, y, red, 0.5])
            g.add("smooth_l1_loss", [x, y, red, 0.0])
            g.add("huber_loss", [x, y, red])
            g.add("huber_loss", [x, y, red, 0.3])
            g.add("kl_div", [x, torch.softmax(y, 1).detach(), red])
            g.add("kl_div", [x, torch.log_softmax(y, 1).detach(), red], log_target=True)
            g.add("poisson_nll_loss", [x, y.abs().detach() * 3, True, False, 1e-8, red],
                  lambda a, b, lg, full, e, rd: F.poisson_nll_loss(a, b.detach(), lg, full=full, eps=e, reduction=how[rd]), grad=False)
            g.add("poisson_nll_loss", [x.abs(), y.abs().detach() * 3, False, True, 1e-8, red],
                  lambda a, b, lg, full, e, rd: F.poisson_nll_loss(a, b.detach(), lg, full=full, eps=e, reduction=how[rd]), grad=False)
            g.add("gaussian_nll_loss", [x, y, pos(3, 4), True, 1e-6, red],
                  lambda a, b, v, full, e, rd: F.gaussian_nll_loss(a, b, v, full=full, eps=e, reduction=how[rd]))
            g.add("hinge_embedding_loss", [x, sign, 1.0, red], lambda a, t, m, rd: F.hinge_embedding_loss(a, t, m, reduction=how[rd]), grad=False)
            g.add("margin_ranking_loss", [x, y, sign, 0.3, red],
                  lambda a, b, t, m, rd: F.margin_ranking_loss(a, b, t, m, reduction=how[rd]), grad=False)
            g.add("cosine_embedding_loss", [x, y, torch.tensor([1, -1, 1]), 0.1, red],
                  lambda a, b, t, m, rd: F.cosine_embedding_loss(a, b, t, m, reduction=how[rd]))
            g.add("triplet_margin_loss", [x, y, r(3, 4), 1.0, 2.0, 1e-6, red == 1, red],
                  lambda a, b, c, m, p, e, s, rd: F.triplet_margin_loss(a, b, c, m, p, e, s, reduction=how[rd]))
            g.add("soft_margin_loss", [x, sign, red], lambda a, t, rd: F.soft_margin_loss(a, t, reduction=how[rd]), grad=False)
            for p in (1, 2):
                g.add("multi_margin_loss", [x, torch.tensor([0, 3, 1]), p, 0.7, None, red])
            g.add("multi_margin_loss", [x, torch.tensor([0, 3, 1]), 1, 1.0, pos(4), red], grad=False)
            g.add("multilabel_margin_loss", [x, torch.tensor([[3, 0, -1, 1], [-1, 1, 2, 3], [0, 1, 2, 3]]), red])
            g.add("multilabel_soft_margin_loss", [x, (y > 0).double().detach(), None, red],
                  lambda a, t, w, rd: F.multilabel_soft_margin_loss(a, t, w, reduction=how[rd]), grad=False)
        g.add("multi_margin_loss", [r(4), torch.tensor(2), 1, 1.0, None, red])
        g.add("multilabel_margin_loss", [r(4), torch.tensor([2, 0, -1, 1]), red])
        for zero in (False, True):  # gradients apart: PyTorch's presume that log_softmax came before
            lp = torch.log_softmax(r(7, 3, 5), 2).detach()
            ref = lambda l, t, i, n, b, rd, z: F.ctc_loss(l, t, i, n, b, reduction=how[rd], zero_infinity=z)
            g.add("ctc_loss.Tensor", [lp, torch.tensor([[1, 2, 2], [3, 1, 4], [1, 1, 1]]), torch.tensor([7, 6, 3]), torch.tensor([3, 2, 1]), 0, red, zero], ref, grad=False)
            g.add("ctc_loss.Tensor", [lp, torch.tensor([1, 2, 2, 3, 1, 4]), torch.tensor([7, 7, 7]), torch.tensor([3, 2, 1]), 0, red, zero], ref, grad=False)
            g.add("ctc_loss.Tensor", [lp, torch.tensor([[1, 1, 1], [3, 1, 4], [0, 2, 0]]), torch.tensor([7, 5, 7]), torch.tensor([3, 0, 2]), 3, red, zero], ref,
                  grad=False)
    g.add("huber_loss", [r(3), r(3), 1, 0.0])
    return g


def products():
    g = Golden()
    g.add("addmv", [r(3), r(3, 4), r(4)], beta=0.5, alpha=2.0)
    g.add("addr", [r(3, 4), r(3), r(4)], beta=0.5, alpha=2.0)
    g.add("addbmm", [r(3, 5), r(2, 3, 4), r(2, 4, 5)], beta=0.5, alpha=2.0)
    g.add("addbmm", [r(3, 4), r(0, 3, 2), r(0, 2, 4)], beta=0.5)
    g.add("inner", [r(2, 3), r(4, 3)])
    g.add("inner", [r(), r(4, 3)])
    g.add("inner", [r(2, 3), r(4, 2)])
    g.add("tensordot", [r(2, 3, 4), r(4, 3, 5), [2, 1], [0, 1]])
    g.add("tensordot", [strided(2, 3), r(4, 2), [0], [1]])
    g.add("tensordot", [r(2, 3), r(4, 2), [], []])
    g.add("tensordot", [r(2, 3), r(4, 2), [1], [1]])
    g.add("kron", [r(2, 3), r(4, 2)])
    g.add("kron", [r(3), r(2, 2)])
    g.add("linalg_cross", [r(2, 3), r(2, 3)])
    g.add("linalg_cross", [r(3, 2), r(3, 2)], dim=0)
    g.add("linalg_cross", [r(3, 2), r(3, 2)])
    g.add("bilinear", [r(4, 3), r(4, 2), r(5, 3, 2), r(5)])
    g.add("bilinear", [r(2, 4, 3), r(2, 4, 2), r(5, 3, 2)])
    sums = [("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("i,i->", (3,), (3,)),
            ("i,j->ij", (3,), (4,)), ("ii->i", (3, 3)), ("ii", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ba", (2, 3)),
            ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)), ("i...,j...->ij...", (2, 3), (4, 3)), ("ijk,ilm,njm,nlk->", (2, 3, 4), (2, 2, 5), (3, 3, 5), (3, 2, 4)),
            ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)), ("ij,ij->ij", (2, 3), (2, 3)), ("ik,jk,k->ij", (2, 3), (4, 3), (3,)), ("ij,k->ij", (2, 3), (4,)),
            ("i j , j k -> i k", (2, 3), (3, 4)), ("ij,jk->iz", (2, 3), (3, 4)), ("ij,jk->ii", (2, 3), (3, 4)), ("ij,jk", (2, 3)), ("ij", (2, 3, 4)),
            ("ij,jk->ik", (2, 3), (4, 4)), ("i.j->ij", (2, 3)), ("i1->i", (2, 3)), ("", ()), (",ij->ij", (), (2, 3)), ("ij,j->i", (0, 3), (3,))]
    for equation, *sizes in sums:
        g.add("einsum", [equation, [r(*n) for n in sizes]], lambda e, t: torch.einsum(e, *t))
    g.add("einsum", ["ij,kj->ik", [strided(3, 4), r(4, 2).t()]], lambda e, t: torch.einsum(e, *t))
    def attention(q, k, v, mask=None, p=0.0, causal=False):
        s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if causal:
            s = s.masked_fill(torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1), -INF)
        if mask is not None:
            s = s.masked_fill(~mask, -INF) if mask.dtype == torch.bool else s + mask
        return s.softmax(-1) @ v
    for sizes in ((2, 4, 5, 8), (5, 8)):
        g.add("scaled_dot_product_attention", [r(*sizes), r(*sizes), r(*sizes)], attention)
        g.add("scaled_dot_product_attention", [r(*sizes), r(*sizes), r(*sizes), None, 0.0, True], attention)
        g.add("scaled_dot_product_attention", [r(*sizes), r(*sizes), r(*sizes), torch.ones(5, 5).tril().bool()], attention)
        g.add("scaled_dot_product_attention", [r(*sizes), r(*sizes), r(*sizes), r(5, 5)], attention)
    return g


def selecting():
    g = Golden()
    for x in (r(4, 5), strided(4, 5), r(5, 4).t()):
        g.add("select_scatter", [x, r(5), 0, 2])
        g.add("select_scatter", [x, r(4), 1, -1])
        g.add("slice_scatter", [x, r(2, 5), 0, 1, 3])
        g.add("slice_scatter", [x, r(4, 3), 1, None, None, 2])
        g.add("diagonal_scatter", [x, r(4)])
        g.add("diagonal_scatter", [x, r(3), -1])
        g.add("masked_scatter", [x, x.detach() > 0, r(20)])
        g.add("masked_scatter", [x, torch.tensor([True, False, True, False, True]), r(4, 3)])
        g.add("index_copy", [x, 0, torch.tensor([3, 0]), r(2, 5)])
        g.add("index_fill.int_Scalar", [x, 1, torch.tensor([0, 3]), 2.5], lambda t, d, i, v: t.index_fill(d, i, v))
        g.add("take_along_dim", [x, torch.tensor([[0, 1, 4, 2, 1]]), 1], lambda t, i, d: torch.take_along_dim(t, i, d))
        g.add("take_along_dim", [x.clone(), torch.tensor([3, 1])], lambda t, i: torch.take_along_dim(t.contiguous(), i))
        g.add("tile", [x, [2]])
        g.add("tile", [x, [2, 1, 3]])
        g.add("repeat_interleave.self_int", [x, 3], lambda t, n: t.repeat_interleave(n))
        g.add("repeat_interleave.self_int", [x, 2, 1], lambda t, n, d: t.repeat_interleave(n, d))
        g.add("repeat_interleave.self_Tensor", [x, torch.tensor([1, 0, 3, 2]), 0], lambda t, n, d: t.repeat_interleave(n, d))
        for k in (0, 1, 2, 3, -1, 5):
            g.add("rot90", [x, k, [0, 1]])
        g.add("rot90", [x, 1, [0, 0]])
        g.add("fliplr", [x])
        g.add("flipud", [x])
        g.add("diag_embed", [x])
        g.add("diag_embed", [x, 1, 0, 2])
        g.add("diag", [x])
        g.add("diag", [x, -1])
        g.add("diff", [x])
        g.add("diff", [x, 2, 0])
    g.add("diag", [r(3), 1])
    g.add("diff", [torch.tensor([True, False, False])])
    g.add("select_scatter", [r(4, 5), r(4), 0, 2])
    g.add("masked_scatter", [r(3), torch.tensor([True, True, True]), r(2)])
    g.add("fliplr", [r(3)])
    g.add("tril_indices", [3, 4, 1], lambda a, b, c: torch.tril_indices(a, b, c))
    g.add("triu_indices", [3, 4, -1], lambda a, b, c: torch.triu_indices(a, b, c))
    return g


def statistics():
    g = Golden()
    for x in (r(4, 5), strided(4, 5), r(7), r(2, 3, 4), ints(0, 9, 4, 5)):
        g.add("aminmax", [x], grad=False)
        g.add("aminmax", [x], grad=False, dim=0, keepdim=True)
        if x.dtype == F64:  # of equal ones any index will do
            g.add("kthvalue", [x, 2])
            g.add("kthvalue", [x, 1, 0, True])
        g.add("kthvalue", [x, 99])
        g.add("median.dim", [x, -1], lambda t, d: torch.median(t, d))
        g.add("median.dim", [x, 0, True], lambda t, d, k: torch.median(t, d, k))
        g.add("median", [x])
        if x.dtype == F64:
            g.add("std_mean", [x])
            g.add("var_mean", [x, False])
            g.add("nansum", [x])
            g.add("nanmean", [x])
            q = torch.tensor([0.0, 0.3, 0.5, 1.0], dtype=F64)
            for how in ("linear", "lower", "higher", "nearest", "midpoint"):
                g.add("quantile", [x, q, -1], lambda t, p, d, interpolation: torch.quantile(t, p.detach(), d, interpolation=interpolation),
                      grad=False, interpolation=how)
            g.add("quantile", [x, torch.tensor(0.4, dtype=F64)], lambda t, p: torch.quantile(t, p.detach()), grad=False)
            g.add("quantile", [x, q, 0, True], lambda t, p, d, k: torch.quantile(t, p.detach(), d, k), grad=False)
            g.add("histc", [x, 5], grad=False)
            g.add("histc", [x, 4, -1, 1], grad=False)
    for x in (torch.tensor([3.0, NAN, 1.0, 2.0], dtype=F64), torch.tensor([NAN, NAN], dtype=F64)):
        g.add("median", [x], grad=False)
        g.add("median.dim", [x, 0], lambda t, d: torch.median(t, d), grad=False)
        g.add("nansum", [x], grad=False)
        g.add("nanmean", [x], grad=False)
        g.add("quantile", [x, torch.tensor(0.5, dtype=F64)], lambda t, p: torch.quantile(t, p), grad=False)
    s = torch.tensor([[1, 3, 5, 7], [2, 4, 6, 8]])
    v = torch.tensor([[3, 6, 9], [3, 6, 9]])
    for right in (False, True):
        g.add("searchsorted.Tensor", [s, v], torch.searchsorted, right=right)
        g.add("searchsorted.Tensor", [s[0].float(), torch.randn(2, 3) * 5], torch.searchsorted, right=right)
        g.add("bucketize.Tensor", [v, s[0]], torch.bucketize, right=right)
    g.add("searchsorted.Tensor", [s, torch.tensor([3])], torch.searchsorted)
    g.add("searchsorted.Tensor", [s, v], torch.searchsorted, out_int32=True)
    for x in (torch.tensor([0, 1, 1, 3]), torch.tensor([2, 2], dtype=torch.int32), torch.tensor([], dtype=torch.int64)):
        g.add("bincount", [x])
        g.add("bincount", [x, None, 6])
        g.add("bincount", [x, torch.rand(len(x))])
    g.add("bincount", [torch.tensor([-1, 2])])
    g.add("bincount", [torch.tensor([1.0, 2])])
    for x in (torch.tensor([3, 1, 2, 3, 1]), torch.tensor([[2.0, 1.0], [2.0, 5.0]]), torch.tensor([7]), torch.tensor([True, False, True])):
        g.add("_unique2", [x, True, True, True], lambda t, a, b, c: torch._unique2(t, a, b, c))
    return g


def norms():
    g = Golden()
    for x in (r(2, 6, 5), strided(2, 6, 3, 4), r(3, 6), torch.randn(2, 6, 4, 4)):
        n, c, hw = x.shape[0], x.shape[1], x[0, 0].numel()
        w, b = r(6).to(x.dtype), r(6).to(x.dtype)
        g.add("group_norm", [x, 3, w, b])
        g.add("group_norm", [x, 1])
        g.add("group_norm", [x, 4])
        g.add("native_group_norm", [x, w, b, n, c, hw, 2, 1e-5], lambda t, *a: torch.native_group_norm(t.contiguous(), *a), grad=False)
        if x.dim() > 2:
            g.add("instance_norm", [x, w, b, None, None, True, 0.1, 1e-5, False])
            g.add("instance_norm", [x, None, None, r(6).to(x.dtype), pos(6).to(x.dtype), False, 0.1, 1e-5, False], grad=False)
            g.add("local_response_norm", [x, 3], lambda t, k: F.local_response_norm(t, k))
            g.add("local_response_norm", [x, 2, 0.1, 0.5, 2.0], lambda t, k, a, e, z: F.local_response_norm(t, k, a, e, z))
    for x in (r(4, 3, 5), r(4, 3)):
        g.add("_native_batch_norm_legit.no_stats", [x, r(3), r(3), True, 0.1, 1e-5],
              lambda t, w, b, tr, m, e: torch.native_batch_norm(t, w, b, None, None, tr, m, e))
        for op in ("_native_batch_norm_legit_no_training",):
            g.add(op, [x, r(3), r(3), r(3), pos(3), 0.1, 1e-5],
                  lambda t, w, b, m, v, mo, e: torch.native_batch_norm(t, w, b, m, v, False, mo, e), grad=False)
    i, o = torch.tensor([0, 2, 4, 4, 1, 3]), torch.tensor([0, 2, 2, 5])
    for mode in (0, 1, 2):
        for pad in (-1, 4):
            w = r(5, 3)
            g.add("_embedding_bag", [w, i, o, False, mode, False, None, False, pad],
                  lambda w, j, f, *a: torch.ops.aten._embedding_bag(w, j, f, *a)[:1], some=True)
    return g


def aliases():
    g = Golden()
    for n in "absolute negative fix arcsinh arctan".split():
        for x in (r(3, 4), strided(2, 3)):
            g.add(n, [x])
    for n in "arccos arcsin arctanh".split():
        g.add(n, [unit(3, 4)])
    g.add("arccosh", [pos(3) + 1])
    g.add("arccosh", [pos(9) + 1])
    for n in "divide multiply subtract".split():
        g.add(n + ".Tensor", [r(3, 4), pos(4)])
        g.add(n + ".Tensor", [ints(1, 9, 3), ints(1, 9, 3)])
    for n in "greater greater_equal less less_equal not_equal".split():
        for x, y in ((ints(0, 3, 9), ints(0, 3, 9)), (r(3, 4), r(4)), (r(0, 2), r(2)), (r(), r()), (strided(3, 2), r(2))):
            g.add(n + ".Tensor", [x, y])
            g.add(n + ".Tensor", [x.float(), y])
    g.add("arctan2", [r(3), r(3)], torch.arctan2)
    g.add("arctan2", [r(6), r(6)], torch.arctan2)
    g.add("clip", [r(5), -0.5, 0.5])
    g.add("clip", [r(2, 6), -0.5, 0.5])
    g.add("moveaxis.intlist", [r(2, 3, 4), [0], [2]])
    g.add("swapaxes", [r(2, 3, 4), 0, 2])
    g.add("swapdims", [r(2, 3, 4), 0, 2])
    g.add("ger", [r(3), r(2)])
    g.add("ger", [r(7), r(1)])
    g.add("vdot", [r(3), r(3)])
    g.add("vdot", [r(6), r(6)])
    g.add("concat", [[r(2, 3), r(1, 3)]], torch.concat)
    for x in (r(2, 3), strided(2, 3)):
        g.add("ravel", [x])
        g.add("reshape_as", [x, r(3, 2)], lambda a, b: a.reshape_as(b))
        g.add("broadcast_to", [x, [4, 2, 3]])
        g.add("msort", [x])
        g.add("argwhere", [x.detach() > 0])
        g.add("dist", [x, r(2, 3)])
        g.add("dist", [x, r(3), 1], torch.dist)
        g.add("diagflat", [x])
        g.add("diagflat", [x, 1])
        g.add("softmin", [x, 1], lambda t, d: F.softmin(t, d))
        g.add("type_as", [x, torch.zeros(1)], lambda a, b: a.type_as(b))
        g.add("new_ones", [x, [2]], lambda t, n: t.new_ones(n))
        g.add("float_power.Tensor_Tensor", [x.abs() + 1, r(3)], torch.float_power)
        g.add("ldexp.Tensor", [x, torch.tensor([1, 2, -1])], torch.ldexp, grad=False)
    for n in ("isposinf", "isneginf"):
        for dtype in (torch.float32, F64, torch.bfloat16, torch.float16):
            g.add(n, [torch.tensor([INF, -INF, NAN, 1.0]).to(dtype)])
        g.add(n, [ints(0, 9, 3)])
        g.add(n, [torch.tensor(INF)])
    for n in (0, 1, 2, 5):
        g.add("matrix_power", [r(3, 3), n], torch.matrix_power, grad=n > 0)
    g.add("matrix_power", [r(2, 3), 2], torch.matrix_power)
    for x in (torch.tensor([1, 1, 2, 2, 2, 1]), torch.tensor([[1.0, 1], [1, 3]]), torch.tensor([5])):
        g.add("unique_consecutive", [x, True, True], lambda t, a, b: torch.unique_consecutive(t, a, b))
    return g


def transposed():
    g = Golden()
    g.add("conv_transpose1d", [r(2, 3, 5), r(3, 4, 3), r(4)])
    g.add("conv_transpose1d", [r(2, 4, 5), r(4, 2, 3), None, [2], [1], [1], 2, [2]])
    g.add("conv_transpose2d", [r(2, 3, 4, 5), r(3, 2, 3, 3), r(2)])
    g.add("conv_transpose2d", [r(2, 4, 4, 5), r(4, 3, 3, 2), r(6), [2, 1], [1, 0], [1, 0], 2, [1, 2]])
    g.add("conv_transpose2d", [strided(1, 3, 4, 4), r(3, 2, 2, 2), None, [2, 2]])
    g.add("conv_transpose2d", [r(3, 4, 5), r(3, 2, 3, 3), r(2)])
    g.add("conv_transpose2d", [r(2, 3, 4, 5), r(4, 2, 3, 3)])
    g.add("conv_transpose3d", [r(1, 2, 3, 3, 4), r(2, 3, 2, 2, 2), r(3), [1, 2, 1], [0, 1, 0]])
    for n, sizes in ((1, (2, 3, 6)), (2, (2, 3, 4, 6)), (3, (1, 2, 4, 4, 6))):
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[n - 1]
        x = r(*sizes)
        y, index = pool(x, 2, return_indices=True)
        g.add(f"max_unpool{n}d", [y, index, list(sizes[2:])], lambda a, i, s, f=(F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[n - 1]: f(a, i, 2, output_size=s))
        for sizes in ((2, 1, 8), (1, 3, 2)):
            shape = [*sizes[:2], *[sizes[2]] * n]
            y, index = pool(r(*shape), 2, return_indices=True)
            g.add(f"max_unpool{n}d", [y, index, shape[2:]], lambda a, i, s, f=(F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[n - 1]: f(a, i, 2, output_size=s))
    for x in (r(2, 3, 9, 8), strided(3, 7, 6)):
        u = torch.rand(x.shape[0] if x.dim() == 4 else 1, 3, 2, dtype=F64)
        g.add("fractional_max_pool2d", [x, [2, 3], [4, 3], u], lambda t, k, s, u: torch.ops.aten.fractional_max_pool2d(t, k, s, u.detach()), grad=False)
        g.add("fractional_max_pool2d", [x, [2, 2], [1, 5], u], lambda t, k, s, u: torch.ops.aten.fractional_max_pool2d(t, k, s, u.detach()), grad=False)
        for sizes in ((1, 1, 8, 6, 7), (3, 2, 5, 5, 5)):
            x = r(*sizes)
            u3 = torch.rand(sizes[0], sizes[1], 3, dtype=F64)
            for k, o in (([2, 2, 2], [2, 3, 3]), ([1, 2, 3], [3, 3, 2])):
                g.add("fractional_max_pool3d", [x, k, o, u3], lambda t, k, s, u: torch.ops.aten.fractional_max_pool3d(t, k, s, u.detach()), grad=False)
    g.add("fractional_max_pool2d", [r(1, 3, 4, 4), [3, 3], [4, 4], torch.rand(1, 3, 2, dtype=F64)])
    x, u = r(1, 2, 6, 7, 5), torch.rand(1, 2, 3, dtype=F64)
    g.add("fractional_max_pool3d", [x, [2, 2, 2], [3, 4, 2], u], lambda t, k, s, u: torch.ops.aten.fractional_max_pool3d(t, k, s, u.detach()), grad=False)
    for x in (r(2, 2, 5, 6, 4), strided(2, 4, 3, 5)):
        g.add("adaptive_max_pool3d", [x, [2, 3, 1]])
        g.add("adaptive_max_pool3d", [x, [1, 1, 1]])
    return g


def loss():
    g = Golden()
    logits, target = r(4, 5), torch.tensor([0, 4, -100, 2])
    how = ["none", "mean", "sum"]
    for red in (0, 1, 2):
        soft = lambda x, t, w, rd, ig=-100, ls=0.0: F.cross_entropy(x, t, w, reduction=how[rd], label_smoothing=ls)
        g.add("nll_loss", [F.log_softmax(logits, 1).detach(), target, pos(5), red],
              lambda x, t, w, rd: F.nll_loss(x, t, w.detach(), reduction=how[rd]), grad=False)
        g.add("nll_loss", [F.log_softmax(strided(4, 5), 1).detach(), target, None, red])
        g.add("nll_loss", [r(5), torch.tensor(3), None, red])
        g.add("nll_loss", [logits, torch.tensor([0, 5, 1, 1]), None, red])
        g.add("cross_entropy_loss", [logits, target, None, red], soft)
        g.add("cross_entropy_loss", [logits, target, pos(5), red, -100, 0.1], lambda x, t, w, rd, ig, ls: soft(x, t, w.detach(), rd, ig, ls))
        g.add("cross_entropy_loss", [r(2, 5, 3), ints(0, 5, 2, 3), None, red], soft)
        g.add("cross_entropy_loss", [logits, torch.softmax(r(4, 5), 1), None, red, -100, 0.1],
              lambda x, t, w, rd, ig, ls: soft(x, t, w, rd, ig, ls))
        g.add("mse_loss", [r(3, 4), r(3, 4), red])
        g.add("mse_loss", [strided(3, 4), r(4, 3).t(), red])
        g.add("l1_loss", [r(3, 4), r(3, 4), red], lambda a, b, rd: F.l1_loss(a, b, reduction=how[rd]))
        g.add("binary_cross_entropy", [unit(3, 4), unit(3, 4), pos(3, 4), red],
              lambda a, b, w, rd: F.binary_cross_entropy(a, b, w, reduction=how[rd]), grad=False)
        g.add("binary_cross_entropy_with_logits", [r(3, 4), unit(3, 4), pos(3, 4), pos(4), red],
              lambda a, b, w, pw, rd: F.binary_cross_entropy_with_logits(a, b, w, pos_weight=pw, reduction=how[rd]), grad=False)
    return g


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for family in (unary, binary, reduction, shape, indexing, product, network, pooling, resampling, activation, distance, norms, products, selecting, statistics, aliases, transposed, loss, more_losses, factorisations, vectors, plain, backwards, order, joins, calculus, selecting_more, recurrent, attention, special, overloads, other_dtypes):
        torch.manual_seed(0)
        family().save(folder / f"{family.__name__}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
