package reference

import (
	"math"
)

// opTan is the tangent. ONNX Tan, opset 7, 22.
var opTan = unary("Tan", tanFunction)

var tanFunction = function{f: math.Tan, declared: declared("Tan"), change: func(x, e float64) float64 {
	// The slope is 1/cos², and the cosine moves by no more than e.
	least := math.Abs(math.Cos(x)) - e
	if e == 0 || least <= 0 {
		return times(math.Inf(1), e)
	}
	return e / (least * least)
}}
