package reference

import (
	"math"
)

// opLog is the natural logarithm. ONNX Log, opset 1, 6, 13.
var opLog = unary("Log", logFunction)

var logFunction = function{f: math.Log, declared: declared("Log"), change: bySlope(func(lo, _ float64) float64 {
	if lo <= 0 {
		return math.Inf(1)
	}
	return 1 / lo
})}
