package reference

// opAdd is A + B. ONNX Add, opset 1, 6, 7, 13, 14.
var opAdd = additive("Add", plainly(format.add, plus), plus, plus)

func plus[T numeral](x, y T) T { return x + y }
