package reference

// opGreaterOrEqual is A >= B. ONNX GreaterOrEqual, opset 12, 16.
var opGreaterOrEqual = comparison("GreaterOrEqual",
	func(x, y float64) bool { return x >= y },
	func(x, y int64) bool { return x >= y },
	func(x, y uint64) bool { return x >= y })
