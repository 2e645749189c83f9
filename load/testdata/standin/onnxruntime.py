"""What examples/python needs of ONNX Runtime, computed by OpenCV: for tests on machines that have no ONNX Runtime for Python."""
import cv2
import numpy
import onnx


class InferenceSession:
    def __init__(self, path, providers):
        graph = onnx.load(path).graph
        self.inputs = [Port(v) for v in graph.input]
        self.outputs = [v.name for v in graph.output]
        self.net = cv2.dnn.readNetFromONNX(path)

    def get_inputs(self):
        return self.inputs

    def run(self, outputs, feeds):
        assert outputs == self.outputs and list(feeds) == [v.name for v in self.inputs]
        (rows,) = feeds.values()
        assert rows.dtype == numpy.float32 and rows.shape[1:] == tuple(self.inputs[0].shape[1:])
        made = []
        for row in rows:  # one at a time: not every file runs in a batch there
            self.net.setInput(row[None])
            made.append(self.net.forward())
        return [numpy.concatenate(made)]


class Port:
    def __init__(self, value):
        self.name = value.name
        self.shape = [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
