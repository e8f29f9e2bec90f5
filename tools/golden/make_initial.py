"""Makes tests/golden/nn/initial.def: how PyTorch's modules and torch.nn.init begin.

    /usr/bin/python3 tools/golden/make_initial.py tests/golden        (with torch 1.13; two minutes)

MODULE_BEGINS rows have, for each entry of each module's state dict, the least, the greatest, the mean and the standard deviation
over many modules made anew; INIT_DRAWS rows the same of an initialiser's draws, INIT_GIVES rows all elements where nothing is
drawn, GAIN rows what calculate_gain says.
"""

import steady  # noqa: F401  (first: it starts Python anew)

import pathlib
import sys

import torch
from torch import nn
from torch.nn import init

from modules_cases import cases

HEAD = """/* Made by tools/golden/make_initial.py. Rows: case, entry, least, greatest, mean, standard deviation; shape, our call and the
 * same four; shape, our call, elements; nonlinearity, a, gain. */
"""
MODULES, DRAWS = 1200, 200_000


class Moments:
    def __init__(self):
        self.count, self.sum, self.squares, self.least, self.most = 0, 0.0, 0.0, float("inf"), float("-inf")

    def add(self, t):
        t = t.detach().double()
        self.count += t.numel()
        self.sum += t.sum().item()
        self.squares += (t * t).sum().item()
        self.least = min(self.least, t.min().item())
        self.most = max(self.most, t.max().item())

    def words(self):
        mean = self.sum / self.count
        deviation = max(self.squares / self.count - mean * mean, 0) ** 0.5
        return f"{self.least:.7g}, {self.most:.7g}, {mean:.7g}, {deviation:.7g}"


def modules():
    found = {}
    for _ in range(MODULES):
        for name, module, _, _, _ in cases():
            if type(module).__name__.endswith("Loss"):  # weights are given
                continue
            for key, value in module.state_dict().items():
                if key == "_random_samples":  # given, too
                    continue
                found.setdefault((name, key), Moments()).add(value)
    return "".join(f'MODULE_BEGINS("{name}", "{key}", {m.words()})\n' for (name, key), m in found.items())


def draws():
    rows = ""
    for shape, call, ours in (
            ((50, 30), lambda t: init.uniform_(t, -2, 3), "cr_init_uniform_(t, -2, 3)"),
            ((50, 30), lambda t: init.normal_(t, 2, 0.5), "cr_init_normal_(t, 2, 0.5)"),
            ((50, 30), lambda t: init.trunc_normal_(t), "cr_init_trunc_normal_(t, 0, 1, -2, 2)"),
            ((50, 30), lambda t: init.trunc_normal_(t, 1, 2, 0, 1.5), "cr_init_trunc_normal_(t, 1, 2, 0, 1.5)"),
            ((50, 30), init.xavier_uniform_, "cr_init_xavier_uniform_(t, 1)"),
            ((8, 6, 5, 3), lambda t: init.xavier_uniform_(t, 1.5), "cr_init_xavier_uniform_(t, 1.5)"),
            ((50, 30), init.xavier_normal_, "cr_init_xavier_normal_(t, 1)"),
            ((8, 6, 5), lambda t: init.xavier_normal_(t, 0.5), "cr_init_xavier_normal_(t, 0.5)"),
            ((50, 30), init.kaiming_uniform_, "cr_init_kaiming_uniform_(t)"),
            ((8, 6, 5, 3), lambda t: init.kaiming_uniform_(t, 0.5, "fan_out"),
             "cr_init_kaiming_uniform_(t, .a = 0.5, .mode = CR_FAN_OUT)"),
            ((8, 6, 5), lambda t: init.kaiming_uniform_(t, nonlinearity="tanh"),
             'cr_init_kaiming_uniform_(t, .nonlinearity = "tanh")'),
            ((50, 30), init.kaiming_normal_, "cr_init_kaiming_normal_(t)"),
            ((8, 6, 5, 3, 2), lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
             'cr_init_kaiming_normal_(t, .mode = CR_FAN_OUT, .nonlinearity = "relu")'),
            ((50, 30), lambda t: init.kaiming_normal_(t, nonlinearity="selu"),
             'cr_init_kaiming_normal_(t, .nonlinearity = "selu")'),
            ((50, 30), lambda t: init.kaiming_normal_(t, 1.5, "fan_in", "leaky_relu"), "cr_init_kaiming_normal_(t, 1.5)"),
            ((50, 30), lambda t: init.sparse_(t, 0.3, 0.2), "cr_init_sparse_(t, 0.3, 0.2)"),
            ((12, 5, 3), lambda t: init.orthogonal_(t, 2), "cr_init_orthogonal_(t, 2)")):
        m, t = Moments(), torch.empty(*shape)
        while m.count < DRAWS:
            m.add(call(t))
        rows += f"INIT_DRAWS(({', '.join(map(str, shape))}), {ours}, {m.words()})\n"
    return rows


def given():
    rows = ""
    for shape, call, ours in (
            ((2, 3), init.zeros_, "cr_init_zeros_(t)"),
            ((2, 3), init.ones_, "cr_init_ones_(t)"),
            ((4,), lambda t: init.constant_(t, -0.75), "cr_init_constant_(t, -0.75)"),
            ((3, 5), init.eye_, "cr_init_eye_(t)"),
            ((4, 2), init.eye_, "cr_init_eye_(t)"),
            ((3, 2, 3), init.dirac_, "cr_init_dirac_(t, 1)"),
            ((2, 3, 4), init.dirac_, "cr_init_dirac_(t, 1)"),
            ((4, 2, 2, 3), lambda t: init.dirac_(t, 2), "cr_init_dirac_(t, 2)"),
            ((3, 2, 1, 3, 2), lambda t: init.dirac_(t, 3), "cr_init_dirac_(t, 3)")):
        values = ", ".join(f"{v:g}" for v in call(torch.empty(*shape)).flatten().tolist())
        rows += f"INIT_GIVES(({', '.join(map(str, shape))}), {ours}, {values})\n"
    return rows


def gains():
    rows = ""
    for name in ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid",
                 "tanh", "relu", "selu"):
        rows += f'GAIN("{name}", 0, {init.calculate_gain(name)!r})\n'
    for a in (0.01, 0.2, 1.5):
        rows += f'GAIN("leaky_relu", {a}, {init.calculate_gain("leaky_relu", a)!r})\n'
    return rows


def main(folder):
    torch.manual_seed(5)
    (folder / "nn").mkdir(parents=True, exist_ok=True)
    (folder / "nn" / "initial.def").write_text(HEAD + modules() + draws() + given() + gains())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
