package reference

// opReduceSumSquare is the sum of squares along axes. ONNX ReduceSumSquare,
// opset 1, 11, 13, 18.
var opReduceSumSquare = reducer(reduction{
	name: "ReduceSumSquare", plain: true,
	number: func(f format, x []number) number {
		return f.sumOf(convert(x, func(n number) number { return f.mul(n, n) }), 0)
	},
	ints: sumOfSquares[int64], uints: sumOfSquares[uint64],
})
