package reference

import (
	"math"
)

// opExp is the exponential. ONNX Exp, opset 1, 6, 13.
var opExp = unary("Exp", expFunction)

var expFunction = function{f: math.Exp, declared: declared("Exp"), change: bySlope(func(_, hi float64) float64 { return math.Exp(hi) })}
