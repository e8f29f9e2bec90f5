"""Writes a dict of tensors as a safetensors file, and reads one, for the makers of golden files."""

import json
import struct

import torch

DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL", torch.uint8: "U8"}


def save(path, tensors):
    header, data = {}, b""
    for name, t in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        raw = t.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": DTYPES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def header_of(raw):
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8:8 + length]), 8 + length


def metadata(path):
    return header_of(path.read_bytes())[0].get("__metadata__", {})


def read(path):
    """A file's names and tensors, one by one."""
    raw = path.read_bytes()
    header, start = header_of(raw)
    kinds = {name: dtype for dtype, name in DTYPES.items()}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            data = bytearray(raw[start + begin:start + end])
            t = torch.frombuffer(data, dtype=kinds[entry["dtype"]]) if data else torch.empty(0)
            yield name, t.reshape(entry["shape"])
