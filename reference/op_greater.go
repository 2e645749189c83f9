package reference

// opGreater is A > B. ONNX Greater, opset 1, 7, 9, 13.
var opGreater = comparison("Greater",
	func(x, y float64) bool { return x > y },
	func(x, y int64) bool { return x > y },
	func(x, y uint64) bool { return x > y })
