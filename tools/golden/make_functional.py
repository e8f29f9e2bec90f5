"""Makes tests/golden/nn/functional.safetensors: what PyTorch computes with functions of torch.nn.functional that are more than one
operation.

    /usr/bin/python3 tools/golden/make_functional.py tests/golden        (with torch 1.13)

Each case holds its tensors in order, the output, a cotangent and the gradients of those tensors that have one.
"""

import pathlib
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import torch
from torch.nn import functional as F

from safetensors_file import save

OUT = {}
randn = torch.randn


def case(name, call, *inputs):
    inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    for i, x in enumerate(inputs):
        OUT[f"{name}.input.{i}"] = x.detach().clone()
    y = call(*inputs)
    OUT[f"{name}.output"] = y.detach()
    OUT[f"{name}.cotangent"] = torch.randn_like(y)
    y.backward(OUT[f"{name}.cotangent"])
    for i, x in enumerate(inputs):
        if x.grad is not None:
            OUT[f"{name}.grad.{i}"] = x.grad


def resampling():
    line, plane, space = randn(2, 3, 7), randn(2, 3, 5, 6), randn(1, 2, 4, 5, 3)
    case("nearest", lambda x: F.interpolate(x, scale_factor=1.7), plane)
    case("nearest_recomputed", lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), recompute_scale_factor=True), plane)
    case("nearest_exact", lambda x: F.interpolate(x, size=(3, 11), mode="nearest-exact"), plane)
    case("nearest_line", lambda x: F.interpolate(x, size=4), line)
    case("linear", lambda x: F.interpolate(x, scale_factor=1.6, mode="linear"), line)
    case("linear_recomputed", lambda x: F.interpolate(x, scale_factor=1.6, mode="linear", recompute_scale_factor=True), line)
    case("linear_aligned", lambda x: F.interpolate(x, size=11, mode="linear", align_corners=True), line)
    case("bilinear", lambda x: F.interpolate(x, scale_factor=(0.7, 2.3), mode="bilinear"), plane)
    case("bilinear_aligned", lambda x: F.interpolate(x, size=(8, 1), mode="bilinear", align_corners=True), plane)
    case("bicubic", lambda x: F.interpolate(x, size=(9, 4), mode="bicubic"), plane)
    case("bicubic_aligned", lambda x: F.interpolate(x, scale_factor=1.3, mode="bicubic", align_corners=True), plane)
    case("trilinear", lambda x: F.interpolate(x, size=(6, 3, 5), mode="trilinear"), space)
    case("trilinear_recomputed", lambda x: F.interpolate(x, scale_factor=1.3, mode="trilinear", recompute_scale_factor=True), space)
    case("area", lambda x: F.interpolate(x, size=(2, 4), mode="area"), plane)
    case("area_line", lambda x: F.interpolate(x, scale_factor=0.4, mode="area"), line)
    case("area_space", lambda x: F.interpolate(x, scale_factor=0.7, mode="area"), space)
    case("upsample_nearest", lambda x: F.upsample_nearest(x, scale_factor=2), plane)
    case("upsample_bilinear", lambda x: F.upsample_bilinear(x, size=(7, 9)), plane)
    grid = torch.rand(2, 4, 3, 2) * 2.6 - 1.3
    case("grid", lambda x, g: F.grid_sample(x, g, align_corners=False), plane, grid)
    case("grid_nearest", lambda x, g: F.grid_sample(x, g.detach(), "nearest", "border", align_corners=False), plane, grid)
    case("grid_bicubic", lambda x, g: F.grid_sample(x, g, "bicubic", "reflection", align_corners=True), plane, grid)
    places = torch.rand(1, 2, 3, 2, 3) * 2.6 - 1.3
    case("grid_space", lambda x, g: F.grid_sample(x, g, align_corners=False), space, places)
    case("grid_space_reflection", lambda x, g: F.grid_sample(x, g, "bilinear", "reflection", align_corners=True), space, places)
    case("affine_space", lambda t: F.affine_grid(t, (2, 1, 2, 4, 3), align_corners=False), randn(2, 3, 4))
    case("affine", lambda t: F.affine_grid(t, (2, 1, 4, 3), align_corners=False), randn(2, 2, 3))
    case("affine_aligned", lambda t: F.affine_grid(t, (2, 1, 1, 3), align_corners=True), randn(2, 2, 3))


def windows():
    case("unfold", lambda x: F.unfold(x, (2, 3), dilation=(1, 2), padding=1, stride=(2, 1)), randn(2, 3, 5, 6))
    case("fold", lambda x: F.fold(x, (5, 6), (2, 3), padding=1, stride=2), randn(2, 12, 9))
    case("conv_tbc", lambda x, w, b: F.conv_tbc(x, w, b, 1), randn(5, 2, 3), randn(2, 3, 4), randn(4))


def bags():
    weight, flat, offsets = randn(7, 3), torch.tensor([1, 2, 4, 5, 4, 3, 2, 0]), torch.tensor([0, 3, 3, 7])
    square = torch.tensor([[1, 2, 4], [5, 5, 0]])
    case("bag_mean", lambda i, w: F.embedding_bag(i, w), square, weight)
    case("bag_max", lambda i, w, o: F.embedding_bag(i, w, o, mode="max"), flat, weight, offsets)
    case("bag_sum", lambda i, w, p: F.embedding_bag(i, w, mode="sum", per_sample_weights=p, padding_idx=5), square, weight, randn(2, 3))
    case("bag_last", lambda i, w, o: F.embedding_bag(i, w, o, include_last_offset=True, padding_idx=-3), flat, weight,
         torch.tensor([0, 3, 3, 7, 8]))
    case("bag_weights", lambda i, w, o, p: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=p, include_last_offset=True),
         flat, weight, torch.tensor([0, 2, 8]), randn(8))


def rest():
    case("logsigmoid", F.logsigmoid, randn(3, 4) * 20)
    case("triplet", lambda a, p, n: F.triplet_margin_with_distance_loss(a, p, n, margin=0.7, swap=True, reduction="none"),
         randn(4, 3), randn(4, 3), randn(4, 3))
    e, heads = 8, 2

    def attention(q, k, v, w, b, ow, ob, p):
        return F.multi_head_attention_forward(q, k, v, e, heads, w, b, None, None, False, 0.0, ow, ob, key_padding_mask=p, need_weights=False)[0]

    def apart(q, k, v, qw, kw, vw, b, bk, bv, ow, ob):
        return F.multi_head_attention_forward(q, k, v, e, heads, None, b, bk, bv, True, 0.0, ow, ob, need_weights=False,
                                              use_separate_proj_weight=True, q_proj_weight=qw, k_proj_weight=kw, v_proj_weight=vw)[0]

    hidden = torch.tensor([[False, True, False, False, False], [False, False, False, True, True]])
    out = randn(e, e), randn(e)
    case("attention", attention, randn(3, 2, e), randn(5, 2, e), randn(5, 2, e), randn(3 * e, e), randn(3 * e), *out, hidden)
    case("attention_apart", apart, randn(3, 2, e), randn(5, 2, 3), randn(5, 2, 6), randn(e, e), randn(e, 3), randn(e, 6), randn(3 * e),
         randn(1, 1, e), randn(1, 1, e), *out)


def antialiasing():
    plane, image = randn(2, 3, 5, 6), randn(1, 2, 37, 23)
    for mode in ("bilinear", "bicubic"):
        case(f"aa_{mode}", lambda x: F.interpolate(x, size=(9, 10), mode=mode, antialias=True), image)
        case(f"aa_{mode}_aligned", lambda x: F.interpolate(x, size=(4, 31), mode=mode, align_corners=True, antialias=True), image)
        case(f"aa_{mode}_factors", lambda x: F.interpolate(x, scale_factor=(0.21, 1.7), mode=mode, antialias=True), image)
        case(f"aa_{mode}_recomputed",
             lambda x: F.interpolate(x, scale_factor=0.7, mode=mode, recompute_scale_factor=True, antialias=True), plane)
        case(f"aa_{mode}_one", lambda x: F.interpolate(x, size=1, mode=mode, antialias=True), image)


def static_attention():
    e, heads, n = 8, 2, 2
    hidden = torch.tensor([[False, True, False, False], [False, False, False, True]])

    def both(q, k, w, b, ow, ob, sk, sv, p):
        return F.multi_head_attention_forward(q, k, k, e, heads, w, b, None, None, True, 0.0, ow, ob,
                                              key_padding_mask=p, static_k=sk, static_v=sv)[0]

    def one(q, k, v, qw, kw, vw, ow, sk, m):
        return F.multi_head_attention_forward(q, k, v, e, heads, None, None, None, None, False, 0.0, ow, None, attn_mask=m,
                                              need_weights=False, use_separate_proj_weight=True, q_proj_weight=qw, k_proj_weight=kw,
                                              v_proj_weight=vw, static_k=sk)[0]

    case("attention_static", both, randn(3, n, e), randn(7, n, e), randn(3 * e, e), randn(3 * e), randn(e, e), randn(e),
         randn(n * heads, 4, e // heads), randn(n * heads, 4, e // heads), hidden)
    case("attention_static_key", one, randn(3, n, e), randn(4, n, 5), randn(4, n, 6), randn(e, e), randn(e, 5), randn(e, 6), randn(e, e),
         randn(n * heads, 4, e // heads), torch.tensor([[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]], dtype=torch.uint8))


def main(folder):
    torch.manual_seed(4)
    resampling()
    windows()
    bags()
    rest()
    antialiasing()
    static_attention()
    save(folder / "nn" / "functional.safetensors", OUT)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
