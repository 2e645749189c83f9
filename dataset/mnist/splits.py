"""Finds where the deflate stream of the training images can be entered, for splits.go.

    python3 dataset/mnist/splits.py

writes splits.bin, the 32 KiB of output before each entry, and prints the table of entries: the first bit of a block, as
zlib reports it after inflate(Z_BLOCK), and the number of bytes that the blocks before it unpack to.
"""

import ctypes
import ctypes.util
import gzip
import os

PARTS = 4
WINDOW = 32 << 10
Z_BLOCK = 5

folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "train-images-idx3-ubyte.gz"), "rb") as f:
    packed = f.read()
plain = gzip.decompress(packed)


class Stream(ctypes.Structure):
    _fields_ = [
        ("next_in", ctypes.c_void_p), ("avail_in", ctypes.c_uint), ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p), ("avail_out", ctypes.c_uint), ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p), ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p), ("zfree", ctypes.c_void_p), ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int), ("adler", ctypes.c_ulong), ("reserved", ctypes.c_ulong),
    ]


zlib = ctypes.CDLL(ctypes.util.find_library("z") or "libz.so.1")
zlib.zlibVersion.restype = ctypes.c_char_p
source = ctypes.create_string_buffer(packed, len(packed))
target = ctypes.create_string_buffer(len(plain))
s = Stream(ctypes.addressof(source), len(packed), 0, ctypes.addressof(target), len(plain))
if zlib.inflateInit2_(ctypes.byref(s), 31, zlib.zlibVersion(), ctypes.sizeof(s)) != 0:
    raise SystemExit("zlib does not start")

entries = []
while len(entries) < PARTS - 1:
    if zlib.inflate(ctypes.byref(s), Z_BLOCK) != 0:
        raise SystemExit("the stream ended early")
    between = s.data_type & 128
    if between and s.total_out >= len(plain) * (len(entries) + 1) // PARTS:
        entries.append((s.total_in * 8 - (s.data_type & 7), s.total_out))
if target.raw[:s.total_out] != plain[:s.total_out]:
    raise SystemExit("the outputs of two decoders differ")

with open(os.path.join(folder, "splits.bin"), "wb") as f:
    for _, out in entries:
        f.write(plain[out - WINDOW:out])
for bit, out in entries:
    print(f"\t{{bit: {bit}, out: {out}}},")
