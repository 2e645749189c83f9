"""Reads paths of models. Checks each with the onnx package, shapes and all, and
prints path, tab, and "ok" or the first line of what it says. A model that kills
or stalls the checker is reported as "died"."""
import os
import signal
import sys

import onnx

for path in sys.stdin.read().split("\n"):
    if not path:
        continue
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            onnx.checker.check_model(path, full_check=True)
            said = "ok"
        except Exception as e:
            lines = [l for l in str(e).splitlines() if l.strip()]
            said = (lines[0] if lines else type(e).__name__) + (" | " + lines[-1] if len(lines) > 1 else "")
        os.write(write, said.encode()[:2000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        said = f.read().decode(errors="replace")
    os.waitpid(child, 0)
    print(path, said.replace("\n", " ").replace("\t", " ") or "died", sep="\t", flush=True)
