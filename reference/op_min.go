package reference

// opMin is the smallest of its inputs, element by element. ONNX Min, opset 1, 6,
// 8, 12, 13.
var opMin = variadic("Min", func(_ *call, _ format, terms []number) number {
	m := terms[0]
	for _, t := range terms[1:] {
		m = smaller(m, t)
	}
	return m
}, func(x, y int64) int64 { return min(x, y) }, func(x, y uint64) uint64 { return min(x, y) })
