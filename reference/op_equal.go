package reference

// opEqual is A = B. ONNX Equal, opset 1, 7, 11, 13, 19.
var opEqual = comparison("Equal",
	func(x, y float64) bool { return x == y },
	func(x, y int64) bool { return x == y },
	func(x, y uint64) bool { return x == y })
