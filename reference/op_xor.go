package reference

// opXor is either A or B. ONNX Xor, opset 1, 7.
var opXor = logical("Xor", func(x, y bool) bool { return x != y })
