package reference

// opAdd is A + B. ONNX Add, opset 1, 6, 7, 13, 14.
var opAdd = arithmetic("Add", format.add,
	func(x, y int64) (int64, error) { return x + y, nil },
	func(x, y uint64) (uint64, error) { return x + y, nil })
