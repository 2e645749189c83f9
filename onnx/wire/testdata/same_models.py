"""Reads lines of two paths, tab between them. Prints those lines whose models
are not equal as messages of the onnx package."""
import sys

import onnx

for line in sys.stdin:
    a, b = line.rstrip("\n").split("\t")
    if onnx.load(a) != onnx.load(b):
        print(line, end="")
