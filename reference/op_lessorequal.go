package reference

// opLessOrEqual is A <= B. ONNX LessOrEqual, opset 12, 16.
var opLessOrEqual = comparison("LessOrEqual",
	func(x, y float64) bool { return x <= y },
	func(x, y int64) bool { return x <= y },
	func(x, y uint64) bool { return x <= y })
