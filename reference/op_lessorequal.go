package reference

// opLessOrEqual is A <= B. ONNX LessOrEqual, opset 12, 16.
var opLessOrEqual = comparison("LessOrEqual", atMost, atMost, atMost)

func atMost[T numeral](x, y T) bool { return x <= y }
