package reference

// opReduceSum is the sum along axes. ONNX ReduceSum, opset 1, 11, 13.
var opReduceSum = reducer(reduction{
	name: "ReduceSum", plain: true,
	number: func(f format, x []number) number { return f.sumOf(x, 0) },
	ints:   total[int64], uints: total[uint64],
})
