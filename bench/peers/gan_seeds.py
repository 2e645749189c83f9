"""Is the dense GAN the same in petrify as in PyTorch? Trains it with many seeds in both and compares the losses by rank.

    go build ./cmd/petrify
    python3 bench/peers/gan_seeds.py --petrify ./petrify --data dataset/mnist --seeds 50

PyTorch follows Keras's rules here: Glorot's uniform weights, biases of 0, Adam with an epsilon of 1e-7 in its place. The test is that of
Mann and Whitney, two-sided, with the normal approximation: under p = 0.05 chance is a poor explanation of the difference.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile

import common

STEPS = (500, 1000)


def ours(petrify, seed):
    """The discriminator's losses at STEPS of a run of petrify."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([petrify, "train", "gan", "--quiet", "--no-verify", "--threads", "1", "--seed", str(seed), "--out", out,
                        "--steps", str(STEPS[-1]), "--sample-every", str(STEPS[0])], check=True)
        with open(os.path.join(out, "events.jsonl")) as f:
            return [json.loads(line)["d_loss"] for line in f]


def theirs(torch, data, seed):
    """The same of PyTorch."""
    nn = torch.nn
    torch.manual_seed(seed)
    G = nn.Sequential(nn.Linear(100, 128), nn.LeakyReLU(0.01), nn.Linear(128, 784), nn.Tanh())
    D = nn.Sequential(nn.Linear(784, 128), nn.LeakyReLU(0.01), nn.Linear(128, 1))
    for part in [*G, *D]:
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    adam = [torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7) for net in (G, D)]
    loss, batch = nn.BCEWithLogitsLoss(), 128
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    losses, taken = [], [0, 0]

    def move(which):
        # Keras adds epsilon to the root of the second moment before its bias is corrected, PyTorch after.
        taken[which] += 1
        for group in adam[which].param_groups:
            group["eps"] = 1e-7 / math.sqrt(1 - 0.999 ** taken[which])
        adam[which].step()

    for step in range(1, STEPS[-1] + 1):
        adam[1].zero_grad(set_to_none=True)
        real = loss(D(data[torch.randint(len(data), (batch,))]), ones)
        real.backward()
        move(1)
        with torch.no_grad():
            made = G(torch.randn(batch, 100))
        adam[1].zero_grad(set_to_none=True)
        fake = loss(D(made), zeros)
        fake.backward()
        move(1)
        adam[0].zero_grad(set_to_none=True)
        torch.autograd.backward(loss(D(G(torch.randn(batch, 100))), ones), inputs=list(G.parameters()))
        move(0)
        if step in STEPS:
            losses.append((real.item() + fake.item()) / 2)
    return losses


def mann_whitney(a, b):
    """The two-sided p-value; no ties are expected of losses in float32."""
    ranks = {value: i + 1 for i, (value, _) in enumerate(sorted([(v, 0) for v in a] + [(v, 1) for v in b]))}
    u = sum(ranks[v] for v in a) - len(a) * (len(a) + 1) / 2
    mean, spread = len(a) * len(b) / 2, math.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12)
    return math.erfc(abs(u - mean) / spread / math.sqrt(2))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--petrify", required=True, help="the program")
    p.add_argument("--data", required=True, help="folder of MNIST's gzipped IDX files")
    p.add_argument("--seeds", type=int, default=50)
    args = p.parse_args()
    import torch

    torch.set_num_threads(1)
    data = common.images(args, torch, -1, 1)
    runs = {"petrify": [], "PyTorch": []}
    for seed in range(1, args.seeds + 1):
        runs["petrify"].append(ours(args.petrify, seed))
        runs["PyTorch"].append(theirs(torch, data, seed))
        print(seed, *(f"{v:.4f}" for r in runs.values() for v in r[-1]), flush=True)
    for i, step in enumerate(STEPS):
        columns = [[r[i] for r in run] for run in runs.values()]
        quartiles = ["{:.4f} ({:.4f} to {:.4f})".format(*(statistics.quantiles(c)[k] for k in (1, 0, 2))) for c in columns]
        print(f"step {step}: petrify {quartiles[0]}, PyTorch {quartiles[1]}, p = {mann_whitney(*columns):.3f}")


main()
