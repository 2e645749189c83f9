package reference

import (
	"math"
)

// opThresholdedRelu is x for x > alpha and 0 below. ONNX ThresholdedRelu, opset
// 10, 22.
var opThresholdedRelu = operator{
	name: "ThresholdedRelu",
	eval: single(func(c *call) *Value {
		alpha := c.float("alpha")
		return c.mapNumbers(c.in[0], func(x number) number {
			y := x
			if !(x.v > alpha) {
				y = exact(0)
			}
			return jump(y, x, math.Abs(x.v-alpha), math.Abs(alpha))
		})
	}),
}
