"""Trains a dense GAN by Keras's rules in PyTorch, from weights, batches and noise that a test wrote, in float32 and in float64.

    gan.py FOLDER

FOLDER/settings.json says what there is; FOLDER/weights.f32 are the parameters of generator and discriminator, one behind the other;
FOLDER/inputs.f32 are, for each iteration, the images and the two batches of noise, and where there are classes, those of the three
batches, one-hot; the first parameter of a net is their embedding then. For either precision it writes the losses,
FOLDER/losses.32 or .64, two for each iteration, and the parameters at the end, FOLDER/weights.32 or .64, all as float64.
"""

import json
import math
import os
import sys

import numpy
import torch

folder = sys.argv[1]
with open(os.path.join(folder, "settings.json")) as f:
    s = json.load(f)
torch.set_num_threads(1)


def read(name):
    return numpy.fromfile(os.path.join(folder, name), "<f4")


def parameters(dtype):
    flat, nets = torch.from_numpy(read("weights.f32")).to(dtype), []
    for shapes in s["nets"]:
        net = []
        for shape in shapes:
            n = math.prod(shape)
            net.append(flat[:n].reshape(shape).clone().requires_grad_())
            flat = flat[n:]
        nets.append(net)
    return nets


def dense(net, x, classes):
    if s["classes"]:
        x, net = torch.cat([x, classes @ net[0]], 1), net[1:]
    hidden = torch.nn.functional.leaky_relu(x @ net[0] + net[1], s["alpha"])
    return hidden @ net[2] + net[3]


class Adam:
    """As Keras has it: epsilon beside the root before its bias is corrected."""

    def __init__(self, net):
        self.net, self.t = net, 0
        self.m, self.v = [torch.zeros_like(w) for w in net], [torch.zeros_like(w) for w in net]

    def step(self, loss):
        self.t += 1
        rate = s["lr"] * math.sqrt(1 - s["beta2"] ** self.t) / (1 - s["beta1"] ** self.t)
        with torch.no_grad():
            for w, g, m, v in zip(self.net, torch.autograd.grad(loss, self.net), self.m, self.v):
                m += (1 - s["beta1"]) * (g - m)
                v += (1 - s["beta2"]) * (g * g - v)
                w -= rate * m / (v.sqrt() + s["epsilon"])


def train(dtype):
    G, D = parameters(dtype)
    generator, discriminator = Adam(G), Adam(D)
    inputs = torch.from_numpy(read("inputs.f32")).to(dtype).reshape(s["iterations"], -1)
    batch, pixels, noise = s["batch"], G[-1].shape[0], s["noise"]
    sizes = [pixels, noise, noise] + 3 * [s["classes"]]

    def loss(images, classes, target):
        logits = dense(D, images, classes)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    losses = []
    for row in inputs:
        x, z1, z2, c, c1, c2 = (t.reshape(batch, n) for t, n in zip(torch.split(row, [batch * n for n in sizes]), sizes))
        real = loss(x, c, 1.0)
        discriminator.step(real)
        fake = loss(torch.tanh(dense(G, z1, c1)).detach(), c1, 0.0)
        discriminator.step(fake)
        fooled = loss(torch.tanh(dense(G, z2, c2)), c2, 1.0)
        generator.step(fooled)
        losses += [(real.item() + fake.item()) / 2, fooled.item()]
    return losses, torch.cat([w.detach().flatten() for w in G + D])


for name, dtype in (("32", torch.float32), ("64", torch.float64)):
    losses, weights = train(dtype)
    numpy.array(losses, "<f8").tofile(os.path.join(folder, "losses." + name))
    weights.to(torch.float64).numpy().astype("<f8").tofile(os.path.join(folder, "weights." + name))
