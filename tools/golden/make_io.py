"""Makes tests/golden/io: files written by NumPy and the safetensors package, which our readers must read and our writers
must write byte for byte.

    pip install numpy safetensors
    python tools/golden/make_io.py tests/golden/io

Every array's element i is i - 3 (bool: i odd), so that the tests know what to expect without reading anything else.
"""

import gzip
import pathlib
import struct
import sys

import numpy as np
from safetensors.numpy import save_file

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "b1"]
NAMES = {"f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32",
         "i2": "int16", "i1": "int8", "u1": "uint8", "b1": "bool"}


def numbers(dtype, shape):
    count = int(np.prod(shape, dtype=int))
    values = np.arange(count) % 2 == 1 if dtype == "b1" else np.arange(count) - 3
    return values.astype(dtype).reshape(shape)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for dtype in DTYPES:
        np.save(folder / f"{NAMES[dtype]}.npy", numbers(dtype, (2, 3)))
    np.save(folder / "scalar.npy", numbers("f4", ()))
    np.save(folder / "vector.npy", numbers("f4", (5,)))
    np.save(folder / "empty.npy", numbers("f4", (0, 4)))
    np.save(folder / "fortran.npy", np.asfortranarray(numbers("f4", (2, 3, 4))))
    np.save(folder / "big_endian.npy", numbers("f4", (2, 3)).astype(">f4"))
    with open(folder / "version2.npy", "wb") as file:
        np.lib.format.write_array(file, numbers("i4", (2, 3)), version=(2, 0))
    np.save(folder / "object.npy", np.array([None, "x"], dtype=object), allow_pickle=True)

    arrays = {NAMES[dtype]: numbers(dtype, (2, 3)) for dtype in DTYPES}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)

    arrays["scalar"] = numbers("f4", ())
    arrays["empty"] = numbers("f4", (0, 4))
    save_file(arrays, folder / "all.safetensors", metadata={"made by": 'safetensors "\u00e9\n"'})
    save_file({}, folder / "none.safetensors")

    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    for dtype, code in codes.items():
        array = numbers(dtype, (2, 3))
        data = struct.pack(">BBBBII", 0, 0, code, 2, 2, 3) + array.astype(">" + dtype).tobytes()
        (folder / f"{NAMES[dtype]}.idx").write_bytes(data)
        if dtype in ("u1", "f4"):
            (folder / f"{NAMES[dtype]}.idx.gz").write_bytes(gzip.compress(data, mtime=0))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
