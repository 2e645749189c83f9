package reference

import (
	"math"
)

// opAsin is the inverse sine. ONNX Asin, opset 7, 22.
var opAsin = unary("Asin", asinFunction)

var asinFunction = function{f: math.Asin, change: bySlope(arcSlope), declared: declared("Asin")}
