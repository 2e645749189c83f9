package reference

// opSub is A - B. ONNX Sub, opset 1, 6, 7, 13, 14.
var opSub = additive("Sub", plainly(format.sub, func(x, y float64) float64 { return x - y }),
	func(x, y int64) int64 { return x - y },
	func(x, y uint64) uint64 { return x - y })
