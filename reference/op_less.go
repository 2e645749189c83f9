package reference

// opLess is A < B. ONNX Less, opset 1, 7, 9, 13.
var opLess = comparison("Less", less, less, less)

func less[T numeral](x, y T) bool { return x < y }
