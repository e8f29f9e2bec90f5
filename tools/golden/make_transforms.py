"""Makes tests/golden/data/transforms.safetensors: what torchvision's transforms make of one image.

    python3 tools/golden/make_transforms.py tests/golden        (with torch 1.13 and torchvision 0.14)
"""

import pathlib
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import numpy as np
import torch
import torchvision.transforms.functional as T
from safetensors_file import save
from torchvision.transforms import InterpolationMode as Mode

image = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 11, 9), dtype=np.uint8))
x = image.float() / 255
out = {"image": image, "to_float": x}
for name, size in (("down", [5, 4]), ("up", [17, 14]), ("edge", 6)):
    out[f"resize_{name}"] = T.resize(x, size, antialias=True)
    out[f"resize_{name}_plain"] = T.resize(x, size, antialias=False)
    out[f"resize_{name}_nearest"] = T.resize(x, size, Mode.NEAREST)
out["center_crop"] = T.center_crop(x, [6, 5])
out["center_crop_larger"] = T.center_crop(x, [14, 6])
for mode in ("constant", "edge", "reflect", "symmetric"):
    out[f"pad_{mode}"] = T.pad(x, [1, 2, 3, 4], padding_mode=mode, **({"fill": 0.5} if mode == "constant" else {}))
for angle in (25, -90, 180):
    out[f"rotate_{angle}"] = T.rotate(x, angle)
out["rotate_bilinear"] = T.rotate(x, 25, Mode.BILINEAR)
out["normalize"] = T.normalize(x, [0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
for name, v in (("float", x), ("bytes", image)):
    out[f"grayscale_{name}"] = T.rgb_to_grayscale(v, 3)
    out[f"brightness_{name}"] = T.adjust_brightness(v, 1.5)
    out[f"contrast_{name}"] = T.adjust_contrast(v, 0.5)
    out[f"saturation_{name}"] = T.adjust_saturation(v, 1.7)
out["hue"] = T.adjust_hue(x, 0.2)
save(pathlib.Path(sys.argv[1]) / "data" / "transforms.safetensors", out)
