package reference

// opReduceMean is the mean along axes. ONNX ReduceMean, opset 1, 11, 13, 18.
var opReduceMean = reducer(reduction{
	name: "ReduceMean", plain: true,
	number: func(f format, x []number) number { return f.meanOf(x, len(x)) },
	ints:   func(x []int64) int64 { return total(x) / int64(len(x)) },
	uints:  func(x []uint64) uint64 { return total(x) / uint64(len(x)) },
	empty:  noIdentity,
})
