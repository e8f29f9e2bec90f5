#!/usr/bin/env python3
"""Writes tests/golden/io/*.pt with PyTorch: a state dict of every dtype, a checkpoint of a training, and files that must be
refused. Usage: make_torch.py tests/golden/io"""
import collections
import io
import os
import re
import sys
import zipfile

import steady  # noqa: F401  (first: it starts Python anew)

import torch

folder = sys.argv[1]


def save(name, what):
    torch.save(what, os.path.join(folder, name))


def repack(name, source, change):
    """A copy of a checkpoint with its pickle changed."""
    with zipfile.ZipFile(os.path.join(folder, source)) as old, \
            zipfile.ZipFile(os.path.join(folder, name), "w", zipfile.ZIP_STORED) as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename.endswith("data.pkl"):
                data = change(data)
            new.writestr(zipfile.ZipInfo(member.filename), data)


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


dtypes = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
save("dtypes.pt", {d: (torch.arange(6).reshape(2, 3) % 2 if d == "bool" else torch.arange(6).reshape(2, 3)).to(
    getattr(torch, d)) for d in dtypes})

torch.manual_seed(0)
net = torch.nn.Sequential(collections.OrderedDict(fc=torch.nn.Linear(3, 2), norm=torch.nn.BatchNorm1d(2)))
with torch.no_grad():
    for i, p in enumerate(net.parameters()):
        p.copy_(torch.arange(p.numel()).reshape(p.shape) + 10 * i)
save("state_dict.pt", net.state_dict())

optimiser = torch.optim.Adam(net.parameters(), lr=0.125, betas=(0.5, 0.75))
net(torch.ones(2, 3)).sum().backward()
optimiser.step()
base = torch.arange(12.0).reshape(3, 4)
save("checkpoint.pt", {
    "model": net.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 3, "best": 0.75, "name": "net", "none": None,
    "done": True, "shape": torch.Size([3, 4]), "dtype": torch.float16, "mixed": [1, "two", base[0]],
    "base": base, "turned": base.t(), "column": base[:, 1], "scalar": torch.tensor(2.5), "empty": torch.empty(0, 3),
    "parameter": torch.nn.Parameter(torch.ones(2)), "big": 2**40, "negative": -3,
})
torch.save({"x": base}, os.path.join(folder, "protocol4.pt"), pickle_protocol=4)
legacy = io.BytesIO()
torch.save({"x": base}, legacy, _use_new_zipfile_serialization=False)
with open(os.path.join(folder, "legacy.pt"), "wb") as file:  # the storage's key is its address: another each time
    file.write(re.sub(rb"(?s)X.\0\0\0[0-9]{8,}", b"X\x01\0\0\0000", legacy.getvalue()))
save("evil.pt", {"x": base, "y": Evil()})
# the storage is asked for more than it has: BININT1 of 12 elements becomes 200
repack("lying.pt", "protocol4.pt", lambda data: data.replace(b"K\x0c", b"K\xc8"))
# and a size of 3 becomes 4, which leaves the storage
repack("outside.pt", "protocol4.pt", lambda data: data.replace(b"K\x03K\x04", b"K\x04K\x04"))
