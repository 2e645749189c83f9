package reference

// opMean is the mean of its inputs, element by element. ONNX Mean, opset 1, 6,
// 8, 13.
var opMean = variadic("Mean", func(_ *call, f format, terms []number) number {
	return f.meanOf(terms, len(terms))
}, nil, nil)
