# OpenCV's module dnn for Python, behind driver.py. Inputs and outputs have aliases: see opencv.go.
np, cv2 = load(("numpy", "cv2"), "apt-get install python3-opencv, or pip install opencv-python-headless", "reinstall OpenCV for Python")
ALIAS = re.compile(r"petrify_alias_(\d+)$")
net = layers = None


def unsupported(message):
    """What OpenCV's importer or its layers refuse is beyond OpenCV: the model passed petrify's own checks."""
    if not message.startswith("OpenCV("):
        return None
    m = re.search(r"Node \[(\w+)@([\w.]*)\]", message)
    why = re.sub(r"\s+", " ", re.sub(r"^OpenCV\(([^)]*)\) \S+ error: \([^)]*\) ", r"OpenCV \1: ", message)).strip()
    return {"op": m[1] if m else "", "domain": "" if not m or m[2] == "ai.onnx" else m[2], "why": why}


def open_model(h, model):
    global net, layers
    cv2.setNumThreads(h.get("threads", 1))
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    ends = {int(m[1]): name for name in net.getUnconnectedOutLayersNames() for m in [ALIAS.search(name)] if m}
    layers = [ends[k] for k in sorted(ends)]


def matrix(name, a):
    """The last of three axes would be taken for the channels of a picture; cv2.Mat, where it is there, says that it is none."""
    if a.ndim != 3:
        return a
    if not hasattr(cv2, "Mat"):
        raise Lacking("input %r has three axes, which OpenCV %s for Python takes for pictures" % (name, cv2.__version__))
    return cv2.Mat(a, wrap_channels=False)


def run_model(h, feeds):
    if net is None:
        raise ValueError("run before open")
    for name, a in feeds.items():
        net.setInput(matrix(name, np.array(a, np.float32, order="C")), name)
    results, nanos = timed(h, lambda: net.forward(layers))
    return [("petrify_alias_%s" % ALIAS.search(name)[1], np.array(r)) for name, r in zip(layers, results)], nanos


serve(np, "OpenCV " + cv2.__version__, open_model, run_model, unsupported)
