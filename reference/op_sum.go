package reference

// opSum is the sum of its inputs, element by element. ONNX Sum, opset 1, 6, 8,
// 13.
var opSum = variadic("Sum", func(_ *call, f format, terms []number) number {
	return f.sumOf(terms, 0)
}, nil, nil)
