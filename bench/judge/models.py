#!/usr/bin/env python3
"""Build the models that the speed of `petrify verify` is measured on.

    python3 bench/judge/models.py FOLDER [NAME...]

Networks of the usual sizes, written anew in PyTorch, with weights from a seed that keep activations near one: what a judge has to do
depends on the shapes alone. Each is exported with its constants folded, for one picture of 224 by 224. The int8 forms of MobileNetV2
are made from its graph as quantisers write them: `dynamic` by DynamicQuantizeLinear and ConvInteger, `static` by QLinearConv.
Transformers have the free axes that they are published with: `minilm` and `bert` batch and sequence, `vit` and `whisper`, the encoder
for 30 seconds of sound, the batch.
"""

import math
import os
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn


def conv(i, o, k=3, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Residual(nn.Module):
    """A residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 with four times the channels."""

    def __init__(self, i, width, stride, bottleneck):
        super().__init__()
        o = 4 * width if bottleneck else width
        if bottleneck:
            self.body = nn.Sequential(conv(i, width, 1), conv(width, width, 3, stride), conv(width, o, 1, act=None))
        else:
            self.body = nn.Sequential(conv(i, width, 3, stride), conv(width, o, 3, act=None))
        self.skip = nn.Identity() if i == o and stride == 1 else conv(i, o, 1, stride, act=None)

    def forward(self, x):
        return torch.relu(self.body(x) + self.skip(x))


def resnet(depths, bottleneck):
    layers, i = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        for block in range(depth):
            layers.append(Residual(i, width, 2 if block == 0 and stage > 0 else 1, bottleneck))
            i = 4 * width if bottleneck else width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 1000))


def vgg19():
    layers, i = [], 3
    for width, depth in zip((64, 128, 256, 512, 512), (2, 2, 4, 4, 4)):
        for _ in range(depth):
            layers += [nn.Conv2d(i, width, 3, padding=1), nn.ReLU()]
            i = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *head)


class Inverted(nn.Module):
    """MobileNetV2's block: wide by 1x1, depthwise 3x3, narrow by 1x1."""

    def __init__(self, i, o, stride, factor):
        super().__init__()
        wide = i * factor
        self.body = nn.Sequential(
            *([conv(i, wide, 1, act=nn.ReLU6)] if factor > 1 else []),
            conv(wide, wide, 3, stride, groups=wide, act=nn.ReLU6),
            conv(wide, o, 1, act=None),
        )
        self.skip = stride == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


def mobilenet_v2():
    layers, i = [conv(3, 32, 3, 2, act=nn.ReLU6)], 32
    for factor, o, depth, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(depth):
            layers.append(Inverted(i, o, stride if block == 0 else 1, factor))
            i = o
    return nn.Sequential(*layers, conv(i, 1280, 1, act=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


def super_resolution(upscale=3):
    """Sub-pixel convolution (Shi et al., 2016), as in PyTorch's example: 59,369 weights."""
    return nn.Sequential(
        nn.Conv2d(1, 64, 5, padding=2), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, upscale**2, 3, padding=1), nn.PixelShuffle(upscale),
    )


class Block(nn.Module):
    """A layer of a transformer: attention and two products, each with a layer normalisation before or after it."""

    def __init__(self, width, heads, after=False):
        super().__init__()
        self.heads, self.after = heads, after
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def attention(self, x, mask):
        batch, length, width = x.shape
        q, k, v = self.project(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // self.heads)
        if mask is not None:
            scores = scores + mask
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width))

    def forward(self, x, mask=None):
        if self.after:
            x = self.norms[0](x + self.attention(x, mask))
            return self.norms[1](x + self.feed(x))
        x = x + self.attention(self.norms[0](x), mask)
        return x + self.feed(self.norms[1](x))


class Text(nn.Module):
    """BERT's encoder (Devlin et al., 2019)."""

    def __init__(self, width, depth, words=30522):
        super().__init__()
        self.words, self.places, self.kinds = nn.Embedding(words, width), nn.Embedding(512, width), nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, 12, after=True) for _ in range(depth))

    def forward(self, input_ids, attention_mask, token_type_ids):
        places = self.places(torch.arange(input_ids.shape[1])[None])
        x = self.norm(self.words(input_ids) + places + self.kinds(token_type_ids))
        mask = (1 - attention_mask[:, None, None, :].float()) * -10000.0
        for block in self.blocks:
            x = block(x, mask)
        return x


class Picture(nn.Module):
    """The vision transformer (Dosovitskiy et al., 2021), in patches of 16 by 16."""

    def __init__(self, width=192, heads=3, depth=12):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 197, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1000))

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.blocks(x)[:, 0])


class Sound(nn.Module):
    """Whisper's encoder (Radford et al., 2022): 1,500 steps."""

    def __init__(self, width=384, heads=6, depth=4):
        super().__init__()
        self.start = nn.Sequential(nn.Conv1d(80, width, 3, padding=1), nn.GELU(), nn.Conv1d(width, width, 3, 2, 1), nn.GELU())
        self.places = nn.Parameter(torch.zeros(1500, width))
        self.blocks, self.norm = nn.Sequential(*(Block(width, heads) for _ in range(depth))), nn.LayerNorm(width)

    def forward(self, mel):
        return self.norm(self.blocks(self.start(mel).transpose(1, 2) + self.places))


def transformer(make, path, inputs, axes):
    torch.manual_seed(1)
    net = make().eval()
    for p in net.parameters():
        if p.dim() > 1:
            nn.init.normal_(p, std=0.02)
    dynamic = {name: dict(axes) for name in [*inputs, "result"]}
    with torch.no_grad():
        torch.onnx.export(net, tuple(inputs.values()), path, opset_version=17, input_names=list(inputs), output_names=["result"], dynamic_axes=dynamic)


def text(path, width, depth):
    ids = torch.ones(1, 8, dtype=torch.int64)
    inputs = {"input_ids": ids, "attention_mask": ids, "token_type_ids": ids}
    transformer(lambda: Text(width, depth), path, inputs, {0: "batch", 1: "sequence"})


def export(make, path, channels=3):
    torch.manual_seed(1)
    net = make()
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(m.weight)
            if m.bias is not None:
                nn.init.normal_(m.bias, std=0.05)
    x = torch.randn(1, channels, 224, 224)
    with torch.no_grad():
        for m in net.modules():  # statistics of what comes in, so that activations stay as they are in a trained network
            if isinstance(m, nn.BatchNorm2d):
                m.momentum = 1.0
        net.train()(x)
        net.eval()
        torch.onnx.export(net, x, path, opset_version=13, do_constant_folding=True, input_names=["image"], output_names=["result"])


def scale_of(w):
    return np.float32(np.abs(w).max() / 127) or np.float32(1)


class Quantizer:
    """Rewrites the convolutions of a graph for int8 weights and uint8 activations."""

    def __init__(self, model, static):
        self.model, self.static = model, static
        self.weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.nodes, self.added, self.done = [], [], {}

    def constant(self, name, array):
        self.added.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind, inputs, outputs, **attrs):
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=f"{outputs[0]}.{kind}", **attrs))

    def activation(self, x):
        """x in uint8, with its scale and zero point; each value is quantised once."""
        if x not in self.done:
            names = [x + ".q", x + ".scale", x + ".zero"]
            if self.static:  # six sigma of a normal variable, which activations are made to be
                self.constant(names[1], np.float32(8 / 255)), self.constant(names[2], np.uint8(128))
                self.node("QuantizeLinear", [x, *names[1:]], names[:1])
            else:
                self.node("DynamicQuantizeLinear", [x], names)
            self.done[x] = names
        return self.done[x]

    def convolution(self, n):
        attrs = {a.name: helper.get_attribute_value(a) for a in n.attribute}
        w, y = self.weights[n.input[1]], n.output[0]
        bias = self.weights[n.input[2]]
        x, scale, zero = self.activation(n.input[0])
        if self.static:
            scales = np.array([scale_of(o) for o in w])
            q = np.clip(np.rint(w / scales.reshape(-1, 1, 1, 1)), -127, 127).astype(np.int8)
            weight = [self.constant(y + ".w", q), self.constant(y + ".w.scale", scales), self.constant(y + ".w.zero", np.zeros(len(q), np.int8))]
            out = [self.constant(y + ".y.scale", np.float32(8 / 255)), self.constant(y + ".y.zero", np.uint8(128))]
            whole = self.constant(y + ".b", np.rint(bias / (scales * np.float32(8 / 255))).astype(np.int32))
            self.node("QLinearConv", [x, scale, zero, *weight, *out, whole], [y + ".y"], **attrs)
            self.node("DequantizeLinear", [y + ".y", *out], [y])
            return
        s = scale_of(w)
        q = np.clip(np.rint(w / s), -127, 127).astype(np.int8)
        self.node("ConvInteger", [x, self.constant(y + ".w", q), zero, self.constant(y + ".w.zero", np.int8(0))], [y + ".i"], **attrs)
        self.node("Cast", [y + ".i"], [y + ".f"], to=TensorProto.FLOAT)
        self.node("Mul", [scale, self.constant(y + ".w.scale", s)], [y + ".s"])
        self.node("Mul", [y + ".f", y + ".s"], [y + ".p"])
        self.node("Add", [y + ".p", self.constant(y + ".b", bias.reshape(1, -1, 1, 1))], [y])

    def run(self):
        for n in self.model.graph.node:
            if n.op_type == "Conv":
                self.convolution(n)
            else:
                self.nodes.append(n)
        used = {name for n in self.nodes for name in n.input}
        kept = [t for t in self.model.graph.initializer if t.name in used] + self.added
        graph = helper.make_graph(self.nodes, "quantised", self.model.graph.input, self.model.graph.output, kept)
        return helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)


def quantise(source, path, static):
    onnx.save(Quantizer(onnx.load(source), static).run(), path)


MODELS = {
    "resnet18": lambda p: export(lambda: resnet((2, 2, 2, 2), False), p),
    "resnet50": lambda p: export(lambda: resnet((3, 4, 6, 3), True), p),
    "vgg19": lambda p: export(vgg19, p),
    "superres": lambda p: export(super_resolution, p, channels=1),
    "mobilenetv2": lambda p: export(mobilenet_v2, p),
    "mobilenetv2-dynamic": lambda p: quantise(p.replace("-dynamic", ""), p, False),
    "mobilenetv2-static": lambda p: quantise(p.replace("-static", ""), p, True),
    "minilm": lambda p: text(p, 384, 6),
    "bert": lambda p: text(p, 768, 12),
    "vit": lambda p: transformer(Picture, p, {"image": torch.randn(1, 3, 224, 224)}, {0: "batch"}),
    "whisper": lambda p: transformer(Sound, p, {"mel": torch.randn(1, 80, 3000)}, {0: "batch"}),
}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, names = sys.argv[1], sys.argv[2:] or list(MODELS)
    os.makedirs(folder, exist_ok=True)
    for name in names:
        path = os.path.join(folder, f"{name}.onnx")
        MODELS[name](path)
        print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
