package reference

import (
	"errors"
	"slices"
)

// opUnsqueeze inserts axes of length 1 at positions of the result: attribute
// axes until opset 12, input 1 from opset 13 on. ONNX Unsqueeze, opset 1, 11,
// 13, 21.
var opUnsqueeze = operator{
	name: "Unsqueeze", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axes, given := c.axesAt(1)
		if !given {
			fail(errors.New("no axes"))
		}
		rank := len(x.Dims) + len(axes)
		axes = axesOf(axes, rank)
		dims, rest := make([]int, rank), x.Dims
		for i := range dims {
			if slices.Contains(axes, i) {
				dims[i] = 1
				continue
			}
			dims[i], rest = rest[0], rest[1:]
		}
		return reshaped(x, dims)
	}),
}
