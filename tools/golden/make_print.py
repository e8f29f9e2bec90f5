"""Makes tests/golden/tensor/printed.txt: how PyTorch prints tensors. A line "### expression", then what it prints.

    python tools/golden/make_print.py > tests/golden/tensor/printed.txt        (with torch 1.13)
"""

import steady  # noqa: F401  (first: it starts Python anew)

import torch as T

nan, inf = float("nan"), float("inf")

EXPRESSIONS = """
T.tensor([1., 2., 3.])
T.tensor([1.5, -2.25, 1000.])
T.tensor([1e-8, 1.])
T.tensor([1e10, 1.])
T.tensor([nan, inf, -inf, 1.])
T.tensor(3.5)
T.tensor(7)
T.tensor(True)
T.tensor([True, False])
T.tensor([])
T.zeros(0, 3)
T.zeros(2, 0, dtype=T.int64)
T.arange(6).view(2, 3)
T.arange(24).view(2, 3, 4)
T.arange(1200.)
T.arange(1600).view(40, 40)
T.tensor([1, 2], dtype=T.int32)
T.tensor([1., 2.], dtype=T.float64)
T.tensor([1., 2.], dtype=T.float16)
T.tensor([0.1, 2.], dtype=T.bfloat16)
T.tensor([-5, 100, 3], dtype=T.int8)
T.tensor([-1., 2.]).requires_grad_()
T.tensor([1., 2.]).requires_grad_() * 2
(T.tensor([1., 2.]).requires_grad_() * 2).detach()
T.tensor(3., requires_grad=True)
T.tensor([0.0001, 123456.])
T.arange(30.) * 1000
T.tensor([1., 10., 100., 1e5])
T.full((3,), 100000000.)
T.tensor([[1., -1.], [0.5, 100.]]).t()
T.linspace(0, 1, 20)
T.arange(8).view(2, 2, 2)[:, ::2]
""".strip().split("\n")

for text in EXPRESSIONS:
    print("###", text)
    print(eval(text))
