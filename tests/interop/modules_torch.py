"""State dicts that our modules save load into PyTorch's, for every module of tests/golden/nn/modules.def.

usage: modules_torch.py TEST_NN_MODULES     where PyTorch is installed; else it says so and returns 77
"""

import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch  # noqa: F401
except ImportError:
    print("PyTorch is not installed")
    sys.exit(77)

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tools" / "golden"))
import make_modules

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1]], cwd=root, env={**os.environ, "CRESSET_SAVE_MODULES": folder}, check=True)
    sys.exit(make_modules.check(pathlib.Path(folder)))
