# ONNX models in PyTorch, behind driver.py: an interpreter for the operators whose counterpart in PyTorch is plain. What it
# computes with is PyTorch's; it only finds the function and arranges its arguments.
np, onnx, torch = load(("numpy", "onnx", "torch"), "install python3-torch and python3-onnx", "reinstall PyTorch")
F = torch.nn.functional
from onnx import helper, numpy_helper


def tensor(a):
    if np.asarray(a).dtype in (np.uint16, np.uint32, np.uint64):
        raise Lacking(f"tensors of {a.dtype}")
    return torch.from_numpy(np.array(a, order="C"))


def per_channel(v, x):
    return v.reshape([1, -1] + [1] * (x.dim() - 2))


def axes_of(n, i, k=1):
    """The axes of a reduction: an input of newer versions, an attribute of older ones."""
    if len(i) > k and i[k] is not None:
        return [int(a) for a in i[k]]
    return n.get("axes")


def reduction(f):
    def run(n, i):
        axes = axes_of(n, i)
        if axes is None or axes == []:
            if axes == [] and n.get("noop_with_empty_axes"):
                raise Lacking("a reduction over no axes")
            axes = list(range(i[0].dim()))
        y = i[0]
        return f(y, [a % y.dim() for a in axes] if y.dim() else [], bool(n.get("keepdims", 1)))
    return run


def product(x, axes, keep):
    for a in sorted(axes, reverse=True):
        x = torch.prod(x, a, keep)
    return x


def window(n, x, kernel, count=None):
    """Padding that PyTorch's pools and convolutions do not have is put in front of them."""
    rank = x.dim() - 2
    if n.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Lacking("auto_pad")
    pads = n.get("pads") or [0] * 2 * rank
    return n.get("strides") or [1] * rank, pads[:rank], pads[rank:], n.get("dilations") or [1] * rank


def padded(x, begin, end, value):
    both = [p for b, e in reversed(list(zip(begin, end))) for p in (b, e)]
    return F.pad(x, both, value=value) if any(both) else x


def conv(n, i):
    rank = i[0].dim() - 2
    strides, begin, end, dilations = window(n, i[0], i[1].shape[2:])
    f = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    return f(padded(i[0], begin, end, 0.0), i[1], i[2] if len(i) > 2 else None, strides, 0, dilations, n.get("group", 1))


def conv_transpose(n, i):
    rank = i[0].dim() - 2
    if n.get("output_shape"):
        raise Lacking("output_shape")
    strides, begin, end, dilations = window(n, i[0], i[1].shape[2:])
    extra = n.get("output_padding") or [0] * rank
    f = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    y = f(i[0], i[1], None, strides, 0, 0, n.get("group", 1), dilations)
    # The output padding lies behind what the kernel reaches, and pads are taken off after it.
    y = F.pad(y, [p for e in reversed(extra) for p in (0, e)])
    for a, (b, e) in enumerate(zip(begin, end)):
        y = y.narrow(2 + a, b, y.shape[2 + a] - b - e)
    return y if len(i) < 3 else y + per_channel(i[2], y)


def pool(f, value):
    def run(n, i):
        if n.get("ceil_mode"):
            raise Lacking("ceil_mode")
        x, kernel = i[0], n["kernel_shape"]
        strides, begin, end, dilations = window(n, x, kernel)
        return f(n, padded(x, begin, end, value), kernel, strides, dilations, begin, end, x)
    return run


def max_pool(n, x, kernel, strides, dilations, begin, end, plain):
    return (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel) - 1](x, kernel, strides, 0, dilations)


def average_pool(n, x, kernel, strides, dilations, begin, end, plain):
    if any(d != 1 for d in dilations):
        raise Lacking("dilations")
    f = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    y = f(x, kernel, strides)
    if n.get("count_include_pad") or not any(begin + end):
        return y
    size = float(np.prod(kernel))
    ones = f(padded(torch.ones_like(plain), begin, end, 0.0), kernel, strides) * size
    return y * size / torch.round(ones)


def gemm(n, i):
    a = i[0].t() if n.get("transA") else i[0]
    b = i[1].t() if n.get("transB") else i[1]
    y = torch.matmul(a, b) * n.get("alpha", 1.0)
    return y if len(i) < 3 or i[2] is None else y + i[2] * n.get("beta", 1.0)


def softmax(f):
    def run(n, i):
        x = i[0]
        if n["opset"] >= 13:
            return f(x, n.get("axis", -1))
        axis = n.get("axis", 1) % max(x.dim(), 1)
        rows = int(np.prod(x.shape[:axis]))
        return f(x.reshape(rows, -1), 1).reshape(x.shape)
    return run


def layer_norm(n, i):
    x, axis = i[0], n.get("axis", -1) % i[0].dim()
    return F.layer_norm(x, x.shape[axis:], i[1].expand(x.shape[axis:]), i[2] if len(i) > 2 else None, n.get("epsilon", 1e-5))


def rms_norm(n, i):
    x, axis = i[0], n.get("axis", -1) % i[0].dim()
    return x / torch.sqrt(torch.mean(x * x, list(range(axis, x.dim())), True) + n.get("epsilon", 1e-5)) * i[1]


def batch_norm(n, i):
    if n.get("training_mode"):
        raise Lacking("training_mode")
    return F.batch_norm(i[0], i[3], i[4], i[1], i[2], False, 0.0, n.get("epsilon", 1e-5))


def gelu(n, i):
    # oneDNN's Gelu is up to 8.9 units of roundoff off near 0, PyTorch's own 1.8.
    with torch.backends.mkldnn.flags(enabled=False):
        return F.gelu(i[0], approximate=n.get("approximate", "none"))


def pad(n, i):
    x, mode = i[0], n.get("mode", "constant")
    amounts = [int(v) for v in i[1]] if len(i) > 1 else n["pads"]
    if len(i) > 3 and i[3] is not None:
        raise Lacking("axes")
    if min(amounts) < 0 or mode == "wrap":
        raise Lacking("%s of %s" % (mode, amounts))
    rank = x.dim()
    if mode == "constant":
        return padded(x, amounts[:rank], amounts[rank:], float(i[2]) if len(i) > 2 and i[2] is not None else 0.0)
    for a in range(rank):
        size = x.shape[a]
        at = torch.arange(-amounts[a], size + amounts[rank + a])
        at = at.clamp(0, size - 1) if mode == "edge" else (size - 1 - (at.abs() - (size - 1)).abs())
        x = x.index_select(a, at)
    return x


def cut(n, i):
    x = i[0]
    starts, ends = ([int(v) for v in i[k]] if len(i) > k else n[name] for k, name in ((1, "starts"), (2, "ends")))
    axes = [int(v) for v in i[3]] if len(i) > 3 and i[3] is not None else n.get("axes") or list(range(len(starts)))
    steps = [int(v) for v in i[4]] if len(i) > 4 and i[4] is not None else [1] * len(starts)
    for s, e, a, k in zip(starts, ends, axes, steps):
        x = x.index_select(a % x.dim(), torch.tensor(list(range(x.shape[a]))[s:e if k > 0 or e >= -x.shape[a] else None:k], dtype=torch.int64))
    return x


def gather(n, i):
    a = n.get("axis", 0) % i[0].dim()
    at = torch.where(i[1] < 0, i[1] + i[0].shape[a], i[1]).long()
    y = i[0].index_select(a, at.reshape(-1))
    return y.reshape(i[0].shape[:a] + at.shape + i[0].shape[a + 1:])


def flatten(n, i):
    a = n.get("axis", 1)
    a = a + i[0].dim() if a < 0 else a
    return i[0].reshape(int(np.prod(i[0].shape[:a])), -1) if i[0].numel() else i[0].reshape(int(np.prod(i[0].shape[:a])), 0)


def reshape(n, i):
    want = [int(v) for v in i[1]] if len(i) > 1 else n["shape"]
    return i[0].reshape([i[0].shape[k] if v == 0 and not n.get("allowzero") else v for k, v in enumerate(want)])


def depth_to_space(n, i):
    x, b = i[0], n["blocksize"]
    if n.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, b)
    s, c, h, w = x.shape
    return x.reshape(s, b, b, c // b // b, h, w).permute(0, 3, 4, 1, 5, 2).reshape(s, c // b // b, h * b, w * b)


def clip(n, i):
    low = i[1] if len(i) > 1 else n.get("min")
    high = i[2] if len(i) > 2 else n.get("max")
    y = i[0]
    y = y if low is None else torch.maximum(y, torch.as_tensor(low, dtype=y.dtype))
    return y if high is None else torch.minimum(y, torch.as_tensor(high, dtype=y.dtype))


def cum_sum(n, i):
    if n.get("exclusive"):
        raise Lacking("exclusive")
    a = int(i[1])
    if n.get("reverse"):
        return torch.flip(torch.cumsum(torch.flip(i[0], [a]), a), [a])
    return torch.cumsum(i[0], a)


def grid_sample(n, i):
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(n.get("mode", "bilinear"), n.get("mode", "bilinear"))
    return F.grid_sample(i[0], i[1], mode, n.get("padding_mode", "zeros"), bool(n.get("align_corners", 0)))


GATES = {"RNN_TANH": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}  # PyTorch's order of ONNX's gates


def recurrent(kind):
    def run(n, i):
        x, w, r = i[:3]
        b = i[3] if len(i) > 3 else None
        if any(v is not None for v in i[4:]) or n.get("clip") or n.get("input_forget") or n.get("activations") or n.get("layout"):
            raise Lacking("more than sequences and weights")
        if kind == "GRU" and not n.get("linear_before_reset"):
            raise Lacking("linear_before_reset 0")
        direction = n.get("direction", "forward")
        if direction == "reverse":
            raise Lacking("reverse")
        hidden = n["hidden_size"]
        order = lambda m: torch.cat([m.reshape(len(GATES[kind]), hidden, -1)[g] for g in GATES[kind]])
        weights = []
        for d in range(w.shape[0]):
            half = len(GATES[kind]) * hidden
            weights += [order(w[d]), order(r[d])]
            weights += [order(b[d, :half]).reshape(-1), order(b[d, half:]).reshape(-1)] if b is not None else []
        start = torch.zeros(w.shape[0], x.shape[1], hidden)
        f = {"RNN_TANH": torch.rnn_tanh, "GRU": torch.gru, "LSTM": torch.lstm}[kind]
        y = f(x, (start, start) if kind == "LSTM" else start, weights, b is not None, 1, 0.0, False, direction == "bidirectional", False)
        s = y[0].reshape(x.shape[0], x.shape[1], w.shape[0], hidden).permute(0, 2, 1, 3)
        return (s,) + tuple(y[1:])
    return run


def attention(n, i):
    if len(i) > 4 or n.get("softcap") or n.get("qk_matmul_output_mode") or i[0].dim() != 4:
        raise Lacking("more than a mask of numbers")
    q, k, v = i[:3]
    scale = n.get("scale") or 1 / np.sqrt(q.shape[-1])
    s = torch.matmul(q * float(np.sqrt(scale)), k.transpose(-1, -2) * float(np.sqrt(scale)))
    if n.get("is_causal"):
        s = s.masked_fill(torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril().logical_not(), float("-inf"))
    if len(i) > 3 and i[3] is not None:
        if i[3].dtype == torch.bool:
            raise Lacking("a mask of booleans")
        s = s + i[3]
    return torch.matmul(torch.softmax(s, -1), v)


def folded(f):
    def run(n, i):
        y = i[0]
        for x in i[1:]:
            y = f(y, x)
        return y
    return run


def unary(f):
    return lambda n, i: f(i[0])


def compared(f):
    return lambda n, i: f(i[0], i[1])


def squeeze(n, i):
    axes = axes_of(n, i)
    if axes is None:
        return i[0].squeeze()
    return i[0].reshape([d for a, d in enumerate(i[0].shape) if a not in [k % i[0].dim() for k in axes]])


def unsqueeze(n, i):
    axes = axes_of(n, i)
    rank = i[0].dim() + len(axes)
    rest = iter(i[0].shape)
    new = [k % rank for k in axes]
    return i[0].reshape([1 if a in new else next(rest) for a in range(rank)])


OPERATORS = {
    "Abs": unary(torch.abs), "Acos": unary(torch.acos), "Acosh": unary(torch.acosh), "Asin": unary(torch.asin), "Asinh": unary(torch.asinh),
    "Atan": unary(torch.atan), "Atanh": unary(torch.atanh), "Ceil": unary(torch.ceil), "Cos": unary(torch.cos), "Cosh": unary(torch.cosh),
    "Erf": unary(torch.erf), "Exp": unary(torch.exp), "Floor": unary(torch.floor), "Identity": unary(lambda x: x), "Log": unary(torch.log),
    "Neg": unary(torch.neg), "Reciprocal": unary(torch.reciprocal), "Relu": unary(F.relu), "Round": unary(torch.round),
    "Sigmoid": unary(torch.sigmoid), "Sign": unary(torch.sign), "Sin": unary(torch.sin), "Sinh": unary(torch.sinh),
    "Softsign": unary(F.softsign), "Sqrt": unary(torch.sqrt), "Tan": unary(torch.tan), "Tanh": unary(torch.tanh), "Not": unary(torch.logical_not),
    "Softplus": unary(F.softplus), "HardSwish": unary(F.hardswish), "Mish": unary(F.mish),
    "Celu": lambda n, i: F.celu(i[0], n.get("alpha", 1.0)), "Elu": lambda n, i: F.elu(i[0], n.get("alpha", 1.0)),
    "LeakyRelu": lambda n, i: F.leaky_relu(i[0], n.get("alpha", 0.01)),
    "Selu": lambda n, i: F.elu(i[0], n.get("alpha", 1.67326319217681884765625)) * n.get("gamma", 1.05070102214813232421875),
    "HardSigmoid": lambda n, i: torch.clamp(i[0] * n.get("alpha", 0.2) + n.get("beta", 0.5), 0, 1),
    "ThresholdedRelu": lambda n, i: F.threshold(i[0], n.get("alpha", 1.0), 0.0),
    "Gelu": gelu,
    "Add": compared(torch.add), "Sub": compared(torch.sub), "Mul": compared(torch.mul),
    "Pow": lambda n, i: torch.pow(i[0], i[1]).to(i[0].dtype),
    "Div": lambda n, i: torch.div(i[0], i[1], rounding_mode=None if i[0].is_floating_point() else "trunc"),
    "PRelu": lambda n, i: torch.where(i[0] < 0, i[0] * i[1], i[0]),
    "Max": folded(torch.maximum), "Min": folded(torch.minimum), "Sum": folded(torch.add),
    "Mean": lambda n, i: folded(torch.add)(n, i) / len(i),
    "Equal": compared(torch.eq), "Less": compared(torch.lt), "Greater": compared(torch.gt), "LessOrEqual": compared(torch.le),
    "GreaterOrEqual": compared(torch.ge), "And": compared(torch.logical_and), "Or": compared(torch.logical_or), "Xor": compared(torch.logical_xor),
    "Where": lambda n, i: torch.where(i[0], i[1], i[2]),
    "ReduceL1": reduction(lambda x, a, k: torch.sum(torch.abs(x), a, k)), "ReduceL2": reduction(lambda x, a, k: torch.linalg.vector_norm(x, 2, a, k)),
    "ReduceLogSum": reduction(lambda x, a, k: torch.log(torch.sum(x, a, k))), "ReduceLogSumExp": reduction(torch.logsumexp),
    "ReduceMax": reduction(torch.amax), "ReduceMin": reduction(torch.amin), "ReduceMean": reduction(torch.mean), "ReduceProd": reduction(product),
    "ReduceSum": reduction(torch.sum), "ReduceSumSquare": reduction(lambda x, a, k: torch.sum(x * x, a, k)),
    "MatMul": compared(torch.matmul), "Gemm": gemm, "Conv": conv, "ConvTranspose": conv_transpose,
    "MaxPool": pool(max_pool, float("-inf")), "AveragePool": pool(average_pool, 0.0),
    "GlobalAveragePool": lambda n, i: torch.mean(i[0], list(range(2, i[0].dim())), True),
    "GlobalMaxPool": lambda n, i: torch.amax(i[0], list(range(2, i[0].dim())), True),
    "BatchNormalization": batch_norm, "LayerNormalization": layer_norm, "RMSNormalization": rms_norm,
    "InstanceNormalization": lambda n, i: F.instance_norm(i[0], None, None, i[1], i[2], True, 0.0, n.get("epsilon", 1e-5)),
    "LRN": lambda n, i: F.local_response_norm(i[0], n["size"], n.get("alpha", 1e-4), n.get("beta", 0.75), n.get("bias", 1.0)),
    "Softmax": softmax(torch.softmax), "LogSoftmax": softmax(torch.log_softmax),
    "Transpose": lambda n, i: i[0].permute(n.get("perm") or list(reversed(range(i[0].dim())))), "Flatten": flatten, "Reshape": reshape,
    "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Pad": pad, "Slice": cut, "Concat": lambda n, i: torch.cat(i, n["axis"]), "Gather": gather,
    "DepthToSpace": depth_to_space, "CumSum": cum_sum, "Clip": clip, "GridSample": grid_sample, "Expand": lambda n, i: i[0] * torch.ones([int(v) for v in i[1]], dtype=i[0].dtype),
    "Einsum": lambda n, i: torch.einsum(n["equation"].lower(), *i),
    "RNN": recurrent("RNN_TANH"), "GRU": recurrent("GRU"), "LSTM": recurrent("LSTM"), "Attention": attention,
}

graph = opset = None


def unsupported(message):
    return None


def attributes(node):
    n = {"opset": opset}
    for a in node.attribute:
        v = helper.get_attribute_value(a)
        n[a.name] = v.decode() if isinstance(v, bytes) else list(v) if not isinstance(v, (int, float, onnx.TensorProto)) else v
    return n


def open_model(h, model):
    global graph, opset
    m = onnx.load_from_string(model)
    graph, opset = m.graph, next((o.version for o in m.opset_import if o.domain in ("", "ai.onnx")), 1)
    torch.set_num_threads(max(1, h.get("threads", 1)))
    for n in graph.node:
        if n.domain not in ("", "ai.onnx") or n.op_type not in OPERATORS and n.op_type != "Constant":
            raise Lacking("%s is not among the operators of this interpreter" % n.op_type)
        if opset < 7:
            raise Lacking("opset %d" % opset)


def run_model(h, feeds):
    def run():
        v = {t.name: tensor(numpy_helper.to_array(t)) for t in graph.initializer}
        v.update((name, tensor(a)) for name, a in feeds.items())
        with torch.no_grad():
            for node in graph.node:
                n = attributes(node)
                if node.op_type == "Constant":
                    if "value" not in n:
                        raise Lacking("Constant of another kind")
                    v[node.output[0]] = tensor(numpy_helper.to_array(n["value"]))
                    continue
                i = [v[name] if name else None for name in node.input]
                while i and i[-1] is None:
                    i.pop()
                try:
                    y = OPERATORS[node.op_type](n, i)
                except (RuntimeError, TypeError, NotImplementedError) as e:
                    raise Lacking("%s: %s" % (node.op_type, e))  # a type or rank that PyTorch does not take
                y = y if isinstance(y, tuple) else (y,)
                if len(node.output) > len(y):
                    raise Lacking("%s: %d outputs" % (node.op_type, len(node.output)))
                for name, value in zip(node.output, y):
                    v[name] = value
        return [v[o.name].numpy() for o in graph.output]

    results, nanos = timed(h, run)
    return zip((o.name for o in graph.output), results), nanos


serve(np, "torch " + torch.__version__, open_model, run_model, unsupported)
