package reference

// opAnd is A and B. ONNX And, opset 1, 7.
var opAnd = logical("And", func(x, y bool) bool { return x && y })
