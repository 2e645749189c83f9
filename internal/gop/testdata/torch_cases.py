"""Computes cases with PyTorch in float64: costs, values and gradients.

Reads a JSON list of cases from standard input, writes one of results to
standard output. A case names an operator and gives its tensors and attributes;
the cost is the operator's value itself where that is a scalar, otherwise the
cross-entropy of its value, taken as logits, against the case's targets.
"""
import json
import sys

import torch
import torch.nn.functional as F

torch.set_num_threads(1)

ACTIVATIONS = {
    "": lambda y: y,
    "relu": torch.relu,
    "leaky-relu": lambda y: F.leaky_relu(y, 0.1),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "elu": lambda y: F.elu(y, 0.1),
}


def pad(x, a, value=0.0):
    top, left, bottom, right = a["pads"]
    return F.pad(x, (left, right, top, bottom), value=value)


def conv(x, w, b=None, **a):
    return F.conv2d(pad(x, a), w, b, stride=a["stride"], dilation=a["dilation"], groups=a["groups"])


def conv_transpose(x, w, b=None, **a):
    # Without padding, then cut as ONNX says: PyTorch pads both ends alike.
    y = F.conv_transpose2d(x, w, b, stride=a["stride"], dilation=a["dilation"], groups=a["groups"])
    top, left, bottom, right = a["pads"]
    y = F.pad(y, (0, a["output_pad"][1], 0, a["output_pad"][0]))
    if b is not None:  # the rows and columns of the output padding have the bias alone
        full = torch.ones_like(y)
        full[:, :, : y.shape[2] - a["output_pad"][0], : y.shape[3] - a["output_pad"][1]] = 0
        y = y + full * b.reshape(1, -1, 1, 1)
    return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]


def batch_norm(x, gamma, beta, mean, variance, **a):
    return F.batch_norm(x, mean, variance, gamma, beta, a["training"], 1 - a["momentum"], a["epsilon"])


def max_pool(x, **a):
    return F.max_pool2d(pad(x, a, -float("inf")), a["kernel"], a["stride"], 0, a["dilation"])


def average_pool(x, **a):
    # ONNX's default leaves the padding out of the mean.
    sums = F.avg_pool2d(pad(x, a), a["kernel"], a["stride"], 0)
    shares = F.avg_pool2d(pad(torch.ones_like(x), a), a["kernel"], a["stride"], 0)
    return sums / shares


OPERATORS = {
    "l1": lambda y, t: F.l1_loss(y, t),
    "bce": lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="sum") / z.shape[0],
    "kl": lambda m, v: -0.5 * torch.sum(1 + v - m * m - v.exp()) / m.shape[0],
    "reparameterize": lambda m, v, e: m + torch.exp(0.5 * v) * e,
    "add": lambda a, b: a + b,
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "conv": conv,
    "convtranspose": conv_transpose,
    "batchnorm": batch_norm,
    "maxpool": max_pool,
    "averagepool": average_pool,
    "globalaveragepool": lambda x: x.mean((2, 3), keepdim=True),
    "upsample": lambda x, factors: x.repeat_interleave(factors[0], 2).repeat_interleave(factors[1], 3),
    "layernorm": lambda x, g, b, epsilon: F.layer_norm(x, g.shape, g, b, epsilon),
}


def run(case):
    xs = [torch.tensor(x["data"], dtype=torch.float64).reshape(x["shape"]) for x in case["inputs"]]
    for x, wanted in zip(xs, case["wanted"]):
        x.requires_grad_(wanted)
    y = ACTIVATIONS[case["activation"]](OPERATORS[case["operator"]](*xs, **case["attributes"]))
    cost = y
    if y.dim():
        targets = torch.tensor(case["targets"], dtype=torch.float64).reshape(y.shape)
        cost = F.binary_cross_entropy_with_logits(y, targets, reduction="sum") / y.shape[0]
    cost.backward()
    return {
        "shape": list(y.shape),
        "value": y.detach().flatten().tolist(),
        "grads": [x.grad.flatten().tolist() if x.grad is not None else None for x in xs],
        "inputs": [x.detach().flatten().tolist() for x in xs],  # batch_norm changes the running statistics
    }


json.dump([run(c) for c in json.load(sys.stdin)], sys.stdout)
