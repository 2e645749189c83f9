package reference

import (
	"math"
)

// opAsinh is the inverse hyperbolic sine. ONNX Asinh, opset 9, 22.
var opAsinh = unary("Asinh", asinhFunction)

var asinhFunction = function{f: math.Asinh, declared: declared("Asinh"), change: bySlope(func(lo, hi float64) float64 {
	return 1 / math.Hypot(1, nearest(lo, hi))
})}
