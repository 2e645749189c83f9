package reference

import (
	"math"
)

// opIsNaN is true for NaN. ONNX IsNaN, opset 9, 13, 20.
var opIsNaN = operator{
	name: "IsNaN",
	eval: single(func(c *call) *Value { return c.classify(c.in[0], math.IsNaN) }),
}
