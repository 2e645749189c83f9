package reference

import (
	"math"
)

// opReduceL2 is the Euclidean norm along axes. ONNX ReduceL2, opset 1, 11, 13,
// 18.
var opReduceL2 = reducer(reduction{
	name:   "ReduceL2",
	number: func(f format, x []number) number { return f.norm(x, 2) },
	ints:   func(x []int64) int64 { return int64(math.Sqrt(float64(sumOfSquares(x)))) },
	uints:  func(x []uint64) uint64 { return uint64(math.Sqrt(float64(sumOfSquares(x)))) },
})

func sumOfSquares[T integer](x []T) T {
	return total(convert(x, func(v T) T { return v * v }))
}
