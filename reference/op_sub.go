package reference

// opSub is A - B. ONNX Sub, opset 1, 6, 7, 13, 14.
var opSub = additive("Sub", plainly(format.sub, minus), minus, minus)

func minus[T numeral](x, y T) T { return x - y }
