package reference

// opMul is A B. ONNX Mul, opset 1, 6, 7, 13, 14.
var opMul = arithmetic("Mul", plainly(format.mul, func(x, y float64) float64 { return x * y }),
	func(x, y int64) int64 { return x * y },
	func(x, y uint64) uint64 { return x * y })
