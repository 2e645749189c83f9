"""Exports a small BERT from PyTorch, and makes of it the variants that published transformers come in; and two small decoders.
Each goes into a folder of its own below the one given, with the inputs of one run, and PyTorch's outputs of the decoder that it exported.

fp32       as exported
fixed      the same for one batch and length, of which ONNX Runtime fuses more
fp16       all floats in float16, but for inputs and outputs
int8       dynamic quantisation of products, weights of int8
uint8      the same with weights of uint8
quantized  the same with weights of int8 and 7 bits, a scale for each column
q4         weights of 4 bits in blocks (MatMulNBits), the table of words, too (GatherBlockQuantized)
q4f16      the same in float16
bnb4       weights of NF4 (MatMulBnb4)
merged     a decoder with and without keys and values of the past, in the two branches of an If
gqa        a decoder of GroupQueryAttention, SkipSimplifiedLayerNormalization and MatMulNBits
"""
import math
import os
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

HIDDEN, HEADS, LAYERS, WORDS, PLACES = 64, 4, 2, 96, 32


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))

    def split(self, x):
        return x.view(x.size(0), x.size(1), HEADS, HIDDEN // HEADS).permute(0, 2, 1, 3)

    def forward(self, x, mask, past=None):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(HIDDEN // HEADS) + mask
        y = torch.matmul(torch.softmax(scores, -1), v).permute(0, 2, 1, 3).contiguous()
        return self.out(y.view(y.size(0), y.size(1), HIDDEN)), k, v


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.up, self.down = Attention(), nn.Linear(HIDDEN, 4 * HIDDEN), nn.Linear(4 * HIDDEN, HIDDEN)
        self.first, self.second = nn.LayerNorm(HIDDEN, eps=1e-12), nn.LayerNorm(HIDDEN, eps=1e-12)

    def forward(self, x, mask, past=None):
        y, k, v = self.attention(x, mask, past)
        x = self.first(y + x)
        return self.second(self.down(nn.functional.gelu(self.up(x))) + x), k, v


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places, self.kinds = nn.Embedding(WORDS, HIDDEN), nn.Embedding(PLACES, HIDDEN), nn.Embedding(2, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.register_buffer("order", torch.arange(PLACES).expand(1, -1))

    def forward(self, input_ids, attention_mask, token_type_ids):
        mask = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -10000.0
        x = self.words(input_ids) + self.kinds(token_type_ids) + self.places(self.order[:, : input_ids.size(1)])
        x = self.norm(x)
        for layer in self.layers:
            x, _, _ = layer(x, mask)
        return x


class Decoder(nn.Module):
    """One layer, which sees what is before. Its keys and values are outputs."""

    def __init__(self):
        super().__init__()
        self.words, self.layer, self.head = nn.Embedding(WORDS, HIDDEN), Layer(), nn.Linear(HIDDEN, WORDS)

    def forward(self, input_ids, *past):
        x = self.words(input_ids)
        before = past[0].size(2) if past else 0
        rows, keys = torch.arange(x.size(1)).unsqueeze(1) + before, torch.arange(x.size(1) + before).unsqueeze(0)
        mask = torch.where(keys <= rows, torch.zeros(()), torch.full((), -1e9))
        x, k, v = self.layer(x, mask, past or None)
        return self.head(x), k, v


def export(module, args, inputs, outputs, axes):
    path = os.path.join(ROOT, "export.tmp")
    torch.onnx.export(module, args, path, input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=14)
    model = onnx.load(path)
    os.remove(path)
    return model


def save(name, model, inputs, outputs=()):
    folder = os.path.join(ROOT, name, "test_data_set_0")
    os.makedirs(folder)
    if not any(i.domain == "com.microsoft" for i in model.opset_import):
        if any(n.domain == "com.microsoft" for n in model.graph.node):
            model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, os.path.join(ROOT, name, "model.onnx"))
    for kind, arrays in (("input", inputs), ("output", outputs)):
        names = [v.name for v in getattr(model.graph, kind)]
        for i, a in enumerate(arrays):
            with open(os.path.join(folder, "%s_%d.pb" % (kind, i)), "wb") as f:
                f.write(numpy_helper.from_array(np.array(a), names[i]).SerializeToString())


def copy(model):
    other = onnx.ModelProto()
    other.CopyFrom(model)
    del other.graph.value_info[:]
    return other


def weights(model):
    return {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}


def prune(model):
    """Drops initializers that nothing reads."""
    read = {i for n in model.graph.node for i in n.input}
    kept = [w for w in model.graph.initializer if w.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def replace(model, rewrite):
    """Puts in the place of each node what rewrite gives for it, unless that is None."""
    constants = weights(model)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for n in nodes:
        model.graph.node.extend(rewrite(n, constants) or [n])
    return prune(model)


def half(model):
    model = copy(model)
    small = lambda a: np.clip(a, -1e4, 1e4).astype(np.float16)
    for w in model.graph.initializer:
        if w.data_type == TensorProto.FLOAT:
            w.CopyFrom(numpy_helper.from_array(small(numpy_helper.to_array(w)), w.name))
    for n in model.graph.node:
        for a in n.attribute:
            if a.name == "value" and a.t.data_type == TensorProto.FLOAT:
                a.t.CopyFrom(numpy_helper.from_array(small(numpy_helper.to_array(a.t)), a.t.name))
            if n.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT:
                a.i = TensorProto.FLOAT16
    for out in model.graph.output:
        for n in model.graph.node:
            for i, name in enumerate(n.output):
                if name == out.name:
                    n.output[i] = name + ".half"
        model.graph.node.append(helper.make_node("Cast", [out.name + ".half"], [out.name], to=TensorProto.FLOAT))
    return model


def product(n, constants):
    """The weights of a product with a matrix, (K, N), or None."""
    if n.op_type == "MatMul" and n.input[1] in constants and constants[n.input[1]].ndim == 2:
        return constants[n.input[1]]
    return None


def integers(model, signed, per_column=False, bits=8):
    model = copy(model)

    def quantised(w, axis):
        if signed:
            scale = np.maximum(np.abs(w).max(axis, keepdims=True), 1e-9) / (2 ** (bits - 1) - 1)
            zero = np.zeros_like(scale)
            q = np.clip(np.rint(w / scale), -(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)
        else:
            low, high = np.minimum(w.min(axis, keepdims=True), 0), np.maximum(w.max(axis, keepdims=True), 0)
            scale = np.maximum(high - low, 1e-9) / (2**bits - 1)
            zero = np.rint(-low / scale)
            q = np.clip(np.rint(w / scale) + zero, 0, 2**bits - 1)
        kind = np.int8 if signed else np.uint8
        return q.astype(kind), scale.astype(np.float32), zero.astype(kind)

    def rewrite(n, constants):
        w = product(n, constants)
        y = n.output[0]
        if w is None and n.op_type == "Gather" and n.input[0] in constants and constants[n.input[0]].ndim == 2 and constants[n.input[0]].dtype == np.float32:
            q, scale, zero = quantised(constants[n.input[0]], None)
            for name, a in (("q", q), ("scale", scale.reshape(())), ("zero", zero.reshape(()))):
                model.graph.initializer.append(numpy_helper.from_array(a, y + "." + name))
            return [
                helper.make_node("Gather", [y + ".q", n.input[1]], [y + ".row"]),
                helper.make_node("DequantizeLinear", [y + ".row", y + ".scale", y + ".zero"], [y]),
            ]
        if w is None:
            return None
        q, scale, zero = quantised(w, 0 if per_column else None)
        shape = (-1,) if per_column else ()
        for name, a in (("q", q), ("scale", scale.reshape(shape)), ("zero", zero.reshape(shape))):
            model.graph.initializer.append(numpy_helper.from_array(a, y + "." + name))
        return [
            helper.make_node("DynamicQuantizeLinear", [n.input[0]], [y + ".x", y + ".xscale", y + ".xzero"]),
            helper.make_node("MatMulInteger", [y + ".x", y + ".q", y + ".xzero", y + ".zero"], [y + ".sum"]),
            helper.make_node("Cast", [y + ".sum"], [y + ".float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [y + ".xscale", y + ".scale"], [y + ".both"]),
            helper.make_node("Mul", [y + ".float", y + ".both"], [y]),
        ]

    return replace(model, rewrite)


def blocks4(w, block):
    """Rows of w in blocks of 4 bits with zero points: bytes, scales, packed zero points."""
    n, k = w.shape
    count = (k + block - 1) // block
    padded = np.zeros((n, count * block), np.float32)
    padded[:, :k] = w
    padded = padded.reshape(n, count, block)
    low, high = np.minimum(padded.min(2), 0), np.maximum(padded.max(2), 0)
    scale = np.maximum((high - low) / 15, 1e-9).astype(np.float32)
    zero = np.clip(np.rint(-low / scale), 0, 15).astype(np.uint8)
    q = np.clip(np.rint(padded / scale[:, :, None]) + zero[:, :, None], 0, 15).astype(np.uint8)
    if count % 2:
        zero = np.concatenate([zero, np.zeros((n, 1), np.uint8)], 1)
    return q[:, :, 0::2] | q[:, :, 1::2] << 4, scale, zero[:, 0::2] | zero[:, 1::2] << 4


def nbits(model, level=0, block=32):
    model = copy(model)

    def rewrite(n, constants):
        w, y = product(n, constants), n.output[0]
        table = n.op_type == "Gather" and n.input[0] in constants and constants[n.input[0]].shape == (WORDS, HIDDEN)
        if w is None and not table:
            return None
        q, scale, zero = blocks4(constants[n.input[0]] if table else w.T, block)
        if table:
            q = q.reshape(WORDS, HIDDEN // 2)
        for name, a in (("q", q), ("scale", scale), ("zero", zero)):
            model.graph.initializer.append(numpy_helper.from_array(a, y + "." + name))
        if table:
            return [helper.make_node("GatherBlockQuantized", [y + ".q", n.input[1], y + ".scale", y + ".zero"], [y], domain="com.microsoft",
                                     bits=4, block_size=block, gather_axis=0, quantize_axis=1)]
        return [helper.make_node("MatMulNBits", [n.input[0], y + ".q", y + ".scale", y + ".zero"], [y], domain="com.microsoft",
                                 K=w.shape[0], N=w.shape[1], bits=4, block_size=block, accuracy_level=level)]

    return replace(model, rewrite)


NF4 = np.array([-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
                0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
                0.7229568362236023, 1], np.float32)


def bnb4(model, block=64):
    model = copy(model)

    def rewrite(n, constants):
        w, y = product(n, constants), n.output[0]
        if w is None:
            return None
        flat = w.T.reshape(-1, block) # whose number is a multiple of the block
        most = np.abs(flat).max(1)
        q = np.abs(flat[:, :, None] / most[:, None, None] - NF4).argmin(2).astype(np.uint8).reshape(-1)
        for name, a in (("q", q[0::2] << 4 | q[1::2]), ("most", most)):
            model.graph.initializer.append(numpy_helper.from_array(a, y + "." + name))
        return [helper.make_node("MatMulBnb4", [n.input[0], y + ".q", y + ".most"], [y], domain="com.microsoft",
                                 K=w.shape[0], N=w.shape[1], block_size=block, quant_type=1)]

    return replace(model, rewrite)


def merged(decoder):
    """Both exports of a decoder as branches of an If, as one file for all steps."""
    batch, past, step = 1, 5, 1
    kv = [torch.randn(batch, HEADS, past, HIDDEN // HEADS) for _ in range(2)]
    ids = torch.randint(0, WORDS, (batch, step))
    names, outputs = ["past_key", "past_value"], ["logits", "present_key", "present_value"]
    axes = {"input_ids": {0: "batch", 1: "steps"}, "past_key": {0: "batch", 2: "past"}, "past_value": {0: "batch", 2: "past"}}
    later = export(decoder, (ids, *kv), ["input_ids"] + names, outputs, axes)
    first = export(decoder, (torch.randint(0, WORDS, (batch, 4)),), ["input_ids"], outputs, {"input_ids": axes["input_ids"]})

    def branch(model, prefix):
        g = onnx.GraphProto(name=prefix)
        own = {w.name for w in model.graph.initializer} | {o for n in model.graph.node for o in n.output}
        rename = lambda s: prefix + s if s in own else s
        for n in model.graph.node:
            m = g.node.add()
            m.CopyFrom(n)
            m.name = prefix + n.name
            m.input[:], m.output[:] = [rename(i) for i in n.input], [rename(o) for o in n.output]
        for w in model.graph.initializer:
            v = g.initializer.add()
            v.CopyFrom(w)
            v.name = prefix + w.name
        for o in model.graph.output:
            g.output.append(helper.make_tensor_value_info(prefix + o.name, TensorProto.FLOAT, [None] * len(o.type.tensor_type.shape.dim)))
        return g

    shape = ["batch", HEADS, "past", HIDDEN // HEADS]
    graph = helper.make_graph(
        [helper.make_node("If", ["use_cache_branch"], outputs, then_branch=branch(later, "later."), else_branch=branch(first, "first."))],
        "merged",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "steps"])]
        + [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in names]
        + [helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "steps", WORDS])]
        + [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", HEADS, "all", HIDDEN // HEADS]) for n in outputs[1:]],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    with torch.no_grad():
        want = decoder(ids, *kv)
    save("merged", model, [ids.numpy()] + [t.numpy() for t in kv] + [np.array([True])], [t.numpy() for t in want])


def gqa(rng):
    """A decoder layer as the exporters of ONNX Runtime GenAI write it, at a step after five."""
    fewer, head, past, room, block = HEADS // 2, HIDDEN // HEADS, 5, 8, 32
    nodes, constants = [], []

    def constant(name, a):
        constants.append(numpy_helper.from_array(a, name))
        return name

    def linear(x, rows, name, n, level):
        q, scale, zero = blocks4(rng.normal(0, 0.2, (n, rows)).astype(np.float32), block)
        inputs = [x] + [constant(name + s, a) for s, a in ((".q", q), (".scale", scale), (".zero", zero))]
        nodes.append(helper.make_node("MatMulNBits", inputs, [name], domain="com.microsoft", K=rows, N=n, bits=4, block_size=block, accuracy_level=level))
        return name

    def scale(name):
        return constant(name, rng.uniform(0.5, 1.5, HIDDEN).astype(np.float32))

    angle = np.arange(32)[:, None] / 10000 ** (np.arange(head // 2) / (head // 2))
    nodes.append(helper.make_node("Gather", [constant("words", rng.normal(size=(WORDS, HIDDEN)).astype(np.float32)), "input_ids"], ["x"]))
    nodes.append(helper.make_node("SimplifiedLayerNormalization", ["x", scale("norm0")], ["h0"], axis=-1, epsilon=1e-6, stash_type=1))
    linear("h0", HIDDEN, "qkv", (HEADS + 2 * fewer) * head, 0)
    nodes.append(helper.make_node(
        "GroupQueryAttention",
        ["qkv", "", "", "past_key", "past_value", "seqlens_k", "total_sequence_length", constant("cos", np.cos(angle).astype(np.float32)), constant("sin", np.sin(angle).astype(np.float32))],
        ["mixed", "present_key", "present_value"], domain="com.microsoft", num_heads=HEADS, kv_num_heads=fewer, do_rotary=1))
    linear("mixed", HIDDEN, "projected", HIDDEN, 4)
    nodes.append(helper.make_node("SkipSimplifiedLayerNormalization", ["x", "projected", scale("norm1")], ["h1", "", "", "sum"], domain="com.microsoft", epsilon=1e-6))
    linear("h1", HIDDEN, "gate", 2 * HIDDEN, 0)
    linear("h1", HIDDEN, "up", 2 * HIDDEN, 0)
    nodes.append(helper.make_node("Sigmoid", ["gate"], ["open"]))
    nodes.append(helper.make_node("Mul", ["gate", "open"], ["silu"]))
    nodes.append(helper.make_node("Mul", ["silu", "up"], ["gated"]))
    linear("gated", 2 * HIDDEN, "down", HIDDEN, 0)
    nodes.append(helper.make_node("SkipSimplifiedLayerNormalization", ["sum", "down", scale("norm2")], ["h2"], domain="com.microsoft", epsilon=1e-6))
    linear("h2", HIDDEN, "logits", WORDS, 0)
    info = helper.make_tensor_value_info
    cache = ["batch", fewer, "room", head]
    graph = helper.make_graph(
        nodes, "gqa",
        [info("input_ids", TensorProto.INT64, ["batch", "steps"]), info("past_key", TensorProto.FLOAT, cache), info("past_value", TensorProto.FLOAT, cache),
         info("seqlens_k", TensorProto.INT32, ["batch"]), info("total_sequence_length", TensorProto.INT32, [])],
        [info("logits", TensorProto.FLOAT, ["batch", "steps", WORDS]), info("present_key", TensorProto.FLOAT, ["batch", fewer, "all", head]), info("present_value", TensorProto.FLOAT, ["batch", fewer, "all", head])],
        constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    kv = [rng.normal(size=(2, fewer, room, head)).astype(np.float32) for _ in range(2)]
    for a in kv:
        a[:, :, past:] = 0
    save("gqa", model, [rng.integers(0, WORDS, (2, 1)), *kv, np.array([past, past - 2], np.int32), np.array(past + 1, np.int32)])


def main():
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    encoder = Encoder().eval()
    ids, mask, kinds = torch.randint(0, WORDS, (2, 7)), torch.ones(2, 7, dtype=torch.int64), torch.randint(0, 2, (2, 7))
    mask[1, 5:] = 0
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {n: {0: "batch_size", 1: "sequence_length"} for n in names + ["last_hidden_state"]}
    model = export(encoder, (ids, mask, kinds), names, ["last_hidden_state"], axes)
    inputs = [t.numpy() for t in (ids, mask, kinds)]
    save("fp32", model, inputs)
    save("fixed", export(encoder, (ids, mask, kinds), names, ["last_hidden_state"], {}), inputs)
    save("fp16", half(model), inputs)
    save("int8", integers(model, signed=True), inputs)
    save("uint8", integers(model, signed=False), inputs)
    save("quantized", integers(model, signed=True, per_column=True, bits=7), inputs)
    save("q4", nbits(model), inputs)
    save("q4f16", half(nbits(model)), inputs)
    save("bnb4", bnb4(model), inputs)
    merged(Decoder().eval())
    gqa(rng)


ROOT = sys.argv[1]
main()
