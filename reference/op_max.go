package reference

// opMax is the largest of its inputs, element by element. ONNX Max, opset 1, 6,
// 8, 12, 13.
var opMax = variadic("Max", func(_ *call, _ format, terms []number) number {
	m := terms[0]
	for _, t := range terms[1:] {
		m = larger(m, t)
	}
	return m
}, func(x, y int64) int64 { return max(x, y) }, func(x, y uint64) uint64 { return max(x, y) })
