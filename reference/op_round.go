package reference

import (
	"math"
)

// opRound rounds to the nearest integer, ties to even. ONNX Round, opset 11, 22.
var opRound = unary("Round", roundFunction)

var roundFunction = function{f: math.RoundToEven, steps: true, change: monotone(math.RoundToEven)}
