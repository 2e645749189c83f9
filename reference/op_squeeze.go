package reference

import (
	"fmt"
	"slices"
)

// opSqueeze drops axes of length 1: those of attribute axes until opset 12, of
// input 1 from opset 13 on, all of them by default. ONNX Squeeze, opset 1, 11,
// 13, 21.
var opSqueeze = operator{
	name: "Squeeze", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axes, given := c.axesAt(1)
		axes = axesOf(axes, len(x.Dims))
		var dims []int
		for i, d := range x.Dims {
			switch {
			case !given && d == 1, slices.Contains(axes, i) && d == 1:
			case slices.Contains(axes, i):
				fail(fmt.Errorf("axis %d of shape %v, want one of length 1", i, x.Dims))
			default:
				dims = append(dims, d)
			}
		}
		return reshaped(x, dims)
	}),
}

// axesAt returns input i, or else attribute axes, and whether there is either.
func (c *call) axesAt(i int) ([]int, bool) {
	if axes, ok := c.intInput(i); ok {
		return axes, true
	}
	return c.intList("axes"), c.has("axes")
}
