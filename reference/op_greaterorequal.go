package reference

// opGreaterOrEqual is A >= B. ONNX GreaterOrEqual, opset 12, 16.
var opGreaterOrEqual = comparison("GreaterOrEqual", atLeast, atLeast, atLeast)

func atLeast[T numeral](x, y T) bool { return x >= y }
