package reference

import (
	"math"
)

// opSinh is the hyperbolic sine. ONNX Sinh, opset 9, 22.
var opSinh = unary("Sinh", sinhFunction)

var sinhFunction = function{f: math.Sinh, declared: declared("Sinh"), change: bySlope(func(lo, hi float64) float64 {
	return math.Cosh(farthest(lo, hi))
})}
