# ONNX Runtime's C library through ctypes, behind driver.py.
import ctypes

(np,) = load(("numpy",), "pip install numpy", "reinstall the package numpy")

FILES = {"nt": ("onnxruntime.dll",)}.get(os.name, ("libonnxruntime.so.1", "libonnxruntime.so", "libonnxruntime.dylib"))


def library():
    """The first library of the folders that were named, else the one that the system finds."""
    for folder in sys.argv[1:]:
        for path in (os.path.join(folder, f) for f in FILES):
            if os.path.exists(path):
                try:
                    return ctypes.CDLL(path)
                except OSError as e:
                    send({"hello": 1, "error": "%s cannot load %s: %s" % (python(), path, e)})
                    sys.exit(0)
    for name in FILES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            pass
    send({"hello": 1, "missing": "%s found no %s" % (python(), " or ".join(FILES)), "remedy": "name its folder in ORT_LIB_LOCATION"})
    sys.exit(0)


class Base(ctypes.Structure):
    _fields_ = [("get_api", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)), ("version", ctypes.CFUNCTYPE(ctypes.c_char_p))]


# Places in struct OrtApi of onnxruntime_c_api.h, which only grows at its end.
API_VERSION = 11
PLACES = {
    "GetErrorMessage": 2, "CreateEnv": 3, "DisableTelemetryEvents": 6, "CreateSession": 7, "CreateSessionFromArray": 8, "Run": 9,
    "CreateSessionOptions": 10, "SetSessionGraphOptimizationLevel": 23, "SetIntraOpNumThreads": 24, "SetInterOpNumThreads": 25,
    "SessionGetOutputCount": 31, "SessionGetOutputName": 37, "CreateTensorAsOrtValue": 48, "CreateTensorWithDataAsOrtValue": 49,
    "GetTensorMutableData": 51, "FillStringTensor": 52, "GetStringTensorDataLength": 53, "GetStringTensorContent": 54,
    "GetTensorElementType": 60, "GetDimensionsCount": 61, "GetDimensions": 62, "GetTensorTypeAndShape": 65, "GetValueType": 67,
    "CreateCpuMemoryInfo": 69, "AllocatorFree": 76, "GetAllocatorWithDefaultOptions": 78, "ReleaseStatus": 93, "ReleaseSession": 95,
    "ReleaseValue": 96, "ReleaseTensorTypeAndShapeInfo": 99, "ReleaseSessionOptions": 100,
}
# ONNXTensorElementDataType
CODES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11,
    "uint32": 12, "uint64": 13,
}
STRING, TENSOR = 8, 1
LEVELS = {"off": 0, "basic": 1, "extended": 2, "all": 99}

onnxruntime = library()
onnxruntime.OrtGetApiBase.restype = ctypes.POINTER(Base)
base = onnxruntime.OrtGetApiBase().contents
api = base.get_api(API_VERSION)
if not api:
    send({"hello": 1, "error": "ONNX Runtime %s is too old: its C library has no API of version %d" % (base.version().decode(), API_VERSION)})
    sys.exit(0)
table = ctypes.cast(api, ctypes.POINTER(ctypes.c_void_p))


def function(name, result=ctypes.c_void_p):
    return ctypes.CFUNCTYPE(result)(table[PLACES[name]])


def plain(arg):
    """Whole numbers go as 64 bits: no argument is wider, and narrower ones ignore the rest."""
    return ctypes.c_int64(arg) if isinstance(arg, int) else arg


def call(name, *args):
    """Calls a function that gives a status, and raises its message unless it is the null of success."""
    status = function(name)(*map(plain, args))
    if status:
        message = function("GetErrorMessage", ctypes.c_char_p)(ctypes.c_void_p(status)).decode(errors="replace")
        function("ReleaseStatus", None)(ctypes.c_void_p(status))
        raise RuntimeError(message)


def made(name, *args, of=ctypes.c_void_p):
    """What a function writes to its last argument."""
    result = of()
    call(name, *args, ctypes.byref(result))
    return result


def release(what, handle):
    function("Release" + what, None)(handle)


env = made("CreateEnv", 3, b"petrify")
call("DisableTelemetryEvents", env)
memory = made("CreateCpuMemoryInfo", 0, 0)  # OrtDeviceAllocator, OrtMemTypeDefault
allocator = made("GetAllocatorWithDefaultOptions")
session, outputs = None, []


def open_model(h, model):
    global session, outputs
    if (h.get("provider") or "cpu").lower() != "cpu":
        raise ValueError("no execution provider is called %s: the C library is asked for its own, cpu" % h["provider"])
    if session:
        release("Session", session)
        session = None
    options = made("CreateSessionOptions")
    try:
        call("SetIntraOpNumThreads", options, h.get("threads", 1))
        call("SetInterOpNumThreads", options, 1)
        call("SetSessionGraphOptimizationLevel", options, LEVELS[h.get("optimization") or "all"])
        if h.get("file"):
            path = os.path.abspath(h["file"])
            path = ctypes.c_wchar_p(path) if os.name == "nt" else os.fsencode(path)
            session = made("CreateSession", env, path, options)
        else:
            session = made("CreateSessionFromArray", env, model, len(model), options)
    finally:
        release("SessionOptions", options)
    outputs = []
    for i in range(made("SessionGetOutputCount", session, of=ctypes.c_size_t).value):
        name = made("SessionGetOutputName", session, i, allocator)
        outputs.append(ctypes.string_at(name))
        call("AllocatorFree", allocator, name)
    return ""


def value_of(a):
    """A tensor of the library; those of numbers read the array's own memory."""
    shape = (ctypes.c_int64 * max(1, a.ndim))(*a.shape)
    if a.dtype == object:
        value = made("CreateTensorAsOrtValue", allocator, shape, a.ndim, STRING)
        words = (ctypes.c_char_p * max(1, a.size))(*(s.encode() for s in a.flat))
        call("FillStringTensor", value, words, a.size)
        return value
    return made("CreateTensorWithDataAsOrtValue", memory, ctypes.c_void_p(a.ctypes.data), a.nbytes, shape, a.ndim, CODES[a.dtype.name])


def array_of(name, value):
    if made("GetValueType", value, of=ctypes.c_int).value != TENSOR:
        raise Lacking("output %r is no tensor" % name)
    info = made("GetTensorTypeAndShape", value)
    try:
        code = made("GetTensorElementType", info, of=ctypes.c_int).value
        rank = made("GetDimensionsCount", info, of=ctypes.c_size_t).value
        dims = (ctypes.c_int64 * max(1, rank))()
        call("GetDimensions", info, dims, rank)
    finally:
        release("TensorTypeAndShapeInfo", info)
    shape = tuple(dims[:rank])
    count = int(np.prod(shape, dtype=np.int64))
    if code == STRING:
        size = made("GetStringTensorDataLength", value, of=ctypes.c_size_t).value
        text, starts = ctypes.create_string_buffer(max(1, size)), (ctypes.c_size_t * max(1, count))()
        call("GetStringTensorContent", value, text, size, starts, count)
        ends = list(starts[1:count]) + [size]
        return np.array([text.raw[a:b].decode() for a, b in zip(starts, ends)][:count], dtype=object).reshape(shape)
    types = [t for t, c in CODES.items() if c == code]
    if not types:
        raise Lacking("output %r: no NumPy type for ONNX Runtime's element type %d" % (name, code))
    dtype = np.dtype(types[0])
    data = made("GetTensorMutableData", value)
    raw = ctypes.string_at(data, count * dtype.itemsize) if count else b""
    return np.frombuffer(raw, dtype).reshape(shape)


def run_model(h, feeds):
    if session is None:
        raise ValueError("run before open")
    arrays = [np.ascontiguousarray(a).reshape(a.shape) for a in feeds.values()]
    values, results = [], (ctypes.c_void_p * max(1, len(outputs)))()

    def clear():
        for i, v in enumerate(results):
            if v:
                release("Value", ctypes.c_void_p(v))
                results[i] = None

    def run():
        clear()
        names = (ctypes.c_char_p * max(1, len(feeds)))(*(n.encode() for n in feeds))
        handles = (ctypes.c_void_p * max(1, len(values)))(*(v.value for v in values))
        wanted = (ctypes.c_char_p * max(1, len(outputs)))(*outputs)
        call("Run", session, None, names, handles, len(values), wanted, len(outputs), results)

    try:
        for a in arrays:
            values.append(value_of(a))
        _, nanos = timed(h, run)
        return [(n.decode(), array_of(n.decode(), ctypes.c_void_p(v))) for n, v in zip(outputs, results)], nanos
    finally:
        clear()
        for v in values:
            release("Value", v)


serve(np, "onnxruntime C library " + base.version().decode(), open_model, run_model, unsupported)
