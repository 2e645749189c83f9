package reference

// opEqual is A = B. ONNX Equal, opset 1, 7, 11, 13, 19.
var opEqual = comparison("Equal", same, same, same)

func same[T numeral](x, y T) bool { return x == y }
