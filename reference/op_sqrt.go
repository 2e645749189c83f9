package reference

import (
	"math"
)

// opSqrt is the square root. ONNX Sqrt, opset 1, 6, 13.
var opSqrt = unary("Sqrt", sqrtFunction)

var sqrtFunction = function{f: math.Sqrt, declared: declared("Sqrt"), change: func(x, e float64) float64 {
	// |sqrt x' - sqrt x| = |x'-x| / (sqrt x' + sqrt x), and x' may be negative.
	switch {
	case e == 0:
		return 0
	case x-e < 0:
		return math.Inf(1)
	}
	return e / (math.Sqrt(x) + math.Sqrt(x-e))
}}
