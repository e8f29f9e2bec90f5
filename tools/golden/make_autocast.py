"""Makes tests/golden/nn/autocast.def: the operations for which PyTorch's autocast does something, on the CPU and on GPUs.

    /usr/bin/python3 tools/golden/make_autocast.py tests/golden        (with torch 1.13)

The names come from PyTorch's own registrations, what is done with them from its documentation.
"""

import pathlib
import sys

import torch

LOWER = {
    "AutocastCPU": """_convolution.deprecated addbmm addmm baddbmm bmm conv1d conv1d.padding conv2d conv2d.padding conv3d conv3d.padding
        conv_tbc linear matmul mm""",
    "AutocastCUDA": """_convolution _convolution.deprecated _thnn_fused_gru_cell _thnn_fused_lstm_cell addbmm addmm addmv addr
        baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input conv_transpose3d.input
        convolution cudnn_convolution cudnn_convolution_transpose einsum gru_cell linalg_multi_dot linear lstm_cell matmul mm mv
        prelu rnn_relu_cell rnn_tanh_cell"""}
PROMOTE = {
    "AutocastCPU": "cat index_copy index_copy.dimname stack",
    "AutocastCUDA": "addcdiv addcmul atan2 bilinear cross dot grid_sampler index_put scatter_add tensordot"}
BANNED = {"AutocastCPU": "", "AutocastCUDA": "binary_cross_entropy"}
HEAD = """/* Made by tools/golden/make_autocast.py. Rows: where, what is done, the operation. */
"""


def rows(key, where):
    names = {s.name + (f".{s.overload_name}" if s.overload_name else "") for s in torch._C._jit_get_all_schemas()}
    registered = set()
    for name in names:
        try:
            if name.startswith("aten::") and torch._C._dispatch_has_kernel_for_dispatch_key(name, key):
                registered.add(name[6:])
        except RuntimeError:  # a schema that is no operation
            pass
    listed = [("LOWER", LOWER[key].split()), ("PROMOTE", PROMOTE[key].split()), ("BANNED", BANNED[key].split())]
    policy = {name: word for word, some in listed for name in some}
    assert not set(policy) - registered, set(policy) - registered
    return "".join(f'{where}({policy.get(name, "FLOAT32")}, "{name}")\n' for name in sorted(registered))


def main(folder):
    (folder / "nn").mkdir(parents=True, exist_ok=True)
    (folder / "nn" / "autocast.def").write_text(HEAD + rows("AutocastCPU", "ON_CPU") + rows("AutocastCUDA", "ON_GPU"))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
