"""Reads paths of models. Checks each with the onnx package, shapes and all, and
prints path, tab, and "ok" or the first line of what it says. A model that kills
or stalls the checker is reported as "died": a child checks one model after the
other, and another child goes on behind the model that ended it."""
import os
import signal
import sys

import onnx


def say(path):
    try:
        onnx.checker.check_model(path, full_check=True)
        return "ok"
    except Exception as e:
        lines = [l for l in str(e).splitlines() if l.strip()]
        said = (lines[0] if lines else type(e).__name__) + (" | " + lines[-1] if len(lines) > 1 else "")
        return said[:2000].replace("\n", " ").replace("\t", " ")


paths = [p for p in sys.stdin.read().split("\n") if p]
while paths:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with os.fdopen(write, "w", errors="replace") as out:
            for path in paths:
                signal.alarm(10)
                print(path, say(path), sep="\t", file=out, flush=True)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, errors="replace") as f:
        said = f.read().splitlines()
    os.waitpid(child, 0)
    for line in said:
        print(line)
    paths = paths[len(said):]
    if paths:
        print(paths.pop(0), "died", sep="\t")
