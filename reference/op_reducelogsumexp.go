package reference

import (
	"math"
)

// opReduceLogSumExp is the logarithm of the sum of exponentials along axes.
// ONNX ReduceLogSumExp, opset 1, 11, 13, 18.
var opReduceLogSumExp = reducer(reduction{
	name: "ReduceLogSumExp", lacks: integers,
	number: func(f format, x []number) number {
		m := maximum(x)
		if math.IsInf(m.v, 0) {
			return m
		}
		_, sum := f.exponentials(x)
		return f.add(logFunction.at(f, sum), m)
	},
	empty: lowest,
})
