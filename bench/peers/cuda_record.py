#!/usr/bin/env python3
"""cuda_record.py FOLDER: records what a CUDA device computes, as models with a test_data_set_0 that `petrify verify` judges.

Every folder FOLDER/NAME@MODE holds one small model and the outputs that PyTorch gave for it in one arithmetic:
  fp32     float32, TF32 switched off          tf32     float32 with TF32 in products and convolutions
  acc32    half precision, float32 sums        default  half precision, as PyTorch is set up
  acc16    float16, float16 sums
Needs torch with CUDA, and onnx.
"""
import os
import sys

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

root = sys.argv[1]
random = torch.Generator().manual_seed(7)
ELEMENT = {torch.float32: TensorProto.FLOAT, torch.float16: TensorProto.FLOAT16, torch.bfloat16: TensorProto.BFLOAT16}
PRODUCTS = torch.backends.cuda.matmul


def normal(*shape, scale=1.0, dtype=torch.float32):
    return (torch.randn(*shape, generator=random) * scale).to(dtype)


def tensor(name, t):
    t = t.cpu().contiguous()
    if t.dtype == torch.bfloat16:
        return helper.make_tensor(name, TensorProto.BFLOAT16, list(t.shape), t.view(torch.int16).numpy().tobytes(), raw=True)
    return numpy_helper.from_array(t.numpy(), name)


def record(name, nodes, weights, inputs, outputs):
    """Writes one folder for each mode of outputs."""
    y = next(iter(outputs.values()))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, name, [info(k, ELEMENT[v.dtype], list(v.shape)) for k, v in inputs.items()],
        [info("y", ELEMENT[y.dtype], list(y.shape))], [tensor(k, v) for k, v in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    for mode, out in outputs.items():
        data = os.path.join(root, f"{name}@{mode}", "test_data_set_0")
        os.makedirs(data, exist_ok=True)
        onnx.save(model, os.path.join(data, "..", "model.onnx"))
        for i, (k, v) in enumerate(inputs.items()):
            with open(os.path.join(data, f"input_{i}.pb"), "wb") as f:
                f.write(tensor(k, v).SerializeToString())
        with open(os.path.join(data, "output_0.pb"), "wb") as f:
            f.write(tensor("y", out).SerializeToString())


@torch.no_grad()
def singles(f):
    outputs = {}
    for mode, tf32 in (("fp32", False), ("tf32", True)):
        PRODUCTS.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        outputs[mode] = f()
    return outputs


def reductions(allowed):
    PRODUCTS.allow_fp16_reduced_precision_reduction = PRODUCTS.allow_bf16_reduced_precision_reduction = allowed


@torch.no_grad()
def halves(f, dtype):
    outputs = {}
    reductions(False)
    outputs["acc32"] = f()
    reductions(True)
    outputs["default"] = f()
    if dtype == torch.float16:
        PRODUCTS.allow_fp16_accumulation = True
        outputs["acc16"] = f()
        PRODUCTS.allow_fp16_accumulation = False
    return outputs


def products(dtype, prefix, modes):
    node = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    for k in (64, 256, 1024, 4096):
        x, w = normal(16, k, dtype=dtype), normal(k, 64, scale=k**-0.5, dtype=dtype)
        a, b = x.cuda(), w.cuda()
        record(f"{prefix}{k}", node, {"w": w}, {"x": x}, modes(lambda: a @ b))


def perceptron(width, depth=3, batch=8):
    weights = {f"w{i}": normal(width, width, scale=(2 / width) ** 0.5) for i in range(depth)}
    weights |= {f"b{i}": normal(width, scale=0.1) for i in range(depth)}
    nodes, value = [], "x"
    for i in range(depth):
        last = "y" if i == depth - 1 else f"relu{i}"
        nodes += [helper.make_node("MatMul", [value, f"w{i}"], [f"product{i}"]),
                  helper.make_node("Add", [f"product{i}", f"b{i}"], [f"sum{i}"]),
                  helper.make_node("Relu", [f"sum{i}"], [last])]
        value = last
    x = normal(batch, width)
    on = {k: v.cuda() for k, v in weights.items()}

    def run():
        y = x.cuda()
        for i in range(depth):
            y = torch.relu(y @ on[f"w{i}"] + on[f"b{i}"])
        return y

    record(f"perceptron{width}", nodes, weights, {"x": x}, singles(run))


def convolution():
    x, w, b = normal(2, 64, 16, 16), normal(64, 64, 3, 3, scale=576**-0.5), normal(64, scale=0.1)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    on = [t.cuda() for t in (x, w, b)]
    record("convolution64", [node], {"w": w, "b": b}, {"x": x}, singles(lambda: torch.nn.functional.conv2d(*on, padding=1)))


def attention():
    q, k, v = (normal(2, 4, 64, 64) for _ in range(3))
    on = [t.cuda() for t in (q, k, v)]
    nodes = [helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", ["q", "kt"], ["scores"]),
             helper.make_node("Mul", ["scores", "scale"], ["scaled"]), helper.make_node("Softmax", ["scaled"], ["weights"], axis=-1),
             helper.make_node("MatMul", ["weights", "v"], ["y"])]
    run = lambda: torch.softmax((on[0] @ on[1].transpose(-1, -2)) * 0.125, -1) @ on[2]
    record("attention64", nodes, {"scale": torch.tensor(0.125)}, {"q": q, "k": k, "v": v}, singles(run))


def normalisations(dtype, prefix):
    x, s, b = normal(8, 512, dtype=dtype), (1 + normal(512, scale=0.1)).to(dtype), normal(512, scale=0.1, dtype=dtype)
    y = torch.nn.functional.layer_norm(x.cuda(), (512,), s.cuda(), b.cuda(), 1e-5)
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"], axis=-1, epsilon=1e-5)
    record(f"{prefix}-layernorm", [node], {"s": s, "b": b}, {"x": x}, {"default": y})
    record(f"{prefix}-softmax", [helper.make_node("Softmax", ["x"], ["y"], axis=-1)], {}, {"x": x}, {"default": torch.softmax(x.cuda(), -1)})


products(torch.float32, "product", singles)
for width in (32, 256, 1024):
    perceptron(width)
convolution()
attention()
for dtype, prefix in ((torch.float16, "half"), (torch.bfloat16, "bfloat")):
    products(dtype, prefix, lambda f, dtype=dtype: halves(f, dtype))
    normalisations(dtype, prefix)
print(torch.cuda.get_device_name(), "recorded", len(os.listdir(root)), "folders in", root)
