"""Prints every operator version that the onnx package knows, one per line:
domain, name, since, deprecated, arities, inputs, outputs, attributes, types."""
import re

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


def attrs(a):
    kinds = {n: str(s.type).rsplit(".", 1)[-1] + ("!" if s.required else "") for n, s in a.items()}
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
