"""Makes tests/golden/nn/modules.safetensors and modules.def: what PyTorch computes with each module of torch.nn.

    /usr/bin/python3 tools/golden/make_modules.py tests/golden        (with torch 1.13)
    /usr/bin/python3 tools/golden/make_modules.py --check FOLDER

Each case holds a state dict, inputs, outputs, a cotangent for each differentiable output, the gradients, and the buffers after
the call; modules.def has a row for each with our constructor and PyTorch's printed form. With --check, the state dicts that our
test saved into FOLDER (CRESSET_SAVE_MODULES) are loaded into PyTorch's modules and compared.
"""

import json
import pathlib
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import torch
from torch import nn

from modules_cases import cases as usual_cases
from modules_corners import corners
from safetensors_file import read, save

HEAD = """/* Made by tools/golden/make_modules.py. A row: case, our constructor, whether it trains, what PyTorch prints. */
"""


def cases():
    yield from usual_cases()
    yield from corners()


def flat(y):
    return [t for part in y for t in flat(part)] if isinstance(y, (tuple, list)) else [y]


def record(out, name, module, inputs, training):
    module.train(training)
    with torch.no_grad():
        for p in module.parameters():  # ones and zeros would hide mistakes
            p.add_(0.1 * torch.randn_like(p))
        for key, b in module.named_buffers():
            if b.is_floating_point() and "running" in key:
                b.add_(0.1 * torch.rand_like(b))
    for key, value in module.state_dict().items():
        out[f"{name}.state.{key}"] = value.clone()
    # channel_shuffle has no derivative, ctc_loss one that holds only behind log_softmax, CrossMapLRN2d that of another window;
    # in place, a leaf can't change
    flat_inputs = getattr(module, "inplace", False) or isinstance(module, (nn.ChannelShuffle, nn.CTCLoss, nn.CrossMapLRN2d))
    is_loss = type(module).__name__.endswith("Loss")
    differentiable = 3 if "Triplet" in type(module).__name__ else 1
    if type(module).__name__ in ("MarginRankingLoss", "CosineEmbeddingLoss"):
        differentiable = 2
    inputs = [x.clone().requires_grad_(x.is_floating_point() and (not is_loss or i < differentiable))
              if not flat_inputs else x.clone() for i, x in enumerate(inputs)]
    for i, x in enumerate(inputs):
        out[f"{name}.input.{i}"] = x.detach().clone()
    outputs, loss = flat(module(*inputs)), 0
    for i, y in enumerate(outputs):
        out[f"{name}.output.{i}"] = y
        if y.requires_grad:
            out[f"{name}.cotangent.{i}"] = torch.randn_like(y)
            loss = loss + (y * out[f"{name}.cotangent.{i}"]).sum()
    if not isinstance(loss, int):
        loss.backward()
    for i, x in enumerate(inputs):
        if x.grad is not None:
            out[f"{name}.grad.input.{i}"] = x.grad
    for key, p in module.named_parameters():
        if p.grad is not None:
            out[f"{name}.grad.state.{key}"] = p.grad
    for key, value in module.named_buffers():
        out[f"{name}.after.{key}"] = value.clone()


def check(folder):
    failed, count = 0, 0
    golden = dict(read(pathlib.Path(__file__).parents[2] / "tests/golden/nn/modules.safetensors"))
    for name, module, _, _, _ in cases():
        path = folder / f"{name}.safetensors"
        if not module.state_dict():
            continue
        count += 1
        try:
            module.load_state_dict(dict(read(path)))
            for key, value in module.state_dict().items():
                torch.testing.assert_close(value, golden[f"{name}.state.{key}"])
        except Exception as error:  # each case is reported
            failed += 1
            print(name, error)
    print(f"{count} state dicts, {failed} failed")
    return failed != 0


def main(folder):
    torch.manual_seed(3)
    out, rows = {}, HEAD
    for name, module, inputs, constructor, training in cases():
        text = json.dumps(repr(module), ensure_ascii=False)
        rows += f"MODULE({name}, {'true' if training else 'false'}, {text},\n       {constructor})\n"
        record(out, name, module, inputs, training)
    save(folder / "nn" / "modules.safetensors", out)
    (folder / "nn" / "modules.def").write_text(rows)


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        sys.exit(check(pathlib.Path(sys.argv[2])))
    main(pathlib.Path(sys.argv[1]))
