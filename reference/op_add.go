package reference

// opAdd is A + B. ONNX Add, opset 1, 6, 7, 13, 14.
var opAdd = additive("Add", plainly(format.add, func(x, y float64) float64 { return x + y }),
	func(x, y int64) int64 { return x + y },
	func(x, y uint64) uint64 { return x + y })
