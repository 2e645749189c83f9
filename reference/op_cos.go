package reference

import (
	"math"
)

// opCos is the cosine. ONNX Cos, opset 7, 22.
var opCos = unary("Cos", cosFunction)

var cosFunction = function{f: math.Cos, declared: declared("Cos"), change: func(x, e float64) float64 {
	return min(2, e*min(1, math.Abs(math.Sin(x))+e))
}}
