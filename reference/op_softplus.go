package reference

import (
	"math"
)

// opSoftplus is log(1 + exp(x)). ONNX Softplus, opset 1, 22.
var opSoftplus = unary("Softplus", softplusFunction)

var softplusFunction = function{f: softplus, declared: declared("Softplus"), change: bySlope(func(_, hi float64) float64 { return sigmoid(hi) })}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
