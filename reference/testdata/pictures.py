"""Writes pictures as Pillow encodes them, and their pixels as Pillow decodes them: NAME, NAME.rgb and NAME.grey, and a line for each."""
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

out = Path(sys.argv[1])
r = np.random.RandomState(7)
y, x = np.mgrid[0:37, 0:53]  # odd sides, so that chroma ends within a block
waves = [128 + 100 * np.sin(x / 5 + k) * np.cos(y / (4 + k)) for k in range(3)]
colour = np.clip(np.stack(waves, 2) + r.normal(0, 20, (37, 53, 3)), 0, 255).astype(np.uint8)
rgb, grey = Image.fromarray(colour), Image.fromarray(colour[:, :, 0])


def save(name, picture, kind, **options):
    b = io.BytesIO()
    picture.save(b, kind, **options)
    write(name, b.getvalue())


def write(name, data):
    (out / name).write_bytes(data)
    decoded = Image.open(io.BytesIO(data))
    (out / (name + ".rgb")).write_bytes(np.array(decoded.convert("RGB")).tobytes())
    (out / (name + ".grey")).write_bytes(np.array(decoded.convert("L")).tobytes())
    print(name, decoded.width, decoded.height)


save("444.jpeg", rgb, "JPEG", subsampling=0, quality=90)
save("422.jpeg", rgb, "JPEG", subsampling=1, quality=75)
save("420.jpeg", rgb, "JPEG", subsampling=2, quality=60)
save("progressive.jpeg", rgb, "JPEG", subsampling=2, progressive=True)
save("grey.jpeg", grey, "JPEG")
save("lossy.webp", rgb, "WEBP", quality=80)
save("lossless.webp", rgb, "WEBP", lossless=True)
save("rgb.png", rgb, "PNG")
save("palette.png", rgb.quantize(32), "PNG")
save("grey.png", grey, "PNG")
save("rgb.bmp", rgb, "BMP")
save("rgb.tiff", rgb, "TIFF")
save("lzw.tiff", rgb, "TIFF", compression="tiff_lzw")
save("rgb.ppm", rgb, "PPM")
save("grey.pgm", grey, "PPM")
save("bits.pbm", grey.convert("1"), "PPM")
write("text.ppm", b"P3 # text\n2 1\n255\n1 20 255 0 0 7\n")
write("text.pbm", b"P1\n5 2\n1 0 1 0 1\n0 1 0 1 0\n")
