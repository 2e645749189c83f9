"""Sixteen pictures as one PGM, with pip install onnxruntime numpy: python sample.py generator.onnx

The standard output says how many pictures of which size were made.
"""
import sys

import numpy
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
width = session.get_inputs()[0].shape[1]
z = numpy.random.default_rng(7).standard_normal((16, width), dtype=numpy.float32)
(images,) = session.run(["image"], {"z": z})  # (16, 1, 28, 28), -1 is black and 1 is white
n, _, h, w = images.shape
grey = numpy.clip((images[:, 0] + 1) / 2 * 255 + 0.5, 0, 255).astype(numpy.uint8)
grid = grey.reshape(4, 4, h, w).swapaxes(1, 2).reshape(4 * h, 4 * w)
with open("pictures.pgm", "wb") as f:
    f.write(b"P5 %d %d 255\n" % (4 * w, 4 * h) + grid.tobytes())
print(n, "pictures of", w, "x", h)
