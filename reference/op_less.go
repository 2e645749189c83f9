package reference

// opLess is A < B. ONNX Less, opset 1, 7, 9, 13.
var opLess = comparison("Less",
	func(x, y float64) bool { return x < y },
	func(x, y int64) bool { return x < y },
	func(x, y uint64) bool { return x < y })
