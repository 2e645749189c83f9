"""The part of onnxruntime's interface that the Python driver uses, over numpy and onnx, for three operators.

It lets the driver be tested where onnxruntime is not installed. Its refusals are worded like the original's.
"""
import numpy as np
import onnx
from onnx import mapping, numpy_helper

__version__ = "onnxruntime stand-in"


class ExecutionMode:
    ORT_SEQUENTIAL = 0


class GraphOptimizationLevel:
    ORT_DISABLE_ALL, ORT_ENABLE_BASIC, ORT_ENABLE_EXTENDED, ORT_ENABLE_ALL = 0, 1, 2, 99


def get_available_providers():
    return ["TestExecutionProvider", "BrokenExecutionProvider", "CPUExecutionProvider"]


class SessionOptions:
    alone = False

    def add_session_config_entry(self, key, value):
        assert key == "session.disable_cpu_ep_fallback"
        self.alone = value == "1"


class _Named:
    def __init__(self, v):
        t = v.type.tensor_type
        self.name, self.dtype = v.name, mapping.TENSOR_TYPE_TO_NP_TYPE[t.elem_type]
        self.shape = [d.dim_value if d.HasField("dim_value") else None for d in t.shape.dim]


class InferenceSession:
    def __init__(self, model, options, providers):
        assert options.intra_op_num_threads >= 1 and options.graph_optimization_level in (0, 1, 2, 99)
        print("a library that prints")
        # One provider takes additions alone; the other is listed and, as a library that lacks another does, not started.
        self.providers = [p for p in providers if p != "BrokenExecutionProvider"] or ["CPUExecutionProvider"]
        self.graph = (m := onnx.load(model) if isinstance(model, str) else onnx.load_from_string(model)).graph
        opset = m.opset_import[0].version
        if opset > 100:
            raise RuntimeError("Opset %d is under development and support for this is limited" % opset)
        known = {i.name for i in self.graph.input} | {i.name for i in self.graph.initializer}
        if options.alone and "TestExecutionProvider" in providers and any(n.op_type != "Add" for n in self.graph.node):
            raise RuntimeError("fallback to CPU EP has been explicitly disabled by the user")
        for n in self.graph.node:
            if n.op_type == "LeakyRelu":
                raise RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for LeakyRelu(6) node")
            if n.op_type not in ("Identity", "Add", "MatMul"):
                raise RuntimeError("Error No Op registered for %s with domain_version of %d" % (n.op_type, opset))
            if not known.issuperset(n.input):
                raise RuntimeError("invalid graph")
            known.update(n.output)

    def get_providers(self):
        return self.providers

    def get_outputs(self):
        return [_Named(o) for o in self.graph.output]

    def run(self, names, feeds):
        assert names is None
        v = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        for i in map(_Named, self.graph.input):
            a = feeds[i.name]
            if a.dtype != i.dtype or len(a.shape) != len(i.shape) or any(w not in (None, g) for g, w in zip(a.shape, i.shape)):
                raise RuntimeError("INVALID_ARGUMENT : %s is %s %s" % (i.name, a.dtype, a.shape))
            v[i.name] = a
        f = {"Identity": lambda x: x, "Add": np.add, "MatMul": np.matmul}
        for n in self.graph.node:
            v[n.output[0]] = f[n.op_type](*(v[i] for i in n.input))
        return [v[o.name] for o in self.graph.output]
