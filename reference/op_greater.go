package reference

// opGreater is A > B. ONNX Greater, opset 1, 7, 9, 13.
var opGreater = comparison("Greater", above, above, above)

func above[T numeral](x, y T) bool { return x > y }
