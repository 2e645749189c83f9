"""ONNX Runtime for Python as a driver process. The protocol is described in runtime.go."""
import sys

sys.path[:] = [p for p in sys.path if p]  # "-c" puts the working folder first where Python does not run isolated (-I)

import json
import os
import queue
import re
import site
import threading
import time

# Isolated, Python passes over the packages of the user and PYTHONPATH. Both are wanted, but nothing there may stand in for a
# module of Python's own library, and no sitecustomize, usercustomize or .pth file of theirs runs.
own = next((i for i, p in enumerate(sys.path) if os.path.basename(p) in ("site-packages", "dist-packages")), len(sys.path))
sys.path[own:own] = sys.argv[1:]
if sys.prefix == sys.base_prefix:  # a virtual environment keeps to itself
    sys.path.append(site.getusersitepackages())

out = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # a stray print must not end up among the frames


def send(header, bodies=()):
    out.write(json.dumps(header).encode() + b"\n")
    for b in bodies:
        out.write(b)
    out.flush()


def python():
    return "%s (Python %d.%d.%d)" % ((sys.executable or "python",) + tuple(sys.version_info[:3]))


try:
    import numpy as np
    import onnxruntime as ort
except Exception as e:  # a broken installation raises anything
    why = "%s cannot import %s: %s" % (python(), getattr(e, "name", None) or "onnxruntime", e)
    if isinstance(e, ModuleNotFoundError) and e.name in ("numpy", "onnxruntime"):
        send({"hello": 1, "missing": why, "remedy": "pip install onnxruntime"})
    else:
        send({"hello": 1, "error": why + ": reinstall the package onnxruntime"})  # it is here, and broken
    sys.exit(0)

TYPES = ("float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")


class Lacking(Exception):
    """The model is right, and this driver cannot run it."""


def to_array(h, raw):
    if h["type"] not in TYPES:
        raise Lacking("input %r: onnxruntime for Python has no %s arrays" % (h["name"], h["type"]))
    return np.frombuffer(raw, np.dtype(h["type"]).newbyteorder("<")).reshape(h["dims"])


def from_array(name, a):
    a = np.asarray(a)
    if a.dtype.name not in TYPES:
        raise Lacking("output %r: %s arrays do not travel between processes" % (name, a.dtype))
    raw = a.astype(a.dtype.newbyteorder("<"), order="C", copy=False).tobytes()
    return {"name": name, "type": a.dtype.name, "dims": list(a.shape), "bytes": len(raw)}, raw


def unsupported(message):
    """ONNX Runtime says in words what it lacks; these are the sentences that mean "right, but not here"."""
    m = re.search(r"Could not find an implementation for (?:([\w.]+)\.)?(\w+)\((\d+)\)", message)
    if m:
        return {"domain": m[1] or "", "op": m[2], "opset": int(m[3]), "why": message}
    m = re.search(r"(?:([\w.]+):)?(\w+)\((-?\d+)\) is not a registered function/op", message)
    if m:
        return {"domain": "" if m[1] in (None, "ai.onnx") else m[1], "op": m[2], "opset": max(0, int(m[3])), "why": message}
    m = re.search(r"No Op registered for (\w+) with domain_version of (\d+)", message)
    if m:
        return {"op": m[1], "opset": int(m[2]), "why": message}
    if re.search("Unsupported model IR version|is under development and support for this is limited", message):
        return {"why": message}
    return None


session = None


def answer(h, model, inputs):
    global session
    if h["do"] == "open":
        options = ort.SessionOptions()
        options.intra_op_num_threads = h.get("threads", 1)
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return {}, ()
    if h["do"] != "run":
        raise ValueError("request %r is unknown" % h["do"])
    if session is None:
        raise ValueError("run before open")
    feeds = {t["name"]: to_array(t, raw) for t, raw in zip(h.get("tensors", ()), inputs)}
    reply = {}
    if h.get("repeat", 0) > 0:
        reply["nanos"] = []
        for _ in range(h["repeat"]):
            start = time.perf_counter_ns()
            results = session.run(None, feeds)
            reply["nanos"].append(time.perf_counter_ns() - start)
    else:
        results = session.run(None, feeds)
    pairs = [from_array(o.name, r) for o, r in zip(session.get_outputs(), results)]
    reply["tensors"] = [p[0] for p in pairs]
    return reply, [p[1] for p in pairs]


def read_requests(requests):
    """Reads ahead in a thread of its own, so that the end of standard input ends a driver that is computing."""
    stream = sys.stdin.buffer

    def take(n):
        b = stream.read(n)
        if len(b) < n:
            os._exit(0)
        return b

    while True:
        line = stream.readline()
        if not line.endswith(b"\n"):
            os._exit(0)
        h = json.loads(line)
        model = take(h.get("model", 0))
        requests.put((h, model, [take(t["bytes"]) for t in h.get("tensors", ())]))


send({"hello": 1, "runtime": "onnxruntime %s, %s" % (ort.__version__, python())})
requests = queue.Queue(1)


def reader():
    try:
        read_requests(requests)
    except BaseException as e:
        print("driver: %s" % e, file=sys.stderr, flush=True)
        os._exit(3)


threading.Thread(target=reader, daemon=True).start()
while True:
    h, model, inputs = requests.get()
    try:
        reply, bodies = answer(h, model, inputs)
    except Exception as e:
        u = {"why": str(e)} if isinstance(e, Lacking) else unsupported(str(e))
        reply, bodies = ({"unsupported": u} if u else {"error": str(e)}), ()
    send(reply, bodies)
