"""Prints every operator version that the onnx package knows, one per line:
domain, name, since, deprecated, arities, inputs, outputs, attributes with their defaults, types."""
import re
import struct

import onnx
import onnx.defs


def plain(t):
    return re.sub(r"(?<![a-z_])tensor\((\w+)\)", r"\1", t.replace(" ", ""))


def params(ps):
    mark = {"Single": "", "Optional": "?", "Variadic": "..."}
    out = []
    for p in ps:
        option = str(p.option).rsplit(".", 1)[-1]
        out.append(p.name + " " + plain(p.typeStr) + mark[option] + ("" if p.isHomogeneous else "mixed"))
    return ",".join(out)


def default(d):
    """The default of an attribute, floats by their bits."""
    if not d.name:
        return ""
    v = onnx.helper.get_attribute_value(d)
    if isinstance(v, bool) or isinstance(v, int):
        return "=%d" % v
    if isinstance(v, float):
        return "=%08x" % struct.unpack("<I", struct.pack("<f", v))
    if isinstance(v, bytes):
        return "=" + v.decode()
    return "=[" + " ".join(e.decode() if isinstance(e, bytes) else str(e) for e in v) + "]"


def attrs(a):
    kinds = {}
    for n, s in a.items():
        kinds[n] = str(s.type).rsplit(".", 1)[-1] + ("!" if s.required else "") + default(s.default_value)
    return ",".join(n + " " + kinds[n] for n in sorted(kinds))


for s in onnx.defs.get_all_schemas_with_history():
    types = [c.type_param_str + " " + " ".join(sorted(plain(t) for t in c.allowed_type_strs)) for c in s.type_constraints]
    few = lambda n: "*" if n > 1 << 30 else str(n)
    print(
        s.domain or "ai.onnx",
        s.name,
        s.since_version,
        s.deprecated,
        " ".join(few(n) for n in (s.min_input, s.max_input, s.min_output, s.max_output)),
        params(s.inputs),
        params(s.outputs),
        attrs(s.attributes),
        "; ".join(sorted(types)),
        sep="\t",
    )
