#!/usr/bin/env python3
"""Writes tests/golden/einops/cases.h: what the einops package (0.8.0, over PyTorch) gives for patterns on arange inputs.

Usage: make_einops.py > tests/golden/einops/cases.h"""
import steady  # noqa: F401  (first: it starts Python anew)

import torch
import einops

CASES = [
    ("rearrange", [2, 3, 4], "b h w -> w b h", {}),
    ("rearrange", [2, 3, 4], "b h w -> (b h) w", {}),
    ("rearrange", [2, 3, 4], "b h w -> (b w) h", {}),
    ("rearrange", [6, 4], "(a b) c -> a b c", {"a": 2}),
    ("rearrange", [6, 4], "(a b) c -> c b a", {"b": 2}),
    ("rearrange", [12], "(a b c) -> c a b", {"a": 2, "c": 3}),
    ("rearrange", [2, 3, 4, 4], "b c (h s) (w t) -> b (c s t) h w", {"s": 2, "t": 2}),
    ("rearrange", [2, 8, 2, 3], "b (c s t) h w -> b c (h s) (w t)", {"s": 2, "t": 2}),
    ("rearrange", [2, 3, 4], "... w -> w ...", {}),
    ("rearrange", [2, 3, 4], "a ... -> (a ...)", {}),
    ("rearrange", [2, 3, 4], "... -> (...)", {}),
    ("rearrange", [2, 3, 4], "a b ... c -> ... c (b a)", {}),
    ("rearrange", [2, 1, 3], "a 1 b -> b a", {}),
    ("rearrange", [2, 3], "a b -> 1 a () b 1", {}),
    ("rearrange", [1, 6], "() (a b) -> b () a", {"a": 3}),
    ("rearrange", [2, 1, 2], "b (1 1) c -> (b 1) (1 c)", {}),
    ("rearrange", [], "-> 1", {}),
    ("rearrange", [], " -> ", {}),
    ("rearrange", [4, 2], "(a  1 b) long_name2 -> long_name2 a b", {"a": 2}),
    ("rearrange", [0, 3], "a b -> b a", {}),
    ("reduce_max", [2, 3, 4], "b h w -> b w", {}),
    ("reduce_min", [2, 3, 4], "b h w -> w b", {}),
    ("reduce_sum", [2, 3, 4], "b h w -> ", {}),
    ("reduce_mean", [2, 3, 4, 4], "b c (h 2) (w 2) -> b h w c", {}),
    ("reduce_max", [2, 2, 4, 6], "b c (h h1) (w w1) -> b c h w", {"h1": 2, "w1": 3}),
    ("reduce_prod", [2, 3, 2], "a b c -> a", {}),
    ("reduce_sum", [2, 3, 4], "... c -> c", {}),
    ("reduce_sum", [2, 3, 4], "a ... -> ...", {}),
    ("reduce_mean", [2, 3, 4], "b h w -> b () w ()", {}),
    ("reduce_max", [2, 3], "a b -> (b a)", {}),
    ("reduce_sum", [2, 6], "a (2 b) -> b", {}),
    ("reduce_sum", [6], "(2 3) -> ", {}),
    ("reduce_mean", [2, 3, 4], "a ... b -> 1 b a", {}),
    ("repeat", [2, 3], "h w -> h w c", {"c": 2}),
    ("repeat", [2, 3], "h w -> (2 h) w", {}),
    ("repeat", [2, 3], "h w -> (h 2) (w 2)", {}),
    ("repeat", [2, 3], "h w -> h (w k) 1", {"k": 2}),
    ("repeat", [2, 3], "... -> 2 ...", {}),
    ("repeat", [2, 3], "a ... -> (a ... c) 1", {"c": 2}),
    ("repeat", [2, 1], "a 1 -> 3 (a 2)", {}),
    ("repeat", [4], "(a b) -> b c a", {"a": 2, "c": 2}),
    ("repeat", [], " -> a 2", {"a": 2}),
]


def main():
    print("/* Written by tools/golden/make_einops.py with einops %s. */" % einops.__version__)
    print("/* clang-format off */")
    print("static const golden_case golden_cases[] = {")
    for kind, shape, pattern, axes in CASES:
        count = 1
        for s in shape:
            count *= s
        x = torch.arange(count, dtype=torch.float64).reshape(shape)
        if kind == "reduce_prod":
            x = x + 1
        if kind.startswith("reduce_"):
            y = einops.reduce(x, pattern, kind[7:], **axes)
        else:
            y = getattr(einops, kind)(x, pattern, **axes)
        sizes = ", ".join(map(str, shape)) or "0"
        given = "".join('{"%s", %d}, ' % a for a in axes.items())
        out = ", ".join(map(str, y.shape)) or "0"
        values = ", ".join("%r" % v for v in y.flatten().tolist()) or "0"
        print('    {"%s", "%s", %d, {%s}, {%s{0, 0}}, %d, {%s},\n     {%s}},' % (
            kind, pattern, len(shape), sizes, given, y.dim(), out, values))
    print("};")


if __name__ == "__main__":
    main()
