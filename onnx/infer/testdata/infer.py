"""Reads paths of models. Takes the types of their outputs away, infers them
with the onnx package, and prints for each output that is a tensor: path, name,
element type, and dims as numbers and question marks, or "none" without a rank."""
import sys

import onnx
from onnx import shape_inference

for path in sys.stdin.read().split():
    model = onnx.load(path)
    names = [o.name for o in model.graph.output]
    for o in model.graph.output:
        o.ClearField("type")
    try:
        model = shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # a few operators cannot do without the declaration
        continue
    for o in model.graph.output:
        if o.type.WhichOneof("value") != "tensor_type":
            continue
        t = o.type.tensor_type
        dims = "none"
        if t.HasField("shape"):
            dims = "[" + ",".join(str(d.dim_value) if d.HasField("dim_value") else "?" for d in t.shape.dim) + "]"
        print(path, o.name, t.elem_type, dims, sep="\t")
