"""What PyTorch computes with single operations, stored for the conformance suite: the format of tests/golden/ops/*.safetensors.

Each file holds tensors named by number, and in its metadata "torch", the version, and "cases": a JSON list of
    {"op": row or bare name, "args": [...], "kw": {...}, "out": [...], "error": true, "grad": [...], "cotangent": [...]}
An argument is null, true, 3, "text", {"f": 0.5}, {"dtype": "float32"}, [1, 2] (integers), {"fs": [0.5]}, {"b": [true, false]}, {"ts": [tensors]} or a
tensor: {"t": number of a stored one} as it is, or with "size", "stride" and "offset" a view of it; "grad": true when it requires grad.
Outputs are numbers of stored tensors, with "some" only the first ones; with "error" PyTorch refuses the call. Gradients are those of Σ output · cotangent with
respect to the tensors that require grad, in order; -1 where there is none.
"""

import json
import struct

import steady  # noqa: F401  (first: it starts Python anew)

import torch

NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
F64 = torch.float64
NAN, INF = float("nan"), float("inf")


class Golden:
    """The cases of one file."""

    def __init__(self, extremes=True):
        self.extremes = extremes  # whether NaN and infinity are tried
        self.cases, self.tensors, self.known, self.calls = [], [], {}, []

    def store(self, tensor):
        tensor = tensor.detach().contiguous()
        if tensor.is_floating_point():  # which NaN an operation makes depends on the processor
            tensor = tensor.masked_fill(tensor.isnan(), NAN)
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
        if x and isinstance(x[0], float):
            return {"fs": list(x)}
        if x and isinstance(x[0], bool):
            return {"b": list(x)}
        return list(x)

    def add(self, op, args, ref=None, grad=True, some=False, tries=False, **kw):
        """One sample: PyTorch's result of ref, or of the ATen operation of that name. With tries, only if PyTorch takes the call."""
        call = ref or getattr(torch.ops.aten, op.split(".")[0])
        tensors = [e for a in args for e in (a if isinstance(a, (list, tuple)) else [a]) if isinstance(e, torch.Tensor)]
        wants = [t for t in tensors if grad and t.dtype == F64]
        for t in wants:
            t.requires_grad_(True)
        case = {"op": op, "args": [self.value(a) for a in args]}
        if some:
            case["some"] = True
        if kw:
            case["kw"] = {k: self.value(v) for k, v in kw.items()}
        try:
            result = call(*args, **kw)
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            if tries or "not implemented for" in str(error):  # a dtype that PyTorch lacks: others may have it
                forget(wants)
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
                try:
                    grads = torch.autograd.grad(tracked, wants, weights, allow_unused=True)
                except RuntimeError as error:  # PyTorch's own trouble with its gradient
                    print("left out:", op, str(error)[:100])
                    forget(wants)
                    return
                case["grad"] = [-1 if g is None else self.store(g) for g in grads]
        forget(wants)
        self.cases.append(case)
        if not tries and "error" not in case:
            self.calls.append((op, args, ref, grad, some, kw))

    def vary(self, call, variant):
        """One more sample: the call with other tensors, unless there is nothing to change or PyTorch refuses it. Returns how many."""
        op, args, ref, grad, some, kw = call
        if op.split(".")[0] in SPARED.get(variant, ()) or (not self.extremes and variant in (with_nan, with_infinity)):
            return 0
        before = len(self.cases)
        if variant is empty:
            sizes = [t.shape[0] for a in args for t in (a if isinstance(a, (list, tuple)) else [a]) if isinstance(t, torch.Tensor) and t.dim()]
            variant = lambda t: t.detach()[:0].clone() if t.dim() and t.shape[0] == sizes[0] else t
        others = [[variant(e) if isinstance(e, torch.Tensor) else e for e in a] if isinstance(a, (list, tuple)) else
                  variant(a) if isinstance(a, torch.Tensor) else a for a in args]
        if any(different(a, b) for a, b in zip(args, others)):
            self.add(op, others, ref, grad and variant not in (with_nan, with_infinity), some, tries=True, **kw)
        return len(self.cases) - before

    def widen(self, enough=10):
        """More samples of the operations that have few: calls without elements, in other layouts and dtypes, with other numbers."""
        calls = {}
        for call in self.calls:
            calls.setdefault(call[0], []).append(call)
        for op, known in calls.items():
            count = sum(c["op"] == op for c in self.cases)
            for variant in VARIANTS:
                for call in known:
                    if count < enough:
                        count += self.vary(call, variant)

    def save(self, path):
        self.widen()
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


def forget(tensors):
    for t in tensors:
        t.requires_grad_(False)


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


def strided_like(t):
    """The same numbers as every other element of a buffer."""
    if not t.dim():
        return t
    buffer = torch.full([2 * s for s in t.shape], 1).to(t.dtype)
    view = buffer[tuple(slice(None, None, 2) for _ in t.shape)]
    return view.copy_(t.detach())


def columns_first(t):
    return t.detach().transpose(0, -1).clone(memory_format=torch.contiguous_format).transpose(0, -1) if t.dim() > 1 else t


def offset_by_three(t):
    buffer = torch.full([t.numel() + 3], 1).to(t.dtype)
    return buffer[3:].copy_(t.detach().reshape(-1)).view(t.shape)


def in_float32(t):
    return t.detach().float() if t.dtype == F64 else t


def halved(t):
    return t.detach() * 0.5 if t.is_floating_point() else t


def quartered(t):
    return t.detach() * 0.75 if t.is_floating_point() else t


def empty(t):
    """Marks the variant whose first dimension, with all that share its size, has no elements."""


def with_number(t, number):
    if not t.is_floating_point() or t.numel() < 2:
        return t
    t = t.detach().clone(memory_format=torch.contiguous_format)
    t.view(-1)[t.numel() // 2] = number
    return t


def with_nan(t):
    return with_number(t, NAN)


def with_infinity(t):
    return with_number(t, INF)


VARIANTS = (empty, strided_like, columns_first, in_float32, halved, with_nan, with_infinity, offset_by_three, quartered)

# What PyTorch 1.13 gets wrong: strides that it doesn't look at; a division by zero.
DENSE = ("masked_select", "narrow_copy", "native_group_norm", "native_group_norm_backward", "native_layer_norm_backward", "fractional_max_pool2d", "fractional_max_pool3d",
         "max_pool3d_with_indices_backward")
SPARED = {strided_like: DENSE[2:], columns_first: DENSE, empty: ("native_batch_norm", "native_batch_norm_backward", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit", "pdist", "conv_tbc"),
          with_nan: ("fractional_max_pool2d", "fractional_max_pool3d"), with_infinity: ("fractional_max_pool2d", "fractional_max_pool3d")}


def different(a, b):
    if isinstance(a, (list, tuple)):
        return any(different(x, y) for x, y in zip(a, b))
    return isinstance(a, torch.Tensor) and a is not b
