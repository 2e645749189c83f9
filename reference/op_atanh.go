package reference

import (
	"math"
)

// opAtanh is the inverse hyperbolic tangent. ONNX Atanh, opset 9, 22.
var opAtanh = unary("Atanh", atanhFunction)

var atanhFunction = function{f: math.Atanh, declared: declared("Atanh"), change: bySlope(func(lo, hi float64) float64 {
	m := farthest(lo, hi)
	if m >= 1 {
		return math.Inf(1)
	}
	return 1 / ((1 - m) * (1 + m))
})}
