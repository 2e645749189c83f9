"""Reads and writes safetensors after the format's own description, with numpy
and torch, and nothing of petrify: the other opinion on package checkpoint.

    witness.py read FILE     prints what the file holds, in JSON
    witness.py write FILE    writes the state of a small torch network as a
                             checkpoint, prints the same for it
"""

import hashlib
import json
import struct
import sys

import numpy as np
import torch


def show(meta, arrays):
    digest = hashlib.sha256()
    lines = []
    for name, array in arrays:
        tensor = torch.from_numpy(array)
        dims, blob = list(tensor.shape), tensor.numpy().astype("<f4").tobytes()
        lines.append({"name": name, "dims": dims, "bits": blob.hex()})
        utf8 = name.encode()
        digest.update(struct.pack("<Q", len(utf8)) + utf8)
        digest.update(struct.pack("<%dQ" % (1 + len(dims)), len(dims), *dims) + blob)
    print(json.dumps({"meta": meta, "digest": digest.hexdigest(), "tensors": lines}))


def checksum(head, data):
    digest = json.loads(head)["__metadata__"]["petrify.sha256"].encode()
    assert head.count(digest) == 1
    head = head.replace(digest, b"0" * 64)
    return hashlib.sha256(struct.pack("<Q", len(head)) + head + data).hexdigest()


def read(path):
    with open(path, "rb") as f:
        raw = f.read()
    (size,) = struct.unpack("<Q", raw[:8])
    assert size % 8 == 0, "the data is not aligned"
    head, data = raw[8:8 + size], raw[8 + size:]
    entries = json.loads(head)
    meta = entries.pop("__metadata__")
    assert meta["petrify.sha256"] == checksum(head, data), "checksum"
    arrays = []
    for name, e in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        assert e["dtype"] == "F32"
        begin, end = e["data_offsets"]
        arrays.append((name, np.frombuffer(data[begin:end], dtype="<f4").reshape(e["shape"]).copy()))
    show(meta, arrays)


def write(path):
    torch.manual_seed(5)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, (2, 5)), torch.nn.Linear(7, 4))
    meta = {"petrify.step": "41", "petrify.sha256": "0" * 64, "note": "gr\u00fc\u00dfe \"quoted\" \U0001f5ff"}
    arrays = [(name, t.numpy()) for name, t in net.state_dict().items()] + [("scalar", torch.tensor(0.1).numpy())]
    entries, data = {"__metadata__": meta}, b""
    for name, array in arrays:
        blob = array.astype("<f4").tobytes()
        entries[name] = {"data_offsets": [len(data), len(data) + len(blob)], "shape": list(array.shape), "dtype": "F32"}
        data += blob
    head = json.dumps(entries, indent=1).encode()
    head = head.replace(b"0" * 64, checksum(head, data).encode())
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data)
    show({"note": meta["note"]}, arrays)


if __name__ == "__main__":
    {"read": read, "write": write}[sys.argv[1]](sys.argv[2])
