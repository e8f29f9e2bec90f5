#!/usr/bin/env python3
"""The PyTorch side of the benchmarks: prints `name<TAB>median<TAB>unit<TAB>min<TAB>max`.

usage: tools/peers/torch_peer.py [--threads N] [--data DIR] [--only PREFIX] [--device cpu|cuda]
DIR holds the Fashion-MNIST idx .gz files (Debian package dataset-fashion-mnist).
Debian's python3-torch 1.13 is enough; a newer PyTorch is a harder peer. A fair peer has one thread pool: with Debian's
default pthread OpenBLAS its BLAS threads fight libgomp's and two threads look worse than they are, so install
libopenblas0-openmp beside it. The thread count is set in the environment before torch starts, since
torch.set_num_threads does not bind BLAS. Rates are per second, times in microseconds. Each figure is the median of
several repeats, in one process, after a warm-up. OpenBLAS is told the processor's kernels where it doesn't know the
processor (OPENBLAS_CORETYPE); PyTorch's own vector code is left at its default, AVX2 (ATEN_CPU_CAPABILITY=avx512 changes it).
"""
import argparse, contextlib, ctypes, ctypes.util, gzip, os, statistics, struct, sys, time

ap = argparse.ArgumentParser()
ap.add_argument("--threads", type=int, default=os.cpu_count())
ap.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
ap.add_argument("--only", default="")
ap.add_argument("--device", default="cpu")
a = ap.parse_args()


def right_core():
    """The name of OpenBLAS's kernels for this processor where it took it for a plain SSE machine, as an OpenBLAS older than
    the processor does: PyTorch would multiply at a quarter of its speed. Empty where it chose well."""
    with open("/proc/cpuinfo") as f:
        flags = set(next((line for line in f if line.startswith("flags")), "").split())
    core = "SkylakeX" if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags else "Haswell" if {"avx2", "fma"} <= flags else ""
    try:
        name = ctypes.CDLL(ctypes.util.find_library("openblas")).openblas_get_corename
    except (AttributeError, OSError, TypeError):
        return ""
    name.restype = ctypes.c_char_p
    return core if name() in (b"Prescott", b"Core2", b"Nehalem", b"Generic") else ""


# BLAS and OpenMP read these once, when they are loaded, which asking OpenBLAS has done already.
again = {}
core = "" if "OPENBLAS_CORETYPE" in os.environ else right_core()
if core:
    again["OPENBLAS_CORETYPE"] = core
if os.environ.get("OMP_NUM_THREADS") != str(a.threads):
    again["OMP_NUM_THREADS"] = again["OPENBLAS_NUM_THREADS"] = str(a.threads)
if again:
    os.environ.update(again)
    os.execv(sys.executable, [sys.executable] + sys.argv)

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

torch.set_num_threads(a.threads)
dev = torch.device(a.device)
sync = torch.cuda.synchronize if a.device == "cuda" else (lambda: None)
torch.manual_seed(0)


def timed(name, unit, work, fn, repeats=7, budget=0.25):
    """work/seconds if unit is a rate ('…/s'), else seconds*1e6/work ('us')."""
    if not name.startswith(a.only):
        return
    fn(); sync()
    calls, took = 1, 0
    while took < budget / 10:
        t = time.perf_counter()
        for _ in range(calls):
            fn()
        sync()
        took = time.perf_counter() - t
        one, calls = took / calls, calls * 2
    n = max(1, int(budget / one))
    vals = []
    for _ in range(repeats):
        t = time.perf_counter()
        for _ in range(n):
            fn()
        sync()
        s = (time.perf_counter() - t) / n
        vals.append(work / s if unit.endswith("/s") else s * 1e6 / work)
    print(f"{name}\t{statistics.median(vals):.4g}\t{unit}\t{min(vals):.4g}\t{max(vals):.4g}", flush=True)


def randn(*s, **k):
    return torch.randn(*s, device=dev, **k)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.f1, self.f2, self.f3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(self.c1(x).relu(), 2)
        x = F.max_pool2d(self.c2(x).relu(), 2)
        x = self.f1(x.flatten(1)).relu()
        return self.f3(self.f2(x).relu())


class ResBlock(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.a, self.b = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.na, self.nb = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.d = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)) if s > 1 or i != o else nn.Identity()

    def forward(self, x):
        return (self.nb(self.b(self.na(self.a(x)).relu())) + self.d(x)).relu()


def resnet18():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    i = 64
    for o, s in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers.append(ResBlock(i, o, s)); i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Block(nn.Module):
    """GPT-2 style pre-norm block, d=256, 4 heads, causal."""
    def __init__(self, d=256, h=4):
        super().__init__()
        self.h, self.n1, self.n2 = h, nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.o, self.u, self.v = nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.n1(x)).view(b, t, 3, self.h, d // self.h).permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):   # from PyTorch 2.0 on
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            s = (q @ k.transpose(-1, -2)) * (d // self.h) ** -0.5
            s = s.masked_fill(torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1), float("-inf"))
            y = s.softmax(-1) @ v
        x = x + self.o(y.transpose(1, 2).reshape(b, t, d))
        return x + self.v(F.gelu(self.u(self.n2(x))))


class GPT(nn.Module):
    def __init__(self, vocab=256, t=128, d=256, layers=4):
        super().__init__()
        self.e, self.p = nn.Embedding(vocab, d), nn.Embedding(t, d)
        self.b = nn.Sequential(*[Block(d) for _ in range(layers)])
        self.n, self.head = nn.LayerNorm(d), nn.Linear(d, vocab, bias=False)

    def forward(self, i):
        return self.head(self.n(self.b(self.e(i) + self.p.weight[: i.shape[1]])))


def trainer(net, opt, x, y, loss=F.cross_entropy, half=None):
    net.to(dev).train()

    def step():
        opt.zero_grad()
        with torch.autocast(dev.type, dtype=half) if half else contextlib.nullcontext():
            out = net(x)
            value = loss(out.reshape(-1, out.shape[-1]), y.reshape(-1))
        value.backward()
        opt.step()
    return step


def status(name):
    with open("/proc/self/status") as f:
        return next((int(l.split()[1]) / 1024 for l in f if l.startswith(name + ":")), 0)


# The most memory that a process has resident which trains for four steps, and what of it came after the import: the first row alone is
# true, and nothing else may have been made before.
if a.only.startswith("memory"):
    for name, make, opt, data in (
            ("lenet_b64", LeNet, torch.optim.SGD, lambda: (randn(64, 1, 28, 28), torch.randint(10, (64,), device=dev))),
            ("resnet18_b8_32px", lambda: resnet18(), torch.optim.SGD, lambda: (randn(8, 3, 32, 32), torch.randint(10, (8,), device=dev))),
            ("resnet18_b8_112px", lambda: resnet18(), torch.optim.SGD, lambda: (randn(8, 3, 112, 112), torch.randint(10, (8,), device=dev))),
            ("gpt_4l_d256_b8_t128", lambda: GPT(), torch.optim.AdamW, lambda: (torch.randint(256, (8, 128), device=dev),) * 2)):
        if not ("memory/" + name).startswith(a.only):
            continue
        before = status("VmRSS")
        net = make()
        step = trainer(net, opt(net.parameters(), .01, **({"momentum": .9} if opt is torch.optim.SGD else {})), *data())
        for _ in range(4):
            step()
        most = status("VmHWM")
        for row, value in (("memory/" + name, most), ("memory/" + name + "/grown", most - before)):
            print(f"{row}\t{value:.4g}\tMiB\t{value:.4g}\t{value:.4g}", flush=True)
    sys.exit()

with torch.no_grad():
    for n in (32, 64, 256, 512, 1024, 2048):
        x, y = randn(n, n), randn(n, n)
        timed(f"gemm/f32/{n}", "GFLOP/s", 2 * n**3 / 1e9, lambda: x @ y)
    x, y = randn(1024, 1024).bfloat16(), randn(1024, 1024).bfloat16()
    timed("gemm/bf16/1024", "GFLOP/s", 2 * 1024**3 / 1e9, lambda: x @ y)
    for n in (1, 1000, 100_000, 10_000_000):
        x, y = randn(n), randn(n)
        timed(f"add/{n}", "us", 1, lambda: x + y)
        timed(f"relu/{n}", "us", 1, lambda: x.relu())
        timed(f"gelu/{n}", "us", 1, lambda: F.gelu(x))
        timed(f"exp/{n}", "us", 1, lambda: x.exp())
        timed(f"sum/{n}", "us", 1, lambda: x.sum())
    x = randn(4096, 4096)
    timed("transpose_copy/4096", "us", 1, lambda: x.t().contiguous())
    x, y = randn(10_000_000), randn(10_000_000)
    timed("chain/relu_add_mul/10000000", "us", 1, lambda: (x + y).relu() * x)
    x = randn(10_000_000)
    timed("copy/10000000", "us", 1, lambda: x.clone())
    x = randn(1_000_000)
    timed("sort/1000000", "us", 1, lambda: x.sort())
    x = randn(512, 1024)
    w, b = randn(1024), randn(1024)
    timed("softmax/512x1024", "us", 1, lambda: x.softmax(-1))
    timed("layer_norm/512x1024", "us", 1, lambda: F.layer_norm(x, (1024,), w, b))
    x, w, b = randn(100, 1000), randn(1000), randn(1000)
    timed("softmax/100x1000", "us", 1, lambda: x.softmax(-1))
    timed("layer_norm/100x1000", "us", 1, lambda: F.layer_norm(x, (1000,), w, b))

for name, ci, co, k, hw, n, p in (("lenet1", 1, 6, 5, 28, 64, 2), ("lenet2", 6, 16, 5, 14, 64, 0),
                                  ("res64", 64, 64, 3, 56, 8, 1), ("res256", 256, 256, 3, 14, 8, 1)):
    x, w = randn(n, ci, hw, hw, requires_grad=True), randn(co, ci, k, k, requires_grad=True)
    o = F.conv2d(x, w, padding=p)
    g = torch.randn_like(o)
    fl = 2 * o.numel() * ci * k * k / 1e9
    with torch.no_grad():
        timed(f"conv_fwd/{name}", "GFLOP/s", fl, lambda: F.conv2d(x, w, padding=p))
        for row, mask in (("data", [True, False, False]), ("weights", [False, True, False])):
            timed(f"conv_{row}/{name}", "GFLOP/s", fl, lambda: torch.ops.aten.convolution_backward(
                g, x, w, None, [1, 1], [p, p], [1, 1], False, [0, 0], 1, mask))
    timed(f"conv_train/{name}", "GFLOP/s", 3 * fl, lambda: torch.autograd.grad(F.conv2d(x, w, padding=p), (x, w), g))

x = randn(1); xr = randn(1, requires_grad=True)
timed("dispatch/add_no_grad", "us", 1, lambda: x + x)
timed("dispatch/add_grad", "us", 1, lambda: xr + xr)


def chain():
    y = xr
    for _ in range(1000):
        y = y + xr
    y.backward()


timed("dispatch/chain1000_fwd_bwd", "us", 1, chain)


net = LeNet()
for b in (1, 64):
    timed(f"train/lenet_b{b}", "images/s", b, trainer(net, torch.optim.SGD(net.parameters(), .01, .9), randn(b, 1, 28, 28), torch.randint(10, (b,), device=dev)))
with torch.no_grad():
    x = randn(1, 1, 28, 28)
    timed("infer/lenet_b1", "us", 1, lambda: net(x))
net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
timed("train/mlp_b128_adam", "images/s", 128, trainer(net, torch.optim.Adam(net.parameters()), randn(128, 784), torch.randint(10, (128,), device=dev)))
for name, sizes in (("adam/mlp", [784 * 512, 512, 512 * 512, 512, 5120, 10]), ("adam/200x1000", [1000] * 200)):
    params = [randn(n).requires_grad_() for n in sizes]
    for p in params:
        p.grad = randn(p.numel())
    timed(name, "us", 1, torch.optim.Adam(params).step)
net = resnet18()
timed("train/resnet18_b8_32px", "images/s", 8, trainer(net, torch.optim.SGD(net.parameters(), .01, .9), randn(8, 3, 32, 32), torch.randint(10, (8,), device=dev)), repeats=5)
net.eval()
with torch.no_grad():
    x = randn(8, 3, 224, 224)
    timed("infer/resnet18_b8_224px", "images/s", 8, lambda: net(x), repeats=5)
net = GPT()
i = torch.randint(256, (8, 128), device=dev)
timed("train/gpt_4l_d256_b8_t128", "tokens/s", 1024, trainer(net, torch.optim.AdamW(net.parameters()), i, i), repeats=5)
gpt_step = trainer(net, torch.optim.AdamW(net.parameters()), i, i, half=torch.bfloat16)
timed("train/gpt_bf16_4l_d256_b8_t128", "tokens/s", 1024, gpt_step, repeats=5)


class Rnn(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.r, self.h = layer(64, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x):
        return self.h(self.r(x)[0][:, -1])


for name, layer in (("lstm", nn.LSTM), ("gru", nn.GRU)):
    net, x = Rnn(layer), randn(32, 64, 64)
    timed(f"train/{name}_h128_b32_t64", "sequences/s", 32, trainer(net, torch.optim.Adam(net.parameters()), x, torch.randint(10, (32,), device=dev)), repeats=5)
    with torch.no_grad():
        timed(f"infer/{name}_h128_b32_t64", "sequences/s", 32, lambda: net(x), repeats=5)

for b, t in ((8, 128), (1, 2048)):
    net, x, g = nn.MultiheadAttention(256, 4, batch_first=True).to(dev), randn(b, t, 256), randn(b, t, 256)

    def attend_back():
        net.zero_grad()
        net(x, x, x, need_weights=False)[0].backward(g)

    timed(f"train/attention_d256_h4_b{b}_t{t}", "us", 1, attend_back, repeats=5)
    net.eval()   # the fast path is for evaluation alone
    with torch.no_grad():
        timed(f"infer/attention_d256_h4_b{b}_t{t}", "us", 1, lambda: net(x, x, x, need_weights=False), repeats=5)


def idx(name):
    with gzip.open(os.path.join(a.data, name)) as f:
        _, dt, nd = struct.unpack(">HBB", f.read(4))
        shape = struct.unpack(">" + "I" * nd, f.read(4 * nd))
        return torch.from_numpy(np.frombuffer(f.read(), np.uint8).reshape(shape).copy())


if "epoch".startswith(a.only) or a.only.startswith("epoch"):
    X, Y = idx("train-images-idx3-ubyte.gz").float().div_(255).unsqueeze_(1).to(dev), idx("train-labels-idx1-ubyte.gz").long().to(dev)
    Xt, Yt = idx("t10k-images-idx3-ubyte.gz").float().div_(255).unsqueeze_(1).to(dev), idx("t10k-labels-idx1-ubyte.gz").long().to(dev)
    torch.manual_seed(0)
    net = LeNet().to(dev)
    opt = torch.optim.SGD(net.parameters(), 0.05, 0.9)
    for e in range(2):
        t = time.perf_counter()
        p = torch.randperm(len(X), device=dev)
        for j in range(0, len(X), 64):
            k = p[j:j + 64]
            opt.zero_grad()
            F.cross_entropy(net(X[k]), Y[k]).backward()
            opt.step()
        sync()
        s = time.perf_counter() - t
        with torch.no_grad():
            acc = sum((net(Xt[j:j + 1000]).argmax(1) == Yt[j:j + 1000]).sum().item() for j in range(0, 10000, 1000)) / 1e4
        print(f"epoch/lenet_{e + 1}\t{len(X) / s:.4g}\timages/s\t{s:.3g}s\tacc={acc:.4f}", flush=True)
