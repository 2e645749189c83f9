"""A driver process in Python, whatever the runtime: what follows in the program calls serve. The protocol is described in
runtime.go."""
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


def load(modules, remedy, repair):
    """Imports the modules. A missing one ends the driver with the remedy, one that raises anything else with the repair."""
    try:
        return [__import__(m) for m in modules]
    except Exception as e:  # a broken installation raises anything
        why = "%s cannot import %s: %s" % (python(), getattr(e, "name", None) or modules[-1], e)
        if isinstance(e, ModuleNotFoundError) and e.name in modules:
            send({"hello": 1, "missing": why, "remedy": remedy})
        else:
            send({"hello": 1, "error": why + ": " + repair})  # it is here, and broken
        sys.exit(0)


TYPES = ("float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")


class Lacking(Exception):
    """The model is right, and this driver cannot run it."""


def cut_strings(raw):
    """Strings travel each with its length in 4 bytes before it."""
    words, at = [], 0
    while at < len(raw):
        n = int.from_bytes(raw[at : at + 4], "little")
        words.append(raw[at + 4 : at + 4 + n].decode())
        at += 4 + n
    return words


def to_array(np, h, raw):
    if h["type"] == "string":
        return np.array(cut_strings(raw), dtype=object).reshape(h["dims"])
    if h["type"] not in TYPES:
        raise Lacking("input %r: numpy has no %s arrays" % (h["name"], h["type"]))
    return np.frombuffer(raw, np.dtype(h["type"]).newbyteorder("<")).reshape(h["dims"])


def from_array(np, name, a):
    a = np.asarray(a)
    if a.dtype.kind in "OU" and all(isinstance(s, str) for s in a.flat):
        raw = b"".join(len(b).to_bytes(4, "little") + b for b in (s.encode() for s in a.flat))
        return {"name": name, "type": "string", "dims": list(a.shape), "bytes": len(raw)}, raw
    if a.dtype.name not in TYPES:
        raise Lacking("output %r: %s arrays do not travel between processes" % (name, a.dtype))
    raw = a.astype(a.dtype.newbyteorder("<"), order="C", copy=False).tobytes()
    return {"name": name, "type": a.dtype.name, "dims": list(a.shape), "bytes": len(raw)}, raw


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


def timed(h, run):
    """Runs once, or as often as the request says, with the durations; gives the last results."""
    if h.get("repeat", 0) < 1:
        return run(), None
    nanos = []
    for _ in range(h["repeat"]):
        start = time.perf_counter_ns()
        results = run()
        nanos.append(time.perf_counter_ns() - start)
    return results, nanos


def serve(np, version, open_model, run_model, unsupported):
    """Speaks the protocol. open_model takes the request and the model's bytes and may return a note; run_model takes the request
    and arrays by name, and returns pairs of names and arrays, and durations; unsupported says which messages mean "right, but
    not here"."""
    send({"hello": 1, "runtime": "%s, %s" % (version, python())})
    requests = queue.Queue(1)

    def reader():
        try:
            read_requests(requests)
        except BaseException as e:
            print("driver: %s" % e, file=sys.stderr, flush=True)
            os._exit(3)

    def answer(h, model, inputs):
        if h["do"] == "open":
            return {"note": open_model(h, model) or ""}, ()
        if h["do"] != "run":
            raise ValueError("request %r is unknown" % h["do"])
        feeds = {t["name"]: to_array(np, t, raw) for t, raw in zip(h.get("tensors", ()), inputs)}
        named, nanos = run_model(h, feeds)
        pairs = [from_array(np, name, r) for name, r in named]
        return {"tensors": [p[0] for p in pairs], "nanos": nanos}, [p[1] for p in pairs]

    threading.Thread(target=reader, daemon=True).start()
    while True:
        h, model, inputs = requests.get()
        try:
            reply, bodies = answer(h, model, inputs)
        except Exception as e:
            u = {"why": str(e)} if isinstance(e, Lacking) else unsupported(str(e))
            reply, bodies = ({"unsupported": u} if u else {"error": str(e)}), ()
        send(reply, bodies)


