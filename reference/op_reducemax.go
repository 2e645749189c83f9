package reference

import "slices"

// opReduceMax is the maximum along axes. ONNX ReduceMax, opset 1, 11, 12, 13, 18,
// 20.
var opReduceMax = reducer(reduction{
	name:   "ReduceMax",
	number: func(_ format, x []number) number { return maximum(x) },
	ints:   slices.Max[[]int64], uints: slices.Max[[]uint64],
	empty: lowest, orders: true,
})
