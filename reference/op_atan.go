package reference

import (
	"math"
)

// opAtan is the inverse tangent. ONNX Atan, opset 7, 22.
var opAtan = unary("Atan", atanFunction)

var atanFunction = function{f: math.Atan, declared: declared("Atan"), change: bySlope(func(lo, hi float64) float64 {
	n := nearest(lo, hi)
	return 1 / (1 + n*n)
})}
