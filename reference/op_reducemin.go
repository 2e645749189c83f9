package reference

import "slices"

// opReduceMin is the minimum along axes. ONNX ReduceMin, opset 1, 11, 12, 13, 18,
// 20.
var opReduceMin = reducer(reduction{
	name:   "ReduceMin",
	number: func(_ format, x []number) number { return neg(maximum(convert(x, neg))) },
	ints:   slices.Min[[]int64], uints: slices.Min[[]uint64],
	empty: highest, orders: true,
})
