package reference

import (
	"math"
)

// opRelu is max(0, x). ONNX Relu, opset 1, 6, 13, 14.
var opRelu = operator{
	name: "Relu",
	eval: single(func(c *call) *Value {
		if floats&setOf(c.in[0]) == 0 {
			return c.mapInts(c.in[0], func(v int64) int64 { return max(v, 0) }, nil)
		}
		return c.mapNumbers(c.in[0], relu)
	}),
}

func relu(x number) number {
	if math.IsNaN(x.v) {
		return x
	}
	y := larger(x, exact(0))
	y.v = max(x.v, 0)
	return y
}
