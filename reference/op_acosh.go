package reference

import (
	"math"
)

// opAcosh is the inverse hyperbolic cosine. ONNX Acosh, opset 9, 22.
var opAcosh = unary("Acosh", acoshFunction)

var acoshFunction = function{f: math.Acosh, declared: declared("Acosh"), change: bySlope(func(lo, hi float64) float64 {
	if lo <= 1 {
		return math.Inf(1)
	}
	return 1 / math.Sqrt((lo-1)*(lo+1))
})}
