package reference

import (
	"math"
)

// opErf is the error function. ONNX Erf, opset 9, 13.
var opErf = erfOf()

func erfOf() operator {
	op := unary("Erf", erfFunction)
	op.in = []port{lacking(integers)}
	return op
}

var erfFunction = function{f: math.Erf, declared: declared("Erf"), change: bySlope(func(lo, hi float64) float64 {
	n := nearest(lo, hi)
	return 2 / math.SqrtPi * math.Exp(-n*n)
})}
