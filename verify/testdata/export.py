# Writes modules as PyTorch's own exporter does, each with inputs and PyTorch's outputs, into folders of ONNX's layout below argv[1].
import os
import sys
import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from onnx import numpy_helper

warnings.filterwarnings("ignore")
torch.manual_seed(0)
torch.set_num_threads(1)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)
        self.norm = nn.InstanceNorm2d(6, affine=True)

    def forward(self, x):
        return x + self.b(F.relu(self.norm(self.a(x))))


class Upsampled(nn.Module):
    def __init__(self, mode):
        super().__init__()
        self.mode, self.conv = mode, nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x):
        corners = None if self.mode == "nearest" else False
        return torch.sigmoid(self.conv(F.interpolate(x, scale_factor=2, mode=self.mode, align_corners=corners)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.norm = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, x):
        w = torch.softmax(self.q(x) @ self.k(x).transpose(1, 2) / 8**0.5, dim=-1)
        return self.norm(x + F.gelu(w @ self.v(x)))


class Last(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[0]


image = (2, 3, 10, 12)
modules = {
    "dcgan": (nn.Sequential(nn.ConvTranspose2d(20, 16, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.BatchNorm2d(8),
                            nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1, output_padding=1), nn.Tanh()), (2, 20, 1, 1)),
    "discriminator": (nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16),
                                    nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(96, 1), nn.Sigmoid()), image),
    "dense": (nn.Sequential(nn.Linear(100, 128), nn.ELU(), nn.Linear(128, 784), nn.Softplus()), (3, 100)),
    "depthwise": (nn.Sequential(nn.Conv2d(3, 6, (2, 3), padding=(1, 0)), nn.Conv2d(6, 6, 3, groups=6, dilation=2, padding=2), nn.SELU(), nn.PReLU(6)), image),
    "pixelshuffle": (nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), nn.Hardswish()), image),
    "pools": (nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2, 1), nn.Mish(), nn.AdaptiveAvgPool2d(1)), image),
    "residual": (nn.Sequential(nn.Conv2d(3, 6, 1), Residual(), Residual(), nn.GroupNorm(3, 6)), image),
    "nearest": (Upsampled("nearest"), image),
    "bilinear": (Upsampled("bilinear"), image),
    "bicubic": (Upsampled("bicubic"), image),
    "attention": (Attention(), (2, 7, 8)),
    "lstm": (Last(nn.LSTM(5, 6, bidirectional=True)), (4, 2, 5)),
    "gru": (Last(nn.GRU(5, 6)), (4, 2, 5)),
    "padding": (nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 4, 5), nn.Softmax(dim=1), nn.ReplicationPad2d(1)), image),
}

for name, (module, shape) in modules.items():
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.2)
            m.running_var.uniform_(0.5, 2)
    module.eval()
    x = torch.randn(*shape)
    data = os.path.join(sys.argv[1], name, "test_data_set_0")
    os.makedirs(data)
    with torch.no_grad():
        y = module(x)
        torch.onnx.export(module, x, os.path.join(sys.argv[1], name, "model.onnx"), opset_version=16, input_names=["x"], output_names=["y"])
    for file, value in ("input_0.pb", x), ("output_0.pb", y):
        with open(os.path.join(data, file), "wb") as f:
            f.write(numpy_helper.from_array(np.ascontiguousarray(value.numpy())).SerializeToString())
