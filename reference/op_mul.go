package reference

// opMul is A B. ONNX Mul, opset 1, 6, 7, 13, 14.
var opMul = arithmetic("Mul", plainly(format.mul, multiply), multiply, multiply)

func multiply[T numeral](x, y T) T { return x * y }
