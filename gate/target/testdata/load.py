"""Loads each model on the standard input, a line of base64 each, in OpenCV, and says 1 or 0."""
import base64
import os
import sys

import cv2
import numpy

os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what OpenCV logs
for line in sys.stdin:
    try:
        cv2.dnn.readNetFromONNX(numpy.frombuffer(base64.b64decode(line), numpy.uint8))
        print(1)
    except cv2.error:
        print(0)
