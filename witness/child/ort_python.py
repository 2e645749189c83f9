# ONNX Runtime for Python, behind driver.py.
np, ort = load(("numpy", "onnxruntime"), "pip install onnxruntime", "reinstall the package onnxruntime")


CPU = "CPUExecutionProvider"
LEVELS = {"off": "ORT_DISABLE_ALL", "basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED", "all": "ORT_ENABLE_ALL"}
session = None


def provider_called(name):
    """A session computes on the provider that was asked for, or not at all: onnxruntime itself goes on with the CPU."""
    present = {p.replace("ExecutionProvider", "").lower(): p for p in ort.get_available_providers()}
    if name.lower() not in present:
        raise ValueError("no execution provider is called %s: onnxruntime has %s" % (name, ", ".join(present)))
    return present[name.lower()]


def open_session(h, model, providers, alone):
    options = ort.SessionOptions()
    options.intra_op_num_threads = h.get("threads", 1)
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, LEVELS[h.get("optimization") or "all"])
    options.log_severity_level = 3
    if alone:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return ort.InferenceSession(model, options, providers=providers)


def open_model(h, model):
    global session
    if h.get("file"):
        model = os.path.abspath(h["file"])  # in the folder that we started in, which is ours alone
    provider = provider_called(h.get("provider") or "cpu")
    if provider == CPU:
        session = open_session(h, model, [CPU], False)
        return ""
    note = ""
    try:
        session = open_session(h, model, [provider], True)
    except Exception as e:
        if "fallback to CPU EP has been explicitly disabled" not in str(e):
            raise
        session = open_session(h, model, [provider, CPU], False)
        note = "nodes that it does not take are on the CPU"
    if provider not in session.get_providers():
        raise ValueError("%s could not be started: onnxruntime would go on with %s" % (provider, ", ".join(session.get_providers())))
    return note


def run_model(h, feeds):
    if session is None:
        raise ValueError("run before open")
    results, nanos = timed(h, lambda: session.run(None, feeds))
    return zip((o.name for o in session.get_outputs()), results), nanos


serve(np, "onnxruntime " + ort.__version__, open_model, run_model, unsupported)
