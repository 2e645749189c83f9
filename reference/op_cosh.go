package reference

import (
	"math"
)

// opCosh is the hyperbolic cosine. ONNX Cosh, opset 9, 22.
var opCosh = unary("Cosh", coshFunction)

var coshFunction = function{f: math.Cosh, declared: declared("Cosh"), change: bySlope(func(lo, hi float64) float64 {
	return math.Sinh(farthest(lo, hi))
})}
