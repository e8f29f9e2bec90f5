"""Samples for make_ops.py in the dtypes that the other families leave out: integers where floats are usual, bytes as truth values."""

import torch

from golden_ops import Golden, ints, r

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def other_dtypes():
    g = Golden(extremes=False)
    for dtype in INTEGERS:
        def some(*sizes):
            return ints(0, 4, *sizes, dtype=dtype)

        g.add("addmv", [some(3), some(3, 4), some(4)])
        g.add("addmv", [some(3), some(3, 4), some(4)], beta=2, alpha=3)
        g.add("addr", [some(3, 4), some(3), some(4)], beta=2)
        g.add("addbmm", [some(3, 5), some(2, 3, 4), some(2, 4, 5)], alpha=2)
        g.add("bilinear", [some(4, 3), some(4, 2), some(5, 3, 2), some(5)])
        g.add("einsum", ["bij,bjk->ik", [some(2, 3, 4), some(2, 4, 5)]], lambda e, t: torch.einsum(e, *t))
        g.add("einsum", ["ij->j", [some(3, 4)]], lambda e, t: torch.einsum(e, *t))
        g.add("conv1d", [some(2, 3, 9), some(4, 3, 3), some(4)], tries=True)
        g.add("conv2d", [some(2, 4, 7, 8), some(6, 2, 3, 3), None, [2, 1], [1, 2], [1, 1], 2], tries=True)
        g.add("conv_transpose2d", [some(1, 2, 4, 3), some(2, 3, 3, 2), some(3), [2, 1]], tries=True)
        g.add("any", [some(3, 4)])
        g.add("all.dim", [some(3, 4), 1])
        g.add("any.dim", [some(3, 4), 0, True])
        g.add("logit", [some(5)])
        g.add("logit", [some(5), 0.25])
        g.add("ldexp.Tensor", [some(3), some(3)])
    for dtype in (torch.float16, torch.bfloat16):
        g.add("ldexp.Tensor", [r(3).to(dtype), ints(-2, 4, 3)])
        g.add("ldexp.Tensor", [r(3).to(dtype), r(3).to(dtype)])
    for x in (ints(-9, 9, 2, 3, 7, 6), ints(-9, 9, 2, 6, 7).transpose(1, 2)):
        g.add("avg_pool2d", [x, [3, 2]], tries=True)
        g.add("avg_pool2d", [x, [3, 2], [2, 1], [1, 1], False, False], tries=True)
        g.add("avg_pool2d", [x, [3, 3], [2, 2], [1, 1], True, True], tries=True)
        g.add("avg_pool2d", [x, [2, 2], [2, 2], [0, 0], False, True, 3], tries=True)
    g.add("avg_pool3d", [ints(-9, 9, 1, 2, 4, 5, 3), [2, 3, 2], [1, 2, 1], [1, 1, 0], True, False])
    g.add("avg_pool1d", [ints(-9, 9, 2, 3, 7), [3], [2], [1]])
    g.add("avg_pool2d_backward", [ints(-9, 9, 1, 2, 3, 3), ints(0, 9, 1, 2, 6, 6), [2, 2], [2, 2], [0, 0], False, True, None])
    g.add("avg_pool2d_backward", [ints(-9, 9, 1, 2, 3, 3), ints(0, 9, 1, 2, 5, 6), [3, 3], [2, 2], [1, 1], False, False, None], tries=True)
    return g
