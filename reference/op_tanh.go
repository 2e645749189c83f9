package reference

import (
	"math"
)

// opTanh is the hyperbolic tangent. ONNX Tanh, opset 1, 6, 13.
var opTanh = unary("Tanh", tanhFunction)

var tanhFunction = function{f: math.Tanh, declared: declared("Tanh"), change: bySlope(func(lo, hi float64) float64 {
	t := math.Tanh(nearest(lo, hi))
	return (1 - t) * (1 + t)
})}
