"""Makes tests/golden/ops/*.safetensors: what PyTorch computes with single operations, for the conformance suite.

    python tools/golden/make_ops.py tests/golden/ops        (with torch 1.13; the same bytes each time)

Each file holds tensors named by number, and in its metadata "torch", the version, and "cases": a JSON list of
    {"op": row or bare name, "args": [...], "kw": {...}, "out": [...], "error": true, "grad": [...], "cotangent": [...]}
An argument is null, true, 3, "text", {"f": 0.5}, {"dtype": "float32"}, [1, 2] (integers), {"b": [true, false]}, {"ts": [tensors]} or a
tensor: {"t": number of a stored one} as it is, or with "size", "stride" and "offset" a view of it; "grad": true when it requires grad.
Outputs are numbers of stored tensors; with "error" PyTorch refuses the call. Gradients are those of Σ output · cotangent with
respect to the tensors that require grad, in order; -1 where there is none.
"""

import json
import pathlib
import struct
import sys

import torch
import torch.nn.functional as F

NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
F64 = torch.float64
NAN, INF = float("nan"), float("inf")


class Golden:
    """The cases of one file."""

    def __init__(self):
        self.cases, self.tensors, self.known = [], [], {}

    def store(self, tensor):
        tensor = tensor.detach().contiguous()
        data = tensor.reshape(-1).numpy().tobytes() if tensor.dtype != torch.bfloat16 else \
            tensor.reshape(-1).view(torch.int16).numpy().tobytes()
        key = (tensor.dtype, tuple(tensor.shape), data)
        if key not in self.known:
            self.known[key] = len(self.tensors)
            self.tensors.append(key)
        return self.known[key]

    def tensor(self, t):
        if t.is_contiguous() and t.storage_offset() == 0 and t.numel() == len(t.storage()):
            form = {"t": self.store(t)}
        else:
            whole = torch.as_strided(t.detach(), (len(t.storage()),), (1,), 0)
            form = {"t": self.store(whole), "size": list(t.shape), "stride": list(t.stride()), "offset": t.storage_offset()}
        if t.requires_grad:
            form["grad"] = True
        return form

    def value(self, x):
        if x is None or isinstance(x, (bool, int, str)):
            return x
        if isinstance(x, float):
            return {"f": x if x == x and abs(x) != INF else str(x)}
        if isinstance(x, torch.dtype):
            return {"dtype": str(x)[6:]}
        if isinstance(x, torch.Tensor):
            return self.tensor(x)
        if any(isinstance(e, torch.Tensor) for e in x):
            return {"ts": [None if e is None else self.tensor(e) for e in x]}
        if x and isinstance(x[0], bool):
            return {"b": list(x)}
        return list(x)

    def add(self, op, args, ref=None, grad=True, **kw):
        """One sample: PyTorch's result of ref, or of the ATen operation of that name."""
        call = ref or getattr(torch.ops.aten, op.split(".")[0])
        tensors = [e for a in args for e in (a if isinstance(a, (list, tuple)) else [a]) if isinstance(e, torch.Tensor)]
        wants = [t for t in tensors if grad and t.dtype == F64]
        for t in wants:
            t.requires_grad_(True)
        case = {"op": op, "args": [self.value(a) for a in args]}
        if kw:
            case["kw"] = {k: self.value(v) for k, v in kw.items()}
        try:
            result = call(*args, **kw)
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            if "not implemented for" in str(error):  # a dtype that PyTorch lacks: others may have it
                return
            case["error"] = True
            result = None
        if result is not None:
            outs = list(result) if isinstance(result, (tuple, list)) else [result]
            case["out"] = [self.store(o) for o in outs]
            tracked = [o for o in outs if o.requires_grad]
            if tracked and wants:
                generator = torch.Generator().manual_seed(len(self.cases))
                weights = [torch.randn(o.shape, generator=generator, dtype=o.dtype) for o in tracked]
                left = iter(weights)
                case["cotangent"] = [self.store(next(left)) if o.requires_grad else -1 for o in outs]
                grads = torch.autograd.grad(tracked, wants, weights, allow_unused=True)
                case["grad"] = [-1 if g is None else self.store(g) for g in grads]
        for t in wants:
            t.requires_grad_(False)
        self.cases.append(case)

    def save(self, path):
        header, at, blobs = {"__metadata__": {"torch": torch.__version__.split("+")[0],
                                              "cases": json.dumps(self.cases, separators=(",", ":"))}}, 0, []
        width = [torch.empty((), dtype=dtype).element_size() for dtype, _, _ in self.tensors]
        order = sorted(range(len(self.tensors)), key=lambda i: (-width[i], i))
        for i in order:
            dtype, shape, data = self.tensors[i]
            header[str(i)] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [at, at + len(data)]}
            at += len(data)
            blobs.append(data)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
        print(path.name, len(self.cases), "cases,", path.stat().st_size // 1024, "KiB")


def r(*sizes):
    return torch.randn(sizes, dtype=F64)


def pos(*sizes):
    return torch.rand(sizes, dtype=F64) + 0.2


def unit(*sizes):
    return torch.rand(sizes, dtype=F64) * 0.9


def strided(*sizes, make=r):
    """Every other element in every dimension."""
    return make(*[2 * s for s in sizes])[tuple(slice(None, None, 2) for _ in sizes)]


def ints(low, high, *sizes, dtype=torch.int64):
    return torch.randint(low, high, sizes).to(dtype)


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
    g.add("bitwise_not", [ints(0, 99, 5)])
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
    g.add("clamp_max", [r(5), 0.1])
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
    g.add("bitwise_left_shift", [torch.arange(6), torch.arange(6)])
    g.add("bitwise_right_shift", [torch.arange(-60, 60, 10), torch.arange(12) % 5])
    for a in (r(3, 4), strided(3, 4), r(4, 3).t()):
        g.add("where.self", [a > 0, a, r(4)])
    g.add("where.self", [torch.tensor(True), ints(0, 5, 3), r(3)])
    g.add("where.self", [r(0, 4) > 0, r(0, 4), r(4)])
    g.add("addcmul", [r(3, 4), r(4), r(3, 1)], value=0.5)
    g.add("addcdiv", [r(3, 4), r(4), pos(3, 1)], value=0.5)
    g.add("lerp.Scalar", [r(3), r(3), 0.3])
    g.add("lerp.Tensor", [r(3), r(3), unit(3)])
    g.add("masked_fill.Scalar", [r(3, 4), r(4) > 0, 2.0])
    g.add("masked_fill.Tensor", [r(3, 4), r(4) > 0, r()])
    g.add("isclose", [torch.tensor([1.0, 2, NAN, INF]), torch.tensor([1.0, 2.1, NAN, INF])], grad=False)
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
    for args in ([5], [0], [-1]):
        g.add("arange", args)
    g.add("arange.start_step", [1, 2, 0.3])
    g.add("arange.start_step", [5, 1, -2])
    g.add("arange.start_step", [1, 5, -1])
    g.add("linspace", [0.0, 1.0, 7])
    g.add("linspace", [0.0, 1.0, 1])
    g.add("eye", [3])
    g.add("full", [[2, 3], 1.5])
    g.add("full", [[2, 3], 1])
    g.add("full", [[], True], torch.full)
    g.add("zeros", [[2]])
    g.add("zeros", [[2, -1]])
    for a in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool):
        for b in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool):
            g.add("_to_copy", [torch.tensor([0.0, 1.0, 2.7, 3.1, 100.0]).to(a)], grad=False, dtype=b)
    g.add("_to_copy", [r(3, 4).t()], dtype=torch.float32)
    g.add("clone", [strided(3, 4)])
    return g


def indexing():
    g = Golden()
    i = ints(0, 4, 2, 3)
    g.add("gather", [r(4, 3), 0, i])
    g.add("gather", [strided(4, 3), 0, i])
    g.add("gather", [r(4, 3), 0, i + 9])
    g.add("gather", [r(4, 3), 1, ints(0, 3, 4, 2)])
    g.add("gather", [r(4, 0), 0, ints(0, 1, 2, 0)])
    g.add("scatter.src", [r(4, 3), 0, torch.tensor([[0, 1, 2], [1, 2, 0]]), r(2, 3)])
    g.add("scatter.src", [strided(4, 3), 0, torch.tensor([[0, 1, 2], [1, 2, 0]]), strided(2, 3)])
    g.add("scatter.src", [r(3, 4).t(), 1, torch.tensor([[2, 0], [1, 0], [0, 1], [2, 1]]), r(2, 4).t()])
    g.add("scatter.value", [r(4, 3), 0, i, 1.5])
    g.add("scatter_add", [r(3, 4).t(), 0, i, strided(2, 3)])
    g.add("scatter_add", [r(4, 3), 0, i, r(2, 3)])
    g.add("scatter_add", [ints(0, 5, 4, 3), 0, i, ints(0, 5, 2, 3)])
    for how in "sum prod mean amax amin".split():
        for inc in (True, False):
            g.add("scatter_reduce.two", [pos(4, 3), 0, i, pos(2, 3), how],
                  lambda a, d, j, s, rd, include_self: a.scatter_reduce(d, j, s, rd, include_self=include_self), include_self=inc)
    g.add("index_select", [r(4, 3), 1, torch.tensor([0, 2, 2])])
    g.add("index_select", [strided(4, 3), 0, torch.tensor([3])])
    g.add("index_select", [r(4, 3), 0, torch.tensor([4])])
    g.add("index_add", [r(4, 3), 0, torch.tensor([0, 2, 2]), r(3, 3)], alpha=2)
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
    g.add("take", [r(3, 4), torch.tensor([0, -1, 5])])
    g.add("one_hot", [torch.tensor([0, 2, 1])], lambda t: F.one_hot(t))
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
    g.add("addmm", [r(4), r(3, 2), r(2, 4)], beta=0.5, alpha=2.0)
    g.add("addmm", [r(3, 1), r(3, 2), r(4, 2).t()])
    g.add("addmm", [torch.full((4,), NAN, dtype=F64), r(3, 2), r(2, 4)], beta=0, grad=False)
    g.add("baddbmm", [r(2, 3, 4), r(2, 3, 2), r(2, 2, 4)])
    g.add("mv", [r(3, 2), r(2)])
    g.add("outer", [r(3), r(2)])
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
    g.add("conv1d", [r(2, 3, 9), r(4, 3, 3), r(4)])
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
    for family in (unary, binary, reduction, shape, indexing, product, network, loss):
        torch.manual_seed(0)
        family().save(folder / f"{family.__name__}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
