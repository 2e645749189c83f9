package reference

import (
	"math"
)

// opSin is the sine. ONNX Sin, opset 7, 22.
var opSin = unary("Sin", sinFunction)

var sinFunction = function{f: math.Sin, declared: declared("Sin"), change: func(x, e float64) float64 {
	return min(2, e*min(1, math.Abs(math.Cos(x))+e))
}}
