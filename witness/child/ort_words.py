# What ONNX Runtime says in words, whichever way Python calls it.
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
    if re.search("Unsupported model IR version|is under development and support for this is limited|Batchwise recurrent operations|Failed to construct locale", message):
        return {"why": message}
    return None


