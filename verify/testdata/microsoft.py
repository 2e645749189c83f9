"""Writes a model of one node, with inputs and what PyTorch computes of them, for each operator of com.microsoft that ONNX Runtime has
no kernel for on CPUs, and for the forms of MultiHeadAttention that its kernel does not take. Each goes into a folder below argv[1]."""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper, save

torch.manual_seed(0)


def write(name, op, inputs, outputs, **attributes):
    folder = os.path.join(sys.argv[1], name, "test_data_set_0")
    os.makedirs(folder)
    info = lambda prefix, i, t: helper.make_tensor_value_info("%s%d" % (prefix, i), 1, list(t.shape))
    given = [(i, t) for i, t in enumerate(inputs) if t is not None]
    node = helper.make_node(op, ["" if t is None else "x%d" % i for i, t in enumerate(inputs)], ["y%d" % i for i in range(len(outputs))],
                            domain="com.microsoft", **attributes)
    graph = helper.make_graph([node], name, [info("x", i, t) for i, t in given], [info("y", i, t) for i, t in enumerate(outputs)])
    save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]),
         os.path.join(sys.argv[1], name, "model.onnx"))
    for kind, list_ in (("input", [("x%d" % i, t) for i, t in given]), ("output", [("y%d" % i, t) for i, t in enumerate(outputs)])):
        for i, (label, t) in enumerate(list_):
            with open(os.path.join(folder, "%s_%d.pb" % (kind, i)), "wb") as f:
                f.write(numpy_helper.from_array(np.ascontiguousarray(t.numpy()), label).SerializeToString())


def group_norm(x, gamma, beta, groups, last, silu, epsilon):
    y = F.group_norm(x.permute(0, 3, 1, 2) if last else x, groups, gamma, beta, epsilon)
    y = y.permute(0, 2, 3, 1) if last else y
    return y * torch.sigmoid(y) if silu else y


for last in (0, 1):
    shape = (2, 5, 3, 12) if last else (2, 12, 5, 3)
    x, skip, gamma, beta, bias = torch.randn(shape), torch.randn(shape), torch.randn(12), torch.randn(12), torch.randn(12)
    rest = dict(groups=3, activation=1 - last, channels_last=last, epsilon=1e-3)
    write("group_norm_%d" % last, "GroupNorm", [x, gamma, beta], [group_norm(x, gamma, beta, 3, last, 1 - last, 1e-3)], **rest)
    along = (1, 1, 1, 12) if last else (1, 12, 1, 1)
    s = x + skip + bias.view(along)
    write("skip_group_norm_%d" % last, "SkipGroupNorm", [x, gamma, beta, skip, bias], [group_norm(s, gamma, beta, 3, last, 1 - last, 1e-3), s], **rest)
    row = torch.randn(2, 12)
    s = x + row.view((2, 1, 1, 12) if last else (2, 12, 1, 1))
    write("skip_group_norm_row_%d" % last, "SkipGroupNorm", [x, gamma, beta, row], [group_norm(s, gamma, beta, 3, last, 1 - last, 1e-3), s], **rest)

x, bias, skip = torch.randn(2, 7, 10), torch.randn(10), torch.randn(2, 7, 10)
write("bias_add", "BiasAdd", [x, bias, skip], [x + bias + skip])
left, right = (x + bias).chunk(2, -1)
write("bias_split_gelu", "BiasSplitGelu", [x, bias], [left * F.gelu(right)])
for name, shape, inner in (("inner", (2, 1, 1, 6), 1), ("outer", (1, 1, 4, 6), 0)):
    data, mask = torch.randn(2, 3, 4, 6), torch.randn(shape)
    write("bias_softmax_" + name, "BiasSoftmax", [data, mask], [torch.softmax(data + mask, -1)], axis=3, is_inner_broadcast=inner)

heads, width = 3, 4
split = lambda t: t.view(2, -1, heads, width).permute(0, 2, 1, 3)
for name, length in (("qkv", 5), ("kv", 7)):
    q, k, v, bias = torch.randn(2, 5, 12), torch.randn(2, length, 12), torch.randn(2, length, 12), torch.randn(36)
    a, b, c = (split(t + bias[12 * i : 12 * i + 12]) for i, t in enumerate((q, k, v)))
    y = torch.matmul(torch.softmax(torch.matmul(a, b.transpose(-1, -2)) / 2, -1), c).permute(0, 2, 1, 3).reshape(2, 5, 12)
    parts = [t.view(2, -1, heads, 1, width) for t in (q, k, v)]
    inputs = [torch.cat(parts, 3)] + [None] * 2 if name == "qkv" else [q, torch.cat(parts[1:], 3), None]
    write("packed_" + name, "MultiHeadAttention", inputs + [bias], [y], num_heads=heads)
