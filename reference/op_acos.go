package reference

import (
	"math"
)

// opAcos is the inverse cosine. ONNX Acos, opset 7, 22.
var opAcos = unary("Acos", acosFunction)

var acosFunction = function{f: math.Acos, change: bySlope(arcSlope), declared: declared("Acos")}

// arcSlope bounds the slope of arcsine and arccosine.
func arcSlope(lo, hi float64) float64 {
	m := farthest(lo, hi)
	if m >= 1 {
		return math.Inf(1)
	}
	return 1 / math.Sqrt((1-m)*(1+m))
}
