package reference

import (
	"math"
)

// opCeil rounds up. ONNX Ceil, opset 1, 6, 13.
var opCeil = unary("Ceil", ceilFunction)

var ceilFunction = function{f: math.Ceil, steps: true, change: monotone(math.Ceil)}
