package reference

import (
	"math"
)

// opSigmoid is 1 / (1 + exp(-x)). ONNX Sigmoid, opset 1, 6, 13.
var opSigmoid = unary("Sigmoid", sigmoidFunction)

var sigmoidFunction = function{f: sigmoid, declared: declared("Sigmoid"), change: bySlope(func(lo, hi float64) float64 {
	s := sigmoid(-nearest(lo, hi))
	return s * (1 - s)
})}

func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}
