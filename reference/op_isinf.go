package reference

import (
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opIsInf is true for infinities of the signs requested. ONNX IsInf, opset 10,
// 20.
var opIsInf = operator{
	name: "IsInf",
	eval: single(func(c *call) *Value {
		negative, positive := c.int("detect_negative") != 0, c.int("detect_positive") != 0
		return c.classify(c.in[0], func(x float64) bool {
			return positive && math.IsInf(x, 1) || negative && math.IsInf(x, -1)
		})
	}),
}

// classify asks for a property of every element that rounding cannot change,
// unless the element has no bound.
func (c *call) classify(x *Value, is func(float64) bool) *Value {
	out := c.zeros(pb.TensorProto_BOOL, x.Sound != nil, x.Dims...)
	for i, v := range x.floats() {
		elems[bool](out)[i] = is(v)
		if n := x.figures(i); math.IsInf(n.sound, 1) {
			n.spread = 0
			n.sound = 1
			n.declared = min(1, n.declared)
			out.setFigures(i, n)
		}
	}
	return out
}
