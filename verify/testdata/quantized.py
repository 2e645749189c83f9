# Writes a small MobileNetV2 of bytes into folders below argv[1], as quantisers write it:
#
#   qdq/model.onnx        floats between QuantizeLinear and DequantizeLinear
#   qoperator/model.onnx  QLinearConv, QLinearAdd, QLinearGlobalAveragePool, QGemm
#   powers/model.onnx     the same with scales that are powers of two
#   wide/model.onnx       the same as qoperator, with weights of 8 bits in one convolution
#
# Weights are drawn, have 7 bits otherwise (so that no pair of products overflows 16) and a scale for each channel; the
# scales of activations come from a run in float32.
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
rng = np.random.default_rng(3)


def conv(x, w, b, stride, group):
    """NCHW convolution with "same" padding of odd kernels."""
    k = w.shape[2]
    p = k // 2
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    n, c, h, wd = x.shape
    h, wd = (h - k) // stride + 1, (wd - k) // stride + 1
    out = np.zeros((n, w.shape[0], h, wd))
    ci, co = c // group, w.shape[0] // group
    for g in range(group):
        for i in range(k):
            for j in range(k):
                patch = x[:, g * ci:(g + 1) * ci, i:i + stride * h:stride, j:j + stride * wd:stride]
                out[:, g * co:(g + 1) * co] += np.einsum("nchw,oc->nohw", patch, w[g * co:(g + 1) * co, :, i, j])
    return out + b[None, :, None, None]


class Net:
    """A list of layers, with activations in float to take ranges from."""

    def __init__(self, shape):
        self.layers, self.x = [], rng.normal(size=(4,) + shape)
        self.shape = shape
        self.values = {"x": self.x}

    def conv(self, name, src, out, kernel=1, stride=1, group=1, clip=True):
        x = self.values[src]
        w = rng.normal(size=(out, x.shape[1] // group, kernel, kernel)) * np.sqrt(2 / (x.shape[1] // group * kernel * kernel))
        b = rng.normal(size=out) * 0.2
        y = conv(x, w, b, stride, group)
        self.values[name] = np.clip(y, 0, 6) if clip else y
        self.layers.append(("conv", name, src, dict(w=w, b=b, stride=stride, group=group, clip=clip)))
        return name

    def add(self, name, a, b):
        self.values[name] = self.values[a] + self.values[b]
        self.layers.append(("add", name, a, dict(other=b)))
        return name

    def pool(self, name, src):
        self.values[name] = self.values[src].mean(axis=(2, 3), keepdims=True)
        self.layers.append(("pool", name, src, {}))
        return name

    def dense(self, name, src, out):
        x = self.values[src].reshape(4, -1)
        w, b = rng.normal(size=(out, x.shape[1])) * np.sqrt(1 / x.shape[1]), rng.normal(size=out) * 0.2
        self.values[name] = x @ w.T + b
        self.layers.append(("dense", name, src, dict(w=w, b=b)))
        return name


def mobilenet():
    net = Net((3, 24, 24))
    at = net.conv("stem", "x", 8, 3, 2)
    for i, (out, stride) in enumerate([(8, 1), (12, 2), (12, 1)]):
        src, width = at, net.values[at].shape[1]
        at = net.conv(f"expand{i}", at, 4 * width)
        at = net.conv(f"depth{i}", at, 4 * width, 3, stride, 4 * width)
        at = net.conv(f"project{i}", at, out, clip=False)
        if stride == 1 and out == width:
            at = net.add(f"sum{i}", src, at)
    at = net.conv("head", at, 32)
    at = net.pool("pool", at)
    return net, net.dense("logits", at, 10)


class Writer:
    def __init__(self, net, last, powers=False, wide=""):
        self.net, self.last, self.powers, self.wide = net, last, powers, wide
        self.nodes, self.inits = [], {}

    def const(self, name, v, t):
        self.inits[name] = numpy_helper.from_array(np.asarray(v, t), name)
        return name

    def node(self, op, name, inputs, domain="", **attrs):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attrs))
        return name

    def scale(self, v):
        return np.float32(2.0 ** np.ceil(np.log2(v))) if self.powers else np.float32(v)

    def range(self, name):
        """Scale and zero point of an activation, in uint8."""
        v = self.net.values[name]
        lo, hi = min(0, v.min()), max(0, v.max())
        s = self.scale((hi - lo) / 255)
        return s, int(np.clip(np.round(-lo / s), 0, 255))

    def activation(self, name):
        s, z = self.range(name)
        return [self.const(name + ".scale", s, np.float32), self.const(name + ".zero", z, np.uint8)]

    def weights(self, name, w, x):
        """Bytes with a scale for each output channel, and the scale of the bias of a product with x."""
        most = 127 if name == self.wide else 63
        flat = np.abs(w.reshape(w.shape[0], -1)).max(axis=1)
        s = np.array([self.scale(v / most) for v in flat], np.float32)
        q = np.clip(np.round(w / s.reshape((-1,) + (1,) * (w.ndim - 1))), -most, most)
        return q, s, self.range(x)[0] * s

    def bias(self, b, s):
        return np.round(b / s)

    def model(self, out, elem_out, shape_out):
        g = helper.make_graph(
            self.nodes, "mobilenet", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"] + list(self.net.shape))],
            [helper.make_tensor_value_info(out, elem_out, shape_out)], list(self.inits.values()))
        return helper.make_model(g, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(MICROSOFT, 1)], ir_version=8)

    def qoperator(self):
        self.node("QuantizeLinear", "x.bytes", ["x"] + self.activation("x"))
        for kind, name, src, a in self.net.layers:
            x = [src + ".bytes"] + self.activation(src)
            if kind == "conv":
                q, s, sb = self.weights(name, a["w"], src)
                w = [self.const(name + ".w", q, np.int8), self.const(name + ".w.scale", s, np.float32), self.const(name + ".w.zero", np.zeros(len(s)), np.int8)]
                b = [self.const(name + ".b", self.bias(a["b"], sb), np.int32)]
                p = a["w"].shape[2] // 2
                self.node("QLinearConv", name + ".bytes", x + w + self.activation(name) + b, pads=[p] * 4, strides=[a["stride"]] * 2, group=a["group"])
            elif kind == "add":
                self.node("QLinearAdd", name + ".bytes", x + [a["other"] + ".bytes"] + self.activation(a["other"]) + self.activation(name), MICROSOFT)
            elif kind == "pool":
                self.node("QLinearGlobalAveragePool", name + ".map", x + self.activation(name), MICROSOFT)
                self.node("Flatten", name + ".bytes", [name + ".map"])
            else:
                q, s, sb = self.weights(name, a["w"], src)
                w = [self.const(name + ".w", q, np.int8), self.const(name + ".w.scale", s, np.float32), self.const(name + ".w.zero", np.zeros(len(s)), np.int8)]
                b = [self.const(name + ".b", self.bias(a["b"], sb), np.int32)]
                self.node("QGemm", name + ".bytes", x + w + b + self.activation(name), MICROSOFT, transB=1)
        self.node("DequantizeLinear", self.last, [self.last + ".bytes"] + self.activation(self.last))
        return self.model(self.last, TensorProto.FLOAT, ["N", 10])

    def pair(self, name, x):
        s = self.activation(name)
        self.node("QuantizeLinear", name + ".bytes", [x] + s)
        return self.node("DequantizeLinear", name + ".float", [name + ".bytes"] + s)

    def qdq(self):
        self.pair("x", "x")
        for kind, name, src, a in self.net.layers:
            x = src + ".float"
            if kind in ("conv", "dense"):
                q, s, sb = self.weights(name, a["w"], src)
                zero = self.const(name + ".w.zero", np.zeros(len(s)), np.int8)
                w = self.node("DequantizeLinear", name + ".w.float", [self.const(name + ".w", q, np.int8), self.const(name + ".w.scale", s, np.float32), zero], axis=0)
                none = self.const(name + ".b.zero", np.zeros(len(s)), np.int32)
                b = self.node("DequantizeLinear", name + ".b.float", [self.const(name + ".b", self.bias(a["b"], sb), np.int32), self.const(name + ".b.scale", sb, np.float32), none], axis=0)
            if kind == "conv":
                p = a["w"].shape[2] // 2
                y = self.node("Conv", name + ".conv", [x, w, b], pads=[p] * 4, strides=[a["stride"]] * 2, group=a["group"])
                if a["clip"]:
                    y = self.node("Clip", name + ".clip", [y, self.const("none", 0, np.float32), self.const("six", 6, np.float32)])
            elif kind == "add":
                y = self.node("Add", name + ".sum", [x, a["other"] + ".float"])
            elif kind == "pool":
                y = self.node("GlobalAveragePool", name + ".mean", [x])
            else:
                x = self.node("Flatten", name + ".flat", [x])
                y = self.node("Gemm", name + ".product", [x, w, b], transB=1)
            self.pair(name, y)
        self.nodes[-1].output[0] = self.last
        return self.model(self.last, TensorProto.FLOAT, ["N", 10])


def save(folder, model):
    os.makedirs(os.path.join(sys.argv[1], folder))
    onnx.save(model, os.path.join(sys.argv[1], folder, "model.onnx"))


net, last = mobilenet()
save("qdq", Writer(net, last).qdq())
save("qoperator", Writer(net, last).qoperator())
save("powers", Writer(net, last, powers=True).qoperator())
save("wide", Writer(net, last, wide="expand1").qoperator())
