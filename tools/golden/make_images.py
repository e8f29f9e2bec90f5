#!/usr/bin/env python3
"""Writes tests/golden/io/*.png and *.jpg with Pillow: 11 by 7 pixels of 10 x + 7 y + 50 c. Usage: make_images.py tests/golden/io"""
import os
import sys

from PIL import Image

folder = sys.argv[1]
W, H = 11, 7


def make(mode, channels):
    image = Image.new(mode, (W, H))
    for y in range(H):
        for x in range(W):
            values = tuple(10 * x + 7 * y + 50 * c for c in range(channels))
            image.putpixel((x, y), values if channels > 1 else values[0])
    return image


gray, ga, rgb = make("L", 1), make("LA", 2), make("RGB", 3)
gray.save(os.path.join(folder, "gray.png"))
ga.save(os.path.join(folder, "gray_alpha.png"))
rgb.save(os.path.join(folder, "rgb.png"))
rgba = rgb.copy()
rgba.putalpha(255)
rgba.save(os.path.join(folder, "rgba.png"))
rgb.convert("P", palette=Image.ADAPTIVE, colors=256).save(os.path.join(folder, "palette.png"))
gray.save(os.path.join(folder, "gray.jpg"), quality=100)
rgb.save(os.path.join(folder, "rgb.jpg"), quality=100, subsampling=0)
rgb.save(os.path.join(folder, "progressive.jpg"), quality=100, subsampling=0, progressive=True)
