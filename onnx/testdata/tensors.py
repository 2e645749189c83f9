"""Reads paths of models. For each value in their folders of test data prints
path, kind, element type, dims and the SHA-256 of the elements as numpy_helper
reads them: little-endian, strings as length and bytes, bfloat16 as float32.
Kind is "tensor", or what else the model's signature says."""
import glob
import hashlib
import os
import sys

import numpy
import onnx
from onnx import numpy_helper

for path in sys.stdin.read().split():
    model = onnx.load(path)
    initializers = {t.name for t in model.graph.initializer}
    sides = {
        "input": [v for v in model.graph.input if v.name not in initializers],
        "output": list(model.graph.output),
    }
    for file in sorted(glob.glob(os.path.join(os.path.dirname(path), "test_data_set_*", "*.pb"))):
        side, index = os.path.basename(file)[: -len(".pb")].rsplit("_", 1)
        kind = sides[side][int(index)].type.WhichOneof("value")
        if kind != "tensor_type":
            print(file, kind, "-", "-", "-", sep="\t")
            continue
        tensor = onnx.TensorProto()
        with open(file, "rb") as f:
            tensor.ParseFromString(f.read())
        array = numpy_helper.to_array(tensor)
        digest = hashlib.sha256()
        if tensor.data_type == onnx.TensorProto.STRING:
            for s in array.flatten():
                s = s.encode() if isinstance(s, str) else s
                digest.update(len(s).to_bytes(8, "little") + s)
        else:
            digest.update(numpy.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
        dims = ",".join(str(d) for d in array.shape)
        print(file, "tensor", tensor.data_type, "[" + dims + "]", digest.hexdigest(), sep="\t")
