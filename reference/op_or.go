package reference

// opOr is A or B. ONNX Or, opset 1, 7.
var opOr = logical("Or", func(x, y bool) bool { return x || y })
