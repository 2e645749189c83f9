"""What the PyTorch peers share: settings, data, the clock, the line of JSON that they print.

It is imported before torch, because the threads of its libraries are settled when they load.
"""

import argparse
import gzip
import json
import os
import statistics
import time


def settings(batch):
    """Reads the command line and returns it with torch, ready to use."""
    p = argparse.ArgumentParser()
    p.add_argument("--iters", type=int, default=300, help="iterations to time")
    p.add_argument("--warmup", type=int, default=20, help="iterations before those")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--batch", type=int, default=batch)
    p.add_argument("--data", required=True, help="folder of MNIST's gzipped IDX files")
    p.add_argument("--jit", action="store_true", help="trace the nets")
    p.add_argument("--foreach", action="store_true", help="Adam over all tensors at once")
    p.add_argument("--flush", action="store_true", help="treat subnormal numbers as zero")
    p.add_argument("--core", help="the processor that OpenBLAS is to take this one for")
    p.add_argument("--channels-last", action="store_true", help="memory order NHWC, for convolutions")
    args = p.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    if args.core:
        os.environ["OPENBLAS_CORETYPE"] = args.core
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    if args.flush:
        torch.set_flush_denormal(True)
    return args, torch


def images(args, torch, low, high):
    """The 60,000 training images, (60000, 784), scaled to [low, high]."""
    import numpy

    with gzip.open(os.path.join(args.data, "train-images-idx3-ubyte.gz")) as f:
        pixels = numpy.frombuffer(f.read(), numpy.uint8, offset=16)
    scaled = pixels.astype(numpy.float32)
    scaled *= (high - low) / 255
    scaled += low
    return torch.from_numpy(scaled.reshape(-1, 784))


def trace(args, torch, net, *example):
    """The net, or its trace where that is asked for; parameters are shared."""
    return torch.jit.trace(net, example) if args.jit else net


def peak_mib():
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    return 0.0


def measure(model, args, step):
    """Calls step until all iterations are done. It returns metrics as tensors, read at the end only."""
    times, first = [], None
    last = time.perf_counter()
    for _ in range(args.warmup + args.iters):
        metrics = step()
        now = time.perf_counter()
        times.append((now - last) * 1e3)
        last = now
        if first is None:
            first = time.time()
    times = sorted(times[args.warmup:])
    flags = [f"--{f}" for f in ("jit", "foreach", "flush", "channels-last") if getattr(args, f.replace("-", "_"))]
    if args.core:
        flags.append("--core " + args.core)
    print(json.dumps({
        "model": model,
        "setting": " ".join(flags),
        "threads": args.threads,
        "batch": args.batch,
        "iterations": args.iters,
        "median_ms": statistics.median(times),
        "low_ms": times[args.iters // 10],
        "high_ms": times[args.iters * 9 // 10],
        "first_unix": first,
        "peak_mib": peak_mib(),
        "metrics": {name: float(value) for name, value in metrics.items()},
    }))
