"""Makes what a maker computes independent of the processor that it runs on. Imported before torch: starts Python once more

  - with the reference BLAS and LAPACK (packages libblas3 and liblapack3), in which nothing chooses kernels by the processor,
  - with PyTorch's kernels for every x86-64, on one thread, without oneDNN's,
  - with the C library's functions for every x86-64: its exp and sin round differently where FMA is.

Then the same versions of the packages give the same bytes everywhere. What they are made with is Debian 12's; see check.
"""

import os
import sys

LIBRARIES = [f"/usr/lib/x86_64-linux-gnu/{name}" for name in ("blas", "lapack")]
WANTED = {
    "ATEN_CPU_CAPABILITY": "default",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4,-AVX512F,-ERMS,-SSE4_1,-SSE4_2,-SSSE3",
    "LD_LIBRARY_PATH": ":".join(LIBRARIES),
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Prescott",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}

if any(os.environ.get(name) != value for name, value in WANTED.items()):
    for folder, file in zip(LIBRARIES, ("libblas.so.3", "liblapack.so.3")):
        if not os.path.exists(os.path.join(folder, file)):
            sys.exit(f"{sys.argv[0]}: needs {folder}/{file} (Debian: libblas3, liblapack3), the same on every processor")
    os.execve(sys.executable, sys.orig_argv, {**os.environ, **WANTED})

import torch  # noqa: E402

torch.set_num_threads(1)
torch.backends.mkldnn.enabled = False
torch._C._set_mkldnn_enabled(False)
