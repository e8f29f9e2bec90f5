"""Makes tests/golden/nn: what PyTorch computes with layers and losses.

    python tools/golden/make_nn.py tests/golden        (with torch 1.13)

layers.safetensors holds for each case its state dict, inputs, outputs, cotangent, gradients and, where it changed, the state
after the call.
"""

import pathlib
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import torch
from torch import nn

from safetensors_file import save


def floats(*shape):
    return torch.randn(*shape)


def classes(count, *shape):
    return torch.randint(0, count, shape)


# name: module, inputs, mode
def layers():
    yield "linear", nn.Linear(4, 3), [floats(5, 4)], True
    yield "linear_no_bias_3d", nn.Linear(4, 3, bias=False), [floats(2, 5, 4)], True
    yield "bilinear", nn.Bilinear(3, 4, 2), [floats(5, 3), floats(5, 4)], True
    yield "conv1d", nn.Conv1d(2, 4, 3, stride=2, padding=1), [floats(2, 2, 9)], True
    yield "conv1d_same", nn.Conv1d(1, 2, 4, padding="same"), [floats(2, 1, 7)], True
    yield "conv2d", nn.Conv2d(2, 3, 3), [floats(2, 2, 6, 7)], True
    yield "conv2d_options", nn.Conv2d(4, 8, (3, 5), stride=2, padding=(1, 2), dilation=(1, 2), groups=2, bias=False), \
        [floats(2, 4, 9, 13)], True
    yield "conv2d_unbatched", nn.Conv2d(2, 3, 3, padding=1), [floats(2, 5, 5)], True
    yield "conv3d", nn.Conv3d(2, 2, 2, padding=1), [floats(1, 2, 3, 4, 3)], True
    yield "max_pool2d", nn.MaxPool2d(2), [floats(2, 3, 7, 6)], True
    yield "max_pool2d_options", nn.MaxPool2d((3, 2), stride=(1, 2), padding=1, ceil_mode=True), [floats(2, 3, 7, 6)], True
    yield "adaptive_max_pool2d", nn.AdaptiveMaxPool2d((2, 3)), [floats(2, 3, 7, 5)], True
    yield "adaptive_max_pool2d_none", nn.AdaptiveMaxPool2d((None, 1)), [floats(2, 3, 4, 5)], True
    yield "dropout_eval", nn.Dropout(0.5), [floats(3, 4)], False
    yield "flatten", nn.Flatten(), [floats(2, 3, 4)], True
    yield "unflatten", nn.Unflatten(1, (2, 3)), [floats(2, 6)], True
    yield "relu", nn.ReLU(), [floats(3, 5)], True
    yield "sigmoid", nn.Sigmoid(), [floats(3, 5)], True
    yield "tanh", nn.Tanh(), [floats(3, 5)], True
    yield "gelu", nn.GELU(), [floats(3, 5)], True
    yield "gelu_tanh", nn.GELU("tanh"), [floats(3, 5)], True
    yield "silu", nn.SiLU(), [floats(3, 5)], True
    yield "leaky_relu", nn.LeakyReLU(0.2), [floats(3, 5)], True
    yield "elu", nn.ELU(0.5), [floats(3, 5)], True
    yield "softplus", nn.Softplus(2, 1), [floats(3, 5)], True
    yield "softmax", nn.Softmax(1), [floats(3, 5)], True
    yield "log_softmax", nn.LogSoftmax(-1), [floats(3, 5)], True
    yield "batch_norm1d", nn.BatchNorm1d(3), [floats(4, 3)], True
    yield "batch_norm1d_3d", nn.BatchNorm1d(3, momentum=0.3), [floats(4, 3, 5)], True
    yield "batch_norm2d", nn.BatchNorm2d(3), [floats(2, 3, 4, 4)], True
    yield "batch_norm2d_eval", nn.BatchNorm2d(3), [floats(2, 3, 4, 4)], False
    yield "batch_norm2d_average", nn.BatchNorm2d(3, momentum=None), [floats(2, 3, 4, 4)], True
    yield "batch_norm2d_plain", nn.BatchNorm2d(3, affine=False, track_running_stats=False), [floats(2, 3, 4, 4)], False
    yield "batch_norm3d", nn.BatchNorm3d(2), [floats(2, 2, 2, 3, 2)], True
    yield "layer_norm", nn.LayerNorm(5), [floats(4, 5)], True
    yield "layer_norm_2d", nn.LayerNorm((3, 4), eps=1e-3), [floats(2, 3, 4)], True
    yield "embedding", nn.Embedding(6, 3, padding_idx=2), [classes(6, 2, 4)], True
    yield "sequential", nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)), [floats(3, 4)], True

    weight = torch.rand(4)
    yield "cross_entropy", nn.CrossEntropyLoss(), [floats(5, 4), classes(4, 5)], True
    yield "cross_entropy_options", nn.CrossEntropyLoss(weight=weight, ignore_index=1, reduction="sum", label_smoothing=0.1), \
        [floats(5, 4), classes(4, 5)], True
    yield "cross_entropy_images", nn.CrossEntropyLoss(reduction="none"), [floats(2, 4, 3, 3), classes(4, 2, 3, 3)], True
    yield "cross_entropy_probabilities", nn.CrossEntropyLoss(), [floats(5, 4), floats(5, 4).softmax(1)], True
    yield "nll", nn.NLLLoss(weight=weight), [floats(5, 4).log_softmax(1), classes(4, 5)], True
    yield "mse", nn.MSELoss(), [floats(3, 4), floats(3, 4)], True
    yield "mse_none", nn.MSELoss(reduction="none"), [floats(3, 4), floats(3, 4)], True
    yield "l1", nn.L1Loss(reduction="sum"), [floats(3, 4), floats(3, 4)], True
    yield "bce", nn.BCELoss(), [torch.rand(3, 4), torch.rand(3, 4)], True
    yield "bce_with_logits", nn.BCEWithLogitsLoss(pos_weight=weight), [floats(3, 4), torch.rand(3, 4)], True


def layer_cases():
    out = {}
    for name, module, inputs, training in layers():
        module.train(training)
        with torch.no_grad():
            for p in module.parameters():  # batch norm's ones and zeros would hide mistakes
                p.add_(0.1 * torch.randn_like(p))
        for key, value in module.state_dict().items():
            out[f"{name}.state.{key}"] = value.clone()
        is_loss = name.split("_")[0] in ("cross", "nll", "mse", "l1", "bce")
        inputs = [x.clone().requires_grad_(x.is_floating_point() and not (is_loss and i)) for i, x in enumerate(inputs)]
        for i, x in enumerate(inputs):
            out[f"{name}.input.{i}"] = x
        y = module(*inputs)
        cotangent = torch.randn_like(y)
        y.backward(cotangent)
        out[f"{name}.output"] = y
        out[f"{name}.cotangent"] = cotangent
        for i, x in enumerate(inputs):
            if x.grad is not None:
                out[f"{name}.grad.input.{i}"] = x.grad
        for key, p in module.named_parameters():
            out[f"{name}.grad.state.{key}"] = p.grad
        for key, value in module.named_buffers():
            out[f"{name}.after.{key}"] = value.clone()
    return out


def main(folder):
    torch.manual_seed(1)
    save(folder / "nn" / "layers.safetensors", layer_cases())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
