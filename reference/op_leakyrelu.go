package reference

import (
	"math"
)

// opLeakyRelu is x for x >= 0 and alpha x below. ONNX LeakyRelu, opset 1, 6, 16.
var opLeakyRelu = operator{
	name: "LeakyRelu",
	eval: single(func(c *call) *Value {
		alpha, f := exact(c.float("alpha")), c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number { return f.leaky(x, alpha) })
	}),
}

// leaky is x for x >= 0 and slope x below.
func (f format) leaky(x, slope number) number {
	below := f.mul(x, slope)
	y := x
	if x.v < 0 {
		y = below
	}
	// Within its error x may be on the other side of zero, where the other
	// branch is no farther from y than the larger of both errors.
	if a := math.Abs(x.v); a <= x.sound {
		y.sound = max(x.sound, below.sound)
	}
	if a := math.Abs(x.v); a <= x.screen() {
		y.spread, y.declared = max(x.spread, below.spread), max(x.declared, below.declared)
	}
	return y
}
