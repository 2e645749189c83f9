package reference

// opReduceL1 is the sum of magnitudes along axes. ONNX ReduceL1, opset 1, 11, 13,
// 18.
var opReduceL1 = reducer(reduction{
	name: "ReduceL1", plain: true,
	number: func(f format, x []number) number { return f.sumOf(absolute(x), 0) },
	ints:   func(x []int64) int64 { return total(convert(x, func(v int64) int64 { return max(v, -v) })) },
	uints:  total[uint64],
})
