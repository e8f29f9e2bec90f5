"""Samples for make_ops.py of recurrent layers and blocked attention."""

import torch

from golden_ops import Golden, r, strided

V = torch._VF
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def cell(mode, x, h, c, w, b):
    """One step; what the step keeps for the backward comes last."""
    g = h @ w.t() + (b if b is not None else 0)
    if mode == "LSTM":
        i, f, n, o = (x + g).chunk(4, 1)
        i, f, n, o = i.sigmoid(), f.sigmoid(), n.tanh(), o.sigmoid()
        c = f * c + i * n
        return o * c.tanh(), c, torch.cat([i, f, n, o, c], 1)
    if mode == "GRU":
        xr, xz, xn = x.chunk(3, 1)
        hr, hz, hn = g.chunk(3, 1)
        reset, update = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        n = (xn + reset * hn).tanh()
        return n + update * (h - n), None, torch.cat([reset, update, n, hn], 1)
    return (x + g).tanh() if mode == "RNN_TANH" else (x + g).relu(), None, x[:, :0]


def scan(gates, h, c, w, b, sizes, mode, reverse, w_hr=None):
    sizes = [h.shape[0]] * (gates.shape[0] // h.shape[0]) if sizes is None else sizes.tolist()
    rows, outs, kept = list(gates.split(sizes)), {}, {}
    h, c = h.clone(), None if c is None else c.clone()
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        n = sizes[t]
        y, d, kept[t] = cell(mode, rows[t], h[:n], None if c is None else c[:n], w, b)
        outs[t] = y = y if w_hr is None else y @ w_hr.t()
        h = torch.cat([y, h[n:]])
        c = None if c is None else torch.cat([d, c[n:]])
    outs, kept = ([part[t] for t in range(len(sizes))] for part in (outs, kept))
    return torch.cat(outs), h, c, torch.cat(kept)


def scan_case(mode, steps, batch, hidden, bias, sizes=None, out=None):
    rows = sum(sizes) if sizes else steps * batch
    g = GATES[mode]
    return [r(rows, g * hidden), r(batch, out or hidden), r(batch, hidden) if mode == "LSTM" else None,
            r(g * hidden, out or hidden) * 0.5, r(g * hidden) if bias else None, torch.tensor(sizes) if sizes else None]


def recurrent():
    g = Golden()
    for mode in GATES:
        for reverse in (False, True):
            for hidden, bias, sizes in ((3, True, None), (17 if mode == "GRU" else 5, False, None), (4, False, [3, 3, 1]), (2, True, [3, 2, 2, 1])):
                case = scan_case(mode, 3, 3, hidden, bias, sizes)

                def ref(*a, keep=True):
                    return scan(*a)[:3 if a[6] == "LSTM" else 2]

                g.add("_rnn_scan", case + [mode, reverse], ref, some=True, keep=True)
                g.add("_rnn_scan", case + [mode, reverse], ref, grad=False, some=True, keep=False)
                project = r(2, hidden) if mode == "LSTM" and bias else None
                case = scan_case(mode, 3, 3, hidden, bias, sizes, out=2 if project is not None else None)
                g.add("_rnn_steps", case[:5] + [project] + case[5:] + [mode, reverse],
                      lambda *a: scan(*a[:5], *a[6:], w_hr=a[5])[:3 if a[7] == "LSTM" else 2], some=True)
    for steps, batch, hidden, sizes, reverse in ((2, 3, 4, None, False), (3, 1, 2, None, True), (0, 3, 5, [3, 2], False), (0, 3, 4, [3, 1, 1], True),
                                                 (1, 2, 3, None, False), (4, 2, 3, None, True), (0, 2, 3, [2, 2, 1], False), (2, 9, 3, None, False),
                                                 (2, 1, 17, None, False), (0, 4, 3, [4, 1], True)):
        case = scan_case("LSTM", steps, batch, hidden, True, sizes)
        wants = [t.clone().requires_grad_() for t in case[:5]]
        y, h, c, kept = scan(*wants, case[5], "LSTM", reverse)
        grads = [r(*t.shape) for t in (y, h, c)]
        result = torch.autograd.grad([y, h, c], wants, grads)
        g.add("_rnn_scan_backward", grads + case + [y.detach(), kept.detach(), "LSTM", reverse], lambda *a: result, grad=False)
    for layers, two, first, bias in ((1, False, False, True), (2, True, True, True), (2, False, True, False), (1, True, False, False), (2, False, False, True)):
        for size, hidden in ((3, 4), (2, 5)):
            for name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
                n = {"lstm": 4, "gru": 3}.get(name, 1)
                params = []
                for k in range(layers):
                    for _ in range(1 + two):
                        width = size if k == 0 else hidden * (1 + two)
                        params += [r(n * hidden, width) * 0.5, r(n * hidden, hidden) * 0.5] + ([r(n * hidden), r(n * hidden)] if bias else [])
                h = [r(layers * (1 + two), 3, hidden) for _ in range(2)]
                state = h if name == "lstm" else h[0]
                rest = [params, bias, layers, 0.0, True, two]
                ref = getattr(V, name)
                g.add(f"{name}.input", [(r if hidden == 4 else strided)(3, 5, size) if first else r(5, 3, size), state] + rest + [first], ref)
                g.add(f"{name}.data", [r(6, size), torch.tensor([3, 2, 1]), state] + rest, ref)
    for name, n in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):
        for batch, size, hidden, bias in ((2, 3, 4, True), (1, 3, 4, False), (5, 1, 1, True), (3, 2, 5, False), (2, 3, 6, True), (7, 3, 4, True),
                                          (1, 1, 2, True), (4, 5, 3, False), (2, 2, 2, True), (3, 3, 3, False)):
            h = [r(batch, hidden), r(batch, hidden)]
            b = [r(n * hidden), r(n * hidden)] if bias else [None, None]
            g.add(f"{name}_cell", [strided(batch, size), h if name == "lstm" else h[0], r(n * hidden, size), r(n * hidden, hidden)] + b,
                  getattr(V, f"{name}_cell"))
    whole_layers(g)
    return g


def layer(x, h, c, w_ih, w_hh, b, b_hh, sizes, mode, reverse):
    gates = x @ w_ih.t() + (b if b is not None else 0)
    return scan(gates, h, c, w_hh, b_hh, sizes, mode, reverse)


def whole_layers(g):
    """Whole layers, from their input on."""
    for mode in GATES:
        for reverse in (False, True):
            for size, hidden, biases, sizes in ((2, 3, 2, None), (5, 16, 1, None), (3, 4, 0, None), (2, 2, 2, [3, 2, 2, 1]), (1, 1, 0, None)):
                gates, h, c, w_hh, b, sizes = scan_case(mode, 3, 3, hidden, True, sizes)
                n = gates.shape[1]
                case = [r(gates.shape[0], size), h, c, r(n, size), w_hh, r(n) if biases else None, b if biases > 1 else None, sizes, mode, reverse]

                def ref(*a, keep=True):
                    return layer(*a)[:3 if a[8] == "LSTM" else 2]

                g.add("_rnn_layer", case, ref, some=True, keep=True)
                g.add("_rnn_layer", case, ref, grad=False, some=True, keep=False)
                short = [t.detach().float() if isinstance(t, torch.Tensor) and t.is_floating_point() else t for t in case]
                g.add("_rnn_layer", short, ref, grad=False, some=True, keep=not reverse)
    for steps, batch, size, hidden, sizes, reverse in ((2, 3, 5, 4, None, False), (3, 1, 1, 2, None, True), (0, 3, 2, 5, [3, 2], False), (1, 2, 3, 3, None, False),
                                                       (4, 2, 16, 16, None, True), (3, 2, 3, 17, None, False), (0, 3, 2, 4, [3, 1, 1], True), (2, 9, 1, 3, None, False),
                                                       (5, 1, 8, 8, None, False), (1, 1, 1, 1, None, True)):
        gates, h, c, w_hh, b_hh, sizes = scan_case("LSTM", steps, batch, hidden, True, sizes)
        case = [r(gates.shape[0], size), h, c, r(4 * hidden, size), w_hh, r(4 * hidden), b_hh]
        wants = [t.clone().requires_grad_() for t in case]
        y, hy, cy, _ = layer(*wants, sizes, "LSTM", reverse)
        grads = [r(*t.shape) for t in (y, hy, cy)]
        result = torch.autograd.grad([y, hy, cy], wants, grads)
        g.add("_rnn_layer_backward", grads + case + [sizes, y.detach(), cy.detach(), torch.zeros(1, dtype=torch.uint8), "LSTM", reverse, [True] * 7],
              lambda *a: result, grad=False)


def attend(q, k, v, mask, causal, scale):
    scores = q @ k.transpose(-1, -2) * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), float("-inf"))
    return scores.softmax(-1) @ v, scores.logsumexp(-1)


def attention():
    g = Golden()
    shapes = ((1, 1, 1, 1, 1, 1), (2, 3, 4, 5, 6, 6), (1, 1, 61, 70, 3, 2), (1, 1, 3, 258, 3, 3), (2, 2, 3, 3, 8, 2))
    for b, h, t, s, width, values in shapes:
        for kind in range(5):
            q, k, v = r(b, t, h, width).permute(0, 2, 1, 3), r(b, h, s, width), (r if kind else strided)(b, h, s, values)
            seen = torch.rand(b, 1, t, s) < 0.7
            seen[..., 0] = True
            mask = {2: seen.expand(b, h, t, s), 3: r(h, t, s).expand(b, h, t, s), 4: r(b, 1, 1, s).expand(b, h, t, s)}.get(kind)
            attention_case(g, q, k, v, mask, kind == 1)
    for b, h, t, s, width, values in shapes[1:]:  # causal, and some keys hidden
        seen = torch.rand(b, 1, 1, s) < 0.7
        seen[..., 0] = True
        for mask in (seen, r(b, 1, 1, s)):
            attention_case(g, r(b, h, t, width), r(b, h, s, width), r(b, h, s, values), mask.expand(b, h, t, s), True)
    return g


def attention_case(g, q, k, v, mask, causal):
    rest = [causal, 1 / q.shape[-1] ** 0.5]

    def forward(*a):  # logsumexp has no derivative here
        y, lse = attend(*a)
        return y, lse.detach()

    if mask is not None:
        mask = mask.detach()
    double = mask is not None and mask.dtype == torch.float64
    if not double:
        g.add("_blocked_attention", [q, k, v, mask] + rest, forward)
    else:
        g.add("_blocked_attention", [q, k, v, mask] + rest, forward, grad=False)
    wants = [x.detach().requires_grad_() for x in (q, k, v)]
    y, lse = attend(*wants, mask, *rest)
    grad = r(*y.shape)
    result = torch.autograd.grad(y, wants, grad)
    g.add("_blocked_attention_backward", [grad, q, k, v, y.detach(), lse.detach(), mask] + rest, lambda *a: result, grad=False)
